/* SPDX-License-Identifier: Apache-2.0 */
/* Who is it: the order of the ways to prove it, what each needs, and who is still it after a change. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "access_text.h"

#define NKEY  "UCBX6QZORQT6ZGOHV525X5SKRJASRHOU45WEARX26ICWLRJJSV5YZVIM"
#define OTHER "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
#define HASH  "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define SIG   "lqYVkxjhG7zOW28AuWrwpvBwaVc6pcwasC7URpLCmRvoQKKUclpBvzYe9wOnlt3zkMm-W5XTo6xzE-RJiDazBw"

/* Stands for the cryptography: right is what is said for the nonce "right", or for none. */
static int verify(const uint8_t key[32], const void *message, size_t len, const uint8_t signature[64]) {
  assert_int_equal(key[0], 0x83);
  assert_int_equal(signature[0], 0x96);
  return len == 0 || (len == 5 && memcmp(message, "right", 5) == 0) ? 0 : -EBADMSG;
}

static struct access *make(const char *text) {
  struct access_said said;
  struct access *access = access_text(text, NULL, &said);
  if (access == NULL) fail_msg("%s: %s", text, said.first);
  return access;
}

struct said {
  const char *user, *password, *token, *nkey, *signature;
  enum access_way way;
  uid_t uid;
};

static enum access_verdict ask(const struct access *access, struct said said, struct access_result *result) {
#define OR_EMPTY(text) ((text) != NULL ? (text) : "")
  struct access_credentials credentials = {.user = OR_EMPTY(said.user),
                                           .password = OR_EMPTY(said.password),
                                           .token = OR_EMPTY(said.token),
                                           .nkey = OR_EMPTY(said.nkey),
                                           .signature = OR_EMPTY(said.signature),
                                           .nonce = "right",
                                           .way = said.way != 0 ? said.way : ACCESS_STANDARD,
                                           .uid = said.uid != 0 ? said.uid : (uid_t)-1};
  return access_check(access, &credentials, verify, result);
}

/* What is said to a configuration, and who that is: a name, or NULL when it is refused. */
static const struct {
  const char *text;
  struct said said;
  const char *is;
} cases[] = {
#define USERS "authorization { users: [{user: a, pass: x}, {user: b, pass: \"\"}, {user: c}] }"
    {USERS, {.user = "a", .password = "x"}, "a"},
    {USERS, {.user = "a", .password = "x", .token = "t"}, "a"},
    {USERS, {.user = "a", .password = "x", .nkey = NKEY}, "a"}, /* nobody has an nkey: it is not looked at */
    {USERS, {.user = "b"}, "b"},
    {USERS, {.user = "c"}, "c"},
    {USERS, {.user = "a"}, NULL},
    {USERS, {.user = "a", .password = "y"}, NULL},
    {USERS, {.user = "a", .password = "xx"}, NULL},
    {USERS, {.user = "A", .password = "x"}, NULL},
    {USERS, {.user = "c", .password = "x"}, NULL},
    {USERS, {.user = "d"}, NULL},
    {USERS, {.token = "x"}, NULL},
    {USERS, {.password = "x"}, NULL},
    {USERS, {0}, NULL},
#define SINGLE "authorization { user: a, pass: x }"
    {SINGLE, {.user = "a", .password = "x"}, "a"},
    {SINGLE, {.user = "a"}, NULL},
    {SINGLE, {.user = "b", .password = "x"}, NULL},
    {SINGLE, {.token = "x"}, NULL},
    {SINGLE, {0}, NULL},
#define TOKEN "authorization { token: t }"
    {TOKEN, {.token = "t"}, ""},
    {TOKEN, {.token = "t", .user = "a", .password = "x"}, ""},
    {TOKEN, {.user = "t"}, NULL},
    {TOKEN, {.password = "t"}, NULL},
    {TOKEN, {.token = "T"}, NULL},
    {TOKEN, {0}, NULL},
#define KEYS "authorization { users: [{nkey: " NKEY "}, {user: a, pass: x}] }"
    {KEYS, {.nkey = NKEY, .signature = SIG}, NKEY},
    {KEYS, {.nkey = NKEY}, NULL},
    {KEYS, {.nkey = NKEY, .signature = "abc"}, NULL},
    {KEYS, {.nkey = OTHER, .signature = SIG}, NULL},
    {KEYS, {.nkey = "a", .signature = SIG, .user = "a", .password = "x"}, NULL}, /* the nkey goes first */
    {KEYS, {.user = NKEY}, NULL},
    {KEYS, {.user = "a", .password = "x"}, "a"},
#define ANYBODY "authorization { users: [{user: a, pass: x}, {user: b, pass: '" HASH "'}] }, no_auth_user: b"
    {ANYBODY, {0}, "b"},
    {ANYBODY, {.user = "a", .password = "x"}, "a"},
    {ANYBODY, {.user = "a"}, NULL},
    {ANYBODY, {.password = "x"}, NULL},
    {ANYBODY, {.token = "x"}, NULL},
    {ANYBODY, {.nkey = NKEY}, "b"}, /* as above */
    {ANYBODY, {.nkey = NKEY, .user = "a"}, NULL},
#define KEY_ANYBODY "authorization { users: [{nkey: " NKEY "}] }, no_auth_user: " NKEY
    {KEY_ANYBODY, {0}, NKEY},
    {KEY_ANYBODY, {.nkey = NKEY}, NULL},
#define WAYS "authorization { users: [{user: a, clients: WEBSOCKET}, {user: b, clients: [MQTT, STANDARD]}] }"
    {WAYS, {.user = "a"}, NULL},
    {WAYS, {.user = "a", .way = ACCESS_WEBSOCKET}, "a"},
    {WAYS, {.user = "b"}, "b"},
    {WAYS, {.user = "b", .way = ACCESS_WEBSOCKET}, NULL},
    {WAYS ", no_auth_user: a", {0}, NULL},
#define PEERS USERS ", no_auth_user: c, tern { unix_users { \"7\": a } }"
    {PEERS, {.uid = 7}, "a"},
    {PEERS, {.uid = 8}, "c"},
    {PEERS, {0}, "c"},
    {PEERS, {.uid = 7, .user = "b"}, "b"},
    {PEERS, {.uid = 7, .user = "a"}, NULL},
};

static void whoever_proves_it_is_it(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct access_result result;
    struct access *access = make(cases[i].text);
    enum access_verdict verdict = ask(access, cases[i].said, &result);
    assert_int_equal(verdict, cases[i].is != NULL ? ACCESS_GRANTED : ACCESS_REFUSED);
    if (cases[i].is == NULL) {
      assert_non_null(result.why);
      assert_null(result.user);
    } else {
      assert_string_equal(result.user->name, cases[i].is);
    }
    access_free(access);
  }
}

static void a_signature_must_be_of_this_nonce(void **state) {
  (void)state;
  struct access *access = make(KEYS);
  struct access_result result;
  struct access_credentials credentials = {.user = "",
                                           .password = "",
                                           .token = "",
                                           .nkey = NKEY,
                                           .signature = SIG,
                                           .nonce = "wrong",
                                           .way = ACCESS_STANDARD,
                                           .uid = (uid_t)-1};
  assert_int_equal(access_check(access, &credentials, verify, &result), ACCESS_REFUSED);
  credentials.nonce = ""; /* what is signed then may be used again */
  assert_int_equal(access_check(access, &credentials, verify, &result), ACCESS_REFUSED);
  credentials.nonce = "right";
  assert_int_equal(access_check(access, &credentials, verify, &result), ACCESS_GRANTED);
  access_free(access);
}

static void hashes_are_left_to_the_caller(void **state) {
  (void)state;
  struct access_result result;
  struct access *access = make("authorization { users: [{user: a, pass: '" HASH "'}] }");
  assert_int_equal(ask(access, (struct said){.user = "a", .password = "secret"}, &result), ACCESS_HASHED);
  assert_string_equal(result.hash, HASH);
  assert_string_equal(result.secret, "secret");
  assert_string_equal(result.user->name, "a");
  assert_int_equal(ask(access, (struct said){.user = "a", .password = HASH}, &result), ACCESS_HASHED);
  access_free(access);
  access = make("authorization { token: '" HASH "' }");
  assert_int_equal(ask(access, (struct said){.token = "secret"}, &result), ACCESS_HASHED);
  assert_string_equal(result.secret, "secret");
  access_free(access);
}

static void without_users_nobody_is_asked(void **state) {
  (void)state;
  struct access_result result;
  struct access *access = make("accounts: [A]");
  assert_int_equal(ask(access, (struct said){.user = "a", .password = "x"}, &result), ACCESS_GRANTED);
  assert_null(result.user);
  access_free(access);
}

/* Somebody comes in by one configuration, and is matched against another. */
static const struct {
  const char *before;
  struct said said;
  const char *after;
  enum access_verdict verdict;
} changes[] = {
    {USERS, {.user = "a", .password = "x"}, USERS, ACCESS_GRANTED},
    {USERS, {.user = "a", .password = "x"}, "authorization { users: [{user: a, pass: y}] }", ACCESS_REFUSED},
    {USERS, {.user = "a", .password = "x"}, "authorization { users: [{user: b, pass: y}] }", ACCESS_GONE},
    {USERS, {.user = "a", .password = "x"}, "accounts { A { users: [{user: a, pass: x}] } }", ACCESS_GONE},
    {USERS, {.user = "a", .password = "x"}, SINGLE, ACCESS_GRANTED},
    {USERS, {.user = "a", .password = "x"}, "", ACCESS_GONE},
    {SINGLE, {.user = "a", .password = "x"}, "", ACCESS_GONE},
    {SINGLE, {.user = "a", .password = "x"}, SINGLE, ACCESS_GRANTED},
    {SINGLE, {.user = "a", .password = "x"}, USERS, ACCESS_GRANTED},
    {SINGLE, {.user = "a", .password = "x"}, TOKEN, ACCESS_GONE},
    {SINGLE, {.user = "a", .password = "x"}, "authorization { user: a, pass: y }", ACCESS_GONE},
    {SINGLE, {.user = "a", .password = "x"}, "authorization { users: [{user: a, pass: y}] }", ACCESS_REFUSED},
    {USERS, {.user = "a", .password = "x"}, "authorization { user: a, pass: y }", ACCESS_GONE},
    {KEYS, {.nkey = NKEY, .signature = SIG}, "", ACCESS_GONE},
    {TOKEN, {.token = "t"}, "", ACCESS_GRANTED},
    {"", {0}, USERS, ACCESS_REFUSED},
    {"", {0}, ANYBODY, ACCESS_GRANTED},
    {TOKEN, {.token = "t"}, TOKEN, ACCESS_GRANTED},
    {TOKEN, {.token = "t"}, "authorization { token: u }", ACCESS_REFUSED},
    {TOKEN, {.token = "t"}, USERS, ACCESS_REFUSED},
    {TOKEN, {.token = "t"}, SINGLE, ACCESS_REFUSED},
    {KEYS, {.nkey = NKEY, .signature = SIG}, KEYS, ACCESS_GRANTED},
    {KEYS, {.nkey = NKEY, .signature = SIG}, USERS, ACCESS_GONE},
    {ANYBODY, {0}, ANYBODY, ACCESS_GRANTED},
    {ANYBODY, {0}, USERS, ACCESS_REFUSED},
    {PEERS, {.uid = 7}, PEERS, ACCESS_GRANTED},
    {PEERS, {.uid = 7}, USERS, ACCESS_REFUSED},
};

static void a_change_is_noticed(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
    struct access_result was, is;
    struct access *before = make(changes[i].before), *after = make(changes[i].after);
    assert_int_equal(ask(before, changes[i].said, &was), ACCESS_GRANTED);
    uid_t uid = changes[i].said.uid != 0 ? changes[i].said.uid : (uid_t)-1;
    enum access_verdict verdict = access_rematch(after, was.user, was.proof, uid, &is);
    if (verdict != changes[i].verdict)
      fail_msg("%s\n%s: %d", changes[i].before, changes[i].after, (int)verdict);
    if (verdict == ACCESS_GRANTED && was.user != NULL && is.user != NULL)
      assert_string_equal(is.user->name, was.user->name);
    access_free(before);
    access_free(after);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whoever_proves_it_is_it),       cmocka_unit_test(a_signature_must_be_of_this_nonce),
      cmocka_unit_test(hashes_are_left_to_the_caller), cmocka_unit_test(without_users_nobody_is_asked),
      cmocka_unit_test(a_change_is_noticed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
