/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Limits of one address and one user: how many connections they may have, and how fast they may publish. Who publishes
 * faster is not read for as long as it takes: the publisher is slowed, nothing is dropped, nobody else notices.
 * Thread: the client's worker.
 */
#ifndef BROKER_NATS_PACE_H
#define BROKER_NATS_PACE_H

#include "client.h"

/** A connection with its address's place among others. False: there are too many; it has been told and is ending. */
bool nats_pace_enter(struct nats_client *client);
/** The client's user is known, or another (NULL: nobody): it joins those of the same user. False: there are too many; it
 * has been told and is ending. */
bool nats_pace_user(struct nats_client *client, const char *user);
/** Rates have been set, or taken away. Who has no place yet, because there was no limit before, gets one for itself. */
void nats_pace_changed(struct nats_client *client);
/** It has published a message of so many bytes; it may be paused now. The client must have a rate (client->paced). */
void nats_pace_charge(struct nats_client *client, size_t bytes);
/** The server stops: whoever waits goes on at once, and nobody waits any more. */
void nats_pace_release(struct nats_client *client);
/** The connection is gone. */
void nats_pace_leave(struct nats_client *client);

#endif
