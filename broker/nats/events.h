/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Connections that come, go or are refused, told to somebody outside of the workers who makes messages of it in one
 * account (`$SYS.ACCOUNT.<account>.CONNECT` ...):
 *
 *     worker: event, if anybody there subscribes to it --note--> whoever watches
 *
 * Connections of `$G` are no events, as in nats-server; refused ones are. While nobody watches, an event costs one load.
 * Thread: the client's worker, unless it says otherwise.
 */
#ifndef BROKER_NATS_EVENTS_H
#define BROKER_NATS_EVENTS_H

#include "conns.h"
#include "nats.h"

enum nats_event_kind {
  NATS_EVENT_CONNECT,    /* CONNECT was accepted */
  NATS_EVENT_DISCONNECT, /* the connection is gone */
  NATS_EVENT_REFUSED,    /* its credentials are not right */
};

struct nats_event {
  enum nats_event_kind kind;
  uint32_t account; /* the connection's */
  uint64_t at_ms;   /* when, by the loop's clock */
  bool counts;      /* somebody wants to know how many connections the account has now */
  /** Whose, for the receiver to free; NULL: nobody wants to know, or there was no memory. */
  struct nats_conn *conn;
};

/** Who watches; must not change or go while it is set. */
struct nats_watch {
  uint32_t account;    /* who subscribes to events is in it */
  const char *refused; /* the subject of NATS_EVENT_REFUSED */
  /** Takes an event. Must not block. Thread: any worker, several at once. */
  void (*note)(void *arg, const struct nats_event *event);
  void *arg;
};

/** Longest subject of an event; of an account with a name longer than that there are none. */
#define NATS_EVENT_SUBJECT_MAX 512

/** From now on this one watches (NULL: nobody). The one before may be told something until the workers have been
 * synchronized (tern_workers_synchronize). Thread: control. */
void nats_server_watch(struct nats_server *server, const struct nats_watch *watch);

/** The client's first CONNECT is accepted. */
void nats_event_connected(struct nats_client *client);
/** It is gone, for its reason; it still has its transport, or there is no event. */
void nats_event_lost(struct nats_client *client);
/** Its credentials were refused. user: what it calls itself, or "". */
void nats_event_refused(struct nats_client *client, const char *user);

#endif
