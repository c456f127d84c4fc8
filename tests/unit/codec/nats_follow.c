/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is taken off the input without the parser: that it is taken at all (that it is what the parser would have said
 * is shown with all the parser's rules, nats_parse.c), where it ends, and that it can be given back.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>
#include <tern/codec_nats.h>
#include <tern/limits.h>

#include "nats_scan.h"
#include "pool.h"

#define PADDING "PUB padding 20\r\n12345678901234567890\r\n"

static struct tern_pool *pool;
static struct tern_nats_parser parser;
static char *memory; /* of exactly the input's size: what is read behind it is found */

static void feed(const char *text) {
  size_t len = strlen(text);
  memory = malloc(len);
  assert_non_null(memory);
  memcpy(memory, text, len);
  pool = tern_pool_new();
  tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, pool);
  tern_nats_set_limits(&parser, 40, 1000);
  struct tern_chunk chunk = {.data = memory, .len = len};
  tern_nats_feed(&parser, &chunk);
}

static void drop(void) {
  tern_nats_reset(&parser);
  tern_pool_free(pool);
  free(memory);
}

static void expect_next(enum tern_nats_verb verb, const char *subject) {
  struct tern_nats_op op;
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_int_equal(op.verb, verb);
  if (subject != NULL) assert_true(tern_slice_equal(op.subject, tern_slice_of(subject)));
}

static void expect_pub(const char *subject, const char *size, const char *body) {
  struct tern_message m = {.hash = 5};
  assert_int_equal(tern_nats_take_pub(&parser, NULL, &m), 1);
  assert_true(tern_slice_equal(m.subject, tern_slice_of(subject)));
  assert_true(tern_slice_equal(m.size_text, tern_slice_of(size)));
  assert_true(tern_slice_equal(m.body, tern_slice_of(body)));
  assert_int_equal(m.hash, 5); /* and so with all the rest */
}

static void plain_pubs_are_taken(void **state) {
  (void)state;
  feed(
      "PING\r\nPUB a 5\r\nhello\r\npub b.c.d 0012\r\nhello, hello\r\nPuB x 0\r\n\r\n"
      "PUB a.subject.beyond.the.first.block 2\r\nok\r\nPUB last 3\r\nend\r\n" PADDING);
  expect_next(TERN_NATS_PING, NULL);
  expect_pub("a", "5", "hello");
  expect_pub("b.c.d", "0012", "hello, hello");
  expect_pub("x", "0", "");
  expect_pub("a.subject.beyond.the.first.block", "2", "ok");
  expect_pub("last", "3", "end");
  expect_pub("padding", "20", "12345678901234567890");
  struct tern_message m;
  assert_int_equal(tern_nats_take_pub(&parser, NULL, &m), 0);
  assert_int_equal(tern_nats_unused(&parser), 0);
  drop();
}

static void everything_else_is_left_alone(void **state) {
  (void)state;
  static const char *const inputs[] = {
      "",
      "P",
      "PUB",
      "PUB a 5\r\nhello",
      "PUB a 5\r\nhello\r\n", /* too near the end */
      "PUB a reply 5\r\nhello\r\n" PADDING,
      "PUB  a 5\r\nhello\r\n" PADDING,
      "PUB\ta 5\r\nhello\r\n" PADDING,
      "PUB a  5\r\nhello\r\n" PADDING,
      "PUB a 5 \r\nhello\r\n" PADDING,
      "PUB a 5\nhello\r\n" PADDING,
      "PUB a 5\r\nhello\n\n" PADDING,
      "PUB a 5\r\nhello\r\r" PADDING,
      "PUB a 4\r\nhello\r\n" PADDING,
      "PUB a 5x\r\nhello\r\n" PADDING,
      "PUB a -5\r\nhello\r\n" PADDING,
      "PUB a \r\nhello\r\n" PADDING,
      "PUB 5\r\nhello\r\n" PADDING,
      "PUB \r\nhello\r\n" PADDING,
      "PUB a 0000000005\r\nhello\r\n" PADDING, /* ten digits */
      "PUB a 1001\r\n" PADDING,
      "PUB this.line.is.by.one.byte.longer.than.it.may 1\r\nx\r\n" PADDING,
      "PUB a 999\r\nhello\r\n" PADDING,
      "SUB a 5\r\nhello\r\n" PADDING,
      "HPUB a 5 5\r\nhello\r\n" PADDING,
      "PING\r\nhello\r\n" PADDING,
  };
  for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
    feed(inputs[i]);
    struct tern_message m;
    if (tern_nats_take_pub(&parser, NULL, &m) != 0) fail_msg("taken: %s", inputs[i]);
    assert_int_equal(tern_nats_unused(&parser), strlen(inputs[i]));
    drop();
  }
}

static void what_is_given_back_comes_again(void **state) {
  (void)state;
  feed("PUB a 1\r\n1\r\nPUB b 2\r\n22\r\nPUB b 2\r\n22\r\nPUB c 1\r\n3\r\n" PADDING);
  struct tern_message m[4];
  expect_next(TERN_NATS_PUB, "a");
  for (unsigned i = 0; i < 3; i++)
    assert_int_equal(tern_nats_take_pub(&parser, i > 0 ? &m[i - 1] : NULL, &m[i]), i == 1 ? 2 : 1);
  tern_nats_give_back(&parser, &m[1]);
  assert_true(tern_slice_equal(m[0].subject, tern_slice_of("b"))); /* still there */
  struct tern_nats_op op;
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_true(tern_slice_equal(op.body, tern_slice_of("22")));
  expect_next(TERN_NATS_PUB, "c");
  drop();
}

/* Repeats are of the last operation; after something was given back nobody knows which that was. */
static void repeats_follow_what_was_taken(void **state) {
  (void)state;
  feed("PUB a 1\r\n1\r\nPUB b 2\r\n22\r\nPUB b 2\r\n33\r\nPUB b 2\r\n44\r\n" PADDING);
  struct tern_message m;
  uint32_t stride;
  expect_next(TERN_NATS_PUB, "a");
  assert_int_equal(tern_nats_take_pub(&parser, NULL, &m), 1);
  struct tern_nats_op op = {.subject = m.subject, .body = m.body};
  assert_int_equal(tern_nats_take_repeats(&parser, &op, 1, &stride), 1);
  assert_memory_equal(m.body.ptr + stride, "33", 2);
  tern_nats_give_back(&parser, &m);
  assert_int_equal(tern_nats_take_repeats(&parser, &op, 9, &stride), 0);
  expect_next(TERN_NATS_PUB, "b");
  drop();
}

#define FIRST "PUB first 2\r\n..\r\n"

/* Takes the second PUB of an input and what is alike behind it. Returns how many were. */
static uint32_t take_alike(const char *input, struct tern_message *list, uint32_t max) {
  feed(input);
  expect_next(TERN_NATS_PUB, "first");
  assert_int_equal(tern_nats_take_pub(&parser, NULL, list), 1);
  return tern_nats_take_alike(&parser, list, max);
}

static void lines_alike_are_taken(void **state) {
  (void)state;
  static const char *const subjects[] = {"b.1", "b.2", "x.1", "b.1"}, *const bodies[] = {"111", "222",
                                                                                         "3\r\n", "444"};
  struct tern_message m[4];
  uint32_t count = take_alike(FIRST
                              "PUB b.1 3\r\n111\r\nPUB b.2 3\r\n222\r\nPUB x.1 3\r\n3\r\n\r\n"
                              "PUB b.1 3\r\n444\r\n" PADDING,
                              m, 3);
#ifdef __x86_64__ /* elsewhere one message at a time is as good */
  assert_int_equal(count, 3);
#endif
  for (uint32_t i = 0; i <= count; i++) {
    assert_true(tern_slice_equal(m[i].subject, tern_slice_of(subjects[i])));
    assert_true(tern_slice_equal(m[i].size_text, tern_slice_of("3")));
    assert_true(tern_slice_equal(m[i].body, tern_slice_of(bodies[i])));
  }
  tern_nats_give_back(&parser, &m[count]);
  expect_next(TERN_NATS_PUB, subjects[count]);
  drop();
}

/* What is not alike in every respect is left for others to judge. */
static void lines_that_differ_are_not_alike(void **state) {
  (void)state;
  static const char *const others[] = {
      "PUB bench.1 16\r\n0123456789abcdef\r\n", /* the same line is a run */
      "PUB bench.22 16\r\n0123456789abcdef\r\n", "PUB bench.2 17\r\n0123456789abcdefg\r\n",
      "PUB bench.2 61\r\n0123456789abcdef\r\n",  "PUB bench.2 16\r\n0123456789abcdef\n\n",
      "PUB bench.2 16\r\n0123456789abcdef\r\r",  "PUB bench 2 16\r\n0123456789abcdef\r\n",
      "PUB bench\t2 16\r\n0123456789abcdef\r\n", "PUB bench.2\t16\r\n0123456789abcdef\r\n",
      "PUB bench\r2 16\r\n0123456789abcdef\r\n", "PUB bench\n2 16\r\n0123456789abcdef\r\n",
      "PUB bench.2 16\n\n0123456789abcdef\r\n",  "SUB bench.2 16\r\n0123456789abcdef\r\n",
      "PUB\tbench.2 16\r\n0123456789abcdef\r\n", "pub bench.2 16\r\n0123456789abcdef\r\n",
  };
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    struct tern_message m[2];
    char input[256];
    snprintf(input, sizeof input, FIRST "PUB bench.1 16\r\n0123456789abcdef\r\n%s" PADDING, others[i]);
    if (take_alike(input, m, 1) != 0) fail_msg("taken: %s", others[i]);
    assert_int_equal(tern_nats_unused(&parser), strlen(others[i]) + strlen(PADDING));
    drop();
  }
}

/* Neither is what is not there as a whole. */
static void what_is_cut_is_not_alike(void **state) {
  (void)state;
  static const char next[] = "PUB bench.2 20\r\n0123456789abcdefghij\r\n";
  struct tern_message m[2];
  char input[256];
  for (size_t part = 0; part < sizeof next - 1; part++) {
    snprintf(input, sizeof input, FIRST "PUB bench.1 20\r\n0123456789abcdefghij\r\n%.*s", (int)part, next);
    assert_int_equal(take_alike(input, m, 1), 0);
    assert_int_equal(tern_nats_unused(&parser), part);
    drop();
  }
}

/* Lines of more than a block, and sizes of many digits, are not compared. */
static void long_lines_are_not_alike(void **state) {
  (void)state;
  struct tern_message m[2];
  assert_int_equal(take_alike(FIRST "PUB a.subject.of.thirty.bytes.at.1 1\r\nx\r\n"
                                    "PUB a.subject.of.thirty.bytes.at.2 1\r\nx\r\n" PADDING,
                              m, 1),
                   0);
  drop();
  assert_int_equal(take_alike(FIRST "PUB a 000001\r\nx\r\nPUB b 000001\r\nx\r\n" PADDING, m, 1), 0);
  drop();
}

static void subs_are_glanced_at(void **state) {
  (void)state;
  static const struct {
    const char *filter, *sid;
  } said[] = {{"a", "1"}, {"b.c.*", "22"}, {"filter", "sid"}, {"x.>", "4"}};
  struct tern_nats_glance list[8];
  feed("SUB a 1\r\nsub b.c.* group 22\r\nSuB filter sid\nSUB x.> \t4\r\nUNSUB 1\r\nSUB d 5\r\n" PADDING
           PADDING);
#ifdef TERN__NATS_VECTORS
  assert_int_equal(tern_nats_glance(&parser, list, 8), 4);
  for (unsigned i = 0; i < 4; i++) {
    assert_true(tern_slice_equal(list[i].filter, tern_slice_of(said[i].filter)));
    assert_true(tern_slice_equal(list[i].sid, tern_slice_of(said[i].sid)));
  }
  assert_int_equal(tern_nats_glance(&parser, list, 2), 2);
#endif
  for (unsigned i = 0; i < 4; i++)
    expect_next(TERN_NATS_SUB, said[i].filter); /* nothing was taken */
  assert_int_equal(tern_nats_glance(&parser, list, 8), 0);
  expect_next(TERN_NATS_UNSUB, NULL);
  drop();
}

/* What is short, cut, or has no words is not; and nothing behind the input is read. */
static void what_is_unusual_is_not_glanced_at(void **state) {
  (void)state;
  static const char *const texts[] = {
      "SUB a 1\r\n",
      "SUB a 1\r\n1234567890123456789012345678901234567890123456789012345678",
      "SUB a\r\n" PADDING PADDING,
      "SUB \r\n" PADDING PADDING,
      "SUBa 1\r\n" PADDING PADDING,
      "PUB a 0\r\n\r\n" PADDING PADDING,
      "SUB a.filter.that.is.as.long.as.two.blocks.of.thirty.two.bytes.together 1\r\n" PADDING};
  struct tern_nats_glance list[8];
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    feed(texts[i]);
    assert_int_equal(tern_nats_glance(&parser, list, 8), 0);
    drop();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_pubs_are_taken),
      cmocka_unit_test(everything_else_is_left_alone),
      cmocka_unit_test(what_is_given_back_comes_again),
      cmocka_unit_test(repeats_follow_what_was_taken),
      cmocka_unit_test(lines_alike_are_taken),
      cmocka_unit_test(lines_that_differ_are_not_alike),
      cmocka_unit_test(what_is_cut_is_not_alike),
      cmocka_unit_test(long_lines_are_not_alike),
      cmocka_unit_test(subs_are_glanced_at),
      cmocka_unit_test(what_is_unusual_is_not_glanced_at),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
