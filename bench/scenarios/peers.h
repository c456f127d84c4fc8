/* SPDX-License-Identifier: Apache-2.0 */
/** Requesters and responders: what request and crowd have in common. See peers.c. */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "bench.h"
#include "request.h"

/** All of a run. Zeroed: none. */
struct peers {
  struct requester *requesters;
  struct responder *responders;
};

/** Adds as many as the options say. windows: when latencies count, kept apart by whether there is a disturbance; NULL:
 * always. Returns false when there is no memory. */
bool peers_add(struct bench *bench, struct peers *peers, const struct windows *windows);
/** After bench_end: adds up what was found. */
void peers_fill(struct bench *bench, struct peers *peers);
void peers_free(const struct options *options, struct peers *peers);
/** Why a server that speaks this cannot have them; NULL: it can. */
const char *peers_lack(const struct dialect *dialect, const struct options *options);

#endif
