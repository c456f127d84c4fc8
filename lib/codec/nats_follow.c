/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows a message and is like it, taken off the input with less work than the parser's: operations with the very
 * same line (repeats), and plain PUBs with lines of their own (nats_plain.h).
 *
 *     tern_nats_next          PUB a 5    the first one
 *     tern_nats_take_repeats  PUB a 5, PUB a 5, ...    bodies at equal distances, `stride`
 *     tern_nats_take_pub      PUB b 12, PUB c 3, ...
 *     tern_nats_take_alike    PUB d 3, PUB e 3, ...    with lines as long as that of the one before
 *
 * Nothing kept by the parser is touched, so that what was taken before stays where it is; what is not whole, or wrong,
 * is left to tern_nats_next. Called by the thread that owns the connection.
 */
#include <tern/codec_nats.h>

#include "bytes.h"
#include "nats_plain.h"

/* Lines have 8 bytes at least, since the shortest is `PUB a 0` and its line end. */
#define LINE_MIN_BYTES 8u
/* As they lie in memory, but for the bit that tells small letters. */
#define SUB_LETTERS ((uint32_t)'s' | (uint32_t)'u' << 8 | (uint32_t)'b' << 16 | (uint32_t)' ' << 24)

uint32_t tern_nats_take_repeats(struct tern_nats_parser *parser, const struct tern_nats_op *op, uint32_t max,
                                uint32_t *stride) {
  size_t line_len = parser->whole_len, end = line_len + op->body.len;
  if (line_len == 0) return 0;
  const char *line = op->body.ptr - line_len, *at = parser->data;
  size_t left = parser->len;
  uint32_t count = 0;
  for (; count < max && left >= end + 2; count++) {
    if (!tern__same_long(at, line, line_len) || at[end] != '\r' || at[end + 1] != '\n') break;
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
  if (line_len == 0 || parser->len < end + 2 || !tern__same_long(data, line, line_len)) return false;
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

#ifdef TERN__NATS_VECTORS
/* What lines have in common that differ in letters of the subject only:
 *
 *     PUB bench.0001 16\r\n
 *     ====                      verb
 *         ..........^..^^^      cuts: blanks and controls are where they were and nowhere else
 *                   =====       end: size and line end, and nothing of what is before them
 */
struct shape {
  size_t subject_len, size_len, line_len, body_len;
  uint32_t verb;
  uint32_t line_bits; /* one for each byte behind the verb */
  uint32_t cuts;
  unsigned end_shift;
  uint64_t end;
};

/* The shape of a plain PUB that was just taken. False when it is too long. */
static inline bool shape_of(const struct tern_nats_parser *parser, const struct tern_message *m,
                            struct shape *shape) {
  size_t line_len = TERN__NATS_PUB_LEN + m->subject.len + m->size_text.len + 3;
  if (parser->whole_len != line_len || line_len > TERN__NATS_PUB_LEN + TERN__NATS_BLOCK) return false;
  if (m->size_text.len + 3 > LINE_MIN_BYTES) return false;
  *shape = (struct shape){.subject_len = m->subject.len,
                          .size_len = m->size_text.len,
                          .line_len = line_len,
                          .body_len = m->body.len};
  memcpy(&shape->verb, m->subject.ptr - TERN__NATS_PUB_LEN, sizeof shape->verb);
  shape->line_bits = UINT32_MAX >> (TERN__NATS_PUB_LEN + TERN__NATS_BLOCK - line_len);
  shape->cuts = UINT32_C(1) << m->subject.len | UINT32_C(3) << (m->subject.len + 1 + m->size_text.len);
  shape->end_shift = (unsigned)(8 * (LINE_MIN_BYTES - 3 - m->size_text.len));
  shape->end = tern__load64(m->body.ptr - 8) >> shape->end_shift;
  return true;
}

static inline bool has_shape(const char *data, const struct shape *shape) {
  uint32_t verb;
  memcpy(&verb, data, sizeof verb);
  if (verb != shape->verb || tern__load64(data + shape->line_len - 8) >> shape->end_shift != shape->end)
    return false;
  if ((tern__nats_cuts(data + TERN__NATS_PUB_LEN) & shape->line_bits) != shape->cuts) return false;
  const char *end = data + shape->line_len + shape->body_len;
  return end[0] == '\r' && end[1] == '\n';
}

/* Is this the subject of the message before, which is as long? Mostly its last letters say no. */
static inline bool same_subject(const char *subject, const char *before, size_t len) {
  return memcmp(subject + len - 4, before + len - 4, 4) == 0 && /* the blank before it is there as well */
         tern__same_bytes(subject, before, len);
}

uint32_t tern_nats_take_alike(struct tern_nats_parser *parser, struct tern_message *list, uint32_t max) {
  struct shape shape;
  if (!shape_of(parser, list, &shape)) return 0;
  const char *at = parser->data, *before = list->subject.ptr;
  size_t whole = shape.line_len + shape.body_len + 2, left = parser->len, need = whole;
  if (need < TERN__NATS_PUB_LEN + TERN__NATS_BLOCK) need = TERN__NATS_PUB_LEN + TERN__NATS_BLOCK;
  uint32_t count = 0;
  for (; count < max && left >= need && has_shape(at, &shape); count++, at += whole, left -= whole) {
    const char *subject = at + TERN__NATS_PUB_LEN;
    if (same_subject(subject, before, shape.subject_len)) break;
    struct tern_message *m = &list[1 + count];
    m->subject = (struct tern_slice){subject, shape.subject_len};
    m->size_text = (struct tern_slice){subject + shape.subject_len + 1, shape.size_len};
    m->body = (struct tern_slice){at + shape.line_len, shape.body_len};
    before = subject;
  }
  parser->data = at;
  parser->len = left;
  return count;
}
#else
uint32_t tern_nats_take_alike(struct tern_nats_parser *parser, struct tern_message *list, uint32_t max) {
  (void)parser, (void)list, (void)max;
  return 0;
}
#endif

/* One line: four letters and two blocks are there. Returns its length, or 0. */
static inline size_t glance_at(const char *data, struct tern_nats_glance *glance) {
  uint32_t verb;
  memcpy(&verb, data, sizeof verb);
  const char *line = data + sizeof verb;
  const struct tern__nats_masks m = tern__nats_masks_add(tern__nats_masks(line), line + TERN__NATS_BLOCK);
  if ((verb | 0x20202020u) != SUB_LETTERS || m.lf == 0) return 0;
  const unsigned lf = (unsigned)__builtin_ctzll(m.lf), end = lf - (lf > 0 && line[lf - 1] == '\r');
  const uint64_t blanks = m.blank & ((UINT64_C(1) << end) - 1);
  if (blanks == 0) return 0;
  const unsigned first = (unsigned)__builtin_ctzll(blanks), last = 64 - (unsigned)__builtin_clzll(blanks);
  *glance = (struct tern_nats_glance){.filter = {line, first}, .sid = {line + last, end - last}};
  return sizeof verb + lf + 1;
}

uint32_t tern_nats_glance(const struct tern_nats_parser *parser, struct tern_nats_glance *list,
                          uint32_t max) {
  const char *at = parser->data;
  size_t left = parser->len, len;
  uint32_t count = 0;
  for (; count < max && left >= 4 + 2 * TERN__NATS_BLOCK; count++, at += len, left -= len)
    if ((len = glance_at(at, &list[count])) == 0) break;
  return count;
}

void tern_nats_give_back(struct tern_nats_parser *parser, const struct tern_message *message) {
  const char *start = message->subject.ptr - TERN__NATS_PUB_LEN;
  parser->len += (size_t)(parser->data - start);
  parser->data = start;
  parser->whole_len = 0; /* of what came before is not known any more */
}
