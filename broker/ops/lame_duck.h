/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Lame duck mode's pace: clients are asked to go elsewhere, and after a while closed one by one, so that they do not all
 * come to another server at once. Pure: times come from outside. Thread: control.
 */
#ifndef BROKER_OPS_LAME_DUCK_H
#define BROKER_OPS_LAME_DUCK_H

#include <stdint.h>

struct lame_duck {
  uint64_t next_ms; /* when clients are closed next */
  uint64_t span_ms; /* in which all of them are */
  uint64_t gap_ms;  /* between two steps at most, at least half; 0: closing has not begun */
  uint64_t batch;   /* clients in one step */
};

/** Begins now: for the grace period nothing is closed, all is when the duration is over. */
void lame_duck_start(struct lame_duck *duck, uint64_t now_ms, uint64_t duration_ms, uint64_t grace_ms);
/** How many of the open clients to close now. *wait_ms: when to ask again. */
uint64_t lame_duck_due(struct lame_duck *duck, uint64_t now_ms, uint64_t open, uint64_t random,
                       uint64_t *wait_ms);

#endif
