/* SPDX-License-Identifier: Apache-2.0 */
/** One clock reading, in nanoseconds. Thread: any. */
#ifndef BROKER_CLOCK_NS_H
#define BROKER_CLOCK_NS_H

#include <stdint.h>
#include <time.h>

/** What this clock says (clock_gettime(2)). */
static inline uint64_t clock_ns(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
