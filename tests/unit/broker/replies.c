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

/* What was told of requests that are measured. */
static struct {
  unsigned count;
  enum latency_end end;
  uint64_t source;
  char said[64];
} told;

static void note(void *arg, const struct replies_request *request, enum latency_end end, uint64_t source) {
  const struct latency *latency = request->latency;
  assert_ptr_equal(arg, &told);
  told.count++;
  told.end = end;
  told.source = source;
  snprintf(told.said, sizeof told.said, "%.*s %.*s %.*s %.*s", (int)request->reply.len, request->reply.ptr,
           (int)latency->subject.len, latency->subject.ptr, (int)latency->requestor.len,
           latency->requestor.ptr, (int)latency->header.len, latency->header.ptr);
}

static void expect_told(unsigned count, enum latency_end end, uint64_t source) {
  assert_int_equal(told.count, count);
  assert_int_equal(told.end, end);
  assert_int_equal(told.source, source);
  assert_string_equal(told.said, "inbox lat {who} {header}");
}

struct measured_call {
  uint64_t ms;
  char subject[REPLIES_SUBJECT_LEN];
};

/* Nothing of what is handed over needs to stay. */
static void call_measured(struct tern_worker *worker, void *arg) {
  struct measured_call *call = arg;
  struct replies *replies = replies_of(worker);
  struct latency latency = {
      .subject = slice("lat"), .requestor = slice("{who}"), .header = slice("{header}"), .rtt_ns = 7};
  struct replies_request r = request(0, call->ms);
  r.latency = &latency;
  replies_on_measured(replies, note, &told);
  assert_int_equal(replies_expect(replies, &r, call->subject), 0);
  memset(&latency, 0, sizeof latency);
}

static void call_forget(struct tern_worker *worker, void *arg) {
  struct measured_call *call = arg;
  replies_forget(replies_of(worker), (struct tern_slice){call->subject, REPLIES_SUBJECT_LEN});
}

static struct measured_call measure(struct sim *sim, uint64_t ms) {
  struct measured_call call = {.ms = ms};
  tern_workers_call(sim->workers, 0, call_measured, &call);
  return call;
}

static void answer(struct sim_client *c, const struct measured_call *call) {
  char line[128];
  snprintf(line, sizeof line, "PUB %.*s 1\r\nx\r\n", REPLIES_SUBJECT_LEN, call->subject);
  say_and_sync(c, line);
  ticks(c->sim, 3);
}

/* Each comes to one end, and is told of once. */
static void measured_ones_are_told_of(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  uint32_t number;
  memset(&told, 0, sizeof told);
  start(&sim, 2, NULL);
  assert_int_equal(core_account(&sim.core, sim.workers, true, "A", &number), 0);
  join(&sim, &c[0], 0, QUIET);
  join_account(&sim, &c[1], 1, "A", QUIET);
  later(&sim, 3000);
  expect(&c[0], "PING\r\n");
  expect(&c[1], "PING\r\n");
  /* nobody has taken it */
  struct measured_call call = measure(&sim, 1500);
  tern_workers_call(sim.workers, 0, call_forget, &call);
  expect_told(1, LATENCY_NOBODY, 0);
  /* answered, though nobody ever waited for it */
  call = measure(&sim, 1500);
  answer(&c[1], &call);
  expect_told(2, LATENCY_ANSWERED, 2);
  answer(&c[1], &call);
  expect_told(2, LATENCY_ANSWERED, 2);
  /* too late; without somebody who waits it is not looked at before */
  call = measure(&sim, 1500);
  later(&sim, 1400);
  expect_told(2, LATENCY_ANSWERED, 2);
  later(&sim, 200);
  expect_told(3, LATENCY_TOO_LATE, 0);
  /* somebody waits: answered, too late, left, and left but answered before anybody has looked */
  say_and_sync(&c[0], "SUB inbox 1\r\n");
  call = measure(&sim, 1500);
  answer(&c[1], &call);
  expect(&c[0], "MSG inbox 1 1\r\nx\r\n");
  expect_told(4, LATENCY_ANSWERED, 2);
  call = measure(&sim, 1500);
  later(&sim, 1100);
  expect_told(4, LATENCY_ANSWERED, 2);
  later(&sim, 500);
  expect_told(5, LATENCY_TOO_LATE, 0);
  call = measure(&sim, 60000);
  later(&sim, 1100);
  say_and_sync(&c[0], "UNSUB 1\r\n");
  expect_told(5, LATENCY_TOO_LATE, 0);
  later(&sim, REPLIES_LOOK_MS + 100);
  expect_told(6, LATENCY_LEFT, 0);
  say_and_sync(&c[0], "SUB inbox 1\r\n");
  call = measure(&sim, 60000);
  say_and_sync(&c[0], "UNSUB 1\r\n");
  answer(&c[1], &call);
  expect_told(7, LATENCY_LEFT, 2);
  /* what is still expected at the end is not told of */
  measure(&sim, 60000);
  end(&sim, c, 2);
  assert_int_equal(told.count, 7);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(expected_is_found_until_it_is_late), cmocka_unit_test(an_account_has_a_bound),
      cmocka_unit_test(nothing_is_expected_that_can_be_guessed), cmocka_unit_test(measured_ones_are_told_of)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
