/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of one address and one user, and what the ceiling for memory makes the workers do, on simulated workers. In a
 * simulation clients come by socket pairs, which have no address; that limit is tested from outside (e2e.load.limits).
 */
#include "fixture.h"

#include "pace.h"

static struct nats_client *inside(struct sim *sim, unsigned worker) {
  return sim->core.nats.workers[worker]->clients; /* the one that came last */
}

/* As if the client that came last had said who it is. */
static bool be(struct sim *sim, unsigned worker, const char *user) {
  tern__sim_enter(tern_workers_at(sim->workers, worker));
  return nats_pace_user(inside(sim, worker), user);
}

static void set_limits(struct sim *sim, const struct nats_limits *limits) {
  struct settings *settings = sim_settings(limits);
  assert_int_equal(core_set_settings(&sim->core, sim->workers, settings), 0);
  settings_unref(settings);
}

static void publish(struct sim_client *c, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    sim_say(c, "PUB a 10\r\n0123456789\r\n");
}

static unsigned received(struct sim_client *c) {
  ticks(c->sim, 10);
  sim_pull(c);
  return count_of(c->in, "MSG a");
}

static void who_publishes_too_fast_is_slowed(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  struct nats_limits limits = sim_limits();
  limits.publish_messages = 10;
  start(&sim, 2, &limits);
  for (unsigned i = 0; i < 3; i++)
    join(&sim, &c[i], i % 2, QUIET);
  say_and_sync(&c[1], "SUB a 1\r\n");
  publish(&c[0], 35);
  assert_in_range(received(&c[1]), 10, 11); /* a second's worth, and the one that is too much */
  publish(&c[2], 5);                        /* others have a rate of their own */
  assert_in_range(received(&c[1]), 15, 16);
  unsigned before = received(&c[1]);
  for (unsigned second = 0; second < 3; second++) {
    for (unsigned i = 0; i < 20; i++)
      later(&sim, 50);
    unsigned now = received(&c[1]);
    assert_in_range(now - before, 1, 12);
    before = now;
  }
  assert_int_equal(before, 40); /* nothing is lost */
  assert_true(SUM(&sim, paced) > 0);
  end(&sim, c, 3);
}

static void bytes_count_too(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  limits.publish_bytes = 100;
  start(&sim, 2, &limits);
  for (unsigned i = 0; i < 2; i++)
    join(&sim, &c[i], i, QUIET);
  say_and_sync(&c[1], "SUB a 1\r\n");
  publish(&c[0], 20);
  assert_in_range(received(&c[1]), 10, 11);
  limits.publish_bytes = 0; /* a reload without the limit: whoever waits goes on */
  set_limits(&sim, &limits);
  assert_int_equal(received(&c[1]), 20);
  assert_false(inside(&sim, 0)->paced);
  end(&sim, c, 2);
}

/* A message of many seconds' worth is paid for whole. */
static void large_messages_do_not_beat_the_rate(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  limits.publish_bytes = 10;
  start(&sim, 2, &limits);
  for (unsigned i = 0; i < 2; i++)
    join(&sim, &c[i], i, QUIET);
  say_and_sync(&c[1], "SUB a 1\r\n");
  char text[400];
  snprintf(text, sizeof text, "PUB a 300\r\n%0300d\r\n", 0);
  sim_say(&c[0], text);
  sim_say(&c[0], text);
  assert_int_equal(received(&c[1]), 1);
  for (unsigned second = 0; second < 28; second++)
    later(&sim, 1000);
  assert_int_equal(received(&c[1]), 1);
  later(&sim, 1000);
  later(&sim, 1000);
  assert_int_equal(received(&c[1]), 2);
  end(&sim, c, 2);
}

/* Connections of one user share their rate and their number, on whatever worker. */
static void a_user_is_one(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[4];
  struct nats_limits limits = sim_limits();
  limits.publish_messages = 10;
  limits.max_connections_per_user = 2;
  start(&sim, 2, &limits);
  for (unsigned i = 0; i < 3; i++) {
    join(&sim, &c[i], i % 2, QUIET);
    if (i < 2) assert_true(be(&sim, i % 2, "ann"));
  }
  say_and_sync(&c[2], "SUB a 1\r\n");
  publish(&c[0], 8);
  publish(&c[1], 8);
  assert_in_range(received(&c[2]), 10, 12);
  assert_int_equal(sim_connect(&sim, &c[3], 1, NULL), 0);
  expect_info(&c[3]);
  assert_false(be(&sim, 1, "ann"));
  expect(&c[3], "-ERR 'maximum connections exceeded'\r\n");
  expect_end(&c[3]);
  sim_client_free(&c[3]);
  assert_int_equal(SUM(&sim, refused_by_user), 1);
  sim_hang_up(&c[0]);
  sim_settle(&sim);
  assert_int_equal(sim_connect(&sim, &c[3], 1, NULL), 0);
  expect_info(&c[3]);
  assert_true(be(&sim, 1, "ann")); /* one has left */
  assert_true(be(&sim, 1, "ann")); /* the same one again, by another CONNECT */
  end(&sim, c, 4);
}

/* Where TLS may or may not begin, a connection begins twice. */
static void an_address_counts_a_connection_once(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  limits.max_connections_per_address = 1;
  start(&sim, 1, &limits);
  for (unsigned i = 0; i < 2; i++) {
    join(&sim, &c[i], 0, QUIET);
    struct nats_client *client = inside(&sim, 0);
    ((struct tern_peer *)(uintptr_t)tern_transport_peer(client->transport))->kind = "tcp";
    tern__sim_enter(tern_workers_at(sim.workers, 0));
    assert_true(nats_pace_enter(client));
    assert_true(nats_pace_enter(client));
    if (i > 0) break;
    sim_hang_up(&c[i]); /* and leaves room for the next one */
    sim_settle(&sim);
  }
  end(&sim, c, 2);
}

/* What was read before the stop is carried out, rate or not. */
static void a_stop_waits_for_nobody(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  limits.publish_messages = 1;
  start(&sim, 1, &limits);
  for (unsigned i = 0; i < 2; i++)
    join(&sim, &c[i], 0, QUIET);
  say_and_sync(&c[1], "SUB a 1\r\n");
  publish(&c[0], 50);
  ticks(&sim, 5);
  sim_close(&sim);
  for (unsigned i = 0; i < 2; i++) {
    sim_pull(&c[i]);
    if (i == 1) assert_int_equal(count_of(c[i].in, "MSG a"), 50);
    sim_client_free(&c[i]);
  }
}

static void want_of_memory_is_shed(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  core_shed_memory(&sim.core, sim.workers, true, true, false);
  assert_int_equal(sim_connect(&sim, &c[2], 0, NULL), 0);
  expect_info(&c[2]);
  expect(&c[2], "-ERR 'maximum connections exceeded'\r\n");
  expect_end(&c[2]);
  sim_say(&c[0], "SUB a 1\r\n");
  expect(&c[0], "-ERR 'maximum subscriptions exceeded'\r\n");
  assert_int_equal(SUM(&sim, refused_by_memory), 2);
  assert_int_equal(SUM(&sim, refused_by_server) + SUM(&sim, refused_by_connection), 0);
  core_shed_memory(&sim.core, sim.workers, false, false, false);
  say_and_sync(&c[0], "SUB a 1\r\n");
  core_shed_memory(&sim.core, sim.workers, false, false, true);
  sim_say(&c[1], "PUB a 1\r\nx\r\n");
  expect_silence(&c[0]);
  later(&sim, 600000); /* nobody is stale for not being read */
  assert_int_equal(SUM(&sim, connections), 2);
  core_shed_memory(&sim.core, sim.workers, false, false, false);
  expect(&c[0], "PING\r\nMSG a 1 1\r\nx\r\n"); /* the one that measures the round trip */
  end(&sim, c, 3);
}

static char body[1 << 20];

/* The second client has four bodies waiting, the third, on the first one's worker, two. */
static void fill(struct sim *sim, struct sim_client c[3]) {
  start(sim, 2, NULL);
  for (unsigned i = 0; i < 3; i++)
    join(sim, &c[i], i % 2, QUIET);
  say_and_sync(&c[1], "SUB big 1\r\nSUB small 2\r\n");
  say_and_sync(&c[2], "SUB small 1\r\n");
  memset(body, 'x', sizeof body);
  for (unsigned i = 0; i < 4; i++) {
    char line[64];
    snprintf(line, sizeof line, "PUB %s %zu\r\n", i < 2 ? "big" : "small", sizeof body);
    sim_say(&c[0], line);
    for (size_t at = 0; at < sizeof body; at += 65536) {
      sim_send(&c[0], body + at, 65536);
      ticks(sim, 2);
    }
    sim_say(&c[0], "\r\n");
    ticks(sim, 5);
  }
  assert_true(core_waiting(sim->workers) > 5 * sizeof body);
}

static void the_slowest_is_cut_off_first(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  fill(&sim, c);
  core_cut_slowest(sim.workers);
  assert_int_equal(SUM(&sim, cut_by_memory), 1);
  ticks(&sim, 5);
  assert_int_equal(SUM(&sim, connections), 2);
  assert_in_range(core_waiting(sim.workers), 1 * sizeof body, 2 * sizeof body);
  core_cut_slowest(sim.workers);
  ticks(&sim, 5);
  assert_int_equal(core_waiting(sim.workers), 0);
  core_cut_slowest(sim.workers); /* nobody has anything waiting */
  ticks(&sim, 5);
  assert_int_equal(SUM(&sim, connections), 1);
  end(&sim, c, 3);
}

/* A connection that ends when its output has left must not make others pay for that. */
static void one_that_is_ending_is_cut_off_too(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  fill(&sim, c);
  sim_say(&c[1], "-ERR x\r\n");
  ticks(&sim, 5);
  assert_true(core_waiting(sim.workers) > 5 * sizeof body);
  core_cut_slowest(sim.workers);
  ticks(&sim, 5);
  assert_in_range(core_waiting(sim.workers), 1 * sizeof body, 2 * sizeof body);
  assert_int_equal(SUM(&sim, connections), 2);
  assert_int_equal(SUM(&sim, cut_by_memory), 1);
  end(&sim, c, 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_publishes_too_fast_is_slowed),
      cmocka_unit_test(bytes_count_too),
      cmocka_unit_test(large_messages_do_not_beat_the_rate),
      cmocka_unit_test(a_user_is_one),
      cmocka_unit_test(an_address_counts_a_connection_once),
      cmocka_unit_test(a_stop_waits_for_nobody),
      cmocka_unit_test(want_of_memory_is_shed),
      cmocka_unit_test(the_slowest_is_cut_off_first),
      cmocka_unit_test(one_that_is_ending_is_cut_off_too),
  };
  return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
