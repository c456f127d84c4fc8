/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered messages, encoded once and checked cheaply, so that the client is not what is measured.
 *
 * A payload of n bytes, n >= 8, all in printable characters; s is the smallest size of the run:
 *
 *     | publisher, 3 | number, min(s, 16) - 4 | check, 1 | filler |      hexadecimal digits, then letters
 *
 * The check digit makes any single changed digit visible. Numbers start again at 0 when the digits are used up.
 *
 * Publisher: a batch holds 16^k frames, so that the last k digits of each stay what they are; before a batch is sent
 * again only the upper digits and the check digit are written. Frames of different kinds (subjects, sizes) take turns
 * in it, so that the number says which kind a message is.
 *
 * Subscriber: for each publisher the digits expected next are kept as text. A message costs three comparisons (line,
 * digits, filler); only when one of them fails is anything decoded. What does not start with the expected line at all
 * (PING, -ERR, a message of another kind) goes through the dialect's reader, which also says where the next begins.
 *
 * Faults: a number ahead of the expected one opens a gap of lost messages; one that falls into a gap later is
 * reordered and no longer lost; one that was there before is doubled. Only the latest 64 gaps of a publisher are
 * remembered; what comes late out of an older one counts as doubled, and as lost. Where subscribers share the
 * messages, a gap is not a fault: each marks what it saw, and checkers_merge lays the marks over one another.
 *
 * Thread: one per batch or checker. Does not do any I/O.
 */
#include "check.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBLISHER_DIGITS 3
/* A batch is one piece of memory: kinds times size. */
#define BATCH_MAX_BYTES (UINT32_C(1) << 30)
/* More numbers than this are not marked one by one: 128 MiB of marks. */
#define SEEN_MAX (UINT64_C(1) << 30)

static const char hex[] = "0123456789abcdef";

int shape_init(struct shape *shape, const struct dialect *dialect, unsigned kinds, unsigned size_min) {
  assert(kinds > 0 && kinds <= KINDS_MAX && size_min >= PAYLOAD_MIN_BYTES);
  *shape = (struct shape){.dialect = dialect, .cycle = 1};
  while (shape->cycle < kinds)
    shape->cycle *= 16;
  shape->digits = (size_min < 16 ? size_min : 16) - PUBLISHER_DIGITS - 1;
  shape->kind = calloc(kinds, sizeof *shape->kind);
  return shape->kind != NULL ? 0 : -ENOMEM;
}

void shape_free(struct shape *shape) {
  for (unsigned i = 0; i < shape->kinds; i++) {
    free(shape->kind[i].publish);
    free(shape->kind[i].delivery);
  }
  free(shape->kind);
  *shape = (struct shape){.kinds = 0};
}

/* Bytes of a payload before the filler. */
static size_t head_bytes(const struct shape *shape) { return PUBLISHER_DIGITS + shape->digits + 1; }

int shape_add(struct shape *shape, const struct frame *frame) {
  char publish[LINE_MAX_BYTES], delivery[LINE_MAX_BYTES];
  int publish_len = shape->dialect->put_publish(publish, sizeof publish, frame);
  int delivery_len = shape->dialect->put_delivery(delivery, sizeof delivery, frame);
  if (publish_len >= LINE_MAX_BYTES || delivery_len >= LINE_MAX_BYTES || frame->size < head_bytes(shape))
    return -EINVAL;
  struct kind *kind = &shape->kind[shape->kinds];
  *kind = (struct kind){.publish = strdup(publish),
                        .delivery = strdup(delivery),
                        .publish_len = (unsigned)publish_len,
                        .delivery_len = (unsigned)delivery_len,
                        .size = frame->size};
  shape->size_mean += (frame->size - shape->size_mean) / ++shape->kinds;
  if (kind->publish == NULL || kind->delivery == NULL) return -ENOMEM;
  shape->delivery_mean += (kind->delivery_len + frame->size + 2.0 - shape->delivery_mean) / shape->kinds;
  if (frame->size > shape->size_max) shape->size_max = frame->size;
  return 0;
}

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

/* Bytes of the frames 0 to count - 1. */
static size_t frames_bytes(const struct shape *shape, unsigned count, bool delivered) {
  size_t sum = 0;
  for (unsigned i = 0; i < count; i++) {
    const struct kind *kind = shape_kind(shape, i);
    sum += (delivered ? kind->delivery_len : kind->publish_len) + (size_t)kind->size + 2;
  }
  return sum;
}

/* How many frames make about target_bytes. */
static void choose_frames(struct batch *batch, size_t target_bytes, bool delivered) {
  const struct shape *shape = batch->shape;
  for (batch->frames = 1; batch->frames < shape->cycle; batch->frames *= 16)
    batch->low++;
  while (batch->low + 1 < shape->digits &&
         frames_bytes(shape, batch->frames, delivered) <= target_bytes / 16) {
    batch->frames *= 16;
    batch->low++;
  }
}

int batch_init(struct batch *batch, const struct shape *shape, unsigned publisher, size_t target_bytes,
               bool delivered) {
  *batch = (struct batch){.shape = shape, .publisher = publisher};
  choose_frames(batch, target_bytes, delivered);
  size_t bytes = frames_bytes(shape, batch->frames, delivered);
  assert(bytes > 0);
  if (bytes > BATCH_MAX_BYTES) return -ENOMEM;
  batch->bytes = malloc(bytes);
  batch->end = calloc(batch->frames, sizeof *batch->end);
  batch->payload = calloc(batch->frames, sizeof *batch->payload);
  if (batch->bytes == NULL || batch->end == NULL || batch->payload == NULL) {
    batch_free(batch);
    return -ENOMEM;
  }
  size_t at = 0;
  for (unsigned i = 0; i < batch->frames; i++) {
    const struct kind *kind = shape_kind(shape, i);
    size_t line_len = delivered ? kind->delivery_len : kind->publish_len;
    memcpy(batch->bytes + at, delivered ? kind->delivery : kind->publish, line_len);
    at += line_len;
    batch->payload[i] = (uint32_t)at;
    put_head(batch->bytes + at, shape, publisher, i);
    put_filler(batch->bytes + at + head_bytes(shape), kind->size - head_bytes(shape));
    at += kind->size;
    memcpy(batch->bytes + at, "\r\n", 2);
    at += 2;
    batch->end[i] = (uint32_t)at;
  }
  return 0;
}

void batch_free(struct batch *batch) {
  free(batch->bytes);
  free(batch->end);
  free(batch->payload);
  *batch = (struct batch){.shape = NULL};
}

void batch_number(struct batch *batch, uint64_t first) {
  const struct shape *shape = batch->shape;
  unsigned upper = shape->digits - batch->low;
  char digits[16], checks[16];
  put_hex(digits, upper, first >> (4 * batch->low));
  for (unsigned i = 0; i < 16; i++)
    checks[i] = check_digit(batch->publisher, cut(shape, first) ^ i);
  for (unsigned i = 0; i < batch->frames; i++) {
    unsigned folded = (i ^ (i >> 4) ^ (i >> 8) ^ (i >> 12)) & 15; /* digits of i, as check_digit sees them */
    char *at = batch->bytes + batch->payload[i] + PUBLISHER_DIGITS;
    memcpy(at, digits, upper);
    at[shape->digits] = checks[folded];
  }
}

void findings_add(struct findings *sum, const struct findings *add) {
  sum->received += add->received;
  sum->lost += add->lost;
  sum->doubled += add->doubled;
  sum->reordered += add->reordered;
  sum->altered += add->altered;
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

int checker_init(struct checker *checker, const struct shape *shape, unsigned publishers, enum share share) {
  *checker = (struct checker){.shape = shape, .publishers = publishers, .share = share};
  size_t filler = shape->size_max - head_bytes(shape);
  checker->streams = calloc(publishers, sizeof *checker->streams);
  checker->filler = malloc(filler + 1);
  if (checker->streams == NULL || checker->filler == NULL) {
    checker_free(checker);
    return -ENOMEM;
  }
  put_filler(checker->filler, filler);
  for (unsigned i = 0; i < publishers; i++)
    expect(checker, &checker->streams[i], 0);
  return 0;
}

void checker_free(struct checker *checker) {
  for (unsigned i = 0; checker->streams != NULL && i < checker->publishers; i++) {
    free(checker->streams[i].gap);
    free(checker->streams[i].seen);
  }
  free(checker->streams);
  free(checker->filler);
  *checker = (struct checker){.publishers = 0};
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

/* Marks a number. Returns false when it was marked before. */
static bool mark(struct checker *checker, struct stream *stream, uint64_t number) {
  size_t word = number / 64;
  if (word >= stream->seen_words) {
    size_t words = stream->seen_words != 0 ? stream->seen_words : 1024;
    while (words <= word)
      words *= 2;
    uint64_t *more = number < SEEN_MAX ? realloc(stream->seen, words * sizeof *more) : NULL;
    if (more == NULL) {
      snprintf(checker->error, sizeof checker->error, "this client has no memory to note that many messages");
      return true;
    }
    memset(more + stream->seen_words, 0, (words - stream->seen_words) * sizeof *more);
    stream->seen = more;
    stream->seen_words = words;
  }
  uint64_t bit = UINT64_C(1) << (number % 64);
  bool first = (stream->seen[word] & bit) == 0;
  stream->seen[word] |= bit;
  return first;
}

/* A message that is as sent, for who wants to know. */
static void note_message(struct checker *checker, struct stream *stream, uint64_t number) {
  if (checker->share != SHARE_ALL && !mark(checker, stream, number)) checker->found.doubled++;
  if (checker->seen != NULL) checker->seen(checker->context, (unsigned)(stream - checker->streams), number);
}

static inline void accept_message(struct checker *checker, struct stream *stream, uint64_t number) {
  if (checker->share != SHARE_ALL || checker->seen != NULL) note_message(checker, stream, number);
}

/* A message whose number is not the expected one. */
static void out_of_turn(struct checker *checker, struct stream *stream, uint64_t digits) {
  const struct shape *shape = checker->shape;
  struct findings *found = &checker->found;
  uint64_t ahead = cut(shape, digits - stream->next);
  if (ahead < numbers(shape) / 2) {
    uint64_t number = stream->next + ahead;
    if (checker->share == SHARE_ALL) {
      found->lost += ahead;
      add_gap(stream, stream->next, number);
    }
    accept_message(checker, stream, number);
    expect(checker, stream, number + 1);
    return;
  }
  uint64_t number = stream->next - cut(shape, stream->next - digits);
  if (checker->share != SHARE_ALL) {
    uint64_t doubled = found->doubled;
    accept_message(checker, stream, number);
    if (checker->share == SHARE_SOME && found->doubled == doubled) found->reordered++;
  } else if (fill_gap(stream, number)) {
    found->lost--;
    found->reordered++;
    accept_message(checker, stream, number);
  } else {
    found->doubled++;
  }
}

/* The stream a payload says it belongs to, or NULL. */
static struct stream *stream_of(const struct checker *checker, const char *payload) {
  int64_t publisher = checker->publishers == 1 ? 0 : get_hex(payload, PUBLISHER_DIGITS);
  return publisher >= 0 && publisher < (int64_t)checker->publishers ? &checker->streams[publisher] : NULL;
}

/* Decodes a payload's digits; -1 when they are not valid. */
static int64_t number_in(const struct checker *checker, const char *payload) {
  unsigned digits = checker->shape->digits;
  int64_t publisher = get_hex(payload, PUBLISHER_DIGITS),
          number = get_hex(payload + PUBLISHER_DIGITS, digits);
  bool valid = publisher >= 0 && publisher < (int64_t)checker->publishers && number >= 0 &&
               payload[PUBLISHER_DIGITS + digits] == check_digit((uint64_t)publisher, (uint64_t)number);
  return valid ? number : -1;
}

static inline bool filler_is_right(const struct checker *checker, const char *payload, size_t size) {
  size_t head = head_bytes(checker->shape);
  return size == head || memcmp(payload + head, checker->filler, size - head) == 0;
}

/* A message that cannot be one of ours; with one publisher it is clear which it must have been. */
static void altered(struct checker *checker, bool counts) {
  checker->found.altered++;
  if (counts && checker->publishers == 1 && checker->share == SHARE_ALL)
    expect_following(checker, &checker->streams[0]);
}

/* The digits of a message that are not the expected ones. */
static void check_digits(struct checker *checker, const char *payload) {
  int64_t digits = number_in(checker, payload);
  if (digits < 0)
    altered(checker, true);
  else
    out_of_turn(checker, &checker->streams[get_hex(payload, PUBLISHER_DIGITS)], (uint64_t)digits);
}

/* The payload behind an expected line; the size is the line's. */
static inline void check_payload(struct checker *checker, const char *payload, size_t size) {
  struct stream *stream = stream_of(checker, payload);
  checker->found.received++;
  if (!filler_is_right(checker, payload, size)) checker->found.altered++;
  if (stream != NULL && memcmp(payload, stream->expected, head_bytes(checker->shape)) == 0) {
    accept_message(checker, stream, stream->next);
    expect_following(checker, stream);
    return;
  }
  check_digits(checker, payload);
}

/* A message whose line is not the expected one: fine when it is the line that its number asks for. */
static void check_other(struct checker *checker, const char *data, const struct tern_slice *payload) {
  const struct shape *shape = checker->shape;
  size_t line_len = (size_t)(payload->ptr - data);
  int64_t digits = payload->len >= head_bytes(shape) ? number_in(checker, payload->ptr) : -1;
  const struct kind *kind = shape_kind(shape, digits >= 0 ? (uint64_t)digits : 0);
  bool ours = digits >= 0 && payload->len == kind->size && line_len == kind->delivery_len &&
              memcmp(data, kind->delivery, line_len) == 0;
  if (ours) {
    check_payload(checker, payload->ptr, payload->len);
  } else {
    checker->found.received++;
    altered(checker, false);
  }
}

/* Takes one operation that does not begin as expected. Returns bytes used, 0 or negative. */
static int64_t take_operation(struct checker *checker, const char *data, size_t len) {
  struct event event;
  int64_t used = checker->shape->dialect->next(data, len, &event);
  if (used <= 0) return used;
  switch (event.kind) {
    case EVENT_MESSAGE:
      check_other(checker, data, &event.payload);
      break;
    case EVENT_PING:
      checker->pings++;
      break;
    case EVENT_PONG:
      checker->pongs++;
      break;
    case EVENT_ERROR:
      snprintf(checker->error, sizeof checker->error, "the server answered -ERR %.*s", (int)event.text.len,
               event.text.ptr);
      break;
    default:
      break;
  }
  return used;
}

int64_t checker_feed(struct checker *checker, const char *data, size_t len) {
  const struct shape *shape = checker->shape;
  size_t at = 0;
  while (at < len) {
    const struct kind *kind = shape_kind(shape, checker->streams[0].next);
    size_t known = len - at < kind->delivery_len ? len - at : kind->delivery_len;
    if (memcmp(data + at, kind->delivery, known) == 0) {
      size_t whole = kind->delivery_len + (size_t)kind->size + 2;
      if (len - at < whole) break;
      if (memcmp(data + at + whole - 2, "\r\n", 2) != 0) return -1;
      check_payload(checker, data + at + kind->delivery_len, kind->size);
      at += whole;
      continue;
    }
    int64_t used = take_operation(checker, data + at, len - at);
    if (used < 0) return used;
    if (used == 0) break;
    at += (size_t)used;
  }
  return (int64_t)at;
}

void checker_finish(struct checker *checker, unsigned publisher, uint64_t sent) {
  const struct stream *stream = &checker->streams[publisher];
  if (sent > stream->next) checker->found.lost += sent - stream->next;
}

void checkers_merge(struct checker *const *checkers, unsigned count, unsigned publisher, uint64_t sent) {
  struct findings *found = &checkers[0]->found;
  for (uint64_t word = 0; word * 64 < sent; word++) {
    uint64_t once = 0;
    for (unsigned i = 0; i < count; i++) {
      const struct stream *stream = &checkers[i]->streams[publisher];
      uint64_t marks = word < stream->seen_words ? stream->seen[word] : 0;
      found->doubled += (uint64_t)__builtin_popcountll(once & marks);
      once |= marks;
    }
    uint64_t wanted = sent - word * 64 >= 64 ? UINT64_MAX : (UINT64_C(1) << (sent % 64)) - 1;
    found->lost += (uint64_t)__builtin_popcountll(wanted & ~once);
  }
}
