/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Workers: threads that each run a loop and talk to one another through single-producer single-consumer
 * rings with a doorbell.
 *
 * A worker has one inbox. What arrives there is a record: a kind and some bytes. Records from one sender
 * arrive in the order sent; they become visible to the receiver at step 4 of the sender's tick (loop.h),
 * before any socket write of that tick. Nobody ever waits for a full ring: the record goes to an overflow
 * queue and the sender is told to stop what produced it (tern_worker_is_congested).
 */
#ifndef TERN_WORKER_H
#define TERN_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/buffer.h>
#include <tern/export.h>
#include <tern/loop.h>

struct tern_reclaimer;
struct tern_worker;
struct tern_workers;

/** First record kind that users may give a meaning; lower ones are the library's. */
#define TERN_RECORD_USER 16

/** What the users of a worker pool supply. Every member but count may be zero. */
struct tern_workers_options {
  unsigned count;    /**< workers, 1 to TERN_WORKERS_MAX; 0: the processors available to the process */
  size_t ring_bytes; /**< per ring, a power of two; 0: TERN_RING_BYTES_DEFAULT */
  /** One tick of so many has the times of its stages measured (enum tern_latency); 0: none. */
  unsigned latency_every;
  void *arg; /**< passed to the callbacks below */
  /** Runs first on each worker's thread. Its result becomes tern_loop_data of the worker's loop.
   * Return 0, or a negative error that makes tern_workers_start fail. */
  int (*started)(void *arg, struct tern_worker *worker, void **data);
  /** A record has arrived. data is valid during the call and aligned to 8. */
  void (*record)(struct tern_worker *worker, unsigned from, unsigned kind, const void *data, size_t len);
  /** Asked at shutdown, once: stop reading. The worker goes on until its transports are gone. */
  void (*stopping)(struct tern_worker *worker);
  /** Asked at shutdown, after stopping, until it says true or the deadline comes: has everything that was
   * read been handled? Only then are connections closed. NULL: yes. */
  bool (*quiet)(struct tern_worker *worker);
  /** Runs last on each worker's thread, when nothing is left: free what started made. */
  void (*stopped)(struct tern_worker *worker);
};

/**
 * Makes the pool; no thread runs yet.
 * @param options copied
 * @param[out] out the pool
 * @return 0, -EINVAL for a bad count or size, or -errno
 *
 * Thread: the control thread: the one that calls all tern_workers_* functions. Ownership: caller.
 */
TERN_API int tern_workers_new(const struct tern_workers_options *options, struct tern_workers **out);
/** Starts the threads and waits until each has run `started`. Returns 0 or the first error (then all are
 * stopped again). Thread: control. */
TERN_API int tern_workers_start(struct tern_workers *workers);
/**
 * Orderly stop: every worker is told `stopping`, rings are drained, output is flushed, connections are
 * closed; what is still open after the deadline is aborted. Joins the threads.
 * @param workers the pool
 * @param deadline_ms bound for flushing
 * @return 0, or TERN_ELIMIT when connections had to be aborted at the deadline
 *
 * Thread: control. Blocks: up to the deadline and a little more.
 */
TERN_API int tern_workers_stop(struct tern_workers *workers, unsigned deadline_ms);
/** Frees a pool that was stopped or never started. Aborts with a message when anything is still live. */
TERN_API void tern_workers_free(struct tern_workers *workers);
/** Number of workers. Thread: any. */
TERN_API unsigned tern_workers_count(const struct tern_workers *workers);
/** A worker by its index. Thread: any (but most functions on it are for its own thread). */
TERN_API struct tern_worker *tern_workers_at(struct tern_workers *workers, unsigned index);
/**
 * Runs a function on a worker, in its inbox step, and waits until it has run.
 * @return 0, or TERN_ECLOSED when the workers do not run
 *
 * Thread: control. Blocks: until run.
 */
TERN_API int tern_workers_call(struct tern_workers *workers, unsigned index,
                               void (*fn)(struct tern_worker *worker, void *arg), void *arg);
/** Waits for a grace period: every worker has finished what it was doing when the call began. After it,
 * nothing that was unreachable before the call is in use. Thread: control. Blocks: about a tick. */
TERN_API void tern_workers_synchronize(struct tern_workers *workers);
/** Reclaimer for use by the control thread (registry.h). Thread: control. */
TERN_API struct tern_reclaimer *tern_workers_reclaimer(struct tern_workers *workers);

/** The worker whose thread this is, or NULL. Thread: any. */
TERN_API struct tern_worker *tern_worker_self(void);
/** 0 to count - 1. Thread: any. */
TERN_API unsigned tern_worker_index(const struct tern_worker *worker);
/** The pool the worker is part of. Thread: any. */
TERN_API struct tern_workers *tern_worker_pool_of(struct tern_worker *worker);
/** The worker's loop. Thread: owner. */
TERN_API struct tern_loop *tern_worker_loop(struct tern_worker *worker);
/** The worker of a loop, or NULL for a loop without one. Thread: owner. */
TERN_API struct tern_worker *tern_worker_of(const struct tern_loop *loop);
/** The worker's reclaimer, for the registry (registry.h). Thread: owner. */
TERN_API struct tern_reclaimer *tern_worker_reclaimer(struct tern_worker *worker);

/**
 * Room for a record to another worker. Fill it, then tern_worker_commit, before any other reservation.
 * @param worker the sender
 * @param to index of the receiver, not the sender's own
 * @param kind TERN_RECORD_USER or above
 * @param len bytes of the record, at most tern_worker_record_max
 * @return memory aligned to 8, or NULL without memory
 *
 * Thread: sender's. Blocks: never; with a full ring the record goes to the overflow queue.
 */
TERN_API void *tern_worker_reserve(struct tern_worker *worker, unsigned to, unsigned kind, size_t len);
/** Bytes of the longest record: a quarter of a ring. Thread: any. */
TERN_API size_t tern_worker_record_max(const struct tern_worker *worker);
/** Sends the record reserved last; it becomes visible at step 4 of this tick. Thread: sender's. */
TERN_API void tern_worker_commit(struct tern_worker *worker, unsigned to);
/** True when records to that worker are overflowing: stop what produces them. Thread: sender's. */
TERN_API bool tern_worker_is_congested(const struct tern_worker *worker, unsigned to);
/** True when any of the workers in the set (bit i: worker i) is congested. Thread: sender's. */
TERN_API bool tern_worker_any_congested(const struct tern_worker *worker, uint64_t set);

struct tern_waiter;
/** Called when what was waited for has come. The waiter has been taken off the list before. */
typedef void tern_waiter_fn(struct tern_waiter *waiter);
/** One that waits for congestion to end, or for room in limbo; embed it in what is paused. */
struct tern_waiter {
  tern_waiter_fn *ready;     /**< what to call */
  struct tern_waiter *next;  /**< private */
  struct tern_waiter **prev; /**< private: NULL when not waiting */
};
/** Has ready called when no ring of the worker overflows any more; nothing happens when already waiting. Thread:
 * owner. */
TERN_API void tern_worker_wait(struct tern_worker *worker, struct tern_waiter *waiter);
/**
 * True when what this worker has removed from the registry and cannot be freed before a grace period has passed
 * exceeds TERN_LIMBO_MAX_BYTES, and until it is below half of that: do not add or remove sinks at the wish of others
 * now. Nobody is stopped from it: a connection that closes must be able to.
 *
 * Thread: owner.
 */
TERN_API bool tern_worker_limbo_is_full(const struct tern_worker *worker);
/** Has ready called when that has ended; nothing happens when already waiting. Thread: owner. */
TERN_API void tern_worker_wait_limbo(struct tern_worker *worker, struct tern_waiter *waiter);
/** True between tern_worker_wait or tern_worker_wait_limbo and ready or cancel. Thread: owner. */
TERN_API bool tern_waiter_is_waiting(const struct tern_waiter *waiter);
/** Stops waiting. Thread: owner. */
TERN_API void tern_waiter_cancel(struct tern_waiter *waiter);

/**
 * Handles every record that has become visible by now, out of turn. Guarantee O2 needs it: a protocol that
 * is about to answer a question ("has everything before this arrived?") calls it first. Where there is much, what else
 * is ready waits for the next tick.
 *
 * @return the bytes of the records, which may be very many while another worker goes on sending: a protocol whose peer may
 *         ask again and again counts them towards its turn
 *
 * Thread: owner, also from inside protocol callbacks (but not from inside a record callback).
 */
TERN_API size_t tern_worker_drain_inbox(struct tern_worker *worker);

/** A buffer of another worker, as it travels inside a record. */
struct tern_buf_handle {
  struct tern_buf *buf; /**< private */
  const char *data;     /**< first byte */
  size_t len;           /**< bytes */
};
/** Prepares a buffer for a record to one other worker: adds a reference in that worker's name.
 * Thread: the buffer's owner. */
TERN_API struct tern_buf_handle tern_buf_export(struct tern_buf *buf, const char *data, size_t len);
/** Takes over a handle out of a record: a buffer of the receiver's own that stands for the original. Its
 * last unref sends the RELEASE. Every exported handle must be imported exactly once.
 * Returns NULL without memory; the original is released all the same. Thread: receiver's. */
TERN_API struct tern_buf *tern_buf_import(struct tern_worker *worker, struct tern_buf_handle handle);

/** Places in the histogram of ticks: each takes ticks that are less than twice as long as what the one before takes, the
 * last one all the rest. */
#define TERN_TICK_BUCKETS 22
/** Ticks shorter than this are counted in the first place. */
#define TERN_TICK_BUCKET_NS 1024

/** A histogram of durations. */
struct tern_histogram {
  uint64_t ns;                         /**< all of them together */
  uint64_t buckets[TERN_TICK_BUCKETS]; /**< how many: the places of ticks */
};

/** Stages of a message's way through a worker, measured in one tick of tern_workers_options.latency_every. */
enum tern_latency {
  /** Of one connection with input, drawn at random: from the return of the poll until its turn to be read. */
  TERN_LATENCY_WAITING,
  /** That turn: from the read until all that came has been handled; output and records are queued then. */
  TERN_LATENCY_HANDLING,
  /** Of records from each other worker: from when they were made visible until the last of them was handled here. */
  TERN_LATENCY_CROSSING,
  /** Of one connection with output, drawn at random: from when output was queued until it has been written to the
   * socket, as far as that takes it. */
  TERN_LATENCY_FLUSHING,
  TERN_LATENCIES /**< how many there are */
};

/** Figures of one worker; each is written by the worker alone and may be read by any thread. */
struct tern_worker_stats {
  uint64_t ticks;           /**< loop iterations */
  uint64_t sleeps;          /**< times the worker waited in the kernel */
  uint64_t wakeups_sent;    /**< eventfd writes to other workers */
  uint64_t records_in;      /**< records received */
  uint64_t records_out;     /**< records sent */
  uint64_t overflows;       /**< records that found their ring full */
  uint64_t retired_objects; /**< waiting for a grace period now */
  uint64_t retired_bytes;   /**< their memory, without malloc's share; bound: TERN_LIMBO_MAX_BYTES */
  uint64_t gp_age_ms;       /**< how long the oldest of them have waited; 0: none wait */
  uint64_t held_back;       /**< calls of tern_worker_wait_limbo */
  bool is_asleep;           /**< waits in the kernel now */
  uint64_t waiting_bytes;   /**< in the rings from the others, not handled yet */
  uint64_t ring_bytes; /**< memory of those rings; pages that were never used are not taken from the system */
  struct tern_histogram ticks_took;              /**< ticks by how long they took, sleep not included */
  struct tern_histogram latency[TERN_LATENCIES]; /**< stages, of what was measured */
};
/** Reads the figures. Thread: any. */
TERN_API struct tern_worker_stats tern_worker_stats(const struct tern_worker *worker);

#endif
