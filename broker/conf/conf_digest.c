/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest is SHA-256 (FIPS 180-4) of the tree as JSON, as nats-server makes it: without blanks, keys in the order of
 * their bytes, '<' '>' '&' as escapes, a line's end behind it.
 *
 *     tree --walk--> JSON, piece by piece --feed--> blocks of 64 bytes --mix--> 8 words
 *
 * The JSON is nowhere as a whole, so that passwords in it are in memory once, in the tree. SHA-256 is here because
 * OpenSSL is in a module that is loaded for TLS only.
 */
#include "conf_digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK_BYTES 64

struct sha256 {
  uint32_t words[8];
  uint64_t len; /* bytes so far */
  unsigned char block[BLOCK_BYTES];
};

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* ---- SHA-256 ---- */

static uint32_t rotate(uint32_t value, unsigned by) { return value >> by | value << (32 - by); }

static void mix(struct sha256 *sha) {
  uint32_t w[64], v[8];
  for (unsigned i = 0; i < 16; i++) {
    const unsigned char *at = sha->block + 4 * i;
    w[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
  }
  for (unsigned i = 16; i < 64; i++) {
    uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  memcpy(v, sha->words, sizeof v);
  for (unsigned i = 0; i < 64; i++) {
    uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
    uint32_t one = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[i] + w[i];
    uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
    uint32_t two = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof *v);
    v[4] += one;
    v[0] = one + two;
  }
  for (unsigned i = 0; i < 8; i++)
    sha->words[i] += v[i];
}

static void feed(struct sha256 *sha, const void *data, size_t len) {
  const unsigned char *from = data;
  while (len > 0) {
    size_t used = sha->len % BLOCK_BYTES, part = BLOCK_BYTES - used < len ? BLOCK_BYTES - used : len;
    memcpy(sha->block + used, from, part);
    sha->len += part;
    from += part;
    len -= part;
    if (sha->len % BLOCK_BYTES == 0) mix(sha);
  }
}

static void finish(struct sha256 *sha, char text[CONF_DIGEST_BYTES]) {
  static const unsigned char padding[BLOCK_BYTES] = {0x80};
  const uint64_t bits = sha->len * 8;
  unsigned char length[8];
  for (unsigned i = 0; i < sizeof length; i++)
    length[i] = (unsigned char)(bits >> (56 - 8 * i));
  const size_t used = sha->len % BLOCK_BYTES, room = BLOCK_BYTES - sizeof length;
  feed(sha, padding, used < room ? room - used : BLOCK_BYTES + room - used);
  feed(sha, length, sizeof length);
  int len = snprintf(text, CONF_DIGEST_BYTES, "sha256:");
  for (unsigned i = 0; i < 8; i++)
    len += snprintf(text + len, CONF_DIGEST_BYTES - (size_t)len, "%08" PRIx32, sha->words[i]);
}

/* ---- JSON ---- */

static void put(struct sha256 *sha, const char *text) { feed(sha, text, strlen(text)); }

static void put_string(struct sha256 *sha, const char *text) {
  static const char plain[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
  char escape[8];
  put(sha, "\"");
  for (; *text != '\0'; text++) {
    const unsigned char byte = (unsigned char)*text;
    const char *named = strchr(plain, byte);
    if (named != NULL) {
      snprintf(escape, sizeof escape, "\\%c", letters[named - plain]);
      put(sha, escape);
    } else if (byte < ' ' || strchr("<>&", byte) != NULL) {
      snprintf(escape, sizeof escape, "\\u%04x", byte);
      put(sha, escape);
    } else {
      feed(sha, text, 1);
    }
  }
  put(sha, "\"");
}

/* With as few digits as it takes to be read as the same number, and with an exponent where Go has one. */
static void put_number(struct sha256 *sha, double number) {
  char text[64];
  const double size = number < 0 ? -number : number;
  const bool exponent = size != 0 && (size < 1e-6 || size >= 1e21);
  for (int digits = 0; digits <= 25; digits++) {
    snprintf(text, sizeof text, exponent ? "%.*e" : "%.*f", digits, number);
    if (strtod(text, NULL) == number) break;
  }
  char *zero = strstr(text, "e-0");
  if (zero != NULL) memmove(zero + 2, zero + 3, strlen(zero + 3) + 1);
  put(sha, text);
}

static void put_scalar(struct sha256 *sha, const struct conf_node *node) {
  char text[32];
  struct tm when;
  const time_t seconds = (time_t)node->integer;
  switch (node->type) {
    case CONF_INT:
      snprintf(text, sizeof text, "%" PRId64, node->integer);
      put(sha, text);
      break;
    case CONF_FLOAT:
      put_number(sha, node->number);
      break;
    case CONF_BOOL:
      put(sha, node->truth ? "true" : "false");
      break;
    case CONF_TIME:
      gmtime_r(&seconds, &when);
      strftime(text, sizeof text, "\"%Y-%m-%dT%H:%M:%SZ\"", &when);
      put(sha, text);
      break;
    default:
      put_string(sha, node->text);
      break;
  }
}

static int compare(const void *left, const void *right) {
  const struct conf_node *const *a = left, *const *b = right;
  return strcmp((*a)->key, (*b)->key);
}

static int walk(struct sha256 *sha, const struct conf_node *node);

static int put_map(struct sha256 *sha, const struct conf_node *map) {
  size_t count = 0, i = 0;
  for (const struct conf_node *at = map->first; at != NULL; at = at->next)
    count++;
  const struct conf_node **sorted = malloc((count + 1) * sizeof *sorted);
  if (sorted == NULL) return -ENOMEM;
  for (const struct conf_node *at = map->first; at != NULL; at = at->next)
    sorted[i++] = at;
  qsort(sorted, count, sizeof *sorted, compare);
  int error = 0;
  put(sha, "{");
  for (i = 0; i < count && error == 0; i++) {
    if (i > 0) put(sha, ",");
    put_string(sha, sorted[i]->key);
    put(sha, ":");
    error = walk(sha, sorted[i]);
  }
  put(sha, "}");
  free(sorted);
  return error;
}

static int put_array(struct sha256 *sha, const struct conf_node *array) {
  int error = 0;
  put(sha, "[");
  for (const struct conf_node *at = array->first; at != NULL && error == 0; at = at->next) {
    error = walk(sha, at);
    if (at->next != NULL) put(sha, ",");
  }
  put(sha, "]");
  return error;
}

/* Goes as deep as a tree may be, CONF_DEPTH_MAX. */
static int walk(struct sha256 *sha, const struct conf_node *node) {
  if (node->type == CONF_MAP) return put_map(sha, node);
  if (node->type == CONF_ARRAY) return put_array(sha, node);
  put_scalar(sha, node);
  return 0;
}

int conf_digest(const struct conf *conf, char text[CONF_DIGEST_BYTES]) {
  struct sha256 sha = {.words = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                                 0x1f83d9ab, 0x5be0cd19}};
  int error = walk(&sha, conf_root(conf));
  put(&sha, "\n");
  if (error == 0) finish(&sha, text);
  explicit_bzero(&sha, sizeof sha); /* its block may be a part of a password */
  return error;
}
