/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the tests of NATS clients on simulated workers share: a conversation is a script of what is said and what has to
 * come back. The clock stands still until a test moves it, and every worker runs only when a test says so.
 *
 * Nothing reads from a client's socket but the test (sim_pull): a client that is not pulled is one that does not read.
 */
#ifndef TERN_TESTS_BROKER_FIXTURE_H
#define TERN_TESTS_BROKER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker_sim.h"
#include "client.h"

#define TICKS_MAX  400
#define RING_BYTES 32768
#define QUIET      "\"verbose\":false,\"pedantic\":false"
#define REQUESTS   QUIET ",\"headers\":true,\"no_responders\":true"

/* A counter of nats_stats over all workers. */
#define SUM(sim, field) sum((sim), offsetof(struct nats_stats, field))

static inline uint64_t sum(const struct sim *sim, size_t offset) {
  uint64_t total = 0;
  for (unsigned i = 0; i < sim->count; i++) {
    const char *stats = (const char *)nats_worker_stats(sim->core.nats.workers[i]);
    total += tern_counter_read((const struct tern_counter *)(const void *)(stats + offset));
  }
  return total;
}

static inline struct route_stats *route_stats_of(struct sim *sim, unsigned worker) {
  return sim->core.nats.workers[worker]->routes[0]->stats;
}

static inline void start(struct sim *sim, unsigned workers, const struct nats_limits *limits) {
  memset(sim, 0, sizeof *sim);
  assert_int_equal(sim_open(sim, workers, RING_BYTES, limits), 0);
}

static inline void tick(struct sim *sim, unsigned worker) {
  tern__worker_tick(tern_workers_at(sim->workers, worker));
}

static inline void ticks(struct sim *sim, unsigned rounds) {
  for (; rounds > 0; rounds--) {
    for (unsigned i = 0; i < sim->count; i++)
      tick(sim, i);
    tern__sim_grace_step(sim->workers);
  }
}

static inline void later(struct sim *sim, uint64_t ms) {
  tern__sim_advance(sim->workers, ms);
  ticks(sim, 3);
}

static inline const char *unread(const struct sim_client *c) { return c->in + c->read_to; }

/* The next that the client receives is this text. */
static inline void expect(struct sim_client *c, const char *text) {
  size_t len = strlen(text);
  for (unsigned n = 0; n < TICKS_MAX && c->in_len - c->read_to < len; n++) {
    ticks(c->sim, 1);
    sim_pull(c);
  }
  if (strncmp(unread(c), text, len) != 0) fail_msg("received '%s', not '%s'", unread(c), text);
  c->read_to += len;
}

/* The client receives nothing. */
static inline void expect_silence(struct sim_client *c) {
  ticks(c->sim, 10);
  sim_pull(c);
  if (c->in_len != c->read_to) fail_msg("received '%s', not nothing", unread(c));
}

/* The broker has ended the connection; nothing came after what was expected. */
static inline void expect_end(struct sim_client *c) {
  for (unsigned n = 0; n < TICKS_MAX && !c->lost; n++) {
    ticks(c->sim, 1);
    sim_pull(c);
  }
  assert_true(c->lost);
  assert_string_equal(unread(c), "");
}

static inline void expect_info(struct sim_client *c) {
  char *end = NULL;
  for (unsigned n = 0; n < TICKS_MAX && end == NULL; n++) {
    ticks(c->sim, 1);
    sim_pull(c);
    end = memchr(unread(c), '\n', c->in_len - c->read_to);
  }
  assert_non_null(end);
  assert_int_equal(strncmp(unread(c), "INFO ", 5), 0);
  c->read_to = (size_t)(end + 1 - c->in);
}

static inline void say_and_sync(struct sim_client *c, const char *text) {
  sim_say(c, text);
  sim_say(c, "PING\r\n");
  expect(c, "PONG\r\n");
}

static inline void join(struct sim *sim, struct sim_client *c, unsigned worker, const char *fields) {
  assert_int_equal(sim_connect(sim, c, worker, NULL), 0);
  expect_info(c);
  char line[512];
  snprintf(line, sizeof line, "CONNECT {%s}\r\n", fields);
  say_and_sync(c, line);
}

static inline void end(struct sim *sim, struct sim_client *clients, unsigned count) {
  sim_close(sim); /* aborts when anything is left over */
  for (unsigned i = 0; i < count; i++)
    sim_client_free(&clients[i]);
}

static inline unsigned count_of(const char *in, const char *what) {
  unsigned count = 0;
  for (; (in = strstr(in, what)) != NULL; in++)
    count++;
  return count;
}

#endif
