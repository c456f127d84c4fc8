/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THE data path. A message comes from a protocol (route_publish) or from another worker (route_receive) and
 * goes
 *
 *     match ---> plain sinks of this worker          deliver, one by one
 *           ---> other workers with plain sinks      one record each
 *           ---> each queue group                    pick a member: of this worker, or put the group's name
 *                                                    into the record for the worker that has the pick
 *           ---> in-process handlers                 call
 *
 * One record per message and destination worker, whatever its number of subscribers; the receiver expands it
 * from its own index. Small bodies travel inside the record, large ones as a buffer handle. Nothing shared is
 * written.
 *
 * A run (message.h) goes this way as one message as far as plain sinks are concerned: one match, one record for as many
 * of it as fit, one call of each sink. Groups and handlers get its messages one by one, and so does everybody where a
 * connection has two of the sinks, which must not get the second message by one before the first by the other (O1).
 * A list is a run of messages with different subjects; each has a match of its own, and only those with the same receivers
 * make one (route_list.c). A queue group that is alone gets its messages as lists, too (route_group.c).
 *
 * Queue groups (guarantee O5): the publisher's worker draws one of all members everywhere, so every member
 * has the same chance. The worker that has the draw offers the message to its members, starting at a random
 * one, until one takes it. When none can (they left meanwhile, or are the publisher itself with echo off),
 * the message is drawn again among the workers that have not been asked. `asked` makes that end; it starts with the
 * first record, so the publisher's own worker may be asked a second time. A re-drawn
 * message may overtake or be overtaken within its group; plain delivery keeps its order (O1) because it takes
 * one path only.
 *
 * Joining (guarantee O1, no gaps): what is on its way to a worker may find a sink there that was added after the message
 * was matched. It must not get it, see tern_sink.since. So an epoch record goes in front of the first record that was
 * matched in a later epoch than the one before.
 *
 * Runs on the worker's thread; never blocks, never waits: a full ring shows in tern_worker_is_congested and
 * the protocol pauses the source.
 */
#include "route_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <tern/error.h>
#include <tern/limits.h>

/*
 * A ROUTE_RECORD_MESSAGE: the head, then without padding
 *
 *     [ groups ]  [ handle ]  [ run ]  subject  reply  size_text  header_text  [ (length, name) of each group ]  [ body ]
 *
 * For a run the body is everything from the first body to the last.
 *
 * It is as short as can be: for small messages the cost of another worker is the cache lines that travel.
 */
struct record {
  uint64_t hash;
  uint64_t source;
  uint32_t body_len;
  uint32_t header_len;
  uint16_t subject_len; /* bounded by control lines and route_publish_inside */
  uint16_t reply_len;
  uint8_t size_text_len; /* a size has nine digits at most */
  uint8_t header_text_len;
  uint8_t origin; /* worker the message entered on */
  uint8_t flags;
};
_Static_assert(sizeof(struct record) == 32, "half a cache line");

enum {
  RECORD_PLAIN = 1,        /* deliver to plain sinks */
  RECORD_GROUPS = 2,       /* for queue groups, whose head and names are there */
  RECORD_BY_HANDLE = 4,    /* the body is in a buffer, whose handle is there; else it is in the record */
  RECORD_TELL_UNTAKEN = 8, /* nobody else has it: tell the origin when nobody takes it */
  RECORD_RUN = 16,         /* of a run: number and stride are there; no groups, no handle */
};

/* Bytes of a run that one record carries: the receiver shall begin while the rest is being put together. */
#define RUN_MAX_BYTES (16 * 1024)

struct record_run {
  uint32_t more;
  uint32_t stride;
};

struct record_groups {
  uint64_t asked; /* workers that had the message for these groups already */
  uint32_t count;
  uint32_t bytes; /* of lengths and names */
};

/* What a message is sent to a worker for, apart from its groups. */
struct sending {
  uint64_t asked;
  uint64_t epoch; /* of the match, when plain */
  uint32_t origin;
  bool plain;
  bool tell_untaken;
};

/* What a ROUTE_RECORD_UNTAKEN starts with; subject and reply follow. */
struct untaken_record {
  uint64_t source;
  uint32_t subject_len;
  uint32_t reply_len;
};

int route_init(struct route *route, struct tern_worker *worker, struct tern_registry *registry,
               uint32_t account, struct route_stats *stats) {
  memset(route, 0, sizeof *route);
  route->index = tern_index_new(registry, tern_worker_reclaimer(worker), tern_worker_index(worker));
  if (route->index == NULL) return -ENOMEM;
  route->worker = worker;
  route->kinds = TERN_RECORD_USER + account * ROUTE_RECORD_KINDS;
  route->stats = stats;
  if (getrandom(&route->random, sizeof route->random, GRND_NONBLOCK) < 0) route->random = (uintptr_t)route;
  route->random |= 1; /* the generator stands still at 0 */
  return 0;
}

void route_on_untaken(struct route *route, route_untaken_fn *untaken, void *arg) {
  route->untaken = untaken;
  route->untaken_arg = arg;
}

void route_fini(struct route *route) {
  tern_index_free(route->index);
  free(route->picks);
}

struct route *route_current(void) {
  struct tern_worker *worker = tern_worker_self();
  return worker != NULL ? tern_loop_data(tern_worker_loop(worker)) : NULL;
}

/* A message, or a run, is dropped for want of memory. */
static void count_dropped(struct route *route, const struct tern_message *m) {
  tern_counter_add(&route->stats->no_memory, 1 + (uint64_t)m->more);
}

static char *put(char *to, struct tern_slice slice) {
  if (slice.len > 0) memcpy(to, slice.ptr, slice.len);
  return to + slice.len;
}

/* The groups of a match that one record carries: those from `at` on that were picked for the worker, as many as fit. */
struct group_run {
  uint32_t at;
  uint32_t end;
  uint32_t count;
  size_t bytes;
};

static struct group_run next_groups(const struct route *route, const struct tern_match *match, uint32_t to,
                                    uint32_t at, size_t room) {
  struct group_run run = {.at = at, .end = at};
  for (; run.end < match->group_count; run.end++) {
    if (route->picks[run.end] != to) continue;
    size_t need = sizeof(uint32_t) + match->groups[run.end].name.len;
    if (run.bytes + need > room) break;
    run.bytes += need;
    run.count++;
  }
  return run;
}

static char *put_groups(char *at, const struct route *route, const struct tern_match *match, uint32_t to,
                        const struct group_run *run) {
  for (uint32_t i = run->at; i < run->end; i++) {
    if (route->picks[i] != to) continue;
    uint32_t name_len = (uint32_t)match->groups[i].name.len;
    memcpy(at, &name_len, sizeof name_len);
    at = put(at + sizeof name_len, match->groups[i].name);
  }
  return at;
}

static char *put_bytes(char *to, const void *from, size_t len) {
  memcpy(to, from, len);
  return to + len;
}

/* Sends one record; words_len: bytes of subject, reply and texts. Returns false without memory. */
static bool send_record(struct route *route, const struct tern_match *match, const struct tern_message *m,
                        uint32_t to, const struct sending *how, size_t words_len,
                        const struct group_run *run) {
  bool by_handle = m->owner != NULL && m->body.len > TERN_COPY_MAX_BYTES;
  struct tern_slice bodies = {m->body.ptr, (size_t)m->more * m->stride + m->body.len};
  size_t len = sizeof(struct record) + words_len + run->bytes +
               (run->count > 0 ? sizeof(struct record_groups) : 0) +
               (m->more > 0 ? sizeof(struct record_run) : 0) +
               (by_handle ? sizeof(struct tern_buf_handle) : bodies.len);
  char *at = tern_worker_reserve(route->worker, to, route->kinds + ROUTE_RECORD_MESSAGE, len);
  if (at == NULL) {
    count_dropped(route, m);
    return false;
  }
  struct record head = {
      .hash = m->hash,
      .source = m->source,
      .body_len = (uint32_t)m->body.len,
      .header_len = m->header_len,
      .subject_len = (uint16_t)m->subject.len,
      .reply_len = (uint16_t)m->reply.len,
      .size_text_len = (uint8_t)m->size_text.len,
      .header_text_len = (uint8_t)m->header_text.len,
      .origin = (uint8_t)how->origin,
      .flags = (uint8_t)((how->plain ? RECORD_PLAIN : 0) | (run->count > 0 ? RECORD_GROUPS : 0) |
                         (by_handle ? RECORD_BY_HANDLE : 0) | (how->tell_untaken ? RECORD_TELL_UNTAKEN : 0) |
                         (m->more > 0 ? RECORD_RUN : 0)),
  };
  at = put_bytes(at, &head, sizeof head);
  if (run->count > 0) {
    struct record_groups groups = {.asked = how->asked, .count = run->count, .bytes = (uint32_t)run->bytes};
    at = put_bytes(at, &groups, sizeof groups);
  }
  if (by_handle) {
    struct tern_buf_handle handle = tern_buf_export(m->owner, m->body.ptr, m->body.len);
    at = put_bytes(at, &handle, sizeof handle);
  }
  if (m->more > 0) at = put_bytes(at, &(struct record_run){m->more, m->stride}, sizeof(struct record_run));
  at = put(at, m->subject);
  at = put(at, m->reply);
  at = put(at, m->size_text);
  at = put(at, m->header_text);
  if (run->count > 0) at = put_groups(at, route, match, to, run);
  if (!by_handle) put(at, bodies);
  tern_worker_commit(route->worker, to);
  return true;
}

/* Sees to it that the worker knows the epoch of what comes next. Returns false without memory. */
static bool tell_epoch(struct route *route, uint32_t to, uint64_t epoch) {
  if (epoch <= route->told[to]) return true;
  char *at = tern_worker_reserve(route->worker, to, route->kinds + ROUTE_RECORD_EPOCH, sizeof epoch);
  if (at == NULL) return false;
  memcpy(at, &epoch, sizeof epoch);
  tern_worker_commit(route->worker, to);
  route->told[to] = epoch;
  return true;
}

/* Sends a run to one worker, in as few records as it fits. Returns false when nothing could be sent. */
static bool send_run(struct route *route, const struct tern_message *m, uint32_t to,
                     const struct sending *how, size_t words_len) {
  size_t room =
      tern_worker_record_max(route->worker) - sizeof(struct record) - sizeof(struct record_run) - words_len;
  if (room > RUN_MAX_BYTES) room = RUN_MAX_BYTES;
  uint32_t at_once = m->stride < room ? (uint32_t)room / m->stride : 1;
  struct tern_message part = *m;
  bool sent = false;
  for (uint32_t left = m->more + 1; left > 0; left -= part.more + 1) {
    part.more = (left < at_once ? left : at_once) - 1;
    sent |= send_record(route, NULL, &part, to, how, words_len, &(struct group_run){0});
    part.body.ptr += (size_t)(part.more + 1) * part.stride;
  }
  return sent;
}

/* A message of a run for itself. */
static struct tern_message message_of_run(const struct tern_message *m, uint32_t i) {
  struct tern_message one = m->stride > 0 ? *m : m[i];
  one.body.ptr += (size_t)i * m->stride;
  one.more = 0;
  return one;
}

static bool send_message(struct route *route, const struct tern_match *match, const struct tern_message *m,
                         uint32_t to, struct sending how);

/* The same for a list, for plain sinks or (match != NULL) for the only group of a match. One alone goes as a message. */
static bool send_list(struct route *route, const struct tern_match *match, const struct tern_message *list,
                      uint32_t to, const struct sending *how) {
  size_t room = tern_worker_record_max(route->worker), len;
  struct tern_slice group = match != NULL ? match->groups->name : (struct tern_slice){NULL, 0};
  if (room > RUN_MAX_BYTES) room = RUN_MAX_BYTES;
  bool sent = false;
  for (uint32_t at = 0, left = list->more + 1, count; left > 0; left -= count, at += count) {
    count = route_list_fit(&list[at], left, group, room, &len);
    if (count == 1) {
      struct tern_message one = message_of_run(list, at);
      sent |= send_message(route, match, &one, to, *how);
      continue;
    }
    char *record = tern_worker_reserve(route->worker, to, route->kinds + ROUTE_RECORD_LIST, len);
    if (record == NULL) {
      tern_counter_add(&route->stats->no_memory, count);
      continue;
    }
    route_list_put(record, &list[at], count, group);
    tern_worker_commit(route->worker, to);
    sent = true;
  }
  return sent;
}

/*
 * Sends the message to one worker, with the groups picked for it (match NULL: none). One record, unless the groups'
 * names do not fit; then those left follow in records of their own. Returns false when nothing could be sent.
 */
static bool send_message(struct route *route, const struct tern_match *match, const struct tern_message *m,
                         uint32_t to, struct sending how) {
  size_t words_len = m->subject.len + m->reply.len + m->size_text.len + m->header_text.len;
  struct group_run run = {0};
  if (how.plain && !tell_epoch(route, to, how.epoch)) {
    count_dropped(route, m);
    return false;
  }
  if (m->more > 0 && m->stride == 0) return send_list(route, NULL, m, to, &how);
  if (m->more > 0) return send_run(route, m, to, &how, words_len);
  if (match == NULL) return send_record(route, NULL, m, to, &how, words_len, &run);
  size_t others = sizeof(struct record) + sizeof(struct record_groups) + words_len + TERN_COPY_MAX_BYTES;
  size_t room = tern_worker_record_max(route->worker) - others; /* a body by handle takes less */
  bool sent = false;
  do {
    run = next_groups(route, match, to, run.end, room);
    if (run.count == 0 && !how.plain) { /* nothing more is for this worker, or a name that fits no record */
      run.end++;
      continue;
    }
    sent |= send_record(route, match, m, to, &how, words_len, &run);
    how.plain = false;
  } while (run.end < match->group_count);
  return sent;
}

/* Do all of this worker's plain sinks take a run at once? */
static bool take_run(struct route *route, const struct tern_match *match) {
  uint64_t run = ++route->runs;
  for (uint32_t i = 0; i < match->local_count; i++) {
    for (uint32_t n = match->local[i]->count; n-- > 0;) {
      struct tern_sink *sink = match->local[i]->at[n];
      if (sink->ops->takes_run == NULL || !sink->ops->takes_run(sink, run, false)) return false;
    }
  }
  return true;
}

/* Sinks that are on their way from memory while one is delivered to. */
#define BRING_AHEAD 4

/* Also what is behind the sink, which may be in the next cache line. */
static inline void bring(const struct tern_sink *sink) {
  __builtin_prefetch(sink);
  __builtin_prefetch(sink + 1);
}

/*
 * Delivers to this worker's plain sinks, apart from those added after the epoch. From the end, because a sink may remove
 * itself (registry.h).
 */
static uint32_t deliver_once(const struct tern_match *match, struct tern_message *m, uint64_t epoch,
                             uint32_t *cost) {
  uint32_t taken = 0;
  for (uint32_t i = 0; i < match->local_count; i++) {
    struct tern_members *members = match->local[i];
    *cost += members->count;
    for (uint32_t n = members->count; n-- > 0;) {
      struct tern_sink *sink = members->at[n];
      if (n >= BRING_AHEAD) bring(members->at[n - BRING_AHEAD]);
      if (sink->since > epoch) continue;
      taken += sink->ops->deliver(sink, m);
    }
  }
  return taken;
}

/* Messages of the run that cost as much as one. */
static uint32_t share(const struct tern_message *m) {
  return m->stride > 0 ? ROUTE_RUN_SHARE : ROUTE_LIST_SHARE;
}

/* The same for a message or a run. */
uint32_t route_deliver_plain(struct route *route, const struct tern_match *match, struct tern_message *m,
                             uint64_t epoch, uint32_t *cost) {
  if (m->more == 0) return deliver_once(match, m, epoch, cost);
  uint32_t taken = 0, each = 0;
  if (take_run(route, match)) {
    taken = deliver_once(match, m, epoch, &each);
    *cost += each + (uint32_t)((uint64_t)each * m->more / share(m));
    return taken;
  }
  for (uint32_t i = 0; i <= m->more; i++) {
    struct tern_message one = message_of_run(m, i);
    taken += deliver_once(match, &one, epoch, cost);
  }
  return taken;
}

/* Settles one group: returns true when a member of this worker took the message; otherwise the pick is left
 * in *worker (TERN_WORKERS_MAX: nobody anywhere). */
static bool settle_group(struct route *route, const struct tern_match_group *group, struct tern_message *m,
                         uint64_t *asked, uint32_t *worker, uint32_t *cost) {
  uint32_t own = tern_worker_index(route->worker);
  *worker = route_group_draw(route, group, *asked);
  if (*worker != own) return false;
  if (route_group_offer(route, group, m, cost)) {
    *worker = TERN_WORKERS_MAX;
    return true;
  }
  *asked |= route_bit(own);
  *worker = route_group_draw(route, group, *asked);
  return false;
}

/* Room for one pick per group. Without memory (false) the groups go without this message. */
static bool picks_ready(struct route *route, uint32_t count) {
  if (count <= route->picks_capacity) return true;
  uint32_t *more = realloc(route->picks, count * sizeof *more);
  if (more == NULL) {
    tern_counter_add(&route->stats->no_memory, 1);
    return false;
  }
  route->picks = more;
  route->picks_capacity = count;
  return true;
}

/* Queue groups: own members are served here; where others have the pick, their workers are added to the set.
 */
static uint32_t deliver_groups(struct route *route, const struct tern_match *match, struct tern_message *m,
                               uint64_t *remote, uint32_t *cost) {
  uint32_t taken = 0;
  for (uint32_t i = 0; i < match->group_count; i++) {
    uint64_t asked = 0;
    uint32_t worker;
    taken += settle_group(route, &match->groups[i], m, &asked, &worker, cost);
    route->picks[i] = worker;
    if (worker != TERN_WORKERS_MAX) *remote |= route_bit(worker);
  }
  return taken;
}

/* Handlers may publish; what that causes is on the account of the message they were called with. */
static void call_handlers(struct route *route, const struct tern_match *match, const struct tern_message *m,
                          unsigned flags, struct route_result *result) {
  if (match->handler_count == 0) return;
  struct route_result outer = route->inside;
  unsigned outer_flags = route->inside_flags;
  uint32_t outer_refused = route->refused;
  route->inside = (struct route_result){0};
  route->inside_flags = flags;
  route->refused = 0;
  for (uint32_t i = 0; i < match->handler_count; i++)
    match->handlers[i]->handle(match->handlers[i], m);
  result->workers |= route->inside.workers;
  result->cost += route->inside.cost + match->handler_count;
  result->receivers -= route->refused;
  route->inside = outer;
  route->inside_flags = outer_flags;
  route->refused = outer_refused;
}

void route_publish_matched(struct route *route, const struct tern_match *match, struct tern_message *m,
                           unsigned flags, struct route_result *result) {
  uint32_t taken = route_deliver_plain(route, match, m, UINT64_MAX, &result->cost);
  uint64_t remote = match->remote;
  uint64_t epoch = match->epoch; /* a handler's publish may raise it */
  bool groups = match->group_count > 0 && picks_ready(route, match->group_count);
  if (groups) taken += deliver_groups(route, match, m, &remote, &result->cost);
  result->receivers = taken + match->handler_count;
  bool single = result->receivers == 0 && (remote & (remote - 1)) == 0;
  for (uint64_t left = remote; left != 0; left &= left - 1) {
    uint32_t to = (uint32_t)__builtin_ctzll(left);
    struct sending how = {.epoch = epoch,
                          .origin = tern_worker_index(route->worker),
                          .plain = (match->remote & route_bit(to)) != 0,
                          .tell_untaken = single && (flags & ROUTE_TELL_UNTAKEN)};
    if (!send_message(route, groups ? match : NULL, m, to, how)) continue;
    result->workers |= route_bit(to);
    result->receivers++;
    result->cost += 1 + m->more / share(m);
  }
  call_handlers(route, match, m, flags, result);
}

struct route_result route_publish(struct route *route, struct tern_message *m, unsigned flags) {
  struct route_result result = {0};
  uint64_t visited = tern_index_visited(route->index);
  const struct tern_match *match = tern_index_match(route->index, m->subject, m->hash);
  if (match == NULL) {
    count_dropped(route, m);
    return result;
  }
  result.cost = (uint32_t)(tern_index_visited(route->index) - visited);
  result.single = match->group_count + match->handler_count > 0;
  if (m->more == 0 || !result.single) {
    route_publish_matched(route, match, m, flags, &result);
  } else { /* they have come since the message before */
    for (uint32_t i = 0; i <= m->more; i++) {
      struct tern_message one = message_of_run(m, i);
      struct route_result each = route_publish(route, &one, flags);
      result.receivers += each.receivers;
      result.cost += each.cost;
      result.workers |= each.workers;
    }
  }
  tern_index_done(route->index, match);
  return result;
}

int route_publish_inside(struct route *route, struct tern_slice subject, struct tern_slice reply,
                         struct tern_slice payload) {
  size_t words_max = tern_worker_record_max(route->worker) / ROUTE_WORDS_SHARE;
  bool fits = subject.len + reply.len <= (words_max < UINT16_MAX ? words_max : UINT16_MAX) &&
              payload.len <= UINT32_MAX;
  if (route->depth >= ROUTE_DEPTH_MAX || !fits) return TERN_ELIMIT;
  struct tern_message m = {.subject = subject, .reply = reply, .body = payload};
  if (payload.len > TERN_COPY_MAX_BYTES) {
    m.owner = tern_buf_new(tern_loop_pool(tern_worker_loop(route->worker)), payload.len);
    if (m.owner == NULL) return -ENOMEM;
    memcpy(tern_buf_data(m.owner), payload.ptr, payload.len);
    m.body.ptr = tern_buf_data(m.owner);
  }
  m.hash = tern_subject_hash(subject);
  route->depth++;
  struct route_result result = route_publish(route, &m, 0);
  route->depth--;
  route->inside.workers |= result.workers;
  route->inside.cost += result.cost;
  tern_buf_unref(m.owner);
  return 0;
}

bool route_is_wanted(struct route *route, struct tern_slice subject) {
  const struct tern_match *match = tern_index_match(route->index, subject, tern_subject_hash(subject));
  if (match == NULL) return true; /* no memory to find out */
  const bool wanted =
      match->remote != 0 || match->local_count + match->group_count + match->handler_count > 0;
  tern_index_done(route->index, match);
  return wanted;
}

static struct tern_slice take(const char **from, size_t len) {
  struct tern_slice slice = {*from, len};
  *from += len;
  return slice;
}

/* Tells the worker a message came from that nobody took it. */
static void tell_untaken(struct route *route, uint32_t origin, const struct tern_message *m) {
  if (origin == tern_worker_index(route->worker)) {
    route->untaken(route->untaken_arg, m->source, m->subject, m->reply);
    return;
  }
  struct untaken_record head = {m->source, (uint32_t)m->subject.len, (uint32_t)m->reply.len};
  size_t len = sizeof head + m->subject.len + m->reply.len;
  char *to = tern_worker_reserve(route->worker, origin, route->kinds + ROUTE_RECORD_UNTAKEN, len);
  if (to == NULL) {
    tern_counter_add(&route->stats->no_memory, 1);
    return;
  }
  memcpy(to, &head, sizeof head);
  put(put(to + sizeof head, m->subject), m->reply);
  tern_worker_commit(route->worker, origin);
}

/* A queue message that another worker drew this one for. True when somebody took it or it was passed on. */
static bool receive_group(struct route *route, const struct tern_match *match, struct tern_message *m,
                          struct sending how, struct tern_slice name) {
  uint32_t own = tern_worker_index(route->worker);
  const struct tern_match_group *group = route_group_find(match, name);
  if (group == NULL) return false;
  uint32_t cost = 0; /* nobody's: the source has its turn on another worker */
  if (!(how.asked & route_bit(own)) && route_group_offer(route, group, m, &cost)) return true;
  how.asked |= route_bit(own);
  uint32_t to = route_group_draw(route, group, how.asked);
  if (to == TERN_WORKERS_MAX || !picks_ready(route, match->group_count)) return false;
  for (uint32_t i = 0; i < match->group_count; i++)
    route->picks[i] = &match->groups[i] == group ? to : TERN_WORKERS_MAX;
  tern_counter_add(&route->stats->rerouted, 1);
  return send_message(route, match, m, to, how);
}

bool route_send_picked(struct route *route, const struct tern_match *match, struct tern_message *list,
                       uint32_t to) {
  if (!picks_ready(route, 1)) return false;
  route->picks[0] = to;
  return send_list(route, match, list, to, &(struct sending){.origin = tern_worker_index(route->worker)});
}

bool route_receive_picked(struct route *route, const struct tern_match *match, struct tern_message *m,
                          uint32_t origin, struct tern_slice name) {
  bool taken = receive_group(route, match, m, (struct sending){.origin = origin}, name);
  if (!taken) tern_counter_add(&route->stats->untaken, 1);
  return taken;
}

/* The groups of a record; names points at their lengths and names. Returns how many are taken care of. */
static uint32_t receive_groups(struct route *route, const struct tern_match *match, struct tern_message *m,
                               const struct record *head, const struct record_groups *groups,
                               const char *names) {
  /* when several go on, nobody could say who of them is the last to find nobody */
  bool alone = groups->count == 1 && !(head->flags & RECORD_PLAIN);
  struct sending how = {.asked = groups->asked,
                        .origin = head->origin,
                        .tell_untaken = alone && (head->flags & RECORD_TELL_UNTAKEN)};
  uint32_t taken = 0;
  for (uint32_t i = 0; i < groups->count; i++) {
    uint32_t name_len;
    memcpy(&name_len, take(&names, sizeof name_len).ptr, sizeof name_len);
    if (receive_group(route, match, m, how, take(&names, name_len)))
      taken++;
    else
      tern_counter_add(&route->stats->untaken, 1);
  }
  return taken;
}

static void receive_message(struct route *route, const char *data, uint64_t epoch) {
  const char *at = data;
  struct record head;
  struct record_groups groups = {0};
  struct tern_buf_handle handle = {0};
  struct record_run run = {0};
  memcpy(&head, take(&at, sizeof head).ptr, sizeof head);
  bool by_handle = (head.flags & RECORD_BY_HANDLE) != 0;
  if (head.flags & RECORD_GROUPS) memcpy(&groups, take(&at, sizeof groups).ptr, sizeof groups);
  if (by_handle) memcpy(&handle, take(&at, sizeof handle).ptr, sizeof handle);
  if (head.flags & RECORD_RUN) memcpy(&run, take(&at, sizeof run).ptr, sizeof run);
  struct tern_message m = {.header_len = head.header_len,
                           .hash = head.hash,
                           .source = head.source,
                           .more = run.more,
                           .stride = run.stride};
  m.subject = take(&at, head.subject_len);
  m.reply = take(&at, head.reply_len);
  m.size_text = take(&at, head.size_text_len);
  m.header_text = take(&at, head.header_text_len);
  const char *names = take(&at, groups.bytes).ptr;
  m.body = by_handle ? (struct tern_slice){handle.data, handle.len} : take(&at, head.body_len);
  if (by_handle) m.owner = tern_buf_import(route->worker, handle);
  const struct tern_match *match = NULL;
  if (m.owner != NULL || !by_handle) match = tern_index_match(route->index, m.subject, m.hash);
  if (match == NULL) {
    count_dropped(route, &m);
    tern_buf_unref(m.owner);
    return;
  }
  uint32_t cost = 0;
  uint32_t taken = head.flags & RECORD_PLAIN ? route_deliver_plain(route, match, &m, epoch, &cost) : 0;
  if (groups.count > 0) taken += receive_groups(route, match, &m, &head, &groups, names);
  tern_index_done(route->index, match);
  if (taken == 0 && (head.flags & RECORD_TELL_UNTAKEN)) tell_untaken(route, head.origin, &m);
  tern_buf_unref(m.owner);
}

void route_receive(struct route *route, unsigned from, unsigned kind, const void *data, size_t len) {
  (void)len;
  kind -= route->kinds;
  if (kind == ROUTE_RECORD_MESSAGE) {
    receive_message(route, data, route->heard[from]);
  } else if (kind == ROUTE_RECORD_LIST) {
    route_list_receive(route, from, data, route->heard[from]);
  } else if (kind == ROUTE_RECORD_EPOCH) {
    memcpy(&route->heard[from], data, sizeof route->heard[from]);
  } else if (kind == ROUTE_RECORD_UNTAKEN) {
    struct untaken_record head;
    memcpy(&head, data, sizeof head);
    const char *at = (const char *)data + sizeof head;
    struct tern_slice subject = take(&at, head.subject_len);
    route->untaken(route->untaken_arg, head.source, subject, take(&at, head.reply_len));
  }
}
