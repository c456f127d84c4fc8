/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners and the acceptor, with real workers: who gets the connections, running out of descriptors, workers
 * that are behind, closing, socket files. Clients are plain blocking sockets of the test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/error.h>
#include <tern/listener.h>
#include <tern/transport.h>

#define WORKERS 4
#define MANY    400

/* ---- the server: echoes ---- */

struct echo {
  struct tern_protocol base;
  struct tern_transport *t;
};

static struct tern_workers *workers;
static _Atomic int factory_calls, lost_calls;
static _Atomic int calls_on[WORKERS];
static _Atomic bool hold_factory, refuse;

static void made(struct tern_protocol *protocol, struct tern_transport *t) {
  ((struct echo *)protocol)->t = t;
}

static void data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  (void)tern_transport_write(((struct echo *)protocol)->t, chunk->data, chunk->len);
}

static void lost(struct tern_protocol *protocol, int error) {
  (void)error;
  free(protocol);
  atomic_fetch_add(&lost_calls, 1); /* seq_cst: only counted, the test waits for the number */
}

static const struct tern_protocol_ops echo_ops = {
    .connection_made = made, .data_received = data, .connection_lost = lost};

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); }

static struct tern_protocol *new_echo(void *arg, struct tern_loop *loop) {
  if (strcmp(arg, "the argument") != 0) abort(); /* not an assertion: this is not the test's thread */
  while (atomic_load(&hold_factory))
    nap(); /* seq_cst: a switch the test throws */
  atomic_fetch_add(&factory_calls, 1);
  atomic_fetch_add(&calls_on[tern_worker_index(tern_worker_of(loop))], 1);
  if (atomic_load(&refuse)) return NULL;
  struct echo *echo = calloc(1, sizeof *echo);
  if (echo != NULL) echo->base.ops = &echo_ops;
  return echo != NULL ? &echo->base : NULL;
}

static int open_listener(const char *url, struct tern_listener **out) {
  static char argument[] = "the argument";
  return tern_listener_open(
      workers, &(struct tern_listener_options){.url = url, .factory = new_echo, .arg = argument}, out);
}

static int set_up_with(unsigned count) {
  const struct tern_workers_options options = {.count = count};
  assert_int_equal(tern_workers_new(&options, &workers), 0);
  assert_int_equal(tern_workers_start(workers), 0);
  factory_calls = lost_calls = 0;
  hold_factory = refuse = false;
  for (int i = 0; i < WORKERS; i++)
    calls_on[i] = 0;
  return 0;
}

static int set_up(void **state) {
  (void)state;
  return set_up_with(WORKERS);
}

static int set_up_one(void **state) {
  (void)state;
  return set_up_with(1);
}

static int tear_down(void **state) {
  (void)state;
  assert_int_equal(tern_workers_stop(workers, 5000), 0);
  tern_workers_free(workers);
  return 0;
}

/* ---- clients ---- */

static int connect_to(const struct tern_listener *listener) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  in.sin_port = htons(tern_listener_port(listener));
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  if (connect(fd, (struct sockaddr *)&in, sizeof in) != 0) {
    int error = -errno;
    close(fd);
    return error;
  }
  return fd;
}

/* Connects a socket that exists already. */
static void connect_fd(const struct tern_listener *listener, int fd) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  in.sin_port = htons(tern_listener_port(listener));
  assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
}

static int connect_unix(const char *path) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  if (connect(fd, (struct sockaddr *)&un, sizeof un) == 0) return fd;
  int error = -errno;
  close(fd);
  return error;
}

static void talk(int fd) {
  char answer[5] = "";
  assert_int_equal(send(fd, "hello", 5, MSG_NOSIGNAL), 5);
  assert_int_equal(recv(fd, answer, 5, MSG_WAITALL), 5);
  assert_memory_equal(answer, "hello", 5);
}

/* Waits until a number others count up has been reached; fails when it never is. */
static void wait_for(_Atomic int *count, int wanted) {
  for (int i = 0; i < 30000 && atomic_load(count) < wanted; i++)
    nap();
  assert_int_equal(atomic_load(count), wanted);
}

/* ---- tests ---- */

static void connections_are_served(void **state) {
  (void)state;
  struct tern_listener *listener;
  assert_int_equal(open_listener("tcp://127.0.0.1:0", &listener), 0);
  char url[64];
  snprintf(url, sizeof url, "tcp://127.0.0.1:%u", tern_listener_port(listener));
  assert_string_equal(tern_listener_url(listener), url);
  assert_true(tern_listener_port(listener) != 0);
  int fds[20];
  for (int i = 0; i < 20; i++)
    fds[i] = connect_to(listener);
  for (int i = 0; i < 20; i++)
    talk(fds[i]);
  for (int i = 0; i < 20; i++)
    close(fds[i]);
  wait_for(&lost_calls, 20);
  assert_int_equal(tern_listener_pauses(listener), 0);
  tern_listener_close(listener);
}

static void load_is_balanced(void **state) {
  (void)state;
  struct tern_listener *listener;
  assert_int_equal(open_listener("tcp://127.0.0.1:0", &listener), 0);
  int fds[MANY];
  for (int i = 0; i < MANY; i++)
    fds[i] = connect_to(listener);
  wait_for(&factory_calls, MANY);
  for (int i = 0; i < WORKERS; i++) {
    print_message("worker %d: %d\n", i, atomic_load(&calls_on[i]));
    assert_in_range(atomic_load(&calls_on[i]), MANY / WORKERS * 6 / 10, MANY / WORKERS * 14 / 10);
  }
  for (int i = 0; i < MANY; i++)
    close(fds[i]);
  wait_for(&lost_calls, MANY);
  tern_listener_close(listener);
}

static void a_refusal_ends_the_connection(void **state) {
  (void)state;
  struct tern_listener *listener;
  assert_int_equal(open_listener("tcp://127.0.0.1:0", &listener), 0);
  refuse = true;
  int fd = connect_to(listener);
  char byte;
  assert_int_equal(recv(fd, &byte, 1, 0), 0);
  close(fd);
  tern_listener_close(listener);
  assert_int_equal(lost_calls, 0);
}

static void urls_and_ports_in_use(void **state) {
  (void)state;
  struct tern_listener *listener, *second;
  assert_int_equal(open_listener("tcp://127.0.0.1", &listener), -EINVAL);
  assert_int_equal(open_listener("ftp://127.0.0.1:0", &listener), -EINVAL);
  assert_int_equal(open_listener("unix:///nonexistent/folder/s", &listener), -ENOENT);
  assert_int_equal(open_listener("tcp://localhost:0", &listener), 0);
  assert_int_equal(open_listener(tern_listener_url(listener), &second), -EADDRINUSE);
  tern_listener_close(listener);
}

static void closing_stops_the_factory(void **state) {
  (void)state;
  struct tern_listener *listener, *other;
  assert_int_equal(open_listener("tcp://127.0.0.1:0", &listener), 0);
  assert_int_equal(open_listener("tcp://127.0.0.1:0", &other), 0);
  int kept = connect_to(listener);
  talk(kept);
  uint16_t port = tern_listener_port(listener);
  int fds[100];
  for (int i = 0; i < 100; i++)
    fds[i] = connect_to(listener);
  tern_listener_close(listener);
  int calls = atomic_load(&factory_calls);
  assert_in_range(calls, 1, 101); /* those still in the kernel's backlog were not accepted */
  talk(kept);
  for (int i = 0; i < 100; i++)
    close(fds[i]);
  struct sockaddr_in in = {
      .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), -1);
  assert_int_equal(errno, ECONNREFUSED);
  close(fd);
  wait_for(&lost_calls, calls - 1);
  assert_int_equal(atomic_load(&factory_calls), calls);
  /* The other one goes on; and after the last one was closed a new one can be opened. */
  fd = connect_to(other);
  talk(fd);
  close(fd);
  tern_listener_close(other);
  assert_int_equal(open_listener("tcp://127.0.0.1:0", &other), 0);
  fd = connect_to(other);
  talk(fd);
  close(fd);
  tern_listener_close(other);
  close(kept);
}

/* Counts how often a text occurs in what was written to a file. */
static int occurrences(int fd, const char *text) {
  static char log[65536];
  ssize_t n = pread(fd, log, sizeof log - 1, 0);
  assert_true(n >= 0);
  log[n] = '\0';
  int count = 0;
  for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
    count++;
  return count;
}

/* No descriptors are left for the process: the limit is put right above those in use. */
static void exhaust_descriptors(struct rlimit *before) {
  assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
  int next = dup(STDOUT_FILENO);
  close(next);
  struct rlimit limit = {.rlim_cur = (rlim_t)next, .rlim_max = before->rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void running_out_of_descriptors(void **state) {
  (void)state;
  struct tern_listener *listener;
  assert_int_equal(open_listener("tcp://127.0.0.1:0", &listener), 0);
  int established = connect_to(listener);
  talk(established);
  int log = memfd_create("log", MFD_CLOEXEC), standard_error = dup(STDERR_FILENO);
  assert_true(log >= 0 && standard_error >= 0);
  for (int round = 1; round <= 2; round++) {
    int fds[10];
    for (int i = 0; i < 10; i++)
      fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    dup2(log, STDERR_FILENO);
    struct rlimit before;
    exhaust_descriptors(&before);
    for (int i = 0; i < 10; i++)
      connect_fd(listener, fds[i]);
    for (int i = 0; i < 30000 && tern_listener_pauses(listener) < (uint64_t)round; i++)
      nap();
    for (int i = 0; i < 200; i++)
      nap(); /* it is tried again several times, and counted once */
    talk(established);
    int calls = atomic_load(&factory_calls);
    setrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < 10; i++)
      talk(fds[i]);
    dup2(standard_error, STDERR_FILENO);
    assert_int_equal(tern_listener_pauses(listener), round);
    assert_int_equal(calls, 1 + 10 * (round - 1));
    assert_int_equal(occurrences(log, "Cannot accept connections"), round);
    for (int i = 0; i < 10; i++)
      close(fds[i]);
    wait_for(&lost_calls, 10 * round); /* and their descriptors are free again */
  }
  talk(established);
  close(established);
  close(log);
  close(standard_error);
  tern_listener_close(listener);
}

static void a_worker_that_is_behind(void **state) {
  (void)state;
  struct tern_listener *listener;
  struct rlimit limit;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlim_t soft = limit.rlim_cur;
  if (limit.rlim_cur < 4096) limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
  int count = limit.rlim_cur >= 4096 ? 1200 : 400; /* both ends are ours; enough to fill the ring */
  assert_int_equal(open_listener("tcp://127.0.0.1:0", &listener), 0);
  hold_factory = true;
  int *fds = calloc((size_t)count, sizeof *fds);
  assert_non_null(fds);
  for (int i = 0; i < count; i++) {
    fds[i] = connect_to(listener);
    assert_true(fds[i] >= 0);
  }
  for (int i = 0; i < 50; i++)
    nap();
  hold_factory = false;
  for (int i = 0; i < count; i++)
    talk(fds[i]);
  assert_int_equal(atomic_load(&factory_calls), count);
  for (int i = 0; i < count; i++)
    close(fds[i]);
  free(fds);
  wait_for(&lost_calls, count);
  tern_listener_close(listener);
  limit.rlim_cur = soft;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/* Leaves a socket file behind as a process that was killed does. */
static void leave_stale(const char *path) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
  close(fd);
}

static void socket_files(void **state) {
  (void)state;
  char folder[] = "/tmp/tern-listener-XXXXXX", url[64];
  assert_non_null(mkdtemp(folder));
  snprintf(url, sizeof url, "unix://%s/s", folder);
  const char *path = url + strlen("unix://");
  struct tern_listener *listener, *second;

  leave_stale(path);
  assert_int_equal(open_listener(url, &listener), 0);
  assert_string_equal(tern_listener_url(listener), url);
  assert_int_equal(tern_listener_port(listener), 0);
  int fd = connect_unix(path);
  assert_true(fd >= 0);
  talk(fd);
  assert_int_equal(open_listener(url, &second), -EADDRINUSE);
  talk(fd);
  close(fd);
  tern_listener_close(listener);
  assert_int_equal(access(path, F_OK), -1);

  /* What is not a socket stays. */
  fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  close(fd);
  assert_int_equal(open_listener(url, &listener), -EADDRINUSE);
  assert_int_equal(access(path, F_OK), 0);
  unlink(path);

  /* So does what somebody else has put there since. */
  assert_int_equal(open_listener(url, &listener), 0);
  unlink(path);
  leave_stale(path);
  tern_listener_close(listener);
  assert_int_equal(access(path, F_OK), 0);
  unlink(path);
  rmdir(folder);
}

/* As a system with net.ipv6.bindv6only makes them. */
static bool v6_only;

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);

int __wrap_socket(int family, int type, int protocol) {
  const int on = 1;
  int fd = __real_socket(family, type, protocol);
  if (fd >= 0 && family == AF_INET6 && v6_only)
    assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on), 0);
  return fd;
}

static void all_addresses_are_those_of_ipv4_too(void **state) {
  (void)state;
  struct tern_listener *listener;
  v6_only = true;
  int error = open_listener("tcp://[::]:0", &listener);
  v6_only = false;
  if (error == -EAFNOSUPPORT) skip(); /* no IPv6 at all */
  assert_int_equal(error, 0);
  int fd = connect_to(listener);
  assert_true(fd >= 0);
  talk(fd);
  close(fd);
  wait_for(&lost_calls, 1);
  tern_listener_close(listener);
}

/* The socket's file as it is between the steps of opening it. */
static const char *watched; /* its path; NULL: nobody looks */
static mode_t at_bind, at_listen;
static bool chmod_fails;

int __real_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);
int __real_chmod(const char *path, mode_t mode);
int __wrap_chmod(const char *path, mode_t mode);

static mode_t mode_of(const char *path) {
  struct stat st;
  assert_int_equal(lstat(path, &st), 0);
  return st.st_mode & 07777;
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len) {
  int result = __real_bind(fd, address, len);
  if (result == 0 && watched != NULL) at_bind = mode_of(watched);
  return result;
}

int __wrap_listen(int fd, int backlog) {
  if (watched != NULL) at_listen = mode_of(watched);
  return __real_listen(fd, backlog);
}

int __wrap_chmod(const char *path, mode_t mode) {
  if (!chmod_fails) return __real_chmod(path, mode);
  errno = EPERM;
  return -1;
}

static void socket_files_have_the_mode_that_was_asked_for(void **state) {
  (void)state;
  static const mode_t masks[] = {0, 022, 077, 0777}, modes[] = {0600, 0660, 0666, 0777, 0201};
  char folder[] = "/tmp/tern-listener-XXXXXX", url[64];
  assert_non_null(mkdtemp(folder));
  snprintf(url, sizeof url, "unix://%s/s", folder);
  const char *path = url + strlen("unix://");
  struct tern_listener *listener;
  struct tern_listener_options options = {.url = url, .factory = new_echo};
  const mode_t umask_before = umask(0);
  watched = path;
  for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
    umask(masks[i]);
    options.unix_mode = 0;
    assert_int_equal(tern_listener_open(workers, &options, &listener), 0);
    assert_int_equal(mode_of(path), 0777 & ~masks[i]);
    tern_listener_close(listener);
    for (size_t j = 0; j < sizeof modes / sizeof modes[0]; j++) {
      umask(0);
      if (j % 2 == 1) leave_stale(path); /* one that is replaced: whoever may not write to it cannot tell */
      umask(masks[i]);
      options.unix_mode = modes[j];
      assert_int_equal(tern_listener_open(workers, &options, &listener), 0);
      assert_int_equal(at_bind & ~modes[j], 0); /* never more */
      assert_int_equal(at_listen, modes[j]);    /* nobody can connect before that */
      assert_int_equal(mode_of(path), modes[j]);
      tern_listener_close(listener);
      assert_int_equal(access(path, F_OK), -1);
    }
  }
  umask(077);
  chmod_fails = true;
  assert_int_equal(tern_listener_open(workers, &options, &listener), -EPERM);
  chmod_fails = false;
  assert_int_equal(access(path, F_OK), -1);
  watched = NULL;
  umask(umask_before);
  options.url = "tcp://127.0.0.1:0"; /* has no file */
  assert_int_equal(tern_listener_open(workers, &options, &listener), 0);
  tern_listener_close(listener);
  rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(connections_are_served, set_up, tear_down),
      cmocka_unit_test_setup_teardown(load_is_balanced, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_refusal_ends_the_connection, set_up, tear_down),
      cmocka_unit_test_setup_teardown(urls_and_ports_in_use, set_up, tear_down),
      cmocka_unit_test_setup_teardown(closing_stops_the_factory, set_up, tear_down),
      cmocka_unit_test_setup_teardown(running_out_of_descriptors, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_worker_that_is_behind, set_up_one, tear_down),
      cmocka_unit_test_setup_teardown(all_addresses_are_those_of_ipv4_too, set_up, tear_down),
      cmocka_unit_test_setup_teardown(socket_files, set_up, tear_down),
      cmocka_unit_test_setup_teardown(socket_files_have_the_mode_that_was_asked_for, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
