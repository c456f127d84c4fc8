/* SPDX-License-Identifier: Apache-2.0 */
/* Unix-domain transports: the battery, and a path where nobody listens. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <tern/transport.h>

#include "transport_battery.h"

static void nobody_there(void **state) {
  (void)state;
  char too_long[200] = "unix://";
  memset(too_long + strlen(too_long), 'x', 120);
  struct tern_loop *loop;
  assert_int_equal(tern_loop_new(&loop), 0);
  /* Both fail at once, so the protocol is never looked at. */
  assert_int_equal(tern_connect(loop, "unix:///nonexistent/tern.sock", NULL), -ENOENT);
  assert_int_equal(tern_connect(loop, too_long, NULL), -EINVAL);
  assert_int_equal(tern_loop_transports(loop), 0);
  tern_loop_free(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_there)};
  const struct battery_kind kind = {.name = "unix",
                                    .peer_kind = "unix",
                                    .connect = battery_connect_unix,
                                    .volume = 4 << 20,
                                    .bounded = true};
  return cmocka_run_group_tests_name("unix alone", tests, NULL, NULL) + battery_run(&kind);
}
