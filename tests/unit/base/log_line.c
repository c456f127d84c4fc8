/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of the log: every head, every kind of byte a client may send, and where a line that is too long is cut. JSON is
 * checked by jansson, which accepts nothing but well-formed UTF-8.
 */
#include <jansson.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log_line.h"

static char line[TERN__LOG_LINE_BYTES + 1];

__attribute__((format(printf, 4, 5))) static const char *make(unsigned style, enum tern_log_level level,
                                                              struct tern_log_about about, const char *format,
                                                              ...) {
  va_list args;
  va_start(args, format);
  size_t len = tern__log_line(line, style, level, &about, format, args);
  va_end(args);
  assert_in_range(len, 1, TERN__LOG_LINE_BYTES);
  assert_ptr_equal(memchr(line, '\n', len), line + len - 1); /* one line, whatever is in it */
  line[len] = '\0';
  return line;
}

static void assert_matches(const char *text, const char *pattern) {
  regex_t regex;
  assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
  if (regexec(&regex, text, 0, NULL, 0) != 0) fail_msg("\"%s\" does not match %s", text, pattern);
  regfree(&regex);
}

static json_t *parse(const char *text) {
  json_error_t error;
  json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
  if (root == NULL) fail_msg("%s: %s", error.text, text);
  return root;
}

static const struct tern_log_about nothing;
static const struct tern_log_about client = {.event = "some_event", .ip = "10.0.0.1", .port = 77, .cid = 5};

static void text_has_the_form_of_nats_server(void **unused) {
  (void)unused;
  assert_matches(make(0, TERN_LOG_WARN, nothing, "a %d", 1), "^\\[[0-9]+\\] \\[WRN\\] a 1\n$");
  assert_matches(make(TERN__LOG_STAMPS, TERN_LOG_INFO, client, "a"),
                 "^\\[[0-9]+\\] [0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6} "
                 "\\[INF\\] 10\\.0\\.0\\.1:77 - cid:5 - a\n$");
  struct tern_log_about v6 = client;
  v6.ip = "::1";
  assert_matches(make(0, TERN_LOG_TRACE, v6, "a"), "\\[TRC\\] \\[::1\\]:77 - cid:5 - a\n$");
}

static void json_has_its_fields(void **unused) {
  (void)unused;
  static const char *const names[] = {"fatal", "error", "warn", "info", "debug", "trace"};
  for (int level = TERN_LOG_FATAL; level <= TERN_LOG_TRACE; level++) {
    json_t *root = parse(make(TERN__LOG_JSON, (enum tern_log_level)level, client, "t %s", "x"));
    assert_string_equal(json_string_value(json_object_get(root, "level")), names[level]);
    assert_string_equal(json_string_value(json_object_get(root, "event")), "some_event");
    assert_string_equal(json_string_value(json_object_get(root, "ip")), "10.0.0.1");
    assert_string_equal(json_string_value(json_object_get(root, "msg")), "t x");
    assert_int_equal(json_integer_value(json_object_get(root, "port")), 77);
    assert_int_equal(json_integer_value(json_object_get(root, "cid")), 5);
    assert_int_equal(json_integer_value(json_object_get(root, "pid")), getpid());
    assert_matches(json_string_value(json_object_get(root, "time")),
                   "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{6}Z$");
    assert_int_equal(json_object_size(root), 8);
    json_decref(root);
  }
  json_t *root = parse(make(TERN__LOG_JSON | TERN__LOG_STAMPS, TERN_LOG_INFO, nothing, "t"));
  assert_int_equal(json_object_size(root), 4); /* what is not known is not there */
  json_decref(root);
}

static void a_syslog_line_has_its_header(void **unused) {
  (void)unused;
  assert_matches(make(TERN__LOG_SYSLOG | TERN__LOG_STAMPS, TERN_LOG_INFO, client, "a"),
                 "^<30>[A-Z][a-z]{2} [ 123][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [^ ]+\\[[0-9]+\\]: "
                 "10\\.0\\.0\\.1:77 - cid:5 - a\n$");
  assert_matches(make(TERN__LOG_REMOTE, TERN_LOG_ERROR, client, "a"),
                 "^<27>1 [0-9-]{10}T[0-9:]{8}\\.[0-9]{6}Z [^ ]+ [^ ]+ [0-9]+ some_event - 10.*a\n$");
  assert_matches(make(TERN__LOG_REMOTE, TERN_LOG_FATAL, nothing, "a"), "^<26>1 .* [0-9]+ - - a\n$");
  assert_matches(make(TERN__LOG_REMOTE | TERN__LOG_JSON, TERN_LOG_DEBUG, nothing, "a"),
                 "^<31>1 .* - - \\{\"time\".*\"msg\":\"a\"\\}\n$");
}

/* ---- bytes of clients ---- */

static void control_characters_are_escaped(void **unused) {
  (void)unused;
  static const struct {
    const char *sent, *text, *json;
  } cases[] = {
      {"a\r\n[1] [INF] forged", "a\\r\\n[1] [INF] forged", "a\r\n[1] [INF] forged"},
      {"\x1b[31mred\x07\x7f", "\\x1b[31mred\\x07\\x7f", "\x1b[31mred\x07\x7f"},
      {"tab\there", "tab\\there", "tab\there"},
      {"\xc2\x9b 31m", "\\u009b 31m", "\xc2\x9b 31m"}, /* CSI in one character */
      {"\x9b 31m", "\\x9b 31m", "\xef\xbf\xbd 31m"},
      {"\xff\xc3(", "\\xff\\xc3(", "\xef\xbf\xbd\xef\xbf\xbd("},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
      {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa6 \\\"", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa6 \\\"",
       "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa6 \\\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *text = strstr(make(0, TERN_LOG_INFO, nothing, "%s", cases[i].sent), "[INF] ") + 6;
    assert_int_equal(strlen(text), strlen(cases[i].text) + 1);
    assert_memory_equal(text, cases[i].text, strlen(cases[i].text));
    json_t *root = parse(make(TERN__LOG_JSON, TERN_LOG_INFO, nothing, "%s", cases[i].sent));
    assert_string_equal(json_string_value(json_object_get(root, "msg")), cases[i].json);
    json_decref(root);
  }
}

/* Any bytes, of any length around where a line is cut: always one line and valid JSON. */
static void whatever_is_sent_is_one_valid_line(void **unused) {
  (void)unused;
  static char sent[6000];
  uint64_t random = 1;
  for (int round = 0; round < 3000; round++) {
    size_t len = round % 3 == 0 ? 3800 + (size_t)round % 400 : (size_t)(round * 7) % 5900;
    for (size_t i = 0; i < len; i++) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      unsigned char c = (unsigned char)(random >> 56);
      sent[i] = round % 2 == 0 && c < 0x80 ? 'x' : c == 0 ? '\x01' : (char)c;
    }
    sent[len] = '\0';
    const unsigned styles[] = {TERN__LOG_JSON, TERN__LOG_JSON | TERN__LOG_REMOTE, 0};
    for (size_t s = 0; s < sizeof styles / sizeof styles[0]; s++) {
      const char *made = make(styles[s], TERN_LOG_INFO, client, "%s", sent);
      if (styles[s] & TERN__LOG_JSON) json_decref(parse(strchr(made, '{')));
    }
  }
}

static void a_long_line_keeps_its_end(void **unused) {
  (void)unused;
  static char sent[9000];
  memset(sent, '"', sizeof sent - 1);
  json_t *root = parse(make(TERN__LOG_JSON, TERN_LOG_INFO, nothing, "%s", sent));
  size_t len = json_string_length(json_object_get(root, "msg"));
  assert_in_range(len, 1900, 2048); /* two bytes for each */
  json_decref(root);
  assert_in_range(strlen(line), TERN__LOG_LINE_BYTES - 1, TERN__LOG_LINE_BYTES);
}

static void an_address_is_quoted_and_bounded(void **unused) {
  (void)unused;
  static char path[5000];
  memset(path, 'p', sizeof path - 1);
  path[3] = '\n', path[4] = '"';
  struct tern_log_about about = {.ip = path, .cid = 9};
  json_decref(parse(make(TERN__LOG_JSON, TERN_LOG_INFO, about, "after")));
  assert_non_null(strstr(line, "\"msg\":\"after\"}"));
  assert_non_null(strstr(make(0, TERN_LOG_INFO, about, "after"), "ppp\\n\"pp"));
  assert_non_null(strstr(line, " - after\n"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(text_has_the_form_of_nats_server),   cmocka_unit_test(json_has_its_fields),
      cmocka_unit_test(a_syslog_line_has_its_header),       cmocka_unit_test(control_characters_are_escaped),
      cmocka_unit_test(whatever_is_sent_is_one_valid_line), cmocka_unit_test(a_long_line_keeps_its_end),
      cmocka_unit_test(an_address_is_quoted_and_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
