/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The ring: a bounded queue of records from one thread to one other thread. See ring.c for the picture.
 *
 *                     reserve  commit  publish  want | next  release
 *     reserve .. want    X       X        X      X   |  -       -        X: the caller must serialise them
 *     next, release      -       -        -      -   |  X       X           (in practice: one thread each
 * side)
 */
#ifndef TERN_LOOP_RING_H
#define TERN_LOOP_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tern__ring;

/** Smallest ring: two records of the largest size plus what is skipped at the end must fit. */
#define TERN__RING_BYTES_MIN 64
/** Bytes a record of len bytes takes. */
#define TERN__RING_RECORD_BYTES(len) (8 + (((size_t)(len) + 7) & ~(size_t)7))

/** A record as the receiver sees it. */
struct tern__record {
  uint32_t kind;
  uint32_t len;
  const void *data; /* aligned to 8; valid until tern__ring_release */
};

/** Makes a ring; bytes is a power of two, at least TERN__RING_BYTES_MIN. NULL without memory. The pages of a
 * large ring are not touched before they are used. */
struct tern__ring *tern__ring_new(size_t bytes);
/** Frees a ring, whatever is in it. */
void tern__ring_free(struct tern__ring *ring);

/** Sender: room for a record, aligned to 8; NULL when the ring is full. kind: not 0. len: at most a
 * quarter of the ring. */
void *tern__ring_reserve(struct tern__ring *ring, uint32_t kind, size_t len);
/** Sender: stages the record reserved last. */
void tern__ring_commit(struct tern__ring *ring);
/** Sender: bytes staged and not yet published. */
size_t tern__ring_staged(const struct tern__ring *ring);
/** Sender: makes all staged records visible. */
void tern__ring_publish(struct tern__ring *ring);
/**
 * Sender, having found the ring full with nothing staged: asks to be told when room appears.
 * @return true when the receiver will say so (tern__ring_release returns true); false when room has appeared
 * meanwhile: try again
 */
bool tern__ring_want(struct tern__ring *ring);

/** Receiver: takes the next published record. False when there is none. */
bool tern__ring_next(struct tern__ring *ring, struct tern__record *record);
/** Receiver: bytes published and not yet taken. */
size_t tern__ring_visible(struct tern__ring *ring);
/** Receiver: bytes taken and not yet released. */
size_t tern__ring_taken(const struct tern__ring *ring);
/** Receiver: gives the room of all taken records back. True when the sender wants to know of it. */
bool tern__ring_release(struct tern__ring *ring);

/** Bytes of memory it takes. Thread: any. */
size_t tern__ring_memory(const struct tern__ring *ring);
/** Bytes published and not yet released. Thread: any. */
size_t tern__ring_waiting(const struct tern__ring *ring);

#endif
