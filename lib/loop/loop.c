/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: epoll underneath, five lists above.
 *
 *     ready      watches to run in step 3          kernel edges and tern__loop_ready put them here
 *     running    the ready list as step 3 found it; what becomes ready meanwhile waits for the next tick, as does what
 *                is left when tern__loop_postpone was called
 *     dirty      outputs to write in step 5        (those that come during step 5 are written in it)
 *     deferred   calls for step 6                  (those that come during it wait for the next tick)
 *     members    live transports
 *
 * All are intrusive. Where something must be able to leave in the middle (it is being freed) the links are
 * double, so that leaving costs O(1) even when ten thousand connections end at once.
 *
 * A descriptor is registered once and edge-triggered. The kernel's events of a tick are turned into bits and
 * list entries before anything is run, so a watch that is removed while others run leaves nothing behind
 * that could name it: neither an event already fetched nor, when its number is reused at once, a stale one.
 *
 * The loop sleeps only when ready, dirty and deferred are empty, the inbox hook left nothing and the
 * may_sleep hook agrees; at most until the next timer. Woken by another worker it runs the inbox hook at once: what
 * has come needs no other poll before it is flushed. The eventfd that wakes it is edge-triggered too, which makes
 * reading it back unnecessary; when it was seen, errands that helpers have run are received (helpers.c). The clock
 * is read once per tick, after the poll. One second after the last activity the loop wakes once to give the read
 * buffer and unused memory back, then sleeps undisturbed.
 *
 * Without hooks the loop stands alone (examples, tests); a worker adds its steps through them (worker.c).
 * Thread: the owner, but for tern__loop_wake. A signal that interrupts the poll ends the poll, no more.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <tern/limits.h>
#include <tern/worker.h>
#include <unistd.h>

#include "clock.h"
#include "loop_internal.h"
#include "seed.h"

enum { EVENTS_PER_POLL = 256, TRIM_AFTER_MS = 1000, FILLED_AT_FIRST = 4, FILLED_AFTER_KEPT = 64 };

#define NS_PER_MS 1000000u

static _Thread_local char thread_mark; /* its address identifies the thread */

uint64_t tern__loop_clock_ns(const struct tern_loop *loop) {
  return loop->simulated_ms != NULL ? *loop->simulated_ms * NS_PER_MS : tern__clock_ns();
}

static uint64_t read_clock(const struct tern_loop *loop) { return tern__loop_clock_ns(loop) / NS_PER_MS; }

int tern_loop_new(struct tern_loop **out) {
  struct tern_loop *loop = calloc(1, sizeof *loop);
  if (loop == NULL) return -ENOMEM;
  loop->ready_end = &loop->ready;
  loop->dirty_end = &loop->dirty;
  loop->deferred_end = &loop->deferred;
  loop->wake_fd = -1;
  loop->pool = tern_pool_new();
  int error = loop->pool == NULL ? ENOMEM : 0;
  loop->epoll_fd = error == 0 ? epoll_create1(EPOLL_CLOEXEC) : -1;
  if (error == 0 && loop->epoll_fd < 0) error = errno;
  if (error == 0) {
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) error = errno;
  }
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
  if (error == 0 && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) != 0) error = errno;
  if (error != 0) {
    tern_loop_free(loop);
    return -error;
  }
  loop->now_ms = read_clock(loop);
  loop->reads_to_large = FILLED_AT_FIRST;
  tern__wheel_init(&loop->wheel, loop->now_ms);
  *out = loop;
  return 0;
}

void tern_loop_free(struct tern_loop *loop) {
  if (loop->wake_fd >= 0) tern__errands_await(loop); /* what was for transports that are gone */
  if (loop->members != NULL) {
    fprintf(stderr, "tern: a loop is freed with %u transports alive\n", loop->member_count);
    abort();
  }
  if (loop->read_buf != NULL) tern_buf_unref(loop->read_buf);
  if (loop->pool != NULL) tern_pool_free(loop->pool);
  if (loop->wake_fd >= 0) close(loop->wake_fd);
  if (loop->epoll_fd >= 0) close(loop->epoll_fd);
  free(loop);
}

void tern__loop_own(struct tern_loop *loop) { loop->owner = &thread_mark; }

#ifndef NDEBUG
void tern__loop_assert_owner(const struct tern_loop *loop) {
  assert(loop->owner == NULL || loop->owner == &thread_mark);
  assert(loop->worker == NULL || loop->worker == tern_worker_self());
}
#endif

void tern__loop_wake(struct tern_loop *loop) {
  uint64_t one = 1;
  /* Fails only when the counter is at its end (after 2^64 wake-ups); it is non-zero then all the same. */
  ssize_t written = write(loop->wake_fd, &one, sizeof one);
  (void)written;
}

/* ---- descriptors and the ready list ---- */

int tern__loop_watch(struct tern_loop *loop, struct tern_watch *watch) {
  tern__loop_assert_owner(loop);
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = watch};
  return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) == 0 ? 0 : -errno;
}

static void append_ready(struct tern_loop *loop, struct tern_watch *watch) {
  if (watch->queued) return;
  watch->queued = true;
  watch->next = NULL;
  watch->prev = loop->ready_end;
  *loop->ready_end = watch;
  loop->ready_end = &watch->next;
}

static void remove_ready(struct tern_loop *loop, struct tern_watch *watch) {
  *watch->prev = watch->next;
  if (watch->next != NULL) {
    watch->next->prev = watch->prev;
  } else if (loop->ready_end == &watch->next) {
    loop->ready_end = watch->prev;
  }
  watch->queued = false;
}

void tern__loop_ready(struct tern_loop *loop, struct tern_watch *watch) {
  tern__loop_assert_owner(loop);
  append_ready(loop, watch);
}

void tern__loop_unwatch(struct tern_loop *loop, struct tern_watch *watch) {
  tern__loop_assert_owner(loop);
  if (watch->queued) remove_ready(loop, watch);
  /* Cannot fail for a registered descriptor; one that never was is nobody's concern. */
  if (watch->fd >= 0) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
}

static void note_event(struct tern_loop *loop, const struct epoll_event *event) {
  struct tern_watch *watch = event->data.ptr;
  if (watch == NULL) {
    loop->woken = true; /* the eventfd: mostly, to be awake is all it wants */
    return;
  }
  unsigned seen = 0;
  if (event->events & EPOLLIN) seen |= TERN_WATCH_READ;
  if (event->events & EPOLLOUT) seen |= TERN_WATCH_WRITE;
  if (event->events & EPOLLRDHUP) seen |= TERN_WATCH_READ | TERN_WATCH_END;
  if (event->events & (EPOLLHUP | EPOLLERR)) seen |= TERN_WATCH_READ | TERN_WATCH_WRITE | TERN_WATCH_END;
  watch->events |= (uint8_t)seen;
  append_ready(loop, watch);
}

void tern__loop_postpone(struct tern_loop *loop) {
  tern__loop_assert_owner(loop);
  struct tern_watch *first = loop->running, **end = &loop->running;
  if (first == NULL) return;
  while (*end != NULL)
    end = &(*end)->next;
  *end = loop->ready;
  if (loop->ready != NULL)
    loop->ready->prev = end;
  else
    loop->ready_end = end;
  loop->ready = first;
  first->prev = &loop->ready;
  loop->running = NULL;
}

static void run_ready(struct tern_loop *loop) {
  loop->running = loop->ready;
  if (loop->running != NULL) loop->running->prev = &loop->running;
  loop->ready = NULL;
  loop->ready_end = &loop->ready;
  uint32_t measured = loop->latency.on ? tern__latency_draw_ready(&loop->latency, loop->running) : 0;
  struct tern_watch *watch;
  while ((watch = loop->running) != NULL) {
    remove_ready(loop, watch);
    if (measured == 0 || --measured > 0)
      watch->run(watch);
    else
      tern__latency_run(loop, watch);
  }
}

/* ---- polling ---- */

bool tern__loop_has_work(const struct tern_loop *loop) {
  return loop->ready != NULL || loop->dirty != NULL || loop->deferred != NULL || loop->inbox_left;
}

/* The longest allowed sleep: no more than timeout_ms (-1: no bound), not beyond the next timer. */
static int sleep_ms(struct tern_loop *loop, int timeout_ms) {
  if (timeout_ms == 0 || tern__loop_has_work(loop)) return 0;
  uint64_t bound = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms;
  uint64_t next = tern__wheel_next_ms(&loop->wheel);
  if (loop->trim_ms != 0 && loop->trim_ms < next) next = loop->trim_ms;
  if (next != TERN__WHEEL_NEVER) {
    uint64_t now = read_clock(loop);
    uint64_t wait = next > now ? next - now : 0;
    if (wait < bound) bound = wait;
  }
  if (bound != 0 && loop->hooks.sleep_max_ms != NULL) {
    int most = loop->hooks.sleep_max_ms(loop->hooks.arg);
    if (most >= 0 && (uint64_t)most < bound) bound = (uint64_t)most;
  }
  if (bound == UINT64_MAX) return -1;
  return bound > INT_MAX ? INT_MAX : (int)bound;
}

/* Gives back what an idle loop does not need, a while after the last activity; and now and then what a busy one has had
 * no need of. */
static void trim(struct tern_loop *loop) {
  if (loop->now_ms >= loop->age_ms) {
    loop->age_ms = loop->now_ms + TRIM_AFTER_MS;
    tern_pool_age(loop->pool);
  }
  if (loop->active) {
    loop->trim_ms = loop->now_ms + TRIM_AFTER_MS;
  } else if (loop->trim_ms != 0 && loop->now_ms >= loop->trim_ms) {
    loop->trim_ms = 0;
    if (loop->read_buf != NULL) tern_buf_unref(loop->read_buf);
    loop->read_buf = NULL;
    loop->reads_to_large = FILLED_AT_FIRST;
    tern_pool_trim(loop->pool);
  }
}

static void poll_events(struct tern_loop *loop, int timeout_ms) {
  struct epoll_event events[EVENTS_PER_POLL];
  int sleep = sleep_ms(loop, timeout_ms);
  bool announced = false;
  if (sleep != 0 && loop->hooks.may_sleep != NULL) {
    announced = loop->hooks.may_sleep(loop->hooks.arg);
    if (!announced) sleep = 0;
  }
  int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_POLL, sleep);
  if (announced && loop->hooks.woke != NULL) loop->rung = loop->hooks.woke(loop->hooks.arg);
  if (count < 0) assert(errno == EINTR);
  const uint64_t now_ns = tern__loop_clock_ns(loop);
  if (loop->hooks.ticked != NULL && loop->polled_ns != 0)
    loop->hooks.ticked(loop->hooks.arg, loop->polled_ns, now_ns, announced);
  loop->polled_ns = now_ns;
  loop->now_ms = now_ns / NS_PER_MS;
  for (int i = 0; i < count; i++)
    note_event(loop, &events[i]);
  if (loop->woken) tern__errands_receive(loop);
  loop->woken = false;
  loop->active = loop->ready != NULL;
  trim(loop);
}

static void run_inbox(struct tern_loop *loop) {
  loop->rung = false;
  loop->inbox_left = loop->hooks.inbox != NULL && loop->hooks.inbox(loop->hooks.arg);
}

/* ---- output, deferred calls, timers ---- */

void tern__loop_dirty(struct tern_loop *loop, struct tern_flush *flush) {
  tern__loop_assert_owner(loop);
  if (flush->queued) return;
  flush->queued = true;
  flush->next = NULL;
  flush->prev = loop->dirty_end;
  *loop->dirty_end = flush;
  loop->dirty_end = &flush->next;
  if (loop->latency.on) tern__latency_queued(loop, flush);
}

void tern__loop_undirty(struct tern_loop *loop, struct tern_flush *flush) {
  tern__loop_assert_owner(loop);
  if (!flush->queued) return;
  *flush->prev = flush->next;
  if (flush->next != NULL) {
    flush->next->prev = flush->prev;
  } else {
    loop->dirty_end = flush->prev;
  }
  if (loop->latency.drawn == flush) loop->latency.drawn = NULL;
  flush->queued = false;
}

static void run_dirty(struct tern_loop *loop) {
  struct tern_flush *flush;
  while ((flush = loop->dirty) != NULL) {
    const bool measured = loop->latency.drawn == flush;
    tern__loop_undirty(loop, flush);
    tern__loop_publish(loop); /* a callback of the flush before may have sent records; they come first */
    flush->run(flush);
    if (measured) tern__latency_flushed(loop);
  }
  loop->latency.on = false;
}

void tern_loop_defer(struct tern_loop *loop, struct tern_deferred *deferred) {
  tern__loop_assert_owner(loop);
  if (deferred->queued) return;
  deferred->queued = true;
  deferred->next = NULL;
  *loop->deferred_end = deferred;
  loop->deferred_end = &deferred->next;
}

static void run_deferred(struct tern_loop *loop) {
  struct tern_deferred *deferred = loop->deferred;
  loop->deferred = NULL;
  loop->deferred_end = &loop->deferred;
  while (deferred != NULL) {
    struct tern_deferred *next = deferred->next; /* before the call: it may free its object */
    deferred->queued = false;
    deferred->call(deferred);
    deferred = next;
  }
}

void tern_timer_start(struct tern_loop *loop, struct tern_timer *timer, uint64_t delay_ms) {
  tern__loop_assert_owner(loop);
  tern_timer_stop(loop, timer);
  /* Between ticks now_ms may be long past, and a timer must not be early. */
  uint64_t now = loop->in_tick ? loop->now_ms : read_clock(loop);
  tern__wheel_start(&loop->wheel, timer, now, delay_ms);
}

void tern_timer_stop(struct tern_loop *loop, struct tern_timer *timer) {
  tern__loop_assert_owner(loop);
  if (timer->prev != NULL) tern__wheel_stop(&loop->wheel, timer);
}

bool tern_timer_is_started(const struct tern_timer *timer) { return timer->prev != NULL; }

/* ---- the tick ---- */

void tern__loop_publish(struct tern_loop *loop) {
  if (TERN_BUG(publish_late)) return; /* comes in the last step instead */
  if (loop->hooks.publish != NULL) loop->hooks.publish(loop->hooks.arg);
}

void tern__loop_step(struct tern_loop *loop, enum tern__phase phase, int timeout_ms) {
  loop->in_tick = true;
  switch (phase) {
    case TERN__PHASE_INBOX:
      if (loop->latency.every != 0) tern__latency_begin(&loop->latency);
      run_inbox(loop);
      break;
    case TERN__PHASE_READY:
      loop->heavy_left = TERN__HEAVY_PER_TICK;
      poll_events(loop, timeout_ms);
      if (loop->rung) {
        run_inbox(loop);
        loop->active = true;
      }
      run_ready(loop);
      break;
    case TERN__PHASE_PUBLISH:
      tern__loop_publish(loop);
      break;
    case TERN__PHASE_FLUSH:
      run_dirty(loop);
      break;
    case TERN__PHASE_REST:
      /* breaks O2: the PONG is out before the messages */
      if (TERN_BUG(publish_late) && loop->hooks.publish != NULL) loop->hooks.publish(loop->hooks.arg);
      tern__wheel_advance(&loop->wheel, loop->now_ms);
      run_deferred(loop);
      if (loop->hooks.quiescent != NULL) loop->hooks.quiescent(loop->hooks.arg);
      break;
    case TERN__PHASES:
      break;
  }
  loop->in_tick = false;
}

void tern_loop_tick(struct tern_loop *loop, int timeout_ms) {
  if (loop->owner == NULL) tern__loop_own(loop);
  tern__loop_assert_owner(loop);
  for (int phase = TERN__PHASE_INBOX; phase < TERN__PHASES; phase++) {
    tern__loop_step(loop, (enum tern__phase)phase, timeout_ms);
  }
}

void tern_loop_run(struct tern_loop *loop) {
  tern__loop_own(loop);
  loop->stopped = false;
  while (!loop->stopped)
    tern_loop_tick(loop, -1);
}

void tern_loop_stop(struct tern_loop *loop) { loop->stopped = true; }

/* ---- members, memory, small things ---- */

void tern__loop_join(struct tern_loop *loop, struct tern_loop_member *member) {
  tern__loop_assert_owner(loop);
  member->loop = loop;
  member->next = loop->members;
  member->prev = &loop->members;
  if (member->next != NULL) member->next->prev = &member->next;
  loop->members = member;
  loop->member_count++;
  loop->joined++;
}

static void unlink_member(struct tern_loop_member *member) {
  *member->prev = member->next;
  if (member->next != NULL) member->next->prev = member->prev;
}

void tern__loop_leave(struct tern_loop_member *member) {
  tern__loop_assert_owner(member->loop);
  unlink_member(member);
  member->loop->member_count--;
}

void tern__loop_shutdown_members(struct tern_loop *loop, int error) {
  assert(loop->closing == NULL);
  /* Each member of this moment is visited once; those visited go back to the list before their call, which
   * may make any member leave. */
  loop->closing = loop->members;
  if (loop->closing != NULL) loop->closing->prev = &loop->closing;
  loop->members = NULL;
  struct tern_loop_member *member;
  while ((member = loop->closing) != NULL) {
    unlink_member(member);
    member->next = loop->members;
    member->prev = &loop->members;
    if (member->next != NULL) member->next->prev = &member->next;
    loop->members = member;
    member->shutdown(member, error);
  }
}

bool tern__loop_may_be_heavy(struct tern_loop *loop) {
  tern__loop_assert_owner(loop);
  if (loop->heavy_left == 0) return false;
  loop->heavy_left--;
  return true;
}

/* A large buffer saves system calls where much comes in. One that is kept for a large body keeps all its memory, and comes
 * from malloc: small ones follow for a while. */
struct tern_buf *tern__loop_read_buf(struct tern_loop *loop) {
  tern__loop_assert_owner(loop);
  struct tern_buf *buf = loop->read_buf;
  bool kept = buf != NULL && tern_buf_is_shared(buf);
  if (kept) loop->reads_to_large = FILLED_AFTER_KEPT;
  bool large = loop->reads_to_large == 0;
  if (buf != NULL && !kept && (!large || tern_buf_size(buf) >= TERN_READ_LARGE_BYTES)) return buf;
  if (buf != NULL) tern_buf_unref(buf);
  loop->read_buf = large ? tern_buf_new(loop->pool, TERN_READ_LARGE_BYTES) : NULL;
  if (loop->read_buf == NULL) loop->read_buf = tern_buf_new(loop->pool, TERN_READ_BYTES);
  return loop->read_buf;
}

void tern__loop_read_filled(struct tern_loop *loop) {
  if (loop->reads_to_large > 0) loop->reads_to_large--;
}

void tern__loop_set_hooks(struct tern_loop *loop, const struct tern_loop_hooks *hooks) {
  loop->hooks = *hooks;
}

uint64_t tern_loop_now_ms(const struct tern_loop *loop) { return loop->now_ms; }
struct tern_pool *tern_loop_pool(struct tern_loop *loop) {
  return loop->pool;
}
void *tern_loop_data(const struct tern_loop *loop) { return loop->data; }
void tern_loop_set_data(struct tern_loop *loop, void *data) { loop->data = data; }
unsigned tern_loop_transports(const struct tern_loop *loop) { return loop->member_count; }
