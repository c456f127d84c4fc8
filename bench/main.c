/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern-bench: the load-test client. This file only finds the subcommand; each has a file of its own.
 *
 *     pubsub   publishers and subscribers on one subject (pubsub.c, peers.c; check.c for the messages)
 *     forward  copies bytes without looking at them: the limit to compare with (forward.c)
 *     self     how fast the client could send and check if nothing else took time (self.c)
 *     report   makes tables and pages of rows (report.c)
 *     compare  one scenario or more against several servers, in turn (compare.c)
 *     goals    what was measured beside what was to be reached (goals.c)
 */
#include <stdio.h>
#include <string.h>

#include "compare.h"
#include "goals.h"
#include "report.h"
#include "run.h"

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
  } commands[] = {{"pubsub", pubsub_main}, {"forward", forward_main}, {"self", self_main},
                  {"report", report_main}, {"compare", compare_main}, {"goals", goals_main}};
  if (argc > 1 && compare_wanted(argc, argv)) return compare_main(argc - 1, argv + 1);
  for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++) {
    if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
  }
  bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
  fputs(
      "usage: tern-bench pubsub [options]   send and check messages (see tern-bench pubsub --help)\n"
      "       tern-bench forward [PORT]     copy bytes from a publisher to subscribers\n"
      "       tern-bench self [SIZE]        speed of the client alone\n"
      "       tern-bench report ROWFILE...  tables, CSV and pages of what --json printed\n"
      "       tern-bench compare ...        the same against several servers (see tern-bench compare "
      "--help)\n",
      help ? stdout : stderr);
  return help ? EXIT_FINE : EXIT_INCOMPLETE;
}
