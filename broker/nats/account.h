/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a client's account limits: connections on all workers, subscriptions of each, bytes of a message. The server's
 * own limits hold beside them. Thread: the client's worker.
 */
#ifndef BROKER_NATS_ACCOUNT_H
#define BROKER_NATS_ACCOUNT_H

#include "client.h"

/** The client is in the account of client->user and client->route from now on. False: that is full (the client counts
 * there all the same, until it leaves). */
bool nats_account_enter(struct nats_client *client);
/** It is not any more; nothing happens when it was in none. To be called while client->route is still that account's. */
void nats_account_leave(struct nats_client *client);
/** After another configuration: true when the account has more connections than it may, and this one, which does not count
 * any more, has to go. Of all that are asked, those above the limit are told so, whatever their workers; those of other
 * workers count that have not been asked yet and are about to be closed for something else. */
bool nats_account_shed(struct nats_client *client);
/** Puts the limits of the settings and the account into the client's parser. */
void nats_account_limit(struct nats_client *client);
/** Most bytes of a message, and most subscriptions (UINT32_MAX: any number), for this client. */
uint32_t nats_account_max_payload(const struct nats_client *client);
uint32_t nats_account_max_subscriptions(const struct nats_client *client);

#endif
