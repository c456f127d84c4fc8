/* SPDX-License-Identifier: Apache-2.0 */
/** Being asked to end, by SIGINT or SIGTERM. See ending.c. */
#ifndef BENCH_ENDING_H
#define BENCH_ENDING_H

#include <signal.h>

/** Not 0: the program is to end, with what it has. */
extern volatile sig_atomic_t ending;

/** Has the signals noted there from now on. Thread: the first, before there are others. */
void ending_watch(void);

#endif
