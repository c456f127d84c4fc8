/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log. Callers format a whole line on their stack and hand it over with one non-blocking write to a pipe;
 * the kernel makes writes of up to PIPE_BUF bytes atomic, so lines never mix and no lock of ours is needed.
 * One thread reads the pipe and writes to the file or standard error; it alone may wait for a disk.
 *
 *     worker --write(<= 4096)--> [ pipe, up to 1 MiB ] --> log thread --> file
 *
 * When the pipe is full the line is dropped and counted; the count is logged when there is room again. A file
 * that cannot be written (disk full) loses lines the same way and is tried again with each batch. Before
 * tern_log_start and after tern_log_stop lines go straight to standard error.
 */
#include <tern/log.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES PIPE_BUF
#define PIPE_BYTES     (1024 * 1024)

static struct {
  struct tern_log_options options; /* constant while the thread runs */
  char *path;
  int pipe_read;
  _Atomic int pipe_write; /* -1: no thread, write to standard error */
  _Atomic bool reopen;    /* release in tern_log_reopen, acquire in the thread */
  _Atomic uint64_t dropped;
  int out; /* thread's */
  pthread_t thread;
} state = {.options = {.timestamps = true}, .pipe_read = -1, .pipe_write = -1, .out = STDERR_FILENO};

static const char *const tags[] = {"FTL", "ERR", "WRN", "INF", "DBG", "TRC"};

bool tern_log_enabled(enum tern_log_level level) {
  if (level == TERN_LOG_DEBUG) return state.options.debug;
  if (level == TERN_LOG_TRACE) return state.options.trace;
  return true;
}

static size_t put_prefix(char *line, size_t room, enum tern_log_level level) {
  int n;
  if (state.options.timestamps) {
    struct timeval now;
    struct tm tm;
    gettimeofday(&now, NULL);
    if (state.options.utc)
      gmtime_r(&now.tv_sec, &tm);
    else
      localtime_r(&now.tv_sec, &tm);
    n = snprintf(line, room, "[%d] %04d/%02d/%02d %02d:%02d:%02d.%06ld [%s] ", (int)getpid(),
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (long)now.tv_usec, tags[level]);
  } else {
    n = snprintf(line, room, "[%d] [%s] ", (int)getpid(), tags[level]);
  }
  return n < 0 ? 0 : (size_t)n;
}

/* A whole line, cut when it does not fit in LINE_MAX_BYTES. Returns its length. */
__attribute__((format(printf, 3, 0))) static size_t put_line(char *line, enum tern_log_level level,
                                                             const char *format, va_list args) {
  size_t len = put_prefix(line, LINE_MAX_BYTES, level);
  int n = vsnprintf(line + len, LINE_MAX_BYTES - len - 1, format, args);
  size_t text = len;
  if (n > 0) len += (size_t)n < LINE_MAX_BYTES - len - 1 ? (size_t)n : LINE_MAX_BYTES - len - 2;
  for (; text < len; text++) /* what clients send may stand in a line: it must not forge another */
    if ((unsigned char)line[text] < 0x20 || line[text] == 0x7F) line[text] = '?';
  line[len++] = '\n';
  return len;
}

void tern_log(enum tern_log_level level, const char *format, ...) {
  if (!tern_log_enabled(level)) return;
  int saved = errno;
  char line[LINE_MAX_BYTES];
  va_list args;
  va_start(args, format);
  size_t len = put_line(line, level, format, args);
  va_end(args);
  /* acquire: pairs with the release in tern_log_start, so the pipe is seen set up */
  int fd = atomic_load_explicit(&state.pipe_write, memory_order_acquire);
  ssize_t done = write(fd >= 0 ? fd : STDERR_FILENO, line, len);
  /* relaxed: a counter that orders nothing; pairs with tern_log_dropped */
  if (done < 0) atomic_fetch_add_explicit(&state.dropped, 1, memory_order_relaxed);
  errno = saved;
}

uint64_t tern_log_dropped(void) {
  /* relaxed: a counter; pairs with the add in tern_log and the log thread */
  return atomic_load_explicit(&state.dropped, memory_order_relaxed);
}

static int open_file(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  return fd < 0 ? -errno : fd;
}

static void write_all(const char *data, size_t len) {
  while (len > 0) {
    ssize_t n = write(state.out, data, len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      /* relaxed: as in tern_log; the unit is a batch here, which is at least one line */
      atomic_fetch_add_explicit(&state.dropped, 1, memory_order_relaxed);
      return;
    }
    data += n;
    len -= (size_t)n;
  }
}

/* The log thread's own lines do not take the way through the pipe, whose end tern_log_stop may be closing. */
__attribute__((format(printf, 2, 3))) static void write_own(enum tern_log_level level, const char *format,
                                                            ...) {
  char line[LINE_MAX_BYTES];
  va_list args;
  va_start(args, format);
  size_t len = put_line(line, level, format, args);
  va_end(args);
  write_all(line, len);
}

static void reopen_if_asked(void) {
  /* acq_rel: pairs with the store in tern_log_reopen; taken once per request */
  if (!atomic_exchange_explicit(&state.reopen, false, memory_order_acq_rel) || state.path == NULL) return;
  int fd = open_file(state.path);
  if (fd < 0) {
    write_own(TERN_LOG_ERROR, "cannot reopen log file %s: %s; still writing to the old one", state.path,
              strerror(-fd));
    return;
  }
  close(state.out);
  state.out = fd;
  write_own(TERN_LOG_INFO, "File log re-opened");
}

static void *log_thread(void *arg) {
  (void)arg;
  char *batch = malloc(65536);
  char small[LINE_MAX_BYTES];
  size_t room = batch != NULL ? 65536 : sizeof small;
  char *at = batch != NULL ? batch : small;
  uint64_t reported = 0;
  for (;;) {
    ssize_t n = read(state.pipe_read, at, room);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    reopen_if_asked();
    write_all(at, (size_t)n);
    uint64_t dropped = tern_log_dropped();
    if (dropped != reported) {
      write_own(TERN_LOG_WARN, "%llu log lines dropped: the log could not keep up",
                (unsigned long long)(dropped - reported));
      reported = dropped;
    }
  }
  free(batch);
  return NULL;
}

int tern_log_start(const struct tern_log_options *options) {
  int fd = STDERR_FILENO;
  char *path = NULL;
  if (options->path != NULL) {
    path = strdup(options->path);
    if (path == NULL) return -ENOMEM;
    fd = open_file(path);
    if (fd < 0) {
      free(path);
      return fd;
    }
  }
  int ends[2];
  int error = pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
  if (error == 0) {
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* a refusal only means a smaller queue */
    if (fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0) error = -errno;
    state.options = *options;
    state.path = path;
    state.out = fd;
    state.pipe_read = ends[0];
    sigset_t all, before; /* signals are for the control thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (error == 0) error = -pthread_create(&state.thread, NULL, log_thread, NULL);
    if (error == 0) pthread_setname_np(state.thread, "tern-log");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
      close(ends[0]);
      close(ends[1]);
    }
  }
  if (error != 0) {
    if (path != NULL) close(fd);
    free(path);
    state.path = NULL;
    state.out = STDERR_FILENO;
    return error;
  }
  /* release: pairs with the acquire in tern_log */
  atomic_store_explicit(&state.pipe_write, ends[1], memory_order_release);
  return 0;
}

void tern_log_stop(void) {
  /* acq_rel: pairs with the acquire in tern_log; later lines go to standard error */
  int fd = atomic_exchange_explicit(&state.pipe_write, -1, memory_order_acq_rel);
  if (fd < 0) return;
  close(fd); /* the thread reads what is left, then end of file */
  pthread_join(state.thread, NULL);
  close(state.pipe_read);
  if (state.out != STDERR_FILENO) close(state.out);
  state.out = STDERR_FILENO;
  free(state.path);
  state.path = NULL;
}

void tern_log_reopen(void) {
  /* release: pairs with the exchange in reopen_if_asked */
  atomic_store_explicit(&state.reopen, true, memory_order_release);
  tern_log(TERN_LOG_INFO, "re-opening the log file"); /* wakes the thread */
}
