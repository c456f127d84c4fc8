/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to requests by message: the envelope, each kind in it, errors, and when there is none.
 */
#include "configured.h"

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
  static const struct monitor_account accounts[] = {{.name = "$G"},
                                                    {.name = "$SYS", .number = 1, .is_system = true}};
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
static json_t *answer_to(const struct sys_request *request) {
  size_t len = 0;
  char *text = sys_answer(monitor, request, 9, &len);
  if (text == NULL) return NULL;
  assert_int_equal(len, strlen(text));
  json_t *json = json_loads(text, 0, NULL);
  assert_non_null(json);
  free(text);
  return json;
}

static json_t *ask(unsigned kind, const char *account_name, const char *body) {
  return answer_to(&(struct sys_request){.kind = kind, .named = account_name, .body = tern_slice_of(body)});
}

static const json_t *at(const json_t *json, const char *outer, const char *inner) {
  const json_t *value = json_object_get(json_object_get(json, outer), inner);
  assert_non_null(value);
  return value;
}

static void each_kind_has_its_page_in_an_envelope(void **unused) {
  (void)unused;
  for (unsigned kind = 0; kind < SYS_KIND_RELOAD; kind++) {
    if (strcmp(sys_kind_name(kind), "IDZ") == 0 || strcmp(sys_kind_name(kind), "CONNS") == 0) continue;
    json_t *json = ask(kind, kind < SYS_SERVER_KINDS ? NULL : "$G", "");
    assert_non_null(json);
    assert_string_equal(json_string_value(at(json, "server", "id")), "ID");
    assert_string_equal(json_string_value(at(json, "server", "name")), "name");
    assert_int_equal(json_integer_value(at(json, "server", "seq")), 9);
    assert_string_equal(json_string_value(json_array_get(at(json, "server", "tags"), 0)), "zone:a");
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
  assert_null(ask(statz, "NOPE", ""));
  check_error(kind_of("INFO", SYS_SERVER_KINDS), "PING", "", 500); /* there is no such account */
  json = ask(kind_of("CONNZ", SYS_SERVER_KINDS), "PING", "");
  assert_int_equal(json_array_size(at(json, "data", "connections")), 0);
  json_decref(json);
  json = ask(kind_of("SUBSZ", SYS_SERVER_KINDS), "$G", "");
  assert_true(json_is_array(at(json, "data", "subscriptions_list")));
  json_decref(json);
  json = ask(kind_of("INFO", SYS_SERVER_KINDS), "$SYS", "");
  assert_string_equal(json_string_value(at(json, "data", "account_name")), "$SYS");
  json_decref(json);
}

/* Where an account asks about itself, neither its request nor its name makes it another one. */
static void an_account_is_told_of_itself_only(void **unused) {
  (void)unused;
  struct sim_client c;
  join(&sim, &c, 0, REQUESTS);
  struct sys_request request = {.kind = SYS_KIND_STATZ,
                                .own = true,
                                .body = tern_slice_of("{\"acc\":\"PING\",\"include_unused\":true}")};
  json_t *json = answer_to(&request);
  const json_t *list = at(json, "data", "account_statz");
  assert_int_equal(json_array_size(list), 1);
  assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "acc")), "$G");
  json_decref(json);
  request.kind = SYS_KIND_CONNZ;
  request.body = tern_slice_of("{\"acc\":\"PING\"}");
  json = answer_to(&request);
  assert_int_equal(json_integer_value(at(json, "data", "total")), 1);
  json_decref(json);
  request.account = 1; /* nobody is in it */
  request.body = tern_slice_of("{\"acc\":\"$G\"}");
  json = answer_to(&request);
  assert_int_equal(json_integer_value(at(json, "data", "total")), 0);
  json_decref(json);
  request.account = 7; /* it is no more */
  assert_null(answer_to(&request));
  sim_hang_up(&c);
  ticks(&sim, 20);
  sim_client_free(&c);
}

static void connections_are_counted_on_request(void **unused) {
  (void)unused;
  struct sim_client c;
  const unsigned conns = kind_of("CONNS", SYS_SERVER_KINDS);
  assert_null(ask(conns, "$G", "")); /* there are none */
  join(&sim, &c, 0, REQUESTS);
  json_t *json = ask(conns, "$G", "");
  assert_int_equal(json_integer_value(json_object_get(json, "conns")), 1);
  json_decref(json);
  assert_null(ask(conns, "X", ""));
  sim_hang_up(&c);
  ticks(&sim, 20);
  sim_client_free(&c);
}

static void orders_are_carried_out_or_refused(void **unused) {
  (void)unused;
  struct sim_client c;
  char body[64];
  join(&sim, &c, 1, REQUESTS ",\"protocol\":1");
  expect_info(&c); /* behind the first PONG */
  snprintf(body, sizeof body, "{\"cid\":%llu}", (unsigned long long)sim.core.nats.workers[1]->clients->id);
  json_t *json = ask(SYS_KIND_LDM, NULL, body);
  assert_null(json_object_get(json, "error"));
  assert_null(json_object_get(json, "data"));
  assert_string_equal(json_string_value(at(json, "server", "id")), "ID");
  json_decref(json);
  expect_info(&c);
  assert_null(ask(SYS_KIND_KICK, NULL, "{\"cid\":1,\"server_name\":\"other\"}"));
  json = ask(SYS_KIND_KICK, NULL, body);
  assert_null(json_object_get(json, "error"));
  json_decref(json);
  expect_end(&c);
  static const char *const nobody[] = {"", "{}", "{\"cid\":0}", "{\"cid\":-1}",
                                       "{\"cid\":9223372036854775807}"};
  for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
    check_error(SYS_KIND_KICK, NULL, nobody[i], 500);
    check_error(SYS_KIND_LDM, NULL, nobody[i], 500);
  }
  static const char *const broken[] = {"{",   "7", "{\"cid\":\"1\"}", "{\"cid\":1.5}", "{\"cid\":1e99}",
                                       "\xff"};
  for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
    check_error(SYS_KIND_KICK, NULL, broken[i], 400);
  ticks(&sim, 20);
  sim_client_free(&c);
}

static void reloads_are_somebody_elses(void **unused) {
  (void)unused;
  struct sys_request request = {.kind = SYS_KIND_RELOAD};
  size_t len;
  assert_true(sys_answer_is_to_reload(monitor, &request));
  request.body = tern_slice_of("{\"server_name\":\"other\"}");
  assert_false(sys_answer_is_to_reload(monitor, &request));
  assert_null(answer_to(&request));
  request.body = tern_slice_of("{");
  assert_false(sys_answer_is_to_reload(monitor, &request));
  check_error(SYS_KIND_RELOAD, NULL, "{", 400);
  request = (struct sys_request){.kind = SYS_KIND_KICK};
  assert_false(sys_answer_is_to_reload(monitor, &request));
  for (int failed = 0; failed < 2; failed++) {
    char *text = sys_answer_reloaded(monitor, failed ? "no \"reason\"" : NULL, 3, &len);
    json_t *json = json_loadb(text, len, 0, NULL);
    assert_int_equal(json_integer_value(at(json, "server", "seq")), 3);
    const json_t *error = json_object_get(json, "error");
    assert_int_equal(error != NULL, failed);
    if (failed) assert_string_equal(json_string_value(at(json, "error", "description")), "no \"reason\"");
    json_decref(json);
    free(text);
  }
}

/* The text of data.permissions of the newest client of a worker, who has these. */
static void check_permissions(const char *config, const char *user, const char *wanted) {
  struct sim_client c;
  configure_access(&sim, config);
  join_user(&sim, &c, 1, user);
  json_t *json = answer_to(&(struct sys_request){
      .kind = SYS_KIND_USER, .worker = 1, .client = sim.core.nats.workers[1]->clients->id});
  assert_string_equal(json_string_value(at(json, "data", "user")), user);
  assert_string_equal(json_string_value(at(json, "data", "account")), "A");
  json_t *permissions = json_object_get(json_object_get(json, "data"), "permissions");
  char *text = permissions != NULL ? json_dumps(permissions, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
  if (wanted != NULL)
    assert_string_equal(text, wanted);
  else
    assert_null(text);
  assert_null(json_object_get(json_object_get(json, "data"), "expires"));
  free(text);
  json_decref(json);
  leave(&sim, &c);
  sim_client_free(&c);
}

static void users_are_told_what_they_may_do(void **unused) {
  (void)unused;
  check_permissions("accounts { A { users: [{user: a, pass: a}] } }", "a", NULL);
  check_permissions(
      "accounts { A { users: [{user: p, pass: p, permissions: {publish: [x, y], "
      "subscribe: {allow: \"q g\", deny: z}, allow_responses: {max: 3, ttl: 2s}}}] } }",
      "p",
      "{\"publish\":{\"allow\":[\"x\",\"y\"]},\"subscribe\":{\"allow\":[\"q g\"],"
      "\"deny\":[\"z\"]},\"responses\":{\"max\":3,\"ttl\":2000000000}}");
  check_permissions(
      "accounts { A { users: [{user: p, pass: p, permissions: {"
      "allow_responses: {max: -1, ttl: \"-1s\"}}}] } }",
      "p", "{\"publish\":{},\"subscribe\":{},\"responses\":{\"max\":-1,\"ttl\":-1}}");
  assert_null(answer_to(&(struct sys_request){.kind = SYS_KIND_USER, .client = 12345})); /* has gone */
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
  nats_server_set_port(&sim.core.nats, 4222);
  static char tag[] = "zone:a";
  static char *tags[] = {tag};
  if (options_init(&options) != 0) return 1;
  options.tags = tags;
  options.tag_count = 1;
  const struct monitor_source source = {.options = &options,
                                        .server_id = "ID",
                                        .server_name = "name",
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
  options.tag_count = 0;
  options.tags = NULL;
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
      cmocka_unit_test(an_account_is_told_of_itself_only),
      cmocka_unit_test(connections_are_counted_on_request),
      cmocka_unit_test(orders_are_carried_out_or_refused),
      cmocka_unit_test(reloads_are_somebody_elses),
      cmocka_unit_test(users_are_told_what_they_may_do), /* last: it configures accounts */
  };
  return cmocka_run_group_tests_name("monitor_sys_answer", tests, begin, finish);
}
