/* SPDX-License-Identifier: Apache-2.0 */
/** What differs between two trees of the configuration, for people. Pure. Thread: any. */
#ifndef BROKER_OPS_TREE_DIFF_H
#define BROKER_OPS_TREE_DIFF_H

#include "conf.h"

/** Differences that are told one by one; what comes after them is one more, "and more". */
#define TREE_DIFF_MAX 100

/** One difference: where ("tls.timeout", "authorization.users[1].password"; counted from 1), and the values there, "" for
 * none. Secrets are not in them. Valid during the call. */
typedef void tree_diff_fn(void *arg, const char *name, const char *before, const char *after);

/** Calls for each difference between two values of the same key, NULL standing for none. A block that is written in another
 * order counts as one. Returns how many there are. */
unsigned tree_diff(const char *key, const struct conf_node *before, const struct conf_node *after,
                   tree_diff_fn *each, void *arg);

#endif
