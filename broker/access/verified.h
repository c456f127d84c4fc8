/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which passwords have matched which hashes, so that a client that comes again costs a lookup instead of a bcrypt. Keeps
 * neither passwords nor hashes of them that are of use elsewhere. Thread: any.
 */
#ifndef BROKER_ACCESS_VERIFIED_H
#define BROKER_ACCESS_VERIFIED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** So many are remembered; more push out the oldest of those they share a place with. */
#define VERIFIED_MAX 4096

struct verified;

/** Makes it, empty. NULL without memory, or when the system gives no random bits. */
struct verified *verified_new(void);
/** Frees it. NULL is allowed. */
void verified_free(struct verified *verified);
/** Has the password been found to match the hash? */
bool verified_has(struct verified *verified, const char *hash, const char *password);
/** It has. Without memory nothing is remembered, which costs time only. */
void verified_add(struct verified *verified, const char *hash, const char *password);
/** Nothing has. */
void verified_forget(struct verified *verified);

/** SipHash-2-4 with 128 bits of two strings, one behind the other with a NUL between; exposed for its test. */
void verified_digest(const uint8_t key[16], const char *one, size_t one_len, const char *other,
                     size_t other_len, uint64_t digest[2]);

#endif
