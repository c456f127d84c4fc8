/* SPDX-License-Identifier: Apache-2.0 */
/**
 * NKeys as text: public keys and signatures become bytes. Verifying a signature is not done here. Pure; thread: any.
 */
#ifndef BROKER_ACCESS_NKEY_H
#define BROKER_ACCESS_NKEY_H

#include <stdbool.h>

#define NKEY_BYTES       32 /* of a public key */
#define NKEY_CHARS       56 /* of its text */
#define NKEY_SIG_BYTES   64
#define NKEY_NONCE_CHARS 15 /* of the text a client signs */

/** Whose key it is: the first byte of what the text stands for. */
enum nkey_kind { NKEY_ACCOUNT = 0, NKEY_USER = 20 << 3 };

/** Reads a public key ("U..." or "A..."). False when it is none of this kind; then the key is undefined. */
bool nkey_read(const char *text, enum nkey_kind kind, unsigned char key[NKEY_BYTES]);
/** Reads a signature: base64url without padding, or base64 with it. False when it is neither. */
bool nkey_read_signature(const char *text, unsigned char signature[NKEY_SIG_BYTES]);
/** Writes a nonce of random bits, NUL-terminated. False when the system has none to give. */
bool nkey_nonce(char nonce[NKEY_NONCE_CHARS + 1]);

#endif
