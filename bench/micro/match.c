/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does it cost to find out who wants a message, and to subscribe? Filters are bench.NUMBER.x, one sink each.
 * size: filters there are.
 *
 *     hit          one subject again and again, answered from the cache
 *     cold         each subject too seldom to be in the cache; one literal filter matches
 *     wild         the same, with three wildcard filters beside, two of which match
 *     add, remove  a subscription to a filter that nobody else has; add-wild: with a wildcard at its end
 *     known        another subscription to a filter that this worker has
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "micro.h"
#include "rig.h"

enum { BATCH = 4096, TIMES = 10000 };

struct subject {
  char text[32];
  struct tern_slice slice;
  uint64_t hash;
};

static struct rig rig;
static struct tern_registry *registry;
static struct tern_index *indexes[2]; /* ours, and one that makes remote interest */
static struct tern_sink *sinks;       /* one for each filter */
static struct tern_sink batch[BATCH]; /* those that a round adds or removes */
static struct tern_sink wild[3];
static struct subject subjects[BATCH];
static unsigned long filters, next_subject;
static volatile uint64_t result; /* keeps the compiler from dropping what is measured */

static bool nothing(struct tern_sink *sink, struct tern_message *message) {
  (void)sink;
  (void)message;
  return false;
}
static const struct tern_sink_ops ops = {.deliver = nothing};

static void name(struct subject *to, unsigned long number, const char *last) {
  int len = snprintf(to->text, sizeof to->text, "bench.%08lx.%s", number * 2654435761u % 0xffffffffu, last);
  to->slice = (struct tern_slice){to->text, (size_t)len};
  to->hash = tern_subject_hash(to->slice);
}

static void add(unsigned worker, struct tern_sink *sink, struct tern_slice filter) {
  sink->ops = &ops;
  if (tern_index_add(indexes[worker], sink, filter, (struct tern_slice){NULL, 0}) != 0)
    micro_fail("out of memory");
}

static void open_case(const struct micro_case *micro) {
  filters = micro->size;
  next_subject = 0;
  rig_init(&rig);
  registry = tern_registry_new(&rig.reclaimer);
  for (unsigned i = 0; i < 2 && registry != NULL; i++)
    indexes[i] = tern_index_new(registry, &rig.reclaimer, i);
  sinks = calloc(filters, sizeof *sinks);
  if (sinks == NULL || indexes[0] == NULL || indexes[1] == NULL) micro_fail("out of memory");
  for (unsigned long i = 0; i < filters; i++) {
    struct subject filter;
    name(&filter, i, "x");
    add(0, &sinks[i], filter.slice);
    if (i % 1024 == 0) rig_step(&rig);
  }
}

static void close_case(void) {
  for (unsigned long i = 0; i < filters; i++)
    tern_index_remove(indexes[0], &sinks[i]);
  for (unsigned i = 0; i < BATCH; i++)
    tern_index_remove(indexes[0], &batch[i]);
  tern_index_remove(indexes[0], &wild[0]);
  tern_index_remove(indexes[1], &wild[1]);
  tern_index_remove(indexes[1], &wild[2]);
  for (unsigned i = 0; i < 2; i++)
    tern_index_free(indexes[i]);
  rig_step(&rig);
  tern_registry_free(registry);
  free(sinks);
  rig_fini(&rig);
}

static void match_one(const struct subject *subject) {
  const struct tern_match *match = tern_index_match(indexes[0], subject->slice, subject->hash);
  result += match->remote + match->local_count;
  tern_index_done(indexes[0], match);
}

static void prepare_hit(void) { name(&subjects[0], 1, "x"); }

static unsigned long run_hit(void) {
  for (unsigned i = 0; i < TIMES; i++)
    match_one(&subjects[0]);
  return TIMES;
}

/* The subjects of a round, those of the next one different, all of them before one comes again. */
static void prepare_cold(void) {
  for (unsigned i = 0; i < BATCH; i++)
    name(&subjects[i], next_subject++ * 7919 % filters, "x");
}

static unsigned long run_cold(void) {
  for (unsigned i = 0; i < BATCH; i++)
    match_one(&subjects[i]);
  return BATCH;
}

static void open_wild(const struct micro_case *micro) {
  open_case(micro);
  add(0, &wild[0], tern_slice_of("bench.*.y"));
  add(1, &wild[1], tern_slice_of("bench.>"));
  add(1, &wild[2], tern_slice_of("*.*.x"));
}

/* The batch's filters are gone, or there. */
static void have_batch(bool there, unsigned long first, const char *last) {
  for (unsigned i = 0; i < BATCH; i++) {
    name(&subjects[i], first + i, last);
    if (!there)
      tern_index_remove(indexes[0], &batch[i]);
    else if (batch[i].members == NULL)
      add(0, &batch[i], subjects[i].slice);
  }
  rig_step(&rig);
}

static void prepare_add(void) { have_batch(false, filters, "x"); }
static void prepare_add_wild(void) { have_batch(false, filters, "*"); }
static void prepare_known(void) { have_batch(false, 0, "x"); }
static void prepare_remove(void) { have_batch(true, filters, "x"); }

static unsigned long run_add(void) {
  for (unsigned i = 0; i < BATCH; i++)
    add(0, &batch[i], subjects[i].slice);
  return BATCH;
}

static unsigned long run_remove(void) {
  for (unsigned i = 0; i < BATCH; i++)
    tern_index_remove(indexes[0], &batch[i]);
  return BATCH;
}

int main(int argc, char **argv) {
#define CASE(name, size, prepare, run) \
  { name, size, 0, 5, open_case, prepare, run, close_case }
  static const struct micro_case cases[] = {
      CASE("hit", 1000, prepare_hit, run_hit),
      CASE("cold-100k", 100000, prepare_cold, run_cold),
      CASE("cold-1m", 1000000, prepare_cold, run_cold),
      {"wild-100k", 100000, 0, 5, open_wild, prepare_cold, run_cold, close_case},
      CASE("add-100k", 100000, prepare_add, run_add),
      CASE("add-wild-100k", 100000, prepare_add_wild, run_add),
      CASE("known-100k", 100000, prepare_known, run_add),
      CASE("remove-100k", 100000, prepare_remove, run_remove),
  };
  return micro_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
