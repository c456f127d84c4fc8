/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers and their errands: done by another thread and told on the loop's, once, in order, whatever stops when; what
 * nobody needs any more is not done; threads that cannot be started (pthread_create is wrapped by the linker).
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/error.h>

#include "container.h"
#include "errand.h"

enum { ERRANDS = 20, TICKS_MAX = 1000, TICK_MS = 20, NICENESS = 10, NICENESS_MAX = 19 };

static unsigned threads_left;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg) {
  if (threads_left == 0) return EAGAIN;
  threads_left--;
  return __real_pthread_create(thread, attributes, run, arg);
}

struct piece {
  struct tern__errand errand;
  sem_t *wait; /* for what, before it is done; NULL: nothing */
  int worked, back;
  bool done;
  unsigned place; /* how many were back before */
  int niceness;
  pthread_t by;
};

static struct tern_loop *loop;
static struct tern_helpers *helpers;
static struct piece pieces[ERRANDS];
static unsigned count_back;
static sem_t gate, at_gate;

static void work(struct tern__errand *errand) {
  struct piece *piece = tern_container(errand, struct piece, errand);
  piece->worked++;
  piece->by = pthread_self();
  piece->niceness = getpriority(PRIO_PROCESS, (id_t)gettid());
  if (piece->wait == NULL) return;
  sem_post(&at_gate);
  while (sem_wait(piece->wait) != 0)
    continue;
}

static void back(struct tern__errand *errand, bool done) {
  struct piece *piece = tern_container(errand, struct piece, errand);
  piece->back++;
  piece->done = done;
  piece->place = count_back++;
}

static int set_up(void **state) {
  (void)state;
  threads_left = 100;
  count_back = 0;
  for (int i = 0; i < ERRANDS; i++)
    pieces[i] = (struct piece){.errand.work = work, .errand.back = back};
  sem_init(&gate, 0, 0);
  sem_init(&at_gate, 0, 0);
  helpers = NULL;
  assert_int_equal(tern_loop_new(&loop), 0);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  sem_post(&gate); /* for a test that has failed before it did */
  tern_helpers_free(helpers);
  if (loop != NULL) tern_loop_free(loop);
  sem_destroy(&gate);
  sem_destroy(&at_gate);
  return 0;
}

static void send(int from, int to) {
  for (int i = from; i < to; i++)
    assert_int_equal(tern__helpers_send(helpers, loop, &pieces[i].errand), 0);
}

static void await_back(unsigned count) {
  for (int i = 0; i < TICKS_MAX && count_back < count; i++)
    tern_loop_tick(loop, TICK_MS);
  assert_int_equal(count_back, count);
}

/* The first one is at the gate, and the others wait behind it. */
static void send_with_gate(void) {
  assert_int_equal(tern_helpers_new(1, &helpers), 0);
  pieces[0].wait = &gate;
  send(0, 1);
  assert_int_equal(sem_wait(&at_gate), 0);
  send(1, ERRANDS);
}

static void test_done_elsewhere_and_told_here(void **state) {
  (void)state;
  assert_int_equal(tern_helpers_new(1, &helpers), 0);
  send(0, ERRANDS);
  await_back(ERRANDS);
  for (int i = 0; i < ERRANDS; i++) {
    assert_int_equal(pieces[i].worked, 1);
    assert_int_equal(pieces[i].back, 1);
    assert_true(pieces[i].done);
    assert_int_equal(pieces[i].place, i); /* one helper keeps the order */
    assert_false(pthread_equal(pieces[i].by, pthread_self()));
  }
}

static void test_what_is_under_way_comes_first(void **state) {
  (void)state;
  pieces[ERRANDS - 2].errand.under_way = true;
  pieces[ERRANDS - 1].errand.under_way = true;
  send_with_gate();
  sem_post(&gate);
  await_back(ERRANDS);
  assert_int_equal(pieces[0].place, 0);
  assert_int_equal(pieces[ERRANDS - 2].place, 1);
  assert_int_equal(pieces[ERRANDS - 1].place, 2);
  for (int i = 1; i < ERRANDS - 2; i++)
    assert_int_equal(pieces[i].place, i + 2);
}

static void test_again_and_again(void **state) {
  (void)state;
  assert_int_equal(tern_helpers_new(0, &helpers), 0);
  for (unsigned round = 1; round <= 50; round++) { /* helper and loop fall asleep in between */
    send(0, 1);
    await_back(round);
  }
  assert_int_equal(pieces[0].worked, 50);
}

static void test_less_claim_to_the_processors(void **state) {
  (void)state;
  const int mine = getpriority(PRIO_PROCESS, 0);
  assert_int_equal(tern_helpers_new(2, &helpers), 0);
  send(0, ERRANDS);
  await_back(ERRANDS);
  for (int i = 0; i < ERRANDS; i++)
    assert_int_equal(pieces[i].niceness, mine + NICENESS < NICENESS_MAX ? mine + NICENESS : NICENESS_MAX);
}

static void test_what_is_in_vain_is_not_done(void **state) {
  (void)state;
  send_with_gate();
  /* relaxed: as its users do, pairs with helpers.c */
  atomic_store_explicit(&pieces[1].errand.vain, true, memory_order_relaxed);
  assert_int_equal(sem_post(&gate), 0);
  await_back(ERRANDS);
  assert_int_equal(pieces[1].worked, 0);
  assert_false(pieces[1].done);
  assert_int_equal(pieces[2].worked, 1);
}

static void *stop(void *arg) {
  (void)arg;
  tern_helpers_stop(helpers);
  return NULL;
}

static void test_a_stop_gives_back_what_waits(void **state) {
  (void)state;
  pthread_t stopper;
  send_with_gate();
  assert_int_equal(pthread_create(&stopper, NULL, stop, NULL), 0);
  await_back(ERRANDS - 1); /* while the stop waits for the one at the gate */
  assert_int_equal(pieces[0].back, 0);
  assert_int_equal(sem_post(&gate), 0);
  pthread_join(stopper, NULL);
  await_back(ERRANDS);
  assert_true(pieces[0].done);
  for (int i = 1; i < ERRANDS; i++) {
    assert_int_equal(pieces[i].worked, 0);
    assert_int_equal(pieces[i].back, 1);
    assert_false(pieces[i].done);
  }
  assert_int_equal(tern__helpers_send(helpers, loop, &pieces[0].errand), TERN_ECLOSED);
  assert_int_equal(pieces[0].back, 1);
}

static void test_stopped_before_it_began(void **state) {
  (void)state;
  assert_int_equal(tern_helpers_new(1, &helpers), 0);
  tern_helpers_stop(helpers);
  assert_int_equal(tern__helpers_send(helpers, loop, &pieces[0].errand), TERN_ECLOSED);
  tern_helpers_stop(helpers); /* again is fine */
  tern_helpers_stop(NULL);
  tern_helpers_free(NULL);
}

static void *open_gate(void *arg) {
  (void)arg;
  usleep(20000); /* until the loop waits; if it does not yet, nothing changes */
  sem_post(&gate);
  return NULL;
}

static void test_a_loop_waits_for_its_errands(void **state) {
  (void)state;
  pthread_t opener;
  send_with_gate();
  assert_int_equal(pthread_create(&opener, NULL, open_gate, NULL), 0);
  tern_loop_free(loop);
  loop = NULL;
  assert_int_equal(count_back, ERRANDS);
  pthread_join(opener, NULL);
}

static void test_threads_that_cannot_be(void **state) {
  (void)state;
  assert_int_equal(tern_helpers_new(TERN_HELPERS_MAX + 1, &helpers), -EINVAL);
  assert_int_equal(tern_helpers_new(2, &helpers), 0);
  threads_left = 0;
  assert_int_equal(tern__helpers_send(helpers, loop, &pieces[0].errand), -EAGAIN);
  threads_left = 1; /* one is better than none */
  send(0, ERRANDS);
  await_back(ERRANDS);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_what_is_under_way_comes_first),
      TEST(test_done_elsewhere_and_told_here),
      TEST(test_again_and_again),
      TEST(test_less_claim_to_the_processors),
      TEST(test_what_is_in_vain_is_not_done),
      TEST(test_a_stop_gives_back_what_waits),
      TEST(test_stopped_before_it_began),
      TEST(test_a_loop_waits_for_its_errands),
      TEST(test_threads_that_cannot_be),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
