/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all transports have in common: states, output and its flow control, the order of callbacks, the end.
 *
 *     CONNECTING --made--> OPEN --close--> CLOSING --all out--> LINGERING --peer's end--> ENDED --> lost
 *          |                 |                |                   |    (or time out)       ^
 *          +-----------------+----------------+-------------------+-- abort, error --------+
 *
 * Output. The write functions put bytes into `out` (chain.c) and the transport on the loop's flush list; at
 * step 5 of the tick the kind's flush operation moves everything on. Two things happen earlier: more than
 * TERN_FLUSH_EARLY_BYTES leave in the middle of the tick, so that the bytes are still in the cache (records
 * for other workers are made visible first, guarantee O2); and while the other side takes nothing
 * (`blocked`), exceeding the high-water mark calls pause_writing. Both tests are one comparison with
 * `attention`, which is set to whichever bound matters at the moment. The marks judge what could not be sent,
 * never what has merely been collected during this tick. pause_writing may come from inside a write,
 * resume_writing comes from the loop only.
 *
 * The end. tern__transport_end is the only way to ENDED: it drops output, has the kind cut the connection and
 * defers connection_lost to the end of the tick; so a transport is never freed below somebody who is still
 * working with it, and the protocol hears of the end exactly once. When both directions have finished (the
 * peer's end and write_eof), that is the end too.
 *
 * Closing. After the last byte of output the peer is told that no more will come, and what it still sends is
 * thrown away until its end comes, at most LINGER_MS. Ending at once would make a kernel answer unread or
 * late input with a reset, which destroys what was sent last before the peer could read it.
 *
 * Wrappers. A wrapper is a transport with another one `below` it and is that one's protocol. It collects
 * output in a chain of its own, which its flush operation splices onto the lower one's; marks, stalls, peer
 * and the end are the lower one's. The outermost transport is the one the loop counts and shuts down.
 *
 * Everything here runs on the loop's thread. No I/O is done here: see socket.c, mem.c, trace.c.
 */
#include "transport.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <tern/error.h>
#include <tern/limits.h>

#include "buf.h"
#include "container.h"

#define HIGH_DEFAULT_BYTES (64 * 1024)
/* A smaller share of a buffer is copied while the peer takes nothing: memory held is then at most so many times what is
 * pending. */
#define PINNED_SHARE 4
#define LINGER_MS    500

static void set_attention(struct tern_transport *t) {
  if (!t->blocked)
    t->attention = TERN_FLUSH_EARLY_BYTES;
  else
    t->attention = t->write_paused ? SIZE_MAX : t->high;
}

static void mark_dirty(struct tern_transport *t) {
  if (!t->flush.queued) tern__loop_dirty(t->loop, &t->flush);
}

/* ---- output ---- */

/* Lets the kind move output. Returns false when that was the end of the transport. */
static bool move_output(struct tern_transport *t) {
  if (t->blocked || t->flushing || t->out.pending == 0) return true;
  t->flushing = true;
  int error = t->ops->flush(t);
  t->flushing = false;
  if (t->out.pending == 0) t->stalled_since_ms = 0;
  if (error != 0) tern__transport_broken(t, error);
  return t->state != TERN__TRANSPORT_ENDED;
}

/* Compares what is waiting with the marks and tells the protocol about a change. */
static void check_marks(struct tern_transport *t, bool may_resume) {
  const struct tern_protocol_ops *ops = t->protocol->ops;
  bool pause = !t->write_paused && t->blocked && t->out.pending > t->high;
  bool resume = t->write_paused && may_resume && t->out.pending <= t->low;
  if (pause || resume) t->write_paused = pause;
  set_attention(t);
  if (t->state != TERN__TRANSPORT_OPEN) return;
  if (pause && ops->pause_writing != NULL) ops->pause_writing(t->protocol);
  if (resume && ops->resume_writing != NULL) {
    ops->resume_writing(t->protocol);
    tern__loop_publish(t->loop); /* records it has made: others are still to be flushed in this step (O2) */
  }
}

/* More is pending than `attention` says. */
static void attend(struct tern_transport *t) {
  if (t->flushing) return;
  if (!t->blocked) {
    tern__loop_publish(t->loop);
    if (!move_output(t)) return;
  }
  check_marks(t, false);
}

/* After something was put into the chain. */
static inline void written(struct tern_transport *t) {
  mark_dirty(t);
  if (t->out.pending > t->attention) attend(t);
}

/* Nothing is left to send: do what waited for that. */
static void all_out(struct tern_transport *t) {
  bool closing = t->state == TERN__TRANSPORT_CLOSING;
  if (!t->eof_sent && (closing || t->eof_out)) {
    t->eof_sent = true;
    t->ops->send_eof(t);
    if (t->state == TERN__TRANSPORT_ENDED) return;
  }
  if (t->below != NULL) {
    if (closing) tern_transport_close(t->below);
  } else if (t->eof_in && t->eof_sent) {
    tern__transport_end(t, 0);
  } else if (closing) {
    t->state = TERN__TRANSPORT_LINGERING;
    tern_timer_start(t->loop, &t->linger, LINGER_MS);
    t->ops->reading(t, false);
  }
}

static void linger_over(struct tern_timer *timer) {
  tern__transport_end(tern_container(timer, struct tern_transport, linger), 0);
}

/* Step 5. */
static void run_flush(struct tern_flush *flush) {
  struct tern_transport *t = tern_container(flush, struct tern_transport, flush);
  if (t->state != TERN__TRANSPORT_OPEN && t->state != TERN__TRANSPORT_CLOSING) return;
  if (!move_output(t)) return;
  check_marks(t, true);
  if (t->out.pending == 0 && t->state != TERN__TRANSPORT_ENDED) all_out(t);
}

static int out_of_memory(struct tern_transport *t) {
  tern__transport_end(t, -ENOMEM);
  return -ENOMEM;
}

int tern_transport_write(struct tern_transport *t, const void *data, size_t len) {
  if (!t->writable) return TERN_ECLOSED;
  if (tern__chain_append(&t->out, data, len) != 0) return out_of_memory(t);
  written(t);
  return 0;
}

int tern_transport_writev(struct tern_transport *t, const struct iovec *pieces, int count) {
  if (!t->writable) return TERN_ECLOSED;
  for (int i = 0; i < count; i++)
    if (tern__chain_append(&t->out, pieces[i].iov_base, pieces[i].iov_len) != 0) return out_of_memory(t);
  written(t);
  return 0;
}

int tern_transport_write_buf(struct tern_transport *t, struct tern_buf *buf, const void *data, size_t len) {
  if (!t->writable) return TERN_ECLOSED;
  /* a peer that takes nothing may hold the reference for long, and with it a whole read buffer: B1 */
  if (t->blocked && len < buf->held / PINNED_SHARE) return tern_transport_write(t, data, len);
  if (tern__chain_append_buf(&t->out, buf, data, len) != 0) return out_of_memory(t);
  written(t);
  return 0;
}

char *tern_transport_reserve(struct tern_transport *t, size_t len) {
  if (!t->writable) return NULL;
  char *room = tern__chain_reserve(&t->out, len);
  if (room == NULL) out_of_memory(t);
  return room;
}

void tern_transport_commit(struct tern_transport *t, size_t len) {
  tern__chain_commit(&t->out, len);
  written(t);
}

void tern__transport_splice(struct tern_transport *t, struct tern__chain *from) {
  assert(t->writable);
  tern__chain_splice(&t->out, from);
  written(t);
}

int tern_transport_write_eof(struct tern_transport *t) {
  if (t->state != TERN__TRANSPORT_OPEN) return TERN_ECLOSED;
  t->eof_out = true;
  t->writable = false;
  mark_dirty(t);
  return 0;
}

size_t tern_transport_pending(const struct tern_transport *t) {
  size_t pending = t->out.pending;
  while ((t = t->below) != NULL)
    pending += t->out.pending;
  return pending;
}

uint64_t tern_transport_stalled_ms(const struct tern_transport *t) {
  while (t->below != NULL)
    t = t->below;
  return t->blocked ? tern_loop_now_ms(t->loop) - t->stalled_since_ms : 0;
}

void tern_transport_set_write_limits(struct tern_transport *t, size_t high, size_t low) {
  while (t->below != NULL)
    t = t->below;
  if (t->state != TERN__TRANSPORT_OPEN) return;
  t->high = high;
  t->low = low < high ? low : high;
  set_attention(t);
  mark_dirty(t); /* what is waiting now is judged at step 5 */
}

void tern__transport_block(struct tern_transport *t, bool moved) {
  t->blocked = true;
  if (moved || t->stalled_since_ms == 0) t->stalled_since_ms = tern_loop_now_ms(t->loop);
}

void tern__transport_unblocked(struct tern_transport *t) {
  t->blocked = false;
  set_attention(t);
  if (t->out.pending > 0) mark_dirty(t);
}

/* ---- input ---- */

void tern_transport_pause_reading(struct tern_transport *t) {
  if (t->read_paused) return;
  t->read_paused = true;
  if (t->state == TERN__TRANSPORT_OPEN) t->ops->reading(t, true);
}

void tern_transport_resume_reading(struct tern_transport *t) {
  if (!t->read_paused) return;
  t->read_paused = false;
  if (t->state == TERN__TRANSPORT_OPEN) t->ops->reading(t, false);
}

void tern__transport_received(struct tern_transport *t, const struct tern_chunk *chunk) {
  if (t->state == TERN__TRANSPORT_OPEN && tern__transport_wants_input(t))
    t->protocol->ops->data_received(t->protocol, chunk);
}

void tern__transport_eof(struct tern_transport *t) {
  t->eof_in = true;
  if (t->state == TERN__TRANSPORT_LINGERING) tern__transport_end(t, 0);
  if (t->state != TERN__TRANSPORT_OPEN) return;
  const struct tern_protocol_ops *ops = t->protocol->ops;
  bool keep = ops->eof_received != NULL && ops->eof_received(t->protocol);
  if (!keep)
    tern_transport_close(t);
  else if (t->eof_sent && t->below == NULL)
    tern__transport_end(t, 0);
}

/* ---- life ---- */

static void run_lost(struct tern_deferred *deferred) {
  struct tern_transport *t = tern_container(deferred, struct tern_transport, lost);
  tern__transport_lost(t, t->error);
}

/* The loop is going down. */
static void run_shutdown(struct tern_loop_member *member, int error) {
  struct tern_transport *t = tern_container(member, struct tern_transport, member);
  if (error != 0)
    tern_transport_abort(t, error);
  else if (t->state == TERN__TRANSPORT_CONNECTING)
    tern_transport_abort(t, TERN_ESHUTDOWN);
  else
    tern_transport_close(t);
}

void tern__transport_init(struct tern_transport *t, const struct tern__transport_ops *ops,
                          struct tern_loop *loop, struct tern_protocol *protocol) {
  *t = (struct tern_transport){
      .ops = ops,
      .loop = loop,
      .protocol = protocol,
      .attention = TERN_FLUSH_EARLY_BYTES,
      .high = HIGH_DEFAULT_BYTES,
      .low = HIGH_DEFAULT_BYTES / 4,
      .flush.run = run_flush,
      .linger.fired = linger_over,
      .lost.call = run_lost,
      .member.shutdown = run_shutdown,
      .state = TERN__TRANSPORT_CONNECTING,
  };
  tern__chain_init(&t->out, tern_loop_pool(loop));
  tern__loop_join(loop, &t->member);
}

void tern__transport_discard(struct tern_transport *t) { tern__loop_leave(&t->member); }

void tern__transport_wrap(struct tern_transport *t, const struct tern__transport_ops *ops,
                          struct tern_transport *below, struct tern_protocol *protocol) {
  tern__transport_init(t, ops, below->loop, protocol);
  t->below = below;
  below->above = t;
  tern__loop_leave(&below->member);
}

void tern__transport_made(struct tern_transport *t) {
  t->state = TERN__TRANSPORT_OPEN;
  t->writable = true;
  t->protocol->ops->connection_made(t->protocol, t);
}

void tern_transport_close(struct tern_transport *t) {
  if (t->state != TERN__TRANSPORT_OPEN) return;
  t->state = TERN__TRANSPORT_CLOSING;
  t->writable = false;
  mark_dirty(t);
}

/* No more input, no more output. */
static void silence(struct tern_transport *t) {
  t->state = TERN__TRANSPORT_ENDED;
  t->writable = t->blocked = false;
  if (t->flush.queued) tern__loop_undirty(t->loop, &t->flush);
  tern__chain_clear(&t->out);
}

void tern__transport_end(struct tern_transport *t, int error) {
  if (t->state == TERN__TRANSPORT_ENDED) return;
  silence(t);
  t->error = error;
  tern_timer_stop(t->loop, &t->linger);
  t->ops->cut(t, error);
  for (struct tern_transport *above = t->above; above != NULL; above = above->above)
    silence(above);
  if (t->below == NULL) tern_loop_defer(t->loop, &t->lost);
}

void tern__transport_broken(struct tern_transport *t, int error) {
  tern__transport_end(t, t->state == TERN__TRANSPORT_LINGERING ? 0 : error);
}

void tern_transport_abort(struct tern_transport *t, int error) { tern__transport_end(t, error); }

void tern__transport_lost(struct tern_transport *t, int error) {
  t->protocol->ops->connection_lost(t->protocol, error);
  if (t->above == NULL) tern__loop_leave(&t->member);
  if (t->peer != NULL) tern_pool_release(tern_loop_pool(t->loop), t->peer, sizeof *t->peer);
  t->ops->destroy(t);
}

/* ---- what it is ---- */

bool tern_transport_is_closing(const struct tern_transport *t) { return t->state >= TERN__TRANSPORT_CLOSING; }

const struct tern_peer *tern_transport_peer(const struct tern_transport *transport) {
  while (transport->below != NULL)
    transport = transport->below;
  if (transport->peer != NULL) return transport->peer;
  struct tern_peer *peer = tern_pool_alloc(tern_loop_pool(transport->loop), sizeof *peer);
  if (peer == NULL) return &transport->ops->nobody;
  *peer = transport->ops->nobody;
  /* Keeping the answer does not change what the transport is to its user. */
  struct tern_transport *t = (struct tern_transport *)(uintptr_t)transport;
  t->ops->describe(t, peer);
  t->peer = peer;
  return peer;
}

struct tern_loop *tern_transport_loop(const struct tern_transport *t) {
  return t->loop;
}
struct tern_protocol *tern_transport_protocol(const struct tern_transport *t) {
  return t->protocol;
}
