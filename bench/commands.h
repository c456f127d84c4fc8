/* SPDX-License-Identifier: Apache-2.0 */
/** The subcommands, and how each of them ends. Those that measure a server are in scenarios/bench.h. */
#ifndef BENCH_COMMANDS_H
#define BENCH_COMMANDS_H

#include <stdbool.h>

/** The program's exit codes. */
enum {
  EXIT_FINE = 0,   /* everything was delivered as sent */
  EXIT_FAULTS = 1, /* messages were lost, doubled, reordered or altered */
  EXIT_INCOMPLETE =
      2,           /* the run could not be made or did not end: it failed, its results count for nothing */
  EXIT_CANNOT = 3, /* the server has no such thing, or not with these options; nothing was measured */
};

/** Each returns the exit code; argv[0] is its name. */
int suite_main(int argc, char **argv);   /* scenarios/suite.c */
int self_main(int argc, char **argv);    /* client/self.c */
int forward_main(int argc, char **argv); /* compare/forward.c */
int report_main(int argc, char **argv);  /* report/report.c */
int goals_main(int argc, char **argv);   /* report/goals.c */
int agree_main(int argc, char **argv);   /* report/agree.c */
/** argv[0] is "compare", or a scenario's name: then the scenario is part of what is measured. */
int compare_main(int argc, char **argv); /* compare/compare.c */
/** Whether a scenario's arguments ask for a comparison. */
bool compare_wanted(int argc, char **argv);

#endif
