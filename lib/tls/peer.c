/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module openssl.so: what is known of the peer, and signatures of Ed25519.
 *
 * A certificate is answered as one piece of memory, in which everything is: the struct, the arrays of
 * pointers, the strings. It is gone through twice with the same function, first to count (there is nowhere to
 * write yet), then to write. A name with a NUL inside would be taken for a shorter one by whoever compares it
 * as a string, so it is left out.
 *
 * Runs on any thread. Decides nothing: who may do what with a name is its caller's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <tern/error.h>

#include "openssl.h"

void tern__tls_peer_info(SSL *ssl, struct tern_tls_info *out) {
  const char *name = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl));
  *out = (struct tern_tls_info){.version = SSL_version(ssl) == TLS1_3_VERSION ? "1.3" : "1.2",
                                .cipher = name != NULL ? name : "",
                                .resumed = SSL_session_reused(ssl)};
}

static bool key_sha256(X509 *cert, uint8_t sha256[32]) {
  unsigned char *der = NULL;
  int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
  bool done = len > 0 && EVP_Digest(der, (size_t)len, sha256, NULL, EVP_sha256(), NULL);
  OPENSSL_free(der);
  return done;
}

bool tern__tls_peer_key(SSL *ssl, uint8_t sha256[32]) {
  X509 *cert = SSL_get0_peer_certificate(ssl);
  bool done = cert != NULL && key_sha256(cert, sha256);
  ERR_clear_error();
  return done;
}

static void to_hex(const uint8_t bytes[32], char hex[65]) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < 32; i++) {
    hex[2 * i] = digits[bytes[i] >> 4];
    hex[2 * i + 1] = digits[bytes[i] & 15];
  }
  hex[64] = '\0';
}

/* Where the answer is written to; all NULL while it is only measured. */
struct writer {
  struct tern_tls_certificate *out;
  const char **pointers;
  char *text;
  size_t pointer_count, text_bytes;
};

static const char *put_text(struct writer *w, const char *text, size_t len) {
  w->text_bytes += len + 1;
  if (w->out == NULL) return NULL;
  char *to = w->text;
  memcpy(to, text, len);
  to[len] = '\0';
  w->text += len + 1;
  return to;
}

/* All alternative names of one kind. Returns where their array begins. */
static const char *const *put_names(struct writer *w, const GENERAL_NAMES *names, int type, size_t *count) {
  const char *const *first = w->pointers;
  *count = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type != type) continue;
    const char *data = (const char *)ASN1_STRING_get0_data(name->d.ia5);
    size_t len = (size_t)ASN1_STRING_length(name->d.ia5);
    if (memchr(data, '\0', len) != NULL) continue;
    const char *text = put_text(w, data, len);
    w->pointer_count++;
    (*count)++;
    if (w->out != NULL) *w->pointers++ = text;
  }
  return first;
}

static void put_all(struct writer *w, const GENERAL_NAMES *names, BIO *subject) {
  struct tern_tls_certificate measured, *out = w->out != NULL ? w->out : &measured;
  char *text;
  long len = BIO_get_mem_data(subject, &text);
  out->emails = put_names(w, names, GEN_EMAIL, &out->email_count);
  out->dns = put_names(w, names, GEN_DNS, &out->dns_count);
  out->uris = put_names(w, names, GEN_URI, &out->uri_count);
  out->subject = put_text(w, len > 0 ? text : "", len > 0 ? (size_t)len : 0);
}

static struct tern_tls_certificate *describe(X509 *cert, const GENERAL_NAMES *names, BIO *subject) {
  struct writer w = {0};
  uint8_t sha256[32];
  put_all(&w, names, subject);
  size_t head = sizeof *w.out + w.pointer_count * sizeof *w.pointers;
  struct tern_tls_certificate *out = malloc(head + w.text_bytes);
  if (out == NULL) return NULL;
  *out = (struct tern_tls_certificate){0};
  w = (struct writer){.out = out, .pointers = (const char **)(void *)(out + 1), .text = (char *)out + head};
  put_all(&w, names, subject);
  bool done = key_sha256(cert, sha256);
  if (done) to_hex(sha256, out->key_sha256);
  done = done && X509_digest(cert, EVP_sha256(), sha256, NULL);
  if (done) to_hex(sha256, out->sha256);
  if (done) return out;
  free(out);
  return NULL;
}

/* NULL without memory. */
static struct tern_tls_certificate *read_certificate(X509 *cert) {
  GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL); /* NULL: has none */
  BIO *subject = BIO_new(BIO_s_mem());
  struct tern_tls_certificate *answer = NULL;
  /* UTF-8 as it is */
  if (subject != NULL && X509_NAME_print_ex(subject, X509_get_subject_name(cert), 0,
                                            XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0)
    answer = describe(cert, names, subject);
  BIO_free(subject);
  GENERAL_NAMES_free(names);
  return answer;
}

int tern__tls_peer_certificate(SSL *ssl, struct tern_tls_certificate **out) {
  X509 *cert = SSL_get0_peer_certificate(ssl);
  if (cert == NULL) return -ENOENT;
  struct tern_tls_certificate *first = read_certificate(cert), **end = &first;
  STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl); /* a client has the server's own in it */
  for (int i = SSL_is_server(ssl) ? 0 : 1; *end != NULL && i < sk_X509_num(chain); i++) {
    end = &(*end)->next;
    *end = read_certificate(sk_X509_value(chain, i));
  }
  ERR_clear_error();
  *out = first;
  return *end != NULL ? 0 : -ENOMEM;
}

int tern__tls_ed25519_verify(const uint8_t key[32], const void *message, size_t len,
                             const uint8_t signature[64]) {
  EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, 32);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  int error = -ENOMEM;
  if (public != NULL && context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1)
    error = EVP_DigestVerify(context, signature, 64, message, len) == 1 ? 0 : -EBADMSG;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(public);
  ERR_clear_error();
  return error;
}
