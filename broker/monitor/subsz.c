/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /subsz: subscriptions, and how the registry does. Fan-out is that of the results in the workers' caches; another worker
 * counts as one receiver there. On the thread that asks.
 */
#include <string.h>

#include <tern/subject.h>

#include "inside.h"
#include "page.h"

void page_put_subjects(struct json_writer *json, const struct core_subjects *s) {
  json_put_uint(json, "num_subscriptions", s->subscriptions);
  json_put_uint(json, "num_cache", s->cached);
  json_put_uint(json, "num_inserts", s->inserts);
  json_put_uint(json, "num_removes", s->removes);
  json_put_uint(json, "num_matches", s->matches);
  json_put_number(json, "cache_hit_rate", s->matches > 0 ? (double)s->cache_hits / (double)s->matches : 0);
  json_put_uint(json, "max_fanout", s->fanout_max);
  json_put_number(json, "avg_fanout", s->cached > 0 ? (double)s->fanout / (double)s->cached : 0);
}

/* The list while it is put together. */
struct listing {
  struct json_writer *json;
  const char *test, *account;
  uint64_t offset, limit;
  uint64_t total; /* that fit so far */
};

static bool put_sub(void *arg, const struct nats_sub_info *sub) {
  struct listing *l = arg;
  if (l->account != NULL && strcmp(l->account, sub->account) != 0) return true;
  if (l->test != NULL && !tern_filter_matches(sub->subject, tern_slice_of(l->test))) return true;
  if (l->total >= l->offset && l->total - l->offset < l->limit) page_put_sub(l->json, sub, true);
  l->total++;
  return true;
}

void subsz_page(struct page *page) {
  bool subs = false;
  int64_t offset = 0, limit = 0;
  struct core_subjects figures;
  const struct monitor_source *source = &page->monitor->source;
  const char *test = page_text(page, "test"), *account = page_text(page, "acc");
  if (!page_bool(page, "subs", &subs) || !page_int(page, "offset", &offset) ||
      !page_int(page, "limit", &limit))
    return;
  if (test != NULL && !tern_subject_is_literal(tern_slice_of(test))) {
    page_fail(page, 400, "invalid test subject, must be valid publish subject: %.100s", test);
    return;
  }
  page_range(&offset, &limit);
  if (!page_check(page, source->subjects(source->arg, account, &figures))) return;
  struct json_writer *json = &page->json;
  struct listing listing = {.json = json,
                            .test = test,
                            .account = account,
                            .offset = (uint64_t)offset,
                            .limit = limit < PAGE_SUBS_MAX ? (uint64_t)limit : PAGE_SUBS_MAX};
  json_put_open(json, NULL, '{');
  page_begin(page);
  page_put_subjects(json, &figures);
  json_put_int(json, "offset", offset);
  json_put_int(json, "limit", limit);
  if (subs) {
    json_put_open(json, "subscriptions_list", '[');
    page_check(page, nats_conns_subs(source->nats, source->pool, 0, put_sub, &listing));
    json_put_close(json, ']');
  }
  json_put_uint(json, "total", subs ? listing.total : figures.subscriptions);
  json_put_close(json, '}');
}
