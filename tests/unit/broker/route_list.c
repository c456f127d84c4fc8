/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists between workers: in how many records they go, what is in them, and where they are cut: by size, by other receivers,
 * by the turn of the publisher. That nobody can tell them from single messages is shown by runs.c.
 */
#include "fixture.h"
#include "pool.h"
#include "route_private.h"

#define MESSAGES 100

/* Messages to `PUB <subject><number>`, in one piece. */
static void say_list(struct sim_client *c, const char *subject, unsigned count, size_t size) {
  size_t room = count * (size + 64), len = 0;
  char *text = malloc(room + 1);
  assert_non_null(text);
  for (unsigned i = 0; i < count; i++) {
    len += (size_t)snprintf(text + len, room - len, "PUB %s%u %zu\r\n", subject, i, size);
    memset(text + len, 'a' + (int)(i % 26), size);
    memcpy(text + len + size, "\r\n", 2);
    len += size + 2;
  }
  sim_send(c, text, len);
  free(text);
}

static void expect_list(struct sim_client *c, const char *subject, unsigned sid, unsigned count,
                        size_t size) {
  char *text = malloc(size + 64);
  assert_non_null(text);
  for (unsigned i = 0; i < count; i++) {
    size_t len = (size_t)snprintf(text, 64, "MSG %s%u %u %zu\r\n", subject, i, sid, size);
    memset(text + len, 'a' + (int)(i % 26), size);
    memcpy(text + len + size, "\r\n", 3);
    expect(c, text);
  }
  expect_silence(c);
  free(text);
}

static uint64_t records_from(struct sim *sim, unsigned worker) {
  return tern_worker_stats(tern_workers_at(sim->workers, worker)).records_out;
}

/* Has each subject matched on both workers, so that its result is in both caches. */
static void warm_up(struct sim *sim, struct sim_client *c) {
  say_list(&c[0], "l.", MESSAGES, 3);
  expect_list(&c[1], "l.", 7, MESSAGES, 3);
  ticks(sim, 3);
}

static void a_list_goes_as_few_records(void **state) {
  (void)state;
  static const struct {
    size_t size;
    unsigned count, records;
  } bursts[] = {{0, 100, 4 + 4}, {16, 100, 4 + 4}, {1000, 40, 40 / 7 + 4}, {TERN_COPY_MAX_BYTES, 10, 10}};
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  say_and_sync(&c[1], "SUB l.* 7\r\n");
  warm_up(&sim, c);
  for (size_t i = 0; i < sizeof bursts / sizeof bursts[0]; i++) {
    uint64_t before = records_from(&sim, 0);
    say_list(&c[0], "l.", bursts[i].count, bursts[i].size);
    expect_list(&c[1], "l.", 7, bursts[i].count, bursts[i].size);
    /* a record is a quarter of the ring at most, 8 KiB; a message of which no two fit goes for itself, and so do the
       first one and those at the end of the input */
    assert_in_range(records_from(&sim, 0) - before, 1, bursts[i].records);
  }
  end(&sim, c, 2);
}

/* Not even where neither worker knows the subjects. */
static void a_list_that_is_new_goes_as_few_records(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  for (unsigned i = 0; i < MESSAGES; i++) {
    char sub[64];
    snprintf(sub, sizeof sub, "SUB l.%u %u\r\n", i, 1000 + i);
    say_and_sync(&c[1], sub);
  }
  uint64_t before = records_from(&sim, 0);
  say_list(&c[0], "l.", MESSAGES, 3);
  for (unsigned i = 0; i < MESSAGES; i++) {
    char message[64], body = (char)('a' + i % 26);
    snprintf(message, sizeof message, "MSG l.%u %u 3\r\n%c%c%c\r\n", i, 1000 + i, body, body, body);
    expect(&c[1], message);
  }
  expect_silence(&c[1]);
  assert_in_range(records_from(&sim, 0) - before, 1, 12); /* the epoch's and the first message's among them */
  end(&sim, c, 2);
}

static void other_receivers_make_another_list(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[4];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  join(&sim, &c[2], 1, QUIET);
  join(&sim, &c[3], 0, QUIET);
  say_and_sync(&c[1], "SUB l.* 7\r\n");
  say_and_sync(&c[2], "SUB l.50 8\r\n");
  say_and_sync(&c[3], "SUB l.51 9\r\n");
  warm_up(&sim, c);
  expect(&c[2], "MSG l.50 8 3\r\nyyy\r\n");
  expect(&c[3], "MSG l.51 9 3\r\nzzz\r\n");
  say_list(&c[0], "l.", MESSAGES, 3);
  expect_list(&c[1], "l.", 7, MESSAGES, 3);
  expect(&c[2], "MSG l.50 8 3\r\nyyy\r\n");
  expect_silence(&c[2]);
  expect(&c[3], "MSG l.51 9 3\r\nzzz\r\n");
  expect_silence(&c[3]);
  assert_int_equal(SUM(&sim, in_msgs), 2 * MESSAGES);
  assert_int_equal(SUM(&sim, in_bytes), 2 * MESSAGES * 3);
  assert_int_equal(SUM(&sim, out_msgs), 2 * (MESSAGES + 2));
  assert_int_equal(SUM(&sim, out_bytes), 2 * (MESSAGES + 2) * 3);
  end(&sim, c, 4);
}

/* B2: a list to very many subscribers is not done at once, and nothing of it is lost. */
static void a_turn_ends_within_a_list(void **state) {
  (void)state;
  enum { SUBSCRIPTIONS = 5000 };
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 1, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 0, QUIET);
  const struct nats_client *publisher = sim.core.nats.workers[0]->clients->next;
  for (unsigned i = 0; i < SUBSCRIPTIONS; i++) {
    char sub[64];
    snprintf(sub, sizeof sub, "SUB l.* %u\r\n", i);
    say_and_sync(&c[1], sub);
  }
  say_list(&c[0], "l.", MESSAGES, 0); /* into the cache */
  for (unsigned round = 0; round < 100; round++) {
    ticks(&sim, 1);
    sim_pull(&c[1]);
    c[1].in_len = 0;
  }
  say_list(&c[0], "l.", MESSAGES, 0);
  unsigned turns = 0;
  for (; SUM(&sim, out_msgs) < 2 * MESSAGES * SUBSCRIPTIONS; turns++) {
    assert_true(turns < 10 * MESSAGES);
    ticks(&sim, 1);
    sim_pull(&c[1]);
    c[1].in_len = 0;
    assert_in_range(publisher->turn_cost, 0, NATS_TURN_COST_MAX + 3 * SUBSCRIPTIONS);
  }
  assert_true(turns > 10);
  assert_int_equal(SUM(&sim, out_msgs), 2 * MESSAGES * SUBSCRIPTIONS);
  end(&sim, c, 2);
}

static void reserved_subjects_are_refused_where_they_are(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  join(&sim, &c[0], 0, QUIET);
  join(&sim, &c[1], 1, QUIET);
  say_and_sync(&c[1], "SUB l.* 7\r\nSUB _INBOX.* 8\r\n");
  sim_say(&c[0],
          "PUB l.1 1\r\na\r\nPUB l.2 1\r\nb\r\nPUB _GR_.x 1\r\nc\r\nPUB _INBOX.4 1\r\nd\r\nPUB l.5 1\r\ne\r\n"
          "PUB l.6 1\r\nf\r\nPUB l.7 1\r\ng\r\nPING\r\n");
  expect(&c[0], "-ERR 'Permissions Violation for Publish to \"_GR_.x\"'\r\nPONG\r\n");
  expect(&c[1],
         "MSG l.1 7 1\r\na\r\nMSG l.2 7 1\r\nb\r\nMSG _INBOX.4 8 1\r\nd\r\nMSG l.5 7 1\r\ne\r\n"
         "MSG l.6 7 1\r\nf\r\nMSG l.7 7 1\r\ng\r\n");
  expect_silence(&c[1]);
  end(&sim, c, 2);
}

/* A sid so long that no reservation holds a line with it, and one that few lines fit with. */
static void long_sids_take_part(void **state) {
  (void)state;
  static const size_t sids[] = {3000, 4000};
  struct nats_limits limits = sim_limits();
  limits.max_control_line = 32768;
  for (size_t s = 0; s < 2; s++) {
    struct sim sim;
    struct sim_client c[2];
    start(&sim, 2, &limits);
    join(&sim, &c[0], 0, QUIET);
    join(&sim, &c[1], 1, QUIET);
    int digits = (int)(s == 0 ? sids[s] : 5 * sids[s]);
    char *text = malloc((size_t)digits + 64);
    assert_non_null(text);
    snprintf(text, (size_t)digits + 64, "SUB l.* %0*d\r\n", digits, 7);
    say_and_sync(&c[1], text);
    say_list(&c[0], "l.", MESSAGES, 3);
    for (unsigned i = 0; i < MESSAGES; i++) {
      size_t len = (size_t)snprintf(text, (size_t)digits + 64, "MSG l.%u %0*d 3\r\n", i, digits, 7);
      memset(text + len, 'a' + (int)(i % 26), 3);
      memcpy(text + len + 3, "\r\n", 3);
      expect(&c[1], text);
    }
    free(text);
    end(&sim, c, 2);
  }
}

static void what_fits_a_record(void **state) {
  (void)state;
  static char text[20000];
  const struct tern_slice none = {NULL, 0}, group = {"group", 5};
  struct tern_message list[3] = {
      {.subject = {text, 1}, .size_text = {text + 2, 3}, .body = {text + 10, 100}},
      {.subject = {text + 120, 1}, .size_text = {text + 122, 5}, .body = {text + 130, 10000}},
      {.subject = {text + 10140, 1}, .size_text = {text + 10142, 2}, .body = {text + 10150, 10}}};
  size_t len, with_group;
  assert_int_equal(route_list_fit(list, 3, none, 16384, &len), 3);
  assert_in_range(len, 10160, 10160 + 4 * 24);
  assert_int_equal(route_list_fit(list, 3, group, 16384, &with_group), 3);
  assert_in_range(with_group, 10110 + 17 + 5, len);
  assert_int_equal(route_list_fit(list, 3, none, len, &len), 3);
  assert_int_equal(route_list_fit(list, 3, none, len - 1, &len), 2);
  assert_int_equal(route_list_fit(list, 3, group, with_group - 1, &len), 2);
  assert_int_equal(route_list_fit(list, 3, none, 200, &len), 1);
  assert_int_equal(route_list_fit(list, 3, group, 200, &len), 1);
  assert_int_equal(route_list_fit(list + 1, 2, none, 200, &len), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_list_goes_as_few_records),
      cmocka_unit_test(a_list_that_is_new_goes_as_few_records),
      cmocka_unit_test(other_receivers_make_another_list),
      cmocka_unit_test(a_turn_ends_within_a_list),
      cmocka_unit_test(reserved_subjects_are_refused_where_they_are),
      cmocka_unit_test(long_sids_take_part),
      cmocka_unit_test(what_fits_a_record),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
