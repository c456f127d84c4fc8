/* SPDX-License-Identifier: Apache-2.0 */
/* TCP transports: the battery over IPv4 and IPv6, and what only TCP has: addresses and refused connections. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/error.h>
#include <tern/transport.h>

#include "transport_battery.h"
#include "watch.h"

static int made_calls, lost_calls, lost_error;

static void made(struct tern_protocol *protocol, struct tern_transport *t) {
  (void)protocol;
  (void)t;
  made_calls++;
}
static void data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  (void)protocol;
  (void)chunk;
  fail();
}
static void lost(struct tern_protocol *protocol, int error) {
  (void)protocol;
  lost_calls++;
  lost_error = error;
}
static const struct tern_protocol_ops ops = {
    .connection_made = made, .data_received = data, .connection_lost = lost};

static void bad_urls(void **state) {
  (void)state;
  static const char *const urls[] = {
      "",
      "tcp:",
      "tcp://",
      "tcp://127.0.0.1",
      "tcp://127.0.0.1:",
      "http://x/",
      "tcp://:4222",
      "tcp://[::1]4222",
      "tcp://[::1:4222",
      "tcp://127.0.0.1:99999",
      "unix://",
      "127.0.0.1:4222",
      "tcp://a b:1",
      "tcp://127.0.0.1:-1",
      "tcp://127.0.0.1:12x",
      "tcp://::1:4222",
  };
  struct tern_loop *loop;
  assert_int_equal(tern_loop_new(&loop), 0);
  struct tern_protocol protocol = {&ops};
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    print_message("%s\n", urls[i]);
    assert_int_equal(tern_connect(loop, urls[i], &protocol), -EINVAL);
  }
  assert_int_equal(tern_loop_transports(loop), 0);
  tern_loop_free(loop);
}

/* A port that was free a moment ago: nobody listens there. */
static void refused(void **state) {
  (void)state;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof in;
  assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
  /* Bound and not listening, so that nobody else gets it meanwhile. */
  char url[64];
  snprintf(url, sizeof url, "tcp://127.0.0.1:%u", ntohs(in.sin_port));
  struct tern_loop *loop;
  assert_int_equal(tern_loop_new(&loop), 0);
  struct tern_protocol protocol = {&ops};
  made_calls = lost_calls = lost_error = 0;
  int error = tern_connect(loop, url, &protocol);
  for (int i = 0; i < 1000 && error == 0 && lost_calls == 0; i++)
    tern_loop_tick(loop, 10);
  assert_int_equal(error == 0 ? lost_error : error, -ECONNREFUSED);
  assert_int_equal(lost_calls, error == 0);
  assert_int_equal(made_calls, 0);
  assert_int_equal(tern_loop_transports(loop), 0);
  tern_loop_free(loop);
  close(fd);
}

/* The loop goes down while connecting is under way. */
static void shut_down_while_connecting(void **state) {
  (void)state;
  struct tern_loop *loop;
  assert_int_equal(tern_loop_new(&loop), 0);
  struct tern_protocol protocol = {&ops};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof in;
  assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
  assert_int_equal(listen(fd, 1), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
  char url[64];
  snprintf(url, sizeof url, "tcp://127.0.0.1:%u", ntohs(in.sin_port));
  made_calls = lost_calls = 0;
  assert_int_equal(tern_connect(loop, url, &protocol), 0);
  assert_int_equal(tern_loop_transports(loop), 1);
  tern__loop_shutdown_members(loop, 0);
  assert_int_equal(lost_calls, 0);
  for (int i = 0; i < 5; i++)
    tern_loop_tick(loop, 0);
  assert_int_equal(made_calls, 0);
  assert_int_equal(lost_calls, 1);
  assert_int_equal(lost_error, TERN_ESHUTDOWN);
  assert_int_equal(tern_loop_transports(loop), 0);
  tern_loop_free(loop);
  close(fd);
}

static bool have_ipv6(void) {
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  bool have = fd >= 0 && bind(fd, (struct sockaddr *)&in6, sizeof in6) == 0;
  if (fd >= 0) close(fd);
  return have;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(bad_urls), cmocka_unit_test(refused),
                                     cmocka_unit_test(shut_down_while_connecting)};
  const struct battery_kind tcp = {
      .name = "tcp", .peer_kind = "tcp", .connect = battery_connect_tcp, .volume = 4 << 20, .bounded = true};
  const struct battery_kind tcp6 = {.name = "tcp6",
                                    .peer_kind = "tcp",
                                    .connect = battery_connect_tcp6,
                                    .volume = 1 << 20,
                                    .bounded = true};
  int failures = cmocka_run_group_tests_name("tcp alone", tests, NULL, NULL) + battery_run(&tcp);
  if (have_ipv6())
    failures += battery_run(&tcp6);
  else
    print_message("this system has no IPv6: not tested over it\n");
  return failures;
}
