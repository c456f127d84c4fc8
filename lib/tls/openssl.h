/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Inside of the module openssl.so: what its files share.
 */
#ifndef TERN_TLS_OPENSSL_H
#define TERN_TLS_OPENSSL_H

#include <openssl/ssl.h>

#include "engine.h"

/** A certificate with those that lead to its issuer, and its key. */
struct tern__tls_identity {
  X509 *cert;
  STACK_OF(X509) * chain;
  EVP_PKEY *key;
};

/** SHA-256 of a public key. */
struct tern__tls_pin {
  uint8_t sha256[32];
};

struct tern__tls_context {
  SSL_CTX *ssl;
  bool server;
  struct tern__tls_identity *identities;
  size_t identity_count;
  struct tern__tls_pin *pins;
  size_t pin_count;
};

/** See engine.h. */
int tern__tls_context_new(const struct tern_tls_options *options, struct tern__tls_context **out,
                          char *reason, size_t size);
void tern__tls_context_free(struct tern__tls_context *context);

/** What the peer is, once the handshake is complete; ssl is the session's. See engine.h. */
void tern__tls_peer_info(SSL *ssl, struct tern_tls_info *out);
int tern__tls_peer_certificate(SSL *ssl, struct tern_tls_certificate **out);
/** SHA-256 of the peer's public key; false when it has shown none. */
bool tern__tls_peer_key(SSL *ssl, uint8_t sha256[32]);
int tern__tls_ed25519_verify(const uint8_t key[32], const void *message, size_t len,
                             const uint8_t signature[64]);

/** What OpenSSL has noted last on this thread, as text; forgets it. Returns -ENOMEM when it was for want of
 * memory, else TERN_ETLS. */
int tern__tls_reason(char *reason, size_t size);

#endif
