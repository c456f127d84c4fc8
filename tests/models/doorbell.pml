/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doorbell of a worker: no lost wake-up.
 *
 * PRODUCERS producers each put ITEMS items into a ring of their own and ring the bell of one consumer, which
 * sleeps when there is nothing to do. The bell is one atomic word: a bit per producer and a bit SLEEPING; every
 * change of it is one read-modify-write, so the model's interleavings are those of the real word.
 *
 *     producer, per item:  tail = tail + 1 (release)        consumer, per tick: m = exchange(bell, 0); drain rings in m
 *                          old = fetch_or(bell, my bit)      to sleep: if CAS(bell, 0, SLEEPING) wait for the eventfd;
 *                          if old == SLEEPING: write eventfd           then m = exchange(bell, 0); drain rings in m
 *
 * Checked: the consumer takes every item (a lost wake-up shows as an invalid end state: it waits for ever); at
 * most one eventfd write per sleep. The consumer may also wake up for another reason (a socket, a timer), once.
 *
 * BUG_1  the producer rings before it publishes the item
 * BUG_2  the consumer goes to sleep without looking at the bell (plain store instead of CAS)
 * BUG_3  the producer wakes only if it sees exactly its own bit come first (compares with 0 instead of SLEEPING)
 * BUG_4  the consumer clears the bell after draining instead of before
 * BUG_5  the producer wakes whenever SLEEPING is set, not only for the first ring (two writes for one sleep)
 */
#define PRODUCERS 2
#define ITEMS 2
#define SLEEPING 4 /* bit 2; bits 0 and 1 are the producers */

byte bell = 0;
byte tail[PRODUCERS] = 0;
byte head[PRODUCERS] = 0;
byte eventfd = 0; /* writes not yet consumed by a wake-up */
byte taken = 0;
byte sleeps = 0, writes = 0;
bool other_reason = true;

inline wake() {
  atomic { eventfd++; writes++; assert(writes <= sleeps) }
}

proctype producer(byte me) {
  byte sent = 0, old;
  do
  :: sent < ITEMS ->
#ifdef BUG_1
    atomic { old = bell; bell = bell | (1 << me) }
    tail[me]++;
#else
    tail[me]++;
    atomic { old = bell; bell = bell | (1 << me) }
#endif
    if
#if defined(BUG_3)
    :: old == 0 -> wake()
#elif defined(BUG_5)
    :: (old & SLEEPING) -> wake()
#else
    :: old == SLEEPING -> wake()
#endif
    :: else -> skip
    fi;
    sent++
  :: else -> break
  od
}

inline drain(mask) {
  p = 0;
  do
  :: p < PRODUCERS ->
    if
    :: (mask & (1 << p)) ->
      do
      :: head[p] < tail[p] -> head[p]++; taken++
      :: else -> break
      od
    :: else -> skip
    fi;
    p++
  :: else -> break
  od
}

active proctype consumer() {
  byte mask, p;
  bool slept;
  do
  :: taken == PRODUCERS * ITEMS -> break
  :: else ->
    if
    :: bell != 0 ->
#ifdef BUG_4
      mask = bell;
      drain(mask);
      bell = 0
#else
      atomic { mask = bell; bell = 0 }
      drain(mask)
#endif
    :: else -> skip
    fi;
    if
    :: taken < PRODUCERS * ITEMS ->
#ifdef BUG_2
      atomic { bell = SLEEPING; slept = true; sleeps++ }
#else
      atomic {
        slept = (bell == 0);
        if
        :: slept -> bell = SLEEPING; sleeps++
        :: else -> skip
        fi
      }
#endif
      if
      :: slept ->
        if /* epoll_wait */
        :: atomic { eventfd > 0 -> eventfd = 0 }
        :: atomic { other_reason -> other_reason = false }
        fi;
        atomic { mask = bell; bell = 0 }
        drain(mask & (SLEEPING - 1))
      :: else -> skip
      fi
    :: else -> skip
    fi
  od
}

init {
  atomic { run producer(0); run producer(1) }
}
