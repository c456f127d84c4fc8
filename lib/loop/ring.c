/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of bytes between one sending and one receiving thread (SPSC), without locks or locked instructions
 * on the way of a record.
 *
 *        released        taken          published        staged
 *     ----- head --------- at ------------ tail ----------- end ------      positions only grow;
 *     free   | being used  |  to be taken   |  not visible   |  free         place = position & mask
 *
 * A record is an 8-byte header {length, kind} and its data, padded to 8. It never wraps: when it does not fit
 * before the end of the memory, a header of kind 0 (SKIP) fills the rest and the record starts at the
 * beginning. Records are staged one by one and become visible together, with one release store of the tail;
 * the receiver gives room back with one store of the head. Each side keeps a copy of the other's index and
 * reads the shared one only when the copy says "full" or "empty", so that a busy ring moves few cache lines.
 * What the two sides write lies 128 bytes apart (a cache line and its prefetched neighbour).
 *
 * Full ring: the sender sets `want` and looks at the head once more; the receiver stores the head and then
 * looks at `want`. All four are sequentially consistent, so at least one side sees the other (no lost
 * credit).
 *
 * Not here: waking the other thread (bell.h) and what happens to a record that finds no room (lane.c).
 */
#include "ring.h"

#include <assert.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "seed.h"

enum { APART = 128, KIND_SKIP = 0 };

struct header {
  uint32_t len;
  uint32_t kind;
};

struct tern__ring {
  /* Written by one side, read by the other. What a side writes for each record is not here: it would take the line
   * away from the other, who looks at it in vain. */
  alignas(APART) _Atomic uint64_t tail; /* the sender's: published up to here */
  alignas(APART) _Atomic uint64_t head; /* the receiver's: released up to here */
  /* Sender. */
  alignas(APART) uint64_t end; /* staged up to here */
  uint64_t reserved;           /* end after the commit of what is reserved */
  uint64_t head_seen;
  /* Receiver. */
  alignas(APART) uint64_t at; /* taken up to here */
  uint64_t tail_seen;
  /* Written only when the ring is full, and constants. */
  alignas(APART) _Atomic uint32_t want;
  uint64_t bytes;
  alignas(APART) char data[];
};

static_assert(offsetof(struct tern__ring, head) - offsetof(struct tern__ring, tail) >= APART, "apart");
static_assert(offsetof(struct tern__ring, end) - offsetof(struct tern__ring, head) >= APART, "apart");
static_assert(offsetof(struct tern__ring, at) - offsetof(struct tern__ring, end) >= APART, "apart");
static_assert(offsetof(struct tern__ring, want) - offsetof(struct tern__ring, at) >= APART, "apart");

struct tern__ring *tern__ring_new(size_t bytes) {
  assert(bytes >= TERN__RING_BYTES_MIN && (bytes & (bytes - 1)) == 0);
  size_t size = (sizeof(struct tern__ring) + bytes + APART - 1) & ~(size_t)(APART - 1);
  struct tern__ring *ring = aligned_alloc(APART, size);
  if (ring == NULL) return NULL;
  memset(ring, 0, sizeof *ring);
  ring->bytes = bytes;
  return ring;
}

void tern__ring_free(struct tern__ring *ring) { free(ring); }

static struct header *header_at(struct tern__ring *ring, uint64_t position) {
  return (struct header *)(void *)&ring->data[position & (ring->bytes - 1)];
}

void *tern__ring_reserve(struct tern__ring *ring, uint32_t kind, size_t len) {
  assert(len <= ring->bytes / 4);
  uint64_t size = TERN__RING_RECORD_BYTES(len);
  uint64_t to_end = ring->bytes - (ring->end & (ring->bytes - 1));
  uint64_t skip = size <= to_end ? 0 : to_end;
  if (ring->end + skip + size - ring->head_seen > ring->bytes) {
    /* acquire: pairs with the store in release; the receiver has finished with the bytes before head */
    ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (ring->end + skip + size - ring->head_seen > ring->bytes) return NULL;
  }
  if (skip != 0) *header_at(ring, ring->end) = (struct header){(uint32_t)skip, KIND_SKIP};
  struct header *header = header_at(ring, ring->end + skip);
  *header = (struct header){(uint32_t)len, kind};
  ring->reserved = ring->end + skip + size;
  if (TERN_BUG(ring_tail_before_copy)) {
    /* breaks: the record becomes visible before its bytes are written */
    atomic_store_explicit(&ring->tail, ring->reserved, memory_order_release);
    sched_yield(); /* time for the receiver to look */
  }
  return header + 1;
}

void tern__ring_commit(struct tern__ring *ring) { ring->end = ring->reserved; }

size_t tern__ring_staged(const struct tern__ring *ring) {
  /* relaxed: the sender reads what it wrote itself */
  return ring->end - atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

void tern__ring_publish(struct tern__ring *ring) {
  /* release: pairs with the acquire load in next; the records before tail are complete */
  atomic_store_explicit(&ring->tail, ring->end, memory_order_release);
}

bool tern__ring_want(struct tern__ring *ring) {
  /* seq_cst: pairs with the load of want in release (see the head comment) */
  atomic_store_explicit(&ring->want, 1, memory_order_seq_cst);
  /* seq_cst: pairs with the store of head in release */
  uint64_t head = atomic_load_explicit(&ring->head, memory_order_seq_cst);
  bool unchanged = head == ring->head_seen;
  ring->head_seen = head;
  return unchanged;
}

bool tern__ring_next(struct tern__ring *ring, struct tern__record *record) {
  for (;;) {
    if (ring->at == ring->tail_seen) {
      /* acquire: pairs with the store in publish */
      ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
      if (ring->at == ring->tail_seen) return false;
    }
    struct header *header = header_at(ring, ring->at);
    if (header->kind == KIND_SKIP) {
      ring->at += header->len;
      continue;
    }
    *record = (struct tern__record){.kind = header->kind, .len = header->len, .data = header + 1};
    ring->at += TERN__RING_RECORD_BYTES(header->len);
    return true;
  }
}

size_t tern__ring_visible(struct tern__ring *ring) {
  /* acquire: pairs with the store in publish */
  ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
  return ring->tail_seen - ring->at;
}

size_t tern__ring_taken(const struct tern__ring *ring) {
  /* relaxed: the receiver reads what it wrote itself */
  return ring->at - atomic_load_explicit(&ring->head, memory_order_relaxed);
}

bool tern__ring_release(struct tern__ring *ring) {
  /* seq_cst: pairs with the load of head in want; also the release half of the acquire load in reserve */
  atomic_store_explicit(&ring->head, ring->at, memory_order_seq_cst);
  if (TERN_BUG(credit_lost)) return false; /* breaks: a sender with a full ring is never told of room */
  /* seq_cst: pairs with the store of want in want */
  if (atomic_load_explicit(&ring->want, memory_order_seq_cst) == 0) return false;
  /* relaxed: ordered by the load above; a want set in between is about room the sender will see in head */
  atomic_store_explicit(&ring->want, 0, memory_order_relaxed);
  return true;
}

size_t tern__ring_memory(const struct tern__ring *ring) { return sizeof *ring + ring->bytes; }

size_t tern__ring_waiting(const struct tern__ring *ring) {
  /* relaxed, both: a figure; the head may be newer than the tail */
  const uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
  const uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
  return tail > head ? (size_t)(tail - head) : 0;
}
