/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * CHECK: says what went wrong and ends the program, from any thread. (cmocka's assertions jump back into the
 * runner and so belong to one thread only; the programs here have many.) The broker dies with its test program.
 */
#ifndef TERN_E2E_CHECK_H
#define TERN_E2E_CHECK_H

#include <stdio.h>
#include <stdlib.h>

/** Ends the test unless the condition holds; the rest is a printf text with what was found. */
#define CHECK(condition, ...)                                                       \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: %s does not hold: ", __FILE__, __LINE__, #condition); \
      fprintf(stderr, __VA_ARGS__);                                                 \
      fputc('\n', stderr);                                                          \
      fflush(stdout);                                                               \
      _Exit(1);                                                                     \
    }                                                                               \
  } while (0)

#endif
