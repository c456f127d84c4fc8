/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Line protocols over the in-memory pair: where lines begin and end, their bounds, and how they end.
 */
#include <tern/lines.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <tern/error.h>
#include <tern/transport.h>

#include <cmocka.h>

#define TICKS_MAX 20000

/* What the line protocol under test saw; there is one connection at a time. */
static struct {
  char lines[8192]; /* each followed by '|' */
  unsigned opened, closed;
  int error;
} seen;

static void opened(struct tern_line_protocol *self) {
  (void)self;
  seen.opened++;
}

static int line(struct tern_line_protocol *self, struct tern_slice text) {
  size_t len = strlen(seen.lines);
  snprintf(seen.lines + len, sizeof seen.lines - len, "%.*s|", (int)text.len, text.ptr);
  if (tern_slice_equal(text, tern_slice_of("close"))) tern_transport_close(self->transport);
  if (tern_slice_equal(text, tern_slice_of("fail"))) return -EBADMSG;
  if (tern_slice_equal(text, tern_slice_of("answer"))) return tern_line_send(self, "%s %d", "number", 1);
  if (tern_slice_equal(text, tern_slice_of("long")))
    return tern_line_send(self, "%*s", TERN_LINE_SEND_MAX_BYTES, "x");
  if (tern_slice_equal(text, tern_slice_of("too long")))
    return tern_line_send(self, "%*s", TERN_LINE_SEND_MAX_BYTES + 1, "x");
  return 0;
}

static void closed(struct tern_line_protocol *self, int error) {
  (void)self;
  seen.closed++;
  seen.error = error;
}

static struct tern_line_ops all_ops = {
    .size = sizeof(struct tern_line_protocol), .opened = opened, .line = line, .closed = closed};
static struct tern_line_ops line_only = {.size = sizeof(struct tern_line_protocol), .line = line};

/* The other end. */
struct peer {
  struct tern_protocol protocol;
  struct tern_transport *transport;
  char answers[4096];
  size_t len;
  bool lost;
};

static void peer_made(struct tern_protocol *protocol, struct tern_transport *transport) {
  ((struct peer *)protocol)->transport = transport;
}

static void peer_received(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  struct peer *peer = (struct peer *)protocol;
  assert_true(peer->len + chunk->len < sizeof peer->answers);
  memcpy(peer->answers + peer->len, chunk->data, chunk->len);
  peer->len += chunk->len;
}

static void peer_lost(struct tern_protocol *protocol, int error) {
  (void)error;
  ((struct peer *)protocol)->lost = true;
}

static const struct tern_protocol_ops peer_ops = {
    .connection_made = peer_made, .data_received = peer_received, .connection_lost = peer_lost};

/* Sends text, then ends its stream; runs until the connection is over. */
static void converse(struct peer *peer, struct tern_line_ops *ops, const char *text, size_t read_max) {
  struct tern_loop *loop;
  const struct tern_mem_faults faults = {.read_max = read_max};
  memset(&seen, 0, sizeof seen);
  *peer = (struct peer){.protocol = {&peer_ops}};
  assert_int_equal(tern_loop_new(&loop), 0);
  struct tern_protocol *protocol = tern_line_factory(ops, loop);
  assert_non_null(protocol);
  assert_int_equal(tern_mem_pair(loop, &peer->protocol, protocol, NULL, &faults), 0);
  assert_int_equal(tern_transport_write(peer->transport, text, strlen(text)), 0);
  tern_transport_write_eof(peer->transport);
  for (int ticks = 0; tern_loop_transports(loop) > 0 && ticks < TICKS_MAX; ticks++)
    tern_loop_tick(loop, 0);
  assert_int_equal(tern_loop_transports(loop), 0);
  tern_loop_free(loop);
}

static void lines_end_at_lf_with_or_without_cr(void **state) {
  (void)state;
  struct peer peer;
  for (size_t read_max = 1; read_max < 30; read_max++) {
    converse(&peer, &all_ops, "one\ntwo\r\n\n\r\nth\rree\n\r\r\nno end", read_max);
    assert_string_equal(seen.lines, "one|two|||th\rree|\r|");
    assert_int_equal(seen.opened, 1);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.error, 0);
  }
}

static void answers_get_an_lf(void **state) {
  (void)state;
  struct peer peer;
  converse(&peer, &line_only, "answer\nanswer\n", 0);
  assert_int_equal(peer.len, 18);
  assert_memory_equal(peer.answers, "number 1\nnumber 1\n", 18);
}

static void a_line_may_be_as_long_as_the_bound(void **state) {
  (void)state;
  struct peer peer;
  char text[TERN_LINE_MAX_BYTES + 3];
  for (size_t read_max = 0; read_max < 600; read_max += 500) {
    memset(text, 'x', sizeof text);
    memcpy(text + TERN_LINE_MAX_BYTES, "\n", 2);
    converse(&peer, &all_ops, text, read_max);
    assert_int_equal(strlen(seen.lines), TERN_LINE_MAX_BYTES + 1);
    assert_int_equal(seen.error, 0);
    memcpy(text + TERN_LINE_MAX_BYTES, "x\n", 3);
    converse(&peer, &all_ops, text, read_max);
    assert_string_equal(seen.lines, "");
    assert_int_equal(seen.error, TERN_ELIMIT);
  }
}

static void an_answer_may_be_as_long_as_the_bound(void **state) {
  (void)state;
  struct peer peer;
  converse(&peer, &all_ops, "long\n", 0);
  assert_int_equal(peer.len, TERN_LINE_SEND_MAX_BYTES + 1);
  assert_int_equal(peer.answers[TERN_LINE_SEND_MAX_BYTES], '\n');
  converse(&peer, &all_ops, "too long\n", 0);
  assert_int_equal(peer.len, 0);
  assert_int_equal(seen.error, TERN_ELIMIT);
}

static void an_error_aborts_and_nothing_more_is_handled(void **state) {
  (void)state;
  struct peer peer;
  converse(&peer, &all_ops, "fail\nnot seen\n", 0);
  assert_string_equal(seen.lines, "fail|");
  assert_int_equal(seen.error, -EBADMSG);
  assert_int_equal(seen.closed, 1);
}

static void close_in_a_handler_sends_what_is_queued(void **state) {
  (void)state;
  struct peer peer;
  converse(&peer, &all_ops, "answer\nclose\nnot seen\n", 0);
  assert_string_equal(seen.lines, "answer|close|");
  assert_int_equal(peer.len, 9);
  assert_int_equal(seen.error, 0);
  assert_true(peer.lost);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_end_at_lf_with_or_without_cr),
      cmocka_unit_test(answers_get_an_lf),
      cmocka_unit_test(a_line_may_be_as_long_as_the_bound),
      cmocka_unit_test(an_answer_may_be_as_long_as_the_bound),
      cmocka_unit_test(an_error_aborts_and_nothing_more_is_handled),
      cmocka_unit_test(close_in_a_handler_sends_what_is_queued),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
