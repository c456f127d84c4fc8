/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of the shared table: the life of one, paths of the wildcard trie, memory that runs out, and two
 * workers in each other's way: what the other one does is run inside the first one's allocation.
 */
#include "fixture.h"

#include "private.h"

static struct world world;

static int set_up(void **state) {
  (void)state;
  world_init(&world, 2);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tern__pool_fault = NULL;
  world_free(&world);
  return 0;
}

static struct tern__writer *writer(unsigned worker) { return &world.index[worker]->writer; }

static struct tern__filter parse(const char *text) {
  struct tern__filter filter;
  assert_int_equal(tern__filter_parse(world.registry, tern_slice_of(text), &filter), 0);
  return filter;
}

static struct tern__entry *get(unsigned worker, const char *text) {
  struct tern__filter filter = parse(text);
  return tern__entry_get(writer(worker), &filter, tern__entry_find(world.registry, &filter));
}

static struct tern__entry *find(const char *text) {
  struct tern__filter filter = parse(text);
  return tern__entry_find(world.registry, &filter);
}

static uint32_t refs(const struct tern__entry *entry) {
  return atomic_load_explicit(&entry->refs, memory_order_relaxed); /* one thread: pairs with nothing */
}

static void assert_children(const struct tern__branch *branch, uint32_t literals, uint32_t stars,
                            uint32_t tails) {
  /* relaxed: one thread, pairs with nothing */
  assert_int_equal(atomic_load_explicit(&branch->literals, memory_order_relaxed), literals);
  assert_int_equal(atomic_load_explicit(&branch->stars, memory_order_relaxed), stars);
  assert_int_equal(atomic_load_explicit(&branch->tails, memory_order_relaxed), tails);
}

static void assert_figures(uint64_t filters, uint64_t nodes) {
  struct tern_registry_stats stats = tern_registry_stats(world.registry);
  assert_int_equal(stats.filters, filters);
  assert_int_equal(stats.nodes, nodes);
  assert_true((stats.bytes > 0) == (nodes > 0));
}

static void an_entry_lives_as_long_as_somebody_needs_it(void **state) {
  (void)state;
  assert_null(find("a.b"));
  struct tern__entry *entry = get(0, "a.b");
  assert_non_null(entry);
  assert_ptr_equal(get(1, "a.b"), entry);
  assert_int_equal(refs(entry), 2);
  assert_ptr_equal(find("a.b"), entry);
  assert_int_equal(refs(entry), 2); /* finding takes none */
  assert_figures(1, 1);
  tern__entry_put(writer(0), entry);
  assert_ptr_equal(find("a.b"), entry);
  tern__entry_put(writer(1), entry);
  assert_null(find("a.b"));
  assert_figures(0, 0);
  /* R5: whoever found it before may look at it until the grace period is over */
  assert_memory_equal(tern__entry_text(entry), "a.b", 3);
  assert_int_equal(refs(entry), TERN__ENTRY_DEAD);
  assert_ptr_equal(world.limbo, &entry->retired);
}

static void a_filter_comes_back_as_a_new_entry(void **state) {
  (void)state;
  struct tern__entry *old = get(0, "a");
  tern__entry_put(writer(0), old);
  struct tern__entry *new = get(1, "a");
  assert_ptr_not_equal(new, old);
  assert_ptr_equal(find("a"), new);
  tern__entry_put(writer(1), new);
}

static void literal_filters_and_tokens_of_the_trie_are_kept_apart(void **state) {
  (void)state;
  const char *texts[] = {"a", "*", ">", "a.*", "a.>", "*.a", "a.a", "*.*"};
  struct tern__entry *entries[8];
  for (unsigned i = 0; i < 8; i++) {
    assert_null(find(texts[i]));
    entries[i] = get(0, texts[i]);
  }
  for (unsigned i = 0; i < 8; i++)
    for (unsigned other = 0; other < i; other++)
      assert_ptr_not_equal(entries[i], entries[other]);
  for (unsigned i = 0; i < 8; i++) {
    assert_ptr_equal(find(texts[i]), entries[i]);
    assert_int_equal(entries[i]->in_trie, strpbrk(texts[i], "*>") != NULL);
  }
  assert_figures(8, 9); /* and the token `a` in front of `a.*` and `a.>` */
  for (unsigned i = 0; i < 8; i++)
    tern__entry_put(writer(0), entries[i]);
}

static void a_path_is_shared_and_goes_with_its_last_filter(void **state) {
  (void)state;
  struct tern__branch *root = &world.registry->root;
  struct tern__entry *longer = get(0, "a.*.c");
  assert_figures(1, 3);
  struct tern__branch *c = tern__branch_of(longer), *star = c->parent, *a = star->parent;
  assert_ptr_equal(a->parent, root);
  assert_int_equal(refs(&a->entry), 1); /* by its child */
  assert_children(root, 1, 0, 0);
  assert_children(a, 0, 1, 0);
  assert_children(star, 1, 0, 0);
  assert_ptr_equal(get(1, "a.*"), &star->entry);
  assert_figures(2, 3);
  assert_int_equal(refs(&star->entry), 2);
  struct tern__entry *tail = get(1, "a.>");
  assert_children(a, 0, 1, 1);
  tern__entry_put(writer(0), longer);
  assert_figures(2, 3);
  assert_children(star, 0, 0, 0);
  assert_null(find("a.*.c"));
  tern__entry_put(writer(1), &star->entry);
  assert_children(a, 0, 0, 1);
  tern__entry_put(writer(1), tail);
  assert_figures(0, 0);
  assert_children(root, 0, 0, 0);
}

/* A token of the longest filter, and filters next to each other in length. */
static void texts_are_compared_to_their_end(void **state) {
  (void)state;
  char *text = malloc(TERN__FILTER_MAX_BYTES + 2);
  assert_non_null(text);
  memset(text, 'x', TERN__FILTER_MAX_BYTES + 2);
  struct tern__filter filter[2];
  struct tern__entry *entries[2];
  for (size_t i = 0; i < 2; i++) {
    struct tern_slice part = {text, TERN__FILTER_MAX_BYTES - i};
    assert_int_equal(tern__filter_parse(world.registry, part, &filter[i]), 0);
    filter[i].hash = 1; /* as if both hashes were the same */
    entries[i] = tern__entry_get(writer(0), &filter[i], NULL);
    assert_int_equal(entries[i]->len, part.len);
  }
  assert_ptr_not_equal(entries[0], entries[1]);
  for (size_t i = 0; i < 2; i++) {
    assert_ptr_equal(tern__entry_find(world.registry, &filter[i]), entries[i]);
    tern__entry_put(writer(0), entries[i]);
  }
  struct tern_slice more = {text, TERN__FILTER_MAX_BYTES + 1};
  assert_int_equal(tern__filter_parse(world.registry, more, &filter[0]), TERN_ESUBJECT);
  free(text);
}

/* ---- memory ---- */

static unsigned allocations_left;
static int fail_after_some(size_t size) {
  (void)size;
  return allocations_left == 0 || allocations_left-- == 0;
}

static void without_memory_for_any_token_nothing_stays(void **state) {
  (void)state;
  struct tern__entry *neighbour = get(1, "a.*");
  for (unsigned tokens = 0; tokens < 3; tokens++) {
    allocations_left = tokens;
    tern__pool_fault = fail_after_some;
    assert_null(get(0, "a.*.b.*.>"));
    assert_int_equal(allocations_left, 0);
    tern__pool_fault = NULL;
    assert_figures(1, 2);
    assert_int_equal(refs(neighbour), 1);
  }
  allocations_left = 0;
  tern__pool_fault = fail_after_some;
  assert_null(get(0, "literal"));
  assert_ptr_equal(get(0, "a.*"), neighbour); /* needs none */
  tern__pool_fault = NULL;
  tern__entry_put(writer(0), neighbour);
  tern__entry_put(writer(1), neighbour);
}

/* ---- two workers ---- */

static struct {
  const char *text;
  struct tern__entry *entry;
} other;

/* In the middle of one of worker 0's allocations: worker 1 gets the same filter. */
static int other_gets_it_first(size_t size) {
  (void)size;
  if (allocations_left-- > 0) return 0;
  tern__pool_fault = NULL;
  other.entry = get(1, other.text);
  return 0;
}

static void race_for(const char *text, unsigned allocation) {
  other.text = text;
  allocations_left = allocation;
  tern__pool_fault = other_gets_it_first;
  struct tern__entry *entry = get(0, text);
  assert_null(tern__pool_fault);
  assert_non_null(entry);
  assert_ptr_equal(entry, other.entry);
  assert_int_equal(refs(entry), 2);
  assert_int_equal(tern_registry_stats(world.registry).filters, 1);
  tern__entry_put(writer(0), entry);
  assert_ptr_equal(find(text), entry);
  tern__entry_put(writer(1), entry);
  assert_figures(0, 0);
  assert_children(&world.registry->root, 0, 0, 0);
}

static void two_who_make_the_same_entry_share_the_first(void **state) {
  (void)state;
  race_for("a.b", 0);
  race_for("*", 0);
  race_for(">", 0);
  for (unsigned token = 0; token < 4; token++)
    race_for("a.*.c.>", token);
}

/* R3: between another worker's step to DEAD and its unlinking. */
static void who_meets_a_dead_entry_helps_and_makes_a_new_one(void **state) {
  (void)state;
  struct tern__entry *dying = get(1, "a");
  atomic_store_explicit(&dying->refs, TERN__ENTRY_DEAD, memory_order_relaxed); /* one thread */
  struct tern__entry *new = get(0, "a");
  assert_ptr_not_equal(new, dying);
  assert_int_equal(refs(new), 1);
  assert_int_equal(refs(dying), TERN__ENTRY_DEAD); /* nobody took a reference */
  assert_ptr_equal(find("a"), new);
  tern__count_entry(writer(1), dying, -1); /* the other worker goes on */
  free(dying);
  assert_figures(1, 1);
  tern__entry_put(writer(0), new);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(an_entry_lives_as_long_as_somebody_needs_it, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_filter_comes_back_as_a_new_entry, set_up, tear_down),
      cmocka_unit_test_setup_teardown(literal_filters_and_tokens_of_the_trie_are_kept_apart, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(a_path_is_shared_and_goes_with_its_last_filter, set_up, tear_down),
      cmocka_unit_test_setup_teardown(texts_are_compared_to_their_end, set_up, tear_down),
      cmocka_unit_test_setup_teardown(without_memory_for_any_token_nothing_stays, set_up, tear_down),
      cmocka_unit_test_setup_teardown(two_who_make_the_same_entry_share_the_first, set_up, tear_down),
      cmocka_unit_test_setup_teardown(who_meets_a_dead_entry_helps_and_makes_a_new_one, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
