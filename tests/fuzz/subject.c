/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subjects and filters against an oracle that is written down from the definitions: the text is cut into tokens
 * first, and matching is a recursion over them.
 *
 *     input   filter LF subject
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/subject.h>

#include "target.h"

#include "check.h"

#define TOKENS_MAX 256

struct tokens {
  struct tern_slice token[TOKENS_MAX];
  size_t count;
};

/* False when there are more tokens than this oracle cares for. */
static bool cut(struct tokens *tokens, struct tern_slice text) {
  size_t from = 0;
  tokens->count = 0;
  for (size_t i = 0; i <= text.len; i++) {
    if (i < text.len && text.ptr[i] != '.') continue;
    if (tokens->count == TOKENS_MAX) return false;
    tokens->token[tokens->count++] = (struct tern_slice){text.ptr + from, i - from};
    from = i + 1;
  }
  return true;
}

static bool is(struct tern_slice token, char c) { return token.len == 1 && token.ptr[0] == c; }

static bool any_empty(const struct tokens *tokens) {
  for (size_t i = 0; i < tokens->count; i++)
    if (tokens->token[i].len == 0) return true;
  return false;
}

static bool any_wild(const struct tokens *tokens) {
  for (size_t i = 0; i < tokens->count; i++)
    if (is(tokens->token[i], '*') || is(tokens->token[i], '>')) return true;
  return false;
}

static bool valid_filter(const struct tokens *filter) {
  if (any_empty(filter)) return false;
  for (size_t i = 0; i + 1 < filter->count; i++)
    if (is(filter->token[i], '>')) return false;
  return true;
}

/* Both are valid. */
static bool matches(const struct tokens *filter, size_t f, const struct tokens *subject, size_t s) {
  if (f == filter->count) return s == subject->count;
  if (s == subject->count) return false;
  if (is(filter->token[f], '>')) return true;
  bool same = filter->token[f].len == subject->token[s].len &&
              memcmp(filter->token[f].ptr, subject->token[s].ptr, filter->token[f].len) == 0;
  return (same || is(filter->token[f], '*')) && matches(filter, f + 1, subject, s + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  const char *text = (const char *)data;
  const char *end = len > 0 ? memchr(text, '\n', len) : NULL;
  if (end == NULL) return 0;
  struct tern_slice filter = {text, (size_t)(end - text)};
  struct tern_slice subject = {end + 1, len - filter.len - 1};
  static struct tokens f, s;
  if (!cut(&f, filter) || !cut(&s, subject)) return 0;

  bool filter_valid = valid_filter(&f), subject_valid = !any_empty(&s);
  FUZZ_CHECK(tern_filter_is_valid(filter) == filter_valid);
  FUZZ_CHECK(tern_subject_is_valid(subject) == subject_valid);
  FUZZ_CHECK(tern_subject_is_literal(subject) == (subject_valid && !any_wild(&s)));
  if (filter_valid) {
    FUZZ_CHECK(tern_filter_has_wildcard(filter) == any_wild(&f));
    FUZZ_CHECK(tern_subject_tokens(filter) == f.count);
  }
  FUZZ_CHECK(tern_filter_matches(filter, subject) ==
             (filter_valid && subject_valid && matches(&f, 0, &s, 0)));

  /* Equal text, equal hash, wherever it lies; and a valid literal matches itself. */
  char *copy = malloc(subject.len + 1);
  if (copy == NULL) return 0;
  memcpy(copy + 1, subject.ptr, subject.len);
  struct tern_slice moved = {copy + 1, subject.len};
  FUZZ_CHECK(tern_subject_hash(moved) == tern_subject_hash(subject));
  if (subject_valid && !any_wild(&s)) FUZZ_CHECK(tern_filter_matches(moved, subject));
  free(copy);
  return 0;
}
