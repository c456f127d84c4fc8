/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions: sinks that write MSG and HMSG lines. The line is prepared once per message and worker and
 * shared by all receivers; only the sid differs. Small bodies are copied into the output, large ones
 * referenced where they lie.
 *
 * sids are kept by client in a small hash table of pointers (8 to 16 bytes a subscription); removal shifts
 * later entries of the run back, so there are no tombstones:
 *
 *     slots:  [ - ][ A ][ B ][ C ][ - ]     A, B, C hash to slot 1
 *     remove A:    [ B ][ C ][ - ]
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tern/error.h>
#include <tern/log.h>

#include "client.h"
#include "container.h"

enum { PREPARED_PLAIN = 1, PREPARED_HEADERS = 2 }; /* bits of tern_message.prepared */

static uint32_t sid_hash(struct tern_slice sid) { return (uint32_t)tern_subject_hash(sid); }
static struct tern_slice sid_of(const struct nats_sub *sub) {
  return (struct tern_slice){sub->sid, sub->sid_len};
}

static uint32_t find_slot(const struct nats_sids *sids, struct tern_slice sid) {
  uint32_t mask = sids->capacity - 1;
  for (uint32_t i = sid_hash(sid) & mask;; i = (i + 1) & mask) {
    const struct nats_sub *sub = sids->slots[i];
    if (sub == NULL || tern_slice_equal(sid_of(sub), sid)) return i;
  }
}

static int grow(struct nats_sids *sids) {
  uint32_t capacity = sids->capacity == 0 ? 4 : sids->capacity * 2;
  struct nats_sub **slots = calloc(capacity, sizeof(struct nats_sub *));
  if (slots == NULL) return -ENOMEM;
  for (uint32_t i = 0; i < sids->capacity; i++) {
    struct nats_sub *sub = sids->slots[i];
    if (sub == NULL) continue;
    uint32_t at = sid_hash(sid_of(sub)) & (capacity - 1);
    while (slots[at] != NULL)
      at = (at + 1) & (capacity - 1);
    slots[at] = sub;
  }
  free(sids->slots);
  sids->slots = slots;
  sids->capacity = capacity;
  return 0;
}

static void take_out(struct nats_sids *sids, uint32_t hole) {
  uint32_t mask = sids->capacity - 1;
  for (uint32_t i = (hole + 1) & mask; sids->slots[i] != NULL; i = (i + 1) & mask) {
    uint32_t home = sid_hash(sid_of(sids->slots[i])) & mask;
    /* may it move back to the hole? not when its home lies between the hole and where it is */
    if (((i - home) & mask) < ((i - hole) & mask)) continue;
    sids->slots[hole] = sids->slots[i];
    hole = i;
  }
  sids->slots[hole] = NULL;
  sids->count--;
}

static struct nats_line *line_for(struct nats_client *client, struct tern_message *m) {
  bool headers = client->options.headers && m->header_len > 0;
  struct nats_line *line = &client->worker->lines[headers];
  uint32_t prepared = headers ? PREPARED_HEADERS : PREPARED_PLAIN;
  if (m->prepared & prepared) return line;
  size_t room = TERN_NATS_FRAME_ROOM(m->subject.len, m->reply.len);
  if (room > line->room_len) {
    char *more = realloc(line->room, room * 2);
    if (more == NULL) return NULL;
    line->room = more;
    line->room_len = room * 2;
  }
  tern_nats_prepare(&line->frame, m, headers, line->room);
  m->prepared |= prepared;
  return line;
}

/* Lines longer than a reservation, and large bodies. */
static int write_large(struct tern_transport *transport, const struct tern_nats_frame *frame,
                       struct tern_slice sid, struct tern_buf *owner) {
  struct iovec parts[] = {
      {.iov_base = (char *)(uintptr_t)frame->head, .iov_len = frame->head_len},
      {.iov_base = (char *)(uintptr_t)sid.ptr, .iov_len = sid.len},
      {.iov_base = (char *)(uintptr_t)frame->tail, .iov_len = frame->tail_len},
      {.iov_base = (char *)(uintptr_t)frame->body, .iov_len = frame->body_len},
  };
  bool refer = owner != NULL && frame->body_len > TERN_COPY_MAX_BYTES;
  int error = tern_transport_writev(transport, parts, refer ? 3 : 4);
  if (error == 0 && refer) error = tern_transport_write_buf(transport, owner, frame->body, frame->body_len);
  if (error == 0) error = tern_transport_write(transport, "\r\n", 2);
  return error;
}

static int write_message(struct nats_sub *sub, const struct tern_nats_frame *frame, struct tern_buf *owner) {
  struct tern_transport *transport = sub->client->transport;
  struct tern_slice sid = {sub->sid, sub->sid_len};
  size_t size = tern_nats_frame_size(frame, sid.len);
  if (size > TERN_RESERVE_MAX_BYTES || frame->body_len > TERN_COPY_MAX_BYTES)
    return write_large(transport, frame, sid, owner);
  char *at = tern_transport_reserve(transport, size);
  if (at == NULL) return TERN_ECLOSED;
  tern_nats_put_frame(at, frame, sid);
  tern_transport_commit(transport, size);
  return 0;
}

/* Writes the first `count` messages of a run. */
static int write_run(struct nats_sub *sub, const struct tern_nats_frame *first, const struct tern_message *m,
                     uint64_t count) {
  struct tern_transport *transport = sub->client->transport;
  struct tern_slice sid = {sub->sid, sub->sid_len};
  struct tern_nats_frame frame = *first;
  size_t size = tern_nats_frame_size(&frame, sid.len), at_once = TERN_RESERVE_MAX_BYTES / size;
  int error = 0;
  while (count > 0 && error == 0) {
    uint64_t part = count < at_once ? count : at_once;
    if (part <= 1) {
      part = 1;
      error = write_message(sub, &frame, m->owner);
    } else {
      char *at = tern_transport_reserve(transport, part * size);
      if (at == NULL) return TERN_ECLOSED;
      tern_nats_put_frames(at, &frame, sid, (uint32_t)part, m->stride);
      tern_transport_commit(transport, part * size);
    }
    frame.body += part * m->stride;
    count -= part;
  }
  return error;
}

static bool deliver(struct tern_sink *sink, struct tern_message *m) {
  struct nats_sub *sub = container_of(sink, struct nats_sub, sink);
  struct nats_client *client = sub->client;
  if (client->flow == NATS_ENDED) return false;
  if (m->source == client->id && !client->options.echo) return false;
  struct nats_line *line = line_for(client, m);
  if (line == NULL) return false;
  if (client->worker->trace)
    tern_log(TERN_LOG_TRACE, "%s - ->> [%.*s%.*s%.*s]", nats_client_label(client), (int)line->frame.head_len,
             line->frame.head, (int)sub->sid_len, sub->sid, (int)line->frame.tail_len - 2, line->frame.tail);
  uint64_t count = 1 + (uint64_t)m->more;
  if (sub->max != 0 && count > sub->max - sub->delivered) count = sub->max - sub->delivered;
  int error =
      count == 1 ? write_message(sub, &line->frame, m->owner) : write_run(sub, &line->frame, m, count);
  if (error != 0) return false;
  tern_counter_add(&client->worker->stats.out_msgs, count);
  tern_counter_add(&client->worker->stats.out_bytes, count * line->frame.body_len);
  nats_client_queued(client);
  sub->delivered += count;
  if (sub->max != 0 && sub->delivered >= sub->max) nats_sub_remove(sub);
  return true;
}

static bool takes_run(struct tern_sink *sink, uint64_t run) {
  struct nats_client *client = container_of(sink, struct nats_sub, sink)->client;
  bool first = client->run != run;
  client->run = run;
  return first;
}

static const struct tern_sink_ops sink_ops = {.deliver = deliver, .takes_run = takes_run};

struct nats_sub *nats_sub_find(const struct nats_client *client, struct tern_slice sid) {
  if (client->sids.count == 0) return NULL;
  return client->sids.slots[find_slot(&client->sids, sid)];
}

int nats_sub_add(struct nats_client *client, struct tern_slice filter, struct tern_slice group,
                 struct tern_slice sid) {
  struct nats_sids *sids = &client->sids;
  if ((sids->count + 1) * 4 > sids->capacity * 3 && grow(sids) != 0) return -ENOMEM;
  struct nats_sub *sub = tern_pool_alloc(tern_loop_pool(client->worker->loop), sizeof *sub + sid.len);
  if (sub == NULL) return -ENOMEM;
  memset(sub, 0, sizeof *sub);
  sub->sink.ops = &sink_ops;
  sub->client = client;
  sub->sid_len = sid.len & UINT16_MAX;
  memcpy(sub->sid, sid.ptr, sid.len);
  int error = tern_index_add(client->worker->route->index, &sub->sink, filter, group);
  if (error != 0) {
    tern_pool_release(tern_loop_pool(client->worker->loop), sub, sizeof *sub + sid.len);
    return error;
  }
  sids->slots[find_slot(sids, sid)] = sub;
  sids->count++;
  tern_counter_add(&client->worker->stats.subscriptions, 1);
  return 0;
}

static void remove_at(struct nats_client *client, uint32_t slot) {
  struct nats_sub *sub = client->sids.slots[slot];
  tern_index_remove(client->worker->route->index, &sub->sink);
  take_out(&client->sids, slot);
  tern_pool_release(tern_loop_pool(client->worker->loop), sub, sizeof *sub + sub->sid_len);
  tern_counter_add(&client->worker->stats.subscriptions, (uint64_t)-1);
}

void nats_sub_remove(struct nats_sub *sub) {
  remove_at(sub->client, find_slot(&sub->client->sids, sid_of(sub)));
}

bool nats_sub_remove_some(struct nats_client *client) {
  struct nats_sids *sids = &client->sids;
  uint32_t mask = sids->capacity - 1; /* the table may be mostly empty: looking counts too */
  for (uint32_t seen = 0; seen < 8 * NATS_REMOVE_MAX && sids->count > 0; seen++) {
    if (sids->slots[sids->cursor] == NULL) {
      sids->cursor = (sids->cursor + 1) & mask;
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
