/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a connection is permitted, and how it is told when something is not. Those without permissions of their own
 * (client->permissions is NULL) may do everything; none of these functions need be called for them.
 *
 * Thread: the client's worker.
 */
#ifndef BROKER_NATS_PERMIT_H
#define BROKER_NATS_PERMIT_H

#include "client.h"
#include "permissions.h"

/**
 * From now on these permissions hold (NULL: everything is permitted): after a CONNECT, or a reload. Subscriptions that
 * are not permitted any more end, each with an -ERR; requests from before can be answered as long as they could, unless
 * that is on other terms now. They must stay as they are until others are set, or the client is gone.
 */
void nats_permissions_changed(struct nats_client *client, const struct permissions *permissions);
/** Verdicts kept so far count no more: must be called before the first client gets new permissions in the place of old
 * ones that are about to be freed. */
void nats_permit_forget(struct nats_worker *worker);
/** Frees what the client holds. */
void nats_permit_fini(struct nats_client *client);

/** May it publish there? The use of an answer counts. */
bool nats_permit_publish(struct nats_client *client, struct tern_slice subject);
/** The same for any number of messages: answers are not looked at. The hash is that of tern_subject_hash. */
bool nats_permit_publish_all(const struct nats_client *client, struct tern_slice subject, uint64_t hash);
/** May this subscription have the message? */
bool nats_permit_delivery(const struct nats_client *client, const struct tern_message *m,
                          struct tern_slice group);
/** The client has been sent a request: it may answer it, if its permissions say so. */
void nats_permit_answer(struct nats_client *client, struct tern_slice reply);

/** -ERR 'Permissions Violation for <what> "<name>"<rest>'; the connection stays. */
void nats_violation(struct nats_client *client, const char *what, struct tern_slice name, const char *rest);
/** The same with one more name: ...<before>"<second>"<after>. */
void nats_violation_of_two(struct nats_client *client, const char *what, struct tern_slice name,
                           const char *before, struct tern_slice second, const char *after);

#endif
