/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes between accounts, and what does not, on one worker and across two: accounts are closed to one another but for
 * their imports; streams (order, maximum, queue groups, no further than one account); services (headers, one answer, many
 * answers, nobody there, by way of several accounts); mappings.
 */
#include "accounts.h"

#define SERVICE                                                                                            \
  "accounts {\n"                                                                                           \
  "  A { exports: [ {service: 'svc.>'}, {service: st, response_type: stream, response_threshold: '2s'} ] " \
  "}\n"                                                                                                    \
  "  B { imports: [ {service: {account: A, subject: 'svc.time'}, to: time}, {service: {account: A, "       \
  "subject: st}}\n"                                                                                        \
  "                 {service: {account: A, subject: 'svc.who'}, to: who, share: true} ] }\n"               \
  "}"
#define STREAM                                                                                               \
  "accounts {\n"                                                                                             \
  "  A { exports: [ {stream: 'ev.>'} ] }\n"                                                                  \
  "  B { exports: [ {stream: 'imp.>'} ], imports: [ {stream: {account: A, subject: 'ev.>'}, prefix: imp} ] " \
  "}\n"                                                                                                      \
  "  C { imports: [ {stream: {account: B, subject: 'imp.>'}} ] }\n"                                          \
  "}"
#define INFO_B "Nats-Request-Info: {\"acc\":\"B\"}\r\n\r\n"

/* Every wildcard, and nothing of the others. */
static void accounts_are_closed(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[6];
  static const char *const accounts[] = {"$G", "A", "B"};
  start_with(&sim, 2, "");
  for (unsigned i = 0; i < 6; i++) {
    join_account(&sim, &c[i], i & 1, accounts[i / 2], REQUESTS);
    say_and_sync(&c[i], "SUB > 1\r\nSUB *.x 2\r\nSUB > q 3\r\nSUB $SYS.> 4\r\nUNSUB 3\r\n");
  }
  for (unsigned i = 0; i < 3; i++) {
    struct sim_client *one = &c[2 * i], *other = &c[2 * i + 1];
    sim_say(one, "PUB a.b.c 1\r\nx\r\n");
    expect(one, "MSG a.b.c 1 1\r\nx\r\n");
    expect(other, "MSG a.b.c 1 1\r\nx\r\n");
    for (unsigned k = 0; k < 6; k++)
      expect_silence(&c[k]);
    say_and_sync(one, "UNSUB 1\r\nUNSUB 2\r\n");
    say_and_sync(other, "UNSUB 1\r\nUNSUB 2\r\n");
  }
  /* nobody here answers, though others elsewhere would */
  say_and_sync(&c[0], "SUB r 5\r\n");
  say_and_sync(&c[3], "SUB ask 5\r\n");
  sim_say(&c[0], "PUB ask r 0\r\n\r\n");
  expect(&c[0], "HMSG r 5 35 35\r\nNATS/1.0 503\r\nNats-Subject: ask\r\n\r\n\r\n");
  expect_silence(&c[3]);
  end(&sim, c, 6);
}

static void streams(void **state) {
  (void)state;
  for (unsigned workers = 1; workers <= 2; workers++) {
    struct sim sim;
    struct sim_client c[4];
    start_with(&sim, workers, STREAM);
    join_account(&sim, &c[0], 0, "A", REQUESTS);
    join_account(&sim, &c[1], workers - 1, "B", QUIET);
    join_account(&sim, &c[2], 0, "B", REQUESTS);
    join_account(&sim, &c[3], 0, "C", QUIET);
    say_and_sync(&c[1], "SUB imp.> 1\r\n");
    sim_say(&c[0], "PUB ev.x r 1\r\n1\r\nPUB ev.x.y 1\r\n2\r\nPUB ev 1\r\n3\r\nPUB ev.x 0004\r\n4444\r\n");
    expect(&c[1], "MSG imp.ev.x 1 r 1\r\n1\r\nMSG imp.ev.x.y 1 1\r\n2\r\nMSG imp.ev.x 1 0004\r\n4444\r\n");
    expect_silence(&c[1]);
    /* `>` has them, too; a maximum counts each once; unsubscribed is unsubscribed (O4) */
    say_and_sync(&c[1], "SUB > 2\r\nUNSUB 1\r\nUNSUB 2 2\r\n");
    sim_say(&c[0], "PUB ev.a 1\r\n1\r\nPUB ev.a 1\r\n2\r\nPUB ev.a 1\r\n3\r\n");
    expect(&c[1], "MSG imp.ev.a 2 1\r\n1\r\nMSG imp.ev.a 2 1\r\n2\r\n");
    expect_silence(&c[1]);
    /* one way only, and no further than one account */
    say_and_sync(&c[0], "SUB > 1\r\n");
    say_and_sync(&c[3], "SUB > 1\r\n");
    sim_say(&c[2], "PUB imp.ev.b 1\r\nb\r\n");
    expect(&c[3], "MSG imp.ev.b 1 1\r\nb\r\n");
    expect_silence(&c[0]);
    sim_say(&c[0], "PUB ev.c 1\r\nc\r\n");
    expect(&c[0], "MSG ev.c 1 1\r\nc\r\n");
    expect_silence(&c[3]);
    /* one member of a group there */
    say_and_sync(&c[1], "SUB imp.ev.q q 3\r\n");
    say_and_sync(&c[2], "SUB imp.*.q q 3\r\n");
    for (unsigned i = 0; i < 20; i++)
      sim_say(&c[0], "PUB ev.q 1\r\nq\r\n");
    ticks(&sim, 20);
    sim_pull(&c[1]);
    sim_pull(&c[2]);
    assert_int_equal(count_of(unread(&c[1]), "MSG imp.ev.q 3 ") + count_of(unread(&c[2]), "MSG imp.ev.q 3 "),
                     20);
    end(&sim, c, 4);
  }
}

/* O1 for an importer, with bodies on both sides of what is copied. */
static void streams_keep_their_order(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  static char body[6000];
  start_with(&sim, 2, STREAM);
  join_account(&sim, &c[0], 0, "A", QUIET);
  join_account(&sim, &c[1], 1, "B", QUIET);
  say_and_sync(&c[1], "SUB > 1\r\n");
  memset(body, 'x', sizeof body);
  for (unsigned i = 0; i < 100; i++) {
    unsigned size = i % 7 == 0 ? 5000 : 10;
    char head[64];
    snprintf(head, sizeof head, "PUB ev.x %u\r\n%03u", size, i);
    sim_say(&c[0], head);
    sim_send(&c[0], body, size - 3);
    sim_say(&c[0], "\r\n");
    tick(&sim, 0); /* the other worker falls behind */
    if (i % 10 == 9) ticks(&sim, 1);
    sim_pull(&c[1]);
  }
  for (unsigned i = 0; i < 100; i++) {
    unsigned size = i % 7 == 0 ? 5000 : 10;
    char head[64];
    snprintf(head, sizeof head, "MSG imp.ev.x 1 %u\r\n%03u", size, i);
    expect(&c[1], head);
    body[size - 3] = '\0';
    expect(&c[1], body);
    body[size - 3] = 'x';
    expect(&c[1], "\r\n");
  }
  end(&sim, c, 2);
}

static void a_stream_without_receivers_is_none(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start_with(&sim, 1, STREAM);
  join_account(&sim, &c[0], 0, "A", REQUESTS);
  join_account(&sim, &c[1], 0, "B", QUIET);
  say_and_sync(&c[0], "SUB r 1\r\n");
  sim_say(&c[0], "PUB ev.x r 0\r\n\r\n");
  expect(&c[0], "HMSG r 1 36 36\r\nNATS/1.0 503\r\nNats-Subject: ev.x\r\n\r\n\r\n");
  say_and_sync(&c[1], "SUB imp.> 1\r\n");
  sim_say(&c[0], "PUB ev.x r 0\r\n\r\n");
  expect(&c[1], "MSG imp.ev.x 1 r 0\r\n\r\n");
  expect_silence(&c[0]);
  end(&sim, c, 2);
}

static void services(void **state) {
  (void)state;
  for (unsigned workers = 1; workers <= 2; workers++) {
    struct sim sim;
    struct sim_client c[3];
    start_with(&sim, workers, SERVICE);
    join_account(&sim, &c[0], 0, "B", REQUESTS);
    join_account(&sim, &c[1], workers - 1, "A", REQUESTS);
    join_account(&sim, &c[2], 0, "A", QUIET);
    say_and_sync(&c[0], "SUB in.* 1\r\n");
    say_and_sync(&c[1], "SUB svc.time 2\r\n");
    sim_say(&c[0], "PUB time in.1 1\r\nq\r\n");
    const char *reply = expect_request(&c[1], "HMSG svc.time 2 ", " 44 45\r\nNATS/1.0\r\n" INFO_B "q\r\n");
    say_to(&c[1], reply, "2\r\nok\r\n");
    expect(&c[0], "MSG in.1 1 2\r\nok\r\n");
    say_to(&c[1], reply, "2\r\nno\r\n"); /* it has been answered */
    say_to(&c[2], "_R_.0123456789abcdef.000000000123456789abcdef", "1\r\nx\r\n");
    expect_silence(&c[0]);
    /* without a reply subject; without headers for who does not take them; with headers, where a lie is left out */
    say_and_sync(&c[2], "SUB svc.time 3\r\n");
    sim_say(&c[0], "PUB time 1\r\nq\r\n");
    expect(&c[1], "HMSG svc.time 2 44 45\r\nNATS/1.0\r\n" INFO_B "q\r\n");
    expect(&c[2], "MSG svc.time 3 1\r\nq\r\n");
    say_and_sync(&c[2], "UNSUB 3\r\n");
    sim_say(&c[0],
            "HPUB time 52 53\r\nNATS/1.0\r\nnats-request-info: {\"acc\":\"X\"}\r\nFoo: b\r\n\r\nq\r\n");
    expect(&c[1], "HMSG svc.time 2 52 53\r\nNATS/1.0\r\nFoo: b\r\n" INFO_B "q\r\n");
    sim_say(&c[0], "HPUB time 16 17\r\nNATS/1.0\r\nFoo: bq\r\n"); /* headers that do not end */
    expect(&c[1], "HMSG svc.time 2 52 53\r\nNATS/1.0\r\nFoo: b\r\n" INFO_B "q\r\n");
    end(&sim, c, 3);
  }
}

/* The client's headers end with who asks, where TIME stands for a point in time. */
static void expect_who(struct sim_client *c, const char *info) {
  char said[512];
  const char *start = strstr(unread(c), "Nats-Request-Info: ");
  assert_non_null(start);
  start += sizeof "Nats-Request-Info: " - 1;
  const char *end = strstr(start, "\r\n\r\n"), *time = strstr(start, "\"start\":\"");
  assert_non_null(end);
  if (time != NULL && time < end) {
    const char *behind = strchr(time + 9, '"');
    assert_in_range(behind - time, 9 + sizeof "2026-01-01T00:00:00Z" - 1,
                    9 + sizeof "2026-01-01T00:00:00.123456789Z");
    assert_int_equal(behind[-1], 'Z');
    snprintf(said, sizeof said, "%.*s:TIME%.*s", (int)(time + 7 - start), start, (int)(end - behind - 1),
             behind + 1);
  } else {
    snprintf(said, sizeof said, "%.*s", (int)(end - start), start);
  }
  assert_string_equal(said, info);
  c->read_to += (size_t)(end + 4 - unread(c));
}

static void the_service_may_be_told_who_asks(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start_with(&sim, 1, SERVICE);
  join_account(&sim, &c[0], 0, "B", REQUESTS ",\"name\":\"me\",\"lang\":\"c\"");
  join_account(&sim, &c[1], 0, "A", REQUESTS);
  say_and_sync(&c[1], "SUB svc.who 2\r\n");
  sim_say(&c[0], "PUB who 1\r\nq\r\n");
  expect(&c[1], "HMSG svc.who 2 ");
  expect_who(&c[1],
             "{\"start\":TIME,\"id\":1,\"acc\":\"B\",\"name\":\"me\",\"lang\":\"c\",\"server\":\"sim\","
             "\"kind\":\"Client\",\"client_type\":\"nats\"}");
  expect(&c[1], "q\r\n");
  end(&sim, c, 2);
}

/* The round trip, once it is known. */
static void the_service_is_told_how_far_it_is(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start_with(&sim, 1, SERVICE);
  join_account(&sim, &c[0], 0, "B", REQUESTS);
  struct nats_client *client = sim.core.nats.workers[0]->clients;
  join_account(&sim, &c[1], 0, "A", REQUESTS);
  say_and_sync(&c[1], "SUB svc.time 2\r\n");
  client->rtt_ns = 123456;
  sim_say(&c[0], "PUB time 1\r\nq\r\n");
  expect(
      &c[1],
      "HMSG svc.time 2 57 58\r\nNATS/1.0\r\nNats-Request-Info: {\"acc\":\"B\",\"rtt\":123456}\r\n\r\nq\r\n");
  end(&sim, c, 2);
}

static void nobody_there(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start_with(&sim, 2, SERVICE);
  join_account(&sim, &c[0], 0, "B", REQUESTS);
  join_account(&sim, &c[1], 1, "A", REQUESTS);
  say_and_sync(&c[0], "SUB in.* 1\r\n");
  sim_say(&c[0], "PUB time in.1 0\r\n\r\n");
  expect(&c[0], "HMSG in.1 1 36 36\r\nNATS/1.0 503\r\nNats-Subject: time\r\n\r\n\r\n");
  /* a subscriber of the requester's own account is somebody, too */
  say_and_sync(&c[0], "SUB time 2\r\n");
  sim_say(&c[0], "PUB time in.1 0\r\n\r\n");
  expect(&c[0], "MSG time 2 in.1 0\r\n\r\n");
  expect_silence(&c[0]);
  assert_int_equal(replies_count(sim.core.nats.workers[0]->routes[0]->crossings->replies), 0);
  end(&sim, c, 2);
}

/* The only member of the service's group leaves while the request is on its way: the requester is told, or it is served. */
static void the_last_one_there_leaves(void **state) {
  (void)state;
  unsigned told = 0, served = 0;
  for (unsigned seed = 1; seed <= 60; seed++) {
    struct sim sim;
    struct sim_client c[2];
    start_with(&sim, 2, SERVICE);
    sim.random = seed;
    join_account(&sim, &c[0], 0, "B", REQUESTS);
    join_account(&sim, &c[1], 1, "A", REQUESTS);
    say_and_sync(&c[0], "SUB in.* 1\r\n");
    say_and_sync(&c[1], "SUB svc.time q 2\r\n");
    sim_say(&c[0], "PUB time in.1 0\r\n\r\n");
    sim_say(&c[1], "UNSUB 2\r\n");
    for (unsigned n = 0; n < 200; n++)
      sim_step(&sim);
    sim_settle(&sim);
    sim_pull(&c[0]);
    sim_pull(&c[1]);
    unsigned one = count_of(unread(&c[0]), "Nats-Subject: time\r\n"),
             other = count_of(unread(&c[1]), "HMSG svc.time 2 ");
    assert_int_equal(one + other, 1);
    assert_int_equal(replies_count(sim.core.nats.workers[0]->routes[0]->crossings->replies), other);
    told += one;
    served += other;
    end(&sim, c, 2);
  }
  assert_true(told > 0 && served > 0);
}

static void many_answers(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  char reply[64];
  start_with(&sim, 2, SERVICE);
  join_account(&sim, &c[0], 0, "B", REQUESTS);
  join_account(&sim, &c[1], 1, "A", REQUESTS);
  say_and_sync(&c[0], "SUB in.* 1\r\n");
  say_and_sync(&c[1], "SUB st 2\r\n");
  later(&sim, 3000);
  expect(&c[0], "PING\r\n");
  expect(&c[1], "PING\r\n");
  for (unsigned round = 0; round < 2; round++) {
    sim_say(&c[0], "PUB st in.1 1\r\nq\r\n");
    snprintf(reply, sizeof reply, "%s",
             expect_request(&c[1], "HMSG st 2 ", " 44 45\r\nNATS/1.0\r\n" INFO_B "q\r\n"));
    for (unsigned i = 0; i < 3; i++) {
      later(&sim, 1500); /* the time begins anew with each */
      say_to(&c[1], reply, "1\r\nx\r\n");
      expect(&c[0], "MSG in.1 1 1\r\nx\r\n");
    }
    if (round == 0) {
      say_to(&c[1], reply, "0\r\n\r\n");
      expect(&c[0], "MSG in.1 1 0\r\n\r\n");
    } else {
      later(&sim, 2100);
    }
    assert_int_equal(replies_count(sim.core.nats.workers[0]->routes[0]->crossings->replies), 0);
    say_to(&c[1], reply, "1\r\ny\r\n");
    expect_silence(&c[0]);
  }
  end(&sim, c, 2);
}

/* The answer asks back, and the requester answers that. */
static void an_answer_may_ask(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start_with(&sim, 2, SERVICE);
  join_account(&sim, &c[0], 0, "B", REQUESTS);
  join_account(&sim, &c[1], 1, "A", REQUESTS);
  say_and_sync(&c[0], "SUB in.* 1\r\n");
  say_and_sync(&c[1], "SUB svc.time 2\r\nSUB back 3\r\n");
  sim_say(&c[0], "PUB time in.1 1\r\nq\r\n");
  const char *reply = expect_request(&c[1], "HMSG svc.time 2 ", " 44 45\r\nNATS/1.0\r\n" INFO_B "q\r\n");
  say_to(&c[1], reply, "back 2\r\nok\r\n");
  reply = expect_request(&c[0], "MSG in.1 1 ", " 2\r\nok\r\n");
  say_to(&c[0], reply, "3\r\nyes\r\n");
  expect(&c[1], "MSG back 3 3\r\nyes\r\n");
  end(&sim, c, 2);
}

#define CHAIN                                                                                    \
  "accounts {\n"                                                                                 \
  "  A { exports: [ {service: a} ] }\n"                                                          \
  "  B { exports: [ {service: b} ], imports: [ {service: {account: A, subject: a}, to: b} ] }\n" \
  "  C { imports: [ {service: {account: B, subject: b}, to: c} ] }\n"                            \
  "}"

static void by_way_of_several_accounts(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start_with(&sim, 2, CHAIN);
  join_account(&sim, &c[0], 0, "C", REQUESTS);
  join_account(&sim, &c[1], 1, "A", QUIET);
  say_and_sync(&c[0], "SUB in 1\r\n");
  sim_say(&c[0], "PUB c in 1\r\nq\r\n");
  expect(&c[0], "HMSG in 1 33 33\r\nNATS/1.0 503\r\nNats-Subject: c\r\n\r\n\r\n");
  say_and_sync(&c[1], "SUB a 2\r\n");
  sim_say(&c[0], "PUB c in 1\r\nq\r\n");
  const char *reply = expect_request(&c[1], "MSG a 2 ", " 1\r\nq\r\n");
  say_to(&c[1], reply, "2\r\nok\r\n");
  expect(&c[0], "MSG in 1 2\r\nok\r\n");
  assert_int_equal(replies_count(sim.core.nats.workers[0]->routes[0]->crossings->replies), 0);
  end(&sim, c, 2);
}

#define SHARED(first, second)                                                                      \
  "accounts {\n"                                                                                   \
  "  A { exports: [ {service: a} ] }\n"                                                            \
  "  B { exports: [ {service: b} ], imports: [ {service: {account: A, subject: a}, share: " second \
  ", to: b} ] }\n"                                                                                 \
  "  C { exports: [ {service: c} ], imports: [ {service: {account: B, subject: b}, to: c} ] }\n"   \
  "  D { imports: [ {service: {account: C, subject: c}, share: " first                             \
  "} ] }\n"                                                                                        \
  "}"

/* Who asked first, the last account that has passed it on, and the server as soon as one of them shares. */
static void who_asks_by_way_of_several_accounts(void **state) {
  (void)state;
  static const struct {
    const char *config, *info;
  } cases[] = {
      {SHARED("false", "false"), "{\"acc\":\"D\",\"svc\":\"B\",\"rtt\":7}"},
      {SHARED("false", "true"), "{\"acc\":\"D\",\"svc\":\"B\",\"rtt\":7,\"server\":\"sim\"}"},
      {SHARED("true", "false"),
       "{\"start\":TIME,\"id\":1,\"acc\":\"D\",\"svc\":\"B\",\"rtt\":7,\"server\":\"sim\","
       "\"kind\":\"Client\",\"client_type\":\"nats\"}"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct sim sim;
    struct sim_client c[2];
    start_with(&sim, 2, cases[i].config);
    join_account(&sim, &c[0], 0, "D", REQUESTS);
    sim.core.nats.workers[0]->clients->rtt_ns = 7;
    join_account(&sim, &c[1], 1, "A", REQUESTS);
    say_and_sync(&c[1], "SUB a 2\r\n");
    sim_say(&c[0], "HPUB c 20 21\r\nNATS/1.0\r\nFoo: b\r\n\r\nq\r\n");
    expect(&c[1], "HMSG a 2 ");
    expect_who(&c[1], cases[i].info);
    expect(&c[1], "q\r\n");
    end(&sim, c, 2);
  }
}

/* Streams one way and services the other, on the same subject: nobody runs in circles. */
static void no_circles(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start_with(&sim, 1,
             "accounts { A { exports: [ {stream: a}, {service: a} ], imports: [ {stream: {account: B, "
             "subject: a}} ] }\n"
             "B { exports: [ {stream: a} ], imports: [ {service: {account: A, subject: a}} ] }\n"
             "S { exports: [ {service: y} ], imports: [ {service: {account: S, subject: y}, to: x} ] } }");
  join_account(&sim, &c[0], 0, "A", QUIET);
  join_account(&sim, &c[1], 0, "S", QUIET);
  say_and_sync(&c[0], "SUB a 1\r\n");
  struct sim_client b;
  join_account(&sim, &b, 0, "B", QUIET);
  sim_say(&b, "PUB a 1\r\nx\r\n");
  expect(&c[0], "MSG a 1 1\r\nx\r\nMSG a 1 1\r\nx\r\n"); /* as a stream, and as a request */
  expect_silence(&c[0]);
  say_and_sync(&c[1], "SUB y 1\r\n");
  sim_say(&c[1], "PUB x 1\r\nx\r\n"); /* from an account to itself */
  expect(&c[1], "MSG y 1 1\r\nx\r\n");
  expect_silence(&c[1]);
  struct sim_client all[] = {c[0], c[1], b};
  end(&sim, c, 2);
  sim_client_free(&all[2]);
}

/* Subjects and bodies that are long. */
static void long_ones(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  static char subject[1501], body[9001], line[4000];
  memset(subject, 's', 1500);
  memset(body, 'x', 9000);
  start_with(&sim, 2,
             "accounts { A { exports: [ {service: 'svc.*'}, {stream: 'svc.*'} ] }\n"
             "B { imports: [ {service: {account: A, subject: 'svc.*'}, to: 'to.*'} ] }\n"
             "C { imports: [ {stream: {account: A, subject: 'svc.*'}, prefix: c} ] } }");
  join_account(&sim, &c[0], 0, "B", QUIET);
  join_account(&sim, &c[1], 1, "C", QUIET);
  say_and_sync(&c[1], "SUB > 1\r\n");
  snprintf(line, sizeof line, "PUB to.%s 9000\r\n", subject);
  sim_say(&c[0], line);
  sim_say(&c[0], body);
  sim_say(&c[0], "\r\n");
  snprintf(line, sizeof line, "MSG c.svc.%s 1 9000\r\n", subject);
  expect(&c[1], line);
  expect(&c[1], body);
  expect(&c[1], "\r\n");
  end(&sim, c, 2);
}

static void mappings(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start_with(&sim, 2,
             "mappings { old: new, 'w.*': 'm.$1', s: [ {destination: t, weight: 50%} ] }\n"
             "accounts { A { mappings: { old: other } } }");
  join_account(&sim, &c[0], 0, "$G", REQUESTS);
  join_account(&sim, &c[1], 1, "$G", REQUESTS);
  say_and_sync(&c[1], "SUB > 1\r\n");
  say_and_sync(&c[0], "SUB r 9\r\n");
  sim_say(&c[0],
          "PUB old 1\r\n1\r\nPUB old 1\r\n2\r\nPUB w.x r 1\r\n3\r\nHPUB old 12 13\r\nNATS/1.0\r\n\r\n4\r\n");
  expect(&c[1],
         "MSG new 1 1\r\n1\r\nMSG new 1 1\r\n2\r\nMSG m.x 1 r 1\r\n3\r\nHMSG new 1 12 "
         "13\r\nNATS/1.0\r\n\r\n4\r\n");
  for (unsigned i = 0; i < 200; i++)
    sim_say(&c[0], "PUB s 1\r\ns\r\n");
  ticks(&sim, 30);
  sim_pull(&c[1]);
  unsigned stayed = count_of(unread(&c[1]), "MSG s 1 "), mapped = count_of(unread(&c[1]), "MSG t 1 ");
  assert_int_equal(stayed + mapped, 200);
  assert_in_range(mapped, 50, 150);
  c[1].read_to = c[1].in_len;
  /* the requester is told by the word it has used */
  say_and_sync(&c[1], "UNSUB 1\r\n");
  sim_say(&c[0], "PUB old r 0\r\n\r\n");
  expect(&c[0], "HMSG r 9 35 35\r\nNATS/1.0 503\r\nNats-Subject: old\r\n\r\n\r\n");
  /* another account has its own, and with new settings there are none */
  struct nats_worker *worker = sim.core.nats.workers[1];
  uint32_t number;
  assert_int_equal(core_account(&sim.core, sim.workers, true, "A", &number), 0);
  configure(&sim, "");
  assert_null(worker->routes[0]->mappings);
  assert_null(worker->routes[number]->mappings);
  say_and_sync(&c[1], "SUB old 1\r\n");
  sim_say(&c[0], "PUB old 1\r\n1\r\n");
  expect(&c[1], "MSG old 1 1\r\n1\r\n");
  end(&sim, c, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(accounts_are_closed),
      cmocka_unit_test(streams),
      cmocka_unit_test(streams_keep_their_order),
      cmocka_unit_test(a_stream_without_receivers_is_none),
      cmocka_unit_test(services),
      cmocka_unit_test(the_service_may_be_told_who_asks),
      cmocka_unit_test(the_service_is_told_how_far_it_is),
      cmocka_unit_test(nobody_there),
      cmocka_unit_test(the_last_one_there_leaves),
      cmocka_unit_test(many_answers),
      cmocka_unit_test(an_answer_may_ask),
      cmocka_unit_test(by_way_of_several_accounts),
      cmocka_unit_test(who_asks_by_way_of_several_accounts),
      cmocka_unit_test(no_circles),
      cmocka_unit_test(long_ones),
      cmocka_unit_test(mappings),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
