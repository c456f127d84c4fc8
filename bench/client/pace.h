/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A steady rate: when each of a row of events is due. Pure. Event n is due at start + n * interval, whatever became of
 * those before it: who falls behind has a backlog to send, and its delay counts (no coordinated omission).
 */
#ifndef BENCH_PACE_H
#define BENCH_PACE_H

#include <stdint.h>

/** A rate. */
struct pace {
  uint64_t start_ns;  /* when the first event is due */
  double interval_ns; /* 0: everything is due at once */
};

/** per_second events for each of `of` senders that take turns; this one is number `index` of them. 0: no limit. */
static inline struct pace pace_of(uint64_t start_ns, double per_second, unsigned of, unsigned index) {
  double interval = per_second > 0 ? 1e9 / per_second : 0;
  return (struct pace){start_ns + (uint64_t)(interval * index), interval * of};
}

/** When event n is due. */
static inline uint64_t pace_time(const struct pace *pace, uint64_t n) {
  return pace->start_ns + (uint64_t)((double)n * pace->interval_ns);
}

/** How many events are due by now: 0 to n - 1. */
static inline uint64_t pace_due(const struct pace *pace, uint64_t now_ns) {
  if (pace->interval_ns <= 0) return UINT64_MAX;
  if (now_ns < pace->start_ns) return 0;
  uint64_t n = (uint64_t)((double)(now_ns - pace->start_ns) / pace->interval_ns) + 1;
  while (n > 0 && pace_time(pace, n - 1) > now_ns)
    n--;
  while (pace_time(pace, n) <= now_ns)
    n++;
  return n;
}

#endif
