/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking ahead: several look-ups that are about to come wait for memory together instead of one after the other.
 *
 * Among a million filters nothing of a look-up is in a processor's cache, and each step of it says where the next one
 * goes: bucket, entry, perhaps the next entry of the bucket, this worker's node, its only sink. So each step is made for
 * all before the next one is: while memory answers for the last ones, it has answered for the first.
 *
 *     bucket 1..n | first entry 1..n | entry that is meant 1..n | node 1..n | sink 1..n
 *
 * Nothing is decided here. What is read is a hint: the look-up that follows finds out for itself, and sees what has changed
 * meanwhile. But it is read, so that it has to be there: buckets never go away while the table is there, entries are kept
 * by RCU, nodes by belonging to this worker.
 *
 * Called by the index's worker, online.
 */
#include "private.h"
#include "table.h"

/* Entries of a bucket looked at in front of the one that is meant: there are two on average when the table is fullest. */
#define STEPS_MAX 3

/* A look-up on its way. */
struct way {
  struct cds_lfht_node *at; /* NULL: there is nothing further */
  uint64_t place;           /* in the table's order */
};

static void bring(const void *from) { __builtin_prefetch(from); }

/* An entry is longer than a line, and begins anywhere in one. */
static void bring_entry(struct cds_lfht_node *node) {
  if (node == NULL) return;
  bring(node);
  bring((const char *)node + 64);
}

/* To the entries that are meant, or where they would be. */
static void go(struct way *ways, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    bring_entry(ways[i].at = tern__table_next(ways[i].at));
  for (unsigned step = 1, more = 1; step < STEPS_MAX && more > 0; step++) {
    more = 0;
    for (uint32_t i = 0; i < count; i++) {
      struct way *way = &ways[i];
      if (way->at == NULL || tern__table_place_of(way->at) >= way->place) continue;
      bring_entry(way->at = tern__table_next(way->at));
      more++;
    }
  }
}

/* From there to what belongs to this worker. */
static void go_on(const struct tern_index *index, struct way *ways, uint32_t count) {
  const struct tern__node *nodes[TERN_INDEX_AHEAD_MAX];
  uint32_t found = 0;
  for (uint32_t i = 0; i < count; i++) {
    struct cds_lfht_node *at = ways[i].at;
    if (at == NULL || tern__table_place_of(at) != ways[i].place || !tern__table_is_entry(at)) continue;
    const struct tern__node *node = tern__node_at_home(index, tern_container(at, struct tern__entry, node));
    if (node == NULL) continue;
    bring(nodes[found++] = node);
  }
  for (uint32_t i = 0; i < found; i++)
    if (nodes[i]->plain.members.capacity == 1 && nodes[i]->plain.members.count == 1)
      bring(nodes[i]->plain.one);
}

void tern_index_bring(struct tern_index *index, const uint64_t *hashes, uint32_t count) {
  struct tern_registry *registry = index->writer.registry;
  /* acquire: so many buckets there are at least; pairs with the release in grow of registry.c */
  const uint64_t buckets = atomic_load_explicit(&registry->buckets, memory_order_acquire);
  struct way ways[TERN_INDEX_AHEAD_MAX];
  if (count > TERN_INDEX_AHEAD_MAX) count = TERN_INDEX_AHEAD_MAX;
  for (uint32_t i = 0; i < count; i++) {
    ways[i] =
        (struct way){tern__table_bucket(registry->table, buckets, hashes[i]), tern__table_place(hashes[i])};
    bring(ways[i].at);
  }
  go(ways, count);
  go_on(index, ways, count);
}

uint32_t tern_index_bring_list(struct tern_index *index, const struct tern_message *list, uint32_t count) {
  uint64_t hashes[TERN_INDEX_AHEAD_MAX];
  uint32_t n = 0;
  if (tern__match_is_cached(index, list->hash)) return 1;
  if (count > TERN_INDEX_AHEAD_MAX) count = TERN_INDEX_AHEAD_MAX;
  for (uint32_t i = 0; i < count; i++)
    if (!tern__match_is_cached(index, list[i].hash)) hashes[n++] = list[i].hash;
  if (n > 1) tern_index_bring(index, hashes, n);
  return count;
}
