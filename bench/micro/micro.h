/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The frame of the programs in this folder: each is a table of cases, and a case does one thing many times, in rounds.
 * `micro_NAME` measures all of its cases, `micro_NAME CASE [ROUNDS]` one; `./bench/micro/run` counts instructions.
 */
#ifndef MICRO_H
#define MICRO_H

#include <stddef.h>

/** A case. All functions abort the program when something goes wrong: a wrong figure is worse than none. */
struct micro_case {
  const char *name;
  unsigned long size; /**< what the case's functions take from here, as they say */
  unsigned long with;
  unsigned rounds;                              /**< as many are measured, after one that is not */
  void (*open)(const struct micro_case *micro); /**< before all rounds */
  void (*prepare)(void);                        /**< before each round, not measured; may be NULL */
  unsigned long (*run)(void);                   /**< a round; returns the operations done */
  void (*close)(void);                          /**< after all rounds */
};

/** The main function of a program with these cases. */
int micro_main(int argc, char **argv, const struct micro_case *cases, size_t count);
/** Ends the program with a message. */
void micro_fail(const char *what) __attribute__((noreturn));

#endif
