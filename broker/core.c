/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each worker's part of the broker: its route through the registry and its NATS clients, made when the worker
 * starts and freed when nothing is left on it. The callbacks run on the workers; the rest on the control
 * thread.
 */
#include "core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "route.h"

/* What hangs on a worker's loop. The route comes first: route_current relies on it. */
struct worker_parts {
  struct route route;
  struct nats_worker *nats;
};

static int worker_started(void *arg, struct tern_worker *worker, void **data) {
  struct core *core = arg;
  struct worker_parts *parts = calloc(1, sizeof *parts);
  if (parts == NULL) return -ENOMEM;
  int error = route_init(&parts->route, worker, core->registry);
  if (error == 0) {
    error = nats_worker_new(&core->nats, &parts->route, &parts->nats);
    if (error != 0) route_fini(&parts->route);
  }
  if (error != 0) {
    free(parts);
    return error;
  }
  route_on_untaken(&parts->route, nats_untaken, parts->nats);
  *data = parts;
  return 0;
}

static struct worker_parts *parts_of(struct tern_worker *worker) {
  return tern_loop_data(tern_worker_loop(worker));
}

static void worker_record(struct tern_worker *worker, unsigned from, unsigned kind, const void *data,
                          size_t len) {
  route_receive(&parts_of(worker)->route, from, kind, data, len);
}

static void worker_stopping(struct tern_worker *worker) { nats_worker_stop(parts_of(worker)->nats); }

static bool worker_quiet(struct tern_worker *worker) { return nats_worker_is_quiet(parts_of(worker)->nats); }

static void worker_stopped(struct tern_worker *worker) {
  struct worker_parts *parts = parts_of(worker);
  if (parts == NULL) return;
  nats_worker_free(parts->nats);
  route_fini(&parts->route);
  free(parts);
}

int core_init(struct core *core, const struct nats_limits *limits, const struct nats_identity *identity) {
  core->registry = NULL;
  return nats_server_init(&core->nats, limits, identity);
}

void core_worker_options(struct core *core, struct tern_workers_options *options) {
  options->arg = core;
  options->started = worker_started;
  options->record = worker_record;
  options->stopping = worker_stopping;
  options->quiet = worker_quiet;
  options->stopped = worker_stopped;
}

int core_attach(struct core *core, struct tern_workers *workers) {
  core->registry = tern_registry_new(tern_workers_reclaimer(workers));
  return core->registry != NULL ? 0 : -ENOMEM;
}

struct core_figures core_figures(const struct core *core, struct tern_workers *workers) {
  struct core_figures f = {.filters = tern_registry_stats(core->registry).filters};
  for (unsigned i = 0; i < tern_workers_count(workers); i++) {
    const struct nats_stats *nats = nats_worker_stats(core->nats.workers[i]);
    const struct route_stats *route = nats_worker_route_stats(core->nats.workers[i]);
    struct tern_worker_stats worker = tern_worker_stats(tern_workers_at(workers, i));
    f.connections += tern_counter_read(&nats->connections);
    f.total_connections += tern_counter_read(&nats->total_connections);
    f.subscriptions += tern_counter_read(&nats->subscriptions);
    f.in_msgs += tern_counter_read(&nats->in_msgs);
    f.in_bytes += tern_counter_read(&nats->in_bytes);
    f.out_msgs += tern_counter_read(&nats->out_msgs);
    f.out_bytes += tern_counter_read(&nats->out_bytes);
    f.slow_consumers += tern_counter_read(&nats->slow_consumers);
    f.stale_connections += tern_counter_read(&nats->stale_connections);
    f.protocol_errors += tern_counter_read(&nats->protocol_errors);
    f.no_memory += tern_counter_read(&route->no_memory);
    f.rerouted += tern_counter_read(&route->rerouted);
    f.untaken += tern_counter_read(&route->untaken);
    f.overflows += worker.overflows;
    f.retired += worker.retired_objects;
    f.retired_bytes += worker.retired_bytes;
    f.held_back += worker.held_back;
    if (worker.gp_age_ms > f.gp_age_ms) f.gp_age_ms = worker.gp_age_ms;
  }
  return f;
}

void core_fini(struct core *core) {
  if (core->registry != NULL) tern_registry_free(core->registry);
  core->registry = NULL;
  nats_server_fini(&core->nats);
}
