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

const struct scenario *const scenarios[] = {&scenario_pub,
                                            &scenario_pubsub,
                                            &scenario_fanout,
                                            &scenario_fanin,
                                            &scenario_many,
                                            &scenario_queue,
                                            &scenario_wildcard,
                                            &scenario_mixed,
                                            &scenario_headers,
                                            &scenario_request,
                                            &scenario_requests,
                                            &scenario_open,
                                            &scenario_subscribe,
                                            &scenario_churn,
                                            &scenario_stuck,
                                            &scenario_idle,
                                            &scenario_storm,
                                            &scenario_crowd,
                                            NULL};

/* What a scenario gets in place of its own defaults, to be short. */
static const struct extra {
  const char *scenario, *option, *value;
} extras[] = {
    {"subscribe", "--subjects", "100k"}, {"idle", "--connections", "1000"}, {"churn", "--churn-rate", "20k"}};

/* Runs one with the suite's options. */
static int run_one(const struct scenario *scenario, int argc, char **argv, char *seconds, json_t *rows) {
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
  for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
    if (strcmp(extras[i].scenario, scenario->name) != 0) continue;
    plain.text = extras[i].option;
    words[n++] = plain.word;
    plain.text = extras[i].value;
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
static void print_plan(const struct options *options, const char *seconds) {
  const char *given = options->command + strcspn(options->command, " ");
  for (size_t i = 0; scenarios[i] != NULL; i++) {
    fputs(scenarios[i]->name, stdout);
    if (strstr(given, " --seconds ") == NULL) printf(" --seconds %s", seconds);
    for (size_t k = 0; k < sizeof extras / sizeof extras[0]; k++) {
      char option[32];
      snprintf(option, sizeof option, " %s ", extras[k].option);
      if (strcmp(extras[k].scenario, scenarios[i]->name) == 0 && strstr(given, option) == NULL)
        printf(" %s %s", extras[k].option, extras[k].value);
    }
    puts(given);
  }
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
    options_usage(
        &defaults, "suite",
        "all scenarios in turn, a second each unless --seconds is given; subscribe with 100k subjects, "
        "idle with 1000 connections, churn with 20k per second unless told otherwise");
    return EXIT_FINE;
  }
  snprintf(seconds, sizeof seconds, "%g", options.seconds > 0 ? options.seconds : 1);
  if (plan) {
    print_plan(&options, seconds);
    return EXIT_FINE;
  }
  json_t *rows = json_array();
  int worst = EXIT_FINE;
  for (size_t i = 0; scenarios[i] != NULL && !ending; i++) {
    int code = run_one(scenarios[i], argc, argv, seconds, rows);
    if (rank(code) > rank(worst)) worst = code;
  }
  if (!bench_write_files(&options, rows)) worst = EXIT_INCOMPLETE;
  json_decref(rows);
  return worst;
}
