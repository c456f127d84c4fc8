/* SPDX-License-Identifier: Apache-2.0 */
/** The configuration file as a source of options. Thread: control, before the server starts. */
#ifndef BROKER_OPS_OPTIONS_FILE_H
#define BROKER_OPS_OPTIONS_FILE_H

#include "conf_report.h"
#include "options.h"

/**
 * Reads the file over the options; its tree stays in options->conf. Everything that is wrong with it is reported, each
 * with file, line and column. Returns 0, or -1 when the server should not start with it.
 */
int options_read_file(struct options *options, const char *path, struct conf_report *report);

#endif
