/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON writer: byte for byte as Go would write it, and read back by a real reader; memory refused at every step. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "json.h"

/* ---- memory that is refused: the linker sends these calls here ---- */

static int refuse_after = -1; /* allocations to allow; -1: all */

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size) {
  if (refuse_after == 0) return NULL;
  if (refuse_after > 0) refuse_after--;
  return __real_realloc(block, size);
}

static void fill(struct json_writer *to) {
  json_put_open(to, NULL, '{');
  json_put_string(to, "s", "a<b>&\"\\\n\t\x01");
  json_put_uint(to, "u", UINT64_MAX);
  json_put_int(to, "i", -5);
  json_put_number(to, "f", 0.25);
  json_put_bool(to, "b", true);
  json_put_open(to, "o", '{');
  json_put_close(to, '}');
  json_put_open(to, "a", '[');
  json_put_open(to, NULL, '[');
  json_put_close(to, ']');
  json_put_uint(to, NULL, 7);
  json_put_close(to, ']');
  json_put_close(to, '}');
}

static void it_indents_as_go_does(void **unused) {
  (void)unused;
  struct json_writer json = {0};
  fill(&json);
  assert_false(json.failed);
  assert_string_equal(json.text,
                      "{\n  \"s\": \"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\t\\u0001\",\n"
                      "  \"u\": 18446744073709551615,\n  \"i\": -5,\n  \"f\": 0.25,\n  \"b\": true,\n"
                      "  \"o\": {},\n  \"a\": [\n    [],\n    7\n  ]\n}");
  assert_int_equal(json.len, strlen(json.text));
  free(json.text);
}

static void it_can_be_compact(void **unused) {
  (void)unused;
  struct json_writer json = {.compact = true};
  json_put_open(&json, NULL, '{');
  json_put_string(&json, "status", "ok");
  json_put_uint(&json, "n", 1);
  json_put_close(&json, '}');
  assert_string_equal(json.text, "{\"status\":\"ok\",\"n\":1}");
  free(json.text);
}

static void what_is_no_utf8_is_replaced(void **unused) {
  (void)unused;
  static const char bytes[] = "ok\xFF\xC3\xA4\xE2\x80\xA8\xE2\x82\0x\xED\xA0\x80";
  struct json_writer json = {.compact = true};
  json_put_slice(&json, NULL, (struct tern_slice){bytes, sizeof bytes - 1});
  assert_string_equal(json.text, "\"ok\\ufffd\xC3\xA4\\u2028\\ufffd\\ufffd\\u0000x\\ufffd\\ufffd\\ufffd\"");
  free(json.text);
}

static void any_bytes_become_json_that_can_be_read(void **unused) {
  (void)unused;
  uint32_t random = 1;
  for (int round = 0; round < 2000; round++) {
    char bytes[40];
    for (size_t i = 0; i < sizeof bytes; i++)
      bytes[i] = (char)((random = random * 1664525 + 1013904223) >> 24);
    struct json_writer json = {0};
    json_put_open(&json, NULL, '[');
    json_put_slice(&json, NULL, (struct tern_slice){bytes, sizeof bytes});
    json_put_close(&json, ']');
    json_t *read = json_loadb(json.text, json.len, JSON_ALLOW_NUL, NULL);
    assert_non_null(read);
    json_decref(read);
    free(json.text);
  }
}

static void times_have_as_many_digits_as_they_need(void **unused) {
  (void)unused;
  static const struct {
    uint64_t ns;
    const char *text;
  } cases[] = {{0, "\"1970-01-01T00:00:00Z\""},
               {1500000000, "\"1970-01-01T00:00:01.5Z\""},
               {1795276002281900633, "\"2026-11-21T15:46:42.281900633Z\""},
               {1, "\"1970-01-01T00:00:00.000000001Z\""}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct json_writer json = {0};
    json_put_time(&json, NULL, cases[i].ns);
    assert_string_equal(json.text, cases[i].text);
    free(json.text);
  }
}

static void memory_may_be_refused_at_any_time(void **unused) {
  (void)unused;
  for (int allow = 0; allow < 4; allow++) {
    struct json_writer json = {0};
    refuse_after = allow;
    for (int i = 0; i < 4000; i++)
      json_put_string(&json, NULL, "some text that needs room");
    refuse_after = -1;
    assert_true(json.failed);
    assert_true(json.len < json.room || json.room == 0);
    free(json.text);
  }
}

static void ids_differ(void **state) {
  (void)state;
  struct json_writer one = {.compact = true}, other = {.compact = true};
  json_put_open(&one, NULL, '{');
  json_put_id(&one, "id");
  json_put_open(&other, NULL, '{');
  json_put_id(&other, "id");
  assert_int_equal(one.len, sizeof "{\"id\":\"0123456789012345678901\"" - 1);
  assert_int_equal(other.len, one.len);
  assert_memory_equal(one.text, other.text, 7);
  assert_memory_not_equal(one.text, other.text, one.len);
  for (size_t i = 7; i + 1 < one.len; i++)
    assert_true(isalnum((unsigned char)one.text[i]));
  free(one.text);
  free(other.text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_indents_as_go_does),
      cmocka_unit_test(it_can_be_compact),
      cmocka_unit_test(what_is_no_utf8_is_replaced),
      cmocka_unit_test(any_bytes_become_json_that_can_be_read),
      cmocka_unit_test(times_have_as_many_digits_as_they_need),
      cmocka_unit_test(ids_differ),
      cmocka_unit_test(memory_may_be_refused_at_any_time),
  };
  return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
