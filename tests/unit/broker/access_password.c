/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords: what is a hash, and what matches a plain one or a hash, of each prefix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "password.h"

#define REST   "$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW" /* secret */
#define REST_8 "$04$abcdefghijklmnopqrstuuO9dHOtHPoPuf7ch02MZRrgUVjjsanVC" /* with bytes above 127 */
#define SECRET_8 \
  "s\xc3\xa9"    \
  "cret\xc3\xbf"

static void hashes_are_told_by_their_prefix(void **state) {
  (void)state;
  const char *const hashes[] = {"$2a$11$", "$2b$04$rest", "$2x$99$", "$2y$10$a"};
  const char *const others[] = {"",        "$",       "$2",      "$2a",     "$2a$",    "$2a$1",   "$2a$11",
                                "$2c$11$", "2a$11$x", "$2$11$x", "$3a$11$", "$2a$1x$", "$5$abc$", "secret"};
  for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++)
    assert_true(password_is_hash(hashes[i]));
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    assert_false(password_is_hash(others[i]));
}

static void damaged_hashes_are_noticed_and_match_nothing(void **state) {
  (void)state;
  const char *const damaged[] = {"$2a$04$",
                                 "$2a$03$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
                                 "$2a$32$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
                                 "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIr",
                                 "$2a" REST "W",
                                 "$2a$04$abcdefghijklmnopqrst!u2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"};
  for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
    assert_false(password_hash_is_whole(damaged[i]));
    assert_int_equal(password_check_hash(damaged[i], "secret"), 0);
    assert_int_equal(password_check_hash(damaged[i], ""), 0);
  }
}

static void plain_ones_are_compared_to_the_last_byte(void **state) {
  (void)state;
  assert_true(password_equal("secret", "secret"));
  assert_true(password_equal("", ""));
  const char *const others[] = {"", "s", "secre", "secret ", "Secret", "secretsecret", "xecret", "secrex"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    assert_false(password_equal("secret", others[i]));
  assert_false(password_equal("", "s"));
  assert_false(password_equal("aa", "a")); /* the shorter one is not repeated */
}

static void every_prefix_is_the_same_hash(void **state) {
  (void)state;
  for (const char *prefix = "abxy"; *prefix != '\0'; prefix++) {
    char hash[80];
    snprintf(hash, sizeof hash, "$2%c%s", *prefix, REST);
    assert_true(password_hash_is_whole(hash));
    assert_int_equal(password_check_hash(hash, "secret"), 1);
    assert_int_equal(password_check_hash(hash, "secreT"), 0);
    assert_int_equal(password_check_hash(hash, ""), 0);
    assert_int_equal(password_check_hash(hash, hash), 0);
    snprintf(hash, sizeof hash, "$2%c%s", *prefix, REST_8);
    assert_int_equal(password_check_hash(hash, SECRET_8), 1);
    assert_int_equal(password_check_hash(hash, "secret"), 0);
  }
}

/* All bytes of a password that bcrypt looks at, and then as many more as a client cares to send. */
static void what_is_behind_72_bytes_makes_no_difference(void **state) {
  (void)state;
  static const char hash[] =
      "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i"; /* of 72 times x */
  static const size_t lens[] = {PASSWORD_HASHED_MAX, PASSWORD_HASHED_MAX + 1, 511, 512, 3000};
  char password[3001];
  for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
    memset(password, 'x', lens[i]);
    password[lens[i]] = '\0';
    assert_int_equal(password_check_hash(hash, password), 1);
    password[PASSWORD_HASHED_MAX - 1] = 'y';
    assert_int_equal(password_check_hash(hash, password), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hashes_are_told_by_their_prefix),
      cmocka_unit_test(damaged_hashes_are_noticed_and_match_nothing),
      cmocka_unit_test(plain_ones_are_compared_to_the_last_byte),
      cmocka_unit_test(every_prefix_is_the_same_hash),
      cmocka_unit_test(what_is_behind_72_bytes_makes_no_difference),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
