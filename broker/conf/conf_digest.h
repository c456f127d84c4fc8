/* SPDX-License-Identifier: Apache-2.0 */
/** A digest of what a configuration says, to tell whether two are the same. Thread: any. */
#ifndef BROKER_CONF_CONF_DIGEST_H
#define BROKER_CONF_CONF_DIGEST_H

#include "conf.h"

/** "sha256:", 64 hexadecimal digits, and the end of the string. */
#define CONF_DIGEST_BYTES 72

/**
 * How it is written does not count: comments, the order of keys, separators, units of sizes, which file a key is in, whether
 * a value is a variable's. Returns 0 or -ENOMEM.
 */
int conf_digest(const struct conf *conf, char text[CONF_DIGEST_BYTES]);

#endif
