/* SPDX-License-Identifier: Apache-2.0 */
/* Where modules are looked for: the order, lists of all kinds, room that is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/module_path.h>

static char beside[1024];

static int find_beside(void **state) {
  (void)state;
  ssize_t len = readlink("/proc/self/exe", beside, sizeof beside - 20);
  assert_true(len > 0);
  beside[len] = '\0';
  memcpy(strrchr(beside, '/'), "/../lib/tern", sizeof "/../lib/tern");
  return 0;
}

static int forget(void **state) {
  (void)state;
  return unsetenv("TERN_MODULE_PATH");
}

static void without_a_list(void **state) {
  (void)state;
  char dir[1024];
  assert_true(tern_module_dir(0, dir, sizeof dir));
  assert_string_equal(dir, beside);
  assert_true(tern_module_dir(1, dir, sizeof dir));
  assert_non_null(strstr(dir, "/tern"));
  assert_int_equal(dir[0], '/');
  assert_false(tern_module_dir(2, dir, sizeof dir));
}

static void a_list_goes_first(void **state) {
  (void)state;
  char dir[1024];
  assert_int_equal(setenv("TERN_MODULE_PATH", ":/first::second:", 1), 0);
  assert_true(tern_module_dir(0, dir, sizeof dir));
  assert_string_equal(dir, "/first");
  assert_true(tern_module_dir(1, dir, sizeof dir));
  assert_string_equal(dir, "second");
  assert_true(tern_module_dir(2, dir, sizeof dir));
  assert_string_equal(dir, beside);
  assert_true(tern_module_dir(3, dir, sizeof dir));
  assert_false(tern_module_dir(4, dir, sizeof dir));
}

static void too_long_is_empty(void **state) {
  (void)state;
  char dir[6];
  assert_int_equal(setenv("TERN_MODULE_PATH", "12345:123456", 1), 0);
  assert_true(tern_module_dir(0, dir, sizeof dir));
  assert_string_equal(dir, "12345");
  for (unsigned i = 1; i < 4; i++) {
    assert_true(tern_module_dir(i, dir, sizeof dir));
    assert_string_equal(dir, "");
  }
  assert_false(tern_module_dir(4, dir, sizeof dir));
}

static void all_in_a_line(void **state) {
  (void)state;
  char text[3000];
  assert_int_equal(setenv("TERN_MODULE_PATH", "/a:/b", 1), 0);
  tern_module_dirs(text, sizeof text);
  assert_memory_equal(text, "/a, /b, ", 8);
  assert_non_null(strstr(text, beside));
  tern_module_dirs(text, 7);
  assert_string_equal(text, "/a, /b");
  tern_module_dirs(text, 4);
  assert_string_equal(text, "/a,");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(without_a_list, forget),
      cmocka_unit_test_teardown(a_list_goes_first, forget),
      cmocka_unit_test_teardown(too_long_is_empty, forget),
      cmocka_unit_test_teardown(all_in_a_line, forget),
  };
  return cmocka_run_group_tests(tests, find_beside, NULL);
}
