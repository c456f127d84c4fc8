/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timer wheel against a naive model: an array of due times. Random starts, stops, restarts out of
 * callbacks and jumps of the clock; after each advance exactly the timers that the model says are due have
 * fired: never early, at most one step late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "container.h"
#include "wheel.h"

enum { TIMERS = 64, ROUNDS = 20000 };

struct modelled {
  struct tern_timer timer;
  uint64_t due_ms;        /* asked for; UINT64_MAX: not started */
  uint64_t again;         /* restart with this delay when fired; UINT64_MAX: do not */
  struct modelled *stops; /* stop that one when fired */
};

static struct tern__wheel wheel;
static struct modelled timers[TIMERS];
static uint64_t now_ms;
static unsigned fired_count;
static uint64_t random_state;

static uint64_t draw(void) { /* xorshift64 */
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static void start(struct modelled *m, uint64_t delay) {
  m->due_ms = now_ms + delay;
  tern__wheel_start(&wheel, &m->timer, now_ms, delay);
}

static void stop(struct modelled *m) {
  if (m->timer.prev != NULL) tern__wheel_stop(&wheel, &m->timer);
  m->due_ms = UINT64_MAX;
}

static void fired(struct tern_timer *timer) {
  struct modelled *m = tern_container(timer, struct modelled, timer);
  assert_null(timer->prev);
  assert_true(m->due_ms <= now_ms);
  m->due_ms = UINT64_MAX;
  fired_count++;
  if (m->again != UINT64_MAX) start(m, m->again);
  m->again = UINT64_MAX;
  if (m->stops != NULL) stop(m->stops);
  m->stops = NULL;
}

static void reset(uint64_t at_ms, uint64_t seed) {
  now_ms = at_ms;
  random_state = seed * 2654435761u + 88172645463325252u;
  tern__wheel_init(&wheel, now_ms);
  memset(timers, 0, sizeof timers);
  for (int i = 0; i < TIMERS; i++) {
    timers[i].timer.fired = fired;
    timers[i].due_ms = timers[i].again = UINT64_MAX;
  }
}

/* Delays of all magnitudes: what matters are the borders between levels. */
static uint64_t draw_delay(void) { return draw() % (UINT64_C(1) << (1 + draw() % 36)); }

static void check_against_model(void) {
  uint64_t next = tern__wheel_next_ms(&wheel);
  for (int i = 0; i < TIMERS; i++) {
    struct modelled *m = &timers[i];
    assert_int_equal(m->timer.prev != NULL, m->due_ms != UINT64_MAX);
    if (m->due_ms == UINT64_MAX) continue;
    /* Not overdue by more than a step, and the loop would not sleep past it by more than one. */
    assert_true(m->due_ms + TERN__WHEEL_STEP_MS > now_ms);
    assert_true(next <= m->due_ms + TERN__WHEEL_STEP_MS);
  }
}

static void agrees_with_model(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 10; seed++) {
    reset(draw_delay() + (seed % 2 ? 0 : (UINT64_C(1) << 22) - 40), seed);
    for (int round = 0; round < ROUNDS; round++) {
      struct modelled *m = &timers[draw() % TIMERS];
      switch (draw() % 8) {
        case 0:
        case 1:
        case 2:
          stop(m);
          start(m, draw_delay());
          break;
        case 3:
          stop(m);
          break;
        case 4:
          m->again = draw_delay();
          break;
        case 5:
          m->stops = &timers[draw() % TIMERS];
          break;
        case 6:
          now_ms += draw() % 40;
          break;
        default:
          now_ms += draw_delay() >> 10; /* stays below the wheel's 34 years */
          break;
      }
      tern__wheel_advance(&wheel, now_ms);
      check_against_model();
    }
  }
  assert_true(fired_count > 1000);
}

static void next_is_exact_for_one_timer(void **state) {
  (void)state;
  const uint64_t delays[] = {0, 1, 15, 16, 1023, 1024, 65536, 120000, 4194304, 86400000};
  for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
    reset(777, 1);
    start(&timers[0], delays[i]);
    uint64_t next = tern__wheel_next_ms(&wheel);
    assert_true(next > 777 + delays[i]);
    assert_true(next <= 777 + delays[i] + TERN__WHEEL_STEP_MS);
    fired_count = 0;
    now_ms = next - 1;
    tern__wheel_advance(&wheel, now_ms);
    assert_int_equal(fired_count, 0);
    assert_int_equal(tern__wheel_next_ms(&wheel), next); /* no second wake-up needed */
    now_ms = next;
    tern__wheel_advance(&wheel, now_ms);
    assert_int_equal(fired_count, 1);
    assert_true(tern__wheel_next_ms(&wheel) == TERN__WHEEL_NEVER);
  }
}

static void stopped_timers_leave_no_wake_up(void **state) {
  (void)state;
  reset(5000, 1);
  for (int i = 0; i < TIMERS; i++)
    start(&timers[i], (uint64_t)i * 1000);
  for (int i = 0; i < TIMERS; i++)
    stop(&timers[i]);
  assert_true(tern__wheel_next_ms(&wheel) == TERN__WHEEL_NEVER);
}

static void restarting_without_delay_does_not_fire_twice_in_one_advance(void **state) {
  (void)state;
  reset(1000, 1);
  fired_count = 0;
  start(&timers[0], 0);
  timers[0].again = 0;
  now_ms += 500;
  tern__wheel_advance(&wheel, now_ms);
  assert_int_equal(fired_count, 1);
  now_ms += TERN__WHEEL_STEP_MS;
  tern__wheel_advance(&wheel, now_ms);
  assert_int_equal(fired_count, 2);
}

static void endless_delay_is_cut_not_wrapped(void **state) {
  (void)state;
  reset(123456, 1);
  start(&timers[0], UINT64_MAX);
  now_ms += UINT64_C(1) << 38;
  timers[0].due_ms = UINT64_MAX - TERN__WHEEL_STEP_MS;
  fired_count = 0;
  tern__wheel_advance(&wheel, now_ms);
  assert_int_equal(fired_count, 0);
  assert_non_null(timers[0].timer.prev);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_model),
      cmocka_unit_test(next_is_exact_for_one_timer),
      cmocka_unit_test(stopped_timers_leave_no_wake_up),
      cmocka_unit_test(restarting_without_delay_does_not_fire_twice_in_one_advance),
      cmocka_unit_test(endless_delay_is_cut_not_wrapped),
  };
  return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
