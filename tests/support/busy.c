/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that spins on the processor it shares with whoever asked for it. */
#include "busy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void *spin(void *arg) {
  struct busy *busy = arg;
  /* relaxed: a flag by itself; pairs with the store in busy_end */
  while (!atomic_load_explicit(&busy->over, memory_order_relaxed))
    continue;
  return NULL;
}

void busy_begin(struct busy *busy) {
  cpu_set_t one;
  int cpu = 0;
  atomic_init(&busy->over, false);
  assert_int_equal(sched_getaffinity(0, sizeof busy->before, &busy->before), 0);
  while (!CPU_ISSET(cpu, &busy->before))
    cpu++;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
  assert_int_equal(pthread_create(&busy->thread, NULL, spin, busy), 0);
}

void busy_end(struct busy *busy) {
  /* relaxed: pairs with the load in spin */
  atomic_store_explicit(&busy->over, true, memory_order_relaxed);
  assert_int_equal(pthread_join(busy->thread, NULL), 0);
  assert_int_equal(sched_setaffinity(0, sizeof busy->before, &busy->before), 0);
}
