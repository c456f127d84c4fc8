/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The shared level of the registry: filters and who wants them. Everything here is reached by all workers at
 * once, under RCU: a function that takes or returns an entry needs the calling thread to be online.
 *
 * registry.c owns the parts, entry.c makes and removes entries, interest.c holds queue groups and handlers.
 */
#ifndef TERN_REGISTRY_SHARED_H
#define TERN_REGISTRY_SHARED_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <tern/limits.h>
#include <tern/registry.h>
#include <urcu/rculfhash.h>

#include "container.h"
#include "reclaim.h"
#include "seed.h"

/** A place where another thread's step hurts most if something is wrong. Seeded-bug builds let others run here
 * now and then, because on few cores threads would hardly ever meet in such a place. */
#ifdef TERN_SEEDED_BUGS
void tern__race_point(void);
#else
static inline void tern__race_point(void) {}
#endif

/** Set in tern__entry.refs when the entry must not be used any more. */
#define TERN__ENTRY_DEAD 0x80000000u
/** Filters longer than this are refused: no protocol line can carry them. */
#define TERN__FILTER_MAX_BYTES (1024 * 1024)

/** Queue-group members of one worker. Only that worker changes the weight. */
struct tern__row {
  uint64_t hash; /* of the group's name */
  char *name;    /* not in the array, so that a copy is small */
  uint32_t name_len;
  uint32_t worker;
  _Atomic uint32_t weight; /* members (0: unused), TERN__READY_ROW, TERN__FROZEN_ROW: see interest.c */
};
/** Cell bits that say: this array is being replaced, change its successor. */
#define TERN__FROZEN_ROW     0x80000000u
#define TERN__FROZEN_HANDLER ((uintptr_t)1)
/** Says that the rest of the row may be read. Stays. */
#define TERN__READY_ROW 0x40000000u
/** The members. */
#define TERN__WEIGHT (~(TERN__FROZEN_ROW | TERN__READY_ROW))

/** Queue groups and handlers of one filter: cells change in place, spare rows are filled, and the array is
 * replaced to grow. */
struct tern__interest {
  struct tern_retired retired;
  uint32_t bytes;        /* of the allocation */
  uint32_t capacity;     /* rows, used or not */
  _Atomic uint32_t used; /* rows from the start that are somebody's; TERN__FROZEN_ROW */
  uint32_t handler_count;
  struct tern__row *rows;
  _Atomic uintptr_t *handlers; /* struct tern_handler *; 0: unused */
};

/**
 * A literal filter (parent-less, its text is the whole filter), or one node of the wildcard trie (then it is
 * inside a struct tern__branch and its text is one token). The text follows the structure.
 */
struct tern__entry {
  struct cds_lfht_node node; /* reached by hash; first, because it must be aligned to 8 */
  union {
    struct tern_retired retired; /* once it is dead */
    struct {
      void *unused;
      /* One worker's node for it (private.h): tern__home_mark of the worker, and the address. A worker that finds another
       * one's mark, or in a dead entry the address of a function, which has no mark, has not found its own. */
      _Atomic uint64_t home;
    };
  };
  _Atomic uint64_t workers; /* bit i: worker i has plain sinks; only worker i changes it */
  _Atomic(struct tern__interest *) interest;
  _Atomic uint32_t refs; /* who needs it: workers, handlers, child branches; TERN__ENTRY_DEAD */
  uint32_t in_trie : 1;
  uint32_t len : 31; /* of the text */
};

/** A node of the wildcard trie. */
struct tern__branch {
  struct tern__entry entry;
  struct tern__branch *parent; /* holds a reference on it, unless it is the root */
  /* Children of each kind; zero saves the matcher a look-up. Raised before a child can be found, lowered
   * after it no longer can. */
  _Atomic uint32_t literals, stars, tails;
  _Atomic uint32_t holders; /* references that are interest and not children; for the figures only */
};

/** Generations: each cell counts the changes to the filters that fall on it. Never written per message. */
struct tern__generations {
  alignas(64) _Atomic uint64_t epoch; /* all changes */
  alignas(64) _Atomic uint64_t root;  /* filters that start with a wildcard */
  alignas(
      64) _Atomic uint64_t first[4096]; /* wildcard filters with one literal token in front, by its hash */
  _Atomic uint64_t second[8192];        /* with two or more, by the hash of the first two */
  _Atomic uint64_t literal[8192];       /* literal filters, by the filter's hash */
};

/** Figures, one line per worker so that counting is not shared; the last is for handlers. */
struct tern__counters {
  alignas(64) _Atomic int64_t nodes;
  _Atomic int64_t filters;
  _Atomic int64_t bytes;
};

struct tern_registry {
  void *memory;           /* it stands in, to be freed */
  struct cds_lfht *table; /* every tern__entry but the root */
  struct tern__branch root;
  uint64_t root_hash, star_hash, tail_hash; /* constant */
  struct tern_job grow_job;
  _Atomic bool growing;     /* the job is queued or runs */
  _Atomic uint64_t buckets; /* of the table */
  struct tern__generations generations;
  struct tern__counters counters[TERN_WORKERS_MAX + 1];
};

/** Who changes the shared level: one thread. */
struct tern__writer {
  struct tern_registry *registry;
  struct tern_reclaimer *reclaimer;
  struct tern__counters *counters;
  int64_t provided; /* bytes of entries (tern__counters) up to which memory was cared for */
};

/** A filter, looked at once. */
struct tern__filter {
  struct tern_slice text;
  uint64_t hash; /* of the whole text */
  bool wildcard;
  _Atomic uint64_t *generation;
};

/** Memory of the shared level; asks tern__pool_fault first, like a pool. */
void *tern__shared_alloc(size_t size);

/* registry.c */
/** Looks at a filter. Returns 0 or TERN_ESUBJECT. */
int tern__filter_parse(struct tern_registry *registry, struct tern_slice text, struct tern__filter *filter);
/** Tells the caches about a change that has been made, and begins an epoch. */
void tern__bump(struct tern_registry *registry, const struct tern__filter *filter);
/** The epoch: how many changes every match that is made from now on will see. */
static inline uint64_t tern__epoch(const struct tern_registry *registry) {
  /* acquire: pairs with the release of the epoch in tern__bump (R7) */
  return atomic_load_explicit(&registry->generations.epoch, memory_order_acquire);
}
/** Hash of the entry for a token below a branch. */
uint64_t tern__child_hash(uint64_t parent_hash, uint64_t token_hash);
/** Counts an entry made (sign 1) or removed (sign -1); may start growing the table. */
void tern__count_entry(struct tern__writer *writer, const struct tern__entry *entry, int sign);

/* entry.c */
/** The entry's text. */
static inline const char *tern__entry_text(const struct tern__entry *entry) {
  size_t head = entry->in_trie ? sizeof(struct tern__branch) : sizeof(struct tern__entry);
  return (const char *)entry + head;
}
/** Bytes of an entry with its text, interest not included. */
static inline size_t tern__entry_bytes(const struct tern__entry *entry) {
  return (entry->in_trie ? sizeof(struct tern__branch) : sizeof(struct tern__entry)) + entry->len;
}
/** The branch an entry of the trie is in. */
static inline struct tern__branch *tern__branch_of(struct tern__entry *entry) {
  return tern_container(entry, struct tern__branch, entry);
}
/** The entry of a literal filter, or NULL. No reference is taken. Wait-free. */
struct tern__entry *tern__find_literal(struct tern_registry *registry, uint64_t hash, struct tern_slice text);
/** The branch below another for a token, or NULL. No reference is taken. Wait-free. */
struct tern__branch *tern__find_child(struct tern_registry *registry, uint64_t hash,
                                      const struct tern__branch *parent, struct tern_slice token);
/** The entry of a filter, or NULL. No reference is taken. Wait-free. */
struct tern__entry *tern__entry_find(struct tern_registry *registry, const struct tern__filter *filter);
/** The entry of a filter, made when missing, with a reference for the caller. found: what tern__entry_find has just said.
 * NULL without memory. Lock-free. */
struct tern__entry *tern__entry_get(struct tern__writer *writer, const struct tern__filter *filter,
                                    struct tern__entry *found);
/** Drops a reference taken by tern__entry_get; the last one removes the entry. Lock-free. */
void tern__entry_put(struct tern__writer *writer, struct tern__entry *entry);

/* interest.c */
/** Rows to look at. */
static inline uint32_t tern__rows_used(const struct tern__interest *interest) {
  /* relaxed: a row says itself whether it is complete; who must see one comes after its maker and sees its count */
  return atomic_load_explicit(&interest->used, memory_order_relaxed) & ~TERN__FROZEN_ROW;
}
/** Memory of the array and its names. Exact when nobody changes it. */
size_t tern__interest_bytes(struct tern__interest *interest);
/** Of that memory, what tern__interest_free gives back (NULL: 0). Thread: who replaced or removed the array. */
size_t tern__interest_garbage(const struct tern__interest *interest);
/** Frees an array nobody can reach any more (NULL: none) with the names of its unused rows: the others' are its
 * successor's. */
void tern__interest_free(struct tern__interest *interest);
/** Adds a member to a queue group. Returns 0 or -ENOMEM. */
int tern__weight_raise(struct tern__writer *writer, struct tern__entry *entry, struct tern_slice group,
                       uint64_t group_hash, unsigned worker);
/** Takes one away that was added. Cannot fail. */
void tern__weight_lower(struct tern__writer *writer, struct tern__entry *entry, struct tern_slice group,
                        uint64_t group_hash, unsigned worker);
/** Puts `to` where `from` is: NULL for a free place. Returns 0, -ENOENT when `from` is not there, -ENOMEM
 * (never for to == NULL). */
int tern__handler_change(struct tern__writer *writer, struct tern__entry *entry, struct tern_handler *from,
                         struct tern_handler *to);

#endif
