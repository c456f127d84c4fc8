/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions: sinks that write MSG and HMSG lines. Small bodies are copied into the output, large ones
 * referenced where they lie.
 *
 * sids are kept by client in a small hash table (11 to 16 bytes a subscription); removal shifts later entries of the run
 * back, so there are no tombstones:
 *
 *     slots:  [ - ][ A ][ B ][ C ][ - ]     A, B, C hash to slot 1
 *     remove A:    [ B ][ C ][ - ]
 *
 * The lower half of a sid's hash says where it belongs, the upper 16 bits stand in the slot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tern/error.h>
#include <tern/log.h>

#include "client.h"
#include "container.h"
#include "overflow.h"
#include "permit.h"

/* Where a sid belongs. */
static uint32_t home_of(const struct nats_sids *sids, uint64_t hash) {
  return (uint32_t)((hash & UINT32_MAX) * sids->capacity >> 32);
}

static uint32_t next_to(const struct nats_sids *sids, uint32_t slot) {
  return slot + 1 < sids->capacity ? slot + 1 : 0;
}

/* Steps from one slot on to another. */
static uint32_t steps(const struct nats_sids *sids, uint32_t from, uint32_t to) {
  return to >= from ? to - from : to + sids->capacity - from;
}

/* The slot where a sid is, or the one to put it into. */
static uint32_t find_slot(const struct nats_sids *sids, struct tern_slice sid, uint64_t hash) {
  for (uint32_t i = home_of(sids, hash);; i = next_to(sids, i)) {
    if (sids->slots[i] == 0) return i;
    if ((sids->slots[i] ^ hash) >> NATS_ADDRESS_BITS != 0) continue;
    if (tern_slice_equal(nats_sub_sid(nats_sids_at(sids, i)), sid)) return i;
  }
}

/* Where a subscription that is there is. */
static uint32_t slot_of(const struct nats_sub *sub) {
  return find_slot(&nats_sub_client(sub)->sids, nats_sub_sid(sub), tern_subject_hash(nats_sub_sid(sub)));
}

/* Subscriptions whose sids are on their way from memory while the table grows. */
#define GROW_AHEAD 16

/* Slots from which on their memory is mostly fresh from the system: all pages will be used, two thirds of the slots at
 * once. */
#define PROVIDE_MIN (64 * 1024)
/* SUBs that are looked at ahead. */
#define GLANCE_MAX 16

static int grow(struct nats_sids *sids) {
  struct nats_sids to = *sids;
  bool third = (sids->capacity & (sids->capacity - 1)) != 0; /* 6, 12, 24...: to the next power of two */
  to.capacity = sids->capacity == 0 ? 4 : third ? sids->capacity / 3 * 4 : sids->capacity / 2 * 3;
  to.slots = calloc(to.capacity, sizeof *to.slots);
  if (to.slots == NULL) return -ENOMEM;
  if (to.capacity >= PROVIDE_MIN) tern_memory_provide(to.slots, to.capacity * sizeof *to.slots);
  for (uint32_t i = 0; i < sids->capacity; i++) {
    if (i + GROW_AHEAD < sids->capacity) __builtin_prefetch(nats_sids_at(sids, i + GROW_AHEAD));
    if (sids->slots[i] == 0) continue;
    uint32_t at = home_of(&to, tern_subject_hash(nats_sub_sid(nats_sids_at(sids, i))));
    while (to.slots[at] != 0)
      at = next_to(&to, at);
    to.slots[at] = sids->slots[i];
  }
  free(sids->slots);
  *sids = to;
  return 0;
}

static void take_out(struct nats_sids *sids, uint32_t hole) {
  for (uint32_t i = next_to(sids, hole); sids->slots[i] != 0; i = next_to(sids, i)) {
    uint32_t home = home_of(sids, tern_subject_hash(nats_sub_sid(nats_sids_at(sids, i))));
    /* may it move back to the hole? not when its home lies between the hole and where it is */
    if (steps(sids, home, i) < steps(sids, hole, i)) continue;
    sids->slots[hole] = sids->slots[i];
    hole = i;
  }
  sids->slots[hole] = 0;
  sids->count--;
}

/* Has an address no more than NATS_ADDRESS_BITS? No system gives others unasked. */
static bool fits(const void *at) { return (uintptr_t)at >> NATS_ADDRESS_BITS == 0; }

static uint64_t address_bits(const void *at) {
  return (uintptr_t)at & ((UINT64_C(1) << NATS_ADDRESS_BITS) - 1);
}

/* What the subscription has besides, made when missing. NULL without memory. */
static struct nats_sub_more *more_get(struct nats_sub *sub) {
  struct nats_sub_more *more = nats_sub_more(sub);
  if (more != NULL) return more;
  struct nats_client *client = nats_sub_client(sub);
  struct tern_pool *pool = tern_loop_pool(client->worker->loop);
  more = tern_pool_alloc(pool, sizeof *more);
  if (more == NULL) return NULL;
  if (!fits(more)) {
    tern_pool_release(pool, more, sizeof *more);
    return NULL;
  }
  *more = (struct nats_sub_more){.client = client};
  sub->owner = address_bits(more);
  sub->sink.own |= NATS_SUB_MORE;
  return more;
}

int nats_sub_limit(struct nats_sub *sub, uint64_t max) {
  if (nats_sub_delivered(sub) >= max) {
    nats_sub_remove(sub);
    return 0;
  }
  struct nats_sub_more *more = more_get(sub);
  if (more == NULL) return -ENOMEM;
  more->max = max;
  return 0;
}

/* Counts messages that sink.own has no room for. */
__attribute__((noinline)) static void carry(struct nats_sub *sub, uint64_t messages) {
  struct nats_sub_more *more = more_get(sub);
  if (more == NULL) { /* it has no maximum: less is told than there were, until there is memory */
    sub->sink.own |= NATS_SUB_COUNT_MAX;
    return;
  }
  more->delivered += (sub->sink.own & NATS_SUB_COUNT_MAX) + messages;
  sub->sink.own &= ~NATS_SUB_COUNT_MAX;
}

void nats_sub_count(struct nats_sub *sub, uint64_t messages) {
  if (messages > NATS_SUB_COUNT_MAX - (sub->sink.own & NATS_SUB_COUNT_MAX))
    carry(sub, messages);
  else
    sub->sink.own += (uint32_t)messages;
}

/* A line longer than a reservation goes by way of the heap. */
static int write_line(struct tern_transport *transport, const struct tern_message *m, bool takes_headers,
                      struct tern_slice sid) {
  size_t room = tern_nats_line_max(m, sid.len);
  bool fits = room <= TERN_RESERVE_MAX_BYTES;
  char *line = fits ? tern_transport_reserve(transport, room) : malloc(room);
  if (line == NULL && !fits) tern_transport_abort(transport, -ENOMEM); /* O1: nothing is left out */
  if (line == NULL) return -ENOMEM;
  size_t len = (size_t)(tern_nats_put_line(line, m, takes_headers, sid) - line);
  if (fits) {
    tern_transport_commit(transport, len);
    return 0;
  }
  int error = tern_transport_write(transport, line, len);
  free(line);
  return error;
}

/* Messages longer than a reservation. */
static int write_large(struct tern_transport *transport, const struct tern_message *m, bool takes_headers,
                       struct tern_slice sid, uint64_t first) {
  struct tern_slice body = tern_nats_body(m, takes_headers);
  body.ptr += first * m->stride;
  int error = write_line(transport, m, takes_headers, sid);
  if (error != 0) return error;
  if (m->owner != NULL && body.len > TERN_COPY_MAX_BYTES)
    error = tern_transport_write_buf(transport, m->owner, body.ptr, body.len);
  else
    error = tern_transport_write(transport, body.ptr, body.len);
  return error != 0 ? error : tern_transport_write(transport, "\r\n", 2);
}

/* Bytes that a message may take in the output. */
static size_t room_for(const struct tern_message *m, struct tern_slice sid) {
  return tern_nats_line_max(m, sid.len) + m->body.len + 2;
}

/* Writes the first `count` messages of a run with one line, or the one there is. */
static int write_messages(struct nats_client *client, struct tern_slice sid, const struct tern_message *m,
                          bool takes_headers, uint64_t count) {
  struct tern_transport *transport = client->transport;
  size_t room = room_for(m, sid);
  bool large = room > TERN_RESERVE_MAX_BYTES || m->body.len > TERN_COPY_MAX_BYTES;
  for (uint64_t done = 0, part = 1; done < count; done += part) {
    if (large) {
      int error = write_large(transport, m, takes_headers, sid, done);
      if (error != 0) return error;
    } else {
      if (count > 1 && (part = TERN_RESERVE_MAX_BYTES / room) > count - done) part = count - done;
      char *at = tern_transport_reserve(transport, part * room);
      if (at == NULL) return TERN_ECLOSED;
      char *end = tern_nats_put_frames(at, m, takes_headers, sid, done, part);
      tern_transport_commit(transport, (size_t)(end - at));
    }
    nats_client_queued(client); /* B1: not after the run, its lines may be far longer than the publisher's */
  }
  return 0;
}

/* Writes the first `count` messages of a list, which have no headers, as many at a time as fit into a reservation. */
static int write_list(struct nats_client *client, struct tern_slice sid, const struct tern_message *list,
                      bool takes_headers, uint64_t count) {
  struct tern_transport *transport = client->transport;
  for (uint64_t done = 0, end; done < count; done = end) {
    size_t room = room_for(&list[done], sid), more;
    if (room > TERN_RESERVE_MAX_BYTES) { /* by its sid */
      int error = write_messages(client, sid, &list[done], takes_headers, 1);
      if (error != 0) return error;
      end = done + 1;
      continue;
    }
    for (end = done + 1; end < count; end++, room += more)
      if (room + (more = room_for(&list[end], sid)) > TERN_RESERVE_MAX_BYTES) break;
    char *start = tern_transport_reserve(transport, room);
    if (start == NULL) return TERN_ECLOSED;
    char *at = tern_nats_put_list(start, &list[done], end - done, sid);
    tern_transport_commit(transport, (size_t)(at - start));
    nats_client_queued(client); /* B1, as above */
  }
  return 0;
}

/* Bytes of bodies of the first `count` messages. */
static uint64_t body_bytes(const struct tern_message *m, bool takes_headers, uint64_t count) {
  if (m->stride > 0 || count == 1) return count * tern_nats_body(m, takes_headers).len;
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < count; i++)
    bytes += m[i].body.len;
  return bytes;
}

static void trace(const struct nats_sub *sub, const struct tern_message *m, bool takes_headers) {
  struct tern_slice sid = nats_sub_sid(sub);
  char *line = malloc(tern_nats_line_max(m, sid.len));
  if (line == NULL) return;
  size_t len = (size_t)(tern_nats_put_line(line, m, takes_headers, sid) - line);
  tern_log_event(TERN_LOG_TRACE, nats_client_about(nats_sub_client(sub), "trace_out"), "->> [%.*s]",
                 (int)len - 2, line);
  free(line);
}

static void trace_removed(const struct nats_sub *sub) {
  tern_log_event(TERN_LOG_TRACE, nats_client_about(nats_sub_client(sub), "trace_removed"),
                 "<-> [DELSUB %.*s]", (int)sub->sid_len, sub->sid);
}

static bool deliver_behind(struct nats_sub *sub, const struct tern_message *m, bool headers, uint64_t count) {
  bool taken = nats_overflow_deliver(sub, m, headers, count);
  if (nats_sub_left(sub) == 0) nats_sub_remove(sub);
  return taken;
}

static bool deliver(struct tern_sink *sink, struct tern_message *m);

/* The first `count` messages one by one: a client with a policy may fall behind in between. */
static bool deliver_singly(struct nats_sub *sub, const struct tern_message *m, uint64_t count) {
  bool taken = false;
  for (uint64_t i = 0; i < count; i++) {
    struct tern_message one = m->stride > 0 ? *m : m[i];
    one.body.ptr += i * m->stride;
    one.more = 0;
    bool last = nats_sub_left(sub) <= 1; /* then the subscription will be gone */
    bool took = deliver(&sub->sink, &one);
    taken |= took;
    if (last && took) break;
  }
  return taken;
}

static bool deliver(struct tern_sink *sink, struct tern_message *m) {
  struct nats_sub *sub = container_of(sink, struct nats_sub, sink);
  struct nats_client *client = nats_sub_client(sub);
  if (client->flow == NATS_ENDED) return false;
  if (m->source == client->id && !client->options.echo) return false;
  bool headers = client->options.headers;
  if (client->worker->trace) trace(sub, m, headers);
  uint64_t count = 1 + (uint64_t)m->more, left = nats_sub_left(sub);
  if (count > left) count = left;
  if (client->overflow != NULL) {
    if (nats_overflow_is_behind(client)) return deliver_behind(sub, m, headers, count);
    if (count > 1) return deliver_singly(sub, m, count);
  }
  bool list = count > 1 && m->stride == 0;
  if ((list ? write_list : write_messages)(client, nats_sub_sid(sub), m, headers, count) != 0) return false;
  nats_count_out(client, count, body_bytes(m, headers, count));
  nats_sub_count(sub, count);
  if (count == left) nats_sub_remove(sub);
  return true;
}

/* Of a list, what the client may receive, in pieces of neighbours. */
static bool deliver_permitted(struct nats_sub *sub, struct tern_message *list) {
  struct nats_client *client = nats_sub_client(sub);
  bool taken = false;
  for (uint32_t i = 0, end, count = list->more + 1; i < count; i = end + 1) {
    for (end = i; end < count && nats_permit_delivery(client, &list[end], tern_sink_group(&sub->sink));)
      end++;
    if (end == i) continue;
    uint32_t more = list[i].more;
    bool last = end - i >= nats_sub_left(sub); /* then the subscription will be gone */
    list[i].more = end - i - 1;
    bool took = deliver(&sub->sink, &list[i]);
    list[i].more = more;
    taken |= took;
    if (last || !took) break;
  }
  return taken;
}

/* For clients with permissions, where they matter. */
static bool deliver_guarded(struct tern_sink *sink, struct tern_message *m) {
  struct nats_sub *sub = container_of(sink, struct nats_sub, sink);
  struct nats_client *client = nats_sub_client(sub);
  if (client->flow == NATS_ENDED) return false; /* its permissions may be gone before its subscriptions */
  bool filtered = nats_sub_is_filtered(sub);
  if (filtered && m->more > 0 && m->stride == 0) return deliver_permitted(sub, m);
  if (filtered && !nats_permit_delivery(client, m, tern_sink_group(sink))) return false;
  if (!deliver(sink, m)) return false; /* the subscription may be gone now */
  if (m->reply.len > 0) nats_permit_answer(client, m->reply);
  return true;
}

static bool takes_run(struct tern_sink *sink, uint64_t run, bool whole) {
  const struct nats_sub *sub = container_of(sink, struct nats_sub, sink);
  struct nats_client *client = nats_sub_client(sub);
  bool first = client->run != run;
  client->run = run;
  if (!whole) return first;
  bool may_refuse = client->flow == NATS_ENDED || tern_transport_is_closing(client->transport) ||
                    !client->options.echo || client->overflow != NULL || nats_sub_max(sub) != 0 ||
                    nats_sub_is_filtered(sub);
  return first && !may_refuse;
}

static const struct tern_sink_ops sink_ops = {.deliver = deliver, .takes_run = takes_run};
static const struct tern_sink_ops guarded_ops = {.deliver = deliver_guarded, .takes_run = takes_run};

void nats_sub_guard(struct nats_sub *sub) {
  const struct permissions *permissions = nats_sub_client(sub)->permissions;
  bool filtered = permissions != NULL && permissions_needs_filter(permissions, tern_sink_filter(&sub->sink),
                                                                  tern_sink_group(&sub->sink));
  bool answers = permissions != NULL && permissions_answers(permissions) != NULL;
  sub->sink.own = filtered ? sub->sink.own | NATS_SUB_FILTERED : sub->sink.own & ~NATS_SUB_FILTERED;
  sub->sink.ops = filtered || answers ? &guarded_ops : &sink_ops;
}

struct nats_sub *nats_sub_find(const struct nats_client *client, struct tern_slice sid) {
  if (client->sids.count == 0) return NULL;
  return nats_sids_at(&client->sids, find_slot(&client->sids, sid, tern_subject_hash(sid)));
}

void nats_sub_look_ahead(struct nats_client *client) {
  const struct nats_sids *sids = &client->sids;
  struct tern_nats_glance list[GLANCE_MAX];
  uint64_t hashes[GLANCE_MAX];
  const uint32_t count = tern_nats_glance(&client->parser, list, GLANCE_MAX);
  client->worker->glanced = count;
  if (count == 0) return;
  for (uint32_t i = 0; i < count; i++) {
    hashes[i] = tern_subject_hash(list[i].filter);
    if (sids->capacity > 0) __builtin_prefetch(&sids->slots[home_of(sids, tern_subject_hash(list[i].sid))]);
  }
  tern_index_bring(client->route->index, hashes, count);
}

int nats_sub_add(struct nats_client *client, struct tern_slice filter, struct tern_slice group,
                 struct tern_slice sid) {
  struct nats_sids *sids = &client->sids;
  if ((sids->count + 1) * 4 > sids->capacity * 3 && grow(sids) != 0) return -ENOMEM;
  struct nats_sub *sub = tern_pool_alloc(tern_loop_pool(client->worker->loop), sizeof *sub + sid.len);
  if (sub == NULL) return -ENOMEM;
  if (!fits(sub) || !fits(client)) {
    tern_pool_release(tern_loop_pool(client->worker->loop), sub, sizeof *sub + sid.len);
    return -ENOMEM;
  }
  memset(sub, 0, sizeof *sub);
  sub->sink.ops = &sink_ops;
  sub->owner = address_bits(client);
  sub->sid_len = sid.len & UINT16_MAX;
  memcpy(sub->sid, sid.ptr, sid.len);
  int error = tern_index_add(client->route->index, &sub->sink, filter, group);
  if (error != 0) {
    tern_pool_release(tern_loop_pool(client->worker->loop), sub, sizeof *sub + sid.len);
    return error;
  }
  if (client->permissions != NULL) nats_sub_guard(sub);
  uint64_t hash = tern_subject_hash(sid);
  sids->slots[find_slot(sids, sid, hash)] =
      hash >> NATS_ADDRESS_BITS << NATS_ADDRESS_BITS | (uint64_t)(uintptr_t)sub;
  sids->count++;
  tern_counter_add(&client->worker->stats.subscriptions, 1);
  return 0;
}

static void remove_at(struct nats_client *client, uint32_t slot) {
  struct nats_sub *sub = nats_sids_at(&client->sids, slot);
  tern_index_remove(client->route->index, &sub->sink);
  nats_overflow_forget(sub);
  take_out(&client->sids, slot);
  tern_pool_release(tern_loop_pool(client->worker->loop), nats_sub_more(sub), sizeof(struct nats_sub_more));
  tern_pool_release(tern_loop_pool(client->worker->loop), sub, sizeof *sub + sub->sid_len);
  tern_counter_add(&client->worker->stats.subscriptions, (uint64_t)-1);
}

void nats_sub_remove(struct nats_sub *sub) {
  struct nats_client *client = nats_sub_client(sub);
  if (client->worker->trace) trace_removed(sub);
  remove_at(client, slot_of(sub));
}

bool nats_sub_remove_some(struct nats_client *client) {
  struct nats_sids *sids = &client->sids;
  /* the table may be mostly empty: looking counts too */
  for (uint32_t seen = 0; seen < 8 * NATS_REMOVE_MAX && sids->count > 0; seen++) {
    if (sids->slots[sids->cursor] == 0) {
      sids->cursor = next_to(sids, sids->cursor);
    } else {
      remove_at(client, sids->cursor);
      seen += 7;
    }
  }
  if (sids->count > 0) return true;
  free(sids->slots);
  *sids = (struct nats_sids){0};
  return false;
}
