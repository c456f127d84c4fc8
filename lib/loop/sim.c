/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation's side of a worker pool (sim.h): stepping instead of running.
 *
 * What differs from threads: the eventfd is a flag, sleeping is a state, the clock is a number, and grace
 * periods are counted here: every worker counts its quiescent states, and a period that has begun ends when
 * each count has moved or its worker sleeps or is done. For liburcu the whole simulation is one thread that
 * is online all the time.
 *
 * A simulated stop that does not end is a bug in the stop protocol: tern__sim_stop bounds it and aborts.
 */
#include "sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <tern/error.h>

#include "rcu.h"
#include "worker_internal.h"

enum { FIRST_MS = 1000, STOP_ROUNDS_MAX = 1000000 };

static bool all_done(const struct tern_workers *workers) {
  for (unsigned i = 0; i < workers->count; i++) {
    if (!tern__worker_is_done(&workers->at[i])) return false;
  }
  return true;
}

int tern__workers_new_sim(const struct tern_workers_options *options, struct tern_workers **out) {
  struct tern_workers *workers;
  int error = tern__workers_alloc(options, true, &workers);
  if (error != 0) return error;
  tern__sim_advance(workers, FIRST_MS);
  /* relaxed: a simulation is one thread */
  atomic_store_explicit(&workers->running, true, memory_order_relaxed);
  for (unsigned i = 0; i < workers->count && error == 0; i++) {
    tern__sim_enter(&workers->at[i]);
    error = tern__worker_begin(&workers->at[i]);
    tern__sim_enter(NULL);
  }
  if (error != 0) {
    tern_workers_stop(workers, 0);
    tern_workers_free(workers);
    return error;
  }
  *out = workers;
  return 0;
}

void tern__sim_enter(struct tern_worker *worker) { tern__worker_set_self(worker); }

void tern__sim_advance(struct tern_workers *workers, uint64_t ms) { workers->simulated_ms += ms; }

static void wake(struct tern_worker *worker) {
  if (!worker->asleep) return;
  worker->asleep = false;
  /* relaxed: a simulation is one thread */
  atomic_store_explicit(&worker->woken, false, memory_order_relaxed);
  worker->loop->rung = worker->loop->hooks.woke(worker);
}

void tern__worker_step(struct tern_worker *worker, enum tern__phase phase) {
  assert(worker->pool->simulated && !tern__worker_is_done(worker));
  struct tern_worker *before = tern_worker_self();
  tern__sim_enter(worker);
  wake(worker);
  tern__loop_step(worker->loop, phase, 0);
  tern__sim_enter(before);
}

void tern__worker_tick(struct tern_worker *worker) {
  for (int phase = TERN__PHASE_INBOX; phase < TERN__PHASES; phase++) {
    tern__worker_step(worker, (enum tern__phase)phase);
  }
}

bool tern__worker_sleep(struct tern_worker *worker) {
  if (worker->asleep) return true;
  struct tern_loop *loop = worker->loop;
  if (tern__loop_has_work(loop) || loop->hooks.sleep_max_ms(worker) == 0) return false;
  worker->asleep = loop->hooks.may_sleep(worker);
  return worker->asleep;
}

bool tern__worker_is_asleep(const struct tern_worker *worker) {
  /* relaxed: a simulation is one thread */
  return worker->asleep && !atomic_load_explicit(&worker->woken, memory_order_relaxed);
}

bool tern__worker_is_done(const struct tern_worker *worker) { return worker->stage == TERN__STAGE_DONE; }

static bool period_may_end(const struct tern_workers *workers) {
  for (unsigned i = 0; i < workers->count; i++) {
    const struct tern_worker *worker = &workers->at[i];
    if (worker->passed == worker->passed_at_begin && !worker->asleep && !tern__worker_is_done(worker)) {
      return false;
    }
  }
  return true;
}

bool tern__sim_grace_step(struct tern_workers *workers) {
  struct tern__grace *grace = &workers->grace;
  if (tern__grace_run_jobs(grace)) return true;
  if (workers->period_running != 0) {
    if (!period_may_end(workers)) return false;
    /* relaxed: a simulation is one thread */
    atomic_store_explicit(&grace->done, workers->period_running, memory_order_relaxed);
    workers->period_running = 0;
    return true;
  }
  /* relaxed: a simulation is one thread */
  if (atomic_exchange_explicit(&grace->requested, 0, memory_order_relaxed) == 0) return false;
  /* relaxed, both: a simulation is one thread */
  atomic_store_explicit(&grace->began_ms, workers->simulated_ms, memory_order_relaxed);
  workers->period_running = atomic_fetch_add_explicit(&grace->begun, 1, memory_order_relaxed) + 1;
  for (unsigned i = 0; i < workers->count; i++) {
    struct tern_worker *worker = &workers->at[i];
    worker->passed_at_begin = worker->passed;
    if (worker->asleep)
      worker->passed++; /* offline: passed already, and may be back before it is looked at */
  }
  return true;
}

/* One tick of everybody, the background thread included. */
static void round_of_ticks(struct tern_workers *workers) {
  for (unsigned i = 0; i < workers->count; i++) {
    if (!tern__worker_is_done(&workers->at[i])) tern__worker_tick(&workers->at[i]);
  }
  tern__sim_grace_step(workers);
}

void tern__sim_post_stop(struct tern_workers *workers, unsigned deadline_ms) {
  tern__workers_post_stop(workers, deadline_ms);
}

int tern__sim_stop(struct tern_workers *workers, unsigned deadline_ms) {
  bool ordered = workers->at[0].stop_requested || workers->stopped;
  if (!ordered) tern__workers_post_stop(workers, deadline_ms);
  for (unsigned n = 0; !all_done(workers); n++) {
    if (n == STOP_ROUNDS_MAX) {
      fprintf(stderr, "tern: a simulated pool does not stop\n");
      abort();
    }
    round_of_ticks(workers);
    tern__sim_advance(workers, 1);
  }
  workers->stopped = true;
  /* relaxed: a simulation is one thread */
  atomic_store_explicit(&workers->running, false, memory_order_relaxed);
  int result = 0;
  for (unsigned i = 0; i < workers->count; i++) {
    if (workers->at[i].aborted) result = TERN_ELIMIT;
  }
  return result;
}

int tern__sim_call(struct tern_workers *workers, unsigned index,
                   void (*fn)(struct tern_worker *worker, void *arg), void *arg) {
  struct tern_worker *worker = tern_workers_at(workers, index);
  if (workers->stopped || tern__worker_is_done(worker)) return TERN_ECLOSED;
  struct tern_worker *before = tern_worker_self();
  tern__sim_enter(worker);
  wake(worker);
  fn(worker, arg);
  tern__sim_enter(before);
  return 0;
}

void tern__sim_synchronize(struct tern_workers *workers) {
  struct tern__grace *grace = &workers->grace;
  uint64_t cookie = tern__grace_cookie(grace);
  while (!all_done(workers) && !tern__grace_has_ended(grace, cookie)) {
    /* relaxed: a simulation is one thread */
    atomic_store_explicit(&grace->requested, 1, memory_order_relaxed);
    round_of_ticks(workers);
  }
}
