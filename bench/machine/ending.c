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
/* When the first came; 0: none has. Signals may come to any thread, and to two at once. */
static _Atomic uint64_t asked_ns;

static void on_signal(int number) {
  const int before = errno;
  const uint64_t now = now_ns();
  uint64_t first = 0;
  /* relaxed: pairs with the same on another thread, of which one wins; nothing else is told by it */
  if (atomic_compare_exchange_strong_explicit(&asked_ns, &first, now, memory_order_relaxed,
                                              memory_order_relaxed)) {
    ending = 1;
  } else if (now > first + TWICE_NS) {
    signal(number, SIG_DFL);
    raise(number); /* when this handler is over */
  }
  errno = before;
}

void ending_watch(void) {
  struct sigaction action = {.sa_handler =
                                 on_signal}; /* without SA_RESTART, so that a blocking call returns */
  sigaddset(&action.sa_mask, SIGINT);
  sigaddset(&action.sa_mask, SIGTERM);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}
