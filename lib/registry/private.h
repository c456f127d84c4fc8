/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The private level of the registry: one worker's own sinks by filter. Plain memory of one thread; index.c
 * adds and removes, set.c holds the sinks of one filter, match.c asks.
 */
#ifndef TERN_REGISTRY_PRIVATE_H
#define TERN_REGISTRY_PRIVATE_H

#include <tern/registry.h>

#include "map.h"
#include "shared.h"

/** Sinks with the same filter (and group). The first one needs no array. */
struct tern__set {
  struct tern_members members; /* at == &one while capacity is 1 */
  union {
    struct tern_sink *one;
    struct tern__set *next_holed; /* with an array and holes: next on tern_index.holed */
  };
  uint32_t holes;         /* places of sinks removed during a match, filled with tern__nobody */
  uint32_t is_group : 1;  /* in a struct tern__group, else in a struct tern__node */
  uint32_t text_len : 31; /* of the group's name or the filter */
};

/** A filter this worker has sinks on; holds one reference on the shared entry. The text of a wildcard filter
 * follows (a literal one's is in the entry). */
struct tern__node {
  uint64_t key; /* the shared entry's address; later the next on tern_index.dead_nodes */
  struct tern__set plain;
  struct tern__group *groups;
};

/** A queue group with sinks of this worker under one filter; the name follows. */
struct tern__group {
  uint64_t key; /* node and name; later the next on tern_index.dead_groups */
  struct tern__set set;
  struct tern__node *node;
  struct tern__group *next, *prev; /* node->groups; prev NULL: first */
  uint64_t hash;                   /* of the name */
};

struct tern__result;

/** Places in the cache for the subjects that fall here, the youngest first. With two of them a third of a thousand
 * subjects in turn would miss. */
#define TERN__CACHE_WAYS 4
struct tern__cache_line {
  uint64_t hash[TERN__CACHE_WAYS]; /* of result[i]'s subject */
  struct tern__result *result[TERN__CACHE_WAYS];
};

/** Growable arrays that building a result works in. */
struct tern__scratch {
  void *array[5];
  size_t capacity[5]; /* elements */
};

struct tern_index {
  struct tern__writer writer;
  struct tern_pool *pool;
  unsigned worker;
  uint32_t in_use; /* matches not done yet */
  uint64_t own_bit;
  uint64_t home_mark;             /* see tern__entry.home */
  struct tern__cache_line *cache; /* NULL until the first match */
  struct tern__map nodes;         /* struct tern__node, of entries where another worker's is at home */
  struct tern__map groups;        /* struct tern__group */
  bool unsettled;                 /* one of the following three is not empty */
  struct tern__set *holed;        /* waits for the end of the last match: to be closed up */
  struct tern__node *dead_nodes;  /* likewise: to be freed */
  struct tern__group *dead_groups;
  struct tern__scratch scratch;
  uint64_t receivers;          /* the last number given to a result: see recognise in match.c */
  struct tern__result *newest; /* the last result that was made, or NULL */
  uint64_t misses;             /* matches not answered from the cache */
  uint64_t ahead; /* of these, made before they were asked for; the cache answers them a second time */
  struct tern_index_stats stats; /* all but matches */
};

/* set.c */
/** Stands where a sink was removed during a match; takes nothing. */
extern struct tern_sink tern__nobody;
/** Makes an empty set. */
void tern__set_init(struct tern__set *set, bool is_group, size_t text_len);
/** Sinks in the set. */
static inline uint32_t tern__set_live(const struct tern__set *set) { return set->members.count - set->holes; }
/** Makes room for one more. False without memory. */
bool tern__set_reserve(struct tern_index *index, struct tern__set *set);
/** Puts a sink in; room must have been reserved. */
void tern__set_put(struct tern_index *index, struct tern__set *set, struct tern_sink *sink);
/** Takes a sink out. */
void tern__set_take(struct tern_index *index, struct tern_sink *sink);
/** Closes up the holes. */
void tern__set_close_up(struct tern_index *index, struct tern__set *set);
/** Frees the set's array. */
void tern__set_free(struct tern_index *index, struct tern__set *set);
/** The set a sink is in. */
static inline struct tern__set *tern__set_of(const struct tern_sink *sink) {
  return tern_container(sink->members, struct tern__set, members);
}

/* index.c */
/** Bytes of the index itself: nodes, groups, arrays, maps, cached results. For tests and benchmarks. */
size_t tern__index_bytes(const struct tern_index *index);
/* Bits of tern__entry.home that hold an address. No kernel gives programs longer ones unless asked to. */
#define TERN__HOME_BITS 48
_Static_assert(sizeof(uintptr_t) == sizeof(uint64_t), "an address and a mark are one word");
/** The mark of a worker; none is 0. */
static inline uint64_t tern__home_mark(unsigned worker) { return (uint64_t)(worker + 1) << TERN__HOME_BITS; }
/** The node the entry itself knows, when it is this worker's, or NULL. */
static inline struct tern__node *tern__node_at_home(const struct tern_index *index,
                                                    const struct tern__entry *entry) {
  /* relaxed: only what this worker has written there means anything to it; pairs with place_node in index.c */
  uint64_t address = atomic_load_explicit(&entry->home, memory_order_relaxed) ^ index->home_mark;
  return address >> TERN__HOME_BITS == 0 ? (struct tern__node *)(uintptr_t)address : NULL;
}
/** The node of a shared entry, or NULL. */
static inline struct tern__node *tern__node_find(const struct tern_index *index,
                                                 const struct tern__entry *entry) {
  struct tern__node *node = tern__node_at_home(index, entry);
  if (node != NULL) return node;
  return tern__map_find(&index->nodes, (uint64_t)(uintptr_t)entry, NULL, NULL);
}
/** A group's name. */
static inline struct tern_slice tern__group_name(const struct tern__group *group) {
  return (struct tern_slice){(const char *)(group + 1), group->set.text_len};
}
/** Does what had to wait for the last match to end. */
void tern__index_settle(struct tern_index *index);

/* match.c */
/** Is there a result in the cache for a subject with this hash, out of date or not? */
bool tern__match_is_cached(const struct tern_index *index, uint64_t hash);
/** Adds what is in the cache. */
void tern__match_figures(const struct tern_index *index, struct tern_index_stats *stats);
/** Empties the cache and frees the scratch arrays. */
void tern__match_free(struct tern_index *index);

#endif
