/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of the load test and the phases they go through together.
 *
 *     main:    add connections, start, then: wait until enough of them are done with a phase -> enter the next
 *     thread:  dial some -> wait (epoll, until something is due) -> new phase? tell the connections -> input -> output
 *
 * Main moves the phase on and wakes the threads; threads count what they did, and main reads the counters. That is all
 * they share. A connection that fails leaves its reason in the engine and main ends the run.
 *
 * Waiting is exact to the microsecond when a paced sender has an appointment (ppoll on the epoll descriptor, with the
 * thread's timer slack at its least), and otherwise a tenth of a second, after which deadlines are looked at.
 *
 * Thread: main, but for thread_main and what it calls.
 */
#include "engine.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cpu.h"

#define EVENTS_MAX   128
#define WAIT_NS      UINT64_C(100000000)
#define RETRY_NS     UINT64_C(1000000)
#define FILES_SPARED 64 /* beside the connections */

enum phase engine_phase(const struct engine *engine) {
  /* acquire: pairs with engine_enter's release; what main prepared for the phase is visible */
  return (enum phase)atomic_load_explicit(&engine->phase, memory_order_acquire);
}

bool engine_failed(const struct engine *engine) {
  /* acquire: pairs with the release in conn.c; the error is there */
  return atomic_load_explicit(&engine->failed, memory_order_acquire);
}

/* ---- A thread ---- */

/* Tells the connections that a phase has begun. */
static void begin_phase(struct thread *thread, enum phase phase) {
  while (thread->phase < phase) {
    thread->phase++;
    thread->now_ns = now_ns();
    if (thread->phase == PHASE_RUN) thread->begin_cpu_ns = thread_cpu_ns();
    bool opens = thread->phase == PHASE_SENDERS;
    for (unsigned i = 0; i < thread->count; i++) {
      struct conn *conn = thread->conns[i];
      if (opens && !conn->role->late && conn->role->purpose != PURPOSE_RECEIVE) conn_dial(conn);
      if (conn->role->phase != NULL) conn->role->phase(conn, thread->phase);
      if (conn->state == CONN_READY) conn_turn(conn);
    }
  }
}

/* Calls those whose time has come; finds out when the next one's is. */
static void take_turns(struct thread *thread) {
  uint64_t now = now_ns(), next = UINT64_MAX;
  if (thread->next_ns > now) return;
  thread->now_ns = now;
  for (unsigned i = 0; i < thread->count; i++) {
    struct conn *conn = thread->conns[i];
    if (conn->due_ns <= now && conn->due_ns != OUTPUT_WHEN_POSSIBLE) conn_turn(conn);
    if (conn->due_ns != OUTPUT_WHEN_POSSIBLE && conn->due_ns < next) next = conn->due_ns;
  }
  thread->next_ns = next;
}

/* Looks at deadlines from time to time. */
static void check_deadlines(struct thread *thread) {
  uint64_t now = now_ns();
  if (thread->dialling == 0 || now - thread->checked_ns < WAIT_NS) return;
  thread->checked_ns = now;
  for (unsigned i = 0; i < thread->count; i++)
    conn_check(thread->conns[i], now);
}

/* Waits until there is input or something is due. Returns how many events there are. */
static int wait_for_events(struct thread *thread, struct epoll_event *events) {
  uint64_t now = now_ns(), wait = WAIT_NS;
  if (thread->retry) wait = RETRY_NS;
  if (thread->next_ns < now + wait) wait = thread->next_ns > now ? thread->next_ns - now : 0;
  if (wait == WAIT_NS || wait == 0)
    return epoll_wait(thread->epoll, events, EVENTS_MAX, wait == 0 ? 0 : WAIT_NS / 1000000);
  struct pollfd ready = {.fd = thread->epoll, .events = POLLIN};
  struct timespec exact = {.tv_nsec = (long)wait};
  (void)ppoll(&ready, 1, &exact, NULL);
  return epoll_wait(thread->epoll, events, EVENTS_MAX, 0);
}

static void *thread_main(void *arg) {
  struct thread *thread = arg;
  struct epoll_event events[EVENTS_MAX];
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  for (unsigned i = 0; i < thread->count; i++) {
    struct conn *conn = thread->conns[i];
    if (!conn->role->late && conn->role->purpose == PURPOSE_RECEIVE) conn_dial(conn);
  }
  for (;;) {
    conn_dial_some(thread);
    int n = wait_for_events(thread, events);
    /* After waiting: what has come was perhaps sent in a phase that this thread has not heard of. */
    enum phase phase = engine_phase(thread->engine);
    if (thread->phase < phase) begin_phase(thread, phase);
    if (phase == PHASE_END) break;
    for (int i = 0; i < n; i++) {
      uint64_t count;
      if (events[i].data.ptr != NULL)
        conn_event(events[i].data.ptr, events[i].events);
      else if (read(thread->wake, &count, sizeof count) < 0)
        continue; /* somebody else's wake-up was enough */
    }
    take_turns(thread);
    check_deadlines(thread);
  }
  if (thread->begin_cpu_ns != 0) thread->cpu_ns = thread_cpu_ns() - thread->begin_cpu_ns;
  return NULL;
}

/* ---- Main's side ---- */

static int thread_init(struct thread *thread, struct engine *engine, bool latency) {
  thread->engine = engine;
  thread->next_ns = UINT64_MAX;
  thread->epoll = epoll_create1(EPOLL_CLOEXEC);
  thread->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  thread->scratch = malloc(SCRATCH_BYTES);
  thread->latency = latency ? histogram_new() : NULL;
  if (thread->epoll < 0 || thread->wake < 0) return -errno;
  if (thread->scratch == NULL || (latency && thread->latency == NULL)) return -ENOMEM;
  struct epoll_event event = {.events = EPOLLIN};
  return epoll_ctl(thread->epoll, EPOLL_CTL_ADD, thread->wake, &event) < 0 ? -errno : 0;
}

int engine_init(struct engine *engine, const struct target *target, unsigned threads, bool latency) {
  *engine = (struct engine){.target = target, .count = threads};
  atomic_init(&engine->phase, PHASE_RECEIVERS);
  atomic_init(&engine->receivers_worker, -1);
  atomic_init(&engine->failed, false);
  pthread_mutex_init(&engine->lock, NULL);
  snprintf(engine->server, sizeof engine->server, "%s", target->dialect->server);
  engine->threads = calloc(threads, sizeof *engine->threads);
  if (engine->threads == NULL) {
    engine->count = 0;
    return -ENOMEM;
  }
  for (unsigned i = 0; i < PURPOSES; i++)
    engine->hello[i] = target->dialect->hello(target, (enum purpose)i);
  for (unsigned i = 0; i < threads; i++)
    engine->threads[i].epoll = engine->threads[i].wake = -1;
  for (unsigned i = 0; i < threads; i++) {
    int error = thread_init(&engine->threads[i], engine, latency);
    if (error != 0) return error;
  }
  for (unsigned i = 0; i < PURPOSES; i++) {
    if (engine->hello[i] == NULL) return -ENOMEM;
  }
  return 0;
}

void engine_place(struct engine *engine, enum placement placement) { engine->placement = placement; }

struct conn *engine_add(struct engine *engine, unsigned index_of_thread, const struct role *role, void *owner,
                        unsigned index) {
  struct thread *thread = &engine->threads[index_of_thread % engine->count];
  if (thread->count == thread->size) {
    unsigned size = thread->size * 2 + 16;
    struct conn **more = realloc(thread->conns, size * sizeof(struct conn *));
    if (more == NULL) return NULL;
    thread->conns = more;
    thread->size = size;
  }
  struct conn *conn = calloc(1, sizeof *conn);
  if (conn == NULL) return NULL;
  *conn = (struct conn){.role = role,
                        .owner = owner,
                        .thread = thread,
                        .number = engine->conns++,
                        .index = index,
                        .fd = -1,
                        .due_ns = OUTPUT_NEVER};
  thread->conns[thread->count++] = conn;
  return conn;
}

int engine_start(struct engine *engine) {
  for (unsigned i = 0; i < engine->count; i++) {
    struct thread *thread = &engine->threads[i];
    int error = pthread_create(&thread->thread, NULL, thread_main, thread);
    if (error != 0) return -error;
    thread->started = true;
  }
  return 0;
}

void engine_enter(struct engine *engine, enum phase phase) {
  /* release: pairs with engine_phase's acquire */
  atomic_store_explicit(&engine->phase, (int)phase, memory_order_release);
  for (unsigned i = 0; i < engine->count; i++) {
    uint64_t one = 1;
    if (engine->threads[i].wake >= 0 && write(engine->threads[i].wake, &one, sizeof one) < 0)
      continue; /* it has been woken already */
  }
}

uint64_t engine_sent(const struct engine *engine) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < engine->count; i++)
    sum += tern_counter_read(&engine->threads[i].sent);
  return sum;
}

uint64_t engine_prepared(const struct engine *engine) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < engine->count; i++)
    sum += tern_counter_read(&engine->threads[i].prepared);
  return sum;
}

uint64_t engine_received(const struct engine *engine) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < engine->count; i++)
    sum += tern_counter_read(&engine->threads[i].received);
  return sum;
}

uint64_t engine_done(const struct engine *engine, enum phase phase) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < engine->count; i++)
    sum += tern_counter_read(&engine->threads[i].done[phase]);
  return sum;
}

void engine_join(struct engine *engine) {
  engine_enter(engine, PHASE_END);
  for (unsigned i = 0; i < engine->count; i++) {
    if (engine->threads[i].started) pthread_join(engine->threads[i].thread, NULL);
    engine->threads[i].started = false;
  }
}

void engine_free(struct engine *engine) {
  engine_join(engine);
  for (unsigned i = 0; i < engine->count; i++) {
    struct thread *thread = &engine->threads[i];
    for (unsigned j = 0; j < thread->count; j++)
      conn_free(thread->conns[j]);
    for (unsigned j = 0; j < thread->aside_count; j++)
      close(thread->aside[j]);
    free(thread->aside);
    free(thread->conns);
    free(thread->scratch);
    histogram_free(thread->latency);
    if (thread->epoll >= 0) close(thread->epoll);
    if (thread->wake >= 0) close(thread->wake);
  }
  for (unsigned i = 0; i < PURPOSES; i++)
    free(engine->hello[i]);
  free(engine->threads);
  engine->threads = NULL;
  pthread_mutex_destroy(&engine->lock);
}

bool engine_allow_files(unsigned connections, char *error, size_t size) {
  struct rlimit limit;
  rlim_t wanted = (rlim_t)connections + FILES_SPARED;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return true;
  limit.rlim_cur = limit.rlim_max; /* even if that is more than wanted: a placement may take any number */
  (void)setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max >= wanted) return true;
  snprintf(
      error, size,
      "%u connections need %llu open files, and the system allows %llu: raise the hard limit (ulimit -Hn)",
      connections, (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
  return false;
}
