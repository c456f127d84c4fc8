/* SPDX-License-Identifier: Apache-2.0 */
/** Rows: what one measurement prints with --json, read back, and figures over several of them. See rows.c. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "interval.h"

/** Rounds above this are not looked at. */
#define ROUNDS_MAX 1000

/** Appends a file's rows, one JSON object in a line, to the array `rows`. Returns 0, or -1 with the reason in error. */
int rows_read(json_t *rows, const char *path, char *error, size_t error_size);

/** A number in a row; `path` goes down with slashes ("latency/p99.9"). NAN when it is not there. */
double row_number(const json_t *row, const char *path);
/** A text in a row; "" when it is not there. */
const char *row_text(const json_t *row, const char *path);
/** What was measured: rows with the same case can be compared. */
const char *row_case(const json_t *row);
/** Whose figures they are. */
const char *row_label(const json_t *row);
/** It is the byte forwarder's: the limit. */
bool row_is_limit(const json_t *row);
/** The server has no such thing; nothing was measured. */
bool row_cannot(const json_t *row);
/** Complete and without a fault: only such rows count. */
bool row_sound(const json_t *row);
/** Whether the rate is the one asked for, as in an open loop, and only the latencies tell something. */
bool row_is_paced(const json_t *row);
/** Whether a lower "rate" is the better one. */
bool row_lower_is_better(const json_t *row);
/** Lost, doubled, reordered and altered messages. */
double row_faults(const json_t *row);

/** Which round it is of, from 1; 0: of none. */
unsigned row_round(const json_t *row);

/** The cases, in the order they first appear: an array of texts. */
json_t *rows_cases(const json_t *rows);
/** Likewise the labels, of one case or (NULL) of all; without the limit's where there is none. */
json_t *rows_labels(const json_t *rows, const char *of_case);
/** A row of the case and label, a sound one if there is any; NULL: none at all. */
const json_t *rows_find(const json_t *rows, const char *of_case, const char *label);
/** The label of the first row that is not the limit's; NULL: none. */
const char *rows_first_label(const json_t *rows);
/** The label of the limit; NULL: none. */
const char *rows_limit_label(const json_t *rows);

/** Which figure; of_case NULL: of all cases together. */
struct figure_key {
  const char *of_case, *label, *path;
};

/** Over rounds. count 0: there is nothing. */
struct spread {
  double median, min, max;
  struct interval interval; /* of the median */
  unsigned count;
};

/** One more than the highest round there is. */
unsigned rows_rounds_end(const json_t *rows);
/** A figure's mean within a round; NAN when there is none that counts: sound, not left out (noise.h), and no rate with
 * a note. */
double rows_mean(const json_t *rows, const struct figure_key *figure, unsigned round);
/** A figure over the rounds; within a round the mean counts. */
struct spread rows_spread(const json_t *rows, const struct figure_key *figure);
/** The spread of some numbers, which it sorts. */
struct spread spread_of(double *values, unsigned count);
/** The ratio of two figures, taken within each round that has both. */
struct spread rows_ratio(const json_t *rows, const struct figure_key *over, const struct figure_key *under);

#endif
