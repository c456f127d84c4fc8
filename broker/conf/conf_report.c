/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines about the configuration, "file:line:column: [warning: ]what", counted and bounded. Where they go is the
 * caller's business: standard error before the server runs, the log when it reads its file again.
 * Thread: whoever reads, mostly control. Never shows more of a value than the caller's format does.
 */
#include "conf_report.h"

#include <stdarg.h>
#include <stdio.h>

static void put(struct conf_report *report, bool warning, const char *text) {
  if (report->line != NULL)
    report->line(report->arg, warning, text);
  else
    fprintf(stderr, "tern: %s\n", text);
}

static void say(struct conf_report *report, const struct conf_node *node, bool warning, const char *format,
                va_list arguments) {
  ++*(warning ? &report->warnings : &report->errors);
  unsigned count = report->errors + report->warnings;
  if (count == CONF_REPORT_MAX + 1) put(report, warning, "there is more, which is not shown");
  if (count > CONF_REPORT_MAX) return;
  char what[PATH_MAX + 1024], place[PATH_MAX + 64] = "", text[sizeof place + sizeof what + 64];
  vsnprintf(what, sizeof what, format, arguments);
  if (node != NULL && node->place.line > 0)
    snprintf(place, sizeof place, "%s:%u:%u: ", node->place.file, node->place.line, node->place.column);
  else if (node != NULL) /* the root: all of the file */
    snprintf(place, sizeof place, "%s: ", node->place.file);
  snprintf(text, sizeof text, "%s%s%s", place, warning ? "warning: " : "", what);
  put(report, warning, text);
}

void conf_wrong(struct conf_report *report, const struct conf_node *node, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say(report, node, false, format, arguments);
  va_end(arguments);
}

void conf_warn(struct conf_report *report, const struct conf_node *node, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say(report, node, true, format, arguments);
  va_end(arguments);
}

void conf_wrong_type(struct conf_report *report, const struct conf_node *node, const char *key,
                     const char *wanted) {
  conf_wrong(report, node, "%s is %s; it must be %s", key, conf_type_name(node->type), wanted);
}

void conf_unknown(struct conf_report *report, const struct conf_node *node, const char *block) {
  if (node->is_variable) return;
  if (block != NULL)
    conf_wrong(report, node, "unknown field \"%.64s\" in the block %s", node->key, block);
  else
    conf_wrong(report, node, "unknown field \"%.64s\"", node->key);
}
