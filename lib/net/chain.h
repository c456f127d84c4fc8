/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The outbound chain: bytes on their way out, as a list of segments over reference-counted buffers. See
 * chain.c for the picture. A chain belongs to one loop and takes all its memory from that loop's pool.
 * All functions: Thread: the loop's.
 */
#ifndef TERN_NET_CHAIN_H
#define TERN_NET_CHAIN_H

#include <stddef.h>
#include <sys/uio.h>

#include <tern/buffer.h>

/** Segments handed to the kernel in one call. */
#define TERN__CHAIN_IOV_MAX 64
/** Bytes handed to the kernel in one call. */
#define TERN__CHAIN_WRITE_BYTES (256 * 1024)

/** A run of bytes inside a buffer it holds a reference to. */
struct tern__segment {
  struct tern__segment *next;
  char *data;
  size_t len; /* 0 only for a reserved segment nothing has been committed to */
  struct tern_buf *buf;
};

struct tern__chain {
  struct tern__segment *head, *tail;
  size_t pending;         /* bytes in all segments */
  struct tern_buf *chunk; /* copied bytes go here; the chain's own reference, NULL: none */
  char *fill;             /* first unused byte of chunk */
  char *limit;            /* end of the room the tail segment may grow into; == fill: it may not grow */
  struct tern_pool *pool;
};

/** Makes an empty chain; it holds no memory until something is put in. */
void tern__chain_init(struct tern__chain *chain, struct tern_pool *pool);
/** Drops everything. */
void tern__chain_clear(struct tern__chain *chain);
/** Makes the tail segment one that can grow by len bytes. Returns where, or NULL without memory. */
char *tern__chain_grow(struct tern__chain *chain, size_t len);
/** Appends a copy. Returns 0 or -ENOMEM; then a part may have been appended. */
int tern__chain_append(struct tern__chain *chain, const void *data, size_t len);
/** Appends a reference to bytes inside buf. Returns 0 or -ENOMEM (nothing done). */
int tern__chain_append_buf(struct tern__chain *chain, struct tern_buf *buf, const void *data, size_t len);
/** Lists the first segments, up to TERN__CHAIN_IOV_MAX and TERN__CHAIN_WRITE_BYTES.
 * @param[out] bytes their sum
 * @return how many entries of iov were filled in */
int tern__chain_gather(const struct tern__chain *chain, struct iovec iov[TERN__CHAIN_IOV_MAX], size_t *bytes);
/** Drops the first len bytes, which have been sent; what they lay in is given back. */
void tern__chain_consume(struct tern__chain *chain, size_t len);
/** Appends all of from, which is empty afterwards. Both are of the same pool. Cannot fail. */
void tern__chain_splice(struct tern__chain *chain, struct tern__chain *from);
/** Moves the first len bytes of from to the end of chain. Returns 0 or -ENOMEM (nothing done). */
int tern__chain_move(struct tern__chain *chain, struct tern__chain *from, size_t len);

/** Contiguous room for len bytes at the end; NULL without memory. */
static inline char *tern__chain_reserve(struct tern__chain *chain, size_t len) {
  /* More than len, so that the answer is right for 0 too; an exact fit takes the other way. */
  if ((size_t)(chain->limit - chain->fill) > len) return chain->fill;
  return tern__chain_grow(chain, len);
}

/** Makes the first len bytes of the last reservation part of the chain. */
static inline void tern__chain_commit(struct tern__chain *chain, size_t len) {
  chain->tail->len += len;
  chain->fill += len;
  chain->pending += len;
}

#endif
