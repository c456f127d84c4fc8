/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /stagez: how long messages take for each stage of their way through the server, of all workers together, since the start.
 * tern's own page; /metrics tells the same by worker, and METRICS.md what each stage is. On the thread that asks.
 */
#include "inside.h"
#include "page.h"

#include <tern/worker.h>

#define NS_PER_S 1e9

const char *page_stage_name(unsigned stage) {
  static const char *const names[TERN_LATENCIES] = {
      [TERN_LATENCY_WAITING] = "waiting",
      [TERN_LATENCY_HANDLING] = "routing",
      [TERN_LATENCY_CROSSING] = "crossing",
      [TERN_LATENCY_FLUSHING] = "flushing",
  };
  return names[stage];
}

static void add(struct tern_histogram *to, const struct tern_histogram *histogram) {
  to->ns += histogram->ns;
  for (unsigned i = 0; i < TERN_TICK_BUCKETS; i++)
    to->buckets[i] += histogram->buckets[i];
}

static void put_stage(struct json_writer *json, unsigned stage, const struct tern_histogram *histogram) {
  uint64_t count = 0;
  for (unsigned i = 0; i < TERN_TICK_BUCKETS; i++)
    count += histogram->buckets[i];
  json_put_open(json, NULL, '{');
  json_put_string(json, "stage", page_stage_name(stage));
  json_put_uint(json, "count", count);
  json_put_number(json, "seconds", (double)histogram->ns / NS_PER_S);
  json_put_open(json, "buckets", '[');
  for (unsigned i = 0; i < TERN_TICK_BUCKETS; i++)
    json_put_uint(json, NULL, histogram->buckets[i]);
  json_put_close(json, ']');
  json_put_close(json, '}');
}

void stagez_page(struct page *page) {
  struct tern_workers *pool = page->monitor->source.pool;
  struct json_writer *json = &page->json;
  struct tern_histogram stages[TERN_LATENCIES] = {{0}};
  for (unsigned i = 0; i < tern_workers_count(pool); i++) {
    const struct tern_worker_stats stats = tern_worker_stats(tern_workers_at(pool, i));
    for (unsigned stage = 0; stage < TERN_LATENCIES; stage++)
      add(&stages[stage], &stats.latency[stage]);
  }
  json_put_open(json, NULL, '{');
  page_begin(page);
  json_put_open(json, "le", '['); /* seconds; the last place of each list of buckets has all above */
  for (unsigned i = 0; i < TERN_TICK_BUCKETS - 1; i++)
    json_put_number(json, NULL, (double)((uint64_t)TERN_TICK_BUCKET_NS << i) / NS_PER_S);
  json_put_close(json, ']');
  json_put_open(json, "stages", '[');
  for (unsigned stage = 0; stage < TERN_LATENCIES; stage++)
    put_stage(json, stage, &stages[stage]);
  json_put_close(json, ']');
  json_put_close(json, '}');
}
