/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sinks of one filter on one worker: an array without order, so that taking one out moves the last one
 * into its place. One sink needs no array.
 *
 *     one sink    at -> one: A                 array    at -> [ A | B | C | D |   |   ]   take B: [ A | D | C ]
 *
 * While a match is in use the array may be being walked from its end, and its sinks may remove each other.
 * Moving the last one down would show it twice. So then the place is filled with tern__nobody, which takes no
 * message, and the hole is closed up when the last match is done:
 *
 *     walking at C, which removes A    [ - | B | C | D ]      B is next, then nobody; every sink was seen once
 *     C adds E                         [ - | B | C | D | E ]  behind the walk: does not get this message
 *
 * Called by the index of the worker that owns the sinks; knows nothing of filters.
 */
#include "private.h"

#define ARRAY_MIN 4 /* elements */

static bool take_nothing(struct tern_sink *sink, struct tern_message *message) {
  (void)sink;
  (void)message;
  return false;
}

static const struct tern_sink_ops nobody_ops = {.deliver = take_nothing};
struct tern_sink tern__nobody = {.ops = &nobody_ops};

void tern__set_init(struct tern__set *set, bool is_group, size_t text_len) {
  *set = (struct tern__set){.is_group = is_group, .text_len = (uint32_t)text_len & 0x7fffffffu};
  set->members.capacity = 1;
  set->members.at = &set->one;
}

void tern__set_free(struct tern_index *index, struct tern__set *set) {
  if (set->members.capacity > 1)
    tern_pool_release(index->pool, set->members.at, set->members.capacity * sizeof *set->members.at);
}

/* Moves the sinks into an array of that capacity, at least their number; 1: no array. */
static bool set_capacity(struct tern_index *index, struct tern__set *set, uint32_t capacity) {
  struct tern_members *members = &set->members;
  struct tern_sink **at =
      capacity == 1 ? &set->one : tern_pool_alloc(index->pool, capacity * sizeof *members->at);
  if (at == NULL) return false;
  memcpy(at, members->at, members->count * sizeof *at);
  tern__set_free(index, set);
  members->at = at;
  members->capacity = capacity;
  return true;
}

bool tern__set_reserve(struct tern_index *index, struct tern__set *set) {
  uint32_t capacity = set->members.capacity;
  if (set->members.count < capacity) return true;
  return set_capacity(index, set, capacity == 1 ? ARRAY_MIN : capacity * 2);
}

void tern__set_put(struct tern_index *index, struct tern__set *set, struct tern_sink *sink) {
  sink->members = &set->members;
  sink->position = set->members.count;
  set->members.at[set->members.count++] = sink;
  index->stats.sinks++;
  index->stats.adds++;
}

/* Without memory the array stays as it is. */
static void shrink(struct tern_index *index, struct tern__set *set) {
  uint32_t count = set->members.count, capacity = set->members.capacity;
  if (capacity == 1) return;
  while (capacity > ARRAY_MIN && count <= capacity / 4)
    capacity /= 2;
  if (count <= 1) capacity = 1;
  if (capacity != set->members.capacity) (void)set_capacity(index, set, capacity);
}

void tern__set_take(struct tern_index *index, struct tern_sink *sink) {
  struct tern__set *set = tern__set_of(sink);
  struct tern_members *members = &set->members;
  uint32_t position = sink->position;
  sink->members = NULL;
  index->stats.sinks--;
  if (index->in_use > 0) {
    members->at[position] = &tern__nobody;
    if (members->capacity == 1) {
      members->count = 0; /* a walk over one sink ends here in any case */
    } else if (set->holes++ == 0) {
      set->next_holed = index->holed;
      index->holed = set;
      index->unsettled = true;
    }
    return;
  }
  struct tern_sink *last = members->at[--members->count];
  members->at[position] = last;
  last->position = position;
  shrink(index, set);
}

void tern__set_close_up(struct tern_index *index, struct tern__set *set) {
  struct tern_members *members = &set->members;
  uint32_t to = 0;
  for (uint32_t from = 0; from < members->count; from++) {
    struct tern_sink *sink = members->at[from];
    if (sink == &tern__nobody) continue;
    sink->position = to;
    members->at[to++] = sink;
  }
  members->count = to;
  set->holes = 0;
  shrink(index, set);
}
