/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /topz: the subjects that clients publish most to, of the last 30 to 60 seconds; estimates, and their bounds (busiest.h).
 * tern's own page. On the thread that asks.
 *
 *     n=20         so many, at most SKETCH_PLACES
 *     acc=NAME     only those of this account
 *     sort=bytes   by bytes, not by messages
 */
#include <stdlib.h>
#include <string.h>

#include "busiest.h"
#include "inside.h"
#include "page.h"

#define COUNT_DEFAULT 20

/* The name of an account; "": a reload has removed it. */
static const char *name_of(const struct monitor_source *source, uint32_t number) {
  struct monitor_account account;
  for (uint32_t i = 0; source->account(source->arg, i, &account); i++)
    if (account.number == number && !account.is_unused) return account.name;
  return "";
}

static void put_subject(struct page *page, const struct nats_busy *busy) {
  struct json_writer *json = &page->json;
  const size_t len = busy->len < sizeof busy->text ? busy->len : sizeof busy->text;
  json_put_open(json, NULL, '{');
  json_put_string(json, "account", name_of(&page->monitor->source, busy->account));
  json_put_slice(json, "subject", (struct tern_slice){busy->text, len});
  if (len < busy->len) json_put_bool(json, "truncated", true);
  json_put_uint(json, "msgs", busy->msgs);
  json_put_uint(json, "bytes", busy->bytes);
  json_put_uint(json, "low", busy->low);
  json_put_uint(json, "high", busy->high);
  json_put_close(json, '}');
}

static bool read_query(struct page *page, struct nats_busy_query *query, int64_t *count) {
  const char *sort = page_text(page, "sort"), *name = page_text(page, "acc");
  struct monitor_account account = {.is_unused = false};
  if (!page_int(page, "n", count)) return false;
  if (*count < 1 || *count > SKETCH_PLACES) {
    page_fail(page, 400, "n must be from 1 to %d", SKETCH_PLACES);
    return false;
  }
  query->by_bytes = sort != NULL && strcmp(sort, "bytes") == 0;
  if (sort != NULL && !query->by_bytes && strcmp(sort, "msgs") != 0) {
    page_fail(page, 400, "invalid sorting option: %.100s", sort);
    return false;
  }
  if (name != NULL && !page_account(page, name, &account)) return false;
  query->of_one_account = name != NULL;
  query->account = account.is_unused ? UINT32_MAX : account.number;
  return true;
}

void topz_page(struct page *page) {
  const struct monitor_source *source = &page->monitor->source;
  struct nats_busy_query query = {.by_bytes = false};
  struct nats_busy_list list;
  int64_t count = COUNT_DEFAULT;
  if (!read_query(page, &query, &count)) return;
  if (!page_check(page, nats_busiest_find(source->nats, source->pool, &query, &list))) return;
  if ((uint64_t)count > list.count) count = (int64_t)list.count;
  struct json_writer *json = &page->json;
  json_put_open(json, NULL, '{');
  page_begin(page);
  json_put_number(json, "seconds", (double)list.ms / 1000);
  json_put_string(json, "sort", query.by_bytes ? "bytes" : "msgs");
  json_put_uint(json, "sampling", list.step);
  json_put_uint(json, "total", list.total);
  json_put_open(json, "subjects", '[');
  for (int64_t i = 0; i < count; i++)
    put_subject(page, &list.list[i]);
  json_put_close(json, ']');
  json_put_close(json, '}');
  free(list.list);
}
