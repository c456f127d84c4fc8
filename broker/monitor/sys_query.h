/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The body of a request by message: options of the page, under nats-server's names, and filters that say which servers
 * are meant. Thread: any, one at a time.
 */
#ifndef BROKER_MONITOR_SYS_QUERY_H
#define BROKER_MONITOR_SYS_QUERY_H

#include <stdbool.h>

#include <jansson.h>

#include <tern/buffer.h>

#include "monitor.h"

#define SYS_PARAMETERS 13

struct sys_query {
  const char *values[SYS_PARAMETERS]; /* as HTTP would have them; NULL: not given */
  char numbers[SYS_PARAMETERS][24];
  bool lists;   /* subscriptions are always listed */
  json_t *body; /* what the texts are in; NULL: empty */
};

/** What a server is known by. */
struct sys_server {
  const char *name, *host;
  char *const *tags; /* in lower case */
  size_t tag_count;
};

/**
 * Reads a body, which may be empty. account: the one named by the subject, over that of the body; NULL: none; valid as
 * long as the query. Returns NULL, or what is wrong (constant); sys_query_free is to be called anyway.
 */
const char *sys_query_read(struct sys_query *query, struct tern_slice body, const char *account);
/** Is this server meant? */
bool sys_query_means(const struct sys_query *query, const struct sys_server *server);
/** monitor_query.parameter, with the query as argument. */
const char *sys_query_parameter(const void *query, const char *name);
void sys_query_free(struct sys_query *query);

#endif
