/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where requests come to: which subjects in which accounts, what of a request is handed on, and that places can change
 * while requests come.
 */
#include "accounts.h"

#include "sys_answer.h"
#include "sys_subjects.h"

static struct sim sim;
static struct sys_subjects *subjects;
static uint32_t numbers[2];
static struct sys_place places[3];

/* What was received. */
static struct {
  unsigned count, lost;
  struct sys_request *last;
} got;

static void receive(void *arg, struct sys_request *request) {
  assert_ptr_equal(arg, &got);
  got.count++;
  got.lost += request == NULL;
  free(got.last);
  got.last = request;
}

static int set_up(void **state) {
  (void)state;
  const struct sys_receiver receiver = {receive, &got};
  memset(&got, 0, sizeof got);
  start(&sim, 2, NULL);
  assert_int_equal(core_account(&sim.core, sim.workers, true, "A", &numbers[0]), 0);
  assert_int_equal(core_account(&sim.core, sim.workers, true, "B", &numbers[1]), 0);
  for (uint32_t i = 0; i < 3; i++)
    places[i] = (struct sys_place){sim.core.registries[i], i};
  return sys_subjects_new(sim.workers, "ID", &receiver, &subjects);
}

static int tear_down(void **state) {
  (void)state;
  sys_subjects_free(subjects);
  free(got.last);
  end(&sim, NULL, 0);
  return 0;
}

/* Asks on $SYS.REQ.<subject>. Was it received? Who is not is told that there is nobody. */
static bool ask(struct sim_client *c, const char *subject) {
  const unsigned before = got.count;
  char line[256];
  snprintf(line, sizeof line, "PUB $SYS.REQ.%s in 2\r\n{}\r\n", subject);
  say_and_sync(c, line);
  return got.count == before + 1;
}

static void each_account_has_its_subjects(void **state) {
  (void)state;
  static const char *const for_all[] = {"ACCOUNT.PING.CONNZ", "SERVER.PING.CONNZ", "ACCOUNT.PING.STATZ",
                                        "USER.INFO"};
  static const char *const for_system[] = {"SERVER.PING",     "SERVER.PING.VARZ", "SERVER.ID.VARZ",
                                           "SERVER.ID.KICK",  "SERVER.ID.LDM",    "SERVER.ID.RELOAD",
                                           "ACCOUNT.A.CONNZ", "ACCOUNT.A.INFO",   "ACCOUNT.A.CONNS"};
  static const char *const for_none[] = {"SERVER.PING.KICK", "SERVER.PING.RELOAD", "SERVER.OTHER.KICK",
                                         "ACCOUNT.A.KICK",   "USER.A.INFO",        "SERVER.ID.USER"};
  struct sim_client c[2];
  assert_int_equal(sys_subjects_serve(subjects, &places[1], &places[2], 1), 0);
  join_account(&sim, &c[0], 0, "A", QUIET); /* the system account here */
  join_account(&sim, &c[1], 1, "B", QUIET);
  for (size_t i = 0; i < sizeof for_all / sizeof for_all[0]; i++)
    for (unsigned n = 0; n < 2; n++) {
      assert_true(ask(&c[n], for_all[i]));
      assert_int_equal(got.last->account, places[n + 1].account);
      assert_int_equal(got.last->worker, n);
      assert_int_equal(got.last->own, n == 1);
      assert_int_equal(got.last->client, sim.core.nats.workers[n]->clients->id);
      assert_true(tern_slice_equal(got.last->reply, tern_slice_of("in")));
      assert_true(tern_slice_equal(got.last->body, tern_slice_of("{}")));
    }
  for (size_t i = 0; i < sizeof for_system / sizeof for_system[0]; i++) {
    assert_true(ask(&c[0], for_system[i]));
    assert_false(ask(&c[1], for_system[i]));
  }
  assert_true(ask(&c[0], "ACCOUNT.x-y.STATZ"));
  assert_string_equal(got.last->named, "x-y");
  assert_int_equal(got.last->kind, SYS_KIND_STATZ);
  for (size_t i = 0; i < sizeof for_none / sizeof for_none[0]; i++)
    for (unsigned n = 0; n < 2; n++)
      assert_false(ask(&c[n], for_none[i]));
  for (unsigned n = 0; n < 2; n++) {
    sim_hang_up(&c[n]);
    ticks(&sim, 20);
    sim_client_free(&c[n]);
  }
}

static void what_cannot_be_answered_is_not_handed_on(void **state) {
  (void)state;
  struct sim_client c;
  static char line[SYS_BODY_MAX_BYTES + 128];
  assert_int_equal(sys_subjects_serve(subjects, &places[0], NULL, 0), 0);
  join(&sim, &c, 0, QUIET);
  say_and_sync(&c, "PUB $SYS.REQ.SERVER.ID.KICK 9\r\n{\"cid\":1}\r\n"); /* nobody waits for the answer */
  say_and_sync(&c, "PUB $SYS.REQ.SERVER.PING in.* 0\r\n\r\n");          /* nobody can have it */
  assert_int_equal(got.count, 0);
  int len = snprintf(line, sizeof line, "PUB $SYS.REQ.SERVER.PING in %d\r\n", SYS_BODY_MAX_BYTES);
  memset(line + len, ' ', SYS_BODY_MAX_BYTES);
  memcpy(line + len + SYS_BODY_MAX_BYTES, "\r\n", 3);
  say_and_sync(&c, line);
  assert_int_equal(got.lost, 0);
  assert_int_equal(got.last->body.len, SYS_BODY_MAX_BYTES);
  len = snprintf(line, sizeof line, "PUB $SYS.REQ.SERVER.PING in %d\r\n", SYS_BODY_MAX_BYTES + 1);
  memset(line + len, ' ', SYS_BODY_MAX_BYTES + 1);
  memcpy(line + len + SYS_BODY_MAX_BYTES + 1, "\r\n", 3);
  say_and_sync(&c, line);
  assert_int_equal(got.count, 2);
  assert_int_equal(got.lost, 1); /* it is to be counted */
  sim_hang_up(&c);
  ticks(&sim, 20);
  sim_client_free(&c);
}

static void places_change(void **state) {
  (void)state;
  struct sim_client c[3];
  join(&sim, &c[0], 0, QUIET);
  join_account(&sim, &c[1], 0, "A", QUIET);
  join_account(&sim, &c[2], 1, "B", QUIET);
  assert_false(ask(&c[0], "USER.INFO"));
  assert_int_equal(sys_subjects_serve(subjects, &places[0], &places[1], 2), 0);
  assert_int_equal(sys_subjects_serve(subjects, &places[0], &places[1], 2), 0); /* the same once more */
  assert_true(ask(&c[0], "SERVER.PING"));
  assert_true(ask(&c[1], "USER.INFO") && ask(&c[2], "USER.INFO"));
  assert_int_equal(sys_subjects_serve(subjects, &places[2], &places[0], 1),
                   0); /* another one is the system's */
  assert_false(ask(&c[0], "SERVER.PING"));
  assert_true(ask(&c[0], "SERVER.PING.CONNZ"));
  assert_true(got.last->own);
  assert_false(ask(&c[1], "USER.INFO"));
  assert_true(ask(&c[2], "SERVER.PING"));
  assert_true(ask(&c[2], "SERVER.PING.CONNZ"));
  assert_false(got.last->own);
  assert_int_equal(sys_subjects_serve(subjects, NULL, NULL, 0), 0);
  assert_false(ask(&c[0], "USER.INFO") || ask(&c[2], "SERVER.PING"));
  for (unsigned n = 0; n < 3; n++) {
    sim_hang_up(&c[n]);
    ticks(&sim, 20);
    sim_client_free(&c[n]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(each_account_has_its_subjects, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_cannot_be_answered_is_not_handed_on, set_up, tear_down),
      cmocka_unit_test_setup_teardown(places_change, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("monitor/sys_subjects", tests, NULL, NULL);
}
