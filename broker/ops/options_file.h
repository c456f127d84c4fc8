/* SPDX-License-Identifier: Apache-2.0 */
/** The configuration file as a source of options. Thread: control, before the server starts. */
#ifndef BROKER_OPS_OPTIONS_FILE_H
#define BROKER_OPS_OPTIONS_FILE_H

#include "options.h"

/**
 * Reads the file over the options. Everything that is wrong with it is said on standard error, each with file, line
 * and column. Returns 0, or -1 when the server should not start with it; counts warnings.
 */
int options_read_file(struct options *options, const char *path, unsigned *warnings);

#endif
