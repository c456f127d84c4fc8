/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered messages, encoded once and checked cheaply, so that the client is not what is measured.
 *
 * A payload of n bytes, n >= 8, all in printable characters:
 *
 *     | publisher, 3 | number, min(n, 16) - 4 | check, 1 | filler, n - 16 |      hexadecimal digits, then
 * letters
 *
 * The check digit makes any single changed digit visible. Numbers start again at 0 when the digits are used
 * up.
 *
 * Publisher: a batch holds 16^k frames, so that the last k digits of each stay what they are; before a batch
 * is sent again only the upper digits and the check digit are written.
 *
 * Subscriber: for each publisher the digits expected next are kept as text. A message costs three comparisons
 * (line, digits, filler); only when one of them fails is anything decoded. What does not start with the
 * expected line at all (PING, PONG, -ERR, a message of another size) goes through the library's parser, which
 * is also what decides where the next message begins.
 *
 * Faults: a number ahead of the expected one opens a gap of lost messages; one that falls into a gap later is
 * reordered and no longer lost; one that was there before is doubled. Only the latest 64 gaps of a publisher
 * are remembered; what comes late out of an older one counts as doubled, and as lost.
 *
 * Thread: one per batch or checker. Does not do any I/O.
 */
#include "check.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PUBLISHER_DIGITS 3
#define SID              "1"

static const char hex[] = "0123456789abcdef";

bool shape_init(struct shape *shape, const char *subject, unsigned size) {
  size_t len = strlen(subject);
  if (len == 0 || len > SUBJECT_MAX_BYTES || strpbrk(subject, " \t\r\n") != NULL) return false;
  if (size < PAYLOAD_MIN_BYTES || size > PAYLOAD_MAX_BYTES) return false;
  memcpy(shape->subject, subject, len + 1);
  shape->size = size;
  shape->digits = (size < 16 ? size : 16) - PUBLISHER_DIGITS - 1;
  return true;
}

/* Bytes of a payload before the filler. */
static size_t head_bytes(const struct shape *shape) { return PUBLISHER_DIGITS + shape->digits + 1; }

/* How many numbers there are before they start again. */
static uint64_t numbers(const struct shape *shape) {
  assert(shape->digits > 0 && shape->digits < 16); /* shape_init saw to it */
  return UINT64_C(1) << (4 * shape->digits);
}

/* A number without the digits there is no room for. */
static uint64_t cut(const struct shape *shape, uint64_t number) { return number & (numbers(shape) - 1); }

static void put_hex(char *to, unsigned digits, uint64_t value) {
  for (unsigned i = digits; i > 0; i--, value >>= 4)
    to[i - 1] = hex[value & 15];
}

/* Value of lower-case hexadecimal digits, or -1. */
static int64_t get_hex(const char *from, unsigned digits) {
  int64_t value = 0;
  for (unsigned i = 0; i < digits; i++) {
    unsigned decimal = (unsigned)from[i] - '0', letter = (unsigned)from[i] - 'a';
    if (decimal > 9 && letter > 5) return -1;
    value = value * 16 + (decimal <= 9 ? decimal : letter + 10);
  }
  return value;
}

/* Exclusive or of all hexadecimal digits; not 0 for zeros, or a cleared payload would pass. */
static char check_digit(uint64_t publisher, uint64_t number) {
  uint64_t x = number ^ (publisher << 52);
  x ^= x >> 32;
  x ^= x >> 16;
  x ^= x >> 8;
  x ^= x >> 4;
  return hex[(x ^ 5) & 15];
}

static void put_head(char *to, const struct shape *shape, unsigned publisher, uint64_t number) {
  put_hex(to, PUBLISHER_DIGITS, publisher);
  put_hex(to + PUBLISHER_DIGITS, shape->digits, number);
  to[PUBLISHER_DIGITS + shape->digits] = check_digit(publisher, cut(shape, number));
}

static void put_filler(char *to, size_t len) {
  for (size_t i = 0; i < len; i++)
    to[i] = (char)('A' + i % 26);
}

int batch_init(struct batch *batch, const struct shape *shape, unsigned publisher, size_t target_bytes,
               bool raw) {
  char line[SUBJECT_MAX_BYTES + 32];
  int line_len = raw ? snprintf(line, sizeof line, "MSG %s %s %u\r\n", shape->subject, SID, shape->size)
                     : snprintf(line, sizeof line, "PUB %s %u\r\n", shape->subject, shape->size);
  *batch = (struct batch){.shape = shape, .publisher = publisher, .frames = 1};
  batch->payload_at = (size_t)line_len;
  batch->frame_bytes = batch->payload_at + shape->size + 2;
  while (batch->low + 1 < shape->digits && batch->frames * 16 * batch->frame_bytes <= target_bytes) {
    batch->frames *= 16;
    batch->low++;
  }
  batch->bytes = malloc(batch->frames * batch->frame_bytes);
  if (batch->bytes == NULL) return -ENOMEM;
  for (unsigned i = 0; i < batch->frames; i++) {
    char *frame = batch->bytes + i * batch->frame_bytes, *payload = frame + batch->payload_at;
    memcpy(frame, line, batch->payload_at);
    put_head(payload, shape, publisher, i);
    put_filler(payload + head_bytes(shape), shape->size - head_bytes(shape));
    memcpy(payload + shape->size, "\r\n", 2);
  }
  return 0;
}

void batch_free(struct batch *batch) { free(batch->bytes); }

void batch_number(struct batch *batch, uint64_t first) {
  const struct shape *shape = batch->shape;
  unsigned upper = shape->digits - batch->low;
  char digits[16], checks[16];
  put_hex(digits, upper, first >> (4 * batch->low));
  for (unsigned i = 0; i < 16; i++)
    checks[i] = check_digit(batch->publisher, cut(shape, first) ^ i);
  char *at = batch->bytes + batch->payload_at + PUBLISHER_DIGITS;
  for (unsigned i = 0; i < batch->frames; i++, at += batch->frame_bytes) {
    unsigned folded = (i ^ (i >> 4) ^ (i >> 8) ^ (i >> 12)) & 15; /* digits of i, as check_digit sees them */
    memcpy(at, digits, upper);
    at[shape->digits] = checks[folded];
  }
}

static void expect(struct checker *checker, struct stream *stream, uint64_t next) {
  assert(stream != NULL);
  stream->next = next;
  put_head(stream->expected, checker->shape, (unsigned)(stream - checker->streams), next);
}

/* The next number but without writing all digits again, unless the last one overflows. */
static void expect_following(struct checker *checker, struct stream *stream) {
  const struct shape *shape = checker->shape;
  unsigned last = PUBLISHER_DIGITS + shape->digits - 1;
  uint64_t next = stream->next + 1;
  if ((next & 15) == 0) {
    expect(checker, stream, next);
    return;
  }
  stream->next = next;
  stream->expected[last] = hex[next & 15];
  stream->expected[last + 1] = check_digit((uint64_t)(stream - checker->streams), cut(shape, next));
}

int checker_init(struct checker *checker, const struct shape *shape, unsigned publishers,
                 struct tern_pool *pool) {
  *checker = (struct checker){.shape = shape, .publishers = publishers};
  size_t filler = shape->size - head_bytes(shape);
  checker->streams = calloc(publishers, sizeof *checker->streams);
  checker->filler = malloc(filler + 2);
  if (checker->streams == NULL || checker->filler == NULL) {
    checker_free(checker);
    return -ENOMEM;
  }
  put_filler(checker->filler, filler);
  memcpy(checker->filler + filler, "\r\n", 2);
  for (unsigned i = 0; i < publishers; i++)
    expect(checker, &checker->streams[i], 0);
  checker->line_len = (size_t)snprintf(checker->line, sizeof checker->line, "MSG %s %s %u\r\n",
                                       shape->subject, SID, shape->size);
  checker->frame_bytes = checker->line_len + shape->size + 2;
  tern_nats_init(&checker->parser, TERN_NATS_FROM_SERVER, pool);
  tern_nats_set_limits(&checker->parser, 65536, PAYLOAD_MAX_BYTES);
  return 0;
}

void checker_free(struct checker *checker) {
  if (checker->parser.pool != NULL) tern_nats_reset(&checker->parser);
  for (unsigned i = 0; checker->streams != NULL && i < checker->publishers; i++)
    free(checker->streams[i].gap);
  free(checker->streams);
  free(checker->filler);
}

/* Remembers a gap, forgetting the oldest when there are too many. */
static void add_gap(struct stream *stream, uint64_t from, uint64_t to) {
  if (stream->gap == NULL) stream->gap = calloc(GAPS_MAX, sizeof *stream->gap);
  if (stream->gap == NULL) return; /* without memory what comes late counts as doubled */
  if (stream->gaps == GAPS_MAX) {
    memmove(stream->gap, stream->gap + 1, (GAPS_MAX - 1) * sizeof *stream->gap);
    stream->gaps--;
  }
  stream->gap[stream->gaps++] = (struct gap){from, to};
}

/* Takes a number out of the gaps; false when it is in none. */
static bool fill_gap(struct stream *stream, uint64_t number) {
  for (unsigned i = 0; i < stream->gaps; i++) {
    struct gap whole = stream->gap[i];
    if (number < whole.from || number >= whole.to) continue;
    stream->gaps--;
    memmove(stream->gap + i, stream->gap + i + 1, (stream->gaps - i) * sizeof *stream->gap);
    if (whole.from < number) add_gap(stream, whole.from, number);
    if (number + 1 < whole.to) add_gap(stream, number + 1, whole.to);
    return true;
  }
  return false;
}

/* A message whose digits are not the expected ones. */
static void classify(struct checker *checker, const char *payload) {
  const struct shape *shape = checker->shape;
  struct findings *found = &checker->found;
  assert(checker->streams != NULL);
  int64_t publisher = get_hex(payload, PUBLISHER_DIGITS);
  int64_t digits = get_hex(payload + PUBLISHER_DIGITS, shape->digits);
  bool valid =
      publisher >= 0 && publisher < (int64_t)checker->publishers && digits >= 0 &&
      payload[PUBLISHER_DIGITS + shape->digits] == check_digit((uint64_t)publisher, (uint64_t)digits);
  if (!valid) {
    found->altered++;
    /* With one publisher it is clear which message this must have been. */
    if (checker->publishers == 1) expect_following(checker, &checker->streams[0]);
    return;
  }
  struct stream *stream = &checker->streams[publisher];
  uint64_t ahead = cut(shape, (uint64_t)digits - stream->next);
  uint64_t half = numbers(shape) / 2;
  if (ahead < half) {
    found->lost += ahead;
    add_gap(stream, stream->next, stream->next + ahead);
    expect(checker, stream, stream->next + ahead + 1);
  } else if (fill_gap(stream, stream->next - cut(shape, stream->next - (uint64_t)digits))) {
    found->lost--;
    found->reordered++;
  } else {
    found->doubled++;
  }
}

/* The payload of a message with the expected line, and its CRLF. */
static void check_payload(struct checker *checker, const char *payload) {
  size_t head = head_bytes(checker->shape);
  int64_t publisher = checker->publishers == 1 ? 0 : get_hex(payload, PUBLISHER_DIGITS);
  checker->found.received++;
  struct stream *stream =
      publisher >= 0 && publisher < (int64_t)checker->publishers ? &checker->streams[publisher] : NULL;
  bool as_expected = stream != NULL && memcmp(payload, stream->expected, head) == 0;
  if (as_expected)
    expect_following(checker, stream);
  else
    classify(checker, payload);
  if (memcmp(payload + head, checker->filler, checker->shape->size - head + 2) != 0) checker->found.altered++;
}

/* An operation that came by way of the parser. */
static void take(struct checker *checker, const struct tern_nats_op *op) {
  switch (op->verb) {
    case TERN_NATS_MSG:
    case TERN_NATS_HMSG: /* not one of ours: they have the expected line */
      checker->found.received++;
      checker->found.altered++;
      break;
    case TERN_NATS_PING:
      checker->pings++;
      break;
    case TERN_NATS_PONG:
      checker->pongs++;
      break;
    case TERN_NATS_ERR:
      snprintf(checker->error, sizeof checker->error, "%.*s", (int)op->arg.len, op->arg.ptr);
      break;
    default:
      break;
  }
}

/* True when the bytes are, or can become, a message with the expected line. */
static bool starts_as_expected(const struct checker *checker, const char *data, size_t len) {
  size_t n = len < checker->line_len ? len : checker->line_len;
  return memcmp(data, checker->line, n) == 0;
}

/* Gives bytes to the parser until it has used them or stands before a message with the expected line. Returns
 * bytes used or an error. */
static int64_t parse(struct checker *checker, const char *data, size_t len) {
  struct tern_nats_op op;
  struct tern_chunk chunk = {.data = data, .len = len};
  tern_nats_feed(&checker->parser, &chunk);
  int result;
  while ((result = tern_nats_next(&checker->parser, &op)) > 0) {
    take(checker, &op);
    size_t left = tern_nats_unused(&checker->parser);
    if (left > 0 && left <= len && starts_as_expected(checker, data + len - left, left)) {
      struct tern_pool *pool = checker->parser.pool;
      tern_nats_reset(&checker->parser);
      tern_nats_init(&checker->parser, TERN_NATS_FROM_SERVER, pool);
      tern_nats_set_limits(&checker->parser, 65536, PAYLOAD_MAX_BYTES);
      checker->parsing = false;
      return (int64_t)(len - left);
    }
  }
  if (result == 0) result = tern_nats_keep(&checker->parser);
  if (result < 0) return result;
  checker->parsing = tern_nats_unused(&checker->parser) > 0;
  return (int64_t)len;
}

int64_t checker_feed(struct checker *checker, const char *data, size_t len) {
  size_t at = 0;
  while (at < len) {
    if (checker->parsing || !starts_as_expected(checker, data + at, len - at)) {
      int64_t used = parse(checker, data + at, len - at);
      if (used < 0) return used;
      at += (size_t)used;
      continue;
    }
    if (len - at < checker->frame_bytes) break;
    check_payload(checker, data + at + checker->line_len);
    at += checker->frame_bytes;
  }
  return (int64_t)at;
}

void checker_finish(struct checker *checker, unsigned publisher, uint64_t sent) {
  const struct stream *stream = &checker->streams[publisher];
  if (sent > stream->next) checker->found.lost += sent - stream->next;
}
