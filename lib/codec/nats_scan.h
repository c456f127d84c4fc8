/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Finding the end of a control line and the words in it, in one pass.
 *
 *     text   a . b   7 \r \n      LF at 6
 *            0 1 2 3 4  5  6
 *     cuts   0     3 4  5         a word starts, ends, starts, ends
 *
 * Words are runs of anything but SP and TAB; one CR directly before the LF belongs to the line end.
 *
 * The vector version looks at 32 bytes at a time and turns them into two bit masks with one bit per byte: is
 * it an LF, is it a blank. With `words` the bits that are not blank, words begin or end where `words` differs
 * from itself shifted by one:
 *
 *     text         f o o _ _ 1 2 LF
 *     words        1 1 1 0 0 1 1 0
 *     words << 1   . 1 1 1 0 0 1 1
 *     xor          1 0 0 1 0 1 0 1     cuts 0 3 5 7
 *
 * A usual line lies in the first 32 bytes. Less than 32 bytes are left only near the end of a chunk; they are
 * loaded as two overlapping halves, or over a small copy, so that no byte outside the text is read.
 *
 * Two SSE2 vectors make a block: every x86-64 has them, so nothing is chosen at run time. One AVX2 vector in their
 * place was measured and left out: 8 of 215 instructions less per message, and no time. Elsewhere the scalar
 * version does it all.
 *
 * Thread: any; there is no state.
 */
#ifndef TERN_CODEC_NATS_SCAN_H
#define TERN_CODEC_NATS_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Three times the cuts of HMSG's five words: lines with more are wrong in any case, and not counted exactly.
 */
#define TERN__NATS_CUTS_MAX 30

/** Where words begin (even indexes) and end (odd indexes). */
struct tern__nats_cuts {
  uint32_t n;                            /* cuts found */
  uint32_t at[TERN__NATS_CUTS_MAX + 34]; /* with room for what blocks can add, or have */
};

/** One byte at a time: for machines without vectors, and what the other way is tested against.
 * Scans text for its first LF; returns its offset, or len, with no cuts, when there is none. */
size_t tern__nats_scan_scalar(const char *text, size_t len, struct tern__nats_cuts *cuts);
/** The same, faster. */
size_t tern__nats_scan(const char *text, size_t len, struct tern__nats_cuts *cuts);

#define TERN__NATS_BLOCK 32

/** One bit per byte of a block, or of two. */
struct tern__nats_masks {
  uint64_t lf;
  uint64_t blank;
};

#ifdef __x86_64__
#include <emmintrin.h>

#define TERN__NATS_VECTORS 1

static inline struct tern__nats_masks tern__nats_masks16(__m128i v) {
  __m128i blank = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\t')));
  return (struct tern__nats_masks){(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))),
                                   (uint32_t)_mm_movemask_epi8(blank)};
}

static inline __m128i tern__nats_load16(const char *at) {
  __m128i v;
  memcpy(&v, at, sizeof v);
  return v;
}

/** Two vectors; the second one begins `shift` bytes behind the first one. */
static inline struct tern__nats_masks tern__nats_masks32(const char *text, size_t shift) {
  struct tern__nats_masks a = tern__nats_masks16(tern__nats_load16(text));
  struct tern__nats_masks b = tern__nats_masks16(tern__nats_load16(text + shift));
  return (struct tern__nats_masks){a.lf | b.lf << shift, a.blank | b.blank << shift};
}

/** The masks of a block. */
static inline struct tern__nats_masks tern__nats_masks(const char *text) {
  return tern__nats_masks32(text, 16);
}

/** One bit per byte of a block: is it a blank, or a control like TAB, CR and LF? */
static inline uint32_t tern__nats_cuts(const char *text) {
  const __m128i blank = _mm_set1_epi8(' ');
  __m128i a = tern__nats_load16(text), b = tern__nats_load16(text + 16);
  return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(a, blank), a)) |
         (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(b, blank), b)) << 16;
}
#else
/** As if no block held an LF: the parser then calls tern__nats_scan. */
static inline struct tern__nats_masks tern__nats_masks(const char *text) {
  (void)text;
  return (struct tern__nats_masks){0, 0};
}
#endif

/** Adds the masks of the block that follows. */
static inline struct tern__nats_masks tern__nats_masks_add(struct tern__nats_masks m, const char *next) {
  struct tern__nats_masks n = tern__nats_masks(next);
  return (struct tern__nats_masks){m.lf | n.lf << TERN__NATS_BLOCK, m.blank | n.blank << TERN__NATS_BLOCK};
}

/** The cuts of a line that ends where there are masks. Returns the offset of its LF. */
static inline size_t tern__nats_scan_masks(const char *text, struct tern__nats_masks m,
                                           struct tern__nats_cuts *cuts) {
  uint32_t lf = (uint32_t)__builtin_ctzll(m.lf), n = 0;
  uint32_t end = lf - (lf > 0 && text[lf - 1] == '\r');
  uint64_t words = ~m.blank & ((UINT64_C(1) << end) - 1);
  for (uint64_t edges = words ^ words << 1; edges != 0; edges &= edges - 1) { /* they come in pairs */
    cuts->at[n] = (uint32_t)__builtin_ctzll(edges);
    edges &= edges - 1;
    cuts->at[n + 1] = (uint32_t)__builtin_ctzll(edges);
    n += 2;
  }
  cuts->n = n;
  return lf;
}

#endif
