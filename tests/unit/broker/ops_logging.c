/* SPDX-License-Identifier: Apache-2.0 */
/* Where the log goes by the options, and what is said when it cannot. */
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

#include <tern/log.h>

#include "logging.h"
#include "options_run.h"

static char dir[] = "/tmp/tern-logging-XXXXXX";
static char first[64], second[64];

static char *contents(const char *path) {
  static char text[4096];
  FILE *file = fopen(path, "re");
  size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
  if (file != NULL) fclose(file);
  text[len] = '\0';
  return text;
}

static void the_file_comes_before_the_syslogs(void **unused) {
  (void)unused;
  struct options options = {
      .log_file = first, .syslog = true, .remote_syslog = (char *)(uintptr_t) "udp://x"};
  assert_int_equal(logging_start(&options), 0);
  tern_log(TERN_LOG_INFO, "in the file");
  tern_log(TERN_LOG_DEBUG, "not there");
  struct options before = options;
  assert_int_equal(logging_change(&before, &options), 0); /* nothing to change */
  options.log_file = second;
  options.log_format = (char *)(uintptr_t) "json";
  options.debug = true;
  assert_int_equal(logging_change(&before, &options), 0);
  tern_log(TERN_LOG_DEBUG, "also");
  tern_log_stop();
  assert_null(strstr(contents(first), "not there"));
  assert_null(strstr(contents(first), "Logging to"));
  assert_contains(contents(second), "\"msg\":\"also\"}\n");
}

/* What it says on standard error. */
static const char *refused(const struct options *options, int want) {
  static char text[2000];
  FILE *file = tmpfile();
  int saved = divert(STDERR_FILENO, file);
  int error = logging_start(options);
  restore(STDERR_FILENO, saved, file, text, sizeof text);
  assert_int_equal(error, want);
  return text;
}

static void what_cannot_be_opened_is_said_with_advice(void **unused) {
  (void)unused;
  struct options options = {.log_file = (char *)(uintptr_t) "/no/such/dir/log"};
  assert_string_equal(
      refused(&options, -ENOENT),
      "tern: cannot open the log file /no/such/dir/log: No such file or directory; create the "
      "directory first\n");
  options = (struct options){.syslog = true, .remote_syslog = (char *)(uintptr_t) "udp://[no address]:5"};
  assert_contains(refused(&options, -EHOSTUNREACH), "cannot open the syslog udp://[no address]:5: ");
  assert_contains(refused(&options, -EHOSTUNREACH), "; check its name and its port\n");
}

static void a_change_that_fails_changes_nothing(void **unused) {
  (void)unused;
  unlink(first);
  struct options options = {.log_file = first};
  assert_int_equal(logging_start(&options), 0);
  struct options before = options;
  options.log_file = (char *)(uintptr_t) "/no/such/dir/log";
  options.debug = true;
  assert_int_equal(logging_change(&before, &options), -ENOENT);
  assert_false(tern_log_enabled(TERN_LOG_DEBUG));
  tern_log_stop();
  assert_contains(contents(first),
                  "[ERR] cannot open the log file /no/such/dir/log: No such file or directory; "
                  "create the directory first; logging goes on as before\n");
}

static int make_dir(void **unused) {
  (void)unused;
  if (mkdtemp(dir) == NULL) return -1;
  snprintf(first, sizeof first, "%s/first", dir);
  snprintf(second, sizeof second, "%s/second", dir);
  return 0;
}

static int remove_dir(void **unused) {
  (void)unused;
  unlink(first);
  unlink(second);
  return rmdir(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_file_comes_before_the_syslogs),
      cmocka_unit_test(what_cannot_be_opened_is_said_with_advice),
      cmocka_unit_test(a_change_that_fails_changes_nothing),
  };
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
