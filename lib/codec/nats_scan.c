/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line scanner of the NATS parser, out of line: for lines that the parser's inner loop does not deal
 * with, and for tests. nats_scan.h says what it finds and how the vector versions work.
 *
 * Called by the parser on whatever thread owns the connection. It does not know verbs.
 */
#include "nats_scan.h"

#include <stdbool.h>

size_t tern__nats_scan_scalar(const char *text, size_t len, struct tern__nats_cuts *cuts) {
  uint32_t n = 0;
  bool inside = false;
  for (size_t at = 0; at < len; at++) {
    bool end = text[at] == '\n';
    bool word = !end && text[at] != ' ' && text[at] != '\t';
    if (word != inside) {
      cuts->at[n++] = (uint32_t)at;
      if (n > TERN__NATS_CUTS_MAX) n = TERN__NATS_CUTS_MAX + (n & 1);
      inside = word;
    }
    if (end) {
      if (at > 0 && text[at - 1] == '\r' && --cuts->at[n - 1] == cuts->at[n - 2]) n -= 2;
      cuts->n = n;
      return at;
    }
  }
  cuts->n = 0;
  return len;
}

#ifdef TERN__NATS_VECTORS
/* Less than 16 bytes, copied in overlapping pieces. What is behind them is neither LF nor blank. */
static inline __m128i load_short(const char *text, size_t len) {
  char copy[16] = {0};
  if (len >= 8) {
    memcpy(copy, text, 8);
    memcpy(copy + len - 8, text + len - 8, 8);
  } else if (len >= 4) {
    memcpy(copy, text, 4);
    memcpy(copy + len - 4, text + len - 4, 4);
  } else if (len > 0) {
    copy[0] = text[0];
    copy[len / 2] = text[len / 2];
    copy[len - 1] = text[len - 1];
  }
  return tern__nats_load16(copy);
}

/* Less than a block. Bits behind the text are not LF. */
static struct tern__nats_masks masks_short(const char *text, size_t len) {
  return len >= 16 ? tern__nats_masks32(text, len - 16) : tern__nats_masks16(load_short(text, len));
}

size_t tern__nats_scan(const char *text, size_t len, struct tern__nats_cuts *cuts) {
  uint32_t n = 0;
  uint64_t inside = 0; /* 1: the block before ended inside a word */
  for (size_t at = 0; at < len; at += TERN__NATS_BLOCK) {
    const char *block = text + at;
    struct tern__nats_masks m =
        len - at >= TERN__NATS_BLOCK ? tern__nats_masks32(block, 16) : masks_short(block, len - at);
    uint64_t words = ~m.blank & UINT32_MAX, line = UINT32_MAX;
    if (m.lf != 0) {
      words &= (m.lf & -m.lf) - 1;
      line = UINT64_MAX; /* a word may end with the last byte of the block */
    }
    for (uint64_t edges = (words ^ (words << 1 | inside)) & line; edges != 0; edges &= edges - 1)
      cuts->at[n++] = (uint32_t)at + (uint32_t)__builtin_ctzll(edges);
    if (m.lf != 0) {
      at += (size_t)__builtin_ctzll(m.lf);
      /* A CR is in the last word, or is the last word. */
      if (at > 0 && text[at - 1] == '\r' && --cuts->at[n - 1] == cuts->at[n - 2]) n -= 2;
      cuts->n = n;
      return at;
    }
    if (n > TERN__NATS_CUTS_MAX) n = TERN__NATS_CUTS_MAX + (n & 1); /* still starts and ends by turns */
    inside = words >> (TERN__NATS_BLOCK - 1);
  }
  cuts->n = 0;
  return len;
}
#else
size_t tern__nats_scan(const char *text, size_t len, struct tern__nats_cuts *cuts) {
  return tern__nats_scan_scalar(text, len, cuts);
}
#endif
