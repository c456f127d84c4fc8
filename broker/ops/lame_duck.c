/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nats-server's pace: the time after the grace period is divided by the number of clients, to steps of a second at
 * most; each step takes a random part of that, at least half. With more clients than milliseconds several go at once.
 */
#include "lame_duck.h"

#define STEP_MAX_MS 1000

void lame_duck_start(struct lame_duck *duck, uint64_t now_ms, uint64_t duration_ms, uint64_t grace_ms) {
  *duck = (struct lame_duck){.next_ms = now_ms + grace_ms, .span_ms = duration_ms - grace_ms};
}

uint64_t lame_duck_due(struct lame_duck *duck, uint64_t now_ms, uint64_t open, uint64_t random,
                       uint64_t *wait_ms) {
  if (now_ms < duck->next_ms) {
    *wait_ms = duck->next_ms - now_ms;
    return 0;
  }
  if (duck->gap_ms == 0) {
    duck->gap_ms = open > 0 ? duck->span_ms / open : STEP_MAX_MS;
    duck->batch = duck->gap_ms > 0 ? 1 : (open + duck->span_ms - 1) / duck->span_ms;
    if (duck->gap_ms > STEP_MAX_MS) duck->gap_ms = STEP_MAX_MS;
    if (duck->gap_ms == 0) duck->gap_ms = 1;
  }
  uint64_t half = duck->gap_ms / 2;
  *wait_ms = duck->gap_ms - random % (half + 1);
  duck->next_ms = now_ms + *wait_ms;
  return duck->batch;
}
