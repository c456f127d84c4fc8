/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acceptor: one thread per worker pool that accepts for all its listeners and never reads a byte.
 *
 *     listening sockets --accept4--> choose a worker --tern__workers_post--> worker: factory, transport
 *
 * Choosing. Of two workers picked at random the one with the lower score gets the connection. The score is
 * the number of its connections, those still on their way to it included, times a weight between 1 and 2 that
 * grows with the share of the last moments it was busy. Two random choices keep the load even without ever
 * looking at all workers, and without the herd that follows the single least loaded one.
 *
 * A worker that is behind has a full ring. Then the others are tried, and if all are behind the one socket
 * in hand is kept and nothing more is accepted until somebody takes it; clients wait in the kernel's backlog.
 * Nobody waits for the acceptor and it waits for nobody.
 *
 * A listener with a rate takes the next connection when it is due, and so many of a tenth of a second at once; the others
 * wait in the kernel's backlog, too.
 *
 * When descriptors or memory run out (or accepting fails for an unknown reason) accepting pauses and is tried
 * again every RETRY_MS; the operator is told once what happened and once when it is over. Established
 * connections notice nothing.
 *
 * Threads. The control thread adds and removes listeners under `lock`; the acceptor touches a listener only
 * under the lock or while it holds one of its `holds`. A removed listener lives until its last hold is gone:
 * each socket on its way has one, which the worker gives back after calling the factory.
 */
#include "acceptor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <tern/error.h>
#include <tern/log.h>

#include "clock.h"
#include "socket.h"
#include "worker_internal.h"

enum {
  EVENTS_PER_POLL = 16,
  ACCEPTS_PER_ROUND = 64, /* per listener, then the next one has its turn */
  RETRY_MS = 100,         /* after running out of something */
  FULL_RETRY_MS = 2,      /* after finding all rings full */
  BURST_MS = 100,         /* what a listener with a rate may take at once, in time */
  LOAD_WINDOW_MS = 100,   /* over which a worker's busy share is measured */
};

#define NS_PER_S UINT64_C(1000000000)

/* What the acceptor knows of one worker. */
struct target {
  uint64_t posted;           /* sockets sent there */
  uint64_t busy_ns;          /* its reading when `weight` was computed */
  uint64_t read_ns;          /* and when that was */
  unsigned weight;           /* 1000 idle .. 2000 always busy */
  struct tern_counter taken; /* sockets it has taken over; written by the worker */
};

/* A socket on its way. */
struct handover {
  struct tern_listener *listener;
  struct target *target;
  struct tern__address peer;
  int fd; /* -1: none */
};

struct tern__acceptor {
  struct tern_workers *workers;
  unsigned count; /* workers */
  pthread_t thread;
  int epoll_fd; /* listening sockets, level-triggered, and wake_fd */
  int wake_fd;
  uint64_t random;
  unsigned rest_ms;     /* a listener with a rate has taken enough; 0: none has */
  bool paused;          /* the last accept ran out of something */
  bool short_of;        /* so did one before, and clients have been waiting ever since */
  struct handover kept; /* found every ring full */
  pthread_mutex_t lock; /* guards what follows; held for a round of accepting at most */
  struct tern_listener *listeners;
  bool stop;
  struct target targets[];
};

/* Gives one hold back. */
static void let_go(struct tern_listener *listener) {
  /* acq_rel: the last one (control, waiting for `drained`) sees everything done under the other holds */
  if (atomic_fetch_sub_explicit(&listener->holds, 1, memory_order_acq_rel) == 1) sem_post(&listener->drained);
}

/* ---- on the worker ---- */

static void take_over(struct tern_worker *worker, const void *data, size_t len) {
  (void)len;
  const struct handover *h = data;
  struct tern_listener *listener = h->listener;
  int error =
      tern__socket_accepted(tern_worker_loop(worker), h->fd, &h->peer, listener->factory, listener->arg);
  if (error != 0 && error != TERN_ECLOSED)
    tern_log(TERN_LOG_WARN, "A connection accepted on %s was dropped: %s", listener->url,
             tern_strerror(error));
  tern_counter_add(&h->target->taken, 1);
  let_go(listener);
}

/* ---- choosing a worker ---- */

static unsigned next_random(struct tern__acceptor *a, unsigned bound) {
  a->random ^= a->random << 13; /* xorshift64 */
  a->random ^= a->random >> 7;
  a->random ^= a->random << 17;
  return (unsigned)((a->random >> 33) % bound);
}

static uint64_t score(struct tern__acceptor *a, unsigned index) {
  struct target *target = &a->targets[index];
  struct tern__worker_load load = tern__worker_load(tern_workers_at(a->workers, index));
  uint64_t now = tern__clock_ns();
  uint64_t window = now - target->read_ns;
  if (window >= LOAD_WINDOW_MS * 1000000u) {
    uint64_t busy = load.busy_ns > target->busy_ns ? load.busy_ns - target->busy_ns : 0;
    if (busy > window) busy = window;
    target->weight = 1000 + (unsigned)(busy / (window / 1000));
    target->busy_ns = load.busy_ns;
    target->read_ns = now;
  }
  uint64_t coming = target->posted - tern_counter_read(&target->taken);
  return (load.connections + coming + 1) * target->weight;
}

static unsigned choose_worker(struct tern__acceptor *a) {
  if (a->count == 1) return 0;
  unsigned first = next_random(a, a->count);
  unsigned second = next_random(a, a->count - 1);
  if (second >= first) second++;
  return score(a, first) <= score(a, second) ? first : second;
}

/* Sends a socket to a worker. Returns false when all are behind. */
static bool hand_over(struct tern__acceptor *a, struct handover *h) {
  unsigned first = choose_worker(a);
  for (unsigned i = 0; i < a->count; i++) {
    unsigned to = (first + i) % a->count;
    h->target = &a->targets[to];
    h->target->posted++;
    int error = tern__workers_post(a->workers, TERN__SLOT_ACCEPTOR, to, take_over, h, sizeof *h);
    if (error == 0) return true;
    h->target->posted--;
    if (error == TERN_ECLOSED) {
      close(h->fd);
      let_go(h->listener);
      return true;
    }
  }
  return false;
}

/* ---- accepting ---- */

/* Once per shortage, however often a descriptor comes free and is taken again meanwhile. */
static void pause_accepting(struct tern__acceptor *a, struct tern_listener *listener, int error) {
  a->paused = true;
  if (a->short_of) return;
  a->short_of = true;
  tern_counter_add(&listener->pauses, 1);
  tern_log(
      TERN_LOG_WARN,
      "Cannot accept connections on %s: %s. New connections wait, established ones go on; trying again "
      "every %d ms. If this stays, raise the limit of open files (ulimit -n) or lower the number of clients",
      listener->url, tern_strerror(error), RETRY_MS);
}

/* Nobody waits any more. */
static void all_accepted(struct tern__acceptor *a, const struct tern_listener *listener) {
  a->paused = false;
  if (!a->short_of) return;
  a->short_of = false;
  tern_log(TERN_LOG_INFO, "Accepting connections on %s again", listener->url);
}

/* How long until the listener may take a connection, by the generic cell rate algorithm (ITU-T I.371). 0: now. */
static unsigned rest_of(struct tern_listener *listener) {
  /* relaxed: pairs with tern_listener_set_rate; it is in force from some moment on */
  uint32_t rate = atomic_load_explicit(&listener->rate, memory_order_relaxed);
  if (rate == 0) return 0;
  uint64_t now = tern__clock_ns(), step = NS_PER_S / rate, burst = BURST_MS * 1000000u;
  if (burst < step) burst = step;
  if (listener->paid_ns < now) listener->paid_ns = now;
  uint64_t ahead = listener->paid_ns + step - now;
  return ahead > burst ? (unsigned)((ahead - burst) / 1000000u) + 1 : 0;
}

/* One has been taken. */
static void pay(struct tern_listener *listener) {
  /* relaxed: as in rest_of */
  uint32_t rate = atomic_load_explicit(&listener->rate, memory_order_relaxed);
  if (rate != 0) listener->paid_ns += NS_PER_S / rate;
}

/* Accepts one connection and hands it over. Returns false when this listener has had its turn. */
static bool accept_one(struct tern__acceptor *a, struct tern_listener *listener) {
  struct handover h = {.listener = listener};
  h.peer.len = sizeof h.peer.storage;
  h.fd = accept4(listener->fd, (struct sockaddr *)&h.peer.storage, &h.peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
  int error = h.fd < 0 ? errno : 0;
  switch (error) {
    case 0:
      break;
    case EAGAIN:
      listener->late = false;
      all_accepted(a, listener);
      return false;
    case EINTR:
    case ECONNABORTED: /* the client went away again; so it did with the network errors */
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EPERM:
      return true;
    default:
      pause_accepting(a, listener, -error);
      return false;
  }
  a->paused = false;
  pay(listener);
  if (listener->late && listener->delayed != NULL) tern_counter_add(listener->delayed, 1);
  h.peer.storage.ss_family =
      listener->address.storage.ss_family; /* unnamed Unix peers have no address at all */
  /* relaxed: our listener has a hold already, so nobody waits for this count to mean anything yet */
  atomic_fetch_add_explicit(&listener->holds, 1, memory_order_relaxed);
  if (!hand_over(a, &h)) a->kept = h;
  return a->kept.fd < 0;
}

static void accept_round(struct tern__acceptor *a, struct tern_listener *listener) {
  for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
    unsigned rest = rest_of(listener);
    if (rest > a->rest_ms) a->rest_ms = rest;
    if (rest > 0) listener->late = true;
    if (rest > 0 || !accept_one(a, listener)) return;
  }
}

/* Waits for something to do. Returns how many events; -1: nothing but time has passed, try what was put off.
 */
static int wait_for_events(struct tern__acceptor *a, struct epoll_event events[EVENTS_PER_POLL]) {
  unsigned rest_ms = a->rest_ms;
  a->rest_ms = 0;
  if (!a->paused && a->kept.fd < 0 && rest_ms == 0)
    return epoll_wait(a->epoll_fd, events, EVENTS_PER_POLL, -1);
  /* wake_fd is written once, to stop, and never read. */
  struct pollfd wake = {.fd = a->wake_fd, .events = POLLIN};
  int wait_ms = a->paused || rest_ms > RETRY_MS ? RETRY_MS : (int)rest_ms;
  poll(&wake, 1, a->kept.fd >= 0 ? FULL_RETRY_MS : wait_ms);
  return -1;
}

static void *run(void *arg) {
  struct tern__acceptor *a = arg;
  struct epoll_event events[EVENTS_PER_POLL];
  bool stop = false;
  while (!stop) {
    int count = wait_for_events(a, events);
    if (a->kept.fd >= 0 && hand_over(a, &a->kept)) a->kept.fd = -1;
    pthread_mutex_lock(&a->lock);
    stop = a->stop;
    for (struct tern_listener *l = a->listeners; l != NULL; l = l->next) {
      /* An event may name a listener that is gone by now: those on the list are asked whether they are named.
       */
      bool ready = count < 0;
      for (int i = 0; i < count; i++)
        ready |= events[i].data.ptr == l;
      if (ready && a->kept.fd < 0) accept_round(a, l);
    }
    pthread_mutex_unlock(&a->lock);
  }
  return NULL;
}

/* ---- the control thread's side ---- */

/* Ends the acceptor's sleep; the only thing it is ever woken for is its end. */
static void wake(struct tern__acceptor *a) {
  const uint64_t one = 1;
  /* Cannot fail before 2^64 - 2 wake-ups are unread. */
  ssize_t n = write(a->wake_fd, &one, sizeof one);
  (void)n;
}

static void free_acceptor(struct tern__acceptor *a) {
  if (a->epoll_fd >= 0) close(a->epoll_fd);
  if (a->wake_fd >= 0) close(a->wake_fd);
  pthread_mutex_destroy(&a->lock);
  free(a);
}

/* Starts the thread, with all signals blocked: they are the main thread's. */
static int start_thread(struct tern__acceptor *a) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int error = pthread_create(&a->thread, NULL, run, a);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (error != 0) return -error;
  pthread_setname_np(a->thread, "tern-accept");
  return 0;
}

static int new_acceptor(struct tern_workers *workers, struct tern__acceptor **out) {
  unsigned count = tern_workers_count(workers);
  size_t size = sizeof(struct tern__acceptor) + count * sizeof(struct target);
  struct tern__acceptor *a = malloc(size);
  if (a == NULL) return -ENOMEM;
  *a = (struct tern__acceptor){.workers = workers, .count = count, .kept.fd = -1};
  uint64_t now = tern__clock_ns();
  for (unsigned i = 0; i < count; i++)
    a->targets[i] = (struct target){
        .weight = 1000, .busy_ns = tern__worker_load(tern_workers_at(workers, i)).busy_ns, .read_ns = now};
  a->random = now | 1;
  pthread_mutex_init(&a->lock, NULL);
  a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN};
  int error = 0;
  if (a->epoll_fd < 0 || a->wake_fd < 0 || epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, a->wake_fd, &event) != 0)
    error = -errno;
  if (error == 0) error = start_thread(a);
  if (error != 0) {
    free_acceptor(a);
    return error;
  }
  *out = a;
  return 0;
}

static void stop_acceptor(struct tern__acceptor *a) {
  a->workers->acceptor = NULL;
  pthread_mutex_lock(&a->lock);
  a->stop = true;
  pthread_mutex_unlock(&a->lock);
  wake(a);
  pthread_join(a->thread, NULL);
  free_acceptor(a);
}

int tern__acceptor_add(struct tern_listener *listener) {
  struct tern_workers *workers = listener->workers;
  int error = workers->acceptor == NULL ? new_acceptor(workers, &workers->acceptor) : 0;
  if (error != 0) return error;
  struct tern__acceptor *a = workers->acceptor;
  pthread_mutex_lock(&a->lock);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
  if (epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) != 0) {
    error = -errno;
  } else {
    listener->next = a->listeners;
    a->listeners = listener;
  }
  bool last = a->listeners == NULL;
  pthread_mutex_unlock(&a->lock);
  if (last) stop_acceptor(a);
  return error;
}

void tern__acceptor_remove(struct tern_listener *listener) {
  struct tern__acceptor *a = listener->workers->acceptor;
  pthread_mutex_lock(&a->lock);
  struct tern_listener **link = &a->listeners;
  while (*link != listener)
    link = &(*link)->next;
  *link = listener->next;
  epoll_ctl(a->epoll_fd, EPOLL_CTL_DEL, listener->fd, NULL);
  bool last = a->listeners == NULL;
  pthread_mutex_unlock(&a->lock);
  let_go(listener);
  while (sem_wait(&listener->drained) != 0 && errno == EINTR)
    continue;
  if (last) stop_acceptor(a);
}
