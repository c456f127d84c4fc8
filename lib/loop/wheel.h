/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The timer wheel: see wheel.c. Thread: the loop's.
 */
#ifndef TERN_LOOP_WHEEL_H
#define TERN_LOOP_WHEEL_H

#include <stdint.h>

#include <tern/loop.h>

#define TERN__WHEEL_STEP_MS 16
#define TERN__WHEEL_LEVELS  6
#define TERN__WHEEL_SLOTS   64

/** Nothing is due, ever. */
#define TERN__WHEEL_NEVER UINT64_MAX

struct tern__wheel {
  uint64_t step;                       /* time up to which timers have been run, in steps */
  uint64_t filled[TERN__WHEEL_LEVELS]; /* bit s: slot s holds timers */
  struct tern_timer *slot[TERN__WHEEL_LEVELS][TERN__WHEEL_SLOTS];
  uint64_t first_ms[TERN__WHEEL_LEVELS][TERN__WHEEL_SLOTS]; /* no timer in the slot is due before */
};

/** Prepares a wheel whose time is now_ms. */
void tern__wheel_init(struct tern__wheel *wheel, uint64_t now_ms);
/** Starts a timer that is not started: it is run by the first advance to now_ms + delay_ms or later. */
void tern__wheel_start(struct tern__wheel *wheel, struct tern_timer *timer, uint64_t now_ms,
                       uint64_t delay_ms);
/** Stops a timer that is started. */
void tern__wheel_stop(struct tern__wheel *wheel, struct tern_timer *timer);
/** Runs what is due. Timers started meanwhile wait for a later call. */
void tern__wheel_advance(struct tern__wheel *wheel, uint64_t now_ms);
/** When the next timer may be due (never later than it is), or TERN__WHEEL_NEVER. */
uint64_t tern__wheel_next_ms(const struct tern__wheel *wheel);

#endif
