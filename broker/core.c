/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each worker's part of the broker: its routes, one for each account, and its NATS clients, made when the worker
 * starts and freed when nothing is left on it. The callbacks run on the workers; the rest on the control
 * thread.
 */
#include "core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <tern/loop.h>

#include "access.h"
#include "crossings.h"
#include "hasher.h"
#include "imports.h"
#include "route.h"

/** Clients closed, and buckets of clients told something, on a worker before it does something else. */
#define CLOSE_SLICE 64
#define TELL_SLICE  256

/* What hangs on a worker's loop. The route of `$G` comes first: route_current relies on it. */
struct worker_parts {
  struct route route;
  struct core *core;
  struct route **routes; /* by number of account */
  uint32_t route_count;
  struct route_stats stats;
  struct crossings_worker crossings;
  struct nats_worker *nats;
};

/* The mappings of an account. */
static const struct mappings *mappings_of(const struct core *core, const struct settings *settings,
                                          uint32_t account) {
  return core->names[account] != NULL ? imports_mappings(settings->imports, core->names[account]) : NULL;
}

/* Nobody took a message after all. Was it a request of another account, the requester is told, by the words it has used. */
static void untaken(void *arg, uint64_t source, struct tern_slice subject, struct tern_slice reply) {
  struct worker_parts *parts = arg;
  const struct replies_request *request = replies_find(parts->crossings.replies, reply);
  if (request == NULL) {
    nats_untaken(parts->nats, source, subject, reply);
  } else {
    untaken(arg, source, request->subject, request->reply);
    replies_forget(parts->crossings.replies, reply);
  }
}

/* Makes the route of the next account. */
static int add_route(struct worker_parts *parts, struct tern_worker *worker, struct tern_registry *registry) {
  uint32_t account = parts->route_count;
  struct route **routes = realloc(parts->routes, (account + 1) * sizeof(struct route *));
  if (routes == NULL) return -ENOMEM;
  parts->routes = routes;
  parts->crossings.routes = routes;
  if (parts->nats != NULL) nats_worker_set_routes(parts->nats, routes);
  int error = replies_set_routes(parts->crossings.replies, routes, account + 1);
  if (error != 0) return error;
  struct route *route = account == 0 ? &parts->route : malloc(sizeof *route);
  error = route != NULL ? route_init(route, worker, registry, account, &parts->stats) : -ENOMEM;
  if (error != 0) {
    if (account != 0) free(route);
    return error;
  }
  route->crossings = &parts->crossings;
  route->clients = parts->core->clients[account];
  route->name = parts->core->names[account];
  route->mappings = mappings_of(parts->core, parts->core->nats.settings, account);
  if (parts->nats != NULL) route_on_untaken(route, untaken, parts);
  routes[parts->route_count++] = route;
  return 0;
}

static void drop_route(struct worker_parts *parts) {
  struct route *route = parts->routes[--parts->route_count];
  route_fini(route);
  if (parts->route_count != 0) free(route);
}

static void free_parts(struct worker_parts *parts) {
  nats_worker_free(parts->nats);
  replies_free(parts->crossings.replies);
  while (parts->route_count > 0)
    drop_route(parts);
  free(parts->routes);
  crossings_worker_fini(&parts->crossings);
  free(parts);
}

static int worker_started(void *arg, struct tern_worker *worker, void **data) {
  struct core *core = arg;
  struct worker_parts *parts = calloc(1, sizeof *parts);
  if (parts == NULL) return -ENOMEM;
  parts->core = core;
  parts->crossings.replies = replies_new(worker);
  int error = parts->crossings.replies != NULL ? 0 : -ENOMEM;
  if (error == 0) crossings_worker_begin(&parts->crossings, worker);
  for (uint32_t i = 0; i < core->account_count && error == 0; i++)
    error = add_route(parts, worker, core->registries[i]);
  if (error == 0) error = nats_worker_new(&core->nats, worker, parts->routes, &parts->nats);
  if (error != 0) {
    free_parts(parts);
    return error;
  }
  for (uint32_t i = 0; i < parts->route_count; i++)
    route_on_untaken(parts->routes[i], untaken, parts);
  parts->crossings.describe = nats_describe;
  parts->crossings.describe_arg = parts->nats;
  *data = parts;
  return 0;
}

static struct worker_parts *parts_of(struct tern_worker *worker) {
  return tern_loop_data(tern_worker_loop(worker));
}

static void worker_record(struct tern_worker *worker, unsigned from, unsigned kind, const void *data,
                          size_t len) {
  struct worker_parts *parts = parts_of(worker);
  const uint32_t account = route_account_of(kind);
  struct route *route = parts->routes[account];
  if (kind - route->kinds == ROUTE_RECORD_REPORT) {
    crossings_receive_report(&parts->crossings, account, data);
    return;
  }
  parts->crossings.origin = from;
  route_receive(route, from, kind, data, len);
  parts->crossings.origin = tern_worker_index(worker);
}

static void worker_stopping(struct tern_worker *worker) { nats_worker_stop(parts_of(worker)->nats); }

static bool worker_quiet(struct tern_worker *worker) { return nats_worker_is_quiet(parts_of(worker)->nats); }

static void worker_stopped(struct tern_worker *worker) {
  struct worker_parts *parts = parts_of(worker);
  if (parts != NULL) free_parts(parts);
}

void core_init(struct core *core, struct settings *settings, uint16_t port) {
  memset(core, 0, sizeof *core);
  nats_server_init(&core->nats, settings, port);
}

void core_worker_options(struct core *core, struct tern_workers_options *options) {
  options->arg = core;
  options->started = worker_started;
  options->record = worker_record;
  options->stopping = worker_stopping;
  options->quiet = worker_quiet;
  options->stopped = worker_stopped;
}

/* Makes the registry of the next account. */
static int add_registry(struct core *core, struct tern_workers *workers) {
  size_t size = (core->account_count + 1) * sizeof(struct tern_registry *);
  struct tern_registry **registries = realloc(core->registries, size);
  if (registries == NULL) return -ENOMEM;
  core->registries = registries;
  char **names = realloc(core->names, (core->account_count + 1) * sizeof(char *));
  if (names == NULL) return -ENOMEM;
  core->names = names;
  names[core->account_count] = NULL;
  _Atomic uint64_t **clients = realloc(core->clients, (core->account_count + 1) * sizeof *clients);
  if (clients == NULL) return -ENOMEM;
  core->clients = clients;
  struct tern_registry *registry = tern_registry_new(tern_workers_reclaimer(workers));
  clients[core->account_count] = calloc(1, sizeof **clients);
  if (registry == NULL || clients[core->account_count] == NULL) {
    free(clients[core->account_count]);
    if (registry != NULL) tern_registry_free(registry);
    return -ENOMEM;
  }
  registries[core->account_count++] = registry;
  return 0;
}

int core_attach(struct core *core, struct tern_workers *workers) {
  int error = nats_server_prepare(&core->nats);
  if (error == 0) error = add_registry(core, workers);
  if (error == 0 && (core->names[0] = strdup("$G")) == NULL) error = -ENOMEM;
  return error;
}

/* A route for the account that was added last, on one worker. */
static void call_add_route(struct tern_worker *worker, void *arg) {
  struct worker_parts *parts = parts_of(worker);
  struct core *core = parts->core;
  *(int *)arg = add_route(parts, worker, core->registries[core->account_count - 1]);
}

static void call_drop_route(struct tern_worker *worker, void *arg) {
  (void)arg;
  drop_route(parts_of(worker));
}

int core_add_account(struct core *core, struct tern_workers *workers, bool running, uint32_t *number) {
  int error = add_registry(core, workers);
  if (error != 0) return error;
  unsigned done = 0;
  for (; running && error == 0 && done < tern_workers_count(workers); done++) {
    int called = tern_workers_call(workers, done, call_add_route, &error);
    if (called != 0) error = called;
  }
  if (error != 0) {
    for (done--; done > 0; done--)
      tern_workers_call(workers, done - 1, call_drop_route, NULL);
    tern_registry_free(core->registries[--core->account_count]);
    free(core->names[core->account_count]);
    free(core->clients[core->account_count]);
    return error;
  }
  *number = core->account_count - 1;
  return 0;
}

int core_account(struct core *core, struct tern_workers *workers, bool running, const char *name,
                 uint32_t *number) {
  for (uint32_t i = 0; i < core->account_count; i++) {
    if (core->names[i] == NULL || strcmp(core->names[i], name) != 0) continue;
    *number = i;
    return 0;
  }
  char *copy = strdup(name);
  int error = copy != NULL ? core_add_account(core, workers, running, number) : -ENOMEM;
  if (error == 0)
    core->names[*number] = copy;
  else
    free(copy);
  return error;
}

int core_number_accounts(struct core *core, struct tern_workers *workers, bool running,
                         struct access *access) {
  int error = 0;
  for (size_t i = 1; i < access->account_count && error == 0; i++) {
    struct access_account *account = &access->accounts[i];
    if (!account->unused) error = core_account(core, workers, running, account->name, &account->number);
  }
  return error;
}

static void call_set_settings(struct tern_worker *worker, void *arg) {
  struct worker_parts *parts = parts_of(worker);
  for (uint32_t i = 0; i < parts->route_count; i++) {
    parts->routes[i]->name = parts->core->names[i]; /* an account gets it after its routes */
    parts->routes[i]->mappings = mappings_of(parts->core, arg, i);
  }
  nats_worker_set_settings(parts->nats, arg);
}

int core_set_settings(struct core *core, struct tern_workers *workers, struct settings *settings) {
  int error = 0;
  for (unsigned i = 0; i < tern_workers_count(workers) && error == 0; i++)
    error = tern_workers_call(workers, i, call_set_settings, settings);
  if (error != 0) return error; /* the workers are being stopped */
  settings_unref(core->nats.settings);
  core->nats.settings = settings_ref(settings);
  return 0;
}

int core_set_imports(struct core *core, struct tern_workers *workers, bool running) {
  struct settings *settings = core->nats.settings;
  if (core->crossings == NULL && settings->imports == NULL) return 0;
  size_t count = settings->imports != NULL ? settings->imports->count : 0;
  struct crossings_ends *ends = calloc(count + 1, sizeof *ends);
  int error = ends != NULL ? 0 : -ENOMEM;
  for (size_t i = 0; i < count && error == 0; i++) {
    const struct import *import = &settings->imports->at[i];
    error = core_account(core, workers, running, import->importer, &ends[i].importer);
    if (error == 0) error = core_account(core, workers, running, import->exporter, &ends[i].exporter);
  }
  if (error == 0)
    error = crossings_change(&core->crossings, settings, ends, core->registries, running ? workers : NULL,
                             tern_workers_reclaimer(workers));
  free(ends);
  return error;
}

struct close_call {
  unsigned max, closed;
  uint64_t random;
  const char *error;
};

static void call_close_some(struct tern_worker *worker, void *arg) {
  struct close_call *call = arg;
  call->closed = nats_worker_close_some(parts_of(worker)->nats, call->max, call->random, call->error);
}

/* A worker, the more probably the more connections it has. */
static unsigned pick_worker(const struct core *core, unsigned count, uint64_t random) {
  uint64_t open[TERN_WORKERS_MAX], total = 0;
  for (unsigned i = 0; i < count; i++)
    total += open[i] = tern_counter_read(&nats_worker_stats(core->nats.workers[i])->connections);
  random = total > 0 ? random % total : 0;
  unsigned at = 0;
  while (at + 1 < count && random >= open[at])
    random -= open[at++];
  return at;
}

uint64_t core_close_clients(struct core *core, struct tern_workers *workers, uint64_t count,
                            const char *error) {
  const unsigned all = tern_workers_count(workers);
  uint64_t closed = 0, random[2] = {0};
  unsigned at = 0, empty = 0; /* workers in turn on which nobody was left */
  while (closed < count && empty < all) {
    getrandom(random, sizeof random, 0); /* without it, whoever comes first */
    at = empty > 0 ? (at + 1) % all : pick_worker(core, all, random[0]);
    uint64_t left = count - closed;
    struct close_call call = {
        .max = left < CLOSE_SLICE ? (unsigned)left : CLOSE_SLICE, .random = random[1], .error = error};
    if (tern_workers_call(workers, at, call_close_some, &call) != 0) break;
    closed += call.closed;
    empty = call.closed > 0 ? 0 : empty + 1;
  }
  return closed;
}

void core_shed(struct core *core, struct tern_workers *workers) {
  /* relaxed: a plain count; who comes and goes meanwhile is judged by the new limit (pairs with nats_factory) */
  uint64_t open = atomic_load_explicit(&core->nats.connections, memory_order_relaxed);
  uint64_t max = core->nats.settings->limits.max_connections;
  if (open > max) core_close_clients(core, workers, open - max, "maximum connections exceeded");
}

struct tell_call {
  uint32_t at;
  bool more;
};

static void call_tell(struct tern_worker *worker, void *arg) {
  struct tell_call *call = arg;
  call->more = nats_worker_tell_lame_duck(parts_of(worker)->nats, &call->at, TELL_SLICE);
}

void core_tell_lame_duck(struct tern_workers *workers) {
  for (unsigned i = 0; i < tern_workers_count(workers); i++) {
    struct tell_call call = {.more = true};
    while (call.more && tern_workers_call(workers, i, call_tell, &call) == 0)
      ;
  }
}

struct waiting {
  uint64_t all, most; /* bytes: of all clients of a worker, of the slowest one */
};

static void call_waiting(struct tern_worker *worker, void *arg) {
  struct waiting *waiting = arg;
  waiting->all = nats_worker_waiting(parts_of(worker)->nats, &waiting->most);
}

uint64_t core_waiting(struct tern_workers *workers) {
  uint64_t all = 0;
  for (unsigned i = 0; i < tern_workers_count(workers); i++) {
    struct waiting waiting = {0};
    tern_workers_call(workers, i, call_waiting, &waiting);
    all += waiting.all;
  }
  return all;
}

static void call_cut_slowest(struct tern_worker *worker, void *arg) {
  (void)arg;
  nats_worker_cut_slowest(parts_of(worker)->nats);
}

uint64_t core_cut_slowest(struct tern_workers *workers) {
  uint64_t most = 0;
  unsigned where = 0;
  for (unsigned i = 0; i < tern_workers_count(workers); i++) {
    struct waiting waiting = {0};
    tern_workers_call(workers, i, call_waiting, &waiting);
    if (waiting.most <= most) continue;
    most = waiting.most;
    where = i;
  }
  if (most > 0) tern_workers_call(workers, where, call_cut_slowest, NULL);
  return most;
}

static void call_stop_reading(struct tern_worker *worker, void *arg) {
  nats_worker_stop_reading(parts_of(worker)->nats, *(bool *)arg);
}

void core_shed_memory(struct core *core, struct tern_workers *workers, bool no_connections,
                      bool no_subscriptions, bool no_reading) {
  nats_server_refuse(&core->nats, no_connections, no_subscriptions);
  for (unsigned i = 0; i < tern_workers_count(workers); i++)
    tern_workers_call(workers, i, call_stop_reading, &no_reading);
}

struct core_figures core_figures(const struct core *core, struct tern_workers *workers) {
  struct core_figures f = {0};
  for (uint32_t i = 0; i < core->account_count; i++) {
    const struct tern_registry_stats registry = tern_registry_stats(core->registries[i]);
    f.filters += registry.filters;
    f.nodes += registry.nodes;
    f.registry_bytes += registry.bytes;
  }
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
    f.overflow_dropped += tern_counter_read(&nats->overflow_dropped);
    f.refused_by_address += tern_counter_read(&nats->refused_by_address);
    f.refused_by_user += tern_counter_read(&nats->refused_by_user);
    f.refused_by_memory += tern_counter_read(&nats->refused_by_memory);
    f.cut_by_memory += tern_counter_read(&nats->cut_by_memory);
    f.paced += tern_counter_read(&nats->paced);
    f.stale_connections += tern_counter_read(&nats->stale_connections);
    f.protocol_errors += tern_counter_read(&nats->protocol_errors);
    f.stalled += tern_counter_read(&nats->stalled);
    f.no_memory += tern_counter_read(&route->no_memory);
    f.rerouted += tern_counter_read(&route->rerouted);
    f.untaken += tern_counter_read(&route->untaken);
    f.overflows += worker.overflows;
    f.retired += worker.retired_objects;
    f.retired_bytes += worker.retired_bytes;
    f.held_back += worker.held_back;
    if (worker.gp_age_ms > f.gp_age_ms) f.gp_age_ms = worker.gp_age_ms;
  }
  f.connections_delayed = tern_counter_read(&core->nats.delayed);
  return f;
}

/* One worker's part of core_subjects. */
struct subjects_call {
  uint32_t account;
  struct core_subjects *out;
};

static void call_subjects(struct tern_worker *worker, void *arg) {
  const struct subjects_call *call = arg;
  const struct worker_parts *parts = parts_of(worker);
  struct core_subjects *out = call->out;
  for (uint32_t i = 0; i < parts->route_count; i++) {
    if (call->account != CORE_ALL_ACCOUNTS && call->account != i) continue;
    struct tern_index_stats stats = tern_index_stats(parts->routes[i]->index);
    out->subscriptions += stats.sinks;
    out->inserts += stats.adds;
    out->removes += stats.adds - stats.sinks;
    out->matches += stats.matches;
    out->cache_hits += stats.cache_hits;
    out->cached += stats.cached;
    out->fanout += stats.fanout;
    if (stats.fanout_max > out->fanout_max) out->fanout_max = stats.fanout_max;
  }
}

int core_subjects(struct tern_workers *workers, uint32_t account, struct core_subjects *out) {
  *out = (struct core_subjects){0};
  struct subjects_call call = {account, out};
  int error = 0;
  for (unsigned i = 0; i < tern_workers_count(workers) && error == 0; i++)
    error = tern_workers_call(workers, i, call_subjects, &call);
  return error;
}

struct publish_call {
  uint32_t account;
  const struct route_inside *messages;
  size_t count;
  int error;
};

static void call_publish(struct tern_worker *worker, void *arg) {
  struct publish_call *call = arg;
  struct route *route = parts_of(worker)->routes[call->account];
  for (size_t i = 0; i < call->count; i++) {
    int error = route_publish_inside(route, call->messages[i].subject, (struct tern_slice){0},
                                     call->messages[i].payload);
    if (call->error == 0) call->error = error;
  }
}

int core_publish(struct tern_workers *workers, unsigned worker, uint32_t account,
                 const struct route_inside *messages, size_t count) {
  struct publish_call call = {account, messages, count, 0};
  int error = tern_workers_call(workers, worker, call_publish, &call);
  return error != 0 ? error : call.error;
}

struct wanted_call {
  uint32_t account;
  struct tern_slice subject;
  bool wanted;
};

static void call_is_wanted(struct tern_worker *worker, void *arg) {
  struct wanted_call *call = arg;
  call->wanted = route_is_wanted(parts_of(worker)->routes[call->account], call->subject);
}

bool core_is_wanted(struct tern_workers *workers, uint32_t account, struct tern_slice subject) {
  struct wanted_call call = {.account = account, .subject = subject};
  return tern_workers_call(workers, 0, call_is_wanted, &call) == 0 && call.wanted;
}

void core_fini(struct core *core) {
  crossings_free(core->crossings, core->registries);
  core->crossings = NULL;
  while (core->account_count > 0) {
    tern_registry_free(core->registries[--core->account_count]);
    free(core->names[core->account_count]);
    free(core->clients[core->account_count]);
  }
  free(core->registries);
  free(core->names);
  free(core->clients);
  core->registries = NULL;
  core->names = NULL;
  core->clients = NULL;
  hasher_free(core->nats.hasher);
  core->nats.hasher = NULL;
  tern_helpers_free(core->nats.helpers);
  core->nats.helpers = NULL;
  nats_server_fini(&core->nats);
}
