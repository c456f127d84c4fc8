/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See overflow.h. What waits is a list of entries, each one finished frame, or a piece of other output:
 *
 *     head -> [MSG][MSG][PONG][MSG] <- tail        oldest: the first that may be dropped
 *
 * drop_old takes `oldest` away until there is room. latest finds the entry of the same subscription and subject in a
 * hash table and lets the new message have its place, so that a subject that changes all the time gets its turn like the
 * others; order holds within each subject, and among subjects it is that of their first message that waits. Messages
 * that are never dropped: those of subscriptions with a maximum, which have been counted, and those of subscriptions
 * whose policy is to disconnect; max_pending bounds them.
 *
 * Policies of subscriptions are looked up in the rules once, when a subscription first meets a client that is behind;
 * then a record keeps it, and what was dropped. Frames are copied: a client that is behind must not hold on to the
 * buffers others read into.
 *
 * The bound is that of the rules, but not more than half of max_pending: what is in the transport counts there, too.
 */
#include "overflow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tern/error.h>
#include <tern/log.h>

#include "auth.h"
#include "overflow_rules.h"

/** Other output is collected in pieces of this size. */
#define PIECE_BYTES 256

struct entry {
  struct entry *next, *prev;
  struct entry *next_same;    /* in the bucket of its key; latest only */
  const struct nats_sub *sub; /* whose message; never followed, it may be gone. NULL: other output */
  uint64_t hash;              /* of the subject; latest only */
  uint32_t len, room;         /* bytes of the frame, and there is room for */
  uint32_t body_len;
  uint16_t subject_at, subject_len; /* in the frame; latest only, else 0 */
  bool droppable;
  char frame[];
};

struct record {
  struct record *next;
  const struct nats_sub *sub;
  uint64_t dropped;
  enum overflow_policy policy;
};

struct nats_overflow {
  struct nats_client *client;
  struct entry *head, *tail, *oldest;
  uint64_t bytes; /* of all entries, their heads included */
  struct entry **keys;
  struct record **records;
  uint32_t key_count, key_buckets;       /* buckets: a power of two, or 0 */
  uint32_t record_count, record_buckets; /* likewise */
  uint64_t dropped;
  enum overflow_policy policy; /* of the connection */
  bool told;                   /* that messages are dropped, this time */
};

static uint64_t mix(const void *pointer) { return (uint64_t)(uintptr_t)pointer * 0x9E3779B97F4A7C15u >> 20; }

static struct tern_pool *pool_of(const struct nats_overflow *o) {
  return tern_loop_pool(o->client->worker->loop);
}

static const struct nats_limits *limits_of(const struct nats_overflow *o) {
  return &o->client->worker->settings->limits;
}

static uint64_t bound_of(const struct nats_overflow *o) {
  const struct overflow_rules *rules = o->client->worker->settings->overflow;
  uint64_t bytes = rules != NULL ? rules->bytes : OVERFLOW_BYTES_DEFAULT,
           half = limits_of(o)->max_pending / 2;
  return bytes < half ? bytes : half;
}

/* ---- records ---- */

static struct record *find_record(const struct nats_overflow *o, const struct nats_sub *sub) {
  if (o->record_buckets == 0) return NULL;
  struct record *record = o->records[mix(sub) & (o->record_buckets - 1)];
  while (record != NULL && record->sub != sub)
    record = record->next;
  return record;
}

static void grow_records(struct nats_overflow *o) {
  uint32_t buckets = o->record_buckets == 0 ? 16 : o->record_buckets * 2;
  struct record **records = calloc(buckets, sizeof(struct record *));
  if (records == NULL) return; /* slower */
  for (uint32_t i = 0; i < o->record_buckets; i++) {
    for (struct record *record = o->records[i], *next; record != NULL; record = next) {
      next = record->next;
      struct record **at = &records[mix(record->sub) & (buckets - 1)];
      record->next = *at;
      *at = record;
    }
  }
  free(o->records);
  o->records = records;
  o->record_buckets = buckets;
}

static enum overflow_policy policy_of(const struct nats_overflow *o, const struct nats_sub *sub) {
  const struct overflow_rules *rules = o->client->worker->settings->overflow;
  const struct overflow_rules *chosen = o->client->options.overflow;
  struct tern_slice filter = tern_sink_filter(&sub->sink);
  enum overflow_policy policy = o->policy;
  if (rules != NULL) policy = overflow_of_subscription(rules, filter, policy);
  if (chosen != NULL && (rules == NULL || rules->clients_choose))
    policy = overflow_of_subscription(chosen, filter, policy);
  return policy;
}

static struct record *record_of(struct nats_overflow *o, const struct nats_sub *sub) {
  struct record *record = find_record(o, sub);
  if (record != NULL) return record;
  if (o->record_count >= o->record_buckets) grow_records(o);
  if (o->record_buckets == 0) return NULL;
  record = tern_pool_alloc(pool_of(o), sizeof *record);
  if (record == NULL) return NULL;
  struct record **at = &o->records[mix(sub) & (o->record_buckets - 1)];
  *record = (struct record){.next = *at, .sub = sub, .policy = policy_of(o, sub)};
  *at = record;
  o->record_count++;
  return record;
}

void nats_overflow_forget(const struct nats_sub *sub) {
  struct nats_overflow *o = nats_sub_client(sub)->overflow;
  if (o == NULL || o->record_buckets == 0) return;
  struct record **at = &o->records[mix(sub) & (o->record_buckets - 1)];
  while (*at != NULL && (*at)->sub != sub)
    at = &(*at)->next;
  struct record *record = *at;
  if (record == NULL) return;
  *at = record->next;
  o->record_count--;
  tern_pool_release(pool_of(o), record, sizeof *record);
}

static void free_records(struct nats_overflow *o) {
  for (uint32_t i = 0; i < o->record_buckets; i++) {
    for (struct record *record = o->records[i], *next; record != NULL; record = next) {
      next = record->next;
      tern_pool_release(pool_of(o), record, sizeof *record);
    }
  }
  free(o->records);
  o->records = NULL;
  o->record_count = o->record_buckets = 0;
}

/* ---- entries ---- */

static struct tern_slice subject_of(const struct entry *entry) {
  return (struct tern_slice){entry->frame + entry->subject_at, entry->subject_len};
}

static struct entry **bucket_of(const struct nats_overflow *o, const struct entry *entry) {
  return &o->keys[(entry->hash ^ mix(entry->sub)) & (o->key_buckets - 1)];
}

static void grow_keys(struct nats_overflow *o) {
  uint32_t before = o->key_buckets;
  struct entry **old = o->keys,
               **keys = calloc(before == 0 ? 16 : (size_t)before * 2, sizeof(struct entry *));
  if (keys == NULL) return; /* slower; or without any, as drop_old */
  o->keys = keys;
  o->key_buckets = before == 0 ? 16 : before * 2;
  for (uint32_t i = 0; i < before; i++) {
    for (struct entry *entry = old[i], *next; entry != NULL; entry = next) {
      next = entry->next_same;
      entry->next_same = *bucket_of(o, entry);
      *bucket_of(o, entry) = entry;
    }
  }
  free(old);
}

static void add_key(struct nats_overflow *o, struct entry *entry) {
  if (o->key_count >= o->key_buckets) grow_keys(o);
  if (o->key_buckets == 0) {
    entry->subject_len = 0;
    return;
  }
  entry->next_same = *bucket_of(o, entry);
  *bucket_of(o, entry) = entry;
  o->key_count++;
}

static void drop_key(struct nats_overflow *o, struct entry *entry) {
  struct entry **at = bucket_of(o, entry);
  while (*at != entry)
    at = &(*at)->next_same;
  *at = entry->next_same;
  o->key_count--;
}

/* An entry of the same subscription and subject. */
static struct entry *find_same(const struct nats_overflow *o, const struct entry *like) {
  if (o->key_buckets == 0) return NULL;
  struct entry *entry = *bucket_of(o, like);
  while (entry != NULL && !(entry->sub == like->sub && tern_slice_equal(subject_of(entry), subject_of(like))))
    entry = entry->next_same;
  return entry;
}

static size_t size_of(const struct entry *entry) { return sizeof *entry + entry->room; }

static void append_entry(struct nats_overflow *o, struct entry *entry) {
  entry->prev = o->tail;
  entry->next = NULL;
  *(o->tail != NULL ? &o->tail->next : &o->head) = entry;
  o->tail = entry;
  if (entry->droppable && o->oldest == NULL) o->oldest = entry;
  o->bytes += size_of(entry);
}

/* Takes an entry out of the list and frees it. */
static void remove_entry(struct nats_overflow *o, struct entry *entry) {
  if (entry->subject_len > 0) drop_key(o, entry);
  *(entry->prev != NULL ? &entry->prev->next : &o->head) = entry->next;
  *(entry->next != NULL ? &entry->next->prev : &o->tail) = entry->prev;
  if (o->oldest == entry) {
    do
      o->oldest = o->oldest->next;
    while (o->oldest != NULL && !o->oldest->droppable);
  }
  o->bytes -= size_of(entry);
  tern_pool_release(pool_of(o), entry, size_of(entry));
}

/* Puts an entry where the other one was, which goes. */
static void replace_entry(struct nats_overflow *o, struct entry *old, struct entry *entry) {
  drop_key(o, old);
  old->subject_len = 0;
  entry->prev = old;
  entry->next = old->next;
  *(old->next != NULL ? &old->next->prev : &o->tail) = entry;
  old->next = entry;
  o->bytes += size_of(entry);
  add_key(o, entry);
  remove_entry(o, old); /* if it was the oldest, the one behind it is that now */
}

/* ---- what is dropped ---- */

static void count_dropped(struct nats_overflow *o, struct record *record, uint64_t count) {
  o->dropped += count;
  if (record != NULL) record->dropped += count;
  tern_counter_add(&o->client->worker->stats.overflow_dropped, count);
  if (o->told) return;
  o->told = true;
  tern_log_event(TERN_LOG_WARN, nats_client_about(o->client, "messages_dropped"),
                 "Slow Consumer: messages are dropped by its overflow policy, %llu bytes wait",
                 (unsigned long long)o->bytes);
}

static void drop_entry(struct nats_overflow *o, struct entry *entry) {
  count_dropped(o, find_record(o, entry->sub), 1);
  remove_entry(o, entry);
}

/* Makes room for so many bytes. False when what waits may not be dropped. */
static bool make_room(struct nats_overflow *o, size_t size) {
  uint64_t bound = bound_of(o);
  while (o->bytes + size > bound && o->oldest != NULL)
    drop_entry(o, o->oldest);
  return o->bytes + size <= bound;
}

/* ---- taking messages ---- */

static struct entry *make_entry(struct nats_overflow *o, const struct nats_sub *sub,
                                const struct tern_message *m, bool headers) {
  struct tern_slice sid = nats_sub_sid(sub), body = tern_nats_body(m, headers);
  size_t room = tern_nats_line_max(m, sid.len) + body.len + 2;
  struct entry *entry = tern_pool_alloc(pool_of(o), sizeof *entry + room);
  if (entry == NULL) return NULL;
  *entry =
      (struct entry){.sub = sub, .hash = m->hash, .room = (uint32_t)room, .body_len = (uint32_t)body.len};
  char *at = tern_nats_put_line(entry->frame, m, headers, sid);
  if (body.len > 0) memcpy(at, body.ptr, body.len);
  at += body.len;
  *at++ = '\r';
  *at++ = '\n';
  entry->len = (uint32_t)(at - entry->frame);
  entry->subject_at = entry->frame[0] == 'H' ? 5 : 4; /* behind "HMSG " or "MSG " */
  return entry;
}

/* Where a message of a subscription with this policy ends up. */
static bool place(struct nats_overflow *o, struct record *record, struct entry *entry,
                  struct tern_slice subject) {
  bool keep = nats_sub_max(record->sub) != 0;
  entry->droppable = record->policy > OVERFLOW_DROP_NEW && !keep;
  if (record->policy == OVERFLOW_LATEST && !keep && subject.len <= UINT16_MAX) {
    entry->subject_len = (uint16_t)subject.len;
    struct entry *old = find_same(o, entry);
    if (old != NULL) {
      count_dropped(o, record, 1);
      replace_entry(o, old, entry);
      make_room(o, 0);
      return true;
    }
  }
  bool room = record->policy == OVERFLOW_DROP_NEW ? o->bytes + size_of(entry) <= bound_of(o)
                                                  : make_room(o, size_of(entry));
  if (!room && record->policy != OVERFLOW_DISCONNECT) {
    tern_pool_release(pool_of(o), entry, size_of(entry));
    return false;
  }
  if (entry->subject_len > 0) add_key(o, entry);
  append_entry(o, entry);
  return true;
}

bool nats_overflow_deliver(struct nats_sub *sub, const struct tern_message *m, bool headers, uint64_t count) {
  struct nats_client *client = nats_sub_client(sub);
  struct nats_overflow *o = client->overflow;
  struct record *record = record_of(o, sub);
  uint64_t taken = 0;
  struct tern_message one = *m;
  one.more = 0;
  for (uint64_t i = 0; i < count; i++) {
    const struct tern_message *each = m->stride > 0 ? &one : &m[i]; /* a run with one line, or a list */
    struct entry *entry = record != NULL ? make_entry(o, sub, each, headers) : NULL;
    one.body.ptr += m->stride;
    if (entry != NULL && place(o, record, entry, each->subject))
      taken++;
    else
      count_dropped(o, record, 1);
  }
  nats_sub_count(sub, taken);
  nats_client_queued(client);
  return taken > 0;
}

bool nats_overflow_append(struct nats_client *client, const struct iovec *parts, int count) {
  struct nats_overflow *o = client->overflow;
  if (o == NULL || o->head == NULL) return false;
  size_t len = 0;
  for (int i = 0; i < count; i++)
    len += parts[i].iov_len;
  struct entry *entry = o->tail;
  if (entry->sub != NULL || entry->room - entry->len < len) {
    size_t room = len > PIECE_BYTES ? len : PIECE_BYTES;
    entry = tern_pool_alloc(pool_of(o), sizeof *entry + room);
    if (entry == NULL) {
      tern_transport_abort(client->transport, -ENOMEM); /* the stream would have a hole */
      return true;
    }
    *entry = (struct entry){.room = (uint32_t)room};
    append_entry(o, entry);
  }
  for (int i = 0; i < count; i++) {
    memcpy(entry->frame + entry->len, parts[i].iov_base, parts[i].iov_len);
    entry->len += (uint32_t)parts[i].iov_len;
  }
  return true;
}

/* ---- giving them to the transport ---- */

/* Moves entries on while the transport takes them, or all of them. */
static void move(struct nats_overflow *o, bool all) {
  struct nats_client *client = o->client;
  while (o->head != NULL && (all || !client->write_paused)) {
    struct entry *entry = o->head;
    if (tern_transport_write(client->transport, entry->frame, entry->len) != 0) return;
    if (entry->sub != NULL) nats_count_out(client, 1, entry->body_len);
    remove_entry(o, entry);
  }
  if (o->head == NULL) o->told = false;
}

void nats_overflow_resume(struct nats_client *client) {
  if (client->overflow != NULL && client->flow != NATS_ENDED) move(client->overflow, false);
}

void nats_overflow_flush(struct nats_client *client) {
  if (client->overflow != NULL) move(client->overflow, true);
}

/* ---- whose policy ---- */

bool nats_overflow_is_behind(const struct nats_client *client) {
  return client->write_paused || client->overflow->head != NULL;
}

bool nats_overflow_is_patient(const struct nats_client *client) {
  return client->overflow != NULL && client->overflow->policy != OVERFLOW_DISCONNECT;
}

/* Policies are looked up again at the next occasion; what was dropped stays known. */
static void refresh_records(struct nats_overflow *o) {
  for (uint32_t i = 0; i < o->record_buckets; i++)
    for (struct record *record = o->records[i]; record != NULL; record = record->next)
      record->policy = policy_of(o, record->sub);
}

int nats_overflow_adopt(struct nats_client *client) {
  const struct overflow_rules *rules = client->worker->settings->overflow;
  const struct overflow_rules *chosen = client->options.overflow;
  if (rules != NULL && !rules->clients_choose) chosen = NULL;
  enum overflow_policy policy = OVERFLOW_DISCONNECT;
  if (rules != NULL)
    policy =
        overflow_of_connection(rules, tern_transport_peer(client->transport)->kind, nats_auth_name(client));
  if (chosen != NULL && chosen->has_default) policy = chosen->by_default;
  bool any = policy != OVERFLOW_DISCONNECT || (rules != NULL && rules->subjects.count > 0) ||
             (chosen != NULL && chosen->subjects.count > 0);
  if (client->overflow == NULL) {
    if (!any) return 0;
    client->overflow = tern_pool_alloc(tern_loop_pool(client->worker->loop), sizeof(struct nats_overflow));
    if (client->overflow == NULL) return -ENOMEM;
    *client->overflow = (struct nats_overflow){.client = client};
  }
  client->overflow->policy = policy; /* where there is none any more, what waits still leaves in order */
  refresh_records(client->overflow);
  return 0;
}

uint64_t nats_overflow_dropped(const struct nats_sub *sub) {
  const struct nats_overflow *o = nats_sub_client(sub)->overflow;
  const struct record *record = o != NULL ? find_record(o, sub) : NULL;
  return record != NULL ? record->dropped : 0;
}

struct nats_overflow_stats nats_overflow_stats(const struct nats_client *client) {
  const struct nats_overflow *o = client->overflow;
  if (o == NULL) return (struct nats_overflow_stats){0};
  return (struct nats_overflow_stats){.waiting_bytes = o->bytes, .dropped = o->dropped};
}

void nats_overflow_free(struct nats_client *client) {
  struct nats_overflow *o = client->overflow;
  if (o == NULL) return;
  while (o->head != NULL)
    remove_entry(o, o->head);
  free_records(o);
  free(o->keys);
  tern_pool_release(pool_of(o), o, sizeof *o);
  client->overflow = NULL;
}
