/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to requests by message: the envelope, each kind in it, errors, and when there is none.
 */
#include "fixture.h"

#include <jansson.h>

#include "monitor.h"
#include "sys_answer.h"

static struct sim sim;
static struct options options;
static struct monitor *monitor;

static struct core_figures figures(void *arg) {
  (void)arg;
  return (struct core_figures){.connections = 3, .out_msgs = 5, .in_bytes = 7, .slow_consumers = 2};
}

static int subjects(void *arg, const char *account, struct core_subjects *out) {
  (void)arg;
  return core_subjects(sim.workers, account == NULL ? CORE_ALL_ACCOUNTS : 0, out);
}

static const struct access *access_now(void *arg) {
  (void)arg;
  return NULL;
}

static bool account(void *arg, uint32_t index, struct monitor_account *out) {
  static const struct monitor_account accounts[] = {{"$G", 0, false}, {"$SYS", 1, true}};
  (void)arg;
  if (index >= 2) return false;
  *out = accounts[index];
  return true;
}

static unsigned kind_of(const char *name, unsigned first) {
  unsigned kind = first;
  while (strcmp(sys_kind_name(kind), name) != 0)
    kind++;
  return kind;
}

/* NULL: no answer. */
static json_t *ask(unsigned kind, const char *account_name, const char *body) {
  size_t len = 0;
  char *text = sys_answer(monitor, kind, account_name, tern_slice_of(body), 9, &len);
  if (text == NULL) return NULL;
  assert_int_equal(len, strlen(text));
  json_t *json = json_loads(text, 0, NULL);
  assert_non_null(json);
  free(text);
  return json;
}

static const json_t *at(const json_t *json, const char *outer, const char *inner) {
  const json_t *value = json_object_get(json_object_get(json, outer), inner);
  assert_non_null(value);
  return value;
}

static void each_kind_has_its_page_in_an_envelope(void **unused) {
  (void)unused;
  for (unsigned kind = 0; kind < SYS_KINDS; kind++) {
    if (strcmp(sys_kind_name(kind), "IDZ") == 0) continue;
    json_t *json = ask(kind, kind < SYS_SERVER_KINDS ? NULL : "$G", "");
    assert_non_null(json);
    assert_string_equal(json_string_value(at(json, "server", "id")), "ID");
    assert_string_equal(json_string_value(at(json, "server", "name")), "name");
    assert_int_equal(json_integer_value(at(json, "server", "seq")), 9);
    assert_true(json_is_object(json_object_get(json, kind == SYS_KIND_PING ? "statsz" : "data")));
    assert_null(json_object_get(json, "error"));
    json_decref(json);
  }
}

static void statsz_tells_the_figures(void **unused) {
  (void)unused;
  json_t *json = ask(SYS_KIND_PING, NULL, "");
  assert_int_equal(json_integer_value(at(json, "statsz", "connections")), 3);
  assert_int_equal(json_integer_value(json_object_get(at(json, "statsz", "sent"), "msgs")), 5);
  assert_int_equal(json_integer_value(json_object_get(at(json, "statsz", "received"), "bytes")), 7);
  assert_int_equal(json_integer_value(at(json, "statsz", "slow_consumers")), 2);
  assert_int_equal(json_integer_value(at(json, "statsz", "active_accounts")), 0);
  json_decref(json);
}

static void idz_has_no_envelope(void **unused) {
  (void)unused;
  json_t *json = ask(kind_of("IDZ", 0), NULL, "");
  assert_int_equal(json_object_size(json), 3);
  assert_string_equal(json_string_value(json_object_get(json, "id")), "ID");
  json_decref(json);
}

static void check_error(unsigned kind, const char *account_name, const char *body, int code) {
  json_t *json = ask(kind, account_name, body);
  assert_non_null(json);
  assert_null(json_object_get(json, "data"));
  assert_int_equal(json_integer_value(at(json, "error", "code")), code);
  assert_true(json_string_length(at(json, "error", "description")) > 0);
  json_decref(json);
}

static void errors_take_the_place_of_the_page(void **unused) {
  (void)unused;
  check_error(kind_of("CONNZ", 0), NULL, "{", 400);
  check_error(kind_of("CONNZ", 0), NULL, "{\"sort\":\"x\"}", 500);
  check_error(kind_of("INFO", SYS_SERVER_KINDS), "X", "", 500);
}

static void accounts_are_named_by_the_subject(void **unused) {
  (void)unused;
  const unsigned statz = kind_of("STATZ", SYS_SERVER_KINDS);
  json_t *json = ask(statz, "$SYS", "{\"include_unused\":true}");
  const json_t *list = at(json, "data", "account_statz");
  assert_int_equal(json_array_size(list), 1);
  assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "acc")), "$SYS");
  json_decref(json);
  json = ask(statz, "PING", "{\"include_unused\":true}");
  assert_int_equal(json_array_size(at(json, "data", "account_statz")), 2);
  json_decref(json);
  assert_null(ask(kind_of("INFO", SYS_SERVER_KINDS), "PING", ""));
  json = ask(kind_of("SUBSZ", SYS_SERVER_KINDS), "$G", "");
  assert_true(json_is_array(at(json, "data", "subscriptions_list")));
  json_decref(json);
  json = ask(kind_of("INFO", SYS_SERVER_KINDS), "$SYS", "");
  assert_string_equal(json_string_value(at(json, "data", "account_name")), "$SYS");
  json_decref(json);
}

static void others_answer_for_themselves(void **unused) {
  (void)unused;
  assert_null(ask(SYS_KIND_PING, NULL, "{\"server_name\":\"other\"}"));
  json_t *json = ask(SYS_KIND_PING, NULL, "{\"server_name\":\"nam\"}");
  assert_non_null(json);
  json_decref(json);
}

static int begin(void **unused) {
  (void)unused;
  start(&sim, 2, NULL);
  if (options_init(&options) != 0) return 1;
  const struct monitor_source source = {.options = &options,
                                        .server_id = "ID",
                                        .server_name = "name",
                                        .port = 4222,
                                        .nats = &sim.core.nats,
                                        .pool = sim.workers,
                                        .figures = figures,
                                        .subjects = subjects,
                                        .access = access_now,
                                        .account = account};
  return monitor_new(&source, &monitor);
}

static int finish(void **unused) {
  (void)unused;
  monitor_free(monitor);
  options_free(&options);
  end(&sim, NULL, 0);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_kind_has_its_page_in_an_envelope),
      cmocka_unit_test(statsz_tells_the_figures),
      cmocka_unit_test(idz_has_no_envelope),
      cmocka_unit_test(errors_take_the_place_of_the_page),
      cmocka_unit_test(accounts_are_named_by_the_subject),
      cmocka_unit_test(others_answer_for_themselves),
  };
  return cmocka_run_group_tests_name("monitor_sys_answer", tests, begin, finish);
}
