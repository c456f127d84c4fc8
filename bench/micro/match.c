/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to find out who wants a message, and to subscribe.
 *
 *     micro_match [filters [matches [case]]]      default 1000000 1000000 all
 *
 * Cases: hit (one subject, from the cache), cold (each subject seldom enough to be out of the cache again, one
 * literal filter matches), wild (the same, with wildcard filters beside), add (subscribing), known (a further
 * sink on a filter this worker has). Prints nanoseconds per operation and bytes per subscription. Under
 * callgrind choose small numbers and one case; loop_<case> is the function to look at:
 *
 *     valgrind --tool=callgrind --toggle-collect='loop_hit' micro_match 1000 100000 hit
 *
 * One thread is worker 0 and its own control thread; what is retired is freed at the end of a step.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/registry.h>
#include <urcu/urcu-qsbr.h>

#include "clock.h"
#include "container.h"
#include "reclaim.h"

struct steps {
  struct tern_reclaimer reclaimer;
  struct tern_retired *limbo;
  struct tern_job *jobs;
};

static struct steps steps;
static struct tern_registry *registry;
static struct tern_index *indexes[2]; /* ours, and one that makes remote interest */
static struct tern_sink *sinks;
static size_t filters = 1000000, matches = 1000000;
static volatile uint64_t result; /* keeps the compiler from dropping what is measured */

static void retire(struct tern_reclaimer *reclaimer, struct tern_retired *retired) {
  (void)reclaimer;
  retired->next = steps.limbo;
  steps.limbo = retired;
}

static void background(struct tern_reclaimer *reclaimer, struct tern_job *job) {
  (void)reclaimer;
  job->next = steps.jobs;
  steps.jobs = job;
}

static bool always(struct tern_reclaimer *reclaimer) {
  (void)reclaimer;
  return true;
}

static void step(void) {
  for (struct tern_job *job; (job = steps.jobs) != NULL;) {
    steps.jobs = job->next;
    job->run(job);
  }
  for (struct tern_retired *retired; (retired = steps.limbo) != NULL;) {
    steps.limbo = retired->next;
    retired->free(retired);
  }
}

static bool nothing(struct tern_sink *sink, struct tern_message *message) {
  (void)sink;
  (void)message;
  return false;
}
static const struct tern_sink_ops ops = {.deliver = nothing};

static struct tern_slice name(char text[32], size_t i) {
  int len = snprintf(text, 32, "bench.%08zx.x", i * 2654435761u % 0xffffffffu);
  return (struct tern_slice){text, (size_t)len};
}

static void add(unsigned worker, struct tern_sink *sink, struct tern_slice filter) {
  sink->ops = &ops;
  if (tern_index_add(indexes[worker], sink, filter, (struct tern_slice){NULL, 0}) != 0) {
    fprintf(stderr, "micro_match: out of memory\n");
    exit(1);
  }
}

static size_t resident_bytes(void) {
  size_t total = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%zu %zu", &total, &resident) != 2) resident = 0;
  fclose(file);
  return resident * 4096;
}

static void print(const char *what, uint64_t ns, size_t count) {
  printf("%-6s %8.1f ns\n", what, (double)ns / (double)count);
}

static inline void match_one(struct tern_slice subject, uint64_t hash) {
  const struct tern_match *match = tern_index_match(indexes[0], subject, hash);
  result += match->remote + match->local_count;
  tern_index_done(indexes[0], match);
}

/* The subjects of a round of matches, with their hashes, made outside of what is measured. */
struct subject {
  char text[32];
  struct tern_slice slice;
  uint64_t hash;
};
enum { ROUND = 65536 };
static struct subject *round_subjects;

static void prepare(size_t start) {
  for (size_t i = 0; i < ROUND; i++) {
    struct subject *s = &round_subjects[i];
    s->slice = name(s->text, (start + i * 7919) % filters);
    s->hash = tern_subject_hash(s->slice);
  }
}

__attribute__((noinline)) static void loop_hit(size_t count) {
  struct tern_slice subject = round_subjects[0].slice;
  uint64_t hash = round_subjects[0].hash;
  for (size_t i = 0; i < count; i++)
    match_one(subject, hash);
}

__attribute__((noinline)) static void loop_cold(size_t count) {
  for (size_t i = 0; i < count; i++)
    match_one(round_subjects[i].slice, round_subjects[i].hash);
}

static void run_cold(const char *what) {
  uint64_t ns = 0;
  size_t done = 0;
  while (done < matches) {
    size_t count = matches - done < ROUND ? matches - done : ROUND;
    prepare(done);
    uint64_t start = tern__clock_ns();
    loop_cold(count);
    ns += tern__clock_ns() - start;
    done += count;
  }
  print(what, ns, matches);
}

static void run_hit(void) {
  prepare(0);
  match_one(round_subjects[0].slice, round_subjects[0].hash); /* warms it */
  uint64_t start = tern__clock_ns();
  loop_hit(matches);
  print("hit", tern__clock_ns() - start, matches);
}

static void run_wild(void) {
  static struct tern_sink wild[3];
  add(0, &wild[0], tern_slice_of("bench.*.y"));
  add(1, &wild[1], tern_slice_of("bench.>"));
  add(1, &wild[2], tern_slice_of("*.*.x"));
  run_cold("wild");
  tern_index_remove(indexes[0], &wild[0]);
  tern_index_remove(indexes[1], &wild[1]);
  tern_index_remove(indexes[1], &wild[2]);
  step();
}

/* Adds sinks number from to from + filters - 1 on the same filters, all of them new or all known. */
static void run_add(const char *what, size_t from) {
  size_t before = resident_bytes();
  uint64_t start = tern__clock_ns();
  for (size_t i = 0; i < filters; i++) {
    char text[32];
    add(0, &sinks[from + i], name(text, i));
    if (i % 1024 == 0) step();
  }
  print(what, tern__clock_ns() - start, filters);
  printf("       %8.1f bytes per subscription, its sink included (resident)\n",
         (double)(resident_bytes() - before) / (double)filters);
}

int main(int argc, char **argv) {
  static const struct tern_reclaimer_ops reclaimer_ops = {
      .retire = retire, .background = background, .is_online = always};
  if (argc > 1) filters = strtoul(argv[1], NULL, 10);
  if (argc > 2) matches = strtoul(argv[2], NULL, 10);
  const char *only = argc > 3 ? argv[3] : "all";
  bool all = strcmp(only, "all") == 0;
  if (filters == 0 || matches == 0) {
    fprintf(stderr, "usage: micro_match [filters [matches [hit|cold|wild|known|all]]]\n");
    return 2;
  }
  urcu_qsbr_register_thread();
  steps.reclaimer = (struct tern_reclaimer){&reclaimer_ops, &urcu_qsbr_flavor};
  registry = tern_registry_new(&steps.reclaimer);
  for (unsigned i = 0; i < 2 && registry != NULL; i++)
    indexes[i] = tern_index_new(registry, &steps.reclaimer, i);
  sinks = calloc(2 * filters, sizeof *sinks);
  round_subjects = calloc(ROUND, sizeof *round_subjects);
  if (sinks == NULL || round_subjects == NULL || indexes[0] == NULL || indexes[1] == NULL) return 1;
  run_add("add", 0);
  if (all || strcmp(only, "known") == 0) run_add("known", filters);
  if (all || strcmp(only, "hit") == 0) run_hit();
  if (all || strcmp(only, "cold") == 0) run_cold("cold");
  if (all || strcmp(only, "wild") == 0) run_wild();
  for (size_t i = 0; i < 2 * filters; i++) {
    tern_index_remove(indexes[0], &sinks[i]);
    if (i % 1024 == 0) step();
  }
  for (unsigned i = 0; i < 2; i++)
    tern_index_free(indexes[i]);
  step();
  tern_registry_free(registry);
  free(sinks);
  free(round_subjects);
  urcu_qsbr_unregister_thread();
  return 0;
}
