/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeps for a millisecond at a time and counts how late it wakes up. A latency that is not above this is the
 * machine's: another process had the processor, or the hypervisor did. Thread: its own, and main for start and stop.
 */
#include "hiccup.h"

#include <sys/prctl.h>
#include <time.h>

#include "cpu.h"

#define SLEEP_NS UINT64_C(1000000)

static void *hiccup_main(void *arg) {
  struct hiccup *hiccup = arg;
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  uint64_t due = now_ns() + SLEEP_NS;
  /* relaxed: nothing else is read through it; pairs with hiccup_stop, which then joins */
  while (!atomic_load_explicit(&hiccup->over, memory_order_relaxed)) {
    struct timespec until = {.tv_sec = (time_t)(due / 1000000000u), .tv_nsec = (long)(due % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    uint64_t now = now_ns();
    for (; due <= now; due += SLEEP_NS) /* a long hiccup is met by all that were due in it */
      histogram_record(hiccup->late, now - due);
  }
  return NULL;
}

void hiccup_start(struct hiccup *hiccup) {
  atomic_init(&hiccup->over, false);
  hiccup->late = histogram_new();
  if (hiccup->late == NULL) return;
  hiccup->started = pthread_create(&hiccup->thread, NULL, hiccup_main, hiccup) == 0;
}

void hiccup_stop(struct hiccup *hiccup) {
  if (!hiccup->started) return;
  /* relaxed: joining orders everything; pairs with the load in hiccup_main */
  atomic_store_explicit(&hiccup->over, true, memory_order_relaxed);
  pthread_join(hiccup->thread, NULL);
  hiccup->started = false;
}
