/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing: one pointer per slot, at most three quarters full.
 *
 *     home slot of key K            K and L share a home; M's is the next one
 *          v
 *     | . | K | L | M | . |         remove K:   | . | L | M | . | . |
 *
 * Removal moves later objects of the run back instead of leaving a mark, so that look-ups stay short however
 * long the churn goes on. The table doubles when it is full and halves when less than an eighth is used; when
 * there is no memory to halve it stays as it is.
 */
#include "map.h"

#include <stdlib.h>

#include "hash.h"
#include "shared.h"

#define SLOTS_MIN 16

static size_t home_of(const struct tern__map *map, uint64_t key) {
  return tern__hash_mix(key, 1) & map->mask;
}

void *tern__map_find(const struct tern__map *map, uint64_t key,
                     bool (*same)(const void *object, const void *arg), const void *arg) {
  if (map->slots == NULL) return NULL;
  for (size_t i = home_of(map, key); map->slots[i] != NULL; i = (i + 1) & map->mask)
    if (*map->slots[i] == key && (same == NULL || same(map->slots[i], arg))) return map->slots[i];
  return NULL;
}

void tern__map_put(struct tern__map *map, void *object) {
  size_t i = home_of(map, *(uint64_t *)object);
  while (map->slots[i] != NULL)
    i = (i + 1) & map->mask;
  map->slots[i] = object;
  map->count++;
}

static bool resize(struct tern__map *map, size_t slots) {
  struct tern__map to = {.mask = slots - 1};
  to.slots = tern__shared_alloc(slots * sizeof *to.slots);
  if (to.slots == NULL) return false;
  memset(to.slots, 0, slots * sizeof *to.slots);
  for (size_t i = 0; map->slots != NULL && i <= map->mask; i++)
    if (map->slots[i] != NULL) tern__map_put(&to, map->slots[i]);
  free(map->slots);
  *map = to;
  return true;
}

bool tern__map_reserve(struct tern__map *map) {
  if (map->slots == NULL) return resize(map, SLOTS_MIN);
  size_t slots = map->mask + 1;
  return map->count + 1 <= slots / 4 * 3 || resize(map, slots * 2);
}

void tern__map_remove(struct tern__map *map, const void *object) {
  size_t hole = home_of(map, *(const uint64_t *)object);
  while (map->slots[hole] != object)
    hole = (hole + 1) & map->mask;
  for (size_t i = (hole + 1) & map->mask; map->slots[i] != NULL; i = (i + 1) & map->mask) {
    /* an object may move into the hole unless its home lies behind the hole (cyclically) */
    size_t home = home_of(map, *map->slots[i]);
    if (((i - home) & map->mask) < ((i - hole) & map->mask)) continue;
    map->slots[hole] = map->slots[i];
    hole = i;
  }
  map->slots[hole] = NULL;
  map->count--;
  size_t slots = map->mask + 1;
  if (slots > SLOTS_MIN && map->count < slots / 8) (void)resize(map, slots / 2);
}

void tern__map_free(struct tern__map *map) {
  free(map->slots);
  *map = (struct tern__map){.slots = NULL};
}
