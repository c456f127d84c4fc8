/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram of high dynamic range: the same relative error for a microsecond and for a minute.
 *
 *     value          0 ... 2047   2048 ... 4095   4096 ... 8191   ...
 *     slot width          1             2               4         ...
 *     slots            2048          1024            1024         1024 for each doubling
 *
 * A value's slot follows from the place of its highest bit and the ten bits behind that: recording is a shift
 * and an addition. A slot answers with its highest value, so that a percentile is never told lower than it
 * was. Minimum, maximum and sum are kept beside, exactly. Values above an hour count as an hour.
 *
 * Nothing is shared: every thread records into its own, and whoever has joined the threads merges.
 */
#include "histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HALF_BITS  10
#define HALF_SLOTS (1u << HALF_BITS)
/* An hour has 42 bits; the first 11 are the part with slots of width 1. */
#define SLOTS (2 * HALF_SLOTS + (42 - HALF_BITS - 1) * HALF_SLOTS)

/* Ten points of the curve for every factor of ten, to the millionth part. */
#define CURVE_PER_TEN 10
#define CURVE_POINTS  60

struct histogram {
  uint64_t count, min, max;
  double sum;
  uint64_t slots[SLOTS];
};

struct histogram *histogram_new(void) {
  struct histogram *h = malloc(sizeof *h);
  if (h != NULL) histogram_reset(h);
  return h;
}

void histogram_free(struct histogram *h) { free(h); }

void histogram_reset(struct histogram *h) {
  memset(h, 0, sizeof *h);
  h->min = UINT64_MAX;
}

/* How many low bits of a value its slot does not tell apart. */
static unsigned blur_of(uint64_t ns) {
  unsigned bits = 64 - (unsigned)__builtin_clzll(ns | 1);
  return bits > HALF_BITS + 1 ? bits - HALF_BITS - 1 : 0;
}

static size_t slot_of(uint64_t ns) {
  unsigned blur = blur_of(ns);
  return (size_t)blur * HALF_SLOTS + (size_t)(ns >> blur);
}

/* The highest value of a slot. */
static uint64_t value_of(size_t slot) {
  if (slot < 2 * HALF_SLOTS) return slot;
  unsigned blur = (unsigned)(slot / HALF_SLOTS) - 1;
  return ((uint64_t)(slot - (size_t)blur * HALF_SLOTS + 1) << blur) - 1;
}

void histogram_record_n(struct histogram *h, uint64_t ns, uint64_t n) {
  if (n == 0) return;
  if (ns > HISTOGRAM_MAX_NS) ns = HISTOGRAM_MAX_NS;
  if (ns < h->min) h->min = ns;
  if (ns > h->max) h->max = ns;
  h->count += n;
  h->sum += (double)ns * (double)n;
  h->slots[slot_of(ns)] += n;
}

void histogram_record(struct histogram *h, uint64_t ns) { histogram_record_n(h, ns, 1); }

void histogram_merge(struct histogram *h, const struct histogram *from) {
  if (from->min < h->min) h->min = from->min;
  if (from->max > h->max) h->max = from->max;
  h->count += from->count;
  h->sum += from->sum;
  for (size_t i = 0; i < SLOTS; i++)
    h->slots[i] += from->slots[i];
}

uint64_t histogram_count(const struct histogram *h) { return h->count; }

uint64_t histogram_min(const struct histogram *h) { return h->count > 0 ? h->min : 0; }

uint64_t histogram_max(const struct histogram *h) { return h->max; }

double histogram_mean(const struct histogram *h) { return h->count > 0 ? h->sum / (double)h->count : 0; }

uint64_t histogram_value_at(const struct histogram *h, double percentile) {
  if (h->count == 0) return 0;
  double share = percentile > 100 ? 100 : percentile < 0 ? 0 : percentile;
  /* 99.9 is not exact in binary: without the small step back 999 of 1000 would become 1000. */
  double wanted = ceil(share / 100 * (double)h->count * (1 - 1e-14));
  if (wanted <= 1) return h->min;
  uint64_t seen = 0;
  for (size_t i = slot_of(h->min); i < SLOTS; i++) {
    seen += h->slots[i];
    if ((double)seen >= wanted) return value_of(i) < h->max ? value_of(i) : h->max;
  }
  return h->max;
}

/* [percentile, value] pairs from the lowest value to the highest, closer together towards the end. */
static json_t *curve_of(const struct histogram *h) {
  json_t *curve = json_array();
  for (unsigned i = 0; curve != NULL && i < CURVE_POINTS; i++) {
    double one_in = pow(10, (double)i / CURVE_PER_TEN);
    if (one_in > (double)h->count) break;
    double percentile = 100 - 100 / one_in;
    json_array_append_new(curve,
                          json_pack("[f,I]", percentile, (json_int_t)histogram_value_at(h, percentile)));
  }
  if (curve != NULL) json_array_append_new(curve, json_pack("[f,I]", 100.0, (json_int_t)h->max));
  return curve;
}

static void set_percentile(json_t *row, const char *name, const struct histogram *h, double percentile) {
  json_object_set_new(row, name, json_integer((json_int_t)histogram_value_at(h, percentile)));
}

json_t *histogram_row(const struct histogram *h, const char *from) {
  if (h->count == 0) return json_null();
  json_t *row = json_pack("{s:I, s:I, s:f}", "count", (json_int_t)h->count, "min", (json_int_t)h->min, "mean",
                          histogram_mean(h));
  if (row == NULL) return NULL;
  set_percentile(row, "p50", h, 50);
  set_percentile(row, "p90", h, 90);
  set_percentile(row, "p99", h, 99);
  set_percentile(row, "p99.9", h, 99.9);
  set_percentile(row, "p99.99", h, 99.99);
  set_percentile(row, "max", h, 100);
  json_object_set_new(row, "from", json_string(from));
  json_object_set_new(row, "curve", curve_of(h));
  return row;
}

json_t *histogram_hiccup_row(const struct histogram *h) {
  if (h->count == 0) return json_null();
  json_t *row = json_object();
  if (row == NULL) return NULL;
  set_percentile(row, "p50", h, 50);
  set_percentile(row, "p99", h, 99);
  set_percentile(row, "p99.9", h, 99.9);
  set_percentile(row, "max", h, 100);
  return row;
}
