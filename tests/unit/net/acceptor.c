/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acceptor under listeners made by hand, with simulated workers: they take a socket over when the test lets them
 * and not before. Its life, whom it gives connections to, what it makes of each error of accept4 (wrapped by the
 * linker), and listeners that go while their sockets are on the way.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/error.h>
#include <tern/transport.h>

#include "acceptor.h"
#include "sim.h"
#include "worker_internal.h"

#define NAPS_MAX 30000 /* a minute */
#define MANY     200   /* 50 for each worker, which its ring takes */

static struct tern_workers *workers;

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); }

/* ---- accept4 ---- */

int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

/* What accept4 says first. seq_cst, as everything atomic here: the acceptor takes what the test put. */
static int script[16];
static _Atomic unsigned script_at, script_len;

static void script_errors(const int *errors, unsigned count) {
  atomic_store(&script_len, 0);
  atomic_store(&script_at, 0);
  if (count > 0) memcpy(script, errors, count * sizeof *errors);
  atomic_store(&script_len, count);
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags) {
  unsigned at = atomic_load(&script_at);
  if (at == atomic_load(&script_len)) return __real_accept4(fd, address, len, flags);
  errno = script[at];
  atomic_store(&script_at, at + 1);
  return -1;
}

/* ---- listeners, clients, connections ---- */

static unsigned made, lost; /* the workers run on the test's thread */

static void on_made(struct tern_protocol *protocol, struct tern_transport *t) {
  (void)protocol, (void)t;
  made++;
}
static void on_data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  (void)protocol, (void)chunk;
}
static void on_lost(struct tern_protocol *protocol, int error) {
  (void)error;
  free(protocol);
  lost++;
}
static const struct tern_protocol_ops ops = {
    .connection_made = on_made, .data_received = on_data, .connection_lost = on_lost};

static struct tern_protocol *factory(void *arg, struct tern_loop *loop) {
  (void)arg, (void)loop;
  struct tern_protocol *protocol = calloc(1, sizeof *protocol);
  if (protocol != NULL) protocol->ops = &ops;
  return protocol;
}

static void make_workers(unsigned count) {
  made = lost = 0;
  script_errors(NULL, 0);
  assert_int_equal(tern__workers_new_sim(&(struct tern_workers_options){.count = count}, &workers), 0);
}

static void end_workers(void) {
  (void)tern_workers_stop(workers, 100);
  tern_workers_free(workers);
}

static void make_listener(struct tern_listener *listener) {
  memset(listener, 0, sizeof *listener);
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  listener->workers = workers;
  listener->factory = factory;
  listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(listener->fd, (struct sockaddr *)&in, sizeof in), 0);
  assert_int_equal(listen(listener->fd, MANY), 0);
  listener->address.len = sizeof listener->address.storage;
  assert_int_equal(
      getsockname(listener->fd, (struct sockaddr *)&listener->address.storage, &listener->address.len), 0);
  snprintf(listener->url, sizeof listener->url, "the listener");
  atomic_init(&listener->holds, 1);
  assert_int_equal(sem_init(&listener->drained, 0, 0), 0);
}

static void open_listener(struct tern_listener *listener) {
  make_listener(listener);
  assert_int_equal(tern__acceptor_add(listener), 0);
}

static void free_listener(struct tern_listener *listener) {
  close(listener->fd);
  sem_destroy(&listener->drained);
}

static void close_listener(struct tern_listener *listener) {
  tern__acceptor_remove(listener);
  assert_int_equal(atomic_load(&listener->holds), 0);
  free_listener(listener);
}

static int connect_to(const struct tern_listener *listener) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&listener->address.storage, listener->address.len),
                   0);
  return fd;
}

/* Waits until so many holds on the listener are given out. */
static void wait_for_holds(struct tern_listener *listener, uint32_t wanted) {
  for (unsigned i = 0; i < NAPS_MAX && atomic_load(&listener->holds) != wanted; i++)
    nap();
  assert_int_equal(atomic_load(&listener->holds), wanted);
}

static void tick_all(void) {
  for (unsigned i = 0; i < tern_workers_count(workers); i++)
    tern__worker_tick(tern_workers_at(workers, i));
}

/* Lets the workers run until so many connections were made. */
static void wait_for_made(unsigned wanted) {
  for (unsigned i = 0; i < NAPS_MAX && made < wanted; i++) {
    tick_all();
    nap();
  }
  assert_int_equal(made, wanted);
}

static void wait_for_lost(unsigned wanted) {
  for (unsigned i = 0; i < NAPS_MAX && lost < wanted; i++) {
    tick_all();
    nap();
  }
  assert_int_equal(lost, wanted);
}

/* ---- life ---- */

static void it_lives_from_the_first_listener_to_the_last(void **state) {
  (void)state;
  struct tern_listener first, second;
  make_workers(1);
  for (unsigned round = 0; round < 2; round++) {
    assert_null(workers->acceptor);
    open_listener(&first);
    struct tern__acceptor *acceptor = workers->acceptor;
    assert_non_null(acceptor);
    open_listener(&second);
    assert_ptr_equal(workers->acceptor, acceptor);
    close_listener(&first);
    int fd = connect_to(&second);
    wait_for_made(round + 1);
    close(fd);
    wait_for_lost(round + 1);
    close_listener(&second);
  }
  assert_null(workers->acceptor);
  end_workers();
}

static void a_listener_that_cannot_be_watched_changes_nothing(void **state) {
  (void)state;
  struct tern_listener good, bad;
  make_workers(1);
  make_listener(&bad);
  FILE *file = tmpfile(); /* epoll takes no plain files */
  assert_non_null(file);
  assert_int_equal(dup2(fileno(file), bad.fd), bad.fd);
  fclose(file);
  assert_int_equal(tern__acceptor_add(&bad), -EPERM);
  assert_null(workers->acceptor);
  open_listener(&good);
  assert_int_equal(tern__acceptor_add(&bad), -EPERM);
  assert_non_null(workers->acceptor);
  int fd = connect_to(&good);
  wait_for_made(1);
  close(fd);
  wait_for_lost(1);
  close_listener(&good);
  free_listener(&bad);
  end_workers();
}

/* ---- choosing ---- */

static void connect_many(const struct tern_listener *listener, int *fds, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    fds[i] = connect_to(listener);
}

static void end_many(struct tern_listener *listener, const int *fds, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    close(fds[i]);
  wait_for_lost(count);
  close_listener(listener);
  end_workers();
}

/* None has been taken over yet, so those on their way are all there is to go by. */
static void sockets_on_their_way_count(void **state) {
  (void)state;
  struct tern_listener listener;
  static int fds[MANY];
  make_workers(4);
  open_listener(&listener);
  connect_many(&listener, fds, MANY);
  wait_for_holds(&listener, 1 + MANY);
  tick_all();
  assert_int_equal(made, MANY);
  for (unsigned i = 0; i < 4; i++)
    assert_in_range(tern_loop_transports(tern_worker_loop(tern_workers_at(workers, i))), MANY / 4 - 3,
                    MANY / 4 + 3);
  end_many(&listener, fds, MANY);
}

/* Worker 0 sleeps and worker 1 never does, so one more connection weighs twice as much there. */
static void a_busy_worker_gets_fewer(void **state) {
  (void)state;
  struct tern_listener listener;
  static int fds[90];
  make_workers(2);
  tern__worker_step(tern_workers_at(workers, 0), TERN__PHASE_INBOX);
  assert_true(tern__worker_sleep(tern_workers_at(workers, 0)));
  open_listener(&listener);
  for (unsigned i = 0; i < 100; i++)
    nap(); /* until there is something to measure */
  connect_many(&listener, fds, 90);
  wait_for_holds(&listener, 1 + 90);
  for (enum tern__phase phase = TERN__PHASE_READY; phase < TERN__PHASES; phase++)
    tern__worker_step(tern_workers_at(workers, 0), phase);
  tick_all();
  assert_int_equal(made, 90);
  assert_in_range(tern_loop_transports(tern_worker_loop(tern_workers_at(workers, 0))), 57, 63);
  end_many(&listener, fds, 90);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* One a second: never more than time allows, and nobody is lost. */
static void a_rate_is_kept(void **state) {
  (void)state;
  enum { COUNT = 20 };
  struct tern_listener listener;
  static int fds[COUNT];
  make_workers(1);
  make_listener(&listener);
  tern_listener_set_rate(&listener, 1);
  struct tern_counter delayed = {0};
  listener.delayed = &delayed;
  double begun = seconds();
  assert_int_equal(tern__acceptor_add(&listener), 0);
  connect_many(&listener, fds, COUNT);
  wait_for_holds(&listener, 2);
  for (int i = 0; i < 50; i++) {
    nap();
    unsigned taken = atomic_load(&listener.holds) - 1;
    assert_true(taken <= 2 + (seconds() - begun));
  }
  tern_listener_set_rate(&listener, 0);
  wait_for_holds(&listener, 1 + COUNT);
  tick_all();
  assert_int_equal(made, COUNT);
  assert_int_equal(tern_counter_read(&delayed), COUNT - 1); /* the first one found nobody before it */
  end_many(&listener, fds, COUNT);
}

/* ---- errors ---- */

static void errors_of_one_connection_are_passed_over(void **state) {
  (void)state;
  static const int errors[] = {EINTR,     ECONNABORTED, ENETDOWN,     EPROTO,      ENOPROTOOPT,
                               EHOSTDOWN, ENONET,       EHOSTUNREACH, ENETUNREACH, EPERM};
  struct tern_listener listener;
  make_workers(1);
  open_listener(&listener);
  script_errors(errors, sizeof errors / sizeof errors[0]);
  int fd = connect_to(&listener);
  wait_for_made(1);
  assert_int_equal(atomic_load(&script_at), sizeof errors / sizeof errors[0]);
  assert_int_equal(tern_counter_read(&listener.pauses), 0);
  end_many(&listener, &fd, 1);
}

/* Counts how often a text occurs in what was logged. */
static unsigned logged(int log, const char *text) {
  static char room[65536];
  ssize_t n = pread(log, room, sizeof room - 1, 0);
  assert_true(n >= 0);
  room[n] = '\0';
  unsigned count = 0;
  for (const char *at = room; (at = strstr(at, text)) != NULL; at++)
    count++;
  return count;
}

/* Running out of something, whatever it is, is told once and tried again until it is over. */
static void errors_that_last_are_waited_out(void **state) {
  (void)state;
  static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EINVAL};
  struct tern_listener listener;
  int fds[2];
  make_workers(1);
  open_listener(&listener);
  int log = memfd_create("log", MFD_CLOEXEC), standard_error = dup(STDERR_FILENO);
  dup2(log, STDERR_FILENO);
  for (unsigned shortage = 1; shortage <= 2; shortage++) {
    script_errors(errors, sizeof errors / sizeof errors[0]);
    fds[shortage - 1] = connect_to(&listener);
    for (unsigned i = 0; i < NAPS_MAX && made < shortage; i++) {
      tick_all();
      nap();
    }
    /* The end of a shortage is noticed after the last connection that waited. */
    for (unsigned i = 0;
         i < NAPS_MAX && logged(log, "Accepting connections on the listener again") < shortage; i++)
      nap();
  }
  dup2(standard_error, STDERR_FILENO);
  close(standard_error);
  assert_int_equal(made, 2);
  assert_int_equal(tern_counter_read(&listener.pauses), 2);
  assert_int_equal(logged(log, "Cannot accept connections on the listener: Too many open files"), 2);
  assert_int_equal(logged(log, "Cannot accept connections"), 2);
  assert_int_equal(logged(log, "Accepting connections on the listener again"), 2);
  close(log);
  end_many(&listener, fds, 2);
}

/* ---- ends ---- */

static _Atomic bool removed;
static void *remove_it(void *listener) {
  tern__acceptor_remove(listener);
  atomic_store(&removed, true);
  return NULL;
}

static void a_listener_stays_until_its_sockets_are_taken_over(void **state) {
  (void)state;
  struct tern_listener listener;
  pthread_t thread;
  int fds[3];
  make_workers(2);
  open_listener(&listener);
  connect_many(&listener, fds, 3);
  wait_for_holds(&listener, 1 + 3);
  atomic_store(&removed, false);
  assert_int_equal(pthread_create(&thread, NULL, remove_it, &listener), 0);
  wait_for_holds(&listener, 3);
  for (unsigned i = 0; i < 20; i++)
    nap(); /* time for it to go wrong */
  assert_false(atomic_load(&removed));
  tick_all();
  pthread_join(thread, NULL);
  assert_int_equal(made, 3);
  assert_int_equal(atomic_load(&listener.holds), 0);
  assert_null(workers->acceptor);
  for (unsigned i = 0; i < 3; i++)
    close(fds[i]);
  wait_for_lost(3);
  free_listener(&listener);
  end_workers();
}

static void when_the_workers_have_stopped_connections_are_closed(void **state) {
  (void)state;
  struct tern_listener listener;
  char byte;
  make_workers(2);
  open_listener(&listener);
  assert_int_equal(tern_workers_stop(workers, 100), 0);
  int fd = connect_to(&listener);
  assert_int_equal(recv(fd, &byte, 1, 0), 0);
  close(fd);
  wait_for_holds(&listener, 1);
  close_listener(&listener);
  assert_int_equal(made, 0);
  tern_workers_free(workers);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_lives_from_the_first_listener_to_the_last),
      cmocka_unit_test(a_listener_that_cannot_be_watched_changes_nothing),
      cmocka_unit_test(sockets_on_their_way_count),
      cmocka_unit_test(a_busy_worker_gets_fewer),
      cmocka_unit_test(a_rate_is_kept),
      cmocka_unit_test(errors_of_one_connection_are_passed_over),
      cmocka_unit_test(errors_that_last_are_waited_out),
      cmocka_unit_test(a_listener_stays_until_its_sockets_are_taken_over),
      cmocka_unit_test(when_the_workers_have_stopped_connections_are_closed),
  };
  return cmocka_run_group_tests_name("acceptor", tests, NULL, NULL);
}
