/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A case's percentile curves: latency against percentile, both logarithmic, the latter by how rare a message is
 * (90 %, 99 %, 99.9 % are equally far apart). The run shown for a server is the one whose p99.9 is the median of
 * its runs; runs are not mixed. Dotted and grey: how late an idle thread woke in the first server's run, which
 * is the machine's own part.
 *
 *     10 ms |                         ._|   <- the highest value, at one in `count`
 *      1 ms |                     __./
 *    100 us |____________________/
 *             50%   90%   99%   99.9%
 */
#include "page_curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "page_text.h"
#include "pretty.h"

#define WIDTH    900
#define HEIGHT   360
#define LEFT     70
#define RIGHT    36
#define TOP      14
#define BOTTOM   40
#define RUNS_MAX (2 * ROUNDS_MAX)

/* What the axes reach, in powers of ten: of ns, and of how rare. */
struct axes {
  double lowest, highest, rarest;
};

static int compare_runs(const void *a, const void *b) {
  double left = row_number(*(const json_t *const *)a, "latency/p99.9");
  double right = row_number(*(const json_t *const *)b, "latency/p99.9");
  return (left > right) - (left < right);
}

/* The run of a server that is shown, or NULL. runs: how many there are. */
static const json_t *median_run(const json_t *rows, const char *of_case, const char *label, unsigned *runs) {
  const json_t *found[RUNS_MAX];
  size_t i;
  json_t *row;
  *runs = 0;
  json_array_foreach(rows, i, row) {
    if (strcmp(row_case(row), of_case) != 0 || strcmp(row_label(row), label) != 0 || !row_sound(row))
      continue;
    if (*runs < RUNS_MAX && row_number(row, "latency/count") > 0) found[(*runs)++] = row;
  }
  if (*runs == 0) return NULL;
  qsort(found, *runs, sizeof found[0], compare_runs);
  return found[(*runs - 1) / 2];
}

static double power_of(double value) { return value > 1 ? log10(value) : 0; }

/* How rare a percentile is; the highest value is one of all. */
static double rarity(double percentile, double count) {
  double power = percentile < 100 ? -log10(1 - percentile / 100) : power_of(count);
  return power < power_of(count) ? power : power_of(count);
}

static double x_of(const struct axes *axes, double power) {
  return LEFT + (WIDTH - LEFT - RIGHT) * (axes->rarest > 0 ? power / axes->rarest : 0);
}

static double y_of(const struct axes *axes, double ns) {
  double part = (power_of(ns) - axes->lowest) / (axes->highest - axes->lowest);
  return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (part < 0 ? 0 : part);
}

static void widen(struct axes *axes, const json_t *row) {
  double low = floor(power_of(row_number(row, "latency/min"))),
         high = ceil(power_of(row_number(row, "latency/max")));
  double hiccup = row_number(row, "hiccup/max"), rare = power_of(row_number(row, "latency/count"));
  if (low < axes->lowest) axes->lowest = low;
  if (high > axes->highest) axes->highest = high;
  if (!isnan(hiccup) && ceil(power_of(hiccup)) > axes->highest) axes->highest = ceil(power_of(hiccup));
  if (rare > axes->rarest) axes->rarest = rare;
  if (axes->highest <= axes->lowest) axes->highest = axes->lowest + 1;
}

/* A power of ten in ns, as the axis says it: "10 us". */
static struct pretty tick_text(double power) {
  static const char *const units[] = {"ns", "us", "ms", "s", "ks"};
  struct pretty out;
  snprintf(out.text, sizeof out.text, "%.0f %s", pow(10, fmod(power, 3)), units[(unsigned)(power / 3) % 5]);
  return out;
}

static void write_grid(FILE *out, const struct axes *axes) {
  static const struct {
    const char *text;
    double power;
  } marks[] = {{"0 %", 0},     {"50 %", 0.30103}, {"90 %", 1},      {"99 %", 2},      {"99.9 %", 3},
               {"99.99 %", 4}, {"99.999 %", 5},   {"99.9999 %", 6}, {"99.99999 %", 7}};
  for (int decade = (int)axes->lowest; decade <= (int)axes->highest; decade++) {
    double power = decade, y = y_of(axes, pow(10, power));
    fprintf(out,
            "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"tick\" x=\"%d\" y=\"%.1f\">%s</text>\n",
            LEFT, y, WIDTH - RIGHT, LEFT - 8, y + 4, tick_text(power).text);
  }
  for (size_t i = 0; i < sizeof marks / sizeof marks[0] && marks[i].power <= axes->rarest; i++) {
    double x = x_of(axes, marks[i].power);
    fprintf(out,
            "<path class=\"grid\" d=\"M%.1f %dV%d\"/><text class=\"mark\" x=\"%.1f\" y=\"%d\">%s</text>\n", x,
            TOP, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 20, marks[i].text);
  }
}

/* A server's curve, from the row's points. */
static void write_curve(FILE *out, const struct axes *axes, const json_t *row, const char *series) {
  double count = row_number(row, "latency/count");
  size_t i;
  json_t *point, *curve = json_object_get(json_object_get(row, "latency"), "curve");
  fprintf(out, "<polyline class=\"curve %s\" points=\"", series);
  json_array_foreach(curve, i, point) {
    double power = rarity(json_number_value(json_array_get(point, 0)), count);
    fprintf(out, "%.1f,%.1f ", x_of(axes, power), y_of(axes, json_number_value(json_array_get(point, 1))));
  }
  fputs("\"><title>", out);
  page_text(out, row_label(row));
  fprintf(out, ": p99.9 %s</title></polyline>\n", pretty_ns(row_number(row, "latency/p99.9")).text);
}

static void write_hiccup(FILE *out, const struct axes *axes, const json_t *row) {
  static const struct {
    const char *path;
    double percentile;
  } points[] = {{"hiccup/p50", 50}, {"hiccup/p99", 99}, {"hiccup/p99.9", 99.9}, {"hiccup/max", 100}};
  double count = row_number(row, "latency/count");
  if (isnan(row_number(row, "hiccup/max"))) return;
  fputs("<polyline class=\"curve hiccup\" points=\"", out);
  for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
    fprintf(out, "%.1f,%.1f ", x_of(axes, rarity(points[i].percentile, count)),
            y_of(axes, row_number(row, points[i].path)));
  fprintf(out, "\"><title>an idle thread: p99.9 %s</title></polyline>\n",
          pretty_ns(row_number(row, "hiccup/p99.9")).text);
}

static void write_key(FILE *out, const char *series) {
  fprintf(out,
          "<svg class=\"key\" viewBox=\"0 0 34 10\" aria-hidden=\"true\"><path class=\"curve %s\" d=\"M0 "
          "5H34\"/></svg>",
          series);
}

/* A line of the table below the curves: percentiles of one kind. */
static void write_points(FILE *out, const json_t *row, const char *kind) {
  static const char *const names[] = {"p50", "p90", "p99", "p99.9", "p99.99", "max"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char path[40];
    snprintf(path, sizeof path, "%s/%s", kind, names[i]);
    fprintf(out, "<td class=\"n\">%s</td>", pretty_ns(row_number(row, path)).text);
  }
}

static void write_line(FILE *out, const json_t *row, const char *series, unsigned runs) {
  fputs("<tr><th scope=\"row\">", out);
  write_key(out, series);
  page_text(out, row_label(row));
  fputs("</th>", out);
  write_points(out, row, "latency");
  fputs("<td>", out);
  page_text(out, row_text(row, "latency/from"));
  fprintf(out, "</td><td class=\"n\">%u</td></tr>\n", runs);
}

static void write_hiccup_line(FILE *out, const json_t *row) {
  if (isnan(row_number(row, "hiccup/max"))) return;
  fputs("<tr><th scope=\"row\">", out);
  write_key(out, "hiccup");
  fputs("an idle thread</th>", out);
  write_points(out, row, "hiccup");
  fputs("<td>its waking</td><td></td></tr>\n", out);
}

void page_curves(FILE *out, const json_t *rows, const json_t *labels, const char *of_case,
                 const char **heading) {
  json_t *here = rows_labels(rows, of_case), *label;
  const json_t *shown[PAGE_SERIES], *hiccup = NULL;
  unsigned runs[PAGE_SERIES], count = 0;
  struct axes axes = {.lowest = 12};
  size_t i;
  json_array_foreach(here, i, label) {
    const json_t *row =
        count < PAGE_SERIES ? median_run(rows, of_case, json_string_value(label), &runs[count]) : NULL;
    if (row == NULL) continue;
    shown[count++] = row;
    if (hiccup == NULL && !row_is_limit(row)) hiccup = row;
    widen(&axes, row);
  }
  json_decref(here);
  if (count == 0) return;
  if (hiccup == NULL) hiccup = shown[0];
  page_heading(out, heading);
  fputs("<figure><figcaption><code>", out);
  page_text(out, of_case);
  fprintf(
      out,
      "</code></figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Latency by percentile: ",
      WIDTH, HEIGHT);
  page_text(out, of_case);
  fputs("; the table below has the values\">\n", out);
  write_grid(out, &axes);
  write_hiccup(out, &axes, hiccup);
  for (unsigned k = count; k-- > 0;)
    write_curve(out, &axes, shown[k], page_series(rows, labels, row_label(shown[k])));
  fputs(
      "</svg>\n<div class=\"wide\"><table><thead><tr><th>server</th><th class=\"n\">p50</th><th "
      "class=\"n\">p90</th>"
      "<th class=\"n\">p99</th><th class=\"n\">p99.9</th><th class=\"n\">p99.99</th><th class=\"n\">max</th>"
      "<th>counted from</th><th class=\"n\">runs</th></tr></thead><tbody>\n",
      out);
  for (unsigned k = 0; k < count; k++)
    write_line(out, shown[k], page_series(rows, labels, row_label(shown[k])), runs[k]);
  write_hiccup_line(out, hiccup);
  fputs("</tbody></table></div></figure>\n", out);
}
