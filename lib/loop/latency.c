/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is measured in a tick, one of each block of `every`, drawn at random because ticks with and without input may take
 * turns; in all others the loop compares a few words, and nothing here runs.
 *
 *     1 inbox     crossing: the other worker's mark (inbox.c) says when it was put behind the records just handled
 *     2 poll      the loop reads its clock in every tick
 *     3 ready     one of those with input is drawn.     waiting:  from the poll to its turn
 *                                                       handling: its turn: reading, and all that follows from it
 *     4 publish   a mark with the time goes behind the records for each other worker
 *     5 flush     one of those with output was drawn.   flushing: from when it was queued until it has been written
 *
 * How many outputs there will be nobody knows when one is queued: the n-th takes the place of the one drawn before with
 * the probability 1/n, so that each has the same chance in the end (reservoir sampling), for a few readings of the clock.
 */
#include "latency.h"

#include "loop_internal.h"

static int ilog2(uint64_t value) { return 63 - __builtin_clzll(value); }

void tern__histogram_add(struct tern__histogram *histogram, uint64_t ns) {
  unsigned bucket = ns < TERN_TICK_BUCKET_NS ? 0 : (unsigned)(ilog2(ns) - ilog2(TERN_TICK_BUCKET_NS)) + 1;
  if (bucket >= TERN_TICK_BUCKETS) bucket = TERN_TICK_BUCKETS - 1;
  tern_counter_add(&histogram->buckets[bucket], 1);
  tern_counter_add(&histogram->ns, ns);
}

void tern__histogram_read(const struct tern__histogram *histogram, struct tern_histogram *out) {
  out->ns = tern_counter_read(&histogram->ns);
  for (unsigned i = 0; i < TERN_TICK_BUCKETS; i++)
    out->buckets[i] = tern_counter_read(&histogram->buckets[i]);
}

static void measured(struct tern_loop *loop, enum tern_latency stage, uint64_t from_ns, uint64_t to_ns) {
  tern__histogram_add(&loop->latency.stages[stage], to_ns > from_ns ? to_ns - from_ns : 0);
}

/* A number below bound; the generator of Numerical Recipes is good enough to pick who is measured. */
static uint32_t draw(struct tern__latency *latency, uint32_t bound) {
  latency->random = latency->random * 1664525u + 1013904223u;
  return (uint32_t)(((uint64_t)latency->random * bound) >> 32);
}

void tern__latency_begin(struct tern__latency *latency) {
  if (latency->left == 0) {
    latency->left = latency->every;
    latency->place = draw(latency, latency->every) + 1;
  }
  latency->on = latency->left-- == latency->place;
  if (!latency->on) return;
  latency->drawn = NULL;
  latency->queued = 0;
}

static bool has_input(const struct tern_watch *watch) { return (watch->events & TERN_WATCH_READ) != 0; }

uint32_t tern__latency_draw_ready(struct tern__latency *latency, const struct tern_watch *ready) {
  uint32_t count = 0, place = 0;
  for (const struct tern_watch *watch = ready; watch != NULL; watch = watch->next)
    count += has_input(watch);
  if (count == 0) return 0;
  uint32_t drawn = draw(latency, count) + 1;
  for (const struct tern_watch *watch = ready; watch != NULL && drawn > 0; watch = watch->next, place++)
    drawn -= has_input(watch);
  return place;
}

void tern__latency_run(struct tern_loop *loop, struct tern_watch *watch) {
  const uint64_t begin = tern__loop_clock_ns(loop);
  measured(loop, TERN_LATENCY_WAITING, loop->polled_ns, begin);
  watch->run(watch);
  measured(loop, TERN_LATENCY_HANDLING, begin, tern__loop_clock_ns(loop));
}

void tern__latency_queued(struct tern_loop *loop, const struct tern_flush *flush) {
  struct tern__latency *latency = &loop->latency;
  if (draw(latency, ++latency->queued) != 0) return;
  latency->drawn = flush;
  latency->queued_ns = tern__loop_clock_ns(loop);
}

void tern__latency_flushed(struct tern_loop *loop) {
  measured(loop, TERN_LATENCY_FLUSHING, loop->latency.queued_ns, tern__loop_clock_ns(loop));
}
