/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A queue between two threads as it would be with a mutex and condition variables: records of bytes, bounded. To be
 * compared with the rings between workers.
 */
#ifndef MICRO_CONDVAR_QUEUE_H
#define MICRO_CONDVAR_QUEUE_H

#include <stddef.h>

struct cv_queue;

/** Makes a queue of so many bytes; NULL without memory. */
struct cv_queue *cv_new(size_t bytes);
/** Frees it. */
void cv_free(struct cv_queue *queue);
/** Puts a record of at most a quarter of the queue in; waits while it is full. */
void cv_put(struct cv_queue *queue, const void *data, size_t len);
/** Waits for records, takes all that are there and has fn called with each. Returns how many. */
size_t cv_take(struct cv_queue *queue, void (*fn)(void *arg, const void *data, size_t len), void *arg);

#endif
