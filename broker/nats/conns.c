/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking workers about their connections.
 *
 * A walk goes through a worker's buckets of clients by id. The table may double meanwhile, so the walk counts in buckets
 * of the size it began with: those of a larger table fall into them by the low bits. Within a bucket it goes from the
 * lowest id up and remembers the last one. So nobody who stays is met twice or left out, and nothing has to be
 * registered with the worker.
 *
 * Functions named call_* run on the worker, by tern_workers_call; what they fill belongs to the thread that waits.
 */
#include "conns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tern/tls.h>

#include "access.h"
#include "client.h"
#include "overflow.h"

/* What one call may look at. */
#define SLICE_CLIENTS  2000
#define SLICE_BUCKETS  20000
#define SLICE_DESCRIBE 32
#define SLICE_SUBS     5000

/* ---- walking ---- */

/* Where a walk through one worker stands. */
struct walk {
  uint32_t size;   /* buckets when it began; 0: it has not */
  uint32_t bucket; /* the next one to look into */
  uint64_t after;  /* ids up to this one have been met there */
};

/* The client to be met next, or NULL: the slice, or the walk (bucket == size), is over. */
static struct nats_client *next_client(const struct nats_worker *worker, struct walk *walk,
                                       uint32_t *budget) {
  if (walk->size == 0) *walk = (struct walk){.size = worker->by_id_size};
  for (; walk->bucket<walk->size && * budget> 0; walk->bucket++, walk->after = 0, --*budget) {
    struct nats_client *found = NULL;
    for (uint32_t i = walk->bucket; i < worker->by_id_size; i += walk->size)
      for (struct nats_client *c = worker->by_id[i]; c != NULL; c = c->next_by_id)
        if (c->id > walk->after && (found == NULL || c->id < found->id)) found = c;
    if (found != NULL) {
      walk->after = found->id;
      return found;
    }
  }
  return NULL;
}

static struct nats_client *client_by_id(const struct nats_worker *worker, uint64_t id) {
  struct nats_client *client = worker->by_id[id & (worker->by_id_size - 1)];
  while (client != NULL && client->id != id)
    client = client->next_by_id;
  return client;
}

/* Who is nobody in particular, or has not said who it is, is in the account of its route. */
static const char *account_of(const struct nats_client *client) {
  if (client->user != NULL) return client->user->account->name;
  return client->route->name != NULL ? client->route->name : ACCESS_GLOBAL;
}

/* "": nobody in particular. A token is no name: who holds it is called what nats-server calls it since it stopped telling
 * the token. */
static const char *user_of(const struct nats_client *client) {
  if (client->user == NULL) return "";
  return client->user->name[0] != '\0' ? client->user->name : "[REDACTED]";
}

/* ---- describing ---- */

static const char *put_text(char **at, const char *text) {
  if (text == NULL) text = "";
  const size_t size = strlen(text) + 1;
  char *to = memcpy(*at, text, size);
  *at += size;
  return to;
}

static size_t room_for(const char *text) { return (text != NULL ? strlen(text) : 0) + 1; }

/* What is counted of a client; the rest is empty. */
static struct nats_conn figures_of(const struct nats_client *client) {
  return (struct nats_conn){
      .cid = client->id,
      .start_ms = client->start_ms,
      .active_ms = client->active_ms,
      .rtt_ns = client->rtt_ns,
      .pending_bytes = nats_client_pending(client),
      .in_msgs = client->in_msgs,
      .in_bytes = client->in_bytes,
      .out_msgs = client->out_msgs,
      .out_bytes = client->out_bytes,
      .dropped = nats_overflow_stats(client).dropped,
      .subscriptions = client->sids.count,
  };
}

struct nats_conn *nats_conn_of(const struct nats_client *client) {
  return nats_conn_named(client, user_of(client));
}

struct nats_conn *nats_conn_named(const struct nats_client *client, const char *user) {
  const struct tern_peer *peer = tern_transport_peer(client->transport);
  const struct nats_connect *options = &client->options;
  const char *account = account_of(client);
  const char *ip = strcmp(peer->kind, "tcp") == 0 ? peer->address : "";
  const size_t size = sizeof(struct nats_conn) + room_for(ip) + room_for(options->name) +
                      room_for(options->lang) + room_for(options->version) + room_for(account) +
                      room_for(user);
  struct nats_conn *conn = malloc(size);
  if (conn == NULL) return NULL;
  char *at = (char *)(conn + 1);
  *conn = figures_of(client);
  conn->size = size;
  conn->port = peer->port;
  conn->reason = client->reason;
  conn->ip = put_text(&at, ip);
  conn->name = put_text(&at, options->name);
  conn->lang = put_text(&at, options->lang);
  conn->version = put_text(&at, options->version);
  conn->account = put_text(&at, account);
  conn->user = put_text(&at, user);
  struct tern_tls_info tls;
  if (tern_tls_info(client->transport, &tls)) {
    conn->tls_version = tls.version;
    conn->tls_cipher = tls.cipher;
    conn->tls_first = client->tls_first;
  }
  return conn;
}

/* A copy whose texts are its own. */
static struct nats_conn *copy(const struct nats_conn *from) {
  struct nats_conn *to = malloc(from->size);
  if (to == NULL) return NULL;
  memcpy(to, from, from->size);
  const char **texts[] = {&to->ip, &to->name, &to->lang, &to->version, &to->account, &to->user};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    *texts[i] = (const char *)to + (*texts[i] - (const char *)from);
  return to;
}

struct describing {
  const struct nats_server *server;
  const struct nats_conn_key *keys;
  size_t count;
  bool certificates;
  struct nats_conn *conns[SLICE_DESCRIBE];
  bool failed; /* for want of memory */
};

static void call_describe(struct tern_worker *worker, void *arg) {
  struct describing *d = arg;
  const struct nats_worker *nats = d->server->workers[tern_worker_index(worker)];
  for (size_t i = 0; i < d->count; i++) {
    const struct nats_conn_key *key = &d->keys[i];
    if (key->worker != tern_worker_index(worker)) continue;
    const struct nats_client *client = key->closed ? NULL : client_by_id(nats, key->cid);
    const struct nats_conn *closed = key->closed ? nats_closed_at(&nats->closed, key->number) : NULL;
    if ((client == NULL || client->transport == NULL) && closed == NULL) continue;
    d->conns[i] = closed != NULL ? copy(closed) : nats_conn_of(client);
    d->failed |= d->conns[i] == NULL;
    if (d->certificates && client != NULL && d->conns[i] != NULL)
      d->failed |= tern_tls_certificate(client->transport, &d->conns[i]->shown) == -ENOMEM;
  }
}

int nats_conns_describe(const struct nats_server *server, struct tern_workers *workers,
                        const struct nats_conn_key *keys, size_t count, bool certificates,
                        void (*each)(void *arg, const struct nats_conn *conn), void *arg) {
  int error = 0;
  for (size_t done = 0, part; done < count && error == 0; done += part) {
    part = count - done < SLICE_DESCRIBE ? count - done : SLICE_DESCRIBE;
    struct describing d = {
        .server = server, .keys = keys + done, .count = part, .certificates = certificates};
    for (unsigned i = 0; i < tern_workers_count(workers) && error == 0; i++)
      error = tern_workers_call(workers, i, call_describe, &d);
    if (error == 0 && d.failed) error = -ENOMEM;
    for (size_t i = 0; i < part; i++) {
      if (d.conns[i] != NULL && error == 0) each(arg, d.conns[i]);
      if (d.conns[i] != NULL) tern_tls_certificate_free(d.conns[i]->shown);
      free(d.conns[i]);
    }
  }
  return error;
}

/* ---- finding ---- */

struct finding {
  const struct nats_server *server;
  const struct nats_conns_query *query;
  struct nats_conn_keys *keys;
  struct walk walk;
  uint64_t number; /* of the next closed one */
  uint64_t now_ms; /* the loop's */
  bool failed;     /* for want of memory */
};

/* Keys are ascending: what goes first with large values goes by their complement. */
static uint64_t sort_value(const struct nats_conn *conn, enum nats_conn_sort sort, uint64_t now_ms) {
  const uint64_t until = conn->stop_ms != 0 ? conn->stop_ms : now_ms;
  const char *reason = nats_reason_text(conn->reason);
  uint64_t letters = 0;
  switch (sort) {
    case NATS_BY_SUBS:
      return ~(uint64_t)conn->subscriptions;
    case NATS_BY_PENDING:
      return ~conn->pending_bytes;
    case NATS_BY_OUT_MSGS:
      return ~conn->out_msgs;
    case NATS_BY_IN_MSGS:
      return ~conn->in_msgs;
    case NATS_BY_OUT_BYTES:
      return ~conn->out_bytes;
    case NATS_BY_IN_BYTES:
      return ~conn->in_bytes;
    case NATS_BY_LAST:
      return ~conn->active_ms;
    case NATS_BY_IDLE:
      return ~(until - conn->active_ms);
    case NATS_BY_UPTIME:
      return until - conn->start_ms;
    case NATS_BY_STOP:
      return ~conn->stop_ms;
    case NATS_BY_REASON:
      for (size_t i = 0; i < 8; i++) {
        letters = letters << 8 | (unsigned char)*reason;
        reason += *reason != '\0';
      }
      return letters;
    case NATS_BY_RTT:
      return ~conn->rtt_ns;
    default:
      return conn->cid;
  }
}

static bool is_wanted(const char *account, const char *user, const struct nats_conns_query *query) {
  return (query->account == NULL || strcmp(account, query->account) == 0) &&
         (query->user == NULL || strcmp(user, query->user) == 0);
}

static void add_key(struct finding *f, const struct nats_conn *conn, unsigned worker, bool closed) {
  struct nats_conn_keys *keys = f->keys;
  keys->total++;
  if (f->query->cid != 0 && conn->cid != f->query->cid) return;
  if (keys->count == keys->room) {
    size_t room = keys->room == 0 ? 64 : keys->room * 2;
    struct nats_conn_key *larger = realloc(keys->keys, room * sizeof *larger);
    f->failed |= larger == NULL;
    if (larger == NULL) return;
    keys->keys = larger;
    keys->room = room;
  }
  keys->keys[keys->count++] = (struct nats_conn_key){conn->cid, sort_value(conn, f->query->sort, f->now_ms),
                                                     conn->number, worker, closed};
}

static void call_find_open(struct tern_worker *worker, void *arg) {
  struct finding *f = arg;
  const unsigned index = tern_worker_index(worker);
  const struct nats_worker *nats = f->server->workers[index];
  uint32_t budget = SLICE_BUCKETS;
  f->now_ms = tern_loop_now_ms(tern_worker_loop(worker));
  for (uint32_t n = 0; n < SLICE_CLIENTS; n++) {
    const struct nats_client *client = next_client(nats, &f->walk, &budget);
    if (client == NULL) return;
    if (client->transport == NULL || !is_wanted(account_of(client), user_of(client), f->query)) continue;
    const struct nats_conn brief = figures_of(client);
    add_key(f, &brief, index, false);
  }
}

/* Sets number to that of the last one when there are no more. */
static void call_find_closed(struct tern_worker *worker, void *arg) {
  struct finding *f = arg;
  const unsigned index = tern_worker_index(worker);
  const struct nats_closed *closed = &f->server->workers[index]->closed;
  const uint64_t first = closed->added - closed->count;
  if (f->number < first) f->number = first;
  for (uint32_t n = 0; n < SLICE_CLIENTS && f->number < closed->added; n++) {
    const struct nats_conn *conn = nats_closed_at(closed, f->number++);
    if (is_wanted(conn->account, conn->user, f->query)) add_key(f, conn, index, true);
  }
  if (f->number == closed->added) f->number = UINT64_MAX;
}

static int compare_keys(const void *a, const void *b) {
  const struct nats_conn_key *left = a, *right = b;
  if (left->value != right->value) return left->value < right->value ? -1 : 1;
  return left->cid < right->cid ? -1 : left->cid > right->cid;
}

int nats_conns_find(const struct nats_server *server, struct tern_workers *workers,
                    const struct nats_conns_query *query, struct nats_conn_keys *out) {
  *out = (struct nats_conn_keys){0};
  int error = 0;
  for (unsigned i = 0; i < tern_workers_count(workers); i++) {
    struct finding f = {.server = server, .query = query, .keys = out};
    while (query->open && error == 0 && !f.failed && (f.walk.size == 0 || f.walk.bucket < f.walk.size))
      error = tern_workers_call(workers, i, call_find_open, &f);
    while (query->closed && error == 0 && !f.failed && f.number != UINT64_MAX)
      error = tern_workers_call(workers, i, call_find_closed, &f);
    if (f.failed) error = -ENOMEM;
  }
  if (error != 0) {
    free(out->keys);
    *out = (struct nats_conn_keys){0};
  } else if (out->count > 0) {
    qsort(out->keys, out->count, sizeof out->keys[0], compare_keys);
  }
  return error;
}

/* ---- accounts ---- */

struct adding {
  const struct nats_server *server;
  struct walk walk;
  struct nats_account_figures *out;
  uint32_t room;
};

static void add_ended(const struct nats_closed *closed, const struct adding *a) {
  for (uint32_t i = 0; i < closed->past_count && i < a->room; i++) {
    const struct nats_past *past = &closed->past[i];
    a->out[i].slow_consumers += past->slow_consumers;
    a->out[i].in_msgs += past->in_msgs;
    a->out[i].in_bytes += past->in_bytes;
    a->out[i].out_msgs += past->out_msgs;
    a->out[i].out_bytes += past->out_bytes;
  }
}

static void call_add(struct tern_worker *worker, void *arg) {
  struct adding *a = arg;
  const struct nats_worker *nats = a->server->workers[tern_worker_index(worker)];
  uint32_t budget = SLICE_BUCKETS;
  if (a->walk.size == 0) add_ended(&nats->closed, a);
  for (uint32_t n = 0; n < SLICE_CLIENTS; n++) {
    const struct nats_client *client = next_client(nats, &a->walk, &budget);
    if (client == NULL) return;
    const uint32_t account = route_account_of(client->route->kinds);
    if (client->transport == NULL || account >= a->room) continue;
    struct nats_account_figures *to = &a->out[account];
    to->connections++;
    to->subscriptions += client->sids.count;
    to->in_msgs += client->in_msgs;
    to->in_bytes += client->in_bytes;
    to->out_msgs += client->out_msgs;
    to->out_bytes += client->out_bytes;
  }
}

int nats_conns_accounts(const struct nats_server *server, struct tern_workers *workers,
                        struct nats_account_figures *out, uint32_t room) {
  int error = 0;
  memset(out, 0, room * sizeof *out);
  for (unsigned i = 0; i < tern_workers_count(workers) && error == 0; i++) {
    struct adding a = {.server = server, .out = out, .room = room};
    while (error == 0 && (a.walk.size == 0 || a.walk.bucket < a.walk.size))
      error = tern_workers_call(workers, i, call_add, &a);
  }
  return error;
}

/* ---- subscriptions ---- */

/* One subscription on its way to the thread that asked; subject, group and sid follow. */
struct sub_record {
  uint64_t cid, msgs, max, dropped;
  uint32_t subject_len, group_len, sid_len, account_len;
};

struct listing {
  const struct nats_server *server;
  uint64_t cid; /* 0: all */
  struct walk walk;
  uint64_t client; /* the one whose subscriptions are being listed, 0: none */
  uint32_t slot;   /* its next one */
  bool over;       /* nothing is left on this worker */
  char *bytes;
  size_t len, room;
  bool failed; /* for want of memory */
};

static void put_slice(struct listing *l, struct tern_slice text) {
  if (text.len > 0) memcpy(l->bytes + l->len, text.ptr, text.len);
  l->len += text.len;
}

static bool add_sub(struct listing *l, const struct nats_sub *sub) {
  const struct nats_client *client = nats_sub_client(sub);
  const struct tern_slice subject = tern_sink_filter(&sub->sink), group = tern_sink_group(&sub->sink);
  const struct tern_slice account = tern_slice_of(account_of(client));
  const struct sub_record record = {.cid = client->id,
                                    .msgs = nats_sub_delivered(sub),
                                    .dropped = nats_overflow_dropped(sub),
                                    .max = nats_sub_max(sub),
                                    .subject_len = (uint32_t)subject.len,
                                    .group_len = (uint32_t)group.len,
                                    .sid_len = sub->sid_len,
                                    .account_len = (uint32_t)account.len};
  const size_t need = sizeof record + subject.len + group.len + sub->sid_len + account.len + 1;
  if (l->room - l->len < need) {
    size_t room = l->room * 2 + need + 4096;
    char *bytes = realloc(l->bytes, room);
    l->failed |= bytes == NULL;
    if (bytes == NULL) return false;
    l->bytes = bytes;
    l->room = room;
  }
  put_slice(l, (struct tern_slice){(const char *)&record, sizeof record});
  put_slice(l, subject);
  put_slice(l, group);
  put_slice(l, nats_sub_sid(sub));
  put_slice(l, (struct tern_slice){account.ptr, account.len + 1}); /* with its NUL */
  return true;
}

/* The client to go on with, or NULL. */
static const struct nats_client *listed_client(const struct nats_worker *nats, struct listing *l,
                                               uint32_t *budget) {
  const struct nats_client *client = l->client != 0 ? client_by_id(nats, l->client) : NULL;
  if (client != NULL) return client;
  l->slot = 0;
  if (l->cid != 0)
    client = l->client == 0 ? client_by_id(nats, l->cid) : NULL;
  else
    client = next_client(nats, &l->walk, budget);
  l->over = client == NULL && (l->cid != 0 || l->walk.bucket == l->walk.size);
  l->client = client != NULL ? client->id : 0;
  return client;
}

static void call_list(struct tern_worker *worker, void *arg) {
  struct listing *l = arg;
  const struct nats_worker *nats = l->server->workers[tern_worker_index(worker)];
  uint32_t budget = SLICE_BUCKETS;
  for (uint32_t seen = 0; seen < SLICE_SUBS && !l->failed;) {
    const struct nats_client *client = listed_client(nats, l, &budget);
    if (client == NULL) return;
    for (; l->slot < client->sids.capacity && seen < SLICE_SUBS; l->slot++, seen++) {
      const struct nats_sub *sub = nats_sids_at(&client->sids, l->slot);
      if (sub != NULL && !add_sub(l, sub)) return;
    }
    if (l->slot < client->sids.capacity) continue;
    seen++;
    l->over = l->cid != 0;
    l->client = 0;
    l->slot = 0;
    if (l->over) return;
  }
}

static struct tern_slice take(const char **at, size_t len) {
  struct tern_slice text = {*at, len};
  *at += len;
  return text;
}

/* Hands out what one call has brought. False when enough was seen. */
static bool hand_out(const struct listing *l, bool (*each)(void *arg, const struct nats_sub_info *sub),
                     void *arg) {
  for (const char *at = l->bytes, *end = at + l->len; at < end;) {
    struct sub_record record;
    memcpy(&record, at, sizeof record);
    at += sizeof record;
    struct nats_sub_info info = {
        .cid = record.cid, .msgs = record.msgs, .max = record.max, .dropped = record.dropped};
    info.subject = take(&at, record.subject_len);
    info.group = take(&at, record.group_len);
    info.sid = take(&at, record.sid_len);
    info.account = take(&at, record.account_len + 1).ptr;
    if (!each(arg, &info)) return false;
  }
  return true;
}

int nats_conns_subs(const struct nats_server *server, struct tern_workers *workers, uint64_t cid,
                    bool (*each)(void *arg, const struct nats_sub_info *sub), void *arg) {
  int error = 0;
  bool more = true;
  for (unsigned i = 0; i < tern_workers_count(workers) && error == 0 && more; i++) {
    struct listing l = {.server = server, .cid = cid};
    while (error == 0 && more && !l.over) {
      l.len = 0;
      error = tern_workers_call(workers, i, call_list, &l);
      if (error == 0 && l.failed) error = -ENOMEM;
      if (error == 0 && l.len > 0) more = hand_out(&l, each, arg);
    }
    free(l.bytes);
  }
  return error;
}
