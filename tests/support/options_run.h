/* SPDX-License-Identifier: Apache-2.0 */
/** Runs options_parse on words and catches what it prints; for cmocka tests. */
#ifndef TERN_TESTS_OPTIONS_RUN_H
#define TERN_TESTS_OPTIONS_RUN_H

#include <stdio.h>

#include "options.h"

#define WORDS_MAX 12

/** What a run left behind; the caller frees the options. There is one at a time. */
struct options_run {
  struct options options;
  enum options_verdict verdict;
  char out[16384], err[16384];
};

/** Runs options_parse on up to WORDS_MAX words; NULL ends them. */
struct options_run *options_run(const char *const *words);
#define PARSE(...) options_run((const char *const[WORDS_MAX + 1]){__VA_ARGS__})

/** Sends a descriptor into a file; returns what restores it. */
int divert(int fd, FILE *file);
/** Ends that, puts what came into the text, closes the file. */
void restore(int fd, int saved, FILE *file, char *text, size_t room);

void assert_contains(const char *text, const char *part);

#endif
