/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows a message and is like it, taken off the input with less work than the parser's: operations with the very
 * same line (repeats), and plain PUBs with lines of their own (nats_plain.h).
 *
 *     tern_nats_next          PUB a 5    the first one
 *     tern_nats_take_repeats  PUB a 5, PUB a 5, ...    bodies at equal distances, `stride`
 *     tern_nats_take_pub      PUB b 12, PUB c 3, ...
 *
 * Nothing kept by the parser is touched, so that what was taken before stays where it is; what is not whole, or wrong,
 * is left to tern_nats_next. Called by the thread that owns the connection.
 */
#include <tern/codec_nats.h>

#include "nats_plain.h"

/* Are these lines equal? They have 8 bytes at least, since the shortest is `PUB a 0` and its line end. */
static inline bool same_line(const char *a, const char *b, size_t len) {
  uint64_t x, y;
  for (size_t at = 0; at + 8 < len; at += 8) {
    memcpy(&x, a + at, 8);
    memcpy(&y, b + at, 8);
    if (x != y) return false;
  }
  memcpy(&x, a + len - 8, 8); /* the last bytes, which may overlap */
  memcpy(&y, b + len - 8, 8);
  return x == y;
}

uint32_t tern_nats_take_repeats(struct tern_nats_parser *parser, const struct tern_nats_op *op, uint32_t max,
                                uint32_t *stride) {
  size_t line_len = parser->whole_len, end = line_len + op->body.len;
  if (line_len == 0) return 0;
  const char *line = op->body.ptr - line_len, *at = parser->data;
  size_t left = parser->len;
  uint32_t count = 0;
  for (; count < max && left >= end + 2; count++) {
    if (!same_line(at, line, line_len) || at[end] != '\r' || at[end + 1] != '\n') break;
    at += end + 2;
    left -= end + 2;
  }
  parser->data = at;
  parser->len = left;
  *stride = (uint32_t)end + 2;
  return count;
}

/* Takes a message with the line of the one before. */
static bool take_repeat(struct tern_nats_parser *parser, const struct tern_message *before,
                        struct tern_message *message) {
  size_t line_len = parser->whole_len, end = line_len + before->body.len;
  const char *line = before->subject.ptr - TERN__NATS_PUB_LEN, *data = parser->data;
  if (line_len == 0 || parser->len < end + 2 || !same_line(data, line, line_len)) return false;
  if (data[end] != '\r' || data[end + 1] != '\n') return false;
  message->subject = (struct tern_slice){data + TERN__NATS_PUB_LEN, before->subject.len};
  message->size_text = (struct tern_slice){data + (before->size_text.ptr - line), before->size_text.len};
  message->body = (struct tern_slice){data + line_len, before->body.len};
  parser->data += end + 2;
  parser->len -= end + 2;
  return true;
}

int tern_nats_take_pub(struct tern_nats_parser *parser, const struct tern_message *before,
                       struct tern_message *message) {
  const char *data = parser->data;
  struct tern__nats_plain plain;
  if (before != NULL && take_repeat(parser, before, message)) return 2;
  if (parser->side != TERN_NATS_FROM_CLIENT || parser->len < TERN__NATS_PUB_LEN) return 0;
  if (!tern__nats_says_pub(data)) return 0;
  if (!tern__nats_plain_pub(data, parser->len, parser->line_max, parser->payload_max, &plain)) return 0;
  const char *subject = data + TERN__NATS_PUB_LEN;
  message->subject = (struct tern_slice){subject, plain.subject_len};
  message->size_text = (struct tern_slice){subject + plain.subject_len + 1, plain.size_len};
  message->body = (struct tern_slice){data + plain.line_len, plain.body_len};
  parser->data = message->body.ptr + plain.body_len + 2;
  parser->len -= (size_t)(parser->data - data);
  parser->whole_len = plain.line_len;
  return 1;
}

void tern_nats_give_back(struct tern_nats_parser *parser, const struct tern_message *message) {
  const char *start = message->subject.ptr - TERN__NATS_PUB_LEN;
  parser->len += (size_t)(parser->data - start);
  parser->data = start;
  parser->whole_len = 0; /* of what came before is not known any more */
}
