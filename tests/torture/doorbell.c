/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doorbell on real threads (hazards 1 and 3): a few tokens are passed between workers that sleep whenever
 * they have nothing to do, so that a single overlooked ring or lost credit stops everything for good. A watchdog
 * (the main thread) looks whether tokens still move. Random yields shift the moment of sleeping.
 * Seeds: bell_no_recheck, overflow_reorder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <tern/stats.h>
#include <tern/worker.h>
#include <time.h>
#include <unistd.h>

enum { KIND = TERN_RECORD_USER, WORKERS = 3, PASSES = 60000, STUCK_CHECKS = 100, CHECK_MS = 50 };

struct token {
  uint64_t left;   /* passes still to make */
  uint64_t number; /* of this sender's records to this receiver */
};

static struct tern_counter moved[WORKERS];
static _Atomic unsigned finished; /* tokens at their end */
static _Atomic unsigned disorder; /* records out of order */
static struct {
  _Alignas(128) uint64_t random;
  uint64_t sent[WORKERS], received[WORKERS];
} own[WORKERS];

static uint64_t draw(uint64_t *state) { /* xorshift64 */
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void pass(struct tern_worker *worker, uint64_t left) {
  unsigned index = tern_worker_index(worker);
  unsigned to = (index + 1 + (unsigned)(draw(&own[index].random) % (WORKERS - 1))) % WORKERS;
  struct token *token = tern_worker_reserve(worker, to, KIND, sizeof *token);
  if (token == NULL) abort();
  *token = (struct token){.left = left, .number = own[index].sent[to]++};
  tern_worker_commit(worker, to);
}

static void on_record(struct tern_worker *worker, unsigned from, unsigned kind, const void *data,
                      size_t len) {
  struct token token;
  unsigned index = tern_worker_index(worker);
  if (kind != KIND || len != sizeof token) abort();
  memcpy(&token, data, sizeof token);
  /* relaxed, here and below: single figures for the main thread */
  if (token.number != own[index].received[from]++)
    atomic_fetch_add_explicit(&disorder, 1, memory_order_relaxed);
  if (draw(&own[index].random) % 16 == 0) sched_yield();
  tern_counter_add(&moved[index], 1);
  if (token.left > 0) {
    pass(worker, token.left - 1);
  } else {
    atomic_fetch_add_explicit(&finished, 1, memory_order_relaxed);
  }
}

static void inject(struct tern_worker *worker, void *arg) {
  unsigned tokens = *(unsigned *)arg;
  for (unsigned i = 0; i < tokens; i++)
    pass(worker, PASSES / tokens);
}

static uint64_t all_moved(void) {
  uint64_t sum = 0;
  for (int i = 0; i < WORKERS; i++)
    sum += tern_counter_read(&moved[i]);
  return sum;
}

/* Tokens on their way; with 64-byte rings a few already fill them. */
static void pass_tokens(unsigned tokens) {
  const struct tern_workers_options options = {.count = WORKERS, .ring_bytes = 64, .record = on_record};
  struct tern_workers *workers;
  memset(own, 0, sizeof own);
  for (unsigned i = 0; i < WORKERS; i++)
    own[i].random = 88172645463325252u + i;
  atomic_store_explicit(&finished, 0, memory_order_relaxed);
  atomic_store_explicit(&disorder, 0, memory_order_relaxed);
  assert_int_equal(tern_workers_new(&options, &workers), 0);
  assert_int_equal(tern_workers_start(workers), 0);
  assert_int_equal(tern_workers_call(workers, 0, inject, &tokens), 0);
  uint64_t before = all_moved();
  for (int stuck = 0; atomic_load_explicit(&finished, memory_order_relaxed) < tokens;) {
    nanosleep(&(struct timespec){.tv_nsec = CHECK_MS * 1000000L}, NULL);
    uint64_t now = all_moved();
    stuck = now == before ? stuck + 1 : 0;
    before = now;
    if (stuck == STUCK_CHECKS) {
      print_error("no token moves any more\n");
      _exit(1); /* the workers cannot be stopped in an orderly way */
    }
  }
  uint64_t sleeps = 0, overflows = 0;
  for (unsigned i = 0; i < WORKERS; i++) {
    struct tern_worker_stats stats = tern_worker_stats(tern_workers_at(workers, i));
    sleeps += stats.sleeps;
    overflows += stats.overflows;
  }
  assert_int_equal(tern_workers_stop(workers, 10000), 0);
  assert_int_equal(atomic_load_explicit(&disorder, memory_order_relaxed), 0);
  if (tokens < 4) assert_true(sleeps > 100); /* else the test has not tested anything */
  if (tokens > 20) assert_true(overflows > 100);
  tern_workers_free(workers);
}

static void one_token_never_stops(void **state) {
  (void)state;
  pass_tokens(1);
}
static void two_tokens_never_stop(void **state) {
  (void)state;
  pass_tokens(2);
}
static void full_rings_never_stop_and_keep_their_order(void **state) {
  (void)state;
  pass_tokens(60);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_token_never_stops),
      cmocka_unit_test(two_tokens_never_stop),
      cmocka_unit_test(full_rings_never_stop_and_keep_their_order),
  };
  return cmocka_run_group_tests_name("doorbell", tests, NULL, NULL);
}
