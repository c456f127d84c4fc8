/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Memory that runs out: `allocations_left` more are given, then none. For unit tests that have malloc and calloc wrapped by
 * the linker, and realloc, too, if they define REFUSE_REALLOC first. Included by one file of a test.
 */
#ifndef SUPPORT_REFUSE_MEMORY_H
#define SUPPORT_REFUSE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

static int allocations_left = -1; /* negative: no bound */

static bool refused(void) {
  return allocations_left == 0 || (allocations_left > 0 && allocations_left-- == 0);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_malloc(size_t size) { return refused() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return refused() ? NULL : __real_calloc(count, size); }

#ifdef REFUSE_REALLOC
void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size) { return refused() ? NULL : __real_realloc(block, size); }
#endif

#endif
