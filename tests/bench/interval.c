/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interval of a median: against what tables of the binomial and of Student's distribution say, and by drawing samples
 * whose median is known: how often it lies inside, and how often two runs of the same come apart.
 */
#include "interval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SAMPLES_MAX 60
#define DRAWS       20000

static void near(double value, double wanted) {
  if (fabs(value - wanted) > fabs(wanted) * 1e-4) fail_msg("%.9g in place of %.9g", value, wanted);
}

static void test_order_statistics_as_in_tables(void **state) {
  (void)state;
  /* Sizes of samples, and the place of the lower end in ascending order at 95 % (sign test). */
  static const struct {
    unsigned count, place;
  } known[] = {{6, 1}, {8, 1}, {9, 2}, {11, 2}, {12, 3}, {15, 4}, {20, 6}, {25, 8}, {40, 14}, {60, 22}};
  double values[SAMPLES_MAX];
  for (unsigned i = 0; i < SAMPLES_MAX; i++)
    values[i] = i + 1;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    struct interval interval = interval_of_median(values, known[i].count);
    assert_true(interval.low == known[i].place);
    assert_true(interval.high == known[i].count + 1 - known[i].place);
  }
}

static void test_few_by_student(void **state) {
  (void)state;
  static const double two[] = {1, 4}, three[] = {1, 2, 4}, same[] = {3, 3}, about_zero[] = {-1, 1};
  struct interval interval =
      interval_of_median(two, 2); /* logarithms 0 and 2 log 2: deviation sqrt(2) log 2 */
  near(interval.high, 2 * exp(12.706 * log(2)));
  near(interval.low, 2 / exp(12.706 * log(2)));
  interval = interval_of_median(three, 3);
  near(interval.high, 2 * exp(4.303 * log(2) / sqrt(3)));
  interval = interval_of_median(same, 2);
  near(interval.low, 3);
  near(interval.high, 3);
  interval = interval_of_median(about_zero, 2); /* no logarithms of those */
  near(interval.high, 12.706);
}

static void test_one_says_nothing(void **state) {
  (void)state;
  static const double one[] = {1};
  assert_true(isnan(interval_of_median(one, 1).low) && isnan(interval_of_median(one, 1).high));
  assert_true(isnan(interval_of_median(NULL, 0).low));
}

/* A number above 0 and below 1, the same ones every time. */
static double uniform(uint64_t *seed) {
  *seed += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t z = *seed;
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return ((double)((z ^ (z >> 31)) >> 12) + 0.5) / 0x1p52;
}

static double normal(uint64_t *seed) {
  return sqrt(-2 * log(uniform(seed))) * cos(6.283185307179586 * uniform(seed));
}

/* Ratios about 5 with the median 5; now and then a wild one. */
static double drawn(uint64_t *seed) { return 5 * exp(0.1 * normal(seed) * (uniform(seed) < 0.1 ? 5 : 1)); }

static int ascending(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static struct interval interval_drawn(uint64_t *seed, unsigned count) {
  double values[SAMPLES_MAX];
  for (unsigned i = 0; i < count; i++)
    values[i] = drawn(seed);
  qsort(values, count, sizeof *values, ascending);
  return interval_of_median(values, count);
}

static void test_it_holds_what_it_says(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (unsigned count = 2; count <= 12; count++) {
    unsigned inside = 0, apart = 0;
    for (unsigned i = 0; i < DRAWS; i++) {
      struct interval a = interval_drawn(&seed, count), b = interval_drawn(&seed, count);
      inside += a.low <= 5 && 5 <= a.high;
      apart += a.high < b.low || b.high < a.low;
    }
    if (inside < DRAWS * 0.945) fail_msg("%u: the median is inside in %u of %d", count, inside, DRAWS);
    if (apart > DRAWS * 0.0075) fail_msg("%u: %u of %d come apart", count, apart, DRAWS);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_order_statistics_as_in_tables),
      cmocka_unit_test(test_few_by_student),
      cmocka_unit_test(test_one_says_nothing),
      cmocka_unit_test(test_it_holds_what_it_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
