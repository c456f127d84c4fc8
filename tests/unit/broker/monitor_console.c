/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console as a text: it is served whole, nothing in it is fetched from elsewhere or stands outside of what its policy
 * allows, and its parts refer to parts that are there. What it does in a browser is tested in tests/e2e/monitor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console.h"
#include "page.h"

/* How often a text occurs. */
static unsigned count(const char *text) {
  unsigned found = 0;
  for (const char *at = console_html; (at = strstr(at, text)) != NULL; at += strlen(text))
    found++;
  return found;
}

static void the_page_is_served(void **unused) {
  (void)unused;
  struct page page = {.status = 200, .type = "application/json"};
  console_page(&page);
  assert_string_equal(page.type, "text/html; charset=utf-8");
  assert_int_equal(page.status, 200);
  assert_int_equal(page.json.len, console_html_len);
  assert_int_equal(strlen(page.json.text), console_html_len);
  assert_memory_equal(page.json.text, "<!DOCTYPE html>", 15);
  assert_string_equal(page.json.text + console_html_len - 8, "</html>\n");
  free(page.json.text);
}

static void nothing_comes_from_elsewhere(void **unused) {
  (void)unused;
  static const char *const absent[] = {"src=",    "@import",   "url(",  "import(", "href=\"/", "fetch(\"/",
                                       "XMLHttp", "WebSocket", "<form", "<iframe", "<object"};
  for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
    assert_int_equal(count(absent[i]), 0);
  for (const char *at = console_html; (at = strstr(at, "//")) != NULL; at += 2)
    assert_true(at[2] == ' '); /* a comment in the script */
}

static void texts_never_become_elements(void **unused) {
  (void)unused;
  static const char *const absent[] = {"innerHTML",      "outerHTML", "insertAdjacent",
                                       "document.write", "eval(",     "Function(",
                                       " onclick=\"",    " style=\"", "javascript:"};
  for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
    assert_int_equal(count(absent[i]), 0);
}

static void the_policy_allows_one_style_and_one_script(void **unused) {
  (void)unused;
  assert_int_equal(count("<style"), 1);
  assert_int_equal(count("<script"), 1);
  assert_int_equal(count("<style>"), 1);
  assert_int_equal(count("<script>"), 1);
  assert_memory_equal(console_policy, "default-src 'none'; ", 20);
  assert_non_null(strstr(console_policy, "style-src 'sha256-"));
  assert_non_null(strstr(console_policy, "script-src 'sha256-"));
  assert_non_null(strstr(console_policy, "connect-src 'self';"));
  assert_null(strstr(console_policy, "unsafe"));
}

/* Each text between `before` and `after` is the id of exactly one element. Returns how many there are. */
static unsigned check_ids(const char *before, const char *after) {
  unsigned found = 0;
  for (const char *at = console_html; (at = strstr(at, before)) != NULL; found++) {
    char id[100];
    at += strlen(before);
    const char *end = strstr(at, after);
    assert_non_null(end);
    assert_in_range(end - at, 1, 50);
    snprintf(id, sizeof id, " id=\"%.*s\"", (int)(end - at), at);
    if (count(id) != 1) fail_msg("%u elements have%s", count(id), id);
  }
  return found;
}

static void every_id_is_there_once(void **unused) {
  (void)unused;
  assert_true(check_ids(" id=\"", "\"") > 10);
  assert_true(check_ids("$(\"", "\")") > 10);
  assert_true(check_ids("aria-labelledby=\"", "\"") > 5);
  assert_true(check_ids("href=\"#", "\"") > 0);
}

static void tables_and_parts_have_names(void **unused) {
  (void)unused;
  assert_true(count("<table") > 0);
  assert_int_equal(count("<caption"), count("<table"));
  assert_int_equal(count("<th "), count("<th scope=\"col\""));
  assert_int_equal(count("<section"), count("<section aria-labelledby="));
  assert_int_equal(count("<main>"), 1);
  assert_int_equal(count("<html lang=\"en\">"), 1);
}

/* Every page there is has its link; /subscriptionsz is another name of /subsz. */
static void all_pages_are_linked(void **unused) {
  (void)unused;
  static const char *const pages[] = {
      "varz",     "connz",   "subsz",   "routez",   "leafz", "gatewayz", "jsz",
      "accountz", "healthz", "metrics", "accstatz", "topz",  "stagez",   "interestz?subject=example"};
  for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
    char path[40], link[40];
    snprintf(path, sizeof path, "/%.*s", (int)strcspn(pages[i], "?"), pages[i]);
    snprintf(link, sizeof link, "<a href=\"%s\">", pages[i]);
    assert_true(monitor_find(path) >= 0);
    assert_int_equal(count(link), 1);
  }
  assert_int_equal(count("<li><a"), sizeof pages / sizeof pages[0]);
  assert_true(monitor_find("/") >= 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_page_is_served),
      cmocka_unit_test(nothing_comes_from_elsewhere),
      cmocka_unit_test(texts_never_become_elements),
      cmocka_unit_test(the_policy_allows_one_style_and_one_script),
      cmocka_unit_test(every_id_is_there_once),
      cmocka_unit_test(tables_and_parts_have_names),
      cmocka_unit_test(all_pages_are_linked),
  };
  return cmocka_run_group_tests_name("monitor_console", tests, NULL, NULL);
}
