/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Connections as others may see them: for monitoring. Workers own their connections, so they are asked, in slices that
 * take a fraction of a millisecond each; between two slices connections come and go, and one that is there all the time
 * is seen exactly once.
 *
 *     nats_conns_find      which connections, and what to sort them by    \  first all of them, briefly, then
 *     nats_conns_describe  everything about those that shall be shown     /  a page of them
 *     nats_conns_subs      subscriptions
 *
 * Thread: any that is no worker. Blocks: for some ticks of the workers. Returns 0, -ENOMEM, or TERN_ECLOSED when the
 * workers do not run.
 */
#ifndef BROKER_NATS_CONNS_H
#define BROKER_NATS_CONNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/buffer.h>
#include <tern/worker.h>

#include "closed.h"

struct nats_server;
struct tern_tls_certificate;

/** One connection, open or closed. Times are the loop's (monotonic), in ms. */
struct nats_conn {
  uint64_t cid;
  uint64_t number; /* of a closed one: see nats_closed_at */
  size_t size;     /* of this, texts included */
  uint64_t start_ms, active_ms;
  uint64_t stop_ms; /* 0: it is open */
  uint64_t rtt_ns;  /* 0: not measured yet */
  uint64_t pending_bytes;
  uint64_t in_msgs, in_bytes, out_msgs, out_bytes;
  uint64_t dropped; /* messages, by its overflow policies */
  uint32_t subscriptions;
  uint16_t port;
  uint8_t reason; /* enum nats_reason */
  /** Texts, in the same block of memory; "" where there is none. */
  const char *ip, *name, *lang, *version, *account, *user;
  const char *tls_version, *tls_cipher; /* constants; NULL: no TLS */
  bool tls_first;                       /* the connection began with the handshake */
  struct tern_tls_certificate *shown;   /* the peer's, of an open one and if they are asked for; or NULL */
};

/** What connections can be sorted by; largest value first where it says so. */
enum nats_conn_sort {
  NATS_BY_CID,
  NATS_BY_START,
  NATS_BY_SUBS,    /* largest first */
  NATS_BY_PENDING, /* likewise, as all that follow */
  NATS_BY_OUT_MSGS,
  NATS_BY_IN_MSGS,
  NATS_BY_OUT_BYTES,
  NATS_BY_IN_BYTES,
  NATS_BY_LAST,
  NATS_BY_IDLE,
  NATS_BY_UPTIME, /* smallest first, unlike the others */
  NATS_BY_STOP,
  NATS_BY_REASON, /* by its text, in order of the alphabet */
  NATS_BY_RTT,
};

/** Which connections are wanted. */
struct nats_conns_query {
  bool open, closed;
  enum nats_conn_sort sort;
  uint64_t cid;               /* 0: any */
  const char *account, *user; /* NULL: any */
};

/** Where a connection is to be found. */
struct nats_conn_key {
  uint64_t cid;
  uint64_t value;  /* what it is sorted by; smaller ones first */
  uint64_t number; /* of a closed one */
  uint32_t worker;
  bool closed;
};

/** Connections that were found, sorted; free(keys). */
struct nats_conn_keys {
  struct nats_conn_key *keys;
  size_t count, room;
  uint64_t total; /* that fit but for the cid */
};

int nats_conns_find(const struct nats_server *server, struct tern_workers *workers,
                    const struct nats_conns_query *query, struct nats_conn_keys *out);

/** Calls each for those that still exist, in order; the connection is valid during the call. certificates: with those the
 * peers have shown. */
int nats_conns_describe(const struct nats_server *server, struct tern_workers *workers,
                        const struct nats_conn_key *keys, size_t count, bool certificates,
                        void (*each)(void *arg, const struct nats_conn *conn), void *arg);

/** What the connections of one account do and have done. */
struct nats_account_figures {
  uint64_t connections, subscriptions, slow_consumers;
  uint64_t in_msgs, in_bytes, out_msgs, out_bytes;
};
/** Figures of accounts by their number, of as many as there is room for. While connections come and go by the thousand,
 * one that ends just then may be missing from one reading. */
int nats_conns_accounts(const struct nats_server *server, struct tern_workers *workers,
                        struct nats_account_figures *out, uint32_t room);

/** One subscription; its texts are valid during the call. */
struct nats_sub_info {
  struct tern_slice subject, group, sid;
  uint64_t cid, msgs, max;
  uint64_t dropped; /* by an overflow policy; msgs are those that waited before, too */
  const char *account;
};
/** Calls each for every subscription of a connection, or, with cid 0, of all connections. each returns false to stop. */
int nats_conns_subs(const struct nats_server *server, struct tern_workers *workers, uint64_t cid,
                    bool (*each)(void *arg, const struct nats_sub_info *sub), void *arg);

/** Describes a client; one block of memory, or NULL. Thread: the client's worker. */
struct nats_conn *nats_conn_of(const struct nats_client *client);
/** The same, under the name the client gives itself. */
struct nats_conn *nats_conn_named(const struct nats_client *client, const char *user);

#endif
