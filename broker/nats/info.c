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
  settings->info = text != NULL ? escape_open(text) : NULL;
  free(text);
  json_decref(info);
  return settings->info != NULL ? 0 : -ENOMEM;
}

void nats_server_init(struct nats_server *server, struct settings *settings, uint16_t port) {
  memset(server, 0, sizeof *server);
  server->settings = settings;
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

/* Who a client is; NULL without memory. */
static json_t *describe(const struct nats_client *client) {
  const struct nats_connect *options = &client->options;
  const char *user = client->user != NULL && client->user->name[0] != '\0' ? client->user->name : NULL;
  return json_pack("{s:s, s:I, s:s*, s:s*, s:s*, s:s*, s:s, s:s}", "host",
                   tern_transport_peer(client->transport)->address, "id", (json_int_t)client->id, "user",
                   user, "name", options->name, "lang", options->lang, "ver", options->version, "kind",
                   "Client", "client_type", "nats");
}

size_t nats_describe(void *arg, uint64_t source, bool share, char *text, size_t room) {
  const struct nats_client *client = nats_client_find(arg, source);
  if (client == NULL || client->transport == NULL) return 0;
  json_t *fields = share ? describe(client) : json_object();
  if (client->rtt_ns != 0) json_object_set_new(fields, "rtt", json_integer((json_int_t)client->rtt_ns));
  char *json = fields != NULL && json_object_size(fields) > 0 ? json_dumps(fields, JSON_COMPACT) : NULL;
  size_t len =
      json != NULL ? strlen(json) - 1 : 0; /* without the closing brace, a comma for the opening one */
  json_decref(fields);
  if (len > room) len = 0;
  if (len > 0) {
    memcpy(text, json, len);
    text[0] = ',';
  }
  free(json);
  return len;
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
               ",\"port\":%u,\"max_payload\":%u,\"client_id\":%llu,\"client_ip\":\"%s\"%s%s%s%s%s} \r\n",
               port, nats_account_max_payload(client), (unsigned long long)client->id,
               strcmp(peer->kind, "tcp") == 0 ? peer->address : "", nats_secure_fields(client),
               leaving ? ",\"ldm\":true" : "", *nonce != '\0' ? ",\"nonce\":\"" : "", nonce,
               *nonce != '\0' ? "\"" : "");
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
