/* SPDX-License-Identifier: Apache-2.0 */
/** Monotonic time. Thread: any. */
#ifndef TERN_BASE_CLOCK_H
#define TERN_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/** Nanoseconds since some fixed point. */
static inline uint64_t tern__clock_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/** Milliseconds since the same point. */
static inline uint64_t tern__clock_ms(void) { return tern__clock_ns() / 1000000u; }

#endif
