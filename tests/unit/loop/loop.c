/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop on its own: edges, ready list, flush list, deferred calls, timers, members, read buffer; and what
 * may happen to a watch while others run (hazards 14 and 15).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tern/limits.h>
#include <tern/loop.h>
#include <unistd.h>

#include "container.h"
#include "loop_internal.h"

struct probe {
  struct tern_watch watch;
  struct tern_loop *loop;
  int runs;
  uint8_t seen;
  bool again;            /* put itself back */
  struct probe *removes; /* unwatch and close that one */
};

static void probe_run(struct tern_watch *watch) {
  struct probe *probe = tern_container(watch, struct probe, watch);
  assert_false(watch->queued);
  probe->runs++;
  probe->seen = watch->events;
  watch->events = 0;
  if (probe->again) tern__loop_ready(probe->loop, watch);
  if (probe->removes != NULL) {
    tern__loop_unwatch(probe->loop, &probe->removes->watch);
    close(probe->removes->watch.fd);
    probe->removes->watch.fd = -1;
    probe->removes = NULL;
  }
}

static int setup(void **state) {
  struct tern_loop *loop;
  if (tern_loop_new(&loop) != 0) return -1;
  *state = loop;
  return 0;
}

static int teardown(void **state) {
  tern_loop_free(*state);
  return 0;
}

static void socket_probe(struct tern_loop *loop, struct probe *probe, int *other) {
  int ends[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  *probe = (struct probe){.loop = loop, .watch = {.run = probe_run, .fd = ends[0]}};
  assert_int_equal(tern__loop_watch(loop, &probe->watch), 0);
  *other = ends[1];
}

static void drop_probe(struct probe *probe, int other) {
  tern__loop_unwatch(probe->loop, &probe->watch);
  if (probe->watch.fd >= 0) close(probe->watch.fd);
  close(other);
}

static void each_edge_is_reported_once(void **state) {
  struct tern_loop *loop = *state;
  struct probe probe;
  int other;
  socket_probe(loop, &probe, &other);
  tern_loop_tick(loop, 0);
  assert_int_equal(probe.runs, 1);
  assert_int_equal(probe.seen, TERN_WATCH_WRITE); /* writable from the start */
  tern_loop_tick(loop, 0);
  assert_int_equal(probe.runs, 1);
  assert_int_equal(write(other, "x", 1), 1);
  tern_loop_tick(loop, 1000);
  assert_int_equal(probe.runs, 2);
  assert_true(probe.seen & TERN_WATCH_READ);
  assert_false(probe.seen & TERN_WATCH_END);
  tern_loop_tick(loop, 0); /* unread, but no new edge */
  assert_int_equal(probe.runs, 2);
  shutdown(other, SHUT_WR);
  tern_loop_tick(loop, 1000);
  assert_int_equal(probe.runs, 3);
  assert_true(probe.seen & TERN_WATCH_END);
  drop_probe(&probe, other);
}

static void what_is_put_back_runs_next_tick_without_sleep(void **state) {
  struct tern_loop *loop = *state;
  struct probe probe = {.loop = loop, .watch = {.run = probe_run, .fd = -1}, .again = true};
  tern__loop_ready(loop, &probe.watch);
  tern__loop_ready(loop, &probe.watch); /* twice changes nothing */
  for (int i = 1; i <= 5; i++) {
    tern_loop_tick(loop, -1); /* would hang if it slept */
    assert_int_equal(probe.runs, i);
  }
  probe.again = false;
  tern_loop_tick(loop, -1);
  tern_loop_tick(loop, 0);
  assert_int_equal(probe.runs, 6);
}

static void ready_list_is_fair_and_survives_removal_anywhere(void **state) {
  struct tern_loop *loop = *state;
  struct probe probes[8];
  for (int gone = 0; gone < 8; gone++) {
    for (int i = 0; i < 8; i++) {
      probes[i] = (struct probe){.loop = loop, .watch = {.run = probe_run, .fd = -1}};
      tern__loop_ready(loop, &probes[i].watch);
    }
    tern__loop_unwatch(loop, &probes[gone].watch);
    if (gone == 7) tern__loop_ready(loop, &probes[7].watch); /* appending after the last was removed */
    tern_loop_tick(loop, 0);
    for (int i = 0; i < 8; i++)
      assert_int_equal(probes[i].runs, i != gone || gone == 7);
  }
}

/* Hazard 14: of two events fetched together the first removes the second's watch. */
static void event_of_a_removed_watch_is_not_delivered(void **state) {
  struct tern_loop *loop = *state;
  struct probe a, b;
  int other_a, other_b;
  socket_probe(loop, &a, &other_a);
  socket_probe(loop, &b, &other_b);
  a.removes = &b;
  b.removes = &a;
  tern_loop_tick(loop, 0); /* both are writable: whichever runs first removes the other */
  assert_int_equal(a.runs + b.runs, 1);
  struct probe *left = a.runs ? &a : &b;
  int left_other = a.runs ? other_a : other_b;
  struct probe c; /* takes over the closed number */
  int other_c;
  socket_probe(loop, &c, &other_c);
  tern_loop_tick(loop, 0);
  assert_int_equal(c.runs, 1);
  assert_int_equal(left->runs, 1);
  close(a.runs ? other_b : other_a);
  drop_probe(left, left_other);
  drop_probe(&c, other_c);
}

static void running_watch_can_remove_a_later_one_and_itself(void **state) {
  struct tern_loop *loop = *state;
  struct probe p[4];
  for (int i = 0; i < 4; i++) {
    p[i] = (struct probe){.loop = loop, .watch = {.run = probe_run, .fd = -1}};
    tern__loop_ready(loop, &p[i].watch);
  }
  p[0].removes = &p[3]; /* the last of the running list */
  p[1].again = true;
  p[1].removes = &p[1]; /* queued for the next tick, then removed */
  tern_loop_tick(loop, 0);
  assert_int_equal(p[0].runs, 1);
  assert_int_equal(p[1].runs, 1);
  assert_int_equal(p[2].runs, 1);
  assert_int_equal(p[3].runs, 0);
  tern__loop_ready(loop, &p[3].watch);
  tern_loop_tick(loop, 0);
  assert_int_equal(p[1].runs, 1);
  assert_int_equal(p[3].runs, 1);
}

/* ---- order of a tick ---- */

static char order[64];
static void note(const char *what) { strncat(order, what, sizeof order - strlen(order) - 1); }

struct everything {
  struct tern_loop *loop;
  struct tern_watch watch;
  struct tern_flush flush, second_flush;
  struct tern_deferred deferred, second_deferred;
  struct tern_timer timer;
};

static void note_watch(struct tern_watch *watch) {
  struct everything *e = tern_container(watch, struct everything, watch);
  note("w");
  tern__loop_dirty(e->loop, &e->flush);
}
static void note_flush(struct tern_flush *flush) {
  struct everything *e = tern_container(flush, struct everything, flush);
  note("f");
  tern__loop_dirty(e->loop, &e->second_flush);
}
static void note_second_flush(struct tern_flush *flush) {
  (void)flush;
  note("F");
}
static void note_timer(struct tern_timer *timer) {
  struct everything *e = tern_container(timer, struct everything, timer);
  note("t");
  tern_loop_defer(e->loop, &e->deferred);
}
static void note_deferred(struct tern_deferred *deferred) {
  struct everything *e = tern_container(deferred, struct everything, deferred);
  note("d");
  tern_loop_defer(e->loop, &e->second_deferred);
}
static void note_second_deferred(struct tern_deferred *deferred) {
  (void)deferred;
  note("D");
}
static bool hook_inbox(void *arg) {
  (void)arg;
  note("i");
  return false;
}
static void hook_publish(void *arg) {
  (void)arg;
  note("p");
}
static void hook_quiescent(void *arg) {
  (void)arg;
  note("q.");
}

static void tick_has_the_documented_order(void **state) {
  struct tern_loop *loop = *state;
  uint64_t clock = 5000;
  loop->simulated_ms = &clock;
  loop->now_ms = clock;
  tern__wheel_init(&loop->wheel, clock);
  const struct tern_loop_hooks hooks = {
      .inbox = hook_inbox, .publish = hook_publish, .quiescent = hook_quiescent};
  tern__loop_set_hooks(loop, &hooks);
  struct everything e = {.loop = loop,
                         .watch = {.run = note_watch, .fd = -1},
                         .flush = {.run = note_flush},
                         .second_flush = {.run = note_second_flush},
                         .deferred = {.call = note_deferred},
                         .second_deferred = {.call = note_second_deferred},
                         .timer = {.fired = note_timer}};
  order[0] = '\0';
  tern__loop_ready(loop, &e.watch);
  tern_timer_start(loop, &e.timer, 1);
  clock += 17;
  tern_loop_tick(loop, 0);
  /* publish comes once more before each flush: what a flush's callbacks send precedes later writes */
  assert_string_equal(order, "iwppfpFtdq.");
  tern_loop_tick(loop, -1); /* a deferred call waits: no sleep */
  assert_string_equal(order, "iwppfpFtdq.ipDq.");
}

static bool sleep_agrees(void *arg) {
  (void)arg;
  note("s");
  return true;
}
static bool woke_for_the_inbox(void *arg) {
  (void)arg;
  note("W");
  return true;
}

/* What another worker has sent is not flushed after another poll, nor behind another tick. */
static void who_is_woken_for_the_inbox_runs_it_in_that_tick(void **state) {
  struct tern_loop *loop = *state;
  const struct tern_loop_hooks hooks = {.inbox = hook_inbox,
                                        .publish = hook_publish,
                                        .quiescent = hook_quiescent,
                                        .may_sleep = sleep_agrees,
                                        .woke = woke_for_the_inbox};
  tern__loop_set_hooks(loop, &hooks);
  order[0] = '\0';
  tern__loop_wake(loop);
  tern_loop_tick(loop, -1);
  assert_string_equal(order, "isWipq.");
  tern_loop_tick(loop, 0); /* has not slept: once is enough */
  assert_string_equal(order, "isWipq.ipq.");
}

static void undirty_takes_off_the_flush_list(void **state) {
  struct tern_loop *loop = *state;
  struct everything e = {
      .loop = loop, .flush = {.run = note_second_flush}, .second_flush = {.run = note_second_flush}};
  order[0] = '\0';
  tern__loop_dirty(loop, &e.flush);
  tern__loop_dirty(loop, &e.second_flush);
  tern__loop_undirty(loop, &e.second_flush);
  tern__loop_undirty(loop, &e.second_flush);
  tern__loop_dirty(loop, &e.second_flush);
  tern__loop_undirty(loop, &e.flush);
  tern_loop_tick(loop, 0);
  assert_string_equal(order, "F");
}

/* ---- timers ---- */

struct timed {
  struct tern_timer timer;
  int fired;
  struct tern_loop *stops;
};
static void timed_fired(struct tern_timer *timer) {
  struct timed *timed = tern_container(timer, struct timed, timer);
  timed->fired++;
  if (timed->stops != NULL) tern_loop_stop(timed->stops);
}

static void loop_runs_until_a_timer_stops_it(void **state) {
  struct tern_loop *loop = *state;
  struct timed timed = {.timer = {.fired = timed_fired}, .stops = loop};
  tern_timer_start(loop, &timed.timer, 20);
  assert_true(tern_timer_is_started(&timed.timer));
  uint64_t before = tern_loop_now_ms(loop);
  tern_loop_run(loop);
  assert_int_equal(timed.fired, 1);
  assert_false(tern_timer_is_started(&timed.timer));
  assert_true(tern_loop_now_ms(loop) >= before + 20);
}

static void restart_moves_and_stop_cancels(void **state) {
  struct tern_loop *loop = *state;
  uint64_t clock = 1000;
  loop->simulated_ms = &clock;
  tern__wheel_init(&loop->wheel, clock);
  struct timed a = {.timer = {.fired = timed_fired}}, b = {.timer = {.fired = timed_fired}};
  tern_timer_start(loop, &a.timer, 10);
  tern_timer_start(loop, &a.timer, 5000);
  tern_timer_start(loop, &b.timer, 10);
  tern_timer_stop(loop, &b.timer);
  tern_timer_stop(loop, &b.timer);
  clock += 4000;
  tern_loop_tick(loop, 0);
  assert_int_equal(a.fired + b.fired, 0);
  clock += 1016;
  tern_loop_tick(loop, 0);
  assert_int_equal(a.fired, 1);
  assert_int_equal(b.fired, 0);
}

static volatile sig_atomic_t alarms;
static void on_alarm(int number) {
  (void)number;
  alarms++;
}

static void a_signal_ends_the_poll_and_nothing_else(void **state) {
  struct tern_loop *loop = *state;
  struct sigaction action = {.sa_handler = on_alarm}, before;
  sigaction(SIGALRM, &action, &before);
  ualarm(20000, 0);
  while (alarms == 0)
    tern_loop_tick(loop, 10000); /* interrupted: the tick goes on and ends */
  sigaction(SIGALRM, &before, NULL);
  struct probe probe = {.loop = loop, .watch = {.run = probe_run, .fd = -1}};
  tern__loop_ready(loop, &probe.watch);
  tern_loop_tick(loop, -1);
  assert_int_equal(probe.runs, 1);
}

static void wake_ends_the_sleep_every_time(void **state) {
  struct tern_loop *loop = *state;
  for (int i = 0; i < 3; i++) {
    tern__loop_wake(loop);
    tern_loop_tick(loop, -1); /* would hang if an edge were missed; the eventfd is never read */
  }
}

/* ---- members ---- */

struct member {
  struct tern_loop_member member;
  struct tern_loop *loop;
  int asked, error;
  bool leaves;
  struct member *takes_along;
};
static void member_shutdown(struct tern_loop_member *base, int error) {
  struct member *m = tern_container(base, struct member, member);
  m->asked++;
  m->error = error;
  if (m->takes_along != NULL) tern__loop_leave(&m->takes_along->member);
  if (m->leaves) tern__loop_leave(&m->member);
}

static void shutdown_reaches_each_member_once(void **state) {
  struct tern_loop *loop = *state;
  struct member m[5];
  for (int i = 0; i < 5; i++) {
    m[i] = (struct member){.member = {.shutdown = member_shutdown}, .loop = loop};
    tern__loop_join(loop, &m[i].member);
  }
  assert_int_equal(tern_loop_transports(loop), 5);
  m[1].leaves = true;
  m[4].takes_along = &m[0]; /* visited last joined first: 0 is still ahead */
  tern__loop_shutdown_members(loop, -7);
  assert_int_equal(m[0].asked, 0);
  for (int i = 1; i < 5; i++) {
    assert_int_equal(m[i].asked, 1);
    assert_int_equal(m[i].error, -7);
  }
  assert_int_equal(tern_loop_transports(loop), 3);
  for (int i = 2; i < 5; i++)
    tern__loop_leave(&m[i].member);
  assert_int_equal(tern_loop_transports(loop), 0);
}

static void read_buffer_is_shared_until_somebody_keeps_it(void **state) {
  struct tern_loop *loop = *state;
  struct tern_buf *first = tern__loop_read_buf(loop);
  assert_non_null(first);
  assert_true(tern_buf_size(first) >= TERN_READ_BYTES);
  assert_ptr_equal(tern__loop_read_buf(loop), first);
  tern_buf_ref(first);
  struct tern_buf *second = tern__loop_read_buf(loop);
  assert_ptr_not_equal(second, first);
  tern_buf_unref(first);
}

static size_t read_buf_size_after(struct tern_loop *loop, unsigned filled) {
  for (; filled > 0; filled--) {
    assert_non_null(tern__loop_read_buf(loop));
    tern__loop_read_filled(loop);
  }
  return tern_buf_size(tern__loop_read_buf(loop));
}

static void read_buffer_grows_where_it_is_filled_and_not_kept(void **state) {
  struct tern_loop *loop = *state;
  assert_int_equal(read_buf_size_after(loop, 1), TERN_READ_BYTES);
  assert_int_equal(read_buf_size_after(loop, 10), TERN_READ_LARGE_BYTES);
  struct tern_buf *large = tern__loop_read_buf(loop);
  assert_ptr_equal(tern__loop_read_buf(loop), large);
  tern_buf_ref(large);
  assert_int_equal(read_buf_size_after(loop, 10), TERN_READ_BYTES);
  tern_buf_unref(large);
  assert_int_equal(read_buf_size_after(loop, 100), TERN_READ_LARGE_BYTES);
}

static void idle_loop_gives_memory_back(void **state) {
  struct tern_loop *loop = *state;
  uint64_t clock = 1000;
  loop->simulated_ms = &clock;
  struct probe probe = {.loop = loop, .watch = {.run = probe_run, .fd = -1}};
  tern__loop_ready(loop, &probe.watch);
  tern__loop_read_buf(loop);
  tern_loop_tick(loop, 0);
  clock += 900;
  tern_loop_tick(loop, 0);
  assert_true(tern_pool_stats(tern_loop_pool(loop)).live_objects > 0);
  clock += 200;
  tern_loop_tick(loop, 0);
  assert_int_equal(tern_pool_stats(tern_loop_pool(loop)).live_objects, 0);
  assert_int_equal(tern_pool_stats(tern_loop_pool(loop)).held_bytes, 0);
}

int main(void) {
#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      LOOP_TEST(each_edge_is_reported_once),
      LOOP_TEST(what_is_put_back_runs_next_tick_without_sleep),
      LOOP_TEST(ready_list_is_fair_and_survives_removal_anywhere),
      LOOP_TEST(event_of_a_removed_watch_is_not_delivered),
      LOOP_TEST(running_watch_can_remove_a_later_one_and_itself),
      LOOP_TEST(tick_has_the_documented_order),
      LOOP_TEST(who_is_woken_for_the_inbox_runs_it_in_that_tick),
      LOOP_TEST(undirty_takes_off_the_flush_list),
      LOOP_TEST(loop_runs_until_a_timer_stops_it),
      LOOP_TEST(restart_moves_and_stop_cancels),
      LOOP_TEST(a_signal_ends_the_poll_and_nothing_else),
      LOOP_TEST(wake_ends_the_sleep_every_time),
      LOOP_TEST(shutdown_reaches_each_member_once),
      LOOP_TEST(read_buffer_is_shared_until_somebody_keeps_it),
      LOOP_TEST(read_buffer_grows_where_it_is_filled_and_not_kept),
      LOOP_TEST(idle_loop_gives_memory_back),
  };
  return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
