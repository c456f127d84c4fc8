/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a shared registry entry: reference count, DEAD, help.
 *
 * Two inserters want the entry of one filter, set their worker's bit, use it, clear the bit and put it back; a
 * remover holds it from the start and puts it. Whoever takes the count from 0 to DEAD deletes and retires it;
 * whoever finds it DEAD helps to delete it and tries again with an entry of its own. A table with one slot
 * stands for the lock-free hash table (add_unique, lookup, del are one step each there too).
 *
 *     get: e = lookup; if e: take a reference unless DEAD (CAS loop) or help delete it and start over
 *          else make one with count 1 and add it unless somebody was first
 *     put: if the count falls to 0 and CAS(0 -> DEAD): delete, retire
 *
 * Checked: nobody holds a DEAD entry or one that is not in the table; nothing is retired twice; two live
 * entries are never in use at once; at the end the table is empty and every entry made was retired or never
 * published.
 *
 * BUG_1  a reference is taken without looking at DEAD
 * BUG_2  del removes whatever is in the slot, not exactly that entry
 * BUG_3  put retires when the count falls to 0, without the CAS to DEAD
 * BUG_4  the one who found it DEAD retires it as well
 */
#define ENTRIES 8
#define NONE 255
#define DEAD 100

byte slot = 0;            /* the table: index of the published entry */
byte refs[ENTRIES] = 0;
byte retired[ENTRIES] = 0;
byte made = 1;            /* entry 0 exists from the start, held by the remover */
byte holders[ENTRIES] = 0;
byte running = 3;

inline del(e) {
#ifdef BUG_2
  slot = NONE
#else
  atomic {
    if
    :: slot == e -> slot = NONE
    :: else -> skip /* -ENOENT: somebody was first */
    fi
  }
#endif
}

inline retire(e) {
  atomic { retired[e]++; assert(retired[e] == 1) }
}

inline put(e) {
  atomic { assert(holders[e] > 0); holders[e]--; assert(refs[e] > 0 && refs[e] < DEAD); refs[e]--; left = refs[e] }
  if
  :: left == 0 ->
#ifdef BUG_3
    del(e);
    retire(e)
#else
    atomic {
      won = (refs[e] == 0);
      if
      :: won -> refs[e] = DEAD
      :: else -> skip
      fi
    }
    if
    :: won -> del(e); retire(e)
    :: else -> skip
    fi
#endif
  :: else -> skip
  fi
}

proctype inserter() {
  byte e, fresh, old, left;
  bool won, have = false;
  do
  :: have -> break
  :: else ->
    e = slot; /* lookup */
    if
    :: e != NONE ->
#ifdef BUG_1
      atomic { old = refs[e]; refs[e] = refs[e] + 1; have = true; holders[e]++; assert(old < DEAD) }
#else
      old = refs[e];
      do
      :: old == DEAD -> break
      :: else ->
        atomic { /* CAS */
          if
          :: refs[e] == old -> refs[e] = old + 1; have = true; holders[e]++
          :: else -> old = refs[e]
          fi
        }
        if
        :: have -> break
        :: else -> skip
        fi
      od;
      if
      :: !have ->
        del(e);
#ifdef BUG_4
        retire(e);
#endif
        skip
      :: else -> skip
      fi
#endif
    :: else ->
      atomic { fresh = made; made++; assert(fresh < ENTRIES); refs[fresh] = 1 }
      atomic { /* add_unique */
        if
        :: slot == NONE -> slot = fresh; have = true; e = fresh; holders[e]++
        :: else -> refs[fresh] = 0 /* never published: freed at once */
        fi
      }
    fi
  od;
  assert(slot == e); /* what I hold is what everybody finds */
  assert(refs[e] > 0 && refs[e] < DEAD && retired[e] == 0);
  put(e);
  running--
}

proctype remover() {
  byte left;
  bool won;
  put(0);
  running--
}

init {
  byte i = 0;
  atomic { refs[0] = 1; holders[0] = 1; run inserter(); run inserter(); run remover() }
  running == 0;
  assert(slot == NONE);
  do
  :: i < made -> assert((refs[i] == DEAD && retired[i] == 1) || (refs[i] == 0 && retired[i] == 0)); i++
  :: else -> break
  od
}
