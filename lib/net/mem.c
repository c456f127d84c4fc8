/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-memory pair: two transports of one loop that are each other's other end, with faults on demand.
 *
 *        end A                                            end B
 *     out (chain) --flush, step 5--> batch -> batch --> taken in B's turn, step 3
 *                                    (B's arrivals)
 *
 * Output is not copied: its segments move from the sender's chain into a batch at the receiver, which has a
 * tick from which on it may be taken. So an end may be gone while what it sent is still on its way.
 *
 * It behaves as a socket would, including what is unpleasant about them, and exactly as often as
 * struct tern_mem_faults says: nothing is random. One turn delivers one data_received. What a full "kernel
 * buffer" (capacity) holds back goes on when the receiver takes something; what another fault holds back goes
 * on in the next tick. A reset, as abort with an error makes one, destroys what is in flight in both
 * directions.
 *
 * Everything here runs on the loop's thread. No system calls are made here.
 */
#include <errno.h>
#include <tern/limits.h>

#include "buf.h"
#include "container.h"
#include "transport.h"

/* Bytes on their way. */
struct batch {
  struct batch *next;
  uint64_t due; /* turn of the receiver in which they arrive */
  struct tern__chain bytes;
};

struct mem_end {
  struct tern_transport base;
  struct tern_watch watch; /* no descriptor: its turns on the ready list are all it is for */
  struct mem_end *other;   /* NULL when that end is gone */
  struct tern_mem_faults faults;
  struct batch *arrivals;
  struct batch **arrivals_end;
  size_t in_flight; /* bytes in arrivals */
  uint64_t turns;
  uint64_t eof_due; /* turn in which the other's end of stream arrives, after all arrivals; 0: none sent */
  size_t sent;
  unsigned flushes;
};

static struct mem_end *end_of(struct tern_transport *t) { return tern_container(t, struct mem_end, base); }

static struct tern_pool *pool_of(struct mem_end *m) { return tern_loop_pool(m->base.loop); }

static void have_turn(struct mem_end *m) { tern__loop_ready(m->base.loop, &m->watch); }

/* ---- sending ---- */

/* How many bytes this flush may move. */
static size_t allowance(struct mem_end *m) {
  const struct tern_mem_faults *faults = &m->faults;
  size_t most = m->base.out.pending;
  m->flushes++;
  if (faults->eagain_every != 0 && m->flushes % faults->eagain_every == 0) return 0;
  if (faults->write_max != 0 && most > faults->write_max) most = faults->write_max;
  if (faults->capacity != 0) {
    size_t room = faults->capacity > m->other->in_flight ? faults->capacity - m->other->in_flight : 0;
    if (most > room) most = room;
  }
  if (faults->reset_after != 0 && most > faults->reset_after - m->sent) most = faults->reset_after - m->sent;
  return most;
}

/* Puts the first len bytes of output on their way. */
static int send_batch(struct mem_end *m, size_t len) {
  struct mem_end *to = m->other;
  struct batch *batch = tern_pool_alloc(pool_of(m), sizeof *batch);
  if (batch == NULL) return -ENOMEM;
  *batch = (struct batch){.due = to->turns + 1 + m->faults.delay_ticks};
  tern__chain_init(&batch->bytes, pool_of(m));
  if (tern__chain_move(&batch->bytes, &m->base.out, len) != 0) {
    tern_pool_release(pool_of(m), batch, sizeof *batch);
    return -ENOMEM;
  }
  *to->arrivals_end = batch;
  to->arrivals_end = &batch->next;
  to->in_flight += len;
  m->sent += len;
  have_turn(to);
  return 0;
}

static int flush(struct tern_transport *t) {
  struct mem_end *m = end_of(t);
  struct mem_end *to = m->other;
  if (to == NULL) return -EPIPE;
  size_t len = allowance(m);
  int error = len > 0 ? send_batch(m, len) : 0;
  if (error != 0) return error;
  if (m->faults.reset_after != 0 && m->sent == m->faults.reset_after) return -ECONNRESET;
  if (t->out.pending > 0) {
    tern__transport_block(t, len > 0);
    /* With a full buffer it is the receiver that lets things go on; everything else ends with this tick. */
    if (m->faults.capacity == 0 || to->in_flight < m->faults.capacity) have_turn(m);
  }
  return 0;
}

static void send_eof(struct tern_transport *t) {
  struct mem_end *m = end_of(t);
  if (m->other == NULL) return;
  m->other->eof_due = m->other->turns + 1 + m->faults.delay_ticks;
  have_turn(m->other);
}

/* ---- receiving ---- */

static void drop_first(struct mem_end *m) {
  struct batch *batch = m->arrivals;
  m->arrivals = batch->next;
  if (m->arrivals == NULL) m->arrivals_end = &m->arrivals;
  m->in_flight -= batch->bytes.pending;
  tern__chain_clear(&batch->bytes);
  tern_pool_release(pool_of(m), batch, sizeof *batch);
}

/* Hands up the next bytes of the first batch. */
static void take(struct mem_end *m) {
  struct batch *batch = m->arrivals;
  struct tern__segment *segment = batch->bytes.head;
  while (segment->len == 0)
    segment = segment->next;
  struct tern_chunk chunk = {.data = segment->data, .len = segment->len, .owner = segment->buf};
  if (chunk.len > TERN_READ_BYTES) chunk.len = TERN_READ_BYTES;
  if (m->faults.read_max != 0 && chunk.len > m->faults.read_max) chunk.len = m->faults.read_max;
  tern__buf_ref(chunk.owner); /* the callback may end us and all arrivals with us */
  tern__chain_consume(&batch->bytes, chunk.len);
  m->in_flight -= chunk.len;
  if (batch->bytes.pending == 0) drop_first(m);
  if (m->other != NULL && m->other->base.blocked) tern__transport_unblocked(&m->other->base);
  tern__transport_received(&m->base, &chunk);
  tern__buf_unref(chunk.owner);
}

/* When the next thing arrives; 0: nothing is on its way. */
static uint64_t next_due(const struct mem_end *m) {
  return m->arrivals != NULL ? m->arrivals->due : m->eof_due;
}

/* Step 3. */
static void run(struct tern_watch *watch) {
  struct mem_end *m = tern_container(watch, struct mem_end, watch);
  struct tern_transport *t = &m->base;
  m->turns++;
  if (t->blocked) tern__transport_unblocked(t);
  if (tern__transport_wants_input(t) && next_due(m) != 0 && next_due(m) <= m->turns) {
    if (m->arrivals != NULL)
      take(m);
    else
      tern__transport_eof(t);
  }
  if (tern__transport_wants_input(t) && next_due(m) != 0) have_turn(m);
}

static void reading(struct tern_transport *t, bool paused) {
  if (!paused && next_due(end_of(t)) != 0) have_turn(end_of(t));
}

/* ---- life ---- */

static void cut(struct tern_transport *t, int error) {
  struct mem_end *m = end_of(t);
  struct mem_end *other = m->other;
  tern__loop_unwatch(t->loop, &m->watch);
  while (m->arrivals != NULL)
    drop_first(m);
  if (other == NULL) return;
  if (error == 0 && !t->eof_sent) send_eof(t);
  m->other = NULL;
  other->other = NULL;
  bool told = other->base.state != TERN__TRANSPORT_CONNECTING; /* otherwise tern_mem_pair does it */
  if (error != 0 && told) tern__transport_broken(&other->base, -ECONNRESET);
  if (other->base.blocked)
    tern__transport_unblocked(&other->base); /* to learn that nobody takes it any more */
}

static void describe(struct tern_transport *t, struct tern_peer *peer) {
  (void)t;
  (void)peer; /* there is nothing to add to `nobody` */
}

static void destroy(struct tern_transport *t) {
  tern_pool_release(pool_of(end_of(t)), end_of(t), sizeof(struct mem_end));
}

static const struct tern__transport_ops mem_ops = {
    .flush = flush,
    .reading = reading,
    .send_eof = send_eof,
    .cut = cut,
    .describe = describe,
    .destroy = destroy,
    .nobody = {.kind = "mem", .uid = (uid_t)-1, .gid = (gid_t)-1},
};

static void init_end(struct mem_end *m, struct tern_loop *loop, struct tern_protocol *protocol,
                     const struct tern_mem_faults *faults) {
  *m = (struct mem_end){.watch = {.run = run, .fd = -1}};
  if (faults != NULL) m->faults = *faults;
  m->arrivals_end = &m->arrivals;
  tern__transport_init(&m->base, &mem_ops, loop, protocol);
}

int tern_mem_pair(struct tern_loop *loop, struct tern_protocol *a, struct tern_protocol *b,
                  const struct tern_mem_faults *faults_a, const struct tern_mem_faults *faults_b) {
  struct tern_pool *pool = tern_loop_pool(loop);
  struct mem_end *end_a = tern_pool_alloc(pool, sizeof *end_a);
  struct mem_end *end_b = tern_pool_alloc(pool, sizeof *end_b);
  if (end_a == NULL || end_b == NULL) {
    if (end_a != NULL) tern_pool_release(pool, end_a, sizeof *end_a);
    if (end_b != NULL) tern_pool_release(pool, end_b, sizeof *end_b);
    return -ENOMEM;
  }
  init_end(end_a, loop, a, faults_a);
  init_end(end_b, loop, b, faults_b);
  end_a->other = end_b;
  end_b->other = end_a;
  tern__transport_made(&end_a->base);
  tern__transport_made(&end_b->base);
  /* Both are told that the connection stands, even when the first has broken it at once. */
  if (end_a->base.state == TERN__TRANSPORT_ENDED && end_a->base.error != 0)
    tern__transport_end(&end_b->base, -ECONNRESET);
  return 0;
}
