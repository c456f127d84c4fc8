/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Settings: everything an operator may change while the server runs, as one object that never changes. A reload makes a
 * new one; each worker is handed it, as a whole, between two ticks' work (nats_worker_set_settings), so whatever is done
 * in one call of a protocol is judged by one of them.
 *
 * Made on the control thread. Read by anybody who holds a reference; workers hold one each.
 */
#ifndef BROKER_SETTINGS_H
#define BROKER_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <tern/tls.h>
struct imports;
struct overflow_rules;

/** Limits and times of client connections. */
struct nats_limits {
  uint32_t max_payload;      /* bytes */
  uint32_t max_control_line; /* bytes */
  uint64_t max_pending;      /* bytes */
  uint64_t max_connections;
  uint32_t max_subscriptions;       /* per connection, 0: unlimited */
  uint32_t max_subscription_tokens; /* 0: unlimited */
  uint64_t ping_interval_ms;
  uint32_t ping_max;
  uint64_t write_deadline_ms;
  uint32_t max_traced_msg_len; /* bytes of each message in the trace, 0: all */
  bool trace_headers;          /* only headers of messages */
  bool no_headers;             /* nobody may use headers, whatever CONNECT says */
  uint32_t max_connections_per_address, max_connections_per_user; /* 0: unlimited */
  uint64_t publish_messages, publish_bytes; /* a second, of one user or of a client without; 0: unlimited */
};

struct access;
struct imports;

/** How connections are secured. */
struct tls_settings {
  struct tern_tls *context; /* a reference; NULL: they are not */
  bool allow_plain;         /* those who want no TLS may do without */
  bool verify;              /* clients show a certificate */
  bool map;                 /* and it says who they are */
  bool first;               /* the handshake comes before INFO */
  uint32_t first_wait_ms;   /* for so long; then INFO comes first after all; 0: for ever */
  uint32_t timeout_ms;      /* for the handshake */
  uint32_t rate;            /* connections a second, 0: no limit */
};

struct settings {
  struct nats_limits limits;
  uint16_t advertised_port;        /* in INFO; 0: the one it listens on */
  struct overflow_rules *overflow; /* what happens to slow consumers; NULL: they are disconnected */
  struct tls_settings tls;
  struct access *access; /* who may come in; NULL: everybody, into `$G` */
  char *
      info; /* INFO's JSON up to the fields of one connection, without the closing brace (nats_settings_describe) */
  char *server_name;       /* what others are told of it (about.h) */
  struct imports *imports; /* of accounts, and mappings; NULL: none */
  _Atomic unsigned refs;   /* private */
};

/** Makes settings with these limits and nothing else. The caller holds a reference. NULL without memory. */
struct settings *settings_new(const struct nats_limits *limits);
/** One more reference. Returns the argument. Thread: any that holds one. */
struct settings *settings_ref(struct settings *settings);
/** Gives a reference back; the last one frees. NULL is allowed. Thread: any. */
void settings_unref(struct settings *settings);

#endif
