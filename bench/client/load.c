/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishers and subscribers.
 *
 *     publisher:  PHASE_RUN: batches, as fast as the socket takes them or as they are due; at the end PING, PONG
 *     subscriber: checks what comes; PHASE_DRAIN: PING, PONG
 *
 * After a publisher's PONG the server has taken all of its messages, and after a subscriber's PONG it has sent all that
 * it had. Through the byte forwarder the end of the stream takes the PONG's place.
 *
 * A publisher sends so much at most per turn, so that the thread's other connections have theirs. A paced one sends
 * what is due and makes an appointment for the next; latencies count from when a message was due, which its number
 * says, and not from when it was sent.
 *
 * An unpaced publisher waits while too much is under way. Servers cut off subscribers that fall behind, so that
 * otherwise a run would measure how much a server is willing to keep, and end when that is reached.
 *
 * Thread: the connection's.
 */
#include "load.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cpu.h"

/* At most the size of a write: large enough that system calls do not count, small enough for the cache. */
#define BATCH_BYTES       (320 * 1024)
#define TURN_BYTES        (256 * 1024) /* sent in one turn, and what is left of the batch then */
#define BATCH_PACED_BYTES (16 * 1024)
#define WINDOW_LOOK_NS    100000 /* how soon to look again whether there is room */

int publisher_init(struct publisher *publisher) {
  return batch_init(&publisher->batch, publisher->shape, publisher->index,
                    publisher->rate > 0 ? BATCH_PACED_BYTES : BATCH_BYTES, false);
}

void publisher_free(struct publisher *publisher) { batch_free(&publisher->batch); }

static const struct dialect *dialect_of(const struct conn *conn) {
  return conn->thread->engine->target->dialect;
}

/* Everything is sent: has it been taken? */
static void finish(struct conn *conn) {
  struct publisher *publisher = conn->owner;
  const struct dialect *dialect = dialect_of(conn);
  if (publisher->asked) return;
  publisher->asked = true;
  if (dialect->acknowledges) {
    conn_say(conn, dialect->ping, strlen(dialect->ping));
    return;
  }
  shutdown(conn->fd, SHUT_WR);
  publisher->last_ns = conn->thread->now_ns;
  conn_done(conn, PHASE_STOP);
}

/* Counts the frames that are sent. Returns true when none is cut. */
static bool count(struct conn *conn, struct publisher *publisher) {
  const struct batch *batch = &publisher->batch;
  uint64_t before = publisher->sent;
  unsigned frame = (unsigned)(before - publisher->first);
  while (frame < batch->frames && batch->end[frame] <= publisher->at)
    frame++;
  publisher->sent = publisher->first + frame;
  tern_counter_add(&conn->thread->sent, publisher->sent - before);
  return publisher->at == (frame == 0 ? 0 : batch->end[frame - 1]);
}

/* Sends frames of the batch at hand up to number `until`. Returns false when the socket takes no more. */
static bool send_until(struct conn *conn, struct publisher *publisher, uint64_t until) {
  struct batch *batch = &publisher->batch;
  if (publisher->sent == publisher->first + batch->frames) {
    publisher->first = publisher->sent;
    publisher->at = 0;
  }
  if (publisher->at == 0) batch_number(batch, publisher->first);
  uint64_t frames = until - publisher->first;
  size_t end = batch->end[(frames < batch->frames ? frames : batch->frames) - 1];
  publisher->at += conn_send(conn, batch->bytes + publisher->at, end - publisher->at);
  conn->streaming = !count(conn, publisher);
  return publisher->at == end;
}

/* True when nothing may be added to what is under way. */
static bool window_is_full(const struct conn *conn, const struct publisher *publisher) {
  const struct engine *engine = conn->thread->engine;
  if (publisher->window == 0 || publisher->rate > 0) return false;
  return engine_sent(engine) >= publisher->window + engine_received(engine) / publisher->copies;
}

static uint64_t publish(struct conn *conn) {
  struct publisher *publisher = conn->owner;
  struct thread *thread = conn->thread;
  if (thread->phase < PHASE_RUN || publisher->asked) return OUTPUT_NEVER;
  struct pace pace = pace_of(thread->engine->start_ns, publisher->rate, publisher->of, publisher->index);
  uint64_t until = pace_due(&pace, thread->now_ns);
  if (until > publisher->wanted) until = publisher->wanted;
  /* When it is over, a frame that was begun is ended. */
  if (thread->phase >= PHASE_STOP) until = conn->streaming ? publisher->sent + 1 : publisher->sent;
  for (size_t turn = 0; publisher->sent < until && turn < TURN_BYTES; turn += publisher->at) {
    if (!conn->streaming && window_is_full(conn, publisher)) return now_ns() + WINDOW_LOOK_NS;
    if (!send_until(conn, publisher, until)) return OUTPUT_WHEN_POSSIBLE;
  }
  bool over = publisher->sent >= publisher->wanted || thread->phase >= PHASE_STOP;
  if (publisher->sent < until) return OUTPUT_WHEN_POSSIBLE;
  if (!over) return pace_time(&pace, publisher->sent);
  finish(conn);
  return OUTPUT_NEVER;
}

static int64_t publisher_input(struct conn *conn, const char *data, size_t len) {
  struct publisher *publisher = conn->owner;
  struct event event;
  int64_t used = conn_take(conn, data, len, &event);
  if (used <= 0 || event.kind != EVENT_PONG || !publisher->asked) return used;
  publisher->last_ns = conn->thread->now_ns;
  conn_done(conn, PHASE_STOP);
  return used;
}

/* The forwarder closes when it has copied everything. */
static bool publisher_eof(struct conn *conn) {
  const struct publisher *publisher = conn->owner;
  return publisher->asked && !dialect_of(conn)->acknowledges;
}

/* All frames of a flow of one kind have the same size. */
static int tell_frame_size(struct conn *conn, char *to, size_t room) {
  const struct publisher *publisher = conn->owner;
  return dialect_of(conn)->wants_frame_size ? snprintf(to, room, "%08u", publisher->batch.end[0]) : 0;
}

const struct role role_publisher = {
    .purpose = PURPOSE_PUBLISH, .input = publisher_input, .output = publish, .eof = publisher_eof};
const struct role role_publisher_beside = {.purpose = PURPOSE_PUBLISH_BESIDE,
                                           .greet = tell_frame_size,
                                           .input = publisher_input,
                                           .output = publish,
                                           .eof = publisher_eof};

/* ---- Subscribers ---- */

static int subscribe(struct conn *conn, char *to, size_t room) {
  const struct subscriber *subscriber = conn->owner;
  return dialect_of(conn)->put_subscribe(to, room, subscriber->filter, subscriber->group, "1");
}

/* Counts how late a message is. */
static void note_latency(void *context, unsigned publisher, uint64_t number) {
  const struct subscriber *subscriber = context;
  struct thread *thread = subscriber->conn->thread;
  struct pace pace =
      pace_of(thread->engine->start_ns, subscriber->rate, subscriber->checker.publishers, publisher);
  uint64_t due = pace_time(&pace, number);
  histogram_record(thread->latency, thread->now_ns > due ? thread->now_ns - due : 0);
}

int64_t subscriber_input(struct conn *conn, const char *data, size_t len) {
  struct subscriber *subscriber = conn->owner;
  struct checker *checker = &subscriber->checker;
  const struct dialect *dialect = dialect_of(conn);
  uint64_t before = checker->found.received;
  int64_t used = checker_feed(checker, data, len);
  if (checker->found.received > before) {
    tern_counter_add(&conn->thread->received, checker->found.received - before);
    subscriber->last_ns = conn->thread->now_ns;
  }
  if (checker->error[0] != '\0') conn_refused(conn, "%s", checker->error);
  for (; checker->pings > 0; checker->pings--)
    conn_say(conn, dialect->pong, strlen(dialect->pong));
  if (checker->pongs > 0 && subscriber->asked && !subscriber->answered) {
    subscriber->answered = true;
    conn_done(conn, PHASE_DRAIN);
  }
  return used;
}

void subscriber_phase(struct conn *conn, enum phase phase) {
  struct subscriber *subscriber = conn->owner;
  const struct dialect *dialect = dialect_of(conn);
  if (phase == PHASE_RUN && subscriber->rate > 0 && conn->thread->latency != NULL) {
    subscriber->conn = conn;
    subscriber->checker.context = subscriber;
    subscriber->checker.seen = note_latency;
  }
  if (phase != PHASE_DRAIN || !dialect->acknowledges) return;
  subscriber->checker.pongs = 0;
  subscriber->asked = true;
  conn_say(conn, dialect->ping, strlen(dialect->ping));
}

static bool subscriber_eof(struct conn *conn) {
  if (dialect_of(conn)->acknowledges) return false;
  conn_done(conn, PHASE_DRAIN);
  return true;
}

const struct role role_subscriber = {.purpose = PURPOSE_RECEIVE,
                                     .greet = subscribe,
                                     .input = subscriber_input,
                                     .phase = subscriber_phase,
                                     .eof = subscriber_eof};
