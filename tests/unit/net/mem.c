/* SPDX-License-Identifier: Apache-2.0 */
/* The in-memory pair: the battery without faults and with several mixes of them, and resets on demand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <tern/limits.h>
#include <tern/transport.h>

#include "transport_battery.h"
#include "watch.h"

struct end {
  struct tern_protocol base;
  struct tern_transport *t;
  size_t got;
  int lost, error;
};

static void made(struct tern_protocol *protocol, struct tern_transport *t) {
  ((struct end *)protocol)->t = t;
}
static void data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  ((struct end *)protocol)->got += chunk->len;
}
static void lost(struct tern_protocol *protocol, int error) {
  ((struct end *)protocol)->lost++;
  ((struct end *)protocol)->error = error;
}
static const struct tern_protocol_ops ops = {
    .connection_made = made, .data_received = data, .connection_lost = lost};

static void reset_after_so_many_bytes(void **state) {
  (void)state;
  struct tern_loop *loop;
  assert_int_equal(tern_loop_new(&loop), 0);
  struct end a = {.base.ops = &ops}, b = {.base.ops = &ops};
  const struct tern_mem_faults faults = {.reset_after = 25, .write_max = 10};
  assert_int_equal(tern_mem_pair(loop, &a.base, &b.base, &faults, NULL), 0);
  assert_int_equal(tern_transport_write(a.t, "0123456789012345678901234567890", 31), 0);
  for (int i = 0; i < 20; i++)
    tern_loop_tick(loop, 0);
  assert_int_equal(a.lost, 1);
  assert_int_equal(a.error, -ECONNRESET);
  assert_int_equal(b.lost, 1);
  assert_int_equal(b.error, -ECONNRESET);
  assert_true(b.got >= 10 && b.got < 25); /* what was in flight went with the connection */
  tern_loop_free(loop);
}

static void delays_are_counted_in_ticks(void **state) {
  (void)state;
  struct tern_loop *loop;
  assert_int_equal(tern_loop_new(&loop), 0);
  struct end a = {.base.ops = &ops}, b = {.base.ops = &ops};
  const struct tern_mem_faults faults = {.delay_ticks = 3};
  assert_int_equal(tern_mem_pair(loop, &a.base, &b.base, &faults, NULL), 0);
  assert_int_equal(tern_transport_write(a.t, "x", 1), 0);
  tern_loop_tick(loop, 0); /* sent */
  for (int i = 0; i < 3; i++) {
    tern_loop_tick(loop, 0);
    assert_int_equal(b.got, 0);
  }
  tern_loop_tick(loop, 0);
  assert_int_equal(b.got, 1);
  tern_transport_abort(a.t, 0);
  for (int i = 0; i < 20; i++)
    tern_loop_tick(loop, 0);
  assert_int_equal(a.lost + b.lost, 2);
  assert_int_equal(b.error, 0);
  tern_loop_free(loop);
}

/* B1: what waits for a peer that takes nothing holds no read buffer, unless it fills a good part of one. */
static void check_copies_of_small_pieces(size_t size) {
  struct tern_loop *loop;
  assert_int_equal(tern_loop_new(&loop), 0);
  struct end a = {.base.ops = &ops}, b = {.base.ops = &ops};
  const struct tern_mem_faults faults = {.capacity = 1000};
  assert_int_equal(tern_mem_pair(loop, &a.base, &b.base, &faults, NULL), 0);
  tern_transport_pause_reading(b.t);
  struct tern_buf *buf = tern_buf_new(tern_loop_pool(loop), size);
  memset(tern_buf_data(buf), 'x', size);
  assert_int_equal(tern_transport_write_buf(a.t, buf, tern_buf_data(buf), 5000), 0);
  assert_true(tern_buf_is_shared(buf)); /* nothing is known against the peer yet */
  for (int i = 0; i < 5; i++)
    tern_loop_tick(loop, 0);
  tern_transport_abort(b.t, 0);
  for (int i = 0; i < 5; i++)
    tern_loop_tick(loop, 0);
  assert_false(tern_buf_is_shared(buf));

  struct end c = {.base.ops = &ops}, d = {.base.ops = &ops};
  assert_int_equal(tern_mem_pair(loop, &c.base, &d.base, &faults, NULL), 0);
  tern_transport_pause_reading(d.t);
  assert_int_equal(tern_transport_write(c.t, tern_buf_data(buf), 1900), 0);
  for (int i = 0; i < 5; i++)
    tern_loop_tick(loop, 0);
  assert_int_equal(tern_transport_write_buf(c.t, buf, tern_buf_data(buf), size / 5), 0);
  assert_false(tern_buf_is_shared(buf));
  assert_int_equal(tern_transport_write_buf(c.t, buf, tern_buf_data(buf), size / 2), 0);
  assert_true(tern_buf_is_shared(buf));
  tern_transport_resume_reading(d.t);
  for (int i = 0; i < 10000 && d.got < 1900 + size / 5 + size / 2; i++)
    tern_loop_tick(loop, 0);
  assert_int_equal(d.got, 1900 + size / 5 + size / 2);
  tern_transport_close(c.t);
  for (int i = 0; i < 20; i++)
    tern_loop_tick(loop, 0);
  assert_int_equal(c.lost + d.lost, 2);
  assert_false(tern_buf_is_shared(buf));
  tern_buf_unref(buf);
  tern_loop_free(loop);
}

static void a_blocked_transport_copies_small_pieces(void **state) {
  (void)state;
  check_copies_of_small_pieces(TERN_READ_BYTES);
  check_copies_of_small_pieces(TERN_READ_LARGE_BYTES);
}

/* ---- guarantee O2: records for other workers become visible before anything is written ---- */

static struct tern_transport *watched;
static size_t pending_at_publish;
static int publishes;

static void publish(void *arg) {
  (void)arg;
  publishes++;
  pending_at_publish = tern_transport_pending(watched);
}

static void O2_an_early_flush_publishes_first(void **state) {
  (void)state;
  struct tern_loop *loop;
  static const char bytes[TERN_FLUSH_EARLY_BYTES + 1];
  assert_int_equal(tern_loop_new(&loop), 0);
  const struct tern_loop_hooks hooks = {.publish = publish};
  tern__loop_set_hooks(loop, &hooks);
  struct end a = {.base.ops = &ops}, b = {.base.ops = &ops};
  const struct tern_mem_faults faults = {.capacity = sizeof bytes};
  assert_int_equal(tern_mem_pair(loop, &a.base, &b.base, &faults, NULL), 0);
  watched = a.t;
  publishes = 0;
  assert_int_equal(tern_transport_write(a.t, bytes, sizeof bytes - 1), 0);
  assert_int_equal(publishes, 0); /* exactly the bound waits for the end of the tick */
  assert_int_equal(tern_transport_pending(a.t), sizeof bytes - 1);
  assert_int_equal(tern_transport_write(a.t, bytes, 1), 0);
  assert_int_equal(publishes, 1);
  assert_int_equal(pending_at_publish, sizeof bytes);
  assert_int_equal(tern_transport_pending(a.t), 0);
  /* The buffer is full now: the next attempt finds that out, and then there are none until something was taken. */
  assert_int_equal(tern_transport_write(a.t, bytes, sizeof bytes), 0);
  assert_int_equal(publishes, 2);
  assert_int_equal(tern_transport_write(a.t, bytes, sizeof bytes), 0);
  assert_int_equal(publishes, 2);
  assert_int_equal(tern_transport_pending(a.t), 2 * sizeof bytes);
  const struct tern_loop_hooks none = {.publish = NULL};
  tern__loop_set_hooks(loop, &none);
  tern_transport_close(a.t);
  for (int i = 0; i < 100 && b.lost == 0; i++)
    tern_loop_tick(loop, 0);
  for (int i = 0; i < 10; i++)
    tern_loop_tick(loop, 0);
  assert_int_equal(a.lost + b.lost, 2);
  assert_int_equal(b.got, 3 * sizeof bytes);
  tern_loop_free(loop);
}

int main(void) {
  static const struct {
    const char *name;
    struct tern_mem_faults faults;
    size_t volume;
  } mixes[] = {
      {"mem", {0}, 4 << 20},
      {"mem, one byte at a time", {.read_max = 1, .write_max = 1}, 20000},
      {"mem, short reads and writes", {.read_max = 13, .write_max = 7}, 100000},
      {"mem, often nothing goes", {.eagain_every = 2}, 1 << 20},
      {"mem, late", {.delay_ticks = 3}, 1 << 20},
      {"mem, small buffer", {.capacity = 1000}, 1 << 20},
      {"mem, all of it",
       {.read_max = 100, .write_max = 70, .eagain_every = 3, .delay_ticks = 2, .capacity = 150},
       100000},
  };
  const struct CMUnitTest tests[] = {cmocka_unit_test(reset_after_so_many_bytes),
                                     cmocka_unit_test(delays_are_counted_in_ticks),
                                     cmocka_unit_test(a_blocked_transport_copies_small_pieces),
                                     cmocka_unit_test(O2_an_early_flush_publishes_first)};
  int failures = cmocka_run_group_tests_name("mem alone", tests, NULL, NULL);
  for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
    const struct battery_kind kind = {
        .name = mixes[i].name,
        .peer_kind = "mem",
        .connect = battery_connect_mem,
        .faults = &mixes[i].faults,
        .volume = mixes[i].volume,
        .bounded = mixes[i].faults.capacity != 0,
    };
    failures += battery_run(&kind);
  }
  return failures;
}
