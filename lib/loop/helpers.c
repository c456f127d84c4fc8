/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that run errands for loops.
 *
 *     loop --send--> [ c -> b -> a ]  helper: takes all, oldest first --work--> [ e -> d ]  loop: takes all --back-->
 *                    one for each helper, in turn                               loop->returned
 *
 * Both are stacks that many push onto and one empties with a single exchange, so there is no ABA, nothing to allocate,
 * no bound to run into (an errand is part of what it is about, so there are no more than those), and no lock: a helper
 * that loses the processor to somebody else in the middle of anything holds up nobody. Who pushes onto an empty stack
 * wakes the one that empties it: a helper by its semaphore, a loop by its eventfd.
 *
 * A helper is closed by a mark in place of its stack's top (`closed`): from then on nothing is taken, and what was there
 * goes back undone; so an errand comes back exactly once, whenever the stop comes.
 *
 * An errand is the loop's before send and from `back` on, and the helper's in between. Nothing else is shared, but for a
 * count of helpers that are about to wake the loop (`returning`): a loop that is freed waits for its errands and for them.
 *
 * The helpers' niceness is relative to that of the thread that starts them. They use no RCU.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <tern/error.h>
#include <tern/loop.h>

#include "errand.h"
#include "loop_internal.h"
#include "seed.h"

#define STACK_BYTES (256 * 1024)

struct helper {
  _Atomic(struct tern__errand *) top; /* youngest first; &closed: no more is taken */
  struct tern__errand closed;         /* only its address matters */
  sem_t work;
  pthread_t thread;
  unsigned index;
  bool closing; /* the helper's: it has seen the mark */
};

struct tern_helpers {
  unsigned wanted;
  _Atomic unsigned started; /* threads; 0: none yet */
  _Atomic unsigned turn;    /* whose is the next errand */
  pthread_mutex_t lock;     /* of starting and stopping; taken alone */
  bool stopped;
  struct helper at[TERN_HELPERS_MAX];
};

/* ---- the stacks ---- */

/* Returns what was on top; when that is `closed` (NULL: cannot be) nothing was pushed. */
static struct tern__errand *push(_Atomic(struct tern__errand *) *top, struct tern__errand *errand,
                                 const struct tern__errand *closed) {
  /* relaxed: the value is only compared and linked to */
  struct tern__errand *old = atomic_load_explicit(top, memory_order_relaxed);
  do {
    if (closed != NULL && old == closed) break;
    errand->next = old;
    /* release: pairs with the acquire exchanges in take, close_helper and tern__errands_receive: whoever takes it sees
     * what was done with it before; relaxed otherwise: as above */
  } while (
      !atomic_compare_exchange_weak_explicit(top, &old, errand, memory_order_release, memory_order_relaxed));
  return old;
}

/* From youngest first to oldest first. */
static struct tern__errand *reversed(struct tern__errand *list) {
  struct tern__errand *result = NULL;
  while (list != NULL) {
    struct tern__errand *next = list->next;
    list->next = result;
    result = list;
    list = next;
  }
  return result;
}

/* ---- coming back ---- */

static void give_back(struct tern__errand *errand, bool done) {
  struct tern_loop *loop = errand->loop;
  errand->done = done;
  /* relaxed: the push below orders it before anybody can see the errand */
  atomic_fetch_add_explicit(&loop->returning, 1, memory_order_relaxed);
  struct tern__errand *old = push(&loop->returned, errand, NULL);
  /* From here on it is the loop's. breaks, when seeded: the loop sleeps on */
  if (old == NULL && !TERN_BUG(errand_wake_lost)) tern__loop_wake(loop);
  /* release: pairs with the acquire in tern__errands_await; the last touch of the loop */
  atomic_fetch_sub_explicit(&loop->returning, 1, memory_order_release);
}

void tern__errands_receive(struct tern_loop *loop) {
  /* acquire: pairs with the release in push; what the helper has done is visible */
  struct tern__errand *list = atomic_exchange_explicit(&loop->returned, NULL, memory_order_acquire);
  list = reversed(list);
  while (list != NULL) {
    struct tern__errand *errand = list;
    list = errand->next; /* before the call: it may free the errand */
    loop->away--;
    errand->back(errand, errand->done);
  }
}

void tern__errands_await(struct tern_loop *loop) {
  uint64_t count;
  tern__errands_receive(loop);
  while (loop->away > 0) {
    struct pollfd woken = {.fd = loop->wake_fd, .events = POLLIN};
    (void)poll(&woken, 1, -1);
    if (read(loop->wake_fd, &count, sizeof count) > 0) tern__errands_receive(loop); /* else: a signal */
  }
  /* acquire: pairs with the release in give_back; whoever has brought the last one has let go of the loop */
  while (atomic_load_explicit(&loop->returning, memory_order_acquire) != 0)
    sched_yield();
}

/* ---- a helper ---- */

/* All there is to do, oldest first; NULL: nothing, or nothing any more. */
static struct tern__errand *take(struct helper *helper) {
  /* relaxed: what is behind it is read after the exchange only */
  struct tern__errand *top = atomic_load_explicit(&helper->top, memory_order_relaxed);
  /* acquire: pairs with the release in push; the mark must stay where it is, so this is no plain exchange */
  while (top != &helper->closed && !atomic_compare_exchange_weak_explicit(
                                       &helper->top, &top, NULL, memory_order_acquire, memory_order_relaxed))
    continue;
  helper->closing = top == &helper->closed;
  return helper->closing ? NULL : reversed(top);
}

/* What a helper has taken: what is under way, and what only begins, oldest first. */
struct line {
  struct tern__errand *first, **end;
};

/* The next one; NULL: nothing, or nothing any more. What comes meanwhile is looked at each time: a crowd of beginnings
 * must not make those wait who are half done until it is too late for them. */
static struct tern__errand *next_of(struct helper *helper, struct line lines[2]) {
  for (struct tern__errand *errand = take(helper), *next; errand != NULL; errand = next) {
    struct line *line = &lines[errand->under_way ? 0 : 1];
    next = errand->next;
    errand->next = NULL;
    *line->end = errand;
    line->end = &errand->next;
  }
  struct line *line = lines[0].first != NULL ? &lines[0] : &lines[1];
  struct tern__errand *errand = line->first;
  if (errand == NULL) return NULL;
  line->first = errand->next;
  if (line->first == NULL) line->end = &line->first;
  return errand;
}

static bool is_closed(const struct helper *helper) {
  /* relaxed: to notice it late does no harm; pairs with close_helper */
  return atomic_load_explicit(&helper->top, memory_order_relaxed) == &helper->closed;
}

static void *run(void *arg) {
  struct helper *helper = arg;
  char name[16];
  snprintf(name, sizeof name, "tern-helper-%u", helper->index);
  pthread_setname_np(pthread_self(), name);
  tern_thread_to_background();
  struct line lines[2] = {{.end = &lines[0].first}, {.end = &lines[1].first}};
  for (;;) {
    struct tern__errand *errand = next_of(helper, lines);
    if (errand == NULL && helper->closing) return NULL;
    if (errand == NULL) {
      (void)sem_wait(&helper->work); /* or a signal: looks again */
      continue;
    }
    /* relaxed: a hint; pairs with the loop's store */
    const bool wanted = !is_closed(helper) && !atomic_load_explicit(&errand->vain, memory_order_relaxed);
    if (wanted) errand->work(errand);
    give_back(errand, wanted);
  }
}

/* ---- starting and stopping ---- */

/* With the lock. Returns how many there are. */
static unsigned start(struct tern_helpers *helpers) {
  sigset_t all, before;
  pthread_attr_t attributes;
  unsigned started = 0;
  sigfillset(&all);
  if (pthread_attr_init(&attributes) != 0) return 0;
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (started < helpers->wanted) {
    struct helper *helper = &helpers->at[started];
    if (pthread_create(&helper->thread, &attributes, run, helper) != 0) break;
    started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  /* release: pairs with the acquire in count_started; the helpers are ready then */
  atomic_store_explicit(&helpers->started, started, memory_order_release);
  return started;
}

/* How many there are, after they were started if need be; 0: none, and *error says why. */
static unsigned count_started(struct tern_helpers *helpers, int *error) {
  /* acquire: pairs with the release in start */
  unsigned started = atomic_load_explicit(&helpers->started, memory_order_acquire);
  if (started > 0) return started;
  pthread_mutex_lock(&helpers->lock);
  *error = helpers->stopped ? TERN_ECLOSED : -EAGAIN;
  /* relaxed: changes under this lock only */
  started = atomic_load_explicit(&helpers->started, memory_order_relaxed);
  if (started == 0 && !helpers->stopped) started = start(helpers);
  pthread_mutex_unlock(&helpers->lock);
  return started;
}

int tern__helpers_send(struct tern_helpers *helpers, struct tern_loop *loop, struct tern__errand *errand) {
  int error = 0;
  const unsigned started = count_started(helpers, &error);
  if (started == 0) return error;
  /* relaxed: a number by itself; pairs with itself on other threads */
  const unsigned turn = atomic_fetch_add_explicit(&helpers->turn, 1, memory_order_relaxed);
  struct helper *helper = &helpers->at[turn % started];
  /* relaxed: the push publishes it */
  atomic_store_explicit(&errand->vain, false, memory_order_relaxed);
  errand->loop = loop;
  struct tern__errand *old = push(&helper->top, errand, &helper->closed);
  if (old == &helper->closed) return TERN_ECLOSED;
  loop->away++;
  if (old == NULL) sem_post(&helper->work);
  return 0;
}

int tern_helpers_new(unsigned threads, struct tern_helpers **out) {
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  if (threads > TERN_HELPERS_MAX) return -EINVAL;
  if (threads == 0)
    threads = processors < 1 ? 1 : processors < TERN_HELPERS_MAX ? (unsigned)processors : TERN_HELPERS_MAX;
  struct tern_helpers *helpers = calloc(1, sizeof *helpers);
  if (helpers == NULL) return -ENOMEM;
  helpers->wanted = threads;
  pthread_mutex_init(&helpers->lock, NULL);
  for (unsigned i = 0; i < TERN_HELPERS_MAX; i++) {
    helpers->at[i].index = i;
    sem_init(&helpers->at[i].work, 0, 0);
  }
  *out = helpers;
  return 0;
}

/* Returns what nobody has taken, oldest first. */
static struct tern__errand *close_helper(struct helper *helper) {
  /* acq_rel: pairs with push (acquire, of what is taken) and with the compare-and-exchange in take */
  struct tern__errand *left = atomic_exchange_explicit(&helper->top, &helper->closed, memory_order_acq_rel);
  sem_post(&helper->work);
  return reversed(left);
}

void tern_helpers_stop(struct tern_helpers *helpers) {
  if (helpers == NULL) return;
  pthread_mutex_lock(&helpers->lock);
  const bool again = helpers->stopped;
  helpers->stopped = true;
  pthread_mutex_unlock(&helpers->lock);
  if (again) return;
  /* relaxed: nobody starts them any more, after the lock above */
  const unsigned started = atomic_load_explicit(&helpers->started, memory_order_relaxed);
  for (unsigned i = 0; i < started; i++) {
    struct tern__errand *left = close_helper(&helpers->at[i]);
    if (TERN_BUG(errand_left_behind)) continue; /* seeded: what waits when the stop comes is forgotten */
    while (left != NULL) {
      struct tern__errand *errand = left;
      left = errand->next;
      give_back(errand, false);
    }
  }
  for (unsigned i = 0; i < started; i++)
    pthread_join(helpers->at[i].thread, NULL);
}

void tern_helpers_free(struct tern_helpers *helpers) {
  if (helpers == NULL) return;
  tern_helpers_stop(helpers);
  for (unsigned i = 0; i < TERN_HELPERS_MAX; i++)
    sem_destroy(&helpers->at[i].work);
  pthread_mutex_destroy(&helpers->lock);
  free(helpers);
}
