/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Messages for a client that takes less than it is sent, under a policy other than to disconnect it.
 *
 *     taking its data:  deliver -> transport                               nothing here is used
 *     behind:           deliver -> [ oldest ... newest ] -> transport      when the transport resumes writing
 *                                        '- over the bound: the policy decides what goes
 *
 * Once something waits, everything for the client waits behind it, PONGs too: what a client receives is in order, only
 * with messages left out. All functions: Thread: the client's worker.
 */
#ifndef BROKER_NATS_OVERFLOW_H
#define BROKER_NATS_OVERFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "client.h"

/** What one client has lost and has waiting. */
struct nats_overflow_stats {
  uint64_t waiting_bytes;
  uint64_t dropped; /* messages */
};

/** Finds out which policies hold for the client, from the settings and its CONNECT. Returns 0 or -ENOMEM (then as
 * before). To be called after each CONNECT and when settings have changed. */
int nats_overflow_adopt(struct nats_client *client);
/** Something waits, or would have to: deliver with nats_overflow_deliver. The client must have a policy. */
bool nats_overflow_is_behind(const struct nats_client *client);
/** Takes the first `count` messages of a run, or the one there is. False when none was taken. */
bool nats_overflow_deliver(struct nats_sub *sub, const struct tern_message *m, bool headers, uint64_t count);
/** Puts other output behind what waits. False: nothing waits; send it as usual. */
bool nats_overflow_append(struct nats_client *client, const struct iovec *parts, int count);
/** The transport takes data again. */
void nats_overflow_resume(struct nats_client *client);
/** The connection is about to be closed in order: what waits goes before. */
void nats_overflow_flush(struct nats_client *client);
/** The subscription is no more. */
void nats_overflow_forget(const struct nats_sub *sub);
/** Does the client stay connected however long it takes nothing? (It must still answer PINGs.) */
bool nats_overflow_is_patient(const struct nats_client *client);
/** Messages of this subscription that were dropped. */
uint64_t nats_overflow_dropped(const struct nats_sub *sub);
/** Figures of one client; zero without a policy. */
struct nats_overflow_stats nats_overflow_stats(const struct nats_client *client);
/** Drops and frees everything. */
void nats_overflow_free(struct nats_client *client);

#endif
