/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists: messages that follow one another and go to the same receivers, though not to the same subject (message.h). Each
 * is looked up for itself, here and on the other workers, and neighbours with the same receivers go together.
 *
 * In a record for another worker it says first where the parts are, and then come the publisher's bytes from the first
 * subject to the last message's end, copied at once with what stands in between; for a queue group, of which others may
 * have some of them, message by message:
 *
 *     [ head ]  [ place, place, place ]  [ a 5 CR LF body CR LF PUB b 12 CR LF body CR LF PUB c 3 CR LF body CR LF ]
 *     [ head ]  [ place, place ]         [ a 5 CR LF body CR LF c 3 CR LF body CR LF ]  [ name of the group ]
 *
 * Runs on the worker's thread; nothing is allocated or kept.
 */
#include "route_private.h"

#include <assert.h>
#include <string.h>

struct head {
  uint64_t source;
  uint32_t count;
  uint32_t group_len; /* 0: for plain sinks */
};

/* Offsets from the first subject; a record is far shorter than 64 KiB. */
struct place {
  uint64_t hash;
  uint16_t subject;
  uint16_t subject_len;
  uint16_t size_text;
  uint16_t size_text_len;
  uint16_t body;
  uint16_t body_len;
  uint32_t unused;
};

/* The publisher's bytes from one message to another, both included, with the CR LF behind the last one (message.h). */
static size_t span(const struct tern_message *from, const struct tern_message *to) {
  return (size_t)(to->body.ptr - from->subject.ptr) + to->body.len + 2;
}

uint32_t route_list_fit(const struct tern_message *list, uint32_t count, struct tern_slice group, size_t room,
                        size_t *len) {
  if (room > UINT16_MAX) room = UINT16_MAX;
  if (group.len == 0) {
    while (count > 1 &&
           sizeof(struct head) + count * sizeof(struct place) + span(list, &list[count - 1]) > room)
      count--;
    *len = sizeof(struct head) + count * sizeof(struct place) + span(list, &list[count - 1]);
    return count;
  }
  *len = sizeof(struct head) + group.len;
  for (uint32_t i = 0; i < count; i++) {
    size_t need = sizeof(struct place) + span(&list[i], &list[i]);
    if (i > 0 && *len + need > room) return i;
    *len += need;
  }
  return count;
}

static char *put(char *to, const char *from, size_t len) {
  memcpy(to, from, len);
  return to + len;
}

/* Where a message is that begins at this offset. */
static struct place place_of(const struct tern_message *m, size_t at) {
  return (struct place){.hash = m->hash,
                        .subject = (uint16_t)at,
                        .subject_len = (uint16_t)m->subject.len,
                        .size_text = (uint16_t)(at + (size_t)(m->size_text.ptr - m->subject.ptr)),
                        .size_text_len = (uint16_t)m->size_text.len,
                        .body = (uint16_t)(at + (size_t)(m->body.ptr - m->subject.ptr)),
                        .body_len = (uint16_t)m->body.len};
}

void route_list_put(char *to, const struct tern_message *list, uint32_t count, struct tern_slice group) {
  struct head head = {.source = list->source, .count = count, .group_len = (uint32_t)group.len};
  char *at = put(to, (const char *)&head, sizeof head), *start = at + count * sizeof(struct place),
       *text = start;
  const char *from = list->subject.ptr;
  for (uint32_t i = 0; i < count; i++) {
    const struct tern_message *m = &list[i];
    struct place place =
        place_of(m, group.len > 0 ? (size_t)(text - start) : (size_t)(m->subject.ptr - from));
    if (group.len > 0) text = put(text, m->subject.ptr, span(m, m));
    at = put(at, (const char *)&place, sizeof place);
  }
  if (group.len > 0)
    put(text, group.ptr, group.len);
  else
    put(start, from, span(list, &list[count - 1]));
}

/* Reads a record: the messages point into it, and so does the group. Returns how many there are. */
static uint32_t take(const char *record, struct tern_message *list, struct tern_slice *group) {
  struct head head;
  memcpy(&head, record, sizeof head);
  const char *at = record + sizeof head, *start = at + head.count * sizeof(struct place);
  for (uint32_t i = 0; i < head.count; i++, at += sizeof(struct place)) {
    struct place place;
    memcpy(&place, at, sizeof place);
    list[i] = (struct tern_message){
        .subject = {start + place.subject, place.subject_len},
        .size_text = {start + place.size_text, place.size_text_len},
        .body = {start + place.body, place.body_len},
        .hash = place.hash,
        .source = head.source,
    };
  }
  assert(head.count > 0); /* no record is sent for nothing */
  const struct tern_message *last = &list[head.count - 1];
  *group = (struct tern_slice){last->body.ptr + last->body.len + 2, head.group_len};
  return head.count;
}

/* How many of these messages, the first being the match's, have its receivers: not so many that a turn becomes long. */
static uint32_t count_alike(struct route *route, const struct tern_match *match,
                            const struct tern_message *list, uint32_t count, uint32_t room) {
  uint32_t each = 1;
  for (uint32_t i = 0; i < match->local_count; i++)
    each += match->local[i]->count;
  if (count - 1 > room / each) count = 1 + room / each;
  return tern_index_alike(route->index, match, list, count);
}

static bool has_others(const struct tern_match *match) {
  return match->group_count + match->handler_count > 0;
}

uint32_t route_publish_list(struct route *route, struct tern_message *list, uint32_t count, uint32_t budget,
                            struct route_result *result) {
  uint32_t done = 0, near = 0, alike;
  bool singly = false; /* a group has a member that may refuse */
  for (; done < count && result->cost <= budget; done += alike) {
    struct tern_message *m = &list[done];
    if (done >= near) near = done + tern_index_bring_list(route->index, m, count - done);
    struct route_result each = {0};
    m->more = m->stride = 0;
    uint64_t visited = tern_index_visited(route->index);
    const struct tern_match *match = tern_index_match(route->index, m->subject, m->hash);
    alike = 1;
    if (match == NULL) {
      tern_counter_add(&route->stats->no_memory, 1);
      continue;
    }
    result->single = has_others(match);
    if (!result->single || (!singly && route_group_takes_lists(match)))
      alike = count_alike(route, match, m, count - done, budget - result->cost);
    each.cost = (uint32_t)(tern_index_visited(route->index) - visited);
    m->more = alike - 1;
    if (result->single && alike > 1 && !route_group_publish_list(route, match, m, &each)) {
      singly = true;
      alike = 1;
      m->more = 0;
    }
    if (!result->single || alike == 1) route_publish_matched(route, match, m, 0, &each);
    tern_index_done(route->index, match);
    result->cost += each.cost;
    result->workers |= each.workers;
  }
  return done;
}

static void receive_for_group(struct route *route, const struct tern_match *match, struct tern_message *list,
                              uint32_t from, struct tern_slice name) {
  const struct tern_match_group *group = route_group_find(match, name);
  if (group != NULL && route_group_receive_list(route, group, list)) return;
  for (uint32_t i = 0, more = list->more; i <= more; i++) {
    list[i].more = 0;
    route_receive_picked(route, match, &list[i], from, name);
  }
}

void route_list_receive(struct route *route, uint32_t from, const char *record, uint64_t epoch) {
  struct tern_message list[ROUTE_LIST_MAX];
  struct tern_slice group;
  uint32_t count = take(record, list, &group), alike,
           cost = 0; /* nobody's: the source has its turn elsewhere */
  for (uint32_t done = 0, near = 0; done < count; done += alike) {
    struct tern_message *m = &list[done];
    if (done >= near) near = done + tern_index_bring_list(route->index, m, count - done);
    const struct tern_match *match = tern_index_match(route->index, m->subject, m->hash);
    alike = 1;
    if (match == NULL) {
      tern_counter_add(&route->stats->no_memory, 1);
      continue;
    }
    alike = count_alike(route, match, m, count - done, UINT32_MAX);
    m->more = alike - 1;
    if (group.len > 0)
      receive_for_group(route, match, m, from, group);
    else
      route_deliver_plain(route, match, m, epoch, &cost);
    tern_index_done(route->index, match);
  }
}
