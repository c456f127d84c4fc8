/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds that are left out, and why; and what that does to medians and ratios.
 */
#include "noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "rows.h"

static void add(json_t *rows, const char *label, int round, double rate, int stolen) {
  const char *name = strcmp(label, "limit") == 0 ? "forwarder" : label;
  json_array_append_new(rows, json_pack("{s:s, s:s, s:{s:s}, s:i, s:f, s:{s:i, s:i}}", "case", "pubsub",
                                        "label", label, "server", "name", name, "round", round, "rate", rate,
                                        "machine", "ticks", 200, "stolen", stolen));
}

/* As many rounds as there are figures, each with a server at 50 and the limit at the figure. */
static json_t *rows_of(unsigned rounds, const double *limits, const int *stolen) {
  json_t *rows = json_array();
  for (unsigned i = 0; i < rounds; i++) {
    add(rows, "tern", (int)i + 1, 50 + i, stolen[i]);
    add(rows, "limit", (int)i + 1, limits[i], stolen[i]);
  }
  return rows;
}

static const char *noise_in(const json_t *rows, int round) {
  size_t i;
  json_t *row;
  const char *noise = NULL;
  json_array_foreach(rows, i, row) {
    if (row_number(row, "round") != round) continue;
    if (noise != NULL) assert_string_equal(noise, row_text(row, "noise")); /* all servers' alike */
    noise = row_text(row, "noise");
  }
  return noise;
}

static void test_stolen_time(void **state) {
  (void)state;
  char text[NOISE_TEXT_MAX];
  json_t *rows = rows_of(3, (double[]){100, 100, 100}, (int[]){2, 3, 0}); /* 1 %, 1.5 % */
  struct figure_key tern = {"pubsub", "tern", "rate"}, limit = {"pubsub", "limit", "rate"};
  assert_true(rows_spread(rows, &tern).count == 3);
  noise_mark(rows);
  assert_string_equal(noise_in(rows, 1), "");
  assert_string_equal(noise_in(rows, 2), "steal 1.5 %");
  struct spread spread = rows_spread(rows, &tern), ratio = rows_ratio(rows, &tern, &limit);
  assert_true(spread.count == 2 && spread.median == 51);
  assert_true(ratio.count == 2 && ratio.median == 0.51);
  assert_string_equal(noise_of_case(rows, "pubsub", text, sizeof text), "1 of 3 rounds left out as noisy");
  assert_non_null(strstr(noise_of_all(rows, text, sizeof text),
                         "in 3 rounds of a case: 1 do not count because the host"));
  json_decref(rows);
}

static void test_the_forwarder_off_its_median(void **state) {
  (void)state;
  char text[NOISE_TEXT_MAX];
  json_t *rows = rows_of(5, (double[]){100, 91, 109, 111, 88}, (int[]){0, 0, 0, 0, 0});
  noise_mark(rows);
  for (int round = 1; round <= 3; round++)
    assert_string_equal(noise_in(rows, round), "");
  assert_string_equal(noise_in(rows, 4), "forwarder +11 %");
  assert_string_equal(noise_in(rows, 5), "forwarder -12 %");
  assert_string_equal(noise_of_case(rows, "pubsub", text, sizeof text), "2 of 5 rounds left out as noisy");
  assert_non_null(
      strstr(noise_of_all(rows, text, sizeof text), "2 because the forwarder was more than 10 % off"));
  json_decref(rows);
}

static void test_of_two_rounds_nobody_knows_which_is_off(void **state) {
  (void)state;
  char text[NOISE_TEXT_MAX];
  json_t *rows = rows_of(2, (double[]){100, 200}, (int[]){0, 0});
  noise_mark(rows);
  assert_string_equal(noise_in(rows, 1), "");
  assert_string_equal(noise_in(rows, 2), "");
  assert_string_equal(noise_of_case(rows, "pubsub", text, sizeof text), "");
  assert_string_equal(noise_of_all(rows, text, sizeof text), "");
  json_decref(rows);
}

static void test_when_half_are_noisy_all_count(void **state) {
  (void)state;
  char text[NOISE_TEXT_MAX];
  json_t *rows = rows_of(4, (double[]){100, 100, 100, 100}, (int[]){20, 0, 30, 0});
  struct figure_key tern = {"pubsub", "tern", "rate"};
  noise_mark(rows);
  assert_string_equal(noise_in(rows, 1), "steal 10.0 %");
  assert_true(rows_spread(rows, &tern).count == 4);
  assert_string_equal(noise_of_case(rows, "pubsub", text, sizeof text), "2 of 4 rounds noisy");
  assert_non_null(strstr(noise_of_all(rows, text, sizeof text), "; 2 count although noisy"));
  json_decref(rows);
}

static void test_marks_are_made_anew(void **state) {
  (void)state;
  json_t *rows = rows_of(3, (double[]){100, 100, 100}, (int[]){0, 30, 0}), *row;
  size_t i;
  noise_mark(rows);
  json_array_foreach(rows, i, row)
      json_object_set_new(json_object_get(row, "machine"), "stolen", json_integer(0));
  noise_mark(rows);
  json_array_foreach(rows, i, row) {
    assert_null(json_object_get(row, "noise"));
    assert_null(json_object_get(row, "left_out"));
  }
  json_decref(rows);
}

static void test_cases_are_judged_for_themselves(void **state) {
  (void)state;
  char text[NOISE_TEXT_MAX];
  json_t *rows = rows_of(3, (double[]){100, 100, 100}, (int[]){0, 30, 0});
  json_array_append_new(
      rows, json_pack("{s:s, s:s, s:i, s:f}", "case", "other", "label", "tern", "round", 2, "rate", 7.0));
  noise_mark(rows);
  assert_true(rows_mean(rows, &(struct figure_key){"other", "tern", "rate"}, 2) == 7);
  assert_string_equal(noise_of_case(rows, "other", text, sizeof text), "");
  json_decref(rows);
}

static void test_rows_of_no_round_are_nobodys(void **state) {
  (void)state;
  char text[NOISE_TEXT_MAX];
  json_t *rows = rows_of(3, (double[]){100, 100, 100}, (int[]){0, 0, 0});
  add(rows, "tern", 0, 50, 100);
  noise_mark(rows);
  assert_string_equal(noise_in(rows, 0), "");
  assert_string_equal(noise_of_all(rows, text, sizeof text), "");
  json_decref(rows);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_stolen_time),
      cmocka_unit_test(test_the_forwarder_off_its_median),
      cmocka_unit_test(test_of_two_rounds_nobody_knows_which_is_off),
      cmocka_unit_test(test_when_half_are_noisy_all_count),
      cmocka_unit_test(test_marks_are_made_anew),
      cmocka_unit_test(test_cases_are_judged_for_themselves),
      cmocka_unit_test(test_rows_of_no_round_are_nobodys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
