/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The subject mappings of an account: what is published to one subject goes to another one instead, or to one of several
 * by weight. Made from the configuration, then never changed. Thread: any.
 */
#ifndef BROKER_ACCESS_MAPPINGS_H
#define BROKER_ACCESS_MAPPINGS_H

#include <stddef.h>
#include <stdint.h>

#include "transform.h"

struct conf_node;
struct conf_report;

struct mappings;

/** Where a part of what is published goes. */
struct mappings_share {
  struct tern_slice subject;
  uint32_t until; /* per cent, of this and those before it */
};

/** A mapping as nats-server tells it: the smallest weight first, and what keeps its subject is a destination, too, unless
 * that is one already. */
struct mappings_entry {
  const char *source;
  const struct mappings_share *shares;
  size_t count;
};

/** Reads a block `mappings`. Returns 0, -EINVAL when something was reported, or -ENOMEM; *out is NULL when there is
 * nothing to map. */
int mappings_read(const struct conf_node *block, struct conf_report *report, struct mappings **out);
/** Frees them. NULL is allowed. */
void mappings_free(struct mappings *mappings);
/**
 * Where a message to the subject goes: the first mapping that matches holds, in the order written.
 * draw: a random number, which decides between destinations.
 * Returns the length of what was written; 0: the subject stays as it is; SIZE_MAX: what it becomes does not fit.
 */
size_t mappings_apply(const struct mappings *mappings, struct tern_slice subject, uint64_t draw, char *to,
                      size_t room);
/** All of them, by their sources. Valid as long as the mappings. */
const struct mappings_entry *mappings_list(const struct mappings *mappings, size_t *count);

#endif
