/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's inbox and what it adds to the tick of its loop.
 *
 *     1 inbox      take the bell; handle records of those who rang, at most 256 KiB of each, another sender
 *                  first each time; then move what spilled, and tell the waiters when nothing does any more
 *     2 sleep      only with nothing staged and the bell silent (bell.h); offline for RCU meanwhile; when the
 *                  bell has ended it, step 1 once more
 *     4 publish    per receiver: one store of the ring's tail, one ring of the bell, at most one eventfd write
 *     7 quiescent  stopping moves on (stop.c), limbo moves on (grace.c), counters, RCU
 *
 * A tick that had something to do is followed by one that looks for more without sleeping, and stays online: under
 * load neither the bell's SLEEPING nor the eventfd nor RCU's offline/online are ever used. A worker that has found
 * nothing by that lately mostly does without.
 *
 * A QSBR thread that is online is inside a read-side section: nothing here blocks on a lock or on another
 * thread. A full ring spills (lane.c). Waking costs a system call per sleep of the receiver, not per record.
 *
 * tern_worker_drain_inbox may be called in the middle of the tick; what it handles is what step 1 would have
 * handled next. It has to handle all of it, and while another worker goes on sending there is more each time: once it has
 * been 256 KiB, whoever has not run yet in step 3 waits for the next tick (tern__loop_postpone), so that the socket events
 * and the flush come in between. Turns that were deferred are bounded by what they cost only. Thread: owner, but for tern__worker_ring.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "clock.h"
#include "rcu.h"
#include "seed.h"
#include "worker_internal.h"

enum { BYTES_PER_SENDER = 256 * 1024, EARLY_PUBLISH_BYTES = 32 * 1024, RECLAIM_SLEEP_MS = 50 };
enum { VAIN_LOOKS = 4, LOOK_ANYWAY = 16 };

bool tern__worker_ring(struct tern_worker *to, unsigned sender) {
  if (!tern__bell_ring(&to->bell, sender)) return false;
  if (to->pool->simulated) {
    /* relaxed: a simulation is one thread */
    atomic_store_explicit(&to->woken, true, memory_order_relaxed);
  } else {
    tern__loop_wake(to->loop);
  }
  return true;
}

static void ring_peer(struct tern_worker *worker, unsigned to) {
  if (tern__worker_ring(&worker->pool->at[to], worker->index)) tern_counter_add(&worker->wakeups_sent, 1);
}

/* ---- sending ---- */

static void publish_lane(struct tern_worker *worker, unsigned to) {
  struct tern__lane *lane = &worker->lanes[to];
  uint64_t bit = UINT64_C(1) << to;
  worker->staged &= ~bit;
  if (tern__lane_publish(lane)) ring_peer(worker, to);
  if (!tern__lane_is_spilling(lane)) worker->congested &= ~bit;
}

void tern__worker_publish(struct tern_worker *worker) {
  uint64_t pending = worker->staged | worker->congested;
  for (; pending != 0; pending &= pending - 1)
    publish_lane(worker, (unsigned)__builtin_ctzll(pending));
}

static void note_sent(struct tern_worker *worker, unsigned to, bool spilled) {
  tern_counter_add(&worker->records_out, 1);
  worker->staged |= UINT64_C(1) << to;
  if (spilled) {
    worker->congested |= UINT64_C(1) << to;
    tern_counter_add(&worker->overflows, 1);
  } else if (tern__ring_staged(worker->lanes[to].ring) >= EARLY_PUBLISH_BYTES) {
    publish_lane(worker, to); /* lets the receiver begin while this tick goes on */
  }
}

/* Says when the records before it were made visible, to each receiver of some. */
static void put_marks(struct tern_worker *worker) {
  const uint64_t now = tern__loop_clock_ns(worker->loop);
  for (uint64_t set = worker->staged & ~worker->congested; set != 0; set &= set - 1) {
    const unsigned to = (unsigned)__builtin_ctzll(set);
    struct tern__lane *lane = &worker->lanes[to];
    if (lane->open || lane->reserved != NULL) continue; /* between a reservation and its commit */
    void *at = tern__lane_reserve(lane, TERN__RECORD_MARK, sizeof now);
    if (at == NULL || lane->reserved != NULL) continue; /* full: not worth a place outside of the ring */
    memcpy(at, &now, sizeof now);
    note_sent(worker, to, tern__lane_commit(lane));
  }
}

/* Flat: it is in the way of every record, and who puts marks is no reason to call what it consists of. */
__attribute__((flatten)) void *tern_worker_reserve(struct tern_worker *worker, unsigned to, unsigned kind,
                                                   size_t len) {
  tern__loop_assert_owner(worker->loop);
  assert(to < worker->pool->count && to != worker->index && kind >= TERN_RECORD_USER);
  /* The receivers have been told that no more comes. */
  if (worker->stage >= TERN__STAGE_LAST) return NULL;
  return tern__lane_reserve(&worker->lanes[to], kind, len);
}

size_t tern_worker_record_max(const struct tern_worker *worker) { return worker->lanes[0].ring_bytes / 4; }

void tern_worker_commit(struct tern_worker *worker, unsigned to) {
  note_sent(worker, to, tern__lane_commit(&worker->lanes[to]));
}

void tern__worker_send_spill(struct tern_worker *worker, unsigned to, struct tern__spill *spill) {
  note_sent(worker, to, tern__lane_send_spill(&worker->lanes[to], spill));
}

bool tern_worker_is_congested(const struct tern_worker *worker, unsigned to) {
  return (worker->congested >> to & 1) != 0;
}

bool tern_worker_any_congested(const struct tern_worker *worker, uint64_t set) {
  return (worker->congested & set) != 0;
}

/* ---- waiting for congestion to end, or for room in limbo ---- */

static void push_waiter(struct tern_waiter **list, struct tern_waiter *waiter) {
  waiter->next = *list;
  waiter->prev = list;
  if (waiter->next != NULL) waiter->next->prev = &waiter->next;
  *list = waiter;
}

void tern_worker_wait(struct tern_worker *worker, struct tern_waiter *waiter) {
  tern__loop_assert_owner(worker->loop);
  if (waiter->prev == NULL) push_waiter(&worker->for_rings.waiting, waiter);
}

bool tern_worker_limbo_is_full(const struct tern_worker *worker) {
  return worker->limbo.full && !TERN_BUG(limbo_unbounded); /* seeded: whoever churns is never held back */
}

void tern_worker_wait_limbo(struct tern_worker *worker, struct tern_waiter *waiter) {
  tern__loop_assert_owner(worker->loop);
  if (waiter->prev != NULL) return;
  tern_counter_add(&worker->held_back, 1);
  push_waiter(&worker->for_limbo.waiting, waiter);
}

bool tern_waiter_is_waiting(const struct tern_waiter *waiter) { return waiter->prev != NULL; }

void tern_waiter_cancel(struct tern_waiter *waiter) {
  if (waiter->prev == NULL) return;
  *waiter->prev = waiter->next;
  if (waiter->next != NULL) waiter->next->prev = waiter->prev;
  waiter->next = NULL;
  waiter->prev = NULL;
}

/* Tells those who wait, longest first. Who is not told because the obstacle has come back is first next time;
 * who waits again is told in a later tick. */
static void tell_waiters(struct tern_worker *worker, struct tern__waiters *waiters,
                         bool (*has_room)(const struct tern_worker *worker)) {
  struct tern_waiter *waiter;
  if (waiters->running == NULL) {
    while ((waiter = waiters->waiting) != NULL) {
      tern_waiter_cancel(waiter);
      push_waiter(&waiters->running, waiter);
    }
  }
  while (has_room(worker) && (waiter = waiters->running) != NULL) {
    tern_waiter_cancel(waiter);
    waiter->ready(waiter);
  }
}

static bool rings_have_room(const struct tern_worker *worker) { return worker->congested == 0; }

static bool limbo_has_room(const struct tern_worker *worker) {
  return !worker->limbo.full && !TERN_BUG(limbo_resume_lost); /* seeded: whoever is held back stays so */
}

static bool is_any(const struct tern__waiters *waiters) {
  return waiters->waiting != NULL || waiters->running != NULL;
}

static bool must_tell_waiters(const struct tern_worker *worker) {
  return (is_any(&worker->for_rings) && rings_have_room(worker)) ||
         (is_any(&worker->for_limbo) && limbo_has_room(worker));
}

/* ---- receiving ---- */

static void handle_mark(struct tern_worker *worker, const struct tern__record *record) {
  const uint64_t now = tern__loop_clock_ns(worker->loop);
  uint64_t then;
  memcpy(&then, record->data, sizeof then);
  tern__histogram_add(&worker->loop->latency.stages[TERN_LATENCY_CROSSING], now > then ? now - then : 0);
}

/* A record of the library's own. */
static void handle_own(struct tern_worker *worker, const struct tern__record *record) {
  if (record->kind == TERN__RECORD_RELEASE) {
    tern__lend_release(worker, record->data, record->len);
  } else if (record->kind == TERN__RECORD_MARK) {
    handle_mark(worker, record);
  } else {
    assert(record->kind == TERN__RECORD_POST);
    tern__post_fn *fn;
    memcpy(&fn, record->data, sizeof fn);
    fn(worker, (const char *)record->data + sizeof fn, record->len - sizeof fn);
  }
}

static void handle(struct tern_worker *worker, unsigned from, const struct tern__record *record) {
  tern_counter_add(&worker->records_in, 1);
  worker->in_record = true;
  if (record->kind < TERN_RECORD_USER) {
    handle_own(worker, record);
  } else if (worker->pool->options.record != NULL) {
    worker->pool->options.record(worker, from, record->kind, record->data, record->len);
  }
  worker->in_record = false;
}

static void give_back(struct tern_worker *worker, unsigned from, struct tern__ring *ring) {
  if (tern__ring_taken(ring) == 0) return;
  if (tern__ring_release(ring) && from < worker->pool->count) ring_peer(worker, from);
}

/* Handles records of one sender, up to about so many bytes. Returns the bytes handled. */
static size_t drain(struct tern_worker *worker, unsigned from, size_t bytes) {
  /* acquire: pairs with the store in lane.c has_ring, or in tern__workers_post */
  struct tern__ring *ring = atomic_load_explicit(&worker->in[from].ring, memory_order_acquire);
  if (ring == NULL) return 0;
  struct tern__record record;
  size_t done = 0;
  while (done < bytes && tern__ring_next(ring, &record)) {
    handle(worker, from, &record);
    done += TERN__RING_RECORD_BYTES(record.len);
    if (tern__ring_taken(ring) >= EARLY_PUBLISH_BYTES) give_back(worker, from, ring);
  }
  give_back(worker, from, ring);
  if (done != 0) worker->handled = true;
  return done;
}

size_t tern__worker_drain_sender(struct tern_worker *worker, unsigned sender) {
  /* acquire: pairs as in drain */
  struct tern__ring *ring = atomic_load_explicit(&worker->in[sender].ring, memory_order_acquire);
  return ring == NULL ? 0 : drain(worker, sender, tern__ring_visible(ring));
}

size_t tern_worker_drain_inbox(struct tern_worker *worker) {
  tern__loop_assert_owner(worker->loop);
  assert(!worker->in_record);
  if (TERN_BUG(drain_nothing)) return 0; /* breaks O2: a PING is answered before what came earlier */
  size_t done = 0;
  uint64_t senders = tern__bell_take(&worker->bell) | worker->left;
  worker->left = 0;
  for (; senders != 0; senders &= senders - 1) {
    done += tern__worker_drain_sender(worker, (unsigned)__builtin_ctzll(senders));
  }
  worker->drained += done;
  if (worker->drained >= BYTES_PER_SENDER) tern__loop_postpone(worker->loop);
  return done;
}

/* Whether to look for more before sleeping. Under load there is more. Where there was none the last few times, as with one
 * message under way at a time, a look is a system call for nothing: then only now and then. */
static bool is_look_due(struct tern_worker *worker) {
  if (!worker->loop->active) return false;
  if (worker->vain_looks == VAIN_LOOKS && ++worker->not_looked < LOOK_ANYWAY) return false;
  worker->not_looked = 0;
  worker->looked = true;
  return true;
}

/* After a poll, and with what the bell says since. */
static void judge_look(struct tern_worker *worker, bool found) {
  if (!worker->looked) return;
  worker->looked = false;
  if (found)
    worker->vain_looks = 0;
  else if (worker->vain_looks < VAIN_LOOKS)
    worker->vain_looks++;
}

static bool inbox_step(void *arg) {
  struct tern_worker *worker = arg;
  uint64_t senders = tern__bell_take(&worker->bell) | worker->left;
  worker->left = 0;
  worker->drained = 0;
  /* Even without a record there is something to do: a mark to see in step 7 (stop.c), or credit. The sleep
   * of this tick would come before that. */
  worker->handled = senders != 0;
  judge_look(worker, worker->handled || worker->loop->active);
  uint64_t before_first = (UINT64_C(1) << worker->first) - 1;
  worker->first = (worker->first + 1) % TERN__SLOTS;
  for (int round = 0; round < 2; round++) {
    uint64_t set = round == 0 ? senders & ~before_first : senders & before_first;
    for (; set != 0; set &= set - 1) {
      unsigned from = (unsigned)__builtin_ctzll(set);
      if (drain(worker, from, BYTES_PER_SENDER) >= BYTES_PER_SENDER) worker->left |= UINT64_C(1) << from;
    }
  }
  if (worker->congested != 0) tern__worker_publish(worker);
  if (must_tell_waiters(worker)) {
    tell_waiters(worker, &worker->for_rings, rings_have_room);
    tell_waiters(worker, &worker->for_limbo, limbo_has_room);
  }
  return worker->left != 0;
}

/* ---- sleeping and the end of the tick ---- */

static bool lacks_ring(const struct tern_worker *worker) {
  for (uint64_t set = worker->congested; set != 0; set &= set - 1) {
    if (worker->lanes[__builtin_ctzll(set)].ring == NULL) return true;
  }
  return false;
}

static int sleep_max_ms(void *arg) {
  struct tern_worker *worker = arg;
  if (worker->handled || worker->staged != 0 || must_tell_waiters(worker)) return 0;
  if (worker->limbo.ready.first != NULL || is_look_due(worker)) return 0;
  /* Nobody rings when a grace period has ended, or when memory for a ring may be had again. */
  if (!tern__limbo_is_empty(&worker->limbo) || lacks_ring(worker)) return RECLAIM_SLEEP_MS;
  return -1;
}

static bool may_sleep(void *arg) {
  struct tern_worker *worker = arg;
  if (!tern__bell_sleep(&worker->bell)) return false;
  tern_counter_add(&worker->sleeps, 1);
  worker->fell_asleep_ns = tern__clock_ns();
  /* relaxed: a figure for the acceptor */
  atomic_store_explicit(&worker->sleep_began_ns, worker->fell_asleep_ns, memory_order_relaxed);
  if (!worker->pool->simulated) tern__rcu_offline();
  return true;
}

static void ticked(void *arg, uint64_t began_ns, uint64_t now_ns, bool slept) {
  struct tern_worker *worker = arg;
  const uint64_t end_ns = slept ? worker->fell_asleep_ns : now_ns;
  const uint64_t ns = end_ns > began_ns ? end_ns - began_ns : 0;
  tern__histogram_add(&worker->loop->latency.ticks, ns);
}

static bool woke(void *arg) {
  struct tern_worker *worker = arg;
  if (!worker->pool->simulated) tern__rcu_online();
  worker->left |= tern__bell_take(&worker->bell);
  /* relaxed, both: figures for the acceptor */
  uint64_t began = atomic_load_explicit(&worker->sleep_began_ns, memory_order_relaxed);
  tern_counter_add(&worker->slept_ns, tern__clock_ns() - began);
  atomic_store_explicit(&worker->sleep_began_ns, 0, memory_order_relaxed);
  return worker->left != 0;
}

static void publish_step(void *arg) {
  struct tern_worker *worker = arg;
  if (worker->loop->latency.on && worker->staged != 0 && worker->stage < TERN__STAGE_LAST) put_marks(worker);
  tern__worker_publish(worker);
}

static void set_gauge(struct tern_counter *gauge, uint64_t value) {
  tern_counter_add(gauge, value - tern_counter_read(gauge));
}

static void show_limbo(struct tern_worker *worker) {
  const struct tern__limbo *limbo = &worker->limbo;
  if (limbo->count == 0 && tern_counter_read(&worker->retired) == 0) return; /* has been shown */
  set_gauge(&worker->retired, limbo->count);
  set_gauge(&worker->retired_bytes, limbo->bytes);
  set_gauge(&worker->retired_since_ms, limbo->waiting.first != NULL ? limbo->since_ms : 0);
}

static void quiescent_step(void *arg) {
  struct tern_worker *worker = arg;
  if (worker->stop_requested) tern__stop_step(worker);
  tern__stall_check(worker);
  tern__limbo_step(&worker->limbo, tern_loop_now_ms(worker->loop));
  tern_counter_add(&worker->ticks, 1);
  show_limbo(worker);
  set_gauge(&worker->connections, worker->loop->member_count);
  worker->passed++;
  if (!worker->pool->simulated) tern__rcu_quiescent();
}

const struct tern_loop_hooks tern__worker_hooks = {.inbox = inbox_step,
                                                   .publish = publish_step,
                                                   .may_sleep = may_sleep,
                                                   .woke = woke,
                                                   .quiescent = quiescent_step,
                                                   .ticked = ticked,
                                                   .sleep_max_ms = sleep_max_ms};
