/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The data path: one message from whoever publishes it to everyone who wants it.
 *
 * Accounts are subject spaces with a registry each. Each worker has one route for each account: its index of that
 * registry and its way to the other workers. Protocols call
 * route_publish and give sinks (registry.h); they never meet one another anywhere else.
 * All functions: Thread: the worker's. Blocks: never.
 */
#ifndef BROKER_ROUTE_H
#define BROKER_ROUTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <tern/limits.h>
#include <tern/message.h>
#include <tern/registry.h>
#include <tern/stats.h>
#include <tern/worker.h>

/** Record kinds of the router (worker.h); each account has as many, from TERN_RECORD_USER on. */
enum {
  ROUTE_RECORD_MESSAGE, /* a message for one worker's sinks */
  ROUTE_RECORD_EPOCH,   /* the epoch of the messages that follow (tern_match.epoch) */
  ROUTE_RECORD_LIST,    /* a list of messages for its plain sinks */
  ROUTE_RECORD_UNTAKEN, /* back to the source: nobody was left to take it */
  ROUTE_RECORD_REPORT,  /* how long a service took: not for the route (crossing.h) */
  ROUTE_RECORD_KINDS
};

/** Tells the protocol of a connection that a message it published with ROUTE_TELL_UNTAKEN found nobody after
 * all. The slices are valid during the call. */
typedef void route_untaken_fn(void *arg, uint64_t source, struct tern_slice subject, struct tern_slice reply);

/** Figures of the routes of one worker. */
struct route_stats {
  struct tern_counter rerouted;  /* queue-group messages passed on because the chosen worker had nobody */
  struct tern_counter untaken;   /* queue-group messages that found nobody in the end */
  struct tern_counter no_memory; /* messages dropped because memory was refused */
  struct tern_counter
      unanswered; /* requests to other accounts refused: too many wait for answers (replies.h) */
};

/** What became of a message. */
struct route_result {
  uint32_t receivers; /* sinks, handlers and other workers that took it; 0: nobody wants it */
  uint32_t cost;      /* what it took, in sinks looked at: to be charged to the source's turn */
  uint64_t workers;   /* workers it was sent to (bit i); if one is congested, pause the source */
  bool single; /* groups or handlers had it: no run goes as one, and the next message may cost far more */
};

struct crossings_worker;
struct mappings;

struct route {
  struct tern_worker *worker;
  uint32_t kinds; /* the account's first record kind */
  struct tern_index *index;
  route_untaken_fn *untaken;
  void *untaken_arg;
  uint64_t random; /* state of the pick's generator */
  uint64_t runs;   /* the number of the last run delivered here */
  uint32_t *picks; /* scratch: chosen worker per group */
  uint32_t picks_capacity;
  uint32_t depth;             /* publishes inside publishes (handlers) */
  struct route_result inside; /* what the handlers being called have caused */
  unsigned inside_flags;      /* of the message they are called with */
  uint32_t refused;           /* of them that had nobody to pass it on to */
  struct route_stats *stats;
  _Atomic uint64_t *clients; /* of the account, on all workers; relaxed: counted when they come and go */
  const char *name;          /* of the account; NULL: it was added without one */
  const struct mappings *mappings;    /* of what is published here by clients; NULL: none (mappings.h) */
  struct crossings_worker *crossings; /* the worker's way to other accounts (crossing.h) */
  uint64_t told[TERN_WORKERS_MAX];    /* the epoch last sent to each worker */
  uint64_t heard[TERN_WORKERS_MAX];   /* the epoch last received from each */
};

/** Messages of a run that cost as much as one for itself, about; and of a list. */
#define ROUTE_RUN_SHARE  5
#define ROUTE_LIST_SHARE 2

/** Messages of a list, at most. More would save little. */
#define ROUTE_LIST_MAX 32

/** Flags of route_publish. */
enum { ROUTE_TELL_UNTAKEN = 1 /* the source wants to know when nobody took it (no responders) */ };

/** Handlers may publish from inside a message; deeper than this is refused. */
#define ROUTE_DEPTH_MAX 8
/** Most of a record (tern_worker_record_max) that subject and reply may take, for handlers as for control lines: the name
 * of a queue group and a copied body must fit as well. */
#define ROUTE_WORDS_SHARE 4

/** Prepares the route of an account, whose registry is given. Returns 0 or -ENOMEM. */
int route_init(struct route *route, struct tern_worker *worker, struct tern_registry *registry,
               uint32_t account, struct route_stats *stats);
/** Says who is told when nobody took a message. Must come before the first message. */
void route_on_untaken(struct route *route, route_untaken_fn *untaken, void *arg);
/** Frees what route_init made; all sinks must be gone. */
void route_fini(struct route *route);
/** Delivers a message, or a run, to everyone who wants it. message->hash must be set; a run has no reply and no owner
 * that matters: its bodies are copied. */
struct route_result route_publish(struct route *route, struct tern_message *message, unsigned flags);
/**
 * Delivers messages that follow one another, without reply, headers and owner: as lists (message.h), where neighbours have
 * the same receivers.
 * @param list count messages, at most ROUTE_LIST_MAX, with hash and source, which stand in one piece of memory in order
 * @param budget no more are begun when the cost is higher
 * @param[in,out] result what has become of them is added
 * @return how many were taken care of, at least one
 */
uint32_t route_publish_list(struct route *route, struct tern_message *list, uint32_t count, uint32_t budget,
                            struct route_result *result);
/** A message from inside the broker. */
struct route_inside {
  struct tern_slice subject, payload;
};
/** Publishes from inside the broker (handlers). Returns 0, TERN_ELIMIT when nested too deep, or -ENOMEM. */
int route_publish_inside(struct route *route, struct tern_slice subject, struct tern_slice reply,
                         struct tern_slice payload);
/** Does anybody, on any worker, want what is published there? */
bool route_is_wanted(struct route *route, struct tern_slice subject);
/** A random number below bound. */
uint64_t route_draw(struct route *route, uint64_t bound);
/** The account whose record this is. */
static inline uint32_t route_account_of(unsigned kind) {
  return (kind - TERN_RECORD_USER) / ROUTE_RECORD_KINDS;
}
/** Handles a record of this account that came from another worker. */
void route_receive(struct route *route, unsigned from, unsigned kind, const void *data, size_t len);
/** The route of the account `$G` on the worker whose thread this is; NULL elsewhere. */
struct route *route_current(void);

#endif
