/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern-bench: the load-test client. This file only finds the subcommand. Those that measure are in the table of
 * scenarios (suite.c); the others are
 *
 *     suite    all scenarios in turn (suite.c)
 *     forward  copies bytes without looking at them: the limit to compare with (forward.c)
 *     self     how fast the client could send and check if nothing else took time (self.c)
 *     report   makes tables and pages of rows (report.c)
 *     compare  one scenario or more against several servers, in turn (compare.c)
 *     goals    what was measured beside what was to be reached (goals.c)
 *     agree    whether two runs found the same (agree.c)
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "commands.h"

static void usage(FILE *to) {
  fputs(
      "usage: tern-bench SCENARIO [options]   measure a server; tern-bench SCENARIO --help lists the "
      "options\n",
      to);
  for (size_t i = 0; scenarios[i] != NULL; i++)
    fprintf(to, "         %-10s %s\n", scenarios[i]->name, scenarios[i]->about);
  fputs(
      "       tern-bench suite [options]      all of them in turn, a second each unless --seconds is given\n"
      "       tern-bench forward [PORT]       copy bytes from a publisher to subscribers\n"
      "       tern-bench self [SIZE]          speed of the client alone\n"
      "       tern-bench report ROWFILE...    tables, CSV and pages of what --json printed\n"
      "       tern-bench compare ...          the same against several servers (see tern-bench compare "
      "--help)\n"
      "       tern-bench goals GOALS ROWFILE  what was measured beside the goals\n"
      "       tern-bench agree ROWFILE...     whether two runs found the same\n",
      to);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
  } commands[] = {{"suite", suite_main},   {"forward", forward_main}, {"self", self_main},
                  {"report", report_main}, {"compare", compare_main}, {"goals", goals_main},
                  {"agree", agree_main}};
  if (argc > 1 && compare_wanted(argc, argv)) return compare_main(argc - 1, argv + 1);
  for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++) {
    if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
  }
  for (size_t i = 0; argc > 1 && scenarios[i] != NULL; i++) {
    if (strcmp(argv[1], scenarios[i]->name) == 0) return bench_run(scenarios[i], argc - 1, argv + 1, NULL);
  }
  bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
  if (argc > 1 && !help) fprintf(stderr, "tern-bench: there is no '%s'\n", argv[1]);
  usage(help ? stdout : stderr);
  return help ? EXIT_FINE : EXIT_INCOMPLETE;
}
