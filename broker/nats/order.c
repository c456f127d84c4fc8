/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See order.h. Nobody but a worker knows its clients, so the workers are asked one after another until one has it.
 * Functions named call_* run on the worker; what they fill belongs to the thread that waits.
 */
#include "order.h"

#include <errno.h>

#include "access.h"
#include "client.h"

struct order {
  const struct nats_server *server;
  uint64_t cid;
  struct nats_who *who; /* of nats_order_who */
  int result;
};

/* NULL: it is not here, or about to end. */
static struct nats_client *find(struct tern_worker *worker, const struct order *order) {
  struct nats_client *client =
      nats_client_find(order->server->workers[tern_worker_index(worker)], order->cid);
  return client != NULL && client->flow != NATS_ENDED ? client : NULL;
}

static void call_kick(struct tern_worker *worker, void *arg) {
  struct order *order = arg;
  struct nats_client *client = find(worker, order);
  if (client == NULL) return;
  nats_client_because(client, NATS_KICKED);
  nats_client_end(client);
  order->result = 0;
}

static void call_leave(struct tern_worker *worker, void *arg) {
  struct order *order = arg;
  struct nats_client *client = find(worker, order);
  if (client == NULL) return;
  const bool understands = client->ponged && client->options.protocol >= 1;
  order->result = understands ? 0 : -EOPNOTSUPP;
  if (understands) nats_info_send_leaving(client);
}

static void call_who(struct tern_worker *worker, void *arg) {
  struct order *order = arg;
  const struct nats_client *client = find(worker, order);
  if (client == NULL) return;
  *order->who =
      (struct nats_who){.settings = settings_ref(client->worker->settings),
                        .user = client->user != NULL ? client->user->name : "",
                        .account = client->route->name != NULL ? client->route->name : ACCESS_GLOBAL,
                        .permissions = client->permissions};
  order->result = 0;
}

static int give(struct order *order, struct tern_workers *workers,
                void (*call)(struct tern_worker *worker, void *arg)) {
  int error = 0;
  order->result = -ENOENT;
  for (unsigned i = 0; i < tern_workers_count(workers) && error == 0 && order->result == -ENOENT; i++)
    error = tern_workers_call(workers, i, call, order);
  return error != 0 ? error : order->result;
}

int nats_order_kick(const struct nats_server *server, struct tern_workers *workers, uint64_t cid) {
  return give(&(struct order){.server = server, .cid = cid}, workers, call_kick);
}

int nats_order_leave(const struct nats_server *server, struct tern_workers *workers, uint64_t cid) {
  return give(&(struct order){.server = server, .cid = cid}, workers, call_leave);
}

int nats_order_who(const struct nats_server *server, struct tern_workers *workers, unsigned worker,
                   uint64_t cid, struct nats_who *out) {
  struct order order = {.server = server, .cid = cid, .who = out, .result = -ENOENT};
  int error = tern_workers_call(workers, worker, call_who, &order);
  return error != 0 ? error : order.result;
}
