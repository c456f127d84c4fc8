/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system account's thread: requests are answered on the worker they came to, events are published in their order, the
 * clock brings STATSZ, reloads wait for whoever does them, and what comes too fast is dropped and counted. The workers are
 * simulated, the thread is real; while it may ask them, the test waits.
 */
#include "accounts.h"

#include <jansson.h>
#include <pthread.h>
#include <time.h>

#include "conns.h"
#include "monitor.h"
#include "sys.h"

#define WAIT_S 30

static struct sim sim;
static struct options options;
static struct monitor *monitor;
static struct sys *sys;

/* What was published; hold: publishing waits. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  unsigned count, worker, reloads, calls;
  uint32_t account;
  bool hold, statsz_is_wanted;
  uint64_t cid;                     /* of the client in the last text */
  bool failed;                      /* the last text has an error */
  char subject[128], first[2][128]; /* the last one; the first two since the last hold */
  unsigned since;                   /* the hold */
  const struct nats_watch *watch;
} answers = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Of what was published last. */
static void read_text(struct tern_slice text) {
  json_t *json = json_loadb(text.ptr, text.len, 0, NULL);
  assert_non_null(json);
  answers.cid = (uint64_t)json_integer_value(json_object_get(json_object_get(json, "client"), "id"));
  answers.failed = json_object_get(json, "error") != NULL;
  json_decref(json);
}

static int publish(void *arg, unsigned worker, uint32_t account, const struct route_inside *messages,
                   size_t count) {
  (void)arg;
  pthread_mutex_lock(&answers.lock);
  answers.calls++;
  pthread_cond_broadcast(&answers.changed);
  while (answers.hold)
    pthread_cond_wait(&answers.changed, &answers.lock);
  answers.worker = worker;
  answers.account = account;
  for (size_t i = 0; i < count; i++) {
    const uint64_t before = answers.cid;
    read_text(messages[i].payload);
    if (answers.cid != 0 && before != 0) assert_true(answers.cid > before); /* events, in their order */
  }
  answers.count += (unsigned)count;
  snprintf(answers.subject, sizeof answers.subject, "%.*s", (int)messages[count - 1].subject.len,
           messages[count - 1].subject.ptr);
  if (answers.since < 2) memcpy(answers.first[answers.since++], answers.subject, sizeof answers.first[0]);
  pthread_cond_broadcast(&answers.changed);
  pthread_mutex_unlock(&answers.lock);
  return 0;
}

static bool is_wanted(void *arg, uint32_t account, struct tern_slice subject) {
  (void)arg, (void)account;
  pthread_mutex_lock(&answers.lock);
  const bool wanted =
      answers.statsz_is_wanted && tern_slice_equal(subject, tern_slice_of("$SYS.SERVER.ID.STATSZ"));
  pthread_mutex_unlock(&answers.lock);
  return wanted;
}

static void watch(void *arg, const struct nats_watch *who) {
  (void)arg;
  answers.watch = who;
}

static void want_reload(void *arg) {
  (void)arg;
  pthread_mutex_lock(&answers.lock);
  answers.reloads++;
  pthread_cond_broadcast(&answers.changed);
  pthread_mutex_unlock(&answers.lock);
}

/* Until a counter has come so far. */
static void wait_until(const unsigned *counter, unsigned count) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += WAIT_S;
  pthread_mutex_lock(&answers.lock);
  while (*counter < count)
    assert_int_equal(pthread_cond_timedwait(&answers.changed, &answers.lock, &until), 0);
  pthread_mutex_unlock(&answers.lock);
}

static void wait_answers(unsigned count) { wait_until(&answers.count, count); }

static void set_hold(bool hold) {
  pthread_mutex_lock(&answers.lock);
  answers.hold = hold;
  if (hold) answers.since = 0;
  pthread_cond_broadcast(&answers.changed);
  pthread_mutex_unlock(&answers.lock);
}

static void requests_are_answered_where_they_came(void **unused) {
  (void)unused;
  struct sim_client c;
  join(&sim, &c, 1, REQUESTS);
  sim_say(&c, "PUB $SYS.REQ.SERVER.PING.IDZ in.box 0\r\n\r\n");
  ticks(&sim, 20);
  wait_answers(1);
  assert_string_equal(answers.subject, "in.box");
  assert_int_equal(answers.worker, 1);
  assert_int_equal(answers.account, 0);
  sim_say(&c, "PUB $SYS.REQ.SERVER.ID.IDZ in.two 2\r\n{}\r\n");
  ticks(&sim, 20);
  wait_answers(2);
  assert_string_equal(answers.subject, "in.two");
  sim_hang_up(&c);
  ticks(&sim, 20);
  sim_client_free(&c);
}

static void what_comes_too_fast_is_dropped_and_counted(void **unused) {
  (void)unused;
  const unsigned before = answers.count;
  struct sim_client c;
  join(&sim, &c, 0, REQUESTS);
  set_hold(true);
  for (unsigned i = 0; i < SYS_WAITING_MAX + 10; i++)
    sim_say(&c, "PUB $SYS.REQ.SERVER.PING.IDZ in 0\r\n\r\n");
  ticks(&sim, 50);
  /* one of them may be with the thread already, or not */
  const uint64_t dropped = sys_dropped(sys);
  assert_true(dropped == 9 || dropped == 10);
  char body[SYS_BODY_MAX_BYTES + 2];
  memset(body, ' ', sizeof body);
  char head[64];
  snprintf(head, sizeof head, "PUB $SYS.REQ.SERVER.PING.IDZ in %d\r\n", SYS_BODY_MAX_BYTES + 1);
  sim_say(&c, head);
  sim_send(&c, body, SYS_BODY_MAX_BYTES + 1);
  sim_say(&c, "\r\n");
  ticks(&sim, 50);
  assert_int_equal(sys_dropped(sys), dropped + 1);
  set_hold(false);
  wait_answers(before + SYS_WAITING_MAX + 10 - (unsigned)dropped);
  sim_hang_up(&c);
  ticks(&sim, 20);
  sim_client_free(&c);
}

/* Those who ask about themselves in a loop, more than there is room for: the system account is answered all the same, and
 * before them. */
static void ordinary_accounts_take_nothing_from_the_system_account(void **unused) {
  (void)unused;
  struct sim_client c[2];
  uint32_t number;
  assert_int_equal(core_account(&sim.core, sim.workers, true, "A", &number), 0);
  const struct sys_place system = {sim.core.registries[0], 0}, other = {sim.core.registries[number], number};
  assert_int_equal(sys_serve(sys, &system, &other, 1), 0);
  join(&sim, &c[0], 0, REQUESTS);
  join_account(&sim, &c[1], 1, "A", REQUESTS);
  const unsigned before = answers.count, calls = answers.calls;
  const uint64_t dropped = sys_dropped(sys);
  set_hold(true);
  sim_say(&c[0], "PUB $SYS.REQ.SERVER.PING.IDZ in.first 0\r\n\r\n"); /* holds the thread up */
  ticks(&sim, 20);
  wait_until(&answers.calls, calls + 1);
  for (unsigned i = 0; i < SYS_WAITING_MAX + 5; i++)
    sim_say(&c[1], "PUB $SYS.REQ.ACCOUNT.PING.STATZ in.other 0\r\n\r\n");
  ticks(&sim, 50);
  assert_int_equal(sys_dropped(sys), dropped + 5);
  sim_say(&c[0], "PUB $SYS.REQ.SERVER.PING.IDZ in.second 0\r\n\r\n");
  ticks(&sim, 20);
  assert_int_equal(sys_dropped(sys), dropped + 5);
  set_hold(false);
  wait_answers(before + 2);
  assert_string_equal(answers.first[1], "in.second");
  wait_answers(before + 2 + SYS_WAITING_MAX);
  assert_int_equal(answers.account, number);
  assert_int_equal(sys_serve(sys, &system, NULL, 0), 0);
  for (unsigned i = 0; i < 2; i++) {
    sim_hang_up(&c[i]);
    ticks(&sim, 20);
    sim_client_free(&c[i]);
  }
}

/* As a worker would. */
static void note_one(uint64_t cid, const char *name) {
  const size_t size = sizeof(struct nats_conn) + strlen(name) + 1;
  struct nats_conn *conn = calloc(1, size);
  assert_non_null(conn);
  conn->cid = cid;
  conn->size = size;
  conn->name = memcpy(conn + 1, name, strlen(name) + 1);
  conn->ip = conn->lang = conn->version = conn->user = "";
  conn->account = "A";
  const struct nats_event event = {.kind = NATS_EVENT_CONNECT, .account = 1, .conn = conn};
  answers.watch->note(answers.watch->arg, &event);
}

static void events_go_together_in_their_order(void **unused) {
  (void)unused;
  assert_non_null(answers.watch);
  assert_int_equal(answers.watch->account, 0);
  assert_string_equal(answers.watch->refused, "$SYS.SERVER.ID.CLIENT.AUTH.ERR");
  const unsigned before = answers.count, calls = answers.calls;
  set_hold(true);
  note_one(1, "first");
  wait_until(&answers.calls, calls + 1);
  for (uint64_t cid = 2; cid <= 200; cid++)
    note_one(cid, "");
  set_hold(false);
  wait_answers(before + 200);
  assert_string_equal(answers.subject, "$SYS.ACCOUNT.A.CONNECT");
  assert_int_equal(answers.worker, 0);
  assert_int_equal(answers.calls, calls + 1 + 4); /* 199 by 64 */
  assert_int_equal(sys_events_dropped(sys), 0);
}

/* A subscriber that holds the thread up, by whatever means, costs a bounded amount of memory. */
static void events_that_are_too_many_are_dropped_and_counted(void **unused) {
  (void)unused;
  static char name[64 * 1024];
  memset(name, 'n', sizeof name - 1);
  const unsigned before = answers.count, calls = answers.calls;
  answers.cid = 0;
  set_hold(true);
  note_one(1, "");
  wait_until(&answers.calls, calls + 1);
  const unsigned fit = SYS_EVENTS_MAX_BYTES / sizeof name - 1;
  for (uint64_t cid = 2; cid < 2 + 2 * fit; cid++)
    note_one(cid, name);
  const uint64_t dropped = sys_events_dropped(sys);
  assert_true(dropped >= fit - 1 && dropped <= fit + 1);
  set_hold(false);
  wait_answers(before + 1 + 2 * fit - (unsigned)dropped);
  answers.cid = 0;
  note_one(1, ""); /* then it goes on */
  wait_answers(before + 2 + 2 * fit - (unsigned)dropped);
}

static void reloads_are_answered_when_they_are_done(void **unused) {
  (void)unused;
  struct sim_client c;
  const unsigned before = answers.count;
  join(&sim, &c, 1, REQUESTS);
  sim_say(&c, "PUB $SYS.REQ.SERVER.ID.RELOAD in.one 0\r\n\r\n");
  ticks(&sim, 20);
  wait_until(&answers.reloads, 1);
  sys_reload_begins(sys);
  sim_say(&c, "PUB $SYS.REQ.SERVER.ID.RELOAD in.two 2\r\n{}\r\n"); /* for another one: this has begun */
  ticks(&sim, 20);
  wait_until(&answers.reloads, 2);
  sys_reloaded(sys, NULL);
  assert_int_equal(answers.count, before + 1);
  assert_string_equal(answers.subject, "in.one");
  assert_false(answers.failed);
  sys_reload_begins(sys);
  sys_reloaded(sys, "a reason");
  assert_int_equal(answers.count, before + 2);
  assert_string_equal(answers.subject, "in.two");
  assert_int_equal(answers.worker, 1);
  assert_true(answers.failed);
  sys_reload_begins(sys);
  sys_reloaded(sys, NULL); /* nobody has asked */
  assert_int_equal(answers.count, before + 2);
  sim_say(&c, "PUB $SYS.REQ.SERVER.ID.RELOAD in.three 0\r\n\r\n"); /* is never done */
  ticks(&sim, 20);
  wait_until(&answers.reloads, 3);
  sim_hang_up(&c);
  ticks(&sim, 20);
  sim_client_free(&c);
}

/* By the real clock, which is not judged. */
static void statsz_comes_by_itself_when_somebody_listens(void **unused) {
  (void)unused;
  const unsigned before = answers.count;
  pthread_mutex_lock(&answers.lock);
  answers.statsz_is_wanted = true;
  pthread_mutex_unlock(&answers.lock);
  wait_answers(before + 1);
  assert_string_equal(answers.subject, "$SYS.SERVER.ID.STATSZ");
  pthread_mutex_lock(&answers.lock);
  answers.statsz_is_wanted = false;
  pthread_mutex_unlock(&answers.lock);
}

static void what_is_said_of_the_server_goes_to_the_system_account(void **unused) {
  (void)unused;
  const struct sys_place place = {sim.core.registries[0], 0};
  const unsigned before = answers.count;
  sys_announce(sys, "LAMEDUCK");
  assert_int_equal(answers.count, before + 1);
  assert_string_equal(answers.subject, "$SYS.SERVER.ID.LAMEDUCK");
  assert_int_equal(sys_serve(sys, NULL, &place, 1), 0);
  assert_null(answers.watch);
  sys_announce(sys, "LAMEDUCK"); /* there is none */
  assert_int_equal(answers.count, before + 1);
  assert_int_equal(sys_serve(sys, &place, NULL, 0), 0);
  assert_non_null(answers.watch);
}

static struct core_figures figures(void *arg) {
  (void)arg;
  return (struct core_figures){0};
}

static bool account(void *arg, uint32_t index, struct monitor_account *out) {
  static const struct monitor_account accounts[] = {{"$G", 0, true, false, NULL},
                                                    {"A", 1, false, false, NULL}};
  (void)arg;
  if (index < 2) *out = accounts[index];
  return index < 2;
}

static int begin(void **unused) {
  (void)unused;
  start(&sim, 2, NULL);
  if (options_init(&options) != 0) return 1;
  const struct monitor_source source = {.options = &options,
                                        .server_id = "ID",
                                        .server_name = "name",
                                        .nats = &sim.core.nats,
                                        .pool = sim.workers,
                                        .figures = figures,
                                        .account = account};
  if (monitor_new(&source, &monitor) != 0) return 1;
  const struct sys_options how = {.monitor = monitor,
                                  .workers = sim.workers,
                                  .server_id = "ID",
                                  .publish = publish,
                                  .is_wanted = is_wanted,
                                  .watch = watch,
                                  .reload = want_reload};
  const struct sys_place place = {sim.core.registries[0], 0};
  if (sys_new(&how, &sys) != 0) return 1;
  return sys_serve(sys, &place, NULL, 0);
}

static int finish(void **unused) {
  (void)unused;
  sys_free(sys);
  if (strcmp(answers.subject, "$SYS.SERVER.ID.SHUTDOWN") != 0) return 1; /* the last word */
  monitor_free(monitor);
  options_free(&options);
  end(&sim, NULL, 0);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_are_answered_where_they_came),
      cmocka_unit_test(what_comes_too_fast_is_dropped_and_counted),
      cmocka_unit_test(ordinary_accounts_take_nothing_from_the_system_account),
      cmocka_unit_test(events_go_together_in_their_order),
      cmocka_unit_test(events_that_are_too_many_are_dropped_and_counted),
      cmocka_unit_test(statsz_comes_by_itself_when_somebody_listens),
      cmocka_unit_test(reloads_are_answered_when_they_are_done),
      cmocka_unit_test(what_is_said_of_the_server_goes_to_the_system_account),
  };
  return cmocka_run_group_tests_name("monitor_sys", tests, begin, finish);
}
