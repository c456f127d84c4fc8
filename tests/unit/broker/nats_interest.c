/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting who would get a message: plain subscriptions and groups of several workers, handlers, accounts, more groups than
 * are listed, names that are too long for it, and memory refused (the linker wraps malloc).
 */
#include "accounts.h"

#include <errno.h>

#include <tern/error.h>

#include "interest.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static bool refuse;

void *__wrap_malloc(size_t size) { return refuse ? NULL : __real_malloc(size); }

static struct sim sim;
static struct sim_client c[4];
static struct nats_interest found;

static void ask(uint32_t account, const char *subject) {
  assert_int_equal(nats_interest_find(&sim.core.nats, sim.workers, account, tern_slice_of(subject), &found),
                   0);
}

static void expect_counts(uint64_t subscriptions, uint32_t groups, uint64_t members, uint32_t workers) {
  assert_int_equal(found.subscriptions, subscriptions);
  assert_int_equal(found.groups, groups);
  assert_int_equal(found.members, members);
  assert_int_equal(found.workers, workers);
}

static void open_clients(void) {
  start(&sim, 3, NULL);
  for (unsigned i = 0; i < 3; i++)
    join(&sim, &c[i], i, QUIET);
}

static void nobody_and_somebody(void **unused) {
  (void)unused;
  open_clients();
  ask(0, "a.b");
  expect_counts(0, 0, 0, 0);
  say_and_sync(&c[2], "SUB a.b 1\r\nSUB a.* 2\r\nSUB c 3\r\n");
  ask(0, "a.b");
  expect_counts(2, 0, 0, 1);
  say_and_sync(&c[0], "SUB > 1\r\n");
  say_and_sync(&c[1], "SUB a.b q 1\r\nSUB a.> q 2\r\n");
  say_and_sync(&c[2], "SUB a.b q 4\r\nUNSUB 1\r\n");
  ask(0, "a.b");
  expect_counts(2, 1, 3, 3);
  assert_int_equal(found.listed, 1);
  assert_int_equal(found.list[0].members, 3);
  assert_int_equal(found.list[0].workers, 2);
  assert_int_equal(found.list[0].len, 1);
  assert_int_equal(found.list[0].name[0], 'q');
  say_and_sync(&c[1], "UNSUB 1\r\nUNSUB 2\r\n");
  ask(0, "a.b");
  expect_counts(2, 1, 1, 2);
  end(&sim, c, 3);
}

static void handle(struct tern_handler *handler, const struct tern_message *m) { (void)handler, (void)m; }

static void handlers_count(void **unused) {
  (void)unused;
  struct tern_handler handlers[2] = {{handle}, {handle}};
  open_clients();
  for (unsigned i = 0; i < 2; i++)
    assert_int_equal(tern_registry_attach(sim.core.registries[0], tern_workers_reclaimer(sim.workers),
                                          &handlers[i], tern_slice_of(i == 0 ? "h" : "*")),
                     0);
  ask(0, "h");
  assert_int_equal(found.handlers, 2);
  expect_counts(0, 0, 0, 0);
  ask(0, "other");
  assert_int_equal(found.handlers, 1);
  for (unsigned i = 0; i < 2; i++)
    tern_registry_detach(sim.core.registries[0], tern_workers_reclaimer(sim.workers), &handlers[i],
                         tern_slice_of(i == 0 ? "h" : "*"));
  end(&sim, c, 3);
}

static void accounts_are_kept_apart(void **unused) {
  (void)unused;
  open_clients();
  join_account(&sim, &c[3], 1, "B", QUIET);
  say_and_sync(&c[3], "SUB a 1\r\nSUB a q 2\r\n");
  say_and_sync(&c[0], "SUB a 1\r\n");
  ask(0, "a");
  expect_counts(1, 0, 0, 1);
  ask(1, "a");
  expect_counts(1, 1, 1, 1);
  end(&sim, c, 4);
}

static void many_groups_with_long_names(void **unused) {
  (void)unused;
  const unsigned groups = NATS_INTEREST_GROUPS + 20;
  char name[NATS_INTEREST_NAME_BYTES + 50], line[512];
  open_clients();
  for (unsigned i = 0; i < groups; i++) {
    memset(name, 'g', sizeof name);
    name[sizeof name - 1] = '\0';
    snprintf(line, sizeof line, "SUB a %s%u %u\r\n", i == 0 ? name : "", i, i);
    say_and_sync(&c[0], line);
  }
  ask(0, "a");
  expect_counts(0, groups, groups, 1);
  assert_int_equal(found.listed, NATS_INTEREST_GROUPS);
  unsigned long_ones = 0;
  for (uint32_t i = 0; i < found.listed; i++)
    long_ones += found.list[i].len == sizeof name;
  assert_in_range(long_ones, 0, 1);
  end(&sim, c, 3);
}

static void memory_is_refused(void **unused) {
  (void)unused;
  char subject[32];
  int error = 0;
  open_clients();
  refuse = true;
  for (unsigned i = 0; i < 1000 && error == 0; i++) { /* until what the caches have is used up */
    snprintf(subject, sizeof subject, "s.%u", i);
    error = nats_interest_find(&sim.core.nats, sim.workers, 0, tern_slice_of(subject), &found);
  }
  refuse = false;
  assert_int_equal(error, -ENOMEM);
  ask(0, "s.1");
  end(&sim, c, 3);
}

static void the_workers_have_stopped(void **unused) {
  (void)unused;
  open_clients();
  assert_int_equal(tern_workers_stop(sim.workers, 1000), 0);
  assert_int_equal(nats_interest_find(&sim.core.nats, sim.workers, 0, tern_slice_of("a"), &found),
                   TERN_ECLOSED);
  end(&sim, c, 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nobody_and_somebody),     cmocka_unit_test(handlers_count),
      cmocka_unit_test(accounts_are_kept_apart), cmocka_unit_test(many_groups_with_long_names),
      cmocka_unit_test(memory_is_refused),       cmocka_unit_test(the_workers_have_stopped),
  };
  return cmocka_run_group_tests_name("nats_interest", tests, NULL, NULL);
}
