/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists: messages that follow one another and go to the same receivers, though not to the same subject (message.h). Each
 * is looked up for itself, here and on the other workers, and neighbours with the same receivers go together.
 *
 * In a record for another worker it says first where the parts are, and then come the publisher's bytes from the first
 * subject to the end of the last body, copied at once with what stands in between:
 *
 *     [ head ]  [ place, place, place ]  [ a 5 CR LF body CR LF PUB b 12 CR LF body CR LF PUB c 3 CR LF body ]
 *
 * Runs on the worker's thread; nothing is allocated or kept.
 */
#include "route_private.h"

#include <string.h>

struct head {
  uint64_t source;
  uint32_t count;
  uint32_t unused;
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

/* Bytes that the first `count` messages of a list lie in. */
static size_t text_len(const struct tern_message *list, uint32_t count) {
  const struct tern_message *last = &list[count - 1];
  return (size_t)(last->body.ptr - list->subject.ptr) + last->body.len;
}

static size_t record_len(const struct tern_message *list, uint32_t count) {
  return sizeof(struct head) + count * sizeof(struct place) + text_len(list, count);
}

uint32_t route_list_fit(const struct tern_message *list, uint32_t count, size_t room, size_t *len) {
  if (room > UINT16_MAX) room = UINT16_MAX;
  while (count > 0 && (*len = record_len(list, count)) > room)
    count--;
  if (count > 0) return count;
  *len = 0;
  return 1;
}

void route_list_put(char *to, const struct tern_message *list, uint32_t count) {
  const char *start = list->subject.ptr;
  struct head head = {.source = list->source, .count = count};
  memcpy(to, &head, sizeof head);
  to += sizeof head;
  for (uint32_t i = 0; i < count; i++, to += sizeof(struct place)) {
    const struct tern_message *m = &list[i];
    struct place place = {
        .hash = m->hash,
        .subject = (uint16_t)(m->subject.ptr - start),
        .subject_len = (uint16_t)m->subject.len,
        .size_text = (uint16_t)(m->size_text.ptr - start),
        .size_text_len = (uint16_t)m->size_text.len,
        .body = (uint16_t)(m->body.ptr - start),
        .body_len = (uint16_t)m->body.len,
    };
    memcpy(to, &place, sizeof place);
  }
  memcpy(to, start, text_len(list, count));
}

/* Reads a record: the messages point into it. Returns how many there are. */
static uint32_t take(const char *record, struct tern_message *list) {
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
  return head.count;
}

/* How many of these messages, the first being the match's, have its receivers: not so many that a turn becomes long. */
static uint32_t count_alike(struct route *route, const struct tern_match *match,
                            const struct tern_message *list, uint32_t count, uint32_t room) {
  uint32_t each = 1, alike = 1;
  for (uint32_t i = 0; i < match->local_count; i++)
    each += match->local[i]->count;
  if (count > 1 + room / each) count = 1 + room / each;
  while (alike < count && tern_index_alike(route->index, match, list[alike].subject, list[alike].hash))
    alike++;
  return alike;
}

uint32_t route_publish_list(struct route *route, struct tern_message *list, uint32_t count, uint32_t budget,
                            struct route_result *result) {
  uint32_t done = 0, alike;
  for (; done < count && result->cost <= budget; done += alike) {
    struct tern_message *m = &list[done];
    struct route_result each = {0};
    m->more = m->stride = 0;
    uint64_t visited = tern_index_visited(route->index);
    const struct tern_match *match = tern_index_match(route->index, m->subject, m->hash);
    alike = 1;
    if (match == NULL) {
      tern_counter_add(&route->stats->no_memory, 1);
      continue;
    }
    each.cost = (uint32_t)(tern_index_visited(route->index) - visited);
    alike = count_alike(route, match, m, count - done, budget - result->cost);
    m->more = alike - 1;
    route_publish_matched(route, match, m, 0, &each);
    tern_index_done(route->index, match);
    result->cost += each.cost;
    result->workers |= each.workers;
  }
  return done;
}

void route_list_receive(struct route *route, const char *record, uint64_t epoch) {
  struct tern_message list[ROUTE_LIST_MAX];
  uint32_t count = take(record, list), alike, cost = 0; /* nobody's: the source has its turn elsewhere */
  for (uint32_t done = 0; done < count; done += alike) {
    struct tern_message *m = &list[done];
    const struct tern_match *match = tern_index_match(route->index, m->subject, m->hash);
    alike = 1;
    if (match == NULL) {
      tern_counter_add(&route->stats->no_memory, 1);
      continue;
    }
    alike = count_alike(route, match, m, count - done, UINT32_MAX);
    m->more = alike - 1;
    route_deliver_plain(route, match, m, epoch, &cost);
    tern_index_done(route->index, match);
  }
}
