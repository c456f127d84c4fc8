/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grace-period cookie: nothing is freed under a reader.
 *
 * A worker unlinks an object and retires it with a cookie; a grace-period thread counts grace periods started
 * and done; the worker frees when `done` has reached the cookie. A reader (QSBR) may hold the object from one
 * quiescent state to the next. The worker itself is one that the grace period waits for, as in the broker.
 *
 *     worker:  unlink; cookie = fetch_add(&started, 0) + 1 (RMW: the unlink is visible to whom comes after)
 *              later: if done >= cookie: free
 *     GP:      n = fetch_add(&started, 1) + 1; wait for a quiescent state of everyone; done = n
 *
 * Stores are buffered (TSO): the worker's unlink sits in a store buffer that drains at any time; a read-modify-
 * write drains it first. That is what makes the difference between a plain load and an RMW visible.
 *
 * Checked: the reader never uses freed memory; the worker does free in the end (no invalid end state).
 *
 * BUG_1  the cookie is a plain load plus one: the unlink may still be in the store buffer
 * BUG_2  the cookie is the number started: a running grace period counts
 * BUG_3  done is stored before the quiescent states were waited for
 * BUG_4  the object is freed when done has reached cookie - 1
 */
#define PERIODS 3
#define QUIESCENT_STATES 4

byte started = 0;
byte done = 0;
bool linked = true;        /* as others see it */
bool unlink_buffered = false;
bool freed = false;
byte reader_epoch = 0;     /* quiescent states the reader has passed */
byte worker_epoch = 0;
bool reader_gone = false, worker_gone = false;
bool worker_flushed = false;

/* The hardware: lets the worker's buffered store out at any time. */
active proctype store_buffer() {
end:
  do
  :: atomic { unlink_buffered -> unlink_buffered = false; linked = false }
  od
}

active proctype worker() {
  byte cookie;
  unlink_buffered = true; /* rcu_publish(&slot, NULL) */
#if defined(BUG_1)
  cookie = started + 1;
#else
  atomic { /* RMW: drains the store buffer */
    if
    :: unlink_buffered -> unlink_buffered = false; linked = false
    :: else -> skip
    fi;
#ifdef BUG_2
    cookie = started
#else
    cookie = started + 1
#endif
  }
#endif
  do
#ifdef BUG_4
  :: done + 1 >= cookie -> break
#else
  :: done >= cookie -> break
#endif
  :: worker_epoch < QUIESCENT_STATES -> worker_epoch++ /* tick end */
  :: worker_epoch == QUIESCENT_STATES && !worker_gone -> worker_gone = true
  od;
  freed = true;
  worker_gone = true
}

/* Looks the object up and uses it, any number of times, between quiescent states. */
active proctype reader() {
  bool found = false;
  do
  :: reader_epoch < QUIESCENT_STATES ->
    if
    :: found = linked /* rcu_deref */
    :: skip           /* looks later, or not at all */
    fi;
    if
    :: found -> assert(!freed)
    :: else -> skip
    fi;
    found = false;
    reader_epoch++ /* quiescent state: nothing is held */
  :: reader_epoch == QUIESCENT_STATES -> break
  :: break
  od;
  reader_gone = true
}

active proctype grace_period() {
  byte n, seen_reader, seen_worker;
  do
  :: started < PERIODS ->
    atomic { started++; n = started }
#ifdef BUG_3
    done = n;
#endif
    seen_reader = reader_epoch;
    seen_worker = worker_epoch;
    (reader_epoch != seen_reader || reader_gone);
    (worker_epoch != seen_worker || worker_gone);
    done = n
  :: started == PERIODS -> break
  od
}
