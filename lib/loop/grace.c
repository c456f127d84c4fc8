/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grace periods: how long a retired object must wait, without any worker waiting.
 *
 *     retire:    object -> fresh                             (plain list, no atomics)
 *     each tick: waiting batch's cookie reached by `done`?   waiting -> ready, freed by the thread that
 *                                                            retired it, a bounded number per tick
 *                nothing waiting?                            fresh -> waiting, cookie taken, one requested
 *
 * Bytes are counted per batch, as stated when retiring, until the whole batch has been freed. Above
 * TERN_LIMBO_MAX_BYTES the limbo counts as full until less than half of that is left: nothing is refused here, but
 * who retires at the wish of others holds them back (tern_worker_limbo_is_full).
 *
 *     background thread:   n = ++begun;  synchronize;  done = n
 *
 * The cookie is begun + 1: the grace period that may be running has perhaps passed readers that took the
 * object's address after that, before it was unlinked; only the next one counts. And it is read by a
 * read-modify-write, not by a load: with a load, the unlinking stores could still be under way when the next
 * grace period begins. As a read-modify-write it comes before that period's own increment or after it.
 * Before: the increment synchronises with it, and the unlinking happens before the period begins. After: the
 * cookie is larger.
 *
 * The background thread is shared by a pool, sleeps on a semaphore and pauses 10 ms between grace periods so
 * that churn is handled in batches (a waiting control thread skips the pause). It is a registered RCU
 * thread, offline but for the jobs it runs (hash table resizing wants that). Nobody takes a lock to request
 * something: a flag and sem_post.
 *
 * The control thread retires seldom: its objects wait in a limbo of the same kind, which moves on with each
 * retirement, with tern_workers_synchronize and at the end. While no background thread runs (before start and
 * after stop) its jobs are run at once. It is online between enter and leave only.
 *
 * In a simulation there is no thread: sim.c does its steps.
 */
#include "grace.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <tern/limits.h>
#include <time.h>

#include "clock.h"
#include "container.h"
#include "rcu.h"
#include "seed.h"

enum { PAUSE_MS = 10, FREE_PER_STEP = 4096 };

/* ---- the background thread ---- */

int tern__grace_init(struct tern__grace *grace) {
  *grace = (struct tern__grace){.running = false};
  if (sem_init(&grace->wake, 0, 0) != 0) return -errno;
  pthread_mutex_init(&grace->lock, NULL);
  pthread_cond_init(&grace->ended, NULL);
  return 0;
}

void tern__grace_destroy(struct tern__grace *grace) {
  pthread_cond_destroy(&grace->ended);
  pthread_mutex_destroy(&grace->lock);
  sem_destroy(&grace->wake);
}

static void request(struct tern__grace *grace) {
  /* acq_rel: release pairs with the exchange in run_period (the cookie is taken before the period begins) */
  if (atomic_exchange_explicit(&grace->requested, 1, memory_order_acq_rel) == 0) sem_post(&grace->wake);
}

uint64_t tern__grace_cookie(struct tern__grace *grace) {
  /* acq_rel: pairs with the increment in run_period (see the head comment) */
  uint64_t begun = atomic_fetch_add_explicit(&grace->begun, 0, memory_order_acq_rel);
  if (TERN_BUG(gp_off_by_one)) return begun; /* breaks: the period already running is believed to be enough */
  return begun + 1;
}

bool tern__grace_has_ended(const struct tern__grace *grace, uint64_t cookie) {
  /* acquire: pairs with the store in run_period; readers are done with what was retired */
  return atomic_load_explicit(&grace->done, memory_order_acquire) >= cookie;
}

bool tern__grace_run_jobs(struct tern__grace *grace) {
  /* acquire: pairs with the push in background */
  struct tern_job *job = atomic_exchange_explicit(&grace->jobs, NULL, memory_order_acquire);
  bool any = job != NULL;
  while (job != NULL) {
    struct tern_job *next = job->next; /* before the run: it may queue itself again */
    job->run(job);
    job = next;
  }
  return any;
}

static void run_period(struct tern__grace *grace) {
  /* acq_rel: acquire pairs with request */
  atomic_exchange_explicit(&grace->requested, 0, memory_order_acq_rel);
  /* relaxed: the increment below publishes it */
  atomic_store_explicit(&grace->began_ms, tern__clock_ms(), memory_order_relaxed);
  /* acq_rel: pairs with the cookie's fetch_add; release also with the load in tern__stall_check */
  uint64_t number = atomic_fetch_add_explicit(&grace->begun, 1, memory_order_acq_rel) + 1;
  tern__rcu_synchronize();
  pthread_mutex_lock(&grace->lock);
  /* release: pairs with the load in has_ended */
  atomic_store_explicit(&grace->done, number, memory_order_release);
  pthread_cond_broadcast(&grace->ended);
  pthread_mutex_unlock(&grace->lock);
}

/* Lets PAUSE_MS pass, or less when somebody is in a hurry. Posts eaten here are made good by the caller, who
 * looks at all flags before it waits again. */
static void pause_between(struct tern__grace *grace) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += PAUSE_MS * 1000000L;
  if (until.tv_nsec >= 1000000000L) {
    until.tv_nsec -= 1000000000L;
    until.tv_sec++;
  }
  /* acquire, all three: pair with the setters' exchanges and stores; their sem_post comes after them */
  while (atomic_load_explicit(&grace->urgent, memory_order_acquire) == 0 &&
         atomic_load_explicit(&grace->ending, memory_order_acquire) == 0 &&
         atomic_load_explicit(&grace->jobs, memory_order_acquire) == NULL) {
    if (sem_timedwait(&grace->wake, &until) != 0 && errno == ETIMEDOUT) return;
  }
}

static void *background_main(void *arg) {
  struct tern__grace *grace = arg;
  tern__rcu_register();
  for (;;) {
    tern__rcu_online();
    tern__grace_run_jobs(grace);
    tern__rcu_offline();
    /* acquire: pairs with the exchange in request and the stores in synchronize and stop */
    if (atomic_load_explicit(&grace->requested, memory_order_acquire) != 0) {
      /* relaxed: cleared before the period begins, so that a later hurry is not lost */
      atomic_store_explicit(&grace->urgent, 0, memory_order_relaxed);
      run_period(grace);
      pause_between(grace);
      /* acquire, both: pair with the store in stop and the push in background */
    } else if (atomic_load_explicit(&grace->ending, memory_order_acquire) != 0 &&
               atomic_load_explicit(&grace->jobs, memory_order_acquire) == NULL) {
      break;
    } else {
      while (sem_wait(&grace->wake) != 0)
        continue; /* EINTR */
    }
  }
  tern__rcu_unregister();
  return NULL;
}

int tern__grace_start(struct tern__grace *grace) {
  /* relaxed: the thread is created afterwards */
  atomic_store_explicit(&grace->ending, 0, memory_order_relaxed);
  int error = pthread_create(&grace->thread, NULL, background_main, grace);
  if (error == 0) pthread_setname_np(grace->thread, "tern-grace");
  grace->running = error == 0;
  return -error;
}

void tern__grace_stop(struct tern__grace *grace) {
  if (!grace->running) return;
  /* release: pairs with the load in background_main */
  atomic_store_explicit(&grace->ending, 1, memory_order_release);
  sem_post(&grace->wake);
  pthread_join(grace->thread, NULL);
  grace->running = false;
}

void tern__grace_synchronize(struct tern__grace *grace) {
  if (!grace->running) {
    tern__rcu_synchronize();
    return;
  }
  uint64_t cookie = tern__grace_cookie(grace);
  pthread_mutex_lock(&grace->lock);
  while (!tern__grace_has_ended(grace, cookie)) {
    /* release: pairs with the loads in background_main and pause_between */
    atomic_store_explicit(&grace->urgent, 1, memory_order_release);
    request(grace);
    sem_post(&grace->wake);
    pthread_cond_wait(&grace->ended, &grace->lock);
  }
  pthread_mutex_unlock(&grace->lock);
}

/* ---- limbo ---- */

static void retire(struct tern_reclaimer *reclaimer, struct tern_retired *retired, size_t bytes) {
  struct tern__limbo *limbo = tern_container(reclaimer, struct tern__limbo, reclaimer);
  retired->next = limbo->fresh.first;
  limbo->fresh.first = retired;
  limbo->fresh.bytes += bytes;
  limbo->count++;
  limbo->bytes += bytes;
  if (limbo->bytes > TERN_LIMBO_MAX_BYTES) limbo->full = true;
}

static void background(struct tern_reclaimer *reclaimer, struct tern_job *job) {
  struct tern__grace *grace = tern_container(reclaimer, struct tern__limbo, reclaimer)->grace;
  /* relaxed: the value is only compared */
  job->next = atomic_load_explicit(&grace->jobs, memory_order_relaxed);
  /* release: pairs with the exchange in run_jobs */
  while (!atomic_compare_exchange_weak_explicit(&grace->jobs, &job->next, job, memory_order_release,
                                                memory_order_relaxed)) {
    continue;
  }
  sem_post(&grace->wake);
}

static bool is_online(struct tern_reclaimer *reclaimer) {
  (void)reclaimer;
  return tern__rcu_is_online();
}

static void control_enter(struct tern_reclaimer *reclaimer) {
  struct tern__limbo *limbo = tern_container(reclaimer, struct tern__limbo, reclaimer);
  if (limbo->entered++ == 0 && !limbo->grace->simulated) tern__rcu_online();
}

static void control_leave(struct tern_reclaimer *reclaimer) {
  struct tern__limbo *limbo = tern_container(reclaimer, struct tern__limbo, reclaimer);
  assert(limbo->entered > 0);
  if (--limbo->entered > 0) return;
  if (!limbo->grace->running && !limbo->grace->simulated) tern__grace_run_jobs(limbo->grace);
  if (!limbo->grace->simulated) tern__rcu_offline();
  tern__limbo_step(limbo, 0);
}

static const struct tern_reclaimer_ops worker_ops = {
    .retire = retire, .background = background, .is_online = is_online};
static const struct tern_reclaimer_ops control_ops = {.retire = retire,
                                                      .background = background,
                                                      .is_online = is_online,
                                                      .enter = control_enter,
                                                      .leave = control_leave};

void tern__limbo_init(struct tern__limbo *limbo, struct tern__grace *grace, bool control) {
  *limbo = (struct tern__limbo){.grace = grace};
  limbo->reclaimer.ops = control ? &control_ops : &worker_ops;
  limbo->reclaimer.flavor = tern__rcu_flavor();
}

/* Frees objects of a batch whose grace period has passed. */
static void free_some(struct tern__limbo *limbo, struct tern__batch *batch, uint64_t most) {
  for (uint64_t n = 0; batch->first != NULL && n < most; n++) {
    struct tern_retired *retired = batch->first;
    batch->first = retired->next;
    limbo->count--;
    retired->free(retired);
  }
  if (batch->first != NULL) return;
  limbo->bytes -= batch->bytes;
  batch->bytes = 0;
  if (limbo->bytes < TERN_LIMBO_MAX_BYTES / 2) limbo->full = false;
}

void tern__limbo_step(struct tern__limbo *limbo, uint64_t now_ms) {
  if (limbo->waiting.first != NULL && limbo->ready.first == NULL &&
      tern__grace_has_ended(limbo->grace, limbo->cookie)) {
    limbo->ready = limbo->waiting;
    limbo->waiting = (struct tern__batch){0};
  }
  if (limbo->ready.first != NULL) free_some(limbo, &limbo->ready, FREE_PER_STEP);
  if (limbo->fresh.first != NULL && limbo->waiting.first == NULL) {
    limbo->waiting = limbo->fresh;
    limbo->fresh = (struct tern__batch){0};
    limbo->since_ms = now_ms;
    limbo->cookie = tern__grace_cookie(limbo->grace);
    if (TERN_BUG(gp_free_early)) limbo->cookie = 0; /* breaks: objects are freed without a grace period */
    request(limbo->grace);
  }
}

void tern__limbo_flush(struct tern__limbo *limbo) {
  free_some(limbo, &limbo->ready, UINT64_MAX);
  free_some(limbo, &limbo->waiting, UINT64_MAX);
  free_some(limbo, &limbo->fresh, UINT64_MAX);
}
