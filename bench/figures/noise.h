/* SPDX-License-Identifier: Apache-2.0 */
/** Rounds in which the machine was not the comparison's alone, and which therefore do not count. See noise.c. */
#ifndef BENCH_NOISE_H
#define BENCH_NOISE_H

#include <jansson.h>
#include <stddef.h>

/** Room for what noise_of_all says. */
#define NOISE_TEXT_MAX 400

/** Marks the rows of noisy rounds: "noise" says why, "left_out" that they do not count. Whatever marks there were go. */
void noise_mark(json_t *rows);
/** What that means for a case: "1 of 5 rounds left out as noisy"; "" when there is nothing to say. Returns the text. */
char *noise_of_case(const json_t *rows, const char *of_case, char *text, size_t size);
/** The same of all cases together, as a sentence that tells the reasons apart. */
char *noise_of_all(const json_t *rows, char *text, size_t size);

#endif
