/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log, seen from outside: what stands in the file (or comes out of a FIFO, or on standard error) after
 * tern_log_stop, which writes out everything. The log is one per process, so each test starts and stops it.
 * Files live in a directory of this run's own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
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

/* A limit on the size of files stands in for a disk that is full, until it is raised. Standard error hears of it once. */
static void a_full_disk_is_told_once_counted_and_survived(void **unused) {
  (void)unused;
  enum { LOST = 5 };
  const struct rlimit full = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY},
                      free_again = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
  uint64_t before = tern_log_dropped();
  int ends[2], saved = dup(STDERR_FILENO); /* a pipe, which is no file and has no limit */
  char told[512] = "";
  assert_int_equal(pipe(ends), 0);
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  start((struct tern_log_options){.path = path_of("full")});
  setrlimit(RLIMIT_FSIZE, &full);
  for (uint64_t i = 1; i <= LOST; i++) { /* one batch each */
    tern_log(TERN_LOG_INFO, "goes nowhere");
    for (int wait = 0; wait < 2000 && tern_log_dropped() < before + i; wait++)
      nanosleep(&(struct timespec){0, 5000000}, NULL);
  }
  uint64_t dropped = tern_log_dropped() - before;
  setrlimit(RLIMIT_FSIZE, &free_again);
  tern_log(TERN_LOG_INFO, "is there");
  tern_log_stop();
  restore_stderr(saved);
  assert_int_equal(dropped, LOST);
  assert_true(read(ends[0], told, sizeof told - 1) > 0);
  close(ends[0]);
  char *text = contents(path_of("full"));
  assert_matches(text,
                 "^\\[[0-9]+\\] \\[INF\\] is there\n"
                 "\\[[0-9]+\\] \\[WRN\\] 5 log lines dropped: File too large\n$");
  assert_matches(told, "^tern: cannot write to the log file: File too large; lines are dropped[^\n]*\n$");
  free(text);
}

static void no_room_on_the_device_has_its_advice(void **unused) {
  (void)unused;
  uint64_t before = tern_log_dropped();
  int saved = divert_stderr(path_of("stderr"));
  start((struct tern_log_options){.path = "/dev/full"});
  tern_log(TERN_LOG_INFO, "goes nowhere");
  tern_log_stop();
  restore_stderr(saved);
  assert_int_equal(tern_log_dropped(), before + 1);
  char *told = contents(path_of("stderr"));
  assert_non_null(strstr(told, "No space left on device"));
  assert_non_null(strstr(told, "; free some space on its disk\n"));
  free(told);
}

/* ---- rotation ---- */

/* Not one line is lost or torn on its way through many files, the newest of which are kept. */
static void a_file_that_is_full_is_rotated(void **unused) {
  (void)unused;
  enum { COUNT = 1000, KEEP = 1000 };
  char names[PATH_MAX];
  int seen = 0;
  start((struct tern_log_options){.path = path_of("rotating"), .size_limit = 500, .files_max = KEEP});
  for (int i = 0; i < COUNT; i++)
    tern_log(TERN_LOG_INFO, "number %d.", i);
  tern_log_stop();
  snprintf(names, sizeof names, "%s*", path_of("rotating"));
  glob_t found;
  assert_int_equal(glob(names, 0, NULL, &found), 0); /* sorted: the current one comes first */
  assert_true(found.gl_pathc > 50);
  for (size_t i = 1; i <= found.gl_pathc; i++) {
    char *text = contents(found.gl_pathv[i % found.gl_pathc]), *rest = text, *line;
    if (i < found.gl_pathc)
      assert_in_range(strlen(text), 501, 600); /* the limit and the line that crossed it */
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
      const char *number = strstr(line, "number ");
      if (number == NULL)
        assert_matches(line, "\\[INF\\] Rotated log, backup saved as \"/.*/rotating\\.[0-9.]+\"$");
      else
        assert_int_equal(strtol(number + 7, NULL, 10), seen++);
    }
    free(text);
  }
  globfree(&found);
  assert_int_equal(seen, COUNT);
}

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

/* ---- changes ---- */

static void everything_can_be_changed(void **unused) {
  (void)unused;
  start((struct tern_log_options){.path = path_of("first")});
  tern_log(TERN_LOG_INFO, "one");
  wait_for(path_of("first"), "one\n");
  assert_int_equal(tern_log_reconfigure(&(struct tern_log_options){.path = path_of("no/such/dir")}), -ENOENT);
  tern_log(TERN_LOG_DEBUG, "not wanted");
  tern_log(TERN_LOG_INFO, "two");
  wait_for(path_of("first"), "two\n");
  assert_int_equal(tern_log_reconfigure(
                       &(struct tern_log_options){.path = path_of("second"), .json = true, .debug = true}),
                   0);
  assert_true(tern_log_enabled(TERN_LOG_DEBUG));
  tern_log_event(TERN_LOG_DEBUG, (struct tern_log_about){.event = "three_happened", .ip = "h", .cid = 3},
                 "three");
  for (int i = 0; i < 100; i++) /* also faster than the thread comes by */
    assert_int_equal(tern_log_reconfigure(&(struct tern_log_options){.path = path_of("third")}), 0);
  tern_log(TERN_LOG_INFO, "four");
  tern_log_stop();
  char *first = contents(path_of("first")), *second = contents(path_of("second")),
       *third = contents(path_of("third"));
  assert_matches(first, "^[^\n]*one\n[^\n]*two\n$");
  char *both = NULL;
  assert_true(asprintf(&both, "%s%s", second, third) > 0);
  assert_matches(both,
                 "\"level\":\"debug\",\"pid\":[0-9]+,\"event\":\"three_happened\",\"ip\":\"h\",\"port\":0,"
                 "\"cid\":3,\"msg\":\"three\"\\}\n");
  assert_null(strstr(both, "not wanted"));
  assert_matches(third, "\\[INF\\] four\n$");
  free(first);
  free(second);
  free(third);
  free(both);
}

static void lines_go_to_a_syslog(void **unused) {
  (void)unused;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct timeval wait = {.tv_sec = 20};
  char text[300];
  int saved = divert_stderr(path_of("stderr"));
  uint64_t before = tern_log_dropped();
  start((struct tern_log_options){.syslog = path_of("syslog")});
  tern_log(TERN_LOG_INFO, "lost, there is none yet");
  for (int i = 0; i < 2000 && tern_log_dropped() == before; i++)
    nanosleep(&(struct timespec){0, 5000000}, NULL);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path_of("syslog"));
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  tern_log(TERN_LOG_WARN, "arrives");
  tern_log_stop();
  restore_stderr(saved);
  static const char *const want[] = {"^<28>[A-Z].*\\]: arrives$",
                                     "^<28>.*: 1 log lines dropped: No such file or directory$"};
  for (size_t i = 0; i < 2; i++) {
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_matches(text, want[i]);
  }
  close(fd);
  char *told = contents(path_of("stderr"));
  assert_matches(told, "^tern: cannot write to the syslog: No such file or directory; [^\n]*\n$");
  free(told);
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
      cmocka_unit_test(a_full_disk_is_told_once_counted_and_survived),
      cmocka_unit_test(no_room_on_the_device_has_its_advice),
      cmocka_unit_test(a_file_that_is_full_is_rotated),
      cmocka_unit_test(reopen_follows_a_rename),
      cmocka_unit_test(a_failed_reopen_keeps_the_old_file),
      cmocka_unit_test(without_a_file_lines_go_to_standard_error),
      cmocka_unit_test(everything_can_be_changed),
      cmocka_unit_test(lines_go_to_a_syslog),
  };
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
