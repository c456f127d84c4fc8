/* SPDX-License-Identifier: Apache-2.0 */
/* NKeys: keys, signatures and nonces as text; the values are those of the nkeys.js package. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nkey.h"

static const char user[] = "UCBX6QZORQT6ZGOHV525X5SKRJASRHOU45WEARX26ICWLRJJSV5YZVIM";
static const char account[] = "AD5CFC6UH5OTBQD4GJIUVA2NF4EC63O3WZZUMA24BUVMAD3O5CJBDFUF";
static const unsigned char user_key[NKEY_BYTES] = {
    0x83, 0x7f, 0x43, 0x2e, 0x8c, 0x27, 0xec, 0x99, 0xc7, 0xaf, 0x75, 0xdb, 0xf6, 0x4a, 0x8a, 0x41,
    0x28, 0x9d, 0xd4, 0xe7, 0x6c, 0x40, 0x46, 0xfa, 0xf2, 0x05, 0x65, 0xc5, 0x29, 0x95, 0x7b, 0x8c};
/* The two alphabets differ in it. */
#define SIG_HEAD "lqYVkxjhG7zOW28AuWrwpvBwaVc6pcwasC7URpLCmRvoQKKUclpBvzYe9wOnlt3zkMm"
static const char sig_url[] = SIG_HEAD "-W5XTo6xzE-RJiDazBw", sig_std[] = SIG_HEAD "+W5XTo6xzE+RJiDazBw";

static void keys_of_their_kind_are_read(void **state) {
  (void)state;
  unsigned char key[NKEY_BYTES];
  assert_true(nkey_read(user, NKEY_USER, key));
  assert_memory_equal(key, user_key, sizeof key);
  assert_true(nkey_read(account, NKEY_ACCOUNT, key));
  assert_false(nkey_read(user, NKEY_ACCOUNT, key));
  assert_false(nkey_read(account, NKEY_USER, key));
}

static void any_wrong_character_is_noticed(void **state) {
  (void)state;
  unsigned char key[NKEY_BYTES];
  for (size_t i = 0; i < NKEY_CHARS; i++) {
    for (const char *c = "AQZ27a18=-\xff"; *c != '\0'; c++) {
      char text[] = "UCBX6QZORQT6ZGOHV525X5SKRJASRHOU45WEARX26ICWLRJJSV5YZVIM";
      if (text[i] == *c) continue;
      text[i] = *c;
      assert_false(nkey_read(text, NKEY_USER, key));
    }
  }
}

static void only_the_whole_key_is_one(void **state) {
  (void)state;
  unsigned char key[NKEY_BYTES];
  char text[NKEY_CHARS + 2];
  for (size_t len = 0; len < NKEY_CHARS; len++) {
    memcpy(text, user, len);
    text[len] = '\0';
    assert_false(nkey_read(text, NKEY_USER, key));
  }
  memcpy(text, user, NKEY_CHARS);
  memcpy(text + NKEY_CHARS, "A", 2);
  assert_false(nkey_read(text, NKEY_USER, key));
}

static void signatures_have_two_forms(void **state) {
  (void)state;
  unsigned char first[NKEY_SIG_BYTES], second[NKEY_SIG_BYTES];
  char text[96];
  assert_true(nkey_read_signature(sig_url, first));
  assert_int_equal(first[0], 0x96);
  assert_int_equal(first[NKEY_SIG_BYTES - 1], 0x07);
  snprintf(text, sizeof text, "%s==", sig_std);
  assert_true(nkey_read_signature(text, second));
  assert_memory_equal(first, second, sizeof first);
  assert_false(nkey_read_signature(sig_std, first)); /* base64 needs its padding */
  snprintf(text, sizeof text, "%s==", sig_url);
  assert_false(nkey_read_signature(text, first)); /* base64url must not have one */
  assert_false(nkey_read_signature(sig_url + 1, first));
  assert_false(nkey_read_signature("", first));
}

static void nonces_are_unlike(void **state) {
  (void)state;
  char one[NKEY_NONCE_CHARS + 1], two[NKEY_NONCE_CHARS + 1];
  unsigned different[NKEY_NONCE_CHARS] = {0};
  assert_true(nkey_nonce(one));
  for (int i = 0; i < 100; i++) {
    assert_true(nkey_nonce(two));
    assert_int_equal(strlen(two), NKEY_NONCE_CHARS);
    assert_int_equal(strspn(two, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                     NKEY_NONCE_CHARS);
    assert_string_not_equal(one, two);
    for (size_t at = 0; at < NKEY_NONCE_CHARS; at++)
      different[at] += one[at] != two[at];
  }
  for (size_t at = 0; at < NKEY_NONCE_CHARS; at++)
    assert_true(different[at] > 50); /* every character of it is random */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_of_their_kind_are_read), cmocka_unit_test(any_wrong_character_is_noticed),
      cmocka_unit_test(only_the_whole_key_is_one),   cmocka_unit_test(signatures_have_two_forms),
      cmocka_unit_test(nonces_are_unlike),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
