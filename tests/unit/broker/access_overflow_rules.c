/* SPDX-License-Identifier: Apache-2.0 */
/* The rules for slow consumers: reading them, every error and its place, and which of them holds. */
#include "overflow_rules.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf_report.h"

static int allocations_left = -1; /* negative: no bound */

void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);

static bool refused(void) {
  return allocations_left == 0 || (allocations_left > 0 && allocations_left-- == 0);
}
void *__wrap_calloc(size_t count, size_t size) { return refused() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *block, size_t size) { return refused() ? NULL : __real_realloc(block, size); }
char *__wrap_strdup(const char *text) { return refused() ? NULL : __real_strdup(text); }

static char said[2048];

static void say(void *arg, bool warning, const char *text) {
  (void)arg, (void)warning;
  size_t len = strlen(said);
  snprintf(said + len, sizeof said - len, "%s\n", text);
}

/* Reads `tern { overflow ... }`; the text begins behind "tern {\n". */
static int read_text(const char *text, struct overflow_rules **out) {
  char whole[1024];
  int len = snprintf(whole, sizeof whole, "tern {\n%s\n}\n", text);
  struct conf *conf;
  struct conf_error error;
  int left = allocations_left;
  allocations_left = -1;
  if (conf_parse("t", whole, (size_t)len, &conf, &error) != 0) fail_msg("%s", error.text);
  allocations_left = left;
  said[0] = '\0';
  *out = NULL;
  struct conf_report report = {.line = say};
  const struct conf_node *node = conf_find(conf_find(conf_root(conf), "tern"), "overflow");
  int result = overflow_rules_read(node, &report, out);
  struct overflow_rules *again = NULL;
  if (allocations_left < 0) {
    assert_int_equal(overflow_rules_of(conf_root(conf), &again), result);
    assert_int_equal(again != NULL, result == 0);
    overflow_rules_free(again);
  }
  conf_free(conf);
  return result;
}

static const char all[] =
    "overflow { default: drop_new, bytes: 64KB, clients_choose: false\n"
    "types { unix: latest }\nusers { ann: drop_old, Bob: disconnect }\n"
    "subjects { \"p.*\": latest, \"p.>\": drop_old } }";

static void one_word_is_for_everybody(void **state) {
  (void)state;
  struct overflow_rules *rules;
  assert_int_equal(read_text("overflow: DROP_OLD", &rules), 0);
  assert_int_equal(rules->by_default, OVERFLOW_DROP_OLD);
  assert_int_equal(rules->bytes, OVERFLOW_BYTES_DEFAULT);
  assert_true(rules->clients_choose);
  overflow_rules_free(rules);
  for (int p = OVERFLOW_DISCONNECT; p <= OVERFLOW_LATEST; p++) {
    enum overflow_policy policy;
    assert_true(overflow_policy_named(overflow_policy_name((enum overflow_policy)p), &policy));
    assert_int_equal(policy, p);
  }
}

static void the_nearest_rule_holds(void **state) {
  (void)state;
  struct overflow_rules *rules;
  assert_int_equal(read_text(all, &rules), 0);
  assert_int_equal(rules->bytes, 65536);
  assert_false(rules->clients_choose);
  assert_int_equal(overflow_of_connection(rules, "tcp", NULL), OVERFLOW_DROP_NEW);
  assert_int_equal(overflow_of_connection(rules, "unix", NULL), OVERFLOW_LATEST);
  assert_int_equal(overflow_of_connection(rules, "unix", "ann"), OVERFLOW_DROP_OLD);
  assert_int_equal(overflow_of_connection(rules, "unix", "bob"), OVERFLOW_LATEST); /* names have a case */
  assert_int_equal(overflow_of_connection(rules, "tcp", "Bob"), OVERFLOW_DISCONNECT);
  const struct {
    const char *filter;
    enum overflow_policy policy;
  } subs[] = {{"p.a", OVERFLOW_LATEST}, {"p.*", OVERFLOW_LATEST},     {"p.a.b", OVERFLOW_DROP_OLD},
              {"p.>", OVERFLOW_LATEST}, {"p.*.>", OVERFLOW_DROP_OLD}, {">", OVERFLOW_DROP_NEW},
              {"q", OVERFLOW_DROP_NEW}};
  for (size_t i = 0; i < sizeof subs / sizeof subs[0]; i++)
    if (overflow_of_subscription(rules, tern_slice_of(subs[i].filter), OVERFLOW_DROP_NEW) != subs[i].policy)
      fail_msg("%s", subs[i].filter);
  overflow_rules_free(rules);
}

static void every_error_has_its_place(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
  } cases[] = {
      {"overflow: drop",
       "t:2:1: invalid value \"drop\" for overflow: must be disconnect, drop_new, drop_old or "
       "latest\n"},
      {"overflow: 5", "t:2:1: overflow is an integer; it must be disconnect, drop_new, drop_old or latest\n"},
      {"overflow { default: no\nbytes: 5\nclients_choose: 1\n}",
       "t:2:12: default is true or false; it must be disconnect, drop_new, drop_old or latest\n"
       "t:3:1: bytes must be at least 4096\n"
       "t:4:1: clients_choose is an integer; it must be true or false, without quotes\n"},
      {"overflow { bytes: \"1MB\" }",
       "t:2:12: bytes is a string; it must be a size without quotes, like 1MB\n"},
      {"overflow { kinds { } }", "t:2:12: unknown field \"kinds\" in the block overflow\n"},
      {"overflow { users: latest }",
       "t:2:12: users is a string; it must be a block of names, each with a policy\n"},
      {"overflow { types { mqtt: latest } }",
       "t:2:20: \"mqtt\" is not a type of connection; those are tcp and unix\n"},
      {"overflow { subjects { \"a..b\": latest } }", "t:2:23: \"a..b\" is not a subject or pattern\n"},
  };
  struct overflow_rules *rules;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(read_text(cases[i].text, &rules), -EINVAL);
    assert_string_equal(said, cases[i].says);
  }
  assert_int_equal(read_text("overflow { x: 4096, bytes: $x }", &rules), 0); /* a variable is no field */
  overflow_rules_free(rules);
}

static void clients_name_patterns(void **state) {
  (void)state;
  struct overflow_rules *rules = overflow_rules_new();
  assert_int_equal(overflow_rules_add_subject(rules, "a..b", OVERFLOW_LATEST), -EINVAL);
  for (int i = 0; i < OVERFLOW_RULES_MAX; i++)
    assert_int_equal(overflow_rules_add_subject(rules, "a.b", OVERFLOW_LATEST), 0);
  assert_int_equal(overflow_rules_add_subject(rules, "a.b", OVERFLOW_LATEST), -EINVAL);
  overflow_rules_free(rules);
  overflow_rules_free(NULL);
}

static void without_memory_nothing_is_left(void **state) {
  (void)state;
  struct overflow_rules *rules;
  int result = -ENOMEM, n = 0;
  for (; result != 0; n++) {
    allocations_left = n;
    result = read_text(all, &rules);
    allocations_left = -1;
    if (result != 0) assert_int_equal(result, -ENOMEM);
    if (result == 0) overflow_rules_free(rules);
    assert_true(n < 100);
  }
  assert_true(n > 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_word_is_for_everybody),      cmocka_unit_test(the_nearest_rule_holds),
      cmocka_unit_test(every_error_has_its_place),      cmocka_unit_test(clients_name_patterns),
      cmocka_unit_test(without_memory_nothing_is_left),
  };
  return cmocka_run_group_tests_name("overflow_rules", tests, NULL, NULL);
}
