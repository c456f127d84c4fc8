/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the operator of a grace period that takes long, and who holds it up.
 *
 *     worker 0   tick | tick | tick: period 7 runs for a second already -> one line in the log
 *     worker 1   tick | a handler that blocks ............................ ^ has not seen period 7, does not sleep
 *
 * The background thread is the one that waits, so it cannot tell. Every worker looks at the end of its ticks; the
 * first to find the period overdue reports it, once for each period. A worker notes which period had begun when its
 * tick ended: those that are behind and do not sleep are the ones waited for. The one that held it up looks before it
 * takes its note, so that it names itself when nobody else was awake.
 *
 * Only figures are read from other workers: a name may be missing from the report, or be one too many.
 */
#include <stdio.h>
#include <string.h>
#include <tern/log.h>

#include "clock.h"
#include "worker_internal.h"

enum { STALL_MS = 1000 };

static uint64_t now_ms(const struct tern_workers *workers) {
  return workers->simulated ? workers->simulated_ms
                            : tern__clock_ms(); /* the tick's clock may be long past */
}

static bool holds_up(const struct tern_worker *worker, uint64_t period) {
  /* relaxed, both: figures; they pair with the stores in tern__stall_check, may_sleep and woke */
  return atomic_load_explicit(&worker->period_seen, memory_order_relaxed) < period &&
         atomic_load_explicit(&worker->sleep_began_ns, memory_order_relaxed) == 0;
}

static void report(const struct tern_workers *workers, uint64_t period, uint64_t age_ms) {
  char names[64] = "";
  unsigned long long bytes = 0;
  for (unsigned i = 0; i < workers->count; i++) {
    size_t len = strlen(names);
    if (holds_up(&workers->at[i], period)) snprintf(names + len, sizeof names - len, " %u", i);
    bytes += tern_counter_read(&workers->at[i].retired_bytes);
  }
  tern_log(
      TERN_LOG_WARN,
      "A grace period has not ended for %llu ms and %llu bytes of removed subscriptions wait for it: %s%s",
      (unsigned long long)age_ms, bytes,
      names[0] != '\0' ? "look for a handler that blocks, on worker" : "the machine may be overloaded",
      names);
}

/* For how long the period runs already; 0: it has ended. */
static uint64_t age_of(const struct tern_workers *workers, uint64_t period) {
  const struct tern__grace *grace = &workers->grace;
  /* relaxed, both: only a line in the log depends on them; pair with the stores in run_period */
  if (atomic_load_explicit(&grace->done, memory_order_relaxed) >= period) return 0;
  uint64_t began = atomic_load_explicit(&grace->began_ms, memory_order_relaxed), now = now_ms(workers);
  return now > began ? now - began : 0;
}

/* True for the first worker that asks. */
static bool is_mine_to_report(struct tern__grace *grace, uint64_t period) {
  /* relaxed: pairs with the exchange below */
  uint64_t newest = atomic_load_explicit(&grace->stalled, memory_order_relaxed);
  /* relaxed: pairs with the same of other workers, one of which wins */
  return newest < period && atomic_compare_exchange_strong_explicit(
                                &grace->stalled, &newest, period, memory_order_relaxed, memory_order_relaxed);
}

void tern__stall_check(struct tern_worker *worker) {
  struct tern_workers *workers = worker->pool;
  /* acquire: pairs with the increment in run_period; began_ms is this period's, or a later one's */
  uint64_t period = atomic_load_explicit(&workers->grace.begun, memory_order_acquire);
  uint64_t age_ms = age_of(workers, period);
  if (age_ms > STALL_MS && is_mine_to_report(&workers->grace, period)) report(workers, period, age_ms);
  if (worker->stage == TERN__STAGE_DONE) period = UINT64_MAX; /* nobody waits for it any more */
  /* relaxed: written by this worker alone */
  if (atomic_load_explicit(&worker->period_seen, memory_order_relaxed) == period) return;
  /* relaxed: a figure; pairs with the load in holds_up */
  atomic_store_explicit(&worker->period_seen, period, memory_order_relaxed);
}
