/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of pages, and the making of one. A page is made by the thread that asks; several may be in the making at
 * once. What they share is constant or looks after itself.
 */
#include "monitor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inside.h"
#include "page.h"

static const struct {
  const char *path;
  void (*make)(struct page *page);
} pages[MONITOR_PAGES] = {
    {"/varz", varz_page},         {"/connz", connz_page},
    {"/subsz", subsz_page},       {"/subscriptionsz", subsz_page},
    {"/routez", routez_page},     {"/leafz", leafz_page},
    {"/gatewayz", gatewayz_page}, {"/jsz", jsz_page},
    {"/healthz", healthz_page},   {"/metrics", metrics_page},
    {"/accountz", accountz_page}, {"/accstatz", accstatz_page},
    {"/topz", topz_page},         {"/interestz", interestz_page},
    {"/stagez", stagez_page},     {"/", console_page},
};

const char *monitor_path(unsigned page) { return pages[page].path; }

int monitor_find(const char *path) {
  for (int i = 0; i < MONITOR_PAGES; i++)
    if (strcmp(pages[i].path, path) == 0) return i;
  return -1;
}

void monitor_pause(struct monitor *monitor) { pthread_rwlock_wrlock(&monitor->lock); }

void monitor_resume(struct monitor *monitor) { pthread_rwlock_unlock(&monitor->lock); }

void page_make(struct monitor *monitor, void (*make)(struct page *page), const struct monitor_query *query,
               struct monitor_text *out) {
  struct page page = {.monitor = monitor, .query = query, .status = 200, .type = "application/json"};
  pthread_rwlock_rdlock(&monitor->lock);
  make(&page);
  pthread_rwlock_unlock(&monitor->lock);
  if (page.status != 200) {
    free(page.json.text);
    *out = (struct monitor_text){page.status, "text/plain; charset=utf-8", strdup(page.error), 0};
    if (out->text != NULL) out->len = strlen(out->text);
    return;
  }
  if (page.json.failed) {
    free(page.json.text);
    page.json.text = NULL;
  }
  *out = (struct monitor_text){page.status, page.type, page.json.text, page.json.len};
}

void monitor_make(struct monitor *monitor, int page, const struct monitor_query *query,
                  struct monitor_text *out) {
  page_make(monitor, pages[page].make, query, out);
}

void monitor_count(struct monitor *monitor, int page) {
  /* relaxed: a figure; pairs with the load in varz.c */
  atomic_fetch_add_explicit(&monitor->requests[page], 1, memory_order_relaxed);
}

int monitor_new(const struct monitor_source *source, struct monitor **out) {
  struct monitor *monitor = calloc(1, sizeof *monitor);
  if (monitor == NULL) return -ENOMEM;
  monitor->source = *source;
  monitor->source.server_name = monitor->server_name = strdup(source->server_name);
  struct timespec monotonic;
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  monitor->start_ns = page_now_ns();
  monitor->epoch_ns =
      monitor->start_ns - ((uint64_t)monotonic.tv_sec * 1000000000u + (uint64_t)monotonic.tv_nsec);
  int error = monitor->server_name != NULL ? -pthread_mutex_init(&monitor->cpu.lock, NULL) : -ENOMEM;
  if (error == 0 && (error = -pthread_rwlock_init(&monitor->lock, NULL)) != 0)
    pthread_mutex_destroy(&monitor->cpu.lock);
  if (error != 0) {
    free(monitor->server_name);
    free(monitor);
    return error;
  }
  *out = monitor;
  return 0;
}

void monitor_free(struct monitor *monitor) {
  if (monitor == NULL) return;
  pthread_rwlock_destroy(&monitor->lock);
  pthread_mutex_destroy(&monitor->cpu.lock);
  free(monitor->server_name);
  free(monitor);
}
