/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See account.h. An account's connections are counted in one number for all workers (route.clients), written when a
 * client comes and goes, never for a message.
 */
#include "account.h"

#include "access.h"

/* The account's limit where it has one that is less, else the server's. */
static uint32_t less(uint32_t server, int64_t account) {
  return account >= 0 && account < (int64_t)server ? (uint32_t)account : server;
}

bool nats_account_enter(struct nats_client *client) {
  const struct access_user *user = client->user;
  /* relaxed: a plain count, which need only be right in the end (pairs with nats_account_leave) */
  uint64_t others = atomic_fetch_add_explicit(client->route->clients, 1, memory_order_relaxed);
  client->counted = true;
  nats_account_limit(client);
  return user == NULL || user->account->max_connections < 0 ||
         others < (uint64_t)user->account->max_connections;
}

void nats_account_leave(struct nats_client *client) {
  if (!client->counted) return;
  client->counted = false;
  /* relaxed: see nats_account_enter, which it pairs with */
  atomic_fetch_sub_explicit(client->route->clients, 1, memory_order_relaxed);
}

bool nats_account_shed(struct nats_client *client) {
  if (!client->counted || client->user == NULL || client->user->account->max_connections < 0) return false;
  const uint64_t max = (uint64_t)client->user->account->max_connections;
  /* relaxed: a plain count, see nats_account_enter; whoever makes it less has taken that place alone */
  uint64_t open = atomic_load_explicit(client->route->clients, memory_order_relaxed);
  while (open > max)
    /* relaxed, both: as above */
    if (atomic_compare_exchange_weak_explicit(client->route->clients, &open, open - 1, memory_order_relaxed,
                                              memory_order_relaxed)) {
      client->counted = false;
      return true;
    }
  return false;
}

void nats_account_limit(struct nats_client *client) {
  const struct nats_limits *limits = &client->worker->settings->limits;
  tern_nats_set_limits(&client->parser, limits->max_control_line, nats_account_max_payload(client));
}

uint32_t nats_account_max_payload(const struct nats_client *client) {
  uint32_t server = client->worker->settings->limits.max_payload;
  return client->user != NULL ? less(server, client->user->account->max_payload) : server;
}

uint32_t nats_account_max_subscriptions(const struct nats_client *client) {
  uint32_t server = client->worker->settings->limits.max_subscriptions;
  if (server == 0) server = UINT32_MAX;
  return client->user != NULL ? less(server, client->user->account->max_subscriptions) : server;
}
