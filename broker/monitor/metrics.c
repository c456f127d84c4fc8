/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics: figures in the text format of Prometheus (and OpenMetrics' older sister). Names, help and types stand in the
 * calls below and in METRICS.md, which a test compares; they are stable. On the thread that asks; workers are asked only
 * for the memory of their pools.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <tern/log.h>

#include "busiest.h"
#include "hasher.h"
#include "inside.h"
#include "nats.h"
#include "page.h"
#include "version.h"

#define NS_PER_S 1e9

static void put(struct json_writer *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct json_writer *to, const char *format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  int len = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  json_put_raw(to, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

/* What a metric is; its samples follow. */
static void describe(struct json_writer *to, const char *name, const char *type, const char *help) {
  put(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_one(struct json_writer *to, const char *name, const char *type, const char *help,
                    double value) {
  describe(to, name, type, help);
  put(to, "%s %.17g\n", name, value);
}

/* A text between quotes, in full: names come from the operator and may be long. */
static void put_label(struct json_writer *to, const char *name, const char *text) {
  put(to, "%s=\"", name);
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\')
      json_put_raw(to, (const char[]){'\\', *text}, 2);
    else
      json_put_raw(to, *text == '\n' ? " " : text, 1);
  }
  json_put_raw(to, "\"", 1);
}

/* ---- the process ---- */

static double open_descriptors(void) {
  DIR *dir = opendir("/proc/self/fd");
  if (dir == NULL) return 0;
  unsigned count = 0;
  while (readdir(dir) != NULL)
    count++;
  closedir(dir);
  return count - 3; /* itself, and the two dots */
}

static void put_process(struct json_writer *to, const struct monitor *monitor) {
  struct timespec cpu;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  const struct monitor_source *source = &monitor->source;
  describe(to, "tern_info", "gauge", "The server; the value is 1.");
  put(to, "tern_info{version=\"%s\",nats_version=\"%s\",server_id=\"%s\",", TERN_VERSION, TERN_NATS_VERSION,
      source->server_id);
  put_label(to, "server_name", source->server_name);
  put(to, "} 1\n");
  put_one(to, "process_start_time_seconds", "gauge", "When the server was started, since 1970.",
          (double)monitor->start_ns / NS_PER_S);
  put_one(to, "process_cpu_seconds_total", "counter", "Processor time used.",
          (double)cpu.tv_sec + (double)cpu.tv_nsec / NS_PER_S);
  put_one(to, "process_resident_memory_bytes", "gauge", "Memory of the process.", (double)page_memory());
  put_one(to, "process_open_fds", "gauge", "Open descriptors.", open_descriptors());
}

/* ---- the whole server ---- */

static void put_totals(struct json_writer *to, const struct core_figures *f) {
  put_one(to, "tern_filters", "gauge", "Distinct filters somebody is subscribed to.", (double)f->filters);
  put_one(to, "tern_registry_nodes", "gauge", "Entries of the shared registry.", (double)f->nodes);
  put_one(to, "tern_registry_bytes", "gauge", "Memory of the shared registry.", (double)f->registry_bytes);
  put_one(to, "tern_handler_calls_total", "counter", "Messages answered by handler modules.",
          (double)f->handler_calls);
  put_one(to, "tern_handler_errors_total", "counter", "Calls of handler modules that failed.",
          (double)f->handler_errors);
  put_one(to, "tern_connections_delayed_total", "counter",
          "Connections that had to wait because of connections_per_second.", (double)f->connections_delayed);
  put_one(to, "tern_log_lines_dropped_total", "counter", "Lines the log could not take in time.",
          (double)tern_log_dropped());
}

static void put_hashes(struct json_writer *to, struct hasher *hasher) {
  struct hasher_stats stats = {0};
  if (hasher != NULL) stats = hasher_stats(hasher);
  put_one(to, "tern_auth_hashes_compared_total", "counter", "Passwords compared with bcrypt hashes.",
          (double)stats.hashed);
  put_one(to, "tern_auth_hashes_starved_total", "counter",
          "Comparisons not made in idle time: there was none, or it is not to be had.",
          (double)stats.starved);
  put_one(to, "tern_auth_hashes_known_total", "counter", "Passwords known to match without comparing.",
          (double)stats.known);
  put_one(to, "tern_auth_hashes_waiting", "gauge", "Passwords that wait to be compared.",
          (double)stats.waiting);
}

static void put_requests(struct json_writer *to, const struct monitor *monitor) {
  describe(to, "tern_http_requests_total", "counter", "Requests for pages of monitoring.");
  for (unsigned i = 0; i < MONITOR_PAGES; i++)
    /* relaxed: a figure; pairs with the add in monitor_count */
    put(to, "tern_http_requests_total{path=\"%s\"} %llu\n", monitor_path(i),
        (unsigned long long)atomic_load_explicit(&monitor->requests[i], memory_order_relaxed));
}

/* ---- each worker ---- */

/* What is known of one worker. */
struct figures {
  struct tern_worker_stats worker;
  const struct nats_stats *nats;
  const struct route_stats *route;
  struct tern_pool_stats pool;
};

static void call_pool_stats(struct tern_worker *worker, void *arg) {
  *(struct tern_pool_stats *)arg = tern_pool_stats(tern_loop_pool(tern_worker_loop(worker)));
}

/* Counters of the protocol, and of the router, by their place. */
#define NATS(member)   offsetof(struct nats_stats, member)
#define ROUTE(member)  offsetof(struct route_stats, member)
#define WORKER(member) offsetof(struct tern_worker_stats, member)
#define POOL(member)   offsetof(struct tern_pool_stats, member)

enum { PARTS_MAX = 3 };
enum origin { OF_NATS, OF_ROUTE, OF_WORKER, OF_POOL };

static const struct {
  const char *name, *type, *help;
  enum origin origin;
  size_t offset;
  double scale; /* to the unit of the name; 0: 1 */
} metrics[] = {
    {"tern_connections", "gauge", "Open client connections.", OF_NATS, NATS(connections), 0},
    {"tern_connections_total", "counter", "Client connections so far.", OF_NATS, NATS(total_connections), 0},
    {"tern_subscriptions", "gauge", "Subscriptions of clients.", OF_NATS, NATS(subscriptions), 0},
    {"tern_messages_in_total", "counter", "Messages clients have published.", OF_NATS, NATS(in_msgs), 0},
    {"tern_messages_in_bytes_total", "counter", "Their bodies and headers.", OF_NATS, NATS(in_bytes), 0},
    {"tern_messages_out_total", "counter", "Messages delivered to clients.", OF_NATS, NATS(out_msgs), 0},
    {"tern_messages_out_bytes_total", "counter", "Their bodies and headers.", OF_NATS, NATS(out_bytes), 0},
    {"tern_slow_consumers_total", "counter", "Connections cut off because they did not take their data.",
     OF_NATS, NATS(slow_consumers), 0},
    {"tern_stale_connections_total", "counter", "Connections closed because they did not answer PING.",
     OF_NATS, NATS(stale_connections), 0},
    {"tern_protocol_errors_total", "counter", "Errors told to clients.", OF_NATS, NATS(protocol_errors), 0},
    {"tern_publishers_paused_total", "counter", "Publishers paused because another worker was behind.",
     OF_NATS, NATS(stalled), 0},
    {"tern_messages_dropped_overflow_total", "counter", "Messages dropped by overflow policies.", OF_NATS,
     NATS(overflow_dropped), 0},
    {"tern_answers_forgotten_total", "counter",
     "Requests that allow_responses let clients answer, until they were too many.", OF_NATS,
     NATS(forgotten_answers), 0},
    {"tern_connections_refused_by_server_total", "counter",
     "Connections refused because the server has max_connections.", OF_NATS, NATS(refused_by_server), 0},
    {"tern_connections_refused_by_address_total", "counter",
     "Connections refused because their address has too many.", OF_NATS, NATS(refused_by_address), 0},
    {"tern_connections_refused_by_user_total", "counter",
     "Connections refused because their user has too many.", OF_NATS, NATS(refused_by_user), 0},
    {"tern_subscriptions_refused_by_connection_total", "counter",
     "Subscriptions refused because their connection has max_subscriptions.", OF_NATS,
     NATS(refused_by_connection), 0},
    {"tern_refused_by_memory_total", "counter",
     "Connections and subscriptions refused at the ceiling for memory.", OF_NATS, NATS(refused_by_memory), 0},
    {"tern_connections_cut_by_memory_total", "counter", "Connections cut off at the ceiling for memory.",
     OF_NATS, NATS(cut_by_memory), 0},
    {"tern_publishers_paced_total", "counter", "Pauses of those who published too fast.", OF_NATS,
     NATS(paced), 0},
    {"tern_auth_granted_total", "counter", "CONNECTs with the right credentials, where some are needed.",
     OF_NATS, NATS(auth_granted), 0},
    {"tern_auth_refused_total", "counter", "CONNECTs with wrong credentials, or none.", OF_NATS,
     NATS(auth_refused), 0},
    {"tern_auth_late_total", "counter", "Connections without a CONNECT in time.", OF_NATS, NATS(auth_late),
     0},
    {"tern_auth_crowded_total", "counter", "CONNECTs refused because too many hashes waited to be compared.",
     OF_NATS, NATS(auth_crowded), 0},
    {"tern_permission_violations_total", "counter",
     "Publishes and subscriptions that permissions, or limits of subjects, have forbidden.", OF_NATS,
     NATS(violations), 0},
    {"tern_tls_handshakes_total", "counter", "TLS handshakes that were completed.", OF_NATS,
     NATS(tls_handshakes), 0},
    {"tern_tls_resumed_total", "counter", "Of these, those that resumed an earlier session.", OF_NATS,
     NATS(tls_resumed), 0},
    {"tern_tls_failed_total", "counter", "TLS handshakes that failed, came too late or were none.", OF_NATS,
     NATS(tls_failed), 0},
    {"tern_tls_throttled_total", "counter", "Connections refused by connection_rate_limit.", OF_NATS,
     NATS(tls_throttled), 0},
    {"tern_tls_handshakes_pending", "gauge", "TLS handshakes under way, or waiting for their turn.", OF_NATS,
     NATS(tls_pending), 0},
    {"tern_messages_dropped_no_memory_total", "counter", "Messages dropped because memory was refused.",
     OF_ROUTE, ROUTE(no_memory), 0},
    {"tern_queue_messages_rerouted_total", "counter",
     "Messages of queue groups passed on because the chosen worker had no member left.", OF_ROUTE,
     ROUTE(rerouted), 0},
    {"tern_queue_messages_untaken_total", "counter", "Messages of queue groups that nobody took.", OF_ROUTE,
     ROUTE(untaken), 0},
    {"tern_requests_refused_total", "counter",
     "Requests to services of other accounts refused: the account waits for too many answers.", OF_ROUTE,
     ROUTE(unanswered), 0},
    {"tern_worker_ticks_total", "counter", "Rounds of the event loop.", OF_WORKER, WORKER(ticks), 0},
    {"tern_worker_sleeps_total", "counter", "Times it slept.", OF_WORKER, WORKER(sleeps), 0},
    {"tern_worker_wakeups_total", "counter", "Wake-ups sent to other workers.", OF_WORKER,
     WORKER(wakeups_sent), 0},
    {"tern_worker_records_in_total", "counter", "Records received from other workers.", OF_WORKER,
     WORKER(records_in), 0},
    {"tern_worker_records_out_total", "counter", "Records sent to other workers.", OF_WORKER,
     WORKER(records_out), 0},
    {"tern_worker_ring_overflows_total", "counter", "Records that found their ring full.", OF_WORKER,
     WORKER(overflows), 0},
    {"tern_worker_ring_bytes", "gauge", "Records that wait to be handled.", OF_WORKER, WORKER(waiting_bytes),
     0},
    {"tern_worker_retired_objects", "gauge", "Removed subscriptions that wait for a grace period.", OF_WORKER,
     WORKER(retired_objects), 0},
    {"tern_worker_retired_bytes", "gauge", "Their memory.", OF_WORKER, WORKER(retired_bytes), 0},
    {"tern_worker_grace_period_age_seconds", "gauge", "How long the oldest of them have waited.", OF_WORKER,
     WORKER(gp_age_ms), 1e-3},
    {"tern_worker_held_back_total", "counter", "SUB and UNSUB that had to wait for a grace period.",
     OF_WORKER, WORKER(held_back), 0},
    {"tern_worker_pool_live_bytes", "gauge", "Memory in use by connections, subscriptions and messages.",
     OF_POOL, POOL(live_bytes), 0},
    {"tern_worker_pool_held_bytes", "gauge", "The same with what is kept for reuse.", OF_POOL,
     POOL(held_bytes), 0},
};

/* Those with one more label. */
static const struct {
  const char *name, *type, *help, *label;
  struct {
    const char *value;
    size_t offset;    /* in nats_stats */
  } parts[PARTS_MAX]; /* as many as have a value */
} split_metrics[] = {
    {"tern_slow_consumers_by_reason_total",
     "counter",
     "The same by why: too much waited for them (pending), or for too long (deadline).",
     "reason",
     {{"pending", NATS(slow_pending)}, {"deadline", NATS(slow_deadline)}}},
    {"tern_refused_by_account_total",
     "counter",
     "Connections, subscriptions and messages refused by limits of their account.",
     "limit",
     {{"connections", NATS(account_connections)},
      {"subscriptions", NATS(account_subscriptions)},
      {"payload", NATS(account_payload)}}},
    {"tern_tls_connections",
     "gauge",
     "Open client connections over TLS.",
     "version",
     {{"1.2", NATS(tls_12)}, {"1.3", NATS(tls_13)}}},
};

static double value_of(const struct figures *f, enum origin origin, size_t offset) {
  const char *base = origin == OF_NATS    ? (const char *)f->nats
                     : origin == OF_ROUTE ? (const char *)f->route
                     : origin == OF_POOL  ? (const char *)&f->pool
                                          : (const char *)&f->worker;
  if (origin <= OF_ROUTE)
    return (double)tern_counter_read((const struct tern_counter *)(const void *)(base + offset));
  uint64_t value;
  memcpy(&value, base + offset, sizeof value);
  return (double)value;
}

/* One histogram, whose samples have these labels: durations take from microseconds to whatever a handler makes of them. */
static void put_histogram(struct json_writer *to, const char *name, const char *labels,
                          const struct tern_histogram *histogram) {
  uint64_t sum = 0, below_ns = TERN_TICK_BUCKET_NS;
  for (unsigned b = 0; b < TERN_TICK_BUCKETS; b++, below_ns *= 2) {
    sum += histogram->buckets[b];
    if (b < TERN_TICK_BUCKETS - 1)
      put(to, "%s_bucket{%s,le=\"%.9g\"} %llu\n", name, labels, (double)below_ns / NS_PER_S,
          (unsigned long long)sum);
  }
  put(to, "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, labels, (unsigned long long)sum);
  put(to, "%s_sum{%s} %.17g\n", name, labels, (double)histogram->ns / NS_PER_S);
  put(to, "%s_count{%s} %llu\n", name, labels, (unsigned long long)sum);
}

static void put_ticks(struct json_writer *to, const struct figures *figures, unsigned count) {
  static const char name[] = "tern_worker_tick_seconds";
  char labels[64];
  describe(to, name, "histogram", "How long rounds of the event loop took, sleep not included.");
  for (unsigned i = 0; i < count; i++) {
    snprintf(labels, sizeof labels, "worker=\"%u\"", i);
    put_histogram(to, name, labels, &figures[i].worker.ticks_took);
  }
}

static void put_stages(struct json_writer *to, const struct figures *figures, unsigned count) {
  static const char name[] = "tern_stage_seconds";
  char labels[64];
  describe(to, name, "histogram", "How long messages take for a stage of their way, by samples.");
  for (unsigned i = 0; i < count; i++)
    for (unsigned stage = 0; stage < TERN_LATENCIES; stage++) {
      snprintf(labels, sizeof labels, "worker=\"%u\",stage=\"%s\"", i, page_stage_name(stage));
      put_histogram(to, name, labels, &figures[i].worker.latency[stage]);
    }
}

static void put_split(struct json_writer *to, const struct figures *figures, unsigned count) {
  for (size_t m = 0; m < sizeof split_metrics / sizeof split_metrics[0]; m++) {
    describe(to, split_metrics[m].name, split_metrics[m].type, split_metrics[m].help);
    for (unsigned i = 0; i < count; i++)
      for (unsigned part = 0; part < PARTS_MAX && split_metrics[m].parts[part].value != NULL; part++)
        put(to, "%s{worker=\"%u\",%s=\"%s\"} %.17g\n", split_metrics[m].name, i, split_metrics[m].label,
            split_metrics[m].parts[part].value,
            value_of(&figures[i], OF_NATS, split_metrics[m].parts[part].offset));
  }
}

static void put_memory(struct json_writer *to, const struct nats_server *server,
                       const struct core_figures *totals, const struct figures *figures, unsigned count) {
  uint64_t pools = 0, rings = 0, closed = 0;
  for (unsigned i = 0; i < count; i++) {
    pools += figures[i].pool.held_bytes;
    rings += figures[i].worker.ring_bytes;
    closed += tern_counter_read(&figures[i].nats->closed_bytes);
  }
  const struct {
    const char *subsystem;
    uint64_t bytes;
  } parts[] = {{"pools", pools},
               {"registry", totals->registry_bytes},
               {"retired", totals->retired_bytes},
               {"rings", rings},
               {"closed_connections", closed},
               {"busiest_subjects", nats_busiest_bytes(server) * count}};
  describe(to, "tern_memory_bytes", "gauge", "Memory by what it is for.");
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    put(to, "tern_memory_bytes{subsystem=\"%s\"} %llu\n", parts[i].subsystem,
        (unsigned long long)parts[i].bytes);
}

static void put_workers(struct page *page, const struct core_figures *totals) {
  static const size_t metric_count = sizeof metrics / sizeof metrics[0];
  const struct monitor_source *source = &page->monitor->source;
  struct figures figures[TERN_WORKERS_MAX];
  const unsigned count = tern_workers_count(source->pool);
  for (unsigned i = 0; i < count; i++) {
    figures[i] = (struct figures){.worker = tern_worker_stats(tern_workers_at(source->pool, i)),
                                  .nats = nats_worker_stats(source->nats->workers[i]),
                                  .route = nats_worker_route_stats(source->nats->workers[i])};
    if (!page_check(page, tern_workers_call(source->pool, i, call_pool_stats, &figures[i].pool))) return;
  }
  for (size_t m = 0; m < metric_count; m++) {
    describe(&page->json, metrics[m].name, metrics[m].type, metrics[m].help);
    const double scale = metrics[m].scale != 0 ? metrics[m].scale : 1;
    for (unsigned i = 0; i < count; i++)
      put(&page->json, "%s{worker=\"%u\"} %.17g\n", metrics[m].name, i,
          value_of(&figures[i], metrics[m].origin, metrics[m].offset) * scale);
  }
  put_split(&page->json, figures, count);
  put_ticks(&page->json, figures, count);
  put_stages(&page->json, figures, count);
  put_memory(&page->json, source->nats, totals, figures, count);
}

void metrics_page(struct page *page) {
  const struct monitor_source *source = &page->monitor->source;
  const struct core_figures figures = source->figures(source->arg);
  page->type = "text/plain; version=0.0.4; charset=utf-8";
  put_process(&page->json, page->monitor);
  put_totals(&page->json, &figures);
  put_requests(&page->json, page->monitor);
  put_hashes(&page->json, source->nats->hasher);
  put_workers(page, &figures);
}
