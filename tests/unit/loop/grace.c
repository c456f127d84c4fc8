/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retiring (hazard 4): in simulations with random interleavings an object is freed only after every worker
 * has been quiescent since it became unreachable, and it is freed eventually. Real threads:
 * tests/torture/grace_period.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "container.h"
#include "rcu.h"
#include "support.h"
#include "worker_internal.h"

struct object {
  struct tern_retired retired;
  uint64_t holders; /* bit i: worker i was in a tick when the object became unreachable */
  bool freed;
};

static unsigned freed_count;

static void object_free(struct tern_retired *retired) {
  struct object *object = tern_container(retired, struct object, retired);
  assert_false(object->freed);
  assert_int_equal(object->holders, 0); /* everybody who could have looked at it is done */
  object->freed = true;
  freed_count++;
}

static struct tern_workers *make(unsigned count) {
  struct tern_workers *workers;
  const struct tern_workers_options options = {.count = count};
  assert_int_equal(tern__workers_new_sim(&options, &workers), 0);
  return workers;
}

enum { OBJECTS = 200 };

/* A worker that is online (not asleep) when an object is unlinked may hold it until its next quiescent
 * state. That is followed here independently of the cookies. */
static void objects_outlive_everybody_who_may_hold_them(void **state) {
  (void)state;
  static struct object objects[OBJECTS];
  for (uint64_t seed = 1; seed <= 300; seed++) {
    unsigned count = 2 + seed % 3;
    struct tern_workers *workers = make(count);
    struct stepper stepper = {.workers = workers, .random = seeded(seed)};
    memset(objects, 0, sizeof objects);
    freed_count = 0;
    int used = 0;
    while (used < OBJECTS || freed_count < OBJECTS) {
      uint64_t before[TERN_WORKERS_MAX];
      for (unsigned i = 0; i < count; i++)
        before[i] = tern_workers_at(workers, i)->passed;
      if (draw(&stepper.random) % 4 == 0) {
        for (unsigned i = 0; i < count; i++)
          tern__sim_advance(workers, 1);
      }
      unsigned owner = (unsigned)(draw(&stepper.random) % count);
      if (used < OBJECTS && stepper.phase[owner] != TERN__PHASE_INBOX &&
          !tern_workers_at(workers, owner)->asleep) {
        struct object *object = &objects[used++];
        object->retired.free = object_free;
        for (unsigned i = 0; i < count; i++) {
          if (!tern_workers_at(workers, i)->asleep && i != owner) object->holders |= UINT64_C(1) << i;
        }
        struct tern_reclaimer *reclaimer = tern_worker_reclaimer(tern_workers_at(workers, owner));
        assert_true(reclaimer->ops->is_online(reclaimer));
        reclaimer->ops->retire(reclaimer, &object->retired, sizeof *object);
      }
      stepper_step(&stepper);
      /* Asleep with a batch waiting: the kernel would wake it after 50 ms. */
      if (stepper_all_asleep(&stepper)) {
        for (unsigned i = 0; i < count; i++)
          tern__worker_tick(tern_workers_at(workers, i));
      }
      for (unsigned i = 0; i < count; i++) {
        struct tern_worker *worker = tern_workers_at(workers, i);
        if (worker->passed == before[i] && !worker->asleep) continue;
        for (int k = 0; k < used; k++)
          objects[k].holders &= ~(UINT64_C(1) << i);
      }
    }
    stepper_finish_ticks(&stepper);
    assert_int_equal(tern_workers_stop(workers, 100), 0);
    tern_workers_free(workers);
  }
}

static void figures_show_what_waits(void **state) {
  (void)state;
  struct tern_workers *workers = make(2);
  struct tern_worker *a = tern_workers_at(workers, 0);
  struct object objects[3] = {{.retired = {.free = object_free}},
                              {.retired = {.free = object_free}},
                              {.retired = {.free = object_free}}};
  freed_count = 0;
  struct tern_reclaimer *reclaimer = tern_worker_reclaimer(a);
  for (int i = 0; i < 3; i++)
    reclaimer->ops->retire(reclaimer, &objects[i].retired, 100);
  tern__worker_tick(a);
  assert_int_equal(tern_worker_stats(a).retired_objects, 3);
  assert_int_equal(tern_worker_stats(a).retired_bytes, 300);
  assert_int_equal(tern_worker_stats(a).gp_age_ms, 0);
  tern__sim_advance(workers, 70);
  assert_int_equal(tern_worker_stats(a).gp_age_ms, 70); /* whether or not the worker has a tick */
  tern__worker_tick(a);
  assert_int_equal(tern_worker_stats(a).gp_age_ms, 70);
  assert_int_equal(freed_count, 0);
  tern_workers_synchronize(workers);
  tern__worker_tick(a);
  assert_int_equal(freed_count, 3);
  assert_int_equal(tern_worker_stats(a).retired_objects, 0);
  assert_int_equal(tern_worker_stats(a).retired_bytes, 0);
  assert_int_equal(tern_worker_stats(a).gp_age_ms, 0);
  assert_int_equal(tern_workers_stop(workers, 100), 0);
  tern_workers_free(workers);
}

/* ---- the bound ---- */

enum { PIECES = 16 };
#define PIECE (TERN_LIMBO_MAX_BYTES / PIECES)

static struct object piece_objects[4 * PIECES];
static unsigned pieces_used;

static void retire_pieces(struct tern_worker *worker, unsigned count) {
  struct tern_reclaimer *reclaimer = tern_worker_reclaimer(worker);
  for (; count > 0; count--) {
    struct object *object = &piece_objects[pieces_used++];
    *object = (struct object){.retired = {.free = object_free}};
    reclaimer->ops->retire(reclaimer, &object->retired, PIECE);
  }
}

struct held {
  struct tern_waiter waiter;
  struct tern_worker *worker;
  unsigned refill; /* retires that many when told */
  unsigned told;
};

static void held_ready(struct tern_waiter *waiter) {
  struct held *held = tern_container(waiter, struct held, waiter);
  assert_false(tern_worker_limbo_is_full(held->worker));
  held->told++;
  retire_pieces(held->worker, held->refill);
}

static void a_full_limbo_holds_back_until_it_is_half_empty(void **state) {
  (void)state;
  struct tern_workers *workers = make(2);
  struct tern_worker *a = tern_workers_at(workers, 0), *b = tern_workers_at(workers, 1);
  struct held first = {.waiter = {.ready = held_ready}, .worker = a, .refill = PIECES + 1};
  struct held second = {.waiter = {.ready = held_ready}, .worker = a};
  struct held third = second;
  pieces_used = 0;
  retire_pieces(a, PIECES);
  assert_false(tern_worker_limbo_is_full(a)); /* just as much as there may be */
  tern__worker_tick(a);
  retire_pieces(a, PIECES / 2);
  assert_true(tern_worker_limbo_is_full(a));
  assert_false(tern_worker_limbo_is_full(b));
  tern__sim_enter(a);
  tern_worker_wait_limbo(a, &first.waiter);
  tern_worker_wait_limbo(a, &first.waiter); /* twice changes nothing */
  tern_worker_wait_limbo(a, &second.waiter);
  tern_worker_wait_limbo(a, &third.waiter);
  tern_waiter_cancel(&third.waiter);
  tern__sim_enter(NULL);
  assert_int_equal(tern_worker_stats(a).held_back, 3);
  /* b has not been quiescent since the period began: nothing moves */
  tern__sim_grace_step(workers);
  for (int i = 0; i < 10; i++) {
    tern__worker_tick(a);
    tern__sim_grace_step(workers);
  }
  assert_true(tern_worker_limbo_is_full(a));
  assert_int_equal(first.told, 0);
  assert_true(tern__worker_sleep(a)); /* it does not spin */
  /* it is; the first batch goes, and just half is left: not below */
  tern__worker_tick(b);
  assert_true(tern__sim_grace_step(workers));
  tern__worker_tick(a);
  assert_int_equal(tern_worker_stats(a).retired_bytes, PIECES / 2 * PIECE);
  tern__worker_tick(a);
  assert_int_equal(first.told, 0);
  tern_workers_synchronize(workers); /* the second batch */
  tern__worker_tick(a);
  assert_false(tern__worker_sleep(a)); /* somebody is to be told, at the latest in the next tick */
  tern__worker_tick(a);
  assert_int_equal(first.told, 1);
  assert_int_equal(second.told, 0); /* the first has filled it again */
  tern_workers_synchronize(workers);
  tern__worker_tick(a);
  tern__worker_tick(a);
  assert_int_equal(second.told, 1);
  assert_int_equal(first.told, 1);
  assert_int_equal(third.told, 0);
  assert_int_equal(tern_worker_stats(a).retired_bytes, 0);
  assert_int_equal(tern_workers_stop(workers, 100), 0);
  tern_workers_free(workers);
}

/* ---- the control thread, with real threads ---- */

static struct object control_object;
static int job_runs;
static bool job_online;
static void job_run(struct tern_job *job) {
  (void)job;
  job_runs++;
  job_online = tern__rcu_is_online();
}

static void control_retire(struct tern_workers *workers) {
  struct tern_reclaimer *reclaimer = tern_workers_reclaimer(workers);
  control_object = (struct object){.retired = {.free = object_free}};
  assert_false(reclaimer->ops->is_online(reclaimer));
  tern__reclaimer_enter(reclaimer);
  tern__reclaimer_enter(reclaimer);
  assert_true(reclaimer->ops->is_online(reclaimer));
  reclaimer->ops->retire(reclaimer, &control_object.retired, sizeof control_object);
  tern__reclaimer_leave(reclaimer);
  assert_true(reclaimer->ops->is_online(reclaimer));
  tern__reclaimer_leave(reclaimer);
  assert_false(reclaimer->ops->is_online(reclaimer));
}

static void control_thread_retires_in_every_state_of_the_pool(void **state) {
  (void)state;
  struct tern_workers *workers;
  const struct tern_workers_options options = {.count = 2};
  freed_count = 0;
  assert_int_equal(tern_workers_new(&options, &workers), 0);
  control_retire(workers); /* before the start */
  tern_workers_synchronize(workers);
  assert_int_equal(freed_count, 1);
  assert_int_equal(tern_workers_start(workers), 0);
  control_retire(workers);
  assert_int_equal(freed_count, 1);
  tern_workers_synchronize(workers);
  assert_int_equal(freed_count, 2);
  assert_int_equal(tern_workers_stop(workers, 1000), 0);
  control_retire(workers); /* after the stop: freed at the latest by free */
  tern_workers_free(workers);
  assert_int_equal(freed_count, 3);
}

static void background_jobs_run_in_every_state_of_the_pool(void **state) {
  (void)state;
  struct tern_workers *workers;
  const struct tern_workers_options options = {.count = 1};
  struct tern_job job = {.run = job_run};
  assert_int_equal(tern_workers_new(&options, &workers), 0);
  struct tern_reclaimer *reclaimer = tern_workers_reclaimer(workers);
  for (job_runs = 0; job_runs < 3;) {
    int before = job_runs;
    job_online = false;
    tern__reclaimer_enter(reclaimer);
    reclaimer->ops->background(reclaimer, &job);
    tern__reclaimer_leave(reclaimer);
    if (before == 0) assert_int_equal(job_runs, 1);                         /* not started: at once */
    if (before == 1) assert_int_equal(tern_workers_stop(workers, 1000), 0); /* runs before it returns */
    assert_int_equal(job_runs, before + 1);
    assert_true(job_online);
    if (before == 0) assert_int_equal(tern_workers_start(workers), 0);
  }
  tern_workers_free(workers);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(objects_outlive_everybody_who_may_hold_them),
      cmocka_unit_test(figures_show_what_waits),
      cmocka_unit_test(a_full_limbo_holds_back_until_it_is_half_empty),
      cmocka_unit_test(control_thread_retires_in_every_state_of_the_pool),
      cmocka_unit_test(background_jobs_run_in_every_state_of_the_pool),
  };
  return cmocka_run_group_tests_name("grace", tests, NULL, NULL);
}
