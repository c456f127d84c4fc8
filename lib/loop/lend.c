/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers that travel: how a large payload is used by another worker without copying it and without an atomic
 * reference count.
 *
 *     owner                          ring                     holder
 *     export: buf->refs++  --- record with handle --->  import: the ticket becomes a proxy buffer
 *                                                       ref, unref ... last unref
 *     unref, ticket freed  <--- RELEASE {ticket} -----
 *
 * The ticket is allocated by the owner, from its own pool, and lent to the holder together with the buffer:
 * it contains the proxy and the memory the RELEASE needs when the ring is full. So neither import nor the
 * RELEASE can fail; without memory it is the export that gives a handle with buf == NULL, whose import gives
 * NULL. A proxy can be exported again like any buffer of its holder.
 *
 * Each worker counts what it holds and what it has lent; stop.c waits for the one and asserts the other.
 */
#include <assert.h>
#include <string.h>

#include "buf.h"
#include "container.h"
#include "worker_internal.h"

struct ticket {
  struct tern_buf proxy; /* the holder's, between import and its RELEASE; the rest is written at export */
  struct tern_buf *original;
  uint32_t held; /* by the original */
  struct tern_worker *owner;
  struct tern_worker *holder;
  struct ticket *self; /* what the RELEASE says */
  struct tern__spill spill;
};

static void finish(struct ticket *ticket) {
  struct tern_worker *owner = ticket->owner;
  tern_buf_unref(ticket->original);
  tern_pool_release(tern_loop_pool(owner->loop), ticket, sizeof *ticket);
  owner->exported--;
}

static void release_proxy(struct tern_buf *buf) {
  struct ticket *ticket = tern_container(buf, struct ticket, proxy);
  tern__loop_assert_owner(ticket->holder->loop);
  ticket->holder->imported--;
  if (ticket->holder == ticket->owner) {
    finish(ticket);
    return;
  }
  ticket->self = ticket;
  ticket->spill = (struct tern__spill){
      .data = &ticket->self, .kind = TERN__RECORD_RELEASE, .len = sizeof(struct ticket *)};
  tern__worker_send_spill(ticket->holder, ticket->owner->index, &ticket->spill);
}

void tern__lend_release(struct tern_worker *worker, const void *data, size_t len) {
  struct ticket *ticket;
  assert(len == sizeof ticket);
  (void)len;
  memcpy(&ticket, data, sizeof ticket);
  assert(ticket->owner == worker);
  (void)worker;
  finish(ticket);
}

struct tern_buf_handle tern_buf_export(struct tern_buf *buf, const char *data, size_t len) {
  struct tern_worker *worker = tern_worker_self();
  struct ticket *ticket = tern_pool_alloc(tern_loop_pool(worker->loop), sizeof *ticket);
  if (ticket == NULL) return (struct tern_buf_handle){.data = data, .len = len};
  ticket->original = buf;
  ticket->held = buf->held;
  ticket->owner = worker;
  tern_buf_ref(buf);
  worker->exported++;
  return (struct tern_buf_handle){.buf = &ticket->proxy, .data = data, .len = len};
}

struct tern_buf *tern_buf_import(struct tern_worker *worker, struct tern_buf_handle handle) {
  if (handle.buf == NULL) return NULL;
  struct ticket *ticket = tern_container(handle.buf, struct ticket, proxy);
  ticket->holder = worker;
  worker->imported++;
  ticket->proxy = (struct tern_buf){.refs = 1,
                                    .size = (uint32_t)handle.len,
                                    .held = ticket->held,
                                    .data = (char *)(uintptr_t)handle.data,
                                    .release = release_proxy,
                                    .pool = tern_loop_pool(worker->loop)};
  return &ticket->proxy;
}
