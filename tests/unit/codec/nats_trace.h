/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Runs a parser over an input that is cut into pieces and writes down what comes out, so that results can be
 * compared as text:
 *
 *     CONNECT|json   PUB|subject|reply|header_len:header_text|size_text|body   MSG, HMSG: sid after subject
 *     SUB|subject|group|sid   UNSUB|sid|max   PING PONG +OK   -ERR|text   INFO|json   and at last e.g. -> EARGS
 *
 * Every piece is handed over in memory of exactly its size, which is overwritten and freed as soon as the parser
 * has kept what it needs; bodies are also held by reference until the end and looked at again. What must never
 * happen ends the program, so that unit tests and fuzz targets can both use it. One thread.
 */
#ifndef TERN_TESTS_NATS_TRACE_H
#define TERN_TESTS_NATS_TRACE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/codec_nats.h>

#define TRACE_CHECK(condition)                                                      \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      abort();                                                                      \
    }                                                                               \
  } while (0)

/* Text that grows. */
struct trace {
  char *text;
  size_t len, room;
  int error; /* how it ended: 0 or a tern_nats_error */
  size_t unused;
};

static inline void trace_put(struct trace *t, const void *bytes, size_t len) {
  if (t->len + len + 1 > t->room) {
    t->room = 2 * (t->len + len + 1);
    t->text = realloc(t->text, t->room);
    TRACE_CHECK(t->text != NULL);
  }
  if (len > 0) memcpy(t->text + t->len, bytes, len);
  t->len += len;
  t->text[t->len] = '\0';
}

static inline void trace_text(struct trace *t, const char *text) { trace_put(t, text, strlen(text)); }

static inline void trace_field(struct trace *t, struct tern_slice field) {
  trace_text(t, "|");
  trace_put(t, field.ptr, field.len);
}

static inline void trace_number(struct trace *t, long long number) {
  char text[32];
  int len = snprintf(text, sizeof text, "|%lld", number);
  trace_put(t, text, (size_t)len);
}

static inline void trace_op(struct trace *t, const struct tern_nats_op *op) {
  static const char *const names[] = {"CONNECT", "PUB", "HPUB", "SUB",  "UNSUB", "PING",
                                      "PONG",    "+OK", "-ERR", "INFO", "MSG",   "HMSG"};
  trace_text(t, names[op->verb]);
  switch (op->verb) {
    case TERN_NATS_PUB:
    case TERN_NATS_HPUB:
    case TERN_NATS_MSG:
    case TERN_NATS_HMSG:
      trace_field(t, op->subject);
      if (op->verb >= TERN_NATS_MSG) trace_field(t, op->sid);
      trace_field(t, op->reply);
      trace_number(t, op->header_len);
      trace_text(t, ":");
      trace_put(t, op->header_text.ptr, op->header_text.len);
      trace_field(t, op->size_text);
      trace_field(t, op->body);
      break;
    case TERN_NATS_SUB:
      trace_field(t, op->subject);
      trace_field(t, op->group);
      trace_field(t, op->sid);
      break;
    case TERN_NATS_UNSUB:
      trace_field(t, op->sid);
      trace_number(t, op->max);
      break;
    case TERN_NATS_CONNECT:
    case TERN_NATS_ERR:
    case TERN_NATS_INFO:
      trace_field(t, op->arg);
      break;
    default:
      break;
  }
  trace_text(t, "\n");
}

static inline void trace_error(struct trace *t, int error) {
  static const char *const names[] = {"", "EUNKNOWN", "EARGS", "ELINE", "EPAYLOAD", "EHEADERS", "ENOMEM"};
  TRACE_CHECK(error < 0 && error >= TERN_NATS_ENOMEM);
  t->error = error;
  trace_text(t, "-> ");
  trace_text(t, names[-error]);
  trace_text(t, "\n");
}

/* Where the input is cut and how the pieces are handed over. */
struct trace_plan {
  enum tern_nats_side side;
  bool headers;
  uint32_t line_max, payload_max; /* 0: the defaults */
  size_t (*piece)(void *arg);     /* length of the next piece, at least 1; NULL: all at once */
  bool (*stop)(void *arg);        /* keep in between, after an operation? NULL: no */
  uint32_t repeats;               /* after each message take that many with the same line at once */
  uint32_t pubs; /* after each operation take that many plain PUBs, and give the last one back */
  void *arg;
};

/* Bodies held by reference. */
struct trace_held {
  struct tern_buf *owner;
  struct tern_slice body;
  size_t at; /* of the body's text in the trace */
};
#define TRACE_HELD_MAX 32

/* A piece of input in memory of its own. */
struct trace_piece {
  struct tern_chunk chunk;
  char *memory; /* when there is no owner */
};

static inline void trace_piece_make(struct trace_piece *piece, struct tern_pool *pool, const char *input,
                                    size_t len, bool owned) {
  piece->memory = NULL;
  piece->chunk = (struct tern_chunk){NULL, len, NULL};
  char *data;
  if (owned) {
    piece->chunk.owner = tern_buf_new(pool, len);
    TRACE_CHECK(piece->chunk.owner != NULL);
    data = tern_buf_data(piece->chunk.owner);
  } else {
    data = piece->memory = malloc(len);
    TRACE_CHECK(data != NULL);
  }
  memcpy(data, input, len);
  piece->chunk.data = data;
}

static inline void trace_piece_drop(struct trace_piece *piece) {
  if (piece->chunk.owner != NULL) {
    if (!tern_buf_is_shared(piece->chunk.owner))
      memset(tern_buf_data(piece->chunk.owner), 0x5a, piece->chunk.len);
    tern_buf_unref(piece->chunk.owner);
  }
  free(piece->memory);
  *piece = (struct trace_piece){{NULL, 0, NULL}, NULL};
}

static inline bool trace_is_message(const struct tern_nats_op *op) {
  return op->verb == TERN_NATS_PUB || op->verb == TERN_NATS_HPUB || op->verb >= TERN_NATS_MSG;
}

static inline void trace_hold(struct trace_held *held, size_t *count, const struct tern_nats_op *op,
                              const struct trace *t) {
  if (!trace_is_message(op) || op->owner == NULL) return;
  const char *data = tern_buf_data(op->owner);
  TRACE_CHECK(op->body.ptr >= data && op->body.ptr + op->body.len <= data + tern_buf_size(op->owner));
  if (*count == TRACE_HELD_MAX) return;
  tern_buf_ref(op->owner);
  held[(*count)++] = (struct trace_held){op->owner, op->body, t->len - 1 - op->body.len};
}

static inline void trace_repeats(struct trace *t, struct tern_nats_parser *parser,
                                 const struct tern_nats_op *op, uint32_t max) {
  bool may = tern_nats_may_repeat(parser, op);
  uint32_t stride = 0, count = tern_nats_take_repeats(parser, op, max, &stride);
  TRACE_CHECK(count <= max && (count == 0 || may));
  struct tern_nats_op next = *op;
  for (; count > 0; count--) {
    next.body.ptr += stride;
    trace_op(t, &next);
  }
}

#define TRACE_PUBS_MAX 16

/* All are taken before the first one is looked at. */
static inline void trace_pubs(struct trace *t, struct tern_nats_parser *parser, uint32_t max) {
  struct tern_message taken[TRACE_PUBS_MAX];
  uint32_t count = 0;
  TRACE_CHECK(max <= TRACE_PUBS_MAX);
  while (count < max) {
    int r = tern_nats_take_pub(parser, count > 0 && max % 2 == 0 ? &taken[count - 1] : NULL, &taken[count]);
    if (r == 0) break;
    count++;
    if (r == 1 && max % 3 != 0) count += tern_nats_take_alike(parser, &taken[count - 1], max - count);
    TRACE_CHECK(count <= max);
  }
  if (max > 1 && count == max) tern_nats_give_back(parser, &taken[--count]);
  for (uint32_t i = 0; i < count; i++) {
    struct tern_nats_op op = {.verb = TERN_NATS_PUB,
                              .subject = taken[i].subject,
                              .size_text = taken[i].size_text,
                              .body = taken[i].body};
    trace_op(t, &op);
  }
}

static inline void trace_run(struct trace *t, struct tern_pool *pool, const struct trace_plan *plan,
                             const char *input, size_t len) {
  struct tern_nats_parser parser;
  struct trace_held held[TRACE_HELD_MAX];
  size_t holding = 0;
  *t = (struct trace){NULL, 0, 0, 0, 0};
  trace_text(t, "");
  tern_nats_init(&parser, plan->side, pool);
  if (plan->line_max != 0) tern_nats_set_limits(&parser, plan->line_max, plan->payload_max);
  tern_nats_set_headers(&parser, plan->headers);
  bool owned = true;
  for (size_t at = 0; at < len && t->error == 0;) {
    size_t step = plan->piece != NULL ? plan->piece(plan->arg) : len;
    if (step > len - at) step = len - at;
    struct trace_piece piece;
    trace_piece_make(&piece, pool, input + at, step, owned);
    owned = !owned || plan->piece == NULL;
    at += step;
    tern_nats_feed(&parser, &piece.chunk);
    struct tern_nats_op op;
    int r;
    while ((r = tern_nats_next(&parser, &op)) > 0) {
      trace_op(t, &op);
      trace_hold(held, &holding, &op, t);
      if (plan->repeats > 0 && trace_is_message(&op)) trace_repeats(t, &parser, &op, plan->repeats);
      if (plan->pubs > 0) trace_pubs(t, &parser, plan->pubs);
      if (plan->stop != NULL && piece.chunk.data != NULL && plan->stop(plan->arg)) {
        if (tern_nats_keep(&parser) != 0) {
          r = TERN_NATS_ENOMEM;
          break;
        }
        trace_piece_drop(&piece);
      }
    }
    if (r == 0 && piece.chunk.data != NULL && tern_nats_keep(&parser) != 0) r = TERN_NATS_ENOMEM;
    if (r != 0) {
      trace_error(t, r);
      TRACE_CHECK(tern_nats_next(&parser, &op) == r); /* and it stays that way */
      TRACE_CHECK(tern_nats_keep(&parser) == 0);
    }
    trace_piece_drop(&piece);
  }
  t->unused = tern_nats_unused(&parser);
  tern_nats_reset(&parser);
  while (holding > 0) {
    struct trace_held *h = &held[--holding];
    TRACE_CHECK(h->body.len == 0 || memcmp(h->body.ptr, t->text + h->at, h->body.len) == 0);
    tern_buf_unref(h->owner);
  }
}

static inline void trace_free(struct trace *t) { free(t->text); }

#endif
