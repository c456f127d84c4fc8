/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line scanner with vectors against the one that looks at one byte at a time, on every length and many texts
 * made of the bytes that matter. The text ends where memory ends, so that reading behind it cannot go unnoticed.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nats_scan.h"

#define LENGTH_MAX 200
/* The largest number of cuts a line may have without being wrong for every verb. */
#define CUTS_OF_INTEREST 10

static uint32_t random_state = 1;
static unsigned in_masks; /* lines that ended in the first two blocks */

static uint32_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state;
}

/* Memory of which nothing before and behind can be read; returns its end. */
static char *guarded_end(size_t page) {
  char *memory = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(memory, MAP_FAILED);
  assert_int_equal(mprotect(memory + page, page, PROT_READ | PROT_WRITE), 0);
  return memory + 2 * page;
}

static void expect_cuts(const struct tern__nats_cuts *got, const struct tern__nats_cuts *expect) {
  if (expect->n > CUTS_OF_INTEREST) {
    assert_true(got->n > CUTS_OF_INTEREST);
    return;
  }
  assert_int_equal(got->n, expect->n);
  assert_memory_equal(got->at, expect->at, expect->n * sizeof expect->at[0]);
}

static void expect_same(const char *text, size_t len) {
  struct tern__nats_cuts expect, got;
  size_t lf = tern__nats_scan_scalar(text, len, &expect);
  assert_int_equal(tern__nats_scan(text, len, &got), lf);
  expect_cuts(&got, &expect);

  /* The way of the parser's inner loop: one block, or two. */
  if (len < TERN__NATS_BLOCK) return;
  struct tern__nats_masks m = tern__nats_masks(text);
  if (m.lf == 0 && len >= 2 * TERN__NATS_BLOCK) m = tern__nats_masks_add(m, text + TERN__NATS_BLOCK);
  if (m.lf == 0) return;
  assert_int_equal(tern__nats_scan_masks(text, m, &got), lf);
  expect_cuts(&got, &expect);
  in_masks++;
}

static void vectors_agree_with_bytes(void **state) {
  (void)state;
  static const char alphabet[] = "ab \t\r\n\v\x8a\xa0";
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *end = guarded_end(page), *start = end - page;
  for (size_t len = 0; len <= LENGTH_MAX; len++) {
    for (unsigned round = 0; round < 200; round++) {
      char *text = round % 2 ? end - len : start; /* against the end, against the beginning */
      uint32_t blanks = next_random() % 20 + 1;   /* how seldom */
      for (size_t i = 0; i < len; i++)
        text[i] = next_random() % blanks == 0 ? alphabet[next_random() % (sizeof alphabet - 1)] : 'x';
      if (round % 3 == 0) { /* one line end only, somewhere */
        for (size_t i = 0; i < len; i++)
          if (text[i] == '\n') text[i] = 'y';
        size_t at = len > 0 ? next_random() % len : 0;
        if (len > 0) text[at] = '\n';
        if (at > 0 && round % 2) text[at - 1] = '\r';
      }
      expect_same(text, len);
    }
  }
#ifdef TERN__NATS_VECTORS
  assert_true(in_masks > 1000);
#endif
  assert_int_equal(munmap(start - page, 3 * page), 0);
}

static void cuts_are_where_words_begin_and_end(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t lf;
    uint32_t n;
    uint32_t at[6];
  } entries[] = {
      {"a.b 7\r\n", 6, 4, {0, 3, 4, 5}},
      {"a.b 7\n and more that is not looked at", 5, 4, {0, 3, 4, 5}},
      {"a.b 7 \r\n", 7, 4, {0, 3, 4, 5}},
      {"a\r\r\n", 3, 2, {0, 2}},
      {"\r\n", 1, 0, {0}},
      {"\n", 0, 0, {0}},
      {"no end", 6, 0, {0}},
      {"no end either, and more than one block of thirty-two", 52, 0, {0}},
      {"a.subject.of.thirty.one.bytes... 12\r\n", 36, 4, {0, 32, 33, 35}},
      {"a.subject.of.thirty.bytes..... 1\r\n", 33, 4, {0, 30, 31, 32}},
      {"a.subject.of.thirty.bytes..... 1\n", 32, 4, {0, 30, 31, 32}},
      {"a.subject.of.thirty.bytes..... \r\n", 32, 2, {0, 30}},
      {"  a \t b c  \n", 11, 6, {2, 3, 6, 7, 8, 9}},
  };
  for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
    struct tern__nats_cuts cuts;
    for (int scalar = 0; scalar <= 1; scalar++) {
      size_t len = strlen(entries[i].text);
      size_t lf = scalar ? tern__nats_scan_scalar(entries[i].text, len, &cuts)
                         : tern__nats_scan(entries[i].text, len, &cuts);
      assert_int_equal(lf, entries[i].lf);
      assert_int_equal(cuts.n, entries[i].n);
      assert_memory_equal(cuts.at, entries[i].at, cuts.n * sizeof cuts.at[0]);
    }
  }
}

static void a_line_of_many_words_is_not_written_beyond_the_room(void **state) {
  (void)state;
  static char text[4096];
  for (size_t i = 0; i < sizeof text; i++)
    text[i] = i % 2 ? ' ' : 'a';
  text[sizeof text - 1] = '\n';
  struct tern__nats_cuts cuts;
  assert_int_equal(tern__nats_scan(text, sizeof text, &cuts), sizeof text - 1);
  assert_in_range(cuts.n, CUTS_OF_INTEREST + 2, sizeof cuts.at / sizeof cuts.at[0]);
  assert_int_equal(tern__nats_scan_scalar(text, sizeof text, &cuts), sizeof text - 1);
  assert_in_range(cuts.n, CUTS_OF_INTEREST + 2, sizeof cuts.at / sizeof cuts.at[0]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(vectors_agree_with_bytes),
      cmocka_unit_test(cuts_are_where_words_begin_and_end),
      cmocka_unit_test(a_line_of_many_words_is_not_written_beyond_the_room),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
