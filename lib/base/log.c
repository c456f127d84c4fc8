/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log. Callers format a whole line on their stack (log_line.c) and hand it over with one non-blocking write to a
 * pipe; the kernel makes writes of up to PIPE_BUF bytes atomic, so lines never mix and no lock of ours is needed. One
 * thread reads the pipe and writes to the place: a file (log_file.c), a syslog (log_syslog.c) or standard error; it
 * alone may wait for a disk.
 *
 *     worker --write(<= 4096)--> [ pipe, up to 1 MiB ] --> log thread --> place
 *
 * When the pipe is full the line is dropped and counted; the count is logged when there is room again. A place that
 * cannot be written to (disk full, syslog not there) loses lines the same way and is tried again with each batch;
 * the first time standard error says so, once for each outage. Before tern_log_start and after tern_log_stop lines
 * go straight to standard error.
 *
 * The place belongs to the thread. A new one is opened by who asks for it, so that the error can be returned, and lies
 * in `next` until the thread comes by; a line wakes it, or those that already fill the pipe.
 */
#include <tern/log.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log_file.h"
#include "log_line.h"
#include "log_syslog.h"

#define PIPE_BYTES  (1024 * 1024)
#define BATCH_BYTES (64 * 1024)

struct place {
  enum { STDERR, FILE_PATH, SYSLOG } kind;
  union {
    struct tern__log_file file;
    struct tern__log_syslog syslog;
  };
  int failing; /* -errno of the last batch, 0: it was written */
};

static struct place standard_error = {.kind = STDERR};

static struct {
  _Atomic unsigned style; /* enum tern__log_style */
  int pipe_read;
  _Atomic int pipe_write; /* -1: no thread, write to standard error */
  _Atomic(struct place *) next;
  _Atomic bool reopen; /* release in tern_log_reopen, acquire in the thread */
  _Atomic uint64_t dropped;
  uint64_t reported;   /* thread's: of the dropped ones */
  struct place *place; /* thread's */
  pthread_t thread;
} state = {.style = TERN__LOG_STAMPS, .pipe_read = -1, .pipe_write = -1, .place = &standard_error};

static unsigned style(void) {
  /* relaxed: flags that order nothing; pairs with the store in set_style */
  return atomic_load_explicit(&state.style, memory_order_relaxed);
}

/* ---- for everyone ---- */

bool tern_log_enabled(enum tern_log_level level) {
  if (level == TERN_LOG_DEBUG) return style() & TERN__LOG_DEBUG;
  if (level == TERN_LOG_TRACE) return style() & TERN__LOG_TRACE;
  return true;
}

static void count_dropped(uint64_t lines) {
  /* relaxed: a counter that orders nothing; pairs with tern_log_dropped */
  atomic_fetch_add_explicit(&state.dropped, lines, memory_order_relaxed);
}

__attribute__((format(printf, 3, 0))) static void hand_over(enum tern_log_level level,
                                                            const struct tern_log_about *about,
                                                            const char *format, va_list args) {
  int saved = errno;
  char line[TERN__LOG_LINE_BYTES];
  size_t len = tern__log_line(line, style(), level, about, format, args);
  /* acquire: pairs with the release in tern_log_start, so the pipe is seen set up */
  int fd = atomic_load_explicit(&state.pipe_write, memory_order_acquire);
  if (write(fd >= 0 ? fd : STDERR_FILENO, line, len) < 0) count_dropped(1);
  errno = saved;
}

void tern_log(enum tern_log_level level, const char *format, ...) {
  if (!tern_log_enabled(level)) return;
  va_list args;
  va_start(args, format);
  hand_over(level, &(struct tern_log_about){0}, format, args);
  va_end(args);
}

void tern_log_event(enum tern_log_level level, struct tern_log_about about, const char *format, ...) {
  if (!tern_log_enabled(level)) return;
  va_list args;
  va_start(args, format);
  hand_over(level, &about, format, args);
  va_end(args);
}

uint64_t tern_log_dropped(void) {
  /* relaxed: a counter; pairs with the add in count_dropped */
  return atomic_load_explicit(&state.dropped, memory_order_relaxed);
}

/* ---- the place ---- */

static int open_place(const struct tern_log_options *options, struct place **out) {
  *out = &standard_error;
  if (options->path == NULL && options->syslog == NULL) return 0;
  struct place *place = calloc(1, sizeof *place);
  if (place == NULL) return -ENOMEM;
  place->kind = options->path != NULL ? FILE_PATH : SYSLOG;
  int error = place->kind == FILE_PATH
                  ? tern__log_file_open(&place->file, options->path, options->size_limit, options->files_max)
                  : tern__log_syslog_open(&place->syslog, options->syslog);
  if (error != 0)
    free(place);
  else
    *out = place;
  return error;
}

static void close_place(struct place *place) {
  if (place->kind == FILE_PATH) tern__log_file_close(&place->file);
  if (place->kind == SYSLOG) tern__log_syslog_close(&place->syslog);
  if (place->kind != STDERR) free(place);
}

static uint64_t count_lines(const char *text, size_t len) {
  uint64_t lines = 0;
  for (const char *at = text, *end = text + len; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
    lines++;
  return lines;
}

/* The log's own lines do not take the way through the pipe, whose end tern_log_stop may be closing. They are not
 * counted when they are lost. */
__attribute__((format(printf, 2, 3))) static void write_own(enum tern_log_level level, const char *format,
                                                            ...) {
  char line[TERN__LOG_LINE_BYTES];
  struct place *place = state.place;
  size_t written;
  va_list args;
  va_start(args, format);
  size_t len = tern__log_line(line, style(), level, &(struct tern_log_about){.event = "log"}, format, args);
  va_end(args);
  if (place->kind == FILE_PATH)
    tern__log_file_write(&place->file, line, len, &written);
  else if (place->kind == SYSLOG)
    tern__log_syslog_send(&place->syslog, line, len - 1);
  else if (write(STDERR_FILENO, line, len) < 0)
    return;
}

/* On standard error, once for an outage: whom the log cannot tell. */
static void complain(int error) {
  static const char *const places[] = {"standard error", "the log file", "the syslog"};
  if (state.place->kind == STDERR) return;
  dprintf(STDERR_FILENO,
          "tern: cannot write to %s: %s; lines are dropped and counted, and each batch tries again%s\n",
          places[state.place->kind], strerror(-error),
          error == -ENOSPC ? "; free some space on its disk" : "");
}

/* Notes how a batch went: `lines` were lost for that reason. */
static void settle(int error, uint64_t lines) {
  struct place *place = state.place;
  int before = place->failing;
  if (error != 0) count_dropped(lines);
  place->failing = error;
  if (error != 0 && before == 0) complain(error);
  uint64_t dropped = tern_log_dropped();
  if (error != 0 || dropped == state.reported) return;
  write_own(TERN_LOG_WARN, "%llu log lines dropped: %s", (unsigned long long)(dropped - state.reported),
            before != 0 ? strerror(-before) : "the log could not keep up");
  state.reported = dropped;
}

static void rotate(struct tern__log_file *file) {
  char backup[PATH_MAX];
  int error = tern__log_file_rotate(file, backup, sizeof backup);
  if (error == 0)
    write_own(TERN_LOG_INFO, "Rotated log, backup saved as \"%s\"", backup);
  else
    write_own(TERN_LOG_ERROR, "cannot rotate log file %s: %s; it will be tried again at %llu bytes",
              file->path, strerror(-error), (unsigned long long)file->next_at);
}

/* Lines up to the one that makes the file too large, then the others into the next file. */
static void write_file(struct tern__log_file *file, const char *lines, size_t len) {
  while (len > 0) {
    size_t part = len, written;
    if (file->limit != 0 && file->size + len > file->next_at) {
      size_t fit = file->next_at > file->size ? (size_t)(file->next_at - file->size) : 0;
      part = (size_t)((char *)memchr(lines + fit, '\n', len - fit) + 1 - lines); /* len ends with one */
    }
    int error = tern__log_file_write(file, lines, part, &written);
    settle(error, count_lines(lines + written, len - written));
    if (error != 0) return;
    lines += part;
    len -= part;
    if (tern__log_file_is_full(file)) rotate(file);
  }
}

static void write_syslog(struct tern__log_syslog *syslog, const char *lines, size_t len) {
  for (const char *end = lines + len, *next; lines < end; lines = next) {
    next = (const char *)memchr(lines, '\n', (size_t)(end - lines)) + 1;
    settle(tern__log_syslog_send(syslog, lines, (size_t)(next - 1 - lines)), 1);
  }
}

static void write_stderr(const char *lines, size_t len) {
  int error = 0;
  while (len > 0 && error == 0) {
    ssize_t n = write(STDERR_FILENO, lines, len);
    if (n < 0 && errno != EINTR) error = -errno;
    if (n > 0) lines += n, len -= (size_t)n;
  }
  settle(error, count_lines(lines, len));
}

static void write_lines(const char *lines, size_t len) {
  if (state.place->kind == FILE_PATH)
    write_file(&state.place->file, lines, len);
  else if (state.place->kind == SYSLOG)
    write_syslog(&state.place->syslog, lines, len);
  else
    write_stderr(lines, len);
}

/* ---- the thread ---- */

static void change_if_asked(void) {
  /* acq_rel: acquire pairs with the release in tern_log_reconfigure, so that the place is seen whole */
  struct place *next = atomic_exchange_explicit(&state.next, NULL, memory_order_acq_rel);
  if (next != NULL) {
    close_place(state.place);
    state.place = next;
  }
}

static void reopen_if_asked(void) {
  /* acq_rel: pairs with the store in tern_log_reopen; taken once per request */
  if (!atomic_exchange_explicit(&state.reopen, false, memory_order_acq_rel)) return;
  if (state.place->kind != FILE_PATH) return;
  struct tern__log_file *file = &state.place->file;
  int error = tern__log_file_reopen(file);
  if (error == 0)
    write_own(TERN_LOG_INFO, "File log re-opened");
  else
    write_own(TERN_LOG_ERROR, "cannot reopen log file %s: %s; still writing to the old one", file->path,
              strerror(-error));
}

static void *log_thread(void *arg) {
  (void)arg;
  char *batch = malloc(BATCH_BYTES);
  char small[TERN__LOG_LINE_BYTES]; /* a line at least fits */
  size_t room = batch != NULL ? BATCH_BYTES : sizeof small, have = 0;
  char *at = batch != NULL ? batch : small;
  for (;;) {
    ssize_t n = read(state.pipe_read, at + have, room - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += (size_t)n;
    change_if_asked();
    reopen_if_asked();
    const char *last = memrchr(at, '\n', have);
    size_t whole = last != NULL ? (size_t)(last + 1 - at) : 0;
    if (whole > 0) write_lines(at, whole);
    have -= whole;
    memmove(at, at + whole, have); /* the rest of the line is in the pipe */
  }
  free(batch);
  return NULL;
}

/* ---- start, change, end ---- */

static void set_style(const struct tern_log_options *options) {
  bool syslog = options->path == NULL && options->syslog != NULL;
  unsigned bits = (options->json ? TERN__LOG_JSON : 0) | (options->timestamps ? TERN__LOG_STAMPS : 0) |
                  (options->utc ? TERN__LOG_UTC : 0) | (options->debug ? TERN__LOG_DEBUG : 0) |
                  (options->trace ? TERN__LOG_TRACE : 0);
  if (syslog) bits |= tern__log_syslog_is_remote(options->syslog) ? TERN__LOG_REMOTE : TERN__LOG_SYSLOG;
  /* relaxed: flags; pairs with style() */
  atomic_store_explicit(&state.style, bits, memory_order_relaxed);
}

static int start_thread(int ends[2]) {
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* a refusal only means a smaller queue */
  int error = fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
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
  return error;
}

int tern_log_start(const struct tern_log_options *options) {
  int ends[2];
  int error = open_place(options, &state.place);
  if (error != 0) return error;
  state.reported = tern_log_dropped();
  error = start_thread(ends);
  if (error != 0) {
    close_place(state.place);
    state.place = &standard_error;
    return error;
  }
  set_style(options);
  /* release: pairs with the acquire in hand_over */
  atomic_store_explicit(&state.pipe_write, ends[1], memory_order_release);
  return 0;
}

int tern_log_reconfigure(const struct tern_log_options *options) {
  struct place *next;
  int error = open_place(options, &next);
  if (error != 0) return error;
  set_style(options);
  /* acq_rel: release pairs with the acquire in change_if_asked; acquire with its own, of a place not yet taken */
  struct place *before = atomic_exchange_explicit(&state.next, next, memory_order_acq_rel);
  if (before != NULL) close_place(before);
  tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "log"}, "Logging to %s",
                 options->path != NULL     ? options->path
                 : options->syslog != NULL ? options->syslog
                                           : "standard error"); /* wakes the thread */
  return 0;
}

void tern_log_stop(void) {
  /* acq_rel: pairs with the acquire in hand_over; later lines go to standard error */
  int fd = atomic_exchange_explicit(&state.pipe_write, -1, memory_order_acq_rel);
  if (fd < 0) return;
  close(fd); /* the thread reads what is left, then end of file */
  pthread_join(state.thread, NULL);
  close(state.pipe_read);
  change_if_asked();
  close_place(state.place);
  state.place = &standard_error;
  /* relaxed: as in set_style; standard error has no syslog's header */
  atomic_fetch_and_explicit(&state.style, ~(unsigned)(TERN__LOG_SYSLOG | TERN__LOG_REMOTE),
                            memory_order_relaxed);
}

void tern_log_reopen(void) {
  /* release: pairs with the exchange in reopen_if_asked */
  atomic_store_explicit(&state.reopen, true, memory_order_release);
  tern_log(TERN_LOG_INFO, "re-opening the log file"); /* wakes the thread */
}
