/* SPDX-License-Identifier: Apache-2.0 */
/**
 * liburcu's lock-free hash table as ThreadSanitizer has to see it: the library publishes nodes with atomics
 * the sanitizer does not know, so what happens before an insertion and after a look-up is told to it here.
 * In other builds these are plain calls.
 */
#ifndef TERN_REGISTRY_TABLE_H
#define TERN_REGISTRY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include <urcu/rculfhash.h>

#if defined(__SANITIZE_THREAD__)
#define TERN__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TERN__TSAN 1
#endif
#endif

#ifdef TERN__TSAN
#include <sanitizer/tsan_interface.h>
#define TERN__TABLE_UNSEEN          __attribute__((no_sanitize("thread")))
#define tern__table_published(node) __tsan_release(node)
#define tern__table_found(node)     __tsan_acquire(node)
#else
#define TERN__TABLE_UNSEEN
#define tern__table_published(node) ((void)(node))
#define tern__table_found(node)     ((void)(node))
#endif

typedef int tern__table_match(struct cds_lfht_node *node, const void *key);

/** The node with that hash and key, or NULL. The match function must call tern__table_found itself, because
 * it reads the node before this returns. */
static inline struct cds_lfht_node *tern__table_lookup(struct cds_lfht *table, uint64_t hash,
                                                       tern__table_match *match, const void *key) {
  struct cds_lfht_iter iter;
  cds_lfht_lookup(table, hash, match, key, &iter);
  return cds_lfht_iter_get_node(&iter);
}

/* ---- What a look-up will read, to be brought near (ahead.c) ----
 *
 * The library tells where a bucket is through what keeps its buckets, a part of its interface; so the table is made with
 * one of these by name, which only the function behind its wrappers takes. Its nodes are in the order of their hashes with
 * the bits reversed, behind their bucket's; the lowest bits of `next` are flags, one of which says that the node is a
 * bucket. If another version had it otherwise, other memory would be brought. */

/** Makes a table. */
static inline struct cds_lfht *tern__table_new(uint64_t buckets, uint64_t buckets_max,
                                               const struct rcu_flavor_struct *flavor) {
  return _cds_lfht_new(buckets, buckets, buckets_max, 0, &cds_lfht_mm_mmap, flavor, NULL);
}

/** The bucket of a hash, in a table with so many buckets at least. */
static inline struct cds_lfht_node *tern__table_bucket(struct cds_lfht *table, uint64_t buckets,
                                                       uint64_t hash) {
  return cds_lfht_mm_mmap.bucket_at(table, hash & (buckets - 1));
}

/** A hash's place in the order of the nodes. */
static inline uint64_t tern__table_place(uint64_t hash) {
  hash = (hash & UINT64_C(0x5555555555555555)) << 1 | (hash >> 1 & UINT64_C(0x5555555555555555));
  hash = (hash & UINT64_C(0x3333333333333333)) << 2 | (hash >> 2 & UINT64_C(0x3333333333333333));
  hash = (hash & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4 | (hash >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f));
  return __builtin_bswap64(hash);
}

#define TERN__TABLE_FLAGS ((uintptr_t)7)

/* The library has written a bucket before anything led there, which is not told to the sanitizer as it is of entries. */
TERN__TABLE_UNSEEN static inline uintptr_t tern__table_link(const struct cds_lfht_node *node) {
  /* relaxed: what it leads to is read under RCU and decides nothing; pairs with the library's changes of it */
  return (uintptr_t)__atomic_load_n(&node->next, __ATOMIC_RELAXED);
}

/** The node behind another one, or NULL. Both are under RCU. */
static inline struct cds_lfht_node *tern__table_next(const struct cds_lfht_node *node) {
  const uintptr_t next = tern__table_link(node) & ~TERN__TABLE_FLAGS;
  if (next != 0) tern__table_found((struct cds_lfht_node *)next);
  return (struct cds_lfht_node *)next;
}

/** Where a node is in the order of the nodes, an entry or a bucket. */
TERN__TABLE_UNSEEN static inline uint64_t tern__table_place_of(const struct cds_lfht_node *node) {
  return node->reverse_hash;
}

/** Is it an entry, neither a bucket nor about to be removed? */
static inline bool tern__table_is_entry(const struct cds_lfht_node *node) {
  return (tern__table_link(node) & TERN__TABLE_FLAGS) == 0;
}

/** Inserts the node, or returns the one that is there already. */
static inline struct cds_lfht_node *tern__table_add(struct cds_lfht *table, uint64_t hash,
                                                    tern__table_match *match, const void *key,
                                                    struct cds_lfht_node *node) {
  tern__table_published(node);
  return cds_lfht_add_unique(table, hash, match, key, node);
}

#endif
