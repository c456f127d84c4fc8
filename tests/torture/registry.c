/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared level of the registry under real threads. Each thread is a worker with an index of its own; all
 * subscribe and unsubscribe the same few literal and wildcard filters, plainly and in queue groups, while all
 * match and one more thread swaps a handler.
 *
 * What each worker holds is published beside the registry as a count with a version, raised before a change
 * begins and after it has ended:
 *
 *     worker A:  board odd;  remove;  board even with the new count
 *     worker B:  read board;  match;  read board again   -> unchanged and even: A held this all the time,
 *                                                           so B must see exactly that (R1)
 *
 * Queue groups of passing names use up the rows of an array that others replace at the same time.
 *
 * Own interest is exact at every moment (R1, R2). At the end everything is removed and must be empty: no entry,
 * no reference, nothing left in limbo (hazards 7 and 8). Retired memory is overwritten when freed, so a freed
 * entry, array or handler in a reader's hands is noticed. The reclaimer is the one of lib/loop.
 *
 * Bounded by numbers of operations, not by time. Every thread draws from a generator with a fixed seed.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tern/registry.h>

#include "container.h"
#include "grace.h"
#include "pool.h"
#include "rcu.h"

#define WORKERS    4
#define OPERATIONS 20000

static const char *const filters[] = {"k",   "k.a",   "k.b", "k.*",   "k.>",   "*.a",
                                      "*.*", "k.*.c", ">",   "k.a.*", "k.a.c", "k.*.c.>"};
#define FILTERS (sizeof filters / sizeof filters[0])
static const char *const subjects[] = {"k", "k.a", "k.b", "x.a", "k.a.c", "k.z.c", "k.b.c.d"};
#define SUBJECTS (sizeof subjects / sizeof subjects[0])
enum { PLAIN, GROUPED, KINDS };

/* Whether the worker's plain sinks (or how many of its members) are there; see the head comment. */
struct board {
  _Atomic uint64_t word; /* version << 8 | count; an odd version: changing */
};
static struct board boards[WORKERS][FILTERS][KINDS];

struct swapped {
  struct tern_handler handler;
  uint32_t magic;
};
#define MAGIC 0x5a5a1234u

struct worker {
  unsigned number;
  bool starving; /* allocations of this thread fail now and then */
  struct tern__limbo limbo;
  struct tern_index *index;
  uint64_t random;
  struct slot {
    struct tern_sink sinks[3];
    unsigned count;
  } slots[FILTERS][KINDS];
};

static struct tern__grace grace;
static struct tern_registry *registry;
static unsigned use_filters;  /* of the table, from its start */
static unsigned use_kinds;    /* 1: plain sinks only */
static unsigned use_sinks;    /* at most, per worker, filter and kind */
static _Atomic unsigned busy; /* workers that are not done */
static _Thread_local struct worker *self;

static void complain(const char *what, const char *detail, unsigned worker, unsigned long long number) {
  fprintf(stderr, "registry torture: %s (%s, worker %u, %llu)\n", what, detail, worker, number);
  abort(); /* cmocka's assertions are for the main thread only */
}

static uint32_t draw(struct worker *worker, uint32_t below) {
  worker->random ^= worker->random << 13;
  worker->random ^= worker->random >> 7;
  worker->random ^= worker->random << 17;
  return (uint32_t)(worker->random >> 32) % below;
}

static int fail_sometimes(size_t size) {
  (void)size;
  return self != NULL && self->starving && draw(self, 5) == 0;
}

static bool nothing(struct tern_sink *sink, struct tern_message *message) {
  (void)sink;
  (void)message;
  return true;
}
static const struct tern_sink_ops ops = {.deliver = nothing};

static void board_begin(struct board *board) {
  /* acq_rel: before the change that follows; pairs with the second read in look */
  atomic_fetch_add_explicit(&board->word, 1 << 8, memory_order_acq_rel);
}

static void board_end(struct board *board, unsigned count) {
  /* relaxed: only this thread writes it */
  uint64_t word = atomic_load_explicit(&board->word, memory_order_relaxed);
  word = ((word >> 8) + 1) << 8 | count;
  /* release: after the change; pairs with the first read in look */
  atomic_store_explicit(&board->word, word, memory_order_release);
}

static void change(struct worker *worker, unsigned filter, unsigned kind) {
  struct slot *slot = &worker->slots[filter][kind];
  struct board *board = &boards[worker->number][filter][kind];
  bool add = slot->count == 0 || (slot->count < use_sinks && draw(worker, 2) == 0);
  board_begin(board);
  if (add) {
    struct tern_sink *sink = &slot->sinks[slot->count];
    *sink = (struct tern_sink){.ops = &ops};
    struct tern_slice group = tern_slice_of(kind == GROUPED ? (filter % 2 != 0 ? "q" : "r") : "");
    if (tern_index_add(worker->index, sink, tern_slice_of(filters[filter]), group) == 0) slot->count++;
  } else {
    tern_index_remove(worker->index, &slot->sinks[--slot->count]);
  }
  board_end(board, slot->count);
}

static uint64_t weight_of(const struct tern_match *match, const char *group, unsigned worker) {
  for (uint32_t g = 0; g < match->group_count; g++) {
    if (!tern_slice_equal(match->groups[g].name, tern_slice_of(group))) continue;
    for (uint32_t w = 0; w < match->groups[g].worker_count; w++)
      if (match->groups[g].workers[w].worker == worker) return match->groups[g].workers[w].weight;
  }
  return 0;
}

static void handle(struct tern_handler *handler, const struct tern_message *message) {
  (void)handler;
  (void)message;
}

enum { PASSING = 3 };

/* Whether this worker has exactly the passing groups it should have. */
static void check_passing(struct worker *worker, struct tern_slice subject, char names[PASSING][32],
                          const bool wanted[PASSING]) {
  const struct tern_match *match = tern_index_match(worker->index, subject, tern_subject_hash(subject));
  if (match == NULL) return; /* starving */
  for (unsigned i = 0; i < PASSING; i++)
    if (weight_of(match, names[i], worker->number) != wanted[i])
      complain(wanted[i] ? "a new group is lost" : "an old group is seen", names[i], worker->number, i);
  tern_index_done(worker->index, match);
}

/* Queue groups of names hardly used before come and go on a filter that others change as well: rows are appended
 * while arrays are replaced, full ones for more rows and others for a handler, and names are freed. */
static void pass_by(struct worker *worker) {
  static struct tern_handler handlers[WORKERS]; /* for ever */
  if (use_kinds == 1) return;
  bool attach = draw(worker, 2) == 0;
  struct tern_slice filter = tern_slice_of(attach ? "passing.by" : "k.a");
  struct tern_handler *handler = &handlers[worker->number];
  handler->handle = handle;
  attach = attach && tern_registry_attach(registry, &worker->limbo.reclaimer, handler, filter) == 0;
  struct tern_sink sinks[PASSING];
  char names[PASSING][32];
  bool added[PASSING];
  for (unsigned i = 0; i < PASSING; i++) {
    snprintf(names[i], sizeof names[i], "passing.%u.%u.%u", worker->number, i, draw(worker, 1000));
    sinks[i] = (struct tern_sink){.ops = &ops};
    added[i] = tern_index_add(worker->index, &sinks[i], filter, tern_slice_of(names[i])) == 0;
  }
  check_passing(worker, filter, names, added);
  for (unsigned i = 0; i < PASSING; i++) {
    tern_index_remove(worker->index, &sinks[i]);
    added[i] = false;
  }
  if (attach) tern_registry_detach(registry, &worker->limbo.reclaimer, handler, filter);
  check_passing(worker, filter, names, added);
}

/* What worker `whose` has for the subject according to its board: bits of filters, and members per group. */
struct seen {
  uint64_t words[FILTERS][KINDS];
};

static void look(struct seen *seen, unsigned whose) {
  for (unsigned f = 0; f < use_filters; f++)
    for (unsigned k = 0; k < KINDS; k++)
      /* acquire: pairs with the release in board_end; the later look comes after what the match has read, which
       * pairs with the acq_rel in board_begin */
      seen->words[f][k] = atomic_load_explicit(&boards[whose][f][k].word, memory_order_acquire);
}

static bool is_stable(const struct seen *before, const struct seen *after, unsigned filter, unsigned kind) {
  return before->words[filter][kind] == after->words[filter][kind] &&
         (before->words[filter][kind] >> 8) % 2 == 0;
}

/* Compares a match with what a worker held during the whole of it, as far as that did not change. */
static void compare(struct worker *worker, const struct tern_match *match, const char *subject,
                    unsigned whose, const struct seen *before, const struct seen *after) {
  bool plain_stable = true, plain = false;
  bool group_stable[2] = {true, true};
  uint64_t weight[2] = {0, 0};
  uint32_t sets = 0;
  for (unsigned f = 0; f < use_filters; f++) {
    if (!tern_filter_matches(tern_slice_of(filters[f]), tern_slice_of(subject))) continue;
    unsigned count = before->words[f][PLAIN] & 0xff;
    if (!is_stable(before, after, f, PLAIN)) plain_stable = false;
    plain = plain || count > 0;
    sets += count > 0;
    if (!is_stable(before, after, f, GROUPED)) group_stable[f % 2] = false;
    weight[f % 2] += before->words[f][GROUPED] & 0xff;
  }
  if (whose == worker->number) {
    if (match->local_count != sets) complain("own sinks are not exact", subject, whose, match->local_count);
  } else if (plain_stable && ((match->remote >> whose & 1) != 0) != plain) {
    complain(plain ? "a held filter is not seen" : "a dropped filter is still seen", subject, whose, plain);
  }
  for (unsigned g = 0; g < 2; g++) {
    const char *name = g != 0 ? "q" : "r";
    if (group_stable[g] && weight_of(match, name, whose) != weight[g])
      complain("a weight is wrong", subject, whose, weight_of(match, name, whose));
  }
}

static void check_handlers(const struct tern_match *match, const char *subject) {
  unsigned found = 0;
  for (uint32_t h = 0; h < match->handler_count; h++) {
    if (tern_container(match->handlers[h], struct swapped, handler)->magic != MAGIC)
      complain("a freed handler is called", subject, h, 0);
    found++;
  }
  bool wanted = tern_filter_matches(tern_slice_of("k.*"), tern_slice_of(subject));
  if (found != (wanted ? 1u : 0u)) complain("not exactly one handler", subject, 0, found);
}

/* Follows the table while others change it. What it finds cannot be wrong, but for memory that is not there any more. */
static void look_ahead(struct worker *worker) {
  uint64_t hashes[SUBJECTS];
  for (unsigned i = 0; i < SUBJECTS; i++)
    hashes[i] = tern_subject_hash(tern_slice_of(subjects[i]));
  tern_index_bring(worker->index, hashes, SUBJECTS);
}

static void check(struct worker *worker) {
  struct seen before[WORKERS], after[WORKERS];
  const char *subject = subjects[draw(worker, SUBJECTS)];
  for (unsigned w = 0; w < WORKERS; w++)
    look(&before[w], w);
  look_ahead(worker);
  struct tern_slice text = tern_slice_of(subject);
  const struct tern_match *match = tern_index_match(worker->index, text, tern_subject_hash(text));
  if (match == NULL) return; /* starving */
  for (unsigned w = 0; w < WORKERS; w++)
    look(&after[w], w);
  for (unsigned w = 0; w < WORKERS; w++)
    compare(worker, match, subject, w, &before[w], &after[w]);
  check_handlers(match, subject);
  tern_index_done(worker->index, match);
}

static void step_end(struct worker *worker) {
  tern__rcu_quiescent();
  tern__limbo_step(&worker->limbo, 0);
}

static void begin(struct worker *worker) {
  self = worker;
  tern__rcu_register();
  tern__rcu_online();
  worker->index = tern_index_new(registry, &worker->limbo.reclaimer, worker->number);
  if (worker->index == NULL) complain("no index", "", worker->number, 0);
}

static void end(struct worker *worker) {
  tern_index_free(worker->index);
  tern__rcu_offline();
  tern__rcu_unregister();
  /* release: pairs with the acquire in swap_handlers */
  atomic_fetch_sub_explicit(&busy, 1, memory_order_release);
}

static void *worker_main(void *arg) {
  struct worker *worker = arg;
  begin(worker);
  for (unsigned i = 0; i < OPERATIONS; i++) {
    change(worker, draw(worker, use_filters), draw(worker, use_kinds));
    check(worker);
    if (i % 4 == 0) pass_by(worker);
    if (i % 8 == 0) step_end(worker);
    if (draw(worker, 64) == 0) sched_yield(); /* two cores: lets the threads meet in other places */
  }
  worker->starving = false;
  for (unsigned f = 0; f < use_filters; f++) {
    for (unsigned k = 0; k < KINDS; k++) {
      struct slot *slot = &worker->slots[f][k];
      board_begin(&boards[worker->number][f][k]);
      while (slot->count > 0)
        tern_index_remove(worker->index, &slot->sinks[--slot->count]);
      board_end(&boards[worker->number][f][k], 0);
    }
  }
  end(worker);
  return NULL;
}

/* Subscribes to many filters of its own, so that the table grows, and finds all of them all the time. */
static void *grower_main(void *arg) {
  enum { MANY = 4000 };
  struct worker *worker = arg;
  struct tern_sink *sinks = calloc(MANY, sizeof *sinks);
  if (sinks == NULL) complain("no memory", "", worker->number, 0);
  begin(worker);
  for (unsigned i = 0; i < MANY; i++) {
    char text[32];
    uint64_t ahead[4];
    snprintf(text, sizeof text, "own.%u.%u", worker->number, i);
    sinks[i].ops = &ops;
    if (tern_index_add(worker->index, &sinks[i], tern_slice_of(text), tern_slice_of("")) != 0)
      complain("not added", text, worker->number, i);
    for (unsigned n = 0; n < 4; n++) {
      snprintf(text, sizeof text, "own.%u.%u", draw(worker, WORKERS), draw(worker, i + 1));
      ahead[n] = tern_subject_hash(tern_slice_of(text));
    }
    tern_index_bring(worker->index, ahead, 4); /* while the table grows */
    for (unsigned n = 0; n < 4; n++) {
      snprintf(text, sizeof text, "own.%u.%u", worker->number, draw(worker, i + 1));
      struct tern_slice subject = tern_slice_of(text);
      const struct tern_match *match = tern_index_match(worker->index, subject, tern_subject_hash(subject));
      if (match == NULL || match->local_count != 1) complain("a filter is lost", text, worker->number, i);
      tern_index_done(worker->index, match);
    }
    if (i % 8 == 0) step_end(worker);
  }
  for (unsigned i = 0; i < MANY; i++)
    tern_index_remove(worker->index, &sinks[i]);
  end(worker);
  free(sinks);
  return NULL;
}

static struct swapped *swapped_new(void) {
  struct swapped *swapped = malloc(sizeof *swapped);
  assert_non_null(swapped);
  *swapped = (struct swapped){{handle}, MAGIC};
  return swapped;
}

static void swapped_free(struct swapped *swapped) {
  *(volatile uint32_t *)&swapped->magic = 0; /* also when the compiler sees that it is freed */
  free(swapped);
}

/* Replaces the handler of `k.*` for as long as the workers run. Returns the last one. */
static struct swapped *swap_handlers(struct tern__limbo *limbo, struct swapped *current) {
  /* acquire: pairs with the release in worker_main */
  while (atomic_load_explicit(&busy, memory_order_acquire) > 0) {
    struct swapped *next = swapped_new();
    assert_int_equal(tern_registry_swap(registry, &limbo->reclaimer, &current->handler, &next->handler,
                                        tern_slice_of("k.*")),
                     0);
    tern__grace_synchronize(&grace);
    swapped_free(current);
    current = next;
  }
  return current;
}

/* Runs the function as every worker, with the registry around it; everything must be empty afterwards. */
static void run_workers(void *(*function)(void *), uint64_t seed, bool starving) {
  static struct worker workers[WORKERS];
  struct tern__limbo control;
  memset(workers, 0, sizeof workers);
  memset(boards, 0, sizeof boards);
  atomic_store(&busy, WORKERS); /* before the threads exist */
  tern__rcu_register();
  assert_int_equal(tern__grace_init(&grace), 0);
  assert_int_equal(tern__grace_start(&grace), 0);
  tern__limbo_init(&control, &grace, true);
  registry = tern_registry_new(&control.reclaimer);
  assert_non_null(registry);
  struct swapped *handler = swapped_new();
  assert_int_equal(
      tern_registry_attach(registry, &control.reclaimer, &handler->handler, tern_slice_of("k.*")), 0);
  if (starving) tern__pool_fault = fail_sometimes;
  pthread_t threads[WORKERS];
  for (unsigned i = 0; i < WORKERS; i++) {
    workers[i].number = i;
    workers[i].random = 0x9e3779b97f4a7c15u * (i + 1) + seed;
    workers[i].starving = starving;
    tern__limbo_init(&workers[i].limbo, &grace, false);
    assert_int_equal(pthread_create(&threads[i], NULL, function, &workers[i]), 0);
  }
  handler = swap_handlers(&control, handler);
  for (unsigned i = 0; i < WORKERS; i++)
    pthread_join(threads[i], NULL);
  tern__pool_fault = NULL;
  tern_registry_detach(registry, &control.reclaimer, &handler->handler, tern_slice_of("k.*"));
  tern__grace_synchronize(&grace);
  tern__grace_stop(&grace);
  for (unsigned i = 0; i < WORKERS; i++)
    tern__limbo_flush(&workers[i].limbo);
  tern__limbo_flush(&control);
  swapped_free(handler);
  struct tern_registry_stats stats = tern_registry_stats(registry);
  assert_int_equal(stats.nodes, 0);
  assert_int_equal(stats.filters, 0);
  assert_int_equal(stats.bytes, 0);
  tern_registry_free(registry); /* aborts when an entry is left */
  tern__grace_destroy(&grace);
  tern__rcu_unregister();
}

static void torture(unsigned filter_count, bool thin, bool starving) {
  use_filters = filter_count;
  use_kinds = thin ? 1 : KINDS;
  use_sinks = thin ? 1 : 3;
  run_workers(worker_main, filter_count, starving);
}

/* Hazard 7: few filters and few sinks, so that entries die and are wanted again at the same moment. */
static void test_few_filters(void **state) {
  (void)state;
  torture(2, true, false);
  torture(1, true, false);
  torture(4, false, false);
}

/* Hazard 8 and the wildcard trie. */
static void test_overlapping_filters(void **state) {
  (void)state;
  torture(FILTERS, true, false);
  torture(FILTERS, false, false);
}

/* Additions that fail half-way, and removals that find an array frozen and have no memory to copy it. */
static void test_without_memory_now_and_then(void **state) {
  (void)state;
  torture(4, false, true);
  torture(FILTERS, false, true);
}

static void test_the_table_grows_under_readers(void **state) {
  (void)state;
  run_workers(grower_main, 1, false);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_few_filters),
      cmocka_unit_test(test_overlapping_filters),
      cmocka_unit_test(test_without_memory_now_and_then),
      cmocka_unit_test(test_the_table_grows_under_readers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
