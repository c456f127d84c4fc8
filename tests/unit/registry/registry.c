/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry as a whole: which generation a change of a filter moves, the job that grows the table, handlers that
 * fail half way, how the reclaimer is used around it all, memory provided for many entries (the call is wrapped by the linker),
 * and a registry that is freed too early.
 */
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "private.h"

#define BUCKETS_FIRST 1024

static struct world world;

static int set_up(void **state) {
  (void)state;
  world_init(&world, 1);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tern__pool_fault = NULL;
  world_free(&world);
  return 0;
}

static struct tern__filter parse(const char *text) {
  struct tern__filter filter;
  assert_int_equal(tern__filter_parse(world.registry, tern_slice_of(text), &filter), 0);
  return filter;
}

/* relaxed, here and below: one thread, pairs with nothing */
static uint64_t sum_of(const _Atomic uint64_t *cells, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += atomic_load_explicit(&cells[i], memory_order_relaxed);
  return sum;
}

static void each_filter_has_one_generation(void **state) {
  (void)state;
  struct tern__generations *g = &world.registry->generations;
  static const struct {
    const char *text, *same; /* share a cell */
    bool wildcard;
  } filters[] = {
      {"a.b.c", "a.b.c", false},    {"a.*", "a.>", true}, {"a.*.c", "a.*", true}, {"a.b.*", "a.b.>", true},
      {"a.b.*", "a.b.c.d.>", true}, {"*", ">", true},     {"*.a", ">", true},
  };
  for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
    struct tern__filter filter = parse(filters[i].text), same = parse(filters[i].same);
    assert_int_equal(filter.wildcard, filters[i].wildcard);
    assert_ptr_equal(filter.generation, same.generation);
    assert_int_equal(filter.hash, tern_subject_hash(filter.text));
    uint64_t before = atomic_load_explicit(filter.generation, memory_order_relaxed);
    uint64_t epoch = atomic_load_explicit(&g->epoch, memory_order_relaxed);
    tern__bump(world.registry, &filter);
    assert_int_equal(atomic_load_explicit(filter.generation, memory_order_relaxed), before + 1);
    assert_int_equal(atomic_load_explicit(&g->epoch, memory_order_relaxed), epoch + 1);
    /* R6: and nothing else has moved */
    assert_int_equal(
        sum_of(&g->root, 1) + sum_of(g->first, 4096) + sum_of(g->second, 8192) + sum_of(g->literal, 8192),
        i + 1);
  }
  assert_ptr_equal(parse("*").generation, &g->root);
  assert_in_range(parse("a.*").generation - g->first, 0, 4095);
  assert_in_range(parse("a.b.*").generation - g->second, 0, 8191);
  assert_in_range(parse("a.b").generation - g->literal, 0, 8191);
  struct tern__filter filter;
  assert_int_equal(tern__filter_parse(world.registry, tern_slice_of("a.>.b"), &filter), TERN_ESUBJECT);
  assert_int_equal(tern__filter_parse(world.registry, tern_slice_of(""), &filter), TERN_ESUBJECT);
}

/* Filters of other words have other cells, but for the few that meet by their hash. */
static void generations_are_spread(void **state) {
  (void)state;
  static const struct {
    const char *before, *after; /* the word that differs */
  } forms[] = {{"a.", ""}, {"", ".*"}, {"a.", ".*"}, {"", ".a.>"}};
  for (unsigned form = 0; form < 4; form++) {
    unsigned others = 0;
    _Atomic uint64_t *first = NULL;
    for (unsigned i = 0; i < 20; i++) {
      char text[32];
      snprintf(text, sizeof text, "%s%u%s", forms[form].before, i, forms[form].after);
      struct tern__filter filter = parse(text);
      if (i == 0) first = filter.generation;
      others += filter.generation != first;
    }
    assert_true(others >= 15);
  }
}

/* The job is asked for once, however long it takes to come, and makes room for all that came meanwhile. */
static void the_table_grows_by_one_job_at_a_time(void **state) {
  (void)state;
  enum { ENTRIES = 10000 };
  static struct tern__entry *entries[ENTRIES];
  struct tern__writer *writer = &world.index[0]->writer;
  char text[16];
  for (unsigned i = 0; i < ENTRIES; i++) {
    snprintf(text, sizeof text, "filter.%u", i);
    struct tern__filter filter = parse(text);
    entries[i] = tern__entry_get(writer, &filter, NULL);
    assert_non_null(entries[i]);
    if (i < 2 * BUCKETS_FIRST) assert_null(world.jobs); /* two to a bucket are not many */
  }
  assert_non_null(world.jobs);
  assert_null(world.jobs->next);
  world_settle(&world);
  assert_int_equal(world.jobs_run, 1);
  uint64_t buckets = atomic_load_explicit(&world.registry->buckets, memory_order_relaxed);
  assert_in_range(buckets, ENTRIES / 2, 2 * ENTRIES);
  for (unsigned i = 0; i < ENTRIES; i++) {
    snprintf(text, sizeof text, "filter.%u", i);
    struct tern__filter filter = parse(text);
    assert_ptr_equal(tern__entry_find(world.registry, &filter), entries[i]);
    tern__entry_put(writer, entries[i]);
  }
  assert_null(world.jobs); /* going down asks for nothing */
}

/* ---- handlers ---- */

static unsigned entered, left;
static void on_enter(struct tern_reclaimer *reclaimer) {
  (void)reclaimer;
  entered++;
}
static void on_leave(struct tern_reclaimer *reclaimer) {
  (void)reclaimer;
  left++;
}

static unsigned allocations_left;
static int fail_after_some(size_t size) {
  (void)size;
  return allocations_left == 0 || allocations_left-- == 0;
}

static size_t provided;

void __wrap_tern_memory_provide(void *from, size_t bytes);
void __wrap_tern_memory_provide(void *from, size_t bytes) {
  assert_non_null(from);
  provided += bytes;
}

static bool take_nothing(struct tern_sink *sink, struct tern_message *message) {
  (void)sink, (void)message;
  return false;
}

/* Not for few entries, nor for those that come in place of others; otherwise about as much as they take. */
static void memory_for_many_entries_is_provided(void **state) {
  (void)state;
  enum { MANY = 20000, FEW = 2000 };
  static const struct tern_sink_ops ops = {.deliver = take_nothing};
  static struct tern_sink sinks[MANY];
  size_t taken = 0;
  provided = 0;
  for (unsigned round = 0; round < 2; round++) {
    for (unsigned i = 0; i < MANY; i++) {
      char text[32];
      snprintf(text, sizeof text, "entry.%u", i);
      sinks[i] = (struct tern_sink){.ops = &ops};
      assert_int_equal(
          tern_index_add(world.index[0], &sinks[i], tern_slice_of(text), (struct tern_slice){NULL, 0}), 0);
      if (round == 0 && i == FEW) assert_int_equal(provided, 0);
    }
    if (round == 0) taken = tern_registry_stats(world.registry).bytes;
    assert_in_range(provided, taken / 2, taken);
    for (unsigned i = 0; i < MANY; i++)
      tern_index_remove(world.index[0], &sinks[i]);
    world_settle(&world);
  }
}

static void a_handler_that_cannot_be_attached_leaves_nothing(void **state) {
  (void)state;
  struct tern_handler handler;
  struct tern_reclaimer_ops ops = *world.reclaimer.ops;
  const struct tern_reclaimer_ops *before = world.reclaimer.ops;
  ops.enter = on_enter;
  ops.leave = on_leave;
  world.reclaimer.ops = &ops; /* the control thread's: not online by itself */
  entered = left = 0;
  struct tern_slice filter = tern_slice_of("a.*.c");
  uint64_t epoch = atomic_load_explicit(&world.registry->generations.epoch, memory_order_relaxed);
  for (unsigned n = 0; n < 4; n++) { /* three tokens, and the place of the handler */
    allocations_left = n;
    tern__pool_fault = fail_after_some;
    assert_int_equal(tern_registry_attach(world.registry, &world.reclaimer, &handler, filter), -ENOMEM);
    tern__pool_fault = NULL;
    assert_int_equal(tern_registry_stats(world.registry).nodes, 0);
    assert_int_equal(tern_registry_stats(world.registry).bytes, 0);
  }
  assert_int_equal(atomic_load_explicit(&world.registry->generations.epoch, memory_order_relaxed), epoch);
  assert_int_equal(tern_registry_swap(world.registry, &world.reclaimer, &handler, NULL, filter), -ENOENT);
  assert_int_equal(tern_registry_attach(world.registry, &world.reclaimer, &handler, filter), 0);
  assert_int_equal(tern_registry_stats(world.registry).filters, 1);
  tern_registry_detach(world.registry, &world.reclaimer, &handler, filter);
  tern_registry_detach(world.registry, &world.reclaimer, &handler, filter); /* again: nothing */
  assert_int_equal(tern_registry_stats(world.registry).filters, 0);
  assert_int_equal(entered, 8);
  assert_int_equal(left, entered);
  world.reclaimer.ops = before;
}

static void freeing_it_in_use_is_noticed(void **state) {
  (void)state;
  struct tern__filter filter = parse("a.*");
  struct tern__entry *entry = tern__entry_get(&world.index[0]->writer, &filter, NULL);
  int out[2], status;
  assert_int_equal(pipe(out), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    signal(SIGABRT, SIG_DFL); /* not the test's, nor a sanitizer's */
    dup2(out[1], STDERR_FILENO);
    tern_registry_free(world.registry);
    _exit(0);
  }
  close(out[1]);
  char text[256] = "";
  assert_true(read(out[0], text, sizeof text - 1) > 0);
  close(out[0]);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  assert_non_null(strstr(text, "a registry was freed with 2 entries still in use"));
  tern__entry_put(&world.index[0]->writer, entry);
  tern_registry_free(NULL); /* nothing */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(each_filter_has_one_generation, set_up, tear_down),
      cmocka_unit_test_setup_teardown(generations_are_spread, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_table_grows_by_one_job_at_a_time, set_up, tear_down),
      cmocka_unit_test_setup_teardown(memory_for_many_entries_is_provided, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_handler_that_cannot_be_attached_leaves_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(freeing_it_in_use_is_noticed, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
