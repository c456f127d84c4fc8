/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A lane: everything one worker needs to send records to one other worker. See lane.c. Thread: the sender's.
 */
#ifndef TERN_LOOP_LANE_H
#define TERN_LOOP_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring.h"

/** The receiver's end of a lane; lies with the receiver. */
struct tern__inlet {
  _Atomic(struct tern__ring *) ring; /* set once, by the sender, on first use */
  _Atomic uint32_t mark;             /* how often the sender has said "nothing before this is missing" */
};

/** A record that waits outside of a full ring. */
struct tern__spill {
  struct tern__spill *next;
  void *data;
  uint32_t kind;
  uint32_t len;
  bool heap; /* made by the lane, which frees it; otherwise part of something that data points into */
};

struct tern__lane {
  struct tern__inlet *inlet;
  size_t ring_bytes;
  struct tern__ring *ring;     /* NULL before first use */
  struct tern__spill *spilled; /* in order of sending; all younger than what is in the ring */
  struct tern__spill **spilled_end;
  bool open;                    /* a reservation in the ring is not committed yet */
  struct tern__spill *reserved; /* spilled record that is reserved and not committed */
};

void tern__lane_init(struct tern__lane *lane, struct tern__inlet *inlet, size_t ring_bytes);
/** Frees what waits; the ring belongs to the inlet's owner. */
void tern__lane_clear(struct tern__lane *lane);
/** Room for a record. NULL without memory. */
void *tern__lane_reserve(struct tern__lane *lane, uint32_t kind, size_t len);
/** Stages it. True when it went past a full ring. */
bool tern__lane_commit(struct tern__lane *lane);
/** Sends a record whose memory the caller supplies until it is sent, so that it cannot fail. True when it
 * went past a full ring. spill->data, len and kind are set; data stays valid until the record is in the ring;
 * the receiver gets a copy. */
bool tern__lane_send_spill(struct tern__lane *lane, struct tern__spill *spill);
/** Makes everything staged visible and moves spilled records into the ring as far as they fit.
 * @return true when something became visible: ring the bell */
bool tern__lane_publish(struct tern__lane *lane);
/** True when records wait outside of the ring. */
static inline bool tern__lane_is_spilling(const struct tern__lane *lane) { return lane->spilled != NULL; }

#endif
