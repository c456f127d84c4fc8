/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What somebody in another account is told about a client: the service it asks (`Nats-Request-Info`), and who measures a
 * service (service_latency.h).
 */
#ifndef BROKER_ABOUT_H
#define BROKER_ABOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"

struct about {
  uint64_t source;     /* the connection */
  const char *account; /* it is in; NULL: as the connection knows */
  const char *service; /* the account that passes on what it asks; NULL: its own */
  bool share;          /* everything is told, not only what it takes to measure */
  bool server;         /* the server's name is told anyway */
};

/** Writes it as a JSON object, as nats-server has it. Returns the round trip in nanoseconds, 0: it is not known, or the
 * connection is not of this worker. */
typedef uint64_t about_fn(void *arg, const struct about *about, const char *key, struct json_writer *to);

#endif
