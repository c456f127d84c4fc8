/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker pools: making, starting, failing to start, posts and calls, stopping. With threads where the thread is
 * the point, simulated where the interleaving is: the stop protocol is run with every phase of every worker in
 * random order, records under way, and transports that close at once, late or never.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <tern/error.h>

#include "container.h"
#include "support.h"
#include "worker_internal.h"

enum { WORKERS = 3, KIND = TERN_RECORD_USER };

/* ---- making and starting ---- */

static void bad_options_are_refused(void **state) {
  (void)state;
  struct tern_workers *workers = NULL;
  assert_int_equal(tern_workers_new(&(struct tern_workers_options){.count = TERN_WORKERS_MAX + 1}, &workers),
                   -EINVAL);
  assert_int_equal(tern_workers_new(&(struct tern_workers_options){.count = 1, .ring_bytes = 100}, &workers),
                   -EINVAL);
  assert_int_equal(tern_workers_new(&(struct tern_workers_options){.count = 1, .ring_bytes = 32}, &workers),
                   -EINVAL);
  assert_null(workers);
}

static void pool_never_started_can_be_freed(void **state) {
  (void)state;
  struct tern_workers *workers;
  assert_int_equal(tern_workers_new(&(struct tern_workers_options){0}, &workers), 0);
  assert_true(tern_workers_count(workers) >= 1);
  assert_int_equal(tern_workers_call(workers, 0, NULL, NULL), TERN_ECLOSED);
  assert_int_equal(tern_workers_stop(workers, 10), 0);
  tern_workers_free(workers);
}

struct life {
  _Atomic int started, stopping, stopped;
  int fails_at; /* the worker whose `started` fails */
};

/* The counters of life: relaxed would do; the pool's own synchronisation orders everything. */
static int on_started(void *arg, struct tern_worker *worker, void **data) {
  struct life *life = arg;
  assert_ptr_equal(tern_worker_self(), worker);
  assert_ptr_equal(tern_worker_of(tern_worker_loop(worker)), worker);
  if (life->fails_at == (int)tern_worker_index(worker)) return -ENOTSUP;
  atomic_fetch_add(&life->started, 1);
  *data = life;
  return 0;
}
static void on_stopping(struct tern_worker *worker) {
  struct life *life = tern_loop_data(tern_worker_loop(worker));
  atomic_fetch_add(&life->stopping, 1);
}
static void on_stopped(struct tern_worker *worker) {
  struct life *life = tern_loop_data(tern_worker_loop(worker));
  atomic_fetch_add(&life->stopped, 1);
}

static struct tern_workers_options life_options(struct life *life) {
  return (struct tern_workers_options){
      .count = WORKERS, .arg = life, .started = on_started, .stopping = on_stopping, .stopped = on_stopped};
}

static void callbacks_come_once_on_each_worker(void **state) {
  (void)state;
  struct life life = {.fails_at = -1};
  const struct tern_workers_options options = life_options(&life);
  struct tern_workers *workers;
  assert_int_equal(tern_workers_new(&options, &workers), 0);
  assert_int_equal(atomic_load(&life.started), 0);
  assert_int_equal(tern_workers_start(workers), 0);
  assert_int_equal(atomic_load(&life.started), WORKERS);
  assert_int_equal(tern_workers_start(workers), -EINVAL);
  assert_int_equal(tern_workers_stop(workers, 1000), 0);
  assert_int_equal(atomic_load(&life.stopping), WORKERS);
  assert_int_equal(atomic_load(&life.stopped), WORKERS);
  assert_int_equal(tern_workers_stop(workers, 1000), 0); /* again: nothing */
  assert_int_equal(tern_workers_start(workers), -EINVAL);
  tern_workers_free(workers);
}

static void failed_start_stops_those_that_had_started(void **state) {
  (void)state;
  for (int fails_at = 0; fails_at < WORKERS; fails_at++) {
    for (int simulated = 0; simulated < 2; simulated++) {
      struct life life = {.fails_at = fails_at};
      const struct tern_workers_options options = life_options(&life);
      struct tern_workers *workers;
      if (simulated) {
        assert_int_equal(tern__workers_new_sim(&options, &workers), -ENOTSUP);
      } else {
        assert_int_equal(tern_workers_new(&options, &workers), 0);
        assert_int_equal(tern_workers_start(workers), -ENOTSUP);
        tern_workers_free(workers);
      }
      assert_int_equal(atomic_load(&life.started), fails_at);
      assert_int_equal(atomic_load(&life.stopping), fails_at);
      assert_int_equal(atomic_load(&life.stopped), fails_at);
    }
  }
}

/* ---- calls and posts ---- */

struct answer {
  unsigned index;
  pthread_t thread;
};
static void answer_call(struct tern_worker *worker, void *arg) {
  struct answer *answer = arg;
  answer->index = tern_worker_index(worker);
  answer->thread = pthread_self();
}

static void calls_run_on_the_workers_thread(void **state) {
  (void)state;
  struct tern_workers *workers;
  assert_int_equal(tern_workers_new(&(struct tern_workers_options){.count = WORKERS}, &workers), 0);
  assert_int_equal(tern_workers_start(workers), 0);
  for (unsigned i = 0; i < 30; i++) {
    struct answer answer = {.index = 99};
    assert_int_equal(tern_workers_call(workers, i % WORKERS, answer_call, &answer), 0);
    assert_int_equal(answer.index, i % WORKERS);
    assert_false(pthread_equal(answer.thread, pthread_self()));
  }
  tern_workers_synchronize(workers);
  assert_int_equal(tern_workers_stop(workers, 1000), 0);
  struct answer answer = {.index = 99};
  assert_int_equal(tern_workers_call(workers, 0, answer_call, &answer), TERN_ECLOSED);
  assert_int_equal(answer.index, 99);
  tern_workers_free(workers);
}

static unsigned posted;
static void on_post(struct tern_worker *worker, const void *data, size_t len) {
  unsigned number;
  (void)worker;
  assert_int_equal(len, 100);
  memcpy(&number, data, sizeof number);
  assert_int_equal(number, posted);
  posted++;
}

static void posts_arrive_in_order_and_are_refused_when_full(void **state) {
  (void)state;
  struct tern_workers *workers;
  assert_int_equal(tern__workers_new_sim(&(struct tern_workers_options){.count = 1}, &workers), 0);
  unsigned accepted = 0;
  posted = 0;
  for (int round = 0; round < 5; round++) {
    char data[100] = {0};
    int result = 0;
    for (;;) {
      memcpy(data, &accepted, sizeof accepted);
      result = tern__workers_post(workers, TERN__SLOT_ACCEPTOR, 0, on_post, data, sizeof data);
      if (result != 0) break;
      accepted++;
    }
    assert_int_equal(result, TERN_EFULL);
    tern__worker_tick(tern_workers_at(workers, 0));
    assert_int_equal(posted, accepted);
  }
  assert_true(accepted > 100);
  assert_int_equal(tern_workers_stop(workers, 1000), 0);
  assert_int_equal(tern__workers_post(workers, TERN__SLOT_ACCEPTOR, 0, on_post, NULL, 0), TERN_ECLOSED);
  tern_workers_free(workers);
}

/* ---- stopping ---- */

/* Stands for a transport: asked to close it takes some ticks over it, or all eternity; aborted it is gone at
 * the end of the tick. */
struct transport {
  struct tern_loop_member member;
  struct tern_deferred lost;
  struct tern_deferred later;
  struct tern_loop *loop;
  int ticks_to_close; /* -1: never closes by itself */
  bool closing, aborted;
};
static int live_transports;

static void send_some(struct tern_worker *worker, unsigned most);

static void transport_lost(struct tern_deferred *deferred) {
  struct transport *transport = tern_container(deferred, struct transport, lost);
  send_some(tern_worker_of(transport->loop), 1); /* the protocol's last words */
  tern__loop_leave(&transport->member);
  free(transport);
  live_transports--;
}
static void transport_flush(struct tern_deferred *deferred) {
  struct transport *transport = tern_container(deferred, struct transport, later);
  if (transport->aborted) return;
  if (transport->ticks_to_close-- > 0) {
    tern_loop_defer(transport->loop, &transport->later);
  } else {
    tern_loop_defer(transport->loop, &transport->lost);
  }
}
static void transport_shutdown(struct tern_loop_member *member, int error) {
  struct transport *transport = tern_container(member, struct transport, member);
  if (error != 0) {
    assert_int_equal(error, TERN_ESHUTDOWN);
    transport->aborted = true;
    tern_loop_defer(transport->loop, &transport->lost);
  } else if (!transport->closing) {
    transport->closing = true;
    if (transport->ticks_to_close >= 0) tern_loop_defer(transport->loop, &transport->later);
  }
}
static void transport_new(struct tern_worker *worker, int ticks_to_close) {
  struct transport *transport = calloc(1, sizeof *transport);
  assert_non_null(transport);
  *transport = (struct transport){.loop = tern_worker_loop(worker), .ticks_to_close = ticks_to_close};
  transport->member.shutdown = transport_shutdown;
  transport->lost.call = transport_lost;
  transport->later.call = transport_flush;
  tern__loop_join(transport->loop, &transport->member);
  live_transports++;
}

static struct {
  unsigned sent, received;
  bool stopped[WORKERS];
} stop_test;

static void send_some(struct tern_worker *worker, unsigned most) {
  for (unsigned to = 0; to < WORKERS; to++) {
    if (to == tern_worker_index(worker)) continue;
    for (unsigned n = 0; n < most; n++) {
      uint64_t *room = tern_worker_reserve(worker, to, KIND, sizeof *room);
      if (room == NULL) continue;
      *room = stop_test.sent++;
      tern_worker_commit(worker, to);
    }
  }
}
static void stop_record(struct tern_worker *worker, unsigned from, unsigned kind, const void *data,
                        size_t len) {
  (void)from, (void)kind, (void)data, (void)len;
  assert_false(stop_test.stopped[tern_worker_index(worker)]); /* nothing comes after `stopped` */
  stop_test.received++;
  if (stop_test.received % 7 == 0 && tern_worker_index(worker) == 0) send_some(worker, 1); /* an answer */
}
static void stop_stopping(struct tern_worker *worker) { send_some(worker, 20); /* last words: overflow */ }
static void stop_stopped(struct tern_worker *worker) {
  assert_int_equal(tern_loop_transports(tern_worker_loop(worker)), 0);
  assert_null(tern_worker_reserve(worker, (tern_worker_index(worker) + 1) % WORKERS, KIND, 8));
  stop_test.stopped[tern_worker_index(worker)] = true;
}

static struct tern_workers *stop_pool(void) {
  const struct tern_workers_options options = {.count = WORKERS,
                                               .ring_bytes = 64,
                                               .record = stop_record,
                                               .stopping = stop_stopping,
                                               .stopped = stop_stopped};
  struct tern_workers *workers;
  memset(&stop_test, 0, sizeof stop_test);
  assert_int_equal(tern__workers_new_sim(&options, &workers), 0);
  return workers;
}

static void late_socket(struct tern_worker *worker, const void *data, size_t len) {
  (void)data, (void)len;
  transport_new(worker, 1);
}

static bool all_done(struct tern_workers *workers) {
  for (unsigned i = 0; i < WORKERS; i++) {
    if (!tern__worker_is_done(tern_workers_at(workers, i))) return false;
  }
  return true;
}

static void every_record_arrives_before_the_end(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 500; seed++) {
    struct tern_workers *workers = stop_pool();
    struct stepper stepper = {.workers = workers, .random = seeded(seed)};
    bool stubborn = seed % 4 == 0;
    for (unsigned i = 0; i < WORKERS; i++) {
      struct tern_worker *worker = tern_workers_at(workers, i);
      tern__sim_enter(worker);
      for (uint64_t n = draw(&stepper.random) % 4; n > 0; n--) {
        transport_new(worker, (int)(draw(&stepper.random) % 5));
      }
      if (stubborn && i == 0) transport_new(worker, -1);
      send_some(worker, (unsigned)(draw(&stepper.random) % 10));
      tern__sim_enter(NULL);
    }
    for (uint64_t n = draw(&stepper.random) % 60; n > 0; n--)
      stepper_step(&stepper);
    tern__workers_post(workers, TERN__SLOT_ACCEPTOR, 1, late_socket, NULL, 0);
    tern__sim_post_stop(workers, 500);
    for (int steps = 0; !all_done(workers); steps++) {
      assert_true(steps < 1000000);
      stepper_step(&stepper);
      if (!stepper_all_asleep(&stepper)) continue;
      assert_true(stubborn); /* only the deadline is left to wait for */
      tern__sim_advance(workers, 600);
      for (unsigned i = 0; i < WORKERS; i++)
        tern__worker_tick(tern_workers_at(workers, i));
    }
    assert_int_equal(tern_workers_stop(workers, 0), stubborn ? TERN_ELIMIT : 0);
    assert_int_equal(stop_test.received, stop_test.sent);
    assert_int_equal(live_transports, 0);
    tern_workers_free(workers);
  }
}

static void load_tells_connections_and_busy_time(void **state) {
  (void)state;
  struct tern_workers *workers = stop_pool();
  struct tern_worker *worker = tern_workers_at(workers, 0);
  tern__sim_enter(worker);
  transport_new(worker, 0);
  transport_new(worker, 0);
  tern__sim_enter(NULL);
  tern__worker_tick(worker);
  assert_int_equal(tern__worker_load(worker).connections, 2);
  assert_true(tern__worker_sleep(worker));
  uint64_t asleep = tern__worker_load(worker).busy_ns;
  uint64_t still = tern__worker_load(worker).busy_ns;
  assert_int_equal(asleep, still); /* sleep is not work */
  assert_int_equal(tern_workers_stop(workers, 100), 0);
  tern_workers_free(workers);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bad_options_are_refused),
      cmocka_unit_test(pool_never_started_can_be_freed),
      cmocka_unit_test(callbacks_come_once_on_each_worker),
      cmocka_unit_test(failed_start_stops_those_that_had_started),
      cmocka_unit_test(calls_run_on_the_workers_thread),
      cmocka_unit_test(posts_arrive_in_order_and_are_refused_when_full),
      cmocka_unit_test(every_record_arrives_before_the_end),
      cmocka_unit_test(load_tells_connections_and_busy_time),
  };
  return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
