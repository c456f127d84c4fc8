/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The broker under test as a process of its own: started on a free loopback port, asked for its size, stopped.
 *
 * The program under test is the first argument of every test program: tern, or nats-server as the reference.
 * Options are nats-server's configuration keys ("max_payload=1024"); nats-server gets them in a file, tern as
 * long flags. TERN_TEST_WORKERS sets tern's workers, TERN_TEST_RING_SIZE its rings; TERN_TEST_SCALE says how much slower than plain this
 * build is: counts shrink, waits grow.
 */
#ifndef TERN_E2E_BROKER_H
#define TERN_E2E_BROKER_H

#include <stdbool.h>
#include <sys/types.h>

/** A running broker. */
struct broker {
  pid_t pid;         /**< its process */
  int port;          /**< where clients connect on 127.0.0.1 */
  bool is_reference; /**< it is nats-server, not tern */
  char url[64];      /**< "nats://127.0.0.1:<port>" */
  char dir[64];      /**< its temporary directory: ports file, log, configuration */
};

/** How a broker is started; zero-initialise what is not set. */
struct broker_setup {
  const char *path;           /**< the program */
  const char *const *options; /**< "key=value" strings up to NULL, or NULL */
  int port;                   /**< a certain port, or 0 for any free one */
  int workers;                /**< tern's workers, or 0 for what TERN_TEST_WORKERS says, or 3 */
  int files_max;              /**< RLIMIT_NOFILE of the broker, or 0 for the test's own */
};

/** Starts a broker and waits until it listens. Ends the test program when that fails. */
void broker_start(struct broker *broker, const struct broker_setup *setup);
/** Sends the signal, waits, prints the log when the exit code is not `0`, removes the directory. Returns the exit
 * code, or minus the signal that ended it. */
int broker_stop(struct broker *broker, int signal_number);
/** Resident memory in KiB. */
long broker_rss_kib(const struct broker *broker);
/** Open file descriptors. */
int broker_files(const struct broker *broker);
/** The whole standard error of the broker; free it. */
char *broker_log(const struct broker *broker);
/** TERN_TEST_SCALE, at least 1. */
int test_scale(void);
/** A count made smaller for slow builds, at least `1`. */
int test_scaled(int count);
/** Milliseconds that no wait in a test may exceed. */
int test_wait_ms(void);
/** Lets this process open many files; returns how many it may. */
int test_allow_files(int wanted);

#endif
