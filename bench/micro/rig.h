/* SPDX-License-Identifier: Apache-2.0 */
/** One thread's access to a registry without a worker pool: the reclaimer that the registry asks for. */
#ifndef MICRO_RIG_H
#define MICRO_RIG_H

#include <tern/registry.h>

#include "reclaim.h"

struct rig {
  struct tern_reclaimer reclaimer; /* first: what the registry gets */
  struct tern_retired *limbo;
  struct tern_job *jobs;
  unsigned long retired;
};

/** Registers the calling thread with RCU and makes its reclaimer. */
void rig_init(struct rig *rig);
/** Does what the background thread would: runs jobs, waits for a grace period, frees what has been retired. */
void rig_step(struct rig *rig);
/** Does the same a last time and takes the thread off RCU's list. */
void rig_fini(struct rig *rig);

#endif
