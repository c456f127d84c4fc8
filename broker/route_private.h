/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What route.c, route_list.c and route_group.c share. Thread: the worker's.
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

/** Sends a list to a worker that was drawn for the only group of a match. False when nothing could be sent. */
bool route_send_picked(struct route *route, const struct tern_match *match, struct tern_message *list,
                       uint32_t to);
/** Finds somebody for a message that this worker was drawn for by another one. */
bool route_receive_picked(struct route *route, const struct tern_match *match, struct tern_message *m,
                          uint32_t origin, struct tern_slice name);
static inline uint64_t route_bit(uint32_t worker) { return (uint64_t)1 << worker; }

/* route_list.c */
/** How many of these messages, at least one, go into a record of so many bytes, with the name of a group or none. len:
 * what they take; one alone may take more. */
uint32_t route_list_fit(const struct tern_message *list, uint32_t count, struct tern_slice group, size_t room,
                        size_t *len);
/** Writes a record. */
void route_list_put(char *to, const struct tern_message *list, uint32_t count, struct tern_slice group);
/** Delivers the messages of a record. epoch: of their matches. */
void route_list_receive(struct route *route, uint32_t from, const char *record, uint64_t epoch);

/* route_group.c */
/** Draws the worker that gets a group's message, in proportion to its members, among those not asked. Returns
 * TERN_WORKERS_MAX when there is none. */
uint32_t route_group_draw(struct route *route, const struct tern_match_group *group, uint64_t asked);
/** Offers the message to this worker's members of a group, starting at a random one. True when one took it. */
bool route_group_offer(struct route *route, const struct tern_match_group *group, struct tern_message *m,
                       uint32_t *cost);
/** Is there one group and nobody else, so that a list may go at once? */
static inline bool route_group_takes_lists(const struct tern_match *match) {
  return match->group_count == 1 && match->handler_count + match->local_count == 0 && match->remote == 0;
}
/** Publishes a list to such a match. False when it has to go message by message: nothing has happened then. */
bool route_group_publish_list(struct route *route, const struct tern_match *match, struct tern_message *list,
                              struct route_result *result);
/** Delivers a list that was sent here for a group. False as above. */
bool route_group_receive_list(struct route *route, const struct tern_match_group *group,
                              struct tern_message *list);
/** The group of that name in a match, or NULL. */
const struct tern_match_group *route_group_find(const struct tern_match *match, struct tern_slice name);

#endif
