/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What one user may publish and subscribe to. Made from a block `permissions { ... }` of the configuration, then never
 * changed, so that any thread may ask.
 *
 * Of each kind there are two lists. An empty list of what is allowed allows everything, unless there are permissions for
 * answers; a list of what is denied takes from that.
 */
#ifndef BROKER_ACCESS_PERMISSIONS_H
#define BROKER_ACCESS_PERMISSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/buffer.h>

/** Bounds of one list; what exceeds one is an error. */
#define PERMISSIONS_TOKENS_MAX  255
#define PERMISSIONS_ENTRIES_MAX 65536

struct conf_node;
struct conf_report;
struct permissions;

/** allow_responses: whoever receives a request may answer it, whatever else it may publish. */
struct permissions_answers {
  uint64_t max;        /* answers to each request; UINT64_MAX: any number */
  uint64_t expires_ms; /* for so long; UINT64_MAX: forever */
};

/** Reads a block. Returns 0, -EINVAL when something was reported, or -ENOMEM. */
int permissions_read(const struct conf_node *block, struct conf_report *report, struct permissions **out);
/** Frees it. NULL is allowed. */
void permissions_free(struct permissions *permissions);

/** May it publish to the subject? */
bool permissions_may_publish(const struct permissions *permissions, struct tern_slice subject);
/** May it publish to everything? */
bool permissions_may_publish_all(const struct permissions *permissions);
/** May it subscribe to the filter, as a member of the queue group unless that is empty? Wildcards of the filter are
 * matched as if they were tokens: who may have `a.*` may also have `a.>`, and gets what comes there; who may not have
 * `a.b` may have `a.*`, without `a.b`. */
bool permissions_may_subscribe(const struct permissions *permissions, struct tern_slice filter,
                               struct tern_slice queue);
/** Can a subscription that is allowed match what is denied, so that each message has to be asked for? */
bool permissions_needs_filter(const struct permissions *permissions, struct tern_slice filter,
                              struct tern_slice queue);
/** Then: may the subscription get a message to the subject? */
bool permissions_may_receive(const struct permissions *permissions, struct tern_slice subject,
                             struct tern_slice queue);
/** What it may answer beyond what it may publish; NULL: nothing. */
const struct permissions_answers *permissions_answers(const struct permissions *permissions);

/** The lists there are. */
enum permissions_list {
  PERMISSIONS_PUBLISH_ALLOW,
  PERMISSIONS_PUBLISH_DENY,
  PERMISSIONS_SUBSCRIBE_ALLOW,
  PERMISSIONS_SUBSCRIBE_DENY,
};
/** One entry of a list: a subject, for members of a queue group only unless queue is empty. */
typedef void permissions_entry_fn(void *arg, struct tern_slice subject, struct tern_slice queue);
/** Calls each for every entry of a list, in the order of their subjects. */
void permissions_each(const struct permissions *permissions, enum permissions_list which,
                      permissions_entry_fn *each, void *arg);

#endif
