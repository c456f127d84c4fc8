/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * TLS: one more transport, put over any other one, at the start or in the middle of a connection (asyncio's
 * start_tls).
 *
 *     connection_made(t):  tern_transport_write(t, INFO)         leaves in clear
 *                          tern_tls_start(t, self, tls, ..., &t)  from here on t is the TLS transport
 *     secured():           the handshake is complete             (optional callback, protocol.h)
 *     data_received(...):  what the peer sent under TLS
 *
 * The library that does the cryptography, OpenSSL, is in a module of its own, openssl.so, which is loaded by
 * the first call that needs it (module_path.h says where it is looked for): programs that use no TLS pay
 * nothing for it.
 */
#ifndef TERN_TLS_H
#define TERN_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <tern/export.h>
#include <tern/transport.h>

/** What connections are secured with: certificates, keys, and what is asked of the peer. Immutable. */
struct tern_tls;
struct tern_helpers;

/** A certificate (followed in its file by those between it and its issuer's root) and its private key; PEM. */
struct tern_tls_pair {
  const char *cert_file; /**< path */
  const char *key_file;  /**< path; not protected by a passphrase */
};

/** How to make a struct tern_tls. Everything is copied. Zero-initialise it. */
struct tern_tls_options {
  bool server;                       /**< the side that accepts; otherwise the one that connects */
  const struct tern_tls_pair *pairs; /**< a server has at least one; which is shown: by the name the client
                                        asks for, else the first of each kind of key */
  size_t pair_count;                 /**< how many */
  const char *ca_file;               /**< PEM, who vouches for peers; NULL: those the system trusts */
  bool verify;                 /**< server: clients have to show a certificate that ca_file vouches for */
  bool insecure;               /**< client: take any certificate of any name */
  bool no_tickets;             /**< server: sessions cannot be resumed */
  bool allow_insecure_ciphers; /**< those without forward secrecy, and with RC4, 3DES or CBC with SHA-2 */
  const char *min_version;     /**< "1.2" or "1.3"; NULL: 1.2 */
  const char *const *ciphers;  /**< names as registered, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
                                        none: OpenSSL's, with AES-128 first in TLS 1.3 */
  size_t cipher_count;         /**< how many */
  const char *const *curves;   /**< X25519, CurveP256, CurveP384, CurveP521; first is best; none: OpenSSL's */
  size_t curve_count;          /**< how many */
  const char *const *pinned; /**< SHA-256 of the peer's public key (SubjectPublicKeyInfo) in hexadecimal: only
                                these; none: any that is verified */
  size_t pinned_count;       /**< how many */
};

/** What a connection has agreed on. */
struct tern_tls_info {
  const char *version; /**< "1.2" or "1.3" */
  const char *cipher;  /**< its registered name */
  bool resumed;        /**< by a ticket of an earlier connection */
};

/** What a peer's certificate says. */
struct tern_tls_certificate {
  const char *subject;       /**< distinguished name as RFC 2253 writes it */
  const char *const *emails; /**< subject's alternative names */
  const char *const *dns;    /**< the same */
  const char *const *uris;   /**< the same */
  size_t email_count;        /**< how many */
  size_t dns_count;          /**< how many */
  size_t uri_count;          /**< how many */
  char sha256[65];           /**< of the certificate, hexadecimal */
  char key_sha256[65];       /**< of its public key, as in tern_tls_options.pinned */
  /** What the peer has shown behind it, mostly its issuer's; NULL: no more, or the connection is resumed. */
  struct tern_tls_certificate *next;
};

/** How to begin. Zero-initialise it. */
struct tern_tls_start {
  const char *server_name;        /**< client: whom to ask for and verify, a host or an address; NULL: nobody
                                     in particular, only for insecure */
  uint32_t handshake_ms;          /**< time for the handshake; 0: 60 seconds */
  const struct tern_chunk *first; /**< bytes already received that belong to the handshake, or NULL */
  struct tern_helpers *helpers; /**< who does the steps of the handshake; NULL: the loop, and all else waits.
                                     They stay until they are stopped or the loop is freed */
};

/**
 * Loads openssl.so, if it is not loaded. Others do this by themselves; called early, it says what is missing
 * before anybody depends on it.
 * @param[out] error text for people, when it fails
 * @param size room there
 * @return 0 or TERN_EMODULE
 *
 * Thread: any. Blocks: on the file, the first time.
 */
TERN_API int tern_tls_load(char *error, size_t size);
/**
 * Reads certificates and keys.
 * @param options what to make
 * @param[out] out the result, with one reference
 * @param[out] error text for people that names the file or option and says what to do, when it fails
 * @param size room there
 * @return 0, TERN_EMODULE, -EINVAL (an option or a file's content), -errno (a file) or -ENOMEM
 *
 * Thread: any. Blocks: on files. Ownership: caller, tern_tls_unref.
 */
TERN_API int tern_tls_new(const struct tern_tls_options *options, struct tern_tls **out, char *error,
                          size_t size);
/** Adds a reference. Thread: any. */
TERN_API void tern_tls_ref(struct tern_tls *tls);
/** Drops a reference; connections have their own. NULL is fine. Thread: any. */
TERN_API void tern_tls_unref(struct tern_tls *tls);

/**
 * Secures a connection from here on: what was written before leaves in clear, what follows goes through the
 * new transport. That collects what is written during the handshake (without a bound of its own; pause_writing
 * comes only afterwards) and sends it when the handshake is complete, which `secured` reports. A handshake
 * that fails or takes too long, an end of the stream that the peer did not announce (truncation), and
 * everything that is not TLS end the connection with TERN_ETLS; what was wrong is logged.
 * @param transport the connection, open; used by the new transport only from here on
 * @param protocol who is told from here on; connection_made is not called (again)
 * @param tls what to secure it with; a reference is kept until the end
 * @param how details
 * @param[out] out the new transport, valid until connection_lost returns
 * @return 0; TERN_ECLOSED when closing; -ENOMEM or TERN_ETLS. On failure nothing has changed.
 *
 * Thread: the loop's, as for every function on transports; from any callback, in data_received with the rest
 * of its chunk in how->first. No callback is made from inside.
 */
TERN_API int tern_tls_start(struct tern_transport *transport, struct tern_protocol *protocol,
                            struct tern_tls *tls, const struct tern_tls_start *how,
                            struct tern_transport **out);
/**
 * What was agreed on.
 * @param transport a TLS transport, or a wrapper around one
 * @param[out] out the answer; its strings are constants
 * @return false when there is no TLS, or the handshake is not complete
 */
TERN_API bool tern_tls_info(const struct tern_transport *transport, struct tern_tls_info *out);
/**
 * Reads the peer's certificate, and those it has shown behind it.
 * @param transport a TLS transport, or a wrapper around one
 * @param[out] out what it says; free it with tern_tls_certificate_free
 * @return 0; -ENOENT when the peer has shown none (or there is no TLS yet); -ENOMEM
 */
TERN_API int tern_tls_certificate(const struct tern_transport *transport, struct tern_tls_certificate **out);
/** Frees what tern_tls_certificate gave. Thread: any. NULL is fine. */
TERN_API void tern_tls_certificate_free(struct tern_tls_certificate *certificate);

/** Where a session's ciphertext comes from and goes to. */
struct tern_tls_io {
  const char *in; /**< what has come and is not eaten yet */
  size_t in_len;  /**< its bytes */
  /** Takes what is to be sent. Returns 0 or -ENOMEM. */
  int (*out)(struct tern_tls_io *io, const void *data, size_t len);
};

/** One side of a connection without a transport, for programs that have sockets and loops of their own: it eats
 * ciphertext and makes ciphertext. Belongs to one thread. */
struct tern_tls_session;

/**
 * Makes a session.
 * @param tls what to secure it with; a reference is kept until the session is freed
 * @param server_name as in struct tern_tls_start
 * @param io outlives the session
 * @param[out] out the session
 * @return 0, -ENOMEM or -EINVAL (a name that is none)
 *
 * Ownership: caller, tern_tls_session_free.
 */
TERN_API int tern_tls_session_new(struct tern_tls *tls, const char *server_name, struct tern_tls_io *io,
                                  struct tern_tls_session **out);
/** Frees it. NULL is fine. */
TERN_API void tern_tls_session_free(struct tern_tls_session *session);
/**
 * A step of the handshake; a client's first one says hello.
 * @param session it
 * @param[out] reason text for people, when it fails
 * @param size room there
 * @return 1 when it is complete; 0 when more input is needed; TERN_ETLS or -ENOMEM (perhaps with an alert to be
 * sent)
 */
TERN_API int tern_tls_session_handshake(struct tern_tls_session *session, char *reason, size_t size);
/**
 * Decrypts, once the handshake is complete.
 * @param session it
 * @param[out] to plain bytes
 * @param len room there
 * @param[out] reason text for people, when it fails
 * @param size room there
 * @return how many; 0 when more input is needed; TERN_ECLOSED when the peer will send no more; TERN_ETLS or -ENOMEM
 */
TERN_API ssize_t tern_tls_session_read(struct tern_tls_session *session, void *to, size_t len, char *reason,
                                       size_t size);
/**
 * Encrypts, once the handshake is complete.
 * @param session it
 * @param data plain bytes
 * @param len how many
 * @return 0 when it was all of them; -ENOMEM or TERN_ETLS
 */
TERN_API int tern_tls_session_write(struct tern_tls_session *session, const void *data, size_t len);
/** Tells the peer that no more will be sent. */
TERN_API void tern_tls_session_finish(struct tern_tls_session *session);

/**
 * Checks an Ed25519 signature.
 * @param key the public key
 * @param message what was signed
 * @param len its bytes
 * @param signature the signature
 * @return 0 when it is the key's; -EBADMSG when not; TERN_EMODULE or -ENOMEM when nobody could tell
 *
 * Thread: any. Blocks: like tern_tls_load.
 */
TERN_API int tern_ed25519_verify(const uint8_t key[32], const void *message, size_t len,
                                 const uint8_t signature[64]);

#endif
