/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rivals cost when nobody else is there, to be compared with the cases of match.c and ring.c: instructions do
 * not show what a lock costs when others have it. size: filters, or bytes of a record; with: records taken at once.
 *
 *     match        any subject of so many literal filters; nothing is cached, so this stands against hit and cold
 *     match-wild   the same with three wildcard filters beside, as in match.c
 *     add          a subscription to a filter that nobody else has
 *     queue        a record through the queue
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../micro.h"
#include "condvar_queue.h"
#include "rwlock_registry.h"

enum { BATCH = 4096, RECORDS = 1024 };

struct subject {
  char text[32];
  struct tern_slice slice;
};

static struct rw_registry *registry;
static struct subject subjects[BATCH];
static unsigned long filters, next_subject;
static struct cv_queue *queue;
static unsigned long record_bytes, batch;
static volatile uint64_t result; /* keeps the compiler from dropping what is measured */

static void name(struct subject *to, unsigned long number) {
  int len = snprintf(to->text, sizeof to->text, "bench.%08lx.x", number * 2654435761u % 0xffffffffu);
  to->slice = (struct tern_slice){to->text, (size_t)len};
}

static void add(struct tern_slice filter) {
  if (rw_add(registry, subjects, filter) != 0) micro_fail("out of memory");
}

static void open_match(const struct micro_case *micro) {
  filters = micro->size;
  next_subject = 0;
  registry = rw_new(filters);
  if (registry == NULL) micro_fail("out of memory");
  for (unsigned long i = 0; i < filters; i++) {
    struct subject filter;
    name(&filter, i);
    add(filter.slice);
  }
}

static void open_wild(const struct micro_case *micro) {
  open_match(micro);
  add(tern_slice_of("bench.*.y"));
  add(tern_slice_of("bench.>"));
  add(tern_slice_of("*.*.x"));
}

static void prepare_match(void) {
  for (unsigned i = 0; i < BATCH; i++)
    name(&subjects[i], next_subject++ * 7919 % filters);
}

static unsigned long run_match(void) {
  for (unsigned i = 0; i < BATCH; i++) {
    void *found[8];
    result += rw_match(registry, subjects[i].slice, found, 8);
  }
  return BATCH;
}

static void prepare_add(void) {
  for (unsigned i = 0; i < BATCH; i++) {
    name(&subjects[i], filters + i);
    rw_remove(registry, subjects, subjects[i].slice);
  }
}

static unsigned long run_add(void) {
  for (unsigned i = 0; i < BATCH; i++)
    add(subjects[i].slice);
  return BATCH;
}

static void close_match(void) { rw_free(registry); }

static void open_queue(const struct micro_case *micro) {
  record_bytes = micro->size;
  batch = micro->with;
  queue = cv_new(256 * 1024);
  if (queue == NULL) micro_fail("out of memory");
}

static void on_record(void *arg, const void *data, size_t len) {
  (void)arg, (void)data;
  result += len;
}

static unsigned long run_queue(void) {
  static const char record[256];
  for (unsigned long i = 0; i < RECORDS / batch; i++) {
    for (unsigned long n = 0; n < batch; n++)
      cv_put(queue, record, record_bytes);
    cv_take(queue, on_record, NULL);
  }
  return RECORDS / batch * batch;
}

static void close_queue(void) { cv_free(queue); }

int main(int argc, char **argv) {
  static const struct micro_case cases[] = {
      {"match-100k", 100000, 0, 5, open_match, prepare_match, run_match, close_match},
      {"match-wild-100k", 100000, 0, 5, open_wild, prepare_match, run_match, close_match},
      {"add-100k", 100000, 0, 5, open_match, prepare_add, run_add, close_match},
      {"queue-64x1", 64, 1, 10, open_queue, NULL, run_queue, close_queue},
      {"queue-64x64", 64, 64, 10, open_queue, NULL, run_queue, close_queue},
  };
  return micro_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
