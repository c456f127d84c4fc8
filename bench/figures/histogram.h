/* SPDX-License-Identifier: Apache-2.0 */
/** Latencies in nanoseconds, counted to three digits whatever their magnitude. See histogram.c. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <jansson.h>
#include <stdint.h>

/** What is longer counts as this: an hour. */
#define HISTOGRAM_MAX_NS UINT64_C(3600000000000)

/** A histogram: about 270 KB. One thread at a time; threads have one each, and merge them afterwards. */
struct histogram;

/** Returns an empty one, or NULL: out of memory. */
struct histogram *histogram_new(void);
void histogram_free(struct histogram *h);
/** Forgets everything recorded. */
void histogram_reset(struct histogram *h);
/** Counts a value. Allocates nothing. */
void histogram_record(struct histogram *h, uint64_t ns);
/** Counts a value n times. */
void histogram_record_n(struct histogram *h, uint64_t ns, uint64_t n);
/** Adds what `from` holds. */
void histogram_merge(struct histogram *h, const struct histogram *from);

/** How many values there are. The others are 0 when there are none. */
uint64_t histogram_count(const struct histogram *h);
/** Exact. */
uint64_t histogram_min(const struct histogram *h);
/** Exact. */
uint64_t histogram_max(const struct histogram *h);
/** Exact but for rounding. */
double histogram_mean(const struct histogram *h);
/** The smallest value that at least `percentile` (0 to 100) percent of all do not exceed, too high by less than
 * one part in 1024; never above the highest value. */
uint64_t histogram_value_at(const struct histogram *h, double percentile);

/** What a row has as "latency": count, percentiles and the curve, where `from` says from when it counts; JSON null
 * when there are no values. NULL: out of memory. */
json_t *histogram_row(const struct histogram *h, const char *from);
/** What a row has as "hiccup", likewise. */
json_t *histogram_hiccup_row(const struct histogram *h);

#endif
