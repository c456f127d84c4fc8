/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What lib/net asks of the library that does the cryptography: the table of functions the module openssl.so
 * answers with. The module knows nothing of transports: a session eats ciphertext and makes ciphertext.
 *
 * A context is for any thread. A session belongs to one thread. `reason` is text for people.
 */
#ifndef TERN_TLS_ENGINE_H
#define TERN_TLS_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <tern/tls.h>

/** Raised with every change of the table. */
#define TERN__TLS_ENGINE_ABI 2
/** The module's one function. */
#define TERN__TLS_ENGINE_ENTRY "tern__tls_engine_v1"
/** Room for a reason. */
#define TERN__TLS_REASON_MAX 256

struct tern__tls_context;
struct tern__tls_session;

struct tern__tls_engine {
  unsigned abi;
  /* As tern_tls_new. */
  int (*context_new)(const struct tern_tls_options *options, struct tern__tls_context **out, char *reason,
                     size_t size);
  void (*context_free)(struct tern__tls_context *context);
  /* The context and io outlive the session. server_name: of the client's side, or NULL. Returns 0, -ENOMEM or
   * -EINVAL (a name that is none). */
  int (*session_new)(struct tern__tls_context *context, const char *server_name, struct tern_tls_io *io,
                     struct tern__tls_session **out);
  void (*session_free)(struct tern__tls_session *session);
  /* A step of the handshake: 1 it is complete, 0 more input is needed, TERN_ETLS or -ENOMEM (perhaps with an
   * alert to be sent). */
  int (*handshake)(struct tern__tls_session *session, char *reason, size_t size);
  /* Plain bytes, at most len: their number, 0 more input is needed, TERN_ECLOSED the peer will send no more,
   * TERN_ETLS or -ENOMEM. */
  ssize_t (*read)(struct tern__tls_session *session, void *to, size_t len, char *reason, size_t size);
  /* Encrypts all of it. Returns 0, -ENOMEM or TERN_ETLS. */
  int (*write)(struct tern__tls_session *session, const void *data, size_t len);
  /* Tells the peer that no more will be sent. */
  void (*finish)(struct tern__tls_session *session);
  /* The rest: see the functions of tls.h that ask for it. The handshake is complete. */
  void (*info)(struct tern__tls_session *session, struct tern_tls_info *out);
  /* With -ENOMEM, too, what has been read is the caller's to free. */
  int (*certificate)(struct tern__tls_session *session, struct tern_tls_certificate **out);
  int (*ed25519_verify)(const uint8_t key[32], const void *message, size_t len, const uint8_t signature[64]);
};

/** The type of the module's one function. NULL: no memory. */
typedef const struct tern__tls_engine *tern__tls_engine_fn(void);

#endif
