/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was verified is remembered as a keyed digest of hash and password:
 *
 *     digest = SipHash-2-4-128(random key of this process, hash NUL password)
 *
 *     sets   | d d d d | d d d - | - - - - | ...      by the digest's low bits; in each the newest first
 *
 * SipHash is a pseudorandom function: who does not know the key cannot find a password with the digest of another, and
 * a chance hit has one chance in 2^128. The table is made with its first entry. Looked into by workers: the lock is held
 * for the length of a few comparisons.
 */
#include "verified.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define WAYS 4
#define SETS (VERIFIED_MAX / WAYS)

struct set {
  uint64_t digests[WAYS][2]; /* both 0: none */
};

struct verified {
  pthread_mutex_t lock; /* of the sets; taken alone */
  struct set *sets;     /* NULL: nothing yet */
  uint8_t key[16];
};

/* ---- SipHash ---- */

struct sip {
  uint64_t v0, v1, v2, v3;
  uint64_t word; /* of the last len % 8 bytes */
  size_t len;
};

static uint64_t rotate(uint64_t value, unsigned bits) { return value << bits | value >> (64 - bits); }

static void rounds(struct sip *s, unsigned count) {
  while (count-- > 0) {
    s->v0 += s->v1, s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0, s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1, s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2, s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
  }
}

static void take_word(struct sip *s) {
  s->v3 ^= s->word;
  rounds(s, 2);
  s->v0 ^= s->word;
  s->word = 0;
}

static void take(struct sip *s, const char *data, size_t len) {
  for (size_t i = 0; i < len; i++) {
    s->word |= (uint64_t)(unsigned char)data[i] << (s->len % 8 * 8);
    if (++s->len % 8 == 0) take_word(s);
  }
}

static uint64_t load64(const uint8_t *p) {
  uint64_t value = 0;
  for (unsigned i = 0; i < 8; i++)
    value |= (uint64_t)p[i] << (i * 8);
  return value;
}

void verified_digest(const uint8_t key[16], const char *one, size_t one_len, const char *other,
                     size_t other_len, uint64_t digest[2]) {
  const uint64_t k0 = load64(key), k1 = load64(key + 8);
  struct sip s = {.v0 = k0 ^ 0x736f6d6570736575u,
                  .v1 = k1 ^ 0x646f72616e646f6du ^ 0xee,
                  .v2 = k0 ^ 0x6c7967656e657261u,
                  .v3 = k1 ^ 0x7465646279746573u};
  take(&s, one, one_len);
  take(&s, "", 1);
  take(&s, other, other_len);
  s.word |= (uint64_t)(s.len & 0xff) << 56;
  take_word(&s);
  s.v2 ^= 0xee;
  rounds(&s, 4);
  digest[0] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
  s.v1 ^= 0xdd;
  rounds(&s, 4);
  digest[1] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* ---- the table ---- */

static void digest_of(const struct verified *verified, const char *hash, const char *password,
                      uint64_t digest[2]) {
  verified_digest(verified->key, hash, strlen(hash), password, strlen(password), digest);
}

static bool set_has(const struct set *set, const uint64_t digest[2]) {
  for (unsigned i = 0; i < WAYS; i++)
    if (set->digests[i][0] == digest[0] && set->digests[i][1] == digest[1]) return true;
  return false;
}

struct verified *verified_new(void) {
  struct verified *verified = calloc(1, sizeof *verified);
  if (verified == NULL) return NULL;
  if (getrandom(verified->key, sizeof verified->key, 0) != sizeof verified->key ||
      pthread_mutex_init(&verified->lock, NULL) != 0) {
    free(verified);
    return NULL;
  }
  return verified;
}

void verified_free(struct verified *verified) {
  if (verified == NULL) return;
  verified_forget(verified);
  pthread_mutex_destroy(&verified->lock);
  explicit_bzero(verified, sizeof *verified);
  free(verified);
}

bool verified_has(struct verified *verified, const char *hash, const char *password) {
  uint64_t digest[2];
  digest_of(verified, hash, password, digest);
  pthread_mutex_lock(&verified->lock);
  bool found = verified->sets != NULL && set_has(&verified->sets[digest[0] % SETS], digest);
  pthread_mutex_unlock(&verified->lock);
  return found;
}

void verified_add(struct verified *verified, const char *hash, const char *password) {
  uint64_t digest[2];
  digest_of(verified, hash, password, digest);
  pthread_mutex_lock(&verified->lock);
  if (verified->sets == NULL) verified->sets = calloc(SETS, sizeof *verified->sets);
  struct set *set = verified->sets != NULL ? &verified->sets[digest[0] % SETS] : NULL;
  if (set != NULL && !set_has(set, digest)) {
    memmove(set->digests[1], set->digests[0], sizeof set->digests - sizeof set->digests[0]);
    memcpy(set->digests[0], digest, sizeof set->digests[0]);
  }
  pthread_mutex_unlock(&verified->lock);
}

void verified_forget(struct verified *verified) {
  pthread_mutex_lock(&verified->lock);
  if (verified->sets != NULL) explicit_bzero(verified->sets, SETS * sizeof *verified->sets);
  free(verified->sets);
  verified->sets = NULL;
  pthread_mutex_unlock(&verified->lock);
}
