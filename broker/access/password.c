/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords. The hash itself is libcrypt's. Of its variants of bcrypt the one with the right results is "2b"; nats-server
 * computes that whatever the prefix says, and so is done here:
 *
 *     $2y$11$ salt, 22 characters | hash, 31 characters
 *       ^ as b                      compared
 */
#include "password.h"

#include <crypt.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_HEAD  7 /* "$2b$11$" */
#define HASH_SALT  22
#define HASH_LEN   60
#define HASHED_MAX PASSWORD_HASHED_MAX
#define COST_MIN   4
#define COST_MAX   31

bool password_is_hash(const char *s) {
  return s[0] == '$' && s[1] == '2' && s[2] != '\0' && strchr("abxy", s[2]) != NULL && s[3] == '$' &&
         isdigit((unsigned char)s[4]) && isdigit((unsigned char)s[5]) && s[6] == '$';
}

bool password_hash_is_whole(const char *hash) {
  static const char alphabet[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  if (!password_is_hash(hash)) return false;
  int cost = (hash[4] - '0') * 10 + hash[5] - '0';
  return cost >= COST_MIN && cost <= COST_MAX && strlen(hash) == HASH_LEN &&
         strspn(hash + HASH_HEAD, alphabet) == HASH_LEN - HASH_HEAD;
}

/* Bytes of `given` are compared in a circle when it is the shorter one: as many as `stored` has, always. */
static bool equal(const char *stored, size_t stored_len, const char *given, size_t given_len) {
  volatile unsigned char different = stored_len != given_len;
  for (size_t i = 0; i < stored_len; i++)
    different |= (unsigned char)(stored[i] ^ given[given_len > 0 ? i % given_len : 0]);
  return different == 0;
}

bool password_equal(const char *stored, const char *given) {
  return equal(stored, strlen(stored), given, strlen(given));
}

struct password_scratch {
  struct crypt_data data;
  char hash[HASH_LEN + 1], password[HASHED_MAX + 1];
};

struct password_scratch *password_scratch_new(void) {
  return calloc(1, sizeof(struct password_scratch));
}

void password_scratch_clear(struct password_scratch *scratch) { explicit_bzero(scratch, sizeof *scratch); }

void password_scratch_free(struct password_scratch *scratch) {
  if (scratch == NULL) return;
  password_scratch_clear(scratch);
  free(scratch);
}

bool password_scratch_put(struct password_scratch *scratch, const char *hash, const char *given) {
  if (!password_hash_is_whole(hash)) return false;
  memcpy(scratch->hash, hash, sizeof scratch->hash);
  const size_t len = strnlen(given, HASHED_MAX);
  memcpy(scratch->password, given, len); /* crypt_r refuses what is very long */
  scratch->password[len] = '\0';
  return true;
}

int password_scratch_check(struct password_scratch *scratch) {
  char setting[HASH_LEN + 1];
  memcpy(setting, scratch->hash, sizeof setting);
  setting[2] = 'b';
  const char *result = crypt_r(scratch->password, setting, &scratch->data);
  const size_t from = HASH_HEAD + HASH_SALT;
  bool same = result != NULL && strlen(result) == HASH_LEN &&
              equal(scratch->hash + from, HASH_LEN - from, result + from, HASH_LEN - from);
  password_scratch_clear(scratch);
  return same;
}

int password_check_hash(const char *hash, const char *given) {
  struct password_scratch *scratch = password_scratch_new();
  if (scratch == NULL) return -ENOMEM;
  const int result = password_scratch_put(scratch, hash, given) ? password_scratch_check(scratch) : 0;
  password_scratch_free(scratch);
  return result;
}
