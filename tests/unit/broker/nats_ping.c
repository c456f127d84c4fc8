/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the client still there: when a PING goes out, to whom it does not, and who counts as gone. Simulated workers and
 * a clock the test moves.
 */
#include "fixture.h"

/* Moves the clock until the client gets a PING; returns how long that took, or most. */
static uint64_t until_ping(struct sim_client *c, uint64_t step_ms, uint64_t most_ms) {
  uint64_t elapsed = 0;
  while (elapsed < most_ms) {
    later(c->sim, step_ms);
    elapsed += step_ms;
    sim_pull(c);
    if (c->in_len == c->read_to) continue;
    expect(c, "PING\r\n");
    break;
  }
  return elapsed;
}

static void answer_pings(struct sim_client *c) {
  sim_pull(c);
  for (; c->in_len > c->read_to; c->read_to += 6) {
    assert_int_equal(strncmp(unread(c), "PING\r\n", 6), 0);
    sim_say(c, "PONG\r\n");
  }
}

static void the_first_ping_is_spread(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[12];
  start(&sim, 1, NULL);
  for (unsigned i = 0; i < 12; i++)
    join(&sim, &c[i], 0, QUIET);
  later(&sim, 1999);
  for (unsigned i = 0; i < 12; i++)
    expect_silence(&c[i]);
  unsigned moments = 0, had = 0;
  for (unsigned ms = 1999; ms < 2410; ms += 10) {
    unsigned now = 0;
    for (unsigned i = 0; i < 12; i++) {
      sim_pull(&c[i]);
      now += c[i].in_len != c[i].read_to;
    }
    moments += now > had;
    had = now;
    later(&sim, 10);
  }
  assert_int_equal(had, 12);
  assert_true(moments > 2);
  for (unsigned i = 0; i < 12; i++)
    expect(&c[i], "PING\r\n");
  end(&sim, c, 12);
}

/* CONNECT answers INFO, a PONG its PING. */
static void the_round_trip_is_known_from_the_start(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  start(&sim, 1, NULL);
  assert_int_equal(sim_connect(&sim, &c, 0, NULL), 0);
  expect_info(&c);
  struct nats_client *client = sim.core.nats.workers[0]->clients;
  assert_int_equal(client->rtt_ns, 0);
  say_and_sync(&c, "CONNECT {\"verbose\":false}\r\n");
  assert_true(client->rtt_ns > 0);
  client->rtt_ns = UINT64_MAX;
  say_and_sync(&c, "CONNECT {\"verbose\":false}\r\nPONG\r\n"); /* nothing was asked */
  assert_true(client->rtt_ns == UINT64_MAX);
  until_ping(&c, 50, 3000);
  say_and_sync(&c, "PONG\r\n");
  assert_true(client->rtt_ns < UINT64_MAX);
  end(&sim, &c, 1);
}

static void who_does_not_answer_is_stale(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  limits.ping_interval_ms = 20000;
  limits.ping_max = 2;
  start(&sim, 2, &limits);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  uint64_t elapsed = 0;
  for (; !c[0].lost && elapsed < 60000; elapsed += 50) {
    later(&sim, 50);
    sim_pull(&c[0]);
    answer_pings(&c[1]);
  }
  assert_string_equal(unread(&c[0]), "PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
  assert_in_range(elapsed, 42000, 42700);
  for (unsigned i = 0; i < 50; i++) { /* the one that answers stays */
    later(&sim, 1000);
    answer_pings(&c[1]);
  }
  assert_int_equal(SUM(&sim, stale_connections), 1);
  assert_int_equal(SUM(&sim, connections), 1);
  end(&sim, c, 2);
}

static void activity_makes_pings_needless(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[1];
  struct nats_limits limits = sim_limits();
  limits.ping_interval_ms = 20000;
  start(&sim, 1, &limits);
  join(&sim, &c[0], 0, QUIET);
  assert_in_range(until_ping(&c[0], 50, 5000), 2000, 2450); /* this one comes whatever happens */
  sim_say(&c[0], "PONG\r\n");
  for (unsigned i = 0; i < 20; i++) {
    sim_say(&c[0], "PUB a 1\r\nx\r\n");
    ticks(&sim, 1);
    later(&sim, 9000);
    expect_silence(&c[0]);
  }
  assert_in_range(until_ping(&c[0], 100, 60000), 10000, 40000);
  end(&sim, c, 1);
}

static void silence_before_connect_is_asked_about_too(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[1];
  struct nats_limits limits = sim_limits();
  limits.ping_interval_ms = 20000;
  start(&sim, 1, &limits);
  assert_int_equal(sim_connect(&sim, &c[0], 0, NULL), 0);
  expect_info(&c[0]);
  assert_in_range(until_ping(&c[0], 100, 30000), 19900, 20200);
  end(&sim, c, 1);
}

/* What it has sent may lie unread because its input waits for a worker that is behind: no reason to ask. */
static void who_is_paused_is_not_asked(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  static char line[1100];
  struct nats_limits limits = sim_limits();
  limits.ping_interval_ms = 20000;
  start(&sim, 2, &limits);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  assert_in_range(until_ping(&c[0], 50, 5000), 2000, 2450);
  answer_pings(&c[1]);
  say_and_sync(&c[1], "SUB flow 1\r\n");
  sim_say(&c[0], "PONG\r\n");
  snprintf(line, sizeof line, "PUB flow 1000\r\n%-1000s\r\n", "x");
  for (unsigned i = 0; i < 80; i++) /* more than a ring holds */
    sim_say(&c[0], line);
  for (unsigned i = 0; i < 10; i++) { /* worker 1 stands still */
    tern__sim_advance(sim.workers, 15000);
    tick(&sim, 0);
    tick(&sim, 0);
  }
  assert_int_equal(sim.core.nats.workers[0]->clients->flow, NATS_PAUSED);
  sim_pull(&c[0]);
  assert_string_equal(unread(&c[0]), "");
  sim_settle(&sim);
  assert_int_equal(sim.core.nats.workers[0]->clients->flow, NATS_OPEN);
  sim_pull(&c[0]);
  assert_in_range(until_ping(&c[0], 100, 60000), 15000, 40000); /* silent from now on */
  end(&sim, c, 2);
}

/* A PONG settles all that is owed, however late. */
static void a_late_pong_is_good_enough(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[1];
  struct nats_limits limits = sim_limits();
  limits.ping_interval_ms = 10000;
  limits.ping_max = 2;
  start(&sim, 1, &limits);
  join(&sim, &c[0], 0, QUIET);
  for (unsigned round = 0; round < 5; round++) {
    (void)until_ping(&c[0], 500, 30000);
    (void)until_ping(&c[0], 500, 30000);
    say_and_sync(&c[0], "PONG\r\n");
  }
  assert_int_equal(SUM(&sim, stale_connections), 0);
  end(&sim, c, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_ping_is_spread),
      cmocka_unit_test(the_round_trip_is_known_from_the_start),
      cmocka_unit_test(who_does_not_answer_is_stale),
      cmocka_unit_test(activity_makes_pings_needless),
      cmocka_unit_test(silence_before_connect_is_asked_about_too),
      cmocka_unit_test(who_is_paused_is_not_asked),
      cmocka_unit_test(a_late_pong_is_good_enough),
  };
  return cmocka_run_group_tests_name("nats_ping", tests, NULL, NULL);
}
