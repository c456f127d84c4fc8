/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How workers stop together without losing a record, a RELEASE or a byte that could still be sent.
 *
 *     RUNNING   a stop was posted: handle all that came before it, call `stopping` (no more reading)
 *     QUIET     when what was read has been handled, mark 1 to all: "my input has ended"; when all have said
 *               so, close the transports, which send what they have
 *     CLOSING   wait until no transport lives; those left at the deadline are aborted
 *     LAST      mark 2: "my last record of yours"; when all have said so, call `stopped`
 *     FREED     wait until the worker holds no buffer of others (those it has passed on come back to it first);
 *               mark 3: "my last RELEASE"; when all have said so and limbo is empty, check that nothing is
 *               lent any more
 *     DONE      the thread ends
 *
 * A mark is a number in the receiver's inlet, stored after everything before it has been published (a lane
 * that spills is not marked until it is empty). The receiver reads the mark, then handles what is in the
 * ring: with that it has everything. Marks need no ring, so stopping allocates nothing and cannot fail.
 *
 * Each stage ends by itself: the first wait ends at the deadline at the latest, transports are gone a tick
 * after their abort, and marks 2 and 3 depend only on other workers' ticking, which none stops before DONE.
 * A buffer that a user of the library forgot would hold up the end: that is a leak, found 10 s later.
 *
 * Thread: the worker's, once per tick in its last step.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <tern/error.h>

#include "seed.h"
#include "worker_internal.h"

enum { OVERDUE_MS = 10000 };

static uint64_t others(const struct tern_worker *worker) {
  uint64_t all = (UINT64_C(1) << worker->pool->count) - 1;
  return all & ~(UINT64_C(1) << worker->index);
}

/* Gives every other worker the mark, as far as possible now. True when all have it. */
static bool tell(struct tern_worker *worker, uint32_t mark) {
  if (worker->told != mark) {
    worker->told = mark;
    worker->told_missing = others(worker);
  }
  tern__worker_publish(worker);
  for (uint64_t set = worker->told_missing; set != 0; set &= set - 1) {
    unsigned to = (unsigned)__builtin_ctzll(set);
    if (tern__lane_is_spilling(&worker->lanes[to])) continue;
    struct tern_worker *peer = &worker->pool->at[to];
    /* release: pairs with the load in heard; the records before are published */
    atomic_store_explicit(&peer->in[worker->index].mark, mark, memory_order_release);
    tern__worker_ring(peer, worker->index);
    worker->told_missing &= ~(UINT64_C(1) << to);
  }
  return worker->told_missing == 0;
}

/* True when every other worker has given the mark; what they sent before it has been handled then. */
static bool heard(struct tern_worker *worker, uint32_t mark) {
  for (uint64_t set = others(worker); set != 0; set &= set - 1) {
    struct tern__inlet *inlet = &worker->in[__builtin_ctzll(set)];
    /* acquire: pairs with the store in tell */
    if (atomic_load_explicit(&inlet->mark, memory_order_acquire) < mark) return false;
  }
  if (TERN_BUG(eos_skip_ring)) return true; /* breaks: records that came just before the mark are late */
  for (uint64_t set = others(worker); set != 0; set &= set - 1) {
    tern__worker_drain_sender(worker, (unsigned)__builtin_ctzll(set));
  }
  return true;
}

static bool is_late(const struct tern_worker *worker) {
  return tern_loop_now_ms(worker->loop) >= worker->deadline_ms;
}

static void deadline_fired(struct tern_timer *timer) {
  (void)timer; /* being awake is enough: the stages look at the clock */
}

static bool begin(struct tern_worker *worker) {
  /* What came before the stop, in particular sockets from the acceptor, which has been stopped before. */
  tern_worker_drain_inbox(worker);
  uint64_t now = tern_loop_now_ms(worker->loop);
  worker->deadline.fired = deadline_fired;
  tern_timer_start(worker->loop, &worker->deadline,
                   worker->deadline_ms > now ? worker->deadline_ms - now : 0);
  worker->stage = TERN__STAGE_QUIET;
  if (worker->begun && worker->pool->options.stopping != NULL) worker->pool->options.stopping(worker);
  return true;
}

/* The users of the pool may still hold input that was read before. */
static bool input_handled(struct tern_worker *worker) {
  bool (*ask)(struct tern_worker * worker) = worker->pool->options.quiet;
  return !worker->begun || ask == NULL || ask(worker);
}

static bool quiet(struct tern_worker *worker) {
  bool all = input_handled(worker) && tell(worker, 1) && heard(worker, 1);
  if (!all && !is_late(worker)) return false;
  worker->joined_closed = worker->loop->joined;
  worker->stage = TERN__STAGE_CLOSING;
  tern__loop_shutdown_members(worker->loop, 0);
  return true;
}

static bool closing(struct tern_worker *worker) {
  struct tern_loop *loop = worker->loop;
  bool abort_now = loop->members != NULL && is_late(worker);
  if (abort_now) worker->aborted = true;
  if (abort_now || loop->joined != worker->joined_closed) {
    worker->joined_closed = loop->joined;
    tern__loop_shutdown_members(loop, worker->aborted ? TERN_ESHUTDOWN : 0);
  }
  /* What the last callbacks put off still belongs to the transports. */
  if (loop->members != NULL || loop->deferred != NULL || loop->dirty != NULL) return false;
  worker->stage = TERN__STAGE_LAST;
  return true;
}

static bool last(struct tern_worker *worker) {
  if (!tell(worker, 2) || !heard(worker, 2)) return false;
  worker->stage = TERN__STAGE_FREED;
  if (worker->begun && worker->pool->options.stopped != NULL) worker->pool->options.stopped(worker);
  worker->overdue_ms = tern_loop_now_ms(worker->loop) + OVERDUE_MS;
  tern_timer_start(worker->loop, &worker->deadline, OVERDUE_MS);
  return true;
}

static void die(const struct tern_worker *worker, const char *what, int64_t count) {
  fprintf(stderr, "tern: worker %u ends with %lld buffers %s\n", worker->index, (long long)count, what);
  abort();
}

static bool freed(struct tern_worker *worker) {
  if (worker->imported != 0) {
    if (tern_loop_now_ms(worker->loop) >= worker->overdue_ms) die(worker, "of others held", worker->imported);
    return false;
  }
  if (!tell(worker, 3) || !heard(worker, 3) || !tern__limbo_is_empty(&worker->limbo)) return false;
  if (worker->exported != 0) die(worker, "lent to others", worker->exported);
  tern_timer_stop(worker->loop, &worker->deadline);
  worker->stage = TERN__STAGE_DONE;
  return true;
}

static bool advance(struct tern_worker *worker) {
  switch (worker->stage) {
    case TERN__STAGE_RUNNING:
      return begin(worker);
    case TERN__STAGE_QUIET:
      return quiet(worker);
    case TERN__STAGE_CLOSING:
      return closing(worker);
    case TERN__STAGE_LAST:
      return last(worker);
    case TERN__STAGE_FREED:
      return freed(worker);
    case TERN__STAGE_DONE:
      break;
  }
  return false;
}

void tern__stop_step(struct tern_worker *worker) {
  while (advance(worker))
    continue;
}
