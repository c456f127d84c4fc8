/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what can be asked by message, and the envelope. The pages are those of HTTP and some that only messages
 * have. On the thread that answers.
 */
#include "sys_answer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"
#include "page.h"
#include "sys_query.h"
#include "version.h"

static void statsz_page(struct page *page);

static const struct {
  const char *name, *key; /* what the page is called in the envelope; NULL: no page, only the server */
  void (*make)(struct page *page);
} kinds[SYS_KINDS] = {
    [SYS_KIND_PING] = {"STATSZ", "statsz", statsz_page},
    {"IDZ", NULL, NULL},
    {"VARZ", "data", varz_page},
    {"CONNZ", "data", connz_page},
    {"SUBSZ", "data", subsz_page},
    {"ROUTEZ", "data", routez_page},
    {"GATEWAYZ", "data", gatewayz_page},
    {"LEAFZ", "data", leafz_page},
    {"ACCOUNTZ", "data", accountz_page},
    {"JSZ", "data", jsz_page},
    {"HEALTHZ", "data", healthz_page},
    [SYS_SERVER_KINDS] = {"STATZ", "data", accstatz_page},
    {"CONNZ", "data", connz_page},
    {"SUBSZ", "data", subsz_page},
    {"LEAFZ", "data", leafz_page},
    {"INFO", "data", accinfo_page},
};

const char *sys_kind_name(unsigned kind) { return kinds[kind].name; }

static void put_traffic(struct json_writer *json, const char *key, uint64_t msgs, uint64_t bytes) {
  json_put_open(json, key, '{');
  json_put_uint(json, "msgs", msgs);
  json_put_uint(json, "bytes", bytes);
  json_put_close(json, '}');
}

static void statsz_page(struct page *page) {
  const struct monitor_source *source = &page->monitor->source;
  const struct core_figures figures = source->figures(source->arg);
  struct json_writer *json = &page->json;
  uint32_t count, active = 0;
  struct nats_account_figures *accounts = page_accounts(page, &count);
  for (uint32_t i = 0; accounts != NULL && i < count; i++)
    active += accounts[i].connections > 0;
  free(accounts);
  json_put_open(json, NULL, '{');
  json_put_time(json, "start", page->monitor->start_ns);
  json_put_uint(json, "mem", page_memory());
  json_put_int(json, "cores", sysconf(_SC_NPROCESSORS_ONLN));
  json_put_number(json, "cpu", page_cpu(page->monitor));
  json_put_uint(json, "connections", figures.connections);
  json_put_uint(json, "total_connections", figures.total_connections);
  json_put_uint(json, "active_accounts", active);
  json_put_uint(json, "subscriptions", figures.subscriptions);
  put_traffic(json, "sent", figures.out_msgs, figures.out_bytes);
  put_traffic(json, "received", figures.in_msgs, figures.in_bytes);
  json_put_uint(json, "slow_consumers", figures.slow_consumers);
  json_put_uint(json, "active_servers", 1);
  json_put_close(json, '}');
}

/* What stays the same of a server; IDZ is that alone. */
static void put_identity(struct json_writer *json, const struct monitor_source *source) {
  json_put_string(json, "name", source->server_name);
  json_put_string(json, "host", source->options->host);
  json_put_string(json, "id", source->server_id);
}

static void put_server(struct json_writer *json, const struct monitor_source *source, uint64_t sequence) {
  json_put_open(json, "server", '{');
  put_identity(json, source);
  json_put_string(json, "ver", TERN_NATS_VERSION);
  json_put_bool(json, "jetstream", false);
  json_put_uint(json, "flags", 0);
  json_put_uint(json, "seq", sequence);
  json_put_time(json, "time", page_now_ns());
  json_put_close(json, '}');
}

static void put_error(struct json_writer *json, unsigned code, const char *text) {
  json_put_open(json, "error", '{');
  json_put_uint(json, "code", code);
  json_put_string(json, "description", text);
  json_put_close(json, '}');
}

/* The page, or what is wrong; false without memory. */
static bool put_page(struct json_writer *json, struct monitor *monitor, unsigned kind,
                     const struct sys_query *query) {
  const struct monitor_query asked = {sys_query_parameter, query};
  struct monitor_text page;
  page_make(monitor, kinds[kind].make, &asked, &page);
  if (page.text == NULL) return false;
  if (page.status == 200)
    json_put_value(json, kinds[kind].key, page.text, page.len);
  else
    put_error(json, 500, page.text);
  free(page.text);
  return true;
}

static bool put_answer(struct json_writer *json, struct monitor *monitor, unsigned kind,
                       const struct sys_query *query, const char *problem, uint64_t sequence) {
  bool done = true;
  json_put_open(json, NULL, '{');
  pthread_rwlock_rdlock(&monitor->lock); /* a reload frees the options */
  if (kinds[kind].make == NULL)
    put_identity(json, &monitor->source);
  else
    put_server(json, &monitor->source, sequence);
  pthread_rwlock_unlock(&monitor->lock);
  if (problem != NULL)
    put_error(json, 400, problem);
  else if (kinds[kind].make != NULL)
    done = put_page(json, monitor, kind, query);
  json_put_close(json, '}');
  return done && !json->failed;
}

static bool is_meant(struct monitor *monitor, const struct sys_query *query) {
  pthread_rwlock_rdlock(&monitor->lock);
  const struct sys_server server = {monitor->source.server_name, monitor->source.options->host};
  const bool meant = sys_query_means(query, &server);
  pthread_rwlock_unlock(&monitor->lock);
  return meant;
}

char *sys_answer(struct monitor *monitor, unsigned kind, const char *account, struct tern_slice body,
                 uint64_t sequence, size_t *len) {
  struct sys_query query;
  struct json_writer json = {.compact = true};
  const bool all = account != NULL && strcmp(account, "PING") == 0;
  if (all && kinds[kind].make != accstatz_page) return NULL;
  const char *problem = sys_query_read(&query, body, all ? NULL : account);
  query.lists = kinds[kind].make == subsz_page && account != NULL;
  bool done = (problem != NULL || is_meant(monitor, &query)) &&
              put_answer(&json, monitor, kind, &query, problem, sequence);
  sys_query_free(&query);
  if (!done) {
    free(json.text);
    return NULL;
  }
  *len = json.len;
  return json.text;
}
