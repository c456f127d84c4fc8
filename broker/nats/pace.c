/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See pace.h. Who shares a limit shares a place in a tally: connections from one IP address, those of one user; a client
 * without a user has a place for itself. A connection counts by what the limits were when it came or its user was known;
 * those that were there before a limit was set are not counted.
 *
 * A pause is a timer. Rates are in whole messages and bytes a second, and a second's worth may come at once. The one
 * message that exceeds the rate has been taken already, so a pause is as long as the rate takes for one message of each
 * who shares it, at most.
 */
#include "pace.h"

#include <string.h>

#include <tern/log.h>
#include <tern/subject.h>

#include "container.h"
#include "tally.h"

struct nats_pace {
  struct tern_timer timer; /* of a pause */
  struct nats_client *client;
  uint32_t address_place, user_place; /* in the tallies */
};

static uint64_t hash_of(const char *kind, const char *name) {
  return tern_subject_hash(tern_slice_of(name)) ^ tern_subject_hash(tern_slice_of(kind));
}

static bool refuse(struct nats_client *client, struct tern_counter *counter, const char *whose) {
  tern_counter_add(counter, 1);
  tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "connections_exceeded"),
                 "maximum connections exceeded for its %s", whose);
  nats_client_error(client, true, "maximum connections exceeded");
  return false;
}

static void resume(struct nats_client *client) {
  if (client->flow == NATS_PAUSED && !tern_waiter_is_waiting(&client->waiter)) nats_client_go_on(client);
}

static void pause_over(struct tern_timer *timer) {
  resume(container_of(timer, struct nats_pace, timer)->client);
}

/* Clients whom a limit concerns have an object for it, the others have none. NULL: no memory for it. */
static struct nats_pace *pace_of(struct nats_client *client) {
  if (client->pace != NULL) return client->pace;
  struct nats_pace *pace = tern_pool_alloc(tern_loop_pool(client->worker->loop), sizeof *pace);
  if (pace == NULL) { /* better without a limit than without a client */
    tern_log_event(TERN_LOG_ERROR, nats_client_about(client, "no_memory"),
                   "no memory to count it for its address or user");
    return NULL;
  }
  *pace = (struct nats_pace){
      .client = client, .timer.fired = pause_over, .address_place = TALLY_NONE, .user_place = TALLY_NONE};
  client->pace = pace;
  return pace;
}

bool nats_pace_enter(struct nats_client *client) {
  uint32_t max = client->worker->settings->limits.max_connections_per_address;
  const struct tern_peer *peer = tern_transport_peer(client->transport);
  if (max == 0 || strcmp(peer->kind, "tcp") != 0) return true;
  struct nats_pace *pace = pace_of(client);
  if (pace == NULL || pace->address_place != TALLY_NONE) return true; /* counted, and begins again with TLS */
  if (tally_enter(client->worker->server->addresses, hash_of("address", peer->address), max,
                  &pace->address_place))
    return true;
  return refuse(client, &client->worker->stats.refused_by_address, "address");
}

static bool has_rate(const struct nats_client *client) {
  const struct nats_limits *limits = &client->worker->settings->limits;
  return limits->publish_messages != 0 || limits->publish_bytes != 0;
}

/* A rate holds from now on, or does not; then who was paused for it goes on. */
static void set_paced(struct nats_client *client, bool paced) {
  client->paced = paced;
  if (paced || client->pace == NULL || !tern_timer_is_started(&client->pace->timer)) return;
  tern_timer_stop(client->worker->loop, &client->pace->timer);
  resume(client);
}

bool nats_pace_user(struct nats_client *client, const char *user) {
  struct tally *users = client->worker->server->users;
  uint32_t max = user != NULL ? client->worker->settings->limits.max_connections_per_user : 0;
  bool counts = has_rate(client) || max != 0;
  struct nats_pace *pace = counts ? pace_of(client) : client->pace;
  if (pace == NULL) return true;
  tally_leave(users, pace->user_place); /* its own place counts for itself */
  pace->user_place = TALLY_NONE;
  uint64_t key = user != NULL ? hash_of("user", user)
                              : tern_subject_hash((struct tern_slice){(const char *)&client->id, 8});
  if (counts && !tally_enter(users, key, max, &pace->user_place))
    return refuse(client, &client->worker->stats.refused_by_user, "user");
  set_paced(client, has_rate(client) && pace->user_place != TALLY_NONE);
  return true;
}

void nats_pace_changed(struct nats_client *client) {
  bool counted = client->pace != NULL && client->pace->user_place != TALLY_NONE;
  if (has_rate(client) && !counted)
    nats_pace_user(client, NULL);
  else
    set_paced(client, has_rate(client));
}

void nats_pace_charge(struct nats_client *client, size_t bytes) {
  struct nats_worker *worker = client->worker;
  const struct nats_limits *limits = &worker->settings->limits;
  uint64_t now_ns = tern_loop_now_ms(worker->loop) * 1000000u, wait = 0, more;
  if (limits->publish_messages != 0)
    wait = tally_use(worker->server->users, client->pace->user_place, 0, 1, limits->publish_messages, now_ns);
  if (limits->publish_bytes != 0) {
    more =
        tally_use(worker->server->users, client->pace->user_place, 1, bytes, limits->publish_bytes, now_ns);
    if (more > wait) wait = more;
  }
  if (wait == 0 || client->flow != NATS_OPEN) return;
  uint64_t wait_ms = wait / 1000000u + 1;
  client->flow = NATS_PAUSED;
  tern_counter_add(&worker->stats.paced, 1);
  tern_timer_start(worker->loop, &client->pace->timer, wait_ms);
}

void nats_pace_release(struct nats_client *client) { set_paced(client, false); }

void nats_pace_leave(struct nats_client *client) {
  struct nats_server *server = client->worker->server;
  struct nats_pace *pace = client->pace;
  if (pace == NULL) return;
  client->pace = NULL;
  client->paced = false;
  tally_leave(server->addresses, pace->address_place);
  tally_leave(server->users, pace->user_place);
  tern_timer_stop(client->worker->loop, &pace->timer);
  tern_pool_release(tern_loop_pool(client->worker->loop), pace, sizeof *pace);
}
