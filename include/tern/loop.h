/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The event loop: one thread, many transports, timers and deferred calls.
 *
 * A loop belongs to the thread that runs it; all its functions are for that thread. One iteration (a
 * tick) has a fixed order, which the ordering guarantees rest on:
 *
 *     1 inbox      records that other workers sent (worker.h)
 *     2 poll       ask the kernel which sockets are ready; sleep only when nothing else is to do
 *     3 ready      each ready transport reads once and hands the bytes to its protocol
 *     4 publish    records for other workers become visible to them
 *     5 flush      each transport that collected output writes it, with one system call
 *     6 timers     due timers, then deferred calls, then closing transports
 *     7 quiescent  report to RCU that nothing shared is held
 */
#ifndef TERN_LOOP_H
#define TERN_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/buffer.h>
#include <tern/export.h>

struct tern_helpers;
struct tern_loop;
struct tern_timer;
struct tern_deferred;

/** Called when a timer is due. It has been stopped before and may be started again. */
typedef void tern_timer_fn(struct tern_timer *timer);

/** A timer; embed it in what it is for. Zero-initialised and given its function it is ready for use. */
struct tern_timer {
  tern_timer_fn *fired;     /**< what to call */
  struct tern_timer *next;  /**< private */
  struct tern_timer **prev; /**< private: NULL when not started */
  uint64_t due_ms;          /**< private */
};

/** Called at the end of the tick. The object has been taken off the list before. */
typedef void tern_deferred_fn(struct tern_deferred *deferred);

/** A call put off to the end of the tick; embed it in what it is for. */
struct tern_deferred {
  tern_deferred_fn *call;     /**< what to call */
  struct tern_deferred *next; /**< private */
  bool queued;                /**< private */
};

/**
 * Makes a loop.
 * @param[out] out the loop
 * @return 0, or -errno (descriptors or memory exhausted)
 *
 * Thread: any; then the loop belongs to the thread that runs it. Ownership: caller, tern_loop_free.
 */
TERN_API int tern_loop_new(struct tern_loop **out);
/** Frees a loop. All its transports must have been lost before; aborts with a message otherwise. */
TERN_API void tern_loop_free(struct tern_loop *loop);
/** Runs ticks until tern_loop_stop. Thread: becomes the owner. Blocks: yes. */
TERN_API void tern_loop_run(struct tern_loop *loop);
/**
 * Runs one tick.
 * @param loop the loop
 * @param timeout_ms how long to sleep at most when nothing is ready: 0 not at all, -1 without bound
 *
 * Thread: owner. Blocks: up to timeout_ms.
 */
TERN_API void tern_loop_tick(struct tern_loop *loop, int timeout_ms);
/** Makes tern_loop_run return after the current tick. Thread: owner. */
TERN_API void tern_loop_stop(struct tern_loop *loop);
/** The monotonic time at the start of the tick, in milliseconds. Thread: owner. */
TERN_API uint64_t tern_loop_now_ms(const struct tern_loop *loop);
/** The pool buffers of this loop come from. Thread: owner. */
TERN_API struct tern_pool *tern_loop_pool(struct tern_loop *loop);
/** The value set by tern_loop_set_data (a worker's user data, see worker.h), or NULL. Thread: owner. */
TERN_API void *tern_loop_data(const struct tern_loop *loop);
/** Attaches a value to the loop. Thread: owner. */
TERN_API void tern_loop_set_data(struct tern_loop *loop, void *data);
/** Transports that were made on this loop and are not lost yet. Thread: owner. */
TERN_API unsigned tern_loop_transports(const struct tern_loop *loop);

/**
 * (Re)starts a timer. Resolution is about 16 ms; never early.
 * @param loop the loop
 * @param timer the timer; must stay valid until it fired or was stopped
 * @param delay_ms from now
 *
 * Thread: owner. Cost: O(1), no system call.
 */
TERN_API void tern_timer_start(struct tern_loop *loop, struct tern_timer *timer, uint64_t delay_ms);
/** Stops a timer; nothing happens when it is not started. Thread: owner. */
TERN_API void tern_timer_stop(struct tern_loop *loop, struct tern_timer *timer);
/** True between start and fired or stop. Thread: owner. */
TERN_API bool tern_timer_is_started(const struct tern_timer *timer);
/** Has a function called at the end of this tick; a second call before then changes nothing. Thread: owner.
 */
TERN_API void tern_loop_defer(struct tern_loop *loop, struct tern_deferred *deferred);

/**
 * Makes the calling thread one of the background, for work that may take its time while loops may not: its niceness grows
 * by 10, and where the kernel has it (Linux 6.12) it takes longer slices than others, who then need not wait
 * for the end of one when they wake. Where the system refuses, the thread stays as it is.
 *
 * Thread: any that is not a loop's. There is no way back.
 */
TERN_API void tern_thread_to_background(void);
/**
 * Makes the calling thread one that runs when no other wants the processor (SCHED_IDLE, sched(7)): whoever wakes gets it at
 * once. Beside threads that are always busy it gets next to nothing; so it must hold nothing that others wait for: no
 * lock, and with that no memory to be allocated or freed.
 *
 * @return 0, or -errno where the system refuses: the thread is as before
 * Thread: any that is not a loop's. There is no way back.
 */
TERN_API int tern_thread_to_idle(void);

/** Helpers: a few threads with less claim to the processors than the loops, for work that takes a good part of a
 * millisecond (the public-key operations of a TLS handshake) and would hold up everything else a loop has to do.
 * This is how many threads there can be. */
#define TERN_HELPERS_MAX 8

/**
 * Makes them; the threads start with the first work.
 * @param threads how many; 0: as many as there are processors, at most TERN_HELPERS_MAX
 * @param[out] out the helpers
 * @return 0, -EINVAL (too many) or -ENOMEM
 *
 * Thread: any. Ownership: caller, tern_helpers_free.
 */
TERN_API int tern_helpers_new(unsigned threads, struct tern_helpers **out);
/**
 * Ends the threads after what they are at. What else was given to them comes back undone, and what follows is not taken
 * any more: the loops do it themselves. NULL is fine.
 *
 * Thread: any that is not a loop's; one. Blocks: for a piece of work.
 */
TERN_API void tern_helpers_stop(struct tern_helpers *helpers);
/** Frees them, stopped or not, when no loop uses them any more. NULL is fine. Thread, Blocks: as tern_helpers_stop. */
TERN_API void tern_helpers_free(struct tern_helpers *helpers);

#endif
