/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the places the log goes to: the first that is given of file, remote syslog, local syslog and standard error,
 * as in nats-server.
 */
#include "logging.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <tern/error.h>
#include <tern/log.h>

static struct tern_log_options translate(const struct options *options) {
  const char *syslog = options->remote_syslog != NULL ? options->remote_syslog
                       : options->syslog              ? TERN_LOG_SYSLOG
                                                      : NULL;
  return (struct tern_log_options){
      .path = options->log_file,
      .syslog = syslog,
      .size_limit = options->log_size_limit,
      .files_max = options->log_max_num,
      .json = options->log_format != NULL && strcmp(options->log_format, "json") == 0,
      .timestamps = options->logtime,
      .utc = options->logtime_utc,
      .debug = options->debug,
      .trace = options->trace,
  };
}

/* What could not be used, why, and what to do about it. */
static void explain(char *text, size_t room, const struct tern_log_options *log, int error) {
  const char *advice = error == -EHOSTUNREACH ? "; check its name and its port"
                       : error == -ENOENT     ? "; create the directory first"
                       : error == -EACCES     ? "; choose a place this user may write to"
                                              : "";
  snprintf(text, room, "cannot open the %s %.1024s: %s%s",
           log->path != NULL     ? "log file"
           : log->syslog != NULL ? "syslog"
                                 : "log",
           log->path != NULL     ? log->path
           : log->syslog != NULL ? log->syslog
                                 : "on standard error",
           tern_strerror(error), advice);
}

int logging_start(const struct options *options) {
  struct tern_log_options log = translate(options);
  char text[1400];
  int error = tern_log_start(&log);
  if (error == 0) return 0;
  explain(text, sizeof text, &log, error);
  fprintf(stderr, "tern: %s\n", text);
  return error;
}

static bool same_text(const char *a, const char *b) {
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same(const struct tern_log_options *a, const struct tern_log_options *b) {
  return same_text(a->path, b->path) && same_text(a->syslog, b->syslog) && a->size_limit == b->size_limit &&
         a->files_max == b->files_max && a->json == b->json && a->timestamps == b->timestamps &&
         a->utc == b->utc && a->debug == b->debug && a->trace == b->trace;
}

int logging_change(const struct options *before, const struct options *options) {
  struct tern_log_options log = translate(options), old = translate(before);
  char text[1400];
  if (same(&log, &old)) return 0;
  int error = tern_log_reconfigure(&log);
  if (error == 0) return 0;
  explain(text, sizeof text, &log, error);
  tern_log(TERN_LOG_ERROR, "%s; logging goes on as before", text);
  return error;
}
