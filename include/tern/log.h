/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The log: nats-server's line format, written by a thread of its own so that nobody waits for a disk.
 *
 * A line is formatted by the caller and handed over through a pipe in one non-blocking write; when the
 * writer cannot keep up, lines are dropped and counted, and the count is logged. Lines longer than 4 KiB
 * are cut. Before tern_log_start lines go straight to standard error.
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

/** How and where to log. */
struct tern_log_options {
  const char *path; /**< file to append to, or NULL for standard error */
  bool timestamps;  /**< put date and time in front of each line */
  bool utc;         /**< timestamps in UTC instead of local time */
  bool debug;       /**< log TERN_LOG_DEBUG too */
  bool trace;       /**< log TERN_LOG_TRACE too */
};

/**
 * Starts the log thread.
 * @param options how; copied
 * @return 0, or -errno when the file cannot be opened or the thread not started
 *
 * Thread: the one that starts the program, before others log.
 */
TERN_API int tern_log_start(const struct tern_log_options *options);
/** Writes out what is queued, stops the thread, closes the file. Thread: as tern_log_start. */
TERN_API void tern_log_stop(void);
/** Closes and opens the log file again (after rotation). Thread: any. Errors: logged. */
TERN_API void tern_log_reopen(void);
/** True when lines of this level are wanted; ask before preparing an expensive line. Thread: any. */
TERN_API bool tern_log_enabled(enum tern_log_level level);
/** Logs one line (no newline needed). Thread: any. Blocks: no. */
TERN_API void tern_log(enum tern_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Lines dropped so far because the writer could not keep up. Thread: any. */
TERN_API uint64_t tern_log_dropped(void);

#endif
