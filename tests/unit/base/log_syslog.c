/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams to a syslog of the test's own: a local socket and UDP, one that is not there yet, goes away, comes back, and one
 * that does not read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "log_syslog.h"

static char path[64];

static int listen_local(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
  return fd;
}

static int listen_udp(uint16_t *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  address.sin_port = htons(*port);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &len), 0);
  *port = ntohs(address.sin_port);
  return fd;
}

static void assert_receives(int fd, const char *want) {
  char text[64];
  struct timeval wait = {.tv_sec = 20};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  ssize_t n = recv(fd, text, sizeof text - 1, 0);
  assert_true(n >= 0);
  text[n] = '\0';
  assert_string_equal(text, want);
}

static void a_local_one_may_come_and_go(void **unused) {
  (void)unused;
  struct tern__log_syslog syslog;
  unlink(path);
  assert_int_equal(tern__log_syslog_open(&syslog, path), 0);
  assert_int_equal(tern__log_syslog_send(&syslog, "a", 1), -ENOENT);
  int fd = listen_local();
  assert_int_equal(tern__log_syslog_send(&syslog, "b", 1), 0);
  assert_receives(fd, "b");
  close(fd);
  assert_int_equal(tern__log_syslog_send(&syslog, "c", 1), -ECONNREFUSED);
  unlink(path);
  fd = listen_local();
  assert_int_equal(tern__log_syslog_send(&syslog, "d", 1), 0);
  assert_receives(fd, "d");
  close(fd);
  tern__log_syslog_close(&syslog);
}

static void one_that_does_not_read_is_waited_for_once(void **unused) {
  (void)unused;
  struct tern__log_syslog syslog;
  unlink(path);
  int fd = listen_local(), error = 0, sent = 0;
  assert_int_equal(tern__log_syslog_open(&syslog, path), 0);
  for (; error == 0 && sent < 100000; sent++)
    error = tern__log_syslog_send(&syslog, "line", 4);
  assert_int_equal(error, -EAGAIN);
  assert_true(syslog.failing); /* and so the next ones do not wait at all */
  assert_int_equal(tern__log_syslog_send(&syslog, "line", 4), -EAGAIN);
  assert_receives(fd, "line");
  assert_int_equal(tern__log_syslog_send(&syslog, "line", 4), 0);
  assert_false(syslog.failing);
  close(fd);
  tern__log_syslog_close(&syslog);
}

static void a_remote_one_may_come_and_go(void **unused) {
  (void)unused;
  struct tern__log_syslog syslog;
  char place[64];
  uint16_t port = 0;
  int fd = listen_udp(&port);
  snprintf(place, sizeof place, "udp://127.0.0.1:%u", port);
  assert_true(tern__log_syslog_is_remote(place));
  assert_int_equal(tern__log_syslog_open(&syslog, place), 0);
  assert_int_equal(tern__log_syslog_send(&syslog, "a", 1), 0);
  assert_receives(fd, "a");
  close(fd);
  assert_int_equal(tern__log_syslog_send(&syslog, "lost", 4), 0);
  int error = 0;
  for (int i = 0; i < 2000 && error == 0; i++) { /* the refusal comes after a moment */
    nanosleep(&(struct timespec){0, 5000000}, NULL);
    error = tern__log_syslog_send(&syslog, "lost", 4);
  }
  assert_int_equal(error, -ECONNREFUSED);
  fd = listen_udp(&port);
  for (int i = 0; i < 10 && tern__log_syslog_send(&syslog, "b", 1) != 0; i++) /* those lost before */
    ;
  assert_receives(fd, "b");
  close(fd);
  tern__log_syslog_close(&syslog);
}

static void places_that_are_none_are_refused(void **unused) {
  (void)unused;
  struct tern__log_syslog syslog;
  char longer[200];
  memset(longer, 'p', sizeof longer);
  longer[sizeof longer - 1] = '\0';
  assert_int_equal(tern__log_syslog_open(&syslog, ""), -EINVAL);
  assert_int_equal(tern__log_syslog_open(&syslog, longer), -EINVAL);
  assert_int_equal(tern__log_syslog_open(&syslog, "udp://127.0.0.1"), -EINVAL);
  assert_int_equal(tern__log_syslog_open(&syslog, "udp://:514"), -EINVAL);
  assert_int_equal(tern__log_syslog_open(&syslog, "udp://127.0.0.1:"), -EINVAL);
  assert_int_equal(tern__log_syslog_open(&syslog, "udp://127.0.0.1:x"), -EHOSTUNREACH);
  assert_int_equal(tern__log_syslog_open(&syslog, "udp://[not an address]:514"), -EHOSTUNREACH);
  assert_false(tern__log_syslog_is_remote("/dev/log"));
  if (tern__log_syslog_open(&syslog, "udp://[::1]:514") == 0) tern__log_syslog_close(&syslog);
}

static int make_path(void **unused) {
  (void)unused;
  char dir[] = "/tmp/tern-syslog-XXXXXX";
  if (mkdtemp(dir) == NULL) return -1;
  snprintf(path, sizeof path, "%s/log", dir);
  return 0;
}

static int remove_path(void **unused) {
  (void)unused;
  unlink(path);
  *strrchr(path, '/') = '\0';
  return rmdir(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_local_one_may_come_and_go),
      cmocka_unit_test(one_that_does_not_read_is_waited_for_once),
      cmocka_unit_test(a_remote_one_may_come_and_go),
      cmocka_unit_test(places_that_are_none_are_refused),
  };
  return cmocka_run_group_tests(tests, make_path, remove_path);
}
