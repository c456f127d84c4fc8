/* SPDX-License-Identifier: Apache-2.0 */
/** A processor that has no time to spare. */
#ifndef TESTS_SUPPORT_BUSY_H
#define TESTS_SUPPORT_BUSY_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

struct busy {
  pthread_t thread;
  _Atomic bool over;
  cpu_set_t before; /* where the calling thread may run otherwise */
};

/** Puts the calling thread, and those it starts from here on, on one processor together with a thread that never rests. */
void busy_begin(struct busy *busy);
/** Ends that, for the calling thread; the others stay there. */
void busy_end(struct busy *busy);

#endif
