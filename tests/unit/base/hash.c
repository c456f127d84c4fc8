/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashing: the seed differs from process to process (this program runs itself to see two others'), every bit
 * of the input counts, and the mixer spreads neighbouring values over buckets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hash.h"

#define PRINT_SEED "--print-seed"

/* The seed of a new process of this program. */
static uint64_t seed_of_another_process(void) {
  FILE *child = popen("exec /proc/$PPID/exe " PRINT_SEED, "r");
  assert_non_null(child);
  unsigned long long seed = 0;
  assert_int_equal(fscanf(child, "%llx", &seed), 1);
  assert_int_equal(pclose(child), 0);
  return seed;
}

static void each_process_draws_its_seed(void **unused) {
  (void)unused;
  uint64_t a = seed_of_another_process(), b = seed_of_another_process();
  assert_true(a != b);
  assert_true(a != tern__hash_seed);
}

static void every_bit_counts(void **unused) {
  (void)unused;
  unsigned char text[64];
  for (size_t i = 0; i < sizeof text; i++)
    text[i] = (unsigned char)i;
  for (size_t len = 1; len <= sizeof text; len++) {
    uint64_t hash = tern__hash(text, len);
    assert_true(hash == tern__hash(text, len));
    assert_true(hash != tern__hash(text, len - 1));
    for (size_t bit = 0; bit < len * 8; bit++) {
      text[bit / 8] ^= (unsigned char)(1u << bit % 8);
      assert_true(hash != tern__hash(text, len));
      text[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
  }
}

static void the_mixer_spreads(void **unused) {
  (void)unused;
  enum { VALUES = 1 << 16, BUCKETS = 256, MEAN = VALUES / BUCKETS };
  for (unsigned shift = 0; shift <= 48; shift += 12) {
    unsigned low[BUCKETS] = {0}, high[BUCKETS] = {0};
    for (uint64_t i = 0; i < VALUES; i++) {
      uint64_t hash = tern__hash_mix(i << shift, 42);
      low[hash % BUCKETS]++;
      high[hash >> 56]++;
    }
    for (int i = 0; i < BUCKETS; i++) {
      assert_in_range(low[i], MEAN / 2, MEAN * 2);
      assert_in_range(high[i], MEAN / 2, MEAN * 2);
    }
  }
  assert_true(tern__hash_mix(1, 2) != tern__hash_mix(2, 1));
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], PRINT_SEED) == 0) {
    printf("%llx\n", (unsigned long long)tern__hash_seed);
    return 0;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_process_draws_its_seed),
      cmocka_unit_test(every_bit_counts),
      cmocka_unit_test(the_mixer_spreads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
