/* SPDX-License-Identifier: Apache-2.0 */
/* Values as operators write them: what is read from each form, what is refused and with which words, and the way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "values.h"

#define KI (INT64_C(1) << 10)
#define MI (INT64_C(1) << 20)

typedef const char *reader(const char *text, int64_t *out);

static const struct good {
  reader *read;
  const char *text;
  int64_t value;
} good[] = {
    {value_int, "0", 0},
    {value_int, "-1", -1},
    {value_int, "0010", 10},
    {value_int, "9223372036854775807", INT64_MAX},
    {value_int, "-9223372036854775808", INT64_MIN},
    {value_size, "0", 0},
    {value_size, "64", 64},
    {value_size, "64k", 64000},
    {value_size, "64K", 64000},
    {value_size, "64kb", 64 * KI},
    {value_size, "64KB", 64 * KI},
    {value_size, "64Ki", 64 * KI},
    {value_size, "64KiB", 64 * KI},
    {value_size, "-1m", -1000000},
    {value_size, "1M", 1000000},
    {value_size, "1MB", MI},
    {value_size, "3g", INT64_C(3000000000)},
    {value_size, "1GiB", MI *KI},
    {value_size, "1t", INT64_C(1000000000000)},
    {value_size, "1P", INT64_C(1000000000000000)},
    {value_size, "7EiB", 7 * MI *MI *MI},
    {value_duration, "0", 0},
    {value_duration, "10", 10000},
    {value_duration, "1.5", 1500},
    {value_duration, "-2", -2000},
    {value_duration, "500ms", 500},
    {value_duration_with_unit, "1m30s", 90000},
    {value_duration, "1.001s", 1001}, /* which no binary fraction is */
    {value_duration, "0.001s", 1},
    {value_duration, ".5s", 500},
    {value_duration, "5.s", 5000},
    {value_duration, "1m30s", 90000},
    {value_duration, "-1m30s", -90000},
    {value_duration, "1.5h", 5400000},
    {value_duration, "1h1m1s1ms", 3661001},
    {value_duration, "999999ns", 1},
    {value_duration, "1000000ns", 1},
    {value_duration, "1000us", 1},
    {value_duration, "1ns", 1},
    {value_duration, "0us", 0},
    {value_duration, "1000\xc2\xb5s", 1},
};

static void every_form_is_read(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    int64_t value = -77;
    print_message("%s\n", good[i].text);
    assert_null(good[i].read(good[i].text, &value));
    assert_int_equal(value, good[i].value);
  }
}

static const struct bad {
  reader *read;
  const char *text;
  const char *problem; /* begins like this */
} bad[] = {
    {value_int, "", "not a number"},
    {value_int, "-", "not a number"},
    {value_int, "--1", "not a number"},
    {value_int, "+1", "not a number"},
    {value_int, " 1", "not a number"},
    {value_int, "1 ", "not a number"},
    {value_int, "0x10", "not a number"},
    {value_int, "1k", "not a number"},
    {value_int, "9223372036854775808", value_too_large},
    {value_int, "-9223372036854775809", value_too_large},
    {value_size, "", "not a number"},
    {value_size, "k", "not a number"},
    {value_size, "1x", "not a size"},
    {value_size, "1b", "not a size"},
    {value_size, "1 k", "not a size"},
    {value_size, "1kk", "not a size"},
    {value_size, "1kib ", "not a size"},
    {value_size, "1.5k", "not a size"},
    {value_size, "8EiB", value_too_large},
    {value_size, "9223372036854775807k", value_too_large},
    {value_size, "-10e", value_too_large},
    {value_duration, "", "not a duration"},
    {value_duration, "-", "not a duration"},
    {value_duration, "s", "not a duration"},
    {value_duration, ".s", "not a duration"},
    {value_duration, "1d", "not a duration"},
    {value_duration, "1S", "not a duration"},
    {value_duration, "1 s", "not a duration"},
    {value_duration, "1m30", "not a duration"}, /* of what? */
    {value_duration, "1m-30s", "not a duration"},
    {value_duration, "1e3s", "not a duration"},
    {value_duration_with_unit, "5", "it has no unit"},
    {value_duration_with_unit, "1.", "it has no unit"},
    {value_duration_with_unit, "", "not a duration"},
    {value_duration, "3000000000h", "too long a duration"},
    {value_duration, "-3000000000h", "too long a duration"},
};

static void what_is_wrong_is_said(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int64_t value;
    print_message("%s\n", bad[i].text);
    const char *problem = bad[i].read(bad[i].text, &value);
    assert_non_null(problem);
    assert_memory_equal(problem, bad[i].problem, strlen(bad[i].problem));
  }
}

static void switches(void **state) {
  (void)state;
  static const char *const on[] = {"true", "TRUE", "t", "T", "1"}, *const off[] = {"false", "False", "f",
                                                                                   "0"};
  static const char *const neither[] = {"", "yes", "2", "tru", "truee", " 1"};
  bool value = false;
  for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) {
    assert_null(value_bool(on[i], &value));
    assert_true(value);
  }
  for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
    value = true;
    assert_null(value_bool(off[i], &value));
    assert_false(value);
  }
  for (size_t i = 0; i < sizeof neither / sizeof neither[0]; i++)
    assert_non_null(value_bool(neither[i], &value));
}

/* What is written is the shortest form, and reads as the same value. */
static void the_way_back(void **state) {
  (void)state;
  static const struct {
    int64_t value;
    const char *size, *duration;
  } cases[] = {
      {0, "0", "0ms"},
      {1, "1", "1ms"},
      {1000, "1000", "1s"},
      {1023, "1023", "1023ms"},
      {1024, "1KB", "1024ms"},
      {1025, "1025", "1025ms"},
      {60000, "60000", "1m"},
      {90000, "90000", "90s"},
      {3600000, "3600000", "1h"},
      {5400000, "5400000", "90m"},
      {64 * MI, "64MB", "67108864ms"},
      {5 * MI * KI, "5GB", "5368709120ms"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[32];
    int64_t value;
    value_format_size(cases[i].value, text, sizeof text);
    assert_string_equal(text, cases[i].size);
    assert_null(value_size(text, &value));
    assert_int_equal(value, cases[i].value);
    value_format_duration(cases[i].value, text, sizeof text);
    assert_string_equal(text, cases[i].duration);
    assert_null(value_duration(text, &value));
    assert_int_equal(value, cases[i].value);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_form_is_read),
      cmocka_unit_test(what_is_wrong_is_said),
      cmocka_unit_test(switches),
      cmocka_unit_test(the_way_back),
  };
  return cmocka_run_group_tests_name("ops_values", tests, NULL, NULL);
}
