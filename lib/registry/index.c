/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker's index of its own sinks.
 *
 *     entry -> node "a.*" -- plain set [sink, sink]
 *                |  refs the shared entry
 *                +-- group "q" -- set [sink]      groups: (node, "q") -> group
 *
 * The entry knows the node of the first worker that came, which saves that one a look-up of its own for each filter; other
 * workers find theirs in `nodes`, by the entry's address.
 *
 * Adding goes private first, then shared, and the generation last, so that nobody who is told of the change
 * misses it (R1) and an addition that fails in between is undone without anyone having seen it. Removing takes
 * the sink out of its set, which every match of this worker looks at (R2: at once), and only when the set has
 * become empty tells the others.
 *
 * A match gives out pointers to sets. While one is in use (R4) sets keep their places (see set.c), and nodes
 * and groups that are removed are put aside until the last match is done. Nothing here is touched by another
 * thread. Allocation: nodes, groups and arrays come from the index's own pool; a removal needs none.
 */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <tern/error.h>

#include "hash.h"
#include "private.h"

static struct tern__entry *entry_of(const struct tern__node *node) {
  return (struct tern__entry *)(uintptr_t)node->key;
}

static size_t node_bytes(bool wildcard, size_t text_len) {
  return sizeof(struct tern__node) + (wildcard ? text_len : 0);
}

static size_t group_bytes(const struct tern__group *group) { return sizeof *group + group->set.text_len; }

struct tern_index *tern_index_new(struct tern_registry *registry, struct tern_reclaimer *reclaimer,
                                  unsigned worker) {
  struct tern_index *index = calloc(1, sizeof *index);
  if (index == NULL) return NULL;
  index->pool = tern_pool_new();
  if (index->pool == NULL) {
    free(index);
    return NULL;
  }
  index->writer = (struct tern__writer){registry, reclaimer, &registry->counters[worker], 0};
  index->worker = worker;
  index->own_bit = (uint64_t)1 << worker;
  index->home_mark = tern__home_mark(worker);
  return index;
}

void tern_index_free(struct tern_index *index) {
  if (index == NULL) return;
  if (index->stats.sinks != 0 || index->in_use != 0) {
    fprintf(stderr, "tern: an index was freed with %llu sinks and %u matches still in use; this is a bug\n",
            (unsigned long long)index->stats.sinks, index->in_use);
    abort();
  }
  tern__match_free(index);
  tern__map_free(&index->nodes);
  tern__map_free(&index->groups);
  tern_pool_free(index->pool);
  free(index);
}

/* What free_node must know is gone from the node by then: the entry (see tern__node.key). */
static void free_node(struct tern_index *index, struct tern__node *node, bool wildcard) {
  tern__set_free(index, &node->plain);
  tern_pool_release(index->pool, node, node_bytes(wildcard, node->plain.text_len));
}

static void free_group(struct tern_index *index, struct tern__group *group) {
  tern__set_free(index, &group->set);
  tern_pool_release(index->pool, group, group_bytes(group));
}

/* Makes the node findable by its entry. False without memory. */
static bool place_node(struct tern_index *index, struct tern__entry *entry, struct tern__node *node) {
  uint64_t address = (uint64_t)(uintptr_t)node, nobody = 0;
  node->key = (uint64_t)(uintptr_t)entry;
  /* relaxed: who finds it there is this worker; pairs with itself on other workers, one of which is first */
  if (address >> TERN__HOME_BITS == 0 &&
      atomic_compare_exchange_strong_explicit(&entry->home, &nobody, index->home_mark | address,
                                              memory_order_relaxed, memory_order_relaxed))
    return true;
  if (!tern__map_reserve(&index->nodes)) return false;
  tern__map_put(&index->nodes, node);
  return true;
}

/* Undoes that. */
static void displace_node(struct tern_index *index, struct tern__entry *entry, struct tern__node *node) {
  /* relaxed, both: as in place_node; a mark of this worker's is changed by no other */
  if (atomic_load_explicit(&entry->home, memory_order_relaxed) ==
      (index->home_mark | (uint64_t)(uintptr_t)node))
    atomic_store_explicit(&entry->home, 0, memory_order_relaxed);
  else
    tern__map_remove(&index->nodes, node);
}

/* The filter's node, made when missing. A new one is to be dropped again when nothing is put into it. */
static struct tern__node *node_get(struct tern_index *index, const struct tern__filter *filter) {
  assert(index->writer.reclaimer->ops->is_online(index->writer.reclaimer));
  struct tern__entry *entry = tern__entry_find(index->writer.registry, filter);
  struct tern__node *node = entry == NULL ? NULL : tern__node_find(index, entry);
  if (node != NULL) return node; /* its reference keeps the entry alive */
  size_t bytes = node_bytes(filter->wildcard, filter->text.len);
  node = tern_pool_alloc(index->pool, bytes);
  if (node == NULL) return NULL;
  entry = tern__entry_get(&index->writer, filter, entry);
  if (entry != NULL && !place_node(index, entry, node)) {
    tern__entry_put(&index->writer, entry);
    entry = NULL;
  }
  if (entry == NULL) {
    tern_pool_release(index->pool, node, bytes);
    return NULL;
  }
  tern__set_init(&node->plain, false, filter->text.len);
  node->groups = NULL;
  if (filter->wildcard) memcpy(node + 1, filter->text.ptr, filter->text.len);
  index->stats.filters++;
  return node;
}

static void drop_node_if_empty(struct tern_index *index, struct tern__node *node) {
  if (tern__set_live(&node->plain) > 0 || node->groups != NULL) return;
  struct tern__entry *entry = entry_of(node);
  bool wildcard = entry->in_trie;
  displace_node(index, entry, node);
  index->stats.filters--;
  tern__entry_put(&index->writer, entry);
  if (index->in_use == 0) {
    free_node(index, node, wildcard);
    return;
  }
  /* R4: somebody may hold a pointer to the set. The list keeps its kind apart in the lowest bit. */
  node->key = (uint64_t)(uintptr_t)index->dead_nodes;
  node->plain.is_group = wildcard; /* no longer needed otherwise */
  index->dead_nodes = node;
  index->unsettled = true;
}

struct group_key {
  const struct tern__node *node;
  struct tern_slice name;
};

static bool is_group_key(const void *object, const void *arg) {
  const struct tern__group *group = object;
  const struct group_key *key = arg;
  return group->node == key->node && tern_slice_equal(tern__group_name(group), key->name);
}

/* The node's group of that name, made when missing. */
static struct tern__group *group_get(struct tern_index *index, struct tern__node *node,
                                     struct tern_slice name) {
  uint64_t hash = tern__hash(name.ptr, name.len);
  uint64_t key = tern__hash_mix(hash, (uint64_t)(uintptr_t)node);
  struct tern__group *group =
      tern__map_find(&index->groups, key, is_group_key, &(struct group_key){node, name});
  if (group != NULL) return group;
  if (!tern__map_reserve(&index->groups)) return NULL;
  group = tern_pool_alloc(index->pool, sizeof *group + name.len);
  if (group == NULL) return NULL;
  *group = (struct tern__group){.key = key, .node = node, .next = node->groups, .hash = hash};
  tern__set_init(&group->set, true, name.len);
  memcpy(group + 1, name.ptr, name.len);
  if (group->next != NULL) group->next->prev = group;
  node->groups = group;
  tern__map_put(&index->groups, group);
  return group;
}

static void drop_group_if_empty(struct tern_index *index, struct tern__group *group) {
  if (tern__set_live(&group->set) > 0) return;
  tern__map_remove(&index->groups, group);
  if (group->next != NULL) group->next->prev = group->prev;
  if (group->prev != NULL)
    group->prev->next = group->next;
  else
    group->node->groups = group->next;
  if (index->in_use == 0) {
    free_group(index, group);
    return;
  }
  group->key = (uint64_t)(uintptr_t)index->dead_groups; /* R4 */
  index->dead_groups = group;
  index->unsettled = true;
}

void tern__index_settle(struct tern_index *index) {
  index->unsettled = false;
  while (index->holed != NULL) {
    struct tern__set *set = index->holed;
    index->holed = set->next_holed;
    tern__set_close_up(index, set);
  }
  while (index->dead_nodes != NULL) {
    struct tern__node *node = index->dead_nodes;
    index->dead_nodes = (struct tern__node *)(uintptr_t)node->key;
    free_node(index, node, node->plain.is_group);
  }
  while (index->dead_groups != NULL) {
    struct tern__group *group = index->dead_groups;
    index->dead_groups = (struct tern__group *)(uintptr_t)group->key;
    free_group(index, group);
  }
}

/* Seeded: tells the caches before the change is made. */
static void bump_too_early(struct tern_index *index, const struct tern__filter *filter) {
  if (!TERN_BUG(gen_before_change)) return;
  tern__bump(index->writer.registry, filter);
  sched_yield();
}

static void bump(struct tern_index *index, const struct tern__filter *filter) {
  if (!TERN_BUG(gen_before_change)) tern__bump(index->writer.registry, filter);
}

static int add_to_group(struct tern_index *index, struct tern_sink *sink, const struct tern__filter *filter,
                        struct tern__node *node, struct tern_slice name) {
  struct tern__group *group = group_get(index, node, name);
  if (group == NULL) return -ENOMEM;
  bump_too_early(index, filter);
  if (!tern__set_reserve(index, &group->set) ||
      tern__weight_raise(&index->writer, entry_of(node), name, group->hash, index->worker) != 0) {
    drop_group_if_empty(index, group);
    return -ENOMEM;
  }
  tern__set_put(index, &group->set, sink);
  /* seeded: others go on with the old weight */
  if (tern__set_live(&group->set) > 1 && TERN_BUG(weight_not_bumped)) return 0;
  bump(index, filter);
  return 0;
}

static int add_plain(struct tern_index *index, struct tern_sink *sink, const struct tern__filter *filter,
                     struct tern__node *node) {
  if (!tern__set_reserve(index, &node->plain)) return -ENOMEM;
  tern__set_put(index, &node->plain, sink);
  if (tern__set_live(&node->plain) > 1) return 0;
  bump_too_early(index, filter);
  /* release: the entry is complete; pairs with the acquire in collect_entry of match.c */
  atomic_fetch_or_explicit(&entry_of(node)->workers, index->own_bit, memory_order_release);
  bump(index, filter);
  return 0;
}

int tern_index_add(struct tern_index *index, struct tern_sink *sink, struct tern_slice filter,
                   struct tern_slice group) {
  assert(sink->members == NULL);
  struct tern__filter parsed;
  if (group.len > TERN__FILTER_MAX_BYTES) return TERN_ESUBJECT;
  int error = tern__filter_parse(index->writer.registry, filter, &parsed);
  if (error != 0) return error;
  struct tern__node *node = node_get(index, &parsed);
  if (node == NULL) return -ENOMEM;
  error =
      group.len > 0 ? add_to_group(index, sink, &parsed, node, group) : add_plain(index, sink, &parsed, node);
  if (error != 0) drop_node_if_empty(index, node);
  /* R7; seeded: gets what was matched before it was added */
  sink->since = TERN_BUG(join_at_once) ? 0 : tern__epoch(index->writer.registry);
  return error;
}

void tern_index_remove(struct tern_index *index, struct tern_sink *sink) {
  if (sink->members == NULL) return;
  struct tern__filter filter;
  (void)tern__filter_parse(index->writer.registry, tern_sink_filter(sink),
                           &filter); /* was valid when added */
  struct tern__set *set = tern__set_of(sink);
  tern__set_take(index, sink); /* R2 */
  if (set->is_group) {
    struct tern__group *group = tern_container(set, struct tern__group, set);
    struct tern__node *node = group->node;
    tern__weight_lower(&index->writer, entry_of(node), tern__group_name(group), group->hash, index->worker);
    tern__bump(index->writer.registry, &filter);
    drop_group_if_empty(index, group);
    drop_node_if_empty(index, node);
  } else if (tern__set_live(set) == 0) {
    struct tern__node *node = tern_container(set, struct tern__node, plain);
    /* release: pairs with the acquire in collect_entry of match.c */
    atomic_fetch_and_explicit(&entry_of(node)->workers, ~index->own_bit, memory_order_release);
    tern__bump(index->writer.registry, &filter);
    drop_node_if_empty(index, node);
  }
}

struct tern_slice tern_sink_filter(const struct tern_sink *sink) {
  if (sink->members == NULL) return (struct tern_slice){NULL, 0};
  struct tern__set *set = tern__set_of(sink);
  const struct tern__node *node = set->is_group ? tern_container(set, struct tern__group, set)->node
                                                : tern_container(set, struct tern__node, plain);
  const struct tern__entry *entry = entry_of(node);
  const char *text = entry->in_trie ? (const char *)(node + 1) : tern__entry_text(entry);
  return (struct tern_slice){text, node->plain.text_len};
}

struct tern_slice tern_sink_group(const struct tern_sink *sink) {
  if (sink->members == NULL || !tern__set_of(sink)->is_group) return (struct tern_slice){NULL, 0};
  return tern__group_name(tern_container(tern__set_of(sink), struct tern__group, set));
}

struct tern_sink *tern_index_find(struct tern_index *index, struct tern_slice subject,
                                  bool (*accept)(struct tern_sink *sink, void *arg), void *arg) {
  const struct tern_match *match = tern_index_match(index, subject, tern_subject_hash(subject));
  if (match == NULL) return NULL;
  struct tern_sink *found = NULL;
  for (uint32_t s = 0; s < match->local_count && found == NULL; s++) {
    struct tern_members *members = match->local[s];
    for (uint32_t i = members->count; i-- > 0 && found == NULL;) {
      struct tern_sink *sink = members->at[i];
      if (sink != &tern__nobody && accept(sink, arg)) found = sink;
    }
  }
  tern_index_done(index, match);
  return found;
}

struct tern_index_stats tern_index_stats(const struct tern_index *index) {
  struct tern_index_stats stats = index->stats;
  stats.cache_hits -= index->ahead < stats.cache_hits ? index->ahead : stats.cache_hits;
  stats.matches = stats.cache_hits + index->misses;
  tern__match_figures(index, &stats);
  return stats;
}

size_t tern__index_bytes(const struct tern_index *index) {
  size_t maps = 0;
  if (index->nodes.slots != NULL) maps += (index->nodes.mask + 1) * sizeof *index->nodes.slots;
  if (index->groups.slots != NULL) maps += (index->groups.mask + 1) * sizeof *index->groups.slots;
  return maps + tern_pool_stats(index->pool).live_bytes;
}
