/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hasher's threads and its queue:
 *
 *     workers --submit--> | job | job | job |  --> thread: known? else bcrypt --> done
 *                          bounded, in order         |            and what matched is known
 *                                                    +-- on its idler, or itself where that starves
 *
 * A job that waited looks once more among what is known: when many clients come back at once with the same password,
 * the first of them (one for each thread, at worst) pay for all. One lock for queue, threads and figures; it is not held
 * during a comparison.
 */
#include "hasher.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <tern/error.h>
#include <tern/loop.h>

#include "idler.h"
#include "password.h"
#include "small_thread.h"
#include "verified.h"

struct hasher {
  struct verified *verified;
  pthread_mutex_t lock; /* of all below; taken alone */
  pthread_cond_t work;  /* a job was queued, or all is over */
  struct hasher_job *first, **last;
  unsigned queued;
  bool stopping;
  unsigned wanted, started;
  pthread_t threads[HASHER_THREADS_MAX];
  struct hasher_stats stats;
};

/* The first job, waiting for one; NULL when all is over. */
static struct hasher_job *take(struct hasher *hasher) {
  pthread_mutex_lock(&hasher->lock);
  while (hasher->first == NULL && !hasher->stopping)
    pthread_cond_wait(&hasher->work, &hasher->lock);
  struct hasher_job *job = hasher->stopping ? NULL : hasher->first;
  if (job != NULL) {
    hasher->first = job->next;
    if (hasher->first == NULL) hasher->last = &hasher->first;
    hasher->queued--;
  }
  pthread_mutex_unlock(&hasher->lock);
  return job;
}

static void count(struct hasher *hasher, uint64_t *figure) {
  pthread_mutex_lock(&hasher->lock);
  ++*figure;
  pthread_mutex_unlock(&hasher->lock);
}

/* Compares, on the idler (NULL: there is none) if it can. */
static int compare(struct hasher *hasher, struct idler *idler, const struct hasher_job *job) {
  count(hasher, &hasher->stats.hashed);
  int result = idler != NULL ? idler_check(idler, job->hash, job->password) : -EAGAIN;
  if (result == -EAGAIN) {
    count(hasher, &hasher->stats.starved);
    result = password_check_hash(job->hash, job->password);
  }
  if (result == 1) verified_add(hasher->verified, job->hash, job->password);
  return result;
}

static void *run(void *arg) {
  struct hasher *hasher = arg;
  pthread_setname_np(pthread_self(), "tern-hasher");
  tern_thread_to_background();
  struct idler *idler = idler_new();
  struct hasher_job *job;
  while ((job = take(hasher)) != NULL) {
    const bool known = hasher_knows(hasher, job->hash, job->password);
    job->done(job, known ? 1 : compare(hasher, idler, job));
  }
  idler_free(idler);
  return NULL;
}

/* Starts one more thread. With the lock. */
static int start(struct hasher *hasher) {
  const int error = small_thread_start(&hasher->threads[hasher->started], run, hasher);
  if (error == 0) hasher->started++;
  return error;
}

struct hasher *hasher_new(unsigned threads) {
  struct hasher *hasher = calloc(1, sizeof *hasher);
  if (hasher == NULL) return NULL;
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  if (threads == 0) threads = processors > 3 ? (unsigned)processors / 2 : 1;
  hasher->wanted = threads < HASHER_THREADS_MAX ? threads : HASHER_THREADS_MAX;
  hasher->last = &hasher->first;
  hasher->verified = verified_new();
  if (hasher->verified == NULL) {
    free(hasher);
    return NULL;
  }
  pthread_mutex_init(&hasher->lock, NULL);
  pthread_cond_init(&hasher->work, NULL);
  return hasher;
}

void hasher_stop(struct hasher *hasher) {
  if (hasher == NULL) return;
  pthread_mutex_lock(&hasher->lock);
  hasher->stopping = true;
  pthread_cond_broadcast(&hasher->work);
  pthread_mutex_unlock(&hasher->lock);
  /* nobody starts threads or queues jobs from here on */
  for (; hasher->started > 0; hasher->started--)
    pthread_join(hasher->threads[hasher->started - 1], NULL);
  for (struct hasher_job *job = hasher->first, *next; job != NULL; job = next) {
    next = job->next;
    job->done(job, -ECANCELED);
  }
  hasher->first = NULL;
}

void hasher_free(struct hasher *hasher) {
  if (hasher == NULL) return;
  hasher_stop(hasher);
  pthread_cond_destroy(&hasher->work);
  pthread_mutex_destroy(&hasher->lock);
  verified_free(hasher->verified);
  free(hasher);
}

bool hasher_knows(struct hasher *hasher, const char *hash, const char *password) {
  bool known = verified_has(hasher->verified, hash, password);
  if (known) count(hasher, &hasher->stats.known);
  return known;
}

int hasher_submit(struct hasher *hasher, struct hasher_job *job) {
  pthread_mutex_lock(&hasher->lock);
  int error = hasher->queued == HASHER_QUEUE_MAX || hasher->stopping ? TERN_EFULL : 0;
  /* A thread too few is no reason to refuse. */
  if (error == 0 && hasher->started < hasher->wanted) error = start(hasher);
  if (error == -EAGAIN && hasher->started > 0) error = 0;
  if (error == 0) {
    job->next = NULL;
    *hasher->last = job;
    hasher->last = &job->next;
    hasher->queued++;
    pthread_cond_signal(&hasher->work);
  } else if (error == TERN_EFULL) {
    hasher->stats.refused++;
  }
  pthread_mutex_unlock(&hasher->lock);
  return error;
}

void hasher_forget(struct hasher *hasher) { verified_forget(hasher->verified); }

struct hasher_stats hasher_stats(struct hasher *hasher) {
  pthread_mutex_lock(&hasher->lock);
  struct hasher_stats stats = hasher->stats;
  stats.waiting = hasher->queued;
  pthread_mutex_unlock(&hasher->lock);
  return stats;
}
