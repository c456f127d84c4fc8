/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are expected: their subjects, the time they have, the bound of one account, and what is forgotten. */
#include "accounts.h"

#include <errno.h>
#include <sys/random.h>

#include <tern/error.h>

static bool predictable; /* the system has no random bits */

ssize_t __real_getrandom(void *to, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags);

ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags) {
  if (!predictable) return __real_getrandom(to, len, flags);
  errno = EAGAIN;
  return -1;
}

static struct replies *replies_of(struct tern_worker *worker) {
  struct route *route = tern_loop_data(tern_worker_loop(worker));
  return route->crossings->replies;
}

static struct tern_slice slice(const char *text) { return (struct tern_slice){text, strlen(text)}; }

static struct replies_request request(uint32_t from, uint64_t ms) {
  return (struct replies_request){
      .from = from, .to = 1, .subject = slice("asked"), .reply = slice("inbox"), .ms = ms};
}

static void call_expected_is_found(struct tern_worker *worker, void *arg) {
  struct replies *replies = replies_of(worker);
  static char subjects[100][REPLIES_SUBJECT_LEN];
  (void)arg;
  for (unsigned i = 0; i < 100; i++) {
    struct replies_request r = request(0, 1000 + i);
    assert_int_equal(replies_expect(replies, &r, subjects[i]), 0);
  }
  assert_int_equal(replies_count(replies), 100);
  for (unsigned i = 0; i < 100; i++) {
    struct tern_slice subject = {subjects[i], REPLIES_SUBJECT_LEN};
    const struct replies_request *found = replies_find(replies, subject);
    assert_non_null(found);
    assert_int_equal(found->ms, 1000 + i);
    assert_true(tern_slice_equal(found->subject, slice("asked")));
    assert_true(tern_slice_equal(found->reply, slice("inbox")));
    assert_true(tern_subject_is_literal(subject));
    /* each byte of it counts */
    for (unsigned at = 0; i == 0 && at < REPLIES_SUBJECT_LEN; at++) {
      char other[REPLIES_SUBJECT_LEN];
      memcpy(other, subjects[i], sizeof other);
      if (other[at] == '.') continue;
      other[at] = other[at] == '1' ? '2' : '1';
      assert_null(replies_find(replies, (struct tern_slice){other, sizeof other}));
    }
    assert_null(replies_find(replies, (struct tern_slice){subjects[i], REPLIES_SUBJECT_LEN - 1}));
  }
  /* a place that is used again is another subject */
  char again[REPLIES_SUBJECT_LEN];
  struct replies_request r = request(0, 5);
  replies_forget(replies, (struct tern_slice){subjects[7], REPLIES_SUBJECT_LEN});
  replies_forget(replies, (struct tern_slice){subjects[7], REPLIES_SUBJECT_LEN});
  assert_int_equal(replies_expect(replies, &r, again), 0);
  assert_null(replies_find(replies, (struct tern_slice){subjects[7], REPLIES_SUBJECT_LEN}));
  assert_non_null(replies_find(replies, (struct tern_slice){again, REPLIES_SUBJECT_LEN}));
  assert_int_equal(replies_count(replies), 100);
}

static void call_count(struct tern_worker *worker, void *arg) {
  *(uint32_t *)arg = replies_count(replies_of(worker));
}

static void expected_is_found_until_it_is_late(void **state) {
  (void)state;
  struct sim sim;
  uint32_t number, count;
  start(&sim, 1, NULL);
  assert_int_equal(core_account(&sim.core, sim.workers, true, "A", &number), 0);
  assert_int_equal(number, 1);
  tern_workers_call(sim.workers, 0, call_expected_is_found, NULL);
  later(&sim, 900); /* but the one of 5 ms */
  tern_workers_call(sim.workers, 0, call_count, &count);
  assert_int_equal(count, 99);
  later(&sim, 300);
  tern_workers_call(sim.workers, 0, call_count, &count);
  assert_int_equal(count, 0);
  end(&sim, NULL, 0);
}

static void call_bound(struct tern_worker *worker, void *arg) {
  struct replies *replies = replies_of(worker);
  static char text[1 << 16];
  char subject[REPLIES_SUBJECT_LEN], first[REPLIES_SUBJECT_LEN];
  struct replies_request big = request(0, 1000), other = request(1, 1000);
  big.reply = (struct tern_slice){text, sizeof text};
  (void)arg;
  memset(text, 'x', sizeof text);
  unsigned n = 0;
  for (int error = 0; error == 0; n++) {
    error = replies_expect(replies, &big, n == 0 ? first : subject);
    assert_true(error == 0 || error == TERN_ELIMIT);
  }
  assert_in_range(n, REPLIES_MAX_BYTES / sizeof text - 8, REPLIES_MAX_BYTES / sizeof text + 1);
  assert_int_equal(replies_expect(replies, &other, subject), 0); /* another account is not concerned */
  replies_forget(replies, (struct tern_slice){first, sizeof first});
  assert_int_equal(replies_expect(replies, &big, subject), 0);
  assert_int_equal(replies_expect(replies, &big, subject), TERN_ELIMIT);
}

/* What is still expected at the end is freed; the sanitizer sees leaks. */
static void an_account_has_a_bound(void **state) {
  (void)state;
  struct sim sim;
  uint32_t number;
  start(&sim, 2, NULL);
  assert_int_equal(core_account(&sim.core, sim.workers, true, "A", &number), 0);
  tern_workers_call(sim.workers, 1, call_bound, NULL);
  end(&sim, NULL, 0);
}

/* Subjects that others could guess are not made. */
static void call_no_random_bits(struct tern_worker *worker, void *arg) {
  struct replies *replies = replies_of(worker);
  struct replies_request r = request(0, 1000);
  char subject[REPLIES_SUBJECT_LEN];
  uint32_t made = 0;
  int error = 0;
  (void)arg;
  predictable = true;
  for (; error == 0 && made < 1000; made += error == 0)
    error = replies_expect(replies, &r, subject);
  predictable = false;
  assert_int_equal(error, -EAGAIN);
  assert_int_equal(replies_count(replies), made);
  assert_int_equal(replies_expect(replies, &r, subject), 0);
}

static void nothing_is_expected_that_can_be_guessed(void **state) {
  (void)state;
  struct sim sim;
  uint32_t number;
  start(&sim, 1, NULL);
  assert_int_equal(core_account(&sim.core, sim.workers, true, "A", &number), 0);
  tern_workers_call(sim.workers, 0, call_no_random_bits, NULL);
  end(&sim, NULL, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(expected_is_found_until_it_is_late),
                                     cmocka_unit_test(an_account_has_a_bound),
                                     cmocka_unit_test(nothing_is_expected_that_can_be_guessed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
