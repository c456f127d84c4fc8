/* SPDX-License-Identifier: Apache-2.0 */
/**
 * NATS clients: the room's face towards the server. One nats_server for the process, one nats_worker for each
 * worker; connections are made by nats_factory and look after themselves.
 */
#ifndef BROKER_NATS_NATS_H
#define BROKER_NATS_NATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <tern/limits.h>
#include <tern/protocol.h>
#include <tern/stats.h>
#include <tern/worker.h>

#include "about.h"
#include "route.h"
#include "settings.h"

struct nats_client;
struct nats_watch;
struct nats_worker;

/** What INFO says about the server. */
struct nats_identity {
  const char *server_id;
  const char *server_name;
  const char *nats_version; /* the nats-server version clients are told */
  const char *tern_version;
  const char *host;         /* as configured or advertised */
  uint16_t advertised_port; /* 0: the one it listens on */
};

/** One for the process. Written by nats_server_init, then constant but for the atomics. */
struct nats_server {
  struct settings *settings; /* the first; later ones reach each worker by nats_worker_set_settings */
  uint32_t
      closed_max; /* connections remembered after their end, by each worker; set before the workers start */
  bool watched;   /* somebody may ask what is published most (busiest.h); set before the workers start */
  struct tally *addresses, *users; /* counts for limits of one address and of one user */
  struct hasher *hasher;           /* compares bcrypt hashes; NULL: there are none, or nobody to do it */
  struct tern_helpers *helpers;    /* do the steps of TLS handshakes; NULL: the workers do */
  uint64_t wall_ns;                /* since 1970, when the loops' clock was 0 */
  struct nats_worker *workers[TERN_WORKERS_MAX];
  /* Written with every connection; the workers above keep them off the cache lines of the limits. */
  _Atomic uint64_t next_id;     /* relaxed fetch_add by workers: only uniqueness matters */
  _Atomic uint64_t secured;     /* relaxed: handshakes begun in this second, see secure.c */
  _Atomic uint64_t connections; /* relaxed: open connections, for max_connections */
  struct tern_counter delayed;  /* connections, by connections_per_second; written by the acceptor */
  _Atomic unsigned refuses;     /* relaxed: what is refused for want of memory, NATS_REFUSES_... */
  _Atomic unsigned port;        /* where it listens, for INFO */
  _Atomic(const struct nats_watch *) watch; /* who is told of connections, see events.h; NULL: nobody */
};

/** Figures of one worker's clients. */
struct nats_stats {
  struct tern_counter connections; /* now */
  struct tern_counter total_connections;
  struct tern_counter subscriptions; /* now */
  struct tern_counter in_msgs, in_bytes, out_msgs, out_bytes;
  struct tern_counter refused_by_address, refused_by_user; /* connections, by limits of one address or user */
  struct tern_counter refused_by_server;                   /* connections, by max_connections */
  struct tern_counter refused_by_connection;               /* subscriptions, by max_subscriptions */
  struct tern_counter account_connections, account_subscriptions, account_payload; /* by limits of accounts */
  struct tern_counter refused_by_memory, cut_by_memory; /* what the ceiling for memory has cost */
  struct tern_counter paced;                            /* pauses of those who published too fast */
  struct tern_counter slow_consumers;
  struct tern_counter slow_pending, slow_deadline; /* the same by why: too much waits, or for too long */
  struct tern_counter overflow_dropped;            /* messages, by policies other than to disconnect */
  struct tern_counter stale_connections;
  struct tern_counter protocol_errors;
  struct tern_counter violations;   /* of permissions, by publishes and subscriptions */
  struct tern_counter auth_granted; /* CONNECTs by the right credentials, where some are needed */
  struct tern_counter auth_refused; /* by wrong ones, or none */
  struct tern_counter auth_late;    /* no CONNECT in time */
  struct tern_counter auth_crowded; /* too many bcrypt hashes waiting to be compared */
  struct tern_counter
      forgotten_answers; /* requests that allow_responses let clients answer, until they were too many */
  struct tern_counter tls_handshakes,
      tls_resumed; /* complete; of these, by a ticket of an earlier connection */
  struct tern_counter tls_failed, tls_throttled;   /* handshakes; connections over connection_rate_limit */
  struct tern_counter tls_pending, tls_12, tls_13; /* now: handshakes, connections by version */
  struct tern_counter closed_bytes;                /* now: of connections that are remembered (closed.h) */
  struct tern_counter stalled; /* publishers paused because a worker they publish to is congested */
};

/** Puts what INFO says to everyone into settings that are being made. Returns 0 or -ENOMEM. Thread: control. */
int nats_settings_describe(struct settings *settings, const struct nats_identity *identity);
/** Prepares the part all connections share; takes the reference to the settings over. Thread: control. */
void nats_server_init(struct nats_server *server, struct settings *settings, uint16_t port);
/** Makes what else all workers share. Returns 0 or -ENOMEM. Thread: control. */
int nats_server_prepare(struct nats_server *server);
/** Refuses new connections, new subscriptions, or does not. Thread: control. */
void nats_server_refuse(struct nats_server *server, bool connections, bool subscriptions);
enum { NATS_REFUSES_CONNECTIONS = 1, NATS_REFUSES_SUBSCRIPTIONS = 2 };
/** Sets the port INFO tells, once the system has chosen one. Thread: control. */
void nats_server_set_port(struct nats_server *server, uint16_t port);
/** Frees it. Thread: control, after the workers stopped. */
void nats_server_fini(struct nats_server *server);

/** Makes the part of one worker; routes are the worker's, one for each account, the first one that of `$G`. Returns 0 or
 * -ENOMEM. Thread: the worker's. */
int nats_worker_new(struct nats_server *server, struct tern_worker *worker, struct route **routes,
                    struct nats_worker **out);
/** Says that there are other accounts now; numbers of those in use stay. Thread: the worker's. */
void nats_worker_set_routes(struct nats_worker *worker, struct route **routes);
/** From now on these settings hold here, for all its clients; takes a reference of its own. Thread: the worker's. */
void nats_worker_set_settings(struct nats_worker *worker, struct settings *settings);
/**
 * Closes up to max clients that are open, beginning anywhere; error: the -ERR they get, or NULL for none.
 * Returns how many. Thread: the worker's.
 */
unsigned nats_worker_close_some(struct nats_worker *worker, unsigned max, uint64_t random, const char *error);
/**
 * Lame duck mode: the server is about to end. INFO says so from now on; clients that can take one out of turn are sent
 * it, those of up to max buckets from *at on (0 at first) in one call. True when there are more. Who is added
 * meanwhile may be missed, or told twice. Thread: the worker's.
 */
bool nats_worker_tell_lame_duck(struct nats_worker *worker, uint32_t *at, uint32_t max);
/** Frees it; all its clients must be gone. Thread: the worker's. */
void nats_worker_free(struct nats_worker *worker);
/** Bytes of output that wait for clients; most: for one of them. Thread: the worker's. */
uint64_t nats_worker_waiting(const struct nats_worker *worker, uint64_t *most);
/** Cuts off the client with most output waiting, as a slow consumer. Thread: the worker's. */
void nats_worker_cut_slowest(struct nats_worker *worker);
/** Clients are not read, or are again. Thread: the worker's. */
void nats_worker_stop_reading(struct nats_worker *worker, bool stop);
/** No more input from clients is read; what was read will be handled. Thread: the worker's. */
void nats_worker_stop(struct nats_worker *worker);
/** True when no client has input left that was read. Thread: the worker's. */
bool nats_worker_is_quiet(const struct nats_worker *worker);
/** Figures of its clients, and of its routes. Thread: any. */
const struct nats_stats *nats_worker_stats(const struct nats_worker *worker);
const struct route_stats *nats_worker_route_stats(const struct nats_worker *worker);
/** Sends the 503 for a message that found nobody after all (route_untaken_fn; arg: the nats_worker).
 * Thread: the worker's. */
void nats_untaken(void *arg, uint64_t source, struct tern_slice subject, struct tern_slice reply);

/** Writes what others are told about a client (about_fn; arg: the nats_worker): the account and, if they are known, the
 * round trip and with `share` who it is. Thread: the worker's. */
uint64_t nats_describe(void *arg, const struct about *about, const char *key, struct json_writer *to);

/** Makes the protocol of a new connection (tern_protocol_factory; arg: the nats_server). */
struct tern_protocol *nats_factory(void *arg, struct tern_loop *loop);

#endif
