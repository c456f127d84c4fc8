/* SPDX-License-Identifier: Apache-2.0 */
/** Stretches of time in which latencies count, undisturbed ones and disturbed ones in turn. See windows.c. */
#ifndef BENCH_WINDOWS_H
#define BENCH_WINDOWS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WINDOWS_MAX 64

/** From one moment on and before another one. */
struct window {
  uint64_t from_ns;
  _Atomic uint64_t to_ns; /* UINT64_MAX: open */
  bool disturbed;
};

/** One after the other. Zeroed: none. */
struct windows {
  struct window at[WINDOWS_MAX];
  _Atomic unsigned count;
};

/** Opens the next one; at most WINDOWS_MAX. Thread: main. */
void windows_open(struct windows *windows, uint64_t now_ns, bool disturbed);
/** Closes the one that is open. Thread: main. */
void windows_close(struct windows *windows, uint64_t now_ns);
/** The window that a moment is in; NULL: none. Thread: any. */
const struct window *windows_find(const struct windows *windows, uint64_t at_ns);

#endif
