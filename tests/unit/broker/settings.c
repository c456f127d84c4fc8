/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: who holds them, when they go (the sanitizers see a leak or a use after the end), and that a worker goes by
 * those it was given last.
 */
#include "fixture.h"

static void they_live_as_long_as_somebody_holds_them(void **state) {
  (void)state;
  struct nats_limits limits = sim_limits();
  limits.ping_max = 7;
  struct settings *settings = settings_new(&limits);
  assert_non_null(settings);
  assert_int_equal(settings->limits.ping_max, 7);
  assert_ptr_equal(settings_ref(settings), settings);
  settings_unref(settings);
  assert_int_equal(settings->limits.ping_max, 7);
  settings_unref(settings);
  settings_unref(NULL);
}

static void workers_go_by_the_new_ones(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  struct nats_limits limits = sim_limits();
  start(&sim, 2, &limits);
  for (unsigned i = 0; i < 2; i++)
    join(&sim, &c[i], i, QUIET);
  say_and_sync(&c[1], "SUB a 1\r\n");
  limits.max_subscriptions = 1;
  struct settings *settings = sim_settings(&limits);
  assert_int_equal(core_set_settings(&sim.core, sim.workers, settings), 0);
  settings_unref(settings);
  for (unsigned i = 0; i < 2; i++) {
    sim_say(&c[i], "SUB b 2\r\nSUB b 3\r\n");
    expect(&c[i], "-ERR 'maximum subscriptions exceeded'\r\n");
  }
  end(&sim, c, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(they_live_as_long_as_somebody_holds_them),
      cmocka_unit_test(workers_go_by_the_new_ones),
  };
  return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
