/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: PUBs that the broker takes, sends and delivers many at once (message.h), because their line is the same or, as a
 * list, because they go to the same receivers. Nobody may be able to tell: each test has a burst published and compares, byte for byte, what each client receives with what
 * it would receive of the messages one by one. Subscribers sit on the publisher's worker and on another one, whose ring
 * is so small that a burst needs several records and fills it.
 */
#include "fixture.h"
#include "pool.h"

#define BURST         300
#define CONNECT_QUIET "CONNECT {" QUIET

/* A client that has said this and whose answers so far have been read. */
static void enter(struct sim *sim, struct sim_client *c, unsigned worker, const char *text) {
  assert_int_equal(sim_connect(sim, c, worker, NULL), 0);
  sim_say(c, text);
  sim_settle(sim);
  sim_pull(c);
  c->read_to = c->in_len;
}

/* The body of message i: size bytes that begin with its number. */
static void put_body(char *to, unsigned i, size_t size) {
  char digits[16];
  snprintf(digits, sizeof digits, "%05u", i);
  memset(to, 'a' + (int)(i % 26), size);
  memcpy(to, digits, size < 5 ? size : 5);
}

/* Sends the messages from..to with one line each, all in one piece. */
static void burst(struct sim_client *c, const char *line, size_t size, unsigned from, unsigned to) {
  size_t line_len = strlen(line), len = 0;
  char *text = malloc((to - from) * (line_len + size + 2));
  assert_non_null(text);
  for (unsigned i = from; i < to; i++) {
    memcpy(text + len, line, line_len);
    put_body(text + len + line_len, i, size);
    memcpy(text + len + line_len + size, "\r\n", 2);
    len += line_len + size + 2;
  }
  sim_send(c, text, len);
  free(text);
}

/* Next the client receives messages from..to, with these lines for each, and `skip` bytes of the body left out. */
static void expect_messages(struct sim_client *c, const char *const *lines, size_t size, size_t skip,
                            unsigned from, unsigned to) {
  char *body = malloc(size + 2);
  assert_non_null(body);
  sim_settle(c->sim);
  sim_pull(c);
  for (unsigned i = from; i < to; i++) {
    put_body(body, i, size);
    memcpy(body + size, "\r\n", 2);
    for (const char *const *line = lines; *line != NULL; line++) {
      size_t line_len = strlen(*line), rest = size + 2 - skip;
      if (c->in_len - c->read_to < line_len + rest) fail_msg("message %u did not come", i);
      assert_memory_equal(c->in + c->read_to, *line, line_len);
      assert_memory_equal(c->in + c->read_to + line_len, body + skip, rest);
      c->read_to += line_len + rest;
    }
  }
  free(body);
}

static void expect_nothing(struct sim_client *c) {
  sim_settle(c->sim);
  sim_pull(c);
  assert_string_equal(c->in + c->read_to, "");
}

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void everybody_gets_every_message_in_order(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 5, 16, 63, 64, 65, 300, 500};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    struct sim sim;
    struct sim_client c[4];
    char pub[64], msg[64];
    start(&sim, 2, NULL);
    enter(&sim, &c[0], 0, CONNECT_QUIET "}\r\n");
    enter(&sim, &c[1], 0, CONNECT_QUIET "}\r\nSUB r.x 7\r\n");
    enter(&sim, &c[2], 1, CONNECT_QUIET "}\r\nSUB r.* 7\r\n");
    enter(&sim, &c[3], 1, CONNECT_QUIET "}\r\nSUB r.> 7\r\nSUB other 8\r\n");
    snprintf(pub, sizeof pub, "PUB r.x %zu\r\n", sizes[s]);
    snprintf(msg, sizeof msg, "MSG r.x 7 %zu\r\n", sizes[s]);
    burst(&c[0], pub, sizes[s], 0, BURST);
    for (unsigned i = 1; i < 4; i++) {
      expect_messages(&c[i], LINES(msg), sizes[s], 0, 0, BURST);
      expect_nothing(&c[i]);
    }
    const struct nats_stats *in = nats_worker_stats(sim.core.nats.workers[0]);
    assert_int_equal(tern_counter_read(&in->in_msgs), BURST);
    assert_int_equal(tern_counter_read(&in->in_bytes), BURST * sizes[s]);
    const struct nats_stats *out = nats_worker_stats(sim.core.nats.workers[1]);
    assert_int_equal(tern_counter_read(&out->out_msgs), 2 * BURST);
    assert_int_equal(tern_counter_read(&out->out_bytes), 2 * BURST * sizes[s]);
    end(&sim, c, 4);
  }
}

/* O1 for a connection: its second subscription gets message i before its first one gets message i + 1. */
static void two_subscriptions_of_a_connection_stay_together(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[4];
  start(&sim, 2, NULL);
  enter(&sim, &c[0], 0, CONNECT_QUIET "}\r\n");
  enter(&sim, &c[1], 0, CONNECT_QUIET "}\r\nSUB r.x 7\r\nSUB r.x 8\r\n");
  enter(&sim, &c[2], 1, CONNECT_QUIET "}\r\nSUB r.* 7\r\nSUB r.x 8\r\n");
  enter(&sim, &c[3], 1, CONNECT_QUIET "}\r\nSUB r.x 7\r\n");
  burst(&c[0], "PUB r.x 20\r\n", 20, 0, BURST);
  for (unsigned i = 1; i < 3; i++) {
    sim_settle(&sim);
    sim_pull(&c[i]);
    bool seven_first = strncmp(c[i].in + c[i].read_to, "MSG r.x 7", 9) == 0;
    expect_messages(&c[i],
                    seven_first ? LINES("MSG r.x 7 20\r\n", "MSG r.x 8 20\r\n")
                                : LINES("MSG r.x 8 20\r\n", "MSG r.x 7 20\r\n"),
                    20, 0, 0, BURST);
    expect_nothing(&c[i]);
  }
  expect_messages(&c[3], LINES("MSG r.x 7 20\r\n"), 20, 0, 0, BURST);
  end(&sim, c, 4);
}

static void a_subscription_ends_in_the_middle(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  start(&sim, 2, NULL);
  enter(&sim, &c[0], 0, CONNECT_QUIET "}\r\n");
  enter(&sim, &c[1], 0, CONNECT_QUIET "}\r\nSUB r.x 7\r\nUNSUB 7 123\r\n");
  enter(&sim, &c[2], 1, CONNECT_QUIET "}\r\nSUB r.x 7\r\nUNSUB 7 123\r\n");
  burst(&c[0], "PUB r.x 16\r\n", 16, 0, BURST);
  for (unsigned i = 1; i < 3; i++) {
    expect_messages(&c[i], LINES("MSG r.x 7 16\r\n"), 16, 0, 0, 123);
    expect_nothing(&c[i]);
  }
  end(&sim, c, 3);
}

static void headers_are_left_out_where_they_must(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  start(&sim, 2, NULL);
  enter(&sim, &c[0], 0, CONNECT_QUIET ",\"headers\":true}\r\n");
  enter(&sim, &c[1], 1, CONNECT_QUIET ",\"headers\":true}\r\nSUB r.x 7\r\n");
  enter(&sim, &c[2], 1, CONNECT_QUIET "}\r\nSUB r.x 7\r\n");
  burst(&c[0], "HPUB r.x 12 40\r\n", 40, 0, BURST);
  expect_messages(&c[1], LINES("HMSG r.x 7 12 40\r\n"), 40, 0, 0, BURST);
  expect_messages(&c[2], LINES("MSG r.x 7 28\r\n"), 40, 12, 0, BURST);
  end(&sim, c, 3);
}

static void the_publishers_own_options_count_for_each_message(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  start(&sim, 2, NULL);
  enter(&sim, &c[0], 0, CONNECT_QUIET ",\"echo\":false}\r\nSUB r.x 7\r\n");
  enter(&sim, &c[1], 0, "CONNECT {\"verbose\":true,\"pedantic\":false}\r\n");
  enter(&sim, &c[2], 0, CONNECT_QUIET "}\r\nSUB r.x 9\r\n");
  burst(&c[0], "PUB r.x 16\r\n", 16, 0, BURST);
  expect_nothing(&c[0]);
  expect_messages(&c[2], LINES("MSG r.x 9 16\r\n"), 16, 0, 0, BURST);
  burst(&c[1], "PUB r.x 16\r\n", 16, 0, BURST);
  expect_messages(&c[0], LINES("MSG r.x 7 16\r\n"), 16, 0, 0, BURST);
  sim_pull(&c[1]);
  for (unsigned i = 0; i < BURST; i++, c[1].read_to += 5)
    assert_int_equal(strncmp(c[1].in + c[1].read_to, "+OK\r\n", 5), 0);
  expect_nothing(&c[1]);
  end(&sim, c, 3);
}

/* O5: each message to one member, drawn for each. */
static void a_queue_group_shares_a_run(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[4];
  start(&sim, 2, NULL);
  enter(&sim, &c[0], 0, CONNECT_QUIET "}\r\n");
  enter(&sim, &c[1], 0, CONNECT_QUIET "}\r\nSUB r.x g 7\r\n");
  enter(&sim, &c[2], 1, CONNECT_QUIET "}\r\nSUB r.x g 7\r\n");
  enter(&sim, &c[3], 1, CONNECT_QUIET "}\r\nSUB r.x 7\r\n");
  burst(&c[0], "PUB r.x 16\r\n", 16, 0, BURST);
  expect_messages(&c[3], LINES("MSG r.x 7 16\r\n"), 16, 0, 0, BURST);
  unsigned times[BURST] = {0}, each[4] = {0};
  static const char line[] = "MSG r.x 7 16\r\n";
  for (unsigned i = 1; i < 3; i++) {
    sim_pull(&c[i]);
    for (; c[i].read_to < c[i].in_len; c[i].read_to += sizeof line - 1 + 18, each[i]++) {
      assert_memory_equal(c[i].in + c[i].read_to, line, sizeof line - 1);
      unsigned number;
      assert_int_equal(sscanf(c[i].in + c[i].read_to + sizeof line - 1, "%5u", &number), 1);
      times[number]++;
    }
    assert_true(each[i] > BURST / 10);
  }
  for (unsigned i = 0; i < BURST; i++)
    assert_int_equal(times[i], 1);
  end(&sim, c, 4);
}

/* What is wrong with the last message of a burst does not keep the others from arriving. */
static void an_error_comes_where_it_is(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  enter(&sim, &c[0], 0, CONNECT_QUIET "}\r\n");
  enter(&sim, &c[1], 1, CONNECT_QUIET "}\r\nSUB r.x 7\r\n");
  burst(&c[0], "PUB r.x 16\r\n", 16, 0, 50);
  sim_say(&c[0], "PUB r.x 16\r\n12345678901234567\r\n");
  expect_messages(&c[1], LINES("MSG r.x 7 16\r\n"), 16, 0, 0, 50);
  expect_nothing(&c[1]);
  sim_pull(&c[0]);
  assert_string_equal(c[0].in + c[0].read_to, "-ERR 'Unknown Protocol Operation'\r\n");
  end(&sim, c, 2);
}

/* B1: a subscriber's own bound ends it, and only it. */
static void a_slow_one_is_cut_off_alone(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[3];
  struct nats_limits limits = sim_limits();
  limits.max_pending = 100000;
  limits.max_payload = 65536;
  start(&sim, 2, &limits);
  enter(&sim, &c[0], 0, CONNECT_QUIET "}\r\n");
  enter(&sim, &c[1], 1, CONNECT_QUIET "}\r\nSUB r.x 7\r\n"); /* not pulled */
  enter(&sim, &c[2], 1, CONNECT_QUIET "}\r\nSUB r.x 7\r\n");
  for (unsigned i = 0; i < 100; i++) {
    burst(&c[0], "PUB r.x 1000\r\n", 1000, i * 20, (i + 1) * 20);
    for (unsigned worker = 0; worker < 4; worker++)
      tern__worker_tick(tern_workers_at(sim.workers, worker % 2));
    sim_pull(&c[2]);
  }
  expect_messages(&c[2], LINES("MSG r.x 7 1000\r\n"), 1000, 0, 0, 2000);
  assert_int_equal(tern_counter_read(&nats_worker_stats(sim.core.nats.workers[1])->slow_consumers), 1);
  end(&sim, c, 3);
}

/* B1: its bound holds within a run, too, however much longer its lines are than the publisher's. */
static void a_slow_one_is_cut_off_within_a_run(void **state) {
  (void)state;
  enum { RUN = 1000, SID = 3000 };
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  limits.max_pending = 100000;
  limits.max_payload = 65536;
  start(&sim, 2, &limits);
  enter(&sim, &c[0], 0, CONNECT_QUIET "}\r\n");
  char sub[SID + 64];
  snprintf(sub, sizeof sub, CONNECT_QUIET "}\r\nSUB r.x %0*d\r\n", SID, 7);
  enter(&sim, &c[1], 0, sub);
  struct tern_pool *pool = tern_loop_pool(tern_worker_loop(tern_workers_at(sim.workers, 0)));
  uint64_t held = tern_pool_stats(pool).held_bytes;
  burst(&c[0], "PUB r.x 0\r\n", 0, 0, RUN);
  tern__worker_tick(tern_workers_at(sim.workers, 0));
  /* what is empty stays for a while, so this is the most there was: not the 3 MB of the run */
  assert_in_range(tern_pool_stats(pool).held_bytes - held, 0, 1024 * 1024);
  assert_int_equal(tern_counter_read(&nats_worker_stats(sim.core.nats.workers[0])->slow_consumers), 1);
  end(&sim, c, 2);
}

/* B2: what one message to a queue group costs says nothing about the next, so a turn ends after any of them. */
static void a_turn_ends_within_a_run_to_a_group(void **state) {
  (void)state;
  enum { MEMBERS = 300, ROUNDS = 20, RUN = 300 };
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  enter(&sim, &c[0], 0, CONNECT_QUIET ",\"echo\":false}\r\n");
  enter(&sim, &c[1], 1, CONNECT_QUIET "}\r\n");
  struct tern_worker *worker = tern_workers_at(sim.workers, 0);
  const struct nats_client *publisher = sim.core.nats.workers[0]->clients;
  for (unsigned i = 0; i < MEMBERS; i++) { /* those of the publisher refuse, one after another */
    char sub[64];
    snprintf(sub, sizeof sub, "SUB r.x g %u\r\n", i);
    for (unsigned n = 0; n < 2; n++)
      sim_say(&c[n], sub);
    sim_settle(&sim);
  }
  for (unsigned round = 0; round < ROUNDS; round++) {
    burst(&c[0], "PUB r.x 0\r\n", 0, 0, RUN);
    tern__worker_step(worker, TERN__PHASE_INBOX);
    tern__worker_step(worker, TERN__PHASE_READY);
    assert_in_range(publisher->turn_cost, 1, NATS_TURN_COST_MAX + 2 * MEMBERS);
    tern__worker_step(worker, TERN__PHASE_PUBLISH);
    tern__worker_step(worker, TERN__PHASE_FLUSH);
    tern__worker_step(worker, TERN__PHASE_REST);
    sim_settle(&sim);
  }
  end(&sim, c, 2);
}

/* ---- whatever is published to whomever ---- */

#define CLIENTS 6

/* Subscribes at random: several subscriptions of a connection, queue groups, ends after some messages. */
static void join_at_random(struct sim *sim, struct sim_client *c, unsigned worker) {
  static const char *const filters[] = {"r.x", "r.*", "r.>", "r.y", ">"};
  char text[512];
  size_t len = (size_t)snprintf(text, sizeof text, CONNECT_QUIET ",\"headers\":%s,\"echo\":%s}\r\n",
                                sim_draw(sim, 2) ? "true" : "false", sim_draw(sim, 2) ? "true" : "false");
  for (unsigned sid = 1, count = sim_draw(sim, 4); sid <= count; sid++) {
    const char *group = sim_draw(sim, 5) == 0 ? "g " : "";
    len += (size_t)snprintf(text + len, sizeof text - len, "SUB %s %s%u\r\n", filters[sim_draw(sim, 5)],
                            group, sid);
    if (group[0] == '\0' && sim_draw(sim, 3) == 0)
      len += (size_t)snprintf(text + len, sizeof text - len, "UNSUB %u %u\r\n", sid, 1 + sim_draw(sim, 400));
  }
  enter(sim, c, worker, text);
}

/* Sends the messages from..to, each to a subject and of a size of its own, in one piece. */
static void mixed_burst(struct sim_client *c, uint64_t seed, unsigned from, unsigned to) {
  static const char *const subjects[] = {"r.x", "r.y", "r.z", "r.x.y", "other", "r.xx"};
  static const size_t sizes[] = {12, 12, 16, 100, 700};
  size_t len = 0;
  char *text = malloc((size_t)(to - from) * 800);
  assert_non_null(text);
  for (unsigned i = from; i < to; i++) {
    uint64_t random = (i / 2 + seed) * 0x9E3779B97F4A7C15u; /* two at a time are the same */
    size_t size = sizes[(random >> 40) % 5];
    const char *reply = (random >> 50) % 20 == 0 ? "answers " : "";
    len += (size_t)snprintf(text + len, 64, "PUB %s %s%zu\r\n", subjects[(random >> 32) % 6], reply, size);
    put_body(text + len, i, size);
    memcpy(text + len + size, "\r\n", 2);
    len += size + 2;
  }
  sim_send(c, text, len);
  free(text);
}

/* One random case, each message for itself or each burst in one piece; what the clients received is left with them. */
static void play(uint64_t seed, bool at_once, struct sim *sim, struct sim_client c[CLIENTS]) {
  static const size_t sizes[] = {12, 13, 16, 100, 700};
  start(sim, 2, NULL);
  sim->random = seed * 2 + 1;
  enter(sim, &c[0], 0, CONNECT_QUIET ",\"headers\":true}\r\nSUB r.y 1\r\n");
  for (unsigned i = 1; i < CLIENTS; i++)
    join_at_random(sim, &c[i], sim_draw(sim, 2));
  for (unsigned i = 0; i < 2; i++)
    sim->core.nats.workers[i]->routes[0]->random = seed + i + 1; /* the same members are drawn in both ways */
  for (unsigned bursts = 1 + sim_draw(sim, 5), number = 0; bursts > 0; bursts--) {
    size_t size = sizes[sim_draw(sim, 5)];
    unsigned count = 1 + sim_draw(sim, 150), publisher = sim_draw(sim, 2);
    bool mixed = sim_draw(sim, 2);
    char line[64];
    snprintf(line, sizeof line, publisher ? "PUB r.%c %zu\r\n" : "HPUB r.%c 12 %zu\r\n",
             "xy"[sim_draw(sim, 2)], size);
    unsigned step = at_once ? count : 1;
    for (unsigned end = number + count; number < end; number += step) {
      if (mixed)
        mixed_burst(&c[0], seed, number, number + step);
      else
        burst(&c[0], line, size, number, number + step);
      for (unsigned ticks = 0; ticks < 6; ticks++)
        tern__worker_tick(tern_workers_at(sim->workers, ticks % 2));
      for (unsigned i = 0; i < CLIENTS; i++)
        sim_pull(&c[i]);
    }
    sim_settle(sim);
  }
}

static void nobody_can_tell_runs_from_messages(void **state) {
  (void)state;
  enum { CASES = 100 };
  for (uint64_t seed = 0; seed < CASES; seed++) {
    struct sim one_by_one, at_once;
    struct sim_client a[CLIENTS], b[CLIENTS];
    play(seed, false, &one_by_one, a);
    play(seed, true, &at_once, b);
    for (unsigned i = 0; i < CLIENTS; i++) {
      size_t from = a[i].read_to, len = a[i].in_len - from; /* INFO differs */
      if (b[i].in_len - b[i].read_to != len || memcmp(a[i].in + from, b[i].in + b[i].read_to, len) != 0)
        fail_msg("client %u of case %llu", i, (unsigned long long)seed);
    }
    end(&one_by_one, a, CLIENTS);
    end(&at_once, b, CLIENTS);
  }
}

static int no_memory(size_t size) {
  (void)size;
  return 1;
}

static void each_message_dropped_for_memory_is_counted(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  enter(&sim, &c[0], 0, CONNECT_QUIET "}\r\n");
  enter(&sim, &c[1], 1, CONNECT_QUIET "}\r\nSUB r.* 7\r\n");
  burst(&c[0], "PUB r.x 16\r\n", 16, 0, BURST); /* so that there is all the memory but for the match */
  expect_messages(&c[1], LINES("MSG r.x 7 16\r\n"), 16, 0, 0, BURST);
  burst(&c[0], "PUB r.y 16\r\n", 16, 0, BURST);
  tern__pool_fault = no_memory;
  tern__worker_tick(tern_workers_at(sim.workers, 0));
  tern__pool_fault = NULL;
  assert_int_equal(tern_counter_read(&sim.core.nats.workers[0]->routes[0]->stats->no_memory), BURST);
  expect_nothing(&c[1]);
  end(&sim, c, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everybody_gets_every_message_in_order),
      cmocka_unit_test(two_subscriptions_of_a_connection_stay_together),
      cmocka_unit_test(a_subscription_ends_in_the_middle),
      cmocka_unit_test(headers_are_left_out_where_they_must),
      cmocka_unit_test(the_publishers_own_options_count_for_each_message),
      cmocka_unit_test(a_queue_group_shares_a_run),
      cmocka_unit_test(an_error_comes_where_it_is),
      cmocka_unit_test(a_slow_one_is_cut_off_alone),
      cmocka_unit_test(a_slow_one_is_cut_off_within_a_run),
      cmocka_unit_test(a_turn_ends_within_a_run_to_a_group),
      cmocka_unit_test(nobody_can_tell_runs_from_messages),
      cmocka_unit_test(each_message_dropped_for_memory_is_counted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
