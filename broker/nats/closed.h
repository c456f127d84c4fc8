/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Why connections end, and what is remembered of them afterwards, for monitoring. Thread: the worker's.
 */
#ifndef BROKER_NATS_CLOSED_H
#define BROKER_NATS_CLOSED_H

#include <stddef.h>
#include <stdint.h>

struct nats_client;
struct nats_conn;

/** nats-server's reasons. */
enum nats_reason {
  NATS_REASON_NONE,
  NATS_CLIENT_CLOSED,
  NATS_READ_ERROR,
  NATS_WRITE_ERROR,
  NATS_PARSE_ERROR,
  NATS_PROTOCOL_VIOLATION,
  NATS_STALE_CONNECTION,
  NATS_SLOW_PENDING,
  NATS_SLOW_DEADLINE,
  NATS_AUTH_TIMEOUT,
  NATS_AUTH_FAILURE,
  NATS_AUTH_EXPIRED,
  NATS_AUTH_REVOKED,
  NATS_TLS_FAILURE,
  NATS_BAD_VERSION,
  NATS_NO_RESPONDERS_HEADERS,
  NATS_MAX_CONNECTIONS,
  NATS_MAX_ACCOUNT_CONNECTIONS,
  NATS_MAX_SUBSCRIPTIONS,
  NATS_MAX_PAYLOAD,
  NATS_MAX_CONTROL_LINE,
  NATS_SERVER_SHUTDOWN,
  NATS_KICKED,
  NATS_REASONS,
};

/** The text of a reason. */
const char *nats_reason_text(enum nats_reason reason);
/** The reason that goes with what a client was told (the text of -ERR), or with why it was slow. */
enum nats_reason nats_reason_of(const char *text);

/** What connections of one account have done that have ended. */
struct nats_past {
  uint64_t slow_consumers;
  uint64_t in_msgs, in_bytes, out_msgs, out_bytes;
};

/** What is remembered of connections that have ended: a ring that grows up to its bound, the latest ones. */
struct nats_closed {
  struct nats_conn **ring;
  uint32_t capacity;
  uint32_t count;
  uint64_t added;         /* in all; the number of the next one */
  struct nats_past *past; /* by number of account */
  uint32_t past_count;
};

/** Remembers a connection that has been lost with this error, while it still has its transport. */
void nats_closed_add(struct nats_client *client, int error);
/** The one with this number, 0 being the first ever; NULL: forgotten. */
const struct nats_conn *nats_closed_at(const struct nats_closed *closed, uint64_t number);
/** Forgets all. */
void nats_closed_free(struct nats_closed *closed);

#endif
