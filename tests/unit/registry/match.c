/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matching against the naive oracle: exhaustively over short filters and subjects, and after random additions
 * and removals on one, two and several workers, cold and from the cache. Then queue groups, handlers, and what
 * the generations may and may not throw out of the cache.
 *
 * long file: they share the oracle and its subscriptions.
 */
#include "fixture.h"

#include <errno.h>

struct sub {
  struct tern_sink sink;
  char filter[16];
  char group[4]; /* empty: plain */
  unsigned worker;
  bool active;
  unsigned seen;
};

#define SUBS_MAX 2048
static struct sub subs[SUBS_MAX];
static const char *const group_names[] = {"q", "r", "s"};
#define GROUPS (sizeof group_names / sizeof group_names[0])

static void sub_add(struct world *world, struct sub *sub) {
  sub->sink = (struct tern_sink){.ops = &plain_ops};
  assert_int_equal(tern_index_add(world->index[sub->worker], &sub->sink, tern_slice_of(sub->filter),
                                  tern_slice_of(sub->group)),
                   0);
  sub->active = true;
  assert_true(tern_slice_equal(tern_sink_filter(&sub->sink), tern_slice_of(sub->filter)));
  assert_true(tern_slice_equal(tern_sink_group(&sub->sink), tern_slice_of(sub->group)));
}

static void sub_remove(struct world *world, struct sub *sub) {
  tern_index_remove(world->index[sub->worker], &sub->sink);
  assert_null(sub->sink.members);
  assert_int_equal(tern_sink_filter(&sub->sink).len, 0);
  assert_int_equal(tern_sink_group(&sub->sink).len, 0);
  sub->active = false;
}

static void see_members(const struct tern_members *members) {
  for (uint32_t i = members->count; i-- > 0;) {
    if (members->at[i]->ops != &plain_ops) continue; /* a hole during a match */
    tern_container(members->at[i], struct sub, sink)->seen++;
  }
}

static const struct tern_match_group *group_named(const struct tern_match *match, const char *name) {
  const struct tern_match_group *found = NULL;
  for (uint32_t g = 0; g < match->group_count; g++) {
    if (!tern_slice_equal(match->groups[g].name, tern_slice_of(name))) continue;
    assert_null(found); /* merged into one */
    found = &match->groups[g];
  }
  return found;
}

/* The group of that name: exact weights for every worker, and exactly the own members in it. */
static void check_group(const struct tern_match *match, const char *name, const char *subject, unsigned from,
                        size_t count) {
  uint64_t weights[WORLD_WORKERS] = {0}, total = 0;
  for (size_t i = 0; i < count; i++) {
    subs[i].seen = 0;
    if (!subs[i].active || strcmp(subs[i].group, name) != 0 || !oracle_matches(subs[i].filter, subject))
      continue;
    weights[subs[i].worker]++;
    total++;
  }
  const struct tern_match_group *group = group_named(match, name);
  if (group == NULL) {
    assert_int_equal(total, 0);
    return;
  }
  assert_int_equal(group->weight, total);
  for (uint32_t w = 0; w < group->worker_count; w++) {
    assert_true(group->workers[w].weight > 0);
    assert_int_equal(group->workers[w].weight, weights[group->workers[w].worker]);
    weights[group->workers[w].worker] = 0; /* none twice */
  }
  for (unsigned w = 0; w < WORLD_WORKERS; w++)
    assert_int_equal(weights[w], 0); /* none missing */
  for (uint32_t l = 0; l < group->local_count; l++)
    see_members(group->local[l]);
  for (size_t i = 0; i < count; i++) {
    bool expected = subs[i].active && subs[i].worker == from && strcmp(subs[i].group, name) == 0 &&
                    oracle_matches(subs[i].filter, subject);
    assert_int_equal(subs[i].seen, expected ? 1 : 0);
  }
}

/* What a match on a worker says, compared with the oracle over all active subscriptions. */
static void check(struct world *world, unsigned from, const char *subject, size_t count) {
  const struct tern_match *match = match_from(world->index[from], subject);
  assert_non_null(match);
  uint64_t remote = 0;
  for (size_t i = 0; i < count; i++) {
    subs[i].seen = 0;
    if (subs[i].active && subs[i].group[0] == '\0' && subs[i].worker != from &&
        oracle_matches(subs[i].filter, subject))
      remote |= (uint64_t)1 << subs[i].worker;
  }
  assert_true(match->remote == remote);
  for (uint32_t l = 0; l < match->local_count; l++)
    see_members(match->local[l]);
  for (size_t i = 0; i < count; i++) {
    bool expected = subs[i].active && subs[i].group[0] == '\0' && subs[i].worker == from &&
                    oracle_matches(subs[i].filter, subject);
    if (subs[i].seen != (expected ? 1u : 0u))
      fail_msg("filter %s, subject %s: %u times", subs[i].filter, subject, subs[i].seen);
  }
  for (size_t g = 0; g < GROUPS; g++)
    check_group(match, group_names[g], subject, from, count);
  assert_int_equal(match->handler_count, 0);
  tern_index_done(world->index[from], match);
}

static void remove_all(struct world *world, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (subs[i].active) sub_remove(world, &subs[i]);
}

static void test_every_filter_alone_against_every_subject(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 1);
  for (unsigned f = 0; f < TEXTS; f++) {
    subs[0] = (struct sub){.worker = 0};
    text_make(f, subs[0].filter);
    if (!tern_filter_is_valid(tern_slice_of(subs[0].filter))) {
      assert_int_equal(tern_index_add(world.index[0], &subs[0].sink, tern_slice_of(subs[0].filter),
                                      (struct tern_slice){NULL, 0}),
                       TERN_ESUBJECT);
      continue;
    }
    sub_add(&world, &subs[0]);
    for (unsigned t = 0; t < TEXTS; t++) {
      char subject[8];
      text_make(t, subject);
      check(&world, 0, subject, 1);
      check(&world, 0, subject, 1); /* from the cache */
    }
    sub_remove(&world, &subs[0]);
    world_settle(&world);
  }
  world_free(&world);
}

static void test_all_filters_together_against_every_subject(void **state) {
  (void)state;
  for (unsigned workers = 1; workers <= 3; workers++) {
    struct world world;
    world_init(&world, workers);
    size_t count = 0;
    for (unsigned f = 0; f < TEXTS; f++) {
      subs[count] = (struct sub){.worker = f % workers};
      text_make(f, subs[count].filter);
      if (tern_filter_is_valid(tern_slice_of(subs[count].filter))) sub_add(&world, &subs[count++]);
    }
    for (unsigned t = 0; t < TEXTS; t++) {
      char subject[8];
      text_make(t, subject);
      for (unsigned from = 0; from < workers; from++)
        check(&world, from, subject, count);
    }
    static const char *const invalid[] = {"", ".", "a.", ".a", "a..b", "a.b..", "*..b"};
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
      check(&world, 0, invalid[i], count);
    remove_all(&world, count);
    world_free(&world);
  }
}

/* R1, R2 and the oracle after each of many random steps; the cache is warm all the time. */
static void random_steps(unsigned workers, unsigned steps, uint64_t seed) {
  struct world world;
  world_init(&world, workers);
  size_t count = 160;
  memset(subs, 0, sizeof subs);
  for (unsigned step = 0; step < steps; step++) {
    struct sub *sub = &subs[random_next(&seed) % count];
    if (sub->active) {
      sub_remove(&world, sub);
    } else {
      *sub = (struct sub){.worker = random_next(&seed) % workers};
      do
        text_make(random_next(&seed) % TEXTS, sub->filter);
      while (!tern_filter_is_valid(tern_slice_of(sub->filter)));
      if (random_next(&seed) % 2 == 0) memcpy(sub->group, group_names[random_next(&seed) % GROUPS], 2);
      sub_add(&world, sub);
    }
    for (unsigned i = 0; i < 4; i++) {
      char subject[8];
      text_make(random_next(&seed) % TEXTS, subject);
      check(&world, random_next(&seed) % workers, subject, count);
    }
    if (step % 16 == 0) world_settle(&world);
  }
  uint64_t hits = 0;
  for (unsigned i = 0; i < workers; i++)
    hits += tern_index_stats(world.index[i]).cache_hits;
  assert_true(hits > 0);
  remove_all(&world, count);
  world_free(&world);
}

static void test_random_steps_agree_with_the_oracle(void **state) {
  (void)state;
  random_steps(1, 4000, 11);
  random_steps(2, 4000, 22);
  random_steps(WORLD_WORKERS, 8000, 33);
}

static void test_groups_of_one_name_are_merged(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 2);
  static const struct sub start[] = {
      {.filter = "a.b", .group = "q", .worker = 0}, {.filter = "a.*", .group = "q", .worker = 0},
      {.filter = "a.>", .group = "q", .worker = 1}, {.filter = "a.*", .group = "q", .worker = 1},
      {.filter = "a.*", .group = "r", .worker = 1}, {.filter = "b", .group = "q", .worker = 1},
  };
  enum { COUNT = sizeof start / sizeof start[0] };
  for (size_t i = 0; i < COUNT; i++) {
    subs[i] = start[i];
    sub_add(&world, &subs[i]);
  }
  const struct tern_match *match = match_from(world.index[0], "a.b");
  assert_int_equal(match->group_count, 2);
  assert_int_equal(match->remote, 0); /* groups are not plain interest */
  const struct tern_match_group *group = group_named(match, "q");
  assert_int_equal(group->weight, 4);
  assert_int_equal(group->worker_count, 2);
  assert_int_equal(group->local_count, 2); /* one set per filter */
  tern_index_done(world.index[0], match);
  check(&world, 0, "a.b", COUNT);
  check(&world, 1, "a.b", COUNT);
  remove_all(&world, COUNT);
  world_free(&world);
}

/* A second member changes only a weight: other workers must see it at their next match (uniform picks). */
static void test_weights_follow_every_member(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 2);
  enum { COUNT = 300 };
  for (size_t i = 0; i < COUNT; i++) {
    subs[i] = (struct sub){.filter = "jobs.*", .group = "q", .worker = i % 3 == 0};
    sub_add(&world, &subs[i]);
    check(&world, 0, "jobs.x", i + 1);
    check(&world, 1, "jobs.x", i + 1);
  }
  uint64_t seed = 7;
  for (size_t left = COUNT; left > 0; left--) {
    size_t victim = random_next(&seed) % COUNT;
    while (!subs[victim].active)
      victim = (victim + 1) % COUNT;
    sub_remove(&world, &subs[victim]);
    check(&world, 0, "jobs.x", COUNT);
    check(&world, 1, "jobs.x", COUNT);
  }
  world_free(&world);
}

static void test_many_groups_on_one_filter(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 2);
  enum { COUNT = 700 }; /* more than fits into a cached result */
  static struct tern_sink sinks[2][COUNT];
  for (unsigned w = 0; w < 2; w++) {
    for (unsigned i = 0; i < COUNT; i++) {
      char name[16];
      snprintf(name, sizeof name, "group%u", i);
      sinks[w][i] = (struct tern_sink){.ops = &plain_ops};
      assert_int_equal(
          tern_index_add(world.index[w], &sinks[w][i], tern_slice_of("work"), tern_slice_of(name)), 0);
    }
  }
  for (unsigned pass = 0; pass < 2; pass++) {
    const struct tern_match *match = match_from(world.index[0], "work");
    assert_int_equal(match->group_count, COUNT);
    for (uint32_t g = 0; g < COUNT; g++) {
      assert_int_equal(match->groups[g].weight, 2);
      assert_int_equal(match->groups[g].worker_count, 2);
      assert_int_equal(match->groups[g].local_count, 1);
    }
    tern_index_done(world.index[0], match);
  }
  assert_int_equal(tern_index_stats(world.index[0]).cache_hits, 0);
  for (unsigned w = 0; w < 2; w++)
    for (unsigned i = 0; i < COUNT; i++)
      tern_index_remove(world.index[w], &sinks[w][i]);
  world_free(&world);
}

static void never_called(struct tern_handler *handler, const struct tern_message *message) {
  (void)handler;
  (void)message;
}

static bool has_handler(struct world *world, unsigned from, const char *subject,
                        struct tern_handler *handler) {
  const struct tern_match *match = match_from(world->index[from], subject);
  bool found = false;
  for (uint32_t i = 0; i < match->handler_count; i++)
    found = found || match->handlers[i] == handler;
  tern_index_done(world->index[from], match);
  return found;
}

static void test_handlers_attach_swap_detach(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 2);
  struct tern_handler one = {never_called}, two = {never_called}, three = {never_called};
  struct tern_slice wide = tern_slice_of("svc.>"), exact = tern_slice_of("svc.time");
  assert_int_equal(tern_registry_attach(world.registry, &world.reclaimer, &one, tern_slice_of("a..b")),
                   TERN_ESUBJECT);
  assert_false(has_handler(&world, 0, "svc.time", &one));
  assert_int_equal(tern_registry_attach(world.registry, &world.reclaimer, &one, wide), 0);
  assert_int_equal(tern_registry_attach(world.registry, &world.reclaimer, &two, exact), 0);
  for (unsigned from = 0; from < 2; from++) {
    assert_true(has_handler(&world, from, "svc.time", &one));
    assert_true(has_handler(&world, from, "svc.time", &two));
    assert_false(has_handler(&world, from, "svc.date", &two));
  }
  assert_int_equal(tern_registry_swap(world.registry, &world.reclaimer, &one, &three, wide), 0);
  assert_int_equal(tern_registry_swap(world.registry, &world.reclaimer, &one, &three, wide), -ENOENT);
  assert_int_equal(tern_registry_swap(world.registry, &world.reclaimer, &one, &three, tern_slice_of("no")),
                   -ENOENT);
  for (unsigned from = 0; from < 2; from++) {
    assert_false(has_handler(&world, from, "svc.time", &one));
    assert_true(has_handler(&world, from, "svc.time", &three));
  }
  tern_registry_detach(world.registry, &world.reclaimer, &one, wide); /* not there: nothing happens */
  assert_true(has_handler(&world, 1, "svc.x.y", &three));
  tern_registry_detach(world.registry, &world.reclaimer, &three, wide);
  assert_false(has_handler(&world, 1, "svc.x.y", &three));
  assert_true(has_handler(&world, 1, "svc.time", &two));
  tern_registry_detach(world.registry, &world.reclaimer, &two, exact);
  world_free(&world);
}

/* Handlers and queue groups of one filter share an array; changing one must not lose the other. */
static void test_handlers_and_groups_on_one_filter(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 1);
  enum { COUNT = 40 };
  static struct tern_handler handlers[COUNT];
  struct tern_slice filter = tern_slice_of("x.*");
  for (unsigned i = 0; i < COUNT; i++) {
    handlers[i].handle = never_called;
    assert_int_equal(tern_registry_attach(world.registry, &world.reclaimer, &handlers[i], filter), 0);
    subs[i] = (struct sub){.filter = "x.*", .worker = 0};
    memcpy(subs[i].group, group_names[i % GROUPS], 2);
    sub_add(&world, &subs[i]);
  }
  for (unsigned gone = 0; gone <= COUNT; gone++) {
    const struct tern_match *match = match_from(world.index[0], "x.y");
    assert_int_equal(match->handler_count, COUNT - gone);
    uint64_t members = 0;
    for (uint32_t g = 0; g < match->group_count; g++)
      members += match->groups[g].weight;
    assert_int_equal(members, COUNT - gone);
    tern_index_done(world.index[0], match);
    if (gone == COUNT) break;
    tern_registry_detach(world.registry, &world.reclaimer, &handlers[gone], filter);
    sub_remove(&world, &subs[gone]);
  }
  world_free(&world);
}

/* Matches the subjects once; returns how many came from the cache. */
static uint64_t hits_over(struct world *world, const char *prefix, unsigned count) {
  uint64_t before = tern_index_stats(world->index[0]).cache_hits;
  for (unsigned i = 0; i < count; i++) {
    char subject[32];
    snprintf(subject, sizeof subject, "%s.%u.x", prefix, i);
    tern_index_done(world->index[0], match_from(world->index[0], subject));
  }
  return tern_index_stats(world->index[0]).cache_hits - before;
}

static void flap(struct world *world, const char *filter, unsigned times) {
  struct tern_sink sink = {.ops = &plain_ops};
  for (unsigned i = 0; i < times; i++) {
    assert_int_equal(
        tern_index_add(world->index[1], &sink, tern_slice_of(filter), (struct tern_slice){NULL, 0}), 0);
    tern_index_remove(world->index[1], &sink);
  }
  world_settle(world);
}

/* R6: which cached results a flapping filter throws out. Some few may share a cell by chance. */
static void test_r6_churn_elsewhere_keeps_the_cache(void **state) {
  (void)state;
  enum { SUBJECTS = 200, CHANCE = 5 };
  struct world world;
  world_init(&world, 2);
  hits_over(&world, "keep", SUBJECTS);
  uint64_t full = hits_over(&world, "keep", SUBJECTS);
  assert_true(full > SUBJECTS - 20); /* what does not fit into its line is missing */
  flap(&world, "other.filter", 500);
  assert_true(hits_over(&world, "keep", SUBJECTS) + CHANCE >= full);
  flap(&world, "other.*", 500);
  assert_true(hits_over(&world, "keep", SUBJECTS) + CHANCE >= full);
  flap(&world, "other.more.>", 500);
  assert_true(hits_over(&world, "keep", SUBJECTS) + CHANCE >= full);
  flap(&world, "keep.*", 1); /* could match them, as far as the first token says */
  assert_int_equal(hits_over(&world, "keep", SUBJECTS), 0);
  flap(&world, "keep.7.*", 1); /* only the one with these two tokens */
  assert_true(hits_over(&world, "keep", SUBJECTS) + CHANCE >= full);
  flap(&world, "*.never", 1); /* begins with a wildcard: everything */
  assert_int_equal(hits_over(&world, "keep", SUBJECTS), 0);
  world_free(&world);
}

/* A publisher that goes through a thousand subjects again and again has nearly all of them answered from the cache. */
static void test_a_thousand_subjects_fit_the_cache(void **state) {
  (void)state;
  enum { SUBJECTS = 1000 };
  struct world world;
  world_init(&world, 1);
  hits_over(&world, "turn", SUBJECTS);
  assert_true(hits_over(&world, "turn", SUBJECTS) > SUBJECTS / 100 * 95);
  world_free(&world);
}

static bool same_members(struct tern_members *const *a, struct tern_members *const *b, uint32_t count) {
  return count == 0 || memcmp(a, b, count * sizeof *a) == 0;
}

static bool same_everybody(const struct tern_match *a, const struct tern_match *b) {
  bool same = a->remote == b->remote && a->local_count == b->local_count &&
              a->group_count == b->group_count && same_members(a->local, b->local, a->local_count);
  for (uint32_t i = 0; same && i < a->group_count; i++) {
    const struct tern_match_group *x = &a->groups[i], *y = &b->groups[i];
    same = tern_slice_equal(x->name, y->name) && x->worker_count == y->worker_count &&
           x->local_count == y->local_count && same_members(x->local, y->local, x->local_count) &&
           memcmp(x->workers, y->workers, x->worker_count * sizeof x->workers[0]) == 0;
  }
  return same;
}

/* Has a message to this subject the receivers of the match of another one? */
static bool is_alike(struct tern_index *index, const struct tern_match *match, const char *subject) {
  struct tern_message list[2] = {{.hash = 0}};
  list[1].subject = tern_slice_of(subject);
  list[1].hash = tern_subject_hash(list[1].subject);
  return tern_index_alike(index, match, list, 2) == 2;
}

/* Of two subjects in the cache: both are matched first. */
static bool are_alike(struct tern_index *index, const char *a, const char *b) {
  const struct tern_match *other = match_from(index, b), *match = match_from(index, a);
  bool same = same_everybody(match, other);
  tern_index_done(index, other);
  bool alike = is_alike(index, match, b);
  assert_int_equal(alike, same);
  tern_index_done(index, match);
  return alike;
}

static void test_alike_are_subjects_with_the_same_receivers(void **state) {
  (void)state;
  struct world world;
  uint64_t seed = 44;
  unsigned yes = 0, no = 0;
  world_init(&world, 2);
  memset(subs, 0, sizeof subs);
  for (unsigned step = 0; step < 3000; step++) {
    struct sub *sub = &subs[random_next(&seed) % 12];
    if (sub->active) {
      sub_remove(&world, sub);
    } else {
      *sub = (struct sub){.worker = random_next(&seed) % 2};
      do
        text_make(random_next(&seed) % TEXTS, sub->filter);
      while (!tern_filter_is_valid(tern_slice_of(sub->filter)));
      if (random_next(&seed) % 3 == 0) memcpy(sub->group, group_names[random_next(&seed) % 2], 2);
      sub_add(&world, sub);
    }
    for (unsigned i = 0; i < 8; i++) {
      char a[8], b[8];
      text_make(random_next(&seed) % TEXTS, a);
      text_make(random_next(&seed) % TEXTS, b);
      *(are_alike(world.index[0], a, b) ? &yes : &no) += 1;
    }
    if (step % 16 == 0) world_settle(&world);
  }
  assert_true(yes > 1000 && no > 1000);
  remove_all(&world, 12);
  world_free(&world);
}

/* What the cache does not know, or knows no more, is found out. */
static void test_alike_is_never_out_of_date(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 1);
  memset(subs, 0, sizeof subs);
  subs[0] = (struct sub){.filter = "a.*"};
  subs[1] = (struct sub){.filter = "a.c"};
  sub_add(&world, &subs[0]);
  const struct tern_match *match = match_from(world.index[0], "a.b");
  assert_true(is_alike(world.index[0], match, "a.c"));
  tern_index_done(world.index[0], match);
  assert_true(are_alike(world.index[0], "a.b", "a.c"));
  sub_add(&world, &subs[1]);
  match = match_from(world.index[0], "a.b");
  assert_false(is_alike(world.index[0], match, "a.c"));
  assert_false(is_alike(world.index[0], match, "b.c"));
  sub_remove(&world, &subs[1]);
  assert_false(is_alike(world.index[0], match, "a.c")); /* of another epoch */
  tern_index_done(world.index[0], match);
  remove_all(&world, 2);
  world_free(&world);
}

static void assert_matches(const struct tern_index *index, uint64_t matches, uint64_t hits) {
  struct tern_index_stats stats = tern_index_stats(index);
  assert_int_equal(stats.matches, matches);
  assert_int_equal(stats.cache_hits, hits);
}

/* A message that was found to be like others counts as one match, whether it was known or not; one that is not like them
 * counts when it is matched itself, as one the cache did not know, although it then does. */
static void test_alike_finds_out_what_is_not_known(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 1);
  struct tern_index *index = world.index[0];
  memset(subs, 0, sizeof subs);
  subs[0] = (struct sub){.filter = "a.*"};
  sub_add(&world, &subs[0]);
  const struct tern_match *match = match_from(index, "a.b");
  assert_matches(index, 1, 0);
  assert_true(is_alike(index, match, "a.c"));
  assert_matches(index, 2, 0);
  assert_true(is_alike(index, match, "a.c"));
  assert_matches(index, 3, 1);
  assert_false(is_alike(index, match, "b.c"));
  tern_index_done(index, match);
  tern_index_done(index, match_from(index, "b.c"));
  assert_matches(index, 4, 1);
  tern_index_done(index, match_from(index, "b.c"));
  assert_matches(index, 5, 2);
  remove_all(&world, 1);
  world_free(&world);
}

/* B2: walks are not made without end where they are long. */
static void test_alike_walks_no_further_than_that(void **state) {
  (void)state;
  enum { COUNT = 200 };
  struct world world;
  world_init(&world, 1);
  struct tern_index *index = world.index[0];
  memset(subs, 0, sizeof subs);
  subs[0] = (struct sub){.filter = "*.*"};
  sub_add(&world, &subs[0]);
  static struct tern_message list[COUNT];
  static char text[COUNT][16];
  for (unsigned i = 0; i < COUNT; i++) {
    snprintf(text[i], sizeof text[i], "a.%u", i);
    struct tern_slice subject = tern_slice_of(text[i]);
    list[i] = (struct tern_message){.subject = subject, .hash = tern_subject_hash(subject)};
  }
  const struct tern_match *match = match_from(index, "a.0");
  uint64_t before = tern_index_visited(index);
  uint32_t alike = tern_index_alike(index, match, list, COUNT);
  assert_in_range(alike, 10, COUNT - 1);
  assert_in_range(tern_index_visited(index) - before, 10, 100);
  assert_in_range(tern_index_alike(index, match, list, COUNT), alike + 1, COUNT);
  tern_index_done(index, match);
  remove_all(&world, 1);
  world_free(&world);
}

/* A list is looked at up to the first message that is not alike; the same subject again needs no look. */
static void test_alike_are_counted_from_the_first(void **state) {
  (void)state;
  static const char *const subjects[] = {"a.b", "a.b", "a.c", "a.d", "a.d", "x.y", "a.b"};
  enum { COUNT = sizeof subjects / sizeof subjects[0] };
  struct world world;
  world_init(&world, 1);
  memset(subs, 0, sizeof subs);
  subs[0] = (struct sub){.filter = "a.*"};
  sub_add(&world, &subs[0]);
  struct tern_message list[COUNT];
  for (unsigned i = 0; i < COUNT; i++) {
    struct tern_slice subject = tern_slice_of(subjects[i]);
    list[i] = (struct tern_message){.subject = subject, .hash = tern_subject_hash(subject)};
    tern_index_done(world.index[0], match_from(world.index[0], subjects[i]));
  }
  const struct tern_match *match = match_from(world.index[0], "a.b");
  for (unsigned count = 1; count <= COUNT; count++)
    assert_int_equal(tern_index_alike(world.index[0], match, list, count), count < 5 ? count : 5);
  tern_index_done(world.index[0], match);
  remove_all(&world, 1);
  world_free(&world);
}

/* What a match costs can be told: entries visited by the walk, nothing when the cache answers. */
static void test_visited_entries_are_counted(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 2);
  struct tern_index *index = world.index[0];
  struct tern_sink sinks[50];
  for (unsigned i = 0; i < 50; i++) {
    char filter[32];
    snprintf(filter, sizeof filter, "a.*.%u", i);
    sinks[i] = (struct tern_sink){.ops = &plain_ops};
    assert_int_equal(
        tern_index_add(world.index[1], &sinks[i], tern_slice_of(filter), (struct tern_slice){NULL, 0}), 0);
  }
  uint64_t before = tern_index_visited(index);
  tern_index_done(index, match_from(index, "a.b.7"));
  uint64_t first = tern_index_visited(index) - before;
  assert_in_range(first, 3, 8); /* a, *, 7 and the looks for others on the way; not all fifty */
  tern_index_done(index, match_from(index, "a.b.7"));
  assert_int_equal(tern_index_visited(index) - before, first);
  struct tern_index_stats stats = tern_index_stats(index);
  assert_int_equal(stats.matches, 2);
  assert_int_equal(stats.cache_hits, 1);
  for (unsigned i = 0; i < 50; i++)
    tern_index_remove(world.index[1], &sinks[i]);
  world_settle(&world);
  world_free(&world);
}

/* Queue groups are part of the cost: each worker's row of each. */
static void test_visited_rows_are_counted(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 3);
  enum { GROUPS_EACH = 30 };
  struct tern_sink sinks[2][GROUPS_EACH];
  for (unsigned i = 0; i < 2 * GROUPS_EACH; i++) {
    char name[16];
    snprintf(name, sizeof name, "g%u", i / 2);
    struct tern_sink *sink = &sinks[i % 2][i / 2];
    *sink = (struct tern_sink){.ops = &plain_ops};
    assert_int_equal(tern_index_add(world.index[i % 2], sink, tern_slice_of("work"), tern_slice_of(name)), 0);
  }
  tern_index_done(world.index[2], match_from(world.index[2], "work"));
  assert_int_equal(tern_index_visited(world.index[2]), 2 * GROUPS_EACH);
  tern_index_done(world.index[2], match_from(world.index[2], "work"));
  assert_int_equal(tern_index_visited(world.index[2]), 2 * GROUPS_EACH); /* from the cache */
  for (unsigned i = 0; i < 2 * GROUPS_EACH; i++)
    tern_index_remove(world.index[i % 2], &sinks[i % 2][i / 2]);
  world_free(&world);
}

/* Long subjects and filters: no recursion, no bound on the number of tokens. */
static void test_two_thousand_tokens(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 2);
  enum { TOKENS = 2000 };
  static char subject[2 * TOKENS], stars[2 * TOKENS], mixed[2 * TOKENS];
  for (unsigned i = 0; i < TOKENS; i++) {
    subject[2 * i] = 'a';
    stars[2 * i] = '*';
    mixed[2 * i] = i % 2 == 0 ? 'a' : '*';
    subject[2 * i + 1] = stars[2 * i + 1] = mixed[2 * i + 1] = i + 1 < TOKENS ? '.' : '\0';
  }
  static struct tern_sink sinks[3];
  const char *filters[] = {subject, stars, mixed};
  for (unsigned i = 0; i < 3; i++) {
    sinks[i] = (struct tern_sink){.ops = &plain_ops};
    assert_int_equal(
        tern_index_add(world.index[1], &sinks[i], tern_slice_of(filters[i]), (struct tern_slice){NULL, 0}),
        0);
    assert_true(tern_slice_equal(tern_sink_filter(&sinks[i]), tern_slice_of(filters[i])));
  }
  const struct tern_match *match = match_from(world.index[0], subject);
  assert_int_equal(match->remote, 2);
  tern_index_done(world.index[0], match);
  match = match_from(world.index[1], subject);
  assert_int_equal(match->local_count, 3);
  tern_index_done(world.index[1], match);
  for (unsigned i = 0; i < 3; i++)
    tern_index_remove(world.index[1], &sinks[i]);
  world_free(&world);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_filter_alone_against_every_subject),
      cmocka_unit_test(test_all_filters_together_against_every_subject),
      cmocka_unit_test(test_random_steps_agree_with_the_oracle),
      cmocka_unit_test(test_groups_of_one_name_are_merged),
      cmocka_unit_test(test_weights_follow_every_member),
      cmocka_unit_test(test_many_groups_on_one_filter),
      cmocka_unit_test(test_handlers_attach_swap_detach),
      cmocka_unit_test(test_handlers_and_groups_on_one_filter),
      cmocka_unit_test(test_r6_churn_elsewhere_keeps_the_cache),
      cmocka_unit_test(test_a_thousand_subjects_fit_the_cache),
      cmocka_unit_test(test_alike_are_subjects_with_the_same_receivers),
      cmocka_unit_test(test_alike_is_never_out_of_date),
      cmocka_unit_test(test_alike_finds_out_what_is_not_known),
      cmocka_unit_test(test_alike_walks_no_further_than_that),
      cmocka_unit_test(test_alike_are_counted_from_the_first),
      cmocka_unit_test(test_visited_entries_are_counted),
      cmocka_unit_test(test_visited_rows_are_counted),
      cmocka_unit_test(test_two_thousand_tokens),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
