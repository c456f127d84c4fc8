/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue groups and handlers of one filter: cells that change in place, arrays that are replaced, memory that runs
 * out, and changes that meet: what another thread does is run inside the first one's allocation, which lies
 * between its look at the old array and the freezing of it.
 */
#include "fixture.h"

#include <errno.h>

#include "private.h"

#define GROUPS 300

static struct world world;
static struct tern__entry *entry;

static struct tern__writer *writer(unsigned worker) { return &world.index[worker]->writer; }

static int set_up(void **state) {
  (void)state;
  world_init(&world, 4);
  struct tern__filter filter;
  assert_int_equal(tern__filter_parse(world.registry, tern_slice_of("a"), &filter), 0);
  entry = tern__entry_get(writer(0), &filter, tern__entry_find(world.registry, &filter));
  assert_non_null(entry);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tern__pool_fault = NULL;
  tern__entry_put(writer(0), entry);
  world_free(&world); /* the figures have come back to nothing; the sanitizer sees to the names */
  return 0;
}

/* All groups have one hash: names have to be compared. */
#define HASH 5

static int raise_weight(unsigned worker, const char *group) {
  return tern__weight_raise(writer(worker), entry, tern_slice_of(group), HASH, worker);
}

static void lower_weight(unsigned worker, const char *group) {
  tern__weight_lower(writer(worker), entry, tern_slice_of(group), HASH, worker);
}

static struct tern__interest *interest(void) {
  return atomic_load_explicit(&entry->interest, memory_order_relaxed); /* one thread: pairs with nothing */
}

static uint32_t weight(unsigned worker, const char *group) {
  uint32_t sum = 0, rows = 0;
  for (uint32_t i = 0; interest() != NULL && i < tern__rows_used(interest()); i++) {
    const struct tern__row *row = &interest()->rows[i];
    uint32_t cell = atomic_load_explicit(&row->weight, memory_order_relaxed); /* one thread */
    if (!(cell & TERN__READY_ROW) || row->worker != worker) continue;
    if (!tern_slice_equal((struct tern_slice){row->name, row->name_len}, tern_slice_of(group))) continue;
    assert_int_equal(cell & TERN__FROZEN_ROW, 0); /* the current array is never left frozen */
    sum += cell & TERN__WEIGHT;
    rows++;
  }
  assert_true(rows <= 1);
  return sum;
}

static unsigned handlers(const struct tern_handler *wanted) {
  unsigned count = 0;
  for (uint32_t i = 0; interest() != NULL && i < interest()->handler_count; i++) {
    uintptr_t cell = atomic_load_explicit(&interest()->handlers[i], memory_order_relaxed); /* one thread */
    count += cell == (uintptr_t)wanted;
  }
  return count;
}

/* The bytes the registry tells are those of the entry and of its current array. */
static void assert_figures(void) {
  size_t bytes = interest() != NULL ? tern__interest_bytes(interest()) : 0;
  assert_int_equal(tern_registry_stats(world.registry).bytes, tern__entry_bytes(entry) + bytes);
}

static int no_memory(size_t size) {
  (void)size;
  return 1;
}

/* ---- queue groups ---- */

static void members_are_counted_per_worker_and_group(void **state) {
  (void)state;
  for (unsigned i = 0; i < 3; i++) {
    assert_int_equal(raise_weight(0, "q"), 0);
    assert_int_equal(raise_weight(1, "r"), 0);
  }
  assert_int_equal(raise_weight(1, "q"), 0);
  assert_int_equal(weight(0, "q"), 3);
  assert_int_equal(weight(1, "q"), 1);
  assert_int_equal(weight(1, "r"), 3);
  assert_int_equal(weight(0, "r"), 0);
  assert_figures();
  lower_weight(1, "q");
  assert_int_equal(weight(1, "q"), 0);
  assert_int_equal(weight(0, "q"), 3);
  for (unsigned i = 0; i < 3; i++) {
    lower_weight(0, "q");
    lower_weight(1, "r");
  }
  assert_int_equal(weight(0, "q") + weight(1, "r"), 0);
  assert_figures();
}

static void a_row_that_exists_changes_without_memory(void **state) {
  (void)state;
  assert_int_equal(raise_weight(0, "q"), 0);
  struct tern__interest *before = interest();
  tern__pool_fault = no_memory;
  lower_weight(0, "q");
  for (unsigned i = 0; i < 100; i++)
    assert_int_equal(raise_weight(0, "q"), 0);
  assert_int_equal(weight(0, "q"), 100);
  for (unsigned i = 0; i < 100; i++)
    lower_weight(0, "q");
  tern__pool_fault = NULL;
  assert_int_equal(weight(0, "q"), 0);
  assert_ptr_equal(interest(), before);
}

static unsigned retired(void) {
  unsigned count = 0;
  for (const struct tern_retired *at = world.limbo; at != NULL; at = at->next)
    count++;
  return count;
}

static void many_groups_cost_few_arrays(void **state) {
  (void)state;
  char name[16];
  for (unsigned i = 0; i < GROUPS; i++) {
    snprintf(name, sizeof name, "group %u", i);
    assert_int_equal(raise_weight(i % 4, name), 0);
    assert_figures();
  }
  assert_true(retired() <= 20); /* each half as large again */
  for (unsigned i = 0; i < GROUPS; i++) {
    snprintf(name, sizeof name, "group %u", i);
    assert_int_equal(weight(i % 4, name), 1);
    lower_weight(i % 4, name);
  }
  assert_figures();
}

static void rows_nobody_uses_are_left_out_of_the_next_array(void **state) {
  (void)state;
  char name[16];
  for (unsigned i = 0; i < GROUPS; i++) { /* one comes, one goes: the room does not grow with their number */
    snprintf(name, sizeof name, "group %u", i);
    assert_int_equal(raise_weight(0, name), 0);
    lower_weight(0, name);
    assert_true(interest()->capacity <= 4);
    assert_figures();
  }
  world_settle(&world);
  assert_int_equal(raise_weight(0, "group 0"), 0); /* comes back */
  assert_int_equal(weight(0, "group 0"), 1);
  lower_weight(0, "group 0");
}

static unsigned allocations_left;
static int fail_after_some(size_t size) {
  (void)size;
  return allocations_left == 0 || allocations_left-- == 0;
}

static void a_group_there_is_no_memory_for_changes_nothing(void **state) {
  (void)state;
  for (unsigned members = 0; members < 2; members++) { /* without an array, and with a full one */
    for (unsigned allocations = 0; allocations < 2; allocations++) {
      struct tern__interest *before = interest();
      allocations_left = allocations;
      tern__pool_fault = fail_after_some;
      assert_int_equal(raise_weight(1, "new"), -ENOMEM);
      tern__pool_fault = NULL;
      assert_ptr_equal(interest(), before);
      assert_int_equal(weight(1, "new"), 0);
      assert_int_equal(weight(0, "q"), members);
      assert_figures();
    }
    if (members == 0) assert_int_equal(raise_weight(0, "q"), 0);
  }
  lower_weight(0, "q");
}

/* ---- handlers ---- */

static int change(struct tern_handler *from, struct tern_handler *to) {
  return tern__handler_change(writer(0), entry, from, to);
}

static void handlers_come_change_and_go(void **state) {
  (void)state;
  struct tern_handler a, b, c;
  assert_int_equal(change(&a, NULL), -ENOENT); /* without an array */
  assert_int_equal(change(NULL, &a), 0);
  assert_int_equal(change(&b, &c), -ENOENT);
  assert_int_equal(change(NULL, &b), 0);
  assert_int_equal(change(NULL, &b), 0); /* attached twice is called twice */
  assert_int_equal(handlers(&b), 2);
  tern__pool_fault = no_memory; /* to swap and to take away needs none, nor to use a place that came free */
  assert_int_equal(change(&a, &c), 0);
  assert_int_equal(handlers(&a), 0);
  assert_int_equal(handlers(&c), 1);
  assert_int_equal(change(&b, NULL), 0);
  assert_int_equal(handlers(&b), 1);
  assert_int_equal(change(NULL, &a), 0);
  assert_int_equal(handlers(&a), 1);
  assert_int_equal(change(NULL, &a), -ENOMEM);
  assert_int_equal(handlers(&a), 1);
  assert_int_equal(change(&a, NULL), 0);
  assert_int_equal(change(&b, NULL), 0);
  assert_int_equal(change(&c, NULL), 0);
  assert_int_equal(change(&c, NULL), -ENOENT);
  tern__pool_fault = NULL;
  assert_figures();
}

/* ---- changes that meet ---- */

static void (*meanwhile)(void);

/* The first allocation (or the one after `allocations_left`) is where the other thread has its turn. */
static int other_thread(size_t size) {
  (void)size;
  if (allocations_left-- > 0) return 0;
  tern__pool_fault = NULL;
  meanwhile();
  return 0;
}

static void during_allocation(unsigned number, void (*other)(void)) {
  allocations_left = number;
  meanwhile = other;
  tern__pool_fault = other_thread;
}

static struct tern_handler met_a, met_b;

static void others_raise(void) {
  for (unsigned worker = 1; worker < 4; worker++) {
    assert_int_equal(raise_weight(worker, "q"), 0);
    assert_int_equal(raise_weight(worker, "r"), 0);
  }
}

static void others_lower(void) {
  for (unsigned worker = 1; worker < 4; worker++)
    lower_weight(worker, "q");
}

static void others_attach(void) { assert_int_equal(change(NULL, &met_b), 0); }
static void others_detach(void) { assert_int_equal(change(&met_a, NULL), 0); }

static void assert_met(unsigned own, unsigned theirs) {
  assert_null(tern__pool_fault); /* they have met */
  assert_int_equal(weight(0, "q"), own);
  for (unsigned worker = 1; worker < 4; worker++)
    assert_int_equal(weight(worker, "q"), theirs);
  assert_figures();
}

static void a_new_row_and_other_changes_lose_nothing(void **state) {
  (void)state;
  for (unsigned allocation = 0; allocation < 2; allocation++) { /* the name's, and the array's */
    during_allocation(allocation, others_raise);
    assert_int_equal(raise_weight(0, "q"), 0);
    assert_met(1, 1);
    during_allocation(allocation, others_lower);
    assert_int_equal(raise_weight(0, allocation == 0 ? "s" : "a name that nobody has had yet"), 0);
    assert_met(1, 0);
    lower_weight(0, allocation == 0 ? "s" : "a name that nobody has had yet");
    lower_weight(0, "q");
    for (unsigned worker = 1; worker < 4; worker++)
      lower_weight(worker, "r");
    /* The next round begins without an array. */
    tern__entry_put(writer(0), entry);
    struct tern__filter filter;
    assert_int_equal(tern__filter_parse(world.registry, tern_slice_of("a"), &filter), 0);
    entry = tern__entry_get(writer(0), &filter, tern__entry_find(world.registry, &filter));
    assert_null(interest());
  }
}

static void a_new_handler_and_other_changes_lose_nothing(void **state) {
  (void)state;
  during_allocation(0, others_raise);
  assert_int_equal(change(NULL, &met_a), 0);
  assert_met(0, 1);
  during_allocation(0, others_attach);
  assert_int_equal(change(NULL, &met_a), 0);
  assert_met(0, 1);
  assert_int_equal(handlers(&met_a), 2);
  assert_int_equal(handlers(&met_b), 1);
  during_allocation(0, others_detach); /* leaves the place this one uses */
  assert_int_equal(change(NULL, &met_b), 0);
  assert_met(0, 1);
  assert_int_equal(handlers(&met_a), 1);
  assert_int_equal(handlers(&met_b), 2);
  assert_int_equal(change(&met_a, NULL), 0);
  assert_int_equal(change(&met_b, NULL), 0);
  assert_int_equal(change(&met_b, NULL), 0);
  for (unsigned worker = 1; worker < 4; worker++) {
    lower_weight(worker, "q");
    lower_weight(worker, "r");
  }
}

/* Another thread has frozen the array and will replace it. */
static struct tern__interest *freeze(void) {
  struct tern__interest *old = interest();
  /* relaxed: one thread, pairs with nothing */
  atomic_fetch_or_explicit(&old->used, TERN__FROZEN_ROW, memory_order_relaxed);
  for (uint32_t i = 0; i < tern__rows_used(old); i++)
    atomic_fetch_or_explicit(&old->rows[i].weight, TERN__FROZEN_ROW, memory_order_relaxed);
  for (uint32_t i = 0; i < old->handler_count; i++)
    atomic_fetch_or_explicit(&old->handlers[i], TERN__FROZEN_HANDLER, memory_order_relaxed);
  return old;
}

static void a_frozen_array_is_replaced_by_whoever_needs_it(void **state) {
  (void)state;
  for (unsigned worker = 0; worker < 3; worker++)
    assert_int_equal(raise_weight(worker, "q"), 0);
  assert_int_equal(change(NULL, &met_a), 0);
  struct tern__interest *old = freeze();
  assert_int_equal(raise_weight(0, "q"), 0);
  assert_int_equal(weight(0, "q"), 2);
  assert_ptr_not_equal(interest(), old);
  old = freeze();
  lower_weight(0, "q");
  assert_int_equal(weight(0, "q"), 1);
  assert_ptr_not_equal(interest(), old);
  old = freeze();
  assert_int_equal(change(&met_a, &met_b), 0);
  assert_int_equal(handlers(&met_a), 0);
  assert_int_equal(handlers(&met_b), 1);
  assert_ptr_not_equal(interest(), old);
  old = freeze();
  assert_int_equal(change(&met_b, NULL), 0);
  assert_ptr_not_equal(interest(), old);
  old = freeze();
  assert_true(tern__rows_used(old) < old->capacity); /* a frozen array's spare row is not to be had */
  assert_int_equal(raise_weight(3, "q"), 0);
  assert_int_equal(weight(3, "q"), 1);
  assert_ptr_not_equal(interest(), old);
  assert_int_equal(interest()->handler_count, 0); /* nor are empty places copied */
  assert_figures();
  for (unsigned worker = 0; worker < 4; worker++)
    lower_weight(worker, "q");
}

/* The freezer finishes its copy while this thread finds that there is no memory for one of its own. */
static int freezer_publishes(size_t size) {
  (void)size;
  tern__pool_fault = NULL;
  assert_int_equal(raise_weight(3, "freezer"), 0);
  tern__pool_fault = no_memory;
  return 1;
}

static void what_must_not_fail_waits_for_the_freezer(void **state) {
  (void)state;
  assert_int_equal(raise_weight(0, "q"), 0);
  assert_int_equal(raise_weight(0, "q"), 0);
  assert_int_equal(change(NULL, &met_a), 0);
  (void)freeze();
  tern__pool_fault = no_memory; /* what may fail does not wait */
  assert_int_equal(raise_weight(0, "q"), -ENOMEM);
  assert_int_equal(change(&met_a, &met_b), -ENOMEM);
  tern__pool_fault = freezer_publishes;
  lower_weight(0, "q");
  assert_int_equal(weight(0, "q"), 1);
  (void)freeze();
  tern__pool_fault = freezer_publishes;
  assert_int_equal(change(&met_a, NULL), 0);
  assert_int_equal(handlers(&met_a), 0);
  tern__pool_fault = NULL;
  assert_int_equal(weight(3, "freezer"), 2);
  assert_figures();
  lower_weight(0, "q");
  lower_weight(3, "freezer");
  lower_weight(3, "freezer");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(members_are_counted_per_worker_and_group, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_row_that_exists_changes_without_memory, set_up, tear_down),
      cmocka_unit_test_setup_teardown(many_groups_cost_few_arrays, set_up, tear_down),
      cmocka_unit_test_setup_teardown(rows_nobody_uses_are_left_out_of_the_next_array, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_group_there_is_no_memory_for_changes_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(handlers_come_change_and_go, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_new_row_and_other_changes_lose_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_new_handler_and_other_changes_lose_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_frozen_array_is_replaced_by_whoever_needs_it, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_must_not_fail_waits_for_the_freezer, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("interest", tests, NULL, NULL);
}
