/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The words of the configuration language: blanks, comments, keys, scalars. conf.c makes the tree of them. The functions
 * move `at`; those that can fail return 0 or a negative error, having set the error of the set of files.
 */
#ifndef BROKER_CONF_CONF_SCAN_H
#define BROKER_CONF_CONF_SCAN_H

#include "conf.h"

/** A place to read from. */
struct conf_scan {
  struct conf *conf; /* memory and error */
  const char *file;
  const char *at, *end;
  const char *line_start;
  unsigned line;
};

/* ---- what conf.c provides ---- */

/** Memory that lives as long as the tree; NULL when there is none or the bound is reached (the error is set). */
void *conf_alloc(struct conf *conf, size_t size);
/** Sets the error; returns -EINVAL. */
int conf_fail(struct conf *conf, struct conf_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- words ---- */

/** Where `at` is. */
struct conf_place scan_place(const struct conf_scan *scan);
/** Checks all of the text: no NUL, well-formed UTF-8. Skips a byte-order mark. */
int scan_check(struct conf_scan *scan);
/** Sets the error: `wanted` was expected at `at`, and something else is there. */
int scan_unexpected(struct conf_scan *scan, const char *wanted);

/** True when `at` is at the end, or at this byte. */
bool scan_is_end(const struct conf_scan *scan);
bool scan_is(const struct conf_scan *scan, char byte);
/** True when `at` is at a blank or at the end of a line. */
bool scan_is_space(const struct conf_scan *scan);
/** Skips blanks; scan_spaces ends of lines, too. */
void scan_blanks(struct conf_scan *scan);
void scan_spaces(struct conf_scan *scan);
/** Skips blanks, ends of lines and comments. True when the end of a line was among them. */
bool scan_gap(struct conf_scan *scan);

/** Reads a key, quoted or bare. */
int scan_key(struct conf_scan *scan, const char **key, bool *quoted);
/** Reads the path of an include, quoted or bare. */
int scan_path(struct conf_scan *scan, const char **path);
/** Reads a scalar into the node; of a reference ($name) the text is the name. */
int scan_scalar(struct conf_scan *scan, struct conf_node *node, bool *reference);

#endif
