/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Simulation: a pool of workers without threads, which a test steps one at a time, as finely as the phases of
 * a tick, in any order it likes (drawn from a seed, or all of them). Everything else is the real thing:
 * loops, rings, bells, overflow, grace periods, stopping. Time stands still until the test moves it.
 *
 *     tern__workers_new_sim(&options, &workers);
 *     for each step: tern__worker_step(tern_workers_at(workers, i), phase)     // i, phase: the test's choice
 *                    or tern__worker_tick, tern__worker_sleep, tern__sim_grace_step, tern__sim_advance
 *     tern_workers_stop(workers, deadline_ms);   // or post_stop and stepping until all are done
 *     tern_workers_free(workers);
 *
 * A worker that is to do something outside of its steps (make a transport, send a record) must be entered.
 * tern_workers_call, tern_workers_synchronize and tern_workers_stop work and step the workers themselves.
 * One simulated pool at a time, all of it on one thread.
 */
#ifndef TERN_LOOP_SIM_H
#define TERN_LOOP_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <tern/worker.h>

#include "loop_internal.h"

/** Makes a pool and runs `started` of each worker. Returns as tern_workers_new, or what `started` returned
 * (then nothing is left). */
int tern__workers_new_sim(const struct tern_workers_options *options, struct tern_workers **out);
/** Runs one phase of the worker's tick; ends its sleep first. Phases of one worker must come in their order.
 * Polling never waits. */
void tern__worker_step(struct tern_worker *worker, enum tern__phase phase);
/** Runs a whole tick. */
void tern__worker_tick(struct tern_worker *worker);
/** Lets the worker go to sleep as it would in the kernel; its place is between the phases INBOX and READY. False
 * when it would not sleep. */
bool tern__worker_sleep(struct tern_worker *worker);
/** True when the worker sleeps and nothing has been sent to wake it. Then only the clock or a descriptor may
 * give a reason to step it; a test that does not, finds lost wake-ups. */
bool tern__worker_is_asleep(const struct tern_worker *worker);
/** True when the worker has finished stopping; it must not be stepped any more. */
bool tern__worker_is_done(const struct tern_worker *worker);
/** Makes tern_worker_self return the worker (NULL: none). */
void tern__sim_enter(struct tern_worker *worker);
/** One step of the background thread: runs jobs, begins a requested grace period, or ends the running one if
 * every worker has been quiescent or asleep since it began. False when there was nothing to do. */
bool tern__sim_grace_step(struct tern_workers *workers);
/** Moves the clock of all workers. */
void tern__sim_advance(struct tern_workers *workers, uint64_t ms);
/** Orders all workers to stop; step them until all are done. */
void tern__sim_post_stop(struct tern_workers *workers, unsigned deadline_ms);

#endif
