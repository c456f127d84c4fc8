/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry against a table under a reader-writer lock (rwlock_registry.c), with threads: readers match, a churner adds
 * and removes filters as fast as it can. Prints, for each situation and registry, matches per second of all readers, the
 * CPU time of a match, how long a batch of matches took at worst, and changes per second; then the ratios.
 *
 *     micro_rival_registry [ROUNDS [MILLISECONDS]]      default 5 rounds of 300 ms for each, in turns
 *
 * A reader matches the subjects of FILTERS literal filters, each in its turn, in batches. A batch is what one look at the
 * clock lies around, and after a batch a reader of the registry passes a quiescent state, as a worker does once a tick.
 * Waiting for a processor is in the worst batch as well: the line "nothing" says how much of it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu/urcu-qsbr.h>

#include "../micro.h"
#include "../rig.h"
#include "clock.h"
#include "histogram.h"
#include "rwlock_registry.h"

enum {
  FILTERS = 1000,
  WILDCARDS = 3,
  BATCH = 32,
  THREADS_MAX = 3,
  ROUNDS_MAX = 99,
  CHANGES = 64,
  FOUND_MAX = 64
};

struct subject {
  char text[32];
  struct tern_slice slice;
  uint64_t hash;
};

/* One of the two registries, or nothing at all. */
struct contender {
  const char *name;
  void (*open)(void); /* by the control thread, before the others exist */
  void (*enter)(unsigned thread);
  void (*add)(unsigned thread, struct tern_sink *sink, struct tern_slice filter);
  void (*remove)(unsigned thread, struct tern_sink *sink, struct tern_slice filter);
  uint64_t (*match)(unsigned thread, const struct subject *first); /* a batch */
  void (*pause)(unsigned thread);                                  /* after a batch or some changes */
  void (*leave)(unsigned thread);
  void (*close)(void);
};

struct situation {
  const char *name;
  unsigned readers;
  bool wildcards;    /* three wildcard filters beside, two of which match every subject */
  const char *churn; /* format of the churner's filters, NULL: there is none */
};

struct figures {
  double matches_per_s, cpu_ns, p999_ns, max_ns, changes_per_s;
};

struct thread {
  pthread_t id;
  unsigned number;
  const struct contender *contender;
  const struct situation *situation;
  struct tern_sink *sinks; /* a reader's: its share of the filters */
  struct histogram *batches;
  uint64_t operations, cpu_ns;
};

static struct subject subjects[FILTERS];
static const char *const wildcards[WILDCARDS] = {"bench.*.y", "bench.>", "*.*.x"};
static struct rig rigs[THREADS_MAX + 1]; /* the last is the control thread's */
static struct tern_registry *registry;
static struct tern_index *indexes[THREADS_MAX];
static struct rw_registry *locked;
static pthread_barrier_t line_up;
static uint64_t duration_ns = 300000000;
static _Atomic bool over;

/* ---- the contenders ---- */

static bool take(struct tern_sink *sink, struct tern_message *message) {
  (void)sink, (void)message;
  return true;
}
static const struct tern_sink_ops ops = {.deliver = take};

static void tern_open(void) {
  rig_init(&rigs[THREADS_MAX]);
  registry = tern_registry_new(&rigs[THREADS_MAX].reclaimer);
  if (registry == NULL) micro_fail("out of memory");
  urcu_qsbr_thread_offline();
}

static void tern_enter(unsigned thread) {
  rig_init(&rigs[thread]);
  indexes[thread] = tern_index_new(registry, &rigs[thread].reclaimer, thread);
  if (indexes[thread] == NULL) micro_fail("out of memory");
}

static void tern_add(unsigned thread, struct tern_sink *sink, struct tern_slice filter) {
  if (tern_index_add(indexes[thread], sink, filter, (struct tern_slice){NULL, 0}) != 0)
    micro_fail("out of memory");
}

static void tern_remove(unsigned thread, struct tern_sink *sink, struct tern_slice filter) {
  (void)filter;
  tern_index_remove(indexes[thread], sink);
}

static uint64_t tern_match(unsigned thread, const struct subject *first) {
  uint64_t found = 0;
  for (const struct subject *subject = first; subject < first + BATCH; subject++) {
    const struct tern_match *match = tern_index_match(indexes[thread], subject->slice, subject->hash);
    found += match->local_count + (match->remote != 0);
    tern_index_done(indexes[thread], match);
  }
  return found;
}

static void tern_pause(unsigned thread) {
  rig_step(&rigs[thread]);
  urcu_qsbr_quiescent_state();
}

static void tern_leave(unsigned thread) {
  tern_index_free(indexes[thread]);
  rig_fini(&rigs[thread]);
}

static void tern_close(void) {
  urcu_qsbr_thread_online();
  rig_step(&rigs[THREADS_MAX]);
  tern_registry_free(registry);
  rig_fini(&rigs[THREADS_MAX]);
}

static void lock_open(void) {
  locked = rw_new(FILTERS);
  if (locked == NULL) micro_fail("out of memory");
}

static void lock_add(unsigned thread, struct tern_sink *sink, struct tern_slice filter) {
  (void)thread;
  if (rw_add(locked, sink, filter) != 0) micro_fail("out of memory");
}

static void lock_remove(unsigned thread, struct tern_sink *sink, struct tern_slice filter) {
  (void)thread;
  rw_remove(locked, sink, filter);
}

static uint64_t lock_match(unsigned thread, const struct subject *first) {
  (void)thread;
  uint64_t found = 0;
  void *sinks[FOUND_MAX];
  for (const struct subject *subject = first; subject < first + BATCH; subject++)
    found += rw_match(locked, subject->slice, sinks, FOUND_MAX);
  return found;
}

static void lock_close(void) { rw_free(locked); }

static void none(void) {}
static void no_thread(unsigned thread) { (void)thread; }
static void no_change(unsigned thread, struct tern_sink *sink, struct tern_slice filter) {
  (void)thread, (void)sink, (void)filter;
}
static uint64_t no_match(unsigned thread, const struct subject *first) {
  (void)thread, (void)first;
  return BATCH;
}

static const struct contender contenders[] = {
    {"registry", tern_open, tern_enter, tern_add, tern_remove, tern_match, tern_pause, tern_leave,
     tern_close},
    {"rwlock", lock_open, no_thread, lock_add, lock_remove, lock_match, no_thread, no_thread, lock_close},
    {"nothing", none, no_thread, no_change, no_change, no_match, no_thread, no_thread, none},
};
enum { CONTENDERS = sizeof contenders / sizeof contenders[0] };

/* ---- the threads ---- */

static uint64_t cpu_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void read_all(struct thread *t) {
  const struct contender *c = t->contender;
  uint64_t before = tern__clock_ns(), end = before + duration_ns;
  for (unsigned at = 0; before < end; at = (at + BATCH) % (FILTERS - FILTERS % BATCH)) {
    if (c->match(t->number, &subjects[at]) < BATCH) micro_fail("a match found too little");
    uint64_t now = tern__clock_ns();
    histogram_record(t->batches, now - before);
    t->operations += BATCH;
    c->pause(t->number);
    before = tern__clock_ns();
  }
}

/* Waits for the others; they may wait for a grace period meanwhile. */
static void meet(const struct contender *c) {
  bool online = c == &contenders[0];
  if (online) urcu_qsbr_thread_offline();
  pthread_barrier_wait(&line_up);
  if (online) urcu_qsbr_thread_online();
}

/* Adds or removes a reader's share of the filters. */
static void change(struct thread *t,
                   void (*by)(unsigned thread, struct tern_sink *sink, struct tern_slice filter)) {
  for (unsigned i = t->number; i < FILTERS; i += t->situation->readers)
    by(t->number, &t->sinks[i], subjects[i].slice);
  for (unsigned i = 0; t->number == 0 && t->situation->wildcards && i < WILDCARDS; i++)
    by(t->number, &t->sinks[FILTERS + i], tern_slice_of(wildcards[i]));
}

static void *reader(void *arg) {
  struct thread *t = arg;
  const struct contender *c = t->contender;
  c->enter(t->number);
  for (unsigned i = 0; i < FILTERS + WILDCARDS; i++)
    t->sinks[i].ops = &ops;
  change(t, c->add);
  c->pause(t->number);
  meet(c);
  uint64_t cpu = cpu_ns();
  read_all(t);
  t->cpu_ns = cpu_ns() - cpu;
  /* relaxed: only says that the time is over */
  atomic_store_explicit(&over, true, memory_order_relaxed);
  meet(c);
  change(t, c->remove);
  c->leave(t->number);
  return NULL;
}

static void *churner(void *arg) {
  struct thread *t = arg;
  const struct contender *c = t->contender;
  struct tern_sink sink = {.ops = &ops};
  c->enter(t->number);
  meet(c);
  /* relaxed: pairs with the store in reader, which orders nothing */
  while (!atomic_load_explicit(&over, memory_order_relaxed)) {
    char text[32];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int len = snprintf(text, sizeof text, t->situation->churn, (unsigned)(t->operations % 10000));
#pragma GCC diagnostic pop
    struct tern_slice filter = {text, (size_t)len};
    c->add(t->number, &sink, filter);
    c->remove(t->number, &sink, filter);
    t->operations += 2;
    if (t->operations % CHANGES == 0) c->pause(t->number);
  }
  meet(c);
  c->leave(t->number);
  return NULL;
}

/* ---- a run, and all of them ---- */

static struct figures run(const struct contender *c, const struct situation *s) {
  struct thread threads[THREADS_MAX] = {0};
  unsigned count = s->readers + (s->churn != NULL);
  c->open();
  atomic_store_explicit(&over, false, memory_order_relaxed); /* relaxed: before the threads exist */
  pthread_barrier_init(&line_up, NULL, count);
  for (unsigned i = 0; i < count; i++) {
    threads[i] = (struct thread){.number = i, .contender = c, .situation = s};
    threads[i].sinks = calloc(FILTERS + WILDCARDS, sizeof(struct tern_sink));
    threads[i].batches = histogram_new();
    if (threads[i].sinks == NULL || threads[i].batches == NULL) micro_fail("out of memory");
    if (pthread_create(&threads[i].id, NULL, i < s->readers ? reader : churner, &threads[i]) != 0)
      micro_fail("no thread");
  }
  struct figures f = {0};
  uint64_t matches = 0, cpu = 0;
  for (unsigned i = 0; i < count; i++) {
    pthread_join(threads[i].id, NULL);
    if (i >= s->readers) {
      f.changes_per_s = (double)threads[i].operations / (double)duration_ns * 1e9;
    } else {
      matches += threads[i].operations;
      cpu += threads[i].cpu_ns;
      if (i > 0) histogram_merge(threads[0].batches, threads[i].batches);
    }
  }
  f.matches_per_s = (double)matches / (double)duration_ns * 1e9;
  f.cpu_ns = (double)cpu / (double)matches;
  f.p999_ns = (double)histogram_value_at(threads[0].batches, 99.9);
  f.max_ns = (double)histogram_max(threads[0].batches);
  for (unsigned i = 0; i < count; i++) {
    free(threads[i].sinks);
    histogram_free(threads[i].batches);
  }
  pthread_barrier_destroy(&line_up);
  c->close();
  return f;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The median over the rounds of one figure, given by where it is in the struct. */
static double median(const struct figures *of, unsigned rounds, size_t offset) {
  double values[ROUNDS_MAX];
  for (unsigned i = 0; i < rounds; i++)
    memcpy(&values[i], (const char *)&of[i * CONTENDERS] + offset, sizeof values[i]);
  qsort(values, rounds, sizeof values[0], by_value);
  return values[rounds / 2];
}

static void compare(const struct situation *s, unsigned rounds) {
  static struct figures figures[ROUNDS_MAX][CONTENDERS], ratios[ROUNDS_MAX][CONTENDERS];
  for (unsigned round = 0; round < rounds; round++) {
    for (unsigned n = 0; n < CONTENDERS; n++) {
      unsigned i = round % 2 == 0 ? n : CONTENDERS - 1 - n;
      figures[round][i] = run(&contenders[i], s);
    }
    ratios[round][0].matches_per_s = figures[round][0].matches_per_s / figures[round][1].matches_per_s;
    ratios[round][0].cpu_ns = figures[round][1].cpu_ns / figures[round][0].cpu_ns;
  }
#define MEDIAN(of, i, field) median(&(of)[0][i], rounds, offsetof(struct figures, field))
  for (unsigned i = 0; i < CONTENDERS; i++)
    printf("%-34s %-9s %8.1f M/s %8.1f ns %10.1f us %10.1f us %10.0f /s\n", s->name, contenders[i].name,
           MEDIAN(figures, i, matches_per_s) / 1e6, MEDIAN(figures, i, cpu_ns),
           MEDIAN(figures, i, p999_ns) / 1e3, MEDIAN(figures, i, max_ns) / 1e3,
           MEDIAN(figures, i, changes_per_s));
  printf("%-34s ratio     %8.1f     %8.1f\n", s->name, MEDIAN(ratios, 0, matches_per_s),
         MEDIAN(ratios, 0, cpu_ns));
#undef MEDIAN
}

int main(int argc, char **argv) {
  static const struct situation situations[] = {
      {"1 reader, no wildcard filter", 1, false, NULL},
      {"1 reader", 1, true, NULL},
      {"2 readers", 2, true, NULL},
      {"1 reader, churn of other filters", 1, true, "churn.%u.x"},
      {"1 reader, churn of *.UNUSED", 1, true, "*.unused%u"},
  };
  unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
  unsigned long ms = argc > 2 ? strtoul(argv[2], NULL, 10) : 300;
  if (rounds < 1 || rounds > ROUNDS_MAX || ms < 1 || ms > 60000) {
    fprintf(stderr, "usage: micro_rival_registry [ROUNDS [MILLISECONDS]]\n");
    return 2;
  }
  duration_ns = ms * 1000000;
  for (unsigned i = 0; i < FILTERS; i++) {
    int len = snprintf(subjects[i].text, sizeof subjects[i].text, "bench.%04u.x", i);
    subjects[i].slice = (struct tern_slice){subjects[i].text, (size_t)len};
    subjects[i].hash = tern_subject_hash(subjects[i].slice);
  }
  printf("%-34s %-9s %12s %11s %13s %13s %13s\n", "", "", "matches", "CPU each", "batch p99.9", "batch max",
         "changes");
  for (unsigned i = 0; i < sizeof situations / sizeof situations[0]; i++)
    compare(&situations[i], (unsigned)rounds);
  return 0;
}
