/* SPDX-License-Identifier: Apache-2.0 */
/** How well some measurements tell the median of all that could be made. See interval.c. */
#ifndef BENCH_INTERVAL_H
#define BENCH_INTERVAL_H

/** Where the median lies with 95 % confidence. NAN both: too few measurements to say anything. */
struct interval {
  double low, high;
};

/** The interval of so many measurements, in ascending order. */
struct interval interval_of_median(const double *sorted, unsigned count);

#endif
