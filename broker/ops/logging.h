/* SPDX-License-Identifier: Apache-2.0 */
/** The log as the options want it. Thread: control. */
#ifndef BROKER_OPS_LOGGING_H
#define BROKER_OPS_LOGGING_H

#include "options.h"

/** Starts the log, or says on standard error why not. Returns 0 or -errno. */
int logging_start(const struct options *options);
/** Changes the log from what these options say to what those say, or logs why not; then it stays as it is. Returns 0 or
 * -errno. */
int logging_change(const struct options *before, const struct options *options);

#endif
