/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timer wheel: starting and stopping a timer costs O(1), and so does a timer that is due minutes from
 * now.
 *
 * Time is counted in steps of 16 ms and written as six digits of six bits. A timer is filed under the highest
 * digit in which its due step differs from the wheel's step: level = that digit's place, slot = its value.
 *
 *     step 0.0.0.0.1.60      due 0.0.0.0.1.62 -> level 0, slot 62     (32 ms away)
 *                            due 0.0.0.0.3.05 -> level 1, slot 3      (cascades to level 0 when the step
 *                            due 0.0.0.2.0.00 -> level 2, slot 2       reaches 3.00)
 *
 * It follows that within a level all filled slots lie ahead of the wheel's digit, and that everything on a
 * lower level is due before anything on a higher one. So the next slot to look at is the lowest bit of the
 * lowest level that has any, and the wheel jumps there directly: an empty hour costs nothing.
 *
 * A step reaches a slot on level 0: its timers are due. On a higher level: they are filed again, at most five
 * times in a timer's life. first_ms of a slot lets the loop sleep until a timer is due rather than until its
 * slot is filed again; it may be too early after a stop, never too late.
 *
 * Thread: the loop's. Does not read the clock and does not sleep: the loop does (loop.c).
 */
#include "wheel.h"

#include <stddef.h>
#include <string.h>

enum { DIGIT_BITS = 6 };

/* Largest step: all digits full. 16 ms * 2^36 is 34 years; longer delays are cut to it. */
#define STEP_MAX ((UINT64_C(1) << (DIGIT_BITS * TERN__WHEEL_LEVELS)) - 1)

void tern__wheel_init(struct tern__wheel *wheel, uint64_t now_ms) {
  memset(wheel, 0, sizeof *wheel);
  wheel->step = now_ms / TERN__WHEEL_STEP_MS;
}

static void file(struct tern__wheel *wheel, struct tern_timer *timer) {
  uint64_t due = timer->due_ms / TERN__WHEEL_STEP_MS;
  uint64_t differ = due ^ wheel->step;
  unsigned level = differ == 0 ? 0 : (63u - (unsigned)__builtin_clzll(differ)) / DIGIT_BITS;
  unsigned slot = (due >> (level * DIGIT_BITS)) & (TERN__WHEEL_SLOTS - 1);
  struct tern_timer **head = &wheel->slot[level][slot];
  if (*head == NULL || timer->due_ms < wheel->first_ms[level][slot]) {
    wheel->first_ms[level][slot] = timer->due_ms;
  }
  timer->next = *head;
  timer->prev = head;
  if (*head != NULL) (*head)->prev = &timer->next;
  *head = timer;
  wheel->filled[level] |= UINT64_C(1) << slot;
}

static void unlink_timer(struct tern_timer *timer) {
  *timer->prev = timer->next;
  if (timer->next != NULL) timer->next->prev = timer->prev;
  timer->next = NULL;
  timer->prev = NULL;
}

void tern__wheel_start(struct tern__wheel *wheel, struct tern_timer *timer, uint64_t now_ms,
                       uint64_t delay_ms) {
  uint64_t at_ms = now_ms + delay_ms;
  if (at_ms < now_ms) at_ms = UINT64_MAX;
  /* The step after the one that holds the moment: never early, and never one that is being run. */
  uint64_t due = at_ms / TERN__WHEEL_STEP_MS + 1;
  if (due > STEP_MAX) due = STEP_MAX;
  timer->due_ms = due * TERN__WHEEL_STEP_MS;
  file(wheel, timer);
}

void tern__wheel_stop(struct tern__wheel *wheel, struct tern_timer *timer) {
  struct tern_timer **link = timer->prev;
  unlink_timer(timer);
  if (*link != NULL) return;
  /* Was it the last of its slot? Then the link is the slot's head (compared as numbers: else unrelated). */
  uintptr_t offset = (uintptr_t)link - (uintptr_t)&wheel->slot[0][0];
  if (offset >= sizeof wheel->slot) return;
  size_t index = offset / sizeof wheel->slot[0][0];
  wheel->filled[index / TERN__WHEEL_SLOTS] &= ~(UINT64_C(1) << index % TERN__WHEEL_SLOTS);
}

/* Finds the next slot with timers. Returns false when there is none. */
static bool next_slot(const struct tern__wheel *wheel, unsigned *level, unsigned *slot) {
  for (unsigned l = 0; l < TERN__WHEEL_LEVELS; l++) {
    if (wheel->filled[l] == 0) continue;
    *level = l;
    *slot = (unsigned)__builtin_ctzll(wheel->filled[l]);
    return true;
  }
  return false;
}

void tern__wheel_advance(struct tern__wheel *wheel, uint64_t now_ms) {
  uint64_t now = now_ms / TERN__WHEEL_STEP_MS;
  unsigned level, slot;
  while (next_slot(wheel, &level, &slot)) {
    unsigned shift = level * DIGIT_BITS;
    /* The slot's first step: the wheel's digits above this level, this digit, zeros below. */
    uint64_t above = wheel->step >> shift >> DIGIT_BITS << DIGIT_BITS << shift;
    uint64_t start = above | (uint64_t)slot << shift;
    if (start > now) break;
    wheel->step = start;
    wheel->filled[level] &= ~(UINT64_C(1) << slot);
    struct tern_timer *timer;
    while ((timer = wheel->slot[level][slot]) != NULL) {
      unlink_timer(timer);
      if (level == 0) {
        timer->fired(timer);
      } else {
        file(wheel, timer);
      }
    }
  }
  if (now > wheel->step) wheel->step = now;
}

uint64_t tern__wheel_next_ms(const struct tern__wheel *wheel) {
  unsigned level, slot;
  return next_slot(wheel, &level, &slot) ? wheel->first_ms[level][slot] : TERN__WHEEL_NEVER;
}
