/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What readers of the configuration have to say about it: each line names the place it is about. Whoever reads a block
 * is handed a report, goes on after errors, and so says everything that is wrong at once.
 */
#ifndef BROKER_CONF_CONF_REPORT_H
#define BROKER_CONF_CONF_REPORT_H

#include "conf.h"

/** So many lines are shown; that there are more is said. */
#define CONF_REPORT_MAX 20

struct conf_report {
  /** Takes one line, without its end; NULL: it goes to standard error, behind "tern: ". */
  void (*line)(void *arg, bool warning, const char *text);
  void *arg;
  unsigned errors, warnings; /* so far */
};

/** Something is wrong at the node's place (NULL: not at one place); what was read must not be used. */
void conf_wrong(struct conf_report *report, const struct conf_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** Something at the node's place is not what was meant, probably. */
void conf_warn(struct conf_report *report, const struct conf_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** conf_wrong: the key is of another type than it must be; `wanted` is like "a string in quotes". */
void conf_wrong_type(struct conf_report *report, const struct conf_node *node, const char *key,
                     const char *wanted);
/** conf_wrong: the key is not known in this block, unless it is there to be referred to ($name). */
void conf_unknown(struct conf_report *report, const struct conf_node *node, const char *block);

#endif
