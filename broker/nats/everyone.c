/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to all clients of a worker, or to some of them that nobody has named: new settings, room for others, the
 * end of the server. Called in the worker's inbox step, so between two operations of any client. What takes long for
 * many clients is done in slices: the control thread calls again.
 */
#include <tern/error.h>
#include <tern/log.h>

#include "account.h"
#include "auth.h"
#include "client.h"
#include "overflow.h"
#include "pace.h"
#include "permit.h"

/* Who has more subscriptions than there may be now is told so and closed, as by nats-server. */
static void end_crowded(struct nats_worker *worker) {
  for (struct nats_client *client = worker->clients; client != NULL; client = client->next)
    if (client->transport != NULL && client->flow != NATS_ENDED &&
        client->sids.count > nats_account_max_subscriptions(client))
      nats_client_error(client, true, "maximum subscriptions exceeded");
}

void nats_worker_set_settings(struct nats_worker *worker, struct settings *settings) {
  struct settings *before = worker->settings;
  const struct nats_limits *limits = &settings->limits;
  nats_permit_forget(worker);
  worker->settings = settings_ref(settings);
  worker->trace = tern_log_enabled(TERN_LOG_TRACE);
  if (limits->max_payload != before->limits.max_payload ||
      limits->max_control_line != before->limits.max_control_line)
    for (struct nats_client *client = worker->clients; client != NULL; client = client->next)
      nats_account_limit(client);
  if (settings->access != before->access) nats_auth_changed(worker, before);
  if (settings->access != before->access || limits->max_subscriptions != before->limits.max_subscriptions)
    end_crowded(worker);
  if (settings->overflow != NULL || before->overflow != NULL)
    for (struct nats_client *client = worker->clients; client != NULL; client = client->next)
      if (client->connected && client->transport != NULL) nats_overflow_adopt(client);
  bool rates = limits->publish_messages != before->limits.publish_messages ||
               limits->publish_bytes != before->limits.publish_bytes;
  for (struct nats_client *client = worker->clients; rates && client != NULL; client = client->next)
    if (client->transport != NULL && client->flow != NATS_ENDED) nats_pace_changed(client);
  settings_unref(before);
}

/* Ids are given out in turn, so that neighbours in the buckets have nothing in common but the time they came. */
unsigned nats_worker_close_some(struct nats_worker *worker, unsigned max, uint64_t random,
                                const char *error) {
  const uint32_t mask = worker->by_id_size - 1;
  unsigned closed = 0;
  for (uint32_t i = 0; i <= mask && closed < max; i++) {
    struct nats_client *next;
    for (struct nats_client *client = worker->by_id[(random + i) & mask]; client != NULL && closed < max;
         client = next) {
      next = client->next_by_id;
      if (client->flow == NATS_ENDED) continue;
      if (error != NULL)
        nats_client_error(client, true, "%s", error);
      else
        nats_client_because(client, NATS_SERVER_SHUTDOWN);
      nats_client_end(client);
      closed++;
    }
  }
  return closed;
}

bool nats_worker_tell_lame_duck(struct nats_worker *worker, uint32_t *at, uint32_t max) {
  worker->lame_duck = true;
  for (uint32_t end = *at + max; *at < worker->by_id_size && *at < end; ++*at) {
    for (struct nats_client *client = worker->by_id[*at]; client != NULL; client = client->next_by_id) {
      if (!client->ponged || client->options.protocol < 1 || client->flow == NATS_ENDED) continue;
      nats_info_send(client, false);
    }
  }
  return *at < worker->by_id_size;
}

uint64_t nats_worker_waiting(const struct nats_worker *worker, uint64_t *most) {
  uint64_t all = 0;
  *most = 0;
  for (const struct nats_client *client = worker->clients; client != NULL; client = client->next) {
    uint64_t pending = client->transport != NULL ? nats_client_pending(client) : 0;
    all += pending;
    if (pending > *most) *most = pending;
  }
  return all;
}

void nats_worker_cut_slowest(struct nats_worker *worker) {
  struct nats_client *slowest = NULL;
  size_t most = 0;
  for (struct nats_client *client = worker->clients; client != NULL; client = client->next) {
    size_t pending = client->transport != NULL ? nats_client_pending(client) : 0;
    if (pending <= most) continue;
    slowest = client;
    most = pending;
  }
  if (slowest == NULL) return;
  tern_counter_add(&worker->stats.cut_by_memory, 1);
  if (slowest->flow == NATS_ENDED) /* its last output waits, as long as the write deadline allows */
    tern_transport_abort(slowest->transport, TERN_ESLOW);
  else
    nats_client_slow(slowest, "max_memory");
}

void nats_worker_stop_reading(struct nats_worker *worker, bool stop) {
  worker->pressed = stop;
  for (struct nats_client *client = worker->clients; client != NULL; client = client->next)
    if (client->transport != NULL) nats_client_set_reading(client);
}
