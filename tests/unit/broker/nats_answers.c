/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that may be answered: how often, for how long, how many of them; random use against a naive table; and memory
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "answers.h"

static int allocations_left = -1; /* -1: no end */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool refuse(void) { return allocations_left >= 0 && allocations_left-- == 0; }
void *__wrap_malloc(size_t size) { return refuse() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return refuse() ? NULL : __real_calloc(count, size); }

static struct tern_slice slice(const char *text) { return (struct tern_slice){text, strlen(text)}; }

static struct nats_answers *new_table(uint64_t max, uint64_t expires_ms) {
  struct permissions_answers terms = {.max = max, .expires_ms = expires_ms};
  struct nats_answers *answers = nats_answers_new(&terms);
  assert_non_null(answers);
  return answers;
}

static void so_many_times(void **state) {
  (void)state;
  struct nats_answers *answers = new_table(2, UINT64_MAX);
  assert_false(nats_answers_take(answers, slice("r"), 0));
  assert_int_equal(nats_answers_note(answers, slice("r"), 0), 0);
  assert_true(nats_answers_take(answers, slice("r"), 0));
  assert_false(nats_answers_take(answers, slice("r2"), 0));
  assert_true(nats_answers_take(answers, slice("r"), UINT64_MAX));
  assert_false(nats_answers_take(answers, slice("r"), 0));
  /* a second request with the same reply starts anew, and does not add up */
  nats_answers_note(answers, slice("r"), 0);
  nats_answers_note(answers, slice("r"), 0);
  assert_true(nats_answers_take(answers, slice("r"), 0));
  nats_answers_note(answers, slice("r"), 0);
  assert_true(nats_answers_take(answers, slice("r"), 0));
  assert_true(nats_answers_take(answers, slice("r"), 0));
  assert_false(nats_answers_take(answers, slice("r"), 0));
  nats_answers_free(answers);
  answers = new_table(UINT64_MAX, UINT64_MAX);
  nats_answers_note(answers, slice("r"), 0);
  for (unsigned i = 0; i < 1000; i++)
    assert_true(nats_answers_take(answers, slice("r"), i));
  nats_answers_free(answers);
  nats_answers_free(NULL);
}

static void so_long(void **state) {
  (void)state;
  struct nats_answers *answers = new_table(UINT64_MAX, 100);
  nats_answers_note(answers, slice("a"), 1000);
  nats_answers_note(answers, slice("b"), 1050);
  assert_true(nats_answers_take(answers, slice("a"), 1100));
  assert_false(nats_answers_take(answers, slice("a"), 1101));
  assert_true(nats_answers_take(answers, slice("b"), 1101));
  nats_answers_note(answers, slice("b"), 1150); /* again: from now on */
  assert_true(nats_answers_take(answers, slice("b"), 1250));
  nats_answers_note(answers, slice("c"), 2000); /* b has to go */
  assert_false(nats_answers_take(answers, slice("b"), 1150));
  assert_true(nats_answers_take(answers, slice("c"), 2000));
  nats_answers_free(answers);
}

static void so_many(void **state) {
  (void)state;
  struct nats_answers *answers = new_table(1, UINT64_MAX);
  const unsigned total = 100000;
  uint64_t forgotten = 0;
  char reply[16];
  for (unsigned i = 0; i < total; i++) {
    snprintf(reply, sizeof reply, "_INBOX.%06u", i);
    forgotten += nats_answers_note(answers, slice(reply), i);
  }
  assert_in_range(forgotten, total / 10, total - 10000);
  for (unsigned i = 0; i < total; i++) { /* the oldest are those that went */
    snprintf(reply, sizeof reply, "_INBOX.%06u", i);
    assert_int_equal(nats_answers_take(answers, slice(reply), total), i >= forgotten);
  }
  nats_answers_free(answers);
}

static void a_reply_as_long_as_all_memory(void **state) {
  (void)state;
  struct nats_answers *answers = new_table(1, UINT64_MAX);
  char *huge = calloc(1, NATS_ANSWERS_MAX_BYTES);
  assert_non_null(huge);
  nats_answers_note(answers, slice("a"), 0);
  nats_answers_note(answers, slice("b"), 0);
  assert_int_equal(nats_answers_note(answers, (struct tern_slice){huge, NATS_ANSWERS_MAX_BYTES}, 0), 2);
  assert_int_equal(nats_answers_note(answers, slice("c"), 0), 1);
  assert_true(nats_answers_take(answers, slice("c"), 0));
  free(huge);
  nats_answers_free(answers);
}

/* Few replies, so that all of it happens to each of them. */
static void as_a_naive_table(void **state) {
  (void)state;
  enum { REPLIES = 40, MAX = 3, EXPIRES = 50 };
  struct nats_answers *answers = new_table(MAX, EXPIRES);
  struct {
    bool noted;
    uint64_t came_ms, answered;
  } naive[REPLIES] = {{0}};
  uint64_t random = 88172645463325252u, now = 0, allowed = 0;
  for (unsigned round = 0; round < 50000; round++) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    unsigned which = (unsigned)(random >> 8) % REPLIES;
    now += random % 3;
    char reply[16];
    snprintf(reply, sizeof reply, "r.%u", which);
    if (random >> 32 & 1) {
      assert_int_equal(nats_answers_note(answers, slice(reply), now), 0);
      naive[which].noted = true;
      naive[which].came_ms = now;
      naive[which].answered = 0;
    } else {
      bool want = naive[which].noted && now - naive[which].came_ms <= EXPIRES && naive[which].answered < MAX;
      naive[which].answered++;
      allowed += want;
      assert_int_equal(nats_answers_take(answers, slice(reply), now), want);
    }
  }
  assert_in_range(allowed, 5000, 20000);
  nats_answers_free(answers);
}

static void without_memory(void **state) {
  (void)state;
  struct permissions_answers terms = {.max = 1, .expires_ms = 1};
  for (int fails = 0; fails < 2; fails++) {
    allocations_left = fails;
    assert_null(nats_answers_new(&terms));
  }
  allocations_left = -1;
  struct nats_answers *answers = new_table(1, UINT64_MAX);
  nats_answers_note(answers, slice("a"), 0);
  allocations_left = 0;
  assert_int_equal(nats_answers_note(answers, slice("b"), 0), 1);
  assert_int_equal(allocations_left, -1);
  assert_false(nats_answers_take(answers, slice("b"), 0));
  assert_true(nats_answers_take(answers, slice("a"), 0));
  char reply[8];
  for (unsigned i = 0; i < 200; i++) { /* the buckets cannot grow */
    snprintf(reply, sizeof reply, "%u", i);
    allocations_left = 1;
    assert_int_equal(nats_answers_note(answers, slice(reply), 0), 0);
  }
  allocations_left = -1;
  for (unsigned i = 0; i < 200; i++) {
    snprintf(reply, sizeof reply, "%u", i);
    assert_true(nats_answers_take(answers, slice(reply), 0));
  }
  nats_answers_free(answers);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(so_many_times),    cmocka_unit_test(so_long),
      cmocka_unit_test(so_many),          cmocka_unit_test(a_reply_as_long_as_all_memory),
      cmocka_unit_test(as_a_naive_table), cmocka_unit_test(without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
