/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first signal asks. One that comes half a second later, or later still, kills, as somebody who does not want to wait
 * means it; what comes sooner is the same wish told twice, to the process and to its group, as by timeout(1).
 */
#include "ending.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#include "cpu.h"

#define TWICE_NS UINT64_C(500000000)

volatile sig_atomic_t ending;
/* When the first came. Relaxed: it is compared with the clock only, and signals may come to any thread. */
static _Atomic uint64_t asked_ns;

static void on_signal(int number) {
  const int before = errno;
  if (!ending) {
    atomic_store_explicit(&asked_ns, now_ns(), memory_order_relaxed);
    ending = 1;
  } else if (now_ns() - atomic_load_explicit(&asked_ns, memory_order_relaxed) >= TWICE_NS) {
    signal(number, SIG_DFL);
    raise(number); /* when this handler is over */
  }
  errno = before;
}

void ending_watch(void) {
  struct sigaction action = {.sa_handler = on_signal};
  sigaddset(&action.sa_mask, SIGINT);
  sigaddset(&action.sa_mask, SIGTERM);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}
