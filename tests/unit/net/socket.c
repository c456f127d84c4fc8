/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What TCP and Unix-domain sockets have in common, where the battery does not look: taking an accepted socket over
 * and failing to, sharing the loop (one read a turn, a bounded write a tick), ends in bad order on both sides, and
 * no memory to read into; and how many system calls a connection costs (they are wrapped by the linker). The peer is a
 * plain socket of the test's own; nothing happens but in the loop's ticks.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/error.h>
#include <tern/limits.h>

#include "pool.h"
#include "socket.h"

#define TICKS_MAX 1000
#define PLENTY    (8 << 20) /* more than any socket buffer takes */

/* The protocol of our end; counts what it is told. */
struct end {
  struct tern_protocol protocol;
  struct tern_transport *t;
  size_t received, calls, most; /* bytes; data_received calls, and the longest */
  unsigned made, lost, eofs;
  int error;
};

/* System calls on one descriptor. */
static struct calls {
  int fd; /* -1: none is looked at */
  unsigned epoll_ctl, send, recv, shutdown, close, others;
} calls = {.fd = -1};

int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __real_recv(int fd, void *to, size_t len, int flags);
int __real_shutdown(int fd, int how);
int __real_close(int fd);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t len, int flags);
int __wrap_shutdown(int fd, int how);
int __wrap_close(int fd);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event) {
  calls.epoll_ctl += fd == calls.fd;
  return __real_epoll_ctl(epoll, what, fd, event);
}
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags) {
  calls.send += fd == calls.fd;
  return __real_send(fd, data, len, flags);
}
ssize_t __wrap_recv(int fd, void *to, size_t len, int flags) {
  calls.recv += fd == calls.fd;
  return __real_recv(fd, to, len, flags);
}
int __wrap_shutdown(int fd, int how) {
  calls.shutdown += fd == calls.fd;
  return __real_shutdown(fd, how);
}
int __wrap_close(int fd) {
  calls.close += fd == calls.fd;
  return __real_close(fd);
}
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len) {
  calls.others += fd == calls.fd;
  return __real_getsockopt(fd, level, name, value, len);
}
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
  calls.others += fd == calls.fd;
  return __real_setsockopt(fd, level, name, value, len);
}

static struct tern_loop *loop;
static char plenty[PLENTY];

static void on_made(struct tern_protocol *protocol, struct tern_transport *t) {
  struct end *end = (struct end *)protocol;
  end->t = t;
  end->made++;
}
static void on_data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  struct end *end = (struct end *)protocol;
  end->received += chunk->len;
  end->calls++;
  if (chunk->len > end->most) end->most = chunk->len;
}
static bool on_eof(struct tern_protocol *protocol) {
  ((struct end *)protocol)->eofs++;
  return true; /* goes on sending */
}
static void on_lost(struct tern_protocol *protocol, int error) {
  struct end *end = (struct end *)protocol;
  end->t = NULL;
  end->lost++;
  end->error = error;
}
static const struct tern_protocol_ops end_ops = {
    .connection_made = on_made, .data_received = on_data, .eof_received = on_eof, .connection_lost = on_lost};

static int set_up(void **state) {
  (void)state;
  return tern_loop_new(&loop);
}

static int tear_down(void **state) {
  (void)state;
  tern__pool_fault = NULL;
  assert_int_equal(tern_loop_transports(loop), 0);
  tern_loop_free(loop); /* aborts when its pool still holds anything */
  return 0;
}

static unsigned factory_calls;

static struct tern_protocol *factory(void *arg, struct tern_loop *of) {
  assert_ptr_equal(of, loop);
  factory_calls++;
  return arg;
}

static void tcp_pair(int fds[2]) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof in;
  int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(listening, (struct sockaddr *)&in, sizeof in), 0);
  assert_int_equal(listen(listening, 1), 0);
  assert_int_equal(getsockname(listening, (struct sockaddr *)&in, &len), 0);
  fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(fds[1], (struct sockaddr *)&in, sizeof in), 0);
  fds[0] = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  assert_true(fds[0] >= 0);
  close(listening);
}

static struct tern__address tcp_peer(void) {
  struct tern__address peer;
  assert_int_equal(tern__url_parse("tcp://127.0.0.1:4711", false, &peer), 0);
  return peer;
}

/* Takes over one end of a TCP connection; the other one is returned, and does not block. */
static int take_over(struct end *end) {
  int fds[2];
  tcp_pair(fds);
  struct tern__address peer = tcp_peer();
  *end = (struct end){.protocol.ops = &end_ops};
  assert_int_equal(tern__socket_accepted(loop, fds[0], &peer, factory, &end->protocol), 0);
  assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
  return fds[1];
}

static void ticks_until_lost(struct end *end) {
  for (unsigned i = 0; i < TICKS_MAX && end->lost == 0; i++)
    tern_loop_tick(loop, 1);
  assert_int_equal(end->lost, 1);
}

/* Closes both ends in good order. */
static void part(struct end *end, int fd) {
  close(fd);
  if (end->t != NULL) tern_transport_close(end->t);
  ticks_until_lost(end);
}

/* ---- taking over ---- */

static void an_accepted_socket_gets_its_protocol_at_once(void **state) {
  (void)state;
  struct end end;
  factory_calls = 0;
  int fd = take_over(&end);
  assert_int_equal(factory_calls, 1);
  assert_int_equal(end.made, 1);
  const struct tern_peer *peer = tern_transport_peer(end.t);
  assert_string_equal(peer->kind, "tcp");
  assert_string_equal(peer->address, "127.0.0.1");
  assert_int_equal(peer->port, 4711);
  part(&end, fd);
  assert_int_equal(end.error, 0);
}

static int no_memory(size_t size) {
  (void)size;
  return 1;
}

/* Whatever fails, the socket is closed, and no protocol hears of it. */
static void what_cannot_be_taken_over_is_closed(void **state) {
  (void)state;
  struct tern__address peer = tcp_peer();
  char byte;
  for (int failure = 0; failure < 3; failure++) {
    int fds[2];
    tcp_pair(fds);
    if (failure == 2) { /* plain files cannot be watched */
      FILE *file = tmpfile();
      assert_non_null(file);
      assert_int_equal(dup3(fileno(file), fds[0], O_CLOEXEC), fds[0]);
      fclose(file);
    }
    factory_calls = 0;
    tern__pool_fault = failure == 0 ? no_memory : NULL;
    int error = tern__socket_accepted(loop, fds[0], &peer, factory, NULL);
    tern__pool_fault = NULL;
    assert_int_equal(error, failure == 0 ? -ENOMEM : failure == 1 ? TERN_ECLOSED : -EPERM);
    assert_int_equal(factory_calls, failure == 1); /* which refused */
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    assert_int_equal(recv(fds[1], &byte, 1, 0), 0);
    assert_int_equal(tern_loop_transports(loop), 0);
    close(fds[1]);
  }
}

/* ---- sharing the loop ---- */

static void send_plenty(int fd) {
  while (send(fd, plenty, PLENTY, MSG_NOSIGNAL) > 0)
    continue;
  assert_int_equal(errno, EAGAIN);
}

static void each_turn_reads_once(void **state) {
  (void)state;
  struct end busy[2], other;
  int busy_fd[2] = {take_over(&busy[0]), take_over(&busy[1])}, other_fd = take_over(&other);
  tern_loop_tick(loop, 0);
  send_plenty(busy_fd[0]);
  send_plenty(busy_fd[1]);
  assert_int_equal(send(other_fd, "x", 1, 0), 1);
  for (unsigned turn = 1; turn <= 3; turn++) {
    tern_loop_tick(loop, 0);
    for (unsigned i = 0; i < 2; i++) {
      assert_int_equal(busy[i].calls, turn);
      assert_in_range(busy[i].most, 1, TERN_READ_LARGE_BYTES);
    }
    assert_int_equal(other.received, 1);
  }
  for (unsigned i = 0; i < 2; i++)
    part(&busy[i], busy_fd[i]);
  part(&other, other_fd);
}

static void paused_reading_leaves_everything_with_the_kernel(void **state) {
  (void)state;
  struct end end;
  int fd = take_over(&end);
  tern_transport_pause_reading(end.t);
  assert_int_equal(send(fd, "abc", 3, 0), 3);
  for (unsigned i = 0; i < 10; i++)
    tern_loop_tick(loop, 0);
  assert_int_equal(end.received, 0);
  tern_transport_resume_reading(end.t); /* the edge was seen long ago */
  assert_int_equal(end.received, 0);    /* never from inside */
  tern_loop_tick(loop, 0);
  assert_int_equal(end.received, 3);
  part(&end, fd);
}

/* A peer that reads as fast as it is written to must not have the loop for itself. */
static void a_flush_writes_so_much_and_no_more(void **state) {
  (void)state;
  struct end end;
  int fd = take_over(&end);
  int size = PLENTY;
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
  struct tern_buf *buf = tern_buf_new(tern_loop_pool(loop), PLENTY);
  assert_non_null(buf);
  memset(tern_buf_data(buf), 'x', PLENTY);
  assert_int_equal(tern_transport_write_buf(end.t, buf, tern_buf_data(buf), PLENTY), 0);
  tern_buf_unref(buf);
  size_t most = (size_t)4 * TERN__CHAIN_WRITE_BYTES, received = 0;
  unsigned ticks = 0, large = 0;
  while (tern_transport_pending(end.t) > 0) {
    size_t before = tern_transport_pending(end.t);
    tern_loop_tick(loop, 0);
    size_t moved = before - tern_transport_pending(end.t);
    assert_true(moved < most + TERN__CHAIN_WRITE_BYTES);
    large += moved >= most;
    assert_true(++ticks < 100000);
    for (ssize_t n; (n = recv(fd, plenty, PLENTY, 0)) > 0;)
      received += (size_t)n;
  }
  assert_true(large > 0); /* the bound was met at least once, or this shows nothing */
  for (ssize_t n; received < PLENTY && (n = recv(fd, plenty, PLENTY, 0)) > 0;)
    received += (size_t)n;
  assert_int_equal(received, PLENTY);
  part(&end, fd);
}

/* ---- ends ---- */

static void aborting_resets_the_connection(void **state) {
  (void)state;
  struct end end;
  char byte;
  int fd = take_over(&end);
  tern_transport_abort(end.t, TERN_ESLOW);
  ticks_until_lost(&end);
  assert_int_equal(end.error, TERN_ESLOW);
  assert_int_equal(recv(fd, &byte, 1, 0), -1);
  assert_int_equal(errno, ECONNRESET);
  close(fd);
}

static void closing_in_good_order_does_not(void **state) {
  (void)state;
  struct end end;
  char bytes[3];
  int fd = take_over(&end);
  assert_int_equal(tern_transport_write(end.t, "bye", 3), 0);
  tern_transport_close(end.t);
  tern_loop_tick(loop, 0);
  assert_int_equal(recv(fd, bytes, 3, 0), 3);
  assert_int_equal(recv(fd, bytes, 3, 0), 0);
  part(&end, fd);
  assert_int_equal(end.error, 0);
}

static void reset(int fd) {
  const struct linger at_once = {.l_onoff = 1};
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  close(fd);
}

/* A peer that has finished sending and then goes away for good: there is nothing to read that would tell. */
static void a_reset_after_the_end_of_input_is_noticed(void **state) {
  (void)state;
  struct end end;
  int fd = take_over(&end);
  assert_int_equal(shutdown(fd, SHUT_WR), 0);
  for (unsigned i = 0; i < TICKS_MAX && end.eofs == 0; i++)
    tern_loop_tick(loop, 1);
  assert_int_equal(end.eofs, 1);
  assert_int_equal(end.lost, 0);
  /* our bytes lie there unread when it goes */
  assert_int_equal(tern_transport_write(end.t, "xyz", 3), 0);
  tern_loop_tick(loop, 0);
  reset(fd);
  ticks_until_lost(&end);
  assert_in_range(-end.error, 1, 4095); /* ECONNRESET or EPIPE */
  assert_int_equal(end.eofs, 1);
}

/* A client comes, is greeted, says something, is answered, and leaves. */
static void a_short_life_costs_few_system_calls(void **state) {
  (void)state;
  static const struct tern_protocol_ops short_ops = {
      .connection_made = on_made, .data_received = on_data, .connection_lost = on_lost};
  char bytes[8];
  int fds[2];
  tcp_pair(fds);
  struct tern__address peer = tcp_peer();
  struct end end = {.protocol.ops = &short_ops};
  calls = (struct calls){.fd = fds[0]};
  assert_int_equal(tern__socket_accepted(loop, fds[0], &peer, factory, &end.protocol), 0);
  assert_int_equal(tern_transport_write(end.t, "INFO", 4), 0);
  tern_loop_tick(loop, 0);
  assert_int_equal(recv(fds[1], bytes, 4, MSG_WAITALL), 4);
  assert_int_equal(send(fds[1], "PING", 4, 0), 4);
  for (unsigned i = 0; i < TICKS_MAX && end.received < 4; i++)
    tern_loop_tick(loop, 1);
  assert_int_equal(tern_transport_write(end.t, "PONG", 4), 0);
  tern_loop_tick(loop, 0);
  assert_int_equal(recv(fds[1], bytes, 4, MSG_WAITALL), 4);
  close(fds[1]);
  ticks_until_lost(&end);
  assert_int_equal(end.error, 0);
  assert_int_equal(calls.epoll_ctl, 2);
  assert_int_equal(calls.send, 2);
  assert_int_equal(calls.recv, 2); /* the second one says that it has left */
  assert_int_equal(calls.close, 1);
  assert_int_equal(calls.shutdown + calls.others, 0);
  calls.fd = -1;
}

/* Our end of the stream is said by close alone, when the peer's has come. */
static void the_peer_that_ended_first_sees_our_end(void **state) {
  (void)state;
  struct end end;
  char bytes[8];
  int fd = take_over(&end);
  assert_int_equal(shutdown(fd, SHUT_WR), 0);
  for (unsigned i = 0; i < TICKS_MAX && end.eofs == 0; i++)
    tern_loop_tick(loop, 1);
  assert_int_equal(tern_transport_write(end.t, "last", 4), 0);
  tern_transport_close(end.t);
  ticks_until_lost(&end);
  assert_int_equal(end.error, 0);
  assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
  assert_int_equal(recv(fd, bytes, sizeof bytes, MSG_WAITALL), 4);
  assert_int_equal(recv(fd, bytes, sizeof bytes, 0), 0);
  close(fd);
}

static void a_reset_while_open_is_the_end(void **state) {
  (void)state;
  struct end end;
  int fd = take_over(&end);
  reset(fd);
  ticks_until_lost(&end);
  assert_int_equal(end.error, -ECONNRESET);
  assert_int_equal(end.eofs, 0); /* it has not finished in good order */
}

static void without_memory_to_read_into_the_connection_ends(void **state) {
  (void)state;
  struct end end, other;
  int fd = take_over(&end), other_fd = take_over(&other);
  assert_int_equal(send(fd, "abc", 3, 0), 3);
  tern__pool_fault = no_memory;
  for (unsigned i = 0; i < 10 && end.lost == 0; i++)
    tern_loop_tick(loop, 1);
  tern__pool_fault = NULL;
  assert_int_equal(end.lost, 1);
  assert_int_equal(end.error, -ENOMEM);
  assert_int_equal(send(other_fd, "abc", 3, 0), 3); /* this one had nothing to read then */
  tern_loop_tick(loop, 1);
  assert_int_equal(other.received, 3);
  part(&other, other_fd);
  close(fd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(an_accepted_socket_gets_its_protocol_at_once, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_cannot_be_taken_over_is_closed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(each_turn_reads_once, set_up, tear_down),
      cmocka_unit_test_setup_teardown(paused_reading_leaves_everything_with_the_kernel, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_flush_writes_so_much_and_no_more, set_up, tear_down),
      cmocka_unit_test_setup_teardown(aborting_resets_the_connection, set_up, tear_down),
      cmocka_unit_test_setup_teardown(closing_in_good_order_does_not, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_reset_after_the_end_of_input_is_noticed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_short_life_costs_few_system_calls, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_peer_that_ended_first_sees_our_end, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_reset_while_open_is_the_end, set_up, tear_down),
      cmocka_unit_test_setup_teardown(without_memory_to_read_into_the_connection_ends, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("socket", tests, NULL, NULL);
}
