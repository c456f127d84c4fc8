/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Noise: what else happened on the machine while a round of a case was measured.
 *
 *     rows of one case and round -> processor time the host gave to others, more than 1 %            \
 *                                -> the forwarder's rate, more than 10 % off its median over rounds  / noisy
 *
 * The forwarder never changes: when it was faster or slower than it is otherwise, so was the machine. That takes three
 * rounds, of two nobody can tell which one is off. A round counts or does not count for all servers alike. When half
 * of a case's rounds or more are noisy, that is how the machine is: then all of them count, and it is said. Rows of no
 * round are nobody's.
 *
 * Pure.
 */
#include "noise.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rows.h"

#define STOLEN_MAX     0.01
#define LIMIT_OFF_MAX  0.1
#define LIMIT_TELLS_AT 3 /* rounds */

static bool is_of(const json_t *row, const char *of_case, unsigned round) {
  return row_round(row) == round && strcmp(row_case(row), of_case) == 0;
}

/* The share of all processors' time that was taken in a round; 0 when nothing is known. */
static double stolen_in(const json_t *rows, const char *of_case, unsigned round) {
  double all = 0, stolen = 0;
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    double ticks = row_number(row, "machine/ticks"), taken = row_number(row, "machine/stolen");
    if (!is_of(row, of_case, round) || isnan(ticks) || isnan(taken)) continue;
    all += ticks;
    stolen += taken;
  }
  return all > 0 ? stolen / all : 0;
}

/* How far the limit is off its median, as a share; 0 when nobody can tell. */
static double limit_off_in(const json_t *rows, const char *of_case, unsigned round) {
  const char *label = rows_limit_label(rows);
  if (label == NULL) return 0;
  struct figure_key key = {of_case, label, "rate"};
  struct spread usual = rows_spread(rows, &key);
  double here = rows_mean(rows, &key, round);
  return usual.count < LIMIT_TELLS_AT || isnan(here) ? 0 : here / usual.median - 1;
}

/* Why a round is noisy; false: it is not. */
static bool is_noisy(const json_t *rows, const char *of_case, unsigned round, char *why, size_t size) {
  double stolen = stolen_in(rows, of_case, round), off = limit_off_in(rows, of_case, round);
  if (stolen > STOLEN_MAX)
    snprintf(why, size, "steal %.1f %%", stolen * 100);
  else if (fabs(off) > LIMIT_OFF_MAX)
    snprintf(why, size, "forwarder %+.0f %%", off * 100);
  return stolen > STOLEN_MAX || fabs(off) > LIMIT_OFF_MAX;
}

/* Rounds of a case that there are, and how many of them have the mark. */
static unsigned rounds_with(const json_t *rows, const char *of_case, const char *mark) {
  unsigned count = 0, end = rows_rounds_end(rows);
  for (unsigned round = 1; round < end; round++) {
    bool any = false;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
      if (is_of(row, of_case, round) && (mark == NULL || json_object_get(row, mark) != NULL)) any = true;
    }
    count += any;
  }
  return count;
}

static void mark_round(json_t *rows, const char *of_case, unsigned round, const char *why) {
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    if (is_of(row, of_case, round)) json_object_set_new(row, "noise", json_string(why));
  }
}

static void mark_case(json_t *rows, const char *of_case) {
  unsigned end = rows_rounds_end(rows);
  char why[64];
  size_t i;
  json_t *row;
  for (unsigned round = 1; round < end; round++) {
    if (is_noisy(rows, of_case, round, why, sizeof why)) mark_round(rows, of_case, round, why);
  }
  if (rounds_with(rows, of_case, "noise") * 2 >= rounds_with(rows, of_case, NULL)) return;
  json_array_foreach(rows, i, row) {
    if (strcmp(row_case(row), of_case) == 0 && json_object_get(row, "noise") != NULL)
      json_object_set_new(row, "left_out", json_true());
  }
}

void noise_mark(json_t *rows) {
  json_t *cases = rows_cases(rows), *each;
  size_t i;
  json_array_foreach(rows, i, each) {
    json_object_del(each, "noise");
    json_object_del(each, "left_out");
  }
  json_array_foreach(cases, i, each) mark_case(rows, json_string_value(each));
  json_decref(cases);
}

char *noise_of_case(const json_t *rows, const char *of_case, char *text, size_t size) {
  unsigned all = rounds_with(rows, of_case, NULL), noisy = rounds_with(rows, of_case, "noise");
  bool left_out = rounds_with(rows, of_case, "left_out") > 0;
  *text = '\0';
  if (noisy > 0)
    snprintf(text, size, "%u of %u rounds %s", noisy, all, left_out ? "left out as noisy" : "noisy");
  return text;
}

/* How many rounds of a case do not count, by reason, and how many do although they are noisy. */
struct tally {
  unsigned all, stolen, off, kept;
};

static void count_case(const json_t *rows, const char *of_case, struct tally *tally) {
  unsigned end = rows_rounds_end(rows);
  tally->all += rounds_with(rows, of_case, NULL);
  if (rounds_with(rows, of_case, "left_out") == 0) {
    tally->kept += rounds_with(rows, of_case, "noise");
    return;
  }
  for (unsigned round = 1; round < end; round++) {
    const char *why = "";
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
      if (is_of(row, of_case, round)) why = row_text(row, "noise");
    }
    tally->stolen += *why == 's';
    tally->off += *why == 'f';
  }
}

char *noise_of_all(const json_t *rows, char *text, size_t size) {
  struct tally tally = {.all = 0};
  json_t *cases = rows_cases(rows), *of_case;
  size_t i;
  json_array_foreach(cases, i, of_case) count_case(rows, json_string_value(of_case), &tally);
  json_decref(cases);
  *text = '\0';
  if (tally.stolen + tally.off + tally.kept > 0)
    snprintf(text, size,
             "Noise, in %u rounds of a case: %u do not count because the host gave more than 1 %% of the "
             "processors to "
             "others, %u because the forwarder was more than 10 %% off its median; %u count although noisy, "
             "because "
             "half of their case or more were.",
             tally.all, tally.stolen, tally.off, tally.kept);
  return text;
}
