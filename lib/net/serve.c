/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern_serve: the frame of a server program around a pool of workers and one listener.
 *
 *     block signals -> start workers -> listen -> wait for a signal -> close listener -> stop workers
 *
 * The signals are blocked before the first thread starts, so that every thread inherits the mask and the only
 * place where SIGINT and SIGTERM arrive is the sigwait here; no handler runs and nothing is interrupted.
 * Called by the control thread of small programs. The broker has a main of its own: it also reloads, reopens
 * logs and drains.
 */
#include <tern/serve.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <tern/error.h>
#include <tern/log.h>

/* How long connections may take to send what is queued. */
#define STOP_DEADLINE_MS 2000

/* Listens until one of the signals comes. */
static int listen_until(struct tern_workers *workers, const struct tern_listener_options *options,
                        const sigset_t *signals) {
  struct tern_listener *listener;
  int error = tern_listener_open(workers, options, &listener);
  if (error < 0) {
    tern_log(TERN_LOG_FATAL, "Cannot listen on %s: %s", options->url, tern_strerror(error));
    return error;
  }
  printf("listening on %s\n", tern_listener_url(listener));
  fflush(stdout);
  int signal_number;
  sigwait(signals, &signal_number);
  tern_listener_close(listener);
  return 0;
}

int tern_serve(struct tern_workers *workers, const struct tern_listener_options *options) {
  sigset_t signals, before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  int error = pthread_sigmask(SIG_BLOCK, &signals, &before);
  if (error != 0) return -error;
  error = tern_workers_start(workers);
  if (error < 0) {
    tern_log(TERN_LOG_FATAL, "Cannot start the workers: %s", tern_strerror(error));
  } else {
    error = listen_until(workers, options, &signals);
    int stopped = tern_workers_stop(workers, STOP_DEADLINE_MS);
    if (stopped < 0) tern_log(TERN_LOG_WARN, "Connections did not end in time: %s", tern_strerror(stopped));
    if (error == 0) error = stopped;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error;
}
