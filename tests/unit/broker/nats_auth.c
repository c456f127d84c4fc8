/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who clients are, in conversations on simulated workers: what may come before CONNECT, its deadline, right and wrong
 * credentials, passwords that are compared elsewhere while the connection waits, accounts, and other configurations.
 * The hasher and the check of signatures are the test's.
 */
#include "auth.h"

#include <errno.h>

#include <tern/error.h>

#include "configured.h"
#include "conns.h"
#include "hasher.h"

#define NKEY      "UCBX6QZORQT6ZGOHV525X5SKRJASRHOU45WEARX26ICWLRJJSV5YZVIM"
#define HASH      "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define OTHER     "$2b$04$abcdefghijklmnopqrstuuO9dHOtHPoPuf7ch02MZRrgUVjjsanVC"
#define SIG       "lqYVkxjhG7zOW28AuWrwpvBwaVc6pcwasC7URpLCmRvoQKKUclpBvzYe9wOnlt3zkMm-W5XTo6xzE-RJiDazBw"
#define USERS     "authorization { users: [{user: a, pass: x}, {user: b, pass: y}] }"
#define VIOLATION "-ERR 'Authorization Violation'\r\n"

static struct sim sim;
static struct sim_client c[6];
static unsigned joined;

/* ---- what stands for threads and cryptography ---- */

static struct hasher_job *submitted[8];
static unsigned submitted_count, known_count;
static bool crowded, all_known;
static char signed_text[64];

int __wrap_hasher_submit(struct hasher *hasher, struct hasher_job *job);
bool __wrap_hasher_knows(struct hasher *hasher, const char *hash, const char *password);
int __wrap_tern_ed25519_verify(const uint8_t key[32], const void *message, size_t len, const uint8_t sig[64]);

int __wrap_hasher_submit(struct hasher *hasher, struct hasher_job *job) {
  (void)hasher;
  if (crowded) return TERN_EFULL;
  assert_true(submitted_count < 8);
  submitted[submitted_count++] = job;
  return 0;
}

bool __wrap_hasher_knows(struct hasher *hasher, const char *hash, const char *password) {
  (void)hasher, (void)hash, (void)password;
  known_count++;
  return all_known;
}

int __wrap_tern_ed25519_verify(const uint8_t key[32], const void *message, size_t len,
                               const uint8_t sig[64]) {
  (void)key;
  assert_true(len < sizeof signed_text);
  memcpy(signed_text, message, len);
  signed_text[len] = '\0';
  return sig[63] == 0x07 ? 0 : -EBADMSG;
}

/* The first job is done. */
static void finish(int result) {
  assert_true(submitted_count > 0);
  struct hasher_job *job = submitted[0];
  memmove(submitted, submitted + 1, --submitted_count * sizeof submitted[0]);
  job->done(job, result);
}

/* ---- the rest of the fixture ---- */

static void configure(const char *text) { configure_access(&sim, text); }

static int set_up(void **state) {
  (void)state;
  start(&sim, 2, NULL);
  sim.core.nats.hasher = hasher_new(1);
  joined = submitted_count = known_count = 0;
  crowded = all_known = false;
  return sim.core.nats.hasher != NULL ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  while (submitted_count > 0)
    finish(-ECANCELED);
  end(&sim, c, joined);
  return 0;
}

/* Connects the next client and leaves it at that. */
static struct sim_client *arrive(unsigned worker) {
  struct sim_client *client = &c[joined++];
  assert_int_equal(sim_connect(&sim, client, worker, NULL), 0);
  expect_info(client);
  return client;
}

static struct sim_client *arrive_with(unsigned worker, const char *fields) {
  struct sim_client *client = arrive(worker);
  char line[512];
  snprintf(line, sizeof line, "CONNECT {%s,%s}\r\nPING\r\n", QUIET, fields);
  sim_say(client, line);
  return client;
}

static bool info_has(const struct sim_client *client, const char *what) {
  return strstr(client->in, what) != NULL;
}

/* ---- before CONNECT ---- */

static void nothing_is_asked_when_nothing_is_configured(void **state) {
  (void)state;
  configure("");
  struct sim_client *client = arrive(0);
  assert_false(info_has(client, "auth_required") || info_has(client, "nonce"));
  say_and_sync(client, "CONNECT {" QUIET ",\"user\":\"z\",\"pass\":\"z\"}\r\n");
  assert_int_equal(SUM(&sim, auth_granted), 0);
}

static void only_connect_may_come_first(void **state) {
  (void)state;
  static const char *const others[] = {"PING\r\n", "PUB a 1\r\nx\r\n", "\r\n", "junk"};
  configure(USERS);
  for (unsigned i = 0; i < 4; i++) {
    struct sim_client *client = arrive(i % 2);
    assert_true(info_has(client, "\"auth_required\":true"));
    assert_false(info_has(client, "nonce"));
    sim_say(client, others[i]);
    expect(client, VIOLATION);
    expect_end(client);
  }
  assert_int_equal(SUM(&sim, auth_refused), 4);
}

static void who_says_nothing_is_cut_off(void **state) {
  (void)state;
  configure("authorization { token: t, timeout: 3 }");
  struct sim_client *client = arrive(0), *half = arrive(1), *good = arrive_with(0, "\"auth_token\":\"t\"");
  sim_say(half, "CONNECT {");
  expect(good, "PONG\r\n");
  later(&sim, 2900);
  expect_silence(client);
  later(&sim, 200);
  expect(client, "-ERR 'Authentication Timeout'\r\n");
  expect_end(client);
  expect(half, "-ERR 'Authentication Timeout'\r\n");
  expect_end(half);
  assert_int_equal(SUM(&sim, auth_late), 2);
  expect(good, "PING\r\n"); /* for the round trip */
  say_and_sync(good, "");
}

/* ---- CONNECT ---- */

static void the_right_ones_come_in_and_no_others(void **state) {
  (void)state;
  configure(USERS);
  struct sim_client *a = arrive_with(0, "\"user\":\"a\",\"pass\":\"x\"");
  expect(a, "PONG\r\n");
  struct sim_client *wrong = arrive_with(1, "\"user\":\"a\",\"pass\":\"y\"");
  expect(wrong, VIOLATION);
  expect_end(wrong);
  struct sim_client *none = arrive_with(1, "\"name\":\"n\"");
  expect(none, VIOLATION);
  expect_end(none);
  assert_int_equal(SUM(&sim, auth_granted), 1);
  assert_int_equal(SUM(&sim, auth_refused), 2);
}

static void a_second_connect_is_judged_as_well(void **state) {
  (void)state;
  configure(USERS);
  struct sim_client *a = arrive_with(0, "\"user\":\"a\",\"pass\":\"x\"");
  expect(a, "PONG\r\n");
  say_and_sync(a, "CONNECT {\"name\":\"n\"}\r\nSUB a 1\r\n");
  say_and_sync(a, "CONNECT {\"user\":\"b\",\"pass\":\"y\"}\r\n");
  sim_say(a, "CONNECT {\"user\":\"b\",\"pass\":\"x\"}\r\n");
  expect(a, VIOLATION);
  expect_end(a);
}

static void an_nkey_signs_the_nonce(void **state) {
  (void)state;
  configure("authorization { users: [{nkey: " NKEY "}] }");
  struct sim_client *good = arrive(0), *bad = arrive(0);
  const char *nonce = strstr(good->in, "\"nonce\":\"");
  assert_non_null(nonce);
  say_and_sync(good, "CONNECT {" QUIET ",\"nkey\":\"" NKEY "\",\"sig\":\"" SIG "\"}\r\n");
  assert_int_equal(strlen(signed_text), NKEY_NONCE_CHARS);
  assert_memory_equal(signed_text, nonce + 9, NKEY_NONCE_CHARS);
  assert_null(strstr(bad->in, signed_text)); /* each has one of its own */
  sim_say(bad, "CONNECT {\"nkey\":\"" NKEY "\"}\r\n");
  expect(bad, VIOLATION);
  expect_end(bad);
}

static void anybody_may_begin_with_anything(void **state) {
  (void)state;
  configure(USERS ", no_auth_user: b");
  struct sim_client *client = arrive(0);
  assert_false(info_has(client, "auth_required"));
  sim_say(client, "SUB a 1\r\nPING\r\n");
  expect(client, "+OK\r\nPONG\r\n");
  say_and_sync(client, "CONNECT {" QUIET ",\"user\":\"a\",\"pass\":\"x\"}\r\n");
  sim_say(client, "CONNECT {\"user\":\"a\"}\r\n");
  expect(client, VIOLATION);
  expect_end(client);
}

/* A user for other ways to connect is nobody here: not unasked, and not after a change. */
static void anybody_comes_the_allowed_ways_only(void **state) {
  (void)state;
  configure("authorization { users: [{user: a, pass: x}, {user: b, clients: WEBSOCKET}] }, no_auth_user: b");
  struct sim_client *client = arrive(0), *a = arrive_with(1, "\"user\":\"a\",\"pass\":\"x\"");
  assert_true(info_has(client, "\"auth_required\":true"));
  sim_say(client, "PING\r\n");
  expect(client, VIOLATION);
  expect_end(client);
  expect(a, "PONG\r\n");
  configure("authorization { users: [{user: a, pass: x, clients: WEBSOCKET}] }");
  expect(a, VIOLATION);
  expect_end(a);
}

static void accounts_are_apart(void **state) {
  (void)state;
  configure(
      "authorization { users: [{user: g}] }\n"
      "accounts { A { users: [{user: a}, {user: a2}] }, B { users: [{user: b}] } }");
  const char *const users[] = {"a", "a2", "b", "g"};
  for (unsigned i = 0; i < 4; i++) {
    char fields[64];
    snprintf(fields, sizeof fields, "\"user\":\"%s\",\"protocol\":1", users[i]);
    struct sim_client *client = arrive_with(i % 2, fields);
    expect(client, "PONG\r\n");
    expect_info(client);
    assert_true(info_has(client, i < 2    ? "\"remote_account\":\"A\""
                                 : i == 2 ? "\"remote_account\":\"B\""
                                          : "$G"));
    if (i > 0) say_and_sync(client, "SUB > 1\r\n");
  }
  ticks(&sim, 5);
  say_and_sync(&c[0], "PUB a.b 1\r\nx\r\n");
  expect(&c[1], "MSG a.b 1 1\r\nx\r\n");
  expect_silence(&c[2]);
  expect_silence(&c[3]);
  sim_say(&c[2], "CONNECT {\"user\":\"a\"}\r\n"); /* with subscriptions it stays where it is */
  expect(&c[2], VIOLATION);
  expect_end(&c[2]);
}

/* ---- hashes ---- */

#define HASHED "authorization { users: [{user: h, pass: '" HASH "'}, {user: a, pass: x}] }"

static void who_is_compared_waits(void **state) {
  (void)state;
  configure(HASHED);
  struct sim_client *client = arrive(0);
  sim_say(client,
          "CONNECT {" QUIET ",\"user\":\"h\",\"pass\":\"secret\"}\r\nSUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n");
  expect_silence(client);
  assert_int_equal(submitted_count, 1);
  assert_string_equal(submitted[0]->hash, HASH);
  assert_string_equal(submitted[0]->password, "secret");
  struct sim_client *other = arrive_with(0, "\"user\":\"a\",\"pass\":\"x\"");
  expect(other, "PONG\r\n"); /* others do not */
  later(&sim, 60000);
  expect_silence(client); /* nor is it late */
  finish(1);
  expect(client, "MSG a 1 1\r\nx\r\nPONG\r\n");
  assert_int_equal(SUM(&sim, auth_granted), 2);
}

static void a_wrong_password_comes_to_nothing(void **state) {
  (void)state;
  configure(HASHED);
  struct sim_client *client = arrive_with(1, "\"user\":\"h\",\"pass\":\"wrong\"");
  expect_silence(client);
  finish(0);
  expect(client, VIOLATION);
  expect_end(client);
}

static void who_is_known_does_not_wait(void **state) {
  (void)state;
  configure(HASHED);
  all_known = true;
  struct sim_client *client = arrive_with(1, "\"user\":\"h\",\"pass\":\"secret\"");
  expect(client, "PONG\r\n");
  assert_int_equal(submitted_count, 0);
  assert_int_equal(known_count, 1);
}

static void too_many_are_turned_away(void **state) {
  (void)state;
  configure(HASHED);
  crowded = true;
  struct sim_client *client = arrive_with(1, "\"user\":\"h\",\"pass\":\"secret\"");
  expect(client, "-ERR 'Authentication Timeout'\r\n");
  expect_end(client);
  assert_int_equal(SUM(&sim, auth_crowded), 1);
}

static void who_is_gone_is_not_missed(void **state) {
  (void)state;
  configure(HASHED);
  struct sim_client *client = arrive_with(1, "\"user\":\"h\",\"pass\":\"secret\"");
  expect_silence(client);
  assert_int_equal(core_close_clients(&sim.core, sim.workers, 1, NULL), 1);
  expect_end(client);
  ticks(&sim, 5);
  finish(1);
  assert_int_equal(SUM(&sim, auth_granted), 0);
  assert_int_equal(SUM(&sim, connections), 0);
}

/* What is remembered of the last one of a worker that has ended. */
static void expect_closed(unsigned worker, const char *user, const char *account, enum nats_reason reason) {
  const struct nats_closed *closed = &sim.core.nats.workers[worker]->closed;
  const struct nats_conn *conn = nats_closed_at(closed, closed->added - 1);
  assert_non_null(conn);
  assert_string_equal(conn->user, user);
  assert_string_equal(conn->account, account);
  assert_int_equal(conn->reason, reason);
}

#define IN_A(users) "accounts { A { users: [" users "] }, B { users: [{user: z, pass: z}] } }"

static void whom_a_change_ends_is_told_of_by_name(void **state) {
  (void)state;
  sim.core.nats.closed_max = 8;
  configure(IN_A("{user: a, pass: x}, {user: b, pass: y}"));
  struct sim_client *gone = arrive_with(0, "\"user\":\"a\",\"pass\":\"x\"");
  struct sim_client *changed = arrive_with(1, "\"user\":\"b\",\"pass\":\"y\"");
  expect(gone, "PONG\r\n");
  expect(changed, "PONG\r\n");
  configure(IN_A("{user: b, pass: other}"));
  configure(""); /* another one before they are gone changes nothing */
  expect_end(gone);
  expect(changed, VIOLATION);
  expect_end(changed);
  ticks(&sim, 20);
  expect_closed(0, "a", "A", NATS_CLIENT_CLOSED);
  expect_closed(1, "b", "A", NATS_AUTH_FAILURE);
}

/* It ends for another reason, and a change comes before it is gone. */
static void who_ends_anyway_is_told_of_by_name(void **state) {
  (void)state;
  sim.core.nats.closed_max = 8;
  configure(IN_A("{user: a, pass: x}"));
  struct sim_client *client = arrive_with(0, "\"user\":\"a\",\"pass\":\"x\"");
  expect(client, "PONG\r\n");
  assert_int_equal(core_close_clients(&sim.core, sim.workers, 1, NULL), 1);
  configure(IN_A("{user: b, pass: y}"));
  expect_end(client);
  ticks(&sim, 20);
  expect_closed(0, "a", "A", NATS_SERVER_SHUTDOWN);
}

static void a_result_counts_for_its_hash_only(void **state) {
  (void)state;
  configure(HASHED);
  struct sim_client *client = arrive_with(0, "\"user\":\"h\",\"pass\":\"secret\"");
  expect_silence(client);
  configure("authorization { users: [{user: h, pass: '" OTHER "'}] }");
  finish(1);
  expect_silence(client); /* the new one is compared, too */
  assert_int_equal(submitted_count, 1);
  assert_string_equal(submitted[0]->hash, OTHER);
  finish(0);
  expect(client, VIOLATION);
  expect_end(client);
}

static void who_waits_can_be_let_in_by_a_change(void **state) {
  (void)state;
  configure(HASHED);
  struct sim_client *client = arrive_with(0, "\"user\":\"h\",\"pass\":\"secret\"");
  expect_silence(client);
  configure("");
  finish(1);
  expect(client, "PONG\r\n");
}

/* Somebody who is in already, and waits for a verdict on more, is who it is by the new configuration meanwhile. */
static void who_waits_is_matched_as_well(void **state) {
  (void)state;
  configure(HASHED ", no_auth_user: a");
  struct sim_client *stays = arrive(0), *goes = arrive(1);
  for (unsigned i = 0; i < 2; i++) {
    say_and_sync(&c[i], "CONNECT {" QUIET "}\r\nSUB s 1\r\n");
    sim_say(&c[i], "CONNECT {\"user\":\"h\",\"pass\":\"secret\"}\r\nPING\r\n");
    expect_silence(&c[i]);
  }
  configure("authorization { users: [{user: h, pass: '" HASH
            "'}, {user: a, pass: x, permissions: {subscribe: {deny: s}}}] }"
            ", no_auth_user: a");
  for (unsigned i = 0; i < 2; i++)
    expect(&c[i], "-ERR 'Permissions Violation for Subscription to \"s\" (sid \"1\")'\r\n");
  finish(1);
  expect(stays, "PONG\r\n");
  say_and_sync(stays, "SUB s 1\r\n");
  configure(HASHED); /* nobody comes in unasked */
  expect(goes, VIOLATION);
  expect_end(goes);
  finish(1);
  sim_say(stays, "PUB s 1\r\nx\r\n");
  expect(stays, "MSG s 1 1\r\nx\r\n");
}

/* ---- changes ---- */

static void those_who_may_stay_stay(void **state) {
  (void)state;
  configure(USERS);
  struct sim_client *a = arrive_with(0, "\"user\":\"a\",\"pass\":\"x\""),
                    *b = arrive_with(1, "\"user\":\"b\",\"pass\":\"y\""), *late = arrive(1);
  expect(a, "PONG\r\n");
  expect(b, "PONG\r\n");
  say_and_sync(a, "SUB s 1\r\n");
  configure("authorization { users: [{user: a, pass: x, permissions: {publish: p}}, {user: b, pass: new}] }");
  expect(b, VIOLATION);
  expect_end(b);
  say_and_sync(a, "PUB p 1\r\nx\r\n");
  sim_say(a, "PUB s 1\r\nx\r\n");
  expect(a, "-ERR 'Permissions Violation for Publish to \"s\"'\r\n");
  configure("authorization { users: [{user: b, pass: y}] }");
  expect_end(a); /* without a word */
  sim_say(late, "CONNECT {" QUIET ",\"user\":\"b\",\"pass\":\"y\"}\r\nPING\r\n");
  expect(late, "PONG\r\n");
  configure("");
  expect_end(late); /* likewise */
  struct sim_client *nobody = arrive_with(0, "\"lang\":\"c\"");
  expect(nobody, "PONG\r\n");
  say_and_sync(nobody, "PUB anything 1\r\nx\r\n");
  configure(USERS);
  expect(nobody, VIOLATION);
  expect_end(nobody);
}

/* Who said nothing and is a user all the same is judged like those who said it. */
static void a_users_password_changes_for_nobody_too(void **state) {
  (void)state;
  configure(USERS ", no_auth_user: a");
  struct sim_client *nobody = arrive_with(0, "\"lang\":\"c\"");
  expect(nobody, "PONG\r\n");
  configure("authorization { users: [{user: a, pass: new}] }, no_auth_user: a");
  expect(nobody, VIOLATION);
  expect_end(nobody);
  struct sim_client *again = arrive_with(0, "\"lang\":\"c\"");
  expect(again, "PONG\r\n");
  configure("authorization { users: [{user: b, pass: y}] }");
  expect_end(again); /* without a word */
}

static void who_was_waited_for_is_let_be(void **state) {
  (void)state;
  configure(USERS);
  struct sim_client *client = arrive(0);
  configure("");
  later(&sim, 10000);
  say_and_sync(client, "CONNECT {" QUIET "}\r\n");
}

static void who_moves_to_another_account_goes(void **state) {
  (void)state;
  configure("accounts { A { users: [{user: a}] } }");
  struct sim_client *a = arrive_with(0, "\"user\":\"a\"");
  expect(a, "PONG\r\n");
  say_and_sync(a, "SUB s 1\r\n");
  configure("accounts { B { users: [{user: a}] } }");
  expect_end(a);
  configure("accounts { A { users: [{user: a}] } }");
  struct sim_client *again = arrive_with(1, "\"user\":\"a\"");
  expect(again, "PONG\r\n");
  say_and_sync(again, "SUB s 1\r\n");
  configure(""); /* everybody is in $G now */
  expect_end(again);
  assert_int_equal(sim.core.account_count, 3);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#define LIMITED(limits) \
  "accounts { A { users: [{user: a}], limits { " limits " } }, B { users: [{user: b}] } }"

/* How many of these have been told so and closed; the others still work. */
static unsigned told(struct sim_client **who, unsigned count, const char *error) {
  unsigned ended = 0;
  ticks(&sim, 20);
  for (unsigned i = 0; i < count; i++) {
    sim_pull(who[i]);
    if (*unread(who[i]) == '\0') {
      say_and_sync(who[i], "PUB x 1\r\nx\r\n");
      continue;
    }
    expect(who[i], error);
    expect_end(who[i]);
    ended++;
  }
  return ended;
}

static void an_account_can_become_too_small(void **state) {
  (void)state;
  static const char error[] = "-ERR 'maximum account active connections exceeded'\r\n";
  sim.core.nats.closed_max = 8;
  configure(LIMITED("max_conn: 3"));
  struct sim_client *in[] = {arrive_with(0, "\"user\":\"a\""), arrive_with(1, "\"user\":\"a\""),
                             arrive_with(1, "\"user\":\"a\"")},
                    *other = arrive_with(0, "\"user\":\"b\"");
  for (unsigned i = 0; i < 3; i++)
    expect(in[i], "PONG\r\n");
  expect(other, "PONG\r\n");
  configure(LIMITED("max_conn: 3, max_subs: 9")); /* full, and stays so */
  assert_int_equal(told(in, 3, error), 0);
  configure(LIMITED("max_conn: 1"));
  assert_int_equal(told(in, 3, error), 2);
  ticks(&sim, 10);
  assert_int_equal(SUM(&sim, account_connections), 2);
  assert_int_equal(SUM(&sim, connections), 2);
  say_and_sync(other, "PUB x 1\r\nx\r\n");
}

/* Whoever goes for something else makes room, whatever the order in which they are looked at. */
static void who_stays_does_not_go_for_who_does_not(void **state) {
  (void)state;
  sim.core.nats.closed_max = 8;
  for (unsigned gone = 0; gone < 3; gone += 2) {
    char without[120], *to = without;
    configure("accounts { A { users: [{user: a0}, {user: a1}, {user: a2}], limits { max_conn: 3 } } }");
    struct sim_client *in[] = {arrive_with(0, "\"user\":\"a0\""), arrive_with(0, "\"user\":\"a1\""),
                               arrive_with(0, "\"user\":\"a2\"")};
    to += snprintf(to, 60, "accounts { A { limits { max_conn: 2 }, users: [");
    for (unsigned i = 0; i < 3; i++)
      if (i != gone) to += snprintf(to, 14, "{user: a%u},", i);
    snprintf(to, 8, "] } }");
    for (unsigned i = 0; i < 3; i++)
      expect(in[i], "PONG\r\n");
    configure(without);
    for (unsigned i = 0; i < 3; i++)
      if (i != gone) say_and_sync(in[i], "PUB x 1\r\nx\r\n");
    expect_end(in[gone]);
    configure("accounts { B { users: [{user: b}] } }");
    for (unsigned i = 0; i < 3; i++)
      if (i != gone) expect_end(in[i]);
  }
}

static void who_has_too_many_subscriptions_goes(void **state) {
  (void)state;
  static const char error[] = "-ERR 'maximum subscriptions exceeded'\r\n";
  sim.core.nats.closed_max = 8;
  configure(LIMITED("max_subs: 3"));
  struct sim_client *in[] = {arrive_with(0, "\"user\":\"a\""), arrive_with(1, "\"user\":\"a\"")},
                    *other = arrive_with(0, "\"user\":\"b\"");
  for (unsigned i = 0; i < 2; i++)
    expect(in[i], "PONG\r\n");
  expect(other, "PONG\r\n");
  say_and_sync(in[0], "SUB y 1\r\nSUB y 2\r\nSUB y 3\r\n");
  say_and_sync(in[1], "SUB y 1\r\nSUB y 2\r\n");
  say_and_sync(other, "SUB y 1\r\nSUB y 2\r\nSUB y 3\r\n");
  configure(LIMITED("max_subs: 2"));
  assert_int_equal(told(in, 1, error), 1);
  assert_int_equal(told(in + 1, 1, error), 0);
  assert_int_equal(told(&other, 1, error), 0);
  expect_closed(0, "a", "A", NATS_MAX_SUBSCRIPTIONS);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(nothing_is_asked_when_nothing_is_configured),
      TEST(only_connect_may_come_first),
      TEST(who_says_nothing_is_cut_off),
      TEST(the_right_ones_come_in_and_no_others),
      TEST(a_second_connect_is_judged_as_well),
      TEST(an_nkey_signs_the_nonce),
      TEST(anybody_may_begin_with_anything),
      TEST(anybody_comes_the_allowed_ways_only),
      TEST(accounts_are_apart),
      TEST(who_is_compared_waits),
      TEST(a_wrong_password_comes_to_nothing),
      TEST(who_is_known_does_not_wait),
      TEST(too_many_are_turned_away),
      TEST(who_is_gone_is_not_missed),
      TEST(whom_a_change_ends_is_told_of_by_name),
      TEST(who_ends_anyway_is_told_of_by_name),
      TEST(a_result_counts_for_its_hash_only),
      TEST(who_waits_can_be_let_in_by_a_change),
      TEST(who_waits_is_matched_as_well),
      TEST(those_who_may_stay_stay),
      TEST(a_users_password_changes_for_nobody_too),
      TEST(who_was_waited_for_is_let_be),
      TEST(who_moves_to_another_account_goes),
      TEST(an_account_can_become_too_small),
      TEST(who_stays_does_not_go_for_who_does_not),
      TEST(who_has_too_many_subscriptions_goes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
