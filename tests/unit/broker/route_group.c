/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists to queue groups: each message to exactly one member, drawn for each, however many go together; and who may
 * refuse a message keeps them from going together. How single messages are drawn is tested by route.c.
 */
#include <errno.h>

#include "fixture.h"
#include "route_private.h"

#define MESSAGES 600
#define AT_ONCE  100

static struct sim sim;
static struct sim_client c[6]; /* the first one publishes */
static unsigned clients;

static void enter(unsigned worker, const char *fields, const char *subscribe) {
  join(&sim, &c[clients], worker, fields);
  say_and_sync(&c[clients++], subscribe);
}

static int set_up(void **state) {
  (void)state;
  start(&sim, 2, NULL);
  clients = 0;
  for (unsigned i = 0; i < 2; i++)
    sim.core.nats.workers[i]->routes[0]->random = 11 + i;
  enter(0, QUIET, "");
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  end(&sim, c, clients);
  return 0;
}

/* Publishes the messages, to ten subjects in turn or to one. */
static void publish(bool one_subject) {
  char text[AT_ONCE * 32];
  for (unsigned from = 0; from < MESSAGES; from += AT_ONCE) {
    size_t len = 0;
    for (unsigned i = from; i < from + AT_ONCE; i++)
      len += (size_t)snprintf(text + len, sizeof text - len, "PUB g.%u 4\r\n%04u\r\n",
                              one_subject ? 0 : i % 10, i);
    say_and_sync(&c[0], text);
    ticks(&sim, 10);
  }
}

/* Each message has come to exactly one of the clients, and to each of them in order. Returns how many came to whom. */
static void check(unsigned got[6], bool one_subject) {
  bool seen[MESSAGES] = {false};
  unsigned all = 0;
  for (unsigned n = 1; n < clients; n++) {
    unsigned next = 0, subject, sid, number;
    int len;
    sim_pull(&c[n]);
    for (got[n] = 0; c[n].read_to < c[n].in_len; got[n]++, all++) {
      len = 0;
      if (sscanf(unread(&c[n]), "MSG g.%u %u 4\r\n%4u\r\n%n", &subject, &sid, &number, &len) != 3 || len == 0)
        fail_msg("received '%s'", unread(&c[n]));
      c[n].read_to += (size_t)len;
      assert_in_range(number, next, MESSAGES - 1);
      assert_int_equal(subject, one_subject ? 0 : number % 10);
      assert_false(seen[number]);
      seen[number] = true;
      next = number + 1;
    }
  }
  assert_int_equal(all, MESSAGES);
}

/* Four members have a quarter each: within five standard deviations. */
static void expect_quarters(const unsigned got[6]) {
  for (unsigned n = 1; n < 5; n++)
    assert_in_range(got[n], MESSAGES / 4 - 53, MESSAGES / 4 + 53);
}

static uint64_t records_out(void) { return tern_worker_stats(tern_workers_at(sim.workers, 0)).records_out; }

static void members_share_a_list(void **state) {
  (void)state;
  unsigned got[6];
  for (unsigned n = 0; n < 4; n++)
    enter(n % 2, QUIET, "SUB g.* group 1\r\n");
  for (unsigned one_subject = 0; one_subject < 2; one_subject++) {
    uint64_t before = records_out();
    publish(one_subject != 0);
    check(got, one_subject != 0);
    expect_quarters(got);
    assert_in_range(records_out() - before, 1, MESSAGES / 8); /* half of the messages, several in a record */
  }
}

static void a_connection_with_two_members_gets_all_in_order(void **state) {
  (void)state;
  unsigned got[6];
  for (unsigned worker = 0; worker < 2; worker++)
    enter(worker, QUIET, "SUB g.* group 1\r\nSUB g.> group 2\r\n");
  publish(false);
  check(got, false);
  publish(true);
  check(got, true);
}

/* Whoever may refuse a message does not get lists: what it refuses goes to another member. */
static void what_is_refused_goes_to_another_one(void **state) {
  (void)state;
  unsigned got[6];
  enter(0, QUIET, "SUB g.* group 1\r\n");
  enter(1, QUIET, "SUB g.* group 1\r\n");
  enter(0, QUIET, "SUB g.* group 1\r\nUNSUB 1 5\r\n");
  enter(1, QUIET, "SUB g.* group 1\r\nUNSUB 1 7\r\n");
  publish(false);
  check(got, false);
  assert_int_equal(got[3], 5);
  assert_int_equal(got[4], 7);
  sim_say(&c[0], "CONNECT {" QUIET ",\"echo\":false}\r\nSUB g.* group 9\r\n");
  publish(true);
  check(got, true);
  expect_silence(&c[0]);
}

/* O1: a connection with a plain subscription as well gets each message by both before the next one. */
static void plain_subscriptions_keep_the_order(void **state) {
  (void)state;
  enter(0, QUIET, "SUB g.* 1\r\nSUB g.* group 2\r\n");
  publish(false);
  sim_pull(&c[1]);
  for (unsigned i = 0; i < MESSAGES; i++) {
    char text[128];
    for (unsigned sid = 1; sid <= 2; sid++) {
      snprintf(text, sizeof text, "MSG g.%u %u 4\r\n%04u\r\n", i % 10, sid, i);
      expect(&c[1], text);
    }
  }
  expect_silence(&c[1]);
}

/* Members that have left when a list arrives: it goes on to those of another worker. */
static void who_has_left_is_replaced(void **state) {
  (void)state;
  unsigned got[6];
  enter(0, QUIET, "SUB g.* group 1\r\n");
  enter(1, QUIET, "SUB g.* group 1\r\n");
  publish(false);
  check(got, false);
  char text[64];
  for (unsigned i = 0; i < 8; i++) {
    snprintf(text, sizeof text, "PUB g.%u 4\r\n%04u\r\n", i, i);
    sim_say(&c[0], text);
  }
  sim_say(&c[2], "UNSUB 1\r\n");
  tick(&sim, 0);
  tern__worker_step(tern_workers_at(sim.workers, 1), TERN__PHASE_READY); /* UNSUB comes before the records */
  ticks(&sim, 10);
  sim_pull(&c[1]);
  sim_pull(&c[2]);
  assert_int_equal(count_of(unread(&c[1]), "MSG g.") + count_of(unread(&c[2]), "MSG g."), 8);
}

/* O5: a member whose connection has broken in this tick, and does not know yet, is no member. */
static void a_broken_connection_gets_nothing(void **state) {
  (void)state;
  char text[1024];
  size_t len = 0;
  enter(0, QUIET, "SUB g.* group 1\r\n");
  enter(0, QUIET, "SUB g.* group 1\r\n");
  for (unsigned i = 0; i < 20; i++)
    len += (size_t)snprintf(text + len, sizeof text - len, "PUB g.%u 1\r\nx\r\n", i % 10);
  say_and_sync(&c[0], text);
  sim_pull(&c[1]);
  unsigned before = count_of(c[1].in, "MSG g.");
  assert_in_range(before, 1, 19);
  tern__sim_enter(tern_workers_at(sim.workers, 0));
  tern_transport_abort(sim.core.nats.workers[0]->clients->transport, -EPIPE); /* the one that came last */
  say_and_sync(&c[0], text);
  sim_pull(&c[1]);
  assert_int_equal(count_of(c[1].in, "MSG g.") - before, 20);
  c[1].read_to = c[1].in_len;
}

int main(void) {
#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      SCENE(members_share_a_list),
      SCENE(a_connection_with_two_members_gets_all_in_order),
      SCENE(what_is_refused_goes_to_another_one),
      SCENE(plain_subscriptions_keep_the_order),
      SCENE(a_broken_connection_gets_nothing),
      SCENE(who_has_left_is_replaced),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
