/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers on real threads: loops send errands, some of which turn out to be in vain, helpers do them, and somebody stops
 * the helpers at any moment. Every errand comes back once, done or not, and what was written on one side is read on the
 * other (plain fields: the thread sanitizer watches). A loop that is not woken when it has to be never ends: that is
 * found by a bound on its ticks. Random yields shift the moments. Seeds: errand_wake_lost, errand_left_behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <tern/error.h>

#include "container.h"
#include "errand.h"

enum {
  LOOPS = 3,
  HELPERS = 2,
  UNDER_WAY = 16,
  ERRANDS = 3000,
  ROUNDS = 12,
  IDLE_TICKS_MAX = 500,
  TICK_MS = 20
};

struct sender;

struct piece {
  struct tern__errand errand;
  struct sender *sender;
  uint64_t input, output;
  bool away;
};

struct sender {
  struct tern_loop *loop;
  struct tern_helpers *helpers;
  pthread_t thread;
  uint64_t random;
  struct piece pieces[UNDER_WAY];
  unsigned sent, done, undone, refused;
  unsigned wrong; /* came back without being away, or not as it should be */
};

static uint64_t draw(uint64_t *state) { /* xorshift64 */
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void work(struct tern__errand *errand) {
  struct piece *piece = tern_container(errand, struct piece, errand);
  if (piece->input % 7 == 0) sched_yield();
  piece->output = piece->input * 3;
}

static void back(struct tern__errand *errand, bool done) {
  struct piece *piece = tern_container(errand, struct piece, errand);
  struct sender *sender = piece->sender;
  if (!piece->away || (done && piece->output != piece->input * 3) || (!done && piece->output != 0))
    sender->wrong++;
  piece->away = false;
  if (done)
    sender->done++;
  else
    sender->undone++;
}

static void send_some(struct sender *sender) {
  for (unsigned i = 0; i < UNDER_WAY && sender->sent + sender->refused < ERRANDS; i++) {
    struct piece *piece = &sender->pieces[i];
    if (piece->away) {
      /* relaxed: as its users do, pairs with helpers.c */
      if (draw(&sender->random) % 64 == 0)
        atomic_store_explicit(&piece->errand.vain, true, memory_order_relaxed);
      continue;
    }
    piece->input = draw(&sender->random) | 1;
    piece->output = 0;
    piece->errand.under_way = (piece->input & 2) != 0;
    piece->away = true;
    int error = tern__helpers_send(sender->helpers, sender->loop, &piece->errand);
    if (error == 0) {
      sender->sent++;
      continue;
    }
    piece->away = false;
    sender->refused++;
    if (error != TERN_ECLOSED) sender->wrong++;
  }
}

static void *run_sender(void *arg) {
  struct sender *sender = arg;
  if (tern_loop_new(&sender->loop) != 0) abort();
  unsigned before = 0, idle = 0;
  while (idle < IDLE_TICKS_MAX) {
    send_some(sender);
    const unsigned came = sender->done + sender->undone;
    if (came == sender->sent && sender->sent + sender->refused == ERRANDS) break;
    tern_loop_tick(sender->loop, came < sender->sent ? TICK_MS : 0);
    idle = came == before ? idle + 1 : 0;
    before = came;
  }
  if (idle == IDLE_TICKS_MAX) sender->wrong++; /* and freeing the loop would wait for ever */
  if (idle < IDLE_TICKS_MAX) tern_loop_free(sender->loop);
  return NULL;
}

static void test_every_errand_comes_back_once(void **state) {
  (void)state;
  static struct sender senders[LOOPS];
  uint64_t random = 88172645463325252u;
  for (unsigned round = 0; round < ROUNDS; round++) {
    struct tern_helpers *helpers;
    assert_int_equal(tern_helpers_new(HELPERS, &helpers), 0);
    for (unsigned i = 0; i < LOOPS; i++) {
      senders[i] = (struct sender){.helpers = helpers, .random = draw(&random)};
      for (unsigned j = 0; j < UNDER_WAY; j++)
        senders[i].pieces[j] =
            (struct piece){.errand.work = work, .errand.back = back, .sender = &senders[i]};
    }
    for (unsigned i = 0; i < LOOPS; i++)
      assert_int_equal(pthread_create(&senders[i].thread, NULL, run_sender, &senders[i]), 0);
    const unsigned yields = (unsigned)(draw(&random) % 200);
    for (unsigned i = 0; i < yields; i++)
      sched_yield();
    if (round % 3 != 0) tern_helpers_stop(helpers); /* in the middle */
    for (unsigned i = 0; i < LOOPS; i++)
      pthread_join(senders[i].thread, NULL);
    for (unsigned i = 0; i < LOOPS; i++) {
      assert_int_equal(senders[i].wrong, 0);
      assert_int_equal(senders[i].done + senders[i].undone, senders[i].sent);
      if (round % 3 == 0) assert_int_equal(senders[i].refused, 0);
    }
    tern_helpers_free(helpers);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_errand_comes_back_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
