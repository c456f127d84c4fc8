/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Reclaimer: how lock-free structures get rid of what readers may still be looking at.
 *
 * The registry depends on this interface only; lib/loop/grace.c implements it (per worker: limbo lists and a
 * grace-period cookie; for the control thread: a grace period waited for). Tests bring their own.
 */
#ifndef TERN_BASE_RECLAIM_H
#define TERN_BASE_RECLAIM_H

#include <stdbool.h>
#include <stddef.h>

struct rcu_flavor_struct; /* liburcu's; named only where cds_lfht is */

/** Embedded in what is retired. */
struct tern_retired {
  struct tern_retired *next;
  void (*free)(struct tern_retired *retired); /* runs on the thread that retired it */
};

/** Work for the background (grace-period) thread, which is registered and online while it runs it. */
struct tern_job {
  struct tern_job *next;
  void (*run)(struct tern_job *job);
};

struct tern_reclaimer;

struct tern_reclaimer_ops {
  /* Frees the object after a grace period. Thread: the reclaimer's. The object must be unreachable already.
   * bytes: how much memory waits with it; stated and not kept in the object, which there are millions of. */
  void (*retire)(struct tern_reclaimer *reclaimer, struct tern_retired *retired, size_t bytes);
  /* Runs the job soon on the background thread. The job must not be queued already. Thread: any. */
  void (*background)(struct tern_reclaimer *reclaimer, struct tern_job *job);
  /* True while the calling thread may look at shared entries. For assertions. */
  bool (*is_online)(struct tern_reclaimer *reclaimer);
  /* Around calls from a thread that is not online all the time (the control thread); they nest. NULL: the
   * thread is online by itself (a worker). */
  void (*enter)(struct tern_reclaimer *reclaimer);
  void (*leave)(struct tern_reclaimer *reclaimer);
};

struct tern_reclaimer {
  const struct tern_reclaimer_ops *ops;
  const struct rcu_flavor_struct *flavor; /* for cds_lfht_new_flavor */
};

/** Begins to use shared entries. Every registry function that may run on the control thread calls it. */
static inline void tern__reclaimer_enter(struct tern_reclaimer *reclaimer) {
  if (reclaimer->ops->enter != NULL) reclaimer->ops->enter(reclaimer);
}
/** Ends the use. */
static inline void tern__reclaimer_leave(struct tern_reclaimer *reclaimer) {
  if (reclaimer->ops->leave != NULL) reclaimer->ops->leave(reclaimer);
}

#endif
