/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /varz: the server as a whole. Figures of workers are added up while they go on (they may be a moment old); memory and
 * processor time are what the kernel says. On the thread that asks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access.h"
#include "clock_ns.h"
#include "inside.h"
#include "labels.h"
#include "nats.h"
#include "page.h"
#include "text.h"
#include "version.h"

#define NS_PER_S  1000000000u
#define NS_PER_MS 1000000u

uint64_t page_memory(void) {
  char text[64] = "";
  unsigned long long total, resident;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL) return 0;
  char *line = fgets(text, sizeof text, file);
  fclose(file);
  if (line == NULL || sscanf(text, "%llu %llu", &total, &resident) != 2) return 0;
  return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

double page_cpu(struct monitor *monitor) {
  struct monitor_cpu *cpu = &monitor->cpu;
  pthread_mutex_lock(&cpu->lock);
  const uint64_t at = clock_ns(CLOCK_MONOTONIC);
  if (at - cpu->at_ns >= NS_PER_S) {
    const uint64_t used = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (cpu->at_ns != 0) cpu->percent = 100.0 * (double)(used - cpu->used_ns) / (double)(at - cpu->at_ns);
    cpu->used_ns = used;
    cpu->at_ns = at;
  }
  double percent = cpu->percent;
  pthread_mutex_unlock(&cpu->lock);
  return (double)(long)(percent * 10 + 0.5) / 10;
}

/* As in nats-server: with TLS its time and a second, where the configuration sets none. */
static double auth_timeout_s(const struct monitor_source *source) {
  const struct access *access = source->access(source->arg);
  const struct tls_settings *tls = &source->options->tls;
  if (access != NULL && access->timeout_ms != 0) return (double)access->timeout_ms / 1000;
  return tls->context != NULL ? tls->timeout_ms / 1000.0 + 1 : ACCESS_TIMEOUT_MS / 1000.0;
}

static void put_settings(struct json_writer *json, const struct monitor_source *source) {
  static const char *const absent[] = {"cluster", "gateway", "leaf", "mqtt", "websocket", "jetstream"};
  const struct options *o = source->options;
  const bool limited = o->max_connections != INT64_MAX;
  json_put_int(json, "max_connections", limited ? o->max_connections : -1);
  if (o->max_subscriptions != 0) json_put_int(json, "max_subscriptions", o->max_subscriptions);
  json_put_uint(json, "ping_interval", o->ping_interval_ms * NS_PER_MS);
  json_put_uint(json, "ping_max", o->ping_max);
  json_put_string(json, "http_host", o->http_host != NULL ? o->http_host : o->host);
  json_put_int(json, "http_port", o->http_port);
  json_put_string(json, "http_base_path", o->http_base_path != NULL ? o->http_base_path : "");
  json_put_int(json, "https_port", o->https_port);
  json_put_number(json, "auth_timeout", auth_timeout_s(source));
  json_put_uint(json, "max_control_line", o->max_control_line);
  json_put_uint(json, "max_payload", o->max_payload);
  json_put_uint(json, "max_pending", o->max_pending);
  for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
    json_put_open(json, absent[i], '{');
    json_put_close(json, '}');
  }
  if (o->tls.context != NULL) {
    if (!o->tls.allow_plain) json_put_bool(json, "tls_required", true);
    if (o->tls.verify) json_put_bool(json, "tls_verify", true);
    json_put_number(json, "tls_timeout", o->tls.timeout_ms / 1000.0);
  } else {
    json_put_number(json, "tls_timeout", 2);
  }
  json_put_uint(json, "write_deadline", o->write_deadline_ms * NS_PER_MS);
}

/* Of the kinds of connections there are only clients. */
static void put_by_kind(struct json_writer *json, const char *key, uint64_t clients) {
  json_put_open(json, key, '{');
  json_put_uint(json, "clients", clients);
  json_put_uint(json, "routes", 0);
  json_put_uint(json, "gateways", 0);
  json_put_uint(json, "leafs", 0);
  json_put_close(json, '}');
}

static void put_traffic(struct json_writer *json, const struct core_figures *f) {
  json_put_uint(json, "connections", f->connections);
  json_put_uint(json, "total_connections", f->total_connections);
  json_put_uint(json, "routes", 0);
  json_put_uint(json, "remotes", 0);
  json_put_uint(json, "leafnodes", 0);
  json_put_uint(json, "in_msgs", f->in_msgs);
  json_put_uint(json, "out_msgs", f->out_msgs);
  json_put_uint(json, "in_bytes", f->in_bytes);
  json_put_uint(json, "out_bytes", f->out_bytes);
  json_put_uint(json, "slow_consumers", f->slow_consumers);
  json_put_uint(json, "stale_connections", f->stale_connections);
  json_put_uint(json, "stalled_clients", f->stalled);
  json_put_uint(json, "subscriptions", f->subscriptions);
}

static void put_requests(struct json_writer *json, struct monitor *monitor) {
  json_put_open(json, "http_req_stats", '{');
  for (unsigned i = 0; i < MONITOR_PAGES; i++) {
    /* relaxed: a figure; pairs with the add in monitor_count */
    uint64_t count = atomic_load_explicit(&monitor->requests[i], memory_order_relaxed);
    if (count > 0) json_put_uint(json, monitor_path(i), count);
  }
  json_put_close(json, '}');
}

void page_put_tags(struct json_writer *json, const struct options *options) {
  if (options->tag_count == 0) return;
  json_put_open(json, "tags", '[');
  for (size_t i = 0; i < options->tag_count; i++)
    json_put_string(json, NULL, options->tags[i]);
  json_put_close(json, ']');
}

static void put_configuration(struct json_writer *json, const struct options *options) {
  const struct conf_node *metadata = labels_metadata(options);
  json_put_time(json, "config_load_time", options->loaded_ns);
  json_put_string(json, "config_digest", options->config_digest != NULL ? options->config_digest : "");
  page_put_tags(json, options);
  if (metadata == NULL || metadata->first == NULL) return;
  json_put_open(json, "metadata", '{');
  for (const struct conf_node *at = metadata->first; at != NULL; at = at->next)
    json_put_string(json, at->key, at->text);
  json_put_close(json, '}');
}

void varz_page(struct page *page) {
  struct monitor *monitor = page->monitor;
  const struct monitor_source *source = &monitor->source;
  struct json_writer *json = &page->json;
  struct core_figures figures = source->figures(source->arg);
  const uint64_t now = page_now_ns();
  char uptime[TEXT_TIME_BYTES];
  text_uptime((now - monitor->start_ns) / NS_PER_S, uptime);
  json_put_open(json, NULL, '{');
  json_put_string(json, "server_id", source->server_id);
  json_put_string(json, "server_name", source->server_name);
  json_put_string(json, "version", TERN_NATS_VERSION);
  json_put_string(json, "tern", TERN_VERSION);
  json_put_uint(json, "proto", 1);
  json_put_string(json, "go", "none (C11)");
  json_put_string(json, "host", source->options->host);
  /* acquire: pairs with the release in nats_server_set_port */
  json_put_uint(json, "port", atomic_load_explicit(&source->nats->port, memory_order_acquire));
  const struct access *access = source->access(source->arg);
  if (access != NULL && access->required && access->anybody == NULL)
    json_put_bool(json, "auth_required", true);
  put_settings(json, source);
  json_put_time(json, "start", monitor->start_ns);
  json_put_time(json, "now", now);
  json_put_string(json, "uptime", uptime);
  json_put_uint(json, "mem", page_memory());
  json_put_int(json, "cores", sysconf(_SC_NPROCESSORS_ONLN));
  json_put_uint(json, "gomaxprocs", tern_workers_count(source->pool));
  json_put_number(json, "cpu", page_cpu(monitor));
  put_traffic(json, &figures);
  put_requests(json, monitor);
  put_configuration(json, source->options);
  if (access != NULL && access->system != NULL) json_put_string(json, "system_account", access->system->name);
  put_by_kind(json, "slow_consumer_stats", figures.slow_consumers);
  put_by_kind(json, "stale_connection_stats", figures.stale_connections);
  json_put_close(json, '}');
}
