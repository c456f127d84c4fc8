/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool against an oracle: every object is filled with a pattern of its own when it is allocated and must
 * still hold it when it is released, so overlapping objects, or objects handed out twice, show themselves.
 * The figures are compared with counts kept here. What the pool keeps and gives back is checked in arenas of
 * 512 KiB, which pool.c documents.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/buffer.h>
#include "pool.h"

#define ARENA_BYTES ((uint64_t)512 * 1024)

static uint64_t random_next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void fill(unsigned char *at, size_t size, unsigned seed) {
  for (size_t i = 0; i < size; i++)
    at[i] = (unsigned char)(seed + i * 7);
}

static void assert_filled(const unsigned char *at, size_t size, unsigned seed) {
  for (size_t i = 0; i < size; i++)
    if (at[i] != (unsigned char)(seed + i * 7)) fail_msg("byte %zu of an object of %zu was changed", i, size);
}

/* Sizes around every class and beyond the largest: usable to the last byte, aligned, counted. */
static void every_size_is_usable_and_aligned(void **unused) {
  (void)unused;
  static const size_t edges[] = {1,   16,   32,   48,   64,   96,   128,   192,   256,   384,   512,
                                 768, 1024, 1536, 2048, 4096, 4160, 16384, 16448, 65536, 65600, 1 << 20};
  struct tern_pool *pool = tern_pool_new();
  assert_non_null(pool);
  for (size_t e = 0; e < sizeof edges / sizeof edges[0]; e++) {
    for (size_t size = edges[e]; size <= edges[e] + 1; size++) {
      unsigned char *at = tern_pool_alloc(pool, size);
      assert_non_null(at);
      assert_int_equal((uintptr_t)at % 16, 0);
      fill(at, size, (unsigned)size);
      assert_filled(at, size, (unsigned)size);
      struct tern_pool_stats stats = tern_pool_stats(pool);
      assert_int_equal(stats.live_objects, 1);
      assert_true(stats.live_bytes >= size);
      assert_true(stats.held_bytes >= stats.live_bytes);
      tern_pool_release(pool, at, size);
      assert_int_equal(tern_pool_stats(pool).live_objects, 0);
      assert_int_equal(tern_pool_stats(pool).live_bytes, 0);
    }
  }
  tern_pool_free(pool);
}

static void objects_never_overlap(void **unused) {
  (void)unused;
  enum { SLOTS = 3000, STEPS = 60000 };
  struct slot {
    unsigned char *at;
    size_t size;
    unsigned seed;
  } *slots = calloc(SLOTS, sizeof *slots);
  assert_non_null(slots);
  struct tern_pool *pool = tern_pool_new();
  assert_non_null(pool);
  uint64_t random = 0x9e3779b97f4a7c15u, live = 0;
  for (int step = 0; step < STEPS; step++) {
    struct slot *slot = &slots[random_next(&random) % SLOTS];
    if (slot->at != NULL) {
      assert_filled(slot->at, slot->size, slot->seed);
      tern_pool_release(pool, slot->at, slot->size);
      slot->at = NULL;
      live--;
    } else {
      /* mostly small, sometimes large, now and then beyond the classes */
      uint64_t r = random_next(&random);
      slot->size = r % 100 < 90 ? 1 + r / 100 % 600 : r % 100 < 99 ? 1 + r / 100 % 20000 : 70000;
      slot->seed = (unsigned)step;
      slot->at = tern_pool_alloc(pool, slot->size);
      assert_non_null(slot->at);
      fill(slot->at, slot->size, slot->seed);
      live++;
    }
    assert_int_equal(tern_pool_stats(pool).live_objects, live);
  }
  for (int i = 0; i < SLOTS; i++) {
    if (slots[i].at == NULL) continue;
    assert_filled(slots[i].at, slots[i].size, slots[i].seed);
    tern_pool_release(pool, slots[i].at, slots[i].size);
  }
  assert_int_equal(tern_pool_stats(pool).live_objects, 0);
  tern_pool_free(pool);
  free(slots);
}

/* Released memory is used again before more is taken. */
static void memory_is_reused(void **unused) {
  (void)unused;
  struct tern_pool *pool = tern_pool_new();
  assert_non_null(pool);
  assert_int_equal(tern_pool_stats(pool).held_bytes, 0);
  for (int i = 0; i < 100000; i++) {
    void *at = tern_pool_alloc(pool, 100);
    assert_non_null(at);
    tern_pool_release(pool, at, 100);
  }
  assert_int_equal(tern_pool_stats(pool).held_bytes, ARENA_BYTES);
  tern_pool_free(pool);
}

static void alloc_all(struct tern_pool *pool, void **at, int count) {
  for (int i = 0; i < count; i++)
    assert_non_null(at[i] = tern_pool_alloc(pool, 64));
}

static void release_all(struct tern_pool *pool, void **at, int count) {
  for (int i = 0; i < count; i++)
    tern_pool_release(pool, at[i], 64);
}

/* A pool nobody ages does not keep what it once needed. */
static void without_ageing_one_arena_stays(void **unused) {
  (void)unused;
  enum { COUNT = 40000 };
  struct tern_pool *pool = tern_pool_new();
  void **at = calloc(COUNT, sizeof *at);
  assert_non_null(pool);
  assert_non_null(at);
  for (int round = 0; round < 2; round++) {
    alloc_all(pool, at, COUNT);
    release_all(pool, at, COUNT);
    assert_int_equal(tern_pool_stats(pool).held_bytes, ARENA_BYTES);
  }
  tern_pool_free(pool);
  free(at);
}

/* What swells and ebbs keeps its memory; what was a peak gives it back, as soon as a whole period has not needed it. */
static void age_gives_back_what_is_not_needed(void **unused) {
  (void)unused;
  enum { PEAK = 40000, USUAL = 20000 };
  struct tern_pool *pool = tern_pool_new();
  void **at = calloc(PEAK, sizeof *at);
  assert_non_null(pool);
  assert_non_null(at);
  tern_pool_age(pool);
  alloc_all(pool, at, PEAK);
  uint64_t peak = tern_pool_stats(pool).held_bytes;
  assert_true(peak >= (uint64_t)PEAK * 64);
  release_all(pool, at, PEAK);
  tern_pool_age(pool);
  assert_int_equal(tern_pool_stats(pool).held_bytes, peak); /* it was all needed lately */
  uint64_t usual = 0;
  for (int period = 0; period < 5; period++) {
    for (int tick = 0; tick < 3; tick++) {
      alloc_all(pool, at, USUAL);
      release_all(pool, at, USUAL);
    }
    tern_pool_age(pool);
    uint64_t held = tern_pool_stats(pool).held_bytes;
    assert_true(held >= (uint64_t)USUAL * 64 && held <= (uint64_t)USUAL * 64 + 2 * ARENA_BYTES);
    assert_true(period == 0 || held == usual);
    usual = held;
  }
  tern_pool_age(pool);
  assert_int_equal(tern_pool_stats(pool).held_bytes, 0);
  tern_pool_free(pool);
  free(at);
}

/* Is the page of that address there? */
static bool is_provided(const void *at) {
  unsigned char there = 0;
  void *page = (void *)((uintptr_t)at & ~(uintptr_t)4095);
  assert_int_equal(mincore(page, 4096, &there), 0);
  return (there & 1) != 0;
}

static bool can_provide(void) {
#ifdef MADV_POPULATE_WRITE
  void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(at != MAP_FAILED);
  bool can = madvise(at, 4096, MADV_POPULATE_WRITE) == 0;
  munmap(at, 4096);
  return can && sysconf(_SC_PAGESIZE) == 4096;
#else
  return false;
#endif
}

/* The first arena of a class gets its pages as they are used, further ones some ahead; those of large objects where
 * the pool holds 8 MiB. */
static void pages_are_provided_ahead_once_there_are_many(void **unused) {
  (void)unused;
  if (!can_provide()) skip();
  enum { SMALL = 64, LARGE = 4096, MOST = (int)(2 * ARENA_BYTES / SMALL) };
  struct tern_pool *pool = tern_pool_new();
  static char *at[MOST];
  int count = 0, large = 0;
  static char *large_at[5000];
  at[count++] = tern_pool_alloc(pool, SMALL);
  assert_false(is_provided(at[0] + 4096));
  while (tern_pool_stats(pool).held_bytes == ARENA_BYTES)
    at[count++] = tern_pool_alloc(pool, SMALL);
  char *first = at[count - 1]; /* of the second arena */
  assert_true(is_provided(first + 4096));
  assert_true(is_provided(first + 7 * 4096));
  assert_false(is_provided(first + 8 * 4096));
  while (at[count - 1] < first + 8 * 4096)
    at[count++] = tern_pool_alloc(pool, SMALL);
  assert_true(is_provided(first + 15 * 4096));
  assert_false(is_provided(first + 16 * 4096));
  uint64_t held = tern_pool_stats(pool).held_bytes;
  while (tern_pool_stats(pool).held_bytes <= held + ARENA_BYTES)
    large_at[large++] = tern_pool_alloc(pool, LARGE);
  assert_false(is_provided(large_at[large - 1] + 2 * 4096));
  while (tern_pool_stats(pool).held_bytes <= 16 * ARENA_BYTES)
    large_at[large++] = tern_pool_alloc(pool, LARGE);
  first = large_at[large - 1];
  assert_true(is_provided(first + 7 * 4096));
  assert_false(is_provided(first + 8 * 4096));
  while (count > 0)
    tern_pool_release(pool, at[--count], SMALL);
  while (large > 0)
    tern_pool_release(pool, large_at[--large], LARGE);
  tern_pool_free(pool);
}

/* Only whole pages that lie within, and errno is left alone. */
static void providing_takes_whole_pages(void **unused) {
  (void)unused;
  if (!can_provide()) skip();
  char *at = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(at != MAP_FAILED);
  errno = 7;
  tern_memory_provide(at + 1, 3 * 4096);
  tern_memory_provide(at + 3 * 4096 + 5, 100);
  assert_true(is_provided(at + 4096) && is_provided(at + 2 * 4096));
  assert_false(is_provided(at) || is_provided(at + 3 * 4096));
  munmap(at + 3 * 4096, 4096);
  tern_memory_provide(at, 4 * 4096); /* not all of it is there */
  assert_int_equal(errno, 7);
  munmap(at, 3 * 4096);
}

/* Nothing empty stays after a trim; live objects survive it. */
static void trim_gives_back(void **unused) {
  (void)unused;
  enum { COUNT = 40000 };
  struct tern_pool *pool = tern_pool_new();
  void **at = calloc(COUNT, sizeof *at);
  assert_non_null(pool);
  assert_non_null(at);
  tern_pool_age(pool); /* what is empty is kept from now on */
  alloc_all(pool, at, COUNT);
  assert_true(tern_pool_stats(pool).held_bytes >= (uint64_t)COUNT * 64);
  unsigned char *kept = tern_pool_alloc(pool, 1000);
  assert_non_null(kept);
  fill(kept, 1000, 1);
  release_all(pool, at, COUNT);
  tern_pool_trim(pool);
  assert_int_equal(tern_pool_stats(pool).held_bytes, ARENA_BYTES);
  assert_filled(kept, 1000, 1);
  tern_pool_release(pool, kept, 1000);
  tern_pool_trim(pool);
  assert_int_equal(tern_pool_stats(pool).held_bytes, 0);
  tern_pool_free(pool);
  free(at);
}

static int fault_calls;
static size_t fault_size;

static int every_third_fails(size_t size) {
  fault_size = size;
  return ++fault_calls % 3 == 0;
}

static void a_refused_allocation_changes_nothing(void **unused) {
  (void)unused;
  struct tern_pool *pool = tern_pool_new();
  assert_non_null(pool);
  void *at[9] = {0};
  fault_calls = 0;
  tern__pool_fault = every_third_fails;
  for (int i = 0; i < 9; i++) {
    struct tern_pool_stats before = tern_pool_stats(pool);
    at[i] = tern_pool_alloc(pool, 40);
    assert_int_equal(fault_size, 40);
    if (i % 3 == 2) {
      assert_null(at[i]);
      assert_int_equal(tern_pool_stats(pool).live_objects, before.live_objects);
      assert_int_equal(tern_pool_stats(pool).live_bytes, before.live_bytes);
      assert_int_equal(tern_pool_stats(pool).held_bytes, before.held_bytes);
    } else {
      assert_non_null(at[i]);
    }
  }
  tern__pool_fault = NULL;
  for (int i = 0; i < 9; i++)
    tern_pool_release(pool, at[i], 40); /* NULL is allowed */
  tern_pool_free(pool);
}

/* A leak ends the program instead of passing unseen. In a child, because it does. */
static void freeing_a_pool_in_use_aborts(void **unused) {
  (void)unused;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    close(STDERR_FILENO);
    struct tern_pool *pool = tern_pool_new();
    if (pool == NULL || tern_pool_alloc(pool, 10) == NULL) _exit(1);
    tern_pool_free(pool);
    _exit(0);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status));
  assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_size_is_usable_and_aligned),
      cmocka_unit_test(objects_never_overlap),
      cmocka_unit_test(memory_is_reused),
      cmocka_unit_test(without_ageing_one_arena_stays),
      cmocka_unit_test(age_gives_back_what_is_not_needed),
      cmocka_unit_test(pages_are_provided_ahead_once_there_are_many),
      cmocka_unit_test(providing_takes_whole_pages),
      cmocka_unit_test(trim_gives_back),
      cmocka_unit_test(a_refused_allocation_changes_nothing),
      cmocka_unit_test(freeing_a_pool_in_use_aborts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
