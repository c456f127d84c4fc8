/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: a requester sends numbered messages with a reply subject of its own, a responder sends their payload back
 * there, and the requester checks and times the answers.
 *
 *     requester --PUB subject inbox--> server --MSG subject inbox--> responder
 *               <-----MSG inbox-------        <-----PUB inbox-------
 *
 * The number in the payload says which request an answer belongs to. An answer may overtake another (responders share
 * the requests), but has to come once and unaltered. Through the byte forwarder requests already look like answers, and
 * the responder sends back whatever it gets.
 *
 * A latency counts from when the request was given to the socket; at a steady rate, from when it was due.
 *
 * Thread: the connection's.
 */
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"

static const struct dialect *dialect_of(const struct conn *conn) {
  return conn->thread->engine->target->dialect;
}

int requester_init(struct requester *requester, const struct dialect *dialect, const char *subject,
                   unsigned index, unsigned size) {
  snprintf(requester->inbox, sizeof requester->inbox, "_INBOX.bench.%u", index);
  struct frame frame = {.subject = subject, .sid = "1", .reply = requester->inbox, .size = size};
  struct frame answer = {.subject = requester->inbox, .filter = requester->inbox, .sid = "1", .size = size};
  char line[LINE_MAX_BYTES];
  requester->slots = 64;
  while (requester->slots < 4ull * requester->in_flight)
    requester->slots *= 2;
  int error = shape_init(&requester->shape, dialect, 1, size);
  if (error == 0) error = shape_add(&requester->shape, &answer);
  if (error != 0) return error;
  if (dialect->acknowledges) { /* requests differ from answers */
    struct kind *kind = &requester->shape.kind[0];
    int len = dialect->put_publish(line, sizeof line, &frame);
    if (len >= LINE_MAX_BYTES) return -EINVAL;
    free(kind->publish);
    kind->publish = strdup(line);
    kind->publish_len = (unsigned)len;
    if (kind->publish == NULL) return -ENOMEM;
  }
  requester->sent_ns = calloc(requester->slots, sizeof *requester->sent_ns);
  error =
      requester->sent_ns != NULL ? batch_init(&requester->batch, &requester->shape, 0, 1, false) : -ENOMEM;
  if (error == 0) error = checker_init(&requester->checker, &requester->shape, 1, SHARE_ANYHOW);
  requester->at = error == 0 ? requester->batch.end[0] : 0;
  return error;
}

void requester_free(struct requester *requester) {
  checker_free(&requester->checker);
  batch_free(&requester->batch);
  shape_free(&requester->shape);
  free(requester->sent_ns);
  histogram_free(requester->before);
}

static int listen_for_answers(struct conn *conn, char *to, size_t room) {
  const struct requester *requester = conn->owner;
  return dialect_of(conn)->put_subscribe(to, room, requester->inbox, NULL, "1");
}

/* Where the latency of a request belongs that was due then; NULL: nowhere. */
static struct histogram *histogram_of(const struct requester *requester, uint64_t due_ns) {
  const struct thread *thread = requester->conn->thread;
  if (requester->before == NULL) return thread->latency;
  if (requester->windows == NULL)
    return thread->phase < PHASE_DISTURB ? requester->before : requester->during;
  const struct window *window = windows_find(requester->windows, due_ns);
  if (window == NULL) return NULL;
  return window->disturbed ? requester->during : requester->before;
}

/* An answer that is as sent. */
static void answered(void *context, unsigned publisher, uint64_t number) {
  struct requester *requester = context;
  uint64_t *sent_ns = &requester->sent_ns[number & (requester->slots - 1)];
  (void)publisher;
  if (*sent_ns == 0) return; /* a second one: the checker has counted it */
  struct histogram *to = histogram_of(requester, *sent_ns);
  if (to != NULL) histogram_record(to, requester->conn->thread->now_ns - *sent_ns);
  *sent_ns = 0;
}

static void connected(struct conn *conn) {
  struct requester *requester = conn->owner;
  requester->conn = conn;
  requester->checker.context = requester;
  requester->checker.seen = answered;
}

/* True when another request may be begun. */
static bool may_begin(const struct conn *conn, const struct requester *requester) {
  return requester->sent < requester->wanted && conn->thread->phase < PHASE_STOP &&
         requester->sent - requester->checker.found.received < requester->in_flight &&
         requester->sent_ns[requester->sent & (requester->slots - 1)] == 0;
}

/* Everything is sent and answered. */
static void finish_when_answered(struct conn *conn, struct requester *requester) {
  bool over = requester->sent >= requester->wanted || conn->thread->phase >= PHASE_STOP;
  if (requester->finished || !over || conn->streaming) return;
  if (requester->checker.found.received < requester->sent) return;
  requester->finished = true;
  conn_done(conn, PHASE_STOP);
}

static uint64_t send_requests(struct conn *conn) {
  struct requester *requester = conn->owner;
  struct batch *batch = &requester->batch;
  if (conn->thread->phase < PHASE_RUN) return OUTPUT_NEVER;
  const bool paced = requester->rate > 0;
  const uint64_t due = pace_due(&requester->pace, conn->thread->now_ns);
  while (requester->at < batch->end[0] || (requester->sent < due && may_begin(conn, requester))) {
    if (requester->at == batch->end[0]) {
      batch_number(batch, requester->sent);
      requester->sent_ns[requester->sent & (requester->slots - 1)] =
          paced ? pace_time(&requester->pace, requester->sent) : now_ns();
      requester->at = 0;
    }
    requester->at += conn_send(conn, batch->bytes + requester->at, batch->end[0] - requester->at);
    conn->streaming = requester->at < batch->end[0];
    if (conn->streaming) return OUTPUT_WHEN_POSSIBLE;
    requester->sent++;
    if (!requester->probe) tern_counter_add(&conn->thread->sent, 1);
  }
  finish_when_answered(conn, requester);
  return paced && requester->sent >= due ? pace_time(&requester->pace, requester->sent) : OUTPUT_NEVER;
}

static void begin_phase(struct conn *conn, enum phase phase) {
  struct requester *requester = conn->owner;
  if (phase == PHASE_RUN)
    requester->pace =
        pace_of(conn->thread->engine->start_ns, requester->rate, requester->of, requester->index);
}

static int64_t take_answers(struct conn *conn, const char *data, size_t len) {
  struct requester *requester = conn->owner;
  struct checker *checker = &requester->checker;
  const struct dialect *dialect = dialect_of(conn);
  uint64_t before = checker->found.received;
  int64_t used = checker_feed(checker, data, len);
  if (!requester->probe) tern_counter_add(&conn->thread->received, checker->found.received - before);
  if (checker->found.received > before) requester->last_ns = conn->thread->now_ns;
  if (checker->error[0] != '\0') conn_refused(conn, "%s", checker->error);
  for (; checker->pings > 0; checker->pings--)
    conn_say(conn, dialect->pong, strlen(dialect->pong));
  return used; /* conn_event calls output next */
}

const struct role role_requester = {.purpose = PURPOSE_REQUEST,
                                    .greet = listen_for_answers,
                                    .ready = connected,
                                    .input = take_answers,
                                    .output = send_requests,
                                    .phase = begin_phase};

/* ---- Responders ---- */

void responder_free(struct responder *responder) { free(responder->out); }

static int listen_for_requests(struct conn *conn, char *to, size_t room) {
  const struct responder *responder = conn->owner;
  return dialect_of(conn)->put_subscribe(to, room, responder->subject, responder->group, "1");
}

/* Adds bytes to what will be sent. */
static bool add(struct responder *responder, const char *data, size_t len) {
  if (responder->len + len > responder->size) {
    size_t size = (responder->len + len) * 2;
    char *more = realloc(responder->out, size);
    if (more == NULL) return false;
    responder->out = more;
    responder->size = size;
  }
  memcpy(responder->out + responder->len, data, len);
  responder->len += len;
  return true;
}

/* Adds the answer to a request. */
static bool add_answer(struct responder *responder, const struct dialect *dialect,
                       const struct event *request) {
  char line[LINE_MAX_BYTES], subject[SUBJECT_MAX_BYTES + 1];
  if (request->reply.len == 0 || request->reply.len >= sizeof subject) return true; /* not ours */
  memcpy(subject, request->reply.ptr, request->reply.len);
  subject[request->reply.len] = '\0';
  struct frame frame = {.subject = subject, .size = (unsigned)request->payload.len};
  int len = dialect->put_publish(line, sizeof line, &frame);
  return len < LINE_MAX_BYTES && add(responder, line, (size_t)len) &&
         add(responder, request->payload.ptr, request->payload.len) && add(responder, "\r\n", 2);
}

static int64_t answer(struct conn *conn, const char *data, size_t len) {
  struct responder *responder = conn->owner;
  const struct dialect *dialect = dialect_of(conn);
  if (!dialect->acknowledges) { /* the forwarder */
    conn_say(conn, data, len);
    return (int64_t)len;
  }
  size_t at = 0;
  int64_t used = 0;
  responder->len = 0;
  while (at < len) {
    struct event event;
    used = conn_take(conn, data + at, len - at, &event);
    if (used <= 0 || conn->fd < 0) break;
    if (event.kind == EVENT_MESSAGE && !add_answer(responder, dialect, &event)) {
      conn_fail(conn, "out of memory");
      break;
    }
    at += (size_t)used;
  }
  if (responder->len > 0 && conn->fd >= 0) conn_say(conn, responder->out, responder->len);
  return used < 0 ? used : (int64_t)at;
}

static bool responder_eof(struct conn *conn) { return !dialect_of(conn)->acknowledges; }

const struct role role_responder = {
    .purpose = PURPOSE_RECEIVE, .greet = listen_for_requests, .input = answer, .eof = responder_eof};
