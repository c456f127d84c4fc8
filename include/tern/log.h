/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The log: nats-server's line format or JSON, written by a thread of its own so that nobody waits for a disk.
 *
 * A line is formatted by the caller and handed over through a pipe in one non-blocking write; when the
 * writer cannot keep up, lines are dropped and counted, and the count is logged. Lines longer than 4 KiB
 * are cut. Before tern_log_start lines go straight to standard error. Whatever bytes a text holds, a line is one
 * line: control characters and what is not UTF-8 are escaped.
 */
#ifndef TERN_LOG_H
#define TERN_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/export.h>

/** Severities, in the order of the tags FTL ERR WRN INF DBG TRC. */
enum tern_log_level {
  TERN_LOG_FATAL, /**< the process is about to end */
  TERN_LOG_ERROR, /**< something failed that an operator must know of */
  TERN_LOG_WARN,  /**< something is not as intended but goes on */
  TERN_LOG_INFO,  /**< normal life */
  TERN_LOG_DEBUG, /**< for those who look for a fault */
  TERN_LOG_TRACE, /**< protocol traffic */
};

/** How and where to log; all zero: text without time on standard error. */
struct tern_log_options {
  const char *path;    /**< file to append to; NULL: see syslog */
  const char *syslog;  /**< udp://HOST:PORT (RFC 5424), or the path of a local socket (RFC 3164), often
                            TERN_LOG_SYSLOG; NULL: standard error */
  uint64_t size_limit; /**< bytes at which the file gets another name and a new one is begun; 0: never */
  uint32_t files_max;  /**< files kept, the current one included; older ones are removed; 0: all */
  bool json;           /**< one JSON object a line, with the time in UTC, instead of text */
  bool timestamps;     /**< text: put date and time in front of each line */
  bool utc;            /**< text: timestamps in UTC instead of local time */
  bool debug;          /**< log TERN_LOG_DEBUG too */
  bool trace;          /**< log TERN_LOG_TRACE too */
};

/** Where the local syslog listens on almost every system. */
#define TERN_LOG_SYSLOG "/dev/log"

/** What a line is about: fields of their own in JSON, in front of a text. All zero: nothing. */
struct tern_log_about {
  const char *event; /**< a name that stays the same when the text does not: client_connected; only in JSON */
  const char *ip;    /**< the client's address; NULL: not about a client */
  uint64_t cid;      /**< its number */
  uint16_t port;     /**< its port */
};

/**
 * Starts the log thread.
 * @param options how; copied
 * @return 0, or -errno when the file cannot be opened, the name of a remote syslog is unknown (-EHOSTUNREACH), or the
 * thread not started. A syslog that does not listen yet is no error.
 *
 * Thread: the one that starts the program, before others log. Blocks: while a name is looked up.
 */
TERN_API int tern_log_start(const struct tern_log_options *options);
/**
 * Changes everything about a log that was started; lines logged before may still come out the new way.
 * @param options how; copied
 * @return 0, or an error as of tern_log_start; then nothing has changed
 *
 * Thread: as tern_log_start. Blocks: while a name is looked up.
 */
TERN_API int tern_log_reconfigure(const struct tern_log_options *options);
/** Writes out what is queued, stops the thread, closes the file. Thread: as tern_log_start. */
TERN_API void tern_log_stop(void);
/** Closes and opens the log file again (after rotation). Thread: any. Errors: logged. */
TERN_API void tern_log_reopen(void);
/** True when lines of this level are wanted; ask before preparing an expensive line. Thread: any. */
TERN_API bool tern_log_enabled(enum tern_log_level level);
/** Logs one line (no newline needed). Thread: any. Blocks: no. */
TERN_API void tern_log(enum tern_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Logs one line that is about something. Thread: any. Blocks: no. */
TERN_API void tern_log_event(enum tern_log_level level, struct tern_log_about about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** Lines dropped so far because the writer could not keep up, or could not write. Thread: any. */
TERN_API uint64_t tern_log_dropped(void);

#endif
