/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The system account: what is asked by message on `$SYS.REQ.>`, and what is told there without being asked.
 *
 *     worker: handler -- copy --> queue (bounded) --> thread: page -- publish --> the worker the request came to
 *     worker: connection --event--> queue (bounded) --> thread: text -- publish, many at once --> the first worker
 *                                                       thread: STATSZ, CONNS, when it is time and somebody listens
 *
 * Events are published in the order in which they were queued. While no user is in the system account there are none, and
 * the thread sleeps until an ordinary account asks about itself (sys_subjects.h).
 */
#ifndef BROKER_MONITOR_SYS_H
#define BROKER_MONITOR_SYS_H

#include <stdint.h>

#include <tern/registry.h>
#include <tern/worker.h>

#include "events.h"
#include "monitor.h"
#include "route.h"
#include "sys_subjects.h"

/** Requests that wait, of the system account and as many of others, reloads that are asked for, and bytes of events that wait; what is above is dropped, and logged. */
#define SYS_WAITING_MAX      256
#define SYS_RELOADS_MAX      64
#define SYS_EVENTS_MAX_BYTES (4u << 20)

/** Times: of the first STATSZ, of which each is twice as late as the one before until it is the longest; of the CONNS of
 * accounts in which nothing changes. */
#define SYS_STATSZ_FIRST_MS   250
#define SYS_STATSZ_LONGEST_MS 10000
#define SYS_CONNS_MS          30000

struct sys;

/** How messages get out; constant. */
struct sys_options {
  struct monitor *monitor;
  struct tern_workers *workers;
  const char *server_id;
  /** Publishes in an account, on a worker. Blocks until done. Returns 0 or a negative error. */
  int (*publish)(void *arg, unsigned worker, uint32_t account, const struct route_inside *messages,
                 size_t count);
  /** Does anybody in an account want what is published there? */
  bool (*is_wanted)(void *arg, uint32_t account, struct tern_slice subject);
  /** Tells this one of connections from now on (nats_server_watch). */
  void (*watch)(void *arg, const struct nats_watch *watch);
  /** Has the control thread reload; it calls sys_reload_begins and sys_reloaded then. Must not block. */
  void (*reload)(void *arg);
  void *arg;
};

/** Makes it; nobody is answered yet. Returns 0 or -ENOMEM. Thread: control, like all here. */
int sys_new(const struct sys_options *options, struct sys **out);
/** From now on events go to the system account (NULL: there is none), and requests are answered there and in the other
 * accounts, and nowhere else. Returns 0 or a negative error: then not in all of them. */
int sys_serve(struct sys *sys, const struct sys_place *system, const struct sys_place *others, size_t count);
/** A reload begins: it is the one that all have asked for who wait for one. */
void sys_reload_begins(struct sys *sys);
/** It is over: they are answered. reason: why it has failed, or NULL. No page may be kept from being made. */
void sys_reloaded(struct sys *sys, const char *reason);
/** Says something of the server to the system account: SHUTDOWN, LAMEDUCK. */
void sys_announce(struct sys *sys, const char *what);
/** Requests, and events, that were dropped so far. */
uint64_t sys_dropped(struct sys *sys);
uint64_t sys_events_dropped(struct sys *sys);
/** Ends it, before the workers end: publishes the events that wait, and SHUTDOWN. NULL is allowed. */
void sys_free(struct sys *sys);

#endif
