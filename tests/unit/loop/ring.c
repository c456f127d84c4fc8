/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring against a queue as oracle (hazard 2): tiny rings, every record size, random order of reserving,
 * publishing, taking and releasing. Two threads: tests/torture/ring.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ring.h"

enum { QUEUE = 4096 };

static uint64_t random_state = 88172645463325252u;

static uint64_t draw(void) { /* xorshift64 */
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static void fill(void *data, size_t len, uint32_t number) {
  for (size_t i = 0; i < len; i++)
    ((unsigned char *)data)[i] = (unsigned char)(number * 31 + i);
}

static void check(const struct tern__record *record, size_t len, uint32_t number) {
  assert_int_equal(record->kind, number);
  assert_int_equal(record->len, len);
  assert_int_equal((uintptr_t)record->data % 8, 0);
  for (size_t i = 0; i < len; i++) {
    assert_int_equal(((const unsigned char *)record->data)[i], (unsigned char)(number * 31 + i));
  }
}

static void agrees_with_queue(size_t bytes, int steps) {
  struct tern__ring *ring = tern__ring_new(bytes);
  assert_non_null(ring);
  static uint32_t lens[QUEUE]; /* by number % QUEUE */
  uint32_t staged = 1, published = 1, taken = 1;
  size_t used = 0; /* bytes of records not yet released: an upper bound on them is the ring */
  size_t taken_bytes = 0;
  for (int step = 0; step < steps; step++) {
    struct tern__record record;
    switch (draw() % 6) {
      case 0:
      case 1: {
        size_t len = draw() % (bytes / 4 + 1);
        void *data = tern__ring_reserve(ring, staged, len);
        if (data == NULL) {
          /* Refused only when record and what may be skipped do not fit. */
          assert_true(used + 2 * TERN__RING_RECORD_BYTES(bytes / 4) > bytes / 2);
          break;
        }
        assert_true(used + TERN__RING_RECORD_BYTES(len) <= bytes);
        fill(data, len, staged);
        if (draw() % 8 == 0) break; /* given up */
        tern__ring_commit(ring);
        lens[staged % QUEUE] = (uint32_t)len;
        used += TERN__RING_RECORD_BYTES(len);
        staged++;
        break;
      }
      case 2:
        tern__ring_publish(ring);
        assert_int_equal(tern__ring_staged(ring), 0);
        published = staged;
        break;
      case 3:
      case 4:
        assert_int_equal(tern__ring_next(ring, &record), taken != published);
        if (taken == published) break;
        check(&record, lens[taken % QUEUE], taken);
        taken_bytes += TERN__RING_RECORD_BYTES(record.len);
        taken++;
        break;
      default:
        assert_false(tern__ring_release(ring));
        assert_int_equal(tern__ring_taken(ring), 0);
        used -= taken_bytes;
        taken_bytes = 0;
        break;
    }
  }
  assert_true(taken > 100);
  tern__ring_free(ring);
}

static void every_small_ring_agrees_with_a_queue(void **state) {
  (void)state;
  for (size_t bytes = TERN__RING_BYTES_MIN; bytes <= 4096; bytes *= 2)
    agrees_with_queue(bytes, 200000);
}

static void every_record_size_at_every_offset(void **state) {
  (void)state;
  for (size_t first = 0; first <= 32; first++) {
    for (size_t len = 0; len <= 32; len++) {
      struct tern__ring *ring = tern__ring_new(128);
      for (uint32_t number = 1; number < 40; number++) {
        size_t size = number % 2 ? first : len;
        void *data = tern__ring_reserve(ring, number, size);
        assert_non_null(data);
        fill(data, size, number);
        tern__ring_commit(ring);
        tern__ring_publish(ring);
        struct tern__record record;
        assert_true(tern__ring_next(ring, &record));
        check(&record, size, number);
        assert_false(tern__ring_next(ring, &record));
        tern__ring_release(ring);
      }
      tern__ring_free(ring);
    }
  }
}

static void what_is_staged_is_not_visible(void **state) {
  (void)state;
  struct tern__ring *ring = tern__ring_new(256);
  struct tern__record record;
  memset(tern__ring_reserve(ring, 1, 8), 1, 8);
  assert_int_equal(tern__ring_visible(ring), 0); /* not even committed */
  tern__ring_commit(ring);
  assert_int_equal(tern__ring_staged(ring), 16);
  assert_false(tern__ring_next(ring, &record));
  tern__ring_publish(ring);
  assert_int_equal(tern__ring_visible(ring), 16);
  assert_true(tern__ring_next(ring, &record));
  tern__ring_free(ring);
}

static void full_ring_promises_to_tell(void **state) {
  (void)state;
  struct tern__ring *ring = tern__ring_new(64);
  struct tern__record record;
  uint32_t sent = 0;
  while (tern__ring_reserve(ring, 7, 8) != NULL) {
    tern__ring_commit(ring);
    sent++;
  }
  assert_int_equal(sent, 4);
  tern__ring_publish(ring);
  assert_true(tern__ring_want(ring));
  assert_true(tern__ring_next(ring, &record));
  assert_true(tern__ring_release(ring));  /* the promise */
  assert_false(tern__ring_release(ring)); /* is kept once */
  assert_false(tern__ring_want(ring));    /* room has appeared since the sender looked */
  assert_non_null(tern__ring_reserve(ring, 7, 8));
  tern__ring_free(ring);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_small_ring_agrees_with_a_queue),
      cmocka_unit_test(every_record_size_at_every_offset),
      cmocka_unit_test(what_is_staged_is_not_visible),
      cmocka_unit_test(full_ring_promises_to_tell),
  };
  return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
