/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who of a queue group gets a message (guarantee O5): a worker is drawn in proportion to its members, and then one of
 * its members. Each message is drawn for itself; messages of a list (message.h) that were drawn for the same one go to it
 * together:
 *
 *     list         a   b   c   d   e   f
 *     drawn for    2   1a  1b  2   1a  2      1a, 1b: members on this worker
 *                  |                          other workers draw their members themselves
 *                  +-> one record to worker 2: a d f;   1a: b e;   1b: c
 *
 * Members then get their messages in another order among each other, which nobody can tell, unless a connection has two of
 * them or a plain subscription as well (O1), or one refuses a message and another is to be asked: then the list goes
 * message by message. What is being written to a member whose connection fails is lost with it.
 *
 * Runs on the worker's thread.
 */
#include "route_private.h"

/* xorshift64*: statistical quality is all a pick needs. */
uint64_t route_draw(struct route *route, uint64_t bound) {
  uint64_t x = route->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  route->random = x;
  return (uint64_t)(((unsigned __int128)(x * 0x2545F4914F6CDD1Du) * bound) >> 64);
}

const struct tern_match_group *route_group_find(const struct tern_match *match, struct tern_slice name) {
  for (uint32_t i = 0; i < match->group_count; i++)
    if (tern_slice_equal(match->groups[i].name, name)) return &match->groups[i];
  return NULL;
}

/* Members on the workers that have not been asked. */
static uint64_t weight_left(const struct tern_match_group *group, uint64_t asked) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < group->worker_count; i++)
    if (!(asked & route_bit(group->workers[i].worker))) total += group->workers[i].weight;
  return total;
}

/* As route_group_draw, with what weight_left says. */
static uint32_t draw_of(struct route *route, const struct tern_match_group *group, uint64_t asked,
                        uint64_t total) {
  if (total == 0) return TERN_WORKERS_MAX;
  if (group->worker_count == 1) return group->workers->worker;
  uint64_t at = route_draw(route, total);
  for (uint32_t i = 0; i < group->worker_count; i++) {
    if (asked & route_bit(group->workers[i].worker)) continue;
    if (at < group->workers[i].weight) return group->workers[i].worker;
    at -= group->workers[i].weight;
  }
  return TERN_WORKERS_MAX; /* not reached: the weights add up to total */
}

uint32_t route_group_draw(struct route *route, const struct tern_match_group *group, uint64_t asked) {
  return draw_of(route, group, asked, weight_left(group, asked));
}

static uint64_t local_members(const struct tern_match_group *group) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < group->local_count; i++)
    total += group->local[i]->count;
  return total;
}

static struct tern_sink *local_member(const struct tern_match_group *group, uint64_t at) {
  uint32_t i = 0;
  for (; at >= group->local[i]->count; i++)
    at -= group->local[i]->count;
  return group->local[i]->at[at];
}

bool route_group_offer(struct route *route, const struct tern_match_group *group, struct tern_message *m,
                       uint32_t *cost) {
  uint64_t total = local_members(group);
  if (total == 0) return false;
  uint64_t start = total > 1 ? route_draw(route, total) : 0;
  for (uint64_t step = 0; step < total; step++) {
    ++*cost;
    struct tern_sink *sink = local_member(group, start + step < total ? start + step : start + step - total);
    if (sink->ops->deliver(sink, m)) return true;
  }
  return false;
}

/* Do all of this worker's members, of which there are so many, take any list whole? */
static bool members_take_lists(struct route *route, const struct tern_match_group *group, uint64_t members) {
  uint64_t run = ++route->runs;
  for (uint64_t i = 0; i < members; i++) {
    struct tern_sink *sink = local_member(group, i);
    if (sink->ops->takes_run == NULL || !sink->ops->takes_run(sink, run, true)) return false;
  }
  return true;
}

/* Moves those of a list whose places are in `left` and that were drawn for the same as the first of them to `part`, as a
 * list. Returns what is left then. */
static uint32_t take_part(const struct tern_message *list, const uint64_t *drawn, uint32_t left,
                          struct tern_message *part) {
  uint64_t whose = drawn[__builtin_ctz(left)];
  uint32_t count = 0;
  for (uint32_t set = left; set != 0; set &= set - 1) {
    uint32_t i = (uint32_t)__builtin_ctz(set);
    if (drawn[i] != whose) continue;
    part[count++] = list[i];
    left &= ~(UINT32_C(1) << i);
  }
  part->more = count - 1;
  part->stride = 0;
  return left;
}

/* A bit for each message of a list. */
static uint32_t all_of(const struct tern_message *list) {
  return UINT32_MAX >> (ROUTE_LIST_MAX - 1 - list->more);
}
_Static_assert(ROUTE_LIST_MAX == 32, "so many bits");

static void deliver_to(const struct tern_match_group *group, uint64_t member, struct tern_message *part) {
  struct tern_sink *sink = local_member(group, member);
  sink->ops->deliver(sink, part);
}

bool route_group_publish_list(struct route *route, const struct tern_match *match, struct tern_message *list,
                              struct route_result *result) {
  const struct tern_match_group *group = match->groups;
  uint64_t drawn[ROUTE_LIST_MAX], members = local_members(group);
  struct tern_message part[ROUTE_LIST_MAX];
  uint32_t own = tern_worker_index(route->worker);
  result->cost += (uint32_t)members;
  if (!members_take_lists(route, group, members)) return false;
  uint64_t asked = members > 0 ? 0 : route_bit(own), total = weight_left(group, asked);
  for (uint32_t i = 0; i <= list->more; i++) { /* workers, or behind them members of this one */
    drawn[i] = draw_of(route, group, asked, total);
    if (drawn[i] == own) drawn[i] = TERN_WORKERS_MAX + 1 + (members > 1 ? route_draw(route, members) : 0);
  }
  for (uint32_t left = all_of(list); left != 0;) {
    uint64_t whose = drawn[__builtin_ctz(left)];
    left = take_part(list, drawn, left, part);
    if (whose > TERN_WORKERS_MAX)
      deliver_to(group, whose - TERN_WORKERS_MAX - 1, part);
    else if (whose < TERN_WORKERS_MAX && route_send_picked(route, match, part, (uint32_t)whose))
      result->workers |= route_bit((uint32_t)whose);
    result->cost += 1 + part->more / ROUTE_LIST_SHARE;
  }
  return true;
}

bool route_group_receive_list(struct route *route, const struct tern_match_group *group,
                              struct tern_message *list) {
  uint64_t drawn[ROUTE_LIST_MAX], members = local_members(group);
  struct tern_message part[ROUTE_LIST_MAX];
  if (members == 0 || !members_take_lists(route, group, members)) return false;
  for (uint32_t i = 0; i <= list->more; i++)
    drawn[i] = members > 1 ? route_draw(route, members) : 0;
  for (uint32_t left = all_of(list); left != 0;) {
    uint64_t whose = drawn[__builtin_ctz(left)];
    left = take_part(list, drawn, left, part);
    deliver_to(group, whose, part);
  }
  return true;
}
