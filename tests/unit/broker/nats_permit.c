/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients with permissions can do, in conversations: SUB and PUB and what they are told, deliveries that are held
 * back, answers to requests, changes while they are connected, and that runs stay runs.
 */
#include "permit.h"

#include "answers.h"
#include "conf_report.h"
#include "fixture.h"

#define VIOLATION "-ERR 'Permissions Violation for "

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool no_memory;

void *__wrap_malloc(size_t size) { return no_memory ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return no_memory ? NULL : __real_calloc(count, size); }

static struct sim sim;
static struct sim_client c[3];
static struct permissions *made[1200];
static unsigned made_count;

static struct permissions *permissions_of(const char *block) {
  char text[512];
  int len = snprintf(text, sizeof text, "permissions: %s\n", block);
  struct conf *conf;
  struct conf_error error;
  if (conf_parse("test", text, (size_t)len, &conf, &error) != 0) fail_msg("%s", error.text);
  struct conf_report report = {0};
  assert_int_equal(permissions_read(conf_root(conf)->first, &report, &made[made_count]), 0);
  conf_free(conf);
  return made[made_count++];
}

static struct nats_client *newest_of(unsigned worker) { return sim.core.nats.workers[worker]->clients; }

static void change(struct nats_client *client, const struct permissions *permissions) {
  tern__sim_enter(tern_workers_at(sim.workers, tern_worker_index(client->worker->worker)));
  nats_permissions_changed(client, permissions);
  tern__sim_enter(NULL);
}

/* Connects a client with these permissions. */
static struct nats_client *join_with(unsigned i, unsigned worker, const char *fields, const char *block) {
  join(&sim, &c[i], worker, fields);
  struct nats_client *client = newest_of(worker);
  if (block != NULL) change(client, permissions_of(block));
  return client;
}

static int set_up(void **state) {
  (void)state;
  start(&sim, 2, NULL);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  no_memory = false;
  sim_close(&sim); /* aborts when anything is left over */
  for (unsigned i = 0; i < 3; i++)
    if (c[i].sim != NULL) sim_client_free(&c[i]);
  memset(c, 0, sizeof c);
  while (made_count > 0)
    permissions_free(made[--made_count]);
  return 0;
}

static void what_is_not_permitted(void **state) {
  (void)state;
  join_with(0, 0, QUIET, "{publish: 'a.*', subscribe: {allow: ['a.>', 'q g.*'], deny: a.no}}");
  sim_say(&c[0], "PUB b 1\r\nx\r\nPUB a.b 1\r\nx\r\nPUB a.b.c 1\r\nx\r\n");
  expect(&c[0], VIOLATION "Publish to \"b\"'\r\n");
  expect(&c[0], VIOLATION "Publish to \"a.b.c\"'\r\n");
  sim_say(&c[0],
          "SUB b 1\r\nSUB a.no 2\r\nSUB a.no g 3\r\nSUB q 4\r\nSUB q h 5\r\nSUB q g.x 6\r\nSUB a..b 7\r\n");
  expect(&c[0], VIOLATION "Subscription to \"b\"'\r\n");
  expect(&c[0], VIOLATION "Subscription to \"a.no\"'\r\n");
  expect(&c[0], VIOLATION "Subscription to \"a.no\" using queue \"g\"'\r\n");
  expect(&c[0], VIOLATION "Subscription to \"q\"'\r\n");
  expect(&c[0], VIOLATION "Subscription to \"q\" using queue \"h\"'\r\n");
  expect(&c[0], VIOLATION "Subscription to \"a..b\"'\r\n");
  say_and_sync(&c[0], "");
  assert_int_equal(SUM(&sim, subscriptions), 1);
  sim_say(&c[0], "SUB q \xff\"\\ 8\r\n");
  expect(&c[0], VIOLATION "Subscription to \"q\" using queue \"\\xff\\\"\\\\\"'\r\n");
  sim_say(&c[0], "SUB q \x07\x01\xe2\x80\x8b\xf3\xa0\x80\x81\xc3\xa4\xc2\xa0 9\r\n");
  expect(&c[0],
         VIOLATION "Subscription to \"q\" using queue \"\\a\\x01\\u200b\\U000e0001\xc3\xa4\\u00a0\"'\r\n");
}

/* The error takes the place of +OK; a publish that is denied is no request that nobody answers. */
static void instead_of_ok_and_503(void **state) {
  (void)state;
  join(&sim, &c[1], 0, QUIET);
  assert_int_equal(sim_connect(&sim, &c[0], 0, NULL), 0);
  expect_info(&c[0]);
  sim_say(&c[0], "CONNECT {\"headers\":true,\"no_responders\":true}\r\nPING\r\n");
  expect(&c[0], "+OK\r\nPONG\r\n");
  change(newest_of(0), permissions_of("{publish: [a, '_R_.x'], subscribe: r}"));
  sim_say(&c[0],
          "SUB x 1\r\nSUB r 2\r\nPUB b r 1\r\nx\r\nPUB a r 1\r\nx\r\nPUB a _R_.x 1\r\nx\r\nPUB _GR_.x "
          "1\r\nx\r\n");
  expect(&c[0], VIOLATION "Subscription to \"x\"'\r\n+OK\r\n");
  expect(&c[0], VIOLATION "Publish to \"b\"'\r\n");
  expect(&c[0], "+OK\r\nHMSG r 2 33 33\r\nNATS/1.0 503\r\nNats-Subject: a\r\n\r\n\r\n");
  expect(&c[0], VIOLATION "Publish with Reply of \"_R_.x\"'\r\n");
  expect(&c[0], VIOLATION "Publish to \"_GR_.x\"'\r\n");
  expect_silence(&c[0]);
}

/* Wider subscriptions than permitted get what is permitted, on the same worker and from another one. */
static void what_is_held_back(void **state) {
  (void)state;
  struct nats_client *client = join_with(0, 0, QUIET, "{subscribe: {deny: [a.no, 'b.no g']}}");
  join(&sim, &c[1], 0, REQUESTS);
  join(&sim, &c[2], 1, REQUESTS);
  say_and_sync(&c[0], "SUB a.* 1\r\nSUB b.* g 2\r\nSUB b.* h 3\r\nSUB c.* 4\r\n");
  assert_true(nats_sub_is_filtered(nats_sub_find(client, tern_slice_of("1"))));
  assert_true(nats_sub_is_filtered(nats_sub_find(client, tern_slice_of("2"))));
  assert_false(nats_sub_is_filtered(nats_sub_find(client, tern_slice_of("3"))));
  assert_false(nats_sub_is_filtered(nats_sub_find(client, tern_slice_of("4"))));
  for (unsigned i = 1; i < 3; i++) {
    say_and_sync(&c[i], "PUB a.no 1\r\nx\r\nPUB a.yes 1\r\nx\r\nPUB a.no 1\r\nx\r\n");
    expect(&c[0], "MSG a.yes 1 1\r\nx\r\n");
    say_and_sync(&c[i], "PUB b.no 1\r\nx\r\n");
    expect(&c[0], "MSG b.no 3 1\r\nx\r\n");
    expect_silence(&c[0]);
    say_and_sync(&c[i], "SUB r 9\r\n"); /* nobody may have it, so nobody has it */
    sim_say(&c[i], "PUB a.no r 1\r\nx\r\n");
    expect(&c[i], "HMSG r 9 36 36\r\nNATS/1.0 503\r\nNats-Subject: a.no\r\n\r\n\r\n");
    sim_say(&c[i], "PUB a.yes r 1\r\nx\r\n");
    expect(&c[0], "MSG a.yes 1 r 1\r\nx\r\n");
    expect_silence(&c[i]);
  }
}

/* Messages with the same receivers go together (lists): the verdict is on each of them all the same. */
static void what_is_held_back_of_many(void **state) {
  (void)state;
  join_with(0, 0, QUIET, "{publish: {deny: 'a.5'}}");
  join_with(1, 0, QUIET, "{subscribe: {deny: ['a.3', 'a.4', 'a.9']}}");
  join_with(2, 1, QUIET, "{subscribe: {deny: ['a.3', 'a.4', 'a.9']}}");
  for (unsigned i = 1; i < 3; i++)
    say_and_sync(&c[i], "SUB a.* 1\r\nUNSUB 1 25\r\n"); /* the last one ends a piece of a list */
  char text[1024], got[1024];
  for (unsigned round = 0; round < 5; round++) { /* the first of them fills the caches */
    size_t len = 0, got_len = 0;
    for (unsigned i = 0; i < 10; i++) {
      len += (size_t)snprintf(text + len, sizeof text - len, "PUB a.%u 8\r\n%u%u......\r\n", i, round, i);
      if (i == 3 || i == 4 || i == 5 || i == 9) continue;
      got_len += (size_t)snprintf(got + got_len, sizeof got - got_len, "MSG a.%u 1 8\r\n%u%u......\r\n", i,
                                  round, i);
    }
    if (round == 4) snprintf(got, sizeof got, "MSG a.0 1 8\r\n40......\r\n");
    sim_say(&c[0], text);
    expect(&c[0], VIOLATION "Publish to \"a.5\"'\r\n");
    for (unsigned i = 1; i < 3; i++)
      expect(&c[i], got);
  }
  for (unsigned i = 1; i < 3; i++)
    expect_silence(&c[i]);
  assert_int_equal(SUM(&sim, subscriptions), 0);
}

/* A member of a group that may not have a message leaves it to another one. */
static void another_member_gets_it(void **state) {
  (void)state;
  join_with(0, 0, QUIET, "{subscribe: {deny: a.no}}");
  join(&sim, &c[1], 1, QUIET);
  say_and_sync(&c[0], "SUB a.* g 1\r\n");
  say_and_sync(&c[1], "SUB a.* g 1\r\n");
  join(&sim, &c[2], 0, QUIET);
  for (unsigned i = 0; i < 40; i++)
    say_and_sync(&c[2], "PUB a.no 1\r\nx\r\n");
  for (unsigned i = 0; i < 40; i++)
    expect(&c[1], "MSG a.no 1 1\r\nx\r\n");
  expect_silence(&c[0]);
  expect_silence(&c[1]);
}

static void answers_to_requests(void **state) {
  (void)state;
  struct nats_client *client =
      join_with(0, 0, QUIET, "{publish: 'open.*', allow_responses: {max: 2, expires: \"1s\"}}");
  join(&sim, &c[1], 1, QUIET);
  say_and_sync(&c[0], "SUB svc 1\r\nSUB q g 2\r\n");
  say_and_sync(&c[1], "SUB in.> 1\r\n");
  sim_say(&c[0], "PUB in.1 1\r\nx\r\n");
  expect(&c[0], VIOLATION "Publish to \"in.1\"'\r\n");
  say_and_sync(&c[1], "PUB svc in.1 1\r\n?\r\nPUB q in.2 1\r\n?\r\n");
  expect(&c[0], "MSG svc 1 in.1 1\r\n?\r\nMSG q 2 in.2 1\r\n?\r\n");
  /* the same line three times: what could go as a run must not */
  sim_say(&c[0],
          "PUB in.1 1\r\n1\r\nPUB in.1 1\r\n2\r\nPUB in.1 1\r\n3\r\nPUB in.2 1\r\n4\r\nPUB in.3 1\r\nx\r\n");
  expect(&c[0], VIOLATION "Publish to \"in.1\"'\r\n" VIOLATION "Publish to \"in.3\"'\r\n");
  expect(&c[1], "MSG in.1 1 1\r\n1\r\nMSG in.1 1 1\r\n2\r\nMSG in.2 1 1\r\n4\r\n");
  later(&sim, 1001);
  sim_say(&c[0], "PUB in.2 1\r\nx\r\n");
  expect(&c[0], VIOLATION "Publish to \"in.2\"'\r\n");
  /* replies it may publish to anyway are not counted */
  nats_answers_free(client->answers);
  client->answers = NULL;
  say_and_sync(&c[1], "PUB svc open.1 1\r\n?\r\nPUB svc 1\r\n?\r\n");
  expect(&c[0], "MSG svc 1 open.1 1\r\n?\r\nMSG svc 1 1\r\n?\r\n");
  assert_null(client->answers);
  for (unsigned i = 0; i < 3; i++)
    say_and_sync(&c[0], "PUB open.1 1\r\nx\r\n");
  /* a message that a subscription ends with counts, too */
  say_and_sync(&c[0], "SUB last 3\r\nUNSUB 3 1\r\n");
  say_and_sync(&c[1], "PUB last in.4 1\r\n?\r\n");
  expect(&c[0], "MSG last 3 in.4 1\r\n?\r\n");
  say_and_sync(&c[0], "PUB in.4 1\r\ny\r\n");
  expect(&c[1], "MSG in.4 1 1\r\ny\r\n");
}

static void changes(void **state) {
  (void)state;
  struct nats_client *client = join_with(0, 0, QUIET, NULL);
  join(&sim, &c[1], 1, QUIET);
  say_and_sync(&c[0], "SUB a 1\r\nSUB b 2\r\nSUB c g sid\"3\r\nSUB d.* 4\r\n");
  const struct permissions *narrow =
      permissions_of("{publish: p, subscribe: {allow: [a, 'd.*'], deny: d.no}}");
  change(client, narrow);
  ticks(&sim, 3);
  sim_pull(&c[0]);
  assert_int_equal(count_of(unread(&c[0]), VIOLATION), 2);
  assert_int_equal(count_of(unread(&c[0]), VIOLATION "Subscription to \"b\" (sid \"2\")'\r\n"), 1);
  assert_int_equal(count_of(unread(&c[0]), VIOLATION "Subscription to \"c\" (sid \"sid\\\"3\")'\r\n"), 1);
  c[0].read_to = c[0].in_len;
  assert_int_equal(SUM(&sim, subscriptions), 3 - 1);
  say_and_sync(&c[1],
               "PUB a 1\r\n1\r\nPUB b 1\r\n2\r\nPUB c 1\r\n3\r\nPUB d.no 1\r\n4\r\nPUB d.yes 1\r\n5\r\n");
  expect(&c[0], "MSG a 1 1\r\n1\r\nMSG d.yes 4 1\r\n5\r\n");
  sim_say(&c[0], "PUB x 1\r\nx\r\n");
  expect(&c[0], VIOLATION "Publish to \"x\"'\r\n");
  /* and wider again: what was held back comes, and the verdict on x is another one */
  change(client, permissions_of("{publish: [p, x]}"));
  say_and_sync(&c[1], "PUB d.no 1\r\n6\r\n");
  expect(&c[0], "MSG d.no 4 1\r\n6\r\n");
  say_and_sync(&c[0], "PUB x 1\r\nx\r\n");
  change(client, NULL);
  say_and_sync(&c[0], "PUB y 1\r\nx\r\nSUB b 2\r\n");
}

/* Requests can be answered after a change, unless the terms are others. */
static void a_change_of_terms_takes_answers(void **state) {
  (void)state;
  struct nats_client *client = join_with(0, 0, QUIET, "{allow_responses: true}");
  join(&sim, &c[1], 0, QUIET);
  say_and_sync(&c[0], "SUB svc 1\r\n");
  say_and_sync(&c[1], "PUB svc in.1 1\r\n?\r\n");
  expect(&c[0], "MSG svc 1 in.1 1\r\n?\r\n");
  assert_non_null(client->answers);
  change(client, permissions_of("{publish: x, allow_responses: {max: 1, expires: \"2m\"}}"));
  say_and_sync(&c[0], "PUB in.1 1\r\nx\r\n");
  const char *const others[] = {"{allow_responses: {max: 2}}", "{allow_responses: {expires: \"1m\"}}",
                                "{publish: x}", NULL};
  for (unsigned i = 0; i < 4; i++) {
    change(client, permissions_of("{allow_responses: true}"));
    say_and_sync(&c[1], "PUB svc in.2 1\r\n?\r\n");
    expect(&c[0], "MSG svc 1 in.2 1\r\n?\r\n");
    change(client, others[i] != NULL ? permissions_of(others[i]) : NULL);
    assert_null(client->answers);
  }
}

/* Who has ended keeps subscriptions for a while, but not the permissions: they may be freed. */
static void nothing_is_asked_after_the_end(void **state) {
  (void)state;
  struct nats_client *client = join_with(0, 0, QUIET, "{subscribe: {deny: a.no}, allow_responses: true}");
  say_and_sync(&c[0], "SUB a.* 1\r\n");
  struct tern_sink *sink = &nats_sub_find(client, tern_slice_of("1"))->sink;
  struct tern_message m = {.subject = tern_slice_of("a.b"), .reply = tern_slice_of("r")};
  m.hash = tern_subject_hash(m.subject);
  tern__sim_enter(tern_workers_at(sim.workers, 0));
  assert_true(sink->ops->deliver(sink, &m));
  nats_client_end(client);
  client->permissions = NULL;
  assert_false(sink->ops->deliver(sink, &m));
  tern__sim_enter(NULL);
  expect(&c[0], "MSG a.b 1 r 0\r\n\r\n");
  expect_end(&c[0]);
}

/* Permissions that lie where others lay: their verdicts must not be the same. */
static void verdicts_are_forgotten(void **state) {
  (void)state;
  struct nats_client *client = join_with(0, 0, QUIET, "{publish: a}");
  say_and_sync(&c[0], "PUB a 1\r\nx\r\n");
  struct settings *settings = settings_new(&client->worker->settings->limits);
  assert_non_null(settings);
  assert_non_null(client->worker->verdicts);
  nats_worker_set_settings(client->worker, settings);
  assert_null(client->worker->verdicts);
  settings_unref(settings);
}

/* More sets of permissions than there are places for verdicts on one subject; and both questions about one subject. */
static void verdicts_of_many_permissions(void **state) {
  (void)state;
  struct nats_client *client = join_with(0, 0, QUIET, NULL);
  for (unsigned i = 0; i < 1100; i++) {
    change(client, permissions_of(i % 3 == 0 ? "{publish: b}" : "{publish: a}"));
    sim_say(&c[0], "PUB a 1\r\nx\r\nPING\r\n");
    if (i % 3 == 0) expect(&c[0], VIOLATION "Publish to \"a\"'\r\n");
    expect(&c[0], "PONG\r\n");
  }
  change(client, permissions_of("{publish: {deny: x.1}, subscribe: {deny: x.2}}"));
  say_and_sync(&c[0], "SUB x.* 1\r\n");
  join(&sim, &c[1], 0, QUIET);
  for (unsigned i = 0; i < 2; i++) {
    say_and_sync(&c[1], "PUB x.1 1\r\nx\r\nPUB x.2 1\r\nx\r\n");
    expect(&c[0], "MSG x.1 1 1\r\nx\r\n");
    sim_say(&c[0], "PUB x.1 1\r\nx\r\nPUB x.2 1\r\nx\r\n");
    expect(&c[0], VIOLATION "Publish to \"x.1\"'\r\n");
  }
}

/* Every subscription of many is lost, whatever moves in the table. */
static void all_are_lost(void **state) {
  (void)state;
  struct nats_client *client = join_with(0, 0, QUIET, NULL);
  char line[32];
  for (unsigned i = 0; i < 500; i++) {
    snprintf(line, sizeof line, "SUB %c.%u %u\r\n", i % 5 == 0 ? 'b' : 'a', i, i);
    say_and_sync(&c[0], line);
  }
  change(client, permissions_of("{subscribe: \"b.*\"}"));
  ticks(&sim, 3);
  sim_pull(&c[0]);
  assert_int_equal(count_of(unread(&c[0]), VIOLATION "Subscription to \"a."), 400);
  c[0].read_to = c[0].in_len;
  assert_int_equal(client->sids.count, 100);
}

/* Long subjects have no place in the table of verdicts, and others lose theirs: the answer is the same. */
static void verdicts_on_many_subjects(void **state) {
  (void)state;
  join_with(0, 0, QUIET, "{publish: 'a.*'}");
  char line[1200], subject[500];
  memset(subject, 'x', sizeof subject);
  subject[sizeof subject - 1] = '\0';
  for (unsigned round = 0; round < 2; round++) {
    for (unsigned i = 0; i < 3000; i++) {
      snprintf(line, sizeof line, "PUB %c.%u 1\r\nx\r\n", i % 100 == 0 ? 'b' : 'a', i);
      sim_say(&c[0], line);
      if (i % 100 != 0) continue; /* what is said has been read by then, too */
      snprintf(line, sizeof line, VIOLATION "Publish to \"b.%u\"'\r\n", i);
      expect(&c[0], line);
    }
    snprintf(line, sizeof line, "PUB a.%s 1\r\nx\r\nPUB b.%s 1\r\nx\r\n", subject, subject);
    sim_say(&c[0], line);
    snprintf(line, sizeof line, VIOLATION "Publish to \"b.%s\"'\r\n", subject);
    expect(&c[0], line);
  }
  say_and_sync(&c[0], "");
}

/* Without memory verdicts are not kept, names are left out of errors, and requests cannot be answered: nothing that is
 * denied is let through. */
static void without_memory(void **state) {
  (void)state;
  struct nats_client *client =
      join_with(0, 0, QUIET, "{publish: a, subscribe: {deny: a.no}, allow_responses: true}");
  join(&sim, &c[1], 0, QUIET);
  say_and_sync(&c[0], "SUB a.* 1\r\nPUB a 1\r\nx\r\n"); /* the registry's cache wants memory, too */
  say_and_sync(&c[1], "PUB a.no 1\r\nx\r\nPUB a.yes 1\r\nx\r\n");
  expect(&c[0], "MSG a.yes 1 1\r\nx\r\n");
  nats_permit_forget(client->worker);
  no_memory = true;
  sim_say(&c[0], "PUB a 1\r\nx\r\nPUB b 1\r\nx\r\n");
  expect(&c[0], VIOLATION "Publish to \"\"'\r\n");
  assert_null(client->worker->verdicts);
  say_and_sync(&c[1], "PUB a.no in.1 1\r\n?\r\nPUB a.yes in.1 1\r\n?\r\n");
  expect(&c[0], "MSG a.yes 1 in.1 1\r\n?\r\n");
  assert_int_equal(SUM(&sim, forgotten_answers), 1);
  no_memory = false;
  sim_say(&c[0], "PUB in.1 1\r\nx\r\n");
  expect(&c[0], VIOLATION "Publish to \"in.1\"'\r\n");
}

int main(void) {
#define CONVERSATION(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      CONVERSATION(what_is_not_permitted),
      CONVERSATION(instead_of_ok_and_503),
      CONVERSATION(what_is_held_back),
      CONVERSATION(what_is_held_back_of_many),
      CONVERSATION(another_member_gets_it),
      CONVERSATION(answers_to_requests),
      CONVERSATION(changes),
      CONVERSATION(a_change_of_terms_takes_answers),
      CONVERSATION(nothing_is_asked_after_the_end),
      CONVERSATION(verdicts_are_forgotten),
      CONVERSATION(verdicts_of_many_permissions),
      CONVERSATION(without_memory),
      CONVERSATION(all_are_lost),
      CONVERSATION(verdicts_on_many_subjects),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
