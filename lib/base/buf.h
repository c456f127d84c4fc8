/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Inside of buffers, for layers that make buffers of their own kind (lib/loop makes proxies for other
 * workers' buffers). Everyone else uses <tern/buffer.h>.
 */
#ifndef TERN_BASE_BUF_H
#define TERN_BASE_BUF_H

#include <tern/buffer.h>

struct tern_buf {
  uint32_t refs; /* plain: only the owning thread touches it */
  uint32_t size;
  uint32_t held; /* bytes that a reference keeps from being used again: size, or of a proxy, the original's */
  char *data;
  /* Called when the last reference goes; frees the structure too. */
  void (*release)(struct tern_buf *buf);
  struct tern_pool *pool;
};

static inline void tern__buf_ref(struct tern_buf *buf) { buf->refs++; }
static inline void tern__buf_unref(struct tern_buf *buf) {
  if (--buf->refs == 0) buf->release(buf);
}

#endif
