/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See micro.h. The time printed is a hint only: what can be compared are instructions. callgrind counts those inside
 * of micro_measured, which is never inlined, so that preparation stays out of it. The seed of hashes is fixed: it decides
 * which subjects share a place in a cache or a table.
 */
#include "micro.h"

#include <gnu/libc-version.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hash.h"

void micro_fail(const char *what) {
  fprintf(stderr, "micro: %s\n", what);
  exit(1);
}

unsigned long micro_measured(unsigned long (*run)(void));
/* Its name selects what callgrind counts. */
__attribute__((noinline)) unsigned long micro_measured(unsigned long (*run)(void)) {
  unsigned long done = run();
  __asm__ volatile("" ::: "memory"); /* not a tail call: the function stays on the stack while run works */
  return done;
}

static void measure(const struct micro_case *micro, unsigned rounds) {
  micro->open(micro);
  if (micro->prepare != NULL) micro->prepare();
  if (micro->run() == 0) micro_fail("a round without an operation");
  unsigned long operations = 0;
  uint64_t ns = 0;
  for (unsigned i = 0; i < rounds; i++) {
    if (micro->prepare != NULL) micro->prepare();
    uint64_t start = tern__clock_ns();
    operations += micro_measured(micro->run);
    ns += tern__clock_ns() - start;
  }
  micro->close();
  printf("%-16s %10lu operations %10.1f ns each\n", micro->name, operations, (double)ns / (double)operations);
}

/* What the figures depend on besides the code: the compiler, and the machine with what its C library makes of it. */
static int print_toolchain(void) {
#if defined(__clang__)
  printf("clang-%d", __clang_major__);
#else
  printf("gcc-%d", __GNUC__);
#endif
#if defined(__x86_64__)
  printf(" x86_64%s", __builtin_cpu_supports("avx2") ? "-avx2" : "");
#elif defined(__aarch64__)
  printf(" aarch64");
#else
  printf(" other");
#endif
#if defined(__OPTIMIZE__) && defined(NDEBUG)
  printf(" optimised");
#endif
  printf(" glibc-%s\n", gnu_get_libc_version());
  return 0;
}

int micro_main(int argc, char **argv, const struct micro_case *cases, size_t count) {
  const char *only = argc > 1 ? argv[1] : NULL;
  if (only != NULL && strcmp(only, "--toolchain") == 0) return print_toolchain();
  tern__hash_seed = 1;
  unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
  size_t done = 0;
  for (size_t i = 0; i < count; i++) {
    if (only != NULL && strcmp(only, cases[i].name) != 0) continue;
    measure(&cases[i], rounds > 0 && rounds < 1000000 ? (unsigned)rounds : cases[i].rounds);
    done++;
  }
  if (done > 0) return 0;
  fprintf(stderr, "usage: %s [CASE [ROUNDS]]\ncases:", argv[0]);
  for (size_t i = 0; i < count; i++)
    fprintf(stderr, " %s", cases[i].name);
  fprintf(stderr, "\n");
  return 2;
}
