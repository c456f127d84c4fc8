/* SPDX-License-Identifier: Apache-2.0 */
/* Tallies: counts and their limits, places that are used again, a full table, rates, and threads that come and go. */
#include "tally.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define KEY    UINT64_C(0x123456789abcdef0)

static void a_key_has_a_limit(void **state) {
  (void)state;
  struct tally *tally = tally_new();
  uint32_t first, place;
  assert_true(tally_enter(tally, KEY, 3, &first));
  for (int i = 0; i < 2; i++) {
    assert_true(tally_enter(tally, KEY, 3, &place));
    assert_int_equal(place, first);
  }
  assert_false(tally_enter(tally, KEY, 3, &place));
  assert_int_equal(place, TALLY_NONE);
  assert_true(tally_enter(tally, KEY + (UINT64_C(1) << 30), 3, &place)); /* another key, for the same place */
  assert_int_not_equal(place, first);
  tally_leave(tally, place);
  tally_leave(tally, first);
  assert_true(tally_enter(tally, KEY, 3, &place));
  assert_true(tally_enter(tally, KEY, 0, &place)); /* no limit */
  tally_leave(tally, TALLY_NONE);
  tally_free(tally);
  tally_free(NULL);
}

/* So many keys with the same place that there is no room: not counted, but not refused either. */
static void what_does_not_fit_is_let_in(void **state) {
  (void)state;
  struct tally *tally = tally_new();
  uint32_t places[100];
  int counted = 0;
  for (uint64_t i = 0; i < 100; i++) {
    assert_true(tally_enter(tally, KEY + (i << 30), 1, &places[i]));
    counted += places[i] != TALLY_NONE;
  }
  assert_in_range(counted, 16, 64);
  for (int i = 0; i < 100; i++)
    tally_leave(tally, places[i]);
  assert_true(tally_enter(tally, KEY + (UINT64_C(99) << 30), 1, &places[0])); /* places are free again */
  assert_int_not_equal(places[0], TALLY_NONE);
  tally_free(tally);
}

/* A second's worth at once, then as fast as the rate says. */
static void rates_are_kept(void **state) {
  (void)state;
  struct tally *tally = tally_new();
  uint32_t place;
  uint64_t now = 1000 * SECOND;
  assert_true(tally_enter(tally, KEY, 0, &place));
  for (int i = 0; i < 100; i++)
    assert_int_equal(tally_use(tally, place, 0, 1, 100, now), 0);
  assert_int_equal(tally_use(tally, place, 0, 1, 100, now), SECOND / 100);
  assert_int_equal(tally_use(tally, place, 1, 50, 100, now), 0); /* the other account */
  now += SECOND / 100;
  assert_int_equal(tally_use(tally, place, 0, 1, 100, now), SECOND / 100);
  now += 10 * SECOND; /* what was not used is not saved */
  assert_int_equal(tally_use(tally, place, 0, 200, 100, now), SECOND);
  assert_int_equal(tally_use(tally, place, 1, UINT32_MAX, 1, now), (UINT32_MAX - UINT64_C(1)) * SECOND);
  tally_free(tally);
}

enum { THREADS = 4, ROUNDS = 20000, MAX = 3 };
static struct tally *shared;
static _Atomic int inside, most;

/* relaxed and the like do not matter to the test: it counts */
static void *come_and_go(void *arg) {
  uint32_t place;
  (void)arg;
  for (int i = 0; i < ROUNDS; i++) {
    if (!tally_enter(shared, KEY, MAX, &place)) continue;
    int now = ++inside;
    if (now > most) most = now;
    inside--;
    tally_leave(shared, place);
  }
  return NULL;
}

static void threads_agree(void **state) {
  (void)state;
  shared = tally_new();
  uint32_t stays;
  assert_true(tally_enter(shared, KEY, MAX, &stays)); /* so that the key keeps its place */
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  assert_in_range(most, 1, MAX - 1);
  for (int i = 1; i < MAX; i++)
    assert_true(tally_enter(shared, KEY, MAX, &stays)); /* everybody has left */
  assert_false(tally_enter(shared, KEY, MAX, &stays));
  tally_free(shared);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_key_has_a_limit),
      cmocka_unit_test(what_does_not_fit_is_let_in),
      cmocka_unit_test(rates_are_kept),
      cmocka_unit_test(threads_agree),
  };
  return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
