/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NKeys as text. A public key is base32 without padding:
 *
 *     56 characters = 35 bytes:  | kind | key, 32 bytes | CRC-16 of the 33 before, low byte first |
 *
 * The checksum is there against typing errors, not against anyone. A nonce is 11 random bytes as base64url.
 */
#include "nkey.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#define TEXT_BYTES  35 /* what a key's text stands for */
#define NONCE_BYTES 11

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* CRC-16/XMODEM. */
static uint16_t crc16(const unsigned char *data, size_t len) {
  uint16_t crc = 0;
  for (size_t i = 0; i < len; i++) {
    crc ^= (uint16_t)(data[i] << 8);
    for (int bit = 0; bit < 8; bit++)
      crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
  }
  return crc;
}

/* Reads `chars` characters of so many bits each; what is left over at the end is dropped. */
static bool decode(const char *text, size_t chars, const char *alphabet, unsigned bits, unsigned char *out) {
  uint32_t value = 0;
  unsigned have = 0;
  for (size_t i = 0; i < chars; i++) {
    const char *at = text[i] != '\0' ? strchr(alphabet, text[i]) : NULL;
    if (at == NULL) return false;
    value = value << bits | (uint32_t)(at - alphabet);
    have += bits;
    if (have >= 8) *out++ = (unsigned char)(value >> (have -= 8));
  }
  return true;
}

bool nkey_read(const char *text, enum nkey_kind kind, unsigned char key[NKEY_BYTES]) {
  unsigned char bytes[TEXT_BYTES];
  if (strlen(text) != NKEY_CHARS || !decode(text, NKEY_CHARS, base32, 5, bytes)) return false;
  uint16_t crc = (uint16_t)(bytes[TEXT_BYTES - 2] | bytes[TEXT_BYTES - 1] << 8);
  if (bytes[0] != kind || crc != crc16(bytes, TEXT_BYTES - 2)) return false;
  memcpy(key, bytes + 1, NKEY_BYTES);
  return true;
}

bool nkey_read_signature(const char *text, unsigned char signature[NKEY_SIG_BYTES]) {
  const size_t chars = (NKEY_SIG_BYTES * 8 + 5) / 6, len = strlen(text);
  if (len == chars) return decode(text, chars, base64url, 6, signature);
  return len == chars + 2 && strcmp(text + chars, "==") == 0 && decode(text, chars, base64, 6, signature);
}

bool nkey_nonce(char nonce[NKEY_NONCE_CHARS + 1]) {
  unsigned char bytes[NONCE_BYTES + 1] = {0};
  if (getrandom(bytes, NONCE_BYTES, 0) != NONCE_BYTES) return false;
  for (size_t i = 0, bit = 0; i < NKEY_NONCE_CHARS; i++, bit += 6) {
    unsigned pair = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];
    nonce[i] = base64url[pair >> (10 - bit % 8) & 63];
  }
  nonce[NKEY_NONCE_CHARS] = '\0';
  return true;
}
