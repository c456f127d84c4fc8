/* SPDX-License-Identifier: Apache-2.0 */
/* All addresses, with and without IPv6. */
#include "wildcard.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

static bool no_sockets, no_binding;
static int opened;

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);

/* A socket that is there on every machine in place of one of IPv6. */
int __wrap_socket(int family, int type, int protocol) {
  (void)protocol;
  assert_int_equal(family, AF_INET6);
  errno = EAFNOSUPPORT;
  return no_sockets ? -1 : (opened = __real_socket(AF_UNIX, type, 0));
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
  (void)level, (void)name, (void)value, (void)len;
  assert_int_equal(fd, opened);
  return 0;
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len) {
  (void)address, (void)len;
  assert_int_equal(fd, opened);
  errno = EADDRNOTAVAIL;
  return no_binding ? -1 : 0;
}

static void all_addresses(void **state) {
  (void)state;
  assert_string_equal(wildcard_host("0.0.0.0"), "::");
  assert_int_equal(fcntl(opened, F_GETFD), -1); /* closed */
  no_binding = true;
  assert_string_equal(wildcard_host("0.0.0.0"), "0.0.0.0");
  assert_int_equal(fcntl(opened, F_GETFD), -1);
  no_sockets = true;
  assert_string_equal(wildcard_host("0.0.0.0"), "0.0.0.0");
}

static void others_are_what_they_are(void **state) {
  (void)state;
  static const char *const hosts[] = {"127.0.0.1", "::", "::1", "localhost", ""};
  for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
    assert_ptr_equal(wildcard_host(hosts[i]), hosts[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_addresses),
                                     cmocka_unit_test(others_are_what_they_are)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
