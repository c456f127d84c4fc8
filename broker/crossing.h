/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What goes from one account to another. An import is a handler (registry.h) in the account that messages come from, called
 * on the worker where one is published, that publishes it in the other account:
 *
 *     stream    A's ev.x    --handler in A-->   publish a.ev.x in B
 *     service   B's time    --handler in B-->   publish svc.time in A, with who asks in a header and a reply subject for
 *                                               this request only (replies.h)
 *
 * So whoever is in the other account gets it as if it had been published there: order (O1), queue groups and permissions
 * need no care. An account without imports pays nothing. What came by a stream goes no further; requests go through
 * several accounts. A queue group belongs to its account: one of the same name in another account is another group.
 *
 * Services that are measured (service_latency.h) are reported on in their account, by the worker that the answer came
 * from: it knows who has answered.
 */
#ifndef BROKER_CROSSING_H
#define BROKER_CROSSING_H

#include "about.h"
#include "imports.h"
#include "replies.h"
#include "route.h"

struct crossing;

/** One worker's part: the routes, and the answers it expects. */
struct crossings_worker {
  struct route **routes; /* by number of account */
  struct replies *replies;
  bool in_stream; /* what is being published came by a stream */
  about_fn *describe;
  void *describe_arg;
  struct json_writer json;          /* scratch */
  struct crossings_request *passes; /* the request that is being passed on, NULL: none */
  uint32_t origin;                  /* the worker whose record is being looked at, or the own one */
};
/** Begins with a part whose replies are made. Thread: the worker's, as for the next two. */
void crossings_worker_begin(struct crossings_worker *part, struct tern_worker *worker);
/** Publishes a report about a service of this account (a ROUTE_RECORD_REPORT). */
void crossings_receive_report(struct crossings_worker *part, uint32_t account, const void *data);
/** Frees what the crossings have put into it. */
void crossings_worker_fini(struct crossings_worker *part);

/** Thread: control, for all below; `registries` by number of account. */

/** Makes an import between these accounts, whose numbers are given. It must outlive it. NULL without memory. */
struct crossing *crossing_new(const struct import *import, uint32_t importer, uint32_t exporter);
/** Lets messages pass: in the place of `before`, which does the same (NULL: there is none). Returns 0 or -ENOMEM. */
int crossing_open(struct crossing *crossing, struct tern_registry **registries,
                  struct tern_reclaimer *reclaimer, struct crossing *before);
/** Does it listen where the other one does, on behalf of the same account? */
bool crossing_replaces(const struct crossing *crossing, const struct crossing *other);
/** Lets no more pass. Must not be freed before a grace period has passed. */
void crossing_close(struct crossing *crossing, struct tern_registry **registries,
                    struct tern_reclaimer *reclaimer);
/** Frees it. */
void crossing_free(struct crossing *crossing);

#endif
