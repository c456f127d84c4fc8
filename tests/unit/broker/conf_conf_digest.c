/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest of configurations: what it is of (the hashes were made of the JSON beside them, with sha256sum), around the
 * ends of SHA-256's blocks, what changes it and what does not, and memory that is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf_digest.h"

static long countdown = -1; /* the allocation that brings it to 0 fails; negative: none does */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) { return countdown >= 0 && countdown-- == 0 ? NULL : __real_malloc(size); }

/* Of a text; there is one at a time. */
static const char *digest(const char *text) {
  static char digest[CONF_DIGEST_BYTES];
  struct conf_error error;
  struct conf *conf;
  if (conf_parse("test", text, strlen(text), &conf, &error) != 0) fail_msg("%s: %s", text, error.text);
  assert_int_equal(conf_digest(conf, digest), 0);
  conf_free(conf);
  return digest;
}

static void it_is_of_the_json(void **state) {
  (void)state;
  static const struct {
    const char *text, *hash;
  } rows[] = {
      /* {} */
      {"", "sha256:ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"},
      /* {"port":1} */
      {"port: 1", "sha256:5b27b68e52c25859a76c94f378c31d5a499ca677a46b38fb5f58ded229b59650"},
      /* {"a":"x","b":1024} */
      {"# c\nb = 1KB; a: x", "sha256:6f343075ffff657a9740fbb98c5e7f3f59d43347ec1200a9fc75631706868ad9"},
      /* {"a":{"c":-1,"d":[1,2.5,true,[]]}} */
      {"a { d: [1, 2.5, yes, []], c: -1 }",
       "sha256:f02f400ff4c3071cf626b9417511310318941520a1b0fc14d4065baf07229e4b"},
      /* {"a":7,"v":7} */
      {"v: 7, a: $v", "sha256:a53817bbfd5ca224e1bd7144728b0cbf6932257bdf6ce19d716cea85c3741e8d"},
      /* {"a":"\"\\\u003c\u0026\u003e","b":"\n\t\r\u0001"} */
      {"a: '\"\\<&>', b: \"\\n\\t\\r\\x01\"",
       "sha256:7595dc62de217e8bbdd3521ff6fc4cd6df2a3d00a5b6d72d25855f7bf03be323"},
      /* {"a":"2016-05-04T18:53:41Z","b":0.1,"c":false} */
      {"a: 2016-05-04T18:53:41Z, b: 0.1, c: no",
       "sha256:376c0cf2f966da4efda091bd5e2772035df0943148934398b048b903a21b89b5"},
      /* {"a":10,"b":1e-7,"c":20} */
      {"a: 10.0, b: 0.0000001, c: 20.0",
       "sha256:da418965b6e7071fe699a102b45dc1f14e2bafe0653de9bcb5ee280d20fadf01"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (strcmp(digest(rows[i].text), rows[i].hash) != 0)
      fail_msg("%s: %s", rows[i].text, digest(rows[i].text));
}

/* {"a":"x..."} and a line's end, of so many bytes in all. */
static void all_lengths_are_padded(void **state) {
  (void)state;
  static const struct {
    size_t len;
    const char *hash;
  } rows[] = {
      {55, "sha256:d7de88a2fcb7ed70432c08d20b9972b69a29bb3321984be4965a7438c6e97c55"},
      {56, "sha256:89f13a26bb411a993686d1579b3b2cd08a4a676610ed638433850170434af3af"},
      {63, "sha256:00aa0b7c34da5950b4cef5126b9016dbb841911c747e05bf70b2bcb86dc840ba"},
      {64, "sha256:c0334bd48950918f78b0d5418bb4b8589852b507418c74029f09a366f49bcc07"},
      {65, "sha256:819d0c3ea5abacf4464828b30bc09547ebe23beeb2e2bac46792db4c01bd26d2"},
      {119, "sha256:d9f6521ddb82e2c3c4ca407dc2a786bb92123d6c8c4344a72b9c609fbdfdcb99"},
      {120, "sha256:87464feb4b69be9f4655b8d69b7e4a880034ab3d8c0bd859fc3598ba751386fc"},
      {128, "sha256:9d1e288a946e6d4b0b22c612107d1d8ec23f116d221f3e4583d280736d7c1ff2"},
      {1000, "sha256:499510ab32748d2316afc9764bdf6145501f309f99cb024adc8590ffa70dbf13"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char text[1024] = "a:'";
    memset(text + 3, 'x', rows[i].len - 9);
    memcpy(text + 3 + rows[i].len - 9, "'", 2);
    if (strcmp(digest(text), rows[i].hash) != 0) fail_msg("%zu bytes: %s", rows[i].len, digest(text));
  }
}

static void only_what_is_said_counts(void **state) {
  (void)state;
  static const struct {
    const char *a, *b;
    bool same;
  } rows[] = {
      {"a: 1, b: 2", "b = 2; a 1 # c", true},
      {"a: {b: 1024, c: [x]}", "{\"a\": {\"c\": [\"x\"], \"b\": 1KB}}", true},
      {"a: yes", "a: ON", true},
      {"a: 1", "a: 2", false},
      {"a: 1", "a: '1'", false},
      {"a: 1", "A: 1", false},
      {"a: [1, 2]", "a: [2, 1]", false},
      {"a: {b: 1}", "a: 1, b: 1", false},
      {"a: 0.1", "a: 0.10000000000000001", true},
      {"a: 0.1", "a: 0.1000000000000001", false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char a[CONF_DIGEST_BYTES];
    memcpy(a, digest(rows[i].a), sizeof a);
    if ((strcmp(a, digest(rows[i].b)) == 0) != rows[i].same) fail_msg("%s, %s", rows[i].a, rows[i].b);
  }
}

static void memory_may_be_refused(void **state) {
  (void)state;
  static const char text[] = "a: {b: {c: 1}}, d: [{}]";
  char digest[CONF_DIGEST_BYTES] = "untouched";
  struct conf_error error;
  struct conf *conf;
  assert_int_equal(conf_parse("test", text, strlen(text), &conf, &error), 0);
  for (long n = 0; n < 4; n++) { /* four maps */
    countdown = n;
    assert_int_equal(conf_digest(conf, digest), -ENOMEM);
    assert_string_equal(digest, "untouched");
  }
  countdown = -1;
  assert_int_equal(conf_digest(conf, digest), 0);
  conf_free(conf);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_of_the_json),
      cmocka_unit_test(all_lengths_are_padded),
      cmocka_unit_test(only_what_is_said_counts),
      cmocka_unit_test(memory_may_be_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
