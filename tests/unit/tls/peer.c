/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer's certificate says, and Ed25519 with the vectors of RFC 8032. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <tern/error.h>

#include "certs.h"
#include "tls_ends.h"
#include "transport.h"

static struct tls_talk talk;

/* What openssl(1) says, up to the first blank or the end of the line. */
static void ask_openssl(const char *command, char *answer, int size) {
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  assert_non_null(fgets(answer, size, pipe));
  assert_int_equal(pclose(pipe), 0);
  answer[strcspn(answer, " \n")] = '\0';
}

static void certificate_of_a_client(void **state) {
  (void)state;
  struct tern_tls_pair server = {certs_path("server.pem"), certs_path("server.key")};
  struct tern_tls_pair client = {certs_path("client.pem"), certs_path("client.key")};
  struct tern_tls_certificate *c;
  tls_talk_open(&talk);
  talk.server.context = tls_context(&(struct tern_tls_options){
      .server = true, .pairs = &server, .pair_count = 1, .verify = true, .ca_file = certs_path("ca.pem")});
  talk.client.context = tls_context(
      &(struct tern_tls_options){.ca_file = certs_path("ca.pem"), .pairs = &client, .pair_count = 1});
  tls_talk_connect(&talk, NULL);
  assert_int_equal(tern_tls_certificate(talk.server.t, &c), 0);
  assert_string_equal(c->subject, "CN=alice,O=Example");
  assert_int_equal(c->email_count, 1);
  assert_string_equal(c->emails[0], "alice@example.com");
  assert_int_equal(c->dns_count, 1);
  assert_string_equal(c->dns[0], "client.example.com");
  assert_int_equal(c->uri_count, 1);
  assert_string_equal(c->uris[0], "urn:example:alice");
  char command[400], sum[200];
  snprintf(command, sizeof command, "openssl x509 -in %s -outform DER | sha256sum", certs_path("client.pem"));
  ask_openssl(command, sum, sizeof sum);
  assert_string_equal(c->sha256, sum);
  snprintf(command, sizeof command,
           "openssl x509 -in %s -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum",
           certs_path("client.pem"));
  ask_openssl(command, sum, sizeof sum);
  assert_string_equal(c->key_sha256, sum);
  tern_tls_certificate_free(c);
  tls_talk_close(&talk);
}

static void nobody_has_shown_one(void **state) {
  (void)state;
  struct tern_tls_certificate *c;
  tls_talk_open(&talk);
  talk.server.context = tls_server("server");
  talk.client.context = tls_client();
  tls_talk_connect(&talk, NULL);
  assert_int_equal(tern_tls_certificate(talk.server.t, &c), -ENOENT);
  assert_int_equal(tern_tls_certificate(talk.server.t->below, &c), -ENOENT); /* no TLS there */
  assert_int_equal(tern_tls_certificate(talk.client.t, &c), 0);
  assert_string_equal(c->subject, "CN=localhost");
  assert_int_equal(c->email_count + c->uri_count, 0);
  tern_tls_certificate_free(c);
  tern_tls_certificate_free(NULL);
  tls_talk_close(&talk);
}

static void from_hex(const char *text, uint8_t *to) {
  unsigned byte;
  for (; *text != '\0'; text += 2) {
    assert_int_equal(sscanf(text, "%2x", &byte), 1);
    *to++ = (uint8_t)byte;
  }
}

/* RFC 8032, 7.1, tests 1 and 3. */
static void signatures(void **state) {
  (void)state;
  static const struct {
    const char *key, *message, *signature;
  } vectors[] = {
      {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf"
       "5f0595bb"
       "e24655141438e7a100b"},
      {"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c1"
       "5e9716ed"
       "28dc027beceea1ec40a"},
  };
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    uint8_t key[32], message[8], signature[64];
    size_t len = strlen(vectors[i].message) / 2;
    from_hex(vectors[i].key, key);
    from_hex(vectors[i].message, message);
    from_hex(vectors[i].signature, signature);
    assert_int_equal(tern_ed25519_verify(key, message, len, signature), 0);
    signature[40] ^= 1;
    assert_int_equal(tern_ed25519_verify(key, message, len, signature), -EBADMSG);
    signature[40] ^= 1;
    key[3] ^= 1;
    assert_int_equal(tern_ed25519_verify(key, message, len, signature), -EBADMSG);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(certificate_of_a_client),
      cmocka_unit_test(nobody_has_shown_one),
      cmocka_unit_test(signatures),
  };
  certs_make();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
