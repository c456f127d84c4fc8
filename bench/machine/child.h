/* SPDX-License-Identifier: Apache-2.0 */
/** Programs that are started, waited for a bounded time, and stopped. See child.c. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/** A program that was started. */
struct child {
  pid_t pid;     /* 0: none */
  FILE *out;     /* what it printed; NULL: not kept */
  FILE *err;     /* what it complained about */
  int exit_code; /* when it has ended; 128 and the signal's number when it was killed */
};

/** Starts a program. Returns 0 or -errno; when the program cannot be executed, it ends with exit code 127. */
int child_start(struct child *child, const char *const *argv);
/** True when it has ended. */
bool child_ended(struct child *child);
/** Waits until it has ended, at most so long, and while *stop is 0. Returns whether it has. */
bool child_wait(struct child *child, double seconds, const volatile sig_atomic_t *stop);
/** Ends it, by asking first (SIGTERM), and forgets what it printed. */
void child_stop(struct child *child);
/** What it complained about: the first line of tern-bench's own kind, else the last line; "" when there is none. Returns
 * text. */
char *child_complaint(struct child *child, char *text, size_t size);

#endif
