/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The heaviest subjects of a stream, in memory that does not grow: space-saving, by A. Metwally, D. Agrawal and A. El
 * Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005.
 *
 *     add(k, w)   k has a place:       its weight grows by w
 *                 a place is free:     k gets it, with w
 *                 none is:             k gets the place of the lightest, and its weight m as well: m + w, error m
 *
 * With W the sum of all that was added, T what was added for one key, and P the places (SKETCH_PLACES):
 *   K1  a key in the sketch has  weight - error <= T <= weight;
 *   K2  a key that is not in it has  T <= sketch_least() <= W / P;
 *   K3  so every key with T > W / P is in it, and no error is above W / P.
 * This holds for every stream, whoever chooses it.
 *
 * A key is an account and a subject. It is known by a 64-bit hash with a secret seed: two keys with the same one (which
 * nobody can look for) count as one. Of a subject the first SKETCH_TEXT_BYTES are kept, for people.
 *
 * Thread: one at a time. Blocks: never.
 */
#ifndef BROKER_NATS_SKETCH_H
#define BROKER_NATS_SKETCH_H

#include <stdint.h>

#include <tern/buffer.h>

/** Keys it has room for. Another one takes the place of the lightest. */
#define SKETCH_PLACES 256
/** Bytes of a subject that are kept. Of longer ones the rest is not told. */
#define SKETCH_TEXT_BYTES 128

/** What is known of one key besides its weight. */
struct sketch_entry {
  uint64_t error;   /* its weight may be too high by that much */
  uint64_t other;   /* another measure, without bounds: what was added since it has its place */
  uint32_t account; /* number */
  uint32_t len;     /* of the subject, in full */
  char text[SKETCH_TEXT_BYTES];
};

/** All of it, without pointers: a copy is as good. Zero-initialise it, or sketch_clear. */
struct sketch {
  uint64_t total; /* W */
  uint32_t count; /* places that are taken: the first ones, in no order */
  uint64_t keys[SKETCH_PLACES];
  uint64_t weights[SKETCH_PLACES];
  struct sketch_entry entries[SKETCH_PLACES];
};

/** What is counted. */
struct sketch_key {
  struct tern_slice subject;
  uint64_t hash; /* tern_subject_hash(subject) */
  uint32_t account;
};

/** Forgets everything. */
void sketch_clear(struct sketch *sketch);
/** Adds weight for a key, and to its other measure; weight 0: nothing happens. Cost: a look at all places. */
void sketch_add(struct sketch *sketch, const struct sketch_key *key, uint64_t weight, uint64_t other);
/** The most that a key can have that is not in it (K2): 0 while places are free. */
uint64_t sketch_least(const struct sketch *sketch);

#endif
