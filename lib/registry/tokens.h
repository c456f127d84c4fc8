/* SPDX-License-Identifier: Apache-2.0 */
/** Walking over the tokens of a subject or filter. Thread: any. */
#ifndef TERN_REGISTRY_TOKENS_H
#define TERN_REGISTRY_TOKENS_H

#include <stdbool.h>

#include <tern/buffer.h>

/** A position between tokens; start with `{text, false}`. */
struct tern__tokens {
  struct tern_slice rest;
  bool ended;
};

/** Takes the next token (which may be empty). False when there is none left; every text has at least one. */
static inline bool tern__next_token(struct tern__tokens *tokens, struct tern_slice *token) {
  if (tokens->ended) return false;
  struct tern_slice rest = tokens->rest;
  const char *dot = rest.len == 0 ? NULL : memchr(rest.ptr, '.', rest.len);
  if (dot == NULL) {
    *token = rest;
    tokens->ended = true;
    return true;
  }
  *token = (struct tern_slice){rest.ptr, (size_t)(dot - rest.ptr)};
  tokens->rest = (struct tern_slice){dot + 1, rest.len - token->len - 1};
  return true;
}

/** True for the token `*`. */
static inline bool tern__token_is_star(struct tern_slice token) {
  return token.len == 1 && token.ptr[0] == '*';
}

/** True for the token `>`. */
static inline bool tern__token_is_tail(struct tern_slice token) {
  return token.len == 1 && token.ptr[0] == '>';
}

/** True for either. */
static inline bool tern__token_is_wild(struct tern_slice token) {
  return tern__token_is_star(token) || tern__token_is_tail(token);
}

#endif
