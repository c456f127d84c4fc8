/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does the parser cost per operation? A chunk of 64 KiB is filled with whole operations, as one read of a busy
 * connection would be, and parsed. size: bytes of each message (of which 12 are headers where there are any); with:
 * the operation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/codec_nats.h>

#include "micro.h"

#define CHUNK 65536

enum { PUB, HPUB, MSG, SUB, PING, SUBJECTS };

/* Up to the size, or all of it. %lu: the number of the operation, so that no line is like the one before. */
static const struct kind {
  const char *line;
  enum tern_nats_side side;
} kinds[] = {
    [PUB] = {"PUB orders.eu.4711 ", TERN_NATS_FROM_CLIENT},
    [HPUB] = {"HPUB orders.eu.4711 _INBOX.rQ2k 12 ", TERN_NATS_FROM_CLIENT},
    [MSG] = {"MSG orders.eu.4711 17 ", TERN_NATS_FROM_SERVER},
    [SUB] = {"SUB orders.eu.4711 17", TERN_NATS_FROM_CLIENT},
    [PING] = {"PING", TERN_NATS_FROM_CLIENT},
    [SUBJECTS] = {"PUB orders.eu.%04lu ", TERN_NATS_FROM_CLIENT},
};

static char memory[CHUNK];
static struct tern_chunk chunk;
static struct tern_pool *pool;
static struct tern_nats_parser parser;
static volatile size_t result; /* keeps the compiler from dropping what is measured */

/* Writes one whole operation. Returns its bytes. */
static size_t put(char *to, const struct micro_case *micro, unsigned long number) {
  int len;
  if (micro->with == SUBJECTS)
    len = snprintf(to, 64, "PUB orders.eu.%04lu %lu\r\n", number % 1000, micro->size);
  else if (micro->size == 0)
    return (size_t)snprintf(to, 64, "%s\r\n", kinds[micro->with].line);
  else
    len = snprintf(to, 64, "%s%lu\r\n", kinds[micro->with].line, micro->size);
  memset(to + len, 'x', micro->size);
  memcpy(to + len + micro->size, "\r\n", 2);
  return (size_t)len + micro->size + 2;
}

static void open_case(const struct micro_case *micro) {
  pool = tern_pool_new();
  char *operation = malloc(micro->size + 128);
  if (pool == NULL || operation == NULL) micro_fail("out of memory");
  size_t used = 0, size = 0;
  for (unsigned long i = 0; used + (size = put(operation, micro, i)) <= CHUNK; i++) {
    memcpy(memory + used, operation, size);
    used += size;
  }
  free(operation);
  chunk = (struct tern_chunk){memory, used, NULL};
  tern_nats_init(&parser, kinds[micro->with].side, pool);
  tern_nats_set_headers(&parser, true);
}

static unsigned long run(void) {
  struct tern_nats_op op;
  unsigned long count = 0;
  size_t bytes = 0;
  tern_nats_feed(&parser, &chunk);
  while (tern_nats_next(&parser, &op) > 0) {
    count++;
    if (op.verb == TERN_NATS_PUB) bytes += op.body.len;
  }
  result = bytes;
  return count;
}

static void close_case(void) {
  tern_nats_reset(&parser);
  tern_pool_free(pool);
}

int main(int argc, char **argv) {
#define CASE(name, size, with) \
  { name, size, with, 10, open_case, NULL, run, close_case }
  static const struct micro_case cases[] = {
      CASE("pub-16", 16, PUB),     CASE("pub-128", 128, PUB), CASE("pub-1024", 1024, PUB),
      CASE("hpub-128", 128, HPUB), CASE("msg-128", 128, MSG), CASE("subjects-16", 16, SUBJECTS),
      CASE("sub", 0, SUB),         CASE("ping", 0, PING),
  };
  return micro_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
