/* SPDX-License-Identifier: Apache-2.0 */
/** Subcommands that measure no server. argv[0] is their name; they return the exit code. */
#ifndef BENCH_COMMANDS_H
#define BENCH_COMMANDS_H

int forward_main(int argc, char **argv);
int self_main(int argc, char **argv);

#endif
