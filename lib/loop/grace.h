/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Grace periods for a pool of workers: the background thread that waits for them, and the limbo lists in
 * which retired objects wait for one. See grace.c.
 */
#ifndef TERN_LOOP_GRACE_H
#define TERN_LOOP_GRACE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "reclaim.h"

/** The background thread's side; one per pool. */
struct tern__grace {
  _Atomic uint64_t begun;          /* grace periods ever begun */
  _Atomic uint64_t done;           /* the newest that has ended */
  _Atomic uint64_t began_ms;       /* when the newest began */
  _Atomic uint64_t stalled;        /* the newest that was reported to take long: stall.c */
  _Atomic uint32_t requested;      /* somebody waits for one to begin */
  _Atomic uint32_t urgent;         /* ... and does not want the pause between two */
  _Atomic uint32_t ending;         /* the thread is to end */
  _Atomic(struct tern_job *) jobs; /* pushed by any thread, newest first */
  sem_t wake;
  pthread_mutex_t lock; /* for `ended` only; never taken by a worker */
  pthread_cond_t ended; /* a grace period has ended */
  pthread_t thread;
  bool running;   /* control thread's: the background thread exists */
  bool simulated; /* no thread: a test steps it */
};

/** Where retired objects of one thread wait. The reclaimer comes first. */
struct tern__limbo {
  struct tern_reclaimer reclaimer;
  struct tern__grace *grace;
  /* Batches: retired since the last was closed; waiting for `cookie`; may be freed. */
  struct tern__batch {
    struct tern_retired *first;
    uint64_t bytes; /* of all that was in it: counted off when the last has been freed */
  } fresh, waiting, ready;
  uint64_t cookie;
  uint64_t since_ms; /* when `waiting` was closed */
  uint64_t count;    /* objects in all three */
  uint64_t bytes;    /* in all three */
  bool full;         /* bytes were above TERN_LIMBO_MAX_BYTES, and not below half of it since */
  unsigned entered;  /* control thread: depth of enter */
};

int tern__grace_init(struct tern__grace *grace);
void tern__grace_destroy(struct tern__grace *grace);
/** Starts the thread. 0 or -errno. Thread: control. */
int tern__grace_start(struct tern__grace *grace);
/** Runs what is queued and ends the thread. Thread: control. */
void tern__grace_stop(struct tern__grace *grace);
/** The grace period that must have ended before what is unreachable now may be freed. */
uint64_t tern__grace_cookie(struct tern__grace *grace);
/** True when it has. */
bool tern__grace_has_ended(const struct tern__grace *grace, uint64_t cookie);
/** Waits for a whole grace period. Thread: control, offline. */
void tern__grace_synchronize(struct tern__grace *grace);
/** Takes and runs all queued jobs; the caller is registered and online. True when there were any. */
bool tern__grace_run_jobs(struct tern__grace *grace);

/** Prepares a worker's limbo, or the control thread's. */
void tern__limbo_init(struct tern__limbo *limbo, struct tern__grace *grace, bool control);
/** Moves batches on and frees a bounded number of objects; now_ms is for since_ms alone. Thread: the limbo's; it
 * may be online, but holds no shared entry. */
void tern__limbo_step(struct tern__limbo *limbo, uint64_t now_ms);
/** Frees everything; a grace period has passed since the last retirement. Thread: the limbo's. */
void tern__limbo_flush(struct tern__limbo *limbo);
static inline bool tern__limbo_is_empty(const struct tern__limbo *limbo) { return limbo->count == 0; }

#endif
