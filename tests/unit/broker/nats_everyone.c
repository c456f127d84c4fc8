/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to all clients of a worker, on simulated workers: limits that change under them (R1 of broker/ops/
 * reload.c), clients that have to go, and lame duck mode's INFO.
 */
#include "fixture.h"

#define CLIENTS 9

static void join_all(struct sim *sim, struct sim_client *c, unsigned count, const char *fields) {
  for (unsigned i = 0; i < count; i++)
    join(sim, &c[i], i % sim->count, fields);
}

static void set_limits(struct sim *sim, const struct nats_limits *limits) {
  struct settings *settings = settings_new(limits);
  assert_non_null(settings);
  assert_int_equal(core_set_settings(&sim->core, sim->workers, settings), 0);
  settings_unref(settings);
}

/* A PUB whose line was read under the old limit is carried out, whole; the next one is judged by the new one. */
static void a_message_is_judged_by_one_limit(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  start(&sim, 2, &limits);
  join_all(&sim, c, 2, QUIET);
  say_and_sync(&c[1], "SUB a 1\r\n");
  sim_say(&c[0], "PUB a 10\r\n01234");
  ticks(&sim, 5);
  limits.max_payload = 4;
  set_limits(&sim, &limits);
  say_and_sync(&c[0], "56789\r\nPUB a 4\r\nabcd\r\n");
  expect(&c[1], "MSG a 1 10\r\n0123456789\r\nMSG a 1 4\r\nabcd\r\n");
  sim_say(&c[0], "PUB a 5\r\nabcde\r\n");
  expect(&c[0], "-ERR 'Maximum Payload Violation'\r\n");
  expect_end(&c[0]);
  end(&sim, c, 2);
}

static void a_shorter_line_is_asked_for_at_once(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  start(&sim, 2, &limits);
  join_all(&sim, c, 2, QUIET);
  say_and_sync(&c[0], "SUB aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1\r\n");
  limits.max_control_line = 32;
  set_limits(&sim, &limits);
  sim_say(&c[0], "SUB aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 2\r\n");
  expect(&c[0], "-ERR 'maximum control line exceeded'\r\n");
  expect_end(&c[0]);
  say_and_sync(&c[1], "SUB a 1\r\n");
  end(&sim, c, 2);
}

static unsigned alive(struct sim *sim, struct sim_client *c, unsigned count) {
  unsigned n;
  for (unsigned round = 0; round < 3; round++) { /* what was sent, the end, and that the broker sees ours */
    n = 0;
    ticks(sim, 10);
    for (unsigned i = 0; i < count; i++) {
      sim_pull(&c[i]);
      n += !c[i].lost;
    }
  }
  return n;
}

static void those_above_the_limit_are_told_and_closed(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[CLIENTS];
  struct nats_limits limits = sim_limits();
  start(&sim, 3, &limits);
  join_all(&sim, c, CLIENTS, QUIET);
  core_shed(&sim.core, sim.workers); /* nobody is above it */
  assert_int_equal(alive(&sim, c, CLIENTS), CLIENTS);
  limits.max_connections = 4;
  set_limits(&sim, &limits);
  core_shed(&sim.core, sim.workers);
  assert_int_equal(alive(&sim, c, CLIENTS), 4);
  assert_int_equal(SUM(&sim, connections), 4);
  for (unsigned i = 0; i < CLIENTS; i++)
    assert_string_equal(unread(&c[i]), c[i].lost ? "-ERR 'maximum connections exceeded'\r\n" : "");
  core_shed(&sim.core, sim.workers); /* once is enough */
  assert_int_equal(alive(&sim, c, CLIENTS), 4);
  for (unsigned i = 0; i < CLIENTS; i++)
    if (!c[i].lost) say_and_sync(&c[i], "PUB a 1\r\nx\r\n");
  end(&sim, c, CLIENTS);
}

static void those_with_more_subscriptions_are_told_and_closed(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  start(&sim, 2, &limits);
  join_all(&sim, c, 2, QUIET);
  say_and_sync(&c[0], "SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n");
  say_and_sync(&c[1], "SUB a 1\r\nSUB b 2\r\n");
  limits.max_subscriptions = 2;
  set_limits(&sim, &limits);
  expect(&c[0], "-ERR 'maximum subscriptions exceeded'\r\n");
  expect_end(&c[0]);
  say_and_sync(&c[1], "PUB x 1\r\nx\r\n");
  end(&sim, c, 2);
}

static void as_many_as_asked_are_closed_wherever_they_are(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[CLIENTS];
  start(&sim, 3, NULL);
  for (unsigned i = 0; i < CLIENTS; i++) /* all on one worker: the others have none to give */
    join(&sim, &c[i], 1, QUIET);
  assert_int_equal(core_close_clients(&sim.core, sim.workers, 2, NULL), 2);
  assert_int_equal(alive(&sim, c, CLIENTS), CLIENTS - 2);
  assert_int_equal(core_close_clients(&sim.core, sim.workers, 100, NULL), CLIENTS - 2);
  assert_int_equal(alive(&sim, c, CLIENTS), 0);
  assert_int_equal(core_close_clients(&sim.core, sim.workers, 1, NULL), 0);
  for (unsigned i = 0; i < CLIENTS; i++)
    assert_string_equal(unread(&c[i]), ""); /* without a word */
  end(&sim, c, CLIENTS);
}

static void the_lame_duck_tells_those_who_understand(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[4];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET ",\"protocol\":1");
  join(&sim, &c[1], 1, QUIET ",\"protocol\":1");
  join(&sim, &c[2], 0, QUIET); /* protocol 0: takes no INFO out of turn */
  assert_int_equal(sim_connect(&sim, &c[3], 1, NULL), 0);
  expect_info(&c[3]); /* has not said CONNECT */
  for (unsigned i = 0; i < 2; i++)
    expect_info(&c[i]); /* the one after the first PONG */
  core_tell_lame_duck(sim.workers);
  for (unsigned i = 0; i < 2; i++) {
    const char *info = unread(&c[i]);
    expect_info(&c[i]);
    assert_non_null(strstr(info, "\"ldm\":true"));
    assert_null(strstr(info, "connect_info"));
    say_and_sync(&c[i], "SUB a 1\r\n"); /* it goes on working */
  }
  expect_silence(&c[2]);
  expect_silence(&c[3]);
  sim_say(&c[3], "CONNECT {" QUIET ",\"protocol\":1}\r\nPING\r\n");
  expect(&c[3], "PONG\r\n");
  const char *info = unread(&c[3]);
  expect_info(&c[3]); /* who comes late is told with the second one */
  assert_non_null(strstr(info, "\"ldm\":true"));
  end(&sim, c, 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_message_is_judged_by_one_limit),
      cmocka_unit_test(a_shorter_line_is_asked_for_at_once),
      cmocka_unit_test(those_above_the_limit_are_told_and_closed),
      cmocka_unit_test(those_with_more_subscriptions_are_told_and_closed),
      cmocka_unit_test(as_many_as_asked_are_closed_wherever_they_are),
      cmocka_unit_test(the_lame_duck_tells_those_who_understand),
  };
  return cmocka_run_group_tests_name("nats/everyone", tests, NULL, NULL);
}
