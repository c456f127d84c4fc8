/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Compares passwords with bcrypt hashes on threads of its own, because it takes as long as thousands of messages.
 * There are few of them, with less claim to the processors than the workers; the queue before them is bounded. Where
 * processors have time to spare they use no other (idler.h).
 */
#ifndef BROKER_ACCESS_HASHER_H
#define BROKER_ACCESS_HASHER_H

#include <stdbool.h>
#include <stdint.h>

/** Waiting jobs; at the bound hasher_submit refuses. */
#define HASHER_QUEUE_MAX   1024
#define HASHER_THREADS_MAX 4

struct hasher;

/** What is to be compared. The memory is the caller's until it is submitted, and again from `done` on. */
struct hasher_job {
  const char *hash, *password; /* constant until done */
  /** The result: 1: equal, 0: not, -ENOMEM, or -ECANCELED when the hasher is stopped. Thread: the hasher's (or that of
   * hasher_stop); it may block, which holds up other jobs. */
  void (*done)(struct hasher_job *job, int result);
  struct hasher_job *next; /* private */
};

/** Figures since the start, and now. */
struct hasher_stats {
  uint64_t hashed;  /* compared at full cost */
  uint64_t starved; /* of these, not in idle time: there was none, or it is not to be had */
  uint64_t known;   /* found among those that were compared before */
  uint64_t refused; /* the queue was full */
  uint64_t waiting; /* in the queue now */
};

/** Makes it; threads start with the first job. threads: 0: half the processors. NULL without memory. Thread: control. */
struct hasher *hasher_new(unsigned threads);
/** Ends the threads after the jobs they are at, or a second later where an idler starves, and cancels the others; new ones
 * are refused. NULL is allowed. Thread: control. */
void hasher_stop(struct hasher *hasher);
/** The same, if need be, and frees. NULL is allowed. Thread: control, with everybody who submits gone. */
void hasher_free(struct hasher *hasher);
/** True when the password was found to match the hash not long ago; costs next to nothing. Thread: any. */
bool hasher_knows(struct hasher *hasher, const char *hash, const char *password);
/** Queues a job. Returns 0; TERN_EFULL when the queue is full; or -EAGAIN when no thread can be started. After an error
 * `done` is not called. Thread: any. */
int hasher_submit(struct hasher *hasher, struct hasher_job *job);
/** Forgets what it knows. Thread: any. */
void hasher_forget(struct hasher *hasher);
/** Thread: any. */
struct hasher_stats hasher_stats(struct hasher *hasher);

#endif
