/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One battery of tests for every kind of transport: what transport.h and protocol.h promise, checked over real
 * sockets, over the in-memory pair with faults, and over the trace wrapper around each.
 */
#ifndef TERN_TESTS_TRANSPORT_BATTERY_H
#define TERN_TESTS_TRANSPORT_BATTERY_H

#include <stdbool.h>
#include <stddef.h>

#include <tern/transport.h>

/** A way to connect two protocols. */
struct battery_kind {
  const char *name;
  const char *peer_kind; /* what tern_peer.kind must say */
  /* Makes a connection on the loop, now or within a few ticks. Returns 0; or an error, then neither end will
   * hear of it any more, or only those that were told connection_made. */
  int (*connect)(const struct battery_kind *kind, struct tern_loop *loop, struct tern_protocol *client,
                 struct tern_protocol *server);
  const struct tern_mem_faults *faults; /* for both ends of a mem pair */
  size_t volume;                        /* bytes worth moving in one test */
  bool bounded;                         /* a receiver that does not read blocks the sender */
};

/** The connect functions. */
int battery_connect_tcp(const struct battery_kind *kind, struct tern_loop *loop, struct tern_protocol *client,
                        struct tern_protocol *server);
int battery_connect_tcp6(const struct battery_kind *kind, struct tern_loop *loop,
                         struct tern_protocol *client, struct tern_protocol *server);
int battery_connect_unix(const struct battery_kind *kind, struct tern_loop *loop,
                         struct tern_protocol *client, struct tern_protocol *server);
int battery_connect_mem(const struct battery_kind *kind, struct tern_loop *loop, struct tern_protocol *client,
                        struct tern_protocol *server);

/** Runs all tests for a kind, bare and traced. Returns the number of failures. */
int battery_run(const struct battery_kind *kind);

#endif
