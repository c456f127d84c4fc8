/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pace of lame duck mode, by a clock that the test moves: nothing in the grace period, everybody within the
 * duration, whatever their number, and never all at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lame_duck.h"

static void nothing_is_closed_in_the_grace_period(void **state) {
  (void)state;
  struct lame_duck duck;
  uint64_t wait;
  lame_duck_start(&duck, 5000, 30000, 10000);
  assert_int_equal(lame_duck_due(&duck, 5000, 3, 0, &wait), 0);
  assert_int_equal(wait, 10000);
  assert_int_equal(lame_duck_due(&duck, 14999, 3, 0, &wait), 0);
  assert_int_equal(wait, 1);
  assert_int_equal(lame_duck_due(&duck, 15000, 3, 0, &wait), 1);
  assert_int_equal(lame_duck_due(&duck, 15001, 2, 0, &wait), 0); /* the next one waits again */
}

/* Closes what is due until nobody is left; returns when that was. random: what each step is given. */
static uint64_t close_all(uint64_t clients, uint64_t duration, uint64_t grace, uint64_t random,
                          uint64_t *longest) {
  struct lame_duck duck;
  uint64_t now = 100, open = clients, wait;
  *longest = 0;
  lame_duck_start(&duck, now, duration, grace);
  for (;;) {
    uint64_t due = lame_duck_due(&duck, now, open, random, &wait);
    open -= due < open ? due : open;
    if (open == 0) return now - 100;
    assert_true(wait > 0);
    if (now > 100 + grace && wait > *longest) *longest = wait;
    now += wait;
  }
}

static void everybody_is_closed_within_the_duration(void **state) {
  (void)state;
  static const uint64_t counts[] = {1, 2, 19, 20, 21, 400, 20000, 20001, 60000, 1000000};
  for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    uint64_t longest, slow = close_all(counts[i], 30000, 10000, 0, &longest);
    assert_in_range(slow, 10000, 30000);
    assert_true(longest <= 1000);
    uint64_t fast = close_all(counts[i], 30000, 10000, UINT64_MAX, &longest);
    assert_in_range(fast, 10000, slow);
    /* each step takes at least half its time, so that all of them do */
    if (counts[i] >= 20 && counts[i] <= 20000) assert_true(2 * (fast - 10000) + 2000 >= slow - 10000);
  }
}

static void few_clients_are_a_second_apart(void **state) {
  (void)state;
  uint64_t longest;
  assert_int_equal(close_all(3, 120000, 10000, 0, &longest), 12000);
  assert_int_equal(longest, 1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_closed_in_the_grace_period),
      cmocka_unit_test(everybody_is_closed_within_the_duration),
      cmocka_unit_test(few_clients_are_a_second_apart),
  };
  return cmocka_run_group_tests_name("ops/lame_duck", tests, NULL, NULL);
}
