/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ageing of retired objects on real threads (hazards 4 and 5). Every worker, tick after tick, picks up the
 * current object and looks at it again and again until its tick ends; one worker keeps replacing the object and
 * retires the old one. When an object is freed its contents are overwritten: a reader that sees that was given
 * memory back too early. The control thread waits for grace periods meanwhile. Seed: gp_free_early.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <tern/loop.h>
#include <tern/stats.h>
#include <tern/worker.h>

#include "container.h"
#include "reclaim.h"
#include "watch.h"

enum { WORKERS = 3, LOOKS = 40, ROUNDS = 500, PERIODS = 10, SLOTS = 1024, ALIVE = 0x600d, FREED = 0xdead };

struct object {
  struct tern_retired retired;
  _Atomic uint32_t condition;
  _Atomic bool in_use;
};

/* Objects are recycled, never returned to the system, so that a reader that is too late reads FREED or a
 * different number instead of crashing. */
static struct object objects[SLOTS];
static _Atomic(struct object *) current;
static _Atomic unsigned early; /* looks that met a freed object */
static _Atomic bool finished;
static struct tern_counter freed, rounds[WORKERS]; /* rounds: of readers */
static unsigned replaced;
static struct tern_watch spinner[WORKERS];

static void object_free(struct tern_retired *retired) {
  struct object *object = tern_container(retired, struct object, retired);
  /* relaxed: whether a reader may still look is what is tested */
  atomic_store_explicit(&object->condition, FREED, memory_order_relaxed);
  atomic_store_explicit(&object->in_use, false, memory_order_relaxed);
  tern_counter_add(&freed, 1);
}

static void replace(struct tern_worker *worker) {
  struct object *fresh = &objects[replaced % SLOTS];
  /* relaxed, both: only this worker makes objects, and it frees them too */
  if (atomic_load_explicit(&fresh->in_use, memory_order_relaxed)) return; /* all wait for a grace period */
  atomic_store_explicit(&fresh->in_use, true, memory_order_relaxed);
  atomic_store_explicit(&fresh->condition, ALIVE, memory_order_relaxed);
  fresh->retired.free = object_free;
  /* acq_rel: pairs with the load in look */
  struct object *old = atomic_exchange_explicit(&current, fresh, memory_order_acq_rel);
  struct tern_reclaimer *reclaimer = tern_worker_reclaimer(worker);
  if (old != NULL) reclaimer->ops->retire(reclaimer, &old->retired, sizeof *old);
  replaced++;
}

static void look(void) {
  /* acquire: pairs with the exchange in replace */
  struct object *object = atomic_load_explicit(&current, memory_order_acquire);
  for (int i = 0; object != NULL && i < LOOKS; i++) {
    /* relaxed: see object_free */
    if (atomic_load_explicit(&object->condition, memory_order_relaxed) != ALIVE) {
      atomic_fetch_add_explicit(&early, 1, memory_order_relaxed);
    }
    if (i % 8 == 0) sched_yield();
  }
}

static void spin(struct tern_watch *watch) {
  struct tern_worker *worker = tern_worker_self();
  if (tern_worker_index(worker) == 0) {
    for (int i = 0; i < 8; i++)
      replace(worker);
  } else {
    look();
    tern_counter_add(&rounds[tern_worker_index(worker)], 1);
  }
  /* relaxed: only an end */
  if (!atomic_load_explicit(&finished, memory_order_relaxed))
    tern__loop_ready(tern_worker_loop(worker), watch);
}

static int on_started(void *arg, struct tern_worker *worker, void **data) {
  (void)arg, (void)data;
  struct tern_watch *watch = &spinner[tern_worker_index(worker)];
  *watch = (struct tern_watch){.run = spin, .fd = -1};
  tern__loop_ready(tern_worker_loop(worker), watch);
  return 0;
}

static void no_object_is_freed_under_a_reader(void **state) {
  (void)state;
  const struct tern_workers_options options = {.count = WORKERS, .started = on_started};
  struct tern_workers *workers;
  assert_int_equal(tern_workers_new(&options, &workers), 0);
  assert_int_equal(tern_workers_start(workers), 0);
  unsigned periods = 0; /* the readers may have all their rounds behind them before this thread runs again */
  while (tern_counter_read(&rounds[1]) < ROUNDS || tern_counter_read(&rounds[2]) < ROUNDS ||
         periods < PERIODS) {
    tern_workers_synchronize(workers);
    periods++;
  }
  /* relaxed: only an end */
  atomic_store_explicit(&finished, true, memory_order_relaxed);
  assert_int_equal(tern_workers_stop(workers, 10000), 0);
  assert_int_equal(atomic_load_explicit(&early, memory_order_relaxed), 0);
  /* All but the current one have come back. */
  assert_int_equal(tern_counter_read(&freed), replaced - 1);
  tern_workers_free(workers);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(no_object_is_freed_under_a_reader)};
  return cmocka_run_group_tests_name("grace_period", tests, NULL, NULL);
}
