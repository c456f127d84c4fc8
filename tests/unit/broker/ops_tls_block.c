/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block tls and the flags that replace it: what each key sets, what is wrong with what, and that files which change
 * are noticed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "certs.h"
#include "conf_report.h"
#include "options_run.h"
#include "tls_block.h"

static char path[] = "/tmp/tern-tls-XXXXXX";

/* A file with this in its block tls, beside a certificate and key unless the text has its own. */
static struct options_run *parse_block(const char *text, const char *more) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file, "tls {\n");
  if (strstr(text, "cert") != text)
    fprintf(file, "cert_file: '%s'\nkey_file: '%s'\n", certs_path("server.pem"), certs_path("server.key"));
  fprintf(file, "%s\n}\n%s\n", text, more);
  assert_int_equal(fclose(file), 0);
  return PARSE("-c", path);
}

static struct tls_settings settings_of(const char *text, const char *more) {
  struct options_run *run = parse_block(text, more);
  if (run->verdict != OPTIONS_RUN) fail_msg("%s: %s", text, run->err);
  assert_non_null(run->options.tls.context);
  struct tls_settings tls = run->options.tls;
  options_free(&run->options);
  tls.context = NULL;
  return tls;
}

static void keys_set_what_they_say(void **state) {
  (void)state;
  struct tls_settings tls = settings_of("", "");
  assert_false(tls.verify || tls.map || tls.first || tls.allow_plain);
  assert_int_equal(tls.timeout_ms, 2000);
  assert_int_equal(tls.rate, 0);
  assert_true(settings_of("", "allow_non_tls: true").allow_plain);
  assert_true(settings_of("verify: true", "").verify);
  tls = settings_of("verify_and_map: true, verify: false", "");
  assert_true(tls.verify && tls.map);
  assert_int_equal(settings_of("timeout: 3", "").timeout_ms, 3000);
  assert_int_equal(settings_of("timeout: 0.5", "").timeout_ms, 500);
  assert_int_equal(settings_of("timeout: '1m'", "").timeout_ms, 60000);
  assert_int_equal(settings_of("timeout: 0", "").timeout_ms, 2000);
  assert_int_equal(settings_of("connection_rate_limit: 70", "").rate, 70);
  assert_false(settings_of("handshake_first: false", "").first);
  assert_false(settings_of("handshake_first: off", "").first);
  static const struct {
    const char *text;
    uint32_t wait;
  } first[] = {{"handshake_first: true", 0},
               {"first: 'on'", 0},
               {"immediate: auto", 50},
               {"first: 'auto_fallback'", 50},
               {"handshake_first: '300ms'", 300}};
  for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
    tls = settings_of(first[i].text, "");
    assert_true(tls.first);
    assert_int_equal(tls.first_wait_ms, first[i].wait);
  }
  settings_of("cipher_suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'], curve_preferences: [X25519]", "");
  settings_of("min_version: '1.3'", "");
  settings_of("ocsp_peer: false", "");
  char certs[512];
  snprintf(certs, sizeof certs,
           "certs: [{cert_file: '%s', key_file: '%s'}, {cert_file: '%s', key_file: '%s'}]",
           certs_path("server.pem"), certs_path("server.key"), certs_path("rsa.pem"), certs_path("rsa.key"));
  settings_of(certs, "");
}

static void mistakes_have_a_place_and_a_reason(void **state) {
  (void)state;
  static const struct {
    const char *text, *more, *says;
  } rows[] = {
      {"verify: 1", "", ":4:1: verify is an integer; it must be true or false"},
      {"ca_file: true", "", ":4:1: ca_file is true or false; it must be a path in quotes"},
      {"timeout: soon", "", ":4:1: invalid value \"soon\" for timeout"},
      {"timeout: '5'", "", "it has no unit"},
      {"timeout: -1", "", "must be at most a day, and not below 0"},
      {"timeout: 99999999999", "", "must be at most a day, and not below 0"},
      {"timeout: []", "", "must be a number of seconds"},
      {"cipher_suites: one", "", ":4:1: cipher_suites is a string; it must be a list of strings"},
      {"cipher_suites: [1]", "", "it must be a list of strings"},
      {"cipher_suites: ['NO_SUCH']", "", "NO_SUCH"},
      {"curve_preferences: ['P1']", "", "P1"},
      {"pinned_certs: ['xyz']", "", "xyz"},
      {"min_version: '0.9'", "", "0.9"},
      {"handshake_first: 3", "", "handshake_first is an integer"},
      {"handshake_first: never", "", "invalid value \"never\" for handshake_first"},
      {"connection_rate_limit: -1", "", "connection_rate_limit must be a number"},
      {"cipher_suites: []", "", ":4:1: cipher_suites cannot be empty"},
      {"curve_preferences: []", "", ":4:1: curve_preferences cannot be empty"},
      {"ocsp_peer: true", "",
       ":4:1: ocsp_peer: tern does not have OCSP: revoked certificates would be taken"},
      {"ca_certs_match: []", "", ":4:1: unknown field \"ca_certs_match\" in the block tls"},
      {"ca_file: '/no/such/file'", "", "/no/such/file"},
      {"cert_file: x", "", ":1:1: tls: key_file is missing"},
      {"certs: x", "", ":2:1: certs is a string"},
      {"certs: [{cert_file: x}]", "", "each entry needs both"},
      {"certs: [{cert_file: x, key_file: y, more: z}]", "", "unknown field \"more\""},
      {"certs: [{cert_file: x, key_file: y}], cert_file: z", "", "either cert_file and key_file, or certs"},
      {"", "allow_non_tls: 'yes'", "allow_non_tls is a string"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct options_run *run = parse_block(rows[i].text, rows[i].more);
    if (run->verdict != OPTIONS_FAIL) fail_msg("%s is taken", rows[i].text);
    assert_contains(run->err, rows[i].says);
    assert_null(run->options.tls.context);
    options_free(&run->options);
  }
}

static void insecure_is_for_others(void **state) {
  (void)state;
  struct options_run *run = parse_block("insecure: true", "");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  assert_contains(run->err, ":4:1: warning: insecure");
  options_free(&run->options);
}

static void flags_replace_the_block(void **state) {
  (void)state;
  struct options_run *run = parse_block("verify: true, timeout: 9", "");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  options_free(&run->options);
  const char *cert = certs_path("rsa.pem"), *key = certs_path("rsa.key"), *ca = certs_path("ca.pem");
  run = PARSE("-c", path, "--tls", "--tlscert", cert, "--tlskey", key);
  assert_int_equal(run->verdict, OPTIONS_RUN);
  assert_false(run->options.tls.verify);
  assert_int_equal(run->options.tls.timeout_ms, 2000);
  options_free(&run->options);
  run = PARSE("--tlsverify", "--tlscert", cert, "--tlskey", key, "--tlscacert", ca);
  assert_int_equal(run->verdict, OPTIONS_RUN);
  assert_true(run->options.tls.verify);
  options_free(&run->options);
  run = PARSE("--tls", "--tlskey", key);
  assert_int_equal(run->verdict, OPTIONS_FAIL);
  assert_contains(run->err, "--tlscert FILE");
  options_free(&run->options);
  run = PARSE("--tls", "--tlscert", cert);
  assert_int_equal(run->verdict, OPTIONS_FAIL);
  assert_contains(run->err, "--tlskey FILE");
  options_free(&run->options);
}

static void without_tls_there_is_none(void **state) {
  (void)state;
  struct options_run *run = PARSE("-p", "1");
  assert_null(run->options.tls.context);
  assert_int_equal(tls_block_stamp(&run->options), 0);
  options_free(&run->options);
  assert_true(tls_block_has_key("TLS"));
  assert_true(tls_block_has_key("allow_non_tls"));
  assert_false(tls_block_has_key("tl"));
}

static void a_file_that_changes_is_noticed(void **state) {
  (void)state;
  char cert[] = "/tmp/tern-tls-XXXXXX", command[512];
  close(mkstemp(cert));
  snprintf(command, sizeof command, "cp '%s' '%s'", certs_path("rsa.pem"), cert);
  assert_int_equal(system(command), 0);
  struct options_run *run = PARSE("--tls", "--tlscert", cert, "--tlskey", certs_path("rsa.key"));
  assert_int_equal(run->verdict, OPTIONS_RUN);
  uint64_t before = tls_block_stamp(&run->options);
  assert_int_not_equal(before, 0);
  assert_int_equal(tls_block_stamp(&run->options), before);
  snprintf(command, sizeof command, "echo >>'%s'", cert);
  assert_int_equal(system(command), 0);
  uint64_t longer = tls_block_stamp(&run->options);
  assert_int_not_equal(longer, before);
  unlink(cert);
  assert_int_not_equal(tls_block_stamp(&run->options), longer);
  options_free(&run->options);
}

static void the_first_pair_can_be_read_as_text(void **state) {
  (void)state;
  struct conf_report report = {0};
  struct options_run *run =
      PARSE("--tls", "--tlscert", certs_path("server.pem"), "--tlskey", certs_path("server.key"));
  assert_int_equal(run->verdict, OPTIONS_RUN);
  char *certificate = tls_block_text(&run->options, false, &report);
  char *key = tls_block_text(&run->options, true, &report);
  assert_non_null(certificate);
  assert_non_null(key);
  assert_non_null(strstr(certificate, "-----END CERTIFICATE-----"));
  assert_non_null(strstr(key, "PRIVATE KEY-----"));
  free(certificate);
  free(key);
  options_free(&run->options);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_set_what_they_say),         cmocka_unit_test(mistakes_have_a_place_and_a_reason),
      cmocka_unit_test(insecure_is_for_others),         cmocka_unit_test(flags_replace_the_block),
      cmocka_unit_test(without_tls_there_is_none),      cmocka_unit_test(the_first_pair_can_be_read_as_text),
      cmocka_unit_test(a_file_that_changes_is_noticed),
  };
  certs_make();
  close(mkstemp(path));
  int failed = cmocka_run_group_tests_name("ops/tls_block", tests, NULL, NULL);
  unlink(path);
  return failed;
}
