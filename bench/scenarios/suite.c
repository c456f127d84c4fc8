/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all scenarios, and `tern-bench suite`, which runs them one after the other with short defaults. What a
 * server cannot do is said and passed over; the exit code is the worst of all, and files are of all together. With --plan
 * it only prints what it would run, for tern-bench compare. Thread: main.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "ending.h"
#include "options.h"
#include "scenarios.h"

#define ARGUMENTS_MAX 64

const struct scenario *const scenarios[] = {&scenario_pub,      &scenario_pubsub, &scenario_fanout,
                                            &scenario_fanin,    &scenario_many,   &scenario_queue,
                                            &scenario_wildcard, &scenario_mixed,  &scenario_headers,
                                            &scenario_request,  &scenario_open,   &scenario_subscribe,
                                            &scenario_churn,    &scenario_stuck,  &scenario_idle,
                                            &scenario_storm,    &scenario_crowd,  NULL};

/* What a scenario gets in place of its own defaults, to be short; or, run once more, beside them. */
static const struct extra {
  const char *scenario, *option, *value;
  bool again;
} extras[] = {{"request", "--in-flight", "64", true},
              {"subscribe", "--subjects", "100k", false},
              {"churn", "--churn-rate", "20k", false},
              {"idle", "--connections", "1000", false}};
#define ABOUT                                                                               \
  "all scenarios in turn, a second each unless --seconds is given,\n"                       \
  "with less than their own defaults: subscribe --subjects 100k, churn --churn-rate 20k,\n" \
  "idle --connections 1000; request once more with --in-flight 64, unless that is given"

/* The extra of a scenario; NULL: it has none, or the option is given. */
static const struct extra *extra_of(const struct scenario *scenario, bool again,
                                    const struct options *options) {
  char option[32];
  for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
    snprintf(option, sizeof option, " %s ", extras[i].option);
    if (extras[i].again == again && strcmp(extras[i].scenario, scenario->name) == 0 &&
        strstr(options->command, option) == NULL)
      return &extras[i];
  }
  return NULL;
}

/* Runs one with the suite's options, and an extra, if any. */
static int run_one(const struct scenario *scenario, const struct extra *extra, int argc, char **argv,
                   char *seconds, json_t *rows) {
  char *words[ARGUMENTS_MAX + 8];
  int n = 0;
  union {
    const char *text;
    char *word;
  } plain; /* getopt wants them without const, and leaves them as they are */
  plain.text = scenario->name;
  words[n++] = plain.word;
  plain.text = "--seconds";
  words[n++] = plain.word;
  words[n++] = seconds;
  if (extra != NULL) {
    plain.text = extra->option;
    words[n++] = plain.word;
    plain.text = extra->value;
    words[n++] = plain.word;
  }
  for (int i = 1; i < argc; i++)
    words[n++] = argv[i];
  words[n] = NULL;
  return bench_run(scenario, n, words, rows);
}

/* Of two exit codes the one that says more: what was not complete, then faults, then what a server lacks. */
static int rank(int code) {
  static const int ranks[] = {[EXIT_FINE] = 0, [EXIT_CANNOT] = 1, [EXIT_FAULTS] = 2, [EXIT_INCOMPLETE] = 3};
  return ranks[code];
}

/* What run_one would run, without where and how it is shown. */
static void print_one(const struct scenario *scenario, const struct extra *extra,
                      const struct options *options, const char *seconds) {
  const char *given = options->command + strcspn(options->command, " ");
  fputs(scenario->name, stdout);
  if (strstr(given, " --seconds ") == NULL) printf(" --seconds %s", seconds);
  if (extra != NULL) printf(" %s %s", extra->option, extra->value);
  puts(given);
}

static void print_plan(const struct options *options, const char *seconds) {
  for (size_t i = 0; scenarios[i] != NULL; i++) {
    const struct extra *again = extra_of(scenarios[i], true, options);
    print_one(scenarios[i], extra_of(scenarios[i], false, options), options, seconds);
    if (again != NULL) print_one(scenarios[i], again, options, seconds);
  }
}

/* Runs all; returns the worst exit code. */
static int run_all(const struct options *options, int argc, char **argv, char *seconds, json_t *rows) {
  int worst = EXIT_FINE;
  for (size_t i = 0; scenarios[i] != NULL && !ending; i++) {
    const struct extra *again = extra_of(scenarios[i], true, options);
    int code = run_one(scenarios[i], extra_of(scenarios[i], false, options), argc, argv, seconds, rows);
    if (rank(code) > rank(worst)) worst = code;
    if (again == NULL || ending) continue;
    code = run_one(scenarios[i], again, argc, argv, seconds, rows);
    if (rank(code) > rank(worst)) worst = code;
  }
  return worst;
}

int suite_main(int argc, char **argv) {
  struct options options = {.url = "nats://127.0.0.1:4222", .subject = "bench", .seconds = 1};
  struct options defaults = options;
  char error[512], seconds[32];
  bool plan = argc > 1 && strcmp(argv[1], "--plan") == 0;
  if (plan) {
    argc--;
    argv++;
  }
  if (argc > ARGUMENTS_MAX || !options_parse(&options, argc, argv, error, sizeof error)) {
    options_complain("suite", argc > ARGUMENTS_MAX ? "too many options" : error);
    return EXIT_INCOMPLETE;
  }
  if (options.help) {
    options_usage(&defaults, "suite", ABOUT);
    return EXIT_FINE;
  }
  snprintf(seconds, sizeof seconds, "%g", options.seconds > 0 ? options.seconds : 1);
  if (plan) {
    print_plan(&options, seconds);
    return EXIT_FINE;
  }
  json_t *rows = json_array();
  int worst = run_all(&options, argc, argv, seconds, rows);
  if (!bench_write_files(&options, rows)) worst = EXIT_INCOMPLETE;
  json_decref(rows);
  return worst;
}
