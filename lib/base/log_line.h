/* SPDX-License-Identifier: Apache-2.0 */
/** One line of the log as bytes. Pure but for the clock and the names of process and host. Thread: any. */
#ifndef TERN_BASE_LOG_LINE_H
#define TERN_BASE_LOG_LINE_H

#include <limits.h>
#include <stdarg.h>
#include <stddef.h>

#include <tern/log.h>

/** Longest line, newline included: what the kernel writes to a pipe in one piece. */
#define TERN__LOG_LINE_BYTES PIPE_BUF

/** How a line is to look, and which are wanted: bits. */
enum tern__log_style {
  TERN__LOG_JSON = 1,
  TERN__LOG_STAMPS = 2,
  TERN__LOG_UTC = 4,
  TERN__LOG_DEBUG = 8,
  TERN__LOG_TRACE = 16,
  TERN__LOG_SYSLOG = 32, /* begins with an RFC 3164 header, for a local syslog */
  TERN__LOG_REMOTE = 64, /* or with one of RFC 5424 */
};

/** Writes a line with its newline to TERN__LOG_LINE_BYTES of room; returns its length. A text that is too long is cut. */
size_t tern__log_line(char *line, unsigned style, enum tern_log_level level,
                      const struct tern_log_about *about, const char *format, va_list args)
    __attribute__((format(printf, 5, 0)));

#endif
