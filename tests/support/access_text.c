/* SPDX-License-Identifier: Apache-2.0 */
/* An access made from text. The tree is freed before the access is used, so that nothing of it can be kept. */
#include "access_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf_report.h"

static void take(void *arg, bool warning, const char *text) {
  struct access_said *said = arg;
  (void)warning;
  if (said->first[0] == '\0') snprintf(said->first, sizeof said->first, "%s", text);
}

struct access *access_text(const char *text, const struct access_flags *flags, struct access_said *said) {
  static const struct access_flags none;
  struct conf_error error;
  struct conf *conf;
  struct access *access = NULL;
  memset(said, 0, sizeof *said);
  struct conf_report report = {.line = take, .arg = said};
  if (conf_parse("a.conf", text, strlen(text), &conf, &error) != 0) fail_msg("%s: %s", text, error.text);
  int result = access_new(conf_root(conf), flags != NULL ? flags : &none, &report, &access);
  conf_free(conf);
  said->errors = report.errors;
  said->warnings = report.warnings;
  assert_int_equal(result != 0, access == NULL);
  if (result == -EINVAL) assert_true(said->errors > 0);
  if (result == 0) assert_int_equal(said->errors, 0);
  return access;
}
