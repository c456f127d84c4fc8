/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and stopping pools of real threads over and over (hazard 21), with buffers and records under way in
 * all directions at the moment of the stop. That nothing is lost or leaked is asserted by the pool itself (zero
 * lent buffers, empty pools) and here (every record sent is received before `stopped`).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <tern/buffer.h>
#include <tern/loop.h>
#include <tern/worker.h>

#include "worker_internal.h"

enum { KIND = TERN_RECORD_USER, ROUNDS = 150, BURST = 300 };

struct message {
  struct tern_buf_handle handle;
  uint32_t hops;
};

static _Atomic uint64_t sent, received, posts;

static void send_message(struct tern_worker *worker, unsigned to, struct tern_buf *buf, uint32_t hops) {
  struct message *message = tern_worker_reserve(worker, to, KIND, sizeof *message);
  if (message == NULL) return; /* stopping, and the last word is said */
  *message = (struct message){tern_buf_export(buf, tern_buf_data(buf), tern_buf_size(buf)), hops};
  tern_worker_commit(worker, to);
  /* relaxed, all three counters: read after the threads have been joined */
  atomic_fetch_add_explicit(&sent, 1, memory_order_relaxed);
}

static unsigned next_of(struct tern_worker *worker) {
  return (tern_worker_index(worker) + 1) % tern_workers_count(tern_worker_pool_of(worker));
}

static void on_record(struct tern_worker *worker, unsigned from, unsigned kind, const void *data,
                      size_t len) {
  struct message message;
  (void)from;
  if (kind != KIND || len != sizeof message) abort();
  memcpy(&message, data, sizeof message);
  atomic_fetch_add_explicit(&received, 1, memory_order_relaxed);
  struct tern_buf *buf = tern_buf_import(worker, message.handle);
  if (buf == NULL || *tern_buf_data(buf) != 'x') abort();
  if (message.hops > 0) send_message(worker, next_of(worker), buf, message.hops - 1);
  tern_buf_unref(buf);
}

static void burst(struct tern_worker *worker, void *arg) {
  (void)arg;
  for (int i = 0; i < BURST; i++) {
    struct tern_buf *buf = tern_buf_new(tern_loop_pool(tern_worker_loop(worker)), 64);
    if (buf == NULL) abort();
    *tern_buf_data(buf) = 'x';
    send_message(worker, next_of(worker), buf, (uint32_t)i % 5);
    tern_buf_unref(buf);
  }
}

static void on_stopping(struct tern_worker *worker) { burst(worker, NULL); }

static void on_post(struct tern_worker *worker, const void *data, size_t len) {
  (void)worker, (void)data, (void)len;
  atomic_fetch_add_explicit(&posts, 1, memory_order_relaxed);
}

static void pools_start_and_stop_under_load(void **state) {
  (void)state;
  for (unsigned round = 0; round < ROUNDS; round++) {
    const struct tern_workers_options options = {.count = 2 + round % 4,
                                                 .ring_bytes = 256u << round % 6,
                                                 .record = on_record,
                                                 .stopping = on_stopping};
    struct tern_workers *workers;
    assert_int_equal(tern_workers_new(&options, &workers), 0);
    assert_int_equal(tern_workers_start(workers), 0);
    for (unsigned i = 0; i < options.count; i++) {
      if (round % 3 != 0) assert_int_equal(tern_workers_call(workers, i, burst, NULL), 0);
      assert_int_equal(tern__workers_post(workers, TERN__SLOT_ACCEPTOR, i, on_post, NULL, 0), 0);
    }
    assert_int_equal(tern_workers_stop(workers, 10000), 0);
    tern_workers_free(workers);
    /* What is passed on after the last word is refused before it counts as sent. */
    assert_int_equal(atomic_load_explicit(&sent, memory_order_relaxed),
                     atomic_load_explicit(&received, memory_order_relaxed));
  }
  assert_true(atomic_load_explicit(&received, memory_order_relaxed) > (uint64_t)ROUNDS * BURST);
  assert_true(atomic_load_explicit(&posts, memory_order_relaxed) >= 2 * ROUNDS);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(pools_start_and_stop_under_load)};
  return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
