/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoder for what goes to subscribers: MSG and HMSG.
 *
 *     M S G _ f o o _ 1 7 _ r e p l y _ 1 2 \r \n  body \r \n
 *             subject  sid    if any    size
 *
 * The digits of sizes go out as the publisher wrote them when they are known ("0005" stays "0005"), except where headers
 * are left out and the size changes. The lines of a run are all the same: the first is put together, the others are
 * copied from it.
 *
 * The pieces of a line are short, mostly below 32 bytes, so they are copied in overlapping blocks of 16, 8 or
 * 4 bytes instead of by calling memcpy. No block reaches outside the piece, neither reading nor writing:
 * subjects may end where a page ends, and behind the line may lie another thread's bytes.
 *
 * Called by the thread that delivers. Nothing is checked: message and room are the caller's word.
 */
#include <string.h>

#include <tern/codec_nats.h>

/* Digits of a size that are taken over; longer ones would not fit the room. */
#define SIZE_TEXT_MAX 20
/* Longer bodies are worth a call. */
#define SHORT_BODY_BYTES 64

/* Copies a short piece. Returns the place behind it. */
static inline char *put(char *to, const char *from, size_t len) {
  if (len >= 16) {
    for (size_t at = 0; at + 16 < len; at += 16) /* stops before the last block, which may overlap */
      memcpy(to + at, from + at, 16);
    memcpy(to + len - 16, from + len - 16, 16);
  } else if (len >= 8) {
    memcpy(to, from, 8);
    memcpy(to + len - 8, from + len - 8, 8);
  } else if (len >= 4) {
    memcpy(to, from, 4);
    memcpy(to + len - 4, from + len - 4, 4);
  } else if (len > 0) {
    to[0] = from[0];
    to[len / 2] = from[len / 2];
    to[len - 1] = from[len - 1];
  }
  return to + len;
}

static inline char *put_slice(char *to, struct tern_slice slice) { return put(to, slice.ptr, slice.len); }

static char *put_number(char *to, size_t value) {
  char digits[SIZE_TEXT_MAX];
  char *at = digits + sizeof digits;
  do {
    *--at = (char)('0' + value % 10);
    value /= 10;
  } while (value != 0);
  return put(to, at, (size_t)(digits + sizeof digits - at));
}

/* A size in its publisher's digits, or in plain ones when those are not known. */
static char *put_size(char *to, struct tern_slice text, size_t value) {
  if (text.len == 0 || text.len > SIZE_TEXT_MAX) return put_number(to, value);
  return put_slice(to, text);
}

static inline char *put_line(char *to, const struct tern_message *message, bool takes_headers,
                             struct tern_slice sid) {
  const bool headers = takes_headers && message->header_len > 0;
  to = headers ? put(to, "HMSG ", 5) : put(to, "MSG ", 4);
  to = put_slice(to, message->subject);
  *to++ = ' ';
  to = put_slice(to, sid);
  *to++ = ' ';
  if (message->reply.len > 0) {
    to = put_slice(to, message->reply);
    *to++ = ' ';
  }
  if (headers) {
    to = put_size(to, message->header_text, message->header_len);
    *to++ = ' ';
  }
  size_t left_out = headers ? 0 : message->header_len;
  to = left_out > 0 ? put_number(to, message->body.len - left_out)
                    : put_size(to, message->size_text, message->body.len);
  memcpy(to, "\r\n", 2);
  return to + 2;
}

char *tern_nats_put_line(char *to, const struct tern_message *message, bool takes_headers,
                         struct tern_slice sid) {
  return put_line(to, message, takes_headers, sid);
}

static inline char *put_body(char *to, const char *body, size_t len) {
  if (len <= SHORT_BODY_BYTES)
    put(to, body, len);
  else
    memcpy(to, body, len);
  memcpy(to + len, "\r\n", 2);
  return to + len + 2;
}

char *tern_nats_put_frames(char *to, const struct tern_message *message, bool takes_headers,
                           struct tern_slice sid, uint64_t first, uint64_t count) {
  struct tern_slice body = tern_nats_body(message, takes_headers);
  body.ptr += first * message->stride;
  const char *line = to;
  to = put_line(to, message, takes_headers, sid);
  size_t line_len = (size_t)(to - line);
  to = put_body(to, body.ptr, body.len);
  while (--count > 0) {
    body.ptr += message->stride;
    to = put_body(put(to, line, line_len), body.ptr, body.len);
  }
  return to;
}

/* Does a message of a list lie there as its publisher sent it? */
static inline bool is_together(const struct tern_message *m) {
  return m->size_text.ptr == m->subject.ptr + m->subject.len + 1 &&
         m->body.ptr == m->size_text.ptr + m->size_text.len + 2;
}

/*
 * What comes and what goes differ in the verb and the sid only:
 *
 *     PUB bench.0001 16 CR LF body CR LF  ->  MSG bench.0001 7 16 CR LF body CR LF
 *         <-------->   <----- tail ---->
 *
 * The tail being a block at least, the pieces before it may be copied in whole blocks: what is too much is part of the
 * message where it is read, and is written over, or comes to lie where it belongs.
 */
char *tern_nats_put_list(char *to, const struct tern_message *list, uint64_t count, struct tern_slice sid) {
  enum { BLOCK = 16 };
  char word[BLOCK] = {' '}; /* the sid between blanks: what its publisher sent there may be a TAB */
  bool fits = sid.len + 2 <= sizeof word;
  if (fits) {
    memcpy(word + 1, sid.ptr, sid.len);
    word[1 + sid.len] = ' ';
  }
  for (const struct tern_message *m = list; m < list + count; m++) {
    size_t tail = m->size_text.len + m->body.len + 4;
    if (!fits || tail < BLOCK || !is_together(m)) {
      to = tern_nats_put_frames(to, m, true, sid, 0, 1);
      continue;
    }
    memcpy(to, "MSG ", 4);
    to += 4;
    for (size_t at = 0; at < m->subject.len; at += BLOCK)
      memcpy(to + at, m->subject.ptr + at, BLOCK);
    to += m->subject.len;
    memcpy(to, word, sizeof word);
    to += sid.len + 2;
    if (tail <= SHORT_BODY_BYTES)
      put(to, m->size_text.ptr, tail);
    else
      memcpy(to, m->size_text.ptr, tail);
    to += tail;
  }
  return to;
}
