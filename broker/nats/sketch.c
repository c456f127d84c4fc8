/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See sketch.h. The paper keeps its counters in a list sorted by weight, which makes adding one cheap. Here few are added
 * (busiest.h samples) and weights differ, so the places are simply looked through: keys and weights are arrays of
 * their own, four kilobytes in all, and the worst case is every case.
 */
#include "sketch.h"

#include <stdbool.h>
#include <string.h>

/* 2^64 divided by the golden ratio: accounts with numbers next to one another are far from one another. */
#define ACCOUNT_FACTOR UINT64_C(0x9E3779B97F4A7C15)

static uint64_t word_of(const struct sketch_key *key) { return key->hash + key->account * ACCOUNT_FACTOR; }

void sketch_clear(struct sketch *sketch) {
  sketch->total = 0;
  sketch->count = 0;
}

static uint32_t lightest(const struct sketch *sketch) {
  uint32_t least = 0;
  for (uint32_t i = 1; i < sketch->count; i++)
    if (sketch->weights[i] < sketch->weights[least]) least = i;
  return least;
}

/* The key's place, or SKETCH_PLACES. */
static uint32_t find(const struct sketch *sketch, uint64_t word) {
  for (uint32_t i = 0; i < sketch->count; i++)
    if (sketch->keys[i] == word) return i;
  return SKETCH_PLACES;
}

/* A place for a key that has none. */
static uint32_t take_place(struct sketch *sketch, const struct sketch_key *key) {
  const bool free = sketch->count < SKETCH_PLACES;
  const uint32_t at = free ? sketch->count++ : lightest(sketch);
  struct sketch_entry *entry = &sketch->entries[at];
  if (free) sketch->weights[at] = 0;
  sketch->keys[at] = word_of(key);
  entry->error = sketch->weights[at];
  entry->other = 0;
  entry->account = key->account;
  entry->len = (uint32_t)key->subject.len;
  memcpy(entry->text, key->subject.ptr,
         key->subject.len < SKETCH_TEXT_BYTES ? key->subject.len : SKETCH_TEXT_BYTES);
  return at;
}

void sketch_add(struct sketch *sketch, const struct sketch_key *key, uint64_t weight, uint64_t other) {
  if (weight == 0) return;
  uint32_t at = find(sketch, word_of(key));
  if (at == SKETCH_PLACES) at = take_place(sketch, key);
  sketch->weights[at] += weight;
  sketch->entries[at].other += other;
  sketch->total += weight;
}

uint64_t sketch_least(const struct sketch *sketch) {
  return sketch->count < SKETCH_PLACES ? 0 : sketch->weights[lightest(sketch)];
}
