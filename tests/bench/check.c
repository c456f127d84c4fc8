/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load-test client's messages and checker: what is sent as it should be passes however it is cut, and each
 * kind of fault is seen and counted as what it is.
 */
#include "check.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tern/codec_nats.h>

/* Bytes as a subscriber receives them, and the checker they are for. */
struct scene {
  struct shape shape;
  struct checker checker;
  struct batch single[3]; /* one frame, for each of the publishers */
  char *bytes;
  size_t len;
};

#define SCENE_BYTES (4 * 1024 * 1024)

/* As subscribers of dialect_raw and of NATS get them. */
static void add_kind(struct shape *shape, const char *subject, unsigned size) {
  struct frame frame = {.subject = subject, .filter = subject, .sid = "1", .size = size};
  assert_int_equal(shape_add(shape, &frame), 0);
}

static void open_checker(struct scene *s, unsigned publishers, enum share share) {
  s->bytes = malloc(SCENE_BYTES);
  assert_non_null(s->bytes);
  assert_int_equal(checker_init(&s->checker, &s->shape, publishers, share), 0);
  for (unsigned i = 0; i < 3; i++)
    assert_int_equal(batch_init(&s->single[i], &s->shape, i, 1, true), 0);
}

static void open_scene(struct scene *s, unsigned size, unsigned publishers) {
  *s = (struct scene){.len = 0};
  assert_int_equal(shape_init(&s->shape, &dialect_nats, 1, size), 0);
  add_kind(&s->shape, "bench.subject", size);
  open_checker(s, publishers, SHARE_ALL);
}

static void close_scene(struct scene *s) {
  checker_free(&s->checker);
  for (unsigned i = 0; i < 3; i++)
    batch_free(&s->single[i]);
  shape_free(&s->shape);
  free(s->bytes);
}

static void add_bytes(struct scene *s, const char *bytes, size_t len) {
  assert_true(s->len + len <= SCENE_BYTES);
  memcpy(s->bytes + s->len, bytes, len);
  s->len += len;
}

static void add_text(struct scene *s, const char *text) { add_bytes(s, text, strlen(text)); }

/* Adds a message; returns its first byte of payload. */
static char *add(struct scene *s, unsigned publisher, uint64_t number) {
  struct batch *batch = &s->single[publisher];
  unsigned frame = (unsigned)(number % batch->frames);
  uint32_t from = frame > 0 ? batch->end[frame - 1] : 0;
  batch_number(batch, number - frame);
  add_bytes(s, batch->bytes + from, batch->end[frame] - from);
  return s->bytes + s->len - (batch->end[frame] - batch->payload[frame]);
}

static void add_range(struct scene *s, uint64_t from, uint64_t to) {
  for (uint64_t number = from; number < to; number++)
    add(s, 0, number);
}

/* Feeds everything in pieces of random size up to piece_max, as a socket would. */
static void feed(struct scene *s, size_t piece_max) {
  size_t used = 0, given = 0;
  unsigned random = 12345;
  while (given < s->len) {
    random = random * 1103515245 + 12345;
    size_t n = piece_max > 1 ? 1 + (random >> 8) % piece_max : 1;
    given = n < s->len - given ? given + n : s->len;
    char *piece = malloc(given - used); /* of its own, so that a sanitizer sees a step outside */
    assert_non_null(piece);
    memcpy(piece, s->bytes + used, given - used);
    int64_t took = checker_feed(&s->checker, piece, given - used);
    free(piece);
    assert_true(took >= 0);
    used += (size_t)took;
  }
  assert_int_equal(used, s->len);
  s->len = 0;
}

static void expect_found(const struct scene *s, struct findings expected) {
  const struct findings *found = &s->checker.found;
  assert_int_equal(found->received, expected.received);
  assert_int_equal(found->lost, expected.lost);
  assert_int_equal(found->doubled, expected.doubled);
  assert_int_equal(found->reordered, expected.reordered);
  assert_int_equal(found->altered, expected.altered);
}

static void what_is_as_sent_passes_in_any_pieces(void **state) {
  (void)state;
  static const size_t pieces[] = {1, 7, 100, 1000, SCENE_BYTES};
  static const unsigned sizes[] = {8, 9, 15, 16, 17, 128, 1000};
  for (size_t size = 0; size < sizeof sizes / sizeof sizes[0]; size++) {
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
      struct scene s;
      open_scene(&s, sizes[size], 1);
      add_range(&s, 0, 600);
      feed(&s, pieces[i]);
      checker_finish(&s.checker, 0, 600);
      expect_found(&s, (struct findings){.received = 600});
      close_scene(&s);
    }
  }
}

static void whole_batches_are_numbered_as_single_messages_are(void **state) {
  (void)state;
  static const unsigned sizes[] = {8, 16, 128, 5000};
  for (size_t size = 0; size < sizeof sizes / sizeof sizes[0]; size++) {
    struct scene s;
    struct batch batch;
    open_scene(&s, sizes[size], 1);
    assert_int_equal(batch_init(&batch, &s.shape, 0, 100000, true), 0);
    for (uint64_t first = 0; first < 5 * batch.frames; first += batch.frames) {
      batch_number(&batch, first);
      add_bytes(&s, batch.bytes, batch.end[batch.frames - 1]);
      feed(&s, 4096);
    }
    expect_found(&s, (struct findings){.received = 5 * batch.frames});
    batch_free(&batch);
    close_scene(&s);
  }
}

static void published_frames_are_what_a_server_understands(void **state) {
  (void)state;
  struct scene s;
  struct batch batch;
  struct tern_nats_parser parser;
  struct tern_nats_op op;
  open_scene(&s, 20, 1);
  assert_int_equal(batch_init(&batch, &s.shape, 0, 10000, false), 0);
  assert_true(batch.frames > 1);
  tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, NULL);
  tern_nats_feed(&parser, &(struct tern_chunk){.data = batch.bytes, .len = batch.end[batch.frames - 1]});
  for (unsigned i = 0; i < batch.frames; i++) {
    assert_int_equal(tern_nats_next(&parser, &op), 1);
    assert_int_equal(op.verb, TERN_NATS_PUB);
    assert_true(tern_slice_equal(op.subject, tern_slice_of("bench.subject")));
    assert_int_equal(op.body.len, 20);
  }
  assert_int_equal(tern_nats_next(&parser, &op), 0);
  tern_nats_reset(&parser);
  batch_free(&batch);
  close_scene(&s);
}

static void several_publishers_may_be_mixed(void **state) {
  (void)state;
  struct scene s;
  uint64_t next[3] = {0};
  unsigned random = 1;
  open_scene(&s, 16, 3);
  for (unsigned i = 0; i < 3000; i++) {
    random = random * 1103515245 + 12345;
    unsigned publisher = (random >> 16) % 3;
    add(&s, publisher, next[publisher]++);
  }
  feed(&s, 5000);
  for (unsigned i = 0; i < 3; i++)
    checker_finish(&s.checker, i, next[i]);
  expect_found(&s, (struct findings){.received = 3000});
  add(&s, 1, next[1] + 2); /* and a gap is found in the stream it is in */
  feed(&s, 100);
  expect_found(&s, (struct findings){.received = 3001, .lost = 2});
  close_scene(&s);
}

static void numbers_begin_anew_when_the_digits_are_used_up(void **state) {
  (void)state;
  struct scene s;
  open_scene(&s, 8, 1);
  for (uint64_t first = 0; first < 140000; first += 10000) {
    add_range(&s, first, first + 10000);
    feed(&s, 50000);
  }
  expect_found(&s, (struct findings){.received = 140000});
  add(&s, 0, 140003);
  add(&s, 0, 140001);
  feed(&s, 50000);
  expect_found(&s, (struct findings){.received = 140002, .lost = 2, .reordered = 1});
  close_scene(&s);
}

static void lost_messages_are_found(void **state) {
  (void)state;
  struct scene s;
  open_scene(&s, 16, 1);
  add_range(&s, 3, 10);
  add_range(&s, 11, 20);
  feed(&s, 64);
  expect_found(&s, (struct findings){.received = 16, .lost = 4});
  checker_finish(&s.checker, 0, 25); /* the end was lost too */
  expect_found(&s, (struct findings){.received = 16, .lost = 9});
  close_scene(&s);
}

static void doubled_messages_are_found(void **state) {
  (void)state;
  struct scene s;
  open_scene(&s, 16, 1);
  add_range(&s, 0, 10);
  add(&s, 0, 9);
  add(&s, 0, 0);
  add_range(&s, 10, 20);
  feed(&s, 64);
  checker_finish(&s.checker, 0, 20);
  expect_found(&s, (struct findings){.received = 22, .doubled = 2});
  close_scene(&s);
}

static void reordered_messages_are_found(void **state) {
  (void)state;
  struct scene s;
  open_scene(&s, 16, 1);
  add_range(&s, 0, 10);
  add(&s, 0, 12);
  add(&s, 0, 11);
  add(&s, 0, 10);
  add(&s, 0, 11); /* and this one is there twice */
  add_range(&s, 13, 20);
  feed(&s, 64);
  checker_finish(&s.checker, 0, 20);
  expect_found(&s, (struct findings){.received = 21, .reordered = 2, .doubled = 1});
  close_scene(&s);
}

static void more_gaps_than_are_remembered_are_still_counted(void **state) {
  (void)state;
  struct scene s;
  open_scene(&s, 16, 1);
  for (uint64_t number = 1; number < 401; number += 2)
    add(&s, 0, number);
  feed(&s, 1000);
  expect_found(&s, (struct findings){.received = 200, .lost = 200});
  add(&s, 0, 398); /* remembered */
  add(&s, 0, 0);   /* forgotten */
  feed(&s, 1000);
  expect_found(&s, (struct findings){.received = 202, .lost = 199, .reordered = 1, .doubled = 1});
  close_scene(&s);
}

static void any_altered_byte_is_found(void **state) {
  (void)state;
  for (unsigned at = 0; at < 40; at++) {
    struct scene s;
    open_scene(&s, 40, 1);
    add_range(&s, 0, 5);
    char *payload = add(&s, 0, 5);
    payload[at] = payload[at] == '7' ? '8' : '7';
    add_range(&s, 6, 10);
    feed(&s, 64);
    checker_finish(&s.checker, 0, 10);
    expect_found(&s, (struct findings){.received = 10, .altered = 1});
    close_scene(&s);
  }
}

static void a_cleared_payload_is_found(void **state) {
  (void)state;
  struct scene s;
  open_scene(&s, 16, 1);
  memset(add(&s, 0, 0), '0', 16);
  add_range(&s, 1, 10);
  feed(&s, 64);
  checker_finish(&s.checker, 0, 10);
  expect_found(&s, (struct findings){.received = 10, .altered = 1});
  close_scene(&s);
}

static void a_message_of_another_size_or_subject_is_found(void **state) {
  (void)state;
  static const char *const strangers[] = {
      "MSG bench.subject 1 15\r\n000000000000005\r\n",
      "MSG bench.other 1 16\r\n0000000000000005\r\n",
      "MSG bench.subject 2 16\r\n0000000000000005\r\n",
      "MSG bench.subject 1 reply 16\r\n0000000000000005\r\n",
      "MSG bench.subject 1 0\r\n\r\n",
  };
  for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
    for (size_t piece = 1; piece < 100; piece += 13) {
      struct scene s;
      open_scene(&s, 16, 1);
      add_range(&s, 0, 5);
      add_text(&s, strangers[i]);
      add_range(&s, 5, 10);
      feed(&s, piece);
      expect_found(&s, (struct findings){.received = 11, .altered = 1});
      close_scene(&s);
    }
  }
}

static void other_operations_may_come_in_between(void **state) {
  (void)state;
  for (size_t piece = 1; piece < 60; piece++) {
    struct scene s;
    open_scene(&s, 16, 1);
    add_text(&s, "PING\r\n");
    add_range(&s, 0, 3);
    add_text(&s, "PING\r\nPONG\r\n");
    add_range(&s, 3, 6);
    add_bytes(&s, "INFO {\"ldm\":true}\r\n", 19);
    add_text(&s, "-ERR 'Slow Consumer'\r\n");
    add_range(&s, 6, 9);
    add_text(&s, "PONG\r\n");
    feed(&s, piece);
    expect_found(&s, (struct findings){.received = 9});
    assert_int_equal(s.checker.pings, 2);
    assert_int_equal(s.checker.pongs, 2);
    assert_string_equal(s.checker.error, "the server answered -ERR 'Slow Consumer'");
    close_scene(&s);
  }
}

static void what_is_not_the_protocol_is_an_error(void **state) {
  (void)state;
  struct scene s;
  open_scene(&s, 16, 1);
  assert_true(checker_feed(&s.checker, "HTTP/1.1 400 Bad Request\r\n", 26) < 0);
  close_scene(&s);
}

static void kinds_may_take_turns(void **state) {
  (void)state;
  for (unsigned publishers = 1; publishers <= 3; publishers += 2) {
    for (size_t piece = 1; piece < 100000; piece *= 11) {
      struct scene s = {.len = 0};
      uint64_t next[3] = {0};
      unsigned random = 1;
      assert_int_equal(shape_init(&s.shape, &dialect_nats, 3, 16), 0);
      add_kind(&s.shape, "bench.0", 16);
      add_kind(&s.shape, "bench.1", 1000);
      add_kind(&s.shape, "bench.two", 20);
      open_checker(&s, publishers, SHARE_ALL);
      for (unsigned i = 0; i < 300; i++) {
        random = random * 1103515245 + 12345;
        unsigned publisher = (random >> 16) % publishers;
        add(&s, publisher, next[publisher]++);
      }
      feed(&s, piece);
      expect_found(&s, (struct findings){.received = 300});
      add(&s, 0, next[0] + 1); /* what comes after a loss is still recognised */
      add(&s, 0, next[0] + 2);
      feed(&s, piece);
      expect_found(&s, (struct findings){.received = 302, .lost = 1});
      close_scene(&s);
    }
  }
}

static void a_message_of_another_kind_than_its_number_says_is_found(void **state) {
  (void)state;
  struct scene s = {.len = 0};
  assert_int_equal(shape_init(&s.shape, &dialect_nats, 2, 16), 0);
  add_kind(&s.shape, "bench.0", 16);
  add_kind(&s.shape, "bench.1", 16);
  open_checker(&s, 1, SHARE_ALL);
  add_range(&s, 0, 4);
  add(&s, 0, 4)[-8] = '1'; /* bench.0 1 16CRLF becomes bench.1 */
  add_range(&s, 5, 8);
  feed(&s, 64);
  assert_int_equal(s.checker.found.received, 8);
  assert_int_equal(s.checker.found.altered, 1);
  close_scene(&s);
}

/* Two subscribers that share: which of them gets what, 0, 1, or 2 for both. */
static struct findings shared(const char *who) {
  struct scene s[2];
  struct checker *checkers[2];
  struct findings sum = {0};
  for (unsigned i = 0; i < 2; i++) {
    open_scene(&s[i], 16, 1);
    s[i].checker.share = SHARE_SOME;
    checkers[i] = &s[i].checker;
    for (unsigned number = 0; who[number] != '\0'; number++) {
      if (who[number] == (char)('0' + i) || who[number] == '2') add(&s[i], 0, number);
    }
    feed(&s[i], 100);
  }
  checkers_merge(checkers, 2, 0, strlen(who));
  for (unsigned i = 0; i < 2; i++) {
    findings_add(&sum, &s[i].checker.found);
    close_scene(&s[i]);
  }
  return sum;
}

static void who_shares_gets_each_once(void **state) {
  (void)state;
  static const char many[] = "0110100110010110100101100110100110010110011010010110100110010110";
  struct findings found = shared("0011010001");
  assert_int_equal(found.received, 10);
  assert_int_equal(found.lost + found.doubled + found.reordered + found.altered, 0);
  found = shared(many);
  assert_int_equal(found.received, 64);
  assert_int_equal(found.lost + found.doubled, 0);
  found = shared("001-01-02-1");
  assert_int_equal(found.lost, 3);
  assert_int_equal(found.doubled, 1);
}

static void who_shares_gets_it_in_order_and_once(void **state) {
  (void)state;
  struct scene s;
  struct checker *checker = &s.checker;
  open_scene(&s, 16, 1);
  s.checker.share = SHARE_SOME;
  add(&s, 0, 3);
  add(&s, 0, 7);
  add(&s, 0, 5); /* reordered */
  add(&s, 0, 7); /* doubled */
  add(&s, 0, 9);
  feed(&s, 64);
  expect_found(&s, (struct findings){.received = 5, .reordered = 1, .doubled = 1});
  checkers_merge(&checker, 1, 0, 10);
  expect_found(&s, (struct findings){.received = 5, .reordered = 1, .doubled = 1, .lost = 6});
  close_scene(&s);
}

static void where_order_does_not_count_the_rest_does(void **state) {
  (void)state;
  struct scene s;
  struct checker *checker = &s.checker;
  open_scene(&s, 16, 1);
  s.checker.share = SHARE_ANYHOW;
  add(&s, 0, 2);
  add(&s, 0, 1);
  add(&s, 0, 4);
  add(&s, 0, 1);
  feed(&s, 64);
  checkers_merge(&checker, 1, 0, 5);
  expect_found(&s, (struct findings){.received = 4, .doubled = 1, .lost = 2});
  close_scene(&s);
}

static void redis_messages_are_checked_too(void **state) {
  (void)state;
  static const char *const filters[] = {"bench.subject", "bench.>"};
  for (size_t f = 0; f < 2; f++) {
    for (size_t piece = 1; piece < 200; piece += 37) {
      struct scene s = {.len = 0};
      struct frame frame = {.subject = "bench.subject", .filter = filters[f], .size = 16};
      assert_int_equal(shape_init(&s.shape, &dialect_redis, 1, 16), 0);
      assert_int_equal(shape_add(&s.shape, &frame), 0);
      open_checker(&s, 1, SHARE_ALL);
      add_text(&s, "*3\r\n$9\r\nsubscribe\r\n$5\r\nbench\r\n:1\r\n");
      add_range(&s, 0, 5);
      add_text(&s, "*2\r\n$4\r\npong\r\n$0\r\n\r\n+PONG\r\n:17\r\n");
      add_range(&s, 6, 9);
      add_text(&s, "-ERR no\r\n");
      feed(&s, piece);
      expect_found(&s, (struct findings){.received = 8, .lost = 1});
      assert_int_equal(s.checker.pongs, 2);
      assert_string_equal(s.checker.error, "the server answered -ERR ERR no");
      close_scene(&s);
    }
  }
}

static void lines_and_payloads_out_of_bounds_are_refused(void **state) {
  (void)state;
  struct shape shape;
  char subject[LINE_MAX_BYTES];
  memset(subject, 'x', sizeof subject - 1);
  subject[sizeof subject - 1] = '\0';
  assert_int_equal(shape_init(&shape, &dialect_nats, 2, 16), 0);
  assert_int_equal(shape_add(&shape, &(struct frame){.subject = subject, .sid = "1", .size = 16}), -EINVAL);
  assert_int_equal(shape_add(&shape, &(struct frame){.subject = "s", .sid = "1", .size = 15}), -EINVAL);
  assert_int_equal(shape_add(&shape, &(struct frame){.subject = "s", .sid = "1", .size = 16}), 0);
  shape_free(&shape);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_as_sent_passes_in_any_pieces),
      cmocka_unit_test(whole_batches_are_numbered_as_single_messages_are),
      cmocka_unit_test(published_frames_are_what_a_server_understands),
      cmocka_unit_test(several_publishers_may_be_mixed),
      cmocka_unit_test(numbers_begin_anew_when_the_digits_are_used_up),
      cmocka_unit_test(lost_messages_are_found),
      cmocka_unit_test(doubled_messages_are_found),
      cmocka_unit_test(reordered_messages_are_found),
      cmocka_unit_test(more_gaps_than_are_remembered_are_still_counted),
      cmocka_unit_test(any_altered_byte_is_found),
      cmocka_unit_test(a_cleared_payload_is_found),
      cmocka_unit_test(a_message_of_another_size_or_subject_is_found),
      cmocka_unit_test(other_operations_may_come_in_between),
      cmocka_unit_test(what_is_not_the_protocol_is_an_error),
      cmocka_unit_test(kinds_may_take_turns),
      cmocka_unit_test(a_message_of_another_kind_than_its_number_says_is_found),
      cmocka_unit_test(who_shares_gets_each_once),
      cmocka_unit_test(who_shares_gets_it_in_order_and_once),
      cmocka_unit_test(where_order_does_not_count_the_rest_does),
      cmocka_unit_test(redis_messages_are_checked_too),
      cmocka_unit_test(lines_and_payloads_out_of_bounds_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
