/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern-bench agree: whether two runs found the same.
 *
 *     A.rows, B.rows -> for each case, server and figure: the ratio's median and its interval in A and in B
 *     one file       -> its odd rounds and its even ones: two runs that were measured alternately
 *
 * What is set side by side are ratios, to the first server and to the forwarder: of rates (in an open loop of p99.9), and
 * to the first server also of the broker's CPU and of p99.9 where there are latencies. Figures themselves belong to a
 * machine and a moment. Two runs agree on a ratio when the 95 % intervals of its median overlap (interval.c): if both
 * measure the same, about one ratio of two hundred does not. Medians that differ by less than 1 % agree however narrow
 * the intervals are, as those of memory can be. Few rounds make wide intervals, which overlap easily: the table shows how
 * wide they are, and the last line by how much the medians differ.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "noise.h"
#include "pretty.h"
#include "rows.h"
#include "table.h"

/* Two runs, and what came of comparing them. */
struct agreement {
  json_t *rows[2];
  json_t *table;
  double *differences; /* of the medians, as shares of the lower one */
  unsigned compared, apart, unknown;
};

#define RATIOS_MAX 4    /* of one server in one case */
#define SAME_BELOW 0.01 /* difference of medians */

/* A ratio of two servers' figures. */
struct ratio {
  const char *of_case, *label, *to, *path, *name;
};

static struct spread ratio_in(const json_t *rows, const struct ratio *ratio) {
  struct figure_key over = {ratio->of_case, ratio->label, ratio->path};
  struct figure_key under = {ratio->of_case, ratio->to, ratio->path};
  return rows_ratio(rows, &over, &under);
}

/* Whether intervals overlap, or the medians are as good as the same. */
static bool agree(const struct spread *a, const struct spread *b, double difference) {
  return (a->interval.low <= b->interval.high && b->interval.low <= a->interval.high) ||
         difference < SAME_BELOW;
}

/* Adds a line, where one of the runs has the figure. */
static void add_ratio(struct agreement *agreement, const struct ratio *ratio) {
  struct spread a = ratio_in(agreement->rows[0], ratio), b = ratio_in(agreement->rows[1], ratio);
  if (a.count == 0 && b.count == 0) return;
  char rounds[32], difference[32] = "-";
  const char *verdict = "too few rounds";
  if (a.count >= 2 && b.count >= 2) {
    double low = fmin(a.median, b.median), share = low > 0 ? fmax(a.median, b.median) / low - 1 : 0;
    bool same = agree(&a, &b, share);
    snprintf(difference, sizeof difference, "%.1f %%", share * 100);
    agreement->differences[agreement->compared++] = share;
    agreement->apart += !same;
    verdict = same ? "yes" : "NO";
  } else {
    agreement->unknown++;
  }
  snprintf(rounds, sizeof rounds, "%u, %u", a.count, b.count);
  table_row(agreement->table);
  table_cell(agreement->table, ratio->of_case);
  table_cell(agreement->table, ratio->label);
  table_cell(agreement->table, ratio->name);
  table_cell(agreement->table, ratio->to);
  table_cell(agreement->table, pretty_interval(&a).text);
  table_cell(agreement->table, pretty_interval(&b).text);
  table_cell(agreement->table, rounds);
  table_cell(agreement->table, difference);
  table_cell(agreement->table, verdict);
}

/* All ratios of one server in a case. */
static void add_server(struct agreement *agreement, const json_t *all, const char *of_case,
                       const char *label) {
  const char *first = rows_first_label(all), *limit = rows_limit_label(all);
  bool paced = row_is_paced(rows_find(all, of_case, label));
  const char *path = paced ? "latency/p99.9" : "rate", *name = paced ? "p99.9" : "rate";
  bool to_first = first != NULL && strcmp(label, first) != 0, to_limit = limit != NULL;
  struct ratio main = {of_case, label, first, path, name}, to_other = {of_case, label, limit, path, name};
  if (to_limit && strcmp(label, limit) == 0) return; /* who is the limit is compared with nobody */
  if (to_first) add_ratio(agreement, &main);
  if (to_limit) add_ratio(agreement, &to_other);
  if (!to_first) return;
  add_ratio(agreement, &(struct ratio){of_case, label, first, "broker/cpu_ns_per_message", "CPU"});
  if (!paced) add_ratio(agreement, &(struct ratio){of_case, label, first, "latency/p99.9", "p99.9"});
}

static void add_all(struct agreement *agreement, const json_t *all) {
  json_t *cases = rows_cases(all), *of_case, *label;
  size_t i, k;
  json_array_foreach(cases, i, of_case) {
    json_t *labels = rows_labels(all, json_string_value(of_case));
    json_array_foreach(labels, k, label)
        add_server(agreement, all, json_string_value(of_case), json_string_value(label));
    json_decref(labels);
  }
  json_decref(cases);
}

/* The last line, and the exit code. */
static int sum_up(struct agreement *agreement) {
  unsigned count = agreement->compared;
  if (count == 0) {
    puts("\nNothing can be compared: it takes two rounds in each run, and two servers.");
    return EXIT_INCOMPLETE;
  }
  struct spread differences = spread_of(agreement->differences, count);
  printf(
      "\nThe 95 %% intervals of the medians overlap for %u of %u ratios. The medians of one run differ from "
      "those of the other by %.1f %% in the middle and %.1f %% at most.",
      count - agreement->apart, count, differences.median * 100, differences.max * 100);
  if (agreement->unknown > 0) printf(" Of %u ratios one run has fewer than two rounds.", agreement->unknown);
  putchar('\n');
  if (agreement->apart > 0) return EXIT_FAULTS;
  return agreement->unknown > 0 ? EXIT_INCOMPLETE : EXIT_FINE;
}

static int compare_runs(struct agreement *agreement) {
  json_t *all = json_array();
  json_array_extend(all, agreement->rows[0]);
  json_array_extend(all, agreement->rows[1]);
  agreement->table =
      table_new("scenario|server|ratio of|to|>first run|>second run|>rounds|>medians differ|overlap");
  agreement->differences = calloc(json_array_size(all) + 1, RATIOS_MAX * sizeof *agreement->differences);
  int code = EXIT_INCOMPLETE;
  if (agreement->table != NULL && agreement->differences != NULL) {
    add_all(agreement, all);
    table_write(agreement->table, stdout);
    code = sum_up(agreement);
  }
  free(agreement->differences);
  json_decref(agreement->table);
  json_decref(all);
  return code;
}

/* Keeps of a run the rows that a comparison measured, which have a round; with `even` those of every second round go to
 * the second run. */
static void sort_out(json_t **run, json_t *even) {
  json_t *all = *run, *row;
  size_t i;
  *run = json_array();
  json_array_foreach(all, i, row) {
    unsigned round = row_round(row);
    if (round > 0) json_array_append(even != NULL && round % 2 == 0 ? even : *run, row);
  }
  json_decref(all);
}

static const char usage[] =
    "usage: tern-bench agree ROWFILE ROWFILE   whether two comparisons found the same ratios\n"
    "       tern-bench agree ROWFILE           the same of its odd rounds and its even ones\n"
    "Ratios whose medians differ by less than 1 % count as overlapping.\n"
    "exit code: 0 the intervals of all ratios overlap, 1 those of some do not, 2 some or all cannot be "
    "compared\n";

int agree_main(int argc, char **argv) {
  if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
    fputs(usage, stdout);
    return EXIT_FINE;
  }
  if (argc != 2 && argc != 3) {
    fputs(usage, stderr);
    return EXIT_INCOMPLETE;
  }
  struct agreement agreement = {.rows = {json_array(), json_array()}};
  char error[400] = "", noise[2][NOISE_TEXT_MAX] = {"", ""};
  int code = EXIT_INCOMPLETE;
  for (int i = 1; i < argc && *error == '\0'; i++)
    rows_read(agreement.rows[i - 1], argv[i], error, sizeof error);
  if (*error != '\0') {
    fprintf(stderr, "tern-bench: %s\n", error);
  } else {
    for (unsigned i = 0; i < 2; i++) {
      noise_mark(agreement.rows[i]);
      noise_of_all(agreement.rows[i], noise[i], sizeof noise[i]);
    }
    for (unsigned i = 0; i + 1 < (unsigned)argc; i++)
      sort_out(&agreement.rows[i], argc == 2 ? agreement.rows[1] : NULL);
    code = compare_runs(&agreement);
    for (unsigned i = 0; i < 2; i++) {
      if (*noise[i] != '\0') printf("%s: %s\n", argv[i + 1], noise[i]);
    }
  }
  json_decref(agreement.rows[0]);
  json_decref(agreement.rows[1]);
  return code;
}
