/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoder for what goes to subscribers: MSG and HMSG.
 *
 * The lines of one message differ between its receivers in the subscription id only, so everything around it
 * is put together once, in room of the caller:
 *
 *     room   M S G _ f o o _ | _ r e p l y _ 1 2 \r \n
 *            <---- head ---->   <------- tail ------->
 *
 * and a frame is head, id, tail, body, CR LF, one behind the other. The digits of sizes go out as the
 * publisher wrote them when they are known ("0005" stays "0005"), except where headers are left out and the
 * size changes.
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

void tern_nats_prepare(struct tern_nats_frame *frame, const struct tern_message *message, bool with_headers,
                       char *room) {
  const bool headers = with_headers && message->header_len > 0;
  const size_t skipped = headers ? 0 : message->header_len;
  char *to = room;
  frame->head = to;
  to = headers ? put(to, "HMSG ", 5) : put(to, "MSG ", 4);
  to = put_slice(to, message->subject);
  *to++ = ' ';
  frame->head_len = (uint32_t)(to - room);
  frame->tail = to;
  *to++ = ' ';
  if (message->reply.len > 0) {
    to = put_slice(to, message->reply);
    *to++ = ' ';
  }
  if (headers) {
    to = put_size(to, message->header_text, message->header_len);
    *to++ = ' ';
  }
  frame->body_len = (uint32_t)(message->body.len - skipped);
  frame->body = skipped > 0 ? message->body.ptr + skipped : message->body.ptr;
  to = skipped > 0 ? put_number(to, frame->body_len) : put_size(to, message->size_text, frame->body_len);
  *to++ = '\r';
  *to++ = '\n';
  frame->tail_len = (uint32_t)(to - frame->tail);
}

static inline char *put_line(char *to, const struct tern_nats_frame *frame, struct tern_slice sid) {
  to = put(to, frame->head, frame->head_len);
  to = put_slice(to, sid);
  return put(to, frame->tail, frame->tail_len);
}

char *tern_nats_put_line(char *to, const struct tern_nats_frame *frame, struct tern_slice sid) {
  return put_line(to, frame, sid);
}

static inline char *put_body(char *to, const char *body, size_t len) {
  if (len <= SHORT_BODY_BYTES)
    put(to, body, len);
  else
    memcpy(to, body, len);
  memcpy(to + len, "\r\n", 2);
  return to + len + 2;
}

char *tern_nats_put_frame(char *to, const struct tern_nats_frame *frame, struct tern_slice sid) {
  return put_body(put_line(to, frame, sid), frame->body, frame->body_len);
}

char *tern_nats_put_frames(char *to, const struct tern_nats_frame *frame, struct tern_slice sid,
                           uint32_t count, size_t stride) {
  const char *line = to, *body = frame->body;
  to = put_line(to, frame, sid);
  size_t line_len = (size_t)(to - line);
  to = put_body(to, body, frame->body_len);
  while (--count > 0) {
    body += stride;
    to = put_body(put(to, line, line_len), body, frame->body_len);
  }
  return to;
}
