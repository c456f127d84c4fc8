/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: one line for each case and server, with medians over the rounds, and the ratios to the first server
 * and to the limit: of the rates, or of p99.9 where the rate was asked for. What did not succeed stays in it, with
 * the reason, and counts for nothing.
 */
#include <math.h>
#include <string.h>

#include "noise.h"
#include "pretty.h"
#include "report.h"
#include "table.h"

#define KEPT_UP 0.95 /* of the rate asked for */

/* Why a row does not count. */
static const char *reason_of(const json_t *row) {
  const char *error = row_text(row, "error");
  if (*error != '\0') return error;
  return row_faults(row) > 0 ? "messages lost, doubled, reordered or altered" : "not complete";
}

bool report_client_limited(const json_t *rows, const char *of_case, const char *label) {
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    bool same = strcmp(row_case(row), of_case) == 0 && strcmp(row_label(row), label) == 0;
    if (same && json_is_true(json_object_get(json_object_get(row, "client"), "bottleneck"))) return true;
  }
  return false;
}

/* The least share of the rate asked for that was sent in an open loop; 1: all of it, or it is none. */
static double share_sent(const json_t *rows, const char *of_case, const char *label) {
  double least = 1;
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    bool same = strcmp(row_case(row), of_case) == 0 && strcmp(row_label(row), label) == 0;
    if (!same || !row_sound(row) || strcmp(row_text(row, "latency/from"), "intended send") != 0) continue;
    double share = row_number(row, "sent") / row_number(row, "seconds") / row_number(row, "asked_rate");
    if (share < least) least = share;
  }
  return least;
}

/* Adds a remark to those there are. */
static void add_remark(char *text, size_t size, const char *remark) {
  size_t used = strlen(text);
  if (*remark != '\0') snprintf(text + used, size - used, "%s%s", used > 0 ? "; " : "", remark);
}

/* Why a measurement's rate does not count; "": it does. */
static const char *note_of(const json_t *rows, const char *of_case, const char *label) {
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    const bool same = strcmp(row_case(row), of_case) == 0 && strcmp(row_label(row), label) == 0;
    if (same && row_sound(row) && *row_text(row, "note") != '\0') return row_text(row, "note");
  }
  return "";
}

void report_remarks(const json_t *rows, const char *of_case, const char *label, char *text, size_t size) {
  size_t i, failed = 0, all = 0;
  char noise[80], behind[80];
  const json_t *unsound = NULL;
  json_t *row;
  json_array_foreach(rows, i, row) {
    if (strcmp(row_case(row), of_case) != 0 || strcmp(row_label(row), label) != 0) continue;
    all++;
    if (row_sound(row)) continue;
    failed++;
    unsound = row;
  }
  *text = '\0';
  if (failed > 0 && row_cannot(unsound))
    snprintf(text, size, "%s", reason_of(unsound));
  else if (failed > 0)
    snprintf(text, size, "%zu of %zu FAILED: %s", failed, all, reason_of(unsound));
  else if (report_client_limited(rows, of_case, label))
    snprintf(text, size, "the client was the limit");
  double share = share_sent(rows, of_case, label);
  if (share < KEPT_UP) {
    snprintf(behind, sizeof behind, "down to %.0f %% of the rate was sent", share * 100);
    add_remark(text, size, behind);
  }
  add_remark(text, size, note_of(rows, of_case, label));
  if (failed == 0 || !row_cannot(unsound))
    add_remark(text, size, noise_of_case(rows, of_case, noise, sizeof noise));
}

static void cell_remarks(json_t *table, const json_t *rows, const char *of_case, const char *label) {
  char text[400];
  report_remarks(rows, of_case, label, text, sizeof text);
  table_cell(table, text);
}

/* A median; 0 stands for none, as where there are no messages. */
static void cell_figure(json_t *table, const json_t *rows, struct figure_key figure, const char *path,
                        struct pretty (*pretty)(double value)) {
  figure.path = path;
  double median = rows_spread(rows, &figure).median;
  table_cell(table, pretty(median > 0 ? median : NAN).text);
}

static void cell_ratio(json_t *table, const json_t *rows, const struct figure_key *figure, const char *to) {
  struct figure_key under = {figure->of_case, to, figure->path};
  struct spread ratio = {.count = 0};
  if (to != NULL && strcmp(to, figure->label) != 0) ratio = rows_ratio(rows, figure, &under);
  table_cell(table, pretty_ratio(&ratio).text);
}

static void add_line(json_t *table, const json_t *rows, const char *of_case, const char *label) {
  const json_t *row = rows_find(rows, of_case, label);
  struct figure_key figure = {of_case, label, "rate"};
  table_row(table);
  table_cell(table, of_case);
  table_cell(table, label);
  table_cell(table, pretty_rate(rows_spread(rows, &figure).median, row_text(row, "rate_unit")).text);
  if (row_is_paced(row)) figure.path = "latency/p99.9";
  cell_ratio(table, rows, &figure, rows_first_label(rows));
  cell_ratio(table, rows, &figure, rows_limit_label(rows));
  cell_figure(table, rows, figure, "payload_mb_per_second", pretty_number);
  cell_figure(table, rows, figure, "broker/cpu_ns_per_message", pretty_ns);
  cell_figure(table, rows, figure, "broker/rss_after", pretty_bytes);
  cell_figure(table, rows, figure, "latency/p50", pretty_ns);
  cell_figure(table, rows, figure, "latency/p99", pretty_ns);
  cell_figure(table, rows, figure, "latency/p99.9", pretty_ns);
  cell_remarks(table, rows, of_case, label);
}

/* The heads, with the servers' names where ratios are. */
static json_t *new_table(const json_t *rows) {
  char heads[512];
  const char *first = rows_first_label(rows), *limit = rows_limit_label(rows);
  snprintf(heads, sizeof heads,
           "scenario|server|>rate|>to %.60s|>to %.60s|>MB/s|>broker CPU/message|>broker "
           "RSS|>p50|>p99|>p99.9|remarks",
           first != NULL ? first : "the first", limit != NULL ? limit : "the limit");
  return table_new(heads);
}

void report_noise(FILE *out, const json_t *rows) {
  char text[NOISE_TEXT_MAX];
  if (*noise_of_all(rows, text, sizeof text) != '\0') fprintf(out, "\n%s\n", text);
}

void report_table(FILE *out, json_t *rows) {
  json_t *table = new_table(rows), *cases = rows_cases(rows), *of_case, *label;
  size_t i, k;
  json_array_foreach(cases, i, of_case) {
    json_t *labels = rows_labels(rows, json_string_value(of_case));
    json_array_foreach(labels, k, label)
        add_line(table, rows, json_string_value(of_case), json_string_value(label));
    json_decref(labels);
  }
  table_write(table, out);
  report_noise(out, rows);
  json_decref(cases);
  json_decref(table);
}
