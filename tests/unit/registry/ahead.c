/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking ahead: that the way it takes through the table leads to the entries that look-ups find, also after the table
 * has grown and entries have gone; and that it changes nothing, whoever the entries belong to.
 */
#include "fixture.h"

#include "private.h"
#include "table.h"

#define FILTERS 5000

static struct world world;
static struct tern_sink sinks[2][FILTERS];

static bool take_nothing(struct tern_sink *sink, struct tern_message *message) {
  (void)sink, (void)message;
  return false;
}

static const struct tern_sink_ops ops = {.deliver = take_nothing};

static int set_up(void **state) {
  (void)state;
  world_init(&world, 2);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  world_free(&world);
  return 0;
}

static struct tern_slice filter_of(unsigned number, char text[32]) {
  snprintf(text, 32, "filter.%u", number);
  return tern_slice_of(text);
}

static void add(unsigned worker, unsigned number) {
  char text[32];
  struct tern_sink *sink = &sinks[worker][number];
  *sink = (struct tern_sink){.ops = &ops};
  assert_int_equal(
      tern_index_add(world.index[worker], sink, filter_of(number, text), (struct tern_slice){NULL, 0}), 0);
}

static void remove_all(unsigned worker) {
  for (unsigned i = 0; i < FILTERS; i++)
    tern_index_remove(world.index[worker], &sinks[worker][i]);
}

/* The node that looking ahead ends at. */
static struct cds_lfht_node *way_to(uint64_t hash) {
  /* relaxed: one thread, pairs with nothing */
  uint64_t buckets = atomic_load_explicit(&world.registry->buckets, memory_order_relaxed);
  struct cds_lfht_node *at = tern__table_bucket(world.registry->table, buckets, hash);
  do
    at = tern__table_next(at);
  while (at != NULL && at->reverse_hash < tern__table_place(hash));
  return at;
}

static void the_way_leads_to_entries(void **state) {
  (void)state;
  char text[32];
  for (unsigned i = 0; i < FILTERS; i++) {
    add(0, i);
    if (i == FILTERS / 2) world_settle(&world); /* the table has grown */
  }
  assert_true(world.jobs_run > 0);
  for (unsigned i = 0; i < FILTERS; i++) {
    uint64_t hash = tern_subject_hash(filter_of(i, text));
    struct cds_lfht_node *at = way_to(hash);
    assert_ptr_equal(at, tern__find_literal(world.registry, hash, tern_slice_of(text)));
    assert_true(tern__table_is_entry(at));
    assert_int_equal(at->reverse_hash, tern__table_place(hash));
  }
  remove_all(0);
  for (unsigned i = 0; i < FILTERS; i++) {
    struct cds_lfht_node *at = way_to(tern_subject_hash(filter_of(i, text)));
    if (at != NULL) assert_false(tern__table_is_entry(at)); /* nothing but buckets is left */
  }
}

static void buckets_are_not_entries(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 1024; i++)
    assert_false(tern__table_is_entry(tern__table_bucket(world.registry->table, 1024, i)));
}

/* Of filters and subjects that are there or not, this worker's, another one's or both's, with wildcards and without. */
static void bringing_changes_nothing(void **state) {
  (void)state;
  struct tern_sink wild = {.ops = &ops};
  uint64_t hashes[TERN_INDEX_AHEAD_MAX + 8] = {0};
  char text[32];
  tern_index_bring(world.index[0], hashes, 0);
  hashes[0] = tern_subject_hash(filter_of(0, text));
  tern_index_bring(world.index[0], hashes, 1);
  for (unsigned i = 0; i < FILTERS; i++) {
    add(1, i);
    if (i % 2 == 0) add(0, i);
  }
  assert_int_equal(
      tern_index_add(world.index[0], &wild, tern_slice_of("filter.*"), (struct tern_slice){NULL, 0}), 0);
  struct tern_registry_stats before = tern_registry_stats(world.registry);
  struct tern_index_stats own = tern_index_stats(world.index[0]);
  for (unsigned i = 0; i < 2 * FILTERS; i += TERN_INDEX_AHEAD_MAX) {
    for (unsigned k = 0; k < TERN_INDEX_AHEAD_MAX + 8; k++)
      hashes[k] = tern_subject_hash(filter_of(i + k, text));
    tern_index_bring(world.index[0], hashes, TERN_INDEX_AHEAD_MAX + 8);
    tern_index_bring(world.index[1], hashes, 1);
  }
  struct tern_registry_stats after = tern_registry_stats(world.registry);
  struct tern_index_stats own_after = tern_index_stats(world.index[0]);
  assert_memory_equal(&before, &after, sizeof before);
  assert_memory_equal(&own, &own_after, sizeof own);
  tern_index_remove(world.index[0], &wild);
  for (unsigned i = 0; i < FILTERS; i += 2)
    tern_index_remove(world.index[0], &sinks[0][i]);
  remove_all(1);
}

/* Where the first message is known nothing is to be brought; otherwise for all that are given. */
static void a_list_is_brought_when_its_first_is_not_known(void **state) {
  (void)state;
  struct tern_message list[40];
  char text[40][32];
  for (unsigned i = 0; i < 40; i++) {
    list[i] = (struct tern_message){.subject = filter_of(i, text[i])};
    list[i].hash = tern_subject_hash(list[i].subject);
  }
  assert_int_equal(tern_index_bring_list(world.index[0], list, 1), 1);
  assert_int_equal(tern_index_bring_list(world.index[0], list, 7), 7);
  assert_int_equal(tern_index_bring_list(world.index[0], list, 40), TERN_INDEX_AHEAD_MAX);
  tern_index_done(world.index[0], tern_index_match(world.index[0], list[0].subject, list[0].hash));
  assert_int_equal(tern_index_bring_list(world.index[0], list, 40), 1);
  assert_int_equal(tern_index_bring_list(world.index[0], &list[1], 7), 7);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_way_leads_to_entries, set_up, tear_down),
      cmocka_unit_test_setup_teardown(buckets_are_not_entries, set_up, tear_down),
      cmocka_unit_test_setup_teardown(bringing_changes_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_list_is_brought_when_its_first_is_not_known, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
