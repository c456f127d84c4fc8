/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The histogram against exact quantiles: the same values, sorted. What it answers is the exact quantile or a
 * little above, by less than one part in 1024, whatever the distribution.
 */
#include "histogram.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VALUES 20000

/* A number in (0, 1), the same ones in every run. */
static double uniform(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
}

static uint64_t constant(uint64_t *state) { return *state > 0 ? 123456789 : 0; }
static uint64_t small(uint64_t *state) { return (uint64_t)(uniform(state) * 3000); }
static uint64_t even(uint64_t *state) { return (uint64_t)(uniform(state) * 1e7); }
static uint64_t exponential(uint64_t *state) { return (uint64_t)(-log(uniform(state)) * 50000); }
/* Every magnitude up to an hour alike. */
static uint64_t wide(uint64_t *state) { return (uint64_t)exp(uniform(state) * log(3.6e12)); }
/* 1 in 500 takes a million times as long. */
static uint64_t bimodal(uint64_t *state) { return uniform(state) < 0.002 ? 5000000000 : 5000; }

static int compare_values(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return (left > right) - (left < right);
}

/* The exact answer, from sorted values: the smallest that at least per_mille_of_mille / 1e6 of all do not exceed. */
static uint64_t exact(const uint64_t *sorted, uint64_t millionths) {
  uint64_t rank = (VALUES * millionths + 999999) / 1000000;
  return sorted[rank > 0 ? rank - 1 : 0];
}

static void assert_close(uint64_t got, uint64_t wanted) {
  assert_true(got >= wanted);
  assert_true(got - wanted <= wanted / 1024);
}

static void check_distribution(uint64_t (*draw)(uint64_t *)) {
  static const uint64_t millionths[] = {0,      1,      250000, 500000, 900000, 990000,
                                        999000, 999900, 999950, 999999, 1000000};
  struct histogram *h = histogram_new();
  uint64_t *values = calloc(VALUES, sizeof *values), state = 42;
  assert_non_null(h);
  assert_non_null(values);
  double sum = 0;
  for (size_t i = 0; i < VALUES; i++) {
    values[i] = draw(&state);
    sum += (double)values[i];
    histogram_record(h, values[i]);
  }
  qsort(values, VALUES, sizeof *values, compare_values);
  assert_int_equal(histogram_count(h), VALUES);
  assert_int_equal(histogram_min(h), values[0]);
  assert_int_equal(histogram_max(h), values[VALUES - 1]);
  assert_true(fabs(histogram_mean(h) - sum / VALUES) <= 1e-9 * sum / VALUES);
  for (size_t i = 0; i < sizeof millionths / sizeof millionths[0]; i++)
    assert_close(histogram_value_at(h, (double)millionths[i] / 1e4), exact(values, millionths[i]));
  assert_int_equal(histogram_value_at(h, 100), values[VALUES - 1]);
  assert_int_equal(histogram_value_at(h, 0), values[0]);
  free(values);
  histogram_free(h);
}

static void test_quantiles_of_many_distributions(void **state) {
  (void)state;
  check_distribution(constant);
  check_distribution(small);
  check_distribution(even);
  check_distribution(exponential);
  check_distribution(wide);
  check_distribution(bimodal);
}

static void test_every_power_of_two_and_its_neighbours(void **state) {
  (void)state;
  for (unsigned bit = 0; bit < 42; bit++) {
    for (int step = -1; step <= 1; step++) {
      struct histogram *h = histogram_new();
      uint64_t value = (UINT64_C(1) << bit) + (uint64_t)(int64_t)step;
      if (value > HISTOGRAM_MAX_NS) value = HISTOGRAM_MAX_NS;
      assert_non_null(h);
      histogram_record(h, value);
      histogram_record(h, HISTOGRAM_MAX_NS);
      histogram_record(h, HISTOGRAM_MAX_NS);
      assert_close(histogram_value_at(h, 30), value);
      histogram_record(h, 0);
      assert_close(histogram_value_at(h, 50), value);
      histogram_free(h);
    }
  }
}

static void test_nothing_recorded(void **state) {
  (void)state;
  struct histogram *h = histogram_new();
  assert_non_null(h);
  histogram_record_n(h, 5, 0);
  assert_int_equal(histogram_count(h), 0);
  assert_int_equal(histogram_min(h), 0);
  assert_int_equal(histogram_max(h), 0);
  assert_int_equal(histogram_value_at(h, 50), 0);
  assert_true(histogram_mean(h) == 0);
  json_t *row = histogram_row(h, "send"), *hiccup = histogram_hiccup_row(h);
  assert_true(json_is_null(row));
  assert_true(json_is_null(hiccup));
  histogram_free(h);
}

static void test_more_than_an_hour_is_an_hour(void **state) {
  (void)state;
  struct histogram *h = histogram_new();
  assert_non_null(h);
  histogram_record(h, UINT64_MAX);
  histogram_record(h, HISTOGRAM_MAX_NS);
  assert_int_equal(histogram_max(h), HISTOGRAM_MAX_NS);
  assert_int_equal(histogram_value_at(h, 50), HISTOGRAM_MAX_NS);
  histogram_free(h);
}

static void test_merged_is_as_if_recorded_in_one(void **state) {
  (void)state;
  struct histogram *parts[3], *all = histogram_new(), *merged = histogram_new();
  uint64_t random = 7;
  assert_non_null(all);
  assert_non_null(merged);
  for (size_t i = 0; i < 3; i++) {
    parts[i] = histogram_new();
    assert_non_null(parts[i]);
  }
  for (unsigned i = 0; i < 3000; i++) {
    uint64_t value = wide(&random);
    histogram_record_n(all, value, 1 + i % 4);
    histogram_record_n(parts[i % 2], value, 1 + i % 4); /* the third stays empty */
  }
  for (size_t i = 0; i < 3; i++)
    histogram_merge(merged, parts[i]);
  assert_int_equal(histogram_count(merged), 7500);
  for (int half = 0; half <= 200; half++)
    assert_int_equal(histogram_value_at(merged, half / 2.0), histogram_value_at(all, half / 2.0));
  assert_int_equal(histogram_min(merged), histogram_min(all));
  assert_int_equal(histogram_max(merged), histogram_max(all));
  histogram_reset(merged);
  assert_int_equal(histogram_count(merged), 0);
  assert_int_equal(histogram_value_at(merged, 99), 0);
  for (size_t i = 0; i < 3; i++)
    histogram_free(parts[i]);
  histogram_free(all);
  histogram_free(merged);
}

static void test_row(void **state) {
  (void)state;
  struct histogram *h = histogram_new();
  assert_non_null(h);
  for (uint64_t i = 1; i <= 1000; i++)
    histogram_record(h, i);
  json_t *row = histogram_row(h, "request"), *hiccup = histogram_hiccup_row(h);
  int count, least, p50, p90, p99, p999, p9999, most;
  double mean;
  const char *from;
  json_t *curve;
  assert_int_equal(
      json_unpack_ex(row, NULL, JSON_STRICT, "{s:i, s:i, s:F, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:o}",
                     "count", &count, "min", &least, "mean", &mean, "p50", &p50, "p90", &p90, "p99", &p99,
                     "p99.9", &p999, "p99.99", &p9999, "max", &most, "from", &from, "curve", &curve),
      0);
  assert_int_equal(count, 1000);
  assert_true(mean == 500.5);
  int got[] = {least, p50, p90, p99, p999, p9999, most};
  int wanted[] = {1, 500, 900, 990, 999, 1000, 1000};
  assert_memory_equal(got, wanted, sizeof got);
  assert_string_equal(from, "request");
  /* Thirty points lead to the thousandth part, and the last is the highest value. */
  assert_int_equal(json_array_size(curve), 32);
  double before = -1;
  size_t i;
  json_t *point;
  json_array_foreach(curve, i, point) {
    double percentile = json_number_value(json_array_get(point, 0));
    assert_true(percentile > before);
    assert_int_equal(json_integer_value(json_array_get(point, 1)), histogram_value_at(h, percentile));
    before = percentile;
  }
  assert_true(before == 100);
  assert_int_equal(json_unpack_ex(hiccup, NULL, JSON_STRICT, "{s:i, s:i, s:i, s:i}", "p50", &p50, "p99", &p99,
                                  "p99.9", &p999, "max", &most),
                   0);
  assert_int_equal(p999, 999);
  json_decref(row);
  json_decref(hiccup);
  histogram_free(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_quantiles_of_many_distributions),
      cmocka_unit_test(test_every_power_of_two_and_its_neighbours),
      cmocka_unit_test(test_nothing_recorded),
      cmocka_unit_test(test_more_than_an_hour_is_an_hour),
      cmocka_unit_test(test_merged_is_as_if_recorded_in_one),
      cmocka_unit_test(test_row),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
