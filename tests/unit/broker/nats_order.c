/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders to one client, on whatever worker it is: sent away, told to leave, asked who it is; and those that are not there.
 */
#include "order.h"

#include <errno.h>

#include "configured.h"
#include "conns.h"

#define CONFIG "accounts { A { users: [{user: a, pass: a}, {user: p, pass: p, permissions: {publish: x}}] } }"

static struct sim sim;

static int set_up(void **state) {
  (void)state;
  start(&sim, 2, NULL);
  configure_access(&sim, CONFIG);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  end(&sim, NULL, 0);
  return 0;
}

/* The id of the client that came last to a worker. */
static uint64_t newest(unsigned worker) { return sim.core.nats.workers[worker]->clients->id; }

static void one_is_sent_away_the_others_stay(void **state) {
  (void)state;
  struct sim_client c[3];
  for (unsigned i = 0; i < 3; i++)
    join_user(&sim, &c[i], i % 2, "a");
  const uint64_t cid = newest(1);
  sim.core.nats.closed_max = 8;
  assert_int_equal(nats_order_kick(&sim.core.nats, sim.workers, cid), 0);
  expect_end(&c[1]);
  ticks(&sim, 20);
  const struct nats_conn *closed = nats_closed_at(&sim.core.nats.workers[1]->closed, 0);
  assert_non_null(closed);
  assert_int_equal(closed->cid, cid);
  assert_string_equal(nats_reason_text(closed->reason), "Kicked");
  assert_int_equal(nats_order_kick(&sim.core.nats, sim.workers, cid), -ENOENT);
  assert_int_equal(nats_order_kick(&sim.core.nats, sim.workers, 0), -ENOENT);
  say_and_sync(&c[0], "");
  say_and_sync(&c[2], "");
  leave(&sim, &c[0]);
  leave(&sim, &c[2]);
  for (unsigned i = 0; i < 3; i++)
    sim_client_free(&c[i]);
}

/* INFO with ldm goes to that client, once; the next INFO to anybody says nothing of it. */
static void one_is_told_to_leave(void **state) {
  (void)state;
  struct sim_client c[3];
  join_user(&sim, &c[0], 0, "a");
  join(&sim, &c[1], 1, QUIET ",\"protocol\":1,\"user\":\"a\",\"pass\":\"a\"");
  expect_info(&c[1]); /* behind the first PONG */
  assert_int_equal(nats_order_leave(&sim.core.nats, sim.workers, newest(0)), -EOPNOTSUPP);
  assert_int_equal(nats_order_leave(&sim.core.nats, sim.workers, newest(1)), 0);
  const size_t from = c[1].read_to;
  expect_info(&c[1]);
  assert_non_null(strstr(c[1].in + from, "\"ldm\":true"));
  expect_silence(&c[0]);
  assert_int_equal(sim_connect(&sim, &c[2], 1, NULL), 0);
  expect_info(&c[2]);
  assert_null(strstr(c[2].in, "\"ldm\""));
  assert_int_equal(nats_order_leave(&sim.core.nats, sim.workers, 99), -ENOENT);
  for (unsigned i = 0; i < 3; i++) {
    leave(&sim, &c[i]);
    sim_client_free(&c[i]);
  }
}

static void one_is_asked_who_it_is(void **state) {
  (void)state;
  struct sim_client c[2];
  struct nats_who who;
  join_user(&sim, &c[0], 0, "a");
  join_user(&sim, &c[1], 1, "p");
  assert_int_equal(nats_order_who(&sim.core.nats, sim.workers, 0, newest(0), &who), 0);
  assert_string_equal(who.user, "a");
  assert_string_equal(who.account, "A");
  assert_null(who.permissions);
  settings_unref(who.settings);
  assert_int_equal(nats_order_who(&sim.core.nats, sim.workers, 0, newest(1), &who), -ENOENT);
  assert_int_equal(nats_order_who(&sim.core.nats, sim.workers, 1, newest(1), &who), 0);
  configure_access(&sim, "accounts { B { users: [{user: b, pass: b}] } }");
  assert_string_equal(who.user, "p"); /* what it refers to stays */
  assert_true(permissions_may_publish(who.permissions, tern_slice_of("x")));
  assert_false(permissions_may_publish(who.permissions, tern_slice_of("y")));
  settings_unref(who.settings);
  for (unsigned i = 0; i < 2; i++) {
    expect_end(&c[i]);
    ticks(&sim, 20);
    sim_client_free(&c[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(one_is_sent_away_the_others_stay, set_up, tear_down),
      cmocka_unit_test_setup_teardown(one_is_told_to_leave, set_up, tear_down),
      cmocka_unit_test_setup_teardown(one_is_asked_who_it_is, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("nats/order", tests, NULL, NULL);
}
