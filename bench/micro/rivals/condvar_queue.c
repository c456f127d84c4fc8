/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See condvar_queue.h. Two buffers: senders fill one while the receiver reads the other, and the receiver exchanges them
 * under the lock, so that one lock of its own is enough for all records that have come meanwhile. A sender takes the lock
 * for each record and wakes the receiver only when the buffer was empty. The records themselves are as in a ring: a length
 * and bytes, padded to 8.
 */
#include "condvar_queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct cv_queue {
  pthread_mutex_t lock;
  pthread_cond_t filled, emptied;
  size_t bytes; /* of each buffer */
  size_t used;  /* of the one being filled */
  char *filling, *reading;
};

struct cv_queue *cv_new(size_t bytes) {
  struct cv_queue *queue = calloc(1, sizeof *queue);
  char *memory = malloc(2 * bytes);
  if (queue == NULL || memory == NULL) {
    free(queue);
    free(memory);
    return NULL;
  }
  pthread_mutex_init(&queue->lock, NULL);
  pthread_cond_init(&queue->filled, NULL);
  pthread_cond_init(&queue->emptied, NULL);
  queue->bytes = bytes;
  queue->filling = memory;
  queue->reading = memory + bytes;
  return queue;
}

void cv_free(struct cv_queue *queue) {
  pthread_cond_destroy(&queue->emptied);
  pthread_cond_destroy(&queue->filled);
  pthread_mutex_destroy(&queue->lock);
  free(queue->filling < queue->reading ? queue->filling : queue->reading);
  free(queue);
}

static size_t size_of(size_t len) { return sizeof(size_t) + ((len + 7) & ~(size_t)7); }

void cv_put(struct cv_queue *queue, const void *data, size_t len) {
  size_t size = size_of(len);
  pthread_mutex_lock(&queue->lock);
  while (queue->used + size > queue->bytes)
    pthread_cond_wait(&queue->emptied, &queue->lock);
  char *at = queue->filling + queue->used;
  memcpy(at, &len, sizeof len);
  memcpy(at + sizeof len, data, len);
  if (queue->used == 0) pthread_cond_signal(&queue->filled);
  queue->used += size;
  pthread_mutex_unlock(&queue->lock);
}

size_t cv_take(struct cv_queue *queue, void (*fn)(void *arg, const void *data, size_t len), void *arg) {
  pthread_mutex_lock(&queue->lock);
  while (queue->used == 0)
    pthread_cond_wait(&queue->filled, &queue->lock);
  char *records = queue->filling;
  size_t used = queue->used;
  queue->filling = queue->reading;
  queue->reading = records;
  queue->used = 0;
  pthread_cond_signal(&queue->emptied);
  pthread_mutex_unlock(&queue->lock);
  size_t count = 0;
  for (size_t at = 0; at < used; count++) {
    size_t len;
    memcpy(&len, records + at, sizeof len);
    fn(arg, records + at + sizeof len, len);
    at += size_of(len);
  }
  return count;
}
