/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INFO. What is the same for everyone is turned into JSON once; each connection adds its own fields behind
 * it. Like all JSON of nats-server, `<`, `>` and `&` are written as escapes.
 *
 * nats_settings_describe runs on the control thread, nats_info_send on the client's worker.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "account.h"
#include "auth.h"
#include "client.h"
#include "clock_ns.h"
#include "tally.h"

/* JSON text with <, > and & as \u00XX (they can only stand inside strings), without the closing brace. */
static char *escape_open(const char *json) {
  size_t len = strlen(json) - 1;
  char *out = malloc(len * 6 + 1);
  if (out == NULL) return NULL;
  char *to = out;
  for (size_t i = 0; i < len; i++) {
    if (strchr("<>&", json[i]) != NULL)
      to += snprintf(to, 7, "\\u%04x", (unsigned)json[i]);
    else
      *to++ = json[i];
  }
  *to = '\0';
  return out;
}

int nats_settings_describe(struct settings *settings, const struct nats_identity *identity) {
  json_t *info = json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:b}", "server_id", identity->server_id,
                           "server_name", identity->server_name, "version", identity->nats_version, "tern",
                           identity->tern_version, "proto", 1, "go", "none (C11)", "host", identity->host,
                           "headers", !settings->limits.no_headers);
  const struct access *access = settings->access;
  const bool lets_in = access == NULL || !access->required ||
                       (access->anybody != NULL && access_may_come(access->anybody, ACCESS_STANDARD));
  if (info != NULL && !lets_in && json_object_set_new(info, "auth_required", json_true()) != 0) {
    json_decref(info);
    return -ENOMEM;
  }
  char *text = info != NULL ? json_dumps(info, JSON_COMPACT) : NULL;
  settings->advertised_port = identity->advertised_port;
  free(settings->info);
  free(settings->server_name);
  settings->info = text != NULL ? escape_open(text) : NULL;
  settings->server_name = strdup(identity->server_name);
  free(text);
  json_decref(info);
  return settings->info != NULL && settings->server_name != NULL ? 0 : -ENOMEM;
}

void nats_server_init(struct nats_server *server, struct settings *settings, uint16_t port) {
  memset(server, 0, sizeof *server);
  server->settings = settings;
  server->wall_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
  atomic_init(&server->next_id, 1);
  atomic_init(&server->connections, 0);
  atomic_init(&server->refuses, 0);
  atomic_init(&server->port, port);
  atomic_init(&server->watch, NULL);
}

void nats_server_refuse(struct nats_server *server, bool connections, bool subscriptions) {
  unsigned refuses =
      (connections ? NATS_REFUSES_CONNECTIONS : 0u) | (subscriptions ? NATS_REFUSES_SUBSCRIPTIONS : 0u);
  /* relaxed: a wish, which workers follow from some moment on */
  atomic_store_explicit(&server->refuses, refuses, memory_order_relaxed);
}

int nats_server_prepare(struct nats_server *server) {
  server->addresses = tally_new();
  server->users = tally_new();
  return server->addresses != NULL && server->users != NULL ? 0 : -ENOMEM;
}

void nats_server_set_port(struct nats_server *server, uint16_t port) {
  /* release: pairs with the acquire in nats_info_send */
  atomic_store_explicit(&server->port, port, memory_order_release);
}

void nats_server_fini(struct nats_server *server) {
  tally_free(server->addresses);
  tally_free(server->users);
  settings_unref(server->settings);
  server->settings = NULL;
}

/* ---- what others are told ---- */

static void put_optional(struct json_writer *to, const char *key, const char *text) {
  if (text != NULL && text[0] != '\0') json_put_string(to, key, text);
}

static void put_place(const struct nats_client *client, struct json_writer *to) {
  const struct tern_peer *peer = tern_transport_peer(client->transport);
  json_put_time(to, "start", client->worker->server->wall_ns + client->start_ms * 1000000);
  if (strcmp(peer->kind, "tcp") == 0) put_optional(to, "host", peer->address);
  json_put_uint(to, "id", client->id);
}

static void put_names(const struct nats_client *client, struct json_writer *to) {
  if (client->user != NULL) put_optional(to, "user", client->user->name);
  put_optional(to, "name", client->options.name);
  put_optional(to, "lang", client->options.lang);
  put_optional(to, "ver", client->options.version);
}

uint64_t nats_describe(void *arg, const struct about *about, const char *key, struct json_writer *to) {
  const struct nats_worker *worker = arg;
  const struct nats_client *client = nats_client_find(arg, about->source);
  if (client != NULL && client->transport == NULL) client = NULL;
  const bool all = about->share && client != NULL;
  const uint64_t rtt_ns = client != NULL ? client->rtt_ns : 0;
  json_put_open(to, key, '{');
  if (all) put_place(client, to);
  put_optional(to, "acc", about->account == NULL && client != NULL ? client->route->name : about->account);
  put_optional(to, "svc", about->service);
  if (all) put_names(client, to);
  if (rtt_ns != 0) json_put_uint(to, "rtt", rtt_ns);
  if (all || about->server) put_optional(to, "server", worker->settings->server_name);
  if (all) {
    json_put_string(to, "kind", "Client");
    json_put_string(to, "client_type", "nats");
  }
  json_put_close(to, '}');
  return rtt_ns;
}

/* ,"connect_info":true,"remote_account":NAME: what only the second INFO says. "" when it is the first, or there is no
 * memory for it. Free it, unless it is one of the constants. */
static const char *format_account(const struct nats_client *client, bool second, char **made) {
  *made = NULL;
  if (!second) return "";
  if (client->user == NULL || client->user->account->number == 0)
    return ",\"connect_info\":true,\"remote_account\":\"" ACCESS_GLOBAL "\"";
  json_t *name = json_string(client->user->account->name);
  char *text = json_dumps(name, JSON_COMPACT | JSON_ENCODE_ANY);
  json_decref(name);
  if (text == NULL || asprintf(made, ",\"connect_info\":true,\"remote_account\":%s", text) < 0) *made = NULL;
  free(text);
  return *made != NULL ? *made : "";
}

static void send_info(struct nats_client *client, bool second, bool leaving) {
  const char *shared = client->worker->settings->info;
  const struct tern_peer *peer = tern_transport_peer(client->transport);
  unsigned port = client->worker->settings->advertised_port;
  /* acquire: pairs with the release in nats_server_set_port */
  if (port == 0) port = atomic_load_explicit(&client->worker->server->port, memory_order_acquire);
  const char *nonce = client->auth != NULL ? client->auth->nonce : "";
  char own[320], *made;
  const char *account = format_account(client, second, &made);
  int len =
      snprintf(own, sizeof own,
               ",\"port\":%u,\"max_payload\":%u,\"client_id\":%llu,\"tern_worker\":%u,\"client_ip\":\"%s\""
               "%s%s%s%s%s} \r\n",
               port, nats_account_max_payload(client), (unsigned long long)client->id,
               tern_worker_index(client->worker->worker), strcmp(peer->kind, "tcp") == 0 ? peer->address : "",
               nats_secure_fields(client), leaving ? ",\"ldm\":true" : "",
               *nonce != '\0' ? ",\"nonce\":\"" : "", nonce, *nonce != '\0' ? "\"" : "");
  struct iovec parts[] = {
      {.iov_base = (char *)(uintptr_t) "INFO ", .iov_len = 5},
      {.iov_base = (char *)(uintptr_t)shared, .iov_len = strlen(shared)},
      {.iov_base = (char *)(uintptr_t)account, .iov_len = strlen(account)},
      {.iov_base = own, .iov_len = (size_t)len},
  };
  nats_client_writev(client, parts, 4);
  free(made);
}

void nats_info_send(struct nats_client *client, bool second) {
  send_info(client, second, client->worker->lame_duck);
}

void nats_info_send_leaving(struct nats_client *client) { send_info(client, false, true); }
