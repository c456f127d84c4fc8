/* SPDX-License-Identifier: Apache-2.0 */
/** Figures as people read them: three digits and a unit. NAN becomes "-". */
#ifndef BENCH_PRETTY_H
#define BENCH_PRETTY_H

#include "rows.h"

/** A text of one figure. */
struct pretty {
  char text[64];
};

/** "9.12 M", "834 k", "17.2". */
struct pretty pretty_number(double value);
/** "52.1 us", "1.20 ms". */
struct pretty pretty_ns(double ns);
/** "781 B", "2.9 MB" (10^6 bytes). */
struct pretty pretty_bytes(double bytes);
/** A rate with its unit: "9.12 M msg/s", "781 B/conn". */
struct pretty pretty_rate(double value, const char *unit);
/** "6.12 (5.80-6.40)", the lowest and the highest; of a single round: "6.12". */
struct pretty pretty_ratio(const struct spread *ratio);
/** The same with the interval of the median. */
struct pretty pretty_interval(const struct spread *ratio);

#endif
