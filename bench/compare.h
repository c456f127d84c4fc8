/* SPDX-License-Identifier: Apache-2.0 */
/** tern-bench compare: the same scenarios against several servers in turn. See compare.c. */
#ifndef BENCH_COMPARE_H
#define BENCH_COMPARE_H

#include <stdbool.h>

/** The subcommand. argv[0] is "compare", or a scenario's name: then the scenario is part of what is measured. */
int compare_main(int argc, char **argv);
/** Whether a scenario's arguments ask for a comparison. */
bool compare_wanted(int argc, char **argv);

#endif
