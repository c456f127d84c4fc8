/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue groups and handlers of one filter: an array of cells behind one RCU pointer.
 *
 *     entry.interest --> [ group "q" worker 0: weight 3 | group "q" worker 1: weight 1 | spare | handler H ]
 *                                |                                |
 *                               "q"                              "q"   a piece of memory for each name
 *
 * A cell that exists changes in place: a weight by its worker, a handler by exchange, so that taking away needs
 * no memory and cannot fail. A new row takes a spare one: its worker raises `used` and with that owns the row,
 * writes the group's name there and then sets the weight with the bit that says ready; nobody reads the rest of
 * a row that is not ready. When there is no spare row (or for a handler no empty cell) it takes a larger array.
 * Whoever makes one first allocates it (and the name of a new row), then freezes `used` and every cell of the
 * old array (sets a bit no later change can get past), copies what is not empty, and exchanges the pointer:
 *
 *     old [ q/0: 3 | q/1: 0 | r/0: 1 ]      freeze, copy       new [ q/0: 3 | r/0: 1 | s/1: 1 | spare ]
 *         [ 3 F    | 0 F    | 1 F    ]      ------------->     CAS entry.interest: old -> new, retire old
 *
 * A frozen cell keeps its value for ever, so several threads may copy the same array and whichever exchange
 * wins has lost nothing. Who finds its cell (or `used`) frozen makes a copy, too, with its change applied; when
 * there is no memory for that and the change must not fail, it waits for the freezer, who has its memory already
 * and cannot fail any more. That is the one place that waits, and only without memory.
 *
 * A copy has room for half as many rows again as it needs, so that many new groups cost few arrays. Names do not
 * move: a copy points to those of the rows it keeps. The name of a row that it leaves out (ready, weight 0,
 * frozen: every copier leaves it out) is freed with the old array, after the grace period of that.
 *
 * May run at the same time: everything but two changes to one worker's rows (a worker is one thread).
 * Called online (RCU): an array somebody reads is not reused, so the exchange cannot take a new array for an
 * old one. Matchers read cells and ignore the frozen bits.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"

static uint32_t members_of(uint32_t weight) { return weight & TERN__WEIGHT; }

size_t tern__interest_bytes(struct tern__interest *interest) {
  size_t bytes = interest->bytes;
  uint32_t rows = tern__rows_used(interest);
  for (uint32_t i = 0; i < rows; i++) {
    /* acquire: the row is complete when it is ready; pairs with the exchange in append_row */
    uint32_t weight = atomic_load_explicit(&interest->rows[i].weight, memory_order_acquire);
    if (weight & TERN__READY_ROW) bytes += interest->rows[i].name_len;
  }
  return bytes;
}

/* True when the row's name goes with the array: no copy of it has the row. */
static bool owns_name(const struct tern__row *row) {
  /* relaxed: frozen for ever, or nobody else has the array any more */
  uint32_t weight = atomic_load_explicit(&row->weight, memory_order_relaxed);
  return (weight & TERN__READY_ROW) && members_of(weight) == 0;
}

size_t tern__interest_garbage(const struct tern__interest *interest) {
  if (interest == NULL) return 0;
  size_t bytes = interest->bytes;
  uint32_t rows = tern__rows_used(interest);
  for (uint32_t i = 0; i < rows; i++)
    if (owns_name(&interest->rows[i])) bytes += interest->rows[i].name_len;
  return bytes;
}

void tern__interest_free(struct tern__interest *interest) {
  if (interest == NULL) return;
  uint32_t rows = tern__rows_used(interest);
  for (uint32_t i = 0; i < rows; i++)
    if (owns_name(&interest->rows[i])) free(interest->rows[i].name);
  free(interest);
}

static void free_retired(struct tern_retired *retired) {
  tern__interest_free(tern_container(retired, struct tern__interest, retired));
}

static struct tern__row *find_row(struct tern__interest *interest, struct tern_slice group, uint64_t hash,
                                  unsigned worker) {
  uint32_t rows = interest != NULL ? tern__rows_used(interest) : 0;
  for (uint32_t i = 0; i < rows; i++) {
    struct tern__row *row = &interest->rows[i];
    /* acquire: the row is complete when it is ready; pairs with the exchange in append_row */
    if (!(atomic_load_explicit(&row->weight, memory_order_acquire) & TERN__READY_ROW)) continue;
    if (row->worker == worker && row->hash == hash && row->name_len == group.len &&
        memcmp(row->name, group.ptr, group.len) == 0)
      return row;
  }
  return NULL;
}

/* Puts a row where there is a spare one; the name is the array's then. False, with the name still the caller's,
 * when there is none or the array is being replaced. */
static bool append_row(struct tern__interest *to, char *name, size_t name_len, uint64_t hash, unsigned worker,
                       uint32_t weight) {
  /* relaxed, as the exchange: nothing is read through the number, it only tells owners and freezers apart */
  uint32_t used = atomic_load_explicit(&to->used, memory_order_relaxed);
  tern__race_point();
  do {
    if (used >= to->capacity) return false; /* a frozen number is larger than any capacity */
    /* pairs with the freezing in freeze_and_copy: that one counts this row or this one sees the bit */
  } while (!atomic_compare_exchange_weak_explicit(&to->used, &used, used + 1, memory_order_relaxed,
                                                  memory_order_relaxed));
  struct tern__row *row = &to->rows[used];
  row->hash = hash;
  row->name = name;
  row->name_len = (uint32_t)name_len;
  row->worker = worker;
  tern__race_point();
  uint32_t expected = 0;
  /* release: the row is complete; pairs with the acquires in find_row, freeze_and_copy and match.c. It fails when
   * freeze_and_copy has frozen the row, which it has not copied then. */
  return atomic_compare_exchange_strong_explicit(&row->weight, &expected, TERN__READY_ROW | weight,
                                                 memory_order_release, memory_order_relaxed);
}

/* An empty array for so many rows and handlers. */
static struct tern__interest *new_interest(size_t rows, size_t handlers) {
  size_t rows_at = sizeof(struct tern__interest);
  size_t handlers_at = rows_at + rows * sizeof(struct tern__row);
  size_t bytes = handlers_at + handlers * sizeof(uintptr_t);
  if (bytes > UINT32_MAX) return NULL;
  struct tern__interest *to = tern__shared_alloc(bytes);
  if (to == NULL) return NULL;
  memset(to, 0, handlers_at);
  to->bytes = (uint32_t)bytes;
  to->capacity = (uint32_t)rows;
  to->rows = (void *)((char *)to + rows_at);
  to->handlers = (void *)((char *)to + handlers_at);
  return to;
}

/* Freezes the old array and copies it, with room for more rows (one at least if wanted) and one more handler. */
static struct tern__interest *freeze_and_copy(struct tern__interest *old, bool row_wanted) {
  uint32_t more = row_wanted ? 1 : 0;
  size_t most = old != NULL ? old->capacity : 0; /* how many live is known when they are frozen */
  struct tern__interest *to =
      new_interest(most + most / 2 + more, (old != NULL ? old->handler_count : 0) + 1);
  if (to == NULL || old == NULL) return to;
  /* relaxed: pairs with the exchange in append_row; the rows' own bits do the rest */
  uint32_t rows =
      atomic_fetch_or_explicit(&old->used, TERN__FROZEN_ROW, memory_order_relaxed) & ~TERN__FROZEN_ROW;
  for (uint32_t i = 0; i < rows; i++) {
    struct tern__row *row = &old->rows[i];
    /* seeded: the owner can still change the weight after it has been copied */
    uint32_t frozen = TERN_BUG(freeze_skipped) ? 0 : TERN__FROZEN_ROW;
    /* acq_rel: pairs with the exchanges in change_weight and append_row: that change is either copied or sees
     * the bit */
    uint32_t weight = members_of(atomic_fetch_or_explicit(&row->weight, frozen, memory_order_acq_rel));
    tern__race_point();
    if (weight > 0) (void)append_row(to, row->name, row->name_len, row->hash, row->worker, weight);
  }
  uint32_t live = tern__rows_used(to);
  to->capacity = live + live / 2 + more; /* forgets rows that are no longer used */
  for (uint32_t i = 0; i < old->handler_count; i++) {
    /* acq_rel: pairs with the exchange in tern__handler_change, as above */
    uintptr_t handler =
        atomic_fetch_or_explicit(&old->handlers[i], TERN__FROZEN_HANDLER, memory_order_acq_rel) &
        ~TERN__FROZEN_HANDLER;
    if (handler != 0) atomic_init(&to->handlers[to->handler_count++], handler);
  }
  return to;
}

/* relaxed: a figure */
static void count_bytes(struct tern__writer *writer, int64_t bytes) {
  atomic_fetch_add_explicit(&writer->counters->bytes, bytes, memory_order_relaxed);
}

/* Makes the copy current. False when another thread was faster; the copy is gone then. */
static bool publish(struct tern__writer *writer, struct tern__entry *entry, struct tern__interest *old,
                    struct tern__interest *copy) {
  /* what is in the copy now; when it is current others add to it and count that themselves */
  int64_t bytes = (int64_t)tern__interest_bytes(copy);
  tern__race_point();
  /* release: the copy's contents are complete; pairs with the acquire loads here and in match.c */
  if (!atomic_compare_exchange_strong_explicit(&entry->interest, &old, copy, memory_order_acq_rel,
                                               memory_order_acquire)) {
    free(copy); /* was never visible; its names are the old array's */
    return false;
  }
  count_bytes(writer, bytes - (old != NULL ? (int64_t)tern__interest_bytes(old) : 0));
  if (old != NULL) {
    old->retired.free = free_retired;
    writer->reclaimer->ops->retire(writer->reclaimer, &old->retired, tern__interest_garbage(old));
  }
  return true;
}

static struct tern__interest *load_interest(struct tern__entry *entry) {
  /* acquire: pairs with the release in publish */
  return atomic_load_explicit(&entry->interest, memory_order_acquire);
}

/* Waits until a frozen array has been replaced by the thread that froze it. */
static void wait_for_copy(struct tern__entry *entry, const struct tern__interest *old) {
  while (load_interest(entry) == old)
    sched_yield();
}

/* Changes a row in place. False when there is none or it is frozen; *empty: the row will not be in a copy. */
static bool change_in_place(struct tern__row *row, uint32_t delta, bool *empty) {
  *empty = true;
  if (row == NULL) return false;
  /* relaxed: this thread wrote it last, or the exchange finds out */
  uint32_t weight = atomic_load_explicit(&row->weight, memory_order_relaxed);
  *empty = members_of(weight) == 0;
  /* acq_rel: pairs with the freezing in freeze_and_copy */
  return !(weight & TERN__FROZEN_ROW) &&
         atomic_compare_exchange_strong_explicit(&row->weight, &weight, weight + delta, memory_order_acq_rel,
                                                 memory_order_relaxed);
}

/* A new array with the change applied to the worker's row. The name is for a new row, NULL when there is one.
 * NULL without memory. */
static struct tern__interest *changed_copy(struct tern__interest *old, struct tern_slice group, uint64_t hash,
                                           unsigned worker, uint32_t delta, char *name) {
  struct tern__interest *copy = freeze_and_copy(old, name != NULL);
  if (copy == NULL) return NULL;
  if (name != NULL) {
    (void)append_row(copy, name, group.len, hash, worker, delta); /* there is room, and nobody else has it */
  } else {
    struct tern__row *row = find_row(copy, group, hash, worker);
    /* relaxed: the copy is still private */
    if (row != NULL) atomic_fetch_add_explicit(&row->weight, delta, memory_order_relaxed);
  }
  return copy;
}

int tern__weight_raise(struct tern__writer *writer, struct tern__entry *entry, struct tern_slice group,
                       uint64_t group_hash, unsigned worker) {
  /* of a new row; whether one is needed does not change meanwhile, as only this worker changes the weight */
  char *name = NULL;
  for (;;) {
    struct tern__interest *old = load_interest(entry);
    struct tern__row *row = find_row(old, group, group_hash, worker);
    bool empty;
    if (change_in_place(row, 1, &empty)) return 0;
    if (empty && name == NULL) {
      name = tern__shared_alloc(group.len);
      if (name == NULL) return -ENOMEM;
      memcpy(name, group.ptr, group.len);
    }
    if (row == NULL && old != NULL && append_row(old, name, group.len, group_hash, worker, 1)) {
      count_bytes(writer, (int64_t)group.len);
      return 0;
    }
    struct tern__interest *copy = changed_copy(old, group, group_hash, worker, 1, name);
    if (copy == NULL) {
      free(name);
      return -ENOMEM;
    }
    if (publish(writer, entry, old, copy)) return 0;
  }
}

void tern__weight_lower(struct tern__writer *writer, struct tern__entry *entry, struct tern_slice group,
                        uint64_t group_hash, unsigned worker) {
  const uint32_t minus_one = UINT32_MAX; /* modulo 2^32; the weight is above 0, so no bit above it changes */
  bool empty;
  for (;;) {
    struct tern__interest *old = load_interest(entry);
    if (change_in_place(find_row(old, group, group_hash, worker), minus_one, &empty)) return;
    struct tern__interest *copy = changed_copy(old, group, group_hash, worker, minus_one, NULL);
    if (copy == NULL)
      wait_for_copy(entry, old);
    else if (publish(writer, entry, old, copy))
      return;
  }
}

static _Atomic uintptr_t *find_handler(struct tern__interest *interest, uintptr_t handler) {
  if (interest == NULL) return NULL;
  for (uint32_t i = 0; i < interest->handler_count; i++) {
    /* relaxed: compared only, and the exchange that follows checks again */
    uintptr_t value = atomic_load_explicit(&interest->handlers[i], memory_order_relaxed);
    if ((value & ~TERN__FROZEN_HANDLER) == handler) return &interest->handlers[i];
  }
  return NULL;
}

int tern__handler_change(struct tern__writer *writer, struct tern__entry *entry, struct tern_handler *from,
                         struct tern_handler *to) {
  uintptr_t before = (uintptr_t)from, after = (uintptr_t)to;
  for (;;) {
    struct tern__interest *old = load_interest(entry);
    _Atomic uintptr_t *cell = find_handler(old, before);
    if (cell == NULL && from != NULL) return -ENOENT;
    uintptr_t expected = before;
    /* acq_rel: the new handler is set up before it can be called, pairs with the acquire in match.c; and with
     * the freezing in freeze_and_copy. One exchange: a matcher meets the old one or the new one. */
    if (cell != NULL && atomic_compare_exchange_strong_explicit(cell, &expected, after, memory_order_acq_rel,
                                                                memory_order_relaxed))
      return 0;
    if (cell != NULL && !(expected & TERN__FROZEN_HANDLER)) continue; /* somebody else changed this cell */
    struct tern__interest *copy = freeze_and_copy(old, false);
    if (copy == NULL) {
      if (to != NULL) return -ENOMEM;
      wait_for_copy(entry, old);
      continue;
    }
    _Atomic uintptr_t *copied = from != NULL ? find_handler(copy, before) : NULL;
    if (copied == NULL && from != NULL) { /* taken away between the look and the freezing */
      if (publish(writer, entry, old, copy)) return -ENOENT;
      continue;
    }
    if (copied == NULL) copied = &copy->handlers[copy->handler_count++];
    /* relaxed: the copy is still private */
    atomic_store_explicit(copied, after, memory_order_relaxed);
    if (publish(writer, entry, old, copy)) return 0;
  }
}
