/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Monitoring: the server's figures as pages, with nats-server's names, fields and parameters.
 *
 *     web.c   HTTP: port, paths ----+
 *                                   +--> monitor_make --> one function per page (varz.c, ...) --> JSON
 *     requests by message ----------+
 *
 * What it tells comes from struct monitor_source, which the server fills, and from the protocol's connections (conns.h).
 */
#ifndef BROKER_MONITOR_MONITOR_H
#define BROKER_MONITOR_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "figures.h"
#include "options.h"

struct access;
struct imports;
struct monitor;
struct nats_server;
struct tern_workers;

/** An account, as monitoring sees it. */
struct monitor_account {
  const char *name;
  uint32_t number; /* of its figures */
  bool is_system;
  bool is_unused;                /* nobody can be in it; its number means nothing */
  const struct imports *imports; /* of all accounts, valid while a page is made; NULL: none */
};

/** Where the figures come from; everything is valid as long as the monitor, and constant but for monitor_pause. */
struct monitor_source {
  const struct options *options;
  const char *server_id, *server_name;
  const struct nats_server *nats;
  struct tern_workers *pool;
  /* Called by any thread that is no worker. */
  struct core_figures (*figures)(void *arg);
  /** Of one account, or with NULL of all. Returns 0, or TERN_ECLOSED when the workers do not run. */
  int (*subjects)(void *arg, const char *account, struct core_subjects *out);
  /** Who may come in; NULL: everybody. Valid while a page is made. */
  const struct access *(*access)(void *arg);
  /** The account at this place in their order; false: there are no more. */
  bool (*account)(void *arg, uint32_t index, struct monitor_account *out);
  void *arg;
};

/** The parameters of a page. */
struct monitor_query {
  /** The text of a parameter, NULL: not given. */
  const char *(*parameter)(const void *arg, const char *name);
  const void *arg;
};

/** A page that was made. */
struct monitor_text {
  unsigned status;  /* as HTTP's: 200, 400, ... */
  const char *type; /* Content-Type; constant */
  char *text;       /* malloc'ed and NUL-terminated: the page, or what is wrong. NULL: no memory for it */
  size_t len;
};

/** Makes the monitor. Returns 0 or -ENOMEM. Thread: control, like monitor_free. */
int monitor_new(const struct monitor_source *source, struct monitor **out);
/** Frees it; no page may be in the making. */
void monitor_free(struct monitor *monitor);

/** The number of a page by its path ("/varz"); negative: there is none. */
int monitor_find(const char *path);
/** No page is made from here on until monitor_resume: what the source refers to may change. Thread: control. Blocks:
 * until those in the making are made. */
void monitor_pause(struct monitor *monitor);
void monitor_resume(struct monitor *monitor);
/** Makes a page. Thread: any that is no worker. Blocks: for some ticks of the workers. */
void monitor_make(struct monitor *monitor, int page, const struct monitor_query *query,
                  struct monitor_text *out);
/** Counts a request by HTTP in http_req_stats. Thread: any. */
void monitor_count(struct monitor *monitor, int page);

#endif
