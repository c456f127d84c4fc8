/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Imports that change while messages flow: what stays has no gap and nothing twice, what is gone is closed, and without
 * memory everything is as before (malloc, calloc and realloc are wrapped by the linker, the pools have their hook).
 */
#include "accounts.h"

#include <errno.h>

#include "pool.h"

#define REFUSE_REALLOC
#include "refuse_memory.h"

static int pool_fault(size_t size) {
  (void)size;
  return refused();
}

#define ACCOUNTS(imports) \
  "accounts { A { exports: [ {stream: 'ev.>'}, {stream: x} ] }, B { imports: [ " imports " ] }, C {} }"
#define EV "{stream: {account: A, subject: 'ev.>'}}"

static void imports_come_and_go(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start_with(&sim, 2, ACCOUNTS(EV));
  join_account(&sim, &c[0], 0, "A", QUIET);
  join_account(&sim, &c[1], 1, "B", QUIET);
  say_and_sync(&c[1], "SUB > 1\r\n");
  static const char *const texts[] = {ACCOUNTS(EV), ACCOUNTS("{stream: {account: A, subject: x}}, " EV),
                                      ACCOUNTS(EV ", {stream: {account: A, subject: x}}"), ACCOUNTS(EV)};
  unsigned at = 0;
  for (unsigned i = 0; i < 40; i++) {
    char line[64];
    for (unsigned k = 0; k < 3; k++) {
      snprintf(line, sizeof line, "PUB ev.n 3\r\n%03u\r\n", at++);
      sim_say(&c[0], line);
      if (k == 1) tick(&sim, 0);
    }
    configure(&sim, texts[i % 4]);
  }
  for (unsigned i = 0; i < at; i++) {
    char line[64];
    snprintf(line, sizeof line, "MSG ev.n 1 3\r\n%03u\r\n", i);
    expect(&c[1], line);
  }
  configure(&sim, ACCOUNTS("{stream: {account: A, subject: 'ev.>'}, prefix: p}"));
  sim_say(&c[0], "PUB ev.n 1\r\nx\r\n");
  expect(&c[1], "MSG p.ev.n 1 1\r\nx\r\n");
  configure(&sim, "");
  sim_say(&c[0], "PUB ev.n 1\r\nx\r\n");
  expect_silence(&c[1]);
  end(&sim, c, 2);
}

static void without_memory_all_is_as_before(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start_with(&sim, 2, ACCOUNTS(EV));
  join_account(&sim, &c[0], 0, "A", QUIET);
  join_account(&sim, &c[1], 1, "B", QUIET);
  say_and_sync(&c[1], "SUB > 1\r\n");
  struct settings *settings = settings_of(
      "accounts { A { exports: [ {stream: 'ev.>'}, {stream: x}, {stream: y} ] },"
      " B { imports: [ {stream: {account: A, subject: x}}, {stream: {account: A, subject: 'ev.>'},"
      " prefix: p}, {stream: {account: A, subject: y}} ] }, D { imports: [ " EV " ] } }");
  assert_int_equal(core_set_settings(&sim.core, sim.workers, settings), 0);
  int error = -ENOMEM;
  unsigned failures = 0;
  tern__pool_fault = pool_fault;
  for (; error != 0; failures++) {
    allocations_left = (int)failures;
    error = core_set_imports(&sim.core, sim.workers, true);
    allocations_left = -1;
    sim_say(&c[0], "PUB ev.n 1\r\n1\r\nPUB x 1\r\n2\r\n");
    if (error != 0) {
      assert_int_equal(error, -ENOMEM);
      expect(&c[1], "MSG ev.n 1 1\r\n1\r\n");
      expect_silence(&c[1]);
    } else {
      expect(&c[1], "MSG p.ev.n 1 1\r\n1\r\nMSG x 1 1\r\n2\r\n");
    }
    assert_true(failures < 200);
  }
  tern__pool_fault = NULL;
  assert_true(failures > 10);
  settings_unref(settings);
  end(&sim, c, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(imports_come_and_go),
                                     cmocka_unit_test(without_memory_all_is_as_before)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
