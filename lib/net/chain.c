/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbound chain.
 *
 *     head                                             tail
 *      |                                                |
 *     [data len buf] -> [data len buf] -> [data len buf]-> NULL      segments (32 bytes each)
 *         |                 |                 |
 *         v                 v                 v
 *     chunk: |aaaaaaaa|cccc|.......|     payload buffer: |bbbbbbbbbbbbbbbb|
 *                          ^fill   ^limit
 *
 * Two things go in: copies of small pieces and references to large ones. Copies are put one after the other
 * into the current chunk, a buffer from the loop's pool, and as long as nothing else came in between they
 * simply make the tail segment longer: that is the hot path (tern__chain_reserve and _commit in chain.h), a
 * comparison and three additions. A reference (the b bytes above) becomes a segment of its own; the next copy
 * starts a new segment but goes on in the same chunk, so that the message pattern "line, payload, line,
 * payload" wastes nothing.
 *
 * Every segment holds one reference to its buffer, the chain holds one to the current chunk. Sent segments
 * are dropped at once, and with the last byte the chunk goes too: an idle chain owns nothing. Chunks are
 * small for the first bytes and larger the more is waiting.
 *
 * A chain neither does I/O nor knows what it is the output of; transport.c, socket.c, mem.c and trace.c use
 * it.
 */
#include "chain.h"

#include <errno.h>
#include <string.h>

#include "buf.h"

/* Chunk sizes; the pool's large classes have room for a buffer's header beside them. */
#define CHUNK_SMALL  (4 * 1024)
#define CHUNK_MEDIUM (16 * 1024)
#define CHUNK_LARGE  (64 * 1024)

void tern__chain_init(struct tern__chain *chain, struct tern_pool *pool) {
  *chain = (struct tern__chain){.pool = pool};
}

static void free_segment(struct tern__chain *chain, struct tern__segment *segment) {
  tern__buf_unref(segment->buf);
  tern_pool_release(chain->pool, segment, sizeof *segment);
}

/* Gives up the current chunk; segments in it keep it alive as long as they need it. */
static void drop_chunk(struct tern__chain *chain) {
  if (chain->chunk != NULL) tern__buf_unref(chain->chunk);
  chain->chunk = NULL;
  chain->fill = chain->limit = NULL;
}

void tern__chain_clear(struct tern__chain *chain) {
  struct tern__segment *segment = chain->head;
  chain->head = chain->tail = NULL;
  chain->pending = 0;
  while (segment != NULL) {
    struct tern__segment *next = segment->next;
    free_segment(chain, segment);
    segment = next;
  }
  drop_chunk(chain);
}

/* Makes a segment over bytes of buf, with a reference of its own. It is in no list yet. */
static struct tern__segment *new_segment(struct tern__chain *chain, struct tern_buf *buf, char *data,
                                         size_t len) {
  struct tern__segment *segment = tern_pool_alloc(chain->pool, sizeof *segment);
  if (segment == NULL) return NULL;
  tern__buf_ref(buf);
  *segment = (struct tern__segment){.data = data, .len = len, .buf = buf};
  return segment;
}

static void link_segment(struct tern__chain *chain, struct tern__segment *segment) {
  if (chain->tail != NULL)
    chain->tail->next = segment;
  else
    chain->head = segment;
  chain->tail = segment;
}

static size_t chunk_size(size_t pending, size_t len) {
  size_t size = pending < CHUNK_SMALL ? CHUNK_SMALL : pending < 2 * CHUNK_MEDIUM ? CHUNK_MEDIUM : CHUNK_LARGE;
  if (size < len) size = len <= CHUNK_MEDIUM ? CHUNK_MEDIUM : len <= CHUNK_LARGE ? CHUNK_LARGE : len;
  return size;
}

char *tern__chain_grow(struct tern__chain *chain, size_t len) {
  struct tern_buf *chunk = chain->chunk;
  if (chunk == NULL || (size_t)(chunk->data + chunk->size - chain->fill) < len) {
    chunk = tern_buf_new(chain->pool, chunk_size(chain->pending, len));
    if (chunk == NULL) return NULL;
    drop_chunk(chain);
    chain->chunk = chunk;
    chain->fill = chain->limit = chunk->data;
  }
  struct tern__segment *segment = new_segment(chain, chunk, chain->fill, 0);
  if (segment == NULL) return NULL;
  link_segment(chain, segment);
  chain->limit = chunk->data + chunk->size;
  return chain->fill;
}

int tern__chain_append(struct tern__chain *chain, const void *data, size_t len) {
  const char *from = data;
  while (len > 0) {
    size_t room = (size_t)(chain->limit - chain->fill);
    if (room == 0) {
      /* One byte is enough to go on in a chunk that a reference interrupted. */
      if (tern__chain_grow(chain, 1) == NULL) return -ENOMEM;
      room = (size_t)(chain->limit - chain->fill);
    }
    size_t part = len < room ? len : room;
    memcpy(chain->fill, from, part);
    tern__chain_commit(chain, part);
    from += part;
    len -= part;
  }
  return 0;
}

int tern__chain_append_buf(struct tern__chain *chain, struct tern_buf *buf, const void *data, size_t len) {
  if (len == 0) return 0;
  /* Only read through this pointer: sending does not change the bytes. */
  char *first = buf->data + ((const char *)data - buf->data);
  struct tern__segment *segment = new_segment(chain, buf, first, len);
  if (segment == NULL) return -ENOMEM;
  link_segment(chain, segment);
  chain->pending += len;
  chain->limit = chain->fill; /* the tail is not the chunk's segment any more */
  return 0;
}

int tern__chain_gather(const struct tern__chain *chain, struct iovec iov[TERN__CHAIN_IOV_MAX],
                       size_t *bytes) {
  int count = 0;
  size_t sum = 0;
  for (struct tern__segment *segment = chain->head; segment != NULL; segment = segment->next) {
    if (count == TERN__CHAIN_IOV_MAX || sum == TERN__CHAIN_WRITE_BYTES) break;
    if (segment->len == 0) continue;
    size_t part = segment->len;
    if (part > TERN__CHAIN_WRITE_BYTES - sum) part = TERN__CHAIN_WRITE_BYTES - sum;
    iov[count++] = (struct iovec){segment->data, part};
    sum += part;
  }
  *bytes = sum;
  return count;
}

/* Drops the first of at least two segments. */
static void drop_head(struct tern__chain *chain) {
  struct tern__segment *segment = chain->head;
  chain->head = segment->next;
  free_segment(chain, segment);
}

void tern__chain_consume(struct tern__chain *chain, size_t len) {
  chain->pending -= len;
  if (chain->pending == 0) {
    tern__chain_clear(chain);
    return;
  }
  while (len > 0) {
    struct tern__segment *segment = chain->head;
    if (len < segment->len) {
      segment->data += len;
      segment->len -= len;
      return;
    }
    len -= segment->len;
    drop_head(chain);
  }
}

void tern__chain_splice(struct tern__chain *chain, struct tern__chain *from) {
  if (from->pending == 0) {
    tern__chain_clear(from);
    return;
  }
  if (chain->tail != NULL)
    chain->tail->next = from->head;
  else
    chain->head = from->head;
  chain->tail = from->tail;
  chain->pending += from->pending;
  drop_chunk(chain);
  chain->chunk = from->chunk;
  chain->fill = from->fill;
  chain->limit = from->limit;
  tern__chain_init(from, from->pool);
}

int tern__chain_move(struct tern__chain *chain, struct tern__chain *from, size_t len) {
  if (len == 0) return 0;
  if (len == from->pending) {
    tern__chain_splice(chain, from);
    return 0;
  }
  struct tern__segment *last = from->head;
  struct tern__segment *before = NULL; /* last whole segment that moves */
  size_t whole = 0;
  while (whole + last->len <= len) {
    whole += last->len;
    before = last;
    last = last->next;
  }
  struct tern__segment *part = NULL;
  if (whole < len) {
    part = new_segment(from, last->buf, last->data, len - whole);
    if (part == NULL) return -ENOMEM;
    last->data += len - whole;
    last->len -= len - whole;
  }
  if (before != NULL) {
    if (chain->tail != NULL)
      chain->tail->next = from->head;
    else
      chain->head = from->head;
    chain->tail = before;
    before->next = NULL;
    from->head = last;
  }
  if (part != NULL) link_segment(chain, part);
  chain->limit = chain->fill; /* whatever the tail is now, it is not in this chain's chunk */
  chain->pending += len;
  from->pending -= len;
  return 0;
}
