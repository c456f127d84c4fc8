/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers and slices: the bytes are the buffer's own and usable to the last one, the last reference and no
 * earlier one frees it, sizes that do not fit and refused memory give NULL and leak nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <tern/buffer.h>
#include "pool.h"

static void the_last_reference_frees(void **unused) {
  (void)unused;
  struct tern_pool *pool = tern_pool_new();
  assert_non_null(pool);
  struct tern_buf *buf = tern_buf_new(pool, 5000);
  assert_non_null(buf);
  assert_int_equal(tern_buf_size(buf), 5000);
  memset(tern_buf_data(buf), 'x', 5000);
  assert_false(tern_buf_is_shared(buf));
  tern_buf_ref(buf);
  tern_buf_ref(buf);
  assert_true(tern_buf_is_shared(buf));
  tern_buf_unref(buf);
  assert_true(tern_buf_is_shared(buf));
  tern_buf_unref(buf);
  assert_false(tern_buf_is_shared(buf));
  assert_int_equal(tern_buf_data(buf)[4999], 'x');
  assert_int_equal(tern_pool_stats(pool).live_objects, 1);
  tern_buf_unref(buf);
  assert_int_equal(tern_pool_stats(pool).live_objects, 0);
  tern_buf_unref(NULL);
  tern_pool_free(pool);
}

static void buffers_of_many_sizes(void **unused) {
  (void)unused;
  struct tern_pool *pool = tern_pool_new();
  assert_non_null(pool);
  for (size_t size = 1; size < 200000; size += 1 + size / 3) {
    struct tern_buf *buf = tern_buf_new(pool, size);
    assert_non_null(buf);
    memset(tern_buf_data(buf), 1, size);
    assert_int_equal(tern_buf_size(buf), size);
    tern_buf_unref(buf);
    assert_int_equal(tern_pool_stats(pool).live_objects, 0);
  }
  tern_pool_free(pool);
}

static int always_fails(size_t size) { return size > 0; }

static void what_cannot_be_had_is_null(void **unused) {
  (void)unused;
  struct tern_pool *pool = tern_pool_new();
  assert_non_null(pool);
  assert_null(tern_buf_new(pool, UINT32_MAX));
  assert_null(tern_buf_new(pool, SIZE_MAX));
  tern__pool_fault = always_fails;
  assert_null(tern_buf_new(pool, 10));
  tern__pool_fault = NULL;
  assert_int_equal(tern_pool_stats(pool).live_objects, 0);
  tern_pool_free(pool);
}

static void slices_compare_by_bytes(void **unused) {
  (void)unused;
  struct tern_slice none = {NULL, 0}, empty = {"", 0};
  assert_true(tern_slice_equal(none, empty));
  assert_true(tern_slice_equal(tern_slice_of("abc"), (struct tern_slice){"abcd", 3}));
  assert_false(tern_slice_equal(tern_slice_of("abc"), tern_slice_of("abd")));
  assert_false(tern_slice_equal(tern_slice_of("abc"), tern_slice_of("abcd")));
  assert_true(tern_slice_equal((struct tern_slice){"a\0b", 3}, (struct tern_slice){"a\0b", 3}));
  assert_false(tern_slice_equal((struct tern_slice){"a\0b", 3}, (struct tern_slice){"a\0c", 3}));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_last_reference_frees),
      cmocka_unit_test(buffers_of_many_sizes),
      cmocka_unit_test(what_cannot_be_had_is_null),
      cmocka_unit_test(slices_compare_by_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
