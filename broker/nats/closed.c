/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that have ended. Each worker remembers its own, so nobody waits for anybody; monitoring puts them together.
 * Without memory one is not remembered. Runs on the worker.
 */
#include "closed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "conns.h"

#define CAPACITY_MIN 16

static const char *const texts[NATS_REASONS] = {
    [NATS_REASON_NONE] = "",
    [NATS_CLIENT_CLOSED] = "Client Closed",
    [NATS_READ_ERROR] = "Read Error",
    [NATS_WRITE_ERROR] = "Write Error",
    [NATS_PARSE_ERROR] = "Parse Error",
    [NATS_PROTOCOL_VIOLATION] = "Protocol Violation",
    [NATS_STALE_CONNECTION] = "Stale Connection",
    [NATS_SLOW_PENDING] = "Slow Consumer (Pending Bytes)",
    [NATS_SLOW_DEADLINE] = "Slow Consumer (Write Deadline)",
    [NATS_AUTH_TIMEOUT] = "Authentication Timeout",
    [NATS_AUTH_FAILURE] = "Authentication Failure",
    [NATS_AUTH_EXPIRED] = "Authentication Expired",
    [NATS_AUTH_REVOKED] = "Credentials Revoked",
    [NATS_TLS_FAILURE] = "TLS Handshake Failure",
    [NATS_BAD_VERSION] = "Bad Client Protocol Version",
    [NATS_NO_RESPONDERS_HEADERS] = "No Responders Requires Headers",
    [NATS_MAX_CONNECTIONS] = "Maximum Connections Exceeded",
    [NATS_MAX_ACCOUNT_CONNECTIONS] = "Maximum Account Connections Exceeded",
    [NATS_MAX_SUBSCRIPTIONS] = "Maximum Subscriptions Exceeded",
    [NATS_MAX_PAYLOAD] = "Maximum Message Payload Exceeded",
    [NATS_MAX_CONTROL_LINE] = "Maximum Control Line Exceeded",
    [NATS_SERVER_SHUTDOWN] = "Server Shutdown",
    [NATS_KICKED] = "Kicked",
};

static const struct {
  const char *said;
  enum nats_reason reason;
} said[] = {
    {"Stale Connection", NATS_STALE_CONNECTION},
    {"Pending Bytes", NATS_SLOW_PENDING},
    {"Write Deadline", NATS_SLOW_DEADLINE},
    {"max_memory", NATS_SLOW_PENDING},
    {"Authentication Timeout", NATS_AUTH_TIMEOUT},
    {"Authorization Violation", NATS_AUTH_FAILURE},
    {"User Authentication Expired", NATS_AUTH_EXPIRED},
    {"Account Authentication Expired", NATS_AUTH_EXPIRED},
    {"User Authentication Revoked", NATS_AUTH_REVOKED},
    {"Secure Connection - TLS Required", NATS_TLS_FAILURE},
    {"invalid client protocol", NATS_BAD_VERSION},
    {"no responders requires headers support", NATS_NO_RESPONDERS_HEADERS},
    {"maximum connections exceeded", NATS_MAX_CONNECTIONS},
    {"maximum account active connections exceeded", NATS_MAX_ACCOUNT_CONNECTIONS},
    {"maximum subscriptions exceeded", NATS_MAX_SUBSCRIPTIONS},
    {"Maximum Payload Violation", NATS_MAX_PAYLOAD},
    {"maximum control line exceeded", NATS_MAX_CONTROL_LINE},
};

const char *nats_reason_text(enum nats_reason reason) { return texts[reason]; }

enum nats_reason nats_reason_of(const char *text) {
  for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
    if (strcmp(said[i].said, text) == 0) return said[i].reason;
  return NATS_PROTOCOL_VIOLATION;
}

/* Why, when the broker did not want it. */
static enum nats_reason reason_of_error(const struct nats_client *client, int error) {
  if (client->worker->stopping) return NATS_SERVER_SHUTDOWN;
  if (error == 0) return NATS_CLIENT_CLOSED;
  return error == -EPIPE ? NATS_WRITE_ERROR : NATS_READ_ERROR;
}

/* A place in the ring for one more; NULL without memory for the first one. */
static struct nats_conn **place(struct nats_closed *closed, uint32_t max) {
  if (closed->count == closed->capacity && closed->capacity < max) {
    uint32_t capacity = closed->capacity == 0 ? CAPACITY_MIN : closed->capacity * 2;
    if (capacity > max) capacity = max;
    struct nats_conn **ring = calloc(capacity, sizeof(struct nats_conn *));
    if (ring != NULL) {
      for (uint64_t i = closed->added - closed->count; i < closed->added; i++)
        ring[i % capacity] = closed->ring[i % closed->capacity];
      free(closed->ring);
      closed->ring = ring;
      closed->capacity = capacity;
    }
  }
  return closed->capacity > 0 ? &closed->ring[closed->added % closed->capacity] : NULL;
}

/* Without memory the figures of the account lack this one. */
static void add_past(struct nats_closed *closed, const struct nats_client *client) {
  const uint32_t account = route_account_of(client->route->kinds);
  if (account >= closed->past_count) {
    struct nats_past *past = realloc(closed->past, (account + 1) * sizeof *past);
    if (past == NULL) return;
    memset(past + closed->past_count, 0, (account + 1 - closed->past_count) * sizeof *past);
    closed->past = past;
    closed->past_count = account + 1;
  }
  struct nats_past *past = &closed->past[account];
  past->slow_consumers += client->reason == NATS_SLOW_PENDING || client->reason == NATS_SLOW_DEADLINE;
  past->in_msgs += client->in_msgs;
  past->in_bytes += client->in_bytes;
  past->out_msgs += client->out_msgs;
  past->out_bytes += client->out_bytes;
}

void nats_closed_add(struct nats_client *client, int error) {
  nats_client_because(client, reason_of_error(client, error));
  struct nats_closed *closed = &client->worker->closed;
  add_past(closed, client);
  if (client->worker->server->closed_max == 0 || client->transport == NULL) return;
  struct nats_conn *conn = nats_conn_of(client);
  struct nats_conn **at = conn != NULL ? place(closed, client->worker->server->closed_max) : NULL;
  if (at == NULL) {
    free(conn);
    return;
  }
  conn->stop_ms = tern_loop_now_ms(client->worker->loop);
  conn->number = closed->added++;
  uint64_t bytes = conn->size;
  if (closed->count < closed->capacity) {
    closed->count++;
  } else {
    bytes -= (*at)->size;
    free(*at);
  }
  *at = conn;
  tern_counter_add(&client->worker->stats.closed_bytes, bytes);
}

const struct nats_conn *nats_closed_at(const struct nats_closed *closed, uint64_t number) {
  if (number >= closed->added || closed->added - number > closed->count) return NULL;
  return closed->ring[number % closed->capacity];
}

void nats_closed_free(struct nats_closed *closed) {
  for (uint64_t i = closed->added - closed->count; i < closed->added; i++)
    free(closed->ring[i % closed->capacity]);
  free(closed->ring);
  free(closed->past);
  *closed = (struct nats_closed){0};
}
