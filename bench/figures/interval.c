/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Confidence intervals of a median.
 *
 * From six measurements on by order statistics: the median is below the k-th smallest of n only when fewer than k of
 * them are below the median, each of which has the chance 1/2. The largest k is taken for which that and its mirror image
 * have at most 5 % together. Nothing is assumed about how measurements are distributed.
 *
 * Of fewer than six even the lowest and the highest have the median between them too rarely: two in 50 %, three in 75 %,
 * four in 87.5 %, five in 93.75 % of all cases. Then Student's t of the logarithms, which assumes that they are spread
 * about alike to both sides, and gives intervals that are as wide as so few measurements deserve: of two, nine times
 * their standard deviation to each side. A single one says nothing.
 *
 * Pure.
 */
#include "interval.h"

#include <math.h>
#include <stdbool.h>

#define FEW    6
#define MISSES 0.05 /* how often the median may lie outside */

/* The k above, counted from 1. */
static unsigned rank_of(unsigned count) {
  double chance = pow(0.5, count), below = chance; /* that none is below; that fewer than k are */
  for (unsigned k = 1; k < count; k++) {
    chance *= (double)(count - k + 1) / k;
    if (2 * (below + chance) > MISSES) return k;
    below += chance;
  }
  return 1;
}

static struct interval by_student(const double *values, unsigned count) {
  static const double t[FEW] = {[2] = 12.706, [3] = 4.303, [4] = 3.182, [5] = 2.776}; /* 97.5 % */
  bool ratios = values[0] > 0;
  double mean = 0, squares = 0;
  for (unsigned i = 0; i < count; i++)
    mean += (ratios ? log(values[i]) : values[i]) / count;
  for (unsigned i = 0; i < count; i++) {
    double off = (ratios ? log(values[i]) : values[i]) - mean;
    squares += off * off;
  }
  double half = t[count] * sqrt(squares / (count - 1) / count);
  return ratios ? (struct interval){exp(mean - half), exp(mean + half)}
                : (struct interval){mean - half, mean + half};
}

struct interval interval_of_median(const double *sorted, unsigned count) {
  if (count < 2) return (struct interval){NAN, NAN};
  if (count < FEW) return by_student(sorted, count);
  unsigned k = rank_of(count);
  return (struct interval){sorted[k - 1], sorted[count - k]};
}
