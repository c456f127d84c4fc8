/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Inside of workers: for the files of lib/loop, and the second half for lib/net's acceptor.
 */
#ifndef TERN_LOOP_WORKER_INTERNAL_H
#define TERN_LOOP_WORKER_INTERNAL_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tern/limits.h>
#include <tern/stats.h>
#include <tern/worker.h>

#include "bell.h"
#include "grace.h"
#include "lane.h"
#include "loop_internal.h"

/** Senders that are not workers; bits of the bell like the workers' indexes. */
enum tern__slot {
  TERN__SLOT_ACCEPTOR = TERN_WORKERS_MAX, /* threads that accept connections */
  TERN__SLOT_CONTROL,                     /* the control thread */
  TERN__SLOTS
};

/* ---- for lib/net ---- */

/** What is posted to a worker: run in its inbox step. data is valid during the call, aligned to 8. */
typedef void tern__post_fn(struct tern_worker *worker, const void *data, size_t len);

/** Bytes of data a post can carry. */
#define TERN__POST_BYTES_MAX 1024

/**
 * Has a function run on a worker, in the order of posts from the same slot.
 * @param workers a started pool
 * @param slot who is sending
 * @param to the worker's index
 * @param fn,data,len what to run with a copy of which bytes; len at most TERN__POST_BYTES_MAX
 * @return 0, TERN_EFULL when the worker is behind (try again later), TERN_ECLOSED when the pool does not run,
 * or -ENOMEM
 *
 * Thread: any that is not a worker (the slot's lock keeps several acceptors apart). Blocks: no.
 */
int tern__workers_post(struct tern_workers *workers, enum tern__slot slot, unsigned to, tern__post_fn *fn,
                       const void *data, size_t len);

/** How loaded a worker is. */
struct tern__worker_load {
  uint64_t connections; /* live transports on its loop */
  uint64_t busy_ns;     /* time since the start that it did not sleep; compare two readings */
};
/** Reads the figures. Thread: any, while the pool exists. */
struct tern__worker_load tern__worker_load(const struct tern_worker *worker);

/* ---- for lib/loop ---- */

/** Kinds below TERN_RECORD_USER. */
enum {
  TERN__RECORD_RELEASE = 1, /* a proxy is done with: lend.c */
  TERN__RECORD_POST = 2,    /* run a function: tern__workers_post */
  TERN__RECORD_MARK = 3,    /* when it was sent, in ns: what came before it has been waiting since then */
};

/** How far a worker has come in stopping; see stop.c. */
enum tern__stage {
  TERN__STAGE_RUNNING,
  TERN__STAGE_QUIET,   /* own input stopped; waits until everybody's has */
  TERN__STAGE_CLOSING, /* transports flush and close */
  TERN__STAGE_LAST,    /* waits for the last user records of the others */
  TERN__STAGE_FREED,   /* `stopped` has run; waits for the last RELEASEs and grace periods */
  TERN__STAGE_DONE
};

struct tern_worker {
  /* Written by others. */
  alignas(128) tern__bell bell;
  struct tern__inlet in[TERN__SLOTS];
  _Atomic bool woken; /* simulation: what the eventfd would say */

  /* The worker's own. */
  alignas(128) unsigned index;
  struct tern_workers *pool;
  struct tern_loop *loop;
  uint64_t fell_asleep_ns;
  uint64_t left;      /* senders whose records were not all handled in the last inbox step */
  size_t drained;     /* bytes of records handled out of turn since then */
  uint64_t staged;    /* receivers of records not yet published */
  uint64_t congested; /* receivers whose lane spills */
  bool in_record;     /* a record callback is running */
  bool handled;       /* somebody has rung before the last inbox step, or records were handled since */
  bool looked;        /* the last poll did not sleep only to see whether there is more to do */
  uint8_t vain_looks; /* such looks in a row that found nothing; counted up to a few */
  uint8_t not_looked; /* times it did without since the last one */
  unsigned first;     /* the sender whose turn is first in the next inbox step */
  /* Those who wait for something, and those of them who are being told that it is so. */
  struct tern__waiters {
    struct tern_waiter *waiting; /* youngest first */
    struct tern_waiter *running; /* oldest first */
  } for_rings, for_limbo;
  struct tern__limbo limbo;
  int64_t imported; /* buffers of others that this worker holds */
  int64_t exported; /* buffers that other workers hold */
  enum tern__stage stage;
  bool begun; /* `started` has run without error */
  bool stop_requested;
  bool aborted;          /* transports had to be aborted at the deadline */
  uint32_t told;         /* marks sent to all others */
  uint64_t told_missing; /* others that have not been sent the next mark yet */
  uint64_t deadline_ms;
  uint64_t overdue_ms;    /* when what is still held counts as lost */
  uint64_t joined_closed; /* loop->joined when members were last closed */
  struct tern_timer deadline;
  struct tern__lane lanes[TERN_WORKERS_MAX];
  pthread_t thread;
  int started_error;
  bool asleep;              /* simulation: between sleep and wake */
  uint64_t passed;          /* simulation: quiescent states reported */
  uint64_t passed_at_begin; /* simulation: the same when the grace period began */

  /* Written by the worker, read by anyone. */
  alignas(128) struct tern_counter ticks;
  struct tern_counter sleeps, wakeups_sent, records_in, records_out, overflows;
  struct tern_counter retired, retired_bytes, retired_since_ms, held_back;
  struct tern_counter connections, slept_ns;
  _Atomic uint64_t sleep_began_ns; /* 0: awake */
  _Atomic uint64_t period_seen;    /* the newest grace period that had begun when the last tick ended */
};

/** Posts of one slot, whose threads may be several. */
struct tern__poster {
  pthread_mutex_t lock;
  struct tern__ring *ring[TERN_WORKERS_MAX]; /* the rings belong to the inlets */
};

struct tern_workers {
  struct tern_workers_options options;
  unsigned count;
  bool simulated;
  _Atomic bool running;
  struct tern_worker *at;
  struct tern__grace grace;
  struct tern__limbo limbo; /* the control thread's */
  struct tern__poster posters[TERN__SLOTS - TERN_WORKERS_MAX];
  struct tern__acceptor *acceptor; /* lib/net's, NULL: none; the control thread's */
  uint64_t started_ns;
  uint64_t simulated_ms;
  uint64_t period_running; /* simulation: the grace period under way, 0: none */
  bool stopped;            /* cannot be started again */
  /* Start-up: worker threads wait here for each other's success. */
  pthread_mutex_t gate_lock;
  pthread_cond_t gate_cond;
  unsigned gate_arrived;
  int gate; /* 0: wait, 1: run, -1: give up */
};

/* worker.c */
/** Makes a pool; with `simulated` one whose workers are stepped by a test (sim.h). */
int tern__workers_alloc(const struct tern_workers_options *options, bool simulated,
                        struct tern_workers **out);
/** Sets what tern_worker_self returns on this thread. */
void tern__worker_set_self(struct tern_worker *worker);
/** Runs `started`. Thread: the worker's. */
int tern__worker_begin(struct tern_worker *worker);
/** Posts the order to stop to all workers. Thread: control. */
void tern__workers_post_stop(struct tern_workers *workers, unsigned deadline_ms);

/* sim.c: what the functions of worker.h do for a simulated pool */
int tern__sim_stop(struct tern_workers *workers, unsigned deadline_ms);
int tern__sim_call(struct tern_workers *workers, unsigned index,
                   void (*fn)(struct tern_worker *worker, void *arg), void *arg);
void tern__sim_synchronize(struct tern_workers *workers);

/* inbox.c */
extern const struct tern_loop_hooks tern__worker_hooks; /* arg is to be set */
/** Tells a worker that sender has published something. True when that took a wake-up. Thread: any. */
bool tern__worker_ring(struct tern_worker *to, unsigned sender);
/** Handles all records of one sender that are visible. Returns their bytes. Thread: owner. */
size_t tern__worker_drain_sender(struct tern_worker *worker, unsigned sender);
/** Sends a record that must not get lost; see tern__lane_send_spill. Thread: owner. */
void tern__worker_send_spill(struct tern_worker *worker, unsigned to, struct tern__spill *spill);
/** Publishes all lanes. Thread: owner. */
void tern__worker_publish(struct tern_worker *worker);

/* lend.c */
void tern__lend_release(struct tern_worker *worker, const void *data, size_t len);

/* stall.c */
/** Reports a grace period that takes long. Thread: owner, at the end of a tick. */
void tern__stall_check(struct tern_worker *worker);

/* stop.c */
void tern__stop_step(struct tern_worker *worker);

#endif
