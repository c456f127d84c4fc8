/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread of the background has less claim to the processors, and slices that others need not wait for, where the kernel
 * has such; one of idle time has the idle class; other threads stay as they are.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/loop.h>

enum { NICENESS = 10, NICENESS_MAX = 19, WORDS = 14, RUNTIME_AT = 6, REFUSED = -1 };

struct claim {
  int niceness;
  uint64_t slice_ns; /* 0: the kernel does not say */
};

static struct claim own_claim(void) {
  struct claim claim = {.niceness = getpriority(PRIO_PROCESS, (id_t)gettid())};
  uint32_t words[WORDS] = {0}; /* struct sched_attr */
  assert_int_equal(syscall(SYS_sched_getattr, 0, words, sizeof words, 0), 0);
  claim.slice_ns = words[RUNTIME_AT] | (uint64_t)words[RUNTIME_AT + 1] << 32;
  return claim;
}

static void *in_the_background(void *arg) {
  tern_thread_to_background();
  *(struct claim *)arg = own_claim();
  return NULL;
}

static void test_it_leaves_the_processor_to_others(void **state) {
  (void)state;
  const struct claim before = own_claim();
  struct claim background;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, in_the_background, &background), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  const int niceness = before.niceness + NICENESS;
  assert_int_equal(background.niceness, niceness < NICENESS_MAX ? niceness : NICENESS_MAX);
  if (before.slice_ns == 0)
    print_message("this kernel has no slices of a thread's choice\n");
  else
    assert_int_equal(background.slice_ns, UINT64_C(10) * 1000 * 1000);
  const struct claim after = own_claim();
  assert_int_equal(after.niceness, before.niceness);
  assert_int_equal(after.slice_ns, before.slice_ns);
}

static void *in_idle_time(void *arg) {
  *(int *)arg = tern_thread_to_idle() == 0 ? sched_getscheduler(0) : REFUSED;
  return NULL;
}

static void test_the_idle_class_is_that_threads_alone(void **state) {
  (void)state;
  const int before = sched_getscheduler(0);
  int policy = REFUSED;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, in_idle_time, &policy), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(sched_getscheduler(0), before);
  if (policy == REFUSED) skip();
  assert_int_equal(policy, SCHED_IDLE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_it_leaves_the_processor_to_others),
      cmocka_unit_test(test_the_idle_class_is_that_threads_alone),
  };
  return cmocka_run_group_tests_name("loop/background", tests, NULL, NULL);
}
