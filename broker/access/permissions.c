/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permissions: four lists of patterns, each a sorted array that is walked like a trie. Patterns with the same first
 * tokens lie side by side, so a branch is a range of the array and the place where its next token begins; the branches
 * below it are found by binary search:
 *
 *     [ >  a  a.*  a.*.c  a.b  a.b.c ]                       subject a.b.c
 *       '>''--------- a ----------'                           > takes any rest; a: one branch
 *              '-- * ---' '-- b --'                           *, b: two branches
 *                    c           c                            both end: both match
 *
 * Order is by tokens, wildcards first, and a pattern comes before those that continue it. A look-up costs a search per
 * token, whatever the length of the list, but for lists in which many patterns with `*` overlap.
 *
 * What the lists mean is nats-server's, see permissions.h; where its versions differ, the newest counts: a queue group
 * is denied what is denied to all, and what is denied to it.
 */
#include "permissions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <tern/subject.h>

#include "conf_report.h"
#include "values.h"

#define ANSWERS_MAX        1
#define ANSWERS_EXPIRES_MS 120000
#define BLANKS             " \t\n\v\f\r"

/* "subject" or "subject queue". */
struct pattern {
  struct tern_slice subject;
  struct tern_slice queue; /* may have wildcards; empty: all who subscribe */
};

struct list {
  struct pattern *at; /* sorted by tokens of the subject; their text is behind them in the same memory */
  size_t count;
};

struct permissions {
  struct list publish_allow, publish_deny, subscribe_allow, subscribe_deny;
  bool can_answer;
  struct permissions_answers answers;
};

/* ---- tokens ---- */

/* The token that begins at `at`; there is none behind the end. */
static struct tern_slice token_at(struct tern_slice text, size_t at) {
  const char *dot = memchr(text.ptr + at, '.', text.len - at);
  return (struct tern_slice){text.ptr + at, (dot != NULL ? (size_t)(dot - text.ptr) : text.len) - at};
}

static bool ends_before(struct tern_slice text, size_t at) { return at > text.len; }

static bool is_token(struct tern_slice token, char c) { return token.len == 1 && token.ptr[0] == c; }

static int compare(struct tern_slice a, struct tern_slice b) {
  size_t len = a.len < b.len ? a.len : b.len;
  int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Of tokens: `>` comes first, then `*`, then the others. */
static int rank(struct tern_slice token) { return is_token(token, '>') ? 0 : is_token(token, '*') ? 1 : 2; }

static int compare_patterns(const void *left, const void *right) {
  struct tern_slice a = ((const struct pattern *)left)->subject, b = ((const struct pattern *)right)->subject;
  size_t at = 0; /* the same in both, since what is before it is the same */
  while (!ends_before(a, at) && !ends_before(b, at)) {
    struct tern_slice one = token_at(a, at), other = token_at(b, at);
    int order = rank(one) - rank(other);
    if (order == 0) order = compare(one, other);
    if (order != 0) return order;
    at += one.len + 1;
  }
  return (int)ends_before(b, at) - (int)ends_before(a, at);
}

/* Does the pattern stand for the name of a queue group? A name may have wildcards itself; they are only what they are. */
static bool covers(struct tern_slice pattern, struct tern_slice name) {
  if (tern_slice_equal(pattern, name)) return true;
  size_t p = 0, n = 0;
  while (!ends_before(pattern, p) && !ends_before(name, n)) {
    struct tern_slice want = token_at(pattern, p), have = token_at(name, n);
    if (want.len == 0 || have.len == 0) return false;
    if (is_token(want, '>')) return true;
    if (is_token(have, '>') || (!is_token(want, '*') && !tern_slice_equal(want, have))) return false;
    p += want.len + 1;
    n += have.len + 1;
  }
  return ends_before(pattern, p) && ends_before(name, n);
}

/* Is there a subject that both match? Both are valid. */
static bool overlap(struct tern_slice a, struct tern_slice b) {
  size_t i = 0, j = 0;
  while (!ends_before(a, i) && !ends_before(b, j)) {
    struct tern_slice one = token_at(a, i), other = token_at(b, j);
    if (is_token(one, '>') || is_token(other, '>')) return true;
    if (!is_token(one, '*') && !is_token(other, '*') && !tern_slice_equal(one, other)) return false;
    i += one.len + 1;
    j += other.len + 1;
  }
  return ends_before(a, i) && ends_before(b, j);
}

/* ---- looking up ---- */

struct found {
  bool plain;   /* a pattern without a queue */
  bool queued;  /* one with a queue */
  bool covered; /* one whose queue stands for the one in question */
};

/* Patterns first..end-1, alike up to `at`, and what of the subject is left for them. */
struct branch {
  size_t first, end;
  size_t at;
  size_t subject_at;
};

static bool has_wildcard_at(const struct pattern *pattern, size_t at, char wildcard) {
  const struct tern_slice text = pattern->subject;
  return at < text.len && text.ptr[at] == wildcard && (at + 1 == text.len || text.ptr[at + 1] == '.');
}

/* Where the patterns with `*` there, which come first, end. */
static size_t after_stars(const struct list *list, size_t low, size_t high, size_t at) {
  if (low == high || !has_wildcard_at(&list->at[low], at, '*')) return low;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (has_wildcard_at(&list->at[middle], at, '*'))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* compare, of the pattern's token there, which is none of the wildcards. */
static int order_at(const struct pattern *pattern, size_t at, struct tern_slice token) {
  const char *text = pattern->subject.ptr + at;
  size_t left = pattern->subject.len - at, i = 0;
  for (; i < token.len; i++) {
    if (i == left || text[i] == '.') return -1;
    if (text[i] != token.ptr[i]) return (unsigned char)text[i] < (unsigned char)token.ptr[i] ? -1 : 1;
  }
  return i == left || text[i] == '.' ? 0 : 1;
}

/* The first of the patterns whose token is not below the given one, or, beyond: is above it. */
static size_t search(const struct list *list, size_t low, size_t high, size_t at, struct tern_slice token,
                     bool beyond) {
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (order_at(&list->at[middle], at, token) < (int)beyond)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void note(struct found *found, const struct pattern *pattern, struct tern_slice queue) {
  if (pattern->queue.len == 0)
    found->plain = true;
  else if (queue.len > 0) {
    found->queued = true;
    found->covered |= covers(pattern->queue, queue);
  }
}

/* The branch of the patterns first..end-1, none of which has a wildcard there, that have the token there. */
static struct branch branch_of(const struct list *list, size_t first, size_t end, size_t at,
                               struct tern_slice token) {
  struct branch branch = {.first = search(list, first, end, at, token, false), .at = at + token.len + 1};
  branch.end = branch.first;
  if (branch.end < end && order_at(&list->at[branch.end], at, token) == 0) branch.end++;
  if (branch.end < end && branch.end > branch.first)
    branch.end = search(list, branch.end, end, at, token, true);
  return branch;
}

/* As tern_filter_matches, for all patterns at once. */
static struct found look_up(const struct list *list, struct tern_slice subject, struct tern_slice queue) {
  struct found found = {0};
  if (list->count == 0 || !tern_subject_is_valid(subject)) return found;
  struct branch open[PERMISSIONS_TOKENS_MAX + 1]; /* each token takes one and leaves two at most */
  size_t count = 1;
  open[0] = (struct branch){.end = list->count};
  while (count > 0) {
    struct branch branch = open[--count];
    const size_t end = branch.end, at = branch.at;
    size_t i = branch.first;
    bool over = ends_before(subject, branch.subject_at);
    for (; i < end && ends_before(list->at[i].subject, at); i++)
      if (over) note(&found, &list->at[i], queue);
    if (over) continue;
    struct tern_slice token = token_at(subject, branch.subject_at);
    const size_t next = branch.subject_at + token.len + 1;
    for (; i < end && has_wildcard_at(&list->at[i], at, '>'); i++)
      note(&found, &list->at[i], queue);
    size_t stars = i;
    i = after_stars(list, i, end, at);
    if (i > stars) open[count++] = (struct branch){stars, i, at + 2, next};
    if (is_token(token, '*') || is_token(token, '>')) continue; /* these patterns have been looked at */
    struct branch same = branch_of(list, i, end, at, token);
    same.subject_at = next;
    if (same.first < same.end) open[count++] = same;
  }
  return found;
}

static bool is_denied(const struct permissions *permissions, struct tern_slice subject,
                      struct tern_slice queue) {
  struct found found = look_up(&permissions->subscribe_deny, subject, queue);
  return found.plain || found.covered;
}

bool permissions_may_publish_all(const struct permissions *permissions) {
  return permissions->publish_allow.count == 0 && permissions->publish_deny.count == 0 &&
         !permissions->can_answer;
}

bool permissions_may_publish(const struct permissions *permissions, struct tern_slice subject) {
  const struct tern_slice none = {NULL, 0};
  bool everything = permissions->publish_allow.count == 0 && !permissions->can_answer;
  return (everything || look_up(&permissions->publish_allow, subject, none).plain) &&
         !look_up(&permissions->publish_deny, subject, none).plain;
}

bool permissions_may_subscribe(const struct permissions *permissions, struct tern_slice filter,
                               struct tern_slice queue) {
  if (permissions->subscribe_allow.count > 0) {
    struct found found = look_up(&permissions->subscribe_allow, filter, queue);
    if (found.queued ? !found.covered : !found.plain) return false;
  }
  return !is_denied(permissions, filter, queue);
}

bool permissions_needs_filter(const struct permissions *permissions, struct tern_slice filter,
                              struct tern_slice queue) {
  const struct list *deny = &permissions->subscribe_deny;
  if (deny->count == 0 || !tern_filter_has_wildcard(filter)) return false;
  for (size_t i = 0; i < deny->count; i++) {
    const struct pattern *pattern = &deny->at[i];
    bool concerns = pattern->queue.len == 0 || (queue.len > 0 && covers(pattern->queue, queue));
    if (concerns && overlap(pattern->subject, filter)) return true;
  }
  return false;
}

bool permissions_may_receive(const struct permissions *permissions, struct tern_slice subject,
                             struct tern_slice queue) {
  return !is_denied(permissions, subject, queue);
}

const struct permissions_answers *permissions_answers(const struct permissions *permissions) {
  return permissions->can_answer ? &permissions->answers : NULL;
}

void permissions_each(const struct permissions *permissions, enum permissions_list which,
                      permissions_entry_fn *each, void *arg) {
  const struct list *lists[] = {
      [PERMISSIONS_PUBLISH_ALLOW] = &permissions->publish_allow,
      [PERMISSIONS_PUBLISH_DENY] = &permissions->publish_deny,
      [PERMISSIONS_SUBSCRIBE_ALLOW] = &permissions->subscribe_allow,
      [PERMISSIONS_SUBSCRIBE_DENY] = &permissions->subscribe_deny,
  };
  for (size_t i = 0; i < lists[which]->count; i++)
    each(arg, lists[which]->at[i].subject, lists[which]->at[i].queue);
}

/* ---- reading ---- */

/* Cuts "subject" or "subject queue" in two. False when it is neither. */
static bool cut(const char *text, struct pattern *out) {
  struct tern_slice all = {text, strlen(text)};
  size_t len = strcspn(text, BLANKS);
  *out = (struct pattern){.subject = {text, len}};
  if (len < all.len) {
    const char *queue = text + len + strspn(text + len, BLANKS);
    out->queue = (struct tern_slice){queue, strcspn(queue, BLANKS)};
    bool two_words =
        out->queue.len > 0 && queue[out->queue.len + strspn(queue + out->queue.len, BLANKS)] == '\0';
    if (!two_words) return false;
  }
  return tern_filter_is_valid(out->subject);
}

/* Returns whether a list may have this entry, and how many bytes of text it takes. */
static bool check_entry(const struct conf_node *node, bool queues, struct conf_report *report,
                        size_t *bytes) {
  struct pattern pattern;
  if (node->type != CONF_STRING) {
    conf_wrong(report, node, "a subject is %s; it must be a string%s", conf_type_name(node->type),
               node->type == CONF_ARRAY ? ", not one more list" : "");
  } else if (!cut(node->text, &pattern)) {
    conf_wrong(report, node, "\"%.256s\" is not a valid subject%s", node->text,
               queues ? ", nor \"subject queue\"" : "");
  } else if (pattern.queue.len > 0 && !queues) {
    conf_wrong(report, node, "\"%.256s\": only subscriptions have queues; leave \"%.*s\" out", node->text,
               (int)pattern.queue.len, pattern.queue.ptr);
  } else if (tern_subject_tokens(pattern.subject) > PERMISSIONS_TOKENS_MAX) {
    conf_wrong(report, node, "\"%.64s...\" has more than %d tokens", node->text, PERMISSIONS_TOKENS_MAX);
  } else {
    *bytes += pattern.subject.len + pattern.queue.len;
    return true;
  }
  return false;
}

static struct tern_slice keep(char **to, struct tern_slice text) {
  struct tern_slice kept = {*to, text.len};
  if (text.len > 0) memcpy(*to, text.ptr, text.len);
  *to += text.len;
  return kept;
}

/* One subject or a list of them. The list takes the place of one that was read before. */
static int read_list(const struct conf_node *node, bool queues, struct conf_report *report,
                     struct list *out) {
  bool several = node->type == CONF_ARRAY;
  size_t count = 0, bytes = 0;
  int error = 0;
  if (!several && node->type != CONF_STRING) {
    conf_wrong(report, node, "%s is %s; it must be a subject or a list of subjects", node->key,
               conf_type_name(node->type));
    return -EINVAL;
  }
  for (const struct conf_node *at = several ? node->first : node; at != NULL;
       at = several ? at->next : NULL) {
    if (!check_entry(at, queues, report, &bytes)) error = -EINVAL;
    count++;
  }
  if (count > PERMISSIONS_ENTRIES_MAX) {
    conf_wrong(report, node, "%s has more than %d subjects", node->key, PERMISSIONS_ENTRIES_MAX);
    error = -EINVAL;
  }
  if (error != 0) return error;
  struct list list = {.count = count};
  if (count > 0) {
    list.at = malloc(count * sizeof *list.at + bytes);
    if (list.at == NULL) return -ENOMEM;
    char *text = (char *)(list.at + count);
    struct pattern *to = list.at;
    for (const struct conf_node *at = several ? node->first : node; at != NULL;
         at = several ? at->next : NULL, to++) {
      cut(at->text, to);
      to->subject = keep(&text, to->subject);
      to->queue = keep(&text, to->queue);
    }
    qsort(list.at, count, sizeof *list.at, compare_patterns);
  }
  free(out->at);
  *out = list;
  return 0;
}

/* What is allowed alone, or a map of what is allowed and denied. */
static int read_lists(const struct conf_node *node, bool queues, struct conf_report *report,
                      struct list *allow, struct list *deny) {
  if (node->type != CONF_MAP) return read_list(node, queues, report, allow);
  int error = 0;
  for (const struct conf_node *at = node->first; at != NULL && error != -ENOMEM; at = at->next) {
    int result = 0;
    if (strcasecmp(at->key, "allow") == 0) {
      result = read_list(at, queues, report, allow);
    } else if (strcasecmp(at->key, "deny") == 0) {
      result = read_list(at, queues, report, deny);
    } else if (!at->is_variable) {
      conf_wrong(report, at, "unknown field \"%.64s\" in %s: there are allow and deny", at->key, node->key);
      result = -EINVAL;
    }
    if (result != 0) error = result;
  }
  return error;
}

static bool is_one_of(const char *key, const char *const *names) {
  while (*names != NULL && strcasecmp(key, *names) != 0)
    names++;
  return *names != NULL;
}

static bool read_answers_max(const struct conf_node *node, struct conf_report *report, uint64_t *max) {
  if (node->type != CONF_INT) {
    conf_wrong(report, node, "%s is %s; it must be a number of answers", node->key,
               conf_type_name(node->type));
    return false;
  }
  *max = node->integer < 0 ? UINT64_MAX : node->integer == 0 ? ANSWERS_MAX : (uint64_t)node->integer;
  return true;
}

static bool read_answers_expires(const struct conf_node *node, struct conf_report *report,
                                 uint64_t *expires_ms) {
  int64_t ms = 0;
  bool is_text = node->type == CONF_STRING && node->text[0] != '\0';
  bool has_unit = is_text && strchr("0123456789.", node->text[strlen(node->text) - 1]) == NULL;
  if (!has_unit || value_duration(node->text, &ms) != NULL) {
    conf_wrong(report, node, "%s is no duration; write one in quotes, like \"2m\"", node->key);
    return false;
  }
  bool is_zero = strpbrk(node->text, "123456789") == NULL;
  if (node->text[0] == '-' && !is_zero)
    *expires_ms = UINT64_MAX;
  else if (is_zero)
    *expires_ms = ANSWERS_EXPIRES_MS;
  else
    *expires_ms = ms > 0 ? (uint64_t)ms : 1;
  return true;
}

/* true, false, or a map. */
static int read_answers(const struct conf_node *node, struct conf_report *report,
                        struct permissions *permissions) {
  static const char *const max_names[] = {"max", "max_msgs", "max_messages", "max_responses", NULL};
  static const char *const expires_names[] = {"expires", "expiration", "ttl", NULL};
  struct permissions_answers answers = {.max = ANSWERS_MAX, .expires_ms = ANSWERS_EXPIRES_MS};
  int error = 0;
  if (node->type != CONF_BOOL && node->type != CONF_MAP) {
    conf_wrong(report, node, "%s is %s; it must be true, false, or a block like { max: 1, expires: \"2m\" }",
               node->key, conf_type_name(node->type));
    return -EINVAL;
  }
  permissions->can_answer = node->type == CONF_MAP || node->truth;
  for (const struct conf_node *at = node->type == CONF_MAP ? node->first : NULL; at != NULL; at = at->next) {
    bool good = at->is_variable;
    if (is_one_of(at->key, max_names))
      good = read_answers_max(at, report, &answers.max);
    else if (is_one_of(at->key, expires_names))
      good = read_answers_expires(at, report, &answers.expires_ms);
    else if (!good)
      conf_wrong(report, at, "unknown field \"%.64s\" in %s: there are max and expires", at->key, node->key);
    if (!good) error = -EINVAL;
  }
  permissions->answers = answers;
  return error;
}

static int read_field(const struct conf_node *node, struct conf_report *report,
                      struct permissions *permissions) {
  static const char *const publish[] = {"publish", "pub", "import", NULL};
  static const char *const subscribe[] = {"subscribe", "sub", "export", NULL};
  static const char *const answers[] = {"allow_responses", "publish_allow_responses", NULL};
  if (is_one_of(node->key, publish))
    return read_lists(node, false, report, &permissions->publish_allow, &permissions->publish_deny);
  if (is_one_of(node->key, subscribe))
    return read_lists(node, true, report, &permissions->subscribe_allow, &permissions->subscribe_deny);
  if (is_one_of(node->key, answers)) return read_answers(node, report, permissions);
  if (node->is_variable) return 0;
  conf_wrong(report, node,
             "unknown field \"%.64s\" in permissions: there are publish, subscribe and allow_responses",
             node->key);
  return -EINVAL;
}

int permissions_read(const struct conf_node *block, struct conf_report *report, struct permissions **out) {
  *out = NULL;
  if (block->type != CONF_MAP) {
    conf_wrong(report, block, "%s is %s; it must be a block: { publish: ..., subscribe: ... }", block->key,
               conf_type_name(block->type));
    return -EINVAL;
  }
  struct permissions *permissions = calloc(1, sizeof *permissions);
  if (permissions == NULL) return -ENOMEM;
  int error = 0;
  for (const struct conf_node *at = block->first; at != NULL && error != -ENOMEM; at = at->next) {
    int result = read_field(at, report, permissions);
    if (result != 0) error = result;
  }
  if (error != 0) {
    permissions_free(permissions);
    return error;
  }
  *out = permissions;
  return 0;
}

void permissions_free(struct permissions *permissions) {
  if (permissions == NULL) return;
  free(permissions->publish_allow.at);
  free(permissions->publish_deny.at);
  free(permissions->subscribe_allow.at);
  free(permissions->subscribe_deny.at);
  free(permissions);
}
