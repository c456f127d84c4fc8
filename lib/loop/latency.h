/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How long input and output wait in a loop, measured in one tick of so many: histograms, and what a loop remembers of a
 * tick that is measured (latency.c). Thread: the loop's owner, but for tern__histogram_read.
 */
#ifndef TERN_LOOP_LATENCY_H
#define TERN_LOOP_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/stats.h>
#include <tern/worker.h>

struct tern_flush;
struct tern_loop;
struct tern_watch;

/** Durations, in places that double (TERN_TICK_BUCKET_NS). Zero-initialise it. */
struct tern__histogram {
  struct tern_counter ns; /* all of them together */
  struct tern_counter buckets[TERN_TICK_BUCKETS];
};

/** Counts one. */
void tern__histogram_add(struct tern__histogram *histogram, uint64_t ns);
/** Reads all. Thread: any. */
void tern__histogram_read(const struct tern__histogram *histogram, struct tern_histogram *out);

/** A loop's part. Zero: nothing is measured but ticks as a whole, by the worker (inbox.c). */
struct tern__latency {
  unsigned every;                 /* ticks of which one is measured; 0: none is */
  unsigned left;                  /* ticks of this block that are to come */
  unsigned place;                 /* the one that is measured, counted from the end */
  bool on;                        /* this tick is */
  uint32_t random;                /* state of a generator */
  const struct tern_flush *drawn; /* the output that is measured; NULL: none, or it is done */
  uint32_t queued;                /* outputs it was drawn from */
  uint64_t queued_ns;             /* when it was queued */
  struct tern__histogram stages[TERN_LATENCIES];
  struct tern__histogram ticks; /* all of them, by how long they took */
};

/** Begins a tick. */
void tern__latency_begin(struct tern__latency *latency);
/** The place on the ready list, from 1 on, of one with input to read, each as probably; 0: there is none. */
uint32_t tern__latency_draw_ready(struct tern__latency *latency, const struct tern_watch *ready);
/** Runs a watch and measures how long it has waited since the poll, and how long it takes. */
void tern__latency_run(struct tern_loop *loop, struct tern_watch *watch);
/** An output was queued: perhaps it is the one that will be measured. */
void tern__latency_queued(struct tern_loop *loop, const struct tern_flush *flush);
/** The output that was drawn has been written. */
void tern__latency_flushed(struct tern_loop *loop);

#endif
