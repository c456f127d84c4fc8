/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Inside of a loop, for the worker (worker.c) and the simulation (sim.c). lib/net uses watch.h only.
 */
#ifndef TERN_LOOP_LOOP_INTERNAL_H
#define TERN_LOOP_LOOP_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errand.h"
#include "latency.h"
#include "watch.h"
#include "wheel.h"

/** The parts of a tick that a simulation may interleave with other workers' parts. */
enum tern__phase {
  TERN__PHASE_INBOX,   /* step 1 */
  TERN__PHASE_READY,   /* steps 2 and 3 */
  TERN__PHASE_PUBLISH, /* step 4 */
  TERN__PHASE_FLUSH,   /* step 5 */
  TERN__PHASE_REST,    /* steps 6 and 7 */
  TERN__PHASES
};

struct tern_loop {
  int epoll_fd;
  int wake_fd; /* eventfd; written by tern__loop_wake, never read */
  bool stopped;
  bool in_tick;
  uint8_t heavy_left;       /* heavy things that may be done in this tick */
  bool active;              /* the last poll, or the inbox it was woken for, had something to do */
  bool inbox_left;          /* the inbox hook said so in this tick */
  bool rung;                /* it was woken for what is in the inbox */
  bool woken;               /* the last poll saw the eventfd */
  struct tern_watch *ready; /* first in, first out */
  struct tern_watch **ready_end;
  struct tern_watch *running; /* step 3: what is left of the ready list it began with */
  struct tern_flush *dirty;
  struct tern_flush **dirty_end;
  struct tern_deferred *deferred;
  struct tern_deferred **deferred_end;
  struct tern_loop_member *members;
  struct tern_loop_member *closing; /* shutdown_members: those not yet visited */
  unsigned member_count;
  uint64_t joined; /* members ever */
  struct tern_loop_hooks hooks;
  uint64_t now_ms;
  uint64_t polled_ns;           /* when the last poll was over; 0: there was none */
  const uint64_t *simulated_ms; /* replaces the system's clock when not NULL */
  uint64_t trim_ms;             /* when to give memory back if nothing happens until then; 0: done */
  uint64_t age_ms;              /* when to give back memory that was not needed lately */
  struct tern_pool *pool;
  struct tern_buf *read_buf;
  uint32_t reads_to_large; /* reads that fill the buffer until it becomes a large one */
  void *data;
  struct tern_worker *worker; /* NULL: a loop of its own */
  const void *owner;          /* identifies the thread; NULL: nobody's yet */
  struct tern__wheel wheel;
  struct tern__latency latency;
  _Atomic(struct tern__errand *) returned; /* by helpers, youngest first: helpers.c */
  _Atomic unsigned returning;              /* helpers that have to do with the loop just now */
  unsigned away;                           /* errands, the loop's count */
};

/** Runs one phase of a tick. timeout_ms is for TERN__PHASE_READY. */
void tern__loop_step(struct tern_loop *loop, enum tern__phase phase, int timeout_ms);
/** The time by the loop's clock. */
uint64_t tern__loop_clock_ns(const struct tern_loop *loop);
/** True when the next tick has something to do whatever the kernel says. */
bool tern__loop_has_work(const struct tern_loop *loop);
/** Makes the calling thread the owner. */
void tern__loop_own(struct tern_loop *loop);
/** Ends the loop's sleep. Thread: any, while the loop exists. */
void tern__loop_wake(struct tern_loop *loop);

#endif
