/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report as one HTML page: everything is in it, nothing is fetched, no script runs.
 *
 *     what was measured | bars (page_bars.c) | percentile curves (page_curves.c) | a table of everything | how to repeat
 *
 * Colours follow the reader's light or dark setting. Servers are told apart by colour and by dashes, and every figure
 * is there as text too. Texts of the rows come from servers and are escaped.
 */
#include <math.h>
#include <string.h>

#include "noise.h"
#include "page_bars.h"
#include "page_curves.h"
#include "page_text.h"
#include "pretty.h"
#include "report.h"

static const char style[] =
    ":root{color-scheme:light dark;--page:#fbfbfa;--ink:#1c1c1a;--soft:#5c5b57;--line:#dddcd6;--card:#fff;"
    "--s0:#2a6fd0;--s1:#c2570c;--s2:#0f8a63;--s3:#7a4fc9;--s4:#a86a00;--s5:#c0397f;--limit:#8d8c86}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#161615;--ink:#eeeeea;--soft:#a9a8a1;--line:#383835;--"
    "card:#1e1e1c;"
    "--s0:#6aa5f5;--s1:#f08a45;--s2:#3cc598;--s3:#b093f0;--s4:#e0a73a;--s5:#ee7db4;--limit:#8d8c86}}\n"
    "body{font:15px/1.5 "
    "system-ui,sans-serif;background:var(--page);color:var(--ink);max-width:980px;margin:0 auto;"
    "padding:24px}\n"
    "h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:40px 0 "
    "8px}p{max-width:70ch}.soft{color:var(--soft)}\n"
    "figure{margin:16px 0;padding:14px 16px;background:var(--card);border:1px solid "
    "var(--line);border-radius:8px;overflow-x:auto}\n"
    "figcaption{margin-bottom:8px}figure>svg{width:100%;min-width:640px;height:auto;display:block;overflow:"
    "visible}\n"
    "svg text{font:13px system-ui,sans-serif;fill:var(--ink)}svg .name,svg .tick{text-anchor:end}svg .mark{"
    "text-anchor:middle}svg .ratio,svg .remark,svg .tick,svg .mark{fill:var(--soft)}\n"
    ".bar{fill:currentColor}.whisker{stroke:var(--ink);stroke-width:1.5;fill:none;opacity:.55}.grid{stroke:"
    "var(--line)}\n"
    ".curve{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}\n"
    ".s0{color:var(--s0)}.s1{color:var(--s1)}.s2{color:var(--s2)}.s3{color:var(--s3)}.s4{color:var(--s4)}"
    ".s5{color:var(--s5)}.limit,.hiccup{color:var(--limit)}\n"
    ".curve.s1{stroke-dasharray:9 3}.curve.s2{stroke-dasharray:3 3}.curve.s3{stroke-dasharray:9 3 2 3}"
    ".curve.s4{stroke-dasharray:14 4}.curve.s5{stroke-dasharray:5 2 5 6}.curve.hiccup{stroke-dasharray:1 4}\n"
    ".key{width:34px;height:10px;margin-right:8px}\n"
    ".wide{overflow-x:auto;width:max-content;min-width:100%;max-width:calc(100vw - 64px);position:relative;"
    "left:50%;transform:translateX(-50%)}table{border-collapse:collapse;font-size:13px;font-variant-numeric:"
    "tabular-nums;"
    "margin:8px 0}"
    "th,td{padding:4px 10px;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}"
    "th{font-weight:600}.n{text-align:right}td.remarks{white-space:normal;min-width:12em}\n"
    "code,pre{font:13px ui-monospace,monospace}pre{background:var(--card);border:1px solid var(--line);"
    "border-radius:8px;padding:12px;overflow-x:auto}\n";

/* A row of the server's that knows its version, or NULL. */
static const json_t *versioned_row(const json_t *rows, const char *label) {
  size_t i;
  json_t *row;
  json_array_foreach(rows, i, row) {
    bool known = *row_text(row, "server/version") != '\0' && !row_is_limit(row);
    if (known && strcmp(row_label(row), label) == 0) return row;
  }
  return NULL;
}

/* Servers with their versions, and when; what was noisy. */
static void write_head(FILE *out, const json_t *rows, const json_t *labels) {
  fprintf(out,
          "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Load test</title>\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
          "<link rel=\"icon\" href=\"data:,\">\n<style>\n%s</style></head><body>\n<h1>Load test</h1>\n<p "
          "class=\"soft\">",
          style);
  size_t i;
  json_t *label;
  json_array_foreach(labels, i, label) {
    const json_t *row = versioned_row(rows, json_string_value(label));
    if (i > 0) fputs(", ", out);
    page_text(out, json_string_value(label));
    if (row == NULL) continue;
    fputc(' ', out);
    page_text(out, row_text(row, "server/version"));
  }
  const char *time = "";
  json_t *row;
  json_array_foreach(rows, i, row) {
    if (*row_text(row, "time") != '\0') time = row_text(row, "time");
  }
  if (*time != '\0') fputs("; ", out);
  page_text(out, time);
  fputs("</p>\n", out);
  char noise[NOISE_TEXT_MAX];
  if (*noise_of_all(rows, noise, sizeof noise) != '\0') fprintf(out, "<p class=\"soft\">%s</p>\n", noise);
}

static void write_cell(FILE *out, const char *text) {
  fputs("<td class=\"n\">", out);
  page_text(out, text);
  fputs("</td>", out);
}

static void write_number(FILE *out, const json_t *row, const char *path) {
  write_cell(out, pretty_number(row_number(row, path)).text);
}

/* One measurement in the table of everything. */
static void write_row(FILE *out, const json_t *row) {
  fputs("<tr><td><code>", out);
  page_text(out, row_case(row));
  fputs("</code></td><td>", out);
  page_text(out, row_label(row));
  fputs("</td>", out);
  write_number(out, row, "round");
  write_cell(out, pretty_rate(row_number(row, "rate"), row_text(row, "rate_unit")).text);
  write_number(out, row, "payload_mb_per_second");
  write_number(out, row, "received");
  write_number(out, row, "seconds");
  write_cell(out, pretty_ns(row_number(row, "broker/cpu_ns_per_message")).text);
  write_cell(out, pretty_bytes(row_number(row, "broker/rss_after")).text);
  write_cell(out, pretty_ns(row_number(row, "latency/p50")).text);
  write_cell(out, pretty_ns(row_number(row, "latency/p99.9")).text);
  write_cell(out, pretty_number(row_number(row, "client/busiest_thread") * 100).text);
  fputs("<td class=\"remarks\">", out);
  const char *key, *between = "";
  json_t *value;
  json_object_foreach(json_object_get(row, "figures"), key, value) {
    fputs(between, out);
    page_text(out, key);
    fprintf(out, " %s", pretty_number(json_number_value(value)).text);
    between = ", ";
  }
  if (row_faults(row) > 0) {
    fprintf(out, "%s%.0f messages lost, doubled, reordered or altered", between, row_faults(row));
    between = "; ";
  }
  if (*row_text(row, "note") != '\0') {
    fputs(between, out);
    page_text(out, row_text(row, "note"));
    between = "; ";
  }
  if (*row_text(row, "error") != '\0') {
    fputs(between, out);
    page_text(out, row_text(row, "error"));
    between = "; ";
  }
  if (*row_text(row, "noise") != '\0') {
    fprintf(out, "%snoisy: ", between);
    page_text(out, row_text(row, "noise"));
  }
  fputs("</td></tr>\n", out);
}

static void write_everything(FILE *out, const json_t *rows) {
  size_t i;
  json_t *row;
  fputs(
      "<h2>Everything measured</h2>\n<div class=\"wide\"><table><thead><tr><th>scenario</th><th>server</th>"
      "<th class=\"n\">round</th><th class=\"n\">rate</th><th class=\"n\">MB/s</th><th "
      "class=\"n\">received</th>"
      "<th class=\"n\">seconds</th><th class=\"n\">broker CPU/message</th><th class=\"n\">broker RSS</th>"
      "<th class=\"n\">p50</th><th class=\"n\">p99.9</th><th class=\"n\">client, busiest thread, %</th>"
      "<th>more</th></tr></thead><tbody>\n",
      out);
  json_array_foreach(rows, i, row) write_row(out, row);
  fputs("</tbody></table></div>\n", out);
}

static void write_repeat(FILE *out, const json_t *rows) {
  size_t i;
  json_t *row, *seen = json_object();
  fputs("<h2>To repeat it</h2>\n<pre>", out);
  json_array_foreach(rows, i, row) {
    const char *command = row_text(row, "command");
    if (*command == '\0' || json_object_get(seen, command) != NULL) continue;
    json_object_set_new(seen, command, json_true());
    fputs("tern-bench ", out);
    page_text(out, command);
    fputs(" -s URL\n", out);
  }
  fputs("</pre>\n</body></html>\n", out);
  json_decref(seen);
}

void report_page(FILE *out, json_t *rows) {
  const char *rates =
      "<h2>Rates</h2>\n<p class=\"soft\">Bars are medians over the rounds, the thin line reaches from the "
      "lowest to the "
      "highest; each scenario has its own scale. Open loops have the rate asked for, and are not here. "
      "Ratios are taken within a round: median "
      "(lowest-highest).</p>\n";
  const char *latencies =
      "<h2>Latencies</h2>\n<p class=\"soft\">Of each server the run whose p99.9 is the median of its runs. "
      "An idle "
      "thread's lateness is what the machine itself adds.</p>\n";
  json_t *cases = rows_cases(rows), *labels = rows_labels(rows, NULL), *of_case;
  size_t i;
  write_head(out, rows, labels);
  json_array_foreach(cases, i, of_case) page_bars(out, rows, labels, json_string_value(of_case), &rates);
  json_array_foreach(cases, i, of_case)
      page_curves(out, rows, labels, json_string_value(of_case), &latencies);
  write_everything(out, rows);
  write_repeat(out, rows);
  json_decref(labels);
  json_decref(cases);
}
