/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does the parser cost per operation?
 *
 *     micro_parse [operation [body [rounds]]]
 *     operation  pub hpub msg hmsg sub unsub ping
 *     body       bytes of each message (default 128)
 *
 * A chunk of 64 KiB is filled with whole operations, as one read of a busy connection would be, and parsed
 * again and again. The time printed is a hint only. What can be compared are instructions:
 *
 *     valgrind --tool=callgrind --toggle-collect=parse_chunk micro_parse pub 128 10
 *
 * divided by the number of operations printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/codec_nats.h>

#include "clock.h"

#define CHUNK 65536

static const struct kind {
  const char *name;
  const char *line; /* up to the size, or all of it */
  enum tern_nats_side side;
  int has_body;
} kinds[] = {
    {"pub", "PUB orders.eu.4711 ", TERN_NATS_FROM_CLIENT, 1},
    {"hpub", "HPUB orders.eu.4711 _INBOX.rQ2k 12 ", TERN_NATS_FROM_CLIENT, 1},
    {"msg", "MSG orders.eu.4711 17 ", TERN_NATS_FROM_SERVER, 1},
    {"hmsg", "HMSG orders.eu.4711 17 _INBOX.rQ2k 12 ", TERN_NATS_FROM_SERVER, 1},
    {"sub", "SUB orders.eu.4711 17\r\n", TERN_NATS_FROM_CLIENT, 0},
    {"unsub", "UNSUB 17\r\n", TERN_NATS_FROM_CLIENT, 0},
    {"ping", "PING\r\n", TERN_NATS_FROM_CLIENT, 0},
};

/* Fills the chunk with whole operations. Returns the bytes used. */
static size_t fill(char *chunk, const struct kind *kind, unsigned body) {
  char line[128];
  size_t used = 0;
  int len = kind->has_body ? snprintf(line, sizeof line, "%s%u\r\n", kind->line, body)
                           : snprintf(line, sizeof line, "%s", kind->line);
  size_t size = (size_t)len + (kind->has_body ? body + 2 : 0);
  for (; used + size <= CHUNK; used += size) {
    char *at = chunk + used;
    memcpy(at, line, (size_t)len);
    if (!kind->has_body) continue;
    memset(at + len, 'x', body);
    memcpy(at + size - 2, "\r\n", 2);
  }
  return used;
}

/* Not inlined: its name selects what callgrind counts. */
__attribute__((noinline)) static unsigned parse_chunk(struct tern_nats_parser *parser,
                                                      const struct tern_chunk *chunk, size_t *bytes) {
  struct tern_nats_op op;
  unsigned count = 0;
  tern_nats_feed(parser, chunk);
  while (tern_nats_next(parser, &op) > 0) {
    count++;
    if (op.verb == TERN_NATS_PUB) *bytes += op.body.len;
  }
  return count;
}

int main(int argc, char **argv) {
  const struct kind *kind = kinds;
  unsigned body = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 128;
  unsigned long rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 2000;
  size_t known = sizeof kinds / sizeof kinds[0];
  while (argc > 1 && kind < kinds + known && strcmp(kind->name, argv[1]) != 0)
    kind++;
  if (kind == kinds + known || body < 12 || body > CHUNK / 2) {
    fprintf(stderr, "micro_parse: no such operation, or body not within 12..%d\n", CHUNK / 2);
    return 2;
  }
  struct tern_pool *pool = tern_pool_new();
  static char memory[CHUNK];
  if (pool == NULL) return 1;
  struct tern_chunk chunk = {memory, fill(memory, kind, body), NULL};
  struct tern_nats_parser parser;
  tern_nats_init(&parser, kind->side, pool);
  tern_nats_set_headers(&parser, true);

  unsigned long count = 0;
  size_t bytes = 0;
  uint64_t start = tern__clock_ns();
  for (unsigned long i = 0; i < rounds; i++)
    count += parse_chunk(&parser, &chunk, &bytes);
  uint64_t took = tern__clock_ns() - start;
  printf("%s: %lu operations, %.1f ns each\n", kind->name, count, (double)took / (double)count);

  tern_nats_reset(&parser);
  tern_pool_free(pool);
  return count == 0;
}
