/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's main: reads the command line, starts the log and the server, and then is the control thread:
 * it waits for signals and does what they ask.
 *
 *     SIGINT, SIGTERM   orderly stop, exit 0; another SIGINT meanwhile: end at once, exit 1
 *     SIGHUP            read the configuration file and the handler modules again, log the figures
 *     SIGUSR1           close and open the log file again
 *     SIGUSR2           lame duck mode: no more clients, those who are there leave one by one, then stop; SIGTERM
 *                       changes nothing about that, SIGINT ends it
 *
 * All signals are blocked before any thread is made, so that they come here and nowhere else.
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <tern/log.h>

#include "logging.h"
#include "notify.h"
#include "options.h"
#include "privileges.h"
#include "server.h"

/* Every connection is a descriptor: take as many as the administrator allows. */
static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/* Small blocks that are freed join their neighbours at once: else, after very many subscriptions have ended, their memory
 * would stay with the process. What messages need comes from pools and does not notice. */
static void give_memory_back(void) { mallopt(M_MXFAST, 0); }

static void block_signals(sigset_t *set) {
  static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
  sigemptyset(set);
  for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
    sigaddset(set, ours[i]);
  pthread_sigmask(SIG_BLOCK, set, NULL);
  signal(SIGPIPE, SIG_IGN);
}

/* The next signal, or 0 when the time is over; negative time: no bound. */
static int next_signal(const sigset_t *set, int wait_ms) {
  struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000L};
  int number = wait_ms < 0 ? sigwaitinfo(set, NULL) : sigtimedwait(set, NULL, &wait);
  return number > 0 ? number : 0;
}

static void tell_ready(const struct server *server) {
  char status[64];
  snprintf(status, sizeof status, "Serving clients on port %u", server_port(server));
  notify_ready(status);
}

static void reload(struct server *server) {
  notify_reloading();
  server_reload(server);
  tell_ready(server);
}

static void end_at_once(int number) {
  static const char text[] = "tern: interrupted again; ending without waiting for clients\n";
  (void)!write(STDERR_FILENO, text, sizeof text - 1);
  (void)number;
  _exit(EXIT_FAILURE);
}

/* Clients that do not take their data hold the end up for a while; whoever does not want to wait interrupts again. */
static void stop(struct server *server) {
  sigset_t interrupt;
  notify_stopping();
  signal(SIGINT, end_at_once);
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_UNBLOCK, &interrupt, NULL);
  server_stop(server);
}

static void serve(struct server *server, const sigset_t *set) {
  int wait_ms;
  while ((wait_ms = server_tick(server)) != SERVER_DONE) {
    int number = next_signal(set, wait_ms);
    if (number == SIGINT || (number == SIGTERM && !server_is_lame(server))) return;
    if (number == SIGHUP) reload(server);
    if (number == SIGUSR1) tern_log_reopen();
    if (number == SIGUSR2) server_lame_duck(server);
  }
}

int main(int argc, char **argv) {
  struct options options;
  if (options_init(&options) != 0) {
    fprintf(stderr, "tern: no memory\n");
    return EXIT_FAILURE;
  }
  enum options_verdict verdict = options_parse(&options, argc, argv);
  if (verdict != OPTIONS_RUN) {
    options_free(&options);
    return verdict == OPTIONS_EXIT ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  sigset_t signals;
  struct privileges privileges;
  block_signals(&signals);
  raise_descriptor_limit();
  give_memory_back();
  int error = privileges_prepare(&privileges, options.run_as_user, options.run_as_group);
  if (error == 0) error = logging_start(&options);
  if (error != 0) {
    options_free(&options);
    return EXIT_FAILURE;
  }
  privileges_give(&privileges, options.log_file);
  struct server *server;
  error = server_start(&options, argv[0], &server);
  if (error == 0) {
    privileges_give(&privileges, options.unix_socket);
    error = privileges_drop(&privileges);
    if (error == 0) {
      tell_ready(server);
      serve(server, &signals);
    }
    stop(server);
  }
  tern_log_stop();
  return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
