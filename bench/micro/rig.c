/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See rig.h. Each thread frees what it has retired, after a grace period it waits for itself: a worker would not wait,
 * but here nobody is behind it.
 */
#include "rig.h"

#include <urcu/urcu-qsbr.h>

#include "container.h"

static void retire(struct tern_reclaimer *reclaimer, struct tern_retired *retired, size_t bytes) {
  (void)bytes;
  struct rig *rig = tern_container(reclaimer, struct rig, reclaimer);
  retired->next = rig->limbo;
  rig->limbo = retired;
  rig->retired++;
}

static void background(struct tern_reclaimer *reclaimer, struct tern_job *job) {
  struct rig *rig = tern_container(reclaimer, struct rig, reclaimer);
  job->next = rig->jobs;
  rig->jobs = job;
}

static bool always(struct tern_reclaimer *reclaimer) {
  (void)reclaimer;
  return true;
}

void rig_init(struct rig *rig) {
  static const struct tern_reclaimer_ops ops = {
      .retire = retire, .background = background, .is_online = always};
  *rig = (struct rig){.reclaimer = {&ops, &urcu_qsbr_flavor}};
  urcu_qsbr_register_thread();
}

void rig_step(struct rig *rig) {
  for (struct tern_job *job; (job = rig->jobs) != NULL;) {
    rig->jobs = job->next;
    job->run(job);
  }
  if (rig->limbo == NULL) return;
  urcu_qsbr_synchronize_rcu();
  for (struct tern_retired *retired; (retired = rig->limbo) != NULL;) {
    rig->limbo = retired->next;
    retired->free(retired);
  }
}

void rig_fini(struct rig *rig) {
  rig_step(rig);
  urcu_qsbr_unregister_thread();
}
