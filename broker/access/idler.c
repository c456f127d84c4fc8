/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One comparison at a time, handed to a thread of the idle class and back:
 *
 *                 owner                 thread                owner
 *     [RESTING] --------> [ASKED] ---------------> [DONE] --------------> [RESTING]
 *         ^                  | owner: no time for it
 *         |     thread       v
 *         +------------- [GIVEN_UP]
 *
 * The thread may lose the processor for seconds, at any point, so it takes no lock, allocates nothing and shares nothing
 * but this: what it compares are copies, and what it works in was allocated before it began. (But for its end, when the
 * owner has not waited for it: then it frees.) Everything between the states is one side's alone: the owner's in RESTING
 * and DONE, the thread's in ASKED and GIVEN_UP.
 *
 * Whether it gets on tells the clock of its own processor time, at every look of the owner's. An ordinary thread of the
 * background gets a tenth of a processor beside one that is busy (background.c); for less than that nobody is kept
 * waiting. How long a comparison takes in all is no sign: it is as costly as the hash says.
 */
#include "idler.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <tern/loop.h>

#include "clock_ns.h"
#include "password.h"
#include "small_thread.h"

#define LOOK_MS 100
#define SHARE   10 /* a tenth of a processor */
#define END_S   1

enum state { RESTING, ASKED, DONE, GIVEN_UP };
enum life { LIVES, ENDED };

struct idler {
  _Atomic int state;
  _Atomic int life; /* ENDED: thread or owner has gone; the other one frees */
  sem_t work;       /* one was asked, or all is over */
  int done_fd; /* eventfd: wakes the owner; poll, unlike sem_timedwait, does not mind a clock that is set */
  _Atomic bool over; /* seen after the last `work` at the latest */
  int result;
  struct password_scratch *scratch;
  pthread_t thread;
  clockid_t clock; /* of the thread's processor time */
};

static void destroy(struct idler *idler) {
  sem_destroy(&idler->work);
  if (idler->done_fd >= 0) close(idler->done_fd);
  password_scratch_free(idler->scratch);
  free(idler);
}

/* One side goes; the second one frees. */
static void leave(struct idler *idler) {
  /* acq_rel: pairs with itself on the other side, whose last touch of the rest comes before */
  if (atomic_exchange_explicit(&idler->life, ENDED, memory_order_acq_rel) == ENDED) destroy(idler);
}

static void *run(void *arg) {
  struct idler *idler = arg;
  pthread_setname_np(pthread_self(), "tern-idler");
  const bool idle = tern_thread_to_idle() == 0;
  for (;;) {
    while (sem_wait(&idler->work) != 0)
      continue; /* a signal */
    /* relaxed: pairs with the store in idler_free, which the post orders */
    if (atomic_load_explicit(&idler->over, memory_order_relaxed)) break;
    idler->result = idle ? password_scratch_check(idler->scratch) : -EAGAIN;
    if (!idle) password_scratch_clear(idler->scratch);
    int asked = ASKED;
    const uint64_t one = 1;
    /* release: the result; pairs with the acquires in await and idler_check. relaxed otherwise: the store below is what is
     * seen */
    if (atomic_compare_exchange_strong_explicit(&idler->state, &asked, DONE, memory_order_release,
                                                memory_order_relaxed))
      (void)!write(idler->done_fd, &one, sizeof one);
    else /* given up; release: it is the owner's again, pairs with the acquire in idler_check */
      atomic_store_explicit(&idler->state, RESTING, memory_order_release);
  }
  leave(idler);
  return NULL;
}

struct idler *idler_new(void) {
  struct idler *idler = calloc(1, sizeof *idler);
  if (idler == NULL) return NULL;
  sem_init(&idler->work, 0, 0);
  idler->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  idler->scratch = password_scratch_new();
  if (idler->done_fd < 0 || idler->scratch == NULL || small_thread_start(&idler->thread, run, idler) != 0) {
    destroy(idler);
    return NULL;
  }
  if (pthread_getcpuclockid(idler->thread, &idler->clock) != 0) {
    idler_free(idler);
    return NULL;
  }
  return idler;
}

/* Waits until it is done. False when the thread does not get on. */
static bool await(struct idler *idler) {
  struct pollfd done = {.fd = idler->done_fd, .events = POLLIN};
  uint64_t began = clock_ns(CLOCK_MONOTONIC), used = clock_ns(idler->clock), count;
  /* acquire: pairs with the release in run: the result. The state says it, and not the eventfd: the thread may lose the
   * processor between the two. */
  while (atomic_load_explicit(&idler->state, memory_order_acquire) == ASKED) {
    const int events = poll(&done, 1, LOOK_MS);
    if (events > 0) (void)!read(idler->done_fd, &count, sizeof count);
    if (events != 0) continue; /* it is done, or an earlier one was; or a signal */
    const uint64_t now = clock_ns(CLOCK_MONOTONIC), uses = clock_ns(idler->clock);
    if ((uses - used) * SHARE < now - began) return false;
    began = now;
    used = uses;
  }
  return true;
}

int idler_check(struct idler *idler, const char *hash, const char *password) {
  /* acquire: pairs with the release in run, of what was given up */
  if (atomic_load_explicit(&idler->state, memory_order_acquire) != RESTING) return -EAGAIN;
  if (!password_scratch_put(idler->scratch, hash, password)) return 0;
  /* relaxed: the post below publishes it */
  atomic_store_explicit(&idler->state, ASKED, memory_order_relaxed);
  sem_post(&idler->work);
  int asked = ASKED;
  /* acquire: pairs with the release of DONE in run, when it is done in this moment after all */
  if (!await(idler) && atomic_compare_exchange_strong_explicit(&idler->state, &asked, GIVEN_UP,
                                                               memory_order_acquire, memory_order_acquire))
    return -EAGAIN;
  /* relaxed: the thread rests; pairs with itself */
  atomic_store_explicit(&idler->state, RESTING, memory_order_relaxed);
  return idler->result;
}

void idler_free(struct idler *idler) {
  if (idler == NULL) return;
  /* relaxed: the post orders it; pairs with the load in run, which may see it sooner */
  atomic_store_explicit(&idler->over, true, memory_order_relaxed);
  sem_post(&idler->work);
  /* at rest it ends at once, where it gets to run. (By the clock that can be set: there is no other call everywhere.) */
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += END_S;
  if (pthread_timedjoin_np(idler->thread, NULL, &until) != 0) pthread_detach(idler->thread);
  leave(idler);
}
