/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool: slab memory for one thread. Objects of one size class live in arenas of 512 KiB taken from the
 * system, aligned to their size, so that masking an object's address finds its arena:
 *
 *     arena (512 KiB, one class)          pool
 *     +--------+----+----+----+-----+     open[class] -> arena with room <-> arena with room
 *     | header | ob | ob | ob | ... |     (full arenas are on no list and come back with the first release)
 *     +--------+----+----+----+-----+
 *       free -> ob -> ob    ^bump: never used beyond here, so untouched pages cost nothing
 *
 * An arena that becomes empty is kept for what comes next: output that swells and ebbs with every tick of a loop would
 * otherwise pay for new pages each time. tern_pool_age, called every second or so, gives those back to the system that
 * were not needed since the call before; tern_pool_trim gives back all. Of a pool that nobody ages one empty arena per
 * class is kept, the others go at once.
 *
 * Requests above the largest class go to malloc. Everything is owner-thread only: no atomics, no locks. Under
 * AddressSanitizer free objects are poisoned.
 */
#include "pool.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <tern/buffer.h>

#if defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#endif
#ifdef POOL_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ARENA_BYTES  ((size_t)512 * 1024)
#define HEADER_BYTES 64
/* The large classes leave room for a struct in front of a power-of-two payload. */
#define ROOM 64

static const uint32_t class_bytes[] = {32,  48,  64,   96,   128,  192,         256,          384,
                                       512, 768, 1024, 1536, 2048, 4096 + ROOM, 16384 + ROOM, 65536 + ROOM};
#define CLASSES (sizeof class_bytes / sizeof class_bytes[0])
#define LARGEST (65536 + ROOM)

/* A class that has filled an arena has the pages of the next ones provided so many at a time. Large objects may be used in
 * part only; but a pool that holds much holds what waits for somebody who does not read, which fills them. */
#define PROVIDED_BYTES    ((uint32_t)32 * 1024)
#define PROVIDED_SIZE_MAX 256
#define PROVIDED_ALL_FROM ((uint64_t)8 << 20)
#define PAGE_BYTES        ((uintptr_t)4096) /* on others less is provided than could be, or nothing */

struct object {
  struct object *next;
};

struct arena {
  struct arena *next, *prev; /* on open[class] when it has room */
  struct object *free;
  uint32_t bump; /* offset of the first byte never handed out */
  uint32_t live;
  uint32_t size;     /* of an object */
  uint32_t provided; /* offset up to which there are pages, as far as that was cared for */
  uint8_t class;
  bool open;
};
_Static_assert(sizeof(struct arena) <= HEADER_BYTES, "arena header");

struct tern_pool {
  struct arena *open[CLASSES];
  uint32_t empty[CLASSES];       /* of these, with nothing live */
  uint32_t least_empty[CLASSES]; /* since the last tern_pool_age */
  uint32_t arenas[CLASSES];      /* that there are */
  bool aged;                     /* there was one */
  struct tern_pool_stats stats;
};

int (*tern__pool_fault)(size_t size);

struct tern_pool *tern_pool_new(void) {
  return calloc(1, sizeof(struct tern_pool));
}

static unsigned class_of(size_t size) {
  unsigned c = size > 256 ? 7 : 0;
  while (class_bytes[c] < size)
    c++;
  return c;
}

static void list_add(struct tern_pool *pool, struct arena *a) {
  a->prev = NULL;
  a->next = pool->open[a->class];
  if (a->next != NULL) a->next->prev = a;
  pool->open[a->class] = a;
  a->open = true;
}

static void list_remove(struct tern_pool *pool, struct arena *a) {
  if (a->prev != NULL)
    a->prev->next = a->next;
  else
    pool->open[a->class] = a->next;
  if (a->next != NULL) a->next->prev = a->prev;
  a->open = false;
}

static struct arena *arena_new(struct tern_pool *pool, unsigned class) {
  /* twice the size, then cut to an aligned half: the system aligns to pages only */
  char *raw = mmap(NULL, 2 * ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return NULL;
  char *start = (char *)(((uintptr_t)raw + ARENA_BYTES - 1) & ~(uintptr_t)(ARENA_BYTES - 1));
  if (start > raw) munmap(raw, (size_t)(start - raw));
  char *end = start + ARENA_BYTES;
  if (end < raw + 2 * ARENA_BYTES) munmap(end, (size_t)(raw + 2 * ARENA_BYTES - end));
  /* a huge page for a handful of small objects would cost more memory than it saves time */
  madvise(start, ARENA_BYTES, MADV_NOHUGEPAGE);
  struct arena *a = (struct arena *)(void *)start;
  a->bump = HEADER_BYTES;
  a->size = class_bytes[class];
  a->class = (uint8_t) class;
  const bool ahead = a->size <= PROVIDED_SIZE_MAX || pool->stats.held_bytes >= PROVIDED_ALL_FROM;
  a->provided = pool->arenas[class]++ > 0 && ahead ? HEADER_BYTES : ARENA_BYTES;
  POISON(start + HEADER_BYTES, ARENA_BYTES - HEADER_BYTES);
  list_add(pool, a);
  pool->empty[class]++;
  pool->stats.held_bytes += ARENA_BYTES;
  return a;
}

static void arena_free(struct tern_pool *pool, struct arena *a) {
  list_remove(pool, a);
  pool->empty[a->class]--;
  pool->arenas[a->class]--;
  UNPOISON(a, ARENA_BYTES);
  munmap(a, ARENA_BYTES);
  pool->stats.held_bytes -= ARENA_BYTES;
}

void tern_memory_provide(void *from, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  const uintptr_t start = ((uintptr_t)from + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
  const uintptr_t end = ((uintptr_t)from + bytes) & ~(PAGE_BYTES - 1);
  const int error = errno;
  if (end > start)
    (void)madvise((void *)start, end - start, MADV_POPULATE_WRITE); /* or each when it is touched */
  errno = error;
#else
  (void)from, (void)bytes;
#endif
}

/* The pages that come next. */
__attribute__((noinline)) static void provide(struct arena *a) {
  do {
    tern_memory_provide((char *)a + a->provided, PROVIDED_BYTES);
    a->provided = (a->provided + PROVIDED_BYTES) & ~(PROVIDED_BYTES - 1);
  } while (a->bump > a->provided);
}

void *tern_pool_alloc(struct tern_pool *pool, size_t size) {
  if (tern__pool_fault != NULL && tern__pool_fault(size)) return NULL;
  if (size > LARGEST) {
    void *memory = malloc(size);
    if (memory == NULL) return NULL;
    pool->stats.live_objects++;
    pool->stats.live_bytes += size;
    pool->stats.held_bytes += size;
    return memory;
  }
  unsigned class = class_of(size);
  struct arena *a = pool->open[class];
  if (a == NULL && (a = arena_new(pool, class)) == NULL) return NULL;
  struct object *object = a->free;
  if (object != NULL) {
    UNPOISON(object, a->size);
    a->free = object->next;
  } else {
    object = (struct object *)(void *)((char *)a + a->bump);
    UNPOISON(object, a->size);
    a->bump += a->size;
    if (a->bump > a->provided) provide(a);
  }
  if (a->live++ == 0 && --pool->empty[class] < pool->least_empty[class])
    pool->least_empty[class] = pool->empty[class];
  if (a->free == NULL && a->bump + a->size > ARENA_BYTES) list_remove(pool, a);
  pool->stats.live_objects++;
  pool->stats.live_bytes += a->size;
  return object;
}

void tern_pool_release(struct tern_pool *pool, void *memory, size_t size) {
  if (memory == NULL) return;
  pool->stats.live_objects--;
  if (size > LARGEST) {
    pool->stats.live_bytes -= size;
    pool->stats.held_bytes -= size;
    free(memory);
    return;
  }
  struct arena *a = (struct arena *)((uintptr_t)memory & ~(uintptr_t)(ARENA_BYTES - 1));
  struct object *object = memory;
  object->next = a->free;
  a->free = object;
  POISON(object, a->size);
  a->live--;
  pool->stats.live_bytes -= a->size;
  if (!a->open) list_add(pool, a);
  if (a->live > 0) return;
  pool->empty[a->class]++;
  if (!pool->aged && pool->empty[a->class] > 1) arena_free(pool, a);
}

/* Gives empty arenas of a class back, at most so many. */
static void give_back(struct tern_pool *pool, unsigned class, uint32_t count) {
  struct arena *next;
  for (struct arena *a = pool->open[class]; a != NULL && count > 0; a = next) {
    next = a->next;
    if (a->live > 0) continue;
    arena_free(pool, a);
    count--;
  }
}

void tern_pool_trim(struct tern_pool *pool) {
  for (unsigned c = 0; c < CLASSES; c++)
    give_back(pool, c, pool->empty[c]);
}

void tern_pool_age(struct tern_pool *pool) {
  pool->aged = true;
  for (unsigned c = 0; c < CLASSES; c++) {
    give_back(pool, c, pool->least_empty[c]);
    pool->least_empty[c] = pool->empty[c];
  }
}

struct tern_pool_stats tern_pool_stats(const struct tern_pool *pool) {
  return pool->stats;
}

void tern_pool_free(struct tern_pool *pool) {
  if (pool == NULL) return;
  if (pool->stats.live_objects != 0) {
    fprintf(stderr,
            "tern: a memory pool was freed with %llu objects (%llu bytes) still in use; this is a bug\n",
            (unsigned long long)pool->stats.live_objects, (unsigned long long)pool->stats.live_bytes);
    abort();
  }
  tern_pool_trim(pool);
  free(pool);
}
