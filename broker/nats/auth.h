/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Who a client is. Where credentials are required a connection begins with a deadline for its CONNECT; what that says is
 * checked (access.h), bcrypt hashes on the hasher's threads while the connection waits, and from then on the client is a
 * user: in the user's account, with the user's permissions.
 *
 *     made --> pending: only CONNECT may come --> (awaiting the hasher) --> client->user
 *                 | anything else, the deadline              | wrong
 *                 +--> -ERR, closed                          +--> -ERR, closed
 *
 * Where some may come without credentials (no_auth_user, known users of other processes), who begins with anything else is
 * that user from then on. Until it has begun, in time, a connection is nobody and takes nobody's place.
 *
 * Without access in the settings, or when it requires nothing, there is nothing of this: client->auth and client->user
 * stay NULL. Thread: the client's worker.
 */
#ifndef BROKER_NATS_AUTH_H
#define BROKER_NATS_AUTH_H

#include "client.h"
#include "nkey.h"

/** What it takes to find out; as long as it is not known who the client is, or the client has a nonce. And to remember it. */
struct nats_auth {
  struct tern_timer deadline;
  struct nats_client *client;
  struct settings *former;          /* those client->user is of, after a reload; NULL: the worker's */
  char nonce[NKEY_NONCE_CHARS + 1]; /* "": none */
  bool pending;  /* it has not begun: CONNECT has to come first, or something else where that may */
  bool began;    /* its first byte has come */
  bool awaiting; /* a password is being compared */
};

/** A new connection, before its INFO. False when there is no memory for it: it has ended. */
bool nats_auth_start(struct nats_client *client);
/** CONNECT may come from now on: the time for it counts. */
void nats_auth_begin(struct nats_client *client);
/** Input has come, and client->auth is there: may it be looked at? False: it has ended the connection. */
bool nats_auth_may_begin(struct nats_client *client, const struct tern_chunk *chunk);
/** The name of the user, or NULL. */
const char *nats_auth_name(const struct nats_client *client);
/** Do credentials matter? */
bool nats_auth_is_asked(const struct nats_client *client);
/** Checks a CONNECT's credentials, which it takes over: nats_connected follows, at once or later, or the end. */
void nats_auth_connect(struct nats_client *client, struct nats_credentials *said);
/** The worker has another access than these settings, the ones before: its clients are matched anew. Those who end keep
 * their user, and the settings it is of, until they are gone: what is told of them afterwards names it. */
void nats_auth_changed(struct nats_worker *worker, struct settings *before);
/** The connection is gone. */
void nats_auth_end(struct nats_client *client);

#endif
