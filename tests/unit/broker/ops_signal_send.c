/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `--signal`: whom it reaches and what it says otherwise. The running servers are children of this test, which have this
 * test's executable and so are processes of the same program; they count the signals they get. Other runs of the same
 * test may be about: so the test is a copy of itself with a name of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "options_run.h"
#include "signal_send.h"

enum { CHILDREN = 3 };

static pid_t children[CHILDREN];
static char err[4096];

/* A child that waits for one signal and ends with its number. */
static pid_t start_child(const sigset_t *set) {
  pid_t pid = fork();
  if (pid == 0) {
    int number = 0;
    alarm(60); /* whatever happens to the test */
    sigwait(set, &number);
    _exit(number);
  }
  assert_true(pid > 0);
  return pid;
}

static void start_children(unsigned count) {
  sigset_t set;
  sigemptyset(&set);
  const int all[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    sigaddset(&set, all[i]);
  sigprocmask(SIG_BLOCK, &set, NULL); /* inherited, so that none comes too early */
  for (unsigned i = 0; i < count; i++)
    children[i] = start_child(&set);
}

/* The signal the child got. */
static int outcome(unsigned child) {
  int status;
  assert_int_equal(waitpid(children[child], &status, 0), children[child]);
  return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static bool still_runs(unsigned child) { return waitpid(children[child], NULL, WNOHANG) == 0; }

/* Runs signal_send and catches what it says. */
static int send_it(const char *text) {
  FILE *file = tmpfile();
  int saved = divert(STDERR_FILENO, file);
  int error = signal_send(text);
  restore(STDERR_FILENO, saved, file, err, sizeof err);
  return error;
}

static void every_word_has_its_signal(void **unused) {
  (void)unused;
  static const struct {
    const char *word;
    int number;
  } words[] = {{"quit", SIGINT},   {"term", SIGTERM},   {"stop", SIGKILL},
               {"reload", SIGHUP}, {"reopen", SIGUSR1}, {"ldm", SIGUSR2}};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    start_children(1);
    assert_int_equal(send_it(words[i].word), 0); /* to the only one there is */
    assert_string_equal(err, "");
    assert_int_equal(outcome(0), words[i].number);
  }
  assert_int_equal(send_it("stopp"), -1);
  assert_string_equal(err,
                      "tern: unknown signal \"stopp\"; there are quit, term, stop, reload, reopen and ldm\n");
  assert_int_equal(send_it(""), -1);
  assert_int_equal(send_it("=1"), -1);
}

static void a_number_means_that_process(void **unused) {
  (void)unused;
  char text[64];
  start_children(2);
  snprintf(text, sizeof text, "quit=%d", (int)children[1]);
  assert_int_equal(send_it(text), 0);
  assert_int_equal(outcome(1), SIGINT);
  assert_true(still_runs(0));
  assert_int_equal(send_it(text), -1); /* it is gone */
  assert_contains(err, "cannot signal quit to process ");
  assert_contains(err, ": No such process\n");
  assert_int_equal(send_it("term"), 0);
  assert_int_equal(outcome(0), SIGTERM);
}

static void nobody_and_too_many_are_errors(void **unused) {
  (void)unused;
  char text[64];
  assert_int_equal(send_it("quit"), -1);
  assert_contains(err, "tern: no ");
  assert_contains(err, " processes running\n");
  assert_int_equal(send_it("quit=*"), -1);
  start_children(CHILDREN);
  assert_int_equal(send_it("quit"), -1);
  assert_contains(err,
                  "multiple processes running; say which by its process id, a pid file, or * for all:\n");
  for (unsigned i = 0; i < CHILDREN; i++) {
    snprintf(text, sizeof text, "\n%d\n", (int)children[i]);
    assert_contains(err, text);
    assert_true(still_runs(i));
  }
  assert_int_equal(send_it("ldm=*"), 0);
  for (unsigned i = 0; i < CHILDREN; i++)
    assert_int_equal(outcome(i), SIGUSR2);
}

static void a_prefix_means_those_that_begin_so(void **unused) {
  (void)unused;
  char text[64];
  start_children(1);
  snprintf(text, sizeof text, "quit=%d0*", (int)children[0]);
  assert_int_equal(send_it(text), -1);
  assert_contains(err, " processes running with a number that begins with ");
  assert_true(still_runs(0));
  snprintf(text, sizeof text, "quit=%d", (int)children[0]);
  text[strlen(text) - 1] = '*';
  assert_int_equal(send_it(text), 0);
  assert_int_equal(outcome(0), SIGINT);
}

static void a_file_means_the_process_in_it(void **unused) {
  (void)unused;
  char path[] = "/tmp/tern-pid-XXXXXX", text[64];
  int fd = mkstemp(path);
  start_children(2);
  dprintf(fd, "%d\n", (int)children[0]);
  snprintf(text, sizeof text, "reopen=%s", path);
  assert_int_equal(send_it(text), 0);
  assert_int_equal(outcome(0), SIGUSR1);
  static const char *const wrong[] = {"", "x", "12x", "-1", "0", "99999999999999999999"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, wrong[i], strlen(wrong[i]), 0), strlen(wrong[i]));
    assert_int_equal(send_it(text), -1);
    assert_contains(err, "there is no process id in /tmp/tern-pid-");
  }
  close(fd);
  unlink(path);
  assert_int_equal(send_it(text), -1);
  assert_contains(err, "cannot read the pid file /tmp/tern-pid-");
  assert_true(still_runs(1));
  assert_int_equal(send_it("quit"), 0);
  assert_int_equal(outcome(1), SIGINT);
}

/* The program may have been replaced while the server runs. */
static void a_deleted_program_is_found(void **unused) {
  (void)unused;
  char self[PATH_MAX];
  ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
  assert_true(len > 0);
  self[len] = '\0';
  start_children(1);
  assert_int_equal(unlink(self), 0); /* the copy, see main */
  assert_int_equal(send_it("quit"), 0);
  assert_int_equal(outcome(0), SIGINT);
}

/* Becomes a copy of itself in a directory of its own. */
static void become_a_copy(void) {
  char dir[] = "/tmp/tern-signal-XXXXXX", copy[64], buffer[65536];
  assert_non_null(mkdtemp(dir));
  snprintf(copy, sizeof copy, "%s/%s", dir, strrchr(dir, '/') + 1);
  int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
      to = open(copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
  ssize_t n;
  while ((n = read(from, buffer, sizeof buffer)) > 0)
    assert_int_equal(write(to, buffer, (size_t)n), n);
  close(from);
  close(to);
  execl(copy, copy, dir, (char *)NULL);
  perror("execl");
  _exit(1);
}

int main(int argc, char **argv) {
  if (argc == 1) become_a_copy();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_word_has_its_signal),      cmocka_unit_test(a_number_means_that_process),
      cmocka_unit_test(nobody_and_too_many_are_errors), cmocka_unit_test(a_prefix_means_those_that_begin_so),
      cmocka_unit_test(a_file_means_the_process_in_it), cmocka_unit_test(a_deleted_program_is_found),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(argv[0]);
  rmdir(argv[1]);
  return failed;
}
