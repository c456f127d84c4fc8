/* SPDX-License-Identifier: Apache-2.0 */
/* Lines about the configuration: their form, what is counted, and where they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf_report.h"

struct said {
  unsigned lines, warnings;
  char last[512];
};

static void take(void *arg, bool warning, const char *text) {
  struct said *said = arg;
  said->lines++;
  said->warnings += warning;
  snprintf(said->last, sizeof said->last, "%s", text);
}

static const struct conf_node node = {
    .type = CONF_INT, .key = "the_key", .place = {.file = "a.conf", .line = 3, .column = 5}};

static void lines_name_their_place(void **state) {
  (void)state;
  struct said said = {0};
  struct conf_report report = {.line = take, .arg = &said};
  conf_wrong(&report, &node, "what %d", 7);
  assert_string_equal(said.last, "a.conf:3:5: what 7");
  conf_warn(&report, &node, "what %d", 8);
  assert_string_equal(said.last, "a.conf:3:5: warning: what 8");
  conf_wrong_type(&report, &node, node.key, "a string");
  assert_string_equal(said.last, "a.conf:3:5: the_key is an integer; it must be a string");
  conf_unknown(&report, &node, NULL);
  assert_string_equal(said.last, "a.conf:3:5: unknown field \"the_key\"");
  conf_unknown(&report, &node, "users");
  assert_string_equal(said.last, "a.conf:3:5: unknown field \"the_key\" in the block users");
  assert_int_equal(report.errors, 4);
  assert_int_equal(report.warnings, 1);
  assert_int_equal(said.warnings, 1);
}

static void a_key_that_is_referred_to_need_not_be_known(void **state) {
  (void)state;
  struct said said = {0};
  struct conf_report report = {.line = take, .arg = &said};
  struct conf_node variable = node;
  variable.is_variable = true;
  conf_unknown(&report, &variable, NULL);
  assert_int_equal(report.errors + said.lines, 0);
}

static void the_rest_is_counted_and_not_shown(void **state) {
  (void)state;
  struct said said = {0};
  struct conf_report report = {.line = take, .arg = &said};
  for (int i = 0; i < CONF_REPORT_MAX; i++)
    conf_wrong(&report, &node, "what");
  assert_string_equal(said.last, "a.conf:3:5: what");
  for (int i = 0; i < 3; i++)
    conf_wrong(&report, &node, "what");
  assert_int_equal(said.lines, CONF_REPORT_MAX + 1);
  assert_string_equal(said.last, "there is more, which is not shown");
  assert_int_equal(report.errors, CONF_REPORT_MAX + 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_name_their_place),
      cmocka_unit_test(a_key_that_is_referred_to_need_not_be_known),
      cmocka_unit_test(the_rest_is_counted_and_not_shown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
