/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See events.h. Whether anybody subscribes is asked of the index that the account of the watcher has on this worker,
 * which knows the subjects of its last matches: without a subscriber an event is a few look-ups, and no memory.
 */
#include "events.h"

#include <stdio.h>

#include "client.h"

void nats_server_watch(struct nats_server *server, const struct nats_watch *watch) {
  /* release: pairs with the acquire in watch_of */
  atomic_store_explicit(&server->watch, watch, memory_order_release);
}

static const struct nats_watch *watch_of(const struct nats_client *client) {
  /* acquire: pairs with the release in nats_server_watch */
  return atomic_load_explicit(&client->worker->server->watch, memory_order_acquire);
}

static bool is_wanted(const struct nats_client *client, const struct nats_watch *watch, const char *subject) {
  return route_is_wanted(client->worker->routes[watch->account], tern_slice_of(subject));
}

/* The same for an event of the client's account; before and after: the subject without its name. */
static bool is_wanted_of(const struct nats_client *client, const struct nats_watch *watch, const char *before,
                         const char *after) {
  char subject[NATS_EVENT_SUBJECT_MAX];
  const int len = snprintf(subject, sizeof subject, "%s%s%s", before, client->route->name, after);
  return len < (int)sizeof subject && is_wanted(client, watch, subject);
}

static void note(const struct nats_client *client, const struct nats_watch *watch,
                 const struct nats_event *event) {
  struct nats_event now = *event;
  now.account = route_account_of(client->route->kinds);
  now.at_ms = tern_loop_now_ms(client->worker->loop);
  if (now.conn != NULL && now.kind != NATS_EVENT_CONNECT) now.conn->stop_ms = now.at_ms;
  if (now.conn != NULL || now.counts) watch->note(watch->arg, &now);
}

static void note_change(const struct nats_client *client, enum nats_event_kind kind, const char *verb) {
  const struct nats_watch *watch = watch_of(client);
  if (watch == NULL || client->transport == NULL || client->route->name == NULL) return;
  if (route_account_of(client->route->kinds) == 0) return;
  struct nats_event event = {.kind = kind};
  event.counts = is_wanted_of(client, watch, "$SYS.ACCOUNT.", ".SERVER.CONNS") ||
                 is_wanted_of(client, watch, "$SYS.SERVER.ACCOUNT.", ".CONNS");
  if (is_wanted_of(client, watch, "$SYS.ACCOUNT.", verb)) event.conn = nats_conn_of(client);
  note(client, watch, &event);
}

void nats_event_connected(struct nats_client *client) { note_change(client, NATS_EVENT_CONNECT, ".CONNECT"); }

void nats_event_lost(struct nats_client *client) {
  if (!client->connected) return; /* nobody was told that it came */
  note_change(client, NATS_EVENT_DISCONNECT, ".DISCONNECT");
}

void nats_event_refused(struct nats_client *client, const char *user) {
  const struct nats_watch *watch = watch_of(client);
  if (watch == NULL || !is_wanted(client, watch, watch->refused)) return;
  const struct nats_event event = {.kind = NATS_EVENT_REFUSED, .conn = nats_conn_named(client, user)};
  note(client, watch, &event);
}
