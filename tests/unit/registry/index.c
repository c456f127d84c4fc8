/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's index: sinks that add and remove each other while they are being delivered to, matches within
 * matches, looking for a sink, running out of memory at every allocation, and what subscriptions cost.
 */
#include "fixture.h"

#include <errno.h>
#include <malloc.h>

#include "private.h"

/* ---- sinks that act when delivered to ---- */

struct actor {
  struct tern_sink sink;
  struct world *world;
  struct actor *add, *remove[4]; /* done on delivery */
  const char *filter, *group;
  const char *nested; /* subject to publish on delivery */
  unsigned got;
};

static void actor_add(struct world *world, struct actor *actor) {
  actor->world = world;
  assert_int_equal(tern_index_add(world->index[0], &actor->sink, tern_slice_of(actor->filter),
                                  tern_slice_of(actor->group != NULL ? actor->group : "")),
                   0);
}

static unsigned publish(struct world *world, const char *subject);

static bool act(struct tern_sink *sink, struct tern_message *message) {
  (void)message;
  struct actor *actor = tern_container(sink, struct actor, sink);
  actor->got++;
  struct actor *add = actor->add;
  actor->add = NULL;
  if (add != NULL) actor_add(actor->world, add);
  for (unsigned i = 0; i < 4; i++)
    if (actor->remove[i] != NULL) tern_index_remove(actor->world->index[0], &actor->remove[i]->sink);
  const char *nested = actor->nested;
  actor->nested = NULL;
  if (nested != NULL) publish(actor->world, nested);
  return true;
}

static const struct tern_sink_ops actor_ops = {.deliver = act};

static unsigned deliver_all(const struct tern_members *members) {
  unsigned taken = 0;
  struct tern_message message = {.hash = 0};
  for (uint32_t i = members->count; i-- > 0;)
    taken += members->at[i]->ops->deliver(members->at[i], &message);
  return taken;
}

/* Delivers to every own sink, also to all members of queue groups; returns how many took it. */
static unsigned publish(struct world *world, const char *subject) {
  const struct tern_match *match = match_from(world->index[0], subject);
  unsigned taken = 0;
  for (uint32_t l = 0; l < match->local_count; l++)
    taken += deliver_all(match->local[l]);
  for (uint32_t g = 0; g < match->group_count; g++)
    for (uint32_t l = 0; l < match->groups[g].local_count; l++)
      taken += deliver_all(match->groups[g].local[l]);
  tern_index_done(world->index[0], match);
  return taken;
}

static void actors_init(struct world *world, struct actor *actors, size_t count, const char *filter) {
  for (size_t i = 0; i < count; i++) {
    actors[i] = (struct actor){.sink = {.ops = &actor_ops}, .filter = filter};
    actor_add(world, &actors[i]);
  }
}

static void actors_remove(struct world *world, struct actor *actors, size_t count) {
  for (size_t i = 0; i < count; i++)
    tern_index_remove(world->index[0], &actors[i].sink);
}

static void test_r4_a_sink_removes_itself(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 1);
  for (size_t count = 1; count <= 9; count++) {
    struct actor actors[9];
    actors_init(&world, actors, count, "a");
    for (size_t i = 0; i < count; i++)
      actors[i].remove[0] = &actors[i];
    assert_int_equal(publish(&world, "a"), count);
    for (size_t i = 0; i < count; i++)
      assert_int_equal(actors[i].got, 1);
    assert_int_equal(publish(&world, "a"), 0); /* R2 */
  }
  world_free(&world);
}

/* Any sink removes any other: each that is still there gets the message once, removed ones not afterwards. */
static void test_r4_sinks_remove_each_other(void **state) {
  (void)state;
  enum { COUNT = 7 };
  for (size_t who = 0; who < COUNT; who++) {
    for (size_t whom = 0; whom < COUNT; whom++) {
      struct world world;
      world_init(&world, 1);
      struct actor actors[COUNT];
      actors_init(&world, actors, COUNT, "a.*");
      actors[who].remove[0] = &actors[whom];
      bool before = whom > who; /* walked from the end */
      assert_int_equal(publish(&world, "a.x"), before || whom == who ? COUNT : COUNT - 1);
      for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(actors[i].got, i != whom || before || whom == who ? 1 : 0);
      assert_int_equal(publish(&world, "a.x"), COUNT - 1);
      actors_remove(&world, actors, COUNT);
      world_free(&world);
    }
  }
}

static void test_r4_one_removes_all(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 1);
  struct actor actors[5];
  for (unsigned grouped = 0; grouped < 2; grouped++) {
    for (size_t who = 0; who < 5; who++) {
      for (size_t i = 0; i < 5; i++) {
        actors[i] =
            (struct actor){.sink = {.ops = &actor_ops}, .filter = "a.>", .group = grouped != 0 ? "q" : NULL};
        actor_add(&world, &actors[i]);
      }
      for (size_t i = 0, to = 0; i < 5; i++)
        if (i != who) actors[who].remove[to++] = &actors[i];
      actors[who].add = NULL;
      assert_int_equal(publish(&world, "a.b"), 5 - who);
      assert_int_equal(publish(&world, "a.b"), 1);
      actors_remove(&world, actors, 5);
      assert_int_equal(publish(&world, "a.b"), 0);
    }
  }
  world_free(&world);
}

static void test_r4_added_during_delivery_waits_for_the_next(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 1);
  struct actor actors[2], late[2];
  actors_init(&world, actors, 2, "a");
  for (size_t i = 0; i < 2; i++) {
    late[i] = (struct actor){.sink = {.ops = &actor_ops}, .filter = "a"};
    actors[i].add = &late[i];
  }
  actors[1].remove[0] = &actors[1];
  assert_int_equal(publish(&world, "a"), 2);
  assert_int_equal(late[0].got + late[1].got, 0);
  assert_int_equal(publish(&world, "a"), 3);
  actors_remove(&world, actors, 2);
  actors_remove(&world, late, 2);
  world_free(&world);
}

/* The filter's last sink goes and comes back while its node is being walked. */
static void test_r4_a_filter_dies_and_returns_during_delivery(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 1);
  struct actor first, second;
  actors_init(&world, &first, 1, "x.*.y");
  second = (struct actor){.sink = {.ops = &actor_ops}, .filter = "x.*.y"};
  first.remove[0] = &first;
  first.add = &second;
  second.remove[0] = &second;
  assert_int_equal(publish(&world, "x.1.y"), 1);
  assert_int_equal(publish(&world, "x.1.y"), 1);
  assert_int_equal(second.got, 1);
  assert_int_equal(publish(&world, "x.1.y"), 0);
  world_free(&world);
}

/* A delivery publishes to the same subject and others, and the innermost removes everybody. */
static void test_r4_matches_nest(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 1);
  struct actor actors[4];
  for (unsigned round = 0; round < 3; round++) {
    actors_init(&world, actors, 3, "a");
    actors_init(&world, &actors[3], 1, "inner");
    actors[2].nested = "a"; /* the outer walk is at 2; the inner one goes over 2, 1, 0 */
    actors[1].nested = "inner";
    for (unsigned i = 0; i < 4; i++)
      actors[3].remove[i] = &actors[i];
    publish(&world, "a");
    assert_int_equal(actors[2].got, 2);
    assert_int_equal(actors[1].got, 1);
    assert_int_equal(actors[0].got, 0); /* removed before its turn in both walks */
    assert_int_equal(actors[3].got, 1);
    assert_int_equal(publish(&world, "a"), 0);
  }
  world_free(&world);
}

/* Results in use stay as they are while the cache moves on. */
static void test_r4_a_match_outlives_its_place_in_the_cache(void **state) {
  (void)state;
  enum { SUBJECTS = 5000 };
  struct world world;
  world_init(&world, 1);
  struct actor actor;
  actors_init(&world, &actor, 1, "keep");
  const struct tern_match *held = match_from(world.index[0], "keep");
  for (unsigned i = 0; i < SUBJECTS; i++) {
    char subject[32];
    snprintf(subject, sizeof subject, "other.%u", i);
    tern_index_done(world.index[0], match_from(world.index[0], subject));
  }
  assert_int_equal(held->local_count, 1);
  assert_int_equal(held->local[0]->count, 1);
  actors_remove(&world, &actor, 1);
  const struct tern_match *again = match_from(world.index[0], "keep");
  assert_int_equal(again->local_count, 0);
  assert_int_equal(deliver_all(held->local[0]), 0); /* still readable, nobody home */
  tern_index_done(world.index[0], again);
  tern_index_done(world.index[0], held);
  world_free(&world);
}

/* Random acts during delivery, against a plain list of who is registered. */
static void test_r4_random_acts(void **state) {
  (void)state;
  enum { COUNT = 24, STEPS = 20000 };
  static const char *const filters[] = {"a", "a.b", "a.*", "a.>", "*.b", ">"};
  static const char *const subjects[] = {"a", "a.b", "a.c", "x.b"};
  struct world world;
  world_init(&world, 1);
  static struct actor actors[COUNT];
  uint64_t seed = 4711;
  for (size_t i = 0; i < COUNT; i++) {
    actors[i] = (struct actor){.sink = {.ops = &actor_ops},
                               .filter = filters[random_next(&seed) % 6],
                               .group = random_next(&seed) % 3 == 0 ? "q" : NULL};
  }
  for (unsigned step = 0; step < STEPS; step++) {
    struct actor *actor = &actors[random_next(&seed) % COUNT];
    if (actor->sink.members == NULL) actor_add(&world, actor);
    actor = &actors[random_next(&seed) % COUNT];
    for (unsigned i = 0; i < 2; i++)
      actor->remove[i] = random_next(&seed) % 4 == 0 ? &actors[random_next(&seed) % COUNT] : NULL;
    actor->nested = random_next(&seed) % 4 == 0 ? subjects[random_next(&seed) % 4] : NULL;
    const char *subject = subjects[random_next(&seed) % 4];
    bool before[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
      before[i] = actors[i].sink.members != NULL && oracle_matches(actors[i].filter, subject);
      actors[i].got = 0;
    }
    bool quiet = true; /* nothing will be published from within */
    for (size_t i = 0; i < COUNT; i++)
      quiet = quiet && actors[i].nested == NULL;
    publish(&world, subject);
    for (size_t i = 0; i < COUNT; i++) {
      if (!before[i]) continue;
      if (quiet) assert_true(actors[i].got <= 1);
      if (actors[i].sink.members != NULL) assert_true(actors[i].got >= 1); /* nobody was skipped */
    }
    if (step % 64 == 0) world_settle(&world);
  }
  actors_remove(&world, actors, COUNT);
  world_free(&world);
}

static bool is_arg(struct tern_sink *sink, void *arg) { return sink == arg; }
static bool is_any(struct tern_sink *sink, void *arg) { return sink != arg; }

static void test_find_sees_plain_sinks_only(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 2);
  struct actor plain, grouped = {.sink = {.ops = &actor_ops}, .filter = "inbox.>", .group = "q"};
  actors_init(&world, &plain, 1, "inbox.*");
  actor_add(&world, &grouped);
  struct tern_slice subject = tern_slice_of("inbox.1");
  assert_ptr_equal(tern_index_find(world.index[0], subject, is_arg, &plain.sink), &plain.sink);
  assert_null(tern_index_find(world.index[0], subject, is_arg, &grouped.sink));
  assert_ptr_equal(tern_index_find(world.index[0], subject, is_any, NULL), &plain.sink);
  assert_null(tern_index_find(world.index[1], subject, is_any, NULL)); /* another worker's */
  assert_null(tern_index_find(world.index[0], tern_slice_of("inbox"), is_any, NULL));
  actors_remove(&world, &plain, 1);
  assert_null(tern_index_find(world.index[0], subject, is_any, NULL));
  actors_remove(&world, &grouped, 1);
  world_free(&world);
}

static void expect_nodes_in_maps(struct world *world, const unsigned expected[3]) {
  for (unsigned i = 0; i < 3; i++) {
    assert_int_equal(world->index[i]->nodes.count, expected[i]);
    const struct tern_match *match = match_from(world->index[i], "a");
    assert_int_equal(match->local_count, 1);
    assert_int_equal(match->local[0]->count, 1);
    tern_index_done(world->index[i], match);
  }
}

/* The node of the first worker is found by way of the entry and is in no map. When it goes, the next one to come is the
 * first, and those in maps stay there. */
static void test_the_first_node_is_at_home(void **state) {
  (void)state;
  struct world world;
  struct tern_sink sinks[3] = {{.ops = &plain_ops}, {.ops = &plain_ops}, {.ops = &plain_ops}};
  world_init(&world, 3);
  for (unsigned i = 0; i < 3; i++)
    assert_int_equal(tern_index_add(world.index[i], &sinks[i], tern_slice_of("a"), tern_slice_of("")), 0);
  expect_nodes_in_maps(&world, (const unsigned[]){0, 1, 1});
  for (unsigned i = 0; i < 2; i++)
    tern_index_remove(world.index[i], &sinks[i]);
  assert_int_equal(world.index[1]->nodes.count, 0);
  for (unsigned i = 2; i-- > 0;)
    assert_int_equal(tern_index_add(world.index[i], &sinks[i], tern_slice_of("a"), tern_slice_of("")), 0);
  expect_nodes_in_maps(&world, (const unsigned[]){1, 0, 1});
  for (unsigned i = 0; i < 3; i++)
    tern_index_remove(world.index[i], &sinks[i]);
  world_free(&world);
}

/* ---- out of memory ---- */

static int allocations_left;

static int fail_the_nth(size_t size) {
  (void)size;
  return allocations_left-- <= 0;
}

static int fail_always(size_t size) {
  (void)size;
  return 1;
}

static void with_faults(int left) {
  allocations_left = left;
  tern__pool_fault = fail_the_nth;
}

/* Adds with the first, second, ... allocation failing until it succeeds; each failure leaves no trace. */
static void add_with_faults(struct world *world, struct tern_sink *sink, const char *filter,
                            const char *group) {
  struct tern_registry_stats before = tern_registry_stats(world->registry);
  struct tern_index_stats own = tern_index_stats(world->index[0]);
  int error = -ENOMEM;
  for (int nth = 0; error != 0; nth++) {
    assert_true(nth < 100);
    *sink = (struct tern_sink){.ops = &plain_ops};
    with_faults(nth);
    error = tern_index_add(world->index[0], sink, tern_slice_of(filter), tern_slice_of(group));
    tern__pool_fault = NULL;
    if (nth == 0 && before.nodes == 0) assert_int_equal(error, -ENOMEM); /* something was asked for */
    if (error == 0) break;
    assert_int_equal(error, -ENOMEM);
    assert_null(sink->members);
    struct tern_registry_stats now = tern_registry_stats(world->registry);
    assert_int_equal(now.nodes, before.nodes);
    assert_int_equal(now.filters, before.filters);
    struct tern_index_stats own_now = tern_index_stats(world->index[0]);
    assert_int_equal(own_now.sinks, own.sinks);
    assert_int_equal(own_now.filters, own.filters);
  }
}

static void match_with_faults(struct world *world, const char *subject, uint32_t local, uint32_t groups) {
  const struct tern_match *match = NULL;
  for (int nth = 0; match == NULL; nth++) {
    assert_true(nth < 100);
    with_faults(nth);
    match = match_from(world->index[0], subject);
    tern__pool_fault = NULL;
  }
  assert_int_equal(match->local_count, local);
  assert_int_equal(match->group_count, groups);
  tern_index_done(world->index[0], match);
}

static void test_every_allocation_may_fail(void **state) {
  (void)state;
  static const struct {
    const char *filter, *group;
  } wanted[] = {{"a.b.c", ""},  {"a.*.c", ""}, {"a.*.c", "q"}, {"a.>", "q"},   {"a.b.c", "q"},
                {"a.*.c", "r"}, {"a.b.c", ""}, {"a.b.c", ""},  {"a.*.c", "q"}, {"*.*.*.*", ""}};
  enum { COUNT = sizeof wanted / sizeof wanted[0] };
  struct world world;
  world_init(&world, 1);
  struct tern_sink sinks[COUNT];
  for (size_t i = 0; i < COUNT; i++)
    add_with_faults(&world, &sinks[i], wanted[i].filter, wanted[i].group);
  match_with_faults(&world, "a.b.c", 2, 2);
  match_with_faults(&world, "a.x.c", 1, 2);
  match_with_faults(&world, "no", 0, 0);
  tern__pool_fault = fail_always; /* removing needs nothing */
  for (size_t i = 0; i < COUNT; i++)
    tern_index_remove(world.index[0], &sinks[i]);
  tern__pool_fault = NULL;
  world_free(&world);
}

static void handle_nothing(struct tern_handler *handler, const struct tern_message *message) {
  (void)handler;
  (void)message;
}

static void test_handlers_without_memory(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 1);
  struct tern_handler one = {handle_nothing}, two = {handle_nothing};
  struct tern_slice filter = tern_slice_of("h.*");
  int error = -ENOMEM, nth = 0;
  for (; error != 0; nth++) {
    with_faults(nth);
    error = tern_registry_attach(world.registry, &world.reclaimer, &one, filter);
    tern__pool_fault = NULL;
    if (error != 0) {
      assert_int_equal(error, -ENOMEM);
      assert_int_equal(tern_registry_stats(world.registry).nodes, 0);
    }
  }
  assert_int_equal(nth, 4); /* two branches and the array could fail */
  tern__pool_fault = fail_always;
  assert_int_equal(tern_registry_swap(world.registry, &world.reclaimer, &one, &two, filter), 0);
  tern_registry_detach(world.registry, &world.reclaimer, &two, filter);
  tern__pool_fault = NULL;
  world_free(&world);
}

/* ---- figures ---- */

static void test_stats_count(void **state) {
  (void)state;
  struct world world;
  world_init(&world, 2);
  struct tern_sink sinks[5] = {{.ops = &plain_ops},
                               {.ops = &plain_ops},
                               {.ops = &plain_ops},
                               {.ops = &plain_ops},
                               {.ops = &plain_ops}};
  struct tern_slice none = {NULL, 0};
  tern_index_add(world.index[0], &sinks[0], tern_slice_of("a.*.c"), none);
  struct tern_registry_stats stats = tern_registry_stats(world.registry);
  assert_int_equal(stats.filters, 1);
  assert_int_equal(stats.nodes, 3);
  tern_index_add(world.index[0], &sinks[1], tern_slice_of("a.*"), none); /* on the way to the first */
  tern_index_add(world.index[1], &sinks[2], tern_slice_of("a.*"), none);
  tern_index_add(world.index[1], &sinks[3], tern_slice_of("a.b"), none);
  tern_index_add(world.index[1], &sinks[4], tern_slice_of("a.b"), tern_slice_of("q"));
  stats = tern_registry_stats(world.registry);
  assert_int_equal(stats.filters, 3);
  assert_int_equal(stats.nodes, 4);
  assert_true(stats.bytes > 4 * 64);
  assert_int_equal(tern_index_stats(world.index[1]).filters, 2);
  assert_int_equal(tern_index_stats(world.index[1]).sinks, 3);
  tern_index_remove(world.index[0], &sinks[0]);
  stats = tern_registry_stats(world.registry);
  assert_int_equal(stats.filters, 2);
  assert_int_equal(stats.nodes, 3);
  for (unsigned i = 0; i < 5; i++)
    tern_index_remove(world.index[i >= 2], &sinks[i]);
  world_free(&world);
}

/* Memory of 200 000 subscriptions, sinks not included; the table must have grown in the background. */
static void test_memory_of_many_subscriptions(void **state) {
  (void)state;
  enum { COUNT = 200000, SINK = 64 };
  struct world world;
  world_init(&world, 1);
  struct tern_sink *sinks = calloc(COUNT, 2 * sizeof *sinks);
  assert_non_null(sinks);
  char filter[32];
  for (unsigned pass = 0; pass < 2; pass++) {
    size_t heap = mallinfo2().uordblks;
    for (unsigned i = 0; i < COUNT; i++) {
      snprintf(filter, sizeof filter, "_INBOX.%08x.%u", i * 2654435761u, i % 10);
      struct tern_sink *sink = &sinks[pass * COUNT + i];
      sink->ops = &plain_ops;
      assert_int_equal(
          tern_index_add(world.index[0], sink, tern_slice_of(filter), (struct tern_slice){NULL, 0}), 0);
      if (i % 512 == 0) world_settle(&world);
    }
    heap = mallinfo2().uordblks - heap;
    struct tern_registry_stats stats = tern_registry_stats(world.registry);
    assert_int_equal(stats.filters, COUNT);
    size_t private = tern__index_bytes(world.index[0]);
    static size_t private_before;
    double each = (double)(heap + private - private_before) / COUNT;
    private_before = private;
    /* the table's buckets, which are not on the heap: 16 bytes each, a power of two of them */
    double buckets = pass == 0 ? 131072.0 * 16 / COUNT : 0;
    print_message("%s filter: %.1f bytes + %d for a sink\n", pass == 0 ? "unique literal" : "known",
                  each + buckets, SINK);
    assert_true(each + buckets < (pass == 0 ? 250 : 40));
  }
  assert_true(world.jobs_run >= 7); /* from 1024 to at least 131072 */
  for (unsigned i = 0; i < COUNT; i++) {
    snprintf(filter, sizeof filter, "_INBOX.%08x.%u", i * 2654435761u, i % 10);
    const struct tern_match *match = match_from(world.index[0], filter);
    assert_int_equal(match->local_count, 1);
    assert_int_equal(match->local[0]->count, 2);
    tern_index_done(world.index[0], match);
  }
  for (unsigned i = 0; i < 2 * COUNT; i++)
    tern_index_remove(world.index[0], &sinks[i]);
  /* of the many megabytes a few stay: cached results, and an arena of each size */
  assert_true(tern_pool_stats(world.index[0]->pool).held_bytes < 4 * 1024 * 1024);
  world_free(&world);
  free(sinks);
}

static size_t heap_now(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

/* Memory of many queue groups with long names on one filter, while no grace period ends: names are not copied,
 * and arrays are replaced rarely. */
static void test_memory_of_many_groups_on_one_filter(void **state) {
  (void)state;
  enum { COUNT = 5800, NAME = 4000 };
  struct world world;
  world_init(&world, 1);
  struct tern_sink *sinks = calloc(COUNT, sizeof *sinks);
  assert_non_null(sinks);
  char name[NAME + 1];
  memset(name, 'g', NAME);
  size_t heap = heap_now(), private = tern__index_bytes(world.index[0]);
  for (unsigned i = 0; i < COUNT; i++) {
    snprintf(name + NAME - 8, 9, "%08u", i);
    sinks[i].ops = &plain_ops;
    assert_int_equal(
        tern_index_add(world.index[0], &sinks[i], tern_slice_of("work"), (struct tern_slice){name, NAME}), 0);
  }
  heap = heap_now() - heap;
  private = tern__index_bytes(world.index[0]) - private;
  unsigned arrays = 0;
  for (struct tern_retired *retired = world.limbo; retired != NULL; retired = retired->next)
    arrays++;
  struct tern_registry_stats stats = tern_registry_stats(world.registry);
  print_message(
      "%d groups with names of %d bytes: %zu shared, %zu private, %zu heap with %u retired arrays\n", COUNT,
      NAME, (size_t)stats.bytes, private, heap, arrays);
  assert_in_range(stats.bytes, (size_t)COUNT * NAME, (size_t)COUNT * (NAME + 100));
  assert_true(arrays < 40);
  for (unsigned i = 0; i < COUNT; i++)
    tern_index_remove(world.index[0], &sinks[i]);
  world_free(&world);
  free(sinks);
}

/* What is stated when something is retired is what is given back with it (R5): entries and their names, arrays of queue
 * groups with the names that no newer array has. */
static void test_retired_bytes_are_what_is_freed(void **state) {
  (void)state;
  enum { COUNT = 60, NAME = 3000 };
  struct world world;
  world_init(&world, 1);
  struct tern_sink sinks[COUNT];
  char text[NAME + 1];
  memset(text, 't', NAME);
  for (unsigned i = 0; i < COUNT; i++) {
    sinks[i] = (struct tern_sink){.ops = &plain_ops};
    snprintf(text + NAME - 8, 9, "%08u", i);
    struct tern_slice word = {text, NAME};
    bool group = i % 3 == 0;
    assert_int_equal(tern_index_add(world.index[0], &sinks[i], group ? tern_slice_of("a.*") : word,
                                    group ? word : (struct tern_slice){NULL, 0}),
                     0);
  }
  world_settle(&world);
  /* without the last group on their filter: the names stay with the array, which is replaced for a new one */
  for (unsigned i = 3; i < COUNT; i += 3)
    tern_index_remove(world.index[0], &sinks[i]);
  assert_int_equal(world.limbo_bytes, 0);
  unsigned more = 0;
  struct tern_sink fill[COUNT];
  for (; world.limbo == NULL; more++) {
    assert_true(more < COUNT);
    fill[more] = (struct tern_sink){.ops = &plain_ops};
    snprintf(text, sizeof text, "g%u", more);
    assert_int_equal(tern_index_add(world.index[0], &fill[more], tern_slice_of("a.*"), tern_slice_of(text)),
                     0);
  }
  assert_in_range(world.limbo_bytes, (COUNT / 3 - 1) * NAME, (COUNT / 3 - 1) * (NAME + 100));
  size_t heap = heap_now(), stated = world.limbo_bytes;
  world_settle(&world);
  if (heap != 0) /* 0: the sanitizer's malloc. The array may lie in malloc's cache, which counts as used. */
    assert_in_range(heap - heap_now(), (COUNT / 3 - 1) * NAME, stated + COUNT * 32);
  for (unsigned i = 0; i < more; i++)
    tern_index_remove(world.index[0], &fill[i]);
  size_t all = tern_registry_stats(world.registry).bytes;
  for (unsigned i = 0; i < COUNT; i++)
    tern_index_remove(world.index[0], &sinks[i]);
  assert_int_equal(world.limbo_bytes, all);
  world_free(&world);
}

/* Groups that come and go under new names while others stay: rows are used up and given back with their names. */
static void test_groups_of_ever_new_names(void **state) {
  (void)state;
  enum { STAY = 10, TIMES = 2000, NAME = 1000 };
  struct world world;
  world_init(&world, 2);
  struct tern_sink stay[STAY], comes = {.ops = &plain_ops};
  char name[NAME + 1];
  memset(name, 'n', NAME);
  for (unsigned i = 0; i < STAY; i++) {
    snprintf(name + NAME - 8, 9, "%08u", i);
    stay[i] = (struct tern_sink){.ops = &plain_ops};
    assert_int_equal(
        tern_index_add(world.index[i % 2], &stay[i], tern_slice_of("work"), (struct tern_slice){name, NAME}),
        0);
  }
  uint64_t most = 0;
  for (unsigned i = 0; i < TIMES; i++) {
    snprintf(name + NAME - 8, 9, "%08u", STAY + i);
    struct tern_slice group = {name, NAME};
    assert_int_equal(tern_index_add(world.index[i % 2], &comes, tern_slice_of("work"), group), 0);
    if (i % 64 == 0) match_with_faults(&world, "work", 0, STAY + 1);
    tern_index_remove(world.index[i % 2], &comes);
    uint64_t bytes = tern_registry_stats(world.registry).bytes;
    if (bytes > most) most = bytes;
  }
  assert_true(most < 2 * (STAY + 2) * (NAME + 200));
  for (unsigned i = 0; i < STAY; i++)
    tern_index_remove(world.index[i % 2], &stay[i]);
  world_free(&world);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_r4_a_sink_removes_itself),
      cmocka_unit_test(test_r4_sinks_remove_each_other),
      cmocka_unit_test(test_r4_one_removes_all),
      cmocka_unit_test(test_r4_added_during_delivery_waits_for_the_next),
      cmocka_unit_test(test_r4_a_filter_dies_and_returns_during_delivery),
      cmocka_unit_test(test_r4_matches_nest),
      cmocka_unit_test(test_r4_a_match_outlives_its_place_in_the_cache),
      cmocka_unit_test(test_r4_random_acts),
      cmocka_unit_test(test_find_sees_plain_sinks_only),
      cmocka_unit_test(test_the_first_node_is_at_home),
      cmocka_unit_test(test_every_allocation_may_fail),
      cmocka_unit_test(test_handlers_without_memory),
      cmocka_unit_test(test_stats_count),
      cmocka_unit_test(test_memory_of_many_subscriptions),
      cmocka_unit_test(test_memory_of_many_groups_on_one_filter),
      cmocka_unit_test(test_retired_bytes_are_what_is_freed),
      cmocka_unit_test(test_groups_of_ever_new_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
