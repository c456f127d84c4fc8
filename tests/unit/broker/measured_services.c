/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services that are measured: whatever becomes of a request that was sampled, one report says so in the account of the
 * service, on one worker and across two. What stands in it besides is tested in service_latency.c.
 */
#include "accounts.h"

#include <jansson.h>

#define INFO_B "Nats-Request-Info: {\"acc\":\"B\"}\r\n\r\n"

#define MEASURED                                                                                           \
  "accounts {\n"                                                                                           \
  "  A { exports: [ {service: all, latency: lat.all, threshold: '2s'}\n"                                   \
  "                 {service: some, latency: {sampling: headers, subject: lat.some}} ] }\n"                \
  "  B { exports: [ {service: b, latency: lat.b} ]\n"                                                      \
  "      imports: [ {service: {account: A, subject: all}}, {service: {account: A, subject: some}, share: " \
  "true}\n"                                                                                                \
  "                 {service: {account: A, subject: all}, to: b} ] }\n"                                    \
  "  C { imports: [ {service: {account: B, subject: b}, share: true} ] }\n"                                \
  "}"

/* The next that the client receives is a report with this status, whose requestor and responder these texts begin. */
static void expect_report(struct sim_client *c, const char *subject, int status, const char *requestor,
                          const char *responder, const char *header) {
  json_t *report;
  char start[64];
  snprintf(start, sizeof start, "MSG %s 9 ", subject);
  expect(c, start);
  size_t len = strtoul(unread(c), NULL, 10);
  c->read_to += strcspn(unread(c), "\n") + 1;
  report = json_loadb(unread(c), len, 0, NULL);
  assert_non_null(report);
  c->read_to += len;
  expect(c, "\r\n");
  assert_int_equal(json_integer_value(json_object_get(report, "status")), status);
  const struct {
    const char *key, *begins;
  } parts[] = {{"requestor", requestor}, {"responder", responder}, {"header", header}};
  for (size_t i = 0; i < 3; i++) {
    json_t *part = json_object_get(report, parts[i].key);
    if (parts[i].begins == NULL) {
      assert_null(part);
      continue;
    }
    if (part == NULL) fail_msg("no %s", parts[i].key);
    /* when it began is told with all the rest */
    assert_int_equal(json_object_del(part, "start") == 0, strstr(parts[i].begins, "\"kind\"") != NULL);
    char *text = json_dumps(part, JSON_COMPACT);
    if (strcmp(text, parts[i].begins) != 0)
      fail_msg("%s: '%s', not '%s'", parts[i].key, text, parts[i].begins);
    free(text);
  }
  assert_int_equal(json_integer_value(json_object_get(report, "total")) > 0, status == 200);
  json_decref(report);
}

/* Who has answered. */
#define RESPONDER(id) \
  "{\"id\":" id ",\"acc\":\"A\",\"server\":\"sim\",\"kind\":\"Client\",\"client_type\":\"nats\"}"

/* What the client has received does not matter. */
static void drop_all(struct sim_client *c) {
  ticks(c->sim, 10);
  sim_pull(c);
  c->read_to = c->in_len;
}

/* The answering connection is of the worker of the requester, or of another. */
static void services_are_measured(void **state) {
  (void)state;
  for (unsigned workers = 1; workers <= 2; workers++) {
    struct sim sim;
    struct sim_client c[3];
    start_with(&sim, workers, MEASURED);
    join_account(&sim, &c[0], 0, "B", REQUESTS);
    join_account(&sim, &c[1], workers - 1, "A", REQUESTS);
    join_account(&sim, &c[2], 0, "A", QUIET);
    say_and_sync(&c[0], "SUB in.* 1\r\n");
    say_and_sync(&c[1], "SUB all 2\r\nSUB some 3\r\n");
    say_and_sync(&c[2], "SUB lat.> 9\r\n");
    sim_say(&c[0], "PUB all in.1 1\r\nq\r\n");
    const char *reply = expect_request(&c[1], "HMSG all 2 ", " 44 45\r\nNATS/1.0\r\n" INFO_B "q\r\n");
    expect_silence(&c[2]);
    say_to(&c[1], reply, "2\r\nok\r\n");
    expect(&c[0], "MSG in.1 1 2\r\nok\r\n");
    expect_report(&c[2], "lat.all", 200, "{\"acc\":\"B\"}", RESPONDER("2"), NULL);
    say_to(&c[1], reply, "2\r\nno\r\n");
    expect_silence(&c[2]);
    /* by headers */
    say_and_sync(&c[0], "PUB some 0\r\n\r\n");
    expect(&c[1], "HMSG some 3 ");
    drop_all(&c[1]);
    sim_say(&c[0], "HPUB some in.1 19 20\r\nNATS/1.0\r\nB3: 1\r\n\r\nq\r\n");
    reply = expect_request(&c[1], "HMSG some 3 ", " ");
    drop_all(&c[1]);
    say_to(&c[1], reply, "2\r\nok\r\n");
    expect(&c[0], "MSG in.1 1 2\r\nok\r\n");
    expect_report(&c[2], "lat.some", 200,
                  "{\"id\":1,\"acc\":\"B\",\"server\":\"sim\",\"kind\":\"Client\",\"client_type\":\"nats\"}",
                  RESPONDER("2"), "{\"B3\":[\"1\"]}");
    expect_silence(&c[2]);
    end(&sim, c, 3);
  }
}

static void measured_in_vain(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  start_with(&sim, 2, MEASURED);
  join_account(&sim, &c[0], 0, "B", REQUESTS);
  join_account(&sim, &c[1], 1, "A", REQUESTS);
  join_account(&sim, &c[2], 0, "A", QUIET);
  say_and_sync(&c[0], "SUB in.* 1\r\n");
  say_and_sync(&c[2], "SUB lat.> 9\r\n");
  /* nobody there */
  sim_say(&c[0], "PUB all in.1 1\r\nq\r\n");
  expect(&c[0], "HMSG in.1 1 35 35\r\nNATS/1.0 503\r\nNats-Subject: all\r\n\r\n\r\n");
  expect_report(&c[2], "lat.all", 503, "{\"acc\":\"B\"}", NULL, NULL);
  /* no way back */
  say_and_sync(&c[1], "SUB all 2\r\n");
  sim_say(&c[0], "PUB all 1\r\nq\r\n");
  expect(&c[1], "HMSG all 2 44 45\r\nNATS/1.0\r\n" INFO_B "q\r\n");
  expect_report(&c[2], "lat.all", 400, "{\"acc\":\"B\"}", NULL, NULL);
  /* no answer */
  later(&sim, 3000);
  for (unsigned i = 0; i < 3; i++)
    drop_all(&c[i]);
  sim_say(&c[0], "PUB all in.1 1\r\nq\r\n");
  expect_request(&c[1], "HMSG all 2 ", " 44 45\r\nNATS/1.0\r\n" INFO_B "q\r\n");
  later(&sim, 1900);
  expect_silence(&c[2]);
  later(&sim, 200);
  expect_report(&c[2], "lat.all", 504, "{\"acc\":\"B\"}", NULL, NULL);
  /* the requester leaves: what is known of it is told all the same */
  sim_say(&c[0], "PUB all in.1 1\r\nq\r\n");
  expect_request(&c[1], "HMSG all 2 ", " 44 45\r\nNATS/1.0\r\n" INFO_B "q\r\n");
  sim_hang_up(&c[0]);
  ticks(&sim, 5);
  later(&sim, REPLIES_LOOK_MS + 100);
  expect_report(&c[2], "lat.all", 408, "{\"acc\":\"B\"}", NULL, NULL);
  expect_silence(&c[2]);
  assert_int_equal(replies_count(sim.core.nats.workers[0]->routes[0]->crossings->replies), 0);
  end(&sim, c, 3);
}

/* Each account is told of its own service. */
static void measured_by_way_of_several_accounts(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[4];
  start_with(&sim, 2, MEASURED);
  join_account(&sim, &c[0], 0, "C", REQUESTS);
  join_account(&sim, &c[1], 1, "A", QUIET);
  join_account(&sim, &c[2], 0, "A", QUIET);
  join_account(&sim, &c[3], 1, "B", QUIET);
  say_and_sync(&c[0], "SUB in 1\r\n");
  say_and_sync(&c[1], "SUB all 2\r\n");
  say_and_sync(&c[2], "SUB lat.> 9\r\n");
  say_and_sync(&c[3], "SUB lat.> 9\r\n");
  sim_say(&c[0], "PUB b in 1\r\nq\r\n");
  const char *reply = expect_request(&c[1], "MSG all 2 ", " 1\r\nq\r\n");
  say_to(&c[1], reply, "2\r\nok\r\n");
  expect(&c[0], "MSG in 1 2\r\nok\r\n");
  expect_report(&c[2], "lat.all", 200, "{\"acc\":\"C\"}", RESPONDER("2"), NULL);
  expect_report(&c[3], "lat.b", 200,
                "{\"id\":1,\"acc\":\"C\",\"server\":\"sim\",\"kind\":\"Client\",\"client_type\":\"nats\"}",
                RESPONDER("2"), NULL);
  /* who asked first leaves */
  sim_say(&c[0], "PUB b in 1\r\nq\r\n");
  expect_request(&c[1], "MSG all 2 ", " 1\r\nq\r\n");
  sim_hang_up(&c[0]);
  ticks(&sim, 5);
  later(&sim, REPLIES_LOOK_MS + 100);
  expect_report(&c[2], "lat.all", 408, "{\"acc\":\"C\"}", NULL, NULL);
  expect_report(&c[3], "lat.b", 408,
                "{\"id\":1,\"acc\":\"C\",\"server\":\"sim\",\"kind\":\"Client\",\"client_type\":\"nats\"}",
                NULL, NULL);
  expect_silence(&c[2]);
  expect_silence(&c[3]);
  end(&sim, c, 4);
}

/* What was measured when it came is reported; from then on it is as the settings say. */
static void settings_change_meanwhile(void **state) {
  (void)state;
  static const char *const others[] = {
      "accounts { A { exports: [ {service: all} ] }\n B { imports: [ {service: {account: A, subject: all}} ] "
      "} }",
      ""};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    struct sim sim;
    struct sim_client c[3];
    start_with(&sim, 2, MEASURED);
    join_account(&sim, &c[0], 0, "B", REQUESTS);
    join_account(&sim, &c[1], 1, "A", REQUESTS);
    join_account(&sim, &c[2], 0, "A", QUIET);
    say_and_sync(&c[0], "SUB in.* 1\r\n");
    say_and_sync(&c[1], "SUB all 2\r\n");
    say_and_sync(&c[2], "SUB lat.> 9\r\n");
    sim_say(&c[0], "PUB all in.1 1\r\nq\r\n");
    const char *reply = expect_request(&c[1], "HMSG all 2 ", " 44 45\r\nNATS/1.0\r\n" INFO_B "q\r\n");
    configure(&sim, others[i]);
    say_to(&c[1], reply, "2\r\nok\r\n");
    expect(&c[0], "MSG in.1 1 2\r\nok\r\n");
    expect_report(&c[2], "lat.all", 200, "{\"acc\":\"B\"}", RESPONDER("2"), NULL);
    say_and_sync(&c[0], "SUB all 3\r\nUNSUB 1\r\n");
    sim_say(&c[0], "PUB all 1\r\nq\r\n");
    expect(&c[0], "MSG all 3 1\r\nq\r\n");
    drop_all(&c[1]);
    expect_silence(&c[2]);
    end(&sim, c, 3);
  }
}

/* The only member of the service's group leaves while the request is on its way. */
static void measured_though_the_last_one_leaves(void **state) {
  (void)state;
  unsigned left = 0;
  for (unsigned seed = 1; seed <= 40; seed++) {
    struct sim sim;
    struct sim_client c[3];
    start_with(&sim, 2, MEASURED);
    sim.random = seed;
    join_account(&sim, &c[0], 0, "B", REQUESTS);
    join_account(&sim, &c[1], 1, "A", REQUESTS);
    join_account(&sim, &c[2], 0, "A", QUIET);
    say_and_sync(&c[0], "SUB in.* 1\r\n");
    say_and_sync(&c[1], "SUB all q 2\r\n");
    say_and_sync(&c[2], "SUB lat.> 9\r\n");
    sim_say(&c[0], "PUB all in.1 0\r\n\r\n");
    sim_say(&c[1], "UNSUB 2\r\n");
    for (unsigned n = 0; n < 200; n++)
      sim_step(&sim);
    sim_settle(&sim);
    for (unsigned i = 0; i < 3; i++)
      sim_pull(&c[i]);
    unsigned served = count_of(unread(&c[1]), "HMSG all 2 ");
    left += served == 0;
    if (served == 0) expect_report(&c[2], "lat.all", 503, "{\"acc\":\"B\"}", NULL, NULL);
    expect_silence(&c[2]);
    end(&sim, c, 3);
  }
  assert_in_range(left, 1, 39);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(services_are_measured),
      cmocka_unit_test(measured_in_vain),
      cmocka_unit_test(measured_by_way_of_several_accounts),
      cmocka_unit_test(settings_change_meanwhile),
      cmocka_unit_test(measured_though_the_last_one_leaves),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
