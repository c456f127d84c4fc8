/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace wrapper: what it shows, in which order. That it changes nothing else is checked by the transport
 * battery, which runs over every kind of transport bare and traced.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <tern/error.h>
#include <tern/transport.h>

struct end {
  struct tern_protocol base;
  struct tern_transport *t;
  int lost;
};

static void made(struct tern_protocol *protocol, struct tern_transport *t) {
  ((struct end *)protocol)->t = t;
}

static void data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  struct end *end = (struct end *)protocol;
  assert_int_equal(tern_transport_write(end->t, chunk->data, chunk->len), 0);
}

static void lost(struct tern_protocol *protocol, int error) {
  (void)error;
  ((struct end *)protocol)->lost++;
}

static const struct tern_protocol_ops echo_ops = {
    .connection_made = made, .data_received = data, .connection_lost = lost};

static void ignore(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  (void)protocol;
  (void)chunk;
}

static const struct tern_protocol_ops plain_ops = {
    .connection_made = made, .data_received = ignore, .connection_lost = lost};

static char shown[1000];

static void show(void *arg, char direction, const char *bytes, size_t len) {
  size_t at = strlen(shown);
  assert_ptr_equal(arg, shown);
  int n = snprintf(shown + at, sizeof shown - at, "%c%.*s|", direction, (int)len, bytes);
  assert_true(n > 0 && (size_t)n < sizeof shown - at);
}

static struct tern_loop *loop;
static struct end traced, other;

static void ticks(void) {
  for (int i = 0; i < 20; i++)
    tern_loop_tick(loop, 0);
}

static int set_up(void **state) {
  (void)state;
  shown[0] = '\0';
  traced = (struct end){.base.ops = &echo_ops};
  other = (struct end){.base.ops = &plain_ops};
  return tern_loop_new(&loop);
}

static int tear_down(void **state) {
  (void)state;
  assert_int_equal(tern_loop_transports(loop), 0);
  tern_loop_free(loop);
  return 0;
}

static void connect_ends(void) {
  struct tern_protocol *wrapper = tern_trace_wrap(loop, &traced.base, show, shown);
  assert_non_null(wrapper);
  assert_int_equal(tern_mem_pair(loop, wrapper, &other.base, NULL, NULL), 0);
}

static void everything_that_passes(void **state) {
  (void)state;
  connect_ends();
  assert_int_equal(tern_transport_write(other.t, "PING", 4), 0);
  ticks();
  /* Small writes of one tick are one piece. */
  assert_int_equal(tern_transport_write(traced.t, "a", 1), 0);
  assert_int_equal(tern_transport_write(traced.t, "b", 1), 0);
  ticks();
  tern_transport_close(other.t);
  ticks();
  assert_int_equal(traced.lost, 1);
  assert_string_equal(shown, "*made|<PING|>PING|>ab|*eof|*end of output|*lost: in good order|");
}

static void aborts_and_their_reason(void **state) {
  (void)state;
  char expected[200];
  connect_ends();
  assert_int_equal(tern_transport_write(traced.t, "never sent", 10), 0);
  tern_transport_abort(traced.t, TERN_ESLOW);
  ticks();
  snprintf(expected, sizeof expected, "*made|*abort: %s|*lost: %s|", tern_strerror(TERN_ESLOW),
           tern_strerror(TERN_ESLOW));
  assert_string_equal(shown, expected);
}

static void a_trace_over_a_trace(void **state) {
  (void)state;
  struct tern_protocol *inner = tern_trace_wrap(loop, &traced.base, show, shown);
  struct tern_protocol *outer = tern_trace_wrap(loop, inner, show, shown);
  assert_non_null(outer);
  assert_int_equal(tern_mem_pair(loop, outer, &other.base, NULL, NULL), 0);
  assert_int_equal(tern_loop_transports(loop), 2);
  assert_int_equal(tern_transport_write(traced.t, "x", 1), 0);
  assert_int_equal(tern_transport_pending(traced.t), 1);
  assert_string_equal(tern_transport_peer(traced.t)->kind, "mem");
  tern_transport_close(traced.t);
  ticks();
  assert_int_equal(traced.lost, 1);
  assert_string_equal(shown,
                      "*made|*made|>x|*end of output|>x|*end of output|"
                      "*lost: in good order|*lost: in good order|");
}

static void no_connection_at_all(void **state) {
  (void)state;
  struct tern_protocol *wrapper = tern_trace_wrap(loop, &traced.base, show, shown);
  assert_non_null(wrapper);
  assert_int_equal(tern_connect(loop, "unix:///nonexistent/tern.sock", wrapper), -ENOENT);
  tern_trace_free(wrapper);
  assert_string_equal(shown, "");
  assert_int_equal(traced.lost, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(everything_that_passes, set_up, tear_down),
      cmocka_unit_test_setup_teardown(aborts_and_their_reason, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_trace_over_a_trace, set_up, tear_down),
      cmocka_unit_test_setup_teardown(no_connection_at_all, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
