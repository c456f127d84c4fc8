/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered messages (see stream.h). The body is a table of bytes, read from an offset that depends on publisher
 * and sequence: cheap to make and to compare, and a payload that was cut, shifted or mixed with another is seen.
 */
#include "stream.h"

#include <pthread.h>
#include <string.h>

#include "check.h"

#define OFFSETS 251
static char pattern[STREAM_BYTES_MAX + OFFSETS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_pattern(void) {
  uint32_t x = 1;
  for (size_t i = 0; i < sizeof pattern; i++) {
    x = x * 1664525 + 1013904223;
    pattern[i] = (char)(x >> 24);
  }
}

static const char *body(uint32_t publisher, uint64_t sequence) {
  pthread_once(&once, make_pattern);
  return pattern + (publisher * 31 + sequence) % OFFSETS;
}

size_t stream_size(uint64_t sequence) {
  static const size_t sizes[] = {16, 17,   100, 64,   1000, 1023, 1024, 1025,
                                 16, 4096, 300, 9000, 16,   40,   2048, 16};
  if (sequence % 997 == 500) return STREAM_BYTES_MAX;
  if (sequence % 211 == 100) return 65536;
  return sizes[sequence % (sizeof sizes / sizeof *sizes)];
}

size_t stream_fill(char *out, uint32_t publisher, uint64_t sequence) {
  struct stream_head head = {publisher, (uint32_t)stream_size(sequence), sequence};
  memcpy(out, &head, sizeof head);
  memcpy(out + sizeof head, body(publisher, sequence), head.size - sizeof head);
  return head.size;
}

struct stream_head stream_check(const char *payload, size_t size) {
  struct stream_head head;
  CHECK(size >= sizeof head, "a payload of %zu bytes", size);
  memcpy(&head, payload, sizeof head);
  CHECK(head.publisher < STREAM_PUBLISHERS && head.size == size && size == stream_size(head.sequence),
        "publisher %u sequence %llu says %u bytes, came with %zu", head.publisher,
        (unsigned long long)head.sequence, head.size, size);
  CHECK(memcmp(payload + sizeof head, body(head.publisher, head.sequence), size - sizeof head) == 0,
        "publisher %u sequence %llu: the body is damaged", head.publisher, (unsigned long long)head.sequence);
  return head;
}
