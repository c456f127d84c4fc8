/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See rwlock_registry.h. A plain hash table with chains. A literal filter is one entry, under its text; a wildcard filter
 * is a path of entries, one per token, each found under its parent and token. A match looks for the literal entry, then
 * follows all paths that fit. There is no cache of results: with one table for all, a cache would be one more thing to
 * keep right under the lock.
 */
#include "rwlock_registry.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <tern/subject.h>

#include "hash.h"

struct entry {
  struct entry *next; /* of the chain */
  struct entry *parent;
  uint64_t hash;
  size_t refs; /* sinks and children */
  void **sinks;
  size_t sink_count, sink_capacity;
  size_t len;
  char text[];
};

struct rw_registry {
  pthread_rwlock_t lock;
  struct entry root; /* of the wildcard filters */
  size_t mask;
  struct entry *chains[];
};

struct rw_registry *rw_new(size_t filters) {
  size_t chains = 1024;
  while (chains < filters)
    chains *= 2;
  struct rw_registry *registry = calloc(1, sizeof *registry + chains * sizeof(struct entry *));
  if (registry == NULL) return NULL;
  registry->mask = chains - 1;
  pthread_rwlock_init(&registry->lock, NULL);
  return registry;
}

void rw_free(struct rw_registry *registry) {
  for (size_t i = 0; i <= registry->mask; i++) {
    for (struct entry *entry; (entry = registry->chains[i]) != NULL;) {
      registry->chains[i] = entry->next;
      free(entry->sinks);
      free(entry);
    }
  }
  pthread_rwlock_destroy(&registry->lock);
  free(registry);
}

static uint64_t hash_of(const struct entry *parent, struct tern_slice text) {
  uint64_t hash = tern__hash(text.ptr, text.len);
  return parent == NULL ? hash : tern__hash_mix(parent->hash, hash);
}

static struct entry *find(const struct rw_registry *registry, const struct entry *parent,
                          struct tern_slice text) {
  uint64_t hash = hash_of(parent, text);
  struct entry *entry = registry->chains[hash & registry->mask];
  while (entry != NULL && (entry->hash != hash || entry->parent != parent || entry->len != text.len ||
                           memcmp(entry->text, text.ptr, text.len) != 0))
    entry = entry->next;
  return entry;
}

static struct entry *find_or_make(struct rw_registry *registry, struct entry *parent,
                                  struct tern_slice text) {
  struct entry *entry = find(registry, parent, text);
  if (entry != NULL) return entry;
  entry = calloc(1, sizeof *entry + text.len);
  if (entry == NULL) return NULL;
  entry->parent = parent;
  entry->hash = hash_of(parent, text);
  entry->len = text.len;
  memcpy(entry->text, text.ptr, text.len);
  struct entry **chain = &registry->chains[entry->hash & registry->mask];
  entry->next = *chain;
  *chain = entry;
  if (parent != NULL) parent->refs++;
  return entry;
}

/* Removes an entry that nothing refers to, then its parent if that was its last child. */
static void drop_unused(struct rw_registry *registry, struct entry *entry) {
  while (entry != NULL && entry != &registry->root && entry->refs == 0) {
    struct entry **at = &registry->chains[entry->hash & registry->mask];
    while (*at != entry)
      at = &(*at)->next;
    *at = entry->next;
    struct entry *parent = entry->parent;
    if (parent != NULL) parent->refs--;
    free(entry->sinks);
    free(entry);
    entry = parent;
  }
}

/* Takes the first token off a subject or filter. */
static struct tern_slice first_token(struct tern_slice *rest) {
  const char *dot = memchr(rest->ptr, '.', rest->len);
  size_t len = dot != NULL ? (size_t)(dot - rest->ptr) : rest->len;
  struct tern_slice token = {rest->ptr, len};
  size_t used = dot != NULL ? len + 1 : len;
  *rest = (struct tern_slice){rest->ptr + used, rest->len - used};
  return token;
}

/* The entry of a filter, made on the way if wanted; NULL when there is none, or no memory. */
static struct entry *entry_of(struct rw_registry *registry, struct tern_slice filter, bool make) {
  if (!tern_filter_has_wildcard(filter))
    return make ? find_or_make(registry, NULL, filter) : find(registry, NULL, filter);
  struct entry *entry = &registry->root;
  while (entry != NULL && filter.len > 0) {
    struct entry *parent = entry;
    struct tern_slice token = first_token(&filter);
    entry = make ? find_or_make(registry, parent, token) : find(registry, parent, token);
    if (entry == NULL && make) drop_unused(registry, parent);
  }
  return entry;
}

static bool put_sink(struct entry *entry, void *sink) {
  if (entry->sink_count == entry->sink_capacity) {
    size_t capacity = entry->sink_capacity > 0 ? 2 * entry->sink_capacity : 1;
    void **more = realloc(entry->sinks, capacity * sizeof *more);
    if (more == NULL) return false;
    entry->sinks = more;
    entry->sink_capacity = capacity;
  }
  entry->sinks[entry->sink_count++] = sink;
  entry->refs++;
  return true;
}

int rw_add(struct rw_registry *registry, void *sink, struct tern_slice filter) {
  pthread_rwlock_wrlock(&registry->lock);
  struct entry *entry = entry_of(registry, filter, true);
  bool added = entry != NULL && put_sink(entry, sink);
  if (entry != NULL && !added) drop_unused(registry, entry);
  pthread_rwlock_unlock(&registry->lock);
  return added ? 0 : -ENOMEM;
}

void rw_remove(struct rw_registry *registry, void *sink, struct tern_slice filter) {
  pthread_rwlock_wrlock(&registry->lock);
  struct entry *entry = entry_of(registry, filter, false);
  for (size_t i = 0; entry != NULL && i < entry->sink_count; i++) {
    if (entry->sinks[i] != sink) continue;
    entry->sinks[i] = entry->sinks[--entry->sink_count];
    entry->refs--;
    drop_unused(registry, entry);
    break;
  }
  pthread_rwlock_unlock(&registry->lock);
}

struct found {
  void **out;
  size_t count, max;
};

static void collect(struct found *found, const struct entry *entry) {
  for (size_t i = 0; entry != NULL && i < entry->sink_count && found->count < found->max; i++)
    found->out[found->count++] = entry->sinks[i];
}

static void follow(const struct rw_registry *registry, const struct entry *parent, struct tern_slice rest,
                   struct found *found) {
  if (parent->refs == 0) return;
  if (rest.len == 0) {
    collect(found, parent);
    return;
  }
  collect(found, find(registry, parent, tern_slice_of(">")));
  struct tern_slice token = first_token(&rest);
  const struct entry *star = find(registry, parent, tern_slice_of("*"));
  const struct entry *same = find(registry, parent, token);
  if (star != NULL) follow(registry, star, rest, found);
  if (same != NULL) follow(registry, same, rest, found);
}

size_t rw_match(struct rw_registry *registry, struct tern_slice subject, void **out, size_t max) {
  struct found found = {out, 0, max};
  pthread_rwlock_rdlock(&registry->lock);
  collect(&found, find(registry, NULL, subject));
  follow(registry, &registry->root, subject, &found);
  pthread_rwlock_unlock(&registry->lock);
  return found.count;
}
