/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern-bench goals: a table of goals, from the file that has them and the rows of a comparison.
 *
 *     {"server": "tern", "shown": ["nats-server", "forwarder"], "goals": [
 *       {"goal": "P1", "what": "1:1, 16 B", "case": "pubsub --size 16", "figure": "rate", "unit": "msg/s",
 *        "over": {"server": "nats-server"}, "at_least": 6}, ...]}
 *
 * A goal is about one figure of one case (without "case": of all cases together) of the server. With "over" it is about
 * the ratio to another figure: that of another server, case or figure, whatever "over" names ("to" is what the table
 * calls it). "at_least" or "at_most" says what is wanted, "see" where to look for what no measurement tells, "why" why
 * there is none, "stated" (its figure) and "reached" (a boolean) what "see" says, "by" who measures the case when
 * tern-bench does not. The median over the rounds decides; without rows a goal is not measured. --plan prints the
 * cases, one in a line, for tern-bench compare.
 */
#include <getopt.h>
#include <math.h>
#include <string.h>

#include "commands.h"
#include "noise.h"
#include "pretty.h"
#include "report.h"
#include "rows.h"
#include "table.h"

/* A figure in the unit the goal has. */
static struct pretty in_unit(double value, const char *unit) {
  if (strcmp(unit, "ns") == 0) return pretty_ns(value);
  if (strcmp(unit, "ms") == 0) return pretty_ns(value * 1e6);
  if (strcmp(unit, "B") == 0) return pretty_bytes(value);
  return *unit != '\0' ? pretty_rate(value, unit) : pretty_number(value);
}

/* The case of a goal; NULL: all. */
static const char *case_of(const json_t *goal) {
  const char *of_case = row_text(goal, "case");
  return *of_case != '\0' ? of_case : NULL;
}

static struct figure_key figure_of(const json_t *goal, const char *server) {
  return (struct figure_key){case_of(goal), server, row_text(goal, "figure")};
}

/* What a goal's figure is divided by. */
static struct figure_key divisor_of(const json_t *goal, const char *server) {
  const json_t *over = json_object_get(goal, "over");
  struct figure_key key = figure_of(goal, server);
  if (*row_text(over, "server") != '\0') key.label = row_text(over, "server");
  if (*row_text(over, "case") != '\0') key.of_case = row_text(over, "case");
  if (*row_text(over, "figure") != '\0') key.path = row_text(over, "figure");
  return key;
}

/* "30 k conn/s" in place of "30.0 k conn/s". */
static struct pretty without_zeros(struct pretty figure) {
  char *dot = strchr(figure.text, '.');
  size_t zeros = dot != NULL ? strspn(dot + 1, "0") : 0;
  if (zeros > 0 && dot[1 + zeros] == ' ') memmove(dot, dot + 1 + zeros, strlen(dot + zeros));
  return figure;
}

/* "at least 6 x nats-server", "at most 1 ms". */
static void cell_wanted(json_t *table, const json_t *goal) {
  char text[200];
  double least = row_number(goal, "at_least"), most = row_number(goal, "at_most");
  const char *word = isnan(least) ? "at most" : "at least";
  double bound = isnan(least) ? most : least;
  const json_t *over = json_object_get(goal, "over");
  const char *to = *row_text(over, "to") != '\0' ? row_text(over, "to") : row_text(over, "server");
  if (isnan(bound))
    snprintf(text, sizeof text, "%.190s", row_text(goal, "wanted"));
  else if (over != NULL)
    snprintf(text, sizeof text, "%s %g x %.150s", word, bound, to);
  else
    snprintf(text, sizeof text, "%s %s", word, without_zeros(in_unit(bound, row_text(goal, "unit"))).text);
  table_cell(table, text);
}

/* Why there is no figure, as far as is known. */
static void missing(const json_t *rows, const json_t *goal, const char *server, char *text, size_t size) {
  char remarks[300] = "";
  if (case_of(goal) != NULL) report_remarks(rows, case_of(goal), server, remarks, sizeof remarks);
  const char *why = *remarks != '\0' ? remarks : row_text(goal, "why");
  snprintf(text, size, "not measured here%s%s", *why != '\0' ? ": " : "", why);
}

/* Whether the client was the limit when the figure was taken. */
static bool client_limited(const json_t *rows, const json_t *goal, const char *server) {
  return case_of(goal) != NULL && report_client_limited(rows, case_of(goal), server);
}

static void cell_reached(json_t *table, const json_t *rows, const json_t *goal, const char *server,
                         double value) {
  double least = row_number(goal, "at_least"), most = row_number(goal, "at_most");
  bool reached = (isnan(least) || value >= least) && (isnan(most) || value <= most);
  const char *see = row_text(goal, "see");
  const json_t *known = json_object_get(goal, "reached");
  char text[400];
  if (json_is_boolean(known) && *see != '\0')
    snprintf(text, sizeof text, "%s ([%.100s](%.100s))", json_is_true(known) ? "yes" : "no", see, see);
  else if (*see != '\0')
    snprintf(text, sizeof text, "see [%.100s](%.100s)", see, see);
  else if (isnan(value) || (isnan(least) && isnan(most)))
    missing(rows, goal, server, text, sizeof text);
  else if (!reached && client_limited(rows, goal, server))
    snprintf(text, sizeof text, "no (client-limited)");
  else
    snprintf(text, sizeof text, "%s", reached ? "yes" : "no");
  table_cell(table, text);
}

static void add_goal(json_t *table, const json_t *goals, const json_t *goal, const json_t *rows) {
  const char *server = row_text(goals, "server"), *unit = row_text(goal, "unit");
  struct figure_key own = figure_of(goal, server), divisor = divisor_of(goal, server);
  struct spread value = rows_spread(rows, &own), ratio = rows_ratio(rows, &own, &divisor);
  bool relative = json_object_get(goal, "over") != NULL;
  table_row(table);
  table_cell(table, row_text(goal, "goal"));
  table_cell(table, row_text(goal, "what"));
  const char *stated = row_text(goal, "stated");
  table_cell(table, *stated != '\0' ? stated : in_unit(value.median, unit).text);
  size_t i;
  json_t *label;
  json_array_foreach(json_object_get(goals, "shown"), i, label) {
    struct figure_key other = figure_of(goal, json_string_value(label));
    table_cell(table, in_unit(rows_spread(rows, &other).median, unit).text);
  }
  table_cell(table, relative ? pretty_ratio(&ratio).text : "-");
  cell_wanted(table, goal);
  cell_reached(table, rows, goal, server, relative ? ratio.median : value.median);
}

static void write_table(const json_t *goals, const json_t *rows) {
  char heads[300];
  int used = snprintf(heads, sizeof heads, "goal|what|>%.40s", row_text(goals, "server"));
  size_t i;
  json_t *each;
  json_array_foreach(json_object_get(goals, "shown"), i, each) used +=
      snprintf(heads + used, sizeof heads - (size_t)used, "|>%.40s", json_string_value(each));
  snprintf(heads + used, sizeof heads - (size_t)used, "|>ratio: median (lowest-highest)|wanted|reached");
  json_t *table = table_new(heads);
  json_array_foreach(json_object_get(goals, "goals"), i, each) add_goal(table, goals, each, rows);
  table_write(table, stdout);
  report_noise(stdout, rows);
  json_decref(table);
}

/* The cases that have to be measured, each once. */
static void write_plan(const json_t *goals) {
  json_t *seen = json_object(), *goal;
  size_t i;
  json_array_foreach(json_object_get(goals, "goals"), i, goal) {
    if (*row_text(goal, "by") != '\0') continue;
    const char *cases[] = {row_text(goal, "case"), row_text(goal, "over/case")};
    for (size_t k = 0; k < 2; k++) {
      if (*cases[k] == '\0' || json_object_get(seen, cases[k]) != NULL) continue;
      json_object_set_new(seen, cases[k], json_true());
      puts(cases[k]);
    }
  }
  json_decref(seen);
}

/* What keeps the file from being usable, or NULL. */
static const char *mistake_in(const json_t *goals) {
  const json_t *list = json_object_get(goals, "goals"), *shown = json_object_get(goals, "shown");
  size_t i;
  json_t *each;
  if (*row_text(goals, "server") == '\0') return "\"server\" is missing";
  if (!json_is_array(list)) return "\"goals\" is missing";
  json_array_foreach(shown, i, each) {
    if (!json_is_string(each)) return "\"shown\" has to be names of servers";
  }
  if (json_array_size(shown) > 3) return "\"shown\" has more than three servers";
  json_array_foreach(list, i, each) {
    if (*row_text(each, "goal") == '\0' || *row_text(each, "what") == '\0')
      return "a goal lacks \"goal\" or \"what\"";
  }
  return NULL;
}

static const char usage[] =
    "usage: tern-bench goals GOALS ROWFILE...   a table of goals, of what was measured, and whether they are "
    "reached\n"
    "       tern-bench goals --plan GOALS       the cases to measure, for tern-bench compare --plan\n";

int goals_main(int argc, char **argv) {
  bool plan = argc > 1 && strcmp(argv[1], "--plan") == 0;
  int at = plan ? 2 : 1;
  if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
    fputs(usage, stdout);
    return EXIT_FINE;
  }
  if (plan ? argc != 3 : argc < 3) {
    fputs(usage, stderr);
    return EXIT_INCOMPLETE;
  }
  json_error_t why;
  json_t *goals = json_load_file(argv[at], 0, &why), *rows = json_array();
  char error[400] = "";
  const char *mistake = goals == NULL ? why.text : mistake_in(goals);
  if (mistake != NULL) snprintf(error, sizeof error, "%s is no file of goals: %s", argv[at], mistake);
  for (int i = at + 1; i < argc && *error == '\0'; i++)
    rows_read(rows, argv[i], error, sizeof error);
  noise_mark(rows);
  if (*error != '\0')
    fprintf(stderr, "tern-bench: %s\n", error);
  else if (plan)
    write_plan(goals);
  else
    write_table(goals, rows);
  json_decref(goals);
  json_decref(rows);
  return *error != '\0' ? EXIT_INCOMPLETE : EXIT_FINE;
}
