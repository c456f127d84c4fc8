/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The busiest subjects of clients on simulated workers: exact while there are few messages, whichever way they come in
 * (one by one, in runs, in lists, with large bodies); estimates within their bounds when there are many; windows, accounts,
 * nobody looking, and memory refused (the linker wraps malloc).
 */
#include "accounts.h"

#include <errno.h>
#include <math.h>

#include <tern/error.h>

#include "busiest.h"

#define WINDOW NATS_BUSIEST_WINDOW_MS

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static size_t refused_bytes; /* allocations at least as large are refused; 0: none */

void *__wrap_malloc(size_t size) {
  return refused_bytes != 0 && size >= refused_bytes ? NULL : __real_malloc(size);
}

static struct sim sim;
static struct sim_client c[3];

static void open_watched(unsigned workers) {
  struct nats_limits limits = sim_limits();
  limits.ping_interval_ms = 24 * 3600 * 1000; /* nobody is asked whether he is still there */
  memset(&sim, 0, sizeof sim);
  sim.watched = true;
  assert_int_equal(sim_open(&sim, workers, RING_BYTES, &limits), 0);
}

static struct nats_busy_list find(struct nats_busy_query query) {
  struct nats_busy_list list;
  assert_int_equal(nats_busiest_find(&sim.core.nats, sim.workers, &query, &list), 0);
  assert_true(list.is_watched);
  return list;
}

static bool is_subject(const struct nats_busy *row, const char *subject) {
  return row->len == strlen(subject) && memcmp(row->text, subject, row->len) == 0;
}

/* There is one row for the subject in this account; it is returned. */
static struct nats_busy row_in(const struct nats_busy_list *list, uint32_t account, const char *subject) {
  struct nats_busy found = {0};
  unsigned rows = 0;
  for (size_t i = 0; i < list->count; i++) {
    if (list->list[i].account != account || !is_subject(&list->list[i], subject)) continue;
    found = list->list[i];
    rows++;
  }
  if (rows != 1) fail_msg("%s has %u rows", subject, rows);
  return found;
}

static void expect_exactly(const struct nats_busy_list *list, const char *subject, uint64_t msgs,
                           uint64_t bytes) {
  const struct nats_busy row = row_in(list, 0, subject);
  assert_int_equal(row.msgs, msgs);
  assert_int_equal(row.bytes, bytes);
  assert_int_equal(row.low, row.high);
}

/* In parts that a socket takes. */
static void say_all(struct sim_client *client, const char *text, size_t len) {
  for (size_t part; len > 0; text += part, len -= part) {
    part = len < 32768 ? len : 32768;
    sim_send(client, text, part);
    ticks(&sim, 2);
  }
}

/* count times the same line: a run. */
static void say_run(struct sim_client *client, const char *subject, unsigned count, unsigned bytes) {
  static char text[512 * 1024];
  size_t at = 0;
  for (; count > 0; count--) {
    at += (size_t)snprintf(text + at, sizeof text - at, "PUB %s %u\r\n", subject, bytes);
    assert_true(at + bytes + 2 < sizeof text);
    memset(text + at, 'x', bytes);
    at += bytes;
    memcpy(text + at, "\r\n", 2);
    at += 2;
    if (at < sizeof text / 2 && count > 1) continue;
    say_all(client, text, at);
    at = 0;
  }
  ticks(&sim, 20);
}

static void few_messages_are_counted_exactly(void **unused) {
  (void)unused;
  open_watched(2);
  for (unsigned i = 0; i < 2; i++)
    join(&sim, &c[i], i, QUIET);
  say_and_sync(&c[0], "SUB other 1\r\n");
  for (unsigned n = 0; n < 50; n++) { /* lists, of which some messages follow one another on a subject */
    say_and_sync(&c[0], "PUB one 3\r\nabc\r\nPUB two 1\r\na\r\nPUB two 2\r\nab\r\nPUB three.four 0\r\n\r\n");
    say_and_sync(&c[1], "PUB two 4\r\nabcd\r\n");
  }
  say_and_sync(&c[1], "PUB one answer 10\r\n0123456789\r\n");
  say_run(&c[1], "run", 60, 5);
  struct nats_busy_list list = find((struct nats_busy_query){0});
  assert_int_equal(list.count, 4);
  assert_int_equal(list.step, 1);
  assert_int_equal(list.total, 50 * 5 + 1 + 60);
  assert_true(is_subject(&list.list[0], "two"));
  expect_exactly(&list, "two", 150, 50 * (1 + 2 + 4));
  expect_exactly(&list, "run", 60, 300);
  expect_exactly(&list, "one", 51, 160);
  expect_exactly(&list, "three.four", 50, 0);
  free(list.list);
  list = find((struct nats_busy_query){.by_bytes = true});
  assert_int_equal(list.count, 3); /* what has no bytes is not there */
  assert_int_equal(list.total, 350 + 300 + 160);
  assert_true(is_subject(&list.list[0], "two"));
  expect_exactly(&list, "run", 60, 300);
  free(list.list);
  end(&sim, c, 2);
}

static void large_messages_are_counted_once(void **unused) {
  (void)unused;
  open_watched(1);
  join(&sim, &c[0], 0, QUIET);
  say_run(&c[0], "large", 5, TERN_COPY_MAX_BYTES + 1);
  say_run(&c[0], "largest", 3, 100000);
  say_run(&c[0], "just.not", 4, TERN_COPY_MAX_BYTES);
  struct nats_busy_list list = find((struct nats_busy_query){.by_bytes = true});
  expect_exactly(&list, "large", 5, 5 * (TERN_COPY_MAX_BYTES + 1));
  expect_exactly(&list, "largest", 3, 300000);
  expect_exactly(&list, "just.not", 4, 4 * TERN_COPY_MAX_BYTES);
  assert_int_equal(list.count, 3);
  assert_true(is_subject(&list.list[0], "largest"));
  free(list.list);
  end(&sim, c, 1);
}

/* Not further off than six times what S1 says: it is that once in a thousand million. */
static void expect_about(uint64_t estimate, uint64_t exact, uint64_t step) {
  const double bound = 6 * sqrt((double)step * (double)exact);
  if (fabs((double)estimate - (double)exact) > bound)
    fail_msg("%llu instead of %llu", (unsigned long long)estimate, (unsigned long long)exact);
}

static void many_messages_are_estimated(void **unused) {
  (void)unused;
  const unsigned rounds = 400, each = 500, singles = 100;
  open_watched(1);
  join(&sim, &c[0], 0, QUIET);
  static char text[64 * 1024];
  size_t len = 0;
  for (unsigned n = 0; n < singles; n++) /* lists that repeat with a period of four */
    len += (size_t)snprintf(text + len, sizeof text - len,
                            "PUB p.1 1\r\nx\r\nPUB p.2 2\r\nxx\r\nPUB p.3 3\r\nxxx\r\nPUB p.4 4\r\nxxxx\r\n");
  for (unsigned n = 0; n < rounds; n++) {
    say_run(&c[0], "run", each, 16);
    say_all(&c[0], text, len);
    ticks(&sim, 20);
  }
  struct nats_busy_list list = find((struct nats_busy_query){0});
  assert_in_range(list.step, 16, NATS_BUSIEST_STEP_MAX);
  expect_about(list.total, rounds * (each + 4 * singles), NATS_BUSIEST_STEP_MAX);
  const struct nats_busy run = row_in(&list, 0, "run");
  assert_true(is_subject(&list.list[0], "run"));
  expect_about(run.msgs, rounds * each, NATS_BUSIEST_STEP_MAX);
  assert_int_equal(run.bytes, run.msgs * 16);
  assert_int_equal(run.low, run.msgs); /* there are places for all */
  for (unsigned i = 1; i <= 4; i++) {
    char subject[8];
    snprintf(subject, sizeof subject, "p.%u", i);
    expect_about(row_in(&list, 0, subject).msgs, rounds * singles, NATS_BUSIEST_STEP_MAX);
  }
  free(list.list);
  end(&sim, c, 1);
}

/* Among so many small ones that these are sampled, a few large ones have most of the bytes. */
static void large_messages_among_many_small_ones(void **unused) {
  (void)unused;
  const unsigned small = 200000, large = 200, bytes = 200000;
  open_watched(1);
  join(&sim, &c[0], 0, QUIET);
  for (unsigned n = 0; n < 20; n++) {
    say_run(&c[0], "small", small / 20, 8);
    say_run(&c[0], "large", large / 20, bytes);
  }
  struct nats_busy_list list = find((struct nats_busy_query){.by_bytes = true});
  assert_true(is_subject(&list.list[0], "large"));
  expect_about(row_in(&list, 0, "large").bytes, (uint64_t)large * bytes, NATS_BUSIEST_STEP_MAX * 4096);
  expect_about(row_in(&list, 0, "large").msgs, large, NATS_BUSIEST_STEP_MAX);
  expect_about(row_in(&list, 0, "small").msgs, small, NATS_BUSIEST_STEP_MAX);
  free(list.list);
  end(&sim, c, 1);
}

/* More subjects than places, on two workers: bounds that hold for what was sampled, here everything. */
static void more_subjects_than_places_have_bounds(void **unused) {
  (void)unused;
  open_watched(2);
  for (unsigned i = 0; i < 2; i++)
    join(&sim, &c[i], i, QUIET);
  for (unsigned n = 0; n < 400; n++) {
    char text[128];
    snprintf(text, sizeof text, "PUB s.%u 1\r\nx\r\nPUB busy 1\r\nx\r\n", n);
    if (n % 20 == 19) later(&sim, 100); /* not so fast that the step grows */
    say_and_sync(&c[n % 2], text);
  }
  struct nats_busy_list list = find((struct nats_busy_query){0});
  assert_int_equal(list.step, 1);
  assert_int_equal(list.total, 800);
  assert_true(is_subject(&list.list[0], "busy"));
  for (size_t i = 0; i < list.count; i++) {
    const uint64_t exact = is_subject(&list.list[i], "busy") ? 400 : 1;
    assert_true(list.list[i].low <= exact && exact <= list.list[i].high);
    assert_true(list.list[i].high - list.list[i].low <= 2 * (400 / SKETCH_PLACES + 1));
  }
  free(list.list);
  end(&sim, c, 2);
}

static void accounts_are_kept_apart(void **unused) {
  (void)unused;
  open_watched(1);
  join(&sim, &c[0], 0, QUIET);
  join_account(&sim, &c[1], 0, "B", QUIET);
  say_and_sync(&c[0], "PUB same 1\r\nx\r\n");
  say_and_sync(&c[1], "PUB same 2\r\nxx\r\nPUB same 2\r\nxx\r\n");
  struct nats_busy_list list = find((struct nats_busy_query){0});
  assert_int_equal(list.count, 2);
  assert_int_equal(row_in(&list, 0, "same").msgs, 1);
  assert_int_equal(row_in(&list, 1, "same").bytes, 4);
  free(list.list);
  list = find((struct nats_busy_query){.of_one_account = true, .account = 1});
  assert_int_equal(list.count, 1);
  assert_int_equal(list.total, 3);
  assert_int_equal(list.list[0].account, 1);
  free(list.list);
  end(&sim, c, 2);
}

/* Time goes by; what the client is asked meanwhile is of no interest. */
static void pass(uint64_t ms) {
  later(&sim, ms);
  sim_pull(&c[0]);
  c[0].read_to = c[0].in_len;
}

static uint64_t msgs_of(const char *subject) {
  struct nats_busy_list list = find((struct nats_busy_query){0});
  uint64_t msgs = 0;
  for (size_t i = 0; i < list.count; i++)
    if (is_subject(&list.list[i], subject)) msgs = list.list[i].msgs;
  assert_true(list.ms < 2 * WINDOW);
  free(list.list);
  return msgs;
}

static void what_is_old_is_forgotten(void **unused) {
  (void)unused;
  open_watched(1);
  join(&sim, &c[0], 0, QUIET);
  pass(10 * WINDOW - tern_loop_now_ms(tern_worker_loop(tern_workers_at(sim.workers, 0))) % WINDOW);
  say_and_sync(&c[0], "PUB a 1\r\nx\r\n");
  pass(WINDOW - 1);
  assert_int_equal(msgs_of("a"), 1);
  pass(1); /* the next window: the one before counts as well */
  say_and_sync(&c[0], "PUB a 1\r\nx\r\nPUB b 1\r\nx\r\n");
  assert_int_equal(msgs_of("a"), 2);
  pass(WINDOW);
  assert_int_equal(msgs_of("a"), 1);
  assert_int_equal(msgs_of("b"), 1);
  pass(WINDOW);
  assert_int_equal(msgs_of("a"), 0);
  say_and_sync(&c[0], "PUB a 1\r\nx\r\n");
  pass(2 * WINDOW); /* both are over at once, with nobody who asked in between */
  say_and_sync(&c[0], "PUB b 1\r\nx\r\n");
  assert_int_equal(msgs_of("a"), 0);
  assert_int_equal(msgs_of("b"), 1);
  end(&sim, c, 1);
}

static void after_a_busy_time_everything_is_counted_again(void **unused) {
  (void)unused;
  open_watched(1);
  join(&sim, &c[0], 0, QUIET);
  say_run(&c[0], "busy", 100000, 4);
  struct nats_busy_list list = find((struct nats_busy_query){0});
  assert_true(list.step > 16);
  assert_true(sim.core.nats.workers[0]->until_sample >= 0);
  free(list.list);
  pass(600 * 1000); /* a rate of 166 a second */
  list = find((struct nats_busy_query){0});
  assert_int_equal(list.step, 1);
  assert_int_equal(list.count, 0);
  free(list.list);
  say_and_sync(&c[0], "PUB quiet 1\r\nx\r\nPUB quiet 1\r\nx\r\n");
  assert_int_equal(msgs_of("quiet"), 2);
  end(&sim, c, 1);
}

static void nobody_looks(void **unused) {
  (void)unused;
  struct nats_busy_list list;
  start(&sim, 1, NULL);
  join(&sim, &c[0], 0, QUIET);
  say_run(&c[0], "busy", 1000, 4);
  say_run(&c[0], "large", 2, 10000);
  assert_null(sim.core.nats.workers[0]->busiest);
  assert_true(sim.core.nats.workers[0]->until_sample > INT64_MAX / 2);
  assert_int_equal(nats_busiest_bytes(&sim.core.nats), 0);
  assert_int_equal(nats_busiest_find(&sim.core.nats, sim.workers, &(struct nats_busy_query){0}, &list), 0);
  assert_false(list.is_watched);
  assert_int_equal(list.count, 0);
  end(&sim, c, 1);
}

static void memory_is_refused(void **unused) {
  (void)unused;
  struct nats_busy_list list;
  open_watched(1);
  const size_t bytes = nats_busiest_bytes(&sim.core.nats);
  refused_bytes = sizeof(struct sketch); /* the copy, but not the list */
  assert_int_equal(nats_busiest_find(&sim.core.nats, sim.workers, &(struct nats_busy_query){0}, &list),
                   -ENOMEM);
  assert_null(list.list);
  refused_bytes = 0;
  end(&sim, c, 0);
  memset(&sim, 0, sizeof sim);
  sim.watched = true;
  refused_bytes = bytes;
  assert_int_equal(sim_open(&sim, 1, RING_BYTES, NULL), -ENOMEM); /* aborts when anything is left over */
  refused_bytes = 0;
}

static void the_workers_have_stopped(void **unused) {
  (void)unused;
  struct nats_busy_list list;
  open_watched(1);
  assert_int_equal(tern_workers_stop(sim.workers, 1000), 0);
  assert_int_equal(nats_busiest_find(&sim.core.nats, sim.workers, &(struct nats_busy_query){0}, &list),
                   TERN_ECLOSED);
  end(&sim, c, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(few_messages_are_counted_exactly),
      cmocka_unit_test(large_messages_are_counted_once),
      cmocka_unit_test(many_messages_are_estimated),
      cmocka_unit_test(large_messages_among_many_small_ones),
      cmocka_unit_test(more_subjects_than_places_have_bounds),
      cmocka_unit_test(accounts_are_kept_apart),
      cmocka_unit_test(what_is_old_is_forgotten),
      cmocka_unit_test(after_a_busy_time_everything_is_counted_again),
      cmocka_unit_test(nobody_looks),
      cmocka_unit_test(memory_is_refused),
      cmocka_unit_test(the_workers_have_stopped),
  };
  return cmocka_run_group_tests_name("nats_busiest", tests, NULL, NULL);
}
