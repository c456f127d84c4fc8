/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /interestz: how many would get a message on a subject (interest.h), in the main account or in another one. tern's own
 * page. On the thread that asks.
 */
#include "interest.h"

#include <errno.h>
#include <stdlib.h>

#include <tern/subject.h>

#include "access.h"
#include "inside.h"
#include "page.h"

static void put_groups(struct json_writer *json, const struct nats_interest *interest) {
  json_put_open(json, "queue_groups", '[');
  for (uint32_t i = 0; i < interest->listed; i++) {
    const struct nats_interest_group *group = &interest->list[i];
    const size_t len = group->len < sizeof group->name ? group->len : sizeof group->name;
    json_put_open(json, NULL, '{');
    json_put_slice(json, "name", (struct tern_slice){group->name, len});
    if (len < group->len) json_put_bool(json, "truncated", true);
    json_put_uint(json, "members", group->members);
    json_put_uint(json, "workers", group->workers);
    json_put_close(json, '}');
  }
  json_put_close(json, ']');
}

static void put_interest(struct json_writer *json, const struct nats_interest *interest) {
  json_put_uint(json, "receivers", interest->subscriptions + interest->groups + interest->handlers);
  json_put_uint(json, "subscriptions", interest->subscriptions);
  json_put_uint(json, "num_queue_groups", interest->groups);
  json_put_uint(json, "queue_members", interest->members);
  json_put_uint(json, "handlers", interest->handlers);
  json_put_uint(json, "workers", interest->workers);
  put_groups(json, interest);
}

void interestz_page(struct page *page) {
  const struct monitor_source *source = &page->monitor->source;
  const char *subject = page_text(page, "subject"), *name = page_text(page, "acc");
  struct monitor_account account;
  if (subject == NULL || !tern_subject_is_literal(tern_slice_of(subject))) {
    page_fail(page, 400, "invalid subject, must be valid publish subject: %.100s",
              subject != NULL ? subject : "");
    return;
  }
  if (name == NULL) name = ACCESS_GLOBAL;
  if (!page_account(page, name, &account)) return;
  struct nats_interest *interest = calloc(1, sizeof *interest);
  int error = interest == NULL ? -ENOMEM : 0;
  if (error == 0 && !account.is_unused)
    error = nats_interest_find(source->nats, source->pool, account.number, tern_slice_of(subject), interest);
  if (page_check(page, error) && interest != NULL) {
    json_put_open(&page->json, NULL, '{');
    page_begin(page);
    json_put_string(&page->json, "subject", subject);
    json_put_string(&page->json, "account", name);
    put_interest(&page->json, interest);
    json_put_close(&page->json, '}');
  }
  free(interest);
}
