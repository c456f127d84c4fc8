/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module openssl.so: from options to a context.
 *
 * Everything is read and checked here, once; afterwards a context only gets read, by any number of threads.
 * What cannot be used is refused with a text that names the option or the file and says what to do.
 *
 * Several certificates. OpenSSL has one place for each kind of key (RSA, EC, Ed25519); the first pair of a
 * kind is in it and is what clients get that ask for no name, or one that nobody has. When there is more than
 * one pair, a callback looks at the name the client asks for, and puts the pairs whose certificate has that
 * name into the session's own places.
 *
 * Names of cipher suites are the registered ones, which OpenSSL knows; Go calls two of them by a shorter name.
 * Those of TLS 1.3 are a list of their own in OpenSSL; as long as none of them is named they all may be used.
 *
 * Runs on the thread that makes the context, the callback on those that shake hands.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <tern/error.h>

#include "openssl.h"

#define LIST_MAX_BYTES 2048

/* The options at work, and where to say what is wrong with them. */
struct making {
  const struct tern_tls_options *options;
  struct tern__tls_context *context;
  char *reason;
  size_t size;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct making *m, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(m->reason, m->size, format, args);
  va_end(args);
  ERR_clear_error();
  return -EINVAL;
}

static int no_memory(struct making *m) {
  (void)refuse(m, "there is no memory for the TLS context");
  return -ENOMEM;
}

/* ---- certificates and keys ---- */

static int cannot_open(struct making *m, const char *what, const char *path) {
  int error = -errno;
  (void)refuse(m, "cannot read %s %s: %s; check the path and who may read the file", what, path,
               strerror(-error));
  return error;
}

/* Never asks anybody for a passphrase; notes that it was wanted. */
static int no_passphrase(char *to, int size, int writing, void *wanted) {
  (void)to, (void)size, (void)writing;
  *(bool *)wanted = true;
  return -1;
}

static int read_key(struct making *m, const char *path, EVP_PKEY **out) {
  FILE *file = fopen(path, "re");
  bool encrypted = false;
  if (file == NULL) return cannot_open(m, "key_file", path);
  *out = PEM_read_PrivateKey(file, NULL, no_passphrase, &encrypted);
  fclose(file);
  if (*out != NULL) return 0;
  if (encrypted)
    return refuse(m,
                  "key_file %s is protected by a passphrase: take it off with `openssl pkey -in %s -out NEW`",
                  path, path);
  return refuse(m, "key_file %s holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)", path);
}

/* The first certificate, and the others in its file. */
static int read_chain(struct making *m, const char *path, struct tern__tls_identity *identity) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return cannot_open(m, "cert_file", path);
  X509 *next;
  int error = 0;
  identity->cert = PEM_read_X509_AUX(file, NULL, NULL, NULL);
  identity->chain = sk_X509_new_null();
  if (identity->chain == NULL) error = no_memory(m);
  while (error == 0 && identity->cert != NULL && (next = PEM_read_X509(file, NULL, NULL, NULL)) != NULL)
    if (!sk_X509_push(identity->chain, next)) {
      X509_free(next);
      error = no_memory(m);
    }
  fclose(file);
  ERR_clear_error(); /* the end of the file */
  if (error == 0 && identity->cert == NULL)
    error = refuse(m, "cert_file %s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path);
  return error;
}

static int read_identity(struct making *m, const struct tern_tls_pair *pair,
                         struct tern__tls_identity *identity) {
  if (pair->cert_file == NULL || pair->key_file == NULL)
    return refuse(m, "TLS needs both a cert_file and a key_file");
  int error = read_chain(m, pair->cert_file, identity);
  if (error == 0) error = read_key(m, pair->key_file, &identity->key);
  if (error == 0 && X509_check_private_key(identity->cert, identity->key) != 1)
    error = refuse(m, "key_file %s does not belong to cert_file %s", pair->key_file, pair->cert_file);
  return error;
}

/* The first of each kind comes last, and so is the one that stays. */
static int read_identities(struct making *m) {
  struct tern__tls_context *context = m->context;
  size_t count = m->options->pair_count;
  if (count == 0) return context->server ? refuse(m, "TLS needs a cert_file and a key_file") : 0;
  context->identities = calloc(count, sizeof *context->identities);
  if (context->identities == NULL) return no_memory(m);
  context->identity_count = count;
  for (size_t i = count; i-- > 0;) {
    struct tern__tls_identity *identity = &context->identities[i];
    int error = read_identity(m, &m->options->pairs[i], identity);
    if (error != 0) return error;
    if (SSL_CTX_use_cert_and_key(context->ssl, identity->cert, identity->key, identity->chain, 1) != 1) {
      char why[TERN__TLS_REASON_MAX];
      if (tern__tls_reason(why, sizeof why) == -ENOMEM) return no_memory(m);
      return refuse(m, "cert_file %s cannot be used: %s", m->options->pairs[i].cert_file, why);
    }
  }
  return 0;
}

/* Puts the certificates that have the wanted name into the session's places. */
static int choose_identity(SSL *ssl, void *arg) {
  const struct tern__tls_context *context = arg;
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  for (size_t i = context->identity_count; name != NULL && i-- > 0;) {
    const struct tern__tls_identity *identity = &context->identities[i];
    if (X509_check_host(identity->cert, name, 0, 0, NULL) != 1) continue;
    if (SSL_use_cert_and_key(ssl, identity->cert, identity->key, identity->chain, 1) != 1) return 0;
  }
  return 1;
}

/* ---- whom to trust ---- */

static int set_authorities(struct making *m) {
  SSL_CTX *ssl = m->context->ssl;
  const char *path = m->options->ca_file;
  bool client_verifies = !m->context->server && !m->options->insecure;
  if (path == NULL) {
    if ((m->options->verify || client_verifies) && SSL_CTX_set_default_verify_paths(ssl) != 1)
      return no_memory(m);
    return 0;
  }
  FILE *file = fopen(path, "re");
  if (file == NULL) return cannot_open(m, "ca_file", path);
  fclose(file);
  if (SSL_CTX_load_verify_file(ssl, path) != 1)
    return refuse(m, "ca_file %s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path);
  if (!m->options->verify) return 0;
  STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path); /* clients are told whose certificate to show */
  if (names == NULL) return no_memory(m);
  SSL_CTX_set_client_CA_list(ssl, names);
  return 0;
}

static void set_verification(struct making *m) {
  int mode = SSL_VERIFY_NONE;
  if (m->context->server && m->options->verify) mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  if (!m->context->server && !m->options->insecure) mode = SSL_VERIFY_PEER;
  SSL_CTX_set_verify(m->context->ssl, mode, NULL);
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_pin(const char *text, struct tern__tls_pin *pin) {
  if (strlen(text) != 2 * sizeof pin->sha256) return false;
  for (size_t i = 0; i < sizeof pin->sha256; i++) {
    int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    pin->sha256[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}

static int read_pins(struct making *m) {
  size_t count = m->options->pinned_count;
  if (count == 0) return 0;
  m->context->pins = calloc(count, sizeof *m->context->pins);
  if (m->context->pins == NULL) return no_memory(m);
  m->context->pin_count = count;
  for (size_t i = 0; i < count; i++)
    if (!read_pin(m->options->pinned[i], &m->context->pins[i]))
      return refuse(
          m,
          "pinned_certs: '%s' is not the SHA-256 of a public key (64 hexadecimal digits); see `openssl "
          "x509 -pubkey -noout -in CERT | openssl pkey -pubin -outform DER | sha256sum`",
          m->options->pinned[i]);
  return 0;
}

/* ---- what to agree on ---- */

/* Appends to a list with ':' between its entries. */
static bool append(char *list, const char *entry) {
  size_t len = strlen(list);
  int n = snprintf(list + len, LIST_MAX_BYTES - len, "%s%s", len > 0 ? ":" : "", entry);
  return n >= 0 && (size_t)n < LIST_MAX_BYTES - len;
}

static int set_versions(struct making *m, bool only_13) {
  const char *name = m->options->min_version != NULL ? m->options->min_version : "1.2";
  bool is_13 = strcmp(name, "1.3") == 0;
  if (!is_13 && strcmp(name, "1.2") != 0)
    return refuse(m, "min_version '%s' is not supported: use \"1.2\" or \"1.3\"", name);
  return SSL_CTX_set_min_proto_version(m->context->ssl, is_13 || only_13 ? TLS1_3_VERSION : TLS1_2_VERSION)
             ? 0
             : no_memory(m);
}

/* Without forward secrecy, or with a cipher or mode that has been broken in one way or another. */
static bool is_insecure(const char *name) {
  return strncmp(name, "TLS_ECDHE_", 10) != 0 || strstr(name, "_RC4_") != NULL ||
         strstr(name, "_3DES_") != NULL || strstr(name, "_NULL_") != NULL ||
         strstr(name, "_CBC_SHA256") != NULL || strstr(name, "_CBC_SHA384") != NULL;
}

/* As nats-server orders them; OpenSSL begins with AES-256. AES-128 costs less time, and a connection some 230 bytes less. */
#define DEFAULT_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

static int set_ciphers(struct making *m) {
  char up_to_12[LIST_MAX_BYTES] = "", from_13[LIST_MAX_BYTES] = "";
  for (size_t i = 0; i < m->options->cipher_count; i++) {
    const char *name = m->options->ciphers[i];
    size_t len = strlen(name);
    char full[128];
    bool is_short = len > 9 && strcmp(name + len - 9, "_POLY1305") == 0;
    snprintf(full, sizeof full, "%s%s", name, is_short ? "_SHA256" : "");
    const char *theirs = OPENSSL_cipher_name(full);
    if (theirs == NULL || strcmp(theirs, "(NONE)") == 0)
      return refuse(
          m, "cipher suite '%s' is not known; they are called like TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
          name);
    bool is_13 = strncmp(theirs, "TLS_", 4) == 0;
    if (!is_13 && is_insecure(full) && !m->options->allow_insecure_ciphers)
      return refuse(m, "cipher suite '%s' is insecure: leave it out, or set allow_insecure_cipher_suites",
                    name);
    if (!append(is_13 ? from_13 : up_to_12, theirs)) return refuse(m, "too many cipher suites");
  }
  if (up_to_12[0] != '\0' && !SSL_CTX_set_cipher_list(m->context->ssl, up_to_12))
    return refuse(m, "none of the cipher suites is supported by the OpenSSL of this system");
  if (!SSL_CTX_set_ciphersuites(m->context->ssl, from_13[0] != '\0' ? from_13 : DEFAULT_13))
    return no_memory(m);
  return set_versions(m, up_to_12[0] == '\0' && from_13[0] != '\0');
}

static int set_curves(struct making *m) {
  static const char *const names[][2] = {
      {"X25519", "X25519"}, {"CurveP256", "P-256"}, {"CurveP384", "P-384"}, {"CurveP521", "P-521"}};
  char list[LIST_MAX_BYTES] = "";
  for (size_t i = 0; i < m->options->curve_count; i++) {
    const char *theirs = NULL;
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
      if (strcmp(names[n][0], m->options->curves[i]) == 0) theirs = names[n][1];
    if (theirs == NULL)
      return refuse(m, "curve '%s' is not known: use X25519, CurveP256, CurveP384 or CurveP521",
                    m->options->curves[i]);
    if (!append(list, theirs)) return refuse(m, "too many curves");
  }
  return list[0] == '\0' || SSL_CTX_set1_groups_list(m->context->ssl, list) ? 0 : no_memory(m);
}

/* A session that is resumed has been verified by this very context: its tickets are of no use to any other. */
static int set_tickets(struct making *m) {
  static const unsigned char id[] = "tern";
  SSL_CTX *ssl = m->context->ssl;
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  if (m->options->no_tickets) SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
  return SSL_CTX_set_num_tickets(ssl, m->options->no_tickets ? 0 : 1) &&
                 SSL_CTX_set_session_id_context(ssl, id, sizeof id - 1)
             ? 0
             : no_memory(m);
}

static void set_habits(struct making *m) {
  SSL_CTX *ssl = m->context->ssl;
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA);
  if (m->context->identity_count > 1 && m->context->server)
    SSL_CTX_set_cert_cb(ssl, choose_identity, m->context);
}

/* ---- life ---- */

int tern__tls_context_new(const struct tern_tls_options *options, struct tern__tls_context **out,
                          char *reason, size_t size) {
  struct making m = {options, calloc(1, sizeof *m.context), reason, size};
  if (m.context == NULL) return no_memory(&m);
  m.context->server = options->server;
  m.context->ssl = SSL_CTX_new(TLS_method());
  int error = m.context->ssl != NULL ? set_ciphers(&m) : no_memory(&m);
  if (error == 0) error = set_curves(&m);
  if (error == 0) error = read_identities(&m);
  if (error == 0) error = set_authorities(&m);
  if (error == 0) error = read_pins(&m);
  if (error == 0) error = set_tickets(&m);
  if (error != 0) {
    tern__tls_context_free(m.context);
    return error;
  }
  set_verification(&m);
  set_habits(&m);
  ERR_clear_error();
  *out = m.context;
  return 0;
}

void tern__tls_context_free(struct tern__tls_context *context) {
  for (size_t i = 0; i < context->identity_count; i++) {
    X509_free(context->identities[i].cert);
    EVP_PKEY_free(context->identities[i].key);
    sk_X509_pop_free(context->identities[i].chain, X509_free);
  }
  SSL_CTX_free(context->ssl);
  free(context->identities);
  free(context->pins);
  free(context);
  ERR_clear_error();
}
