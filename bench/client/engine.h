/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The engine: threads, each with an event loop over many non-blocking connections, and the phases of a run. What a
 * connection does is its role's business. See engine.c (threads and phases) and conn.c (one connection).
 */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <tern/stats.h>

#include "dialect.h"
#include "histogram.h"
#include "target.h"

/** Where a run is. Only the main thread moves it on, and only forwards; not every run has all of them. */
enum phase {
  PHASE_RECEIVERS, /* who receives connects */
  PHASE_SENDERS,   /* who sends connects */
  PHASE_PREPARE,   /* what has to be there before measuring is made */
  PHASE_RUN,       /* measuring */
  PHASE_DISTURB,   /* measuring, with a disturbance */
  PHASE_STOP,      /* senders make an end, and wait until the server has taken everything */
  PHASE_DRAIN,     /* receivers take the rest */
  PHASE_END,       /* everybody returns */
  PHASES,
};

struct conn;
struct secure;
struct thread;

#define OUTPUT_WHEN_POSSIBLE UINT64_C(0) /* there is more to send */
#define OUTPUT_NEVER         UINT64_MAX  /* until the next phase, or until conn_turn is called */

/** How much is read at once, and the memory for that: what was left, and what comes. */
#define RECEIVE_BYTES (256 * 1024)
#define SCRATCH_BYTES (320 * 1024)

/** What a connection does. Called on the connection's thread. Members may be NULL but for input. */
struct role {
  enum purpose purpose;
  bool late; /* not opened by the engine: conn_dial is called when it is time */
  /** What is to be subscribed to at once: text for the hello, like snprintf. */
  int (*greet)(struct conn *conn, char *to, size_t room);
  /** It is connected and the server has answered. */
  void (*ready)(struct conn *conn);
  /** Bytes have come. Returns how many were used (the rest is given again with more), or negative: not the protocol. */
  int64_t (*input)(struct conn *conn, const char *data, size_t len);
  /** It can send (again), a phase has begun, or its time has come. Returns when it wants to be called next, in
   * nanoseconds of now_ns, or one of OUTPUT_. */
  uint64_t (*output)(struct conn *conn);
  /** A phase has begun. */
  void (*phase)(struct conn *conn, enum phase phase);
  /** The server has closed. Returns false when it should not have. */
  bool (*eof)(struct conn *conn);
  /** The server does not want it. Returns false when it should have. */
  bool (*refused)(struct conn *conn);
};

/** A connection. Belongs to one thread. */
struct conn {
  const struct role *role;
  void *owner; /* the role's */
  struct thread *thread;
  struct conn *next;   /* in the thread's list of those to dial */
  unsigned number;     /* unique in the engine */
  unsigned index;      /* among those of its role */
  int fd;              /* -1: none */
  uint64_t dialled_ns; /* when connecting began */
  uint64_t due_ns;     /* when output wants to be called */
  enum { CONN_IDLE, CONN_DIALLING, CONN_GREETING, CONN_READY } state;
  bool appointed; /* due_ns is when it is to be dialled */
  bool said_hello, deaf, streaming, wants_output;
  struct secure *secure; /* TLS; NULL: none (yet) */
  unsigned misplaced;    /* how often it was on a wrong worker */
  int broken;            /* errno of a send that failed */
  uint32_t interest;     /* what epoll watches */
  char *rest;            /* input not used yet */
  size_t rest_len, rest_size;
  char *control; /* text waiting to be sent */
  size_t control_len, control_size;
};

/** A thread. */
struct thread {
  struct engine *engine;
  pthread_t thread;
  bool started;
  int epoll, wake;
  enum phase phase;
  struct conn **conns;
  unsigned count, size;
  struct conn *dial_first, *dial_last; /* to be dialled */
  unsigned dialling;
  bool retry; /* dialling has to wait a little */
  int *aside; /* sockets of connections that were on a wrong worker */
  unsigned aside_count, aside_size;
  char *scratch;
  uint64_t now_ns;  /* when the input at hand came, or the turn began */
  uint64_t next_ns; /* when the earliest output is due */
  uint64_t checked_ns;
  struct tern_counter sent, received; /* messages */
  struct tern_counter prepared;       /* subscriptions asked for in PHASE_PREPARE */
  struct tern_counter done[PHASES];   /* connections that have done what a phase asks of them */
  uint64_t begin_cpu_ns, cpu_ns;      /* when measuring began; spent since then */
  uint64_t last_ns;                   /* when the last message came or was acknowledged */
  struct histogram *latency;          /* NULL: not measured */
};

/** The engine. */
struct engine {
  const struct target *target;
  struct thread *threads;
  unsigned count;
  char *hello[PURPOSES]; /* what connections say first */
  unsigned conns;        /* of all threads */
  uint64_t start_ns;     /* when measuring began; set before PHASE_RUN */
  enum placement placement;
  _Atomic int receivers_worker; /* with a placement: where who receives is; negative: not known yet */
  _Atomic int phase;            /* enum phase */
  _Atomic bool failed;
  pthread_mutex_t lock; /* of error */
  char error[320];
  bool error_from_server;
  bool lacking;                                          /* the error is that the server has no such thing */
  enum { LOST_NOBODY, LOST_SENDER, LOST_RECEIVER } lost; /* the error is that this one's connection broke */
  char server[NAME_MAX_BYTES],
      version[NAME_MAX_BYTES]; /* as it calls itself; connection 0 writes, before it is ready */
};

/** Prepares threads. latency: each gets a histogram. Returns 0 or -errno. Free it either way. */
int engine_init(struct engine *engine, const struct target *target, unsigned threads, bool latency);
/** Asks for a placement; before engine_start. */
void engine_place(struct engine *engine, enum placement placement);
/** Adds a connection to a thread; before engine_start. Returns NULL: out of memory. */
struct conn *engine_add(struct engine *engine, unsigned thread, const struct role *role, void *owner,
                        unsigned index);
/** Starts the threads. Returns 0 or -errno. */
int engine_start(struct engine *engine);
/** Moves on. Thread: main. */
void engine_enter(struct engine *engine, enum phase phase);
/** Where the run is. Thread: any. */
enum phase engine_phase(const struct engine *engine);
/** True when a connection has failed; error then says why, once the threads have ended. */
bool engine_failed(const struct engine *engine);
/** Sums over all threads. Thread: any. */
uint64_t engine_sent(const struct engine *engine);
uint64_t engine_received(const struct engine *engine);
uint64_t engine_prepared(const struct engine *engine);
uint64_t engine_done(const struct engine *engine, enum phase phase);
/** Enters PHASE_END and joins the threads. */
void engine_join(struct engine *engine);
/** Closes everything and frees it. */
void engine_free(struct engine *engine);
/** Allows as many open files as the system lets us; false, with an error, when that is fewer than needed. */
bool engine_allow_files(unsigned connections, char *error, size_t size);

/** The rest is for roles, on the connection's thread. */

/** Puts a connection on the list of those to be opened. */
void conn_dial(struct conn *conn);
/** The same, when it is time. */
void conn_dial_at(struct conn *conn, uint64_t due_ns);
/** Opens those on the list, not too many at a time. */
void conn_dial_some(struct thread *thread);
/** Closes it; it may be dialled again. */
void conn_close(struct conn *conn);
/** What epoll has seen. */
void conn_event(struct conn *conn, uint32_t events);
/** Fails a connection that has been connecting for too long. */
void conn_check(struct conn *conn, uint64_t now_ns);
/** Lets it send when it can. */
void conn_turn(struct conn *conn);
/** Sends now what the socket takes. Returns bytes, 0 when there is no room; output is then called when there is. */
size_t conn_send(struct conn *conn, const char *data, size_t len);
/** Sends as soon as nothing else is being sent: short texts. */
void conn_say(struct conn *conn, const char *text, size_t len);
/** Answers PING, and takes what the server says is wrong. Returns the kind of the operation; used is as of next. */
int64_t conn_take(struct conn *conn, const char *data, size_t len, struct event *event);
/** This connection has done what a phase asks of it. */
void conn_done(struct conn *conn, enum phase phase);
/** Ends the run: why. */
void conn_fail(struct conn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** The same, in the server's words, which count for more than what follows from them. */
void conn_refused(struct conn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Frees what it holds. */
void conn_free(struct conn *conn);

#endif
