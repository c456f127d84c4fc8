/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What lib/net may use of the loop beyond <tern/loop.h>: descriptors with readiness, the ready list, the
 * dirty (flush) list and the shared read buffer. See loop.h for the order of a tick.
 *
 * A descriptor is registered once, edge-triggered for everything (EPOLLIN|EPOLLOUT|EPOLLRDHUP|EPOLLET), and
 * never modified. The loop turns edges into bits in `watch->events` and puts the watch on the ready list; the
 * owner clears what it has used up. A watch that still has something to do puts itself back
 * (tern__loop_ready) and is run again in the next tick, without sleeping in between.
 * All functions: Thread: owner of the loop. Zero-initialise what is embedded.
 */
#ifndef TERN_LOOP_WATCH_H
#define TERN_LOOP_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/loop.h>

/** Bits of tern_watch.events. */
enum {
  TERN_WATCH_READ = 1,  /* reading may give something */
  TERN_WATCH_WRITE = 2, /* writing may take something */
  TERN_WATCH_END = 4,   /* the peer has finished or the socket failed: read until 0 or an error */
};

struct tern_watch;
/* Step 3 of the tick. The watch has been taken off the ready list. */
typedef void tern_watch_fn(struct tern_watch *watch);

/** Something that can be ready; embed it. fd is -1 for things without a descriptor. */
struct tern_watch {
  tern_watch_fn *run;
  struct tern_watch *next;  /* on the ready list */
  struct tern_watch **prev; /* private */
  int fd;
  uint8_t events; /* TERN_WATCH_* seen and not used up */
  bool queued;    /* on the ready list */
};

/** Registers watch->fd with the kernel. Returns 0 or -errno. */
int tern__loop_watch(struct tern_loop *loop, struct tern_watch *watch);
/** Forgets a watch: off the ready list, descriptor out of epoll (not closed). Events already fetched for it
 * in this tick are not delivered. */
void tern__loop_unwatch(struct tern_loop *loop, struct tern_watch *watch);
/** Puts a watch on the ready list: run in step 3 of the next tick (or of this one, before step 3 began). */
void tern__loop_ready(struct tern_loop *loop, struct tern_watch *watch);
/** Has watches that are ready and have not run in this tick wait for the next one, before those that become ready until then.
 */
void tern__loop_postpone(struct tern_loop *loop);

/** Asked before something that takes a good part of a millisecond, as a step of a TLS handshake does: true at
 * most TERN__HEAVY_PER_TICK times in a tick, so that nobody waits long for others' steps. False: put yourself
 * on the ready list and ask again. */
#define TERN__HEAVY_PER_TICK 4
bool tern__loop_may_be_heavy(struct tern_loop *loop);

struct tern_flush;
/* Step 5 of the tick. Taken off the list before. */
typedef void tern_flush_fn(struct tern_flush *flush);
/** Something with output to write; embed it. */
struct tern_flush {
  tern_flush_fn *run;
  struct tern_flush *next;
  struct tern_flush **prev; /* private */
  bool queued;
};
/** Has it flushed at step 5 of this tick. May be called during step 5 (runs in the same step, later). */
void tern__loop_dirty(struct tern_loop *loop, struct tern_flush *flush);
/** Takes it off the flush list. */
void tern__loop_undirty(struct tern_loop *loop, struct tern_flush *flush);
/** Must be called before any socket write outside step 5: makes records for other workers visible first
 * (guarantee O2). */
void tern__loop_publish(struct tern_loop *loop);

/** The read buffer all transports of the loop share, free to overwrite: when somebody kept a reference to the last one it
 * is a new one. TERN_READ_BYTES large, or TERN_READ_LARGE_BYTES after reads that filled it. NULL without memory. */
struct tern_buf *tern__loop_read_buf(struct tern_loop *loop);
/** Tells that a read has filled the buffer. */
void tern__loop_read_filled(struct tern_loop *loop);

/** Live transports (tern_loop_transports counts them), so that a stopping worker can close or abort what is
 * left. */
struct tern_loop_member {
  struct tern_loop_member *next, **prev;                        /* private */
  struct tern_loop *loop;                                       /* private */
  void (*shutdown)(struct tern_loop_member *member, int error); /* 0: close, else abort with it */
};
void tern__loop_join(struct tern_loop *loop, struct tern_loop_member *member);
void tern__loop_leave(struct tern_loop_member *member);
/** Calls shutdown of every member. */
void tern__loop_shutdown_members(struct tern_loop *loop, int error);

/** Hooks by which a worker adds its steps to the tick of its loop. Any may be NULL. */
struct tern_loop_hooks {
  void *arg;
  bool (*inbox)(void *arg);     /* step 1. True when more is left (do not sleep) */
  void (*publish)(void *arg);   /* step 4, and before early flushes */
  bool (*may_sleep)(void *arg); /* about to block: announce it; false: something has come, do not */
  bool (*woke)(void *arg); /* may_sleep returned true and the poll is over. True: inbox is called again */
  void (*quiescent)(void *arg); /* step 7 */
  /* the poll is over, and so is the tick before it, which ended when the loop fell asleep, if it did */
  void (*ticked)(void *arg, uint64_t began_ns, uint64_t now_ns, bool slept);
  int (*sleep_max_ms)(void *arg); /* bound for the sleep, -1: none */
};
void tern__loop_set_hooks(struct tern_loop *loop, const struct tern_loop_hooks *hooks);

/** Aborts when the calling thread (or, in a simulation, the worker being stepped) is not the one the loop
 * belongs to. Costs nothing in builds without assertions. */
#ifdef NDEBUG
static inline void tern__loop_assert_owner(const struct tern_loop *loop) { (void)loop; }
#else
void tern__loop_assert_owner(const struct tern_loop *loop);
#endif

#endif
