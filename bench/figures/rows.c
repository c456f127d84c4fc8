/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of several measurements: reading, looking things up, medians and ratios.
 *
 *     {"case":"pubsub --size 16", "label":"tern", "round":2, "rate":9.1e6, "latency":{"p99.9":...}, ...}
 *
 * Rows of one case (or, without one, of one command) are comparable. A comparison measures every server twice
 * in a round, in the order A B C C B A: the mean of the two counts, so that a machine that becomes slower
 * meanwhile does so for all alike. Ratios are taken within a round, and the median is that of the ratios;
 * medians are never divided by one another. Rows that are not sound (an error, a fault found) do not count, nor do
 * those of rounds that were left out (noise.c), nor the rate of a row with a note, which says why it tells nothing.
 *
 * Everything is a walk over a list of some hundred rows; nothing here is quick, and nothing needs to be.
 */
#include "rows.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int rows_read(json_t *rows, const char *path, char *error, size_t error_size) {
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    snprintf(error, error_size, "cannot read %s: %s", path, strerror(errno));
    return -1;
  }
  char *line = NULL;
  size_t size = 0;
  int result = 0;
  for (unsigned number = 1; result == 0 && getline(&line, &size, file) >= 0; number++) {
    if (line[strspn(line, " \t\r\n")] == '\0') continue;
    json_error_t why;
    json_t *row = json_loads(line, 0, &why);
    if (!json_is_object(row)) {
      snprintf(error, error_size, "%s:%u is not a row: %s", path, number,
               row == NULL ? why.text : "not an object");
      result = -1;
    } else if (json_array_append(rows, row) != 0) {
      snprintf(error, error_size, "out of memory");
      result = -1;
    }
    json_decref(row);
  }
  free(line);
  fclose(file);
  return result;
}

static const json_t *lookup(const json_t *row, const char *path) {
  char name[64];
  for (;;) {
    size_t len = strcspn(path, "/");
    if (len >= sizeof name) return NULL;
    memcpy(name, path, len);
    name[len] = '\0';
    row = json_object_get(row, name);
    if (path[len] == '\0' || row == NULL) return row;
    path += len + 1;
  }
}

double row_number(const json_t *row, const char *path) {
  const json_t *value = lookup(row, path);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *row_text(const json_t *row, const char *path) {
  const char *text = json_string_value(lookup(row, path));
  return text != NULL ? text : "";
}

const char *row_case(const json_t *row) {
  const char *of_case = row_text(row, "case");
  if (*of_case == '\0') of_case = row_text(row, "command");
  return *of_case != '\0' ? of_case : row_text(row, "scenario");
}

const char *row_label(const json_t *row) {
  const char *label = row_text(row, "label");
  return *label != '\0' ? label : row_text(row, "server/name");
}

bool row_is_limit(const json_t *row) { return strcmp(row_text(row, "server/name"), "forwarder") == 0; }

bool row_cannot(const json_t *row) { return json_is_true(json_object_get(row, "cannot")); }

double row_faults(const json_t *row) {
  static const char *const kinds[] = {"found/lost", "found/doubled", "found/reordered", "found/altered"};
  double sum = 0;
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    double n = row_number(row, kinds[i]);
    if (!isnan(n)) sum += n;
  }
  return sum;
}

bool row_sound(const json_t *row) {
  return *row_text(row, "error") == '\0' && !json_is_true(json_object_get(row, "partial")) &&
         row_faults(row) == 0;
}

bool row_is_paced(const json_t *row) { return row_number(row, "asked_rate") > 0; }

bool row_lower_is_better(const json_t *row) {
  const char *unit = row_text(row, "rate_unit");
  return *unit == 'B' && (unit[1] == '/' || unit[1] == '\0');
}

/* Appends a text that is not there yet. */
static void add_once(json_t *texts, const char *text) {
  size_t i;
  json_t *other;
  json_array_foreach(texts, i, other) {
    if (strcmp(json_string_value(other), text) == 0) return;
  }
  json_array_append_new(texts, json_string(text));
}

json_t *rows_cases(const json_t *rows) {
  json_t *cases = json_array();
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) add_once(cases, row_case(row));
  return cases;
}

json_t *rows_labels(const json_t *rows, const char *of_case) {
  json_t *labels = json_array();
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    if (row_is_limit(row) && row_cannot(row)) continue;
    if (of_case == NULL || strcmp(row_case(row), of_case) == 0) add_once(labels, row_label(row));
  }
  return labels;
}

const json_t *rows_find(const json_t *rows, const char *of_case, const char *label) {
  const json_t *found = NULL;
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    if (strcmp(row_case(row), of_case) != 0 || strcmp(row_label(row), label) != 0) continue;
    if (row_sound(row)) return row;
    if (found == NULL) found = row;
  }
  return found;
}

static const char *label_where(const json_t *rows, bool limit) {
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    if (row_is_limit(row) == limit) return row_label(row);
  }
  return NULL;
}

const char *rows_first_label(const json_t *rows) { return label_where(rows, false); }
const char *rows_limit_label(const json_t *rows) { return label_where(rows, true); }

static bool row_left_out(const json_t *row) { return json_is_true(json_object_get(row, "left_out")); }

unsigned row_round(const json_t *row) {
  double round = row_number(row, "round");
  return round >= 0 && round < ROUNDS_MAX ? (unsigned)round : 0;
}

unsigned rows_rounds_end(const json_t *rows) {
  unsigned end = 0;
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    if (row_round(row) >= end) end = row_round(row) + 1;
  }
  return end;
}

/* Whether a figure of the row counts. A note says why its rate tells nothing. */
static bool counts(const json_t *row, const char *path) {
  if (!row_sound(row) || row_left_out(row)) return false;
  return strcmp(path, "rate") != 0 || *row_text(row, "note") == '\0';
}

double rows_mean(const json_t *rows, const struct figure_key *figure, unsigned round) {
  double sum = 0;
  unsigned count = 0;
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    if (row_round(row) != round || !counts(row, figure->path)) continue;
    bool same_case = figure->of_case == NULL || strcmp(row_case(row), figure->of_case) == 0;
    if (!same_case || strcmp(row_label(row), figure->label) != 0) continue;
    double value = row_number(row, figure->path);
    if (isnan(value)) continue;
    sum += value;
    count++;
  }
  return count > 0 ? sum / count : NAN;
}

static int compare_numbers(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

struct spread spread_of(double *values, unsigned count) {
  if (count == 0)
    return (struct spread){.median = NAN, .min = NAN, .max = NAN, .interval = interval_of_median(values, 0)};
  qsort(values, count, sizeof *values, compare_numbers);
  double median = (values[(count - 1) / 2] + values[count / 2]) / 2;
  return (struct spread){.median = median,
                         .min = values[0],
                         .max = values[count - 1],
                         .interval = interval_of_median(values, count),
                         .count = count};
}

struct spread rows_spread(const json_t *rows, const struct figure_key *figure) {
  double values[ROUNDS_MAX];
  unsigned count = 0, end = rows_rounds_end(rows);
  for (unsigned round = 0; round < end; round++) {
    double value = rows_mean(rows, figure, round);
    if (!isnan(value)) values[count++] = value;
  }
  return spread_of(values, count);
}

struct spread rows_ratio(const json_t *rows, const struct figure_key *over, const struct figure_key *under) {
  double values[ROUNDS_MAX];
  unsigned count = 0, end = rows_rounds_end(rows);
  for (unsigned round = 0; round < end; round++) {
    double ratio = rows_mean(rows, over, round) / rows_mean(rows, under, round);
    if (isfinite(ratio)) values[count++] = ratio;
  }
  return spread_of(values, count);
}
