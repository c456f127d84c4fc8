/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /connz: connections, sorted, a page of them. All of them are looked at for what they are sorted by; only those on the
 * page are described (conns.h). On the thread that asks.
 */
#include <stdlib.h>
#include <string.h>

#include <tern/error.h>
#include <tern/tls.h>

#include "inside.h"
#include "page.h"
#include "text.h"

#define LIMIT_DEFAULT 1024
#define NS_PER_MS     1000000u
#define ACCOUNT_MAIN  "$G"

/* What was asked for. */
struct wanted {
  struct nats_conns_query query;
  bool auth, subs, detail;
  int64_t offset, limit;
};

static const struct {
  const char *name;
  enum nats_conn_sort sort;
} sorts[] = {
    {"cid", NATS_BY_CID},
    {"start", NATS_BY_START},
    {"subs", NATS_BY_SUBS},
    {"pending", NATS_BY_PENDING},
    {"msgs_to", NATS_BY_OUT_MSGS},
    {"msgs_from", NATS_BY_IN_MSGS},
    {"bytes_to", NATS_BY_OUT_BYTES},
    {"bytes_from", NATS_BY_IN_BYTES},
    {"last", NATS_BY_LAST},
    {"idle", NATS_BY_IDLE},
    {"uptime", NATS_BY_UPTIME},
    {"stop", NATS_BY_STOP},
    {"reason", NATS_BY_REASON},
    {"rtt", NATS_BY_RTT},
};

static bool read_state(struct page *page, struct nats_conns_query *query) {
  const char *state = page_text(page, "state");
  query->open = true;
  if (state == NULL || strcasecmp(state, "open") == 0) return true;
  if (strcasecmp(state, "any") == 0 || strcasecmp(state, "all") == 0) {
    query->closed = true;
  } else if (strcasecmp(state, "closed") == 0) {
    query->closed = true;
    query->open = false;
  } else {
    page_fail(page, 400, "Error decoding state for %.100s", state);
    return false;
  }
  return true;
}

static bool read_sort(struct page *page, struct nats_conns_query *query) {
  const char *name = page_text(page, "sort");
  if (name == NULL) return true;
  for (size_t i = 0; i < sizeof sorts / sizeof sorts[0]; i++) {
    if (strcmp(sorts[i].name, name) != 0) continue;
    query->sort = sorts[i].sort;
    if (query->open && (query->sort == NATS_BY_STOP || query->sort == NATS_BY_REASON)) {
      page_fail(page, 400, "sort by %s only valid on closed connections", name);
      return false;
    }
    if (!query->open && query->sort == NATS_BY_RTT) break;
    return true;
  }
  page_fail(page, 400, "invalid sorting option: %.100s", name);
  return false;
}

bool page_subs(struct page *page, bool *subs, bool *detail) {
  const char *text = page_text(page, "subs");
  *detail = text != NULL && strcmp(text, "detail") == 0;
  if (*detail) *subs = true;
  return *detail || page_bool(page, "subs", subs);
}

void page_range(int64_t *offset, int64_t *limit) {
  if (*offset < 0) *offset = 0;
  if (*limit <= 0) *limit = LIMIT_DEFAULT;
}

static bool read_wanted(struct page *page, struct wanted *wanted) {
  *wanted = (struct wanted){0};
  if (!page_bool(page, "auth", &wanted->auth) || !page_subs(page, &wanted->subs, &wanted->detail) ||
      !page_int(page, "offset", &wanted->offset) || !page_int(page, "limit", &wanted->limit) ||
      !page_uint(page, "cid", &wanted->query.cid) || !read_state(page, &wanted->query) ||
      !read_sort(page, &wanted->query))
    return false;
  wanted->query.account = page_text(page, "acc");
  wanted->query.user = page_text(page, "user");
  if (page_text(page, "mqtt_client") != NULL)
    wanted->query.open = wanted->query.closed = false; /* there are none */
  page_range(&wanted->offset, &wanted->limit);
  if (wanted->query.cid != 0) wanted->limit = 1;
  return true;
}

/* ---- one connection ---- */

/* What describing goes on with. */
struct describing {
  struct page *page;
  const struct wanted *wanted;
  uint64_t now_ns;
  uint64_t subs_left;
  bool detail;
};

static bool put_sub(void *arg, const struct nats_sub_info *sub) {
  struct describing *d = arg;
  if (d->subs_left == 0) return false;
  d->subs_left--;
  if (d->detail)
    page_put_sub(&d->page->json, sub, false);
  else
    json_put_slice(&d->page->json, NULL, sub->subject);
  return true;
}

void page_put_sub(struct json_writer *json, const struct nats_sub_info *sub, bool account) {
  json_put_open(json, NULL, '{');
  if (account || strcmp(sub->account, ACCOUNT_MAIN) != 0) json_put_string(json, "account", sub->account);
  json_put_slice(json, "subject", sub->subject);
  if (sub->group.len > 0) json_put_slice(json, "qgroup", sub->group);
  json_put_slice(json, "sid", sub->sid);
  json_put_uint(json, "msgs", sub->msgs);
  if (sub->dropped > 0) json_put_uint(json, "dropped_msgs", sub->dropped);
  if (sub->max > 0) json_put_uint(json, "max", sub->max);
  json_put_uint(json, "cid", sub->cid);
  json_put_close(json, '}');
}

static void put_optional(struct json_writer *json, const char *key, const char *text) {
  if (text[0] != '\0') json_put_string(json, key, text);
}

static void put_times(struct describing *d, const struct nats_conn *conn) {
  struct json_writer *json = &d->page->json;
  const struct monitor *monitor = d->page->monitor;
  const uint64_t start = monitor_wall_ns(monitor, conn->start_ms);
  const uint64_t active = monitor_wall_ns(monitor, conn->active_ms);
  const uint64_t until = conn->stop_ms != 0 ? monitor_wall_ns(monitor, conn->stop_ms) : d->now_ns;
  char uptime[TEXT_TIME_BYTES], idle[TEXT_TIME_BYTES], rtt[TEXT_TIME_BYTES];
  text_uptime(until > start ? (until - start) / NS_PER_MS / 1000 : 0, uptime);
  text_uptime(until > active ? (until - active) / NS_PER_MS / 1000 : 0, idle);
  text_duration(conn->rtt_ns, rtt);
  json_put_time(json, "start", start);
  json_put_time(json, "last_activity", active);
  if (conn->stop_ms != 0) {
    json_put_time(json, "stop", until);
    json_put_string(json, "reason", nats_reason_text(conn->reason));
  }
  json_put_string(json, "rtt", rtt);
  json_put_string(json, "uptime", uptime);
  json_put_string(json, "idle", idle);
}

static void put_tls(struct json_writer *json, const struct nats_conn *conn) {
  if (conn->tls_version == NULL) return;
  put_optional(json, "tls_version", conn->tls_version);
  put_optional(json, "tls_cipher_suite", conn->tls_cipher);
  if (conn->shown != NULL) json_put_open(json, "tls_peer_certs", '[');
  for (const struct tern_tls_certificate *at = conn->shown; at != NULL; at = at->next) {
    json_put_open(json, NULL, '{');
    put_optional(json, "subject", at->subject);
    json_put_string(json, "spki_sha256", at->key_sha256);
    json_put_string(json, "cert_sha256", at->sha256);
    json_put_close(json, '}');
  }
  if (conn->shown != NULL) json_put_close(json, ']');
  if (conn->tls_first) json_put_bool(json, "tls_first", true);
}

static void put_connection(void *arg, const struct nats_conn *conn) {
  struct describing *d = arg;
  struct json_writer *json = &d->page->json;
  json_put_open(json, NULL, '{');
  json_put_uint(json, "cid", conn->cid);
  json_put_string(json, "kind", "Client");
  json_put_string(json, "type", "nats");
  json_put_string(json, "ip", conn->ip);
  json_put_uint(json, "port", conn->port);
  put_times(d, conn);
  json_put_uint(json, "pending_bytes", conn->pending_bytes);
  json_put_uint(json, "in_msgs", conn->in_msgs);
  json_put_uint(json, "out_msgs", conn->out_msgs);
  json_put_uint(json, "in_bytes", conn->in_bytes);
  json_put_uint(json, "out_bytes", conn->out_bytes);
  if (conn->dropped > 0) json_put_uint(json, "dropped_msgs", conn->dropped);
  json_put_uint(json, "subscriptions", conn->subscriptions);
  put_optional(json, "name", conn->name);
  put_optional(json, "lang", conn->lang);
  put_optional(json, "version", conn->version);
  put_tls(json, conn);
  if (d->wanted->auth) put_optional(json, "authorized_user", conn->user);
  if (d->wanted->auth && strcmp(conn->account, ACCOUNT_MAIN) != 0)
    json_put_string(json, "account", conn->account);
  if (d->wanted->subs && conn->stop_ms == 0 && conn->subscriptions > 0) {
    const struct monitor_source *source = &d->page->monitor->source;
    d->detail = d->wanted->detail;
    json_put_open(json, d->detail ? "subscriptions_list_detail" : "subscriptions_list", '[');
    page_check(d->page, nats_conns_subs(source->nats, source->pool, conn->cid, put_sub, d));
    json_put_close(json, ']');
  }
  json_put_close(json, '}');
}

/* ---- the page ---- */

void connz_page(struct page *page) {
  struct wanted wanted;
  struct nats_conn_keys keys;
  const struct monitor_source *source = &page->monitor->source;
  if (!read_wanted(page, &wanted)) return;
  if (!page_check(page, nats_conns_find(source->nats, source->pool, &wanted.query, &keys))) return;
  const size_t first = (uint64_t)wanted.offset < keys.count ? (size_t)wanted.offset : keys.count;
  const size_t left = keys.count - first;
  const size_t count = (uint64_t)wanted.limit < left ? (size_t)wanted.limit : left;
  struct describing describing = {
      .page = page, .wanted = &wanted, .now_ns = page_now_ns(), .subs_left = PAGE_SUBS_MAX};
  struct json_writer *json = &page->json;
  json_put_open(json, NULL, '{');
  page_begin(page);
  json_put_uint(json, "num_connections", count);
  json_put_uint(json, "total", keys.total);
  json_put_int(json, "offset", wanted.offset);
  json_put_int(json, "limit", wanted.limit);
  json_put_open(json, "connections", '[');
  page_check(page, nats_conns_describe(source->nats, source->pool, keys.keys + first, count, wanted.auth,
                                       put_connection, &describing));
  json_put_close(json, ']');
  json_put_close(json, '}');
  free(keys.keys);
}
