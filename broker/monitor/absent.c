/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of what tern does not have: routes to other servers, leaf nodes, gateways, JetStream. Tools that look after
 * servers ask for them and expect the form. Health is here as well: who can answer is healthy, since nothing that could
 * be broken while the server runs is among what the page of nats-server tells.
 */
#include <stdatomic.h>
#include <string.h>

#include "inside.h"
#include "nats.h"
#include "page.h"

/* Reads a parameter that changes nothing here, so that a wrong one is refused as it is by nats-server. */
static bool ignore_bool(struct page *page, const char *name) {
  bool ignored;
  return page_bool(page, name, &ignored);
}

static bool ignore_int(struct page *page, const char *name) {
  int64_t ignored;
  return page_int(page, name, &ignored);
}

void routez_page(struct page *page) {
  const char *subs = page_text(page, "subs");
  bool detail = subs != NULL && strcmp(subs, "detail") == 0;
  if (!detail && !ignore_bool(page, "subs")) return;
  json_put_open(&page->json, NULL, '{');
  json_put_string(&page->json, "server_id", page->monitor->source.server_id);
  json_put_string(&page->json, "server_name", page->monitor->source.server_name);
  json_put_time(&page->json, "now", page_now_ns());
  json_put_uint(&page->json, "num_routes", 0);
  json_put_open(&page->json, "routes", '[');
  json_put_close(&page->json, ']');
  json_put_close(&page->json, '}');
}

void leafz_page(struct page *page) {
  if (!ignore_bool(page, "subs")) return;
  json_put_open(&page->json, NULL, '{');
  page_begin(page);
  json_put_uint(&page->json, "leafnodes", 0);
  json_put_open(&page->json, "leafs", '[');
  json_put_close(&page->json, ']');
  json_put_close(&page->json, '}');
}

void gatewayz_page(struct page *page) {
  if (!ignore_bool(page, "accs")) return;
  json_put_open(&page->json, NULL, '{');
  page_begin(page);
  json_put_open(&page->json, "outbound_gateways", '{');
  json_put_close(&page->json, '}');
  json_put_open(&page->json, "inbound_gateways", '{');
  json_put_close(&page->json, '}');
  json_put_close(&page->json, '}');
}

static const char *const jsz_bools[] = {"accounts", "streams",     "consumers",         "config",
                                        "raft",     "leader-only", "stream-leader-only"};

void jsz_page(struct page *page) {
  for (size_t i = 0; i < sizeof jsz_bools / sizeof jsz_bools[0]; i++)
    if (!ignore_bool(page, jsz_bools[i])) return;
  if (!ignore_int(page, "limit") || !ignore_int(page, "offset")) return;
  static const char *const zeros[] = {"memory",           "storage",  "reserved_memory",
                                      "reserved_storage", "accounts", "ha_assets"};
  static const char *const more[] = {"streams", "consumers", "messages", "bytes"};
  struct json_writer *json = &page->json;
  json_put_open(json, NULL, '{');
  page_begin(page);
  json_put_bool(json, "disabled", true);
  json_put_open(json, "config", '{');
  json_put_uint(json, "max_memory", 0);
  json_put_uint(json, "max_storage", 0);
  json_put_close(json, '}');
  for (size_t i = 0; i < sizeof zeros / sizeof zeros[0]; i++)
    json_put_uint(json, zeros[i], 0);
  json_put_open(json, "api", '{');
  json_put_uint(json, "level", 0);
  json_put_uint(json, "total", 0);
  json_put_uint(json, "errors", 0);
  json_put_close(json, '}');
  for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
    json_put_uint(json, more[i], 0);
  json_put_close(json, '}');
}

void healthz_page(struct page *page) {
  static const char *const names[] = {"js-enabled", "js-enabled-only", "js-server-only", "js-meta-only",
                                      "details"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (!ignore_bool(page, names[i])) return;
  /* Monitoring comes before clients are let in. relaxed: a hint; pairs with the store in nats_server_set_port */
  if (atomic_load_explicit(&page->monitor->source.nats->port, memory_order_relaxed) == 0)
    page_fail(page, 503,
              "{\"status\":\"unavailable\",\"error\":\"the server does not accept connections yet\"}");
  page->json.compact = true;
  json_put_open(&page->json, NULL, '{');
  json_put_string(&page->json, "status", "ok");
  json_put_close(&page->json, '}');
}
