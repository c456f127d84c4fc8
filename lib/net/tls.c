/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS wrapper: encrypts what passes between a protocol and the transport it had so far.
 *
 *     protocol  <-- upper (a transport) [ struct tls ] lower (a protocol) -->  any transport
 *                   out: plain bytes       session      sealed: ciphertext
 *
 * Output. What was written is collected in the upper transport's chain and sealed when it is flushed, so a
 * tick makes as few records as there can be; small pieces are put together for that. The ciphertext is spliced
 * onto the lower transport's chain. Marks and stalls are the lower one's. Until the handshake is complete the
 * upper one is `blocked`; one flush seals SEAL_MAX bytes, the rest has its turn in the next tick.
 *
 * A handshake costs the server a few tenths of a millisecond (a signature, a key exchange). With helpers its steps are
 * theirs: the session, its io and the input that is held are given away (struct away), reading is paused, and what the
 * session says is collected where it does no harm, until the errand is back. The connection may end meanwhile, but this
 * wrapper's memory stays until then. Without helpers, a loop does a few steps of handshakes in each tick; others' input
 * is held until it is their turn.
 *
 * Input. The session eats the received chunk where it lies; plain bytes go into a buffer of their own, which
 * the protocol may keep. When the protocol pauses reading, the rest of the chunk is held, and the lower
 * transport paused as well, until a turn (step 3 of the tick) finds that it may go on.
 *
 * The end. close and write_eof send close_notify, and only that from the peer is an end in good order: a
 * stream that simply ends has been cut short. After a fault of the handshake or a record the alert shall still
 * reach the peer, so the lower transport is closed, not aborted, and the upper one ends at once; connection_lost
 * comes when the lower one is lost.
 *
 * Everything here runs on the loop's thread, but for `step`, which is a helper's, and what the session calls from there.
 * The cryptography is in a module: lib/tls.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/error.h>
#include <tern/limits.h>
#include <tern/log.h>
#include <tern/tls.h>

#include "container.h"
#include "errand.h"
#include "tls_engine.h"
#include "transport.h"

#define RECORD_BYTES         16384         /* plain bytes in a record, at most: RFC 8446, 5.1 */
#define WORTH_A_RECORD       8192          /* a piece as large is not copied to fill a record */
#define SEAL_MAX             (1024 * 1024) /* bytes sealed in one go */
#define HANDSHAKE_DEFAULT_MS 60000
#define LAST_WORDS_MS        1000 /* for an alert to leave */
#define SAID_BYTES           4096 /* room for what a step says, at first */

/* A handshake whose steps are done by helpers. */
struct away {
  struct tern__errand errand;
  struct tern_helpers *helpers;
  struct tls *tls;
  bool out;      /* given away: the session is the helper's */
  bool answered; /* it is back, and result has not been looked at yet */
  bool orphan;   /* the transport is gone */
  int result;
  char reason[TERN__TLS_REASON_MAX];
  char *said; /* by the session */
  size_t said_len, said_size;
};

struct tls {
  struct tern_protocol lower;
  struct tern_transport upper;
  struct tern_tls *context;
  struct tern__tls_session *session;
  struct tern_tls_io io;     /* what is left of the input */
  struct tern__chain sealed; /* on its way to the lower transport */
  struct tern_buf *held;     /* what io.in lies in, while it waits */
  struct tern_watch turn;    /* no descriptor: its turns on the ready list are all it is for */
  struct tern_timer timer;   /* bounds the handshake, and the last words */
  struct away *away;         /* NULL: the handshake is complete, or there are no helpers */
  bool secured;              /* the handshake is complete */
  bool failed;
  bool more; /* the session may have plain bytes */
};

static struct tls *tls_of(struct tern_protocol *lower) { return tern_container(lower, struct tls, lower); }

static struct tls *tls_above(struct tern_transport *upper) {
  return tern_container(upper, struct tls, upper);
}

static struct tern_pool *pool_of(struct tls *tls) { return tern_loop_pool(tls->upper.loop); }

static void have_turn(struct tls *tls) { tern__loop_ready(tls->upper.loop, &tls->turn); }

static bool is_away(const struct tls *tls) { return tls->away != NULL && tls->away->out; }

static int say_away(struct away *away, const void *data, size_t len) {
  if (len > away->said_size - away->said_len) {
    size_t size = away->said_len + len + SAID_BYTES;
    char *more = realloc(away->said, size);
    if (more == NULL) return -ENOMEM;
    away->said = more;
    away->said_size = size;
  }
  memcpy(away->said + away->said_len, data, len);
  away->said_len += len;
  return 0;
}

/* Thread: of whoever has the session. */
static int put_sealed(struct tern_tls_io *io, const void *data, size_t len) {
  struct tls *tls = tern_container(io, struct tls, io);
  return is_away(tls) ? say_away(tls->away, data, len) : tern__chain_append(&tls->sealed, data, len);
}

static void send_sealed(struct tls *tls) {
  if (tls->sealed.pending == 0) return;
  if (tls->upper.below->writable)
    tern__transport_splice(tls->upper.below, &tls->sealed);
  else
    tern__chain_clear(&tls->sealed); /* an answer of the session's own, after the end of output */
}

/* ---- the end ---- */

static void fail(struct tls *tls, int error, const char *reason) {
  const struct tern_peer *peer = tern_transport_peer(&tls->upper);
  const char *what = tls->secured ? "TLS error" : "TLS handshake error";
  if (peer->port != 0)
    tern_log(TERN_LOG_ERROR, "%s:%u - %s: %s", peer->address, peer->port, what, reason);
  else
    tern_log(TERN_LOG_ERROR, "%s - %s: %s", peer->kind, what, reason);
  send_sealed(tls);
  tls->failed = error == TERN_ETLS;
  tern__transport_end(&tls->upper, error);
}

static void cut(struct tern_transport *upper, int error) {
  struct tls *tls = tls_above(upper);
  if (!tls->failed) {
    tern_transport_abort(upper->below, error);
    return;
  }
  tern_timer_start(upper->loop, &tls->timer, LAST_WORDS_MS);
  tern_transport_close(upper->below);
}

static void timer_fired(struct tern_timer *timer) {
  struct tls *tls = tern_container(timer, struct tls, timer);
  if (tls->failed)
    tern_transport_abort(tls->upper.below, TERN_ETLS);
  else
    fail(tls, TERN_ETLS, "the handshake took too long");
}

static void forget_away(struct tls *tls) {
  if (tls->away == NULL) return;
  free(tls->away->said);
  free(tls->away);
  tls->away = NULL;
}

/* What the helper may be at stays until it is back. */
static void free_what_was_away(struct tls *tls) {
  struct tern_loop *loop = tls->upper.loop;
  forget_away(tls);
  if (tls->held != NULL) tern_buf_unref(tls->held);
  if (tls->session != NULL) tls->context->engine->session_free(tls->session);
  tern_tls_unref(tls->context);
  tern_pool_release(tern_loop_pool(loop), tls, sizeof *tls);
}

static void free_tls(struct tls *tls) {
  struct tern_loop *loop = tls->upper.loop;
  tern__loop_unwatch(loop, &tls->turn);
  tern_timer_stop(loop, &tls->timer);
  tern__chain_clear(&tls->sealed);
  if (!is_away(tls)) {
    free_what_was_away(tls);
    return;
  }
  tls->away->orphan = true;
  /* relaxed: a hint; pairs with the load in helpers.c */
  atomic_store_explicit(&tls->away->errand.vain, true, memory_order_relaxed);
}

static void destroy(struct tern_transport *upper) { free_tls(tls_above(upper)); }

/* ---- output ---- */

/* The next bytes for a record: where they lie, or small pieces put together. */
static const char *next_piece(const struct tern__chain *out, char room[RECORD_BYTES], size_t *len) {
  const struct tern__segment *segment = out->head;
  while (segment->len == 0)
    segment = segment->next;
  *len = segment->len;
  if (segment->len >= WORTH_A_RECORD || segment->len == out->pending) return segment->data;
  size_t filled = 0;
  for (; segment != NULL && filled < RECORD_BYTES; segment = segment->next) {
    size_t part = segment->len < RECORD_BYTES - filled ? segment->len : RECORD_BYTES - filled;
    memcpy(room + filled, segment->data, part);
    filled += part;
  }
  *len = filled;
  return room;
}

static int flush(struct tern_transport *upper) {
  struct tls *tls = tls_above(upper);
  char room[RECORD_BYTES];
  size_t sum = 0;
  if (!tls->secured) {
    tern__transport_block(upper, false);
    return 0;
  }
  while (upper->out.pending > 0 && sum < SEAL_MAX) {
    size_t len;
    const char *piece = next_piece(&upper->out, room, &len);
    if (len > SEAL_MAX) len = SEAL_MAX;
    int error = tls->context->engine->write(tls->session, piece, len);
    if (error != 0) return error;
    tern__chain_consume(&upper->out, len);
    sum += len;
  }
  if (upper->out.pending > 0) have_turn(tls);
  send_sealed(tls);
  return 0;
}

static void send_eof(struct tern_transport *upper) {
  struct tls *tls = tls_above(upper);
  if (tls->secured) tls->context->engine->finish(tls->session);
  send_sealed(tls);
  if (upper->eof_in)
    tern_transport_close(upper->below); /* both directions have finished */
  else
    (void)tern_transport_write_eof(
        upper->below); /* closing comes this way too; then the lower one's follows */
}

/* ---- input ---- */

static void got_eof(struct tls *tls) {
  tls->more = false;
  tls->io.in_len = 0; /* nothing that follows belongs to the stream */
  tern__transport_eof(&tls->upper);
  if (tls->upper.eof_sent && tls->upper.state == TERN__TRANSPORT_OPEN) tern_transport_close(tls->upper.below);
}

/* Thread: a helper's. */
static void step(struct tern__errand *errand) {
  struct away *away = tern_container(errand, struct away, errand);
  struct tls *tls = away->tls;
  away->result = tls->context->engine->handshake(tls->session, away->reason, sizeof away->reason);
}

static void step_is_back(struct tern__errand *errand, bool done) {
  struct away *away = tern_container(errand, struct away, errand);
  struct tls *tls = away->tls;
  away->out = false;
  if (away->orphan) {
    free_what_was_away(tls);
    return;
  }
  away->answered = done;
  have_turn(tls);
}

/* Has a helper do the next step with the input that is held. False: there are none any more. */
static bool give_away(struct tls *tls) {
  struct away *away = tls->away;
  away->out = true;
  if (tern__helpers_send(away->helpers, tls->upper.loop, &away->errand) == 0) {
    tern_transport_pause_reading(tls->upper.below);
    return true;
  }
  away->out = false;
  forget_away(tls);
  return false;
}

/* What a helper has done. Returns as the engine's handshake; -ENOMEM as well. */
static int take_back(struct tls *tls, char *reason, size_t size) {
  struct away *away = tls->away;
  int result = away->result;
  away->answered = false;
  if (result < 0) snprintf(reason, size, "%s", away->reason);
  if (away->said_len > 0 && tern__chain_append(&tls->sealed, away->said, away->said_len) != 0) {
    snprintf(reason, size, "no memory");
    result = -ENOMEM;
  }
  away->said_len = 0;
  if (result != 0)
    forget_away(tls);
  else
    away->errand.under_way = true; /* the costly part is done: what is left goes first */
  return result;
}

/* A step of the handshake. Returns true when it is complete and the protocol wants to go on. */
static bool shake_hands(struct tls *tls) {
  char reason[TERN__TLS_REASON_MAX];
  struct tern_transport *upper = &tls->upper;
  const bool answered = tls->away != NULL && tls->away->answered;
  if (!answered) {
    if (tls->away != NULL && give_away(tls)) return false;
    if (!tern__loop_may_be_heavy(upper->loop)) return false; /* its turn comes */
  }
  int result = answered ? take_back(tls, reason, sizeof reason)
                        : tls->context->engine->handshake(tls->session, reason, sizeof reason);
  if (result < 0) {
    fail(tls, result, reason);
    return false;
  }
  send_sealed(tls);
  if (result == 0 || upper->state == TERN__TRANSPORT_ENDED) return false;
  tls->secured = true;
  tern_timer_stop(upper->loop, &tls->timer);
  tern__transport_unblocked(upper);
  if (upper->state == TERN__TRANSPORT_OPEN && upper->protocol->ops->secured != NULL)
    upper->protocol->ops->secured(upper->protocol);
  return true;
}

/* Fills a buffer with plain bytes and hands it up. */
static void receive(struct tls *tls) {
  char reason[TERN__TLS_REASON_MAX];
  size_t size = tls->io.in_len > RECORD_BYTES ? TERN_READ_BYTES : RECORD_BYTES;
  struct tern_buf *buf = tern_buf_new(pool_of(tls), size);
  if (buf == NULL) {
    tern__transport_broken(&tls->upper, -ENOMEM);
    return;
  }
  char *to = tern_buf_data(buf);
  size_t len = 0;
  ssize_t n = 1;
  while (len < size && n > 0) {
    n = tls->context->engine->read(tls->session, to + len, size - len, reason, sizeof reason);
    if (n > 0) len += (size_t)n;
  }
  tls->more = n > 0;
  if (len > 0) tern__transport_received(&tls->upper, &(struct tern_chunk){to, len, buf});
  tern_buf_unref(buf);
  if (tls->upper.state == TERN__TRANSPORT_ENDED) return;
  if (n == TERN_ECLOSED)
    got_eof(tls);
  else if (n < 0)
    fail(tls, (int)n, reason);
  else
    send_sealed(tls); /* what the session itself has answered */
}

/* Uses up input, until there is none, nobody wants it, or others have to have their turn. */
static void eat(struct tls *tls) {
  if (tls->upper.state == TERN__TRANSPORT_ENDED) return;
  if (!tls->secured && !shake_hands(tls)) return;
  while (tls->more && tern__transport_wants_input(&tls->upper))
    receive(tls);
}

/* True when input is left that will be wanted. */
static bool has_rest(const struct tls *tls) {
  assert(!is_away(tls));
  if (!tls->secured) return tls->io.in_len > 0 && tls->upper.state != TERN__TRANSPORT_ENDED;
  return tls->more && tls->upper.state == TERN__TRANSPORT_OPEN && !tls->upper.eof_in;
}

/* Keeps the rest of a chunk until there is a turn for it. Returns 0 or -ENOMEM. */
static int hold(struct tls *tls, struct tern_buf *owner) {
  struct tern_buf *held = NULL;
  assert(tls->held == NULL);
  if (owner != NULL && tls->io.in_len > TERN_COPY_MAX_BYTES) {
    held = owner;
    tern_buf_ref(held);
  } else if (tls->io.in_len > 0) { /* a little shall not hold a whole read buffer (B1) */
    held = tern_buf_new(pool_of(tls), tls->io.in_len);
    if (held == NULL) return -ENOMEM;
    memcpy(tern_buf_data(held), tls->io.in, tls->io.in_len);
    tls->io.in = tern_buf_data(held);
  }
  tls->held = held;
  return 0;
}

static void let_go(struct tls *tls) {
  if (tls->held != NULL) tern_buf_unref(tls->held);
  tls->held = NULL;
  tls->io.in_len = 0;
}

/* Step 3: input that was held, output that was put off. */
static void run(struct tern_watch *watch) {
  struct tls *tls = tern_container(watch, struct tls, turn);
  struct tern_transport *upper = &tls->upper;
  if (upper->state == TERN__TRANSPORT_ENDED || is_away(tls)) return;
  if (tls->secured) tern__transport_unblocked(upper);
  if (upper->read_paused) return;
  eat(tls);
  if (upper->state == TERN__TRANSPORT_ENDED || is_away(tls)) return;
  if (has_rest(tls)) {
    if (!tls->secured) have_turn(tls);
    return; /* or reading is paused */
  }
  let_go(tls);
  if (!upper->read_paused) tern_transport_resume_reading(upper->below);
}

static void reading(struct tern_transport *upper, bool paused) {
  struct tls *tls = tls_above(upper);
  if (paused)
    tern_transport_pause_reading(upper->below);
  else if (tls->more)
    have_turn(tls); /* which a helper's step comes before */
  else
    tern_transport_resume_reading(upper->below);
}

/* ---- the protocol the lower transport sees ---- */

static void connection_made(struct tern_protocol *lower, struct tern_transport *transport) {
  (void)lower, (void)transport; /* was made before */
}

static void data_received(struct tern_protocol *lower, const struct tern_chunk *chunk) {
  struct tls *tls = tls_of(lower);
  assert(!is_away(tls));
  if (tls->upper.state != TERN__TRANSPORT_OPEN && tls->secured) return; /* nobody wants it */
  tls->io.in = chunk->data;
  tls->io.in_len = chunk->len;
  tls->more = true;
  if (tls->away == NULL) eat(tls);
  if (!has_rest(tls)) {
    tls->io.in_len = 0;
    return;
  }
  if (hold(tls, chunk->owner) != 0) {
    tern__transport_broken(&tls->upper, -ENOMEM);
    return;
  }
  if (tls->away != NULL) {
    eat(tls); /* that is, what is held has to stay where it is for a helper */
    if (is_away(tls) || tls->upper.state == TERN__TRANSPORT_ENDED) return;
    if (!has_rest(tls)) { /* there are no helpers any more: it was done here */
      let_go(tls);
      return;
    }
  }
  if (!tls->secured) {
    tern_transport_pause_reading(tls->upper.below); /* what comes next waits for what is held */
    have_turn(tls);
  }
}

static bool eof_received(struct tern_protocol *lower) {
  struct tls *tls = tls_of(lower);
  if (tls->upper.state == TERN__TRANSPORT_ENDED) return true;
  if (!tls->secured)
    fail(tls, TERN_ETLS, "the peer ended the connection");
  else if (tls->upper.state == TERN__TRANSPORT_OPEN && !tls->upper.eof_in)
    tern__transport_end(&tls->upper, TERN_ETLS); /* cut short, by the peer or somebody in between */
  return true;
}

static void connection_lost(struct tern_protocol *lower, int error) {
  struct tls *tls = tls_of(lower);
  tern__transport_lost(&tls->upper, tls->failed ? TERN_ETLS : error); /* frees it */
}

static void pause_writing(struct tern_protocol *lower) {
  struct tern_protocol *protocol = tls_of(lower)->upper.protocol;
  if (protocol->ops->pause_writing != NULL) protocol->ops->pause_writing(protocol);
}

static void resume_writing(struct tern_protocol *lower) {
  struct tern_protocol *protocol = tls_of(lower)->upper.protocol;
  if (protocol->ops->resume_writing != NULL) protocol->ops->resume_writing(protocol);
}

static const struct tern_protocol_ops lower_ops = {
    .connection_made = connection_made,
    .data_received = data_received,
    .eof_received = eof_received,
    .connection_lost = connection_lost,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
};

static const struct tern__transport_ops upper_ops = {
    .flush = flush,
    .reading = reading,
    .send_eof = send_eof,
    .cut = cut,
    .destroy = destroy,
};

/* ---- starting ---- */

/* Makes the session and lets a client say hello. Nothing else knows of it yet. */
static int begin(struct tls *tls, const struct tern_tls_start *how) {
  if (how->helpers != NULL) {
    tls->away = calloc(1, sizeof *tls->away);
    if (tls->away == NULL) return -ENOMEM;
    tls->away->errand.work = step;
    tls->away->errand.back = step_is_back;
    tls->away->helpers = how->helpers;
    tls->away->tls = tls;
  }
  char reason[TERN__TLS_REASON_MAX];
  const struct tern__tls_engine *engine = tls->context->engine;
  int error = engine->session_new(tls->context->context, how->server_name, &tls->io, &tls->session);
  if (error == 0 && !tls->context->server) {
    error = engine->handshake(tls->session, reason, sizeof reason);
    if (error < 0) tern_log(TERN_LOG_ERROR, "TLS handshake cannot begin: %s", reason);
  }
  if (error == 0 && how->first != NULL) {
    tls->io.in = how->first->data;
    tls->io.in_len = how->first->len;
    tls->more = true;
    error = hold(tls, how->first->owner);
  }
  return error;
}

int tern_tls_start(struct tern_transport *below, struct tern_protocol *protocol, struct tern_tls *context,
                   const struct tern_tls_start *how, struct tern_transport **out) {
  if (!below->writable) return TERN_ECLOSED;
  struct tls *tls = tern_pool_alloc(tern_loop_pool(below->loop), sizeof *tls);
  if (tls == NULL) return -ENOMEM;
  *tls = (struct tls){.lower.ops = &lower_ops,
                      .upper.loop = below->loop,
                      .context = context,
                      .io.out = put_sealed,
                      .turn = {.run = run, .fd = -1},
                      .timer.fired = timer_fired};
  tern__chain_init(&tls->sealed, pool_of(tls));
  tern_tls_ref(context);
  int error = begin(tls, how);
  if (error != 0) {
    free_tls(tls);
    return error;
  }
  struct tern_transport *upper = &tls->upper;
  tern__transport_wrap(upper, &upper_ops, below, protocol);
  upper->state = TERN__TRANSPORT_OPEN;
  upper->writable = true;
  upper->high = SIZE_MAX; /* pausing is the lower one's */
  upper->read_paused = below->read_paused;
  tern__transport_block(upper, false);
  below->protocol = &tls->lower;
  tern_timer_start(upper->loop, &tls->timer,
                   how->handshake_ms != 0 ? how->handshake_ms : HANDSHAKE_DEFAULT_MS);
  if (tls->more) {
    tern_transport_pause_reading(below); /* what comes next waits for what is held */
    have_turn(tls);
  }
  send_sealed(tls);
  *out = upper;
  return 0;
}

/* ---- what it is ---- */

/* The TLS transport among this one and those below, when its handshake is complete. */
static struct tls *find(const struct tern_transport *transport) {
  for (const struct tern_transport *t = transport; t != NULL; t = t->below)
    if (t->ops == &upper_ops) {
      struct tls *tls = tls_above((struct tern_transport *)(uintptr_t)t);
      return tls->secured ? tls : NULL;
    }
  return NULL;
}

bool tern_tls_info(const struct tern_transport *transport, struct tern_tls_info *out) {
  struct tls *tls = find(transport);
  if (tls != NULL) tls->context->engine->info(tls->session, out);
  return tls != NULL;
}

void tern_tls_certificate_free(struct tern_tls_certificate *certificate) {
  while (certificate != NULL) {
    struct tern_tls_certificate *next = certificate->next;
    free(certificate);
    certificate = next;
  }
}

int tern_tls_certificate(const struct tern_transport *transport, struct tern_tls_certificate **out) {
  struct tls *tls = find(transport);
  if (tls == NULL) return -ENOENT;
  int error = tls->context->engine->certificate(tls->session, out);
  if (error == -ENOMEM) { /* some may have been read */
    tern_tls_certificate_free(*out);
    *out = NULL;
  }
  return error;
}
