/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /accountz: which accounts there are, and one of them. /accstatz: what the connections of each, or of one, have
 * done. On the thread that asks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imports.h"
#include "inside.h"
#include "page.h"
#include "sys_answer.h"
#include "sys_subjects.h"

static bool next_account(const struct monitor_source *source, uint32_t *index,
                         struct monitor_account *account) {
  return source->account(source->arg, (*index)++, account);
}

bool page_account(struct page *page, const char *name, struct monitor_account *account) {
  for (uint32_t i = 0; next_account(&page->monitor->source, &i, account);)
    if (strcmp(account->name, name) == 0) return true;
  page_fail(page, 400, "Account %.200s does not exist", name);
  return false;
}

struct nats_account_figures *page_accounts(struct page *page, uint32_t *room) {
  const struct monitor_source *source = &page->monitor->source;
  struct monitor_account account;
  *room = 0;
  for (uint32_t i = 0; next_account(source, &i, &account);)
    if (account.number >= *room) *room = account.number + 1;
  struct nats_account_figures *figures = calloc(*room > 0 ? *room : 1, sizeof *figures);
  if (!page_check(page, figures != NULL ? nats_conns_accounts(source->nats, source->pool, figures, *room)
                                        : -ENOMEM)) {
    free(figures);
    return NULL;
  }
  return figures;
}

/* Those of one; an account that nobody can be in has none. */
static const struct nats_account_figures *figures_of(const struct nats_account_figures *figures,
                                                     const struct monitor_account *account) {
  static const struct nats_account_figures none;
  return account->is_unused ? &none : &figures[account->number];
}

static bool find_system(const struct monitor_source *source, struct monitor_account *account) {
  for (uint32_t i = 0; next_account(source, &i, account);)
    if (account->is_system) return true;
  return false;
}

static void put_system(struct json_writer *json, const struct monitor_source *source) {
  struct monitor_account account;
  if (find_system(source, &account)) json_put_string(json, "system_account", account.name);
}

/* ---- exports, imports, mappings ---- */

static void put_mappings(struct json_writer *json, const struct mappings *mappings) {
  size_t count;
  if (mappings == NULL) return;
  const struct mappings_entry *list = mappings_list(mappings, &count);
  json_put_open(json, "mappings", '{');
  for (size_t i = 0; i < count; i++) {
    json_put_open(json, list[i].source, '[');
    for (size_t n = 0; n < list[i].count; n++) {
      json_put_open(json, NULL, '{');
      json_put_slice(json, "subject", list[i].shares[n].subject);
      json_put_uint(json, "weight", list[i].shares[n].until);
      json_put_close(json, '}');
    }
    json_put_close(json, ']');
  }
  json_put_close(json, '}');
}

/* A list that is left out when nothing is in it. */
struct part {
  struct json_writer *json;
  const char *key;
  bool is_open;
};

static void part_next(struct part *part) {
  if (!part->is_open) json_put_open(part->json, part->key, '[');
  part->is_open = true;
  json_put_open(part->json, NULL, '{');
}

static void part_end(struct part *part) {
  if (part->is_open) json_put_close(part->json, ']');
}

static const char *kind_of(bool service) { return service ? "service" : "stream"; }

static void put_latency(struct json_writer *json, const char *key, const struct export *export) {
  if (export->latency == NULL) return;
  json_put_open(json, key, '{');
  if (export->sampling == IMPORTS_BY_HEADERS)
    json_put_string(json, "sampling", "headers");
  else
    json_put_uint(json, "sampling", export->sampling);
  json_put_string(json, "results", export->latency);
  json_put_close(json, '}');
}

static void put_export(struct json_writer *json, const struct export *export) {
  static const char *const answers[] = {[IMPORT_ANSWER_ONE] = "Singleton",
                                        [IMPORT_ANSWER_MANY] = "Streamed",
                                        [IMPORT_ANSWER_CHUNKS] = "Chunked"};
  json_put_string(json, "subject", export->subject);
  json_put_string(json, "type", kind_of(export->service));
  if (export->service) json_put_string(json, "response_type", answers[export->answers]);
  put_latency(json, "service_latency", export);
  if (export->approved_count == 0) return;
  json_put_open(json, "approved_accounts", '[');
  for (size_t i = 0; i < export->approved_count; i++)
    json_put_string(json, NULL, export->approved[i]);
  json_put_close(json, ']');
}

/* What is asked by `from`, or comes from there, is `to` on the other side. */
static void put_way(struct json_writer *json, bool service, const char *from, const char *account,
                    const char *to, bool share) {
  json_put_string(json, "subject", from);
  json_put_string(json, "account", account);
  json_put_string(json, service ? "to" : "local_subject", to);
  json_put_string(json, "type", kind_of(service));
  json_put_bool(json, "invalid", false);
  json_put_bool(json, "share", share);
  json_put_bool(json, "tracking", false);
}

static void put_import(struct json_writer *json, const struct import *import) {
  const char *local = import->local, *remote = import->remote;
  if (import->service)
    put_way(json, true, local, import->exporter, remote, import->share);
  else
    put_way(json, false, remote, import->exporter, local, false);
  put_latency(json, "latency", import->export);
}

/* As nats-server: of exports services come first, of imports streams. */
static void put_exports(struct json_writer *json, const struct imports *imports, const char *account) {
  struct part part = {json, "exports", false};
  for (int streams = 0; streams < 2; streams++)
    for (size_t i = 0; i < imports->export_count; i++) {
      const struct export *export = &imports->exports[i];
      if (export->service == streams || strcmp(export->account, account) != 0) continue;
      part_next(&part);
      put_export(json, export);
      json_put_close(json, '}');
    }
  part_end(&part);
}

/* What every account may ask the system account, which is an import in nats-server. USER.INFO is not told: tern has no
 * subject for it there. */
static void put_system_imports(struct part *part, const char *account, const char *system) {
  const char *subject;
  unsigned kind;
  for (size_t i = 0; (subject = sys_subjects_own(i, &kind)) != NULL; i++) {
    char *to;
    if (!sys_kind_is_of_account(kind)) continue;
    if (asprintf(&to, "$SYS.REQ.ACCOUNT.%s.%s", account, sys_kind_name(kind)) < 0) continue;
    part_next(part);
    put_way(part->json, true, subject, system, to, false);
    json_put_close(part->json, '}');
    free(to);
  }
}

/* `system`: the system account's name, NULL for itself and where there is none. */
static void put_imports(struct json_writer *json, const struct imports *imports, const char *account,
                        const char *system) {
  struct part part = {json, "imports", false};
  for (int services = 0; services < 2; services++)
    for (size_t i = 0; imports != NULL && i < imports->count; i++) {
      const struct import *import = &imports->at[i];
      if (import->service != services || strcmp(import->importer, account) != 0) continue;
      part_next(&part);
      put_import(json, import);
      json_put_close(json, '}');
    }
  if (system != NULL) put_system_imports(&part, account, system);
  part_end(&part);
}

static void put_shared(struct page *page, const struct monitor_account *account) {
  struct monitor_account system = {0};
  struct json_writer *json = &page->json;
  if (account->imports != NULL) {
    put_mappings(json, imports_mappings(account->imports, account->name));
    put_exports(json, account->imports, account->name);
  }
  const bool asks = !account->is_system && find_system(&page->monitor->source, &system);
  put_imports(json, account->imports, account->name, asks ? system.name : NULL);
}

static void put_detail(struct page *page, const char *key, const struct monitor_account *account,
                       const struct nats_account_figures *figures, const struct core_subjects *subjects) {
  struct json_writer *json = &page->json;
  json_put_open(json, key, '{');
  json_put_string(json, "account_name", account->name);
  json_put_time(json, "update_time", page->monitor->start_ns);
  if (account->is_system) json_put_bool(json, "is_system", true);
  json_put_bool(json, "expired", false);
  json_put_bool(json, "complete", true);
  json_put_bool(json, "jetstream_enabled", false);
  json_put_uint(json, "leafnode_connections", 0);
  json_put_uint(json, "client_connections", figures->connections);
  json_put_uint(json, "subscriptions", subjects->subscriptions);
  put_shared(page, account);
  json_put_open(json, "sublist_stats", '{');
  page_put_subjects(json, subjects);
  json_put_close(json, '}');
  json_put_close(json, '}');
}

static void put_one(struct page *page, const char *key, const char *name) {
  const struct monitor_source *source = &page->monitor->source;
  struct monitor_account account;
  struct core_subjects subjects;
  uint32_t room;
  if (!page_account(page, name, &account)) return;
  struct nats_account_figures *figures = page_accounts(page, &room);
  if (figures != NULL && page_check(page, source->subjects(source->arg, name, &subjects)))
    put_detail(page, key, &account, figures_of(figures, &account), &subjects);
  free(figures);
}

void accountz_page(struct page *page) {
  const struct monitor_source *source = &page->monitor->source;
  const char *wanted = page_text(page, "acc");
  struct json_writer *json = &page->json;
  struct monitor_account account;
  json_put_open(json, NULL, '{');
  page_begin(page);
  put_system(json, source);
  if (wanted != NULL) {
    put_one(page, "account_detail", wanted);
  } else {
    json_put_open(json, "accounts", '[');
    for (uint32_t i = 0; next_account(source, &i, &account);)
      json_put_string(json, NULL, account.name);
    json_put_close(json, ']');
  }
  json_put_close(json, '}');
}

void accinfo_page(struct page *page) {
  const char *wanted = page_text(page, "acc");
  put_one(page, NULL, wanted != NULL ? wanted : "");
}

void page_put_traffic(struct json_writer *json, const char *key, uint64_t msgs, uint64_t bytes) {
  json_put_open(json, key, '{');
  json_put_uint(json, "msgs", msgs);
  json_put_uint(json, "bytes", bytes);
  json_put_close(json, '}');
}

void page_put_account(struct json_writer *json, const char *name, const struct nats_account_figures *f) {
  json_put_string(json, "acc", name);
  json_put_string(json, "name", name);
  json_put_uint(json, "conns", f->connections);
  json_put_uint(json, "leafnodes", 0);
  json_put_uint(json, "total_conns", f->connections); /* with those of leaf nodes, of which there are none */
  json_put_uint(json, "num_subscriptions", f->subscriptions);
  page_put_traffic(json, "sent", f->out_msgs, f->out_bytes);
  page_put_traffic(json, "received", f->in_msgs, f->in_bytes);
  json_put_uint(json, "slow_consumers", f->slow_consumers);
}

void accstatz_page(struct page *page) {
  bool unused = false;
  const char *only = page_text(page, "acc");
  uint32_t room;
  if (!page_bool(page, "unused", &unused)) return;
  struct nats_account_figures *figures = page_accounts(page, &room);
  if (figures == NULL) return;
  struct json_writer *json = &page->json;
  struct monitor_account account;
  json_put_open(json, NULL, '{');
  page_begin(page);
  json_put_open(json, "account_statz", '[');
  for (uint32_t i = 0; next_account(&page->monitor->source, &i, &account);) {
    if (only != NULL && strcmp(only, account.name) != 0) continue;
    const struct nats_account_figures *its = figures_of(figures, &account);
    if (!unused && its->connections == 0) continue;
    json_put_open(json, NULL, '{');
    page_put_account(json, account.name, its);
    json_put_close(json, '}');
  }
  json_put_close(json, ']');
  json_put_close(json, '}');
  free(figures);
}
