/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that are behind, under every policy, on simulated workers: a client that is not pulled does not read. Each
 * message carries its number; what arrives is compared with what was sent and with what was counted as dropped.
 */
#include "fixture.h"

#include "access.h"
#include "overflow.h"
#include "overflow_rules.h"
#include "pool.h"

#define BODY_BYTES 1000
/* More than a socket pair and a transport take: then the client is behind. */
#define MANY 2000

static struct nats_client *inside(struct sim *sim, unsigned worker) {
  return sim->core.nats.workers[worker]->clients; /* the one that came last */
}

/* Publishes messages first to last - 1 to a subject that has their number modulo `subjects` at its end. */
static void publish(struct sim_client *c, unsigned first, unsigned last, unsigned subjects) {
  char text[BODY_BYTES + 64];
  for (unsigned i = first; i < last; i++) {
    int len = snprintf(text, sizeof text, "PUB s.%u %d\r\n%0*u\r\n", i % subjects, BODY_BYTES, BODY_BYTES, i);
    sim_send(c, text, (size_t)len);
    if (i % 50 == 0) ticks(c->sim, 2);
  }
  ticks(c->sim, 20);
}

/* What has arrived: numbers, in order. */
struct arrived {
  unsigned count, first, last;
  bool in_order;       /* each number above the one before */
  unsigned newest[16]; /* of each subject */
};

static struct arrived read_all(struct sim_client *c) {
  struct arrived a = {.in_order = true};
  for (size_t before = SIZE_MAX; before != c->in_len;) {
    before = c->in_len;
    sim_pull(c);
    sim_settle(c->sim);
  }
  sim_pull(c);
  for (char *at = c->in + c->read_to; (at = strstr(at, "MSG s.")) != NULL;) {
    unsigned subject = (unsigned)strtoul(at + 6, NULL, 10);
    at = strstr(at, "\r\n") + 2;
    unsigned number = (unsigned)strtoul(at, NULL, 10);
    assert_int_equal(strncmp(at + BODY_BYTES, "\r\n", 2), 0); /* whole frames only */
    if (a.count == 0) a.first = number;
    if (a.count > 0 && number <= a.last) a.in_order = false;
    if (subject < 16) {
      if (a.newest[subject] > number) fail_msg("%u after %u on s.%u", number, a.newest[subject], subject);
      a.newest[subject] = number;
    }
    a.last = number;
    a.count++;
  }
  c->read_to = c->in_len;
  return a;
}

static void set_rules(struct sim *sim, struct overflow_rules *rules, uint64_t bytes) {
  struct settings *settings = sim_settings(NULL);
  rules->bytes = bytes;
  settings->overflow = rules;
  assert_int_equal(core_set_settings(&sim->core, sim->workers, settings), 0);
  settings_unref(settings);
}

/* A publisher on worker 0, a subscriber of s.> on worker 1 with this field in its CONNECT. */
static void begin(struct sim *sim, struct sim_client *c, const char *field, uint64_t bytes) {
  start(sim, 2, NULL);
  set_rules(sim, overflow_rules_new(), bytes);
  join(sim, &c[0], 0, QUIET);
  char fields[256];
  snprintf(fields, sizeof fields, QUIET ",\"tern_overflow\":%s", field);
  join(sim, &c[1], 1, fields);
}

static void drop_new_keeps_what_came_first(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  begin(&sim, c, "\"drop_new\"", 100000);
  say_and_sync(&c[1], "SUB s.> 1\r\n");
  publish(&c[0], 0, MANY, 1);
  uint64_t dropped = nats_overflow_stats(inside(&sim, 1)).dropped;
  assert_true(dropped > MANY / 4);
  assert_in_range(nats_overflow_stats(inside(&sim, 1)).waiting_bytes, 90000, 100000);
  struct arrived a = read_all(&c[1]);
  assert_int_equal(a.count + dropped, MANY);
  assert_int_equal(a.first, 0);
  assert_true(a.in_order);
  assert_int_equal(a.last, a.count - 1); /* no gaps: the newest are missing */
  assert_int_equal(SUM(&sim, overflow_dropped), dropped);
  assert_int_equal(SUM(&sim, out_msgs), a.count);
  assert_int_equal(nats_overflow_dropped(nats_sids_at(&inside(&sim, 1)->sids, 0) != NULL
                                             ? nats_sids_at(&inside(&sim, 1)->sids, 0)
                                             : nats_sub_find(inside(&sim, 1), tern_slice_of("1"))),
                   dropped);
  publish(&c[0], MANY, MANY + 10, 1); /* it has caught up */
  assert_int_equal(read_all(&c[1]).count, 10);
  assert_int_equal(nats_overflow_stats(inside(&sim, 1)).dropped, dropped);
  end(&sim, c, 2);
}

static void drop_old_keeps_what_came_last(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  begin(&sim, c, "\"drop_old\"", 100000);
  say_and_sync(&c[1], "SUB s.> 1\r\n");
  publish(&c[0], 0, MANY, 1);
  uint64_t dropped = nats_overflow_stats(inside(&sim, 1)).dropped;
  assert_true(dropped > MANY / 4);
  assert_true(nats_overflow_stats(inside(&sim, 1)).waiting_bytes <= 100000);
  struct arrived a = read_all(&c[1]);
  assert_int_equal(a.count + dropped, MANY);
  assert_true(a.in_order);
  assert_int_equal(a.last, MANY - 1);
  end(&sim, c, 2);
}

static void latest_keeps_one_of_each_subject(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  begin(&sim, c, "{\"s.>\":\"latest\"}", 100000);
  say_and_sync(&c[1], "SUB s.> 1\r\nSUB s.3 2\r\n");
  publish(&c[0], 0, MANY, 10);
  uint64_t dropped = nats_overflow_stats(inside(&sim, 1)).dropped;
  /* ten subjects wait, one of them for two subscriptions */
  assert_in_range(nats_overflow_stats(inside(&sim, 1)).waiting_bytes, 11 * BODY_BYTES,
                  11 * (BODY_BYTES + 300));
  struct arrived a = read_all(&c[1]);
  assert_int_equal(a.count + dropped, MANY + MANY / 10);
  for (unsigned i = 0; i < 10; i++)
    assert_int_equal(a.newest[i], MANY - 10 + i);
  end(&sim, c, 2);
}

/* More subjects than there is room for: then the one that waits longest goes. */
static void latest_has_a_bound_too(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  begin(&sim, c, "\"latest\"", 20000);
  say_and_sync(&c[1], "SUB s.> 1\r\n");
  publish(&c[0], 0, MANY, MANY);
  assert_true(nats_overflow_stats(inside(&sim, 1)).waiting_bytes <= 20000);
  struct arrived a = read_all(&c[1]);
  assert_int_equal(a.count + nats_overflow_stats(inside(&sim, 1)).dropped, MANY);
  assert_true(a.in_order);
  assert_int_equal(a.last, MANY - 1);
  end(&sim, c, 2);
}

/* What is answered stays behind the messages it came after (guarantee O2), and is never dropped. */
static void answers_wait_their_turn(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  begin(&sim, c, "\"drop_old\"", 100000);
  say_and_sync(&c[1], "SUB s.> 1\r\n");
  publish(&c[0], 0, MANY, 1);
  for (unsigned i = 0; i < 100; i++)
    sim_say(&c[1], "PING\r\n");
  sim_say(&c[1], "SUB a..b 2\r\n");
  sim_settle(&sim);
  publish(&c[0], MANY, MANY + 50, 1);
  struct sim_client *s = &c[1];
  struct arrived a = read_all(s);
  assert_true(a.in_order);
  assert_int_equal(a.last, MANY + 49);
  const char *error = strstr(s->in, "-ERR 'Invalid Subject'\r\n");
  assert_non_null(error);
  assert_int_equal(count_of(s->in, "PONG\r\n"), 2 + 100); /* joining and subscribing had one each */
  char after[BODY_BYTES + 1];
  snprintf(after, sizeof after, "%0*d", BODY_BYTES, MANY);
  assert_true(strstr(s->in, after) > error);
  assert_null(strstr(error, "PONG"));
  end(&sim, c, 2);
}

/* A subscription with a maximum gets as many as it asked for: what was counted is not dropped. */
static void a_maximum_is_kept(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  begin(&sim, c, "\"drop_old\"", 100000);
  say_and_sync(&c[1], "SUB s.> 1\r\n");
  publish(&c[0], 0, MANY, 1);
  sim_say(&c[1], "SUB s.> 2\r\nUNSUB 2 5\r\n");
  sim_settle(&sim);
  publish(&c[0], MANY, 2 * MANY, 1);
  read_all(&c[1]);
  assert_int_equal(count_of(c[1].in, "MSG s.0 2 "), 5);
  assert_null(nats_sub_find(inside(&sim, 1), tern_slice_of("2")));
  end(&sim, c, 2);
}

/* Another member of the queue group takes what drop_new has no room for. */
static void a_group_loses_nothing_while_another_has_room(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  begin(&sim, c, "\"drop_new\"", 100000);
  join(&sim, &c[2], 1, QUIET);
  say_and_sync(&c[1], "SUB s.> g 1\r\n");
  say_and_sync(&c[2], "SUB s.> g 1\r\n");
  for (unsigned i = 0; i < 4 * MANY; i += 20) { /* one of them reads */
    publish(&c[0], i, i + 20, 1);
    sim_pull(&c[2]);
  }
  unsigned second = read_all(&c[2]).count, first = read_all(&c[1]).count;
  assert_in_range(first, 100, MANY / 2); /* the other was full nearly all the time */
  assert_int_equal(first + second, 4 * MANY);
  end(&sim, c, 3);
}

/* Rules of the configuration, by subject; others of the same connection are cut off as ever, at max_pending. */
static void each_subscription_has_its_policy(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  struct overflow_rules *rules = overflow_rules_new();
  assert_int_equal(overflow_rules_add_subject(rules, "s.1", OVERFLOW_DROP_NEW), 0);
  struct nats_limits limits = sim_limits();
  limits.max_pending = 1000000;
  struct settings *settings = sim_settings(&limits);
  rules->bytes = 50000;
  settings->overflow = rules;
  assert_int_equal(core_set_settings(&sim.core, sim.workers, settings), 0);
  settings_unref(settings);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  say_and_sync(&c[1], "SUB s.1 1\r\nSUB s.0 2\r\n");
  char text[BODY_BYTES + 64];
  snprintf(text, sizeof text, "PUB s.1 %d\r\n%0*d\r\n", BODY_BYTES, BODY_BYTES, 7);
  for (unsigned i = 0; i < MANY; i++) {
    sim_say(&c[0], text);
    if (i % 50 == 0) ticks(&sim, 2);
  }
  sim_settle(&sim);
  assert_int_equal(SUM(&sim, slow_consumers), 0);
  assert_true(SUM(&sim, overflow_dropped) > 100);
  text[6] = '0';
  for (unsigned i = 0; i < MANY; i++) {
    sim_say(&c[0], text);
    if (i % 50 == 0) ticks(&sim, 2);
  }
  sim_settle(&sim);
  assert_int_equal(SUM(&sim, slow_consumers), 1);
  end(&sim, c, 2);
}

/* It may take nothing for as long as it likes, if it only answers PINGs; others may not. */
static void a_policy_is_patient(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  begin(&sim, c, "\"latest\"", 100000);
  join(&sim, &c[2], 1, QUIET);
  say_and_sync(&c[1], "SUB s.> 1\r\n");
  say_and_sync(&c[2], "SUB s.> 1\r\n");
  publish(&c[0], 0, MANY, 1);
  later(&sim, sim_limits().write_deadline_ms + 1000);
  assert_int_equal(SUM(&sim, slow_consumers), 1);
  assert_int_equal(SUM(&sim, connections), 2);
  assert_int_equal(read_all(&c[1]).last, MANY - 1);
  end(&sim, c, 3);
}

static void closing_sends_what_waits(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  begin(&sim, c, "\"drop_old\"", 100000);
  say_and_sync(&c[1], "SUB s.> 1\r\n");
  publish(&c[0], 0, MANY, 1);
  sim_say(&c[1], "NONSENSE\r\n");
  sim_settle(&sim);
  assert_int_equal(read_all(&c[1]).last, MANY - 1);
  assert_non_null(strstr(c[1].in, "-ERR 'Unknown Protocol Operation'\r\n"));
  end(&sim, c, 2);
}

static void clients_may_be_refused_their_choice(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  struct overflow_rules *rules = overflow_rules_new();
  rules->clients_choose = false;
  set_rules(&sim, rules, 50000);
  join(&sim, &c[0], 0, QUIET ",\"tern_overflow\":\"latest\"");
  assert_null(inside(&sim, 0)->overflow);
  assert_int_equal(sim_connect(&sim, &c[1], 1, NULL), 0); /* a word that is no policy: as any wrong field */
  expect_info(&c[1]);
  sim_say(&c[1], "CONNECT {\"tern_overflow\":\"lates\"}\r\n");
  expect_end(&c[1]);
  end(&sim, c, 2);
}

/* New rules hold for those who are there, too; what waits leaves in order. */
static void rules_can_change(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  say_and_sync(&c[1], "SUB s.> 1\r\n");
  assert_null(inside(&sim, 1)->overflow);
  struct overflow_rules *rules = overflow_rules_new();
  rules->by_default = OVERFLOW_DROP_NEW;
  set_rules(&sim, rules, 50000);
  publish(&c[0], 0, MANY, 1);
  uint64_t dropped = SUM(&sim, overflow_dropped);
  assert_true(dropped > 0);
  struct settings *settings = sim_settings(NULL);
  assert_int_equal(core_set_settings(&sim.core, sim.workers, settings), 0);
  settings_unref(settings);
  publish(&c[0], MANY, MANY + 100, 1); /* nothing is dropped any more */
  struct arrived a = read_all(&c[1]);
  assert_int_equal(a.count + dropped, MANY + 100);
  assert_int_equal(a.last, MANY + 99);
  assert_true(a.in_order);
  end(&sim, c, 2);
}

/* Who would not lose anything without noticing may ask for what is the default elsewhere. */
static void disconnect_can_be_asked_for(void **state) {
  (void)state;
  static const char *const asked[] = {"\"disconnect\"", "{}"};
  for (int i = 0; i < 2; i++) {
    struct sim sim;
    struct sim_client c[1];
    char fields[200];
    start(&sim, 1, NULL);
    struct overflow_rules *rules = overflow_rules_new();
    rules->by_default = OVERFLOW_DROP_NEW;
    set_rules(&sim, rules, 50000);
    snprintf(fields, sizeof fields, QUIET ",\"tern_overflow\":%s", asked[i]);
    join(&sim, &c[0], 0, fields);
    say_and_sync(&c[0], "SUB s.> 1\r\n");
    assert_int_equal(nats_overflow_is_patient(inside(&sim, 0)), i == 1);
    end(&sim, c, 1);
  }
}

/* A policy that comes while the client takes nothing makes it patient. */
static void patience_may_come_late(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  say_and_sync(&c[1], "SUB s.> 1\r\n");
  publish(&c[0], 0, MANY, 1);
  assert_true(inside(&sim, 1)->write_paused);
  struct overflow_rules *rules = overflow_rules_new();
  rules->by_default = OVERFLOW_DROP_OLD;
  set_rules(&sim, rules, 50000);
  later(&sim, sim_limits().write_deadline_ms + 1000);
  assert_int_equal(SUM(&sim, slow_consumers), 0);
  assert_int_equal(read_all(&c[1]).last, MANY - 1);
  end(&sim, c, 2);
}

/* What comes at once, far more than max_pending, falls under the policy as well. */
static void a_run_is_no_way_around_the_policy(void **state) {
  (void)state;
  enum { AT_ONCE = 500, LINE = 24, ROUNDS = 8 };
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  start(&sim, 1, &limits);
  limits.max_pending = 300000;
  struct settings *settings = sim_settings(&limits);
  settings->overflow = overflow_rules_new();
  settings->overflow->by_default = OVERFLOW_DROP_OLD;
  assert_int_equal(core_set_settings(&sim.core, sim.workers, settings), 0);
  settings_unref(settings);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 0, QUIET);
  char sid[1001];
  memset(sid, 'x', sizeof sid - 1);
  sid[sizeof sid - 1] = '\0';
  char text[AT_ONCE * LINE + 1100];
  snprintf(text, sizeof text, "SUB s.> %s\r\n", sid);
  say_and_sync(&c[1], text);
  size_t len = 0;
  for (unsigned i = 0; i < AT_ONCE; i++)
    len += (size_t)snprintf(text + len, sizeof text - len, "PUB s.0 4\r\nbody\r\n");
  for (unsigned i = 0; i < ROUNDS; i++) {
    sim_send(&c[0], text, len);
    ticks(&sim, 5);
  }
  assert_int_equal(SUM(&sim, slow_consumers), 0);
  assert_true(SUM(&sim, overflow_dropped) > 0);
  end(&sim, c, 2);
}

/* The policy of a user; the configuration goes before what is for everybody. */
static void users_have_a_policy(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 1, NULL);
  join(&sim, &c[0], 0, QUIET);
  const struct access_user ann = {.name = "ann"};
  inside(&sim, 0)->user = &ann;
  join(&sim, &c[1], 0, QUIET);
  struct overflow_rules *rules = overflow_rules_new();
  rules->users.at = calloc(1, sizeof *rules->users.at);
  rules->users.at[0] = (struct overflow_rule){strdup("ann"), OVERFLOW_LATEST};
  rules->users.count = 1;
  struct settings *settings = sim_settings(NULL);
  settings->overflow = rules;
  settings->access = NULL; /* nobody is asked again who it is */
  assert_int_equal(core_set_settings(&sim.core, sim.workers, settings), 0);
  settings_unref(settings);
  assert_null(inside(&sim, 0)->overflow);
  assert_non_null(inside(&sim, 0)->next->overflow);
  inside(&sim, 0)->next->user = NULL;
  end(&sim, c, 2);
}

static unsigned faults;
static int sometimes(size_t size) {
  (void)size;
  return faults++ % 3 == 0;
}

/* Without memory messages are dropped and counted, or the connection ends; nothing is left over. */
static void without_memory_it_loses_messages_only(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  begin(&sim, c, "\"latest\"", 100000);
  say_and_sync(&c[1], "SUB s.> 1\r\n");
  publish(&c[0], 0, MANY / 2, 5);
  char text[BODY_BYTES + 64];
  for (unsigned i = MANY / 2; i < MANY; i++) {
    int len = snprintf(text, sizeof text, "PUB s.%u %d\r\n%0*u\r\n", i % 5, BODY_BYTES, BODY_BYTES, i);
    sim_send(&c[0], text, (size_t)len);
    tick(&sim, 0);
    tern__pool_fault = sometimes;
    tick(&sim, 1);
    tern__pool_fault = NULL;
  }
  uint64_t dropped = SUM(&sim, overflow_dropped) + tern_counter_read(&route_stats_of(&sim, 1)->no_memory);
  assert_true(dropped > 0);
  if (!c[1].lost) assert_true(read_all(&c[1]).count > 0);
  end(&sim, c, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(drop_new_keeps_what_came_first),
      cmocka_unit_test(drop_old_keeps_what_came_last),
      cmocka_unit_test(latest_keeps_one_of_each_subject),
      cmocka_unit_test(latest_has_a_bound_too),
      cmocka_unit_test(answers_wait_their_turn),
      cmocka_unit_test(a_maximum_is_kept),
      cmocka_unit_test(a_group_loses_nothing_while_another_has_room),
      cmocka_unit_test(each_subscription_has_its_policy),
      cmocka_unit_test(a_policy_is_patient),
      cmocka_unit_test(closing_sends_what_waits),
      cmocka_unit_test(clients_may_be_refused_their_choice),
      cmocka_unit_test(rules_can_change),
      cmocka_unit_test(disconnect_can_be_asked_for),
      cmocka_unit_test(patience_may_come_late),
      cmocka_unit_test(a_run_is_no_way_around_the_policy),
      cmocka_unit_test(users_have_a_policy),
      cmocka_unit_test(without_memory_it_loses_messages_only),
  };
  return cmocka_run_group_tests_name("overflow", tests, NULL, NULL);
}
