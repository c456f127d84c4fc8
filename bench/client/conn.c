/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One non-blocking connection.
 *
 *     IDLE --conn_dial--> DIALLING --writable--> GREETING --PONG--> READY --conn_close--> IDLE
 *
 *     nats:  <- INFO   [TLS handshake: secure.c]   -> CONNECT [SUB] PING   <- PONG
 *     redis:           -> INFO [SUBSCRIBE] PING   <- PONG
 *     raw:             -> P, S or E and LF     <- +
 *
 * Input is read into the thread's buffer, which stays in the cache, and given to the role; what the role leaves (an
 * incomplete operation) is kept by the connection. Only when that is large the connection reads into memory of its own.
 *
 * Output is sent by the role itself, from batches encoded before. What has to be said in between (PING, PONG,
 * subscriptions) waits while a batch is under way (streaming), so that it never lands inside a frame.
 *
 * A send that fails is reported after what the server still had to say has been read: it often says why.
 *
 * A server that says on which of its workers a connection is can be asked for a placement. A connection on a wrong worker is
 * set aside and opened anew. It is not closed: of two workers picked at random tern gives a new connection to the one with
 * fewer of them, weighed by how busy it is, so that those which stay make the wanted worker's turn come.
 *
 * Thread: the connection's. Does not reconnect: a server that goes away is a result.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpu.h"
#include "engine.h"
#include "secure.h"

#define REST_SMALL_BYTES (64 * 1024)
#define GREETING_NS      UINT64_C(5000000000)
#define GREETING_LATE_NS \
  UINT64_C(30000000000) /* of those who come all the time, and maybe more than can be served */
#define DIALLING_MAX      64
#define CONTROL_MAX_BYTES (64 * 1024 * 1024)
#define MISPLACED_MAX     256 /* times that a connection may be on a wrong worker */

static_assert(SCRATCH_BYTES == REST_SMALL_BYTES + RECEIVE_BYTES, "what is left and what comes");

static const struct dialect *dialect_of(const struct conn *conn) {
  return conn->thread->engine->target->dialect;
}

enum blame { BLAME_US, BLAME_SERVER, BLAME_LOSS };

static void set_error(struct conn *conn, enum blame blame, const char *text) {
  struct engine *engine = conn->thread->engine;
  bool receives = conn->role->purpose == PURPOSE_RECEIVE;
  pthread_mutex_lock(&engine->lock);
  if (engine->error[0] == '\0' || (blame == BLAME_SERVER && !engine->error_from_server)) {
    snprintf(engine->error, sizeof engine->error, "%s", text);
    engine->error_from_server = blame == BLAME_SERVER;
    engine->lost = blame != BLAME_LOSS ? LOST_NOBODY : receives ? LOST_RECEIVER : LOST_SENDER;
  }
  pthread_mutex_unlock(&engine->lock);
  /* release: pairs with engine_failed's acquire; whoever sees it finds the error */
  atomic_store_explicit(&engine->failed, true, memory_order_release);
  conn_close(conn);
}

static void blame_with(struct conn *conn, enum blame blame, const char *format, va_list args) {
  char text[sizeof conn->thread->engine->error];
  vsnprintf(text, sizeof text, format, args);
  set_error(conn, blame, text);
}

void conn_fail(struct conn *conn, const char *format, ...) {
  va_list args;
  va_start(args, format);
  blame_with(conn, BLAME_US, format, args);
  va_end(args);
}

void conn_refused(struct conn *conn, const char *format, ...) {
  va_list args;
  va_start(args, format);
  blame_with(conn, BLAME_SERVER, format, args);
  va_end(args);
}

/* The connection broke: how, and what the system says of it, if anything. */
static void lose(struct conn *conn, const char *how, int error) {
  char text[128];
  snprintf(text, sizeof text, "%s%s%s", how, error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
  set_error(conn, BLAME_LOSS, text);
}

void conn_done(struct conn *conn, enum phase phase) { tern_counter_add(&conn->thread->done[phase], 1); }

/* ---- Opening and closing ---- */

void conn_dial(struct conn *conn) {
  struct thread *thread = conn->thread;
  conn->next = NULL;
  if (thread->dial_first == NULL)
    thread->dial_first = conn;
  else
    thread->dial_last->next = conn;
  thread->dial_last = conn;
}

void conn_dial_at(struct conn *conn, uint64_t due_ns) {
  conn->appointed = due_ns > conn->thread->now_ns;
  if (!conn->appointed) {
    conn_dial(conn);
    return;
  }
  conn->due_ns = due_ns;
  if (due_ns < conn->thread->next_ns) conn->thread->next_ns = due_ns;
}

static void cannot_connect(struct conn *conn, int error) {
  const struct target *target = conn->thread->engine->target;
  const char *advice = error == EADDRNOTAVAIL ? " (all ports of this address are in use: wait a minute)"
                       : error == EMFILE      ? " (raise the limit: ulimit -n)"
                                              : "";
  if (target->path[0] != '\0')
    conn_fail(conn, "cannot connect to %s: %s%s", target->path, strerror(error), advice);
  else
    conn_fail(conn, "cannot connect to %s:%s: %s%s", target->host, target->port, strerror(error), advice);
}

/* Watches for what the connection waits for. */
static void watch(struct conn *conn) {
  bool output = conn->state == CONN_DIALLING || conn->control_len > 0 || conn->wants_output ||
                (conn->secure != NULL && secure_waits(conn->secure));
  uint32_t wanted = (conn->deaf ? 0 : (uint32_t)EPOLLIN) | (output ? (uint32_t)EPOLLOUT : 0);
  if (conn->fd < 0 || wanted == conn->interest) return;
  struct epoll_event event = {.events = wanted, .data.ptr = conn};
  conn->interest = wanted;
  epoll_ctl(conn->thread->epoll, EPOLL_CTL_MOD, conn->fd, &event);
}

static void dial_now(struct conn *conn) {
  struct thread *thread = conn->thread;
  conn->dialled_ns = now_ns();
  conn->fd = target_connect(thread->engine->target, conn->number);
  if (conn->fd < 0 && errno == EAGAIN) { /* a Unix socket's queue is full */
    conn_dial(conn);
    thread->retry = true;
    return;
  }
  if (conn->fd < 0) {
    cannot_connect(conn, errno);
    return;
  }
  conn->state = CONN_DIALLING;
  conn->interest = EPOLLIN | EPOLLOUT;
  thread->dialling++;
  struct epoll_event event = {.events = conn->interest, .data.ptr = conn};
  if (epoll_ctl(thread->epoll, EPOLL_CTL_ADD, conn->fd, &event) < 0)
    conn_fail(conn, "epoll: %s", strerror(errno));
}

void conn_dial_some(struct thread *thread) {
  thread->retry = false;
  while (thread->dial_first != NULL && thread->dialling < DIALLING_MAX && !thread->retry) {
    struct conn *conn = thread->dial_first;
    thread->dial_first = conn->next;
    dial_now(conn);
  }
}

void conn_close(struct conn *conn) {
  if (conn->state == CONN_DIALLING || conn->state == CONN_GREETING) conn->thread->dialling--;
  secure_end(conn->secure);
  conn->secure = NULL;
  if (conn->fd >= 0) close(conn->fd);
  conn->fd = -1;
  conn->state = CONN_IDLE;
  conn->said_hello = conn->deaf = conn->streaming = conn->wants_output = false;
  conn->broken = 0;
  conn->rest_len = conn->control_len = 0;
  conn->due_ns = UINT64_MAX;
}

void conn_free(struct conn *conn) {
  secure_end(conn->secure);
  if (conn->fd >= 0) close(conn->fd);
  free(conn->rest);
  free(conn->control);
  free(conn);
}

/* ---- Output ---- */

size_t conn_send(struct conn *conn, const char *data, size_t len) {
  if (conn->fd < 0 || conn->broken != 0) return 0;
  if (conn->secure != NULL) return secure_send(conn->secure, data, len, &conn->broken);
  ssize_t n = send(conn->fd, data, len, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN && errno != EINTR) conn->broken = errno;
  return n > 0 ? (size_t)n : 0;
}

static void flush_control(struct conn *conn) {
  if (conn->control_len == 0 || conn->streaming) return;
  size_t sent = conn_send(conn, conn->control, conn->control_len);
  conn->control_len -= sent;
  memmove(conn->control, conn->control + sent, conn->control_len);
}

void conn_say(struct conn *conn, const char *text, size_t len) {
  size_t wanted = conn->control_len + len;
  if (conn->control_len == 0 && !conn->streaming) { /* mostly there is no need to copy */
    size_t sent = conn_send(conn, text, len);
    text += sent;
    len -= sent;
    wanted = len;
    if (conn->secure != NULL) watch(conn); /* taken is not sent */
  }
  if (len == 0 || conn->fd < 0) return;
  if (wanted > conn->control_size) {
    size_t size = wanted * 2 + 256;
    char *more = size <= CONTROL_MAX_BYTES ? realloc(conn->control, size) : NULL;
    if (more == NULL) {
      conn_fail(conn, "the server does not read");
      return;
    }
    conn->control = more;
    conn->control_size = size;
  }
  memcpy(conn->control + conn->control_len, text, len);
  conn->control_len += len;
  watch(conn);
}

void conn_turn(struct conn *conn) {
  if (conn->appointed) {
    conn->appointed = false;
    conn->due_ns = UINT64_MAX;
    conn_dial(conn);
    return;
  }
  if (conn->secure != NULL && conn->broken == 0) conn->broken = secure_flush(conn->secure);
  flush_control(conn);
  if (conn->state == CONN_READY && conn->role->output != NULL &&
      (conn->control_len == 0 || conn->streaming)) {
    conn->due_ns = conn->role->output(conn);
    conn->wants_output = conn->due_ns == OUTPUT_WHEN_POSSIBLE;
    if (!conn->wants_output && conn->due_ns < conn->thread->next_ns) conn->thread->next_ns = conn->due_ns;
    if (conn->fd < 0) return;
    flush_control(conn);
  }
  watch(conn);
}

/* ---- Greeting ---- */

static void say_hello(struct conn *conn) {
  const struct dialect *dialect = dialect_of(conn);
  char subscription[LINE_MAX_BYTES] = "";
  int len = conn->role->greet != NULL ? conn->role->greet(conn, subscription, sizeof subscription) : 0;
  const char *hello = conn->thread->engine->hello[conn->role->purpose];
  char *text = NULL;
  int whole = len < LINE_MAX_BYTES ? asprintf(&text, "%s%s%s", hello, subscription, dialect->ping) : -1;
  conn->said_hello = true;
  if (whole < 0) {
    conn_fail(conn, "out of memory");
    return;
  }
  conn_say(conn, text, (size_t)whole);
  free(text);
}

/* From here on everything is under TLS; the hello follows when the handshake is complete. */
static void begin_tls(struct conn *conn) {
  char reason[SECURE_REASON_BYTES];
  conn->secure = secure_begin(conn->thread->engine->target, conn->fd, reason);
  if (conn->secure == NULL)
    conn_fail(conn, "TLS: %s", reason);
  else
    watch(conn);
}

/* Keeps a connection's socket open and opens another one in its place. */
static void set_aside(struct conn *conn) {
  struct thread *thread = conn->thread;
  if (thread->aside_count == thread->aside_size) {
    unsigned size = thread->aside_size * 2 + 16;
    int *more = realloc(thread->aside, size * sizeof *more);
    if (more == NULL) {
      conn_fail(conn, "out of memory");
      return;
    }
    thread->aside = more;
    thread->aside_size = size;
  }
  epoll_ctl(thread->epoll, EPOLL_CTL_DEL, conn->fd, NULL);
  thread->aside[thread->aside_count++] = conn->fd;
  conn->fd = -1;
  conn_close(conn);
  conn_dial(conn);
}

/* The server cannot do what was asked for. */
static void lack(struct conn *conn, const char *text) {
  struct engine *engine = conn->thread->engine;
  pthread_mutex_lock(&engine->lock);
  engine->lacking = true;
  pthread_mutex_unlock(&engine->lock);
  conn_fail(conn, "%s", text);
}

/* Whether the connection is on the worker where it has to be. If not, another one is opened, or it has failed. */
static bool is_placed(struct conn *conn, struct tern_slice info) {
  struct engine *engine = conn->thread->engine;
  const bool receives = conn->role->purpose == PURPOSE_RECEIVE;
  if (engine->placement == PLACEMENT_ANY || conn->role->late || conn->said_hello || conn->secure != NULL)
    return true;
  int worker = dialect_of(conn)->worker(info), wanted = -1;
  if (worker < 0) {
    lack(conn, "the server does not say which worker a connection is on, which --placement needs");
    return false;
  }
  /* relaxed: a value by itself; the first of those who receive decides, and pairs with the others' exchanges */
  if (receives && atomic_compare_exchange_strong_explicit(&engine->receivers_worker, &wanted, worker,
                                                          memory_order_relaxed, memory_order_relaxed))
    return true;
  wanted = atomic_load_explicit(&engine->receivers_worker, memory_order_relaxed); /* relaxed: as above */
  if ((worker == wanted) == (receives || engine->placement == PLACEMENT_SAME)) return true;
  if (conn->misplaced++ < MISPLACED_MAX)
    set_aside(conn);
  else if (engine->placement == PLACEMENT_SAME || receives)
    conn_fail(conn, "--placement: none of %u connections came to worker %d", MISPLACED_MAX + 1, wanted);
  else
    conn_fail(conn,
              "--placement: none of %u connections came to another worker than %d: has the server one only?",
              MISPLACED_MAX + 1, wanted);
  return false;
}

/* The server has said who it is, and what it wants. */
static void server_said_hello(struct conn *conn, struct tern_slice info) {
  const struct target *target = conn->thread->engine->target;
  enum security security =
      target->dialect->security != NULL ? target->dialect->security(info) : SECURITY_NONE;
  if (conn->number == 0)
    target->dialect->identify(info, conn->thread->engine->server, conn->thread->engine->version);
  if (!is_placed(conn, info)) return;
  if (conn->said_hello || conn->secure != NULL) return;
  if (target->secure && security == SECURITY_NONE)
    conn_fail(conn, "the server has no TLS; use nats:// in place of tls://");
  else if (!target->secure && security == SECURITY_REQUIRED)
    conn_fail(conn, "the server wants TLS; use tls:// in place of nats://");
  else if (target->secure)
    begin_tls(conn);
  else
    say_hello(conn);
}

/* Bytes that come before everything else. */
static int64_t greet(struct conn *conn, const char *data, size_t len) {
  struct event event;
  int64_t used = conn_take(conn, data, len, &event);
  if (used <= 0 || conn->fd < 0) return used;
  if (event.kind == EVENT_HELLO) server_said_hello(conn, event.text);
  if (event.kind != EVENT_PONG || !conn->said_hello) return used;
  conn->state = CONN_READY;
  conn->thread->dialling--;
  if (!conn->role->late)
    conn_done(conn, conn->role->purpose == PURPOSE_RECEIVE ? PHASE_RECEIVERS : PHASE_SENDERS);
  if (conn->role->ready != NULL) conn->role->ready(conn);
  return used;
}

static void connected(struct conn *conn) {
  int error = 0;
  socklen_t len = sizeof error;
  getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
  if (error != 0) {
    cannot_connect(conn, error);
    return;
  }
  conn->state = CONN_GREETING;
  if (!dialect_of(conn)->greets) say_hello(conn);
  watch(conn);
}

void conn_check(struct conn *conn, uint64_t now) {
  if (conn->state != CONN_DIALLING && conn->state != CONN_GREETING) return;
  if (now - conn->dialled_ns < (conn->role->late ? GREETING_LATE_NS : GREETING_NS)) return;
  if (conn->state == CONN_DIALLING)
    cannot_connect(conn, ETIMEDOUT);
  else
    conn_fail(conn, "the server did not answer in time");
}

/* ---- Input ---- */

int64_t conn_take(struct conn *conn, const char *data, size_t len, struct event *event) {
  const struct dialect *dialect = dialect_of(conn);
  int64_t used = dialect->next(data, len, event);
  if (used <= 0) return used;
  if (event->kind == EVENT_PING) conn_say(conn, dialect->pong, strlen(dialect->pong));
  bool fine = event->kind == EVENT_ERROR && conn->role->refused != NULL && conn->role->refused(conn);
  if (event->kind == EVENT_ERROR && !fine)
    conn_refused(conn, "the server answered -ERR %.*s", (int)event->text.len, event->text.ptr);
  return used;
}

/* Keeps what was not used; it may lie in what is kept already. */
static void keep(struct conn *conn, const char *data, size_t len) {
  if (len <= conn->rest_size) {
    memmove(conn->rest, data, len);
  } else {
    size_t size = len + len / 2 + 256;
    char *more = malloc(size);
    if (more == NULL) {
      conn_fail(conn, "out of memory");
      return;
    }
    memcpy(more, data, len);
    free(conn->rest);
    conn->rest = more;
    conn->rest_size = size;
  }
  conn->rest_len = len;
}

/* Where to read the next bytes: behind what is left. NULL: out of memory. */
static char *room(struct conn *conn) {
  if (conn->rest_len <= REST_SMALL_BYTES) {
    if (conn->rest_len > 0) memcpy(conn->thread->scratch, conn->rest, conn->rest_len);
    return conn->thread->scratch;
  }
  size_t size = conn->rest_len + RECEIVE_BYTES;
  if (size > conn->rest_size) {
    char *more = realloc(conn->rest, size * 2);
    if (more == NULL) return NULL;
    conn->rest = more;
    conn->rest_size = size * 2;
  }
  return conn->rest;
}

/* What follows INFO in clear is not the server's, when TLS begins there. */
static bool in_clear_where_it_may(struct conn *conn, size_t rest) {
  if (conn->secure == NULL || secure_established(conn->secure) || rest == 0) return true;
  conn_fail(conn, "the server went on in clear where TLS begins");
  return false;
}

/* Gives bytes to whoever they are for; what is left is kept. */
static void give(struct conn *conn, const char *data, size_t len) {
  size_t at = 0;
  while (at < len) {
    int fd = conn->fd;
    int64_t used = conn->state == CONN_READY ? conn->role->input(conn, data + at, len - at)
                                             : greet(conn, data + at, len - at);
    if (conn->fd != fd || conn->state == CONN_IDLE) return; /* closed meanwhile */
    if (used > 0 && !in_clear_where_it_may(conn, len - at - (size_t)used)) return;
    if (used < 0) {
      conn_fail(conn,
                conn->state == CONN_READY ? "the server sent something that is not the %s protocol"
                                          : "the server does not speak the %s protocol",
                dialect_of(conn)->protocol);
      return;
    }
    if (used == 0) break;
    at += (size_t)used;
  }
  if (at < len)
    keep(conn, data + at, len - at);
  else
    conn->rest_len = 0;
}

/* Like recv. After the TLS handshake it is the client's turn. */
static ssize_t receive_bytes(struct conn *conn, char *to, char *reason) {
  if (conn->secure == NULL) return recv(conn->fd, to, RECEIVE_BYTES, 0);
  bool established = secure_established(conn->secure);
  ssize_t n = secure_receive(conn->secure, to, RECEIVE_BYTES, reason);
  int error = errno;
  if (!established && secure_established(conn->secure)) say_hello(conn);
  errno = error;
  return n;
}

/* Reads once. Returns false when there is nothing to read (any more). */
static bool receive(struct conn *conn) {
  size_t have = conn->rest_len;
  char *buffer = room(conn);
  if (buffer == NULL) {
    conn_fail(conn, "out of memory");
    return false;
  }
  char reason[SECURE_REASON_BYTES] = "";
  ssize_t n = receive_bytes(conn, buffer + have, reason);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n <= 0) {
    int error = errno;
    bool fine = conn->role->eof != NULL && conn->state == CONN_READY && conn->role->eof(conn);
    if (fine)
      conn_close(conn);
    else if (n == 0)
      lose(conn, "the server closed the connection", 0);
    else if (*reason != '\0')
      conn_fail(conn, "TLS: %s", reason);
    else
      lose(conn, "receiving", error);
    return false;
  }
  conn->thread->now_ns = now_ns();
  give(conn, buffer, have + (size_t)n);
  return conn->fd >= 0;
}

void conn_event(struct conn *conn, uint32_t events) {
  if (conn->fd < 0) return;
  if (conn->state == CONN_DIALLING) {
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) connected(conn);
    return;
  }
  bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  if (conn->deaf && broken) {
    (void)conn->role->eof(conn);
    conn_close(conn);
    return;
  }
  if ((events & EPOLLIN) != 0 || broken) receive(conn);
  if (conn->fd >= 0) conn_turn(conn);
  if (conn->fd < 0 || conn->broken == 0) return;
  int error = conn->broken;
  while (receive(conn))
    ;
  if (conn->fd >= 0) lose(conn, "sending", error);
}
