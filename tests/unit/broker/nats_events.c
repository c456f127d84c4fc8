/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections told to a watcher: which are events, that nobody is told who does not listen, and what the event says.
 */
#include "events.h"

#include "configured.h"

#define CONFIG \
  "accounts { SYS { users: [{user: s, pass: s}] }, A { users: [{user: a, pass: a}] } }, system_account: SYS"
#define EVENTS_MAX 16

static struct sim sim;
static struct nats_watch watch;

/* What was told. */
static struct {
  struct nats_event at[EVENTS_MAX];
  unsigned count;
} told;

static void note(void *arg, const struct nats_event *event) {
  assert_ptr_equal(arg, &told);
  assert_true(told.count < EVENTS_MAX);
  told.at[told.count++] = *event;
}

static void forget(void) {
  while (told.count > 0)
    free(told.at[--told.count].conn);
}

static int set_up(void **state) {
  (void)state;
  start(&sim, 2, NULL);
  configure_access(&sim, CONFIG);
  watch = (struct nats_watch){
      .account = number_of(&sim, "SYS"), .refused = "$SYS.refused", .note = note, .arg = &told};
  nats_server_watch(&sim.core.nats, &watch);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  forget();
  end(&sim, NULL, 0);
  return 0;
}

static void comings_and_goings_are_told_to_who_listens(void **state) {
  (void)state;
  struct sim_client listener, c;
  join_user(&sim, &listener, 0, "s");
  say_and_sync(&listener, "SUB $SYS.ACCOUNT.A.> 1\r\n");
  join_user(&sim, &c, 1, "a");
  assert_int_equal(told.count, 1);
  const struct nats_event *event = &told.at[0];
  assert_int_equal(event->kind, NATS_EVENT_CONNECT);
  assert_int_equal(event->account, number_of(&sim, "A"));
  assert_true(event->counts);
  assert_string_equal(event->conn->account, "A");
  assert_string_equal(event->conn->user, "a");
  assert_string_equal(event->conn->name, "n");
  assert_string_equal(event->conn->lang, "c");
  assert_string_equal(event->conn->version, "7");
  assert_int_equal(event->conn->stop_ms, 0);
  say_and_sync(&c, "CONNECT {\"verbose\":false}\r\nPUB x 3\r\nabc\r\n"); /* a second one is no event */
  later(&sim, 5);
  leave(&sim, &c);
  assert_int_equal(told.count, 2);
  event = &told.at[1];
  assert_int_equal(event->kind, NATS_EVENT_DISCONNECT);
  assert_int_equal(event->conn->in_bytes, 3);
  assert_int_equal(event->conn->reason, NATS_CLIENT_CLOSED);
  assert_int_equal(event->conn->cid, told.at[0].conn->cid);
  assert_int_equal(event->conn->stop_ms, event->at_ms);
  assert_true(event->at_ms >= told.at[0].at_ms + 5);
  leave(&sim, &listener);
  sim_client_free(&c);
  sim_client_free(&listener);
}

/* One subject decides whether a connection is described, two others whether its account is counted. */
static void each_is_told_what_it_listens_to(void **state) {
  (void)state;
  struct sim_client listener, c[3];
  join_user(&sim, &listener, 1, "s");
  join_user(&sim, &c[0], 0, "a");
  assert_int_equal(told.count, 0); /* nobody listens */
  say_and_sync(&listener, "SUB $SYS.SERVER.ACCOUNT.*.CONNS q 1\r\n");
  join_user(&sim, &c[1], 0, "a");
  assert_int_equal(told.count, 1);
  assert_null(told.at[0].conn);
  assert_true(told.at[0].counts);
  say_and_sync(&listener, "UNSUB 1\r\nSUB $SYS.ACCOUNT.*.DISCONNECT 2\r\n");
  join_user(&sim, &c[2], 0, "a");
  assert_int_equal(told.count, 1);
  leave(&sim, &c[2]);
  assert_int_equal(told.count, 2);
  assert_non_null(told.at[1].conn);
  assert_false(told.at[1].counts);
  nats_server_watch(&sim.core.nats, NULL);
  leave(&sim, &c[1]);
  leave(&sim, &c[0]);
  assert_int_equal(told.count, 2); /* nobody watches */
  leave(&sim, &listener);
  for (unsigned i = 0; i < 3; i++)
    sim_client_free(&c[i]);
  sim_client_free(&listener);
}

static void who_is_in_no_account_is_no_event_but_when_refused(void **state) {
  (void)state;
  struct sim_client listener, c[2];
  join_user(&sim, &listener, 0, "s");
  say_and_sync(&listener, "SUB > 1\r\n");
  assert_int_equal(sim_connect(&sim, &c[0], 1, NULL), 0);
  expect_info(&c[0]);
  leave(&sim, &c[0]); /* never said who it was */
  assert_int_equal(told.count, 0);
  assert_int_equal(sim_connect(&sim, &c[1], 1, NULL), 0);
  expect_info(&c[1]);
  sim_say(&c[1], "CONNECT {\"user\":\"a\",\"pass\":\"secret\",\"name\":\"n\"}\r\n");
  expect(&c[1], "-ERR 'Authorization Violation'\r\n");
  expect_end(&c[1]);
  ticks(&sim, 20);
  assert_int_equal(told.count, 1);
  const struct nats_event *event = &told.at[0];
  assert_int_equal(event->kind, NATS_EVENT_REFUSED);
  assert_string_equal(event->conn->account, "$G");
  assert_string_equal(event->conn->user, "a");
  assert_false(event->counts);
  assert_null(memmem(event->conn, event->conn->size, "secret", 6));
  leave(&sim, &listener);
  for (unsigned i = 0; i < 2; i++)
    sim_client_free(&c[i]);
  sim_client_free(&listener);
}

/* The user is gone with the old configuration; the account is not. */
static void whom_a_reload_sends_away_left_its_account(void **state) {
  (void)state;
  struct sim_client listener, c;
  join_user(&sim, &listener, 0, "s");
  say_and_sync(&listener, "SUB $SYS.ACCOUNT.A.DISCONNECT 1\r\n");
  join_user(&sim, &c, 1, "a");
  configure_access(&sim, "accounts { SYS { users: [{user: s, pass: s}] }, A { } }, system_account: SYS");
  expect_end(&c);
  ticks(&sim, 20);
  assert_int_equal(told.count, 1);
  assert_string_equal(told.at[0].conn->account, "A");
  leave(&sim, &listener);
  sim_client_free(&c);
  sim_client_free(&listener);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(comings_and_goings_are_told_to_who_listens, set_up, tear_down),
      cmocka_unit_test_setup_teardown(each_is_told_what_it_listens_to, set_up, tear_down),
      cmocka_unit_test_setup_teardown(who_is_in_no_account_is_no_event_but_when_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(whom_a_reload_sends_away_left_its_account, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("nats/events", tests, NULL, NULL);
}
