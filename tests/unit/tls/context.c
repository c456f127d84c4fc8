/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts: what is refused, with which words; and that each option does to connections what it says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tern/error.h>

#include "certs.h"
#include "tls_ends.h"

static struct tls_talk talk;

static int set_up(void **state) {
  (void)state;
  tls_talk_open(&talk);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tls_talk_close(&talk);
  return 0;
}

static struct tern_tls_pair pair_of(const char *name) {
  char cert[40], key[40];
  snprintf(cert, sizeof cert, "%s.pem", name);
  snprintf(key, sizeof key, "%s.key", name);
  return (struct tern_tls_pair){certs_path(cert), certs_path(key)};
}

static void assert_refused(const struct tern_tls_options *options, int expected, const char *words) {
  struct tern_tls *tls = NULL;
  char error[600] = "";
  int result = tern_tls_new(options, &tls, error, sizeof error);
  if (strstr(error, words) == NULL) fail_msg("'%s' does not say '%s'", error, words);
  assert_int_equal(result, expected);
  assert_null(tls);
}

static void assert_pair_refused(const char *cert, const char *key, int expected, const char *words) {
  struct tern_tls_pair pair = {cert, key};
  assert_refused(&(struct tern_tls_options){.server = true, .pairs = &pair, .pair_count = 1}, expected,
                 words);
}

static void files_that_cannot_be_used(void **state) {
  (void)state;
  const char *cert = certs_path("server.pem"), *key = certs_path("server.key");
  char command[400];
  snprintf(command, sizeof command, "openssl pkey -in %s -aes128 -passout pass:secret -out %s 2>&1", key,
           certs_path("locked.key"));
  assert_int_equal(system(command), 0);
  assert_refused(&(struct tern_tls_options){.server = true}, -EINVAL, "needs a cert_file and a key_file");
  assert_pair_refused(cert, NULL, -EINVAL, "both a cert_file and a key_file");
  assert_pair_refused("/nonexistent.pem", key, -ENOENT,
                      "cannot read cert_file /nonexistent.pem: No such file");
  assert_pair_refused(cert, "/nonexistent.key", -ENOENT,
                      "cannot read key_file /nonexistent.key: No such file");
  assert_pair_refused(key, key, -EINVAL, "holds no certificate in PEM form");
  assert_pair_refused(cert, cert, -EINVAL, "holds no private key in PEM form");
  assert_pair_refused(cert, certs_path("other.key"), -EINVAL, "does not belong to cert_file");
  assert_pair_refused(cert, certs_path("locked.key"), -EINVAL, "is protected by a passphrase");
  assert_refused(&(struct tern_tls_options){.ca_file = "/nonexistent.pem"}, -ENOENT,
                 "ca_file /nonexistent.pem");
  assert_refused(&(struct tern_tls_options){.ca_file = key}, -EINVAL, "holds no certificate");
}

static void options_that_cannot_be_used(void **state) {
  (void)state;
  const char *unknown[] = {"TLS_AES_128_GCM_SHA256", "TLS_NONE_SUCH"},
             *weak[] = {"TLS_RSA_WITH_AES_128_CBC_SHA"};
  const char *curve[] = {"X448"}, *pin[] = {"00ff"};
  assert_refused(&(struct tern_tls_options){.min_version = "1.1"}, -EINVAL, "min_version '1.1'");
  assert_refused(&(struct tern_tls_options){.ciphers = unknown, .cipher_count = 2}, -EINVAL,
                 "'TLS_NONE_SUCH'");
  assert_refused(&(struct tern_tls_options){.ciphers = weak, .cipher_count = 1}, -EINVAL, "is insecure");
  assert_refused(&(struct tern_tls_options){.curves = curve, .curve_count = 1}, -EINVAL, "curve 'X448'");
  assert_refused(&(struct tern_tls_options){.pinned = pin, .pinned_count = 1}, -EINVAL,
                 "'00ff' is not the SHA-256");
}

static struct tern_tls *server_with(struct tern_tls_options options) {
  struct tern_tls_pair pair = pair_of("server");
  options.server = true;
  options.pairs = &pair;
  options.pair_count = 1;
  return tls_context(&options);
}

static void assert_secured(const char *version, const char *cipher) {
  struct tern_tls_info info;
  assert_int_equal(talk.client.secured + talk.server.secured, 2);
  assert_true(tern_tls_info(talk.client.t, &info));
  assert_string_equal(info.version, version);
  assert_string_equal(info.cipher, cipher);
}

static void versions_and_ciphers(void **state) {
  (void)state;
  const char *old[] = {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "TLS_RSA_WITH_AES_128_CBC_SHA"};
  const char *new[] = {"TLS_CHACHA20_POLY1305_SHA256"};
  const char *curves[] = {"CurveP384", "X25519"};
  talk.server.context = server_with((struct tern_tls_options){
      .ciphers = new, .cipher_count = 1, .curves = curves, .curve_count = 2, .no_tickets = true});
  talk.client.context = tls_client();
  tls_talk_connect(&talk, NULL);
  assert_secured("1.3", "TLS_CHACHA20_POLY1305_SHA256");
  tls_talk_close(&talk);

  tls_talk_open(&talk);
  talk.server.context = server_with(
      (struct tern_tls_options){.ciphers = old, .cipher_count = 2, .allow_insecure_ciphers = true});
  talk.client.context = tls_context(&(struct tern_tls_options){
      .ciphers = old, .cipher_count = 1, .ca_file = certs_path("ca.pem"), .min_version = "1.2"});
  tls_talk_connect(&talk, NULL);
  assert_int_equal(talk.server.secured, 1); /* both can do better than the list, with TLS 1.3 */
}

static void nothing_in_common(void **state) {
  (void)state;
  const char *one[] = {"X25519"}, *other[] = {"CurveP521"};
  talk.server.context = server_with((struct tern_tls_options){.curves = one, .curve_count = 1});
  talk.client.context = tls_context(
      &(struct tern_tls_options){.ca_file = certs_path("ca.pem"), .curves = other, .curve_count = 1});
  tls_talk_connect(&talk, NULL);
  assert_int_equal(talk.server.error, TERN_ETLS);
  assert_int_equal(talk.client.error, TERN_ETLS);
}

/* Clients that a server which wants certificates meets. Returns why the server lost it; 0: it did not. */
static int meet(const char *client_cert, const char *pin) {
  tls_talk_close(&talk);
  tls_talk_open(&talk);
  talk.server.context = server_with((struct tern_tls_options){
      .verify = true, .ca_file = certs_path("ca.pem"), .pinned = &pin, .pinned_count = pin != NULL});
  struct tern_tls_pair pair;
  if (client_cert != NULL) pair = pair_of(client_cert);
  talk.client.context = tls_context(&(struct tern_tls_options){
      .ca_file = certs_path("ca.pem"), .pairs = &pair, .pair_count = client_cert != NULL});
  tls_talk_connect(&talk, NULL);
  assert_int_equal(talk.server.secured, talk.server.lost == 0);
  return talk.server.error;
}

static void clients_have_to_show_a_certificate(void **state) {
  (void)state;
  struct tern_tls_certificate *certificate;
  assert_int_equal(meet("client", NULL), 0);
  assert_int_equal(tern_tls_certificate(talk.server.t, &certificate), 0);
  char pin[sizeof certificate->key_sha256];
  memcpy(pin, certificate->key_sha256, sizeof pin);
  assert_null(certificate->next);
  tern_tls_certificate_free(certificate);
  assert_int_equal(meet(NULL, NULL), TERN_ETLS);
  assert_int_equal(meet("stranger", NULL), TERN_ETLS);
  assert_int_equal(meet("expired", NULL), TERN_ETLS);
  assert_int_equal(meet("client", pin), 0);
  pin[0] = pin[0] == '0' ? '1' : '0';
  assert_int_equal(meet("client", pin), TERN_ETLS);
}

static void a_chain_is_read_from_both_sides(void **state) {
  (void)state;
  const struct tern_tls_pair pair = pair_of("chain");
  talk.server.context = tls_context(&(struct tern_tls_options){
      .server = true, .pairs = &pair, .pair_count = 1, .verify = true, .ca_file = certs_path("ca.pem")});
  talk.client.context =
      tls_context(&(struct tern_tls_options){.pairs = &pair, .pair_count = 1, .insecure = true});
  tls_talk_connect(&talk, NULL);
  for (unsigned i = 0; i < 2; i++) {
    struct tern_tls_certificate *certificate;
    assert_int_equal(tern_tls_certificate(i == 0 ? talk.server.t : talk.client.t, &certificate), 0);
    assert_string_equal(certificate->subject, "CN=alice,O=Example");
    assert_non_null(certificate->next);
    assert_string_equal(certificate->next->subject, "CN=tern test authority");
    assert_string_not_equal(certificate->next->key_sha256, certificate->key_sha256);
    assert_null(certificate->next->next);
    tern_tls_certificate_free(certificate);
  }
}

static void clients_check_servers(void **state) {
  (void)state;
  struct tern_tls_pair expired = pair_of("expired");
  talk.server.context =
      tls_context(&(struct tern_tls_options){.server = true, .pairs = &expired, .pair_count = 1});
  talk.client.context = tls_client();
  tls_talk_connect(&talk, NULL);
  assert_int_equal(talk.client.error, TERN_ETLS);
  tls_talk_close(&talk);

  tls_talk_open(&talk);
  talk.server.context =
      tls_context(&(struct tern_tls_options){.server = true, .pairs = &expired, .pair_count = 1});
  talk.client.context = tls_context(&(struct tern_tls_options){.insecure = true});
  talk.client.server_name = NULL;
  tls_talk_connect(&talk, NULL);
  assert_int_equal(talk.client.secured, 1);
  tls_talk_close(&talk);

  tls_talk_open(&talk);
  talk.server.context = tls_server("server");
  talk.client.context = tls_client();
  talk.client.server_name = "127.0.0.1";
  tls_talk_connect(&talk, NULL);
  assert_int_equal(talk.client.secured, 1);
}

static void the_name_asked_for_decides(void **state) {
  (void)state;
  const struct tern_tls_pair pairs[] = {pair_of("server"), pair_of("other"), pair_of("rsa")};
  const char *const names[] = {"other.example.com", "localhost"};
  for (size_t i = 0; i < 2; i++) {
    struct tern_tls_certificate *certificate;
    tls_talk_close(&talk);
    tls_talk_open(&talk);
    talk.server.context =
        tls_context(&(struct tern_tls_options){.server = true, .pairs = pairs, .pair_count = 3});
    talk.client.context = tls_client();
    talk.client.server_name = names[i];
    tls_talk_connect(&talk, NULL);
    assert_int_equal(talk.client.secured, 1);
    assert_int_equal(tern_tls_certificate(talk.client.t, &certificate), 0);
    assert_string_equal(certificate->dns[0], names[i]);
    tern_tls_certificate_free(certificate);
  }
}

/* Connections go on with what they began with, when its owner has done with it. */
static void references(void **state) {
  (void)state;
  talk.server.context = tls_server("server");
  talk.client.context = tls_client();
  tern_tls_ref(talk.server.context);
  tern_tls_unref(talk.server.context);
  tls_talk_connect(&talk, NULL);
  tern_tls_unref(talk.server.context);
  talk.server.context = NULL;
  assert_int_equal(tern_transport_write(talk.client.t, "x", 1), 0);
  tls_talk_ticks(&talk);
  assert_string_equal(talk.server.got, "x");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(files_that_cannot_be_used),
      TEST(options_that_cannot_be_used),
      TEST(versions_and_ciphers),
      TEST(nothing_in_common),
      TEST(clients_have_to_show_a_certificate),
      TEST(a_chain_is_read_from_both_sides),
      TEST(clients_check_servers),
      TEST(the_name_asked_for_decides),
      TEST(references),
  };
  certs_make();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
