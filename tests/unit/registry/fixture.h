/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the registry's tests share: a reclaimer whose grace periods end when the test says so, a registry with
 * several indexes stepped by one thread, and the naive oracle for matching.
 */
#ifndef TERN_TESTS_REGISTRY_FIXTURE_H
#define TERN_TESTS_REGISTRY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tern/error.h>
#include <tern/registry.h>

#include "container.h"
#include "pool.h"
#include "rcu.h"
#include "reclaim.h"

#define WORLD_WORKERS 8

struct world {
  struct tern_reclaimer reclaimer;
  struct tern_retired *limbo;
  size_t limbo_bytes; /* stated since the last settling */
  struct tern_job *jobs;
  unsigned jobs_run;
  struct tern_registry *registry;
  struct tern_index *index[WORLD_WORKERS];
  unsigned workers;
};

static inline void world_retire(struct tern_reclaimer *reclaimer, struct tern_retired *retired,
                                size_t bytes) {
  struct world *world = tern_container(reclaimer, struct world, reclaimer);
  retired->next = world->limbo;
  world->limbo = retired;
  world->limbo_bytes += bytes;
}

static inline void world_background(struct tern_reclaimer *reclaimer, struct tern_job *job) {
  struct world *world = tern_container(reclaimer, struct world, reclaimer);
  job->next = world->jobs;
  world->jobs = job;
}

static inline bool world_is_online(struct tern_reclaimer *reclaimer) {
  (void)reclaimer;
  return tern__rcu_is_online();
}

/* Runs the jobs and ends the grace period: what was retired is freed. */
static inline void world_settle(struct world *world) {
  while (world->jobs != NULL) {
    struct tern_job *job = world->jobs;
    world->jobs = job->next;
    world->jobs_run++;
    job->run(job);
  }
  while (world->limbo != NULL) {
    struct tern_retired *retired = world->limbo;
    world->limbo = retired->next;
    retired->free(retired);
  }
  world->limbo_bytes = 0;
}

static inline void world_init(struct world *world, unsigned workers) {
  static const struct tern_reclaimer_ops ops = {
      .retire = world_retire, .background = world_background, .is_online = world_is_online};
  tern__rcu_register();
  tern__rcu_online();
  *world = (struct world){.reclaimer = {&ops, tern__rcu_flavor()}, .workers = workers};
  world->registry = tern_registry_new(&world->reclaimer);
  assert_non_null(world->registry);
  for (unsigned i = 0; i < workers; i++) {
    world->index[i] = tern_index_new(world->registry, &world->reclaimer, i);
    assert_non_null(world->index[i]);
  }
}

/* Everything must have been removed. */
static inline void world_free(struct world *world) {
  struct tern_registry_stats stats = tern_registry_stats(world->registry);
  assert_int_equal(stats.nodes, 0);
  assert_int_equal(stats.filters, 0);
  assert_int_equal(stats.bytes, 0);
  for (unsigned i = 0; i < world->workers; i++) {
    struct tern_index_stats own = tern_index_stats(world->index[i]);
    assert_int_equal(own.sinks, 0);
    assert_int_equal(own.filters, 0);
    tern_index_free(world->index[i]); /* aborts when its pool still holds anything */
  }
  world_settle(world);
  tern_registry_free(world->registry); /* aborts when the table is not empty */
  tern__rcu_offline();
  tern__rcu_unregister();
}

/* Matching by the book: token by token, by recursion, without any of the library's code. */
static inline bool oracle_matches(const char *filter, const char *subject) {
  size_t f = strcspn(filter, "."), s = strcspn(subject, ".");
  if (f == 0 || s == 0) return false;
  bool filter_ends = filter[f] == '\0', subject_ends = subject[s] == '\0';
  if (f == 1 && filter[0] == '>' && filter_ends) {
    while (!subject_ends) { /* the rest must be a valid subject */
      subject += s + 1;
      s = strcspn(subject, ".");
      if (s == 0) return false;
      subject_ends = subject[s] == '\0';
    }
    return true;
  }
  if (!(f == 1 && filter[0] == '*') && !(f == s && memcmp(filter, subject, f) == 0)) return false;
  if (filter_ends || subject_ends) return filter_ends && subject_ends;
  return oracle_matches(filter + f + 1, subject + s + 1);
}

/* Writes the number'th text of 1 to 4 tokens from {a, b, *, >}; there are TEXTS of them. */
#define TEXTS (4 + 16 + 64 + 256)
static inline void text_make(unsigned number, char text[8]) {
  unsigned tokens = 1, count = 4;
  while (number >= count) {
    number -= count;
    count *= 4;
    tokens++;
  }
  for (unsigned i = 0; i < tokens; i++) {
    text[2 * i] = "ab*>"[number % 4];
    text[2 * i + 1] = i + 1 < tokens ? '.' : '\0';
    number /= 4;
  }
}

static inline const struct tern_match *match_from(struct tern_index *index, const char *subject) {
  struct tern_slice text = tern_slice_of(subject);
  return tern_index_match(index, text, tern_subject_hash(text));
}

/* The same pseudo-random numbers every time (xorshift). */
static inline uint32_t random_next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return (uint32_t)(*state >> 32);
}

static inline bool deliver_nothing(struct tern_sink *sink, struct tern_message *message) {
  (void)sink;
  (void)message;
  return true;
}

static const struct tern_sink_ops plain_ops = {.deliver = deliver_nothing};

#endif
