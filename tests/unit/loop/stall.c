/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A grace period that takes long is reported once, with the worker that holds it up and nobody else; one that does
 * not is not reported. Workers are stepped, the clock moves when the test says so, and the log is read afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <tern/log.h>

#include "support.h"
#include "worker_internal.h"

static char path[] = "/tmp/tern-stall-XXXXXX";

static struct tern_workers *start(unsigned count) {
  struct tern_workers *workers;
  const struct tern_workers_options options = {.count = count};
  assert_int_equal(tern__workers_new_sim(&options, &workers), 0);
  assert_int_equal(truncate(path, 0), 0);
  assert_int_equal(tern_log_start(&(struct tern_log_options){.path = path}), 0);
  return workers;
}

/* Ends everything and returns how many lines the log has; the last is in `line`. */
static unsigned finish(struct tern_workers *workers, char line[512]) {
  tern_log_stop();
  line[0] = '\0';
  unsigned lines = 0;
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  while (fgets(line, 512, file) != NULL)
    lines++;
  fclose(file);
  assert_int_equal(tern_workers_stop(workers, 100), 0);
  tern_workers_free(workers);
  return lines;
}

static void free_nothing(struct tern_retired *retired) { (void)retired; }
static struct tern_retired garbage[3] = {
    {.free = free_nothing}, {.free = free_nothing}, {.free = free_nothing}};

/* The worker retires something, and a grace period begins. */
static void begin_period(struct tern_workers *workers, unsigned worker, unsigned piece) {
  struct tern_reclaimer *reclaimer = tern_worker_reclaimer(tern_workers_at(workers, worker));
  reclaimer->ops->retire(reclaimer, &garbage[piece], 4711);
  tern__worker_tick(tern_workers_at(workers, worker));
  assert_true(tern__sim_grace_step(workers));
}

static void the_one_that_holds_it_up_is_named_once(void **state) {
  (void)state;
  struct tern_workers *workers = start(4);
  assert_true(tern__worker_sleep(tern_workers_at(workers, 3))); /* who sleeps holds nothing up */
  begin_period(workers, 0, 0);
  tern__worker_tick(tern_workers_at(workers, 1));
  tern__sim_advance(workers, 1000);
  tern__worker_tick(tern_workers_at(workers, 0));
  tern__sim_advance(workers, 200);
  for (int i = 0; i < 5; i++) {
    tern__worker_tick(tern_workers_at(workers, 1));
    tern__worker_tick(tern_workers_at(workers, 0));
    tern__sim_advance(workers, 1000);
  }
  char line[512];
  assert_int_equal(finish(workers, line), 1);
  assert_non_null(strstr(line, "[WRN]"));
  assert_non_null(strstr(line, " 1200 ms and 4711 bytes "));
  assert_non_null(strstr(line, "on worker 2\n"));
}

static void the_one_that_was_away_names_itself(void **state) {
  (void)state;
  struct tern_workers *workers = start(2);
  begin_period(workers, 0, 0);
  assert_true(tern__worker_sleep(tern_workers_at(workers, 0)));
  tern__sim_advance(workers, 9000);
  tern__worker_tick(tern_workers_at(workers, 1));
  char line[512];
  assert_int_equal(finish(workers, line), 1);
  assert_non_null(strstr(line, "on worker 1\n"));
}

static void each_period_counts_for_itself(void **state) {
  (void)state;
  struct tern_workers *workers = start(2);
  for (unsigned period = 0; period < 3; period++) {
    begin_period(workers, 0, period);
    tern__sim_advance(workers, period == 1 ? 900 : 1100);
    tern__worker_tick(tern_workers_at(workers, 0));
    tern__worker_tick(tern_workers_at(workers, 1));
    assert_true(tern__sim_grace_step(workers)); /* ends */
    tern__sim_advance(workers, 5000);           /* none runs */
    tern__worker_tick(tern_workers_at(workers, 0));
    assert_int_equal(tern_worker_stats(tern_workers_at(workers, 0)).retired_objects, 0);
  }
  char line[512];
  assert_int_equal(finish(workers, line), 2);
}

static int make_file(void **state) {
  (void)state;
  int fd = mkstemp(path);
  return fd >= 0 ? close(fd) : -1;
}

static int remove_file(void **state) {
  (void)state;
  return unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_one_that_holds_it_up_is_named_once),
      cmocka_unit_test(the_one_that_was_away_names_itself),
      cmocka_unit_test(each_period_counts_for_itself),
  };
  return cmocka_run_group_tests_name("stall", tests, make_file, remove_file);
}
