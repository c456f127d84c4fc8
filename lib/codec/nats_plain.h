/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The plain form of PUB, in which nearly all messages come: one blank after the verb and one between two words, digits,
 * CR LF, and the whole message in the input. Anything else is no error here, but left to the parser.
 *
 *     PUB bench.0001 16\r\n................\r\n
 *         <-subject> <> <---- body ---->
 *
 * Thread: any; there is no state.
 */
#ifndef TERN_CODEC_NATS_PLAIN_H
#define TERN_CODEC_NATS_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nats_scan.h"

#define TERN__NATS_PUB_LEN      4u
#define TERN__NATS_SIZE_LEN_MAX 9u

/** Lengths of the parts; the size's digits begin one behind the subject. */
struct tern__nats_plain {
  uint32_t subject_len;
  uint32_t size_len;
  uint32_t line_len; /* with verb and LF */
  uint32_t body_len;
};

/** Do these four bytes say PUB and a blank? */
static inline bool tern__nats_says_pub(const char *data) {
  uint32_t letters, pub;
  memcpy(&letters, data, sizeof letters);
  memcpy(&pub, "pub ", sizeof pub);
  return (letters | 0x20202020u) == pub && data[3] == ' ';
}

/** Is the input, which begins with PUB and a blank, a plain PUB within the limits? */
static inline bool tern__nats_plain_pub(const char *data, size_t len, uint32_t line_max, uint32_t payload_max,
                                        struct tern__nats_plain *out) {
  const char *line = data + TERN__NATS_PUB_LEN;
  if (len < TERN__NATS_PUB_LEN + TERN__NATS_BLOCK) return false;
  struct tern__nats_masks m = tern__nats_masks(line);
  if (m.lf == 0 && len >= TERN__NATS_PUB_LEN + 2 * TERN__NATS_BLOCK)
    m = tern__nats_masks_add(m, line + TERN__NATS_BLOCK);
  if (m.lf == 0) return false;
  uint32_t lf = (uint32_t)__builtin_ctzll(m.lf);
  uint64_t blanks = m.blank & ((UINT64_C(1) << lf) - 1);
  if (blanks == 0 || (blanks & (blanks - 1)) != 0 || lf > line_max) return false;
  uint32_t subject_len = (uint32_t)__builtin_ctzll(blanks), size_len = lf - subject_len - 2;
  if (subject_len == 0 || size_len - 1 >= TERN__NATS_SIZE_LEN_MAX || line[lf - 1] != '\r') return false;
  uint32_t size = 0;
  for (uint32_t i = subject_len + 1; i < lf - 1; i++) {
    uint32_t digit = (uint32_t)(unsigned char)line[i] - '0';
    if (digit > 9) return false;
    size = size * 10 + digit;
  }
  size_t end = (size_t)TERN__NATS_PUB_LEN + lf + 1 + size;
  if (size > payload_max || len < end + 2 || data[end] != '\r' || data[end + 1] != '\n') return false;
  *out = (struct tern__nats_plain){subject_len, size_len, TERN__NATS_PUB_LEN + lf + 1, size};
  return true;
}

#endif
