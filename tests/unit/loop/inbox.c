/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records between workers, in simulations with random interleavings of the phases of ticks:
 *   - order per sender, whatever the sizes, through overflow and back (hazards 3 and 11),
 *   - nobody sleeps with records under way (hazard 1), rings that are full on both sides come free again,
 *   - visibility at the publish step, early reading of the inbox (guarantee O2), waiters, figures,
 *   - when a worker looks for more before it sleeps, and that the wake-up's records come first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "container.h"
#include "support.h"
#include "worker_internal.h"

enum { WORKERS_MAX = 4, KIND = TERN_RECORD_USER + 3 };

static uint32_t expected[WORKERS_MAX][WORKERS_MAX]; /* [receiver][sender]: number of the next record */
static uint32_t sent[WORKERS_MAX][WORKERS_MAX];     /* [sender][receiver] */

static size_t length_of(uint32_t number) { return 4 + number * 7 % 13; }

static void on_record(struct tern_worker *worker, unsigned from, unsigned kind, const void *data,
                      size_t len) {
  uint32_t number;
  assert_ptr_equal(tern_worker_self(), worker);
  assert_int_equal(kind, KIND);
  assert_int_equal((uintptr_t)data % 8, 0);
  memcpy(&number, data, sizeof number);
  assert_int_equal(number, expected[tern_worker_index(worker)][from]);
  assert_int_equal(len, length_of(number));
  for (size_t i = 4; i < len; i++)
    assert_int_equal(((const unsigned char *)data)[i], (unsigned char)(number + i));
  expected[tern_worker_index(worker)][from]++;
}

static void send_one(struct tern_worker *worker, unsigned to) {
  struct tern_worker *before = tern_worker_self();
  tern__sim_enter(worker);
  uint32_t number = sent[tern_worker_index(worker)][to]++;
  size_t len = length_of(number);
  unsigned char *room = tern_worker_reserve(worker, to, KIND, len);
  assert_non_null(room);
  memcpy(room, &number, sizeof number);
  for (size_t i = 4; i < len; i++)
    room[i] = (unsigned char)(number + i);
  tern_worker_commit(worker, to);
  tern__sim_enter(before);
}

static struct tern_workers *make_measured(unsigned count, size_t ring_bytes, unsigned latency_every) {
  struct tern_workers *workers;
  const struct tern_workers_options options = {
      .count = count, .ring_bytes = ring_bytes, .latency_every = latency_every, .record = on_record};
  memset(expected, 0, sizeof expected);
  memset(sent, 0, sizeof sent);
  assert_int_equal(tern__workers_new_sim(&options, &workers), 0);
  return workers;
}

static struct tern_workers *make(unsigned count, size_t ring_bytes) {
  return make_measured(count, ring_bytes, 0);
}

static void end(struct tern_workers *workers) {
  assert_int_equal(tern_workers_stop(workers, 1000), 0);
  for (unsigned to = 0; to < tern_workers_count(workers); to++) {
    for (unsigned from = 0; from < tern_workers_count(workers); from++) {
      assert_int_equal(expected[to][from], sent[from][to]);
    }
  }
  tern_workers_free(workers);
}

static void send_at_random(struct stepper *stepper, unsigned most) {
  unsigned count = tern_workers_count(stepper->workers);
  unsigned from = (unsigned)(draw(&stepper->random) % count);
  unsigned to = (unsigned)(draw(&stepper->random) % count);
  struct tern_worker *worker = tern_workers_at(stepper->workers, from);
  /* Sending belongs to a running worker, in the middle of its tick. */
  if (to == from || stepper->phase[from] == TERN__PHASE_INBOX || worker->asleep) return;
  for (uint64_t n = draw(&stepper->random) % most; n > 0; n--)
    send_one(worker, to);
}

/* All send to all through rings that hold a few records; then no more is sent and it must come to rest with
 * everything delivered, although a worker that sleeps is only stepped when it was woken. With marks among the records
 * (latency.h), and without. */
static void everything_arrives_in_order_and_nobody_oversleeps(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 300; seed++) {
    struct stepper stepper = {.workers = make_measured(2 + seed % 3, 64, seed % 4), .random = seeded(seed)};
    for (int step = 0; step < 400; step++) {
      stepper_step(&stepper);
      if (draw(&stepper.random) % 2) send_at_random(&stepper, 12);
    }
    int steps = 0;
    while (!stepper_all_asleep(&stepper)) {
      stepper_step(&stepper);
      assert_true(++steps < 100000);
    }
    for (unsigned i = 0; i < tern_workers_count(stepper.workers); i++) {
      for (unsigned j = 0; j < tern_workers_count(stepper.workers); j++) {
        assert_int_equal(expected[i][j], sent[j][i]); /* asleep with nothing under way */
      }
    }
    stepper_finish_ticks(&stepper);
    end(stepper.workers);
  }
}

/* Hazard 3: both rings full, both workers wait for room. */
static void two_full_rings_come_free(void **state) {
  (void)state;
  struct tern_workers *workers = make(2, 64);
  struct tern_worker *a = tern_workers_at(workers, 0), *b = tern_workers_at(workers, 1);
  for (int i = 0; i < 100; i++) {
    send_one(a, 1);
    send_one(b, 0);
  }
  assert_true(tern_worker_is_congested(a, 1));
  assert_true(tern_worker_is_congested(b, 0));
  tern__worker_tick(a);
  tern__worker_tick(b);
  for (int rounds = 0; expected[0][1] < 100 || expected[1][0] < 100; rounds++) {
    assert_true(rounds < 1000);
    if (!tern__worker_is_asleep(a)) tern__worker_tick(a);
    if (!tern__worker_is_asleep(b)) tern__worker_tick(b);
    tern__worker_sleep(a);
    tern__worker_sleep(b);
  }
  end(workers);
}

static void records_are_visible_from_the_publish_step(void **state) {
  (void)state;
  struct tern_workers *workers = make(2, 4096);
  struct tern_worker *a = tern_workers_at(workers, 0), *b = tern_workers_at(workers, 1);
  tern__worker_step(a, TERN__PHASE_INBOX);
  send_one(a, 1);
  tern__worker_tick(b);
  assert_int_equal(expected[1][0], 0);
  tern__worker_step(a, TERN__PHASE_READY);
  tern__worker_step(a, TERN__PHASE_PUBLISH);
  tern__worker_tick(b);
  assert_int_equal(expected[1][0], 1);
  send_one(a, 1);
  tern__loop_publish(tern_worker_loop(a)); /* before an early write */
  tern__worker_tick(b);
  assert_int_equal(expected[1][0], 2);
  tern__worker_step(a, TERN__PHASE_FLUSH);
  tern__worker_step(a, TERN__PHASE_REST);
  end(workers);
}

/* O2: in the middle of its tick a worker can handle all that has become visible. */
static void inbox_can_be_drained_in_the_middle_of_a_tick(void **state) {
  (void)state;
  struct tern_workers *workers = make(3, 4096);
  struct tern_worker *c = tern_workers_at(workers, 2);
  tern__worker_step(c, TERN__PHASE_INBOX);
  for (unsigned from = 0; from < 2; from++) {
    for (int i = 0; i < 10; i++)
      send_one(tern_workers_at(workers, from), 2);
    tern__worker_tick(tern_workers_at(workers, from));
  }
  assert_int_equal(expected[2][0] + expected[2][1], 0);
  tern__sim_enter(c);
  tern_worker_drain_inbox(c);
  tern__sim_enter(NULL);
  assert_int_equal(expected[2][0], 10);
  assert_int_equal(expected[2][1], 10);
  tern__worker_step(c, TERN__PHASE_READY);
  tern__worker_step(c, TERN__PHASE_PUBLISH);
  tern__worker_step(c, TERN__PHASE_FLUSH);
  tern__worker_step(c, TERN__PHASE_REST);
  end(workers);
}

enum { RECORDS_OF_A_TICK = 20000, ASKERS = 4 };

static struct asker {
  struct tern_watch watch;
  struct tern_worker *worker, *sender;
  size_t drained;
} askers[ASKERS];
static unsigned answered;
static bool newcomer_ran;

static void run_newcomer(struct tern_watch *watch) {
  (void)watch;
  newcomer_ran = true;
}

static struct tern_watch newcomer = {.run = run_newcomer, .fd = -1};

/* Somebody who wants to know what has come, while as much has as step 1 takes. */
static void ask(struct tern_watch *watch) {
  struct asker *asker = tern_container(watch, struct asker, watch);
  for (int i = 0; i < RECORDS_OF_A_TICK; i++)
    send_one(asker->sender, tern_worker_index(asker->worker));
  tern__sim_enter(asker->sender);
  tern__worker_publish(asker->sender);
  tern__sim_enter(asker->worker);
  if (asker == &askers[0]) tern__loop_ready(tern_worker_loop(asker->worker), &newcomer);
  asker->drained = tern_worker_drain_inbox(asker->worker);
  answered++;
  if (asker == &askers[1])
    tern__loop_ready(tern_worker_loop(asker->worker), watch); /* comes after the others */
}

/* Each would find the ring full again: one tick serves one of them, so that what else a tick does is done in between. */
static void who_drains_much_has_the_others_wait_for_the_next_tick(void **state) {
  (void)state;
  struct tern_workers *workers = make(2, 4 << 20);
  struct tern_worker *a = tern_workers_at(workers, 0), *b = tern_workers_at(workers, 1);
  answered = 0;
  tern__sim_enter(b);
  for (int i = 0; i < ASKERS; i++) {
    askers[i] = (struct asker){.watch = {.run = ask, .fd = -1}, .worker = b, .sender = a};
    tern__loop_ready(tern_worker_loop(b), &askers[i].watch);
  }
  tern__sim_enter(NULL);
  for (unsigned tick = 1; tick <= ASKERS; tick++) {
    tern__worker_tick(b);
    assert_int_equal(answered, tick);
    assert_true(askers[tick - 1].drained >= 256 * 1024); /* all of it, nevertheless: O2 */
    assert_int_equal(expected[1][0], sent[0][1]);
    assert_true(tick == ASKERS || askers[tick].drained == 0);
    assert_false(newcomer_ran); /* it became ready later */
  }
  askers[1].drained = 0;
  tern__sim_enter(b);
  tern__loop_ready(tern_worker_loop(b), &newcomer); /* twice changes nothing */
  tern__sim_enter(NULL);
  tern__worker_tick(b);
  assert_int_equal(answered, ASKERS + 1);
  assert_true(askers[1].drained > 0);
  assert_true(newcomer_ran);
  tern__sim_enter(b);
  tern__loop_unwatch(tern_worker_loop(b), &askers[1].watch);
  tern__sim_enter(NULL);
  end(workers);
}

static void who_is_woken_by_a_record_handles_it_in_that_tick(void **state) {
  (void)state;
  struct tern_workers *workers = make(2, 4096);
  struct tern_worker *a = tern_workers_at(workers, 0), *b = tern_workers_at(workers, 1);
  tern__worker_step(b, TERN__PHASE_INBOX);
  assert_true(tern__worker_sleep(b));
  send_one(a, 1);
  tern__worker_tick(a);
  assert_false(tern__worker_is_asleep(b));
  tern__worker_step(b, TERN__PHASE_READY);
  assert_int_equal(expected[1][0], 1);
  tern__worker_step(b, TERN__PHASE_PUBLISH);
  tern__worker_step(b, TERN__PHASE_FLUSH);
  tern__worker_step(b, TERN__PHASE_REST);
  end(workers);
}

/* ---- looking for more before sleeping ---- */

static void do_nothing(struct tern_watch *watch) { (void)watch; }

static void give_input(struct tern_worker *worker) {
  static struct tern_watch watch = {.run = do_nothing, .fd = -1};
  tern__sim_enter(worker);
  tern__loop_ready(tern_worker_loop(worker), &watch);
  tern__sim_enter(NULL);
}

static void finish_tick(struct tern_worker *worker) {
  for (int phase = TERN__PHASE_READY; phase < TERN__PHASES; phase++)
    tern__worker_step(worker, (enum tern__phase)phase);
}

/* Has the worker do something, and begins the next tick. True when it looks for more in that one; else it sleeps. */
static bool looks_after_input(struct tern_worker *worker) {
  give_input(worker);
  tern__worker_tick(worker);
  tern__worker_step(worker, TERN__PHASE_INBOX);
  return !tern__worker_sleep(worker);
}

/* How often it does so until it does not, or the other way round, when nothing is ever found. */
static int times_after_input(struct tern_worker *worker, bool looks) {
  int times = 0;
  while (looks_after_input(worker) == looks) {
    finish_tick(worker);
    assert_true(++times < 100);
  }
  finish_tick(worker);
  return times;
}

/* One message at a time: nothing more has come, ever. A load that begins is noticed all the same. */
static void looks_in_vain_are_given_up_but_for_some(void **state) {
  (void)state;
  struct tern_workers *workers = make(2, 4096);
  struct tern_worker *a = tern_workers_at(workers, 0), *b = tern_workers_at(workers, 1);
  for (int by_record = 0; by_record < 2; by_record++) {
    assert_in_range(times_after_input(b, true), 2, 10); /* once may be chance */
    int without = times_after_input(b, false);
    assert_in_range(without, 8, 30);
    assert_int_equal(times_after_input(b, true), 0); /* that look was in vain, too */
    assert_int_equal(times_after_input(b, false), without);
    while (!looks_after_input(b))
      finish_tick(b);
    if (by_record) {
      finish_tick(b);
      send_one(a, 1);
      tern__worker_tick(a);
    } else {
      give_input(b);
      finish_tick(b);
    }
    tern__worker_tick(b); /* has found something */
  }
  assert_true(times_after_input(b, true) > 1);
  end(workers);
}

/* ---- congestion and waiters ---- */

struct waiting {
  struct tern_waiter waiter;
  struct tern_worker *worker;
  char name;
  int burst; /* records to send when told */
};
static char told[32];

static void on_ready(struct tern_waiter *waiter) {
  struct waiting *w = tern_container(waiter, struct waiting, waiter);
  told[strlen(told)] = w->name;
  assert_false(tern_worker_any_congested(w->worker, UINT64_MAX));
  for (int i = 0; i < w->burst; i++)
    send_one(w->worker, 1);
}

static void waiters_are_told_in_order_when_no_ring_overflows(void **state) {
  (void)state;
  struct tern_workers *workers = make(3, 64);
  struct tern_worker *a = tern_workers_at(workers, 0);
  struct tern_worker *b = tern_workers_at(workers, 1), *c = tern_workers_at(workers, 2);
  struct waiting w[4];
  memset(told, 0, sizeof told);
  for (int i = 0; i < 4; i++) {
    w[i] = (struct waiting){.waiter = {.ready = on_ready}, .worker = a, .name = (char)('a' + i)};
  }
  for (int i = 0; i < 5; i++) {
    send_one(a, 1);
    send_one(a, 2);
  }
  assert_true(tern_worker_any_congested(a, 6));
  assert_false(tern_worker_any_congested(a, 1));
  tern__sim_enter(a);
  for (int i = 0; i < 4; i++)
    tern_worker_wait(a, &w[i].waiter);
  tern_worker_wait(a, &w[0].waiter); /* twice changes nothing */
  tern_waiter_cancel(&w[2].waiter);
  tern_waiter_cancel(&w[2].waiter);
  tern__sim_enter(NULL);
  w[1].burst = 30; /* congestion comes back while waiters are told: d has to wait on */
  tern__worker_tick(a);
  tern__worker_tick(b);
  tern__worker_tick(a);
  assert_string_equal(told, ""); /* the way to c is still full */
  assert_true(tern_worker_is_congested(a, 2));
  assert_false(tern_worker_is_congested(a, 1));
  tern__worker_tick(c);
  tern__worker_tick(a);
  assert_string_equal(told, "ab");
  tern__sim_enter(a);
  tern_worker_wait(a, &w[0].waiter);
  tern__sim_enter(NULL);
  for (int i = 0; i < 40; i++) {
    tern__worker_tick(b);
    tern__worker_tick(a);
  }
  assert_string_equal(told, "abda");
  end(workers);
}

static void waiting_without_congestion_is_told_next_tick(void **state) {
  (void)state;
  struct tern_workers *workers = make(2, 64);
  struct tern_worker *a = tern_workers_at(workers, 0);
  struct waiting w = {.waiter = {.ready = on_ready}, .worker = a, .name = 'x'};
  memset(told, 0, sizeof told);
  tern__worker_tick(a);
  tern__sim_enter(a);
  tern_worker_wait(a, &w.waiter);
  tern__sim_enter(NULL);
  assert_false(tern__worker_sleep(a)); /* not with somebody to tell */
  tern__worker_tick(a);
  assert_string_equal(told, "x");
  end(workers);
}

/* ---- limits and figures ---- */

static void sizes_are_bounded_by_a_quarter_of_the_ring(void **state) {
  (void)state;
  struct tern_workers *workers = make(2, 256);
  struct tern_worker *a = tern_workers_at(workers, 0);
  tern__sim_enter(a);
  assert_null(tern_worker_reserve(a, 1, KIND, 65));
  assert_non_null(tern_worker_reserve(a, 1, KIND, 64)); /* given up: nothing is sent */
  tern__sim_enter(NULL);
  send_one(a, 1);
  tern__worker_tick(a);
  tern__worker_tick(tern_workers_at(workers, 1));
  assert_int_equal(expected[1][0], 1);
  end(workers);
}

static void figures_count_what_happened(void **state) {
  (void)state;
  struct tern_workers *workers = make(2, 64);
  struct tern_worker *a = tern_workers_at(workers, 0), *b = tern_workers_at(workers, 1);
  tern__worker_tick(b);
  assert_true(tern__worker_sleep(b));
  for (int i = 0; i < 10; i++)
    send_one(a, 1);
  tern__worker_tick(a);
  struct tern_worker_stats stats = tern_worker_stats(a);
  assert_int_equal(stats.ticks, 1);
  assert_int_equal(stats.records_out, 10);
  assert_true(stats.overflows > 0 && stats.overflows < 10);
  assert_int_equal(stats.wakeups_sent, 1);
  tern__worker_tick(b);
  stats = tern_worker_stats(b);
  assert_int_equal(stats.ticks, 2);
  assert_int_equal(stats.sleeps, 1);
  assert_int_equal(stats.records_in, 10 - tern_worker_stats(a).overflows);
  assert_int_equal(tern__worker_load(a).connections, 0);
  end(workers);
}

static void ticks_are_counted_by_how_long_they_took(void **state) {
  (void)state;
  struct tern_workers *workers = make(2, 256);
  struct tern_worker *a = tern_workers_at(workers, 0);
  tern__worker_tick(a); /* the first one is over when the second one has polled */
  static const unsigned took_ms[] = {0, 1, 1, 5, 1000, 5000};
  uint64_t expected_ms = 0;
  for (size_t i = 0; i < sizeof took_ms / sizeof took_ms[0]; i++) {
    tern__sim_advance(workers, took_ms[i]);
    tern__worker_tick(a);
    expected_ms += took_ms[i];
  }
  const struct tern_worker_stats stats = tern_worker_stats(a);
  assert_int_equal(stats.ticks_took.ns, expected_ms * 1000000);
  uint64_t seen = 0, limit = TERN_TICK_BUCKET_NS;
  for (unsigned i = 0; i < TERN_TICK_BUCKETS; i++, limit *= 2) {
    unsigned in = 0; /* what belongs in this place */
    for (size_t n = 0; n < sizeof took_ms / sizeof took_ms[0]; n++) {
      const uint64_t ns = took_ms[n] * UINT64_C(1000000);
      in += (i == 0 || ns >= limit / 2) && (ns < limit || i == TERN_TICK_BUCKETS - 1);
    }
    assert_int_equal(stats.ticks_took.buckets[i], in);
    seen += stats.ticks_took.buckets[i];
  }
  assert_int_equal(seen, sizeof took_ms / sizeof took_ms[0]);
  end(workers);
}

static void what_waits_in_rings_shows(void **state) {
  (void)state;
  struct tern_workers *workers = make(2, 256);
  struct tern_worker *a = tern_workers_at(workers, 0), *b = tern_workers_at(workers, 1);
  assert_int_equal(tern_worker_stats(b).waiting_bytes, 0);
  send_one(a, 1);
  tern__worker_tick(a);
  assert_in_range(tern_worker_stats(b).ring_bytes, 256, 256 + 2048); /* with its ends */
  assert_true(tern_worker_stats(b).waiting_bytes > 0);
  assert_int_equal(tern_worker_stats(a).waiting_bytes, 0);
  tern__worker_tick(b);
  assert_int_equal(tern_worker_stats(b).waiting_bytes, 0);
  end(workers);
}

static void an_idle_pool_has_no_rings(void **state) {
  (void)state;
  struct tern_workers *workers = make(4, 0);
  for (unsigned i = 0; i < 4; i++) {
    struct tern_worker *worker = tern_workers_at(workers, i);
    tern__worker_tick(worker);
    assert_true(tern__worker_sleep(worker));
    for (unsigned from = 0; from < TERN__SLOTS; from++) {
      assert_null(atomic_load_explicit(&worker->in[from].ring, memory_order_relaxed)); /* one thread */
    }
    assert_int_equal(tern_worker_stats(worker).ring_bytes, 0);
  }
  end(workers);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everything_arrives_in_order_and_nobody_oversleeps),
      cmocka_unit_test(two_full_rings_come_free),
      cmocka_unit_test(records_are_visible_from_the_publish_step),
      cmocka_unit_test(inbox_can_be_drained_in_the_middle_of_a_tick),
      cmocka_unit_test(who_drains_much_has_the_others_wait_for_the_next_tick),
      cmocka_unit_test(who_is_woken_by_a_record_handles_it_in_that_tick),
      cmocka_unit_test(looks_in_vain_are_given_up_but_for_some),
      cmocka_unit_test(waiters_are_told_in_order_when_no_ring_overflows),
      cmocka_unit_test(waiting_without_congestion_is_told_next_tick),
      cmocka_unit_test(sizes_are_bounded_by_a_quarter_of_the_ring),
      cmocka_unit_test(figures_count_what_happened),
      cmocka_unit_test(ticks_are_counted_by_how_long_they_took),
      cmocka_unit_test(what_waits_in_rings_shows),
      cmocka_unit_test(an_idle_pool_has_no_rings),
  };
  return cmocka_run_group_tests_name("inbox", tests, NULL, NULL);
}
