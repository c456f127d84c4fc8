/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Bytes: slices that borrow them, buffers that own them, and the per-worker pool buffers come from.
 *
 * A buffer belongs to one loop (worker) for life and its reference count is a plain integer that only
 * that thread touches: no atomics on the data path. Another worker that is handed a buffer gets a proxy
 * of its own (see worker.h) and sends a RELEASE record back when it is done.
 */
#ifndef TERN_BUFFER_H
#define TERN_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tern/export.h>

/** Borrowed bytes. Valid only as long as whoever lent them says. Not NUL-terminated. */
struct tern_slice {
  const char *ptr; /**< first byte; may be NULL when len is 0 */
  size_t len;      /**< bytes */
};

/** A slice over a NUL-terminated string, which must outlive it. */
static inline struct tern_slice tern_slice_of(const char *text) {
  return (struct tern_slice){text, strlen(text)};
}

/** True when both slices hold the same bytes. */
static inline int tern_slice_equal(struct tern_slice a, struct tern_slice b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

struct tern_pool;
struct tern_buf;

/** What a pool holds at this moment. */
struct tern_pool_stats {
  uint64_t live_objects; /**< allocated and not yet released */
  uint64_t live_bytes;   /**< their bytes, in size-class units */
  uint64_t held_bytes;   /**< taken from the system, live or kept for reuse */
};

/**
 * Makes an empty pool: size classes from 32 bytes to 64 KiB over arenas from the system; larger requests
 * go to malloc and are counted. Nothing is taken from the system before the first allocation.
 * @return the pool, or NULL without memory
 *
 * Thread: any; afterwards the pool belongs to one thread. Ownership: caller, tern_pool_free.
 */
TERN_API struct tern_pool *tern_pool_new(void);
/** Frees the pool. Aborts with a message if objects are still live (a leak). Thread: owner. */
TERN_API void tern_pool_free(struct tern_pool *pool);
/**
 * Allocates.
 * @param pool the pool
 * @param size bytes, at least 1
 * @return memory aligned to 16, not cleared, or NULL without memory. Release it with the same size.
 *
 * Thread: owner. Blocks: no (may ask the system for an arena).
 */
TERN_API void *tern_pool_alloc(struct tern_pool *pool, size_t size);
/** Gives back what tern_pool_alloc returned; size as it was asked for. Thread: owner. */
TERN_API void tern_pool_release(struct tern_pool *pool, void *memory, size_t size);
/** Reads the figures. Thread: owner. */
TERN_API struct tern_pool_stats tern_pool_stats(const struct tern_pool *pool);
/** Gives completely unused arenas back to the system; called when idle. Thread: owner. */
TERN_API void tern_pool_trim(struct tern_pool *pool);
/** Gives back arenas that were not needed since the last call; called about once a second. A pool for which it never is
 * keeps next to none. Thread: owner. */
TERN_API void tern_pool_age(struct tern_pool *pool);
/**
 * Has the system provide memory that is about to be used, all pages at once and not each when it is first touched, which
 * costs several times as much. Only what lies wholly between is provided; systems that cannot do nothing. Thread: any.
 */
TERN_API void tern_memory_provide(void *from, size_t bytes);

/**
 * Makes a buffer with one reference.
 * @param pool where the memory comes from
 * @param size usable bytes
 * @return the buffer, or NULL without memory
 *
 * Thread: the pool's owner, as for all functions on buffers. Ownership: caller, tern_buf_unref.
 */
TERN_API struct tern_buf *tern_buf_new(struct tern_pool *pool, size_t size);
/** First byte of the buffer's memory. */
TERN_API char *tern_buf_data(struct tern_buf *buf);
/** Usable bytes. */
TERN_API size_t tern_buf_size(const struct tern_buf *buf);
/** Adds a reference. */
TERN_API void tern_buf_ref(struct tern_buf *buf);
/** Drops a reference; the last one frees the buffer (or, for a proxy, releases the original). */
TERN_API void tern_buf_unref(struct tern_buf *buf);
/** True when somebody else holds a reference too, so that the bytes must not be overwritten. */
TERN_API int tern_buf_is_shared(const struct tern_buf *buf);

#endif
