/* SPDX-License-Identifier: Apache-2.0 */
/** The inside of the monitor, shared by the files of this room. */
#ifndef BROKER_MONITOR_INSIDE_H
#define BROKER_MONITOR_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "monitor.h"

#define MONITOR_PAGES 16

/** The processor's share, measured between two questions that are a second apart or more. */
struct monitor_cpu {
  pthread_mutex_t lock;
  uint64_t used_ns, at_ns; /* the last measurement; monotonic */
  double percent;
};

struct monitor {
  struct monitor_source source;
  char *server_name;     /* a copy: a reload frees the options it is in */
  pthread_rwlock_t lock; /* readers: pages in the making; writer: who changes what source refers to */
  uint64_t start_ns;     /* since 1970 */
  uint64_t epoch_ns;     /* when the monotonic clock was 0; fixed, so that times stay the same */
  _Atomic uint64_t requests[MONITOR_PAGES]; /* relaxed: figures */
  struct monitor_cpu cpu;
};

/** Nanoseconds since 1970 of a time by the loops' clock. */
static inline uint64_t monitor_wall_ns(const struct monitor *monitor, uint64_t ms) {
  return monitor->epoch_ns + ms * 1000000u;
}
/** The path of a page. */
const char *monitor_path(unsigned page);

#endif
