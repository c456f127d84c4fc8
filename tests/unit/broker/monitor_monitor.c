/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages: what they are called, that they are JSON, and what is in them. Figures of the server are made up, connections
 * and subscriptions are those of a core on simulated workers.
 */
#include "fixture.h"

#include <jansson.h>

#include "conf_report.h"
#include "imports.h"
#include "monitor.h"

static struct sim sim;
static struct options options;
static struct monitor *monitor;
static struct imports *imports;

static struct core_figures figures(void *arg) {
  (void)arg;
  return (struct core_figures){.connections = 3,
                               .total_connections = 9,
                               .subscriptions = 5,
                               .in_msgs = 1,
                               .in_bytes = 2,
                               .out_msgs = 3,
                               .out_bytes = UINT64_C(1) << 40,
                               .slow_consumers = 4,
                               .stale_connections = 6};
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
                                                    {.name = "$SYS", .is_system = true, .is_unused = true}};
  (void)arg;
  if (index >= 2) return false;
  *out = accounts[index];
  out->imports = imports;
  return true;
}

static const char *parameter(const void *arg, const char *name) {
  const char *const *pair = arg;
  return pair != NULL && strcmp(pair[0], name) == 0 ? pair[1] : NULL;
}

/* Makes a page; pair: the one parameter's name and value, or NULL. */
static struct monitor_text make(const char *path, const char *const *pair) {
  const struct monitor_query query = {parameter, pair};
  struct monitor_text text;
  int number = monitor_find(path);
  assert_true(number >= 0);
  monitor_make(monitor, number, &query, &text);
  assert_non_null(text.text);
  assert_int_equal(text.len, strlen(text.text));
  return text;
}

static json_t *load(const char *path) {
  struct monitor_text text = make(path, NULL);
  assert_int_equal(text.status, 200);
  json_t *json = json_loads(text.text, 0, NULL);
  assert_non_null(json);
  free(text.text);
  return json;
}

static json_int_t number_in(const json_t *json, const char *key) {
  const json_t *value = json_object_get(json, key);
  assert_true(json_is_integer(value));
  return json_integer_value(value);
}

static void only_pages_are_found(void **unused) {
  (void)unused;
  assert_true(monitor_find("/varz") >= 0);
  assert_true(monitor_find("/VARZ") < 0);
  assert_true(monitor_find("/varz/") < 0);
  assert_true(monitor_find("") < 0);
}

static void varz_tells_figures_and_settings(void **unused) {
  (void)unused;
  monitor_count(monitor, monitor_find("/varz"));
  json_t *varz = load("/varz");
  assert_int_equal(number_in(varz, "connections"), 3);
  assert_int_equal(number_in(varz, "total_connections"), 9);
  assert_int_equal(number_in(varz, "subscriptions"), 5);
  assert_int_equal(number_in(varz, "in_msgs"), 1);
  assert_int_equal(number_in(varz, "in_bytes"), 2);
  assert_int_equal(number_in(varz, "out_msgs"), 3);
  assert_int_equal(number_in(varz, "out_bytes"), INT64_C(1) << 40);
  assert_int_equal(number_in(varz, "slow_consumers"), 4);
  assert_int_equal(number_in(json_object_get(varz, "stale_connection_stats"), "clients"), 6);
  assert_int_equal(number_in(varz, "port"), 4222);
  assert_int_equal(number_in(varz, "ping_interval"), 120000000000);
  assert_int_equal(number_in(json_object_get(varz, "http_req_stats"), "/varz"), 1);
  assert_true(number_in(varz, "mem") > 100000);
  assert_string_equal(json_string_value(json_object_get(varz, "server_name")), "name");
  json_decref(varz);
}

static void no_limit_is_less_than_none(void **unused) {
  (void)unused;
  options.max_connections = INT64_MAX;
  json_t *varz = load("/varz");
  assert_int_equal(number_in(varz, "max_connections"), -1);
  json_decref(varz);
  options.max_connections = 65536;
}

static void what_is_absent_has_its_page(void **unused) {
  (void)unused;
  static const struct {
    const char *path, *key;
  } cases[] = {{"/routez", "num_routes"}, {"/leafz", "leafnodes"}, {"/jsz", "streams"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    json_t *json = load(cases[i].path);
    assert_int_equal(number_in(json, cases[i].key), 0);
    assert_string_equal(json_string_value(json_object_get(json, "server_id")), "ID");
    json_decref(json);
  }
  json_t *json = load("/gatewayz");
  assert_true(json_is_object(json_object_get(json, "outbound_gateways")));
  json_decref(json);
  struct monitor_text health = make("/healthz", NULL);
  assert_string_equal(health.text, "{\"status\":\"ok\"}");
  free(health.text);
}

static void healthy_is_who_lets_clients_in(void **unused) {
  (void)unused;
  nats_server_set_port(&sim.core.nats, 0);
  struct monitor_text health = make("/healthz", NULL);
  assert_int_equal(health.status, 503);
  assert_non_null(strstr(health.text, "\"status\":\"unavailable\",\"error\":"));
  free(health.text);
  nats_server_set_port(&sim.core.nats, 4222);
  health = make("/healthz", NULL);
  assert_int_equal(health.status, 200);
  free(health.text);
}

static void wrong_parameters_are_refused(void **unused) {
  (void)unused;
  static const struct {
    const char *path, *pair[2];
  } cases[] = {{"/routez", {"subs", "z"}},   {"/leafz", {"subs", "z"}},
               {"/gatewayz", {"accs", "z"}}, {"/jsz", {"accounts", "z"}},
               {"/jsz", {"limit", "z"}},     {"/healthz", {"js-enabled-only", "z"}}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct monitor_text text = make(cases[i].path, cases[i].pair);
    assert_int_equal(text.status, 400);
    assert_non_null(strstr(text.text, cases[i].pair[0]));
    free(text.text);
  }
  static const char *const detail[] = {"subs", "detail"};
  struct monitor_text text = make("/routez", detail);
  assert_int_equal(text.status, 200);
  free(text.text);
}

/* A value of a page, by a path of keys and places in lists: "connections.0.cid". */
static json_t *value_at(json_t *json, const char *path) {
  char word[64];
  for (int n; sscanf(path, "%63[^.]%n", word, &n) == 1; path += n + (path[n] == '.'))
    json = json_is_array(json) ? json_array_get(json, strtoul(word, NULL, 10)) : json_object_get(json, word);
  assert_non_null(json);
  return json;
}

static json_int_t number_at(json_t *json, const char *path) {
  return json_integer_value(value_at(json, path));
}

static const char *text_at(json_t *json, const char *path) { return json_string_value(value_at(json, path)); }

/* A page with one parameter. */
static json_t *ask(const char *path, const char *name, const char *value) {
  const char *const pair[] = {name, value};
  struct monitor_text text = make(path, pair);
  if (text.status != 200) fail_msg("%s: %s", path, text.text);
  json_t *json = json_loads(text.text, 0, NULL);
  assert_non_null(json);
  free(text.text);
  return json;
}

static void connz_tells_connections(void **unused) {
  (void)unused;
  struct sim_client c[3];
  for (unsigned i = 0; i < 3; i++)
    join(&sim, &c[i], i % 2, QUIET ",\"name\":\"n\",\"lang\":\"c\",\"version\":\"1\"");
  sim_say(&c[0], "SUB a.* q 7\r\nSUB b 8\r\nUNSUB 8 5\r\nPING\r\n");
  expect(&c[0], "PONG\r\n");
  sim_say(&c[2], "PUB b 3\r\nabc\r\nPUB b 4\r\nabcd\r\n");
  expect(&c[0], "MSG b 8 3\r\nabc\r\nMSG b 8 4\r\nabcd\r\n");
  json_t *page = load("/connz");
  assert_int_equal(number_at(page, "num_connections"), 3);
  assert_int_equal(number_at(page, "total"), 3);
  assert_int_equal(number_at(page, "connections.0.subscriptions"), 2);
  assert_int_equal(number_at(page, "connections.0.out_msgs"), 2);
  assert_int_equal(number_at(page, "connections.0.out_bytes"), 7);
  assert_int_equal(number_at(page, "connections.2.in_msgs"), 2);
  assert_int_equal(number_at(page, "connections.2.in_bytes"), 7);
  assert_string_equal(text_at(page, "connections.1.name"), "n");
  assert_string_equal(text_at(page, "connections.1.lang"), "c");
  assert_true(number_at(page, "connections.0.cid") < number_at(page, "connections.1.cid"));
  const json_int_t last = number_at(page, "connections.2.cid");
  json_decref(page);

  page = ask("/connz", "sort", "msgs_from");
  assert_int_equal(number_at(page, "connections.0.cid"), last);
  json_decref(page);
  page = ask("/connz", "limit", "2");
  assert_int_equal(number_at(page, "num_connections"), 2);
  assert_int_equal(number_at(page, "total"), 3);
  json_decref(page);
  page = ask("/connz", "offset", "2");
  assert_int_equal(number_at(page, "num_connections"), 1);
  assert_int_equal(number_at(page, "connections.0.cid"), last);
  json_decref(page);
  page = ask("/connz", "subs", "detail");
  assert_int_equal(json_array_size(value_at(page, "connections.0.subscriptions_list_detail")), 2);
  const bool first = strcmp(text_at(page, "connections.0.subscriptions_list_detail.0.sid"), "7") == 0;
  json_t *plain = value_at(page, first ? "connections.0.subscriptions_list_detail.1"
                                       : "connections.0.subscriptions_list_detail.0");
  assert_string_equal(text_at(plain, "subject"), "b");
  assert_int_equal(number_at(plain, "msgs"), 2);
  assert_int_equal(number_at(plain, "max"), 5);
  json_decref(page);
  for (unsigned i = 0; i < 3; i++)
    sim_hang_up(&c[i]);
  ticks(&sim, 20);
  page = ask("/connz", "state", "closed");
  assert_true(number_at(page, "total") >= 3);
  assert_string_equal(text_at(page, "connections.0.reason"), "Client Closed");
  json_decref(page);
  page = load("/connz");
  assert_int_equal(number_at(page, "num_connections"), 0);
  json_decref(page);
  for (unsigned i = 0; i < 3; i++)
    sim_client_free(&c[i]);
}

static void connz_refuses_what_nats_server_does(void **unused) {
  (void)unused;
  static const char *const cases[][3] = {
      {"sort", "x", "invalid sorting option: x"},
      {"sort", "stop", "sort by stop only valid on closed connections"},
      {"state", "1", "Error decoding state for 1"},
      {"cid", "-1", "Error decoding uint64 for 'cid': strconv.ParseUint: parsing \"-1\": invalid syntax"},
      {"subs", "x", "Error decoding boolean for 'subs': strconv.ParseBool: parsing \"x\": invalid syntax"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct monitor_text text = make("/connz", cases[i]);
    assert_int_equal(text.status, 400);
    assert_string_equal(text.text, cases[i][2]);
    free(text.text);
  }
}

static void subsz_tells_subscriptions(void **unused) {
  (void)unused;
  struct sim_client c[2];
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  sim_say(&c[0], "SUB a.* 1\r\nSUB b 2\r\nPING\r\n");
  sim_say(&c[1], "SUB a.x q 1\r\nPUB a.x 0\r\n\r\nPING\r\n");
  expect(&c[1], "MSG a.x 1 0\r\n\r\nPONG\r\n");
  expect(&c[0], "PONG\r\n");
  json_t *page = load("/subsz");
  assert_int_equal(number_at(page, "num_subscriptions"), 3);
  assert_int_equal(number_at(page, "total"), 3);
  assert_true(number_at(page, "num_inserts") >= 3);
  assert_int_equal(number_at(page, "num_inserts") - number_at(page, "num_removes"), 3);
  assert_true(number_at(page, "num_cache") >= 1);
  assert_int_equal(number_at(page, "max_fanout"), 2);
  assert_null(json_object_get(page, "subscriptions_list"));
  json_decref(page);
  page = ask("/subscriptionsz", "subs", "1");
  assert_int_equal(json_array_size(value_at(page, "subscriptions_list")), 3);
  assert_string_equal(text_at(page, "subscriptions_list.0.account"), "$G");
  json_decref(page);
  static const char *const wrong[] = {"test", "a.*"};
  struct monitor_text text = make("/subsz", wrong);
  assert_int_equal(text.status, 400);
  free(text.text);
  for (unsigned i = 0; i < 2; i++) {
    sim_hang_up(&c[i]);
    ticks(&sim, 20);
    sim_client_free(&c[i]);
  }
}

static void accounts_have_their_figures(void **unused) {
  (void)unused;
  json_t *page = load("/accountz");
  assert_string_equal(text_at(page, "system_account"), "$SYS");
  assert_string_equal(text_at(page, "accounts.0"), "$G");
  assert_int_equal(json_array_size(value_at(page, "accounts")), 2);
  json_decref(page);
  page = ask("/accstatz", "unused", "1");
  const json_int_t sent = number_at(page, "account_statz.0.sent.bytes");
  assert_int_equal(number_at(page, "account_statz.1.total_conns"), 0);
  json_decref(page);

  struct sim_client c[2];
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  sim_say(&c[0], "SUB x 1\r\nPING\r\n");
  expect(&c[0], "PONG\r\n");
  sim_say(&c[1], "PUB x 3\r\nabc\r\n");
  expect(&c[0], "MSG x 1 3\r\nabc\r\n");
  sim_hang_up(&c[1]); /* what it did stays in the figures */
  ticks(&sim, 20);
  page = load("/accstatz");
  assert_int_equal(json_array_size(value_at(page, "account_statz")), 1);
  assert_string_equal(text_at(page, "account_statz.0.acc"), "$G");
  assert_int_equal(number_at(page, "account_statz.0.conns"), 1);
  assert_int_equal(number_at(page, "account_statz.0.total_conns"), 1);
  assert_int_equal(number_at(page, "account_statz.0.num_subscriptions"), 1);
  assert_int_equal(number_at(page, "account_statz.0.sent.bytes"), sent + 3);
  assert_true(number_at(page, "account_statz.0.received.msgs") >= 1);
  json_decref(page);
  page = ask("/accountz", "acc", "$G");
  assert_int_equal(number_at(page, "account_detail.client_connections"), 1);
  assert_int_equal(number_at(page, "account_detail.subscriptions"), 1);
  assert_null(json_object_get(page, "accounts"));
  json_decref(page);
  static const char *const unknown[] = {"acc", "X"};
  struct monitor_text text = make("/accountz", unknown);
  assert_int_equal(text.status, 400);
  assert_string_equal(text.text, "Account X does not exist");
  free(text.text);
  sim_hang_up(&c[0]);
  ticks(&sim, 20);
  for (unsigned i = 0; i < 2; i++)
    sim_client_free(&c[i]);
}

/* What of a page is between the two texts, including the first one. */
static void expect_part(const char *text, const char *from, const char *until, const char *part) {
  const char *begin = strstr(text, from), *end = begin != NULL ? strstr(begin, until) : NULL;
  if (end == NULL) fail_msg("%s", text);
  if (strlen(part) != (size_t)(end - begin) || memcmp(part, begin, strlen(part)) != 0)
    fail_msg("%.*s", (int)(end - begin), begin);
}

#define SERVICE_TAIL                                                                \
  "\"type\": \"service\",\n        \"invalid\": false,\n        \"share\": true,\n" \
  "        \"tracking\": false\n      },\n      {\n        "
#define ASKED(subject, kind)                              \
  "\"subject\": \"$SYS.REQ." subject                      \
  "\",\n        \"account\": \"$SYS\",\n        \"to\": " \
  "\"$SYS.REQ.ACCOUNT.$G." kind                           \
  "\",\n        \"type\": \"service\",\n"                 \
  "        \"invalid\": false,\n        \"share\": false,\n        \"tracking\": false\n      }"
#define NEXT ",\n      {\n        "
/* What every account may ask. */
#define ALL_ASKED                      \
  ASKED("ACCOUNT.PING.CONNZ", "CONNZ") \
  NEXT ASKED("SERVER.PING.CONNZ", "CONNZ") NEXT ASKED("ACCOUNT.PING.STATZ", "STATZ") "\n    ],\n    "
#define STREAM_TAIL                                                                 \
  "\"type\": \"stream\",\n        \"invalid\": false,\n        \"share\": false,\n" \
  "        \"tracking\": false\n      },\n      {\n        "

static void read_imports_of(const char *config) {
  struct conf_error error;
  struct conf *conf;
  struct conf_report report = {0};
  assert_int_equal(conf_parse("test.conf", config, strlen(config), &conf, &error), 0);
  assert_int_equal(imports_read(conf_root(conf), &report, &imports), 0);
  conf_free(conf);
}

static void accounts_tell_what_is_measured(void **unused) {
  (void)unused;
  static const char *const of[] = {"acc", "$G"};
  read_imports_of(
      "accounts { '$SYS' { exports: [ {service: s, latency: {subject: l, sampling: headers}} ] }\n"
      "  '$G' { imports: [ {service: {account: '$SYS', subject: s}} ]\n"
      "         exports: [ {service: q, latency: {subject: m, sampling: 30}} ] } }");
  struct monitor_text page = make("/accountz", of);
  expect_part(page.text, "\"service_latency\"", "\"imports\"",
              "\"service_latency\": {\n          \"sampling\": 30,\n          \"results\": \"m\"\n"
              "        }\n      }\n    ],\n    ");
  expect_part(page.text, "\"latency\"", "\"sublist_stats\"",
              "\"latency\": {\n          \"sampling\": \"headers\",\n          \"results\": \"l\"\n"
              "        }\n      },\n      {\n        " ALL_ASKED);
  free(page.text);
  imports_free(imports);
  imports = NULL;
}

static void accounts_tell_what_they_share(void **unused) {
  (void)unused;
  static const char config[] =
      "mappings { 'b.*': [ {destination: 'c.$1', weight: 70} ], a: z }\n"
      "accounts { '$SYS' { exports: [ {service: s}, {stream: 'x.*'} ] }\n"
      "  '$G' { imports: [ {service: {account: '$SYS', subject: s}, to: t, share: true}\n"
      "                    {stream: {account: '$SYS', subject: 'x.*'}, prefix: p, share: true} ]\n"
      "         exports: [ {stream: 'o.>', accounts: [B, A]}, {service: q, response: chunked} ] }, A {}, B "
      "{} }";
  static const char *const of[] = {"acc", "$G"};
  read_imports_of(config);
  struct monitor_text page = make("/accountz", of);
  expect_part(
      page.text, "\"mappings\"", "\"exports\"",
      "\"mappings\": {\n      \"a\": [\n        {\n          \"subject\": \"z\",\n"
      "          \"weight\": 100\n        }\n      ],\n      \"b.*\": [\n        {\n"
      "          \"subject\": \"b.$1\",\n          \"weight\": 30\n        },\n        {\n"
      "          \"subject\": \"c.$1\",\n          \"weight\": 100\n        }\n      ]\n    },\n    ");
  expect_part(
      page.text, "\"exports\"", "\"imports\"",
      "\"exports\": [\n      {\n        \"subject\": \"q\",\n        \"type\": \"service\",\n"
      "        \"response_type\": \"Chunked\"\n      },\n      {\n        \"subject\": \"o.\\u003e\",\n"
      "        \"type\": \"stream\",\n        \"approved_accounts\": [\n          \"B\",\n"
      "          \"A\"\n        ]\n      }\n    ],\n    ");
  expect_part(
      page.text, "\"imports\"", "\"sublist_stats\"",
      "\"imports\": [\n      {\n        \"subject\": \"x.*\",\n        \"account\": \"$SYS\",\n"
      "        \"local_subject\": \"p.x.*\",\n        " STREAM_TAIL
      "\"subject\": \"t\",\n        \"account\": \"$SYS\",\n        \"to\": \"s\",\n        " SERVICE_TAIL
          ALL_ASKED);
  free(page.text);
  imports_free(imports);
  imports = NULL;
  page = make("/accountz", of);
  assert_null(strstr(page.text, "\"exports\""));
  free(page.text);
}

/* Several parameters: name, value, name, value, ..., NULL. */
static const char *parameter_of_many(const void *arg, const char *name) {
  for (const char *const *at = arg; *at != NULL; at += 2)
    if (strcmp(at[0], name) == 0) return at[1];
  return NULL;
}

static json_t *ask_many(const char *path, const char *const *pairs) {
  const struct monitor_query query = {parameter_of_many, pairs};
  struct monitor_text text;
  monitor_make(monitor, monitor_find(path), &query, &text);
  if (text.status != 200) fail_msg("%s: %s", path, text.text);
  json_t *json = json_loads(text.text, 0, NULL);
  assert_non_null(json);
  free(text.text);
  return json;
}

static void expect_refusal(const char *path, const char *name, const char *value, const char *why) {
  const char *const pair[] = {name, value};
  struct monitor_text text = make(path, pair);
  assert_int_equal(text.status, 400);
  assert_string_equal(text.text, why);
  free(text.text);
}

static void leave(struct sim_client *c, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    sim_hang_up(&c[i]);
  ticks(&sim, 20);
  for (unsigned i = 0; i < count; i++)
    sim_client_free(&c[i]);
}

static void topz_tells_what_is_published_most(void **unused) {
  (void)unused;
  struct sim_client c[2];
  later(&sim, 600000); /* nothing from before */
  for (unsigned i = 0; i < 2; i++)
    join(&sim, &c[i], i, QUIET);
  for (unsigned n = 0; n < 3; n++)
    say_and_sync(&c[n % 2], "PUB often 1\r\nx\r\nPUB often 1\r\nx\r\nPUB large 5\r\nabcde\r\n");
  char line[1100] = "PUB ";
  memset(line + 4, 'l', 1000);
  memcpy(line + 1004, " 0\r\n\r\n", 7);
  say_and_sync(&c[0], line);
  later(&sim, 1500);
  json_t *page = load("/topz");
  assert_string_equal(text_at(page, "sort"), "msgs");
  assert_int_equal(number_at(page, "sampling"), 1);
  assert_int_equal(number_at(page, "total"), 10);
  assert_true(json_real_value(value_at(page, "seconds")) >= 1.5);
  assert_int_equal(json_array_size(value_at(page, "subjects")), 3);
  assert_string_equal(text_at(page, "subjects.0.subject"), "often");
  assert_string_equal(text_at(page, "subjects.0.account"), "$G");
  assert_int_equal(number_at(page, "subjects.0.msgs"), 6);
  assert_int_equal(number_at(page, "subjects.0.bytes"), 6);
  assert_int_equal(number_at(page, "subjects.0.low"), 6);
  assert_int_equal(number_at(page, "subjects.0.high"), 6);
  assert_null(json_object_get(value_at(page, "subjects.0"), "truncated"));
  assert_true(json_is_true(value_at(page, "subjects.2.truncated")));
  assert_int_equal(strlen(text_at(page, "subjects.2.subject")), 128);
  json_decref(page);
  static const char *const by_bytes[] = {"sort", "bytes", "n", "1", "acc", "$G", NULL};
  page = ask_many("/topz", by_bytes);
  assert_int_equal(json_array_size(value_at(page, "subjects")), 1);
  assert_string_equal(text_at(page, "subjects.0.subject"), "large");
  assert_int_equal(number_at(page, "total"), 21);
  json_decref(page);
  page = ask("/topz", "acc", "$SYS"); /* nobody can be in it */
  assert_int_equal(json_array_size(value_at(page, "subjects")), 0);
  json_decref(page);
  expect_refusal("/topz", "n", "0", "n must be from 1 to 256");
  expect_refusal("/topz", "n", "257", "n must be from 1 to 256");
  expect_refusal("/topz", "sort", "x", "invalid sorting option: x");
  expect_refusal("/topz", "acc", "X", "Account X does not exist");
  leave(c, 2);
}

static void stagez_tells_latencies(void **unused) {
  (void)unused;
  static const char *const names[] = {"waiting", "routing", "crossing", "flushing"};
  struct sim_client c[2];
  for (unsigned i = 0; i < 2; i++)
    join(&sim, &c[i], i, QUIET);
  say_and_sync(&c[0], "SUB a 1\r\n");
  json_t *before = load("/stagez");
  assert_int_equal(json_array_size(value_at(before, "stages")), 4);
  for (unsigned n = 0; n < 3; n++) {
    sim_say(&c[1], "PUB a 1\r\nx\r\n");
    tick(&sim, 1);
    tern__sim_advance(sim.workers, 5); /* on its way from one worker to the other */
    expect(&c[0], "MSG a 1 1\r\nx\r\n");
  }
  json_t *after = load("/stagez");
  assert_int_equal(json_array_size(value_at(after, "le")), TERN_TICK_BUCKETS - 1);
  for (unsigned i = 0; i < 4; i++) {
    char path[64];
    snprintf(path, sizeof path, "stages.%u.stage", i);
    assert_string_equal(text_at(after, path), names[i]);
    snprintf(path, sizeof path, "stages.%u.count", i);
    const json_int_t count = number_at(after, path) - number_at(before, path);
    assert_true(count >= 3);
    json_int_t buckets = 0;
    snprintf(path, sizeof path, "stages.%u.buckets", i);
    assert_int_equal(json_array_size(value_at(after, path)), TERN_TICK_BUCKETS);
    for (unsigned b = 0; b < TERN_TICK_BUCKETS; b++)
      buckets += json_integer_value(json_array_get(value_at(after, path), b)) -
                 json_integer_value(json_array_get(value_at(before, path), b));
    assert_int_equal(buckets, count);
    snprintf(path, sizeof path, "stages.%u.seconds", i);
    const double seconds =
        json_number_value(value_at(after, path)) - json_number_value(value_at(before, path));
    assert_true(i == 2 ? seconds > 0.0149 && seconds < 0.0151 : seconds == 0);
  }
  json_decref(before);
  json_decref(after);
  leave(c, 2);
}

static void interestz_counts_receivers(void **unused) {
  (void)unused;
  struct sim_client c[2];
  for (unsigned i = 0; i < 2; i++)
    join(&sim, &c[i], i, QUIET);
  say_and_sync(&c[0], "SUB a.* 1\r\nSUB a.b 2\r\nSUB > q 3\r\nSUB other 4\r\n");
  say_and_sync(&c[1], "SUB a.> 1\r\nSUB a.b q 2\r\nSUB a.* q 3\r\nSUB a.b r 4\r\n");
  json_t *page = ask("/interestz", "subject", "a.b");
  assert_string_equal(text_at(page, "subject"), "a.b");
  assert_string_equal(text_at(page, "account"), "$G");
  assert_int_equal(number_at(page, "subscriptions"), 3);
  assert_int_equal(number_at(page, "num_queue_groups"), 2);
  assert_int_equal(number_at(page, "queue_members"), 4);
  assert_int_equal(number_at(page, "handlers"), 0);
  assert_int_equal(number_at(page, "workers"), 2);
  assert_int_equal(number_at(page, "receivers"), 5);
  const bool first = strcmp(text_at(page, "queue_groups.0.name"), "q") == 0;
  json_t *q = value_at(page, first ? "queue_groups.0" : "queue_groups.1");
  assert_int_equal(number_at(q, "members"), 3);
  assert_int_equal(number_at(q, "workers"), 2);
  json_decref(page);
  page = ask("/interestz", "subject", "other");
  assert_int_equal(number_at(page, "subscriptions"), 1);
  assert_int_equal(number_at(page, "workers"), 1); /* where q has its member for it, too */
  json_decref(page);
  static const char *const elsewhere[] = {"subject", "a.b", "acc", "$SYS", NULL};
  page = ask_many("/interestz", elsewhere);
  assert_int_equal(number_at(page, "receivers"), 0);
  json_decref(page);
  expect_refusal("/interestz", "subject", "a.*", "invalid subject, must be valid publish subject: a.*");
  expect_refusal("/interestz", "acc", "$G", "invalid subject, must be valid publish subject: ");
  leave(c, 2);
}

static int begin(void **unused) {
  (void)unused;
  memset(&sim, 0, sizeof sim);
  sim.watched = true;
  if (sim_open(&sim, 2, RING_BYTES, NULL) != 0) return 1;
  sim.core.nats.closed_max = 100;
  nats_server_set_port(&sim.core.nats, 4222);
  if (options_init(&options) != 0) return 1;
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
  options_free(&options);
  end(&sim, NULL, 0);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(only_pages_are_found),
      cmocka_unit_test(varz_tells_figures_and_settings),
      cmocka_unit_test(no_limit_is_less_than_none),
      cmocka_unit_test(what_is_absent_has_its_page),
      cmocka_unit_test(healthy_is_who_lets_clients_in),
      cmocka_unit_test(wrong_parameters_are_refused),
      cmocka_unit_test(connz_tells_connections),
      cmocka_unit_test(connz_refuses_what_nats_server_does),
      cmocka_unit_test(subsz_tells_subscriptions),
      cmocka_unit_test(accounts_have_their_figures),
      cmocka_unit_test(accounts_tell_what_is_measured),
      cmocka_unit_test(accounts_tell_what_they_share),
      cmocka_unit_test(topz_tells_what_is_published_most),
      cmocka_unit_test(stagez_tells_latencies),
      cmocka_unit_test(interestz_counts_receivers),
  };
  return cmocka_run_group_tests_name("monitor_monitor", tests, begin, finish);
}
