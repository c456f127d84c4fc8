/* SPDX-License-Identifier: Apache-2.0 */
/** FUZZ_CHECK: ends the program, whatever the build, when something does not hold; the fuzzer keeps the input. */
#ifndef TERN_TESTS_FUZZ_CHECK_H
#define TERN_TESTS_FUZZ_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define FUZZ_CHECK(condition)                                                       \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      abort();                                                                      \
    }                                                                               \
  } while (0)

#endif
