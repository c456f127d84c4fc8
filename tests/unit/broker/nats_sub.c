/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions by sid and the lines they write: the table against a naive list, removal in slices, what a receiver gets
 * of each message, and memory refused (calloc, for the table, is wrapped by the linker; the pool has its hook).
 */
#include "fixture.h"

#include <errno.h>
#include <tern/error.h>
#include <tern/limits.h>

#include "pool.h"

#define SIDS   300
#define ROUNDS 20000

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool no_table, no_line;

void *__wrap_malloc(size_t size) {
  return no_line && size > TERN_RESERVE_MAX_BYTES ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) { return no_table ? NULL : __real_calloc(count, size); }

static int no_memory(size_t size) {
  (void)size;
  return 1;
}

static struct sim sim;
static struct sim_client c[2];
static struct nats_client *client; /* the broker's end of c[0] */

/* Two clients of worker 0, and the test is on that worker. */
static int set_up(void **state) {
  (void)state;
  start(&sim, 1, NULL);
  join(&sim, &c[0], 0, QUIET ",\"headers\":true");
  client = sim.core.nats.workers[0]->clients;
  join(&sim, &c[1], 0, QUIET);
  tern__sim_enter(tern_workers_at(sim.workers, 0));
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tern__pool_fault = NULL;
  no_table = no_line = false;
  tern__sim_enter(NULL);
  end(&sim, c, 2);
  return 0;
}

static struct tern_slice sid_of(unsigned number, char room[64]) {
  /* short and long ones */
  snprintf(room, 64, number % 7 == 0 ? "%u.a-sid-may-be-any-word-that-has-no-space" : "%u", number);
  return tern_slice_of(room);
}

static int add(unsigned number, const char *filter) {
  char room[64];
  return nats_sub_add(client, tern_slice_of(filter), (struct tern_slice){0}, sid_of(number, room));
}

static struct nats_sub *find(unsigned number) {
  char room[64];
  return nats_sub_find(client, sid_of(number, room));
}

static void sids_are_found_until_they_are_removed(void **state) {
  (void)state;
  bool in[SIDS] = {false};
  uint32_t count = 0;
  sim.random = 1;
  for (unsigned round = 0; round < ROUNDS; round++) {
    /* few at first: the table is small, and its runs go around its end */
    unsigned number = sim_draw(&sim, round < ROUNDS / 2 ? 12 : SIDS);
    if (in[number]) {
      nats_sub_remove(find(number));
      count--;
    } else {
      assert_int_equal(add(number, "a"), 0);
      count++;
    }
    in[number] = !in[number];
    assert_int_equal(client->sids.count, count);
    assert_true(count * 4 <= client->sids.capacity * 3);
    for (unsigned i = 0; i < SIDS && (round < 1000 || round % 500 == 0); i++) {
      struct nats_sub *sub = find(i);
      assert_int_equal(sub != NULL, in[i]);
      char room[64];
      if (in[i]) assert_true(tern_slice_equal(nats_sub_sid(sub), sid_of(i, room)));
    }
  }
  assert_int_equal(SUM(&sim, subscriptions), count);
}

/* Each is looked at once, ahead of its turn, whatever comes in between; and all of them are there. */
static void subs_are_looked_at_ahead(void **state) {
  (void)state;
  enum { SUBS = 100 };
  char text[SUBS * 32];
  size_t len = 0;
  for (unsigned i = 0; i < SUBS; i++)
    len += (size_t)snprintf(text + len, sizeof text - len, i % 40 == 39 ? "PING\r\n" : "SUB ahead.%u %u\r\n",
                            i, i);
  tern_nats_feed(&client->parser, &(struct tern_chunk){.data = text, .len = len});
  struct tern_nats_op op;
  unsigned looks = 0;
  for (unsigned i = 0; i < SUBS; i++) {
    uint32_t before = client->worker->glanced;
    assert_int_equal(tern_nats_next(&client->parser, &op), 1);
    if (op.verb != TERN_NATS_SUB) continue;
    nats_command(client, &op);
    looks += client->worker->glanced != before - 1;
    assert_non_null(nats_sub_find(client, op.sid));
  }
#ifdef __x86_64__
  assert_in_range(looks, SUBS / 16, SUBS / 16 + 8); /* the last ones are too near the end of the input */
#endif
  tern_nats_reset(&client->parser);
}

static void nothing_is_found_before_the_first(void **state) {
  (void)state;
  assert_null(find(1));
  assert_false(nats_sub_remove_some(client));
}

static void what_fails_leaves_nothing(void **state) {
  (void)state;
  assert_int_equal(add(1, "a..b"), TERN_ESUBJECT);
  assert_null(find(1));
  tern__pool_fault = no_memory;
  assert_int_equal(add(1, "a"), -ENOMEM);
  tern__pool_fault = NULL;
  assert_null(find(1));
  for (unsigned i = 0; i < 3; i++)
    assert_int_equal(add(i, "a"), 0);
  no_table = true; /* the fourth would make it larger */
  assert_int_equal(add(3, "a"), -ENOMEM);
  no_table = false;
  assert_int_equal(client->sids.count, 3);
  for (unsigned i = 0; i < 4; i++)
    assert_int_equal(find(i) != NULL, i < 3);
  assert_int_equal(SUM(&sim, subscriptions), 3);
}

static void removal_of_all_goes_in_slices(void **state) {
  (void)state;
  const unsigned many = 5 * NATS_REMOVE_MAX;
  for (unsigned i = 0; i < many; i++)
    assert_int_equal(add(i, "a"), 0);
  unsigned left = many;
  while (nats_sub_remove_some(client)) {
    assert_in_range(left - client->sids.count, 1, NATS_REMOVE_MAX);
    left = client->sids.count;
    assert_int_equal(SUM(&sim, subscriptions), left);
  }
  assert_int_equal(client->sids.count, 0);
  assert_null(client->sids.slots);
  assert_int_equal(add(1, "a"), 0); /* and it can begin again */
  assert_non_null(find(1));
}

/* ---- what receivers get ---- */

/* The other client publishes. */
static void publish(const char *text) {
  tern__sim_enter(NULL);
  sim_say(&c[1], text);
  sim_settle(&sim);
}

static void a_message_comes_with_the_sid_and_what_the_client_can_take(void **state) {
  (void)state;
  tern__sim_enter(NULL);
  say_and_sync(&c[0], "SUB a 1\r\n");
  say_and_sync(&c[1], "SUB a a-longer-sid\r\n");
  sim_say(&c[0], "PUB a in.1 2\r\nhi\r\n");
  expect(&c[0], "MSG a 1 in.1 2\r\nhi\r\n");
  expect(&c[1], "MSG a a-longer-sid in.1 2\r\nhi\r\n");
  sim_say(&c[0], "HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n");
  expect(&c[0], "HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n");
  expect(&c[1], "MSG a a-longer-sid 2\r\nhi\r\nMSG a a-longer-sid 0\r\n\r\n"); /* knows no headers */
}

/* By reservation, by pieces, and with the body referred to. */
static void every_size_arrives_whole(void **state) {
  (void)state;
  static char line[TERN_COPY_MAX_BYTES * 4], expected[TERN_COPY_MAX_BYTES * 4], body[TERN_COPY_MAX_BYTES * 3];
  const size_t sizes[] = {
      0, 1, TERN_COPY_MAX_BYTES - 1, TERN_COPY_MAX_BYTES, TERN_COPY_MAX_BYTES + 1, TERN_COPY_MAX_BYTES * 2};
  const char *sids[] = {"1", "a-sid-that-makes-the-line-longer-than-it-would-have-to-be"};
  uint64_t messages = 0, bytes = 0;
  for (unsigned s = 0; s < 2; s++) {
    snprintf(line, sizeof line, "SUB size %s\r\n", sids[s]);
    tern__sim_enter(NULL);
    say_and_sync(&c[0], line);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      memset(body, (int)('a' + i), sizes[i]);
      body[sizes[i]] = '\0';
      snprintf(line, sizeof line, "PUB size %zu\r\n%s\r\n", sizes[i], body);
      snprintf(expected, sizeof expected, "MSG size %s %zu\r\n%s\r\n", sids[s], sizes[i], body);
      publish(line);
      expect(&c[0], expected);
      messages++;
      bytes += sizes[i];
    }
    snprintf(line, sizeof line, "UNSUB %s\r\n", sids[s]);
    say_and_sync(&c[0], line);
  }
  assert_int_equal(SUM(&sim, out_msgs), messages);
  assert_int_equal(SUM(&sim, out_bytes), bytes);
}

static void the_maximum_counts_from_sub(void **state) {
  (void)state;
  tern__sim_enter(NULL);
  say_and_sync(&c[0], "SUB a 1\r\n");
  publish("PUB a 1\r\n1\r\n");
  say_and_sync(&c[1], "");
  expect(&c[0], "MSG a 1 1\r\n1\r\n");
  say_and_sync(&c[0], "UNSUB 1 3\r\n");
  publish("PUB a 1\r\n2\r\nPUB a 1\r\n3\r\nPUB a 1\r\n4\r\n");
  expect(&c[0], "MSG a 1 1\r\n2\r\nMSG a 1 1\r\n3\r\n");
  expect_silence(&c[0]);
  assert_null(find(1));
}

static void who_cannot_take_a_message_says_so(void **state) {
  (void)state;
  assert_int_equal(add(1, "a"), 0);
  struct nats_sub *sub = find(1);
  struct tern_message m = {
      .subject = tern_slice_of("a"), .body = tern_slice_of("x"), .size_text = tern_slice_of("1")};
  assert_true(sub->sink.ops->deliver(&sub->sink, &m));
  m.source = client->id;
  client->options.echo = false;
  assert_false(sub->sink.ops->deliver(&sub->sink, &m)); /* its own */
  client->options.echo = true;
  assert_true(sub->sink.ops->deliver(&sub->sink, &m));
  client->flow = NATS_ENDED;
  assert_false(sub->sink.ops->deliver(&sub->sink, &m)); /* O4: nothing more */
  client->flow = NATS_OPEN;
  assert_int_equal(nats_sub_delivered(sub), 2);
  sim_pull(&c[0]);
}

static uint64_t live_bytes(void) { return tern_pool_stats(tern_loop_pool(client->worker->loop)).live_bytes; }

static void a_subscription_is_small_and_a_maximum_has_a_place_of_its_own(void **state) {
  (void)state;
  const uint64_t before = live_bytes();
  assert_int_equal(add(1, "a"), 0);
  assert_int_equal(live_bytes() - before, 48);
  assert_int_equal(nats_sub_left(find(1)), NATS_SUB_ENDLESS);
  assert_int_equal(nats_sub_limit(find(1), 5), 0);
  assert_int_equal(live_bytes() - before, 48 + 32);
  assert_int_equal(nats_sub_limit(find(1), 2), 0);
  assert_int_equal(live_bytes() - before, 48 + 32);
  assert_ptr_equal(nats_sub_client(find(1)), client);
  nats_sub_count(find(1), 1);
  assert_int_equal(nats_sub_left(find(1)), 1);
  assert_int_equal(nats_sub_limit(find(1), 1), 0); /* it has had so many */
  assert_null(find(1));
  assert_int_equal(live_bytes(), before);
}

static void no_message_is_forgotten_by_the_count(void **state) {
  (void)state;
  const uint64_t before = live_bytes(), most = NATS_SUB_COUNT_MAX;
  assert_int_equal(add(1, "a"), 0);
  struct nats_sub *sub = find(1);
  sub->sink.own |= NATS_SUB_FILTERED;
  nats_sub_count(sub, most);
  assert_int_equal(nats_sub_delivered(sub), most);
  tern__pool_fault = no_memory; /* more of them cannot be told */
  nats_sub_count(sub, 3);
  assert_int_equal(nats_sub_delivered(sub), most);
  tern__pool_fault = NULL;
  nats_sub_count(sub, 2);
  assert_int_equal(nats_sub_delivered(sub), most + 2);
  for (unsigned i = 0; i < 10; i++)
    nats_sub_count(sub, most);
  assert_int_equal(nats_sub_delivered(sub), 11 * most + 2);
  assert_int_equal(nats_sub_left(sub), NATS_SUB_ENDLESS);
  assert_ptr_equal(nats_sub_client(sub), client);
  assert_true(nats_sub_is_filtered(sub));
  assert_int_equal(nats_sub_limit(sub, 11 * most + 4), 0);
  tern__sim_enter(NULL);
  publish("PUB a 1\r\n1\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\n");
  expect(&c[0], "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n");
  expect_silence(&c[0]);
  assert_null(find(1));
  assert_int_equal(live_bytes(), before);
}

static void a_maximum_without_memory_ends_the_connection(void **state) {
  (void)state;
  assert_int_equal(add(1, "a"), 0);
  tern__pool_fault = no_memory;
  assert_int_equal(nats_sub_limit(find(1), 1), -ENOMEM);
  assert_int_equal(nats_sub_left(find(1)), NATS_SUB_ENDLESS);
  struct tern_nats_op op = {.verb = TERN_NATS_UNSUB, .sid = tern_slice_of("1"), .max = 1};
  nats_command(client, &op);
  tern__pool_fault = NULL;
  assert_int_equal(client->flow, NATS_ENDED);
}

/* O1: rather than miss one message and get the next, the connection ends. */
static void no_message_is_left_out_for_memory(void **state) {
  (void)state;
  static char subject[TERN_RESERVE_MAX_BYTES];
  memset(subject, 's', sizeof subject);
  assert_int_equal(add(1, "s"), 0);
  struct nats_sub *sub = find(1);
  struct tern_message m = {.subject = {subject, sizeof subject}, .size_text = tern_slice_of("0")};
  assert_true(sub->sink.ops->deliver(&sub->sink, &m));
  no_line = true;
  assert_false(sub->sink.ops->deliver(&sub->sink, &m));
  no_line = false;
  assert_false(sub->sink.ops->deliver(&sub->sink, &m));
  tern__sim_enter(NULL);
  ticks(&sim, 3);
  sim_pull(&c[0]);
  assert_true(c[0].lost);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(sids_are_found_until_they_are_removed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(subs_are_looked_at_ahead, set_up, tear_down),
      cmocka_unit_test_setup_teardown(nothing_is_found_before_the_first, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_fails_leaves_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(removal_of_all_goes_in_slices, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_message_comes_with_the_sid_and_what_the_client_can_take, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(every_size_arrives_whole, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_maximum_counts_from_sub, set_up, tear_down),
      cmocka_unit_test_setup_teardown(who_cannot_take_a_message_says_so, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_subscription_is_small_and_a_maximum_has_a_place_of_its_own, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(no_message_is_forgotten_by_the_count, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_maximum_without_memory_ends_the_connection, set_up, tear_down),
      cmocka_unit_test_setup_teardown(no_message_is_left_out_for_memory, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("nats_sub", tests, NULL, NULL);
}
