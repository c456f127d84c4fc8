/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers: a header and its bytes in one allocation from a pool, with a plain reference count. Only the
 * thread that owns the pool touches them. Proxies for other workers' buffers are made in lib/loop with the
 * same header and a release of their own.
 */
#include "buf.h"

static void release_own(struct tern_buf *buf) { tern_pool_release(buf->pool, buf, sizeof *buf + buf->size); }

struct tern_buf *tern_buf_new(struct tern_pool *pool, size_t size) {
  if (size > UINT32_MAX - sizeof(struct tern_buf)) return NULL;
  struct tern_buf *buf = tern_pool_alloc(pool, sizeof *buf + size);
  if (buf == NULL) return NULL;
  buf->refs = 1;
  buf->size = buf->held = (uint32_t)size;
  buf->data = (char *)(buf + 1);
  buf->release = release_own;
  buf->pool = pool;
  return buf;
}

char *tern_buf_data(struct tern_buf *buf) { return buf->data; }

size_t tern_buf_size(const struct tern_buf *buf) { return buf->size; }

void tern_buf_ref(struct tern_buf *buf) { tern__buf_ref(buf); }

void tern_buf_unref(struct tern_buf *buf) {
  if (buf != NULL) tern__buf_unref(buf);
}

int tern_buf_is_shared(const struct tern_buf *buf) { return buf->refs > 1; }
