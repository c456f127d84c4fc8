/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reload is all or nothing:
 *
 *     file, flags --read again--> options --compare--> changes --every one live?--> apply --> in use
 *                      |                                  |                           |
 *                    error                          one is not                      error
 *                      +--------------- logged, everything stays as it was -----------+
 *
 * Guarantees, of everything that settings (settings.h) say:
 *   R1  An operation of a client, PUB or SUB, is judged by one state of the configuration, the old one or the new one.
 *       Workers change over one after another, each between two operations; so does everything on one worker.
 *   R2  When the reload is logged as done, every worker has changed over.
 *   R3  No message is lost by it, to any client that may stay connected and keep its subscription.
 *
 * What it logs never shows secrets (tree_diff.c).
 */
#include "reload.h"

#include <stdio.h>

#include <tern/error.h>
#include <tern/log.h>

#include "conf_report.h"
#include "options_diff.h"

#define FAILED "Failed to reload server configuration: "

/* The first reason is kept in reason; others may come. */
static void keep_reason(char *reason, const char *text) {
  if (reason[0] == '\0') snprintf(reason, RELOAD_REASON_BYTES, "%s", text);
}

static void log_line(void *arg, bool warning, const char *text) {
  if (!warning) keep_reason(arg, text);
  tern_log_event(warning ? TERN_LOG_WARN : TERN_LOG_ERROR,
                 (struct tern_log_about){.event = warning ? "config_warning" : "reload_failed"},
                 warning ? "%s" : FAILED "%s", text);
}

/* arg: the reason. */
static void log_refused(void *arg, const struct options_change *change) {
  char *reason = arg;
  if (change->live) return;
  if (reason[0] == '\0')
    snprintf(reason, RELOAD_REASON_BYTES, "config reload not supported for %s", change->name);
  tern_log_event(TERN_LOG_ERROR, (struct tern_log_about){.event = "reload_failed"},
                 FAILED "config reload not supported for %s: old=%s, new=%s; restart the server to change it",
                 change->name, change->before, change->after);
}

static void log_done(void *arg, const struct options_change *change) {
  (void)arg;
  tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "setting_changed"}, "Reloaded: %s = %s",
                 change->name, change->after);
}

/* The new ones take the place of the old ones. Of what is equal, strings and handlers, the old ones stay where they are:
 * parts that run refer to them. */
static void replace(struct options *options, struct options *next) {
  struct options old = *options;
  options_keep(next, &old);
  *options = *next;
  options_free(&old);
}

int reload(struct options *options, reload_apply_fn *apply, void *arg, char reason[RELOAD_REASON_BYTES]) {
  struct conf_report report = {.line = log_line, .arg = reason};
  struct options next;
  reason[0] = '\0';
  tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "reload_started"},
                 "Reloading configuration file %s", options->config_file);
  if (options_read_again(options, &next, &report) != 0) {
    keep_reason(reason, "the configuration cannot be read");
    return -1;
  }
  options_diff(options, &next, log_refused, reason);
  const int error = reason[0] == '\0' ? apply(arg, &next) : 0;
  if (error != 0) keep_reason(reason, tern_strerror(error));
  if (reason[0] != '\0') {
    options_free(&next);
    return -1;
  }
  options_diff(options, &next, log_done, NULL);
  replace(options, &next);
  tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "reloaded"},
                 "Reloaded server configuration (%s)", options->config_digest);
  return 0;
}
