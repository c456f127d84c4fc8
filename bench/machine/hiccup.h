/* SPDX-License-Identifier: Apache-2.0 */
/** A thread that only sleeps, and notes how much too long: what the machine itself adds to latencies. See hiccup.c. */
#ifndef BENCH_HICCUP_H
#define BENCH_HICCUP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "histogram.h"

/** The thread. */
struct hiccup {
  pthread_t thread;
  _Atomic bool over;
  bool started;
  struct histogram *late; /* read it after hiccup_stop */
};

/** Starts it; without memory or threads there is none, and late is NULL or empty. */
void hiccup_start(struct hiccup *hiccup);
/** Ends it. */
void hiccup_stop(struct hiccup *hiccup);

#endif
