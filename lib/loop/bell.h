/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The doorbell: one word per worker that says who has sent something, and whether the worker sleeps.
 *
 *     bit i      sender i has published records since the bell was last taken
 *     bit 63     the worker sleeps (or is about to) in the kernel
 *
 *     sender:    publish the ring; ring the bell; if the word was exactly SLEEPING: write the eventfd
 *     worker:    take the bell each tick: exchange with 0, look into the rings of the bits that were set
 *     to sleep:  compare-and-swap 0 -> SLEEPING; when that fails somebody has sent: do not sleep
 *
 * Every transition is a read-modify-write of the one word, so they have one order and no fence is needed:
 * either the sender's bit comes first and the worker's swap fails, or the swap comes first and the sender
 * sees SLEEPING. The second and later senders see another bit as well and leave the eventfd alone: a sleep
 * costs at most one wake-up.
 */
#ifndef TERN_LOOP_BELL_H
#define TERN_LOOP_BELL_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "seed.h"

#define TERN__BELL_SLEEPING (UINT64_C(1) << 63)

typedef _Atomic uint64_t tern__bell;

/** Sender: rings. True when the worker must be woken. Thread: any. */
static inline bool tern__bell_ring(tern__bell *bell, unsigned sender) {
  /* acq_rel: release pairs with the exchange in take and the swap in sleep (what was published is visible);
   * acquire pairs with the swap in sleep (the worker is done with its tick before it is woken) */
  return atomic_fetch_or_explicit(bell, UINT64_C(1) << sender, memory_order_acq_rel) == TERN__BELL_SLEEPING;
}

/** Worker: who has rung since the last time. Also ends the sleep. Thread: owner. */
static inline uint64_t tern__bell_take(tern__bell *bell) {
  /* acquire: pairs with ring; most ticks find nothing and need no exchange */
  if (atomic_load_explicit(bell, memory_order_acquire) == 0) return 0;
  /* acq_rel: pairs with ring, and keeps the one order of transitions */
  return atomic_exchange_explicit(bell, 0, memory_order_acq_rel) & ~TERN__BELL_SLEEPING;
}

/** Worker: announces sleep. False when somebody has rung. Thread: owner. */
static inline bool tern__bell_sleep(tern__bell *bell) {
  if (TERN_BUG(bell_no_recheck)) {
    /* breaks: who rings between the last take and this store is overlooked (the gap is made wide) */
    sched_yield();
    atomic_store_explicit(bell, TERN__BELL_SLEEPING, memory_order_seq_cst);
    return true;
  }
  uint64_t quiet = 0;
  /* acq_rel: pairs with ring; failure needs no order, because the take that follows has it */
  return atomic_compare_exchange_strong_explicit(bell, &quiet, TERN__BELL_SLEEPING, memory_order_acq_rel,
                                                 memory_order_relaxed);
}

#endif
