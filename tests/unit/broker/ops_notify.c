/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service manager hears: a socket of the test's own stands for it. The workers are real, so that one can be made to
 * hang; time is the real one, but nothing is concluded from how long something took.
 */
#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/loop.h>
#include <tern/worker.h>

#include "notify.h"

static char text[512];

/* The manager's socket; a name that begins with '@' is an abstract one. */
static int manage(const char *name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct timeval wait = {.tv_sec = 20};
  memcpy(address.sun_path, name, strlen(name));
  if (name[0] == '@') address.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address,
                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                   0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  setenv("NOTIFY_SOCKET", name, 1);
  return fd;
}

static const char *heard(int fd) {
  ssize_t n = recv(fd, text, sizeof text - 1, 0);
  assert_true(n > 0);
  text[n] = '\0';
  return text;
}

static bool heard_nothing(int fd) {
  ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
  text[n > 0 ? n : 0] = '\0';
  return n < 0 && errno == EAGAIN;
}

static void the_states_are_told(void **unused) {
  (void)unused;
  char name[64];
  unsigned long long us;
  struct timespec now;
  for (int abstract = 0; abstract < 2; abstract++) {
    snprintf(name, sizeof name, abstract ? "@tern-notify-%d" : "/tmp/tern-notify-%d", (int)getpid());
    int fd = manage(name);
    notify_ready("Serving");
    assert_string_equal(heard(fd), "READY=1\nSTATUS=Serving");
    notify_reloading();
    assert_int_equal(sscanf(heard(fd), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=", &us), 1);
    clock_gettime(CLOCK_MONOTONIC, &now);
    assert_in_range(us / 1000000, now.tv_sec - 100, now.tv_sec); /* the clock the manager compares with */
    notify_stopping();
    assert_string_equal(heard(fd), "STOPPING=1\nSTATUS=Stopping");
    close(fd);
    notify_stopping(); /* to nobody: no harm */
    if (!abstract) unlink(name);
  }
}

static void without_a_manager_nothing_happens(void **unused) {
  (void)unused;
  static char longer[300];
  memset(longer, '/', sizeof longer - 1);
  const char *const none[] = {"", "relative", longer, "/no/such/socket"};
  for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
    setenv("NOTIFY_SOCKET", none[i], 1);
    notify_ready("x");
  }
  unsetenv("NOTIFY_SOCKET");
  notify_ready("x");
}

static uint64_t period_with(const char *usec, const char *pid) {
  struct watchdog watchdog;
  unsetenv("WATCHDOG_USEC");
  unsetenv("WATCHDOG_PID");
  if (usec != NULL) setenv("WATCHDOG_USEC", usec, 1);
  if (pid != NULL) setenv("WATCHDOG_PID", pid, 1);
  watchdog_init(&watchdog);
  if (watchdog.period_ms == 0) assert_int_equal(watchdog_step(&watchdog, NULL), -1);
  return watchdog.period_ms;
}

static void the_watchdog_is_for_who_was_asked(void **unused) {
  (void)unused;
  char own[24];
  snprintf(own, sizeof own, "%d", (int)getpid());
  assert_int_equal(period_with(NULL, NULL), 0);
  assert_int_equal(period_with("8000000", NULL), 2000);
  assert_int_equal(period_with("8000000", own), 2000);
  assert_int_equal(period_with("8000000", "1"), 0); /* not this process */
  assert_int_equal(period_with("0", own), 0);
  assert_int_equal(period_with("8s", own), 0);
  assert_int_equal(period_with("-8", own), 0);
  assert_int_equal(period_with("1", own), 1);
  assert_int_equal(period_with("18446744073709551615", own), 3600000);
}

/* ---- with workers ---- */

static sem_t hangs, go_on;

static void hang(struct tern_timer *timer) {
  (void)timer;
  sem_post(&hangs);
  sem_wait(&go_on);
}

static void start_hanging(struct tern_worker *worker, void *timer) {
  tern_timer_start(tern_worker_loop(worker), timer, 0);
}

/* Looks so often, whatever the time is. */
static void look(struct watchdog *watchdog, struct tern_workers *workers, unsigned times) {
  while (times-- > 0) {
    watchdog->next_ms = 0;
    assert_in_range(watchdog_step(watchdog, workers), 1, watchdog->period_ms);
  }
}

/* Looks until all is well, which it is when the workers have come to do something, or nothing. */
static bool pings_again(struct watchdog *watchdog, struct tern_workers *workers, int fd) {
  for (int i = 0; i < 2000; i++) {
    look(watchdog, workers, 1);
    if (!heard_nothing(fd)) return true;
    nanosleep(&(struct timespec){0, 5000000}, NULL);
  }
  return false;
}

static void a_worker_that_hangs_ends_the_pings(void **unused) {
  (void)unused;
  char name[64];
  struct watchdog watchdog;
  struct tern_workers *workers;
  struct tern_timer timer = {.fired = hang};
  snprintf(name, sizeof name, "/tmp/tern-notify-%d", (int)getpid());
  int fd = manage(name);
  setenv("WATCHDOG_USEC", "400000000", 1);
  unsetenv("WATCHDOG_PID");
  sem_init(&hangs, 0, 0);
  sem_init(&go_on, 0, 0);
  watchdog_init(&watchdog);
  assert_int_equal(tern_workers_new(&(struct tern_workers_options){.count = 2}, &workers), 0);
  assert_int_equal(tern_workers_start(workers), 0);
  for (int i = 0; i < 10; i++) /* idle ones sleep, which is well */
    assert_true(pings_again(&watchdog, workers, fd));
  assert_true(watchdog_step(&watchdog, workers) > 1); /* it is not time yet */
  assert_true(heard_nothing(fd));
  assert_int_equal(tern_workers_call(workers, 1, start_hanging, &timer), 0);
  sem_wait(&hangs);
  look(&watchdog, workers, 3); /* the first look may find it moved, the second gives it another chance */
  while (!heard_nothing(fd))
    assert_string_equal(text, "WATCHDOG=1"); /* a moment ago all was well */
  look(&watchdog, workers, 10);
  assert_true(heard_nothing(fd));
  sem_post(&go_on);
  assert_true(pings_again(&watchdog, workers, fd));
  assert_int_equal(tern_workers_stop(workers, 1000), 0);
  tern_workers_free(workers);
  close(fd);
  unlink(name);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_states_are_told),
      cmocka_unit_test(without_a_manager_nothing_happens),
      cmocka_unit_test(the_watchdog_is_for_who_was_asked),
      cmocka_unit_test(a_worker_that_hangs_ends_the_pings),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
