/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Becoming another user. What cannot be undone is done in child processes, with threads that were there before. Most needs
 * root; what root must not be needed for is tested as nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "options_run.h"
#include "privileges.h"

static char err[4096];
static uid_t nobody_uid;
static gid_t nobody_gid;

static int prepare(struct privileges *privileges, const char *user, const char *group) {
  FILE *file = tmpfile();
  int saved = divert(STDERR_FILENO, file);
  int error = privileges_prepare(privileges, user, group);
  restore(STDERR_FILENO, saved, file, err, sizeof err);
  return error;
}

static void nobody_in_particular_changes_nothing(void **unused) {
  (void)unused;
  struct privileges privileges;
  assert_int_equal(prepare(&privileges, NULL, NULL), 0);
  assert_int_equal(privileges_drop(&privileges), 0);
  assert_int_equal(privileges_give(&privileges, "/no/such/file"), 0);
  assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

static void unknown_names_are_refused(void **unused) {
  (void)unused;
  struct privileges privileges;
  assert_int_equal(prepare(&privileges, "no-such-user", NULL), -1);
  assert_string_equal(
      err, "tern: there is no user no-such-user to run as; make it with adduser, or choose another one\n");
  assert_int_equal(prepare(&privileges, NULL, "no-such-group"), -1);
  assert_contains(err, "there is no group no-such-group to run as;");
  assert_int_equal(prepare(&privileges, "99999999999", NULL), -1); /* more than there can be */
  assert_contains(err, "there is no user 99999999999 to run as");
  assert_int_equal(prepare(&privileges, "4294967295", NULL), -1); /* "as it is" */
}

/* Runs a check in a child of its own, which returns 0 when all is well. */
static void assert_in_child(int (*check)(void)) {
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    alarm(60);
    _exit(check());
  }
  assert_true(pid > 0);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fail_msg("the check ended with status %d: step %d", status, WEXITSTATUS(status));
}

static sem_t dropped;

/* What a thread that was there before can still do: 0 for nothing. */
static void *try_as_thread(void *arg) {
  (void)arg;
  sem_wait(&dropped);
  bool still = geteuid() == 0 || getegid() == 0 || getgroups(0, NULL) != 0 || setuid(0) == 0;
  still = still || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
  return still ? (void *)1 : NULL;
}

static int become_nobody(void) {
  struct privileges privileges;
  pthread_t thread;
  void *still;
  sem_init(&dropped, 0, 0);
  if (setgroups(2, (gid_t[]){0, 12345}) < 0) return 1;
  if (privileges_prepare(&privileges, "nobody", NULL) != 0) return 2;
  if (pthread_create(&thread, NULL, try_as_thread, NULL) != 0) return 3;
  if (privileges_drop(&privileges) != 0) return 4;
  if (getuid() != nobody_uid || geteuid() != nobody_uid || getgid() != nobody_gid) return 5;
  if (getgroups(0, NULL) != 0) return 6;
  if (setuid(0) == 0 || open("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0) return 7;
  sem_post(&dropped);
  pthread_join(thread, &still);
  return still != NULL ? 8 : 0;
}

static int become_numbers(void) {
  struct privileges privileges;
  if (privileges_prepare(&privileges, "54321", "54322") != 0) return 1;
  if (privileges_drop(&privileges) != 0) return 2;
  return getuid() == 54321 && getgid() == 54322 ? 0 : 3;
}

static int become_only_a_group(void) {
  struct privileges privileges;
  if (privileges_prepare(&privileges, NULL, "54322") != 0) return 1;
  if (privileges_drop(&privileges) != 0) return 2;
  return getuid() == 0 && getgid() == 54322 ? 0 : 3;
}

static int give_a_file(void) {
  struct privileges privileges;
  struct stat status;
  char path[] = "/tmp/tern-privileges-XXXXXX";
  int fd = mkstemp(path), result = 0;
  if (privileges_prepare(&privileges, "nobody", NULL) != 0) result = 1;
  if (result == 0 && privileges_give(&privileges, path) != 0) result = 2;
  if (fstat(fd, &status) < 0 || status.st_uid != nobody_uid) result = 3;
  if (result == 0 && privileges_give(&privileges, "/no/such/file") != -ENOENT) result = 4;
  unlink(path);
  return result;
}

static void root_becomes_somebody_else(void **unused) {
  (void)unused;
  if (geteuid() != 0) {
    print_message("only root can become somebody else\n");
    skip();
  }
  assert_in_child(become_nobody);
  assert_in_child(become_numbers);
  assert_in_child(become_only_a_group);
  assert_in_child(give_a_file);
}

/* As nobody: itself, yes; others, no. */
static int stay_who_it_is(void) {
  struct privileges privileges;
  if (geteuid() == 0 && (setgid(nobody_gid) < 0 || setuid(nobody_uid) < 0)) return 1;
  char own[24];
  snprintf(own, sizeof own, "%u", (unsigned)geteuid());
  if (privileges_prepare(&privileges, own, NULL) != 0 || privileges_drop(&privileges) != 0) return 2;
  if (prepare(&privileges, "root", NULL) != -1) return 3;
  if (strcmp(
          err,
          "tern: only root can run as another user or group; start it as root, or leave out run_as_user\n") !=
      0)
    return 4;
  return prepare(&privileges, NULL, "root") == -1 && strstr(err, "leave out run_as_group") != NULL ? 0 : 5;
}

static void others_stay_who_they_are(void **unused) {
  (void)unused;
  assert_in_child(stay_who_it_is);
}

int main(void) {
  const struct passwd *nobody = getpwnam("nobody");
  if (nobody == NULL) {
    puts("skipped: there is no user nobody");
    return 77;
  }
  nobody_uid = nobody->pw_uid; /* the next look-up overwrites the entry */
  nobody_gid = nobody->pw_gid;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nobody_in_particular_changes_nothing),
      cmocka_unit_test(unknown_names_are_refused),
      cmocka_unit_test(root_becomes_somebody_else),
      cmocka_unit_test(others_stay_who_they_are),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
