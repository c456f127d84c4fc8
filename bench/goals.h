/* SPDX-License-Identifier: Apache-2.0 */
/** tern-bench goals: what was measured beside what was meant to be reached. See goals.c. */
#ifndef BENCH_GOALS_H
#define BENCH_GOALS_H

/** The subcommand. */
int goals_main(int argc, char **argv);

#endif
