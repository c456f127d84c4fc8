/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks about access: what is made of them, what is refused and where. tests/e2e/config/verdicts.t compares the
 * verdicts with nats-server's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "access_text.h"
#include "conf_report.h"

#define NKEY "UCBX6QZORQT6ZGOHV525X5SKRJASRHOU45WEARX26ICWLRJJSV5YZVIM"
#define HASH "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

/* Memory is refused through this: the count-th allocation from now fails; 0: none. */
static unsigned fail_at;
static bool fails(void) { return fail_at > 0 && --fail_at == 0; }
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *memory, size_t size) { return fails() ? NULL : __real_realloc(memory, size); }

static struct access *make(const char *text) {
  struct access_said said;
  struct access *access = access_text(text, NULL, &said);
  if (access == NULL) fail_msg("%s: %s", text, said.first);
  return access;
}

static const char everything[] = "authorization { users: [{user: a, pass: x}, {user: b, password: '" HASH
                                 "', permissions: {publish: p}}],\n"
                                 "  default_permissions: {subscribe: s}, timeout: 1.5 }\n"
                                 "accounts { A { users: [{nkey: " NKEY
                                 ", clients: [standard, WEBSOCKET]}], limits {max_conn: 1, max_subs: 2,\n"
                                 "  max_pay: 1KB, max_leafs: 4} }, B {}, SYS {} }\n"
                                 "system_account: SYS\n"
                                 "no_auth_user: a\n";

static void blocks_become_users_and_accounts(void **state) {
  (void)state;
  struct access *access = make(everything);
  assert_true(access->required && access->wants_nonce && access->has_hashes && access->has_plain);
  assert_int_equal(access->timeout_ms, 1500);
  assert_int_equal(access->account_count, 4);
  assert_string_equal(access->accounts[0].name, "$G");
  assert_string_equal(access->system->name, "SYS");
  const struct access_user *a = access_user(access, "a", false), *b = access_user(access, "b", false),
                           *key = access_user(access, NKEY, true);
  assert_ptr_equal(access->anybody, a);
  assert_ptr_equal(a->account, &access->accounts[0]);
  assert_non_null(a->permissions);
  assert_non_null(b->permissions);
  assert_ptr_not_equal(a->permissions, b->permissions);
  assert_null(access_user(access, NKEY, false));
  assert_null(access_user(access, "a", true));
  assert_null(access_user(access, "c", false));
  assert_string_equal(key->account->name, "A");
  assert_null(key->permissions);
  assert_int_equal(key->ways, ACCESS_STANDARD | ACCESS_WEBSOCKET);
  const struct access_account *account = access_account(access, "A");
  assert_int_equal(account->max_connections, 1);
  assert_int_equal(account->max_subscriptions, 2);
  assert_int_equal(account->max_payload, 1024);
  assert_int_equal(access_account(access, "B")->max_connections, -1);
  assert_null(access_account(access, "C"));
  access_free(access);
}

static void nothing_configured_is_open(void **state) {
  (void)state;
  static const char *const open[] = {"", "authorization {}", "authorization { users: [] }",
                                     "accounts: [A, B]", "accounts { A {}, a {} }"};
  for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
    struct access *access = make(open[i]);
    assert_false(access->required);
    assert_false(access->wants_nonce);
    assert_string_equal(access->system->name, "$SYS");
    access_free(access);
  }
}

static void the_system_account_can_have_users_or_be_left_out(void **state) {
  (void)state;
  struct access *access = make("accounts { \"$SYS\" { users: [{user: s, pass: p}] } }");
  assert_int_equal(access->account_count, 2);
  assert_ptr_equal(access->system, access_user(access, "s", false)->account);
  access_free(access);
  access = make("no_sys_acc: true");
  assert_null(access->system);
  assert_int_equal(access->account_count, 1);
  access_free(access);
}

static void flags_go_before_the_file(void **state) {
  (void)state;
  struct access_said said;
  struct access *access = access_text("authorization { user: a, pass: b }",
                                      &(struct access_flags){.user = "c", .password = "d"}, &said);
  assert_string_equal(access->single->name, "c");
  assert_string_equal(access->single->password, "d");
  access_free(access);
  access = access_text("", &(struct access_flags){.token = HASH}, &said);
  assert_true(access->required && access->has_hashes);
  assert_non_null(access->token);
  access_free(access);
  access = access_text("", &(struct access_flags){.user = "a"}, &said);
  assert_string_equal(access->single->password, "");
  access_free(access);
  assert_null(access_text("", &(struct access_flags){.password = "d"}, &said));
  assert_null(access_text("", &(struct access_flags){.token = ""}, &said));
}

static void peers_of_unix_sockets_have_users(void **state) {
  (void)state;
  char text[200];
  snprintf(text, sizeof text,
           "tern { unix_users { \"%u\": a, \"root\": b } }\nauthorization { users: [{user: a}, {user: b}] }",
           (unsigned)getuid() + 1);
  struct access *access = make(text);
  assert_string_equal(access_unasked(access, getuid() + 1)->name, "a");
  assert_string_equal(access_unasked(access, 0)->name, "b");
  assert_null(access_unasked(access, getuid() + 2));
  assert_null(access_unasked(access, (uid_t)-1));
  access_free(access);
}

static void a_damaged_hash_is_a_warning(void **state) {
  (void)state;
  struct access_said said;
  struct access *access = access_text("authorization { token: \"$2a$11$qqq\" }", NULL, &said);
  assert_non_null(access);
  assert_int_equal(said.warnings, 1);
  assert_null(strstr(said.first, "qqq")); /* a secret is not shown */
  access_free(access);
}

static const struct {
  const char *text, *says;
} refused[] = {
    {"authorization: x", "1:1: authorization is a string; it must be a block"},
    {"authorization { foo: 1 }", "1:17: unknown field \"foo\" in the block authorization"},
    {"authorization { user: 1 }", "1:17: user is an integer; it must be a string"},
    {"authorization { user: a, pass: 1 }", "1:26: pass is an integer"},
    {"authorization { token: true }", "1:17: token is true or false"},
    {"authorization { user: a, pass: b, token: c }", "1:35: token: cannot have a user and a token"},
    {"authorization { pass: b }", "1:17: a password without a user: everyone would be let in"},
    {"authorization { user: \"\", pass: b }", "1:27: a password without a user"},
    {"authorization { token: \"\" }", "1:17: an empty token: everyone would be let in"},
    {"authorization { user: a, users: [{user: b, pass: c}] }", "1:17: cannot have a single user and a list"},
    {"authorization { token: a, users: [{user: b, pass: c}] }", "1:17: cannot have a token and users"},
    {"authorization { token: t }\naccounts { A { users: [{user: b, pass: c}] } }",
     "1:17: cannot have a token"},
    {"accounts { A { users: [{user: b, pass: c}] } }\nauthorization { user: a }",
     "2:17: cannot have a single user"},
    {"authorization { users: {user: b} }", "1:17: users is a block; it must be a list of users"},
    {"authorization { users: [b] }", "1:25: a user is a string; it must be a block"},
    {"authorization { users: [{pass: b}] }", "1:25: a user needs a name or an nkey"},
    {"authorization { users: [{user: \"\", pass: c}] }", "1:25: a user needs a name"},
    {"authorization { users: [{user: a, foo: 1}] }", "1:35: unknown field \"foo\" in the block users"},
    {"authorization { users: [{nkey: b}] }", "1:26: not a valid public nkey for a user"},
    {"authorization { users: [{nkey: 1}] }", "1:26: nkey is an integer"},
    {"authorization { users: [{nkey: " NKEY ", user: a}] }", "1:25: a user with an nkey has neither"},
    {"authorization { users: [{nkey: " NKEY ", pass: a}] }", "1:25: a user with an nkey has neither"},
    {"authorization { users: [{user: a}, {user: a}] }", "1:36: duplicate user \"a\""},
    {"authorization { users: [{nkey: " NKEY "}, {nkey: " NKEY "}] }", "1:91: duplicate nkey"},
    {"authorization { users: [{user: a}] }\naccounts { A { users: [{user: a}] } }",
     "2:24: duplicate user \"a\""},
    {"authorization { users: [{user: a, clients: [bogus]}] }", "1:45: unknown connection type \"bogus\""},
    {"authorization { users: [{user: a, clients: [1]}] }", "1:45: this is an integer"},
    {"authorization { users: [{user: a, proxy_required: true}] }", "1:35: proxy_required"},
    {"authorization { users: [{user: a, permissions: 1}] }", "1:35: "},
    {"authorization { timeout: true, token: a }",
     "1:17: timeout is true or false; it must be a number of seconds"},
    {"authorization { timeout: -1, token: a }", "1:17: timeout is negative"},
    {"authorization { timeout: -0.5, token: a }", "1:17: timeout is negative"},
    {"authorization { timeout: \"-1s\", token: a }", "1:17: timeout is negative"},
    {"authorization { timeout: 9223372036854775807, token: a }", "1:17: timeout is too large"},
    {"authorization { timeout: \"x\", token: a }", "1:17: timeout is no duration"},
    {"authorization { auth_callout {} }", "1:17: auth_callout: tern does not have it"},
    {"accounts: A", "1:1: accounts is a string; it must be a block of accounts"},
    {"accounts: [A, A]", "1:15: duplicate account \"A\""},
    {"accounts: [\"$G\"]", "1:12: \"$G\" is a reserved account"},
    {"accounts { $G {} }", "1:12: \"$G\" is a reserved account"},
    {"accounts { A: x }", "1:12: A is a string; it must be a block"},
    {"accounts { A { foo: 1 } }", "1:16: unknown field \"foo\" in the block accounts"},
    {"accounts { A { nkey: x } }", "1:16: not a valid public nkey for an account"},
    {"accounts { A { users: 1 } }", "1:16: users is an integer"},
    {"accounts { A { limits: 1 } }", "1:16: limits is an integer"},
    {"accounts { A { limits { max_conn: x } } }", "1:25: max_conn is a string"},
    {"accounts { A { limits { foo: 1 } } }", "1:25: unknown field \"foo\" in the block limits"},
    {"accounts { A { jetstream: enabled } }", "1:16: jetstream: tern does not have JetStream"},
    {"no_auth_user: x", "1:1: no_auth_user: \"x\" is not a user of authorization or accounts"},
    {"no_auth_user: 1", "1:1: no_auth_user is an integer"},
    {"system_account: X", "1:1: system_account: there is no account \"X\""},
    {"system_account: \"$G\"", "1:1: system_account must not be $G"},
    {"system: 1", "1:1: system is an integer"},
    {"no_sys_acc: 1", "1:1: no_sys_acc is an integer; it must be true or false"},
    {"tern { unix_users: a }", "1:8: unix_users is a string"},
    {"tern { unix_users { \"0\": a } }", "1:21: 0: \"a\" is not a user"},
    {"tern { unix_users { \"no such user\": a } }\nauthorization { users: [{user: a}] }",
     "1:21: unix_users: the system has no"},
};

static void what_is_wrong_is_said_with_its_place(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    struct access_said said;
    struct access *access = access_text(refused[i].text, NULL, &said);
    if (access != NULL) fail_msg("not refused: %s", refused[i].text);
    const char *text = said.first;
    if (strncmp(text, "a.conf:", 7) != 0 || strncmp(text + 7, refused[i].says, strlen(refused[i].says)) != 0)
      fail_msg("%s\nsaid     %s\nexpected %s", refused[i].text, text, refused[i].says);
    if (said.errors != 1) fail_msg("%s: %u errors", refused[i].text, said.errors);
  }
}

static void everything_wrong_is_said_at_once(void **state) {
  (void)state;
  struct access_said said;
  assert_null(
      access_text("authorization { users: [{user: a, x: 1}, {nkey: n}, {user: b}, {user: b}] }\n"
                  "accounts { $G {}, A { y: 1 } }\nno_auth_user: z",
                  NULL, &said));
  assert_int_equal(said.errors, 6);
}

static void without_memory_nothing_is_left(void **state) {
  (void)state;
  struct conf_error error;
  struct conf *conf;
  assert_int_equal(conf_parse("a.conf", everything, sizeof everything - 1, &conf, &error), 0);
  struct conf_report report = {0};
  struct access *access = NULL;
  unsigned count = 0;
  int result = -ENOMEM;
  while (result == -ENOMEM) {
    fail_at = ++count;
    result = access_new(conf_root(conf), &(struct access_flags){0}, &report, &access);
    fail_at = 0;
  }
  assert_int_equal(result, 0);
  assert_true(count > 20);
  assert_int_equal(report.errors, 0);
  access_free(access);
  conf_free(conf);
}

static void its_keys_are_known(void **state) {
  (void)state;
  assert_true(access_has_key("Authorization"));
  assert_true(access_has_key("system"));
  assert_true(access_has_key("no_system"));
  assert_false(access_has_key("auth"));
  assert_false(access_has_key("systems"));
  assert_false(access_has_key(""));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_become_users_and_accounts),
      cmocka_unit_test(nothing_configured_is_open),
      cmocka_unit_test(the_system_account_can_have_users_or_be_left_out),
      cmocka_unit_test(flags_go_before_the_file),
      cmocka_unit_test(peers_of_unix_sockets_have_users),
      cmocka_unit_test(a_damaged_hash_is_a_warning),
      cmocka_unit_test(what_is_wrong_is_said_with_its_place),
      cmocka_unit_test(everything_wrong_is_said_at_once),
      cmocka_unit_test(without_memory_nothing_is_left),
      cmocka_unit_test(its_keys_are_known),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
