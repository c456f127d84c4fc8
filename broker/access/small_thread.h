/* SPDX-License-Identifier: Apache-2.0 */
/** Threads that need little room: there may be many, and most are idle. Thread: any. */
#ifndef BROKER_ACCESS_SMALL_THREAD_H
#define BROKER_ACCESS_SMALL_THREAD_H

#include <errno.h>
#include <pthread.h>

/** Starts one (pthread_create(3)) with a stack of 256 KiB. Returns 0 or -EAGAIN. */
static inline int small_thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return -EAGAIN;
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  const int error = pthread_create(thread, &attributes, run, arg);
  pthread_attr_destroy(&attributes);
  return error == 0 ? 0 : -EAGAIN;
}

#endif
