/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process's hash seed. Drawn from the system before main runs, so that every thread sees the same
 * constant without synchronisation. Without a source of randomness the address of the stack has to do.
 */
#include "hash.h"

#include <sys/random.h>

uint64_t tern__hash_seed;

uint64_t tern__hash_long(const void *data, size_t len) {
  return XXH3_64bits_withSeed(data, len, tern__hash_seed);
}

__attribute__((constructor)) static void draw_seed(void) {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
    seed = (uint64_t)(uintptr_t)__builtin_frame_address(0);
  tern__hash_seed = seed;
}
