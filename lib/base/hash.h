/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Hashing: XXH3 (xxhash, header only) with a seed drawn once per process, so that clients cannot aim for
 * collisions. Thread: any; the seed is drawn before main.
 */
#ifndef TERN_BASE_HASH_H
#define TERN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/** The process's seed; constant after start. */
extern uint64_t tern__hash_seed;

/** Bytes that are hashed in a few steps, as most subjects and tokens are. */
#define TERN__HASH_SHORT_MAX 16

/** Hash of more than that. */
uint64_t tern__hash_long(const void *data, size_t len);
/** Hash of some bytes. */
static inline uint64_t tern__hash(const void *data, size_t len) {
  if (len > TERN__HASH_SHORT_MAX) return tern__hash_long(data, len);
  return XXH3_64bits_withSeed(data, len, tern__hash_seed);
}

/** Finalises a combination of two hashes (murmur3's 64-bit mixer). */
static inline uint64_t tern__hash_mix(uint64_t a, uint64_t b) {
  uint64_t h = a ^ (b * 0x9e3779b97f4a7c15u);
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdu;
  h ^= h >> 33;
  return h;
}

#endif
