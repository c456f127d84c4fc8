/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The registry: which sinks want a message published to a subject.
 *
 * Two levels. Shared: for each filter somebody wants, the set of interested workers, the queue groups with
 * their members per worker, and the in-process handlers; lock-free to change, wait-free to read, under RCU.
 * Private: each worker's index of its own sinks, plain C. Only a worker's first and last sink on a filter (or
 * a change in a queue group's size) writes shared memory.
 *
 *     SUB a.*  on worker 2          shared (RCU)                      private to worker 2
 *     ------------------->   "a.*" -> workers {2}            "a.*" -> members [sink]
 *     PUB a.x  on worker 1   walk: "a.x" literal, then a -> * : workers {2}
 *                            one record to worker 2   ---->  walk (cached): members [sink] -> deliver
 *
 * Guarantees (tests cite them):
 *   R1  when tern_index_add has returned, every match that starts later, on any worker, sees the sink
 *       ("later": ordered after it by a record, a socket or a lock).
 *   R2  when tern_index_remove has returned, no later match on this worker yields the sink.
 *   R3  matching is wait-free; adding and removing are lock-free.
 *   R4  a pointer out of a match stays valid until tern_index_done; nothing is freed by another thread.
 *   R5  memory of removed entries is reclaimed after a grace period by the worker that removed them. What waits
 *       is visible in tern_worker_stats, and bounded where those who add and remove for others heed
 *       tern_worker_limbo_is_full.
 *   R6  churn on one filter invalidates cached results of subjects it could match (and 1/4096 or less of
 *       the others), never all, unless the filter starts with a wildcard.
 *   R7  every match, on any worker, whose epoch is not before a sink's `since` finds that sink's worker, for as long
 *       as the sink is registered. Epochs of matches made one after another never go back.
 */
#ifndef TERN_REGISTRY_H
#define TERN_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/buffer.h>
#include <tern/export.h>
#include <tern/message.h>
#include <tern/subject.h>

struct tern_index;
struct tern_members;
struct tern_reclaimer;
struct tern_registry;
struct tern_sink;

/** What a sink can do. */
struct tern_sink_ops {
  /**
   * Takes a message. May add and remove sinks, this one included.
   * @return true when it was taken; false when it cannot be (closing, publisher's own with echo off,
   * denied): a queue group then offers it to another member
   */
  bool (*deliver)(struct tern_sink *sink, struct tern_message *message);
  /**
   * Asks, before anything of a run (message.h) is delivered, whether the sink takes it in one deliver. NULL: never.
   * @param run the run's number, from 1 on; each run of a worker has its own
   * @param whole it must not refuse a message of it either, so that no other member of its queue group is to be asked
   * @return false when it does not, or when another sink of the same receiver has been asked for this run: the receiver
   * shall have all its copies of one message before the first copy of the next
   */
  bool (*takes_run)(struct tern_sink *sink, uint64_t run, bool whole);
};

/** One subscription; embed it in what receives. Zero-initialise everything but ops. */
struct tern_sink {
  const struct tern_sink_ops *ops; /**< its behaviour */
  struct tern_members *members;    /**< private: where it is registered; NULL: nowhere */
  uint32_t position;               /**< private: its place there */
  uint32_t own;                    /**< for whoever embeds it; the registry leaves it alone */
  /**
   * Epoch it was added in; set by tern_index_add. A message of another worker whose match has an earlier epoch must not
   * be delivered to this sink, although it is found here: the next messages of the same publisher may not have been sent
   * to this worker at all, and the sink would get one, miss some and get the rest (R7).
   */
  uint64_t since;
};

/**
 * The sinks of one worker that share a filter (and, for a queue group, the group). Walk from the end and read
 * `at` anew at each step: sinks that are added come behind the walk. While a match is in use, the place of a
 * removed sink is taken by one whose deliver returns false, so that nobody is met twice or left out.
 */
struct tern_members {
  uint32_t count;        /**< sinks */
  uint32_t capacity;     /**< private */
  struct tern_sink **at; /**< the sinks, unordered */
};

/** A handler: one function for the whole process, called on the worker that received the message. */
struct tern_handler {
  /** Takes a message; thread: any worker, several at once. */
  void (*handle)(struct tern_handler *handler, const struct tern_message *message);
};

/** A queue group that matched; groups of the same name under different filters are merged. */
struct tern_match_group {
  struct tern_slice name; /**< group name */
  uint64_t hash;          /**< of the name */
  uint64_t weight;        /**< members on all workers */
  uint32_t worker_count;  /**< entries in workers */
  uint32_t local_count;   /**< entries in local */
  /** One worker's share of a group. */
  const struct tern_match_weight {
    uint32_t worker;           /**< worker index */
    uint32_t weight;           /**< members there, at least 1 */
  } * workers;                 /**< who has members, the own worker included */
  struct tern_members **local; /**< the own worker's members, one set per matching filter */
};

/** Who wants a message. Valid until tern_index_done. */
struct tern_match {
  uint64_t remote;                       /**< bit i: worker i has plain sinks; own bit always clear */
  uint64_t epoch;                        /**< what goes with it to other workers: see tern_sink.since */
  uint32_t local_count;                  /**< entries in local */
  uint32_t group_count;                  /**< entries in groups */
  uint32_t handler_count;                /**< entries in handlers */
  struct tern_members **local;           /**< own plain sinks, one set per matching filter */
  const struct tern_match_group *groups; /**< queue groups */
  struct tern_handler **handlers;        /**< in-process handlers */
};

/** Figures of the shared level. */
struct tern_registry_stats {
  uint64_t filters; /**< distinct filters with interest (approximate while changing) */
  uint64_t nodes;   /**< shared entries, inner trie nodes included */
  uint64_t bytes;   /**< memory of the shared entries */
};

/** Figures of one worker's index. */
struct tern_index_stats {
  uint64_t sinks;      /**< registered now */
  uint64_t filters;    /**< distinct filters of this worker */
  uint64_t matches;    /**< tern_index_match calls */
  uint64_t cache_hits; /**< of these, answered from the cache */
  uint64_t visited;    /**< work of the others: see tern_index_visited */
  uint64_t adds;       /**< sinks registered so far */
  uint64_t cached;     /**< results in the cache that are not out of date */
  uint64_t fanout;     /**< of these, all receivers: own sinks, groups, handlers, other workers */
  uint64_t fanout_max; /**< and the most that one has */
};

/**
 * Makes an empty registry.
 * @param reclaimer the creating thread's reclaimer (tern_workers_reclaimer)
 * @return the registry, or NULL without memory
 *
 * Thread: control. Ownership: caller.
 */
TERN_API struct tern_registry *tern_registry_new(struct tern_reclaimer *reclaimer);
/** Frees a registry that has no index and no handler any more. Thread: control, after the workers stopped. */
TERN_API void tern_registry_free(struct tern_registry *registry);
/** Reads the figures. Thread: any. */
TERN_API struct tern_registry_stats tern_registry_stats(const struct tern_registry *registry);

/**
 * Makes one worker's private index.
 * @param registry the shared level
 * @param reclaimer the worker's (tern_worker_reclaimer)
 * @param worker the worker's index, below TERN_WORKERS_MAX; one index per worker and registry
 * @return the index, or NULL without memory
 *
 * Thread: the worker's, as for all tern_index_* functions. Ownership: caller.
 */
TERN_API struct tern_index *tern_index_new(struct tern_registry *registry, struct tern_reclaimer *reclaimer,
                                           unsigned worker);
/** Frees an index without sinks. */
TERN_API void tern_index_free(struct tern_index *index);
/**
 * Registers a sink.
 * @param index the worker's index
 * @param sink not registered now
 * @param filter what it wants; copied
 * @param group queue group name, or an empty slice for a plain sink; copied
 * @return 0, TERN_ESUBJECT for an invalid filter, or -ENOMEM
 *
 * RCU: online. Blocks: no.
 */
TERN_API int tern_index_add(struct tern_index *index, struct tern_sink *sink, struct tern_slice filter,
                            struct tern_slice group);
/** Removes a sink; nothing happens when it is not registered. Never fails. RCU: online. Blocks: no. */
TERN_API void tern_index_remove(struct tern_index *index, struct tern_sink *sink);
/** The filter a sink is registered for. Valid until it is removed; empty when not registered. */
TERN_API struct tern_slice tern_sink_filter(const struct tern_sink *sink);
/** The queue group it is a member of; empty for a plain sink. Valid as long. */
TERN_API struct tern_slice tern_sink_group(const struct tern_sink *sink);
/**
 * Finds who wants a message.
 * @param index the worker's index
 * @param subject where it is published
 * @param hash tern_subject_hash(subject)
 * @return the match, empty for invalid subjects; NULL only without memory. Pair with tern_index_done;
 * pairs may nest.
 *
 * RCU: online until done. Blocks: no. Cost: a cache look-up; on a miss, one hash look-up and a walk.
 */
TERN_API const struct tern_match *tern_index_match(struct tern_index *index, struct tern_slice subject,
                                                   uint64_t hash);
/**
 * How many messages that follow one another have, as far as can be told with little work, the same receivers?
 * @param index the worker's index
 * @param match the match of the first one, in use; one with handlers is like no other
 * @param list the messages, with hash; all of them had come before the call
 * @param count how many there are, at least 1
 * @return for so many, the first included, tern_index_match would give a match with the same sinks, groups, workers and
 * epoch; 1 is no answer
 */
TERN_API uint32_t tern_index_alike(struct tern_index *index, const struct tern_match *match,
                                   const struct tern_message *list, uint32_t count);
/** Look-ups that tern_index_bring takes at once. */
#define TERN_INDEX_AHEAD_MAX 32
/**
 * Brings what look-ups will read into the processor's cache, for all of them at once: among very many filters that is
 * what they wait for. Nothing depends on it.
 * @param index the worker's index
 * @param hashes tern_subject_hash of subjects that will be matched, or of filters that will be added
 * @param count how many; what is above TERN_INDEX_AHEAD_MAX is left out
 *
 * RCU: online. Blocks: no.
 */
TERN_API void tern_index_bring(struct tern_index *index, const uint64_t *hashes, uint32_t count);
/**
 * The same for messages that follow one another, where the cache does not have the first one's match.
 * @param index the worker's index
 * @param list the messages, with hash
 * @param count how many there are, at least 1
 * @return so many, the first included, need not be asked for again; at least 1
 */
TERN_API uint32_t tern_index_bring_list(struct tern_index *index, const struct tern_message *list,
                                        uint32_t count);
/** Shared entries and rows of queue groups looked at so far by matches that the cache could not answer
 * (tern_index_stats.visited): what a match has cost is the difference. */
TERN_API uint64_t tern_index_visited(const struct tern_index *index);
/** Ends the use of a match. */
TERN_API void tern_index_done(struct tern_index *index, const struct tern_match *match);
/** The first plain (not queue-group) sink of this worker that matches and that accept says yes to, or NULL.
 */
TERN_API struct tern_sink *tern_index_find(struct tern_index *index, struct tern_slice subject,
                                           bool (*accept)(struct tern_sink *sink, void *arg), void *arg);
/** Reads the figures. Cost: a look at each result in the cache, up to about half a millisecond. */
TERN_API struct tern_index_stats tern_index_stats(const struct tern_index *index);

/**
 * Registers an in-process handler.
 * @return 0, TERN_ESUBJECT or -ENOMEM
 *
 * Thread: control or any worker, with its reclaimer. RCU: online.
 */
TERN_API int tern_registry_attach(struct tern_registry *registry, struct tern_reclaimer *reclaimer,
                                  struct tern_handler *handler, struct tern_slice filter);
/** Removes a handler. After a grace period (tern_workers_synchronize) it is called no more and may be freed
 * or its module unloaded. Thread: as attach. */
TERN_API void tern_registry_detach(struct tern_registry *registry, struct tern_reclaimer *reclaimer,
                                   struct tern_handler *handler, struct tern_slice filter);
/** Swaps one handler for another in one step: every message meets exactly one of them. As detach for the old
 * one. @return 0; -ENOENT when the old one is not attached there, or -ENOMEM (then nothing changed) */
TERN_API int tern_registry_swap(struct tern_registry *registry, struct tern_reclaimer *reclaimer,
                                struct tern_handler *old_handler, struct tern_handler *new_handler,
                                struct tern_slice filter);

#endif
