/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The idler: results, that its thread has the idle class, and that where a processor is busy nobody waits for it: it is
 * given up, stays out of use until it is through, and may be freed before.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <tern/loop.h>

#include "busy.h"
#include "idler.h"
#include "password.h"

#define CHEAP "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW" /* secret */
/* Tens of milliseconds of a processor's time, of which the idle class gets a three-hundredth beside who is busy. */
#define COSTLY "$2b$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u" /* secret */

/* Some systems refuse it: then the idler never compares, and there is nothing to see. */
static void *try_idle_class(void *arg) {
  *(int *)arg = tern_thread_to_idle();
  return NULL;
}

static void skip_without_idle_class(void) {
  pthread_t thread;
  int error = 0;
  assert_int_equal(pthread_create(&thread, NULL, try_idle_class, &error), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  if (error != 0) skip();
}

/* The result; a processor may have no time to spare for a while. */
static int check_at_last(struct idler *idler, const char *hash, const char *password) {
  int result;
  while ((result = idler_check(idler, hash, password)) == -EAGAIN)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  return result;
}

/* One that is at COSTLY, given up, on a busy processor. */
static struct idler *starve(struct busy *busy) {
  skip_without_idle_class();
  busy_begin(busy);
  struct idler *idler = idler_new();
  assert_non_null(idler);
  assert_int_equal(idler_check(idler, COSTLY, "secret"), -EAGAIN);
  return idler;
}

static void results_are_those_of_a_comparison(void **state) {
  (void)state;
  skip_without_idle_class();
  struct idler *idler = idler_new();
  assert_non_null(idler);
  char longest[600]; /* more than crypt_r takes */
  memset(longest, 'x', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  const struct {
    const char *hash, *password;
  } cases[] = {{CHEAP, "secret"}, {CHEAP, "secreT"}, {CHEAP, ""},      {"$2b$04$", "secret"},
               {"", "secret"},    {CHEAP, longest},  {CHEAP, "secret"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_int_equal(check_at_last(idler, cases[i].hash, cases[i].password),
                     password_check_hash(cases[i].hash, cases[i].password));
  idler_free(idler);
}

static void who_starves_is_given_up_until_it_is_through(void **state) {
  (void)state;
  struct busy busy;
  struct idler *idler = starve(&busy);
  assert_int_equal(idler_check(idler, CHEAP, "secret"), -EAGAIN); /* it is still at the other one */
  busy_end(&busy);
  assert_int_equal(check_at_last(idler, CHEAP, "secret"), 1);
  idler_free(idler);
}

static void who_starves_may_be_freed(void **state) {
  (void)state;
  struct busy busy;
  struct idler *idler = starve(&busy);
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
