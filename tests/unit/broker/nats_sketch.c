/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sketch beside exact counts: streams with few heavy subjects (Zipf), flat ones, and those chosen to push what is heavy
 * out. K1, K2 and K3 (sketch.h) are checked for every key after each of them.
 */
#include "sketch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tern/subject.h>

enum { SUBJECTS = 5000, STREAM = 200000, ACCOUNTS = 3 };

static struct sketch sketch;
static uint64_t exact[ACCOUNTS][SUBJECTS], exact_other[ACCOUNTS][SUBJECTS];
static uint64_t random_state;

static uint64_t draw(uint64_t bound) {
  random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (random_state >> 33) % bound;
}

static int begin(void **state) {
  (void)state;
  memset(exact, 0, sizeof exact);
  memset(exact_other, 0, sizeof exact_other);
  sketch_clear(&sketch);
  random_state = 7;
  return 0;
}

static struct tern_slice subject_of(unsigned number, char *text, size_t room) {
  int len = snprintf(text, room, "orders.%u.placed", number);
  return (struct tern_slice){text, (size_t)len};
}

static void add(uint32_t account, unsigned number, uint64_t weight, uint64_t other) {
  char text[64];
  struct sketch_key key = {.subject = subject_of(number, text, sizeof text), .account = account};
  key.hash = tern_subject_hash(key.subject);
  sketch_add(&sketch, &key, weight, other);
  exact[account][number] += weight;
  exact_other[account][number] += other;
}

/* The place of a key by its text, or -1; there is one place at most. */
static int place_of(uint32_t account, unsigned number) {
  char text[64];
  struct tern_slice subject = subject_of(number, text, sizeof text);
  int found = -1;
  for (uint32_t i = 0; i < sketch.count; i++) {
    const struct sketch_entry *entry = &sketch.entries[i];
    if (entry->account != account || entry->len != subject.len || memcmp(entry->text, text, subject.len) != 0)
      continue;
    assert_int_equal(found, -1);
    found = (int)i;
  }
  return found;
}

/* The guarantees, for each key there is. Returns how many are in the sketch. */
static unsigned check_all(void) {
  uint64_t total = 0;
  unsigned in = 0;
  for (uint32_t account = 0; account < ACCOUNTS; account++)
    for (unsigned i = 0; i < SUBJECTS; i++)
      total += exact[account][i];
  assert_int_equal(sketch.total, total);
  assert_true(sketch_least(&sketch) <= total / SKETCH_PLACES); /* K2, K3 */
  for (uint32_t account = 0; account < ACCOUNTS; account++)
    for (unsigned i = 0; i < SUBJECTS; i++) {
      const uint64_t count = exact[account][i];
      const int at = place_of(account, i);
      if (at < 0) {
        assert_true(count <= sketch_least(&sketch)); /* K2 */
        continue;
      }
      in++;
      assert_true(count <= sketch.weights[at]); /* K1 */
      assert_true(sketch.weights[at] - sketch.entries[at].error <= count);
      assert_true(sketch.entries[at].error <= total / SKETCH_PLACES); /* K3 */
      assert_true(sketch.entries[at].other <= exact_other[account][i]);
    }
  assert_int_equal(in, sketch.count); /* nothing else is in it */
  return in;
}

/* Number i with a probability in proportion to 1 / (i + 1). */
static unsigned zipf(void) {
  const double x = (double)draw(1 << 30) / (1 << 30);
  return (unsigned)(pow(SUBJECTS, x)) - 1;
}

static void few_subjects_are_counted_exactly(void **state) {
  (void)state;
  for (unsigned n = 0; n < STREAM; n++)
    add((uint32_t)draw(ACCOUNTS), (unsigned)draw(SKETCH_PLACES / ACCOUNTS), 1 + draw(3), 10);
  assert_int_equal(check_all(), SKETCH_PLACES / ACCOUNTS * ACCOUNTS);
  for (uint32_t i = 0; i < sketch.count; i++)
    assert_int_equal(sketch.entries[i].error, 0);
  for (uint32_t account = 0; account < ACCOUNTS; account++)
    for (unsigned i = 0; i < SKETCH_PLACES / ACCOUNTS; i++) {
      const int at = place_of(account, i);
      assert_int_equal(sketch.weights[at], exact[account][i]);
      assert_int_equal(sketch.entries[at].other, exact_other[account][i]);
    }
  assert_int_equal(sketch_least(&sketch), 0);
}

static void the_heaviest_of_a_zipf_stream_are_found_in_order(void **state) {
  (void)state;
  for (unsigned n = 0; n < STREAM; n++)
    add(0, zipf(), 1, 100);
  assert_int_equal(check_all(), SKETCH_PLACES);
  for (unsigned i = 0; i < 20; i++) { /* each has more than its share of all that is in no other place */
    const int at = place_of(0, i);
    assert_true(at >= 0);
    assert_true(sketch.weights[at] - exact[0][i] <= sketch.total / SKETCH_PLACES);
  }
  const int first = place_of(0, 0);
  for (uint32_t i = 0; i < sketch.count; i++)
    assert_true(sketch.weights[i] <= sketch.weights[first]);
}

static void weights_differ(void **state) {
  (void)state;
  for (unsigned n = 0; n < STREAM; n++) {
    const unsigned number = zipf();
    add((uint32_t)draw(2), number, number % 7 == 0 ? 1000 + draw(100000) : draw(100), 1);
  }
  assert_int_equal(check_all(), SKETCH_PLACES);
}

static void a_flat_stream_has_no_heavy_ones(void **state) {
  (void)state;
  for (unsigned n = 0; n < STREAM; n++)
    add(n % ACCOUNTS, n % SUBJECTS, 1, 0);
  assert_int_equal(check_all(), SKETCH_PLACES);
}

/* A heavy subject now and then, among ever new ones that each want its place. */
static void who_comes_once_cannot_push_out_what_is_heavy(void **state) {
  (void)state;
  for (unsigned n = 0; n < STREAM; n++) {
    if (n % 100 == 0)
      add(1, 0, 1, 1); /* a hundredth of all: more than one of SKETCH_PLACES */
    else
      add(0, n % SUBJECTS, 1, 1);
  }
  check_all();
  assert_true(place_of(1, 0) >= 0);
  assert_true(exact[1][0] > sketch.total / SKETCH_PLACES);
}

/* One that comes whenever it was pushed out, as the lightest: its weight is too high, and that is what error says. */
static void the_error_says_what_was_inherited(void **state) {
  (void)state;
  for (unsigned round = 0; round < 20; round++)
    for (unsigned i = 0; i <= SKETCH_PLACES; i++) /* one more than there is room for, in turn */
      add(0, i, 1, 5);
  check_all();
  uint64_t most = 0;
  for (uint32_t i = 0; i < sketch.count; i++)
    if (sketch.entries[i].error > most) most = sketch.entries[i].error;
  assert_true(most >= 18);
}

static void accounts_are_kept_apart(void **state) {
  (void)state;
  add(0, 1, 10, 1);
  add(1, 1, 20, 2);
  add(0, 1, 5, 1);
  assert_int_equal(sketch.count, 2);
  assert_int_equal(sketch.weights[place_of(0, 1)], 15);
  assert_int_equal(sketch.weights[place_of(1, 1)], 20);
}

static void a_long_subject_is_kept_in_part(void **state) {
  (void)state;
  char text[2 * SKETCH_TEXT_BYTES];
  memset(text, 'a', sizeof text);
  for (unsigned i = 0; i < 2; i++) { /* they differ behind what is kept */
    text[sizeof text - 1] = (char)('b' + i);
    struct sketch_key key = {.subject = {text, sizeof text}};
    key.hash = tern_subject_hash(key.subject);
    sketch_add(&sketch, &key, 1 + i, 0);
  }
  assert_int_equal(sketch.count, 2);
  assert_int_equal(sketch.entries[1].len, sizeof text);
  assert_int_equal(sketch.weights[0], 1);
  assert_int_equal(sketch.weights[1], 2);
}

static void nothing_is_no_key(void **state) {
  (void)state;
  add(0, 1, 0, 7);
  assert_int_equal(sketch.count, 0);
  add(0, 1, 3, 7);
  sketch_clear(&sketch);
  assert_int_equal(sketch.count, 0);
  assert_int_equal(sketch.total, 0);
  exact[0][1] = exact_other[0][1] = 0;
  add(0, 2, 1, 1);
  assert_int_equal(check_all(), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(few_subjects_are_counted_exactly, begin),
      cmocka_unit_test_setup(the_heaviest_of_a_zipf_stream_are_found_in_order, begin),
      cmocka_unit_test_setup(weights_differ, begin),
      cmocka_unit_test_setup(a_flat_stream_has_no_heavy_ones, begin),
      cmocka_unit_test_setup(who_comes_once_cannot_push_out_what_is_heavy, begin),
      cmocka_unit_test_setup(the_error_says_what_was_inherited, begin),
      cmocka_unit_test_setup(accounts_are_kept_apart, begin),
      cmocka_unit_test_setup(a_long_subject_is_kept_in_part, begin),
      cmocka_unit_test_setup(nothing_is_no_key, begin),
  };
  return cmocka_run_group_tests_name("nats_sketch", tests, NULL, NULL);
}
