/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reload is all or nothing: what is applied, what is refused and why, and that whatever goes wrong leaves the options
 * as they were. What it logs comes on standard error here.
 */
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

#include "options_run.h"
#include "reload.h"

static char path[] = "/tmp/tern-reload-XXXXXX";

static void write_config(const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

/* What apply was called with, and what it says. */
struct applied {
  unsigned calls;
  uint32_t max_payload;
  int result;
};

static int apply(void *arg, const struct options *next) {
  struct applied *applied = arg;
  applied->calls++;
  applied->max_payload = next->max_payload;
  return applied->result;
}

static char said[8192], reason[RELOAD_REASON_BYTES];

static int reload_quietly(struct options *options, struct applied *applied) {
  FILE *err = tmpfile();
  assert_non_null(err);
  int saved = divert(STDERR_FILENO, err);
  int result = reload(options, apply, applied, reason);
  restore(STDERR_FILENO, saved, err, said, sizeof said);
  return result;
}

/* The command line must live as long as the options. */
static char *words[] = {(char[]){"tern"}, (char[]){"-c"}, path, (char[]){"--max_subs"}, (char[]){"7"}};

static struct options start(const char *text) {
  struct options options;
  write_config(text);
  assert_int_equal(options_init(&options), 0);
  assert_int_equal(options_parse(&options, 5, words), OPTIONS_RUN);
  return options;
}

static void what_is_live_is_applied(void **state) {
  (void)state;
  struct options options = start("max_payload: 1KB, tern { handlers: 'a=m' }");
  struct options_handler *handlers = options.handlers;
  char *host = options.host;
  struct applied applied = {0};
  write_config("max_payload: 2KB, max_subs: 9, tern { handlers: 'a=m' }");
  assert_int_equal(reload_quietly(&options, &applied), 0);
  assert_int_equal(applied.calls, 1);
  assert_int_equal(applied.max_payload, 2048);
  assert_int_equal(options.max_payload, 2048);
  assert_int_equal(options.max_subscriptions, 7); /* the flag is above the file, as at the start */
  assert_ptr_equal(options.handlers, handlers);   /* those that run refer to them */
  assert_ptr_equal(options.host, host);
  assert_contains(said, "Reloaded: max_payload = 2KB");
  char done[128];
  snprintf(done, sizeof done, "Reloaded server configuration (%s)", options.config_digest);
  assert_contains(said, done);
  assert_null(strstr(said, "max_subscriptions"));
  options_free(&options);
}

/* Each of these leaves everything as it was, and says why. */
static void nothing_is_applied_by_halves(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
  } rows[] = {
      {"max_payload: 2KB, port: 4333", "config reload not supported for port: old=4222, new=4333"},
      {"max_payload: 2KB, server_name: x", "config reload not supported for server_name: old=, new=x"},
      {"max_payload: 2KB, tern { workers: 5 }", "config reload not supported for workers: old=0, new=5"},
      {"max_payload: 2KB, tern { handlers: 'a=m' }", "config reload not supported for handlers"},
      {"max_payload: 2KB, ping_max: many", ":1:19: ping_max is a string"},
      {"max_payload: 2KB, nonsense: 1", "unknown field \"nonsense\""},
      {"max_payload: 2KB, max_pending: 1KB", "must not be larger than max_pending"},
      {"max_payload: 2KB, lame_duck_grace_period: '3m'", "must be shorter than lame_duck_duration"},
      {"max_payload: {", "Failed to reload server configuration: "},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct options options = start("max_payload: 1KB");
    struct applied applied = {0};
    write_config(rows[i].text);
    assert_int_equal(reload_quietly(&options, &applied), -1);
    assert_int_equal(applied.calls, 0);
    assert_int_equal(options.max_payload, 1024);
    assert_contains(said, rows[i].says);
    assert_contains(said, "Failed to reload server configuration");
    assert_null(strstr(said, "Reloaded"));
    assert_true(reason[0] != '\0');
    assert_contains(said, reason);
    options_free(&options);
  }
}

static void what_cannot_be_applied_is_not_in_use(void **state) {
  (void)state;
  struct options options = start("max_payload: 1KB");
  struct applied applied = {.result = -ENOMEM};
  write_config("max_payload: 2KB");
  assert_int_equal(reload_quietly(&options, &applied), -1);
  assert_int_equal(applied.calls, 1);
  assert_int_equal(options.max_payload, 1024);
  assert_null(strstr(said, "Reloaded"));
  assert_true(reason[0] != '\0');
  applied.result = 0; /* and the next time it may work */
  assert_int_equal(reload_quietly(&options, &applied), 0);
  assert_int_equal(options.max_payload, 2048);
  assert_string_equal(reason, "");
  options_free(&options);
}

static void a_file_that_is_gone_changes_nothing(void **state) {
  (void)state;
  struct options options = start("max_payload: 1KB");
  struct applied applied = {0};
  unlink(path);
  assert_int_equal(reload_quietly(&options, &applied), -1);
  assert_int_equal(applied.calls, 0);
  assert_contains(said, path);
  assert_int_equal(options.max_payload, 1024);
  options_free(&options);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_live_is_applied),
      cmocka_unit_test(nothing_is_applied_by_halves),
      cmocka_unit_test(what_cannot_be_applied_is_not_in_use),
      cmocka_unit_test(a_file_that_is_gone_changes_nothing),
  };
  close(mkstemp(path));
  int failed = cmocka_run_group_tests_name("ops/reload", tests, NULL, NULL);
  unlink(path);
  return failed;
}
