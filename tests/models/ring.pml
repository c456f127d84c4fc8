/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A full ring and its way back: credit, and the connections that wait for it.
 *
 * One producer worker sends ITEMS records to one consumer through a ring of CAPACITY records. When the ring is
 * full the producer keeps the record aside (overflow), pauses the connection it came from, announces that it
 * wants room and looks once more; the consumer, after having taken records, looks whether room is wanted and
 * rings the producer's bell. The producer then moves the overflow into the ring, before anything newer.
 *
 *     producer, full:  want = true (exchange); look at head again; still full: wait for the bell
 *     consumer:        head = head + 1 (seq_cst); if want: want = false (exchange); ring the producer's bell
 *
 * Checked: everything arrives, in order; nobody waits for ever (invalid end state); a record is never written
 * over one that was not read.
 *
 * BUG_1  the producer does not look at head again after having said that it wants room
 * BUG_2  the consumer looks whether room is wanted before it moves head
 * BUG_3  new records go into the ring while older ones wait in the overflow
 * BUG_4  head is moved before the record was read
 */
#define CAPACITY 2
#define ITEMS 5

byte cell[CAPACITY] = 0;
byte head = 0, tail = 0;
bool want = false;
bool bell = false;

active proctype producer() {
  byte next = 1;     /* the next record of the connection */
  byte overflow = 0; /* a record kept aside, 0: none */
  do
  :: overflow != 0 ->
    if
    :: tail - head < CAPACITY -> /* room: the old one first */
      cell[tail % CAPACITY] = overflow;
      tail++;
      overflow = 0
    :: else ->
      want = true;
#ifndef BUG_1
      if
      :: tail - head < CAPACITY -> want = false
      :: else ->
        bell; /* sleep */
        bell = false
      fi
#else
      bell;
      bell = false
#endif
    fi
#ifdef BUG_3
  :: next <= ITEMS && tail - head < CAPACITY ->
#else
  :: overflow == 0 && next <= ITEMS && tail - head < CAPACITY ->
#endif
    cell[tail % CAPACITY] = next;
    tail++;
    next++
  :: overflow == 0 && next <= ITEMS && tail - head == CAPACITY ->
    overflow = next; /* and pause the connection: nothing newer is read */
    next++
  :: overflow == 0 && next > ITEMS -> break
  od
}

active proctype consumer() {
  byte expected = 1, at, end;
  bool wanted;
  do
  :: expected > ITEMS -> break
  :: else ->
    head != tail; /* the consumer's own doorbell is another model */
    end = tail;
    at = head;
#ifdef BUG_4
    head = end;
#endif
    do /* the whole batch, then one store of head */
    :: at < end -> assert(cell[at % CAPACITY] == expected); expected++; at++
    :: else -> break
    od;
#ifdef BUG_2
    wanted = want;
    head = end;
#else
    head = end;
    wanted = want;
#endif
    if
    :: wanted -> want = false; bell = true
    :: else -> skip
    fi
  od
}
