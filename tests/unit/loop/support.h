/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the tests of workers share: a seeded random generator, and pools that are threads or a simulation.
 */
#ifndef TERN_TESTS_LOOP_SUPPORT_H
#define TERN_TESTS_LOOP_SUPPORT_H

#include <assert.h>
#include <stdint.h>

#include <tern/limits.h>

#include "sim.h"

/** xorshift64 */
static inline uint64_t draw(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static inline uint64_t seeded(uint64_t seed) { return seed * 0x9e3779b97f4a7c15u + 88172645463325252u; }

/** Steps one randomly chosen worker by one phase, in the right order for each; or the background thread. */
struct stepper {
  struct tern_workers *workers;
  uint64_t random;
  int phase[TERN_WORKERS_MAX];
};

static inline void stepper_step(struct stepper *stepper) {
  unsigned count = tern_workers_count(stepper->workers);
  unsigned choice = (unsigned)(draw(&stepper->random) % (count + 1));
  if (choice == count) {
    tern__sim_grace_step(stepper->workers);
    return;
  }
  struct tern_worker *worker = tern_workers_at(stepper->workers, choice);
  if (tern__worker_is_done(worker)) return;
  if (stepper->phase[choice] == TERN__PHASE_READY) {
    if (tern__worker_is_asleep(worker)) return;
    if (draw(&stepper->random) % 2 == 0) tern__worker_sleep(worker);
    if (tern__worker_is_asleep(worker)) return;
  }
  tern__worker_step(worker, (enum tern__phase)stepper->phase[choice]);
  stepper->phase[choice] = (stepper->phase[choice] + 1) % TERN__PHASES;
}

/** Brings every worker to the end of its tick. */
static inline void stepper_finish_ticks(struct stepper *stepper) {
  for (unsigned i = 0; i < tern_workers_count(stepper->workers); i++) {
    while (stepper->phase[i] != TERN__PHASE_INBOX) {
      tern__worker_step(tern_workers_at(stepper->workers, i), (enum tern__phase)stepper->phase[i]);
      stepper->phase[i] = (stepper->phase[i] + 1) % TERN__PHASES;
    }
  }
}

/** True when everybody sleeps and nobody has been woken. */
static inline int stepper_all_asleep(const struct stepper *stepper) {
  for (unsigned i = 0; i < tern_workers_count(stepper->workers); i++) {
    if (!tern__worker_is_asleep(tern_workers_at(stepper->workers, i))) return 0;
  }
  return 1;
}

#endif
