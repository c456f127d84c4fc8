/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See tally.h. A fixed table of words; a key may be in one of WINDOW places behind its own:
 *
 *     word:   40 bits of the key | 24 bits count        count 0: the place is free
 *
 * Whoever has been counted keeps the place, so leaving is one subtraction and never a search, and a word changes its key
 * only while nobody is counted in it. A place has two accounts besides (the generic cell rate algorithm, ITU-T I.371): the
 * time up to which what was used is paid for. They may run ahead of the clock by a second's worth, and begin with what
 * the place's last owner has left, at most that second.
 *
 * Keys are hashes with a secret seed: two keys that fall together (once in 2^40) share a count.
 */
#include "tally.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { PLACES = 1 << 16, WINDOW = 32, COUNT_BITS = 24 };
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define SECOND_NS  UINT64_C(1000000000)

struct tally {
  _Atomic uint64_t words[PLACES];
  _Atomic uint64_t paid_ns[2][PLACES];
};

struct tally *tally_new(void) {
  return calloc(1, sizeof(struct tally));
}
void tally_free(struct tally *tally) { free(tally); }

static uint32_t place_of(uint64_t key, uint32_t step) { return ((uint32_t)key + step) & (PLACES - 1); }

/* Adds one to a word that has this key, or that nobody has. Returns 1, 0 when there are max, -1 when it is not so. */
static int count_in(_Atomic uint64_t *word, uint64_t key, uint64_t max, bool take_free) {
  /* relaxed, here and below: a count orders nothing; one word is changed in one step */
  uint64_t now = atomic_load_explicit(word, memory_order_relaxed);
  for (;;) {
    bool is_free = (now & COUNT_MASK) == 0;
    if (is_free != take_free || (!is_free && now >> COUNT_BITS != key)) return -1;
    if (!is_free && (now & COUNT_MASK) >= max) return 0;
    uint64_t next = is_free ? key << COUNT_BITS | 1 : now + 1;
    /* relaxed: pairs with the others of its kind */
    if (atomic_compare_exchange_weak_explicit(word, &now, next, memory_order_relaxed, memory_order_relaxed))
      return 1;
  }
}

bool tally_enter(struct tally *tally, uint64_t key, uint32_t max, uint32_t *place) {
  uint64_t most = max != 0 && max < COUNT_MASK ? max : COUNT_MASK, word_key = key >> COUNT_BITS;
  *place = TALLY_NONE;
  for (int take_free = 0; take_free < 2; take_free++) {
    for (uint32_t step = 0; step < WINDOW; step++) {
      uint32_t at = place_of(key, step);
      int counted = count_in(&tally->words[at], word_key, most, take_free);
      if (counted == 1) *place = at;
      if (counted >= 0) return counted == 1;
    }
  }
  return true;
}

void tally_leave(struct tally *tally, uint32_t place) {
  if (place == TALLY_NONE) return;
  /* relaxed: pairs with the exchange in count_in */
  atomic_fetch_sub_explicit(&tally->words[place], 1, memory_order_relaxed);
}

uint64_t tally_use(struct tally *tally, uint32_t place, unsigned which, uint64_t units, uint64_t rate,
                   uint64_t now_ns) {
  _Atomic uint64_t *paid = &tally->paid_ns[which][place];
  uint64_t cost = (uint64_t)((unsigned __int128)units * SECOND_NS / rate);
  /* relaxed, here and below: the account is one word and orders nothing else */
  uint64_t before = atomic_load_explicit(paid, memory_order_relaxed), after;
  do {
    after = (before > now_ns ? before : now_ns) + cost;
    /* relaxed: pairs with itself on other threads */
  } while (!atomic_compare_exchange_weak_explicit(paid, &before, after, memory_order_relaxed,
                                                  memory_order_relaxed));
  return after > now_ns + SECOND_NS ? after - now_ns - SECOND_NS : 0;
}
