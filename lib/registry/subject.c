/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subjects and filters as text: is it valid, has it wildcards, does a filter match a subject. These functions
 * define the rules; the registry's indexes are a faster way to the same answers and are tested against them.
 *
 * All of them are one pass over the tokens, left to right. Because `>` is only a wildcard at the end and `*`
 * takes exactly one token, matching never has to go back. Any thread; nothing is allocated or kept.
 */
#include <tern/subject.h>

#include "hash.h"
#include "tokens.h"

bool tern_filter_is_valid(struct tern_slice filter) {
  struct tern__tokens tokens = {filter, false};
  struct tern_slice token;
  while (tern__next_token(&tokens, &token)) {
    if (token.len == 0) return false;
    if (tern__token_is_tail(token) && !tokens.ended) return false;
  }
  return true;
}

bool tern_filter_has_wildcard(struct tern_slice filter) {
  struct tern__tokens tokens = {filter, false};
  struct tern_slice token;
  while (tern__next_token(&tokens, &token))
    if (tern__token_is_wild(token)) return true;
  return false;
}

bool tern_subject_is_valid(struct tern_slice subject) {
  struct tern__tokens tokens = {subject, false};
  struct tern_slice token;
  while (tern__next_token(&tokens, &token))
    if (token.len == 0) return false;
  return true;
}

bool tern_subject_is_literal(struct tern_slice subject) {
  return tern_subject_is_valid(subject) && !tern_filter_has_wildcard(subject);
}

uint32_t tern_subject_tokens(struct tern_slice subject) {
  struct tern__tokens tokens = {subject, false};
  struct tern_slice token;
  uint32_t count = 0;
  while (tern__next_token(&tokens, &token))
    count++;
  return count;
}

bool tern_filter_matches(struct tern_slice filter, struct tern_slice subject) {
  if (!tern_filter_is_valid(filter) || !tern_subject_is_valid(subject)) return false;
  struct tern__tokens wanted = {filter, false}, given = {subject, false};
  struct tern_slice want, have;
  while (tern__next_token(&wanted, &want)) {
    if (!tern__next_token(&given, &have)) return false;
    if (tern__token_is_tail(want)) return true;
    if (!tern__token_is_star(want) && !tern_slice_equal(want, have)) return false;
  }
  return given.ended;
}

uint64_t tern_subject_hash(struct tern_slice subject) { return tern__hash(subject.ptr, subject.len); }
