/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sinks of one filter on their own: the array without order and its size, what happens to a walk whose sinks
 * remove and add each other, and memory that runs out. The index around the set has only what a set uses.
 */
#include "fixture.h"

#include "private.h"

#define SINKS 100

static struct tern_index index_of_set;
static struct tern__set set;
static struct tern_sink sinks[SINKS];

static int set_up(void **state) {
  (void)state;
  memset(sinks, 0, sizeof sinks);
  index_of_set = (struct tern_index){.pool = tern_pool_new()};
  assert_non_null(index_of_set.pool);
  tern__set_init(&set, false, 3);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tern__pool_fault = NULL;
  index_of_set.in_use = 0;
  tern__set_free(&index_of_set, &set);
  tern_pool_free(index_of_set.pool); /* aborts when it still holds anything */
  return 0;
}

static void put(struct tern_sink *sink) {
  assert_true(tern__set_reserve(&index_of_set, &set));
  tern__set_put(&index_of_set, &set, sink);
}

/* Every sink knows its set and its place; the rest are holes. */
static void assert_in_order(uint32_t live) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < set.members.count; i++) {
    if (set.members.at[i] == &tern__nobody) continue;
    assert_ptr_equal(tern__set_of(set.members.at[i]), &set);
    assert_int_equal(set.members.at[i]->position, i);
    found++;
  }
  assert_int_equal(found, live);
  assert_int_equal(tern__set_live(&set), live);
  assert_int_equal(index_of_set.stats.sinks, live);
}

static void one_sink_takes_no_memory(void **state) {
  (void)state;
  assert_int_equal(set.text_len, 3);
  put(&sinks[0]);
  assert_in_order(1);
  assert_int_equal(tern_pool_stats(index_of_set.pool).live_objects, 0);
  tern__set_take(&index_of_set, &sinks[0]);
  assert_null(sinks[0].members);
  assert_in_order(0);
}

static void sinks_are_taken_out_in_any_order(void **state) {
  (void)state;
  uint64_t random = 88172645463325252u;
  for (unsigned round = 0; round < 50; round++) {
    for (unsigned i = 0; i < SINKS; i++)
      put(&sinks[i]);
    for (uint32_t left = SINKS; left > 0; left--) {
      assert_in_order(left);
      tern__set_take(&index_of_set, set.members.at[random_next(&random) % left]);
    }
    assert_int_equal(tern_pool_stats(index_of_set.pool).live_objects, 0);
  }
}

static void the_array_shrinks_with_the_sinks(void **state) {
  (void)state;
  for (unsigned i = 0; i < SINKS; i++)
    put(&sinks[i]);
  assert_int_equal(set.members.capacity, 128);
  for (unsigned i = SINKS; i-- > 1;) {
    tern__set_take(&index_of_set, &sinks[i]);
    assert_true(set.members.capacity <= 4 || i > set.members.capacity / 4);
  }
  assert_int_equal(set.members.capacity, 1);
  assert_in_order(1);
}

static void nobody_takes_a_message(void **state) {
  (void)state;
  assert_false(tern__nobody.ops->deliver(&tern__nobody, NULL));
}

/* The walk of a match, from the end; `visit` may take sinks out and put some in. */
static void walk(void (*visit)(struct tern_sink *sink)) {
  index_of_set.in_use++;
  for (uint32_t i = set.members.count; i-- > 0;) {
    struct tern_sink *sink = set.members.at[i];
    if (sink != &tern__nobody) visit(sink);
  }
  index_of_set.in_use--;
}

static unsigned visits[SINKS];
static bool gone[SINKS]; /* taken out before its turn */

static void take_two_and_put_one(struct tern_sink *sink) {
  size_t i = (size_t)(sink - sinks), other = i / 2, new = SINKS / 2 + i;
  visits[i]++;
  if (sinks[other].members != NULL) {
    gone[other] = visits[other] == 0;
    tern__set_take(&index_of_set, &sinks[other]);
  }
  if (sink->members != NULL && i % 3 == 0) tern__set_take(&index_of_set, sink);
  if (new < SINKS && sinks[new].members == NULL) put(&sinks[new]);
}

static void a_walk_meets_every_sink_once(void **state) {
  (void)state;
  memset(visits, 0, sizeof visits);
  memset(gone, 0, sizeof gone);
  for (unsigned i = 0; i < SINKS / 2; i++)
    put(&sinks[i]);
  walk(take_two_and_put_one);
  for (unsigned i = 0; i < SINKS; i++)
    assert_int_equal(visits[i], i < SINKS / 2 && !gone[i]); /* those added are behind the walk */
  assert_ptr_equal(index_of_set.holed, &set);
  assert_null(set.next_holed); /* once, however many holes */
  assert_true(index_of_set.unsettled);
  uint32_t live = tern__set_live(&set);
  assert_true(set.holes > 0 && live > 0);
  assert_in_order(live);
  tern__set_close_up(&index_of_set, &set);
  assert_int_equal(set.holes, 0);
  assert_int_equal(set.members.count, live);
  assert_in_order(live);
}

static void closing_up_an_emptied_set_gives_its_array_back(void **state) {
  (void)state;
  for (unsigned i = 0; i < 10; i++)
    put(&sinks[i]);
  index_of_set.in_use = 1;
  for (unsigned i = 0; i < 10; i++)
    tern__set_take(&index_of_set, &sinks[i]);
  index_of_set.in_use = 0;
  tern__set_close_up(&index_of_set, &set);
  assert_in_order(0);
  assert_int_equal(tern_pool_stats(index_of_set.pool).live_objects, 0);
  put(&sinks[0]);
  assert_in_order(1);
}

static void the_only_sink_leaves_no_hole(void **state) {
  (void)state;
  put(&sinks[0]);
  index_of_set.in_use = 1;
  tern__set_take(&index_of_set, &sinks[0]);
  assert_ptr_equal(set.members.at[0], &tern__nobody); /* a walk that stands here */
  assert_int_equal(set.members.count, 0);
  assert_null(index_of_set.holed);
  put(&sinks[1]);
  index_of_set.in_use = 0;
  assert_in_order(1);
}

static int no_memory(size_t size) {
  (void)size;
  return 1;
}

static void without_memory_the_set_stays_as_it_is(void **state) {
  (void)state;
  put(&sinks[0]);
  tern__pool_fault = no_memory;
  assert_false(tern__set_reserve(&index_of_set, &set));
  assert_in_order(1);
  tern__pool_fault = NULL;
  for (unsigned i = 1; i < 64; i++)
    put(&sinks[i]);
  tern__pool_fault = no_memory;
  assert_false(tern__set_reserve(&index_of_set, &set));
  assert_in_order(64);
  for (unsigned i = 63; i >= 2; i--)
    tern__set_take(&index_of_set, &sinks[i]);
  assert_int_equal(set.members.capacity, 64); /* taking out never fails */
  assert_in_order(2);
  tern__set_take(&index_of_set, &sinks[1]);
  assert_int_equal(set.members.capacity, 1); /* the last one needs no memory */
  assert_in_order(1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(one_sink_takes_no_memory, set_up, tear_down),
      cmocka_unit_test_setup_teardown(sinks_are_taken_out_in_any_order, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_array_shrinks_with_the_sinks, set_up, tear_down),
      cmocka_unit_test(nobody_takes_a_message),
      cmocka_unit_test_setup_teardown(a_walk_meets_every_sink_once, set_up, tear_down),
      cmocka_unit_test_setup_teardown(closing_up_an_emptied_set_gives_its_array_back, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_only_sink_leaves_no_hole, set_up, tear_down),
      cmocka_unit_test_setup_teardown(without_memory_the_set_stays_as_it_is, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("set", tests, NULL, NULL);
}
