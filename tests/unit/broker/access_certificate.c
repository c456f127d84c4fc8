/* SPDX-License-Identifier: Apache-2.0 */
/* Whose certificate it is: which of its names go first, and what CONNECT may say besides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <tern/tls.h>

#include "access_text.h"

/* A certificate of up to two names of a kind. */
struct names {
  const char *emails[2], *dns[2], *uris[2], *subject;
};

static size_t count(const char *const names[2]) { return names[0] == NULL ? 0 : names[1] == NULL ? 1 : 2; }

static const char configuration[] =
    "authorization { users: [{user: 'a@x.org'}, {user: a.x.org}, {user: 'spiffe://x/a'}, {user: "
    "'CN=a,O=x'},\n"
    "  {user: 'O=y,CN=a'}, {user: 'CN=a,O=y'}, {user: 'w@x.org', clients: WEBSOCKET}, {user: 'p@x.org', "
    "pass: p}] }";

static const struct {
  struct names names;
  const char *password, *is;
} cases[] = {
    {{.emails = {"a@x.org"}, .dns = {"a.x.org"}, .subject = "CN=a,O=x"}, "", "a@x.org"},
    {{.emails = {"b@x.org", "a@x.org"}}, "", "a@x.org"},
    {{.emails = {"b@x.org"}, .dns = {"b", "a.x.org"}, .uris = {"spiffe://x/a"}}, "", "a.x.org"},
    {{.uris = {"spiffe://x/a"}, .subject = "CN=a,O=x"}, "", "spiffe://x/a"},
    {{.dns = {"b.x.org"}, .subject = "CN=a,O=x"}, "", "CN=a,O=x"},
    {{.subject = "O=x,CN=a"}, "", "CN=a,O=x"},
    {{.subject = "O=y,CN=a"}, "", "O=y,CN=a"}, /* the one in the same order */
    {{.subject = "CN=a,O=y"}, "", "CN=a,O=y"},
    {{.emails = {"A@x.org"}}, "", NULL},
    {{.subject = "CN=a"}, "", NULL},
    {{.subject = ""}, "", NULL},
    {{.subject = NULL}, "", NULL},
    {{.emails = {"w@x.org"}}, "", NULL}, /* not in this way */
    {{.emails = {"w@x.org"}, .dns = {"a.x.org"}}, "", "a.x.org"},
    {{.emails = {"a@x.org"}}, "p", NULL}, /* a password is compared, if there is one */
    {{.emails = {"p@x.org"}}, "p", "p@x.org"},
    {{.emails = {"p@x.org"}}, "", NULL},
};

static void certificates_name_their_user(void **state) {
  (void)state;
  struct access_said said;
  struct access *access = access_text(configuration, NULL, &said);
  assert_non_null(access);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const struct names *names = &cases[i].names;
    const struct tern_tls_certificate certificate = {.subject = names->subject,
                                                     .emails = names->emails,
                                                     .dns = names->dns,
                                                     .uris = names->uris,
                                                     .email_count = count(names->emails),
                                                     .dns_count = count(names->dns),
                                                     .uri_count = count(names->uris)};
    struct access_credentials credentials = {.user = "a.x.org", /* is not looked at */
                                             .password = cases[i].password,
                                             .token = "",
                                             .nkey = "",
                                             .signature = "",
                                             .nonce = "",
                                             .way = ACCESS_STANDARD,
                                             .uid = (uid_t)-1,
                                             .by_certificate = true,
                                             .certificate = &certificate};
    struct access_result result;
    enum access_verdict verdict = access_check(access, &credentials, NULL, &result);
    if (verdict != (cases[i].is != NULL ? ACCESS_GRANTED : ACCESS_REFUSED)) fail_msg("case %zu", i);
    if (cases[i].is != NULL) assert_string_equal(result.user->name, cases[i].is);
    if (cases[i].is != NULL) assert_int_equal(result.proof, ACCESS_BY_CERTIFICATE);
    credentials.certificate = NULL;
    assert_int_equal(access_check(access, &credentials, NULL, &result), ACCESS_REFUSED);
  }
  access_free(access);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(certificates_name_their_user)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
