/* SPDX-License-Identifier: Apache-2.0 */
/** What every fuzz target defines, under the name that libFuzzer calls. */
#ifndef TERN_TESTS_FUZZ_TARGET_H
#define TERN_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/** Tries one input. Aborts when something does not hold. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
