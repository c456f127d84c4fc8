/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Answers that are expected from another account. A request that goes to a service there takes a reply subject with it
 * that is good for this request only; what is published to it comes back under the request's own reply subject:
 *
 *     B: PUB time in.1  --->  A: svc.time, reply _R_.<worker>.<entry>
 *     B: in.1           <---  A: PUB _R_.<worker>.<entry>
 *
 * One table for each worker. In the account of the service the worker that the request entered on subscribes
 * `_R_.<worker>.*`, so that answers find their way there like any message. Thread: the worker's.
 */
#ifndef BROKER_REPLIES_H
#define BROKER_REPLIES_H

#include "route.h"
#include "service_latency.h"

/** Memory of the answers that one account may be waiting for, on each worker; more requests are refused. */
#define REPLIES_MAX_BYTES (16u << 20)
/** How often it is looked whether somebody still waits for the answer to a request that is measured. */
#define REPLIES_LOOK_MS 1000
/** Length of the reply subjects made here. */
#define REPLIES_SUBJECT_LEN 45

struct replies;

/** A request that goes to another account. */
struct replies_request {
  uint32_t from, to;         /* accounts: of the requester, of the service */
  struct tern_slice subject; /* as the requester published it */
  struct tern_slice reply;   /* where it wants the answer */
  uint64_t ms;               /* time for the answer, and between two */
  bool many;                 /* answers until an empty one, instead of one */
  struct latency *latency;   /* it is measured, which is for requests with one answer; NULL: it is not */
};

/** A request that is measured has come to its end. source: who has answered it, 0: nobody, or one from inside. */
typedef void replies_measured_fn(void *arg, const struct replies_request *request, enum latency_end end,
                                 uint64_t source);

/** Makes the table of a worker. NULL without memory. */
struct replies *replies_new(struct tern_worker *worker);
/** Says who is told of requests that are measured. Must come before the first of them. */
void replies_on_measured(struct replies *replies, replies_measured_fn *measured, void *arg);
/** Frees it; nothing must come any more. NULL is allowed. */
void replies_free(struct replies *replies);
/** Says where the routes are now, by number of account, and how many. Returns 0, or -ENOMEM: then it knows no more of
 * them than before. */
int replies_set_routes(struct replies *replies, struct route **routes, uint32_t count);
/** Expects the answer to a request. Writes the reply subject to go with it. Returns 0, TERN_ELIMIT, -ENOMEM,
 * or -EAGAIN when the system has no random bits. */
int replies_expect(struct replies *replies, const struct replies_request *request,
                   char subject[REPLIES_SUBJECT_LEN]);
/** Nobody has the request: no answer is expected any more. One that is measured is told of. */
void replies_forget(struct replies *replies, struct tern_slice subject);
/** The request behind a reply subject made here; NULL: it is none, or no longer expected. Valid until the next call. */
const struct replies_request *replies_find(struct replies *replies, struct tern_slice subject);
/** Answers expected now. */
uint32_t replies_count(const struct replies *replies);

#endif
