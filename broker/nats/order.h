/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One client that somebody outside of the workers names by its id: sent away, told to leave, or asked who it is.
 *
 * Thread: any that is no worker. Blocks: for a tick of the workers that are asked.
 */
#ifndef BROKER_NATS_ORDER_H
#define BROKER_NATS_ORDER_H

#include "nats.h"

/** Ends the connection, for the reason NATS_KICKED and without a word. Returns 0, -ENOENT: there is no such client, or
 * TERN_ECLOSED when the workers do not run. */
int nats_order_kick(const struct nats_server *server, struct tern_workers *workers, uint64_t cid);
/** Sends INFO with `ldm`, upon which a client goes elsewhere when it is ready. Returns as above, or -EOPNOTSUPP: the
 * client does not understand that, or not yet. */
int nats_order_leave(const struct nats_server *server, struct tern_workers *workers, uint64_t cid);

struct permissions;
/** Who a client is. */
struct nats_who {
  struct settings *settings;             /* a reference, to be given back: the rest is part of it */
  const char *user;                      /* "": nobody in particular */
  const char *account;                   /* its name, valid as long as the server */
  const struct permissions *permissions; /* NULL: everything is permitted */
};
/** Asks the worker the client is on. Returns 0, -ENOENT or TERN_ECLOSED. */
int nats_order_who(const struct nats_server *server, struct tern_workers *workers, unsigned worker,
                   uint64_t cid, struct nats_who *out);

#endif
