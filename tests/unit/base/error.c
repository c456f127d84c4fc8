/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error texts: each of tern's numbers has one of its own, system errors have the system's, and numbers nobody
 * knows have some text too.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <tern/error.h>

static void own_errors_have_texts_of_their_own(void **unused) {
  (void)unused;
  for (int a = TERN_ECLOSED; a >= TERN_ETLS; a--) {
    assert_non_null(tern_strerror(a));
    assert_null(strstr(tern_strerror(a), "Unknown"));
    for (int b = a - 1; b >= TERN_ETLS; b--)
      assert_string_not_equal(tern_strerror(a), tern_strerror(b));
  }
  assert_string_equal(tern_strerror(TERN_ESUBJECT), "not a valid subject");
  assert_string_equal(tern_strerror(TERN_EMODULE), "module cannot be used");
}

static void other_numbers_are_the_systems(void **unused) {
  (void)unused;
  assert_string_equal(tern_strerror(TERN_OK), "success");
  assert_string_equal(tern_strerror(-ENOENT), "No such file or directory");
  assert_string_equal(tern_strerror(-ENOMEM), "Cannot allocate memory");
  assert_non_null(strstr(tern_strerror(TERN_ETLS - 1), "Unknown error"));
  assert_non_null(strstr(tern_strerror(TERN_ECLOSED + 1), "Unknown error"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(own_errors_have_texts_of_their_own),
      cmocka_unit_test(other_numbers_are_the_systems),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
