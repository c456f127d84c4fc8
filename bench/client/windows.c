/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows of time.
 *
 *     | quiet |...| disturbed |...| quiet |        ... belongs to none
 *
 * A request belongs to the window it was due in, whenever its answer comes: one that a disturbance has delayed beyond
 * its end is a delayed one. So requesters look up what main has opened, by time. A window that is closed stays.
 *
 * Thread: main opens and closes, any looks up.
 */
#include "windows.h"

#include <assert.h>
#include <stddef.h>

void windows_open(struct windows *windows, uint64_t now_ns, bool disturbed) {
  unsigned count = atomic_load_explicit(&windows->count, memory_order_relaxed); /* relaxed: its own */
  assert(count < WINDOWS_MAX);
  struct window *window = &windows->at[count];
  window->from_ns = now_ns;
  window->disturbed = disturbed;
  atomic_init(&window->to_ns, UINT64_MAX);
  /* release: pairs with the acquire in windows_find; the window is there */
  atomic_store_explicit(&windows->count, count + 1, memory_order_release);
}

void windows_close(struct windows *windows, uint64_t now_ns) {
  unsigned count = atomic_load_explicit(&windows->count, memory_order_relaxed); /* relaxed: its own */
  /* relaxed: a value by itself; pairs with the load in windows_find */
  atomic_store_explicit(&windows->at[count - 1].to_ns, now_ns, memory_order_relaxed);
}

const struct window *windows_find(const struct windows *windows, uint64_t at_ns) {
  /* acquire: pairs with the release in windows_open */
  unsigned i = atomic_load_explicit(&windows->count, memory_order_acquire);
  while (i > 0 && windows->at[i - 1].from_ns > at_ns)
    i--;
  if (i == 0) return NULL;
  const struct window *window = &windows->at[i - 1];
  /* relaxed: pairs with the store in windows_close; one that is just being closed was open when the moment came */
  return at_ns < atomic_load_explicit(&window->to_ns, memory_order_relaxed) ? window : NULL;
}
