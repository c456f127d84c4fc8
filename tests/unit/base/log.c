/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log, seen from outside: what stands in the file (or comes out of a FIFO, or on standard error) after
 * tern_log_stop, which writes out everything. The log is one per process, so each test starts and stops it.
 * Files live in a directory of this run's own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <tern/log.h>

static char dir[] = "/tmp/tern-log-XXXXXX";

/* A path in the directory; the last four are kept. */
static const char *path_of(const char *name) {
  static char paths[4][PATH_MAX];
  static unsigned turn;
  char *path = paths[turn++ % 4];
  snprintf(path, PATH_MAX, "%s/%s", dir, name);
  return path;
}

/* The whole file as text, to be freed; empty when there is none. */
static char *contents(const char *path) {
  char *text = calloc(1, 4 * 1024 * 1024);
  assert_non_null(text);
  FILE *file = fopen(path, "re");
  if (file != NULL) {
    size_t len = fread(text, 1, 4 * 1024 * 1024 - 1, file);
    text[len] = '\0';
    fclose(file);
  }
  return text;
}

static bool matches(const char *text, const char *pattern) {
  regex_t regex;
  assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
  bool yes = regexec(&regex, text, 0, NULL, 0) == 0;
  regfree(&regex);
  return yes;
}

static void assert_matches(const char *text, const char *pattern) {
  if (!matches(text, pattern)) fail_msg("\"%s\" does not match %s", text, pattern);
}

/* Polls (bounded) until a file contains a text. */
static void wait_for(const char *path, const char *wanted) {
  for (int i = 0; i < 2000; i++) {
    char *text = contents(path);
    bool found = strstr(text, wanted) != NULL;
    free(text);
    if (found) return;
    nanosleep(&(struct timespec){0, 5000000}, NULL);
  }
  fail_msg("\"%s\" never appeared in %s", wanted, path);
}

static void start(struct tern_log_options options) { assert_int_equal(tern_log_start(&options), 0); }

#define STAMP "[0-9]{4}/[01][0-9]/[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{6}"

static void lines_have_the_format(void **unused) {
  (void)unused;
  start(
      (struct tern_log_options){.path = path_of("format"), .timestamps = true, .debug = true, .trace = true});
  static const char *const tags[] = {"FTL", "ERR", "WRN", "INF", "DBG", "TRC"};
  for (int level = TERN_LOG_FATAL; level <= TERN_LOG_TRACE; level++) {
    assert_true(tern_log_enabled((enum tern_log_level)level));
    tern_log((enum tern_log_level)level, "line %d %s", level, "text");
  }
  tern_log_stop();
  char *text = contents(path_of("format")), *at = text;
  for (int level = 0; level < 6; level++) {
    char *end = strchr(at, '\n');
    assert_non_null(end);
    *end = '\0';
    char pattern[200];
    snprintf(pattern, sizeof pattern, "^\\[%d\\] " STAMP " \\[%s\\] line %d text$", (int)getpid(),
             tags[level], level);
    assert_matches(at, pattern);
    at = end + 1;
  }
  assert_string_equal(at, "");
  free(text);
}

static void only_wanted_levels_are_logged(void **unused) {
  (void)unused;
  start((struct tern_log_options){.path = path_of("levels")});
  assert_false(tern_log_enabled(TERN_LOG_DEBUG));
  assert_false(tern_log_enabled(TERN_LOG_TRACE));
  tern_log(TERN_LOG_DEBUG, "debug");
  tern_log(TERN_LOG_TRACE, "trace");
  tern_log(TERN_LOG_INFO, "info");
  tern_log_stop();
  start((struct tern_log_options){.path = path_of("levels"), .debug = true});
  tern_log(TERN_LOG_DEBUG, "second debug");
  tern_log(TERN_LOG_TRACE, "trace");
  tern_log_stop();
  char *text = contents(path_of("levels")); /* appended to, and without timestamps */
  assert_matches(text, "^\\[[0-9]+\\] \\[INF\\] info\n\\[[0-9]+\\] \\[DBG\\] second debug\n$");
  free(text);
}

/* The hour in the file, when the zone is five and a half hours off UTC. */
static int logged_minute_of_day(bool utc) {
  unlink(path_of("zone"));
  start((struct tern_log_options){.path = path_of("zone"), .timestamps = true, .utc = utc});
  tern_log(TERN_LOG_INFO, "now");
  tern_log_stop();
  char *text = contents(path_of("zone"));
  int hour, minute;
  assert_int_equal(sscanf(text, "[%*d] %*d/%*d/%*d %d:%d", &hour, &minute), 2);
  free(text);
  return hour * 60 + minute;
}

static void times_are_local_or_utc(void **unused) {
  (void)unused;
  assert_int_equal(setenv("TZ", "TST-5:30", 1), 0);
  tzset();
  int local = logged_minute_of_day(false), utc = logged_minute_of_day(true);
  unsetenv("TZ");
  tzset();
  int apart = (local - utc + 24 * 60) % (24 * 60);
  assert_in_range(apart, 330 - 2, 330); /* the minute may have changed in between */
}

static void long_lines_are_cut_at_4_kib(void **unused) {
  (void)unused;
  char *text = malloc(10001);
  assert_non_null(text);
  memset(text, 'x', 10000);
  text[10000] = '\0';
  start((struct tern_log_options){.path = path_of("long")});
  tern_log(TERN_LOG_INFO, "%s", text);
  tern_log(TERN_LOG_INFO, "next");
  tern_log_stop();
  free(text);
  text = contents(path_of("long"));
  char *end = strchr(text, '\n');
  assert_non_null(end);
  assert_in_range(end + 1 - text, 4090, 4096);
  assert_int_equal(end[-1], 'x');
  assert_matches(end + 1, "^\\[[0-9]+\\] \\[INF\\] next\n$");
  free(text);
}

enum { WRITERS = 4, LINES = 300 };

static void *write_lines(void *arg) {
  for (int i = 0; i < LINES; i++)
    tern_log(TERN_LOG_INFO, "writer %d line %d %0*d end", *(int *)arg, i, 10 + i % 90, 0);
  return NULL;
}

/* Lines of several threads never mix, none is lost while there is room, and each thread's keep their order.
 */
static void threads_do_not_mix_their_lines(void **unused) {
  (void)unused;
  uint64_t dropped = tern_log_dropped();
  start((struct tern_log_options){.path = path_of("threads")});
  pthread_t threads[WRITERS];
  int numbers[WRITERS], next[WRITERS] = {0};
  for (int i = 0; i < WRITERS; i++) {
    numbers[i] = i;
    assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
  }
  for (int i = 0; i < WRITERS; i++)
    pthread_join(threads[i], NULL);
  tern_log_stop();
  assert_int_equal(tern_log_dropped(), dropped);
  char *text = contents(path_of("threads")), *rest = text, *line;
  while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
    int writer, number;
    assert_matches(line, "^\\[[0-9]+\\] \\[INF\\] writer [0-3] line [0-9]+ 0+ end$");
    assert_int_equal(sscanf(strstr(line, "writer"), "writer %d line %d", &writer, &number), 2);
    assert_int_equal(number, next[writer]++);
  }
  for (int i = 0; i < WRITERS; i++)
    assert_int_equal(next[i], LINES);
  free(text);
}

/* ---- a reader that does not read ---- */

#define SENTINEL '\x04'

struct fifo {
  int fd; /* read and write, so that opening never waits and the end never comes by itself */
  uint64_t lines, reported;
  pthread_t reader;
};

/* Counts lines, and adds up what "n log lines dropped" lines say, until the sentinel. */
static void *read_fifo(void *arg) {
  struct fifo *fifo = arg;
  FILE *file = fdopen(dup(fifo->fd), "r");
  char line[8192];
  if (file == NULL) return NULL;
  while (fgets(line, sizeof line, file) != NULL && line[0] != SENTINEL) {
    unsigned long long dropped;
    const char *report = strstr(line, "[WRN] ");
    if (report != NULL && sscanf(report, "[WRN] %llu log lines dropped", &dropped) == 1)
      fifo->reported += dropped;
    else
      fifo->lines++;
  }
  fclose(file);
  return NULL;
}

/* Nobody reads, so the log thread hangs in its write, as on a dead disk: callers go on, what does not fit is
 * dropped, and afterwards every line is either there or was counted, and the count was logged. */
static void a_stuck_reader_costs_lines_not_time(void **unused) {
  (void)unused;
  enum { FLOOD = 30000 };
  const char *path = path_of("fifo");
  assert_int_equal(mkfifo(path, 0600), 0);
  struct fifo fifo = {.fd = open(path, O_RDWR | O_CLOEXEC)};
  assert_true(fifo.fd >= 0);
  uint64_t before = tern_log_dropped(), written = 0;
  start((struct tern_log_options){.path = path});
  for (; written < FLOOD; written++)
    tern_log(TERN_LOG_INFO, "%0100d", (int)written);
  assert_true(tern_log_dropped() > before);
  assert_true(tern_log_dropped() - before < FLOOD);
  assert_int_equal(pthread_create(&fifo.reader, NULL, read_fifo, &fifo), 0);
  /* until there is room again */
  bool accepted = false;
  for (int i = 0; i < 2000 && !accepted; i++) {
    uint64_t dropped = tern_log_dropped();
    tern_log(TERN_LOG_INFO, "again");
    written++;
    accepted = tern_log_dropped() == dropped;
    if (!accepted) nanosleep(&(struct timespec){0, 5000000}, NULL);
  }
  assert_true(accepted);
  tern_log_stop();
  assert_int_equal(write(fifo.fd, (char[]){SENTINEL, '\n'}, 2), 2);
  pthread_join(fifo.reader, NULL);
  close(fifo.fd);
  assert_int_equal(fifo.lines + (tern_log_dropped() - before), written);
  assert_int_equal(fifo.reported, tern_log_dropped() - before);
}

static void a_full_disk_is_counted(void **unused) {
  (void)unused;
  uint64_t before = tern_log_dropped();
  start((struct tern_log_options){.path = "/dev/full"});
  tern_log(TERN_LOG_INFO, "goes nowhere");
  tern_log_stop();
  assert_true(tern_log_dropped() > before);
}

/* ---- rotation ---- */

static void reopen_follows_a_rename(void **unused) {
  (void)unused;
  start((struct tern_log_options){.path = path_of("current")});
  tern_log(TERN_LOG_INFO, "one");
  wait_for(path_of("current"), "one\n");
  assert_int_equal(rename(path_of("current"), path_of("rotated")), 0);
  tern_log(TERN_LOG_INFO, "two");
  wait_for(path_of("rotated"), "two\n");
  tern_log_reopen();
  wait_for(path_of("current"), "File log re-opened\n");
  tern_log(TERN_LOG_INFO, "three");
  tern_log_stop();
  char *old = contents(path_of("rotated")), *new = contents(path_of("current"));
  assert_non_null(strstr(old, "one\n"));
  assert_null(strstr(old, "three\n"));
  assert_non_null(strstr(new, "three\n"));
  assert_null(strstr(new, "one\n"));
  assert_null(strstr(new, "two\n"));
  free(old);
  free(new);
}

static void a_failed_reopen_keeps_the_old_file(void **unused) {
  (void)unused;
  assert_int_equal(mkdir(path_of("sub"), 0700), 0);
  start((struct tern_log_options){.path = path_of("sub/log")});
  assert_int_equal(rename(path_of("sub"), path_of("moved")), 0);
  tern_log_reopen();
  wait_for(path_of("moved/log"), "cannot reopen log file");
  tern_log(TERN_LOG_INFO, "still here");
  tern_log_stop();
  char *text = contents(path_of("moved/log"));
  assert_non_null(strstr(text, "/sub/log: No such file or directory"));
  assert_non_null(strstr(text, "still here\n"));
  free(text);
  unlink(path_of("moved/log"));
  rmdir(path_of("moved"));
}

/* ---- without a file ---- */

/* Sends standard error into a file; returns what it was. */
static int divert_stderr(const char *path) {
  int saved = dup(STDERR_FILENO), fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(saved >= 0 && fd >= 0);
  dup2(fd, STDERR_FILENO);
  close(fd);
  return saved;
}

static void restore_stderr(int saved) {
  dup2(saved, STDERR_FILENO);
  close(saved);
}

static void without_a_file_lines_go_to_standard_error(void **unused) {
  (void)unused;
  int saved = divert_stderr(path_of("stderr"));
  errno = EDOM;
  tern_log(TERN_LOG_INFO, "not started");
  int kept = errno;
  int error = tern_log_start(&(struct tern_log_options){.path = path_of("no/such/dir")});
  tern_log(TERN_LOG_INFO, "could not start");
  int second = tern_log_start(&(struct tern_log_options){.timestamps = false});
  tern_log(TERN_LOG_INFO, "started");
  tern_log_reopen(); /* nothing to reopen, and no harm */
  tern_log_stop();
  tern_log_stop(); /* twice is once */
  tern_log(TERN_LOG_INFO, "stopped");
  restore_stderr(saved);
  assert_int_equal(kept, EDOM);
  assert_int_equal(error, -ENOENT);
  assert_int_equal(second, 0);
  char *text = contents(path_of("stderr"));
  const char *at = text;
  static const char *const in_order[] = {"not started\n", "could not start\n", "started\n", "stopped\n"};
  for (size_t i = 0; i < sizeof in_order / sizeof in_order[0]; i++) {
    at = strstr(at, in_order[i]);
    assert_non_null(at);
    at += strlen(in_order[i]);
  }
  free(text);
}

static int make_dir(void **unused) {
  (void)unused;
  return mkdtemp(dir) == NULL;
}

static int remove_dir(void **unused) {
  (void)unused;
  DIR *listing = opendir(dir);
  struct dirent *entry;
  while (listing != NULL && (entry = readdir(listing)) != NULL)
    if (entry->d_name[0] != '.') unlink(path_of(entry->d_name));
  if (listing != NULL) closedir(listing);
  return rmdir(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_have_the_format),
      cmocka_unit_test(only_wanted_levels_are_logged),
      cmocka_unit_test(times_are_local_or_utc),
      cmocka_unit_test(long_lines_are_cut_at_4_kib),
      cmocka_unit_test(threads_do_not_mix_their_lines),
      cmocka_unit_test(a_stuck_reader_costs_lines_not_time),
      cmocka_unit_test(a_full_disk_is_counted),
      cmocka_unit_test(reopen_follows_a_rename),
      cmocka_unit_test(a_failed_reopen_keeps_the_old_file),
      cmocka_unit_test(without_a_file_lines_go_to_standard_error),
  };
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
