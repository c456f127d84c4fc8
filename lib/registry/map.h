/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A hash map of pointers to objects that begin with their 64-bit key. Keys need not be unique; the caller's
 * question tells objects of one key apart. Thread: one.
 */
#ifndef TERN_REGISTRY_MAP_H
#define TERN_REGISTRY_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tern__map {
  uint64_t **slots; /* NULL: nothing was ever put in */
  size_t mask;      /* slots - 1 */
  size_t count;
};

/** An object with that key to which same says yes (NULL: always), or NULL. */
void *tern__map_find(const struct tern__map *map, uint64_t key,
                     bool (*same)(const void *object, const void *arg), const void *arg);
/** Makes room for one more. False without memory. */
bool tern__map_reserve(struct tern__map *map);
/** Puts an object in; room must have been reserved. */
void tern__map_put(struct tern__map *map, void *object);
/** Takes an object out that is in. */
void tern__map_remove(struct tern__map *map, const void *object);
/** Frees the map's memory. */
void tern__map_free(struct tern__map *map);

#endif
