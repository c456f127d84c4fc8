/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text: what Go and nats-server print for the same values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "text.h"

struct example {
  uint64_t value;
  const char *text;
};

static void check(void (*function)(uint64_t, char *), const struct example *examples, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char text[TEXT_TIME_BYTES];
    function(examples[i].value, text);
    assert_string_equal(text, examples[i].text);
  }
}

static void uptimes_have_no_leading_zeros(void **unused) {
  (void)unused;
  static const struct example examples[] = {
      {0, "0s"},
      {59, "59s"},
      {60, "1m0s"},
      {3600, "1h0m0s"},
      {93784, "1d2h3m4s"},
      {86400ull * 365, "1y0d0h0m0s"},
      {UINT64_MAX, "584942417355y26d7h0m15s"},
  };
  check(text_uptime, examples, sizeof examples / sizeof examples[0]);
}

static void durations_are_those_of_go(void **unused) {
  (void)unused;
  static const struct example examples[] = {
      {0, "0s"},
      {1, "1ns"},
      {999, "999ns"},
      {1500, "1.5\xC2\xB5s"},
      {100903424, "100.903424ms"},
      {2000000, "2ms"},
      {1000000000, "1s"},
      {61500000000, "1m1.5s"},
      {3600000000000, "1h0m0s"},
  };
  check(text_duration, examples, sizeof examples / sizeof examples[0]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(uptimes_have_no_leading_zeros),
      cmocka_unit_test(durations_are_those_of_go),
  };
  return cmocka_run_group_tests_name("monitor_text", tests, NULL, NULL);
}
