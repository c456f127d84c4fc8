/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern_serve: the order of its steps, what is printed, which error is returned, and that a pool and the signals are
 * left as promised. A signal that is pending already makes it go straight through; the conversation needs a server
 * that waits, so it runs in a child process, which is stopped by signals.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/error.h>
#include <tern/serve.h>
#include <tern/transport.h>

#define FAREWELL_BYTES 500000

/* ---- the server: says one long farewell when the connection is closed ---- */

static void on_made(struct tern_protocol *protocol, struct tern_transport *t) {
  (void)protocol;
  static char farewell[FAREWELL_BYTES];
  memset(farewell, 'x', sizeof farewell);
  (void)tern_transport_write(t, farewell, sizeof farewell); /* more than a socket's buffer takes */
}
static void on_data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  (void)protocol, (void)chunk;
}
static void on_lost(struct tern_protocol *protocol, int error) {
  (void)error;
  free(protocol);
}
static const struct tern_protocol_ops ops = {
    .connection_made = on_made, .data_received = on_data, .connection_lost = on_lost};

static struct tern_protocol *factory(void *arg, struct tern_loop *loop) {
  (void)arg, (void)loop;
  struct tern_protocol *protocol = calloc(1, sizeof *protocol);
  if (protocol != NULL) protocol->ops = &ops;
  return protocol;
}

/* ---- what the workers are told, in order ---- */

static char told[8]; /* one worker, and control waits for it: no two write at once */
static int started_error;

static void note(char what) { told[strlen(told)] = what; }

static int on_started(void *arg, struct tern_worker *worker, void **data) {
  (void)arg, (void)worker, (void)data;
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, NULL, &blocked);
  note(sigismember(&blocked, SIGINT) && sigismember(&blocked, SIGTERM) ? 's' : '!');
  return started_error;
}
static void on_stopping(struct tern_worker *worker) {
  (void)worker;
  note('q');
}
static void on_stopped(struct tern_worker *worker) {
  (void)worker;
  note('e');
}

static struct tern_workers *make_workers(void) {
  const struct tern_workers_options options = {
      .count = 1, .started = on_started, .stopping = on_stopping, .stopped = on_stopped};
  struct tern_workers *workers;
  memset(told, 0, sizeof told);
  started_error = 0;
  assert_int_equal(tern_workers_new(&options, &workers), 0);
  return workers;
}

static int serve(struct tern_workers *workers, const char *url) {
  return tern_serve(workers, &(struct tern_listener_options){.url = url, .factory = factory});
}

static sigset_t mask_of_signals(void) {
  sigset_t mask;
  assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
  return mask;
}

/* ---- tests ---- */

static void the_steps_come_in_order(void **state) {
  (void)state;
  const int signals[] = {SIGTERM, SIGINT};
  for (unsigned i = 0; i < 2; i++) {
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, signals[i]);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &one, &before), 0);
    raise(signals[i]); /* waits until somebody asks */
    int out = memfd_create("out", MFD_CLOEXEC), standard_output = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    struct tern_workers *workers = make_workers();
    int error = serve(workers, "tcp://127.0.0.1:0");
    dup2(standard_output, STDOUT_FILENO);
    close(standard_output);
    assert_int_equal(error, 0);
    assert_string_equal(told, "sqe");
    char text[128] = "";
    unsigned port = 0;
    assert_true(pread(out, text, sizeof text - 1, 0) > 0);
    assert_int_equal(sscanf(text, "listening on tcp://127.0.0.1:%u\n", &port), 1);
    assert_true(port > 0); /* the real one */
    close(out);
    assert_int_equal(tern_workers_start(workers), -EINVAL); /* it has been stopped */
    tern_workers_free(workers);
    sigset_t after = mask_of_signals();
    assert_int_equal(sigismember(&after, signals[i]), 1);     /* as the caller had it */
    assert_int_equal(sigismember(&after, signals[1 - i]), 0); /* and this one, too */
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
  }
}

static void an_address_that_cannot_be_had_stops_the_workers(void **state) {
  (void)state;
  struct tern_workers *workers = make_workers();
  assert_int_equal(serve(workers, "unix:///nonexistent/folder/s"), -ENOENT);
  assert_string_equal(told, "sqe");
  tern_workers_free(workers);
  sigset_t after = mask_of_signals();
  assert_int_equal(sigismember(&after, SIGTERM), 0);
}

static void workers_that_do_not_start_are_not_listened_for(void **state) {
  (void)state;
  struct tern_workers *workers = make_workers();
  started_error = -ENOTSUP;
  assert_int_equal(serve(workers, "unix:///nonexistent/folder/s"), -ENOTSUP); /* the first error */
  assert_string_equal(told, "s");
  tern_workers_free(workers);
  sigset_t after = mask_of_signals();
  assert_int_equal(sigismember(&after, SIGINT), 0);
}

/* Starts a server in a child. Returns its process id and a connection to it. */
static pid_t start_child(int *fd) {
  int out[2];
  assert_int_equal(pipe(out), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    alarm(60); /* if nobody stops it */
    dup2(out[1], STDOUT_FILENO);
    struct tern_workers *workers = make_workers();
    int error = serve(workers, "tcp://127.0.0.1:0");
    tern_workers_free(workers);
    _exit(error == 0 ? 7 : error == TERN_ELIMIT ? 8 : 9);
  }
  close(out[1]);
  FILE *lines = fdopen(out[0], "r");
  unsigned port = 0;
  assert_int_equal(fscanf(lines, "listening on tcp://127.0.0.1:%u", &port), 1);
  fclose(lines);
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  in.sin_port = htons((uint16_t)port);
  *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int size = 4096; /* little of the farewell goes by itself */
  assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
  assert_int_equal(connect(*fd, (struct sockaddr *)&in, sizeof in), 0);
  char first;
  assert_int_equal(recv(*fd, &first, 1, MSG_PEEK), 1); /* the connection is with its worker */
  return child;
}

static int exit_code(pid_t child) {
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void connections_may_send_what_is_queued(void **state) {
  (void)state;
  int fd;
  pid_t child = start_child(&fd);
  assert_int_equal(kill(child, SIGINT), 0);
  size_t received = 0;
  char room[65536];
  for (ssize_t n; (n = recv(fd, room, sizeof room, 0)) > 0;)
    received += (size_t)n;
  assert_int_equal(received, FAREWELL_BYTES);
  close(fd);
  assert_int_equal(exit_code(child), 7);
}

static void connections_that_do_not_take_it_are_told_of(void **state) {
  (void)state;
  int fd;
  pid_t child = start_child(&fd);
  assert_int_equal(kill(child, SIGTERM), 0);
  assert_int_equal(exit_code(child), 8);
  close(fd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(connections_may_send_what_is_queued),
      cmocka_unit_test(connections_that_do_not_take_it_are_told_of),
      cmocka_unit_test(the_steps_come_in_order),
      cmocka_unit_test(an_address_that_cannot_be_had_stops_the_workers),
      cmocka_unit_test(workers_that_do_not_start_are_not_listened_for),
  };
  return cmocka_run_group_tests_name("serve", tests, NULL, NULL);
}
