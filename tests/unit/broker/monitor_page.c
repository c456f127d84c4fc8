/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of pages: what is accepted, and nats-server's words for what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "page.h"

/* The one parameter of a query is named p. */
static const char *parameter(const void *arg, const char *name) {
  return strcmp(name, "p") == 0 ? arg : NULL;
}

static struct page page;
static struct monitor_query query;

static struct page *ask(const char *value) {
  query = (struct monitor_query){parameter, value};
  page = (struct page){.query = &query, .status = 200};
  return &page;
}

static void booleans(void **unused) {
  (void)unused;
  static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
  static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
  for (int i = 0; i < 6; i++) {
    bool value = false;
    assert_true(page_bool(ask(yes[i]), "p", &value));
    assert_true(value);
    assert_true(page_bool(ask(no[i]), "p", &value));
    assert_false(value);
  }
  bool value = true;
  assert_true(page_bool(ask(NULL), "p", &value) && page_bool(ask(""), "p", &value) && value);
  assert_false(page_bool(ask("yes"), "p", &value));
  assert_int_equal(page.status, 400);
  assert_string_equal(page.error,
                      "Error decoding boolean for 'p': strconv.ParseBool: parsing \"yes\": invalid syntax");
}

static void integers(void **unused) {
  (void)unused;
  int64_t value = 3;
  assert_true(page_int(ask(NULL), "p", &value));
  assert_int_equal(value, 3);
  assert_true(page_int(ask("-12"), "p", &value));
  assert_int_equal(value, -12);
  assert_true(page_int(ask("+7"), "p", &value));
  assert_int_equal(value, 7);
  static const char *const wrong[] = {"x", "1x", " 1", "1.5", "+-1", "--1", "0x10"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    assert_false(page_int(ask(wrong[i]), "p", &value));
    assert_non_null(strstr(page.error, "strconv.Atoi"));
    assert_non_null(strstr(page.error, "invalid syntax"));
  }
  assert_false(page_int(ask("99999999999999999999"), "p", &value));
  assert_string_equal(page.error,
                      "Error decoding int for 'p': strconv.Atoi: parsing \"99999999999999999999\": "
                      "value out of range");
  assert_int_equal(value, 7);
}

static void unsigned_integers(void **unused) {
  (void)unused;
  uint64_t value = 0;
  assert_true(page_uint(ask("18446744073709551615"), "p", &value));
  assert_true(value == UINT64_MAX);
  assert_false(page_uint(ask("18446744073709551616"), "p", &value));
  assert_non_null(strstr(page.error, "value out of range"));
  assert_false(page_uint(ask("-1"), "p", &value));
  assert_string_equal(page.error,
                      "Error decoding uint64 for 'p': strconv.ParseUint: parsing \"-1\": invalid syntax");
}

static void errors_show_little_of_what_was_sent(void **unused) {
  (void)unused;
  char text[5000];
  memset(text, 'q', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  memcpy(text, "a\r\n<\"\xFF", 6);
  int64_t value;
  assert_false(page_int(ask(text), "p", &value));
  assert_non_null(strstr(page.error, "parsing \"a..<..qq"));
  assert_true(strlen(page.error) < 250);
  page_fail(&page, 500, "another");
  assert_int_equal(page.status, 400);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(booleans),
      cmocka_unit_test(integers),
      cmocka_unit_test(unsigned_integers),
      cmocka_unit_test(errors_show_little_of_what_was_sent),
  };
  return cmocka_run_group_tests_name("monitor_page", tests, NULL, NULL);
}
