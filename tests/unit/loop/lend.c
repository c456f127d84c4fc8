/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers across workers: export, import, release, further export, through full rings (hazard 12), without
 * memory, and with owners and holders that stop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "buf.h"
#include "support.h"
#include "worker_internal.h"

enum { KIND = TERN_RECORD_USER, HOPS_MAX = 8 };

struct message {
  struct tern_buf_handle handle;
  uint32_t hops; /* to be passed on so many times */
};

static uint64_t random_state;
static unsigned handled, sent;

static void send_buf(struct tern_worker *worker, unsigned to, struct tern_buf *buf, const char *data,
                     size_t len, uint32_t hops) {
  struct message *message = tern_worker_reserve(worker, to, KIND, sizeof *message);
  assert_non_null(message);
  *message = (struct message){.handle = tern_buf_export(buf, data, len), .hops = hops};
  assert_non_null(message->handle.buf);
  tern_worker_commit(worker, to);
  sent++;
}

static void on_record(struct tern_worker *worker, unsigned from, unsigned kind, const void *data,
                      size_t len) {
  struct message message;
  (void)from;
  assert_int_equal(kind, KIND);
  assert_int_equal(len, sizeof message);
  memcpy(&message, data, sizeof message);
  handled++;
  struct tern_buf *buf = tern_buf_import(worker, message.handle);
  assert_non_null(buf);
  assert_ptr_equal(tern_buf_data(buf), message.handle.data);
  assert_int_equal(tern_buf_size(buf), message.handle.len);
  assert_int_equal(buf->held, message.handle.len == 80 ? 100 : message.handle.len); /* see send_new */
  for (size_t i = 0; i < message.handle.len; i++)
    assert_int_equal(message.handle.data[i], 'x');
  tern_buf_ref(buf);
  if (message.hops > 0) {
    unsigned count = tern_workers_count(tern_worker_pool_of(worker));
    unsigned to = (tern_worker_index(worker) + 1 + (unsigned)(draw(&random_state) % (count - 1))) % count;
    send_buf(worker, to, buf, tern_buf_data(buf), tern_buf_size(buf), message.hops - 1);
  }
  tern_buf_unref(buf);
  tern_buf_unref(buf);
}

static struct tern_workers *make(unsigned count) {
  struct tern_workers *workers;
  const struct tern_workers_options options = {.count = count, .ring_bytes = 256, .record = on_record};
  handled = sent = 0;
  assert_int_equal(tern__workers_new_sim(&options, &workers), 0);
  return workers;
}

static struct tern_pool *pool_of(struct tern_workers *workers, unsigned index) {
  return tern_loop_pool(tern_worker_loop(tern_workers_at(workers, index)));
}

/* Sends a fresh buffer and keeps no reference. */
static void send_new(struct tern_workers *workers, unsigned from, unsigned to, uint32_t hops) {
  struct tern_worker *worker = tern_workers_at(workers, from);
  tern__sim_enter(worker);
  struct tern_buf *buf = tern_buf_new(pool_of(workers, from), 100);
  memset(tern_buf_data(buf), 'x', 100);
  send_buf(worker, to, buf, tern_buf_data(buf) + 10, 80, hops);
  assert_true(tern_buf_is_shared(buf));
  tern_buf_unref(buf);
  tern__sim_enter(NULL);
}

static void original_lives_until_the_holder_lets_go(void **state) {
  (void)state;
  struct tern_workers *workers = make(2);
  send_new(workers, 0, 1, 0);
  tern__worker_tick(tern_workers_at(workers, 0));
  assert_true(tern_pool_stats(pool_of(workers, 0)).live_objects > 0);
  tern__worker_tick(tern_workers_at(workers, 1));
  assert_int_equal(handled, 1);
  assert_true(tern_pool_stats(pool_of(workers, 0)).live_objects > 0); /* RELEASE is under way */
  tern__worker_tick(tern_workers_at(workers, 0));
  assert_int_equal(tern_pool_stats(pool_of(workers, 0)).live_objects, 0);
  assert_int_equal(tern_workers_stop(workers, 100), 0);
  tern_workers_free(workers);
}

static void handle_without_memory_imports_as_nothing(void **state) {
  (void)state;
  struct tern_workers *workers = make(1);
  tern__sim_enter(tern_workers_at(workers, 0));
  assert_null(tern_buf_import(tern_workers_at(workers, 0), (struct tern_buf_handle){.len = 3}));
  tern__sim_enter(NULL);
  assert_int_equal(tern_workers_stop(workers, 100), 0);
  tern_workers_free(workers);
}

static void a_release_during_a_reservation_waits_for_it(void **state) {
  (void)state;
  struct tern_workers *workers = make(2);
  struct tern_worker *a = tern_workers_at(workers, 0), *b = tern_workers_at(workers, 1);
  tern__sim_enter(a);
  struct tern_buf *buf = tern_buf_new(pool_of(workers, 0), 16);
  memset(tern_buf_data(buf), 'x', 16);
  struct tern_buf_handle handle = tern_buf_export(buf, tern_buf_data(buf), 16);
  tern_buf_unref(buf);
  tern__sim_enter(b);
  struct tern_buf *proxy = tern_buf_import(b, handle);
  struct tern_buf *own = tern_buf_new(pool_of(workers, 1), 16);
  memset(tern_buf_data(own), 'x', 16);
  struct message *message = tern_worker_reserve(b, 0, KIND, sizeof *message);
  *message = (struct message){.handle = tern_buf_export(own, tern_buf_data(own), 16)};
  tern_buf_unref(proxy);
  tern_worker_commit(b, 0);
  tern_buf_unref(own);
  tern__sim_enter(NULL);
  for (int i = 0; i < 3; i++) {
    tern__worker_tick(b);
    tern__worker_tick(a);
  }
  assert_int_equal(handled, 1);
  assert_int_equal(tern_pool_stats(pool_of(workers, 0)).live_objects, 0);
  assert_int_equal(tern_pool_stats(pool_of(workers, 1)).live_objects, 0);
  assert_int_equal(tern_workers_stop(workers, 100), 0);
  tern_workers_free(workers);
}

/* Many buffers on several hops through rings that overflow, and a stop in the middle of it. That every pool
 * ends empty and every RELEASE came back is asserted by stop and free. */
static void nothing_is_lost_whatever_the_interleaving(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 200; seed++) {
    struct tern_workers *workers = make(2 + seed % 3);
    struct stepper stepper = {.workers = workers, .random = seeded(seed)};
    random_state = seeded(seed + 1000);
    unsigned count = tern_workers_count(workers);
    for (int step = 0; step < 300; step++) {
      stepper_step(&stepper);
      unsigned from = (unsigned)(draw(&stepper.random) % count);
      unsigned to = (unsigned)(draw(&stepper.random) % count);
      if (from == to || stepper.phase[from] == TERN__PHASE_INBOX) continue;
      if (tern_workers_at(workers, from)->asleep) continue;
      for (uint64_t n = draw(&stepper.random) % 6; n > 0; n--) {
        send_new(workers, from, to, (uint32_t)(draw(&stepper.random) % HOPS_MAX));
      }
    }
    /* Let the hops come to their end: passing on is refused once a worker has said its last word. */
    int steps = 0;
    while (!stepper_all_asleep(&stepper)) {
      stepper_step(&stepper);
      assert_true(++steps < 100000);
    }
    assert_int_equal(handled, sent);
    for (unsigned i = 0; i < count; i++) {
      assert_int_equal(tern_pool_stats(pool_of(workers, i)).live_objects, 0);
    }
    for (unsigned i = 1; i < count; i++) {
      send_new(workers, 0, i, 0);
      send_new(workers, i, 0, 0);
    }
    assert_int_equal(tern_workers_stop(workers, 100), 0);
    assert_int_equal(handled, sent);
    tern_workers_free(workers);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(original_lives_until_the_holder_lets_go),
      cmocka_unit_test(handle_without_memory_imports_as_nothing),
      cmocka_unit_test(a_release_during_a_reservation_waits_for_it),
      cmocka_unit_test(nothing_is_lost_whatever_the_interleaving),
  };
  return cmocka_run_group_tests_name("lend", tests, NULL, NULL);
}
