/* SPDX-License-Identifier: Apache-2.0 */
/** What differs between two sets of options, and whether a running server can change to it. Pure. Thread: any. */
#ifndef BROKER_OPS_OPTIONS_DIFF_H
#define BROKER_OPS_OPTIONS_DIFF_H

#include <stdbool.h>

#include "options.h"

/** One difference; valid during the call. Texts are for people, and never have secrets in them. */
struct options_change {
  const char *name; /* the key in the file; in blocks "tls.timeout" (tree_diff.h) */
  const char *before, *after;
  bool live; /* a reload may do it; else that takes a restart */
};

/** Calls for each difference; `each` may be NULL. Returns how many there are. */
unsigned options_diff(const struct options *before, const struct options *after,
                      void (*each)(void *arg, const struct options_change *change), void *arg);

/** Puts the strings and handlers of the older options in the place of those of the newer that are equal to them, and
 * the other way round. */
void options_keep(struct options *newer, struct options *older);

#endif
