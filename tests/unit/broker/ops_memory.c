/* SPDX-License-Identifier: Apache-2.0 */
/* The ceiling for memory: what is done at which mark, when it ends, and that the figure is the process's. */
#include "memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX 1000000

static struct memory memory;

/* One look: "csrx" for what is in force: connections, subscriptions, reading, cutting. */
static void look(uint64_t used, uint64_t waiting, uint64_t now_ms, const char *want) {
  memory_decide(&memory, used, MAX, waiting, now_ms);
  char have[5];
  snprintf(have, sizeof have, "%s%s%s%s", memory.steps.refuse_connections ? "c" : "",
           memory.steps.refuse_subscriptions ? "s" : "", memory.steps.stop_reading ? "r" : "",
           memory.steps.cut_slowest ? "x" : "");
  assert_string_equal(have, want);
}

static void steps_come_in_order_and_go_in_order(void **state) {
  (void)state;
  memory = (struct memory){0};
  look(840000, 500000, 0, "");
  look(850000, 500000, 100, "c");
  look(900000, 500000, 200, "cs");
  look(950000, 500000, 300, "csr");
  look(1000000, 500000, 400, "csrx");
  look(940000, 500000, 500, "csr"); /* a mark is left 5 % below it */
  look(899999, 500000, 600, "cs");
  look(850000, 500000, 700, "cs");
  look(849999, 500000, 800, "c");
  look(799999, 500000, 900, "");
}

static void where_nothing_waits_reading_goes_on(void **state) {
  (void)state;
  memory = (struct memory){0};
  look(960000, 0, 100, "cs");
  look(1100000, 19999, 200, "cs");
  look(1100000, 20000, 300, "csrx");
}

static void patience_ends(void **state) {
  (void)state;
  memory = (struct memory){0};
  look(960000, 500000, 100, "csr");
  look(960000, 500000, 1099, "csr");
  look(960000, 500000, 1100, "csrx");
  look(890000, 500000, 1200, "cs");
  look(960000, 500000, 1300, "csr"); /* it begins anew */
}

/* Below the mark, too: who takes nothing must not keep the others from being read. */
static void not_reading_ends(void **state) {
  (void)state;
  memory = (struct memory){0};
  look(950000, 500000, 100, "csr");
  look(910000, 500000, 1099, "csr");
  look(910000, 500000, 1100, "csrx");
  look(910000, 19999, 1200, "cs");
}

/* What waited for the one who was cut off takes a while to go back, and nobody else pays for it. */
static void one_is_cut_off_at_a_time(void **state) {
  (void)state;
  memory = (struct memory){0};
  look(1000000, 900000, 10000, "csrx");
  memory_cut(&memory, 700000, 10000);
  look(1000000, 200000, 10010, "");
  look(1000000, 200000, 11500, "");
  look(400000, 200000, 12000, "");     /* 600000 have gone, 100000 are still to go */
  look(1050000, 200000, 12100, "csr"); /* others have made it more meanwhile */
  look(1100000, 200000, 12200, "csrx");
  memory_cut(&memory, 50000, 12200);
  look(1100000, 150000, 12300, "csr");
  look(1150000, 150000, 12400, "csrx");
  memory_cut(&memory, 0, 12400);
  look(990000, 150000, 15399, "csrx"); /* on the mark for a second */
  look(990000, 150000, 15400, "csrx");
}

static void changes_are_told(void **state) {
  (void)state;
  memory = (struct memory){0};
  assert_false(memory_decide(&memory, 100, MAX, 0, 1));
  assert_true(memory_decide(&memory, 860000, MAX, 0, 2));
  assert_false(memory_decide(&memory, 870000, MAX, 0, 3));
  assert_true(memory_decide(&memory, 100, MAX, 0, 4));
}

static void the_figure_is_this_process(void **state) {
  (void)state;
  enum { BYTES = 64 * 1024 * 1024 };
  uint64_t before = memory_used();
  assert_true(before > 100000);
  char *block = malloc(BYTES);
  assert_non_null(block);
  memset(block, 1, BYTES);
  assert_true(memory_used() >= before + BYTES / 2);
  free(block);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(steps_come_in_order_and_go_in_order),
      cmocka_unit_test(where_nothing_waits_reading_goes_on),
      cmocka_unit_test(patience_ends),
      cmocka_unit_test(not_reading_ends),
      cmocka_unit_test(one_is_cut_off_at_a_time),
      cmocka_unit_test(changes_are_told),
      cmocka_unit_test(the_figure_is_this_process),
  };
  return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
