/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of requests by message: which options become which parameters, what is refused, and whom filters mean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sys_query.h"

static void check_parameter(const char *body, const char *account, const char *name, const char *expected) {
  struct sys_query query;
  assert_null(sys_query_read(&query, tern_slice_of(body), account));
  const char *value = sys_query_parameter(&query, name);
  if (expected == NULL)
    assert_null(value);
  else
    assert_string_equal(value, expected);
  sys_query_free(&query);
}

static void options_become_parameters(void **unused) {
  (void)unused;
  static const struct {
    const char *body, *account, *name, *value;
  } cases[] = {
      {"", NULL, "cid", NULL},
      {"", "A", "acc", "A"},
      {"null", NULL, "limit", NULL},
      {"{}", NULL, "auth", NULL},
      {"{\"cid\":7}", NULL, "cid", "7"},
      {"{\"cid\":9223372036854775807}", NULL, "cid", "9223372036854775807"},
      {"{\"limit\":null}", NULL, "limit", NULL},
      {"{\"offset\":-1}", NULL, "offset", "-1"},
      {"{\"auth\":true}", NULL, "auth", "true"},
      {"{\"subscriptions\":true}", NULL, "subs", "true"},
      {"{\"subscriptions\":false}", NULL, "subs", "false"},
      {"{\"subscriptions\":false,\"subscriptions_detail\":true}", NULL, "subs", "detail"},
      {"{\"state\":0}", NULL, "state", "open"},
      {"{\"state\":1}", NULL, "state", "closed"},
      {"{\"state\":2}", NULL, "state", "all"},
      {"{\"sort\":\"rtt\"}", NULL, "sort", "rtt"},
      {"{\"acc\":\"B\"}", NULL, "acc", "B"},
      {"{\"account\":\"B\"}", NULL, "acc", "B"},
      {"{\"account\":\"B\",\"acc\":\"C\"}", "A", "acc", "A"},
      {"{\"test\":\"a.b\"}", NULL, "test", "a.b"},
      {"{\"include_unused\":true}", NULL, "unused", "true"},
      {"{\"other\":{\"cid\":3}}", NULL, "cid", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    check_parameter(cases[i].body, cases[i].account, cases[i].name, cases[i].value);
}

static void what_cannot_be_read_is_refused(void **unused) {
  (void)unused;
  static const char *const bodies[] = {"{",
                                       "x",
                                       "[]",
                                       "7",
                                       "{\"cid\":\"7\"}",
                                       "{\"cid\":1.5}",
                                       "{\"auth\":1}",
                                       "{\"state\":3}",
                                       "{\"state\":\"open\"}",
                                       "{\"acc\":[]}",
                                       "{}{}"};
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
    struct sys_query query;
    assert_non_null(sys_query_read(&query, tern_slice_of(bodies[i]), NULL));
    sys_query_free(&query);
  }
}

static void filters_say_who_is_meant(void **unused) {
  (void)unused;
  static char one[] = "zone:a", two[] = "x";
  static char *const tags[] = {one, two};
  static const struct sys_server server = {"north-1", "127.0.0.1", tags, 2};
  static const struct {
    const char *body;
    bool meant;
  } cases[] = {
      {"", true},
      {"{\"server_name\":\"\"}", true},
      {"{\"server_name\":\"north\"}", true},
      {"{\"server_name\":\"south\"}", false},
      {"{\"server_name\":\"north\",\"exact_match\":true}", false},
      {"{\"server_name\":\"north-1\",\"exact_match\":true}", true},
      {"{\"host\":\"127\"}", true},
      {"{\"host\":\"10.\"}", false},
      {"{\"server_name\":\"north\",\"host\":\"10.\"}", false},
      {"{\"cluster\":\"c\"}", false},
      {"{\"domain\":\"d\"}", false},
      {"{\"tags\":[]}", true},
      {"{\"tags\":[\"t\"]}", false},
      {"{\"tags\":[\"x\",\"Zone:A\"]}", true},
      {"{\"tags\":[\"x\",\"zone:b\"]}", false},
      {"{\"tags\":[1]}", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct sys_query query;
    assert_null(sys_query_read(&query, tern_slice_of(cases[i].body), NULL));
    if (sys_query_means(&query, &server) != cases[i].meant) fail_msg("%s", cases[i].body);
    sys_query_free(&query);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(options_become_parameters),
      cmocka_unit_test(what_cannot_be_read_is_refused),
      cmocka_unit_test(filters_say_who_is_meant),
  };
  return cmocka_run_group_tests_name("monitor_sys_query", tests, NULL, NULL);
}
