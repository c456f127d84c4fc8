/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How long services take: what is known of a request that was sampled while its answer is due, and the report that is
 * published in the account of the service, as nats-server's (`io.nats.server.metric.v1.service_latency`). Thread: any.
 *
 *     requester --rtt/2--> here ----> service ----> here --rtt/2--> requester
 *     start                began      ...           ended
 *                          |---------- took ---------|       service: took without the service's round trip
 *     |--------------------------- total ------------|
 */
#ifndef BROKER_SERVICE_LATENCY_H
#define BROKER_SERVICE_LATENCY_H

#include <tern/buffer.h>

#include "about.h"

struct export;

/** How it ended: the numbers are those of the report. */
enum latency_end {
  LATENCY_ANSWERED = 200,
  LATENCY_NO_REPLY = 400, /* the request does not say where the answer goes */
  LATENCY_LEFT = 408,     /* nobody waits for the answer any more */
  LATENCY_NOBODY = 503,   /* there is nobody who serves */
  LATENCY_TOO_LATE = 504, /* no answer in time */
};

/** A request that was sampled. */
struct latency {
  struct tern_slice subject;   /* where it is reported */
  struct tern_slice requestor; /* JSON: who asks */
  struct tern_slice header;    /* JSON: the headers it was sampled for; empty: none */
  uint64_t rtt_ns;             /* of the requester, 0: not known */
  uint64_t began_ns, wall_ns;  /* when it came here: by the clock that only goes forward, and since 1970 */
  uint64_t took_ns;            /* until it was answered */
  bool waits;                  /* somebody waited for the answer when it came */
};

/** Has the request been sampled? header: NULL-terminated JSON of the headers that decided it, if some did; headers: the
 * request's block, or empty; draw: a random number below 100. */
bool latency_is_sampled(const struct export *export, struct tern_slice headers, uint64_t draw,
                        struct json_writer *header);
/** Notes that the request is here now. */
void latency_begin(struct latency *latency);
/** Notes that it was answered. */
void latency_end(struct latency *latency);
/**
 * Writes the report.
 * @param describe writes who has answered; NULL: it is not known
 * @param arg, responder handed to describe
 */
void latency_write(const struct latency *latency, enum latency_end end, about_fn *describe, void *arg,
                   const struct about *responder, struct json_writer *to);

#endif
