/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What route.c and route_list.c share. Thread: the worker's.
 */
#ifndef BROKER_ROUTE_PRIVATE_H
#define BROKER_ROUTE_PRIVATE_H

#include "route.h"

/* route.c */
/** Publishes to everyone in a match. */
void route_publish_matched(struct route *route, const struct tern_match *match, struct tern_message *m,
                           unsigned flags, struct route_result *result);
/** Delivers a message or a run to this worker's plain sinks. Returns how many took it. */
uint32_t route_deliver_plain(struct route *route, const struct tern_match *match, struct tern_message *m,
                             uint64_t epoch, uint32_t *cost);

/* route_list.c */
/** How many of these messages, at least one, go into a record of so many bytes. len: what they take; 0: one alone is too
 * long. */
uint32_t route_list_fit(const struct tern_message *list, uint32_t count, size_t room, size_t *len);
/** Writes a record. */
void route_list_put(char *to, const struct tern_message *list, uint32_t count);
/** Delivers the messages of a record. epoch: of their matches. */
void route_list_receive(struct route *route, const char *record, uint64_t epoch);

#endif
