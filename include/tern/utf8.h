/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Well-formed UTF-8, as the Unicode standard's table 3-7 has it. Pure.
 */
#ifndef TERN_UTF8_H
#define TERN_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/** Bytes of the character at text (left bytes long, at least 1), or 0 when it is not well-formed. Thread: any. */
static inline size_t tern_utf8_len(const char *text, size_t left) {
  const unsigned char *p = (const unsigned char *)text;
  if (p[0] < 0x80) return 1;
  size_t len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
  if (p[0] < 0xC2 || p[0] > 0xF4 || len > left) return 0;
  for (size_t i = 1; i < len; i++)
    if ((p[i] & 0xC0) != 0x80) return 0;
  bool overlong = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
  bool surrogate = p[0] == 0xED && p[1] > 0x9F;
  bool too_large = p[0] == 0xF4 && p[1] > 0x8F;
  return overlong || surrogate || too_large ? 0 : len;
}

#endif
