/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latencies on simulated workers, whose clock moves only where a test says so: while something is read, written or on its
 * way. Who is measured is drawn, so what may come out is known and not which of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "container.h"
#include "support.h"
#include "worker_internal.h"

#define MS UINT64_C(1000000)

enum { THINGS = 3, KIND = TERN_RECORD_USER + 1 };

static struct tern_workers *workers;
static struct tern_worker *a, *b;
static unsigned records;

static void on_record(struct tern_worker *worker, unsigned from, unsigned kind, const void *data,
                      size_t len) {
  (void)worker, (void)from, (void)data, (void)len;
  assert_int_equal(kind, KIND); /* marks are the library's */
  records++;
}

static void make(unsigned every) {
  const struct tern_workers_options options = {
      .count = 2, .ring_bytes = 512, .latency_every = every, .record = on_record};
  assert_int_equal(tern__workers_new_sim(&options, &workers), 0);
  a = tern_workers_at(workers, 0);
  b = tern_workers_at(workers, 1);
  records = 0;
}

static void finish(void) {
  assert_int_equal(tern_workers_stop(workers, 1000), 0);
  tern_workers_free(workers);
}

static struct tern_histogram of(const struct tern_worker *worker, enum tern_latency stage) {
  return tern_worker_stats(worker).latency[stage];
}

static uint64_t count_of(const struct tern_worker *worker, enum tern_latency stage) {
  const struct tern_histogram histogram = of(worker, stage);
  uint64_t count = 0;
  for (unsigned i = 0; i < TERN_TICK_BUCKETS; i++)
    count += histogram.buckets[i];
  return count;
}

/* Something that is read and written, and takes its time for both. */
struct thing {
  struct tern_watch watch;
  struct tern_flush flush;
  unsigned read_ms, write_ms;
  bool writes; /* what was read makes output */
};

static void read_thing(struct tern_watch *watch) {
  struct thing *thing = tern_container(watch, struct thing, watch);
  if (thing->writes) tern__loop_dirty(a->loop, &thing->flush);
  tern__sim_advance(workers, thing->read_ms);
}

static void write_thing(struct tern_flush *flush) {
  tern__sim_advance(workers, tern_container(flush, struct thing, flush)->write_ms);
}

static struct thing thing_of(unsigned read_ms, unsigned write_ms) {
  return (struct thing){.watch = {.run = read_thing, .fd = -1, .events = TERN_WATCH_READ},
                        .flush = {.run = write_thing},
                        .read_ms = read_ms,
                        .write_ms = write_ms};
}

static void make_ready(struct thing *things, unsigned count) {
  tern__sim_enter(a);
  for (unsigned i = 0; i < count; i++)
    tern__loop_ready(a->loop, &things[i].watch);
  tern__sim_enter(NULL);
}

static void send_one(void) {
  tern__sim_enter(a);
  assert_non_null(tern_worker_reserve(a, 1, KIND, 8));
  tern_worker_commit(a, 1);
  tern__sim_enter(NULL);
}

static void durations_have_their_places(void **state) {
  (void)state;
  struct tern__histogram histogram = {0};
  struct tern_histogram read;
  static const uint64_t ns[] = {0, 1023, 1024, 2047, 2048, UINT64_C(1) << 40};
  uint64_t sum = 0;
  for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
    tern__histogram_add(&histogram, ns[i]);
    sum += ns[i];
  }
  tern__histogram_read(&histogram, &read);
  assert_int_equal(read.ns, sum);
  assert_int_equal(read.buckets[0], 2);
  assert_int_equal(read.buckets[1], 2);
  assert_int_equal(read.buckets[2], 1);
  assert_int_equal(read.buckets[TERN_TICK_BUCKETS - 1], 1);
}

static void nothing_is_measured_unless_asked_for(void **state) {
  (void)state;
  make(0);
  struct thing thing = thing_of(1, 1);
  thing.writes = true;
  for (unsigned n = 0; n < 10; n++) {
    make_ready(&thing, 1);
    send_one();
    tern__worker_tick(a);
    tern__worker_tick(b);
  }
  for (int stage = 0; stage < TERN_LATENCIES; stage++) {
    assert_int_equal(count_of(a, (enum tern_latency)stage), 0);
    assert_int_equal(count_of(b, (enum tern_latency)stage), 0);
  }
  assert_int_equal(records, 10);
  assert_int_equal(tern_worker_stats(a).records_out, 10); /* without marks */
  finish();
}

static void one_tick_of_so_many_is_measured(void **state) {
  (void)state;
  make(4);
  struct thing thing = thing_of(2, 3);
  thing.writes = true;
  for (unsigned n = 0; n < 12; n++) {
    make_ready(&thing, 1);
    tern__worker_tick(a);
  }
  assert_int_equal(count_of(a, TERN_LATENCY_WAITING), 3);
  assert_int_equal(of(a, TERN_LATENCY_WAITING).ns, 0);
  assert_int_equal(count_of(a, TERN_LATENCY_HANDLING), 3);
  assert_int_equal(of(a, TERN_LATENCY_HANDLING).ns, 3 * 2 * MS);
  assert_int_equal(count_of(a, TERN_LATENCY_FLUSHING), 3);
  assert_int_equal(of(a, TERN_LATENCY_FLUSHING).ns, 3 * (2 + 3) * MS); /* queued when reading began */
  for (unsigned n = 0; n < 8; n++)
    tern__worker_tick(a); /* with nothing to read or to write */
  assert_int_equal(count_of(a, TERN_LATENCY_WAITING), 3);
  assert_int_equal(count_of(a, TERN_LATENCY_FLUSHING), 3);
  finish();
}

/* Under a steady load ticks with input and without take turns. */
static void ticks_that_take_turns_are_both_measured(void **state) {
  (void)state;
  make(8);
  struct thing thing = thing_of(1, 1);
  for (unsigned n = 0; n < 800; n++) {
    if (n % 2 == 0) make_ready(&thing, 1);
    tern__worker_tick(a);
  }
  assert_in_range(count_of(a, TERN_LATENCY_HANDLING), 20, 80); /* of 100 */
  finish();
}

/* Waiting, then handling and flushing of the three are told apart by how long they take. */
static void each_connection_has_its_chance(void **state) {
  (void)state;
  make(1);
  struct thing things[THINGS] = {thing_of(1, 10), thing_of(2, 20), thing_of(4, 40)};
  unsigned handled[5] = {0}, waited[5] = {0}, flushed = 0;
  for (unsigned i = 0; i < THINGS; i++)
    things[i].writes = true;
  for (unsigned n = 0; n < 300; n++) {
    const uint64_t waiting = of(a, TERN_LATENCY_WAITING).ns, handling = of(a, TERN_LATENCY_HANDLING).ns,
                   flushing = of(a, TERN_LATENCY_FLUSHING).ns;
    make_ready(things, THINGS);
    tern__worker_tick(a);
    const uint64_t wait = (of(a, TERN_LATENCY_WAITING).ns - waiting) / MS;
    const uint64_t handle = (of(a, TERN_LATENCY_HANDLING).ns - handling) / MS;
    assert_true(handle == 1 || handle == 2 || handle == 4);
    assert_int_equal(wait, handle - 1); /* those before it: 0, 1, 1 + 2 */
    handled[handle]++;
    waited[wait]++;
    const uint64_t flush = (of(a, TERN_LATENCY_FLUSHING).ns - flushing) / MS;
    /* the first one was queued at the very beginning: 7 of reading, then 10 of writing; and so on */
    assert_true(flush == 7 + 10 || flush == 6 + 30 || flush == 4 + 70);
    flushed += flush == 7 + 10;
  }
  for (unsigned i = 1; i <= 4; i += i)
    assert_in_range(handled[i], 50, 150);
  assert_in_range(waited[0], 50, 150);
  assert_in_range(flushed, 50, 150);
  assert_int_equal(count_of(a, TERN_LATENCY_FLUSHING), 300);
  finish();
}

static void only_input_is_drawn(void **state) {
  (void)state;
  struct tern__latency latency = {.every = 1};
  struct thing things[THINGS] = {thing_of(0, 0), thing_of(0, 0), thing_of(0, 0)};
  assert_int_equal(tern__latency_draw_ready(&latency, NULL), 0);
  for (unsigned i = 0; i + 1 < THINGS; i++)
    things[i].watch.next = &things[i + 1].watch;
  things[1].watch.events = TERN_WATCH_WRITE;
  unsigned first = 0;
  for (unsigned n = 0; n < 200; n++) {
    const uint32_t place = tern__latency_draw_ready(&latency, &things[0].watch);
    assert_true(place == 1 || place == 3);
    first += place == 1;
  }
  assert_in_range(first, 50, 150);
  things[0].watch.events = things[2].watch.events = 0;
  assert_int_equal(tern__latency_draw_ready(&latency, &things[0].watch), 0);
}

static void output_that_is_taken_back_is_not_measured(void **state) {
  (void)state;
  make(1);
  struct thing thing = thing_of(0, 5);
  tern__sim_enter(a);
  tern__worker_step(a, TERN__PHASE_INBOX);
  tern__sim_enter(a);
  tern__loop_dirty(a->loop, &thing.flush);
  tern__loop_undirty(a->loop, &thing.flush);
  tern__sim_enter(NULL);
  for (int phase = TERN__PHASE_READY; phase < TERN__PHASES; phase++)
    tern__worker_step(a, (enum tern__phase)phase);
  assert_int_equal(count_of(a, TERN_LATENCY_FLUSHING), 0);
  finish();
}

static void records_are_marked(void **state) {
  (void)state;
  make(2);
  for (unsigned n = 0; n < 4; n++) { /* the second and the fourth tick */
    send_one();
    send_one();
    tern__worker_tick(a);
    tern__sim_advance(workers, 7);
    tern__worker_tick(b);
  }
  assert_int_equal(records, 8);
  assert_int_equal(count_of(b, TERN_LATENCY_CROSSING), 2);
  assert_int_equal(of(b, TERN_LATENCY_CROSSING).ns, 2 * 7 * MS);
  assert_int_equal(count_of(a, TERN_LATENCY_CROSSING), 0);
  assert_int_equal(tern_worker_stats(a).records_out, 8 + 2);
  tern__worker_tick(a); /* nothing is sent, nothing is marked */
  tern__worker_tick(a);
  assert_int_equal(tern_worker_stats(a).records_out, 8 + 2);
  finish();
}

/* A full ring has no room for a mark, and what waits behind it needs none. */
static void what_spills_is_not_marked(void **state) {
  (void)state;
  make(1);
  unsigned sent = 0;
  while (!tern_worker_is_congested(a, 1) && sent < 1000) {
    send_one();
    sent++;
  }
  assert_true(tern_worker_is_congested(a, 1));
  tern__worker_tick(a);
  assert_int_equal(tern_worker_stats(a).records_out, sent);
  for (unsigned n = 0; n < 50 && records < sent; n++) {
    tern__worker_tick(b);
    tern__worker_tick(a);
  }
  assert_int_equal(records, sent);
  finish();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(durations_have_their_places),
      cmocka_unit_test(nothing_is_measured_unless_asked_for),
      cmocka_unit_test(one_tick_of_so_many_is_measured),
      cmocka_unit_test(ticks_that_take_turns_are_both_measured),
      cmocka_unit_test(each_connection_has_its_chance),
      cmocka_unit_test(only_input_is_drawn),
      cmocka_unit_test(output_that_is_taken_back_is_not_measured),
      cmocka_unit_test(records_are_marked),
      cmocka_unit_test(what_spills_is_not_marked),
  };
  return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
