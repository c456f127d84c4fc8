/* SPDX-License-Identifier: Apache-2.0 */
/* What was verified: the digest (the values are OpenSSL's), what is known and what is not, and the bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "verified.h"

#define HASH "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

static void digests_are_siphash(void **state) {
  (void)state;
  static const struct {
    const char *one, *other, *digest;
  } cases[] = {
      {"", "", "DA87C1D86B99AF44347659119B22FC45"},
      {"a", "b", "9A91206B27BDF85C8AEFEF182572C8B4"},
      {"abcd", "efg", "73227AFCC131D8977F14787B50474496"},
      {"hash", "password", "FAF708F760694D9586CFB16048EFF87A"},
      {"hash", "", "88C95639CD152E700BED74FFCB7B7FB0"},
      {"", "password", "9BB9F60EF1D9D00AA6092FD22D309AC1"},
      {"0123456789abcdef", "x", "88948C3C9CC0D7B6B9D6053F05533CC7"},
  };
  uint8_t key[16];
  for (uint8_t i = 0; i < 16; i++)
    key[i] = i;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint64_t digest[2];
    char text[33];
    verified_digest(key, cases[i].one, strlen(cases[i].one), cases[i].other, strlen(cases[i].other), digest);
    for (unsigned byte = 0; byte < 16; byte++)
      snprintf(text + byte * 2, 3, "%02X", (unsigned)(digest[byte / 8] >> byte % 8 * 8 & 0xff));
    assert_string_equal(text, cases[i].digest);
  }
}

static void only_what_was_added_is_there(void **state) {
  (void)state;
  struct verified *verified = verified_new();
  assert_non_null(verified);
  assert_false(verified_has(verified, HASH, "secret"));
  verified_add(verified, HASH, "secret");
  assert_true(verified_has(verified, HASH, "secret"));
  assert_false(verified_has(verified, HASH, "secre"));
  assert_false(verified_has(verified, HASH "x", "secret"));
  assert_false(verified_has(verified, HASH, ""));
  verified_forget(verified);
  assert_false(verified_has(verified, HASH, "secret"));
  verified_free(verified);
}

static void nothing_is_known_to_another(void **state) {
  (void)state;
  struct verified *one = verified_new(), *other = verified_new();
  verified_add(one, HASH, "secret");
  verified_add(other, HASH, "other");
  assert_false(verified_has(other, HASH, "secret"));
  verified_free(one);
  verified_free(other);
}

static unsigned count_known(struct verified *verified, unsigned from, unsigned to) {
  unsigned known = 0;
  for (unsigned i = from; i < to; i++) {
    char password[16];
    snprintf(password, sizeof password, "p%u", i);
    known += verified_has(verified, HASH, password);
  }
  return known;
}

static void the_oldest_make_room(void **state) {
  (void)state;
  struct verified *verified = verified_new();
  const unsigned many = 10 * VERIFIED_MAX;
  for (unsigned i = 0; i < many; i++) {
    char password[16];
    snprintf(password, sizeof password, "p%u", i);
    verified_add(verified, HASH, password);
    assert_true(verified_has(verified, HASH, password));
  }
  unsigned known = count_known(verified, 0, many);
  assert_true(known <= VERIFIED_MAX);
  assert_true(known > VERIFIED_MAX * 9 / 10);
  assert_true(count_known(verified, 0, VERIFIED_MAX) < VERIFIED_MAX / 100);
  verified_free(verified);
}

static void what_is_added_again_takes_no_more_room(void **state) {
  (void)state;
  struct verified *verified = verified_new();
  for (unsigned i = 0; i < 100; i++) {
    char password[16];
    snprintf(password, sizeof password, "p%u", i);
    for (int times = 0; times < 10; times++)
      verified_add(verified, HASH, password);
  }
  assert_int_equal(count_known(verified, 0, 100), 100);
  verified_free(verified);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(digests_are_siphash),
      cmocka_unit_test(only_what_was_added_is_there),
      cmocka_unit_test(nothing_is_known_to_another),
      cmocka_unit_test(the_oldest_make_room),
      cmocka_unit_test(what_is_added_again_takes_no_more_room),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
