/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoder: the exact bytes of every kind of frame, and that the parser for the other side reads them back.
 * Frames are written into memory of exactly their size, subjects and ids are read from memory of exactly theirs.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/codec_nats.h>

#define TEXT(text) \
  { text, sizeof(text) - 1 }

static struct tern_slice copy_of(struct tern_slice slice) {
  char *copy = malloc(slice.len > 0 ? slice.len : 1);
  assert_non_null(copy);
  if (slice.len > 0) memcpy(copy, slice.ptr, slice.len);
  return (struct tern_slice){copy, slice.len};
}

static void drop(struct tern_slice slice) {
  char *memory;
  memcpy(&memory, &slice.ptr, sizeof memory); /* it is ours, although slices only lend */
  free(memory);
}

/* Frames of a run, or of one message, in memory of the size that has to be given. */
static struct tern_slice frames_of(const struct tern_message *message, bool takes_headers,
                                   struct tern_slice sid, uint64_t first, uint64_t count) {
  size_t room = tern_nats_line_max(message, sid.len);
  struct tern_slice body = tern_nats_body(message, takes_headers);
  char *line = malloc(room), *whole = malloc(count * (room + body.len + 2));
  assert_non_null(line);
  assert_non_null(whole);
  size_t line_len = (size_t)(tern_nats_put_line(line, message, takes_headers, sid) - line);
  size_t size = (size_t)(tern_nats_put_frames(whole, message, takes_headers, sid, first, count) - whole);
  assert_int_equal(size, count * (line_len + body.len + 2));
  assert_memory_equal(whole, line, line_len);
  free(line);
  return (struct tern_slice){whole, size};
}

static struct tern_slice frame_of(const struct tern_message *message, bool takes_headers,
                                  struct tern_slice sid) {
  return frames_of(message, takes_headers, sid, 0, 1);
}

/* long: a table */
static void frames_are_exact(void **state) {
  (void)state;
  static const struct {
    struct tern_message message;
    bool with_headers;
    const char *sid;
    const char *expect;
  } entries[] = {
      {{.subject = TEXT("foo"), .body = TEXT("hello")}, true, "1", "MSG foo 1 5\r\nhello\r\n"},
      {{.subject = TEXT("foo"), .body = TEXT("hello")}, false, "1", "MSG foo 1 5\r\nhello\r\n"},
      {{.subject = TEXT("foo"), .reply = TEXT("_INBOX.x"), .body = TEXT("hello")},
       true,
       "abc-DEF",
       "MSG foo abc-DEF _INBOX.x 5\r\nhello\r\n"},
      {{.subject = TEXT("f"), .body = TEXT("hello"), .size_text = TEXT("0005")},
       true,
       "1",
       "MSG f 1 0005\r\nhello\r\n"},
      {{.subject = TEXT("f"), .size_text = TEXT("0")}, true, "1", "MSG f 1 0\r\n\r\n"},
      {{.subject = TEXT("f")}, true, "1", "MSG f 1 0\r\n\r\n"},
      {{.subject = TEXT("f"),
        .body = TEXT("garbage!!hello"),
        .header_len = 9,
        .header_text = TEXT("9"),
        .size_text = TEXT("14")},
       true,
       "1",
       "HMSG f 1 9 14\r\ngarbage!!hello\r\n"},
      {{.subject = TEXT("f"),
        .reply = TEXT("r"),
        .body = TEXT("garbage!!hello"),
        .header_len = 9,
        .header_text = TEXT("009"),
        .size_text = TEXT("000014")},
       true,
       "22",
       "HMSG f 22 r 009 000014\r\ngarbage!!hello\r\n"},
      {{.subject = TEXT("f"), .body = TEXT("NATS/1.0\r\n\r\n"), .header_len = 12},
       true,
       "1",
       "HMSG f 1 12 12\r\nNATS/1.0\r\n\r\n\r\n"},
      /* Without headers: the size is a new one. */
      {{.subject = TEXT("f"),
        .body = TEXT("garbage!!hello"),
        .header_len = 9,
        .header_text = TEXT("9"),
        .size_text = TEXT("0014")},
       false,
       "1",
       "MSG f 1 5\r\nhello\r\n"},
      {{.subject = TEXT("f"), .body = TEXT("NATS/1.0\r\n\r\n"), .header_len = 12, .size_text = TEXT("12")},
       false,
       "1",
       "MSG f 1 0\r\n\r\n"},
      /* HPUB with no header bytes becomes a plain message in the publisher's digits. */
      {{.subject = TEXT("f"), .body = TEXT("hello"), .header_text = TEXT("00"), .size_text = TEXT("05")},
       true,
       "1",
       "MSG f 1 05\r\nhello\r\n"},
      {{.subject = TEXT("f"), .body = TEXT("hello"), .header_text = TEXT("00"), .size_text = TEXT("05")},
       false,
       "1",
       "MSG f 1 05\r\nhello\r\n"},
      /* Digits that no parser gave: not taken over. */
      {{.subject = TEXT("f"), .body = TEXT("hello"), .size_text = TEXT("000000000000000000005")},
       true,
       "1",
       "MSG f 1 5\r\nhello\r\n"},
  };
  for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
    struct tern_message message = entries[i].message;
    message.subject = copy_of(message.subject);
    message.reply = copy_of(message.reply);
    struct tern_slice sid = copy_of(tern_slice_of(entries[i].sid));
    struct tern_slice frame = frame_of(&message, entries[i].with_headers, sid);
    assert_int_equal(frame.len, strlen(entries[i].expect));
    assert_memory_equal(frame.ptr, entries[i].expect, frame.len);
    drop(frame);
    drop(sid);
    drop(message.reply);
    drop(message.subject);
  }
}

/* Text of that many bytes, none of them a blank or a line end. */
static struct tern_slice word_of(size_t len, unsigned seed) {
  char *text = malloc(len > 0 ? len : 1);
  assert_non_null(text);
  for (size_t i = 0; i < len; i++)
    text[i] = (char)('!' + (i * 7 + seed) % 90);
  return (struct tern_slice){text, len};
}

static void expect_round_trip(struct tern_pool *pool, const struct tern_message *message, bool with_headers,
                              struct tern_slice sid) {
  struct tern_slice frame = frame_of(message, with_headers, sid);
  struct tern_nats_parser parser;
  struct tern_nats_op op;
  struct tern_chunk chunk = {frame.ptr, frame.len, NULL};
  bool headers = with_headers && message->header_len > 0;
  size_t skipped = headers ? 0 : message->header_len;
  tern_nats_init(&parser, TERN_NATS_FROM_SERVER, pool);
  tern_nats_feed(&parser, &chunk);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_int_equal(op.verb, headers ? TERN_NATS_HMSG : TERN_NATS_MSG);
  assert_true(tern_slice_equal(op.subject, message->subject));
  assert_true(tern_slice_equal(op.reply, message->reply));
  assert_true(tern_slice_equal(op.sid, sid));
  assert_int_equal(op.header_len, headers ? message->header_len : 0);
  assert_int_equal(op.body.len, message->body.len - skipped);
  if (op.body.len > 0) assert_memory_equal(op.body.ptr, message->body.ptr + skipped, op.body.len);
  assert_int_equal(tern_nats_next(&parser, &op), 0);
  assert_int_equal(tern_nats_unused(&parser), 0);
  tern_nats_reset(&parser);
  drop(frame);
}

/* Frames of a run are those of its messages, one behind the other. */
static void frames_of_a_run(void **state) {
  (void)state;
  enum { COUNT = 5, GAP = 9 };
  for (size_t len = 0; len <= 200; len++) {
    for (size_t skip = 0; skip <= len; skip += 1 + len / 3) {
      struct tern_slice bodies = word_of(COUNT * (len + GAP), 1), sid = word_of(1 + len % 40, 2);
      struct tern_message message = {.subject = word_of(1 + len % 50, 3),
                                     .body = {bodies.ptr, len},
                                     .header_len = (uint32_t)skip,
                                     .more = COUNT - 1,
                                     .stride = (uint32_t)(len + GAP)};
      for (uint64_t first = 0; first < COUNT; first++) {
        struct tern_slice run = frames_of(&message, skip % 2, sid, first, COUNT - first);
        size_t size = run.len / (COUNT - first);
        for (uint64_t i = first; i < COUNT; i++) {
          struct tern_message single = message;
          single.body.ptr = bodies.ptr + i * (len + GAP);
          struct tern_slice one = frame_of(&single, skip % 2, sid);
          assert_int_equal(one.len, size);
          assert_memory_equal(run.ptr + (i - first) * size, one.ptr, size);
          drop(one);
        }
        drop(run);
      }
      drop(message.subject);
      drop(sid);
      drop(bodies);
    }
  }
}

/* The messages of a list lie there as they came (or not: gap), in memory that ends where the last one ends. */
static void expect_list(size_t subject_len, size_t body_len, size_t sid_len, const char *gap) {
  enum { COUNT = 3 };
  struct tern_slice sid = word_of(sid_len, 5), subject = word_of(subject_len, 6), body = word_of(body_len, 7);
  struct tern_message list[COUNT];
  char size_text[8];
  size_t digits = (size_t)snprintf(size_text, sizeof size_text, "%zu", body_len);
  size_t each = subject_len + strlen(gap) + digits + body_len + 4, at = 0, room = 0, expected = 0;
  char *memory = malloc(COUNT * each);
  assert_non_null(memory);
  for (size_t i = 0; i < COUNT; i++, at += each) {
    char *text = memory + at;
    memcpy(text, subject.ptr, subject_len);
    text[0] = (char)('a' + i);
    memcpy(text + subject_len, gap, strlen(gap));
    char *size = text + subject_len + strlen(gap), *start = size + digits + 2;
    memcpy(size, size_text, digits);
    memcpy(size + digits, "\r\n", 2);
    if (body_len > 0) memcpy(start, body.ptr, body_len);
    memcpy(start + body_len, "\r\n", 2);
    list[i] = (struct tern_message){.subject = {text, subject_len},
                                    .size_text = {size, digits},
                                    .body = {start, body_len},
                                    .more = (uint32_t)(COUNT - 1 - i)};
    room += tern_nats_line_max(&list[i], sid_len) + body_len + 2;
  }
  char *whole = malloc(room);
  assert_non_null(whole);
  size_t size = (size_t)(tern_nats_put_list(whole, list, COUNT, sid) - whole);
  for (size_t i = 0; i < COUNT; i++) {
    struct tern_slice one = frame_of(&list[i], true, sid);
    assert_in_range(expected + one.len, 0, size);
    assert_memory_equal(whole + expected, one.ptr, one.len);
    expected += one.len;
    drop(one);
  }
  assert_int_equal(size, expected);
  free(whole);
  free(memory);
  drop(body);
  drop(subject);
  drop(sid);
}

static void frames_of_a_list(void **state) {
  (void)state;
  for (size_t len = 1; len <= 70; len++) {
    for (size_t body = 0; body <= 20; body++)
      expect_list(len, body, 1 + len % 20, " ");
    expect_list(len, 100 + len, 1, " ");
    expect_list(len, len, 14, "  ");
    expect_list(len, 12, 1 + len % 20, "\t");
    expect_list(1, len, len, " ");
  }
}

/* Every length of each part, so that every way of copying short pieces is taken. */
static void parser_reads_every_length_back(void **state) {
  (void)state;
  struct tern_pool *pool = tern_pool_new();
  assert_non_null(pool);
  for (size_t len = 1; len <= 70; len++) {
    for (unsigned kind = 0; kind < 8; kind++) {
      struct tern_slice body = word_of(kind & 1 ? len * 3 : 0, kind),
                        sid = word_of(kind & 2 ? len : 1, kind + 1);
      struct tern_message message = {.subject = word_of(len, kind + 2),
                                     .reply = word_of(kind & 4 ? 71 - len : 0, kind + 3),
                                     .body = body,
                                     .header_len = (uint32_t)(kind & 1 ? len : 0)};
      expect_round_trip(pool, &message, true, sid);
      expect_round_trip(pool, &message, false, sid);
      drop(message.reply);
      drop(message.subject);
      drop(sid);
      drop(body);
    }
  }
  tern_pool_free(pool);
}

static void lines_may_be_longer_than_64_kib(void **state) {
  (void)state;
  struct tern_pool *pool = tern_pool_new();
  assert_non_null(pool);
  struct tern_slice sid = word_of(70000, 1), body = word_of(1000, 2);
  struct tern_message message = {.subject = word_of(70001, 3), .reply = word_of(70002, 4), .body = body};
  expect_round_trip(pool, &message, true, sid);
  drop(message.subject);
  drop(message.reply);
  drop(sid);
  drop(body);
  tern_pool_free(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(frames_are_exact),
      cmocka_unit_test(frames_of_a_run),
      cmocka_unit_test(frames_of_a_list),
      cmocka_unit_test(parser_reads_every_length_back),
      cmocka_unit_test(lines_may_be_longer_than_64_kib),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
