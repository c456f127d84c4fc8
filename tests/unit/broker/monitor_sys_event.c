/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the system account is told: subjects, and texts of connections that come, go or are refused, of the connections of
 * accounts, and of the server.
 */
#include "configured.h"

#include <jansson.h>

#include "monitor.h"
#include "sys_event.h"

static struct sim sim;
static struct options options;
static struct monitor *monitor;

static bool account(void *arg, uint32_t index, struct monitor_account *out) {
  static const struct monitor_account accounts[] = {
      {"$G", 0, false, false, NULL}, {"$SYS", 0, true, true, NULL}, {"A", 1, false, false, NULL}};
  (void)arg;
  if (index >= 3) return false;
  *out = accounts[index];
  return true;
}

static struct nats_conn conn = {.cid = 5,
                                .size = sizeof conn,
                                .start_ms = 1000,
                                .rtt_ns = 77,
                                .in_msgs = 1,
                                .in_bytes = 2,
                                .out_msgs = 3,
                                .out_bytes = 4,
                                .reason = NATS_STALE_CONNECTION,
                                .ip = "::1",
                                .name = "",
                                .lang = "c",
                                .version = "",
                                .account = "A",
                                .user = "u<"};

static json_t *loaded(char *text, size_t len) {
  assert_non_null(text);
  assert_int_equal(strlen(text), len);
  json_t *json = json_loads(text, 0, NULL);
  assert_non_null(json);
  free(text);
  return json;
}

static json_t *event_of(enum nats_event_kind kind) {
  const struct nats_event event = {.kind = kind, .at_ms = 3000, .conn = &conn};
  size_t len;
  conn.stop_ms = kind == NATS_EVENT_CONNECT ? 0 : 3000;
  char *text = sys_event_text(monitor, &event, 6, &len);
  return loaded(text, len);
}

static const char *text_at(const json_t *json, const char *outer, const char *inner) {
  const json_t *at = outer != NULL ? json_object_get(json, outer) : json;
  return json_string_value(json_object_get(at, inner));
}

static json_int_t number_at(const json_t *json, const char *outer, const char *inner) {
  return json_integer_value(json_object_get(json_object_get(json, outer), inner));
}

static void who_comes_is_described(void **state) {
  (void)state;
  json_t *json = event_of(NATS_EVENT_CONNECT);
  assert_string_equal(text_at(json, NULL, "type"), "io.nats.server.advisory.v1.client_connect");
  assert_int_equal(strlen(text_at(json, NULL, "id")), 22);
  assert_int_equal(number_at(json, "server", "seq"), 6);
  assert_string_equal(text_at(json, "server", "id"), "ID");
  static const char *const fields[][2] = {{"host", "::1"}, {"acc", "A"},       {"user", "u<"},
                                          {"lang", "c"},   {"kind", "Client"}, {"client_type", "nats"}};
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
    assert_string_equal(text_at(json, "client", fields[i][0]), fields[i][1]);
  assert_int_equal(number_at(json, "client", "id"), 5);
  static const char *const absent[] = {"name", "ver", "rtt", "stop"};
  for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
    assert_null(json_object_get(json_object_get(json, "client"), absent[i]));
  assert_null(json_object_get(json, "reason"));
  assert_null(json_object_get(json, "sent"));
  json_t *other = event_of(NATS_EVENT_CONNECT);
  assert_string_not_equal(text_at(json, NULL, "id"), text_at(other, NULL, "id"));
  json_decref(other);
  json_decref(json);
}

static void who_goes_has_done_something_for_some_time(void **state) {
  (void)state;
  json_t *json = event_of(NATS_EVENT_DISCONNECT);
  assert_string_equal(text_at(json, NULL, "type"), "io.nats.server.advisory.v1.client_disconnect");
  assert_string_equal(text_at(json, NULL, "reason"), "Stale Connection");
  assert_int_equal(number_at(json, "sent", "msgs"), 1);
  assert_int_equal(number_at(json, "sent", "bytes"), 2);
  assert_int_equal(number_at(json, "received", "msgs"), 3);
  assert_int_equal(number_at(json, "received", "bytes"), 4);
  assert_int_equal(number_at(json, "client", "rtt"), 77);
  assert_string_equal(text_at(json, "client", "stop"), text_at(json, NULL, "timestamp"));
  assert_string_not_equal(text_at(json, "client", "start"), text_at(json, "client", "stop"));
  json_decref(json);
  json = event_of(NATS_EVENT_REFUSED);
  assert_string_equal(text_at(json, NULL, "type"), "io.nats.server.advisory.v1.client_disconnect");
  assert_string_equal(text_at(json, NULL, "reason"), "Authentication Failure");
  json_decref(json);
}

static void subjects_are_literal_or_there_are_none(void **state) {
  (void)state;
  static const struct {
    enum nats_event_kind kind;
    const char *account, *subject; /* NULL: none */
  } rows[] = {
      {NATS_EVENT_CONNECT, "A", "$SYS.ACCOUNT.A.CONNECT"},
      {NATS_EVENT_DISCONNECT, "A", "$SYS.ACCOUNT.A.DISCONNECT"},
      {NATS_EVENT_REFUSED, "a b", "$SYS.SERVER.ID.CLIENT.AUTH.ERR"},
      {NATS_EVENT_CONNECT, "a b", NULL},
      {NATS_EVENT_CONNECT, "*", NULL},
      {NATS_EVENT_CONNECT, "x..y", NULL},
  };
  char subject[NATS_EVENT_SUBJECT_MAX], both[2][NATS_EVENT_SUBJECT_MAX], name[NATS_EVENT_SUBJECT_MAX];
  struct nats_conn other = conn;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct nats_event event = {.kind = rows[i].kind, .conn = &other};
    other.account = rows[i].account;
    assert_int_equal(sys_event_subject(monitor, &event, subject), rows[i].subject != NULL);
    if (rows[i].subject != NULL) assert_string_equal(subject, rows[i].subject);
  }
  assert_true(sys_event_conns_subjects("A", both));
  assert_string_equal(both[0], "$SYS.ACCOUNT.A.SERVER.CONNS");
  assert_string_equal(both[1], "$SYS.SERVER.ACCOUNT.A.CONNS");
  assert_false(sys_event_conns_subjects("a\tb", both));
  memset(name, 'x', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  assert_false(sys_event_conns_subjects(name, both)); /* too long */
}

static void accounts_are_counted(void **state) {
  (void)state;
  struct sim_client c[2];
  struct sys_accounts accounts;
  size_t len;
  join_user(&sim, &c[0], 0, "a");
  join_user(&sim, &c[1], 1, "a");
  say_and_sync(&c[0], "SUB x 1\r\n");
  assert_int_equal(sys_accounts_read(monitor, &accounts), 0);
  assert_int_equal(accounts.count, 2); /* the one that is not used is none */
  assert_string_equal(accounts.at[1].name, "A");
  assert_int_equal(accounts.at[1].number, 1);
  char *text = sys_event_conns(monitor, &accounts.at[1], 8, &len);
  json_t *json = loaded(text, len);
  assert_string_equal(text_at(json, NULL, "type"), "io.nats.server.advisory.v1.account_connections");
  assert_string_equal(text_at(json, NULL, "acc"), "A");
  assert_int_equal(json_integer_value(json_object_get(json, "conns")), 2);
  assert_int_equal(json_integer_value(json_object_get(json, "total_conns")), 2);
  assert_int_equal(json_integer_value(json_object_get(json, "leafnodes")), 0);
  assert_int_equal(json_integer_value(json_object_get(json, "num_subscriptions")), 1);
  json_decref(json);
  sys_accounts_free(&accounts);
  text = sys_event_conns_of(monitor, "A", 9, &len);
  json = loaded(text, len);
  assert_int_equal(number_at(json, "server", "seq"), 9);
  json_decref(json);
  assert_null(sys_event_conns_of(monitor, "$SYS", 9, &len));
  assert_null(sys_event_conns_of(monitor, "B", 9, &len));
  for (unsigned i = 0; i < 2; i++) {
    leave(&sim, &c[i]);
    sim_client_free(&c[i]);
  }
}

static void the_server_is_all_there_is_to_say_of_it(void **state) {
  (void)state;
  size_t len;
  char *text = sys_event_server(monitor, 4, &len);
  json_t *json = loaded(text, len);
  assert_string_equal(text_at(json, NULL, "id"), "ID");
  assert_string_equal(text_at(json, NULL, "name"), "name");
  assert_int_equal(json_integer_value(json_object_get(json, "seq")), 4);
  json_decref(json);
}

static int begin(void **state) {
  (void)state;
  start(&sim, 2, NULL);
  configure_access(&sim, "accounts { A { users: [{user: a, pass: a}] } }");
  if (options_init(&options) != 0) return 1;
  const struct monitor_source source = {.options = &options,
                                        .server_id = "ID",
                                        .server_name = "name",
                                        .nats = &sim.core.nats,
                                        .pool = sim.workers,
                                        .account = account};
  return monitor_new(&source, &monitor);
}

static int finish(void **state) {
  (void)state;
  monitor_free(monitor);
  options_free(&options);
  end(&sim, NULL, 0);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_comes_is_described),
      cmocka_unit_test(who_goes_has_done_something_for_some_time),
      cmocka_unit_test(subjects_are_literal_or_there_are_none),
      cmocka_unit_test(accounts_are_counted),
      cmocka_unit_test(the_server_is_all_there_is_to_say_of_it),
  };
  return cmocka_run_group_tests_name("monitor/sys_event", tests, begin, finish);
}
