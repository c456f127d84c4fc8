/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern-bench self: numbers and checks messages in memory, without any socket. What it prints is the client's
 * own ceiling; a broker's figure means something when it is well below. One thread, about a second. The copy
 * through two sockets, which every message also takes, is not in it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "commands.h"
#include "cpu.h"

#define BATCH_TARGET_BYTES (256 * 1024)
#define SIZE_MAX_BYTES     (1024 * 1024)
#define ROUND_NS           500000000u

/* Messages per second of numbering alone. */
static double numbering(struct batch *batch) {
  uint64_t start = now_ns(), n = 0;
  for (; now_ns() - start < ROUND_NS; n += batch->frames)
    batch_number(batch, n);
  return (double)n * 1e9 / (double)(now_ns() - start);
}

/* Messages per second of numbering and checking. */
static double checking(struct batch *batch, struct checker *checker) {
  uint64_t start = now_ns(), n = 0;
  size_t len = batch->end[batch->frames - 1];
  for (; now_ns() - start < ROUND_NS; n += batch->frames) {
    batch_number(batch, n);
    if (checker_feed(checker, batch->bytes, len) != (int64_t)len) return 0;
  }
  return (double)n * 1e9 / (double)(now_ns() - start);
}

int self_main(int argc, char **argv) {
  struct shape shape = {.kinds = 0};
  struct batch batch = {0};
  struct checker checker = {0};
  unsigned long size = argc == 2 ? strtoul(argv[1], NULL, 10) : 16;
  if (argc > 2 || size < PAYLOAD_MIN_BYTES || size > SIZE_MAX_BYTES) {
    fputs("usage: tern-bench self [SIZE]\n", stderr);
    return EXIT_INCOMPLETE;
  }
  int code = EXIT_INCOMPLETE;
  struct frame frame = {.subject = "bench", .filter = "bench", .sid = "1", .size = (unsigned)size};
  if (shape_init(&shape, &dialect_raw, 1, frame.size) == 0 && shape_add(&shape, &frame) == 0 &&
      batch_init(&batch, &shape, 0, BATCH_TARGET_BYTES, true) == 0 &&
      checker_init(&checker, &shape, 1, SHARE_ALL) == 0) {
    double number = numbering(&batch), both = checking(&batch, &checker);
    const struct findings *found = &checker.found;
    bool clean = found->lost + found->doubled + found->reordered + found->altered == 0 && both > 0;
    printf("%lu B: numbering %.1f M msg/s, numbering and checking %.1f M msg/s%s\n", size, number / 1e6,
           both / 1e6, clean ? "" : " (FAULTS)");
    code = clean ? EXIT_FINE : EXIT_FAULTS;
  }
  batch_free(&batch);
  checker_free(&checker);
  shape_free(&shape);
  return code;
}
