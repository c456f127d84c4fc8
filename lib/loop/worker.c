/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of workers: threads, their start and their stop, and how the control thread talks to them.
 *
 *     start:  background (grace period) thread; then worker by worker: thread, RCU registration, `started`;
 *             each waits at the gate until the last has succeeded; then all run
 *     stop:   an order to stop is posted to each; they stop together (stop.c); threads are joined; the
 *             background thread ends last, when nothing can be retired any more
 *
 * When a worker's `started` fails, the gate opens to "give up": those that exist go through the same orderly
 * stop, in which the marks of workers that never came to exist are given for them.
 *
 * Who talks to a worker: other workers through lanes (inbox.c); the control thread and the acceptor through
 * posts: a function pointer and a few bytes, in a small ring of their own per worker. The acceptor's slot may
 * be used by several threads, hence its lock; workers never take it.
 *
 * Interaction with RCU (QSBR): a worker is online from its registration on, but for sleeping and waiting at
 * the gate, and so must never wait for a lock whose holder may wait for a grace period. The control thread is
 * registered and offline, except inside registry calls (grace.c).
 *
 * Worker threads block all signals: signals are the control thread's business.
 */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tern/error.h>
#include <time.h>

#include "clock.h"
#include "rcu.h"
#include "worker_internal.h"

enum { POST_RING_BYTES = 16 * 1024, RETRY_MS = 1 };

static_assert(TERN__SLOTS < 63, "bit 63 of the bell is SLEEPING");
static_assert(TERN__POST_BYTES_MAX + sizeof(tern__post_fn *) <= POST_RING_BYTES / 4, "a post fits its ring");

static _Thread_local struct tern_worker *self;

struct tern_worker *tern_worker_self(void) {
  return self;
}
void tern__worker_set_self(struct tern_worker *worker) { self = worker; }

/* ---- making and freeing ---- */

static unsigned processors(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int count = CPU_COUNT(&set);
  if (count < 1) return 1;
  return count > TERN_WORKERS_MAX ? TERN_WORKERS_MAX : (unsigned)count;
}

static int init_worker(struct tern_workers *workers, unsigned index) {
  struct tern_worker *worker = &workers->at[index];
  worker->index = index;
  worker->pool = workers;
  int error = tern_loop_new(&worker->loop);
  if (error != 0) return error;
  if (workers->simulated) {
    worker->loop->simulated_ms = &workers->simulated_ms;
    worker->loop->now_ms = workers->simulated_ms;
    tern__wheel_init(&worker->loop->wheel, workers->simulated_ms);
  }
  worker->loop->worker = worker;
  worker->loop->latency.every = workers->options.latency_every;
  struct tern_loop_hooks hooks = tern__worker_hooks;
  hooks.arg = worker;
  tern__loop_set_hooks(worker->loop, &hooks);
  tern__limbo_init(&worker->limbo, &workers->grace, false);
  for (unsigned to = 0; to < workers->count; to++) {
    tern__lane_init(&worker->lanes[to], &workers->at[to].in[index], workers->options.ring_bytes);
  }
  return 0;
}

int tern__workers_alloc(const struct tern_workers_options *options, bool simulated,
                        struct tern_workers **out) {
  size_t ring_bytes = options->ring_bytes != 0 ? options->ring_bytes : TERN_RING_BYTES_DEFAULT;
  if (options->count > TERN_WORKERS_MAX || ring_bytes < TERN__RING_BYTES_MIN ||
      (ring_bytes & (ring_bytes - 1)) != 0 || ring_bytes > UINT32_MAX) {
    return -EINVAL;
  }
  struct tern_workers *workers = calloc(1, sizeof *workers);
  if (workers == NULL) return -ENOMEM;
  workers->options = *options;
  workers->options.ring_bytes = ring_bytes;
  workers->count = options->count != 0 ? options->count : processors();
  workers->simulated = simulated;
  int error = tern__grace_init(&workers->grace);
  if (error != 0) {
    free(workers);
    return error;
  }
  workers->grace.simulated = simulated;
  pthread_mutex_init(&workers->gate_lock, NULL);
  pthread_cond_init(&workers->gate_cond, NULL);
  for (unsigned i = 0; i < TERN__SLOTS - TERN_WORKERS_MAX; i++) {
    pthread_mutex_init(&workers->posters[i].lock, NULL);
  }
  tern__rcu_register();
  if (simulated) tern__rcu_online();
  tern__limbo_init(&workers->limbo, &workers->grace, true);
  workers->at = aligned_alloc(alignof(struct tern_worker), workers->count * sizeof(struct tern_worker));
  if (workers->at == NULL) {
    tern_workers_free(workers);
    return -ENOMEM;
  }
  memset((void *)workers->at, 0, workers->count * sizeof(struct tern_worker));
  for (unsigned i = 0; i < workers->count && error == 0; i++)
    error = init_worker(workers, i);
  if (error != 0) {
    tern_workers_free(workers);
    return error;
  }
  *out = workers;
  return 0;
}

int tern_workers_new(const struct tern_workers_options *options, struct tern_workers **out) {
  return tern__workers_alloc(options, false, out);
}

static bool is_running(const struct tern_workers *workers) {
  /* acquire: pairs with the stores in start and stop */
  return atomic_load_explicit(&workers->running, memory_order_acquire);
}

void tern_workers_free(struct tern_workers *workers) {
  if (is_running(workers)) {
    fprintf(stderr, "tern: a worker pool is freed while it runs\n");
    abort();
  }
  /* The control thread's objects: no worker runs, so a grace period takes no time. */
  if (workers->simulated) {
    tern__grace_run_jobs(&workers->grace);
    tern__rcu_offline();
  } else {
    tern__reclaimer_enter(&workers->limbo.reclaimer);
    tern__grace_run_jobs(&workers->grace);
    tern__reclaimer_leave(&workers->limbo.reclaimer);
  }
  tern__grace_synchronize(&workers->grace);
  tern__limbo_flush(&workers->limbo);
  for (unsigned i = 0; workers->at != NULL && i < workers->count; i++) {
    struct tern_worker *worker = &workers->at[i];
    for (unsigned to = 0; to < workers->count; to++)
      tern__lane_clear(&worker->lanes[to]);
    /* relaxed: all threads have been joined */
    for (unsigned from = 0; from < TERN__SLOTS; from++) {
      tern__ring_free(atomic_load_explicit(&worker->in[from].ring, memory_order_relaxed));
    }
    if (worker->loop != NULL) tern_loop_free(worker->loop);
  }
  free(workers->at);
  for (unsigned i = 0; i < TERN__SLOTS - TERN_WORKERS_MAX; i++) {
    pthread_mutex_destroy(&workers->posters[i].lock);
  }
  pthread_cond_destroy(&workers->gate_cond);
  pthread_mutex_destroy(&workers->gate_lock);
  tern__grace_destroy(&workers->grace);
  tern__rcu_unregister();
  free(workers);
}

/* ---- starting ---- */

int tern__worker_begin(struct tern_worker *worker) {
  struct tern_workers *workers = worker->pool;
  void *data = NULL;
  tern__loop_own(worker->loop);
  int error = 0;
  if (workers->options.started != NULL) error = workers->options.started(workers->options.arg, worker, &data);
  worker->begun = error == 0;
  if (worker->begun && data != NULL) tern_loop_set_data(worker->loop, data);
  return error;
}

static int wait_at_gate(struct tern_workers *workers) {
  pthread_mutex_lock(&workers->gate_lock);
  workers->gate_arrived++;
  pthread_cond_broadcast(&workers->gate_cond);
  while (workers->gate == 0)
    pthread_cond_wait(&workers->gate_cond, &workers->gate_lock);
  int gate = workers->gate;
  pthread_mutex_unlock(&workers->gate_lock);
  return gate;
}

static void *worker_main(void *arg) {
  struct tern_worker *worker = arg;
  tern__worker_set_self(worker);
  tern__rcu_register();
  tern__rcu_online();
  worker->started_error = tern__worker_begin(worker);
  tern__rcu_offline();
  int gate = wait_at_gate(worker->pool);
  tern__rcu_online();
  if (gate < 0) {
    worker->stop_requested = true; /* with a deadline long past */
    tern_loop_tick(worker->loop, 0);
  }
  while (worker->stage != TERN__STAGE_DONE)
    tern_loop_tick(worker->loop, -1);
  tern__rcu_offline();
  tern__rcu_unregister();
  return NULL;
}

/* Starts one worker and waits until it has run `started`. *exists: its thread must be joined. */
static int start_one(struct tern_workers *workers, unsigned index, bool *exists) {
  struct tern_worker *worker = &workers->at[index];
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&worker->thread, NULL, worker_main, worker);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  *exists = error == 0;
  if (error != 0) return -error;
  char name[16];
  snprintf(name, sizeof name, "tern-worker-%u", index % 100);
  pthread_setname_np(worker->thread, name);
  pthread_mutex_lock(&workers->gate_lock);
  while (workers->gate_arrived <= index)
    pthread_cond_wait(&workers->gate_cond, &workers->gate_lock);
  pthread_mutex_unlock(&workers->gate_lock);
  return worker->started_error;
}

static void open_gate(struct tern_workers *workers, int gate) {
  pthread_mutex_lock(&workers->gate_lock);
  workers->gate = gate;
  pthread_cond_broadcast(&workers->gate_cond);
  pthread_mutex_unlock(&workers->gate_lock);
}

static void join_all(struct tern_workers *workers, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    pthread_join(workers->at[i].thread, NULL);
  tern__grace_stop(&workers->grace);
  workers->stopped = true;
}

int tern_workers_start(struct tern_workers *workers) {
  if (workers->simulated || workers->stopped || is_running(workers)) return -EINVAL;
  workers->started_ns = tern__clock_ns();
  int error = tern__grace_start(&workers->grace);
  if (error != 0) return error;
  unsigned exist = 0;
  for (unsigned i = 0; i < workers->count && error == 0; i++) {
    bool exists;
    error = start_one(workers, i, &exists);
    if (exists) exist++;
  }
  if (error == 0) {
    /* release: pairs with the loads in is_running */
    atomic_store_explicit(&workers->running, true, memory_order_release);
    open_gate(workers, 1);
    return 0;
  }
  for (unsigned missing = exist; missing < workers->count; missing++) {
    for (unsigned i = 0; i < exist; i++) {
      /* relaxed: the gate's lock orders it */
      atomic_store_explicit(&workers->at[i].in[missing].mark, UINT32_MAX, memory_order_relaxed);
    }
  }
  open_gate(workers, -1);
  join_all(workers, exist);
  return error;
}

/* ---- posts and calls ---- */

int tern__workers_post(struct tern_workers *workers, enum tern__slot slot, unsigned to, tern__post_fn *fn,
                       const void *data, size_t len) {
  assert(slot >= TERN__SLOT_ACCEPTOR && slot < TERN__SLOTS && to < workers->count);
  assert(len <= TERN__POST_BYTES_MAX);
  if (!is_running(workers)) return TERN_ECLOSED;
  struct tern__poster *poster = &workers->posters[slot - TERN_WORKERS_MAX];
  struct tern_worker *worker = &workers->at[to];
  int error = 0;
  pthread_mutex_lock(&poster->lock);
  if (poster->ring[to] == NULL) {
    poster->ring[to] = tern__ring_new(POST_RING_BYTES);
    /* release: pairs with the load in drain (inbox.c) */
    atomic_store_explicit(&worker->in[slot].ring, poster->ring[to], memory_order_release);
  }
  char *room = NULL;
  if (poster->ring[to] == NULL) {
    error = -ENOMEM;
  } else {
    room = tern__ring_reserve(poster->ring[to], TERN__RECORD_POST, sizeof fn + len);
    if (room == NULL) error = TERN_EFULL;
  }
  if (room != NULL) {
    memcpy(room, &fn, sizeof fn);
    if (len > 0) memcpy(room + sizeof fn, data, len);
    tern__ring_commit(poster->ring[to]);
    tern__ring_publish(poster->ring[to]);
  }
  pthread_mutex_unlock(&poster->lock);
  if (error == 0) tern__worker_ring(worker, slot);
  return error;
}

/* As the control thread, which may wait for room. */
static int post_patiently(struct tern_workers *workers, unsigned to, tern__post_fn *fn, const void *data,
                          size_t len) {
  int error;
  while ((error = tern__workers_post(workers, TERN__SLOT_CONTROL, to, fn, data, len)) == TERN_EFULL ||
         error == -ENOMEM) {
    nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
  }
  return error;
}

struct call {
  void (*fn)(struct tern_worker *worker, void *arg);
  void *arg;
  sem_t done;
};

static void run_call(struct tern_worker *worker, const void *data, size_t len) {
  struct call *call;
  assert(len == sizeof call);
  (void)len;
  memcpy(&call, data, sizeof call);
  call->fn(worker, call->arg);
  sem_post(&call->done);
}

int tern_workers_call(struct tern_workers *workers, unsigned index,
                      void (*fn)(struct tern_worker *worker, void *arg), void *arg) {
  if (workers->simulated) return tern__sim_call(workers, index, fn, arg);
  struct call call = {.fn = fn, .arg = arg};
  struct call *at = &call;
  if (sem_init(&call.done, 0, 0) != 0) return -errno;
  int error = post_patiently(workers, index, run_call, &at, sizeof at);
  if (error == 0) {
    while (sem_wait(&call.done) != 0)
      continue; /* EINTR */
  }
  sem_destroy(&call.done);
  return error;
}

void tern_workers_synchronize(struct tern_workers *workers) {
  if (workers->simulated) {
    tern__sim_synchronize(workers);
  } else {
    tern__grace_synchronize(&workers->grace);
  }
  tern__limbo_flush(&workers->limbo);
}

/* ---- stopping ---- */

static void accept_stop(struct tern_worker *worker, const void *data, size_t len) {
  assert(len == sizeof worker->deadline_ms);
  (void)len;
  memcpy(&worker->deadline_ms, data, sizeof worker->deadline_ms);
  worker->stop_requested = true;
}

void tern__workers_post_stop(struct tern_workers *workers, unsigned deadline_ms) {
  uint64_t now = workers->simulated ? workers->simulated_ms : tern__clock_ms();
  uint64_t deadline = now + deadline_ms;
  for (unsigned i = 0; i < workers->count; i++) {
    post_patiently(workers, i, accept_stop, &deadline, sizeof deadline);
  }
}

int tern_workers_stop(struct tern_workers *workers, unsigned deadline_ms) {
  if (workers->simulated) return tern__sim_stop(workers, deadline_ms);
  if (!is_running(workers)) return 0;
  tern__workers_post_stop(workers, deadline_ms);
  /* release: pairs with the loads in is_running */
  atomic_store_explicit(&workers->running, false, memory_order_release);
  join_all(workers, workers->count);
  int result = 0;
  for (unsigned i = 0; i < workers->count; i++) {
    if (workers->at[i].aborted) result = TERN_ELIMIT;
  }
  return result;
}

/* ---- small things ---- */

unsigned tern_workers_count(const struct tern_workers *workers) { return workers->count; }

struct tern_worker *tern_workers_at(struct tern_workers *workers, unsigned index) {
  assert(index < workers->count);
  return &workers->at[index];
}

struct tern_reclaimer *tern_workers_reclaimer(struct tern_workers *workers) {
  return &workers->limbo.reclaimer;
}

unsigned tern_worker_index(const struct tern_worker *worker) { return worker->index; }
struct tern_workers *tern_worker_pool_of(struct tern_worker *worker) {
  return worker->pool;
}
struct tern_loop *tern_worker_loop(struct tern_worker *worker) {
  return worker->loop;
}
struct tern_worker *tern_worker_of(const struct tern_loop *loop) {
  return loop->worker;
}
struct tern_reclaimer *tern_worker_reclaimer(struct tern_worker *worker) {
  return &worker->limbo.reclaimer;
}

static uint64_t age_of(const struct tern_worker *worker, uint64_t since_ms) {
  uint64_t now = worker->pool->simulated ? worker->pool->simulated_ms : tern__clock_ms();
  return since_ms != 0 && now > since_ms ? now - since_ms : 0;
}

struct tern_worker_stats tern_worker_stats(const struct tern_worker *worker) {
  struct tern_worker_stats stats = {
      .ticks = tern_counter_read(&worker->ticks),
      .sleeps = tern_counter_read(&worker->sleeps),
      .wakeups_sent = tern_counter_read(&worker->wakeups_sent),
      .records_in = tern_counter_read(&worker->records_in),
      .records_out = tern_counter_read(&worker->records_out),
      .overflows = tern_counter_read(&worker->overflows),
      .retired_objects = tern_counter_read(&worker->retired),
      .retired_bytes = tern_counter_read(&worker->retired_bytes),
      .gp_age_ms = age_of(worker, tern_counter_read(&worker->retired_since_ms)),
      .held_back = tern_counter_read(&worker->held_back),
      /* relaxed: a figure; pairs with the stores in may_sleep and woke */
      .is_asleep = atomic_load_explicit(&worker->sleep_began_ns, memory_order_relaxed) != 0};
  tern__histogram_read(&worker->loop->latency.ticks, &stats.ticks_took);
  for (unsigned i = 0; i < TERN_LATENCIES; i++)
    tern__histogram_read(&worker->loop->latency.stages[i], &stats.latency[i]);
  for (unsigned from = 0; from < TERN__SLOTS; from++) {
    /* acquire: pairs with the release where the ring is made; it stays until the pool is freed */
    const struct tern__ring *ring = atomic_load_explicit(&worker->in[from].ring, memory_order_acquire);
    if (ring == NULL) continue;
    stats.waiting_bytes += tern__ring_waiting(ring);
    stats.ring_bytes += tern__ring_memory(ring);
  }
  return stats;
}

struct tern__worker_load tern__worker_load(const struct tern_worker *worker) {
  uint64_t now = tern__clock_ns();
  /* relaxed: a figure; a sleep that ends meanwhile may be counted twice, for one reading */
  uint64_t began = atomic_load_explicit(&worker->sleep_began_ns, memory_order_relaxed);
  uint64_t slept = tern_counter_read(&worker->slept_ns);
  if (began != 0 && now > began) slept += now - began;
  uint64_t lived = now - worker->pool->started_ns;
  return (struct tern__worker_load){.connections = tern_counter_read(&worker->connections),
                                    .busy_ns = slept < lived ? lived - slept : 0};
}
