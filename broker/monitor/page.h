/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A page of monitoring while it is made: where its figures come from, what was asked, and the text so far. Each page is
 * one function that reads the query and writes JSON; HTTP and requests by message (`$SYS`) call the same.
 */
#ifndef BROKER_MONITOR_PAGE_H
#define BROKER_MONITOR_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "conns.h"
#include "json.h"
#include "monitor.h"

/** Longest text of an error. */
#define PAGE_ERROR_BYTES 512
/** Subscriptions listed on one page. */
#define PAGE_SUBS_MAX 100000

struct page {
  struct monitor *monitor;
  const struct monitor_query *query;
  struct json_writer json;
  unsigned status;  /* 200, or that of the error */
  const char *type; /* what the text is, when it is not JSON */
  char error[PAGE_ERROR_BYTES];
};

/** Makes a page by its function, as monitor_make does by its number. */
void page_make(struct monitor *monitor, void (*make)(struct page *page), const struct monitor_query *query,
               struct monitor_text *out);
/** Ends the page with an error; only the first one counts. */
void page_fail(struct page *page, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Parameters. Each changes *value only when the parameter is given, and returns false when it cannot be read; then the
 * page has failed with nats-server's text. */
bool page_bool(struct page *page, const char *name, bool *value);
bool page_int(struct page *page, const char *name, int64_t *value);
bool page_uint(struct page *page, const char *name, uint64_t *value);
/** The text of a parameter; NULL: not given or empty. */
const char *page_text(const struct page *page, const char *name);

/** `subs`, which may be `detail` as well. */
bool page_subs(struct page *page, bool *subs, bool *detail);
/** Puts an offset and a limit into their bounds. */
void page_range(int64_t *offset, int64_t *limit);

/** True when a call that asked the workers succeeded; else the page has failed. */
bool page_check(struct page *page, int error);
/** Resident memory of the process, in bytes; 0 when the system does not tell. */
uint64_t page_memory(void);
/** Processor time, in percent of one processor, of late. */
double page_cpu(struct monitor *monitor);
/** The account of that name; false: there is none, and the page has failed. */
bool page_account(struct page *page, const char *name, struct monitor_account *out);
/** Figures of all accounts by number, to be freed, and how many there are. NULL: the page has failed. */
struct nats_account_figures *page_accounts(struct page *page, uint32_t *count);
/** What a stage is called (enum tern_latency). */
const char *page_stage_name(unsigned stage);
/** Nanoseconds since 1970. */
uint64_t page_now_ns(void);
/** "server_id" and "now", which most pages begin with. */
void page_begin(struct page *page);

/** One subscription in detail; account: even if it is the main one. */
void page_put_sub(struct json_writer *json, const struct nats_sub_info *sub, bool account);
/** Figures of an account, inside of an object. */
void page_put_account(struct json_writer *json, const char *name, const struct nats_account_figures *figures);
/** Messages and bytes, as an object. */
void page_put_traffic(struct json_writer *json, const char *key, uint64_t msgs, uint64_t bytes);
/** The server's tags as a list, inside of an object; nothing when it has none. */
void page_put_tags(struct json_writer *json, const struct options *options);
/** Figures of the registry, inside of an object. */
void page_put_subjects(struct json_writer *json, const struct core_subjects *subjects);

/* The pages: varz.c, ... */
void varz_page(struct page *page);
void connz_page(struct page *page);
void subsz_page(struct page *page);
void metrics_page(struct page *page);
void accountz_page(struct page *page);
void accstatz_page(struct page *page);
void routez_page(struct page *page);
void leafz_page(struct page *page);
void gatewayz_page(struct page *page);
void jsz_page(struct page *page);
void healthz_page(struct page *page);
void topz_page(struct page *page);
void interestz_page(struct page *page);
void stagez_page(struct page *page);
void console_page(struct page *page);
/* By message only. */
void accinfo_page(struct page *page);

#endif
