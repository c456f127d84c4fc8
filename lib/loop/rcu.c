/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RCU shim's two backends. The build chooses (CMake option TERN_RCU):
 *
 *   liburcu QSBR   the one that runs. Read side free, quiescent state one load while nobody waits.
 *   C11 atomics    the same contract in atomics that ThreadSanitizer and model checkers can see (liburcu's
 *                  are inline assembly), for sanitizer and seeded-bug builds. Correct, not fast.
 *
 * How the C11 backend works. Each thread has a word: 0 when offline, else the number of the newest grace
 * period it has seen while quiescent. A grace period raises the global number and waits until every thread's
 * word is 0 or has reached it.
 *
 *     thread:  online      word := number      (exchange)          synchronize:  number++
 *              quiescent   word := number      (store)                           for each thread: poll word
 *              offline     word := 0           (store)                           (add 0, a read-modify-write)
 *
 * Going online and being polled are read-modify-writes of the same word, so one comes first: either the poll
 * sees the thread online and waits, or the thread's exchange reads what the poll left and with it sees
 * everything that was unlinked before the grace period began. No fence is needed.
 *
 * Threads register themselves on a list under a mutex; liburcu's hash table registers helper threads of its
 * own through the flavour table while it is resized. Registration nests, because the control thread may hold
 * several worker pools. Daemonising must come before the first registration.
 */
#include "rcu.h"

#include <assert.h>
#include <stddef.h>

static _Thread_local unsigned registrations;

#ifndef TERN_RCU_C11

#include <urcu/urcu-qsbr.h>

void tern__rcu_register(void) {
  if (registrations++ != 0) return;
  urcu_qsbr_register_thread();
  urcu_qsbr_thread_offline();
}

void tern__rcu_unregister(void) {
  assert(registrations > 0);
  if (--registrations == 0) urcu_qsbr_unregister_thread();
}

void tern__rcu_online(void) { urcu_qsbr_thread_online(); }
void tern__rcu_offline(void) { urcu_qsbr_thread_offline(); }
void tern__rcu_quiescent(void) { urcu_qsbr_quiescent_state(); }
bool tern__rcu_is_online(void) { return urcu_qsbr_read_ongoing() != 0; }
void tern__rcu_synchronize(void) { urcu_qsbr_synchronize_rcu(); }
const struct rcu_flavor_struct *tern__rcu_flavor(void) { return &urcu_qsbr_flavor; }

#else

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include <urcu/flavor.h>

struct reader {
  _Atomic uint64_t word;
  struct reader *next, **prev; /* under the lock */
};

static _Thread_local struct reader self;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the list; never held while waiting */
static struct reader *readers;
static _Atomic uint64_t newest = 1;

void tern__rcu_online(void) {
  /* acquire: pairs with the increment in synchronize */
  uint64_t number = atomic_load_explicit(&newest, memory_order_acquire);
  /* acq_rel: pairs with the poll in synchronize (see the head comment) */
  atomic_exchange_explicit(&self.word, number, memory_order_acq_rel);
}

void tern__rcu_offline(void) {
  /* release: pairs with the poll in synchronize; what was read before is not freed before */
  atomic_store_explicit(&self.word, 0, memory_order_release);
}

void tern__rcu_quiescent(void) {
  assert(tern__rcu_is_online());
  /* acquire: pairs with the increment in synchronize; what was unlinked before it is not seen any more */
  uint64_t number = atomic_load_explicit(&newest, memory_order_acquire);
  /* relaxed: written by this thread */
  if (atomic_load_explicit(&self.word, memory_order_relaxed) == number) return;
  /* release: pairs with the poll in synchronize; what was read before is not freed before */
  atomic_store_explicit(&self.word, number, memory_order_release);
}

bool tern__rcu_is_online(void) {
  /* relaxed: written by this thread */
  return atomic_load_explicit(&self.word, memory_order_relaxed) != 0;
}

static void enlist(void) {
  pthread_mutex_lock(&lock);
  self.next = readers;
  self.prev = &readers;
  if (readers != NULL) readers->prev = &self.next;
  readers = &self;
  pthread_mutex_unlock(&lock);
}

static void delist(void) {
  tern__rcu_offline();
  pthread_mutex_lock(&lock);
  *self.prev = self.next;
  if (self.next != NULL) self.next->prev = self.prev;
  pthread_mutex_unlock(&lock);
}

void tern__rcu_register(void) {
  if (registrations++ == 0) enlist();
}

void tern__rcu_unregister(void) {
  assert(registrations > 0);
  if (--registrations == 0) delist();
}

static bool all_passed(uint64_t number) {
  bool passed = true;
  pthread_mutex_lock(&lock);
  for (struct reader *reader = readers; reader != NULL && passed; reader = reader->next) {
    /* acq_rel: acquire pairs with the stores in quiescent and offline, release with the exchange in online */
    uint64_t word = atomic_fetch_add_explicit(&reader->word, 0, memory_order_acq_rel);
    passed = word == 0 || word >= number;
  }
  pthread_mutex_unlock(&lock);
  return passed;
}

void tern__rcu_synchronize(void) {
  bool online = tern__rcu_is_online();
  if (online) tern__rcu_offline();
  /* acq_rel: release pairs with the loads in online and quiescent; what was unlinked before is seen as such
   */
  uint64_t number = atomic_fetch_add_explicit(&newest, 1, memory_order_acq_rel) + 1;
  while (!all_passed(number))
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
  if (online) tern__rcu_online();
}

static void flavor_register(void) { /* the table's users expect to be online afterwards */
  tern__rcu_register();
  tern__rcu_online();
}
static void flavor_nothing(void) {}
static int flavor_ongoing(void) { return tern__rcu_is_online(); }

/* What cds_lfht without automatic resizing uses; the rest stays empty. */
static const struct rcu_flavor_struct flavor = {
    .read_lock = flavor_nothing,
    .read_unlock = flavor_nothing,
    .read_ongoing = flavor_ongoing,
    .read_quiescent_state = tern__rcu_quiescent,
    .update_synchronize_rcu = tern__rcu_synchronize,
    .thread_offline = tern__rcu_offline,
    .thread_online = tern__rcu_online,
    .register_thread = flavor_register,
    .unregister_thread = tern__rcu_unregister,
};

const struct rcu_flavor_struct *tern__rcu_flavor(void) { return &flavor; }

#endif
