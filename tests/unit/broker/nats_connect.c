/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONNECT's JSON: defaults, merging, and the outcome Go's encoding/json would have for every kind of odd
 * input. The same cases run against the real nats-server as transcripts (tests/e2e); here it is the values
 * that are looked at.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connect.h"

static int parse(struct nats_connect *connect, const char *json) {
  return nats_connect_parse(connect, (struct tern_slice){json, strlen(json)});
}

static void defaults_are_the_protocols(void **state) {
  (void)state;
  struct nats_connect c;
  nats_connect_init(&c);
  assert_true(c.verbose && c.pedantic && c.echo);
  assert_false(c.headers || c.no_responders || c.new_account);
  assert_int_equal(c.protocol, 0);
  assert_int_equal(parse(&c, "{}"), 0);
  assert_true(c.verbose && c.pedantic && c.echo);
  assert_null(c.name);
  nats_connect_fini(&c);
}

static void values_are_read(void **state) {
  (void)state;
  struct nats_connect c;
  nats_connect_init(&c);
  assert_int_equal(
      parse(&c,
            " {\"verbose\":false,\"pedantic\":false,\"echo\":false,\"headers\":true,"
            "\"no_responders\":true,\"protocol\":1,\"name\":\"n\",\"lang\":\"c\",\"version\":\"3\","
            "\"account\":\"A\",\"new_account\":true} "),
      0);
  assert_false(c.verbose || c.pedantic || c.echo);
  assert_true(c.headers && c.no_responders && c.new_account);
  assert_int_equal(c.protocol, 1);
  assert_string_equal(c.name, "n");
  assert_string_equal(c.lang, "c");
  assert_string_equal(c.version, "3");
  assert_string_equal(c.account, "A");
  nats_connect_fini(&c);
}

static void a_second_one_changes_only_what_it_names(void **state) {
  (void)state;
  struct nats_connect c;
  nats_connect_init(&c);
  assert_int_equal(parse(&c, "{\"verbose\":false,\"name\":\"first\"}"), 0);
  assert_int_equal(parse(&c, "{\"echo\":false,\"name\":\"second\"}"), 0);
  assert_false(c.verbose);
  assert_true(c.pedantic);
  assert_false(c.echo);
  assert_string_equal(c.name, "second");
  nats_connect_fini(&c);
}

static void keys_in_any_case_and_the_last_wins(void **state) {
  (void)state;
  struct nats_connect c;
  nats_connect_init(&c);
  assert_int_equal(parse(&c, "{\"VERBOSE\":false,\"Protocol\":0,\"protocol\":1}"), 0);
  assert_false(c.verbose);
  assert_int_equal(c.protocol, 1);
  assert_int_equal(parse(&c, "{\"echo\":true,\"echo\":false}"), 0);
  assert_false(c.echo);
  nats_connect_fini(&c);
}

static void null_changes_nothing(void **state) {
  (void)state;
  struct nats_connect c;
  nats_connect_init(&c);
  assert_int_equal(parse(&c, "null"), 0);
  assert_int_equal(parse(&c, "{\"verbose\":null,\"name\":null,\"protocol\":null}"), 0);
  assert_true(c.verbose);
  assert_null(c.name);
  nats_connect_fini(&c);
}

static void unknown_keys_are_ignored(void **state) {
  (void)state;
  struct nats_connect c;
  nats_connect_init(&c);
  assert_int_equal(parse(&c, "{\"x\":[1,{\"y\":null}],\"import\":{},\"verbose\":false}"), 0);
  assert_false(c.verbose);
  nats_connect_fini(&c);
}

static void what_is_not_acceptable(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "foo",
      "{",
      "}",
      "[]",
      "1",
      "\"x\"",
      "true",
      "{} x",
      "{}{}",
      "{\"verbose\":\"yes\"}",
      "{\"verbose\":1}",
      "{\"protocol\":\"1\"}",
      "{\"protocol\":1.5}",
      "{\"protocol\":true}",
      "{\"name\":1}",
      "{\"user\":{}}",
      "{\"pass\":false}",
      "{\"verbose\":true,}",
      "{verbose:true}",
      "{\"name\":\"\x01\"}",
      "{\"name\":\"\\q\"}",
      "{\"name\":\"\\u12\"}",
      "{\"name\":\"\\",
      "{\"import\":5}",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct nats_connect c;
    nats_connect_init(&c);
    if (parse(&c, bad[i]) != -EINVAL) fail_msg("accepted: %s", bad[i]);
    nats_connect_fini(&c);
  }
}

static void broken_text_is_replaced(void **state) {
  (void)state;
  static const struct {
    const char *json, *name;
  } cases[] = {
      {"{\"name\":\"a\xff\"}", "a\xEF\xBF\xBD"},
      {"{\"name\":\"\xC3\"}", "\xEF\xBF\xBD"},
      {"{\"name\":\"\xC3\xA9\"}", "\xC3\xA9"},
      {"{\"name\":\"\xE2\x82\xAC\xF0\x9F\x98\x80\"}", "\xE2\x82\xAC\xF0\x9F\x98\x80"},
      {"{\"name\":\"\xED\xA0\x80\"}", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
      {"{\"name\":\"\\ud83d\\ude00\"}", "\xF0\x9F\x98\x80"},
      {"{\"name\":\"\\ud83d!\"}", "\xEF\xBF\xBD!"},
      {"{\"name\":\"\\uDE00\"}", "\xEF\xBF\xBD"},
      {"{\"name\":\"\\ud83d\\n\"}", "\xEF\xBF\xBD\n"},
      {"{\"name\":\"\\\\ud83d\"}", "\\ud83d"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct nats_connect c;
    nats_connect_init(&c);
    if (parse(&c, cases[i].json) != 0) fail_msg("refused: %s", cases[i].json);
    assert_string_equal(c.name, cases[i].name);
    nats_connect_fini(&c);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_are_the_protocols),
      cmocka_unit_test(values_are_read),
      cmocka_unit_test(a_second_one_changes_only_what_it_names),
      cmocka_unit_test(keys_in_any_case_and_the_last_wins),
      cmocka_unit_test(null_changes_nothing),
      cmocka_unit_test(unknown_keys_are_ignored),
      cmocka_unit_test(what_is_not_acceptable),
      cmocka_unit_test(broken_text_is_replaced),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
