/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ordering guarantees in simulation: several workers in one thread, stepped phase by phase in an order drawn from
 * a seed, with rings so small that they overflow all the time. Each seed is a different interleaving and repeats
 * exactly; a failure prints its seed (SIM_SEED runs one, SIM_SEEDS how many).
 *
 *     O1  one publisher's messages reach each subscriber in the order sent, none left out from the first it gets
 *     O2  after the PONG that answers P's PING, a PING of S is not answered before P's earlier messages
 *     O3  after the PONG that follows a SUB, every later publish on any connection sees it
 *     O4  after an UNSUB is processed nothing more is delivered
 *     O5  a queue-group message goes to exactly one live member
 *     B1  memory that waits for a grace period is bounded; who fills it waits, and nobody else
 *
 * Messages are "p<publisher>:<number>:" and padding across the copy/reference threshold. Subjects: "o.<publisher>".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tern/limits.h>

#include "broker_sim.h"
#include "client.h"

#define WORKERS     3
#define PUBLISHERS  3
#define SUBSCRIBERS 4
#define MESSAGES    50
#define STEPS_MAX   2000000
#define RING_BYTES  32768 /* the least that takes the largest record; eight of them fill it */

static const char connect_line[] =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"protocol\":1}\r\n";

/* ---- reading what a client received ---- */

struct event {
  enum { NOTHING, PONG, MESSAGE } kind;
  unsigned publisher, number, sid;
};

/* Takes the next whole line (and payload) of interest. */
static struct event next_event(struct sim_client *c) {
  struct event e = {NOTHING, 0, 0, 0};
  sim_pull(c);
  for (;;) {
    char *line = c->in + c->read_to;
    char *lf = memchr(line, '\n', c->in_len - c->read_to);
    if (lf == NULL) return e;
    size_t used = (size_t)(lf - line) + 1;
    if (strncmp(line, "MSG ", 4) == 0) {
      char subject[32];
      unsigned size;
      assert_int_equal(sscanf(line, "MSG %31s %u %u", subject, &e.sid, &size), 3);
      if (c->in_len - c->read_to < used + size + 2) return e;
      assert_int_equal(sscanf(lf + 1, "p%u:%u:", &e.publisher, &e.number), 2);
      assert_memory_equal(lf + 1 + size, "\r\n", 2);
      used += size + 2;
      e.kind = MESSAGE;
    } else if (strncmp(line, "PONG", 4) == 0) {
      e.kind = PONG;
    } else {
      assert_true(strncmp(line, "INFO ", 5) == 0 || strncmp(line, "PING", 4) == 0);
    }
    c->read_to += used;
    if (e.kind != NOTHING) return e;
  }
}

static void publish_sized(struct sim_client *c, const char *subject, unsigned publisher, unsigned number,
                          unsigned size) {
  static char frame[6000];
  int head = snprintf(frame, sizeof frame, "PUB %s %u\r\n", subject, size);
  memset(frame + head, '.', size);
  int digits = snprintf(frame + head, 13, "p%u:%u:", publisher, number);
  frame[head + digits] = '.';
  memcpy(frame + head + size, "\r\n", 2);
  sim_send(c, frame, (size_t)head + size + 2);
}

static unsigned draw_size(struct sim *sim) {
  static const unsigned sizes[] = {12, 700, 4000, 5000};
  return sizes[sim_draw(sim, 4)];
}

static void publish(struct sim *sim, struct sim_client *c, const char *subject, unsigned publisher,
                    unsigned number) {
  publish_sized(c, subject, publisher, number, draw_size(sim));
}

static void start(struct sim *sim, uint64_t seed) {
  memset(sim, 0, sizeof *sim);
  sim->random = seed * 0x9E3779B97F4A7C15u;
  sim->watched = seed % 2 == 1;
  assert_int_equal(sim_open(sim, WORKERS, RING_BYTES, NULL), 0);
}

static void say_and_pong(struct sim *sim, struct sim_client *c, const char *text) {
  sim_say(c, text);
  sim_say(c, "PING\r\n");
  struct event e = {NOTHING, 0, 0, 0};
  for (unsigned n = 0; e.kind != PONG; n++) {
    if (n == STEPS_MAX) fail_msg("no PONG");
    sim_step(sim);
    e = next_event(c);
  }
}

/* ---- O1, O2, O3: everybody is subscribed, everybody publishes ---- */

struct subscriber {
  struct sim_client client;
  unsigned seen[PUBLISHERS];     /* messages received of each publisher: the next number expected (O1) */
  unsigned promised[PUBLISHERS]; /* acknowledged to the publisher when the last PING was sent (O2) */
  bool pinging;
};

struct publisher {
  struct sim_client client;
  unsigned sent, pinged, acknowledged;
  bool pinging;
};

static void publisher_turn(struct sim *sim, struct publisher *p, unsigned index) {
  char subject[16];
  snprintf(subject, sizeof subject, "o.%u", index);
  for (struct event e; (e = next_event(&p->client)).kind != NOTHING;) {
    assert_int_equal(e.kind, PONG);
    p->acknowledged = p->pinged;
    p->pinging = false;
  }
  if (p->sent < MESSAGES &&
      sim_draw(sim, 6) == 0) { /* one or some of the same line, which may become a run */
    unsigned size = draw_size(sim), count = sim_draw(sim, 2) == 0 ? 1 : 1 + sim_draw(sim, 8);
    for (; count > 0 && p->sent < MESSAGES; count--)
      publish_sized(&p->client, subject, index, p->sent++, size);
  }
  if (!p->pinging && p->acknowledged < p->sent && sim_draw(sim, 8) == 0) {
    sim_say(&p->client, "PING\r\n");
    p->pinged = p->sent;
    p->pinging = true;
  }
}

static void subscriber_turn(struct sim *sim, struct subscriber *s, struct publisher *publishers) {
  for (struct event e; (e = next_event(&s->client)).kind != NOTHING;) {
    if (e.kind == MESSAGE) {
      assert_int_equal(e.number, s->seen[e.publisher]); /* O1, and nothing lost or doubled */
      s->seen[e.publisher]++;
      continue;
    }
    s->pinging = false;
    for (unsigned p = 0; p < PUBLISHERS; p++)
      assert_true(s->seen[p] >= s->promised[p]); /* O2 */
  }
  if (s->pinging || sim_draw(sim, 6) != 0) return;
  for (unsigned p = 0; p < PUBLISHERS; p++)
    s->promised[p] = publishers[p].acknowledged;
  sim_say(&s->client, "PING\r\n");
  s->pinging = true;
}

static bool all_seen(const struct subscriber *subscribers) {
  for (unsigned s = 0; s < SUBSCRIBERS; s++)
    for (unsigned p = 0; p < PUBLISHERS; p++)
      if (subscribers[s].seen[p] < MESSAGES) return false;
  return true;
}

static void order_and_causality(uint64_t seed) {
  struct sim sim;
  start(&sim, seed);
  struct publisher publishers[PUBLISHERS] = {0};
  struct subscriber subscribers[SUBSCRIBERS] = {0};
  for (unsigned i = 0; i < PUBLISHERS; i++)
    assert_int_equal(sim_connect(&sim, &publishers[i].client, i % WORKERS, NULL), 0);
  for (unsigned i = 0; i < SUBSCRIBERS; i++) {
    assert_int_equal(sim_connect(&sim, &subscribers[i].client, (i + 1) % WORKERS, NULL), 0);
    sim_say(&subscribers[i].client, connect_line);
    say_and_pong(&sim, &subscribers[i].client,
                 i % 2 == 0 ? "SUB o.* 1\r\n" : "SUB o.0 1\r\nSUB o.1 2\r\nSUB o.2 3\r\n");
  }
  for (unsigned i = 0; i < PUBLISHERS; i++)
    say_and_pong(&sim, &publishers[i].client, connect_line);
  unsigned n = 0;
  for (; n < STEPS_MAX && !all_seen(subscribers); n++) {
    sim_step(&sim);
    unsigned who = sim_draw(&sim, PUBLISHERS + SUBSCRIBERS);
    if (who < PUBLISHERS)
      publisher_turn(&sim, &publishers[who], who);
    else
      subscriber_turn(&sim, &subscribers[who - PUBLISHERS], publishers);
  }
  assert_true(n < STEPS_MAX); /* O3: all of them, from the first message on */
  sim_close(&sim);
  for (unsigned i = 0; i < PUBLISHERS; i++)
    sim_client_free(&publishers[i].client);
  for (unsigned i = 0; i < SUBSCRIBERS; i++)
    sim_client_free(&subscribers[i].client);
}

/* ---- O2 alone: S asks the moment P has its answer, while P's worker stands in the middle of its tick ---- */

static void step_worker(struct sim *sim, unsigned i) {
  tern__worker_step(tern_workers_at(sim->workers, i), sim->next_phase[i]);
  sim->next_phase[i] = (enum tern__phase)((sim->next_phase[i] + 1) % TERN__PHASES);
}

static void ask_at_once(uint64_t seed) {
  struct sim sim;
  start(&sim, seed);
  struct sim_client p, s;
  assert_int_equal(sim_connect(&sim, &p, 0, NULL), 0);
  assert_int_equal(sim_connect(&sim, &s, 1, NULL), 0);
  say_and_pong(&sim, &p, connect_line);
  sim_say(&s, connect_line);
  say_and_pong(&sim, &s, "SUB o.* 1\r\n");
  for (unsigned round = 0; round < 20; round++) {
    for (unsigned n = sim_draw(&sim, 10); n-- > 0;)
      sim_step(&sim);
    publish(&sim, &p, "o.0", 0, round);
    sim_say(&p, "PING\r\n");
    while (next_event(&p).kind != PONG)
      sim_step(&sim);
    sim_say(&s, "PING\r\n");
    struct event first;
    while ((first = next_event(&s)).kind == NOTHING)
      step_worker(&sim, 1);
    assert_int_equal(first.kind, MESSAGE);
    assert_int_equal(first.number, round);
    while (next_event(&s).kind != PONG)
      step_worker(&sim, 1);
  }
  sim_close(&sim);
  sim_client_free(&p);
  sim_client_free(&s);
}

/* ---- O3, O4: joins and leaves ---- */

static void joins_and_leaves(uint64_t seed) {
  struct sim sim;
  start(&sim, seed);
  struct sim_client p, s;
  assert_int_equal(sim_connect(&sim, &p, 0, NULL), 0);
  assert_int_equal(sim_connect(&sim, &s, 1 + sim_draw(&sim, WORKERS - 1), NULL), 0);
  say_and_pong(&sim, &p, connect_line);
  say_and_pong(&sim, &s, connect_line);
  unsigned sent = 0;
  for (unsigned round = 0; round < 12; round++) {
    /* while the subscription changes, the publisher goes on: what then arrives is in order, no more is promised */
    for (unsigned i = sim_draw(&sim, 4); i-- > 0;)
      publish(&sim, &p, "o.9", 9, sent++);
    say_and_pong(&sim, &s, sim_draw(&sim, 2) ? "SUB o.9 7\r\n" : "SUB o.* 7\r\n");
    unsigned from = sent;
    publish(&sim, &p, "o.9", 9, sent++);
    bool seen = false;
    for (unsigned n = 0; !seen; n++) { /* O3 */
      if (n == STEPS_MAX) fail_msg("a publish after SUB+PONG was not delivered");
      sim_step(&sim);
      struct event e = next_event(&s);
      seen = e.kind == MESSAGE && e.number == from;
    }
    say_and_pong(&sim, &s, "UNSUB 7\r\n");
    for (unsigned i = 0; i < 3; i++)
      publish(&sim, &p, "o.9", 9, sent++);
    say_and_pong(&sim, &p, "");
    say_and_pong(&sim, &s, "");
    for (unsigned i = 0; i < 50; i++)
      sim_step(&sim);
    assert_int_equal(next_event(&s).kind, NOTHING); /* O4 */
  }
  sim_close(&sim);
  sim_client_free(&p);
  sim_client_free(&s);
}

/* ---- O1 while joining: what is on its way because of a neighbour who has left is not for a newcomer, who would miss
 * what was published in between. Between two steps of one worker's tick, so by hand. ---- */

struct newcomer {
  struct tern_sink sink;
  char got[8];
};

static bool take_first_byte(struct tern_sink *sink, struct tern_message *m) {
  char *got = ((struct newcomer *)(void *)sink)->got;
  got[strlen(got)] = m->body.ptr[0];
  return true;
}

static const struct tern_sink_ops newcomer_ops = {.deliver = take_first_byte};

static struct route *enter_route(struct sim *sim, unsigned worker) {
  tern__sim_enter(tern_workers_at(sim->workers, worker));
  return sim->core.nats.workers[worker]->routes[0];
}

static void publish_byte(struct sim *sim, const char *byte) {
  struct tern_slice subject = {"o.9", 3};
  assert_int_equal(route_publish_inside(enter_route(sim, 0), subject, (struct tern_slice){NULL, 0},
                                        (struct tern_slice){byte, 1}),
                   0);
}

static void join_after_a_neighbour(struct tern_slice neighbours, struct tern_slice newcomers) {
  struct sim sim;
  struct newcomer a = {.sink.ops = &newcomer_ops}, b = {.sink.ops = &newcomer_ops};
  struct tern_slice no_group = {NULL, 0};
  start(&sim, 1);
  assert_int_equal(tern_index_add(enter_route(&sim, 1)->index, &a.sink, neighbours, no_group), 0);
  publish_byte(&sim, "1");
  tern_index_remove(enter_route(&sim, 1)->index, &a.sink);
  publish_byte(&sim, "2"); /* for nobody */
  assert_int_equal(tern_index_add(enter_route(&sim, 1)->index, &b.sink, newcomers, no_group), 0);
  publish_byte(&sim, "3");
  publish_byte(&sim, "4");
  tern__sim_enter(NULL);
  sim_settle(&sim);
  assert_string_equal(a.got, "");
  assert_string_equal(b.got, "34");
  tern_index_remove(enter_route(&sim, 1)->index, &b.sink);
  tern__sim_enter(NULL);
  sim_close(&sim);
}

static void o1_nothing_from_before_joining(void **state) {
  (void)state;
  static const struct tern_slice filters[] = {{"o.9", 3}, {"o.*", 3}, {">", 1}};
  for (unsigned i = 0; i < 9; i++)
    join_after_a_neighbour(filters[i / 3], filters[i % 3]);
}

/* ---- O5: a queue group whose members come and go ---- */

#define MEMBERS 5

static unsigned collect(struct sim_client *member, unsigned *times) {
  unsigned pongs = 0;
  for (struct event e; (e = next_event(member)).kind != NOTHING;) {
    if (e.kind == MESSAGE)
      times[e.number]++;
    else
      pongs++;
  }
  return pongs;
}

static void exactly_one_member(uint64_t seed) {
  struct sim sim;
  start(&sim, seed);
  struct sim_client p, members[MEMBERS];
  bool joined[MEMBERS] = {0};
  unsigned times[400] = {0}, sent = 0;
  assert_int_equal(sim_connect(&sim, &p, 0, NULL), 0);
  say_and_pong(&sim, &p, connect_line);
  for (unsigned i = 0; i < MEMBERS; i++) {
    assert_int_equal(sim_connect(&sim, &members[i], i % WORKERS, NULL), 0);
    say_and_pong(&sim, &members[i], connect_line);
  }
  unsigned stays = sim_draw(&sim, MEMBERS); /* somebody is always there */
  say_and_pong(&sim, &members[stays], "SUB o.q g 1\r\n");
  while (sent < 300) {
    unsigned i = sim_draw(&sim, MEMBERS);
    if (i != stays && sim_draw(&sim, 6) == 0) {
      sim_say(&members[i], joined[i]           ? "UNSUB 1\r\n"
                           : sim_draw(&sim, 2) ? "SUB o.* g 1\r\n"
                                               : "SUB o.q g 1\r\n");
      joined[i] = !joined[i];
    }
    if (sim_draw(&sim, 2) == 0) publish(&sim, &p, "o.q", 0, sent++);
    for (unsigned n = sim_draw(&sim, 12); n-- > 0;)
      sim_step(&sim);
  }
  sim_settle(&sim);
  for (unsigned i = 0; i < MEMBERS; i++)
    collect(&members[i], times);
  for (unsigned i = 0; i < sent; i++)
    if (times[i] != 1) fail_msg("message %u was received %u times", i, times[i]);
  sim_close(&sim);
  sim_client_free(&p);
  for (unsigned i = 0; i < MEMBERS; i++)
    sim_client_free(&members[i]);
}

/* ---- connections that come and go in the middle of everything ---- */

static void come_and_go(uint64_t seed) {
  struct sim sim;
  start(&sim, seed);
  struct sim_client clients[8];
  bool live[8] = {0};
  for (unsigned n = 0; n < 600; n++) {
    unsigned i = sim_draw(&sim, 8);
    if (!live[i]) {
      struct tern_mem_faults faults = {.read_max = sim_draw(&sim, 2) ? 7 : 0,
                                       .reset_after = sim_draw(&sim, 300)};
      assert_int_equal(
          sim_connect(&sim, &clients[i], sim_draw(&sim, WORKERS), sim_draw(&sim, 2) ? &faults : NULL), 0);
      sim_say(&clients[i], connect_line);
      sim_say(&clients[i], i % 2 ? "SUB o.> 1\r\n" : "SUB o.* g 1\r\n");
      live[i] = true;
    } else if (clients[i].lost || sim_draw(&sim, 20) == 0) {
      sim_hang_up(&clients[i]);
      for (unsigned k = 0; k < STEPS_MAX && !clients[i].lost; k++)
        sim_step(&sim);
      assert_true(clients[i].lost);
      sim_client_free(&clients[i]);
      live[i] = false;
    } else {
      publish(&sim, &clients[i], "o.1", i, n);
    }
    for (unsigned k = sim_draw(&sim, 30); k-- > 0;)
      sim_step(&sim);
  }
  sim_close(&sim); /* aborts when anything is left over: guarantee L1 */
  for (unsigned i = 0; i < 8; i++)
    if (live[i]) sim_client_free(&clients[i]);
}

/* ---- B1: removed subscriptions wait for a worker that does not get on ---- */

#define STUCK        2                    /* this worker stands in the middle of a tick */
#define LONG_TOKENS  2000                 /* of the filter that comes and goes: a node of the trie for each */
#define ONE_REMOVAL  (LONG_TOKENS * 256u) /* what removing it makes wait, or less */
#define LIMBO_ROUNDS (2 * TERN_LIMBO_MAX_BYTES / (LONG_TOKENS * 100u))

static void say_long_sub(struct sim_client *c) {
  static char line[2 * LONG_TOKENS + 32];
  char *to = line + snprintf(line, sizeof line, "SUB ");
  for (unsigned i = 0; i < LONG_TOKENS; i++, to += 2)
    memcpy(to, "*.", 2);
  memcpy(to - 1, " 5\r\n", 5); /* instead of the last dot */
  sim_say(c, line);
}

static struct tern_worker_stats stats_of(struct sim *sim, unsigned worker) {
  return tern_worker_stats(tern_workers_at(sim->workers, worker));
}

/* Steps everybody but the worker that is stuck, if it is, a while. What waits stays within its bound. */
static void steps(struct sim *sim, unsigned count, bool stuck) {
  for (unsigned n = 0; n < count; n++) {
    unsigned i = sim_draw(sim, stuck ? STUCK : WORKERS);
    step_worker(sim, i);
    if (sim_draw(sim, 8) == 0) tern__sim_grace_step(sim->workers);
    if (stats_of(sim, 0).retired_bytes > TERN_LIMBO_MAX_BYTES + ONE_REMOVAL)
      fail_msg("%llu bytes wait", (unsigned long long)stats_of(sim, 0).retired_bytes);
  }
}

static bool has_pong(struct sim *sim, struct sim_client *c, bool stuck) {
  for (unsigned n = 0; n < 40; n++) {
    steps(sim, 10, stuck);
    if (next_event(c).kind == PONG) return true;
  }
  return false;
}

/* Subscribes and unsubscribes until it is held back: then its PING is not answered. */
static void churn_until_held(struct sim *sim, struct sim_client *c) {
  bool answered = true;
  for (unsigned n = 0; answered; n++) {
    if (n == LIMBO_ROUNDS) fail_msg("%u subscriptions came and went, and it was not held back", n);
    say_long_sub(c);
    sim_say(c, "UNSUB 5\r\nPING\r\n");
    answered = has_pong(sim, c, true);
  }
  assert_int_equal(stats_of(sim, 0).held_back, 1);
  assert_true(stats_of(sim, 0).retired_bytes > TERN_LIMBO_MAX_BYTES / 2);
}

/* Publisher on the churner's own worker and subscriber on another: neither notices. */
static void messages_pass(struct sim *sim, struct sim_client *p, struct sim_client *s, bool stuck) {
  for (unsigned i = 0; i < 20; i++)
    sim_say(p, "PUB o.1 5\r\np1:0:\r\n");
  sim_say(p, "PING\r\n");
  assert_true(has_pong(sim, p, stuck));
  unsigned received = 0;
  for (unsigned n = 0; received < 20 && n < STEPS_MAX; n++) {
    steps(sim, 1, stuck);
    received += next_event(s).kind == MESSAGE;
  }
  assert_int_equal(received, 20);
}

/* Others subscribe and leave meanwhile, over and over: nothing is added for them. */
static void others_add_nothing(struct sim *sim) {
  uint64_t before = stats_of(sim, 0).retired_bytes;
  for (unsigned n = 0; n < 20; n++) {
    struct sim_client c;
    assert_int_equal(sim_connect(sim, &c, 0, NULL), 0);
    sim_say(&c, connect_line);
    say_long_sub(&c);
    steps(sim, 100, true);
    sim_hang_up(&c);
    steps(sim, 100, true);
    sim_client_free(&c);
  }
  assert_int_equal(stats_of(sim, 0).retired_bytes, before);
  assert_true(stats_of(sim, 0).held_back > 1);
}

static void goes_on_and_drains(struct sim *sim, struct sim_client *c) {
  bool answered = false;
  for (unsigned n = 0; !answered && n < 1000; n++)
    answered = has_pong(sim, c, false);
  assert_true(answered);
  say_and_pong(sim, c, "SUB o.end 6\r\n");
  sim_say(c, "PUB o.end 5\r\np1:9:\r\n");
  struct event e = {NOTHING, 0, 0, 0};
  for (unsigned n = 0; e.kind == NOTHING && n < STEPS_MAX; n++) {
    steps(sim, 1, false);
    e = next_event(c);
  }
  assert_int_equal(e.kind, MESSAGE);
  assert_int_equal(e.sid, 6); /* the long subscription is gone: what was held has been carried out */
  sim_settle(sim);
  assert_int_equal(stats_of(sim, 0).retired_objects, 0);
  assert_int_equal(stats_of(sim, 0).retired_bytes, 0);
  assert_int_equal(stats_of(sim, 0).gp_age_ms, 0);
}

static void stuck_worker(uint64_t seed) {
  struct sim sim;
  start(&sim, seed);
  struct sim_client churner, p, s;
  assert_int_equal(sim_connect(&sim, &churner, 0, NULL), 0);
  assert_int_equal(sim_connect(&sim, &p, 0, NULL), 0);
  assert_int_equal(sim_connect(&sim, &s, 1, NULL), 0);
  say_and_pong(&sim, &churner, connect_line);
  say_and_pong(&sim, &p, connect_line);
  sim_say(&s, connect_line);
  say_and_pong(&sim, &s, "SUB o.1 1\r\n");
  churn_until_held(&sim, &churner);
  tern__sim_advance(sim.workers, 700);
  assert_true(stats_of(&sim, 0).gp_age_ms >= 700);
  messages_pass(&sim, &p, &s, true);
  others_add_nothing(&sim);
  if (seed % 3 == 0) sim_hang_up(&churner); /* it leaves while it is held, */
  if (seed % 3 == 1) goes_on_and_drains(&sim, &churner);
  messages_pass(&sim, &p, &s, false);
  sim_close(&sim); /* or (2) the broker stops */
  sim_client_free(&churner);
  sim_client_free(&p);
  sim_client_free(&s);
}

/* ---- */

static unsigned running_seed;

/* An assertion leaves the scenario by a jump; the teardown then says which seed it was. */
static int tell_seed(void **state) {
  (void)state;
  print_message("last seed: %u\n", running_seed);
  return 0;
}

static void for_all_seeds(void (*scenario)(uint64_t seed), unsigned count) {
  const char *one = getenv("SIM_SEED"), *many = getenv("SIM_SEEDS");
  if (many != NULL) count = (unsigned)strtoul(many, NULL, 10);
  if (one != NULL) {
    scenario(strtoull(one, NULL, 10));
    return;
  }
  for (unsigned seed = 1; seed <= count; seed++) {
    running_seed = seed;
    scenario(seed);
  }
  print_message("%u seeds\n", count);
}

static void o1_o2_o3_order_and_causality(void **state) {
  (void)state;
  for_all_seeds(order_and_causality, 150);
}

static void o2_ask_at_once(void **state) {
  (void)state;
  for_all_seeds(ask_at_once, 50);
}

static void o3_o4_joins_and_leaves(void **state) {
  (void)state;
  for_all_seeds(joins_and_leaves, 100);
}

static void o5_exactly_one_member(void **state) {
  (void)state;
  for_all_seeds(exactly_one_member, 100);
}

static void l1_connections_come_and_go(void **state) {
  (void)state;
  for_all_seeds(come_and_go, 60);
}

static void b1_stuck_worker(void **state) {
  (void)state;
  for_all_seeds(stuck_worker, 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(o1_o2_o3_order_and_causality, tell_seed),
      cmocka_unit_test_teardown(o2_ask_at_once, tell_seed),
      cmocka_unit_test_teardown(o3_o4_joins_and_leaves, tell_seed),
      cmocka_unit_test(o1_nothing_from_before_joining),
      cmocka_unit_test_teardown(o5_exactly_one_member, tell_seed),
      cmocka_unit_test_teardown(b1_stuck_worker, tell_seed),
      cmocka_unit_test_teardown(l1_connections_come_and_go, tell_seed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
