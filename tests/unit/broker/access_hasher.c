/* SPDX-License-Identifier: Apache-2.0 */
/* The hasher: results, what is known, the bound, cancelling, and that the work is done on other threads, where no processor has
 * time to spare as well. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <tern/error.h>

#include "busy.h"
#include "hasher.h"

#define HASH "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW" /* secret */
/* Enough to starve over. */
#define COSTLY "$2b$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u" /* secret */

struct jobs {
  pthread_mutex_t lock;
  pthread_cond_t change;
  unsigned done, matched, cancelled;
  unsigned on_caller; /* were done on the thread that submitted */
  pthread_t caller;
  bool hold; /* the first job waits in done until this is over */
};

struct job {
  struct hasher_job job;
  struct jobs *jobs;
};

static void done(struct hasher_job *base, int result) {
  struct job *job = (struct job *)base;
  struct jobs *jobs = job->jobs;
  pthread_mutex_lock(&jobs->lock);
  jobs->done++;
  jobs->matched += result == 1;
  jobs->cancelled += result == -ECANCELED;
  jobs->on_caller += pthread_equal(pthread_self(), jobs->caller) != 0;
  pthread_cond_broadcast(&jobs->change);
  while (jobs->hold)
    pthread_cond_wait(&jobs->change, &jobs->lock);
  pthread_mutex_unlock(&jobs->lock);
}

static void init(struct jobs *jobs) {
  *jobs = (struct jobs){.caller = pthread_self()};
  pthread_mutex_init(&jobs->lock, NULL);
  pthread_cond_init(&jobs->change, NULL);
}

static void wait_for(struct jobs *jobs, unsigned count) {
  pthread_mutex_lock(&jobs->lock);
  while (jobs->done < count)
    pthread_cond_wait(&jobs->change, &jobs->lock);
  pthread_mutex_unlock(&jobs->lock);
}

static struct job job_for(struct jobs *jobs, const char *password) {
  return (struct job){.job = {.hash = HASH, .password = password, .done = done}, .jobs = jobs};
}

static void results_come_from_other_threads(void **state) {
  (void)state;
  struct jobs jobs;
  init(&jobs);
  struct hasher *hasher = hasher_new(2);
  struct job right = job_for(&jobs, "secret"), wrong = job_for(&jobs, "wrong");
  assert_int_equal(hasher_submit(hasher, &right.job), 0);
  assert_int_equal(hasher_submit(hasher, &wrong.job), 0);
  wait_for(&jobs, 2);
  assert_int_equal(jobs.matched, 1);
  assert_int_equal(jobs.on_caller, 0);
  hasher_free(hasher);
}

static void who_comes_again_costs_nothing(void **state) {
  (void)state;
  enum { MANY = 200 };
  struct jobs jobs;
  struct job all[MANY];
  init(&jobs);
  struct hasher *hasher = hasher_new(2);
  assert_false(hasher_knows(hasher, HASH, "secret"));
  for (int i = 0; i < MANY; i++) {
    all[i] = job_for(&jobs, "secret");
    assert_int_equal(hasher_submit(hasher, &all[i].job), 0);
  }
  wait_for(&jobs, MANY);
  assert_int_equal(jobs.matched, MANY);
  struct hasher_stats stats = hasher_stats(hasher);
  assert_in_range(stats.hashed, 1, 2); /* each thread may have begun before the first was through */
  assert_int_equal(stats.known, MANY - stats.hashed);
  assert_true(hasher_knows(hasher, HASH, "secret"));
  assert_false(hasher_knows(hasher, HASH, "wrong"));
  hasher_forget(hasher);
  assert_false(hasher_knows(hasher, HASH, "secret"));
  hasher_free(hasher);
}

static void wrong_passwords_are_never_known(void **state) {
  (void)state;
  struct jobs jobs;
  struct job all[5];
  init(&jobs);
  struct hasher *hasher = hasher_new(1);
  for (int i = 0; i < 5; i++) {
    all[i] = job_for(&jobs, "wrong");
    assert_int_equal(hasher_submit(hasher, &all[i].job), 0);
  }
  wait_for(&jobs, 5);
  assert_int_equal(jobs.matched, 0);
  assert_int_equal(hasher_stats(hasher).hashed, 5);
  hasher_free(hasher);
}

static void a_busy_processor_keeps_nobody_waiting(void **state) {
  (void)state;
  struct jobs jobs;
  struct busy busy;
  init(&jobs);
  struct hasher *hasher = hasher_new(1);
  struct job costly = job_for(&jobs, "secret"), cheap = job_for(&jobs, "wrong");
  costly.job.hash = COSTLY;
  busy_begin(&busy); /* the hasher's threads start with the first job */
  assert_int_equal(hasher_submit(hasher, &costly.job), 0);
  assert_int_equal(hasher_submit(hasher, &cheap.job), 0);
  wait_for(&jobs, 2);
  busy_end(&busy);
  assert_int_equal(jobs.matched, 1);
  assert_in_range(hasher_stats(hasher).starved, 1, 2);
  hasher_free(hasher);
}

static void the_queue_is_bounded_and_the_rest_is_cancelled(void **state) {
  (void)state;
  static struct job all[HASHER_QUEUE_MAX + 2];
  struct jobs jobs;
  init(&jobs);
  jobs.hold = true;
  struct hasher *hasher = hasher_new(1);
  all[0] = job_for(&jobs, "secret");
  assert_int_equal(hasher_submit(hasher, &all[0].job), 0);
  wait_for(&jobs, 1); /* the only thread stays there */
  for (int i = 1; i <= HASHER_QUEUE_MAX; i++) {
    all[i] = job_for(&jobs, "secret");
    assert_int_equal(hasher_submit(hasher, &all[i].job), 0);
  }
  all[HASHER_QUEUE_MAX + 1] = job_for(&jobs, "secret");
  assert_int_equal(hasher_submit(hasher, &all[HASHER_QUEUE_MAX + 1].job), TERN_EFULL);
  assert_int_equal(hasher_stats(hasher).refused, 1);
  assert_int_equal(hasher_stats(hasher).waiting, HASHER_QUEUE_MAX);
  pthread_mutex_lock(&jobs.lock);
  jobs.hold = false;
  pthread_cond_broadcast(&jobs.change);
  pthread_mutex_unlock(&jobs.lock);
  hasher_free(hasher);
  assert_int_equal(jobs.done, HASHER_QUEUE_MAX + 1); /* each one once, done or cancelled */
  assert_int_equal(jobs.matched + jobs.cancelled, HASHER_QUEUE_MAX + 1);
}

static void freeing_without_work_starts_and_leaves_nothing(void **state) {
  (void)state;
  hasher_free(hasher_new(0));
  hasher_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(results_come_from_other_threads),
      cmocka_unit_test(who_comes_again_costs_nothing),
      cmocka_unit_test(wrong_passwords_are_never_known),
      cmocka_unit_test(a_busy_processor_keeps_nobody_waiting),
      cmocka_unit_test(the_queue_is_bounded_and_the_rest_is_cancelled),
      cmocka_unit_test(freeing_without_work_starts_and_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
