/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The idler: results, that its thread has the idle class, and that where a processor is busy nobody waits for it: it is
 * given up, stays out of use until it is through, and may be freed before.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "busy.h"
#include "idler.h"
#include "password.h"

#define CHEAP "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW" /* secret */
/* Hundreds of milliseconds of a processor's time, of which the idle class gets a three-hundredth beside who is busy. */
#define COSTLY "$2b$12$abcdefghijklmnopqrstuuT1Iwu6o8Wx7BoOyIMHfgVJq6JO/IJhW" /* secret */

static void results_are_those_of_a_comparison(void **state) {
  (void)state;
  struct idler *idler = idler_new();
  assert_non_null(idler);
  char longest[PASSWORD_HASHED_MAX + 20];
  memset(longest, 'x', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  const struct {
    const char *hash, *password;
  } cases[] = {{CHEAP, "secret"}, {CHEAP, "secreT"}, {CHEAP, ""},      {"$2b$04$", "secret"},
               {"", "secret"},    {CHEAP, longest},  {CHEAP, "secret"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int result; /* a processor may have no time to spare for a while */
    while ((result = idler_check(idler, cases[i].hash, cases[i].password)) == -EAGAIN)
      nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(result, password_check_hash(cases[i].hash, cases[i].password));
  }
  idler_free(idler);
}

static void who_starves_is_given_up_until_it_is_through(void **state) {
  (void)state;
  struct busy busy;
  busy_begin(&busy);
  struct idler *idler = idler_new();
  assert_non_null(idler);
  assert_int_equal(idler_check(idler, COSTLY, "secret"), -EAGAIN);
  assert_int_equal(idler_check(idler, CHEAP, "secret"), -EAGAIN); /* it is still at the other one */
  busy_end(&busy);
  int result;
  while ((result = idler_check(idler, CHEAP, "secret")) == -EAGAIN)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  assert_int_equal(result, 1);
  idler_free(idler);
}

static void who_starves_may_be_freed(void **state) {
  (void)state;
  struct busy busy;
  busy_begin(&busy);
  struct idler *idler = idler_new();
  assert_non_null(idler);
  assert_int_equal(idler_check(idler, COSTLY, "wrong"), -EAGAIN);
  idler_free(idler);
  busy_end(&busy);
  idler_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(results_are_those_of_a_comparison),
      cmocka_unit_test(who_starves_is_given_up_until_it_is_through),
      cmocka_unit_test(who_starves_may_be_freed),
  };
  return cmocka_run_group_tests_name("broker/access_idler", tests, NULL, NULL);
}
