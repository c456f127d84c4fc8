/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Short pieces of memory compared without a call. Thread: any.
 */
#ifndef TERN_BASE_BYTES_H
#define TERN_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Eight bytes as a number. */
static inline uint64_t tern__load64(const char *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

/** Are these equal? They have eight bytes at least. */
static inline bool tern__same_long(const char *a, const char *b, size_t len) {
  for (size_t at = 0; at + 8 < len; at += 8)
    if (tern__load64(a + at) != tern__load64(b + at)) return false;
  return tern__load64(a + len - 8) == tern__load64(b + len - 8); /* the last bytes, which may overlap */
}

/** Are these equal, whatever their length? */
static inline bool tern__same_bytes(const char *a, const char *b, size_t len) {
  return len >= 8 ? tern__same_long(a, b, len) : memcmp(a, b, len) == 0;
}

#endif
