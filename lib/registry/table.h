/* SPDX-License-Identifier: Apache-2.0 */
/**
 * liburcu's lock-free hash table as ThreadSanitizer has to see it: the library publishes nodes with atomics
 * the sanitizer does not know, so what happens before an insertion and after a look-up is told to it here.
 * In other builds these are plain calls.
 */
#ifndef TERN_REGISTRY_TABLE_H
#define TERN_REGISTRY_TABLE_H

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
#define tern__table_published(node) __tsan_release(node)
#define tern__table_found(node)     __tsan_acquire(node)
#else
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

/** Inserts the node, or returns the one that is there already. */
static inline struct cds_lfht_node *tern__table_add(struct cds_lfht *table, uint64_t hash,
                                                    tern__table_match *match, const void *key,
                                                    struct cds_lfht_node *node) {
  tern__table_published(node);
  return cds_lfht_add_unique(table, hash, match, key, node);
}

#endif
