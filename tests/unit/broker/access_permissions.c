/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permissions, by tables: what a block allows and what it does not, every error and its place; and random lists against
 * the definition of matching, pattern by pattern.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tern/subject.h>

#include "conf_report.h"
#include "permissions.h"

/* ---- memory ---- */

static int allocations_left = -1; /* -1: no end */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool refuse(void) { return allocations_left >= 0 && allocations_left-- == 0; }
void *__wrap_malloc(size_t size) { return refuse() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return refuse() ? NULL : __real_calloc(count, size); }

/* ---- help ---- */

struct said {
  unsigned count;
  char first[700];
};

static void say(void *arg, bool warning, const char *text) {
  struct said *said = arg;
  assert_false(warning);
  if (said->count++ == 0) snprintf(said->first, sizeof said->first, "%s", text);
}

/* Reads `permissions: BLOCK`, so that the block begins in column 14. */
static int read_block(const char *block, struct permissions **out, struct said *said) {
  size_t room = strlen(block) + 32;
  char *text = __real_malloc(room);
  assert_non_null(text);
  int len = snprintf(text, room, "permissions: %s\n", block);
  struct conf *conf;
  struct conf_error error;
  if (conf_parse("test", text, (size_t)len, &conf, &error) != 0) fail_msg("%s", error.text);
  free(text);
  *said = (struct said){0};
  struct conf_report report = {.line = say, .arg = said};
  int result = permissions_read(conf_root(conf)->first, &report, out);
  conf_free(conf); /* nothing of it is kept */
  return result;
}

static struct permissions *made_of(const char *block) {
  struct permissions *permissions;
  struct said said;
  int error = read_block(block, &permissions, &said);
  if (error != 0) fail_msg("%s: %s", block, said.first);
  assert_int_equal(said.count, 0);
  return permissions;
}

static struct tern_slice slice(const char *text) { return (struct tern_slice){text, strlen(text)}; }

/* "filter" or "filter queue" */
static void cut(const char *text, struct tern_slice *filter, struct tern_slice *queue) {
  size_t len = strcspn(text, " ");
  *filter = (struct tern_slice){text, len};
  *queue = slice(text[len] == '\0' ? "" : text + len + 1);
}

/* ---- what is allowed ---- */

enum { MAX_WORDS = 12 };

static const struct allowed {
  const char *block;
  const char *publish[MAX_WORDS], *no_publish[MAX_WORDS];
  const char *subscribe[MAX_WORDS], *no_subscribe[MAX_WORDS];
} allowed[] = {
    {"{}", {"a", "a.b", "a.*", ">"}, {NULL}, {"a", ">", "a q", "a.b.>"}, {NULL}},
    /* one kind says nothing of the other */
    {"{publish: a}", {"a"}, {"b", "a.b", "", "a."}, {"a", "b", ">"}, {NULL}},
    {"{subscribe: a}", {"a", "b", ">"}, {NULL}, {"a", "a q"}, {"b", "b q", ">", "a.b"}},
    {"{publish: [a, b.*, c.>]}",
     {"a", "b.x", "c.x", "c.x.y", "c.*", "b.*", "b.>", "c.>"},
     {"b", "b.x.y", "c", "d", "*", ">"},
     {"d"},
     {NULL}},
    /* aliases, in any case */
    {"{pub: a, SUB: b}", {"a"}, {"b"}, {"b"}, {"a"}},
    {"{import: a, Export: {Allow: b}}", {"a"}, {"b"}, {"b"}, {"a"}},
    /* empty lists restrict nothing */
    {"{publish: [], subscribe: []}", {"a"}, {NULL}, {"a", ">"}, {NULL}},
    {"{publish: {}, subscribe: {allow: []}}", {"a"}, {NULL}, {"a", ">"}, {NULL}},
    {"{publish: {allow: [], deny: [x]}}", {"a"}, {"x"}, {"x"}, {NULL}},
    {"{publish: {deny: \"a.>\"}}", {"a", "b.a"}, {"a.b", "a.*", "a.b.c", "a.>"}, {"a.b"}, {NULL}},
    {"{publish: {allow: \"a.>\", deny: \"a.b\"}}", {"a.c", "a.*", "a.b.c"}, {"a.b", "b"}, {"a"}, {NULL}},
    {"{publish: {allow: \"a.b\", deny: \"a.*\"}}", {NULL}, {"a.b", "a.c"}, {"a"}, {NULL}},
    /* `*` in a longer token is no wildcard */
    {"{publish: \"a.*b\"}", {"a.*b"}, {"a.b", "a.xb"}, {"a"}, {NULL}},
    /* what is no subject is only allowed where everything is, and never denied */
    {"{publish: >}", {"a", "a.b", "*"}, {"a..b", ".a", "a."}, {"a..b"}, {NULL}},
    {"{publish: {deny: >}}", {"a..b", "a."}, {"a", "a.b"}, {"a"}, {NULL}},
    /* a filter counts as a subject */
    {"{subscribe: \"bar.*\"}",
     {"x"},
     {NULL},
     {"bar.a", "bar.*", "bar.>", "bar.> q"},
     {">", "bar", "bar.a.b", "bar.*.x"}},
    {"{subscribe: \"bar.>\"}", {"x"}, {NULL}, {"bar.a", "bar.*", "bar.>", "bar.*.x"}, {">", "bar", "*.a"}},
    {"{subscribe: {deny: \"bar.no\"}}",
     {"x"},
     {NULL},
     {"bar.*", "bar.>", ">", "bar.yes"},
     {"bar.no", "bar.no q"}},
    {"{subscribe: {deny: \"a.>\"}}", {"x"}, {NULL}, {"*.b", ">", "*", "a"}, {"a.*", "a.b.>", "a.>", "a.b"}},
    /* queues */
    {"{subscribe: foo}", {"x"}, {NULL}, {"foo", "foo q"}, {"bar q"}},
    {"{subscribe: \"foo v1\"}", {"x"}, {NULL}, {"foo v1"}, {"foo", "foo v2", "bar v1"}},
    {"{subscribe: [foo, \"foo v1\"]}", {"x"}, {NULL}, {"foo", "foo v1"}, {"foo v2"}},
    {"{subscribe: [\"foo v1\", \"foo v2.*\", \"foo v3.>\"]}",
     {"x"},
     {NULL},
     {"foo v1", "foo v2.a", "foo v3.a", "foo v3.a.b", "foo v2.*", "foo v3.*", "foo v3.>"},
     {"foo", "foo v2", "foo v2.a.b", "foo v3", "foo v2.>", "foo *", "foo v2.", "foo v3."}},
    {"{subscribe: \"foo *\"}", {"x"}, {NULL}, {"foo q", "foo *"}, {"foo", "foo a.b", "foo >"}},
    {"{subscribe: \"foo >\"}", {"x"}, {NULL}, {"foo q", "foo *", "foo a.b", "foo >"}, {"foo"}},
    {"{subscribe: {deny: \"foo q9\"}}", {"x"}, {NULL}, {"foo", "foo q8", "> q9", "*"}, {"foo q9"}},
    {"{subscribe: {deny: \"foo q.*\"}}",
     {"x"},
     {NULL},
     {"foo", "foo q", "foo q.a.b"},
     {"foo q.a", "foo q.*"}},
    {"{subscribe: {deny: [foo, \"foo q9\"]}}", {"x"}, {NULL}, {"bar"}, {"foo", "foo q9", "foo q8"}},
    {"{subscribe: {allow: \"foo.*\", deny: \"foo.* dev.>\"}}",
     {"x"},
     {NULL},
     {"foo.a", "foo.a prod"},
     {"foo.a dev.x", "foo.a dev.x.y"}},
    {"{subscribe: {allow: [\"foo v1\", \"*\"]}}", {"x"}, {NULL}, {"foo", "foo v1", "bar v2"}, {"foo v2"}},
    {"{subscribe: \"a\tq\"}", {"x"}, {NULL}, {"a q"}, {"a"}},
    {"{subscribe: \"a  q \"}", {"x"}, {NULL}, {"a q"}, {"a"}},
    /* answers turn off that everything is allowed; without a list only */
    {"{allow_responses: true}", {NULL}, {"a", "_INBOX.x", ">"}, {"a"}, {NULL}},
    {"{publish_allow_responses: {}}", {NULL}, {"a"}, {"a"}, {NULL}},
    {"{allow_responses: false}", {"a"}, {NULL}, {"a"}, {NULL}},
    {"{publish: [], allow_responses: true}", {NULL}, {"a"}, {"a"}, {NULL}},
    {"{publish: {deny: b}, allow_responses: true}", {NULL}, {"a", "b"}, {"a"}, {NULL}},
    {"{allow_responses: true, publish: a}", {"a"}, {"b"}, {"a"}, {NULL}},
    /* what stands later counts */
    {"{publish: a, pub: b}", {"b"}, {"a"}, {"a"}, {NULL}},
    /* a key that is there to be referred to */
    {"{s: a, publish: $s}", {"a"}, {"b"}, {"a"}, {NULL}},
    {"{publish: {s: a, allow: $s, deny: $s}}", {NULL}, {"a", "b"}, {"a"}, {NULL}},
};

static void check_subscribe(const struct permissions *permissions, const char *block, const char *what,
                            bool want) {
  struct tern_slice filter, queue;
  cut(what, &filter, &queue);
  if (permissions_may_subscribe(permissions, filter, queue) != want)
    fail_msg("%s: may%s subscribe to %s", block, want ? " not" : "", what);
}

static void test_allowed(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
    const struct allowed *row = &allowed[i];
    struct permissions *permissions = made_of(row->block);
    for (size_t n = 0; row->publish[n] != NULL; n++)
      if (!permissions_may_publish(permissions, slice(row->publish[n])))
        fail_msg("%s: may not publish to %s", row->block, row->publish[n]);
    for (size_t n = 0; row->no_publish[n] != NULL; n++)
      if (permissions_may_publish(permissions, slice(row->no_publish[n])))
        fail_msg("%s: may publish to %s", row->block, row->no_publish[n]);
    for (size_t n = 0; row->subscribe[n] != NULL; n++)
      check_subscribe(permissions, row->block, row->subscribe[n], true);
    for (size_t n = 0; row->no_subscribe[n] != NULL; n++)
      check_subscribe(permissions, row->block, row->no_subscribe[n], false);
    permissions_free(permissions);
  }
  permissions_free(NULL);
}

/* ---- what is filtered ---- */

static const struct filtered {
  const char *deny;
  const char *filter;
  bool needs;
  const char *gets, *gets_not;
} filtered[] = {
    {"[bar.no]", "bar.*", true, "bar.ok", "bar.no"},
    {"[bar.no]", "bar.>", true, "bar.no.no", "bar.no"},
    {"[bar.no]", ">", true, "foo", "bar.no"},
    {"[bar.no]", "foo.*", false, "foo.a", NULL},
    {"[bar.no]", "bar.*.*", false, "bar.no.a", NULL},
    {"[bar.no]", "bar.yes", false, "bar.yes", NULL},
    {"[bar.no]", "*.no q", true, "foo.no", "bar.no"},
    {"['a.>']", "*.b", true, "b.b", "a.b"}, /* neither contains the other */
    {"['a.>']", "*", false, "a", NULL},
    {"['*.b.c']", "a.>", true, "a.b", "a.b.c"},
    {"['bar.no q1']", "bar.* q1", true, "bar.ok", "bar.no"},
    {"['bar.no q1']", "bar.* q2", false, "bar.no", NULL},
    {"['bar.no q1']", "bar.*", false, "bar.no", NULL},
    {"['bar.no q.*']", "bar.* q.a", true, "bar.ok", "bar.no"},
    {"[]", ">", false, "a", NULL},
};

static void test_filtered(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof filtered / sizeof filtered[0]; i++) {
    const struct filtered *row = &filtered[i];
    char block[128];
    snprintf(block, sizeof block, "{subscribe: {deny: %s}}", row->deny);
    struct permissions *permissions = made_of(block);
    struct tern_slice filter, queue;
    cut(row->filter, &filter, &queue);
    if (permissions_needs_filter(permissions, filter, queue) != row->needs)
      fail_msg("%s %s: %s", block, row->filter, row->needs ? "no filter" : "filter");
    assert_true(permissions_may_receive(permissions, slice(row->gets), queue));
    if (row->gets_not != NULL)
      assert_false(permissions_may_receive(permissions, slice(row->gets_not), queue));
    permissions_free(permissions);
  }
}

/* ---- answers ---- */

static const struct answers {
  const char *value;
  uint64_t max, expires_ms; /* 0: no answers */
} answers[] = {
    {"true", 1, 120000},
    {"false", 0, 0},
    {"{}", 1, 120000},
    {"{max: 3}", 3, 120000},
    {"{max_msgs: 3, ttl: \"1s\"}", 3, 1000},
    {"{max_messages: 5k, expiration: \"1m30s\"}", 5000, 90000},
    {"{MAX_RESPONSES: -1, Expires: \"-1s\"}", UINT64_MAX, UINT64_MAX},
    {"{max: 0, expires: \"0s\"}", 1, 120000},
    {"{max: 2, expires: 500ms}", 2, 500},
    {"{expires: \"10us\"}", 1, 1},
    {"{max: 9999999999999}", 9999999999999, 120000},
    {"{v: 4, max: $v}", 4, 120000},
};

static void test_answers(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    char block[128];
    snprintf(block, sizeof block, "{allow_responses: %s}", answers[i].value);
    struct permissions *permissions = made_of(block);
    const struct permissions_answers *got = permissions_answers(permissions);
    if (answers[i].max == 0) {
      assert_null(got);
    } else {
      assert_non_null(got);
      assert_false(permissions_may_publish_all(permissions));
      assert_int_equal(got->max, answers[i].max);
      assert_int_equal(got->expires_ms, answers[i].expires_ms);
    }
    permissions_free(permissions);
  }
}

/* ---- errors ---- */

static const struct wrong {
  const char *block;
  const char *says; /* begins so */
} wrong[] = {
    {"a", "test:1:1: permissions is a string; it must be a block"},
    {"[a]", "test:1:1: permissions is an array; it must be a block"},
    {"{publ: a}", "test:1:15: unknown field \"publ\" in permissions"},
    {"{publish: 5 }", "test:1:15: publish is an integer; it must be a subject or a list"},
    {"{publish: true}", "test:1:15: publish is "},
    {"{publish: [5, a]}", "test:1:25: a subject is an integer; it must be a string"},
    {"{publish: [[a]]}", "test:1:25: a subject is an array; it must be a string, not one more list"},
    {"{publish: {alow: a}}", "test:1:25: unknown field \"alow\" in publish: there are allow and deny"},
    {"{publish: {allow: 5 }}", "test:1:25: allow is an integer"},
    {"{publish: {deny: {a: b}}}", "test:1:25: deny is a block"},
    {"{publish: \"\"}", "test:1:15: \"\" is not a valid subject"},
    {"{publish: \"a..b\"}", "test:1:15: \"a..b\" is not a valid subject"},
    {"{publish: \"a.>.b\"}", "test:1:15: \"a.>.b\" is not a valid subject"},
    {"{publish: [a, \"a.\"]}", "test:1:28: \"a.\" is not a valid subject"},
    {"{publish: \"a q\"}", "test:1:15: \"a q\": only subscriptions have queues; leave \"q\" out"},
    {"{subscribe: \" a\"}", "test:1:15: \" a\" is not a valid subject, nor \"subject queue\""},
    {"{subscribe: \"a \"}", "test:1:15: \"a \" is not a valid subject"},
    {"{subscribe: \"a q r\"}", "test:1:15: \"a q r\" is not a valid subject"},
    {"{subscribe: {deny: \"a..b q\"}}", "test:1:27: \"a..b q\" is not a valid subject"},
    {"{allow_responses: 1}", "test:1:15: allow_responses is an integer; it must be true, false, or a block"},
    {"{allow_responses: yess}", "test:1:15: allow_responses is a string"},
    {"{allow_responses: {max: \"1\"}}", "test:1:33: max is a string; it must be a number of answers"},
    {"{allow_responses: {max: 1.5 }}", "test:1:33: max is a fraction"},
    {"{allow_responses: {expires: 5 }}", "test:1:33: expires is no duration; write one in quotes"},
    {"{allow_responses: {expires: \"5\"}}", "test:1:33: expires is no duration"},
    {"{allow_responses: {expires: \"\"}}", "test:1:33: expires is no duration"},
    {"{allow_responses: {expires: \"soon\"}}", "test:1:33: expires is no duration"},
    {"{allow_responses: {exp: 1s}}", "test:1:33: unknown field \"exp\" in allow_responses"},
};

static void put_entry(void *arg, struct tern_slice subject, struct tern_slice queue) {
  char *text = arg;
  const size_t len = strlen(text);
  snprintf(text + len, 128 - len, "%.*s/%.*s ", (int)subject.len, subject.ptr, (int)queue.len, queue.ptr);
}

static void test_each(void **state) {
  (void)state;
  static const char *const texts[] = {
      [PERMISSIONS_PUBLISH_ALLOW] = "a.x/ b.>/ ",
      [PERMISSIONS_PUBLISH_DENY] = "c/ ",
      [PERMISSIONS_SUBSCRIBE_ALLOW] = "",
      [PERMISSIONS_SUBSCRIBE_DENY] = "*/ d/q.* ",
  };
  struct permissions *permissions =
      made_of("{publish: {allow: [b.>, a.x], deny: c}, subscribe: {deny: [\"d q.*\", \"*\"]}}");
  for (unsigned list = 0; list < 4; list++) {
    char text[128] = "";
    permissions_each(permissions, list, put_entry, text);
    assert_string_equal(text, texts[list]);
  }
  permissions_free(permissions);
}

static void check_wrong(const char *block, const char *says) {
  struct permissions *permissions = (void *)1;
  struct said said;
  assert_int_equal(read_block(block, &permissions, &said), -EINVAL);
  assert_null(permissions);
  if (strncmp(said.first, says, strlen(says)) != 0) fail_msg("%.80s: %s", block, said.first);
}

static void test_errors(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    check_wrong(wrong[i].block, wrong[i].says);
  struct permissions *permissions;
  struct said said;
  assert_int_equal(read_block("{publish: [a., b.], sub: c., x: 1}", &permissions, &said), -EINVAL);
  assert_int_equal(said.count, 4); /* all of them are said */
}

/* "a.a.a ... .a" */
static void put_tokens(char *text, size_t count) {
  for (size_t i = 0; i < count; i++)
    memcpy(text + 2 * i, "a.", 2);
  text[2 * count - 1] = '\0';
}

static void test_bounds(void **state) {
  (void)state;
  char subject[2 * PERMISSIONS_TOKENS_MAX + 3], block[2 * PERMISSIONS_TOKENS_MAX + 32];
  put_tokens(subject, PERMISSIONS_TOKENS_MAX);
  snprintf(block, sizeof block, "{publish: \"%s\"}", subject);
  struct permissions *permissions = made_of(block);
  assert_true(permissions_may_publish(permissions, slice(subject)));
  permissions_free(permissions);
  put_tokens(subject, PERMISSIONS_TOKENS_MAX + 1);
  snprintf(block, sizeof block, "{publish: \"%s\"}", subject);
  check_wrong(block, "test:1:15: \"a.a.a.");

  size_t room = 2 * PERMISSIONS_ENTRIES_MAX + 64;
  char *list = malloc(room), *at = list;
  assert_non_null(list);
  at += snprintf(at, room, "{publish: [");
  for (size_t i = 0; i <= PERMISSIONS_ENTRIES_MAX; i++, at += 2)
    memcpy(at, "a,", 2);
  memcpy(at - 1, "]}", 3);
  check_wrong(list, "test:1:15: publish has more than 65536 subjects");
  memmove(list + 11, list + 13, strlen(list + 13) + 1);
  permissions_free(made_of(list));
  free(list);
}

/* Stars that meet stars are one branch, not two: two to the power of 255 would take a while. */
static void test_stars(void **state) {
  (void)state;
  char block[2 * PERMISSIONS_TOKENS_MAX + 32], subject[2 * PERMISSIONS_TOKENS_MAX + 3];
  put_tokens(subject, PERMISSIONS_TOKENS_MAX);
  for (char *at = subject; *at != '\0'; at++)
    if (*at == 'a') *at = '*';
  snprintf(block, sizeof block, "{publish: \"%s\"}", subject);
  struct permissions *permissions = made_of(block);
  assert_true(permissions_may_publish(permissions, slice(subject)));
  subject[0] = '>';
  assert_true(permissions_may_publish(permissions, slice(subject)));
  subject[strlen(subject) - 2] = '\0';
  assert_false(permissions_may_publish(permissions, slice(subject)));
  permissions_free(permissions);
}

/* Every mix of `a` and `*` of eight tokens: as many branches as there can be. */
static void test_many_branches(void **state) {
  (void)state;
  char block[8192] = "{publish: [";
  size_t len = strlen(block);
  for (unsigned mix = 0; mix < 256; mix++) {
    for (unsigned token = 0; token < 8; token++, len += 2)
      memcpy(block + len, mix >> token & 1 ? "*." : "a.", 2);
    block[len - 1] = ',';
  }
  memcpy(block + len, "]}", 3);
  struct permissions *permissions = made_of(block);
  assert_true(permissions_may_publish(permissions, slice("a.a.a.a.a.a.a.a")));
  assert_true(permissions_may_publish(permissions, slice("b.b.b.b.b.b.b.b")));
  assert_false(permissions_may_publish(permissions, slice("a.a.a.a.a.a.a")));
  assert_false(permissions_may_publish(permissions, slice("a.a.a.a.a.a.a.a.a")));
  permissions_free(permissions);
}

/* ---- against the definition ---- */

static uint64_t random_state = 88172645463325252u;

static unsigned draw(unsigned bound) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (unsigned)(random_state % bound);
}

#define TEXT_BYTES 32
#define LIST_MAX   12

/* Up to four tokens; `>` at the end only, if at all. */
static void draw_text(char *text, bool wild) {
  static const char *const tokens[] = {"a", "b", "ab", "a-", "*", ">"};
  unsigned count = 1 + draw(4);
  size_t len = 0;
  for (unsigned i = 0; i < count; i++) {
    unsigned kinds = !wild ? 4 : i + 1 == count ? 6 : 5;
    len += (size_t)snprintf(text + len, TEXT_BYTES - len, "%s%s", i > 0 ? "." : "", tokens[draw(kinds)]);
  }
}

struct naive {
  unsigned count;
  char subject[LIST_MAX][TEXT_BYTES], queue[LIST_MAX][TEXT_BYTES];
};

/* Draws a list and writes it as the configuration has it. */
static size_t draw_list(struct naive *list, bool queues, char *text, size_t room) {
  list->count = draw(LIST_MAX + 1);
  size_t len = (size_t)snprintf(text, room, "[");
  for (unsigned i = 0; i < list->count; i++) {
    draw_text(list->subject[i], true);
    list->queue[i][0] = '\0';
    if (queues && draw(3) == 0) draw_text(list->queue[i], true);
    len += (size_t)snprintf(text + len, room - len, "\"%s%s%s\", ", list->subject[i],
                            list->queue[i][0] != '\0' ? " " : "", list->queue[i]);
  }
  return len + (size_t)snprintf(text + len, room - len, "]");
}

static struct tern_slice token_of(const char **text) {
  struct tern_slice token = {*text, strcspn(*text, ".")};
  *text += token.len;
  if (**text == '.') ++*text;
  return token;
}

/* Of names of queues; both are valid. */
static bool covers(const char *pattern, const char *name) {
  if (strcmp(pattern, name) == 0) return true;
  while (*pattern != '\0' && *name != '\0') {
    struct tern_slice want = token_of(&pattern), have = token_of(&name);
    if (tern_slice_equal(want, slice(">"))) return true;
    if (tern_slice_equal(have, slice(">"))) return false;
    if (!tern_slice_equal(want, slice("*")) && !tern_slice_equal(want, have)) return false;
  }
  return *pattern == '\0' && *name == '\0';
}

struct naive_found {
  bool plain, queued, covered;
};

static struct naive_found find(const struct naive *list, const char *subject, const char *queue) {
  struct naive_found found = {0};
  for (unsigned i = 0; i < list->count; i++) {
    if (!tern_filter_matches(slice(list->subject[i]), slice(subject))) continue;
    if (list->queue[i][0] == '\0') {
      found.plain = true;
    } else if (queue[0] != '\0') {
      found.queued = true;
      if (covers(list->queue[i], queue)) found.covered = true;
    }
  }
  return found;
}

struct lists {
  struct naive publish_allow, publish_deny, subscribe_allow, subscribe_deny;
  char block[8192];
};

static void draw_lists(struct lists *lists) {
  char text[4][1024];
  draw_list(&lists->publish_allow, false, text[0], sizeof text[0]);
  draw_list(&lists->publish_deny, false, text[1], sizeof text[1]);
  draw_list(&lists->subscribe_allow, true, text[2], sizeof text[2]);
  draw_list(&lists->subscribe_deny, true, text[3], sizeof text[3]);
  snprintf(lists->block, sizeof lists->block,
           "{publish: {allow: %s, deny: %s}, subscribe: {allow: %s, deny: %s}}", text[0], text[1], text[2],
           text[3]);
}

static void check_question(const struct lists *lists, const struct permissions *permissions,
                           const char *subject, const char *queue) {
  assert_int_equal(permissions_may_publish_all(permissions),
                   lists->publish_allow.count == 0 && lists->publish_deny.count == 0);
  bool publish = (lists->publish_allow.count == 0 || find(&lists->publish_allow, subject, "").plain) &&
                 !find(&lists->publish_deny, subject, "").plain;
  struct naive_found allow = find(&lists->subscribe_allow, subject, queue);
  struct naive_found deny = find(&lists->subscribe_deny, subject, queue);
  bool receive = !deny.plain && !deny.covered;
  bool subscribe =
      (lists->subscribe_allow.count == 0 || (allow.queued ? allow.covered : allow.plain)) && receive;
  if (permissions_may_publish(permissions, slice(subject)) != publish)
    fail_msg("%s: PUB %s", lists->block, subject);
  if (permissions_may_subscribe(permissions, slice(subject), slice(queue)) != subscribe)
    fail_msg("%s: SUB %s %s", lists->block, subject, queue);
  if (permissions_may_receive(permissions, slice(subject), slice(queue)) != receive)
    fail_msg("%s: MSG %s %s", lists->block, subject, queue);
}

/* A filter is needed exactly when there is a subject that it would hold back; those of the tokens at hand, and one more,
 * are enough to find it. */
static bool filter_is_needed(const struct lists *lists, const char *filter, const char *queue) {
  static const char *const tokens[] = {"a", "b", "ab", "a-", "c"};
  bool wild = tern_filter_has_wildcard(slice(filter));
  for (unsigned count = 1; wild && count <= 4; count++) {
    unsigned mixes = 1;
    for (unsigned i = 0; i < count; i++)
      mixes *= 5;
    for (unsigned mix = 0; mix < mixes; mix++) {
      char subject[TEXT_BYTES];
      size_t len = 0;
      for (unsigned i = 0, left = mix; i < count; i++, left /= 5)
        len +=
            (size_t)snprintf(subject + len, sizeof subject - len, "%s%s", i > 0 ? "." : "", tokens[left % 5]);
      if (!tern_filter_matches(slice(filter), slice(subject))) continue;
      struct naive_found deny = find(&lists->subscribe_deny, subject, queue);
      if (deny.plain || deny.covered) return true;
    }
  }
  return false;
}

static void test_random(void **state) {
  (void)state;
  static struct lists lists;
  unsigned needed = 0;
  for (unsigned round = 0; round < 500; round++) {
    draw_lists(&lists);
    struct permissions *permissions = made_of(lists.block);
    for (unsigned question = 0; question < 200; question++) {
      char subject[TEXT_BYTES], queue[TEXT_BYTES] = "";
      draw_text(subject, draw(2) == 0);
      if (draw(2) == 0) draw_text(queue, draw(4) == 0);
      check_question(&lists, permissions, subject, queue);
    }
    for (unsigned question = 0; question < 4; question++) {
      char filter[TEXT_BYTES], queue[TEXT_BYTES] = "";
      draw_text(filter, true);
      if (draw(2) == 0) draw_text(queue, false);
      bool needs = filter_is_needed(&lists, filter, queue);
      needed += needs;
      if (permissions_needs_filter(permissions, slice(filter), slice(queue)) != needs)
        fail_msg("%s: %s %s: a filter is %sneeded", lists.block, filter, queue, needs ? "" : "not ");
    }
    permissions_free(permissions);
  }
  assert_in_range(needed, 200, 1800); /* the questions are not all of one kind */
}

/* ---- memory ---- */

static void test_out_of_memory(void **state) {
  (void)state;
  static const char block[] = "{publish: {allow: a, deny: b}, subscribe: {allow: c, deny: d}}";
  struct conf *conf;
  struct conf_error error;
  assert_int_equal(conf_parse("test", block, sizeof block - 1, &conf, &error), 0);
  struct said said = {0};
  struct conf_report report = {.line = say, .arg = &said};
  int result = -ENOMEM;
  for (int fails = 0; result != 0; fails++) {
    struct permissions *permissions = (void *)1;
    allocations_left = fails;
    result = permissions_read(conf_root(conf), &report, &permissions);
    allocations_left = -1;
    assert_int_equal(result, fails < 5 ? -ENOMEM : 0); /* the object and four lists */
    if (result != 0) assert_null(permissions);
    permissions_free(permissions);
  }
  assert_int_equal(said.count, 0);
  conf_free(conf);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_allowed),       cmocka_unit_test(test_filtered),
      cmocka_unit_test(test_answers),       cmocka_unit_test(test_errors),
      cmocka_unit_test(test_bounds),        cmocka_unit_test(test_stars),
      cmocka_unit_test(test_many_branches), cmocka_unit_test(test_random),
      cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_each),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
