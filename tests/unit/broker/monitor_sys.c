/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests by message: which subjects are answered, on which worker, and that what comes too fast is dropped and
 * counted. The workers are simulated, the answering thread is real; IDZ is asked, which needs no worker.
 */
#include "fixture.h"

#include <pthread.h>
#include <time.h>

#include "monitor.h"
#include "sys.h"

#define WAIT_S 30

static struct sim sim;
static struct options options;
static struct monitor *monitor;
static struct sys *sys;

/* What was answered; hold: answers wait. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  unsigned count, worker;
  uint32_t account;
  bool hold;
  char subject[64];
} answers = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int publish(void *arg, unsigned worker, uint32_t account, struct tern_slice subject,
                   struct tern_slice payload) {
  (void)arg;
  pthread_mutex_lock(&answers.lock);
  pthread_cond_broadcast(&answers.changed);
  while (answers.hold)
    pthread_cond_wait(&answers.changed, &answers.lock);
  answers.count += payload.len > 0;
  answers.worker = worker;
  answers.account = account;
  snprintf(answers.subject, sizeof answers.subject, "%.*s", (int)subject.len, subject.ptr);
  pthread_cond_broadcast(&answers.changed);
  pthread_mutex_unlock(&answers.lock);
  return 0;
}

static void wait_answers(unsigned count) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += WAIT_S;
  pthread_mutex_lock(&answers.lock);
  while (answers.count < count)
    assert_int_equal(pthread_cond_timedwait(&answers.changed, &answers.lock, &until), 0);
  pthread_mutex_unlock(&answers.lock);
}

static void set_hold(bool hold) {
  pthread_mutex_lock(&answers.lock);
  answers.hold = hold;
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

/* The requester, who is subscribed to `in`, is told that there is nobody. */
static void check_nobody(struct sim_client *c, const char *subject) {
  char line[256];
  snprintf(line, sizeof line, "PUB $SYS.REQ.%s in 0\r\n\r\n", subject);
  sim_say(c, line);
  const size_t len = strlen("NATS/1.0 503\r\nNats-Subject: $SYS.REQ.\r\n\r\n") + strlen(subject);
  snprintf(line, sizeof line, "HMSG in 1 %zu %zu\r\nNATS/1.0 503\r\nNats-Subject: $SYS.REQ.%s\r\n\r\n\r\n",
           len, len, subject);
  expect(c, line);
}

static void other_subjects_have_nobody(void **unused) {
  (void)unused;
  static const char *const subjects[] = {"SERVER.PING.NOPE", "SERVER.OTHER.IDZ", "SERVER.PING.IDZ.x",
                                         "ACCOUNT.IDZ", "SERVER.IDZ"};
  struct sim_client c;
  join(&sim, &c, 0, REQUESTS);
  sim_say(&c, "SUB in 1\r\n");
  for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
    check_nobody(&c, subjects[i]);
  }
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

static void nobody_answers_in_an_account_that_is_not_served(void **unused) {
  (void)unused;
  struct sim_client c;
  join(&sim, &c, 0, REQUESTS);
  assert_int_equal(sys_serve(sys, NULL, 0), 0);
  sim_say(&c, "SUB in 1\r\n");
  check_nobody(&c, "SERVER.PING.IDZ");
  assert_int_equal(sys_serve(sys, sim.core.registries[0], 0), 0);
  sim_hang_up(&c);
  ticks(&sim, 20);
  sim_client_free(&c);
}

static int begin(void **unused) {
  (void)unused;
  start(&sim, 2, NULL);
  if (options_init(&options) != 0) return 1;
  const struct monitor_source source = {.options = &options, .server_id = "ID", .server_name = "name"};
  if (monitor_new(&source, &monitor) != 0) return 1;
  const struct sys_options how = {monitor, sim.workers, "ID", publish, NULL};
  if (sys_new(&how, &sys) != 0) return 1;
  return sys_serve(sys, sim.core.registries[0], 0);
}

static int finish(void **unused) {
  (void)unused;
  sys_free(sys);
  monitor_free(monitor);
  options_free(&options);
  end(&sim, NULL, 0);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_are_answered_where_they_came),
      cmocka_unit_test(other_subjects_have_nobody),
      cmocka_unit_test(what_comes_too_fast_is_dropped_and_counted),
      cmocka_unit_test(nobody_answers_in_an_account_that_is_not_served),
  };
  return cmocka_run_group_tests_name("monitor_sys", tests, begin, finish);
}
