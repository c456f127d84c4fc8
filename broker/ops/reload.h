/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Reading the configuration again while the server runs. Thread: control.
 */
#ifndef BROKER_OPS_RELOAD_H
#define BROKER_OPS_RELOAD_H

#include "options.h"

/** Makes the server go by other options, all of them or none. Returns 0, or a negative error and has logged it. */
typedef int reload_apply_fn(void *arg, const struct options *next);

/**
 * Reads the command line and file of the options again and has the result applied, when nothing in it takes a
 * restart; then it is in *options. Returns 0, or -1: the reason is logged, the first one if there are several is in
 * reason, and nothing has changed.
 */
#define RELOAD_REASON_BYTES 512
int reload(struct options *options, reload_apply_fn *apply, void *arg, char reason[RELOAD_REASON_BYTES]);

#endif
