/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that disturb others, or just are there: who subscribes and unsubscribes all the time, who never reads,
 * who has a million subscriptions, who comes and goes, who is idle. A struct and a role each; see disturb.h.
 *
 * Thread: the connection's.
 */
#include "disturb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cpu.h"
#include "pace.h"

#define CHURN_PAIRS_MAX 256 /* per turn, and write */
#define CHURN_FLUSH_S   0.002
#define LOAD_BYTES      (256 * 1024)

static const struct dialect *dialect_of(const struct conn *conn) {
  return conn->thread->engine->target->dialect;
}

static void say_ping(struct conn *conn) {
  const struct dialect *dialect = dialect_of(conn);
  conn_say(conn, dialect->ping, strlen(dialect->ping));
}

/* ---- Idle ---- */

static int64_t idler_input(struct conn *conn, const char *data, size_t len) {
  struct event event;
  int64_t used = conn_take(conn, data, len, &event);
  if (used > 0 && event.kind == EVENT_PONG && conn->thread->phase >= PHASE_DRAIN)
    conn_done(conn, PHASE_DRAIN);
  return used;
}

static void idler_phase(struct conn *conn, enum phase phase) {
  if (phase == PHASE_DRAIN) say_ping(conn);
}

const struct role role_idler = {.purpose = PURPOSE_RECEIVE, .input = idler_input, .phase = idler_phase};

/* ---- Churn ---- */

/* Pairs in one write: those of a time in which client libraries gather what is said, too. */
static uint64_t pairs_at_once(double per_second) {
  const double pairs = per_second * CHURN_FLUSH_S;
  return pairs < 1 ? 1 : pairs > CHURN_PAIRS_MAX ? CHURN_PAIRS_MAX : (uint64_t)pairs;
}

static uint64_t churn(struct conn *conn) {
  struct churner *churner = conn->owner;
  struct thread *thread = conn->thread;
  const struct dialect *dialect = dialect_of(conn);
  char text[CHURN_PAIRS_MAX * 96], filter[64], sid[24];
  int len = 0;
  if (thread->phase != PHASE_DISTURB) return OUTPUT_NEVER;
  struct pace pace = pace_of(churner->start_ns, churner->rate, 1, 0);
  const uint64_t more = pairs_at_once(churner->rate) - 1; /* that have to be due besides the next */
  uint64_t due = pace_due(&pace, thread->now_ns);
  if (due <= churner->pairs + more) return pace_time(&pace, churner->pairs + more);
  for (unsigned i = 0; i < CHURN_PAIRS_MAX && churner->pairs < due; i++, churner->pairs++) {
    snprintf(filter, sizeof filter, "churn.%llu", (unsigned long long)churner->pairs);
    snprintf(sid, sizeof sid, "%llu", (unsigned long long)churner->pairs + 1);
    len += dialect->put_subscribe(text + len, sizeof text - (size_t)len, filter, NULL, sid);
    len += dialect->put_unsubscribe(text + len, sizeof text - (size_t)len, filter, sid);
  }
  conn_say(conn, text, (size_t)len);
  return churner->pairs < due ? OUTPUT_WHEN_POSSIBLE : pace_time(&pace, churner->pairs + more);
}

static int64_t churner_input(struct conn *conn, const char *data, size_t len) {
  struct churner *churner = conn->owner;
  struct event event;
  int64_t used = conn_take(conn, data, len, &event);
  if (used > 0 && event.kind == EVENT_PONG && churner->asked) conn_done(conn, PHASE_STOP);
  return used;
}

static void churner_phase(struct conn *conn, enum phase phase) {
  struct churner *churner = conn->owner;
  if (phase == PHASE_DISTURB) churner->start_ns = conn->thread->now_ns;
  if (phase != PHASE_STOP) return;
  churner->asked = true;
  say_ping(conn);
}

const struct role role_churner = {
    .purpose = PURPOSE_PUBLISH, .input = churner_input, .output = churn, .phase = churner_phase};

/* ---- Stuck ---- */

static void stuck_phase(struct conn *conn, enum phase phase) {
  const struct stuck *stuck = conn->owner;
  char text[LINE_MAX_BYTES];
  int small = 4096;
  if (phase != PHASE_DISTURB) return;
  setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  conn->deaf = true;
  int len = dialect_of(conn)->put_subscribe(text, sizeof text, stuck->filter, NULL, "1");
  conn_say(conn, text, (size_t)len);
}

static bool stuck_eof(struct conn *conn) {
  struct stuck *stuck = conn->owner;
  return stuck->disconnected = true;
}

const struct role role_stuck = {
    .purpose = PURPOSE_PUBLISH, .input = idler_input, .phase = stuck_phase, .eof = stuck_eof};

/* ---- A million subscriptions ---- */

int loader_subject(char *to, size_t room, unsigned n) { return snprintf(to, room, "bench.s.%07u", n); }
int loader_sid(char *to, size_t room, unsigned n) { return snprintf(to, room, "%u", n + 1); }

/* Writes the next subscriptions. */
static void write_some(struct conn *conn, struct loader *loader) {
  const struct dialect *dialect = dialect_of(conn);
  char filter[64], sid[24];
  loader->at = loader->len = 0;
  while (loader->len + LINE_MAX_BYTES < LOAD_BYTES) {
    unsigned n = loader->from + loader->made * loader->step;
    if (n >= loader->of) break;
    loader_subject(filter, sizeof filter, n);
    loader_sid(sid, sizeof sid, n);
    loader->len +=
        (size_t)dialect->put_subscribe(loader->text + loader->len, LINE_MAX_BYTES, filter, NULL, sid);
    loader->made++;
    tern_counter_add(&conn->thread->prepared, 1);
  }
}

static uint64_t load(struct conn *conn) {
  struct loader *loader = conn->owner;
  if (conn->thread->phase != PHASE_PREPARE || loader->asked) return OUTPUT_NEVER;
  if (loader->text == NULL) loader->text = malloc(LOAD_BYTES);
  if (loader->text == NULL) {
    conn_fail(conn, "out of memory");
    return OUTPUT_NEVER;
  }
  if (loader->at == loader->len) write_some(conn, loader);
  loader->at += conn_send(conn, loader->text + loader->at, loader->len - loader->at);
  conn->streaming = loader->at < loader->len;
  if (loader->len > 0) return OUTPUT_WHEN_POSSIBLE;
  loader->asked = true;
  say_ping(conn);
  return OUTPUT_NEVER;
}

static int64_t loader_input(struct conn *conn, const char *data, size_t len) {
  struct loader *loader = conn->owner;
  int64_t used = subscriber_input(conn, data, len);
  if (loader->asked && !loader->loaded && loader->subscriber.checker.pongs > 0) {
    loader->loaded = true;
    loader->subscriber.checker.pongs = 0;
    /* relaxed: a value by itself; pairs with the load in scenario_subscribe.c */
    atomic_store_explicit(&loader->last_ns, conn->thread->now_ns, memory_order_relaxed);
    conn_done(conn, PHASE_PREPARE);
  }
  return used;
}

const struct role role_loader = {
    .purpose = PURPOSE_RECEIVE, .input = loader_input, .output = load, .phase = subscriber_phase};

/* ---- Coming and going ---- */

/* The server has said what it has to say. */
static void come_and_go(struct conn *conn) {
  struct stormer *stormer = conn->owner;
  struct thread *thread = conn->thread;
  stormer->connected++;
  thread->last_ns = thread->now_ns;
  tern_counter_add(&thread->sent, 1);
  histogram_record(thread->latency, thread->now_ns - conn->dialled_ns);
  conn_close(conn);
  if (thread->phase < PHASE_STOP)
    conn_dial_at(conn, pace_time(&stormer->pace, stormer->connected));
  else if (!stormer->over)
    conn_done(conn, PHASE_STOP);
  stormer->over = thread->phase >= PHASE_STOP;
}

static void stormer_ready(struct conn *conn) {
  const struct stormer *stormer = conn->owner;
  if (stormer->refused)
    conn_fail(conn, "the server did not refuse the connection");
  else
    come_and_go(conn);
}

static bool stormer_refused(struct conn *conn) {
  const struct stormer *stormer = conn->owner;
  if (!stormer->refused || conn->state != CONN_GREETING) return false;
  come_and_go(conn);
  return true;
}

static void stormer_phase(struct conn *conn, enum phase phase) {
  struct stormer *stormer = conn->owner;
  if (phase == PHASE_RUN) {
    stormer->pace = pace_of(conn->thread->engine->start_ns, stormer->rate, stormer->of, stormer->index);
    conn_dial_at(conn, pace_time(&stormer->pace, 0));
  }
  if (phase != PHASE_STOP || !conn->appointed) return;
  conn->appointed = false;
  stormer->over = true;
  conn_done(conn, PHASE_STOP);
}

const struct role role_stormer = {.purpose = PURPOSE_PUBLISH,
                                  .late = true,
                                  .ready = stormer_ready,
                                  .input = idler_input,
                                  .phase = stormer_phase,
                                  .refused = stormer_refused};
