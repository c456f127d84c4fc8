/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core on simulated workers: made with memory that runs out at every allocation, and its figures, each of which
 * has to come from all workers (malloc, calloc and realloc are wrapped by the linker, the pools have their hook).
 */
#include "fixture.h"

#include <errno.h>

#include <tern/error.h>

#include "pool.h"

#define REFUSE_REALLOC
#include "refuse_memory.h"

static int pool_fault(size_t size) {
  (void)size;
  return refused();
}

/* Each worker in turn cannot make its part, and those that could give theirs back; the sanitizer sees leaks. */
static void without_memory_nothing_is_left(void **state) {
  (void)state;
  unsigned failures = 0;
  tern__pool_fault = pool_fault;
  for (int error = -ENOMEM; error != 0; failures++) {
    struct sim sim = {.random = 1};
    allocations_left = (int)failures;
    error = sim_open(&sim, 3, 0, NULL);
    allocations_left = -1;
    if (error != 0) assert_int_equal(error, -ENOMEM);
    if (error == 0) sim_close(&sim);
    assert_true(failures < 1000);
  }
  tern__pool_fault = NULL;
  assert_true(failures > 3 * 4); /* several for each worker */
}

static void what_is_half_made_can_be_freed(void **state) {
  (void)state;
  struct core core;
  struct nats_limits limits = sim_limits();
  core_init(&core, settings_new(&limits), 0);
  core_fini(&core); /* no registry yet */
}

static void options_leave_the_sizes_alone(void **state) {
  (void)state;
  struct core core;
  struct tern_workers_options options = {.count = 3, .ring_bytes = 4096};
  core_worker_options(&core, &options);
  assert_int_equal(options.count, 3);
  assert_int_equal(options.ring_bytes, 4096);
  assert_ptr_equal(options.arg, &core);
}

/* Something of everything on two workers, in different numbers. */
static void figures_come_from_all_workers(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[4];
  struct nats_limits limits = sim_limits();
  start(&sim, 2, &limits);
  for (unsigned i = 0; i < 4; i++)
    join(&sim, &c[i], i == 0 ? 0 : 1, QUIET);
  say_and_sync(&c[0], "SUB a 1\r\nSUB b 2\r\n");
  say_and_sync(&c[1], "SUB a 1\r\nSUB c 2\r\nSUB d 3\r\n");
  sim_say(&c[0], "PUB a 3\r\nabc\r\n");
  sim_say(&c[1], "PUB nobody 4\r\nabcd\r\n");
  sim_settle(&sim);
  sim_say(&c[2], "NONSENSE\r\n");
  sim_hang_up(&c[3]);
  sim_settle(&sim);
  struct core_figures f = core_figures(&sim.core, sim.workers);
  assert_int_equal(f.connections, 2);
  assert_int_equal(f.total_connections, 4);
  assert_int_equal(f.subscriptions, 5);
  assert_int_equal(f.filters, 4);
  assert_int_equal(f.in_msgs, 2);
  assert_int_equal(f.in_bytes, 7);
  assert_int_equal(f.out_msgs, 2);
  assert_int_equal(f.out_bytes, 6);
  assert_int_equal(f.protocol_errors, 1);
  assert_int_equal(f.slow_consumers + f.stale_connections + f.no_memory + f.rerouted + f.untaken, 0);
  /* The rest is added up in the same way; what counts them is shown elsewhere. */
  for (unsigned i = 0; i < 2; i++) {
    struct nats_worker *worker = sim.core.nats.workers[i];
    tern_counter_add(&worker->stats.slow_consumers, 1 + i);
    tern_counter_add(&worker->stats.stale_connections, 3 + i);
    tern_counter_add(&worker->routes[0]->stats->no_memory, 5 + i);
    tern_counter_add(&worker->routes[0]->stats->rerouted, 7 + i);
    tern_counter_add(&worker->routes[0]->stats->untaken, 9 + i);
  }
  f = core_figures(&sim.core, sim.workers);
  assert_int_equal(f.slow_consumers, 3);
  assert_int_equal(f.stale_connections, 7);
  assert_int_equal(f.no_memory, 11);
  assert_int_equal(f.rerouted, 15);
  assert_int_equal(f.untaken, 19);
  end(&sim, c, 4);
}

/* Several at once, in their order, in the account that is named; one that cannot go does not keep the others. */
static void messages_are_published_from_inside(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c;
  uint32_t number;
  static char long_name[64 * 1024];
  memset(long_name, 'x', sizeof long_name);
  start(&sim, 2, NULL);
  assert_int_equal(core_account(&sim.core, sim.workers, true, "A", &number), 0);
  join(&sim, &c, 1, QUIET);
  say_and_sync(&c, "SUB a.* 1\r\n");
  const struct route_inside messages[] = {{tern_slice_of("a.b"), tern_slice_of("one")},
                                          {{long_name, sizeof long_name}, tern_slice_of("none")},
                                          {tern_slice_of("a.c"), tern_slice_of("two")}};
  assert_true(core_is_wanted(sim.workers, 0, tern_slice_of("a.b")));
  assert_false(core_is_wanted(sim.workers, number, tern_slice_of("a.b")));
  assert_int_equal(core_publish(sim.workers, 0, number, messages, 1), 0);
  expect_silence(&c);
  assert_int_equal(core_publish(sim.workers, 0, 0, messages, 3), TERN_ELIMIT);
  expect(&c, "MSG a.b 1 3\r\none\r\nMSG a.c 1 3\r\ntwo\r\n");
  end(&sim, &c, 1);
}

/* Accounts that are added while the workers run: a route on each, and nothing left of those there was no memory for. */
static void accounts_can_be_added(void **state) {
  (void)state;
  struct sim sim;
  struct sim_client c[2];
  start(&sim, 2, NULL);
  for (unsigned i = 0; i < 2; i++)
    join(&sim, &c[i], i, QUIET);
  uint32_t number = 0;
  int error = -ENOMEM, n = 0;
  for (; error != 0; n++) {
    allocations_left = n;
    error = core_add_account(&sim.core, sim.workers, true, &number);
    allocations_left = -1;
    if (error != 0) assert_int_equal(sim.core.account_count, 1);
  }
  assert_true(n > 3);
  assert_int_equal(number, 1);
  /* the same subject in two accounts */
  for (unsigned i = 0; i < 2; i++) {
    struct nats_worker *worker = sim.core.nats.workers[i];
    worker->clients->route = worker->routes[number];
    say_and_sync(&c[i], "SUB a 1\r\n");
    worker->clients->route = worker->routes[0];
    say_and_sync(&c[i], "SUB a 2\r\n");
  }
  sim_say(&c[0], "PUB a 1\r\nx\r\n");
  for (unsigned i = 0; i < 2; i++)
    expect(&c[i], "MSG a 2 1\r\nx\r\n");
  sim.core.nats.workers[0]->clients->route = sim.core.nats.workers[0]->routes[number];
  sim_say(&c[0], "PUB a 1\r\ny\r\n");
  for (unsigned i = 0; i < 2; i++) {
    expect(&c[i], "MSG a 1 1\r\ny\r\n");
    expect_silence(&c[i]);
    for (unsigned a = 0; a < 2; a++) { /* each subscription goes by way of the route it came by */
      struct nats_worker *worker = sim.core.nats.workers[i];
      worker->clients->route = worker->routes[a];
      say_and_sync(&c[i], a == 0 ? "UNSUB 2\r\n" : "UNSUB 1\r\n");
    }
  }
  end(&sim, c, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_memory_nothing_is_left),     cmocka_unit_test(what_is_half_made_can_be_freed),
      cmocka_unit_test(options_leave_the_sizes_alone),      cmocka_unit_test(figures_come_from_all_workers),
      cmocka_unit_test(messages_are_published_from_inside), cmocka_unit_test(accounts_can_be_added),
  };
  return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
