/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log file by itself: appending, rotation and which backups it removes, what cannot be renamed, and a file system that
 * takes only a part of a line (a limit on the size of files stands in for the full disk).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log_file.h"

static char dir[32], path[64];

static int make_dir(void **unused) {
  (void)unused;
  snprintf(dir, sizeof dir, "/tmp/tern-log-file-XXXXXX");
  if (mkdtemp(dir) == NULL) return -1;
  snprintf(path, sizeof path, "%s/log", dir);
  return 0;
}

static int remove_dir(void **unused) {
  (void)unused;
  DIR *listing = opendir(dir);
  struct dirent *entry;
  while (listing != NULL && (entry = readdir(listing)) != NULL)
    if (entry->d_name[0] != '.') unlinkat(dirfd(listing), entry->d_name, 0);
  if (listing != NULL) closedir(listing);
  return rmdir(dir);
}

static struct tern__log_file open_file(uint64_t limit, uint32_t keep) {
  struct tern__log_file file;
  assert_int_equal(tern__log_file_open(&file, path, limit, keep), 0);
  return file;
}

static int put(struct tern__log_file *file, const char *text, size_t *written) {
  return tern__log_file_write(file, text, strlen(text), written);
}

static void assert_contents(const char *of, const char *want) {
  char text[256];
  FILE *in = fopen(of, "re");
  assert_non_null(in);
  size_t len = fread(text, 1, sizeof text - 1, in);
  fclose(in);
  text[len] = '\0';
  assert_string_equal(text, want);
}

/* Files in the directory, all in all. */
static int count_files(void) {
  int count = 0;
  DIR *listing = opendir(dir);
  struct dirent *entry;
  while ((entry = readdir(listing)) != NULL)
    count += entry->d_name[0] != '.';
  closedir(listing);
  return count;
}

static void it_appends_and_knows_the_size(void **unused) {
  (void)unused;
  size_t written;
  struct tern__log_file file = open_file(10, 0);
  assert_int_equal(put(&file, "12345\n", &written), 0);
  assert_int_equal(written, 6);
  assert_false(tern__log_file_is_full(&file));
  tern__log_file_close(&file);
  file = open_file(10, 0);
  assert_int_equal(file.size, 6);
  assert_int_equal(put(&file, "6789\n", &written), 0);
  assert_true(tern__log_file_is_full(&file)); /* with what was there before */
  tern__log_file_close(&file);
  assert_contents(path, "12345\n6789\n");
  file = open_file(0, 0);
  assert_false(tern__log_file_is_full(&file)); /* no limit */
  tern__log_file_close(&file);
}

static void rotation_names_the_backup_after_the_time(void **unused) {
  (void)unused;
  char backup[128], pattern[128];
  size_t written;
  struct tern__log_file file = open_file(4, 0);
  put(&file, "old line\n", &written);
  assert_int_equal(tern__log_file_rotate(&file, backup, sizeof backup), 0);
  assert_int_equal(file.size, 0);
  put(&file, "new\n", &written);
  tern__log_file_close(&file);
  assert_contents(backup, "old line\n");
  assert_contents(path, "new\n");
  regex_t regex;
  snprintf(pattern, sizeof pattern, "^%s\\.[0-9]{4}(\\.[0-9]{2}){5}\\.[0-9]{9}$", path);
  assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
  assert_int_equal(regexec(&regex, backup, 0, NULL, 0), 0);
  regfree(&regex);
}

static void touch(const char *name) {
  char whole[128];
  snprintf(whole, sizeof whole, "%s/%s", dir, name);
  int fd = open(whole, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  close(fd);
}

static bool is_there(const char *name) {
  char whole[128];
  snprintf(whole, sizeof whole, "%s/%s", dir, name);
  return access(whole, F_OK) == 0;
}

static void the_oldest_backups_are_removed_and_nothing_else(void **unused) {
  (void)unused;
  static const char *const others[] = {"log.1", "log.2020.01.01.00.00.00.00000000x", "other",
                                       "log.2020.01.01.00.00.00.000000000.gz",
                                       "logs.2020.01.01.00.00.00.000000000"};
  char backup[128], last[128] = "";
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    touch(others[i]);
  touch("log.2021.01.01.00.00.00.000000000");
  touch("log.2020.01.01.00.00.00.000000001");
  touch("log.2020.01.01.00.00.00.000000000");
  struct tern__log_file file = open_file(1, 3);
  assert_int_equal(tern__log_file_rotate(&file, backup, sizeof backup), 0);
  assert_true(
      is_there("log.2021.01.01.00.00.00.000000000")); /* this, the new backup and the file are three */
  assert_false(is_there("log.2020.01.01.00.00.00.000000001"));
  assert_false(is_there("log.2020.01.01.00.00.00.000000000"));
  assert_int_equal(count_files(), 5 + 3);
  for (int i = 0; i < 5; i++) {
    snprintf(last, sizeof last, "%s", backup);
    assert_int_equal(tern__log_file_rotate(&file, backup, sizeof backup), 0);
    assert_int_equal(count_files(), 5 + 3);
  }
  assert_int_equal(access(backup, F_OK) | access(last, F_OK), 0); /* the newest ones stay */
  file.keep = 1;
  assert_int_equal(tern__log_file_rotate(&file, backup, sizeof backup), 0);
  assert_int_equal(count_files(), 5 + 1);
  tern__log_file_close(&file);
}

static void what_cannot_be_renamed_goes_on(void **unused) {
  (void)unused;
  char backup[128];
  size_t written;
  struct tern__log_file file = open_file(4, 0);
  put(&file, "12345\n", &written);
  assert_int_equal(unlink(path), 0); /* somebody else was faster */
  assert_int_equal(tern__log_file_rotate(&file, backup, sizeof backup), -ENOENT);
  assert_false(tern__log_file_is_full(&file));
  assert_int_equal(put(&file, "12345\n", &written), 0);
  assert_true(tern__log_file_is_full(&file)); /* it is tried again with the next limit's bytes */
  assert_int_equal(tern__log_file_rotate(&file, backup, 8), -ENAMETOOLONG);
  tern__log_file_close(&file);
}

static void reopening_follows_the_name(void **unused) {
  (void)unused;
  char moved[80];
  size_t written;
  struct tern__log_file file = open_file(100, 0);
  put(&file, "one\n", &written);
  snprintf(moved, sizeof moved, "%s.old", path);
  assert_int_equal(rename(path, moved), 0);
  assert_int_equal(mkdir(path, 0700), 0);
  assert_int_equal(tern__log_file_reopen(&file), -EISDIR);
  put(&file, "two\n", &written);
  assert_int_equal(rmdir(path), 0);
  assert_int_equal(tern__log_file_reopen(&file), 0);
  put(&file, "three\n", &written);
  assert_int_equal(file.size, 6);
  tern__log_file_close(&file);
  assert_contents(moved, "one\ntwo\n");
  assert_contents(path, "three\n");
}

/* The file may have so many bytes, as on a disk with so much room left. */
static void set_room(rlim_t bytes) {
  struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_piece_of_a_line_is_taken_back(void **unused) {
  (void)unused;
  size_t written;
  struct tern__log_file file = open_file(0, 0);
  signal(SIGXFSZ, SIG_IGN);
  set_room(10);
  int error = put(&file, "one\ntwo\nthree\n", &written);
  int second = put(&file, "four five\n", &written);
  size_t of_second = written;
  set_room(RLIM_INFINITY);
  assert_int_equal(error, -EFBIG);
  assert_int_equal(second, -EFBIG);
  assert_int_equal(of_second, 0);
  assert_int_equal(put(&file, "six\n", &written), 0);
  assert_int_equal(file.size, 12);
  tern__log_file_close(&file);
  assert_contents(path, "one\ntwo\nsix\n");
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIR(it_appends_and_knows_the_size),
      IN_DIR(rotation_names_the_backup_after_the_time),
      IN_DIR(the_oldest_backups_are_removed_and_nothing_else),
      IN_DIR(what_cannot_be_renamed_goes_on),
      IN_DIR(reopening_follows_the_name),
      IN_DIR(a_piece_of_a_line_is_taken_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
