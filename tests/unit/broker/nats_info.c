/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INFO: what is in it for everyone and what for one connection, its escapes, and memory refused while it is made
 * (malloc is wrapped by the linker and given to jansson).
 */
#include "fixture.h"

#include <errno.h>
#include <jansson.h>

#include "refuse_memory.h"

static const struct nats_identity identity = {.server_id = "NID",
                                              .server_name = "a <b> & \"c\" \\ \xc3\xa4",
                                              .nats_version = "2.12.3",
                                              .tern_version = "0.1",
                                              .host = "0.0.0.0",
                                              .advertised_port = 4222};

/* The JSON of the INFO that the client receives next. */
static json_t *next_info(struct sim_client *c) {
  size_t from = c->read_to;
  expect_info(c);
  size_t len = c->read_to - from - strlen("INFO ");
  assert_memory_equal(c->in + c->read_to - 3, " \r\n", 3);
  json_error_t error;
  json_t *info = json_loadb(c->in + from + strlen("INFO "), len, 0, &error);
  if (info == NULL) fail_msg("%s in '%.*s'", error.text, (int)len, c->in + from);
  return info;
}

static const char *text(const json_t *info, const char *key) {
  const char *value = json_string_value(json_object_get(info, key));
  return value != NULL ? value : "(none)";
}

static json_int_t number(const json_t *info, const char *key) {
  return json_integer_value(json_object_get(info, key));
}

static void the_shared_part_is_json_with_escapes(void **state) {
  (void)state;
  struct nats_server server;
  struct nats_limits limits = sim_limits();
  struct settings *settings = settings_new(&limits);
  assert_int_equal(nats_settings_describe(settings, &identity), 0);
  nats_server_init(&server, settings, 4321);
  assert_null(strpbrk(settings->info, "<>&")); /* as Go's encoder has it */
  assert_non_null(strstr(settings->info, "a \\u003cb\\u003e \\u0026 \\\"c\\\" \\\\ \xc3\xa4"));
  char whole[1024];
  snprintf(whole, sizeof whole, "%s}", settings->info);
  json_t *info = json_loads(whole, 0, NULL);
  assert_non_null(info);
  assert_string_equal(text(info, "server_id"), identity.server_id);
  assert_string_equal(text(info, "server_name"), identity.server_name);
  assert_string_equal(text(info, "version"), identity.nats_version);
  assert_string_equal(text(info, "tern"), identity.tern_version);
  assert_string_equal(text(info, "host"), identity.host);
  assert_int_equal(number(info, "proto"), 1);
  assert_true(json_is_true(json_object_get(info, "headers")));
  json_decref(info);
  assert_int_equal(settings->advertised_port, identity.advertised_port);
  assert_int_equal(atomic_load(&server.port), 4321); /* one thread */
  nats_server_fini(&server);
}

static void without_memory_there_is_no_text(void **state) {
  (void)state;
  struct nats_limits limits = sim_limits();
  int error = -ENOMEM, n = 0;
  for (; error != 0; n++) {
    allocations_left = n;
    struct settings *settings = settings_new(&limits);
    error = settings != NULL ? nats_settings_describe(settings, &identity) : -ENOMEM;
    allocations_left = -1;
    if (error != 0) assert_int_equal(error, -ENOMEM);
    settings_unref(settings);
    assert_true(n < 1000);
  }
  assert_true(n > 10); /* they did fail, each in its turn; that nothing leaks the sanitizer sees */
}

static void each_connection_has_its_own_fields(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  nats_server_set_port(&sim.core.nats, 65535);
  json_t *info[2];
  for (unsigned i = 0; i < 2; i++) {
    assert_int_equal(sim_connect(&sim, &c[i], i, NULL), 0);
    info[i] = next_info(&c[i]);
    assert_int_equal(number(info[i], "port"), 65535);
    assert_int_equal(number(info[i], "tern_worker"), i);
    assert_string_equal(text(info[i], "client_ip"), ""); /* a Unix-domain socket has none */
    assert_null(json_object_get(info[i], "connect_info"));
    assert_null(json_object_get(info[i], "remote_account"));
  }
  assert_true(number(info[0], "client_id") > 0);
  assert_int_not_equal(number(info[0], "client_id"), number(info[1], "client_id"));
  nats_server_set_port(&sim.core.nats, 1); /* later ones tell the new one */
  sim_say(&c[0], "CONNECT {" QUIET ",\"protocol\":1}\r\nPING\r\n");
  expect(&c[0], "PONG\r\n");
  json_t *second = next_info(&c[0]);
  assert_int_equal(number(second, "port"), 1);
  assert_int_equal(number(second, "client_id"), number(info[0], "client_id"));
  assert_true(json_is_true(json_object_get(second, "connect_info")));
  assert_string_equal(text(second, "remote_account"), "$G");
  json_decref(second);
  json_decref(info[0]);
  json_decref(info[1]);
  end(&sim, c, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_shared_part_is_json_with_escapes),
      cmocka_unit_test(without_memory_there_is_no_text),
      cmocka_unit_test(each_connection_has_its_own_fields),
  };
  json_set_alloc_funcs(__wrap_malloc, free);
  return cmocka_run_group_tests_name("nats_info", tests, NULL, NULL);
}
