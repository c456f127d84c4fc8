/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounds of a client connection, on simulated workers: what happens at each bound, to whom, and that the others do
 * not notice. The clock stands still until a test moves it, and every worker runs only when a test says so, so that
 * "the subscriber leaves while the message is on its way" is a sequence of steps, not a matter of luck.
 *
 *     worker 1:  INBOX ............................. READY: sees the subscriber's end of stream   next INBOX: too late
 *     worker 0:          whole tick: publishes to 1                                               gets UNTAKEN back
 */
#include "fixture.h"

#define BIG_BODY    8000
#define FLOW        80 /* messages of 1000 bytes that a client's socket takes at once; a ring does not */
#define NOBODY(sid) "HMSG in " sid " 39 39\r\nNATS/1.0 503\r\nNats-Subject: service\r\n\r\n\r\n"

/* Publishes BIG_BODY bytes to "big". */
static void say_big(struct sim_client *c) {
  static char frame[BIG_BODY + 64];
  int head = snprintf(frame, sizeof frame, "PUB big %d\r\n", BIG_BODY);
  memset(frame + head, 'B', BIG_BODY);
  memcpy(frame + head + BIG_BODY, "\r\n", 2);
  sim_send(c, frame, (size_t)head + BIG_BODY + 2);
}

/* ---- subscriptions ---- */

static void max_subscriptions_bounds_one_connection(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  limits.max_subscriptions = 2;
  start(&sim, 1, &limits);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 0, QUIET);
  sim_say(&c[0], "SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nPUB c 1\r\nx\r\nPUB b 1\r\ny\r\n");
  expect(&c[0], "-ERR 'maximum subscriptions exceeded'\r\nMSG b 2 1\r\ny\r\n");
  say_and_sync(&c[1], "SUB a 1\r\nSUB b 2\r\n"); /* has a bound of its own */
  say_and_sync(&c[0], "UNSUB 1\r\nSUB c 3\r\n");
  sim_say(&c[0], "PUB c 1\r\nz\r\n");
  expect(&c[0], "MSG c 3 1\r\nz\r\n");
  assert_int_equal(SUM(&sim, subscriptions), 4);
  assert_int_equal(SUM(&sim, refused_by_connection), 1);
  end(&sim, c, 2);
}

static void max_subscription_tokens_bounds_the_filter(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[1];
  struct nats_limits limits = sim_limits();
  limits.max_subscription_tokens = 3;
  start(&sim, 1, &limits);
  join(&sim, &c[0], 0, QUIET);
  sim_say(&c[0], "SUB a.b.c.d 1\r\nSUB a.*.> 2\r\nPUB a.b.c.d 1\r\nx\r\n");
  expect(&c[0],
         "-ERR 'Permissions Violation for Subscription to \"a.b.c.d\", too many tokens'\r\n"
         "MSG a.b.c.d 2 1\r\nx\r\n");
  expect_silence(&c[0]);
  end(&sim, c, 1);
}

static void a_sid_in_use_keeps_its_subscription(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[1];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 1, QUIET);
  say_and_sync(&c[0], "SUB a 1\r\nSUB b 1\r\nSUB c g 1\r\n");
  assert_int_equal(SUM(&sim, subscriptions), 1);
  sim_say(&c[0], "PUB b 1\r\nx\r\nPUB c 1\r\ny\r\nPUB a 1\r\nz\r\n");
  expect(&c[0], "MSG a 1 1\r\nz\r\n");
  expect_silence(&c[0]);
  say_and_sync(&c[0], "UNSUB 1\r\nSUB b 1\r\n");
  sim_say(&c[0], "PUB a 1\r\nx\r\nPUB b 1\r\ny\r\n");
  expect(&c[0], "MSG b 1 1\r\ny\r\n");
  end(&sim, c, 1);
}

static void auto_unsubscribe_counts_across_workers(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, REQUESTS);
  join(&sim, &c[1], 1, QUIET);
  say_and_sync(&c[0], "SUB in 9\r\n");
  say_and_sync(&c[1], "SUB service 1\r\nUNSUB 1 3\r\n");
  for (char i = '1'; i <= '5'; i++) {
    char line[32];
    snprintf(line, sizeof line, "PUB service 1\r\n%c\r\n", i);
    sim_say(&c[0], line);
  }
  expect(&c[1], "MSG service 1 1\r\n1\r\nMSG service 1 1\r\n2\r\nMSG service 1 1\r\n3\r\n");
  expect_silence(&c[1]);
  assert_int_equal(SUM(&sim, subscriptions), 1); /* the one of the answers */
  sim_say(&c[0], "PUB service in 0\r\n\r\n");
  expect(&c[0], NOBODY("9"));

  /* the sid is free again; a maximum that is passed already ends it at once */
  say_and_sync(&c[1], "SUB service 1\r\n");
  sim_say(&c[0], "PUB service 1\r\n6\r\nPUB service 1\r\n7\r\n");
  expect(&c[1], "MSG service 1 1\r\n6\r\nMSG service 1 1\r\n7\r\n");
  say_and_sync(&c[1], "UNSUB 1 2\r\n");
  sim_say(&c[0], "PUB service 1\r\n8\r\n");
  expect_silence(&c[1]);
  assert_int_equal(SUM(&sim, subscriptions), 1);
  end(&sim, c, 2);
}

static void auto_unsubscribe_of_a_group_member_loses_nothing(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  start(&sim, 3, NULL);
  for (unsigned i = 0; i < 3; i++)
    join(&sim, &c[i], i, QUIET);
  say_and_sync(&c[1], "SUB service g 1\r\nUNSUB 1 1\r\n");
  say_and_sync(&c[2], "SUB service g 1\r\n");
  for (unsigned i = 0; i < 40; i++)
    sim_say(&c[0], "PUB service 1\r\nx\r\n");
  sim_settle(&sim);
  unsigned first = count_of(unread(&c[1]), "MSG"), second = count_of(unread(&c[2]), "MSG");
  assert_int_equal(first, 1); /* of 40 it drew at least one */
  assert_int_equal(second, 39);
  end(&sim, c, 3);
}

/* ---- connections ---- */

static void max_connections_refuses_the_next(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[4];
  struct nats_limits limits = sim_limits();
  limits.max_connections = 2;
  start(&sim, 2, &limits);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  assert_int_equal(sim_connect(&sim, &c[2], 1, NULL), 0);
  sim_say(&c[2], "PING\r\n");
  expect_info(&c[2]);
  expect(&c[2], "-ERR 'maximum connections exceeded'\r\n");
  expect_end(&c[2]);
  say_and_sync(&c[0], "");
  sim_hang_up(&c[0]);
  ticks(&sim, 5);
  join(&sim, &c[3], 1, QUIET);
  assert_int_equal(SUM(&sim, connections), 2);
  assert_int_equal(SUM(&sim, refused_by_server), 1);
  end(&sim, c, 4);
}

/* ---- those who do not read ---- */

static void max_pending_drops_the_one_that_does_not_read(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[4];
  struct nats_limits limits = sim_limits();
  limits.max_pending = 300000;
  start(&sim, 2, &limits);
  join(&sim, &c[0], 0, QUIET); /* publishes */
  join(&sim, &c[1], 1, QUIET); /* does not read */
  join(&sim, &c[2], 1, QUIET); /* neighbours that do */
  join(&sim, &c[3], 0, QUIET);
  for (unsigned i = 1; i < 4; i++)
    say_and_sync(&c[i], "SUB big 1\r\n");
  for (unsigned i = 0; i < 120; i++) {
    say_big(&c[0]);
    say_and_sync(&c[0], ""); /* the publisher is not held up */
    ticks(&sim, 2);
    sim_pull(&c[2]);
    sim_pull(&c[3]);
  }
  for (unsigned i = 2; i < 4; i++) {
    assert_int_equal(count_of(unread(&c[i]), "MSG big 1 8000\r\n"), 120);
    assert_false(c[i].lost);
  }
  assert_int_equal(SUM(&sim, slow_consumers), 1);
  assert_int_equal(SUM(&sim, slow_pending), 1);
  assert_int_equal(SUM(&sim, slow_deadline), 0);
  assert_int_equal(SUM(&sim, connections), 3);
  assert_int_equal(SUM(&sim, subscriptions), 2);
  sim_pull(&c[1]);
  assert_true(c[1].lost);
  end(&sim, c, 4);
}

static void write_deadline_is_about_progress(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  say_and_sync(&c[1], "SUB big 1\r\n");
  for (unsigned i = 0; i < 120; i++) {
    say_big(&c[0]);
    ticks(&sim, 2);
  }
  later(&sim, 9900);
  expect(&c[0], "PING\r\n");
  assert_int_equal(SUM(&sim, connections), 2);
  sim_pull(&c[1]); /* takes what its socket holds; more waits in the broker */
  ticks(&sim, 3);
  later(&sim, 9000);
  assert_int_equal(SUM(&sim, slow_consumers), 0);
  assert_int_equal(SUM(&sim, connections), 2);
  later(&sim, 1100);
  assert_int_equal(SUM(&sim, slow_consumers), 1);
  assert_int_equal(SUM(&sim, slow_pending), 0);
  assert_int_equal(SUM(&sim, slow_deadline), 1);
  assert_int_equal(SUM(&sim, connections), 1);
  say_and_sync(&c[0], "SUB still.here 1\r\n");
  end(&sim, c, 2);
}

static void write_deadline_also_ends_a_trickle(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  limits.ping_interval_ms = 30000;
  start(&sim, 1, &limits);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 0, QUIET);
  say_and_sync(&c[1], "SUB small 1\r\n");
  const struct nats_client *stuck = sim.core.nats.workers[0]->clients; /* the newest */
  for (unsigned i = 0; tern_transport_pending(stuck->transport) == 0; i++) {
    assert_true(i < 100000);
    sim_say(&c[0], "PUB small 5\r\nhello\r\n");
    ticks(&sim, 1);
  }
  assert_true(tern_transport_pending(stuck->transport) < 1000); /* too little to be told to pause */
  later(&sim, 2500);
  assert_int_equal(SUM(&sim, slow_consumers), 0);
  later(&sim, 30100);
  assert_int_equal(SUM(&sim, slow_consumers), 1);
  assert_int_equal(SUM(&sim, connections), 1);
  end(&sim, c, 2);
}

/* ---- requests nobody answers ---- */

/* The publisher's worker runs while these clients' workers stand between INBOX and READY, where they then find that the
 * clients have gone: what was published is on its way to nobody. */
static void leave_in_flight(struct sim *sim, struct sim_client *leaving[], unsigned count,
                            unsigned publisher) {
  bool half[SIM_WORKERS_MAX] = {false};
  for (unsigned i = 0; i < count; i++) {
    sim_hang_up(leaving[i]);
    half[leaving[i]->worker] = true;
  }
  assert_false(half[publisher]);
  for (unsigned i = 0; i < sim->count; i++)
    if (half[i]) tern__worker_step(tern_workers_at(sim->workers, i), TERN__PHASE_INBOX);
  tick(sim, publisher);
  for (unsigned i = 0; i < sim->count; i++)
    for (int phase = TERN__PHASE_READY; half[i] && phase < TERN__PHASES; phase++)
      tern__worker_step(tern_workers_at(sim->workers, i), (enum tern__phase)phase);
}

static void nobody_at_all(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, REQUESTS);
  join(&sim, &c[1], 1, QUIET ",\"headers\":true"); /* has not asked to be told */
  say_and_sync(&c[0], "SUB in 9\r\n");
  say_and_sync(&c[1], "SUB in 8\r\n");
  sim_say(&c[0], "PUB service in 0\r\n\r\n");
  expect(&c[0], NOBODY("9"));
  expect_silence(&c[1]); /* the answer is the requester's alone */
  sim_say(&c[1], "PUB service in 0\r\n\r\n");
  expect_silence(&c[1]);
  say_and_sync(&c[1], "SUB service 7\r\n");
  sim_say(&c[0], "PUB service in 0\r\n\r\n");
  expect(&c[1], "MSG service 7 in 0\r\n\r\n");
  expect_silence(&c[0]);
  end(&sim, c, 2);
}

/* The only one left while the request was on its way: the worker it came from is told (ROUTE_RECORD_UNTAKEN). */
static void the_last_leaves_in_flight(void **state) {
  (void)state;
  static const char *const subs[] = {"SUB service 1\r\n", "SUB service g 1\r\n",
                                     "SUB * g 1\r\nSUB > g 2\r\n"};
  for (unsigned i = 0; i < 3; i++) {
    struct sim sim;
    struct sim_client c[2];
    start(&sim, 2, NULL);
    join(&sim, &c[0], 0, REQUESTS);
    join(&sim, &c[1], 1, QUIET);
    say_and_sync(&c[0], "SUB in 9\r\n");
    say_and_sync(&c[1], subs[i]);
    sim_say(&c[0], "PUB service in 2\r\nhi\r\n");
    leave_in_flight(&sim, (struct sim_client *[]){&c[1]}, 1, 0);
    /* it was on its way indeed */
    assert_true(tern_worker_stats(tern_workers_at(sim.workers, 0)).records_out >= 1);
    expect(&c[0], NOBODY("9"));
    expect_silence(&c[0]);
    end(&sim, c, 2);
  }
}

/* As before, but the one who asked has gone as well: nobody is told. */
static void both_ends_leave_in_flight(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, REQUESTS);
  join(&sim, &c[1], 1, QUIET);
  join(&sim, &c[2], 0, REQUESTS);
  say_and_sync(&c[0], "SUB in 9\r\n");
  say_and_sync(&c[2], "SUB in 8\r\n");
  say_and_sync(&c[1], "SUB service 1\r\n");
  sim_say(&c[0], "PUB service in 2\r\nhi\r\n");
  leave_in_flight(&sim, (struct sim_client *[]){&c[1]}, 1, 0);
  sim_hang_up(&c[0]);
  tick(&sim, 0);
  expect_silence(&c[2]);
  say_and_sync(&c[2], "");
  end(&sim, c, 3);
}

/* A group's member leaves while its message is on the way: another worker's member gets it, once. When they all leave,
 * the one who asked is told once, whoever was drawn first. */
static void a_group_hands_on_what_was_on_its_way(void **state) {
  (void)state;
  uint64_t rerouted = 0;
  for (unsigned round = 0; round < 60; round++) {
    bool all_leave = round % 2 == 1;
    struct sim sim;
    struct sim_client c[3];
    start(&sim, 3, NULL);
    join(&sim, &c[0], 0, REQUESTS);
    join(&sim, &c[1], 1, QUIET);
    join(&sim, &c[2], 2, QUIET);
    say_and_sync(&c[0], "SUB in 9\r\n");
    say_and_sync(&c[1], "SUB service g 1\r\n");
    say_and_sync(&c[2], "SUB service g 2\r\n");
    sim_say(&c[0], "PUB service in 2\r\nhi\r\n");
    leave_in_flight(&sim, (struct sim_client *[]){&c[1], &c[2]}, all_leave ? 2 : 1, 0);
    if (all_leave)
      expect(&c[0], NOBODY("9"));
    else
      expect(&c[2], "MSG service 2 in 2\r\nhi\r\n");
    expect_silence(&c[0]);
    if (!all_leave) expect_silence(&c[2]);
    rerouted += tern_counter_read(&route_stats_of(&sim, 1)->rerouted);
    end(&sim, c, 3);
  }
  assert_true(rerouted > 0); /* the one that left was drawn at least once */
}

/* ---- sharing a worker ---- */

static void a_fan_out_takes_turns(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  start(&sim, 1, NULL);
  for (unsigned i = 0; i < 3; i++)
    join(&sim, &c[i], 0, QUIET);
  for (unsigned i = 0; i < 400; i++) {
    char line[32];
    snprintf(line, sizeof line, "SUB fan %u\r\n", i);
    say_and_sync(&c[2], line);
  }
  uint64_t before = SUM(&sim, in_msgs);
  for (unsigned i = 0; i < 250; i++)
    sim_say(&c[0], "PUB fan 1\r\nx\r\n");
  sim_say(&c[0], "PING\r\n");
  sim_say(&c[1], "PING\r\n");
  tick(&sim, 0);
  sim_pull(&c[1]);
  sim_pull(&c[2]);
  assert_string_equal(unread(&c[1]), "PONG\r\n"); /* in the same tick */
  assert_in_range(SUM(&sim, in_msgs) - before, 1, 2 * NATS_TURN_COST_MAX / 400 + 2);
  sim_pull(&c[0]);
  assert_string_equal(unread(&c[0]), "");
  for (unsigned i = 0; i < 100 && c[0].in_len == c[0].read_to; i++) {
    ticks(&sim, 1);
    sim_pull(&c[0]);
    sim_pull(&c[2]);
  }
  expect(&c[0], "PONG\r\n");           /* all of it, and in order */
  for (unsigned i = 0; i < 100; i++) { /* what the socket could not take so far */
    ticks(&sim, 1);
    sim_pull(&c[2]);
  }
  assert_int_equal(count_of(unread(&c[2]), "MSG fan "), 100000);
  end(&sim, c, 3);
}

static void a_large_disconnect_goes_in_slices(void **state) {
  (void)state;
  enum { MANY = 5 * NATS_REMOVE_MAX };
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 0, QUIET);
  say_and_sync(&c[0], "SUB common 1\r\n");
  for (unsigned i = 0; i < MANY; i++) {
    char line[48];
    snprintf(line, sizeof line, i % 4 == 0 ? "SUB common s%u\r\n" : "SUB f.%u s%u\r\n", i, i);
    sim_say(&c[1], line);
    if (i % 200 == 199) say_and_sync(&c[1], "");
  }
  assert_int_equal(SUM(&sim, subscriptions), MANY + 1);
  sim_hang_up(&c[1]);
  unsigned slices = 0;
  for (unsigned i = 0; i < 20 && SUM(&sim, subscriptions) > 1; i++) {
    uint64_t had = SUM(&sim, subscriptions);
    sim_say(&c[0], "PUB common 1\r\nx\r\nPING\r\n");
    tick(&sim, 0);
    uint64_t left = SUM(&sim, subscriptions);
    assert_true(had - left <= NATS_REMOVE_MAX);
    slices += left < had;
    sim_pull(&c[0]); /* the neighbour has had its turn, in the same tick */
    assert_string_equal(unread(&c[0]), "MSG common 1 1\r\nx\r\nPONG\r\n");
    c[0].read_to = c[0].in_len;
  }
  assert_true(slices >= MANY / NATS_REMOVE_MAX);
  assert_int_equal(SUM(&sim, subscriptions), 1);
  end(&sim, c, 2);
}

/* Stopping in the middle of somebody's input: what was read is carried out and delivered first. */
static void a_stop_handles_what_was_read(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET ",\"echo\":false");
  join(&sim, &c[1], 0, QUIET);
  for (unsigned i = 0; i < 420; i++) { /* most are the publisher's own: they cost a turn, and take nothing */
    char line[32];
    snprintf(line, sizeof line, "SUB fan %u\r\n", i);
    say_and_sync(&c[i < 20], line);
  }
  for (unsigned i = 0; i < 100; i++)
    sim_say(&c[0], "PUB fan 1\r\nx\r\n");
  tick(&sim, 0);
  sim_pull(&c[1]);
  assert_true(count_of(unread(&c[1]), "MSG fan ") < 2000); /* or the test would show nothing */
  sim_close(&sim);
  sim_pull(&c[1]);
  assert_int_equal(count_of(unread(&c[1]), "MSG fan "), 2000);
  for (unsigned i = 0; i < 2; i++)
    sim_client_free(&c[i]);
}

/* B2: one client's groups with long names fill more than a record; others' messages arrive all the same. */
static void long_groups_take_nothing_from_others(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  join(&sim, &c[2], 1, QUIET);
  say_and_sync(&c[1], "SUB foo 1\r\n");
  for (unsigned i = 0; i < 40; i++) {
    char line[4096];
    snprintf(line, sizeof line, "SUB > %03900u %u\r\n", i, i);
    say_and_sync(&c[2], line);
  }
  sim_say(&c[0], "PUB foo 2\r\nhi\r\n");
  sim_settle(&sim);
  assert_string_equal(unread(&c[1]), "MSG foo 1 2\r\nhi\r\n");
  assert_int_equal(count_of(unread(&c[2]), "MSG foo "), 40); /* one in each group */
  end(&sim, c, 3);
}

/* A worker that does not get on: who publishes to it is paused, the others are not, and nothing is lost. */
static void a_full_ring_pauses_its_source_alone(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  join(&sim, &c[2], 0, QUIET);
  say_and_sync(&c[1], "SUB flow 1\r\n");
  uint64_t before = SUM(&sim, in_msgs);
  static char line[1100];
  for (unsigned i = 0; i < FLOW; i++) {
    int len = snprintf(line, sizeof line, "PUB flow 1000\r\n%-1000u\r\n", i);
    sim_send(&c[0], line, (size_t)len);
  }
  sim_say(&c[0], "PING\r\n");
  for (unsigned i = 0; i < 20; i++) {
    tick(&sim, 0);
    sim_say(&c[2], "PING\r\n");
    tick(&sim, 0);
    sim_pull(&c[2]);
    assert_string_equal(unread(&c[2]), "PONG\r\n");
    c[2].read_to = c[2].in_len;
  }
  assert_in_range(SUM(&sim, in_msgs) - before, 1, 2 * RING_BYTES / 1000);
  sim_pull(&c[0]);
  assert_string_equal(unread(&c[0]), "");
  for (unsigned i = 0; i < FLOW; i++) {
    snprintf(line, sizeof line, "MSG flow 1 1000\r\n%-1000u\r\n", i);
    expect(&c[1], line);
  }
  expect(&c[0], "PONG\r\n");
  end(&sim, c, 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(max_subscriptions_bounds_one_connection),
      cmocka_unit_test(max_subscription_tokens_bounds_the_filter),
      cmocka_unit_test(a_sid_in_use_keeps_its_subscription),
      cmocka_unit_test(auto_unsubscribe_counts_across_workers),
      cmocka_unit_test(auto_unsubscribe_of_a_group_member_loses_nothing),
      cmocka_unit_test(max_connections_refuses_the_next),
      cmocka_unit_test(max_pending_drops_the_one_that_does_not_read),
      cmocka_unit_test(write_deadline_is_about_progress),
      cmocka_unit_test(write_deadline_also_ends_a_trickle),
      cmocka_unit_test(nobody_at_all),
      cmocka_unit_test(the_last_leaves_in_flight),
      cmocka_unit_test(both_ends_leave_in_flight),
      cmocka_unit_test(a_group_hands_on_what_was_on_its_way),
      cmocka_unit_test(a_fan_out_takes_turns),
      cmocka_unit_test(a_large_disconnect_goes_in_slices),
      cmocka_unit_test(a_stop_handles_what_was_read),
      cmocka_unit_test(long_groups_take_nothing_from_others),
      cmocka_unit_test(a_full_ring_pauses_its_source_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
