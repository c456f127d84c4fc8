/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module openssl.so: sessions, and the table of everything.
 *
 *     ciphertext --io->in--> [ BIO | SSL ] --read--> plain bytes
 *     io->out <------------- [ BIO | SSL ] <-write-- plain bytes
 *
 * OpenSSL gets a BIO of our own kind, which reads from the caller's slice and writes by the caller's function:
 * no byte is copied into a queue in between, and a session without traffic holds no buffer
 * (SSL_MODE_RELEASE_BUFFERS). A read that finds the slice empty asks to be repeated, a write never does; so
 * the only thing a session ever waits for is input.
 *
 * Every function leaves OpenSSL's list of errors, one per thread, empty: the result of the next call would be
 * misread otherwise.
 *
 * Runs on any thread, a session on one. Holds the one method of the BIO, made before the table is given out,
 * and no other state.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <tern/error.h>

#include "openssl.h"

static SSL *ssl_of(struct tern__tls_session *session) { return (SSL *)(void *)session; }

static const struct tern__tls_context *context_of(SSL *ssl) { return SSL_get_app_data(ssl); }

int tern__tls_reason(char *reason, size_t size) {
  unsigned long code = ERR_peek_last_error();
  const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;
  int error = ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE ? -ENOMEM : TERN_ETLS;
  if (text != NULL)
    snprintf(reason, size, "%s", text);
  else /* of the system, or of a provider that does not explain itself */
    snprintf(reason, size, "%s", ERR_SYSTEM_ERROR(code) ? "system error" : "unknown error");
  ERR_clear_error();
  return error;
}

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *to, size_t len, size_t *done) {
  struct tern_tls_io *io = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (io->in_len == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  if (len > io->in_len) len = io->in_len;
  memcpy(to, io->in, len);
  io->in += len;
  io->in_len -= len;
  *done = len;
  return 1;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *done) {
  struct tern_tls_io *io = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (io->out(io, data, len) != 0) {
    ERR_raise(ERR_LIB_USER, ERR_R_MALLOC_FAILURE);
    return 0;
  }
  *done = len;
  return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *data) {
  (void)bio, (void)number, (void)data;
  return command == BIO_CTRL_FLUSH; /* nothing is kept back here */
}

/* Never freed: sessions may last as long as the process. */
static BIO_METHOD *bio_method;

static bool make_bio_method(void) {
  if (bio_method != NULL) return true;
  BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tern");
  if (method == NULL) return false;
  if (!BIO_meth_set_read_ex(method, bio_read) || !BIO_meth_set_write_ex(method, bio_write) ||
      !BIO_meth_set_ctrl(method, bio_ctrl)) {
    BIO_meth_free(method);
    return false;
  }
  bio_method = method;
  return true;
}

/* ---- life ---- */

/* The peer has to be who it was called. */
static bool expect_name(SSL *ssl, const char *name) {
  X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(param, name)) return true;
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(ssl, name) && SSL_set_tlsext_host_name(ssl, name);
}

static int session_new(struct tern__tls_context *context, const char *server_name, struct tern_tls_io *io,
                       struct tern__tls_session **out) {
  SSL *ssl = SSL_new(context->ssl);
  BIO *bio = ssl != NULL ? BIO_new(bio_method) : NULL;
  int error = bio == NULL ? -ENOMEM : 0;
  if (error == 0) {
    BIO_set_data(bio, io);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    if (!SSL_set_app_data(ssl, context)) error = -ENOMEM;
    if (context->server)
      SSL_set_accept_state(ssl);
    else
      SSL_set_connect_state(ssl);
    if (error == 0 && server_name != NULL && !expect_name(ssl, server_name)) error = -EINVAL;
  }
  ERR_clear_error();
  if (error != 0) {
    SSL_free(ssl);
    return error;
  }
  *out = (struct tern__tls_session *)(void *)ssl;
  return 0;
}

static void session_free(struct tern__tls_session *session) {
  SSL_free(ssl_of(session));
  ERR_clear_error();
}

/* ---- traffic ---- */

/* What a call that did not succeed wants: 0 more input, otherwise an error and why. */
static int result_of(SSL *ssl, int result, char *reason, size_t size) {
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
      return 0;
    case SSL_ERROR_ZERO_RETURN:
      return TERN_ECLOSED;
    default:
      break;
  }
  bool unverified = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED;
  int error = tern__tls_reason(reason, size);
  if (unverified)
    snprintf(reason, size, "the peer's certificate: %s",
             X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
  return error;
}

/* True when the peer's key is one of those it has to be. */
static bool is_pinned(const struct tern__tls_context *context, SSL *ssl) {
  uint8_t sha256[32];
  if (context->pin_count == 0) return true;
  if (!tern__tls_peer_key(ssl, sha256)) return false;
  for (size_t i = 0; i < context->pin_count; i++)
    if (memcmp(context->pins[i].sha256, sha256, sizeof sha256) == 0) return true;
  return false;
}

static int handshake(struct tern__tls_session *session, char *reason, size_t size) {
  SSL *ssl = ssl_of(session);
  int result = SSL_do_handshake(ssl);
  if (result != 1) {
    result = result_of(ssl, result, reason, size);
    if (result != TERN_ECLOSED) return result;
    snprintf(reason, size, "the peer ended it");
    return TERN_ETLS;
  }
  ERR_clear_error();
  if (is_pinned(context_of(ssl), ssl)) return 1;
  snprintf(reason, size, "the peer's certificate is not pinned");
  return TERN_ETLS;
}

static ssize_t session_read(struct tern__tls_session *session, void *to, size_t len, char *reason,
                            size_t size) {
  size_t done;
  int result = SSL_read_ex(ssl_of(session), to, len, &done);
  if (result > 0) return (ssize_t)done;
  result = result_of(ssl_of(session), result, reason, size);
  ERR_clear_error();
  return result;
}

static int session_write(struct tern__tls_session *session, const void *data, size_t len) {
  size_t done;
  char reason[TERN__TLS_REASON_MAX];
  if (SSL_write_ex(ssl_of(session), data, len, &done) && done == len) return 0;
  return tern__tls_reason(reason, sizeof reason);
}

static void finish(struct tern__tls_session *session) {
  (void)SSL_shutdown(ssl_of(session)); /* when it fails the peer sees the stream end all the same */
  ERR_clear_error();
}

static void info(struct tern__tls_session *session, struct tern_tls_info *out) {
  tern__tls_peer_info(ssl_of(session), out);
}

static int certificate(struct tern__tls_session *session, struct tern_tls_certificate **out) {
  return tern__tls_peer_certificate(ssl_of(session), out);
}

static const struct tern__tls_engine engine = {
    .abi = TERN__TLS_ENGINE_ABI,
    .context_new = tern__tls_context_new,
    .context_free = tern__tls_context_free,
    .session_new = session_new,
    .session_free = session_free,
    .handshake = handshake,
    .read = session_read,
    .write = session_write,
    .finish = finish,
    .info = info,
    .certificate = certificate,
    .ed25519_verify = tern__tls_ed25519_verify,
};

__attribute__((visibility("default"))) const struct tern__tls_engine *tern__tls_engine_v1(void);

const struct tern__tls_engine *tern__tls_engine_v1(void) { return make_bio_method() ? &engine : NULL; }
