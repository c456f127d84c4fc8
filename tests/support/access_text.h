/* SPDX-License-Identifier: Apache-2.0 */
/** An access made from the text of a configuration, for cmocka tests. */
#ifndef TERN_TESTS_ACCESS_TEXT_H
#define TERN_TESTS_ACCESS_TEXT_H

#include "access.h"

/** What was said while it was made: the first line, and how many there were of each kind. */
struct access_said {
  char first[512];
  unsigned errors, warnings;
};

/** Makes it, or returns NULL with what was said; fails the test when the text cannot be parsed. flags may be NULL. */
struct access *access_text(const char *text, const struct access_flags *flags, struct access_said *said);

#endif
