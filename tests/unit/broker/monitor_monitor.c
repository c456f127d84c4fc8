/* SPDX-License-Identifier: Apache-2.0 */
/* Pages made from figures that are known: what they are called, that they are JSON, and what is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "monitor.h"

static struct options options;
static struct monitor *monitor;

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

static int begin(void **unused) {
  (void)unused;
  if (options_init(&options) != 0) return 1;
  const struct monitor_source source = {.options = &options,
                                        .server_id = "ID",
                                        .server_name = "name",
                                        .port = 4222,
                                        .workers = 2,
                                        .figures = figures};
  return monitor_new(&source, &monitor);
}

static int end(void **unused) {
  (void)unused;
  monitor_free(monitor);
  options_free(&options);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(only_pages_are_found),         cmocka_unit_test(varz_tells_figures_and_settings),
      cmocka_unit_test(no_limit_is_less_than_none),   cmocka_unit_test(what_is_absent_has_its_page),
      cmocka_unit_test(wrong_parameters_are_refused),
  };
  return cmocka_run_group_tests_name("monitor_monitor", tests, begin, end);
}
