/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Counters with one writer and any number of readers: a plain load and store for the writer, never a locked
 * instruction. Readers add up the counters of all workers when somebody asks. Written with the compiler's
 * builtins, because C++ does not know _Atomic.
 */
#ifndef TERN_STATS_H
#define TERN_STATS_H

#include <stdint.h>

/** A counter or gauge written by one thread only. Zero-initialise it. */
struct tern_counter {
  uint64_t value; /**< private */
};

/** Adds; a gauge subtracts by adding the two's complement. Thread: the one writer. */
static inline void tern_counter_add(struct tern_counter *counter, uint64_t n) {
  /* relaxed: the value orders nothing; with one writer load and store need not be one operation */
  uint64_t now = __atomic_load_n(&counter->value, __ATOMIC_RELAXED);
  __atomic_store_n(&counter->value, now + n, __ATOMIC_RELAXED);
}

/** Reads; the value may be a moment old. Thread: any. */
static inline uint64_t tern_counter_read(const struct tern_counter *counter) {
  /* relaxed: as in tern_counter_add, whose store this sees sooner or later */
  return __atomic_load_n(&counter->value, __ATOMIC_RELAXED);
}

#endif
