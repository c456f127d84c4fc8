/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The registry as it would be with a lock: one table for all threads, under one reader-writer lock. What include/tern/
 * registry.h does for publishers and plain subscriptions, and nothing else, so that the two can be compared.
 * Thread: any, several at once.
 */
#ifndef MICRO_RWLOCK_REGISTRY_H
#define MICRO_RWLOCK_REGISTRY_H

#include <stddef.h>

#include <tern/buffer.h>

struct rw_registry;

/** Makes one for about so many filters; NULL without memory. */
struct rw_registry *rw_new(size_t filters);
/** Frees it with everything in it. */
void rw_free(struct rw_registry *registry);
/** Adds a subscription, which may be any pointer. Returns 0 or -ENOMEM. Takes the lock for writing. */
int rw_add(struct rw_registry *registry, void *sink, struct tern_slice filter);
/** Removes it; nothing happens when it is not there. Takes the lock for writing. */
void rw_remove(struct rw_registry *registry, void *sink, struct tern_slice filter);
/** Finds who wants a message: up to max sinks into out. Returns how many. Takes the lock for reading. */
size_t rw_match(struct rw_registry *registry, struct tern_slice subject, void **out, size_t max);

#endif
