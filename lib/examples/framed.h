/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The messages of framed and framed_client, and an incremental processor for them.
 *
 *     | 4 bytes: length of the content, big-endian | 1 byte: 't' text or 'b' binary | content |
 *
 * Bytes go in as they come, cut anywhere; nothing comes out until a message is complete. The processor knows
 * no connection, so that anything can use it: a server, a client, a test.
 */
#ifndef FRAMED_H
#define FRAMED_H

#include <arpa/inet.h>
#include <tern/error.h>
#include <tern/transport.h>

enum { FRAMED_HEADER = 5, FRAMED_CONTENT_MAX = 65536 };

struct framed_processor {
  size_t have;                                    /* bytes of the incomplete message */
  char bytes[FRAMED_HEADER + FRAMED_CONTENT_MAX]; /* and where they are */
};

struct framed_message {
  char type; /* 't' or 'b' */
  struct tern_slice content;
};

/* Moves up to `want` bytes of the message into the processor. True when they are all there. */
static inline bool framed_fill(struct framed_processor *p, struct tern_slice *in, size_t want) {
  size_t missing = want > p->have ? want - p->have : 0, n = in->len < missing ? in->len : missing;
  if (n > 0) memcpy(p->bytes + p->have, in->ptr, n);
  p->have += n;
  *in = (struct tern_slice){in->ptr + n, in->len - n};
  return n == missing;
}

/* Takes bytes off the front of `in`. Returns 1 and a message (valid until the next call), 0 when there is
 * none until more bytes come, or TERN_EPROTOCOL. */
static inline int framed_receive_bytes(struct framed_processor *p, struct tern_slice *in,
                                       struct framed_message *message) {
  uint32_t length;
  if (!framed_fill(p, in, FRAMED_HEADER)) return 0;
  memcpy(&length, p->bytes, sizeof length);
  length = ntohl(length);
  if (length > FRAMED_CONTENT_MAX || (p->bytes[4] != 't' && p->bytes[4] != 'b')) return TERN_EPROTOCOL;
  if (!framed_fill(p, in, FRAMED_HEADER + length)) return 0;
  p->have = 0;
  message->type = p->bytes[4];
  message->content = (struct tern_slice){p->bytes + FRAMED_HEADER, length};
  return 1;
}

/* Writes the header of a message to `header`. */
static inline void framed_header(char header[FRAMED_HEADER], char type, size_t length) {
  uint32_t big_endian = htonl((uint32_t)length);
  memcpy(header, &big_endian, sizeof big_endian);
  header[4] = type;
}

#endif
