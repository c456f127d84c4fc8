/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what can be asked by message, and the envelope. The pages are those of HTTP and some that only messages
 * have. On the thread that answers.
 */
#include "sys_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tern/error.h>

#include "inside.h"
#include "order.h"
#include "page.h"
#include "permissions.h"
#include "sys_event.h"
#include "sys_query.h"
#include "version.h"

#define NS_PER_MS 1000000u

static void statsz_page(struct page *page);

/* Orders are carried out on a client, named by its id. */
typedef int order_fn(const struct nats_server *server, struct tern_workers *workers, uint64_t cid);

static const struct {
  const char *name, *key; /* what the page is called in the envelope */
  void (*make)(struct page *page);
  order_fn *order;
} kinds[SYS_KINDS] = {
    [SYS_KIND_PING] = {"STATSZ", "statsz", statsz_page, NULL},
    {"IDZ", NULL, NULL, NULL},
    {"VARZ", "data", varz_page, NULL},
    {"CONNZ", "data", connz_page, NULL},
    {"SUBSZ", "data", subsz_page, NULL},
    {"ROUTEZ", "data", routez_page, NULL},
    {"GATEWAYZ", "data", gatewayz_page, NULL},
    {"LEAFZ", "data", leafz_page, NULL},
    {"ACCOUNTZ", "data", accountz_page, NULL},
    {"JSZ", "data", jsz_page, NULL},
    {"HEALTHZ", "data", healthz_page, NULL},
    [SYS_KIND_STATZ] = {"STATZ", "data", accstatz_page, NULL},
    [SYS_KIND_CONNZ] = {"CONNZ", "data", connz_page, NULL},
    {"SUBSZ", "data", subsz_page, NULL},
    {"LEAFZ", "data", leafz_page, NULL},
    {"INFO", "data", accinfo_page, NULL},
    {"CONNS", NULL, NULL, NULL},
    [SYS_KIND_RELOAD] = {"RELOAD", NULL, NULL, NULL},
    [SYS_KIND_KICK] = {"KICK", NULL, NULL, nats_order_kick},
    [SYS_KIND_LDM] = {"LDM", NULL, NULL, nats_order_leave},
    [SYS_KIND_USER] = {"INFO", NULL, NULL, NULL},
};
#define KIND_IDZ   1
#define KIND_CONNS (SYS_KIND_RELOAD - 1)

const char *sys_kind_name(unsigned kind) { return kinds[kind].name; }

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
  page_put_traffic(json, "sent", figures.out_msgs, figures.out_bytes);
  page_put_traffic(json, "received", figures.in_msgs, figures.in_bytes);
  json_put_uint(json, "slow_consumers", figures.slow_consumers);
  json_put_uint(json, "active_servers", 1);
  json_put_close(json, '}');
}

/* ---- the envelope ---- */

/* What stays the same of a server; IDZ is that alone. With the monitor's lock. */
static void put_identity(struct json_writer *json, const struct monitor_source *source) {
  json_put_string(json, "name", source->server_name);
  json_put_string(json, "host", source->options->host);
  json_put_string(json, "id", source->server_id);
}

void sys_put_server(struct json_writer *json, const char *key, struct monitor *monitor, uint64_t sequence) {
  json_put_open(json, key, '{');
  pthread_rwlock_rdlock(&monitor->lock); /* a reload frees the options */
  put_identity(json, &monitor->source);
  page_put_tags(json, monitor->source.options);
  pthread_rwlock_unlock(&monitor->lock);
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

/* The text of a writer, or NULL when it has failed. */
static char *finish(struct json_writer *json, bool done, size_t *len) {
  if (done && !json->failed) {
    *len = json->len;
    return json->text;
  }
  free(json->text);
  return NULL;
}

/* ---- pages and orders ---- */

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

static const char *order_error(int error) {
  if (error == -ENOENT) return "no such client id";
  if (error == -EOPNOTSUPP)
    return "the client does not understand lame duck mode, or has not sent a PING yet";
  return tern_strerror(error);
}

static void carry_out(struct json_writer *json, struct monitor *monitor, unsigned kind,
                      const struct sys_query *query) {
  const char *cid = sys_query_parameter(query, "cid");
  const struct monitor_source *source = &monitor->source;
  int error =
      kinds[kind].order(source->nats, source->pool, cid != NULL ? (uint64_t)strtoull(cid, NULL, 10) : 0);
  if (error != 0) put_error(json, 500, order_error(error));
}

/* The query of a request, with the name of the account it is about; NULL: none. What is wrong with it, or NULL. */
static const char *read_query(struct sys_query *query, const struct sys_request *request,
                              const char *account) {
  const char *problem = sys_query_read(query, request->body, account);
  query->lists = kinds[request->kind].make == subsz_page && account != NULL;
  return problem;
}

static bool is_meant(struct monitor *monitor, const struct sys_query *query) {
  pthread_rwlock_rdlock(&monitor->lock);
  const struct options *options = monitor->source.options;
  const struct sys_server server = {monitor->source.server_name, options->host, options->tags,
                                    options->tag_count};
  const bool meant = sys_query_means(query, &server);
  pthread_rwlock_unlock(&monitor->lock);
  return meant;
}

static bool put_answer(struct json_writer *json, struct monitor *monitor, unsigned kind,
                       const struct sys_query *query, const char *problem, uint64_t sequence) {
  bool done = true;
  json_put_open(json, NULL, '{');
  if (kind == KIND_IDZ) {
    pthread_rwlock_rdlock(&monitor->lock);
    put_identity(json, &monitor->source);
    pthread_rwlock_unlock(&monitor->lock);
  } else {
    sys_put_server(json, "server", monitor, sequence);
  }
  if (problem != NULL)
    put_error(json, 400, problem);
  else if (kinds[kind].make != NULL)
    done = put_page(json, monitor, kind, query);
  else if (kinds[kind].order != NULL)
    carry_out(json, monitor, kind, query);
  json_put_close(json, '}');
  return done;
}

static char *answer_about(struct monitor *monitor, const struct sys_request *request, const char *account,
                          uint64_t sequence, size_t *len) {
  struct sys_query query;
  struct json_writer json = {.compact = true};
  const char *problem = read_query(&query, request, account);
  bool done = (problem != NULL || is_meant(monitor, &query)) &&
              put_answer(&json, monitor, request->kind, &query, problem, sequence);
  sys_query_free(&query);
  return finish(&json, done, len);
}

/* ---- who asks ---- */

static void put_entry(void *arg, struct tern_slice subject, struct tern_slice queue) {
  struct json_writer *json = arg;
  if (queue.len == 0) {
    json_put_slice(json, NULL, subject);
    return;
  }
  char *both = malloc(subject.len + 1 + queue.len);
  json->failed |= both == NULL;
  if (both == NULL) return;
  memcpy(both, subject.ptr, subject.len);
  both[subject.len] = ' ';
  memcpy(both + subject.len + 1, queue.ptr, queue.len);
  json_put_slice(json, NULL, (struct tern_slice){both, subject.len + 1 + queue.len});
  free(both);
}

static void count_entry(void *arg, struct tern_slice subject, struct tern_slice queue) {
  (void)subject, (void)queue;
  ++*(size_t *)arg;
}

static void put_list(struct json_writer *json, const char *key, const struct permissions *permissions,
                     enum permissions_list list) {
  size_t count = 0;
  permissions_each(permissions, list, count_entry, &count);
  if (count == 0) return;
  json_put_open(json, key, '[');
  permissions_each(permissions, list, put_entry, json);
  json_put_close(json, ']');
}

static void put_permissions(struct json_writer *json, const struct permissions *permissions) {
  const struct permissions_answers *answers = permissions_answers(permissions);
  json_put_open(json, "permissions", '{');
  json_put_open(json, "publish", '{');
  put_list(json, "allow", permissions, PERMISSIONS_PUBLISH_ALLOW);
  put_list(json, "deny", permissions, PERMISSIONS_PUBLISH_DENY);
  json_put_close(json, '}');
  json_put_open(json, "subscribe", '{');
  put_list(json, "allow", permissions, PERMISSIONS_SUBSCRIBE_ALLOW);
  put_list(json, "deny", permissions, PERMISSIONS_SUBSCRIBE_DENY);
  json_put_close(json, '}');
  if (answers != NULL) {
    const bool any = answers->max > INT64_MAX, forever = answers->expires_ms > INT64_MAX / NS_PER_MS;
    json_put_open(json, "responses", '{');
    json_put_int(json, "max", any ? -1 : (int64_t)answers->max);
    json_put_int(json, "ttl", forever ? -1 : (int64_t)(answers->expires_ms * NS_PER_MS));
    json_put_close(json, '}');
  }
  json_put_close(json, '}');
}

static char *answer_user(struct monitor *monitor, const struct sys_request *request, uint64_t sequence,
                         size_t *len) {
  struct nats_who who;
  const struct monitor_source *source = &monitor->source;
  if (nats_order_who(source->nats, source->pool, request->worker, request->client, &who) != 0) return NULL;
  struct json_writer json = {.compact = true};
  json_put_open(&json, NULL, '{');
  sys_put_server(&json, "server", monitor, sequence);
  json_put_open(&json, "data", '{');
  json_put_string(&json, "user", who.user);
  json_put_string(&json, "account", who.account);
  if (who.permissions != NULL) put_permissions(&json, who.permissions);
  json_put_close(&json, '}');
  json_put_close(&json, '}');
  settings_unref(who.settings);
  return finish(&json, true, len);
}

/* ---- all of them ---- */

/* The name of an account, to be freed; NULL: there is none any more. */
static char *name_of(struct monitor *monitor, uint32_t number) {
  const struct monitor_source *source = &monitor->source;
  struct monitor_account account;
  char *name = NULL;
  pthread_rwlock_rdlock(&monitor->lock);
  for (uint32_t i = 0; name == NULL && source->account(source->arg, i, &account); i++)
    if (!account.is_unused && account.number == number) name = strdup(account.name);
  pthread_rwlock_unlock(&monitor->lock);
  return name;
}

static bool is_account(struct monitor *monitor, const char *name) {
  const struct monitor_source *source = &monitor->source;
  struct monitor_account account;
  bool found = false;
  pthread_rwlock_rdlock(&monitor->lock);
  for (uint32_t i = 0; !found && source->account(source->arg, i, &account); i++)
    found = !account.is_unused && strcmp(account.name, name) == 0;
  pthread_rwlock_unlock(&monitor->lock);
  return found;
}

char *sys_answer(struct monitor *monitor, const struct sys_request *request, uint64_t sequence, size_t *len) {
  if (request->kind == SYS_KIND_USER) return answer_user(monitor, request, sequence, len);
  if (request->own) {
    char *name = name_of(monitor, request->account);
    char *text = name != NULL ? answer_about(monitor, request, name, sequence, len) : NULL;
    free(name);
    return text;
  }
  if (request->kind == KIND_CONNS) return sys_event_conns_of(monitor, request->named, sequence, len);
  const bool statz = request->kind == SYS_KIND_STATZ;
  const bool all =
      statz && strcmp(request->named, "PING") == 0; /* of other kinds it is an account like others */
  if (statz && !all && !is_account(monitor, request->named)) return NULL; /* another server may have it */
  return answer_about(monitor, request, all ? NULL : request->named, sequence, len);
}

bool sys_answer_is_to_reload(struct monitor *monitor, const struct sys_request *request) {
  struct sys_query query;
  const bool is = request->kind == SYS_KIND_RELOAD && read_query(&query, request, NULL) == NULL &&
                  is_meant(monitor, &query);
  if (request->kind == SYS_KIND_RELOAD) sys_query_free(&query);
  return is;
}

char *sys_answer_reloaded(struct monitor *monitor, const char *reason, uint64_t sequence, size_t *len) {
  struct json_writer json = {.compact = true};
  json_put_open(&json, NULL, '{');
  sys_put_server(&json, "server", monitor, sequence);
  if (reason != NULL) put_error(&json, 500, reason);
  json_put_close(&json, '}');
  return finish(&json, true, len);
}
