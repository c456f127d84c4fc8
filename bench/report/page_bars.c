/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A case's bars: one for each server, as long as its median rate, on a scale of the case's own.
 *
 *     tern         ==========|=== 9.12 M msg/s  6.12 (5.80-6.40) to nats-server
 *                         min-max over the rounds as a thin line
 *
 * Each bar has its figures beside it as text, and a title.
 */
#include "page_bars.h"

#include <math.h>
#include <string.h>

#include "page_text.h"
#include "pretty.h"
#include "report.h"

#define WIDTH       900
#define BAR_LEFT    130
#define BAR_MAX     290
#define LINE_HEIGHT 30

static void write_span(FILE *out, const char *class, const char *before, const char *text) {
  fprintf(out, "<tspan class=\"%s\" dx=\"10\">%s", class, before);
  page_text(out, text);
  fputs("</tspan>", out);
}

/* The text behind a bar, or what is there in place of one. */
static void write_words(FILE *out, const json_t *rows, const struct figure_key *figure,
                        const struct spread *rate, double x, double y) {
  const json_t *row = rows_find(rows, figure->of_case, figure->label);
  const char *first = rows_first_label(rows);
  char remarks[200], words[100];
  report_remarks(rows, figure->of_case, figure->label, remarks, sizeof remarks);
  fprintf(out, "<text class=\"value\" x=\"%.1f\" y=\"%.1f\">", x, y);
  if (rate->count > 0) {
    page_text(out, pretty_rate(rate->median, row_text(row, "rate_unit")).text);
    struct figure_key under = {figure->of_case, first, figure->path};
    struct spread ratio = {.count = 0};
    if (first != NULL && strcmp(first, figure->label) != 0) ratio = rows_ratio(rows, figure, &under);
    snprintf(words, sizeof words, "%s of ", pretty_ratio(&ratio).text);
    if (ratio.count > 0) write_span(out, "ratio", words, first);
  }
  if (*remarks != '\0') write_span(out, "remark", "", remarks);
  fputs("</text>\n", out);
}

static void write_bar(FILE *out, const json_t *rows, const json_t *labels, const struct figure_key *figure,
                      double scale, unsigned line) {
  struct spread rate = rows_spread(rows, figure);
  double y = line * LINE_HEIGHT + 4.0, middle = y + 11, length = rate.count > 0 ? rate.median * scale : 0;
  double end = BAR_LEFT + (rate.count > 0 ? rate.max * scale : 0);
  const json_t *row = rows_find(rows, figure->of_case, figure->label);
  const char *unit = row_text(row, "rate_unit");
  fprintf(out, "<g class=\"%s\"><title>", page_series(rows, labels, figure->label));
  page_text(out, figure->label);
  fputs(": median ", out);
  page_text(out, pretty_rate(rate.median, unit).text);
  if (rate.count > 0)
    fprintf(out, ", lowest %s, highest %s, rounds: %u", pretty_number(rate.min).text,
            pretty_number(rate.max).text, rate.count);
  fprintf(out, "</title><text class=\"name\" x=\"%d\" y=\"%.1f\">", BAR_LEFT - 10, middle + 4);
  page_text(out, figure->label);
  fprintf(out, "</text><rect class=\"bar\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"22\" rx=\"3\"/>\n",
          BAR_LEFT, y, length);
  if (rate.max > rate.min)
    fprintf(out, "<path class=\"whisker\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv8M%.1f %.1fv8\"/>\n",
            BAR_LEFT + rate.min * scale, middle, end, BAR_LEFT + rate.min * scale, middle - 4, end,
            middle - 4);
  fputs("</g>", out);
  write_words(out, rows, figure, &rate, end + 10, middle + 4);
}

void page_bars(FILE *out, const json_t *rows, const json_t *labels, const char *of_case,
               const char **heading) {
  json_t *here = rows_labels(rows, of_case), *label;
  size_t i;
  double most = 0;
  bool lower = false;
  json_array_foreach(here, i, label) {
    struct figure_key figure = {of_case, json_string_value(label), "rate"};
    struct spread rate = rows_spread(rows, &figure);
    if (rate.count > 0 && rate.max > most) most = rate.max;
    lower |= row_lower_is_better(rows_find(rows, of_case, figure.label));
  }
  const json_t *any = rows_find(rows, of_case, json_string_value(json_array_get(here, 0)));
  if (any == NULL || row_is_paced(any)) {
    json_decref(here);
    return;
  }
  unsigned height = (unsigned)json_array_size(here) * LINE_HEIGHT + 4;
  page_heading(out, heading);
  fputs("<figure><figcaption><code>", out);
  page_text(out, of_case);
  fprintf(out, "</code>%s</figcaption>\n", lower ? " (lower is better)" : "");
  fprintf(out, "<svg viewBox=\"0 0 %d %u\" role=\"img\" aria-label=\"Rates of each server: ", WIDTH, height);
  page_text(out, of_case);
  fputs("\">\n", out);
  json_array_foreach(here, i, label) {
    struct figure_key figure = {of_case, json_string_value(label), "rate"};
    write_bar(out, rows, labels, &figure, most > 0 ? BAR_MAX / most : 0, (unsigned)i);
  }
  fputs("</svg></figure>\n", out);
  json_decref(here);
}
