/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane: the way of records from one worker to another, as the sender sees it.
 *
 *     reserve/commit --+--> ring (staged) --publish--> visible to the receiver
 *                      |      ^
 *                      +--> spilled: a queue on the heap, when the ring is full or the queue is not empty
 *
 * Nobody waits for a full ring: the record is queued behind it, and so is every later one until the queue has
 * been moved into the ring, so that the order is kept. The queue has no bound of its own: the sender is
 * congested as long as it is not empty and stops what produces records (worker.h), which bounds it to what
 * was under way.
 *
 * A sender that finds the ring full asks the receiver for a word when room appears (credit, ring.c); it is
 * given by ringing the sender's own bell, so that a sleeping sender goes on. There is no timed retry, but for
 * a ring that could not be allocated (inbox.c bounds the sleep then).
 *
 * Between reserve and commit the ring's end is taken (`open`): a RELEASE that comes just then is queued.
 *
 * A ring is allocated when its lane is first used: an idle server with many workers has none.
 * Who rings bells, and when: inbox.c.
 */
#include "lane.h"

#include <stdlib.h>
#include <string.h>

#include "seed.h"

void tern__lane_init(struct tern__lane *lane, struct tern__inlet *inlet, size_t ring_bytes) {
  *lane = (struct tern__lane){.inlet = inlet, .ring_bytes = ring_bytes};
  lane->spilled_end = &lane->spilled;
}

static struct tern__spill *unqueue(struct tern__lane *lane) {
  struct tern__spill *spill = lane->spilled;
  lane->spilled = spill->next;
  if (lane->spilled == NULL) lane->spilled_end = &lane->spilled;
  return spill;
}

void tern__lane_clear(struct tern__lane *lane) {
  while (lane->spilled != NULL) {
    struct tern__spill *spill = unqueue(lane);
    if (spill->heap) free(spill);
  }
  free(lane->reserved);
  lane->reserved = NULL;
}

static bool has_ring(struct tern__lane *lane) {
  if (lane->ring == NULL) {
    lane->ring = tern__ring_new(lane->ring_bytes);
    /* release: pairs with the load in the receiver's drain (inbox.c) */
    atomic_store_explicit(&lane->inlet->ring, lane->ring, memory_order_release);
  }
  return lane->ring != NULL;
}

static void queue(struct tern__lane *lane, struct tern__spill *spill) {
  spill->next = NULL;
  *lane->spilled_end = spill;
  lane->spilled_end = &spill->next;
}

void *tern__lane_reserve(struct tern__lane *lane, uint32_t kind, size_t len) {
  if (len > lane->ring_bytes / 4) return NULL;
  free(lane->reserved); /* reserved and given up */
  lane->reserved = NULL;
  if (lane->spilled == NULL || TERN_BUG(overflow_reorder)) { /* breaks: overtakes what is queued */
    void *data = has_ring(lane) ? tern__ring_reserve(lane->ring, kind, len) : NULL;
    if (data != NULL) {
      lane->open = true;
      return data;
    }
  }
  struct tern__spill *spill = malloc(sizeof *spill + len);
  if (spill == NULL) return NULL;
  *spill = (struct tern__spill){.data = spill + 1, .kind = kind, .len = (uint32_t)len, .heap = true};
  lane->reserved = spill;
  return spill->data;
}

bool tern__lane_commit(struct tern__lane *lane) {
  if (lane->reserved == NULL) {
    lane->open = false;
    tern__ring_commit(lane->ring);
    return false;
  }
  queue(lane, lane->reserved);
  lane->reserved = NULL;
  return true;
}

static bool copy_into_ring(struct tern__lane *lane, const struct tern__spill *spill) {
  void *data = has_ring(lane) ? tern__ring_reserve(lane->ring, spill->kind, spill->len) : NULL;
  if (data == NULL) return false;
  memcpy(data, spill->data, spill->len);
  tern__ring_commit(lane->ring);
  return true;
}

bool tern__lane_send_spill(struct tern__lane *lane, struct tern__spill *spill) {
  if (lane->spilled == NULL && !lane->open && copy_into_ring(lane, spill)) return false;
  queue(lane, spill);
  return true;
}

static bool publish_staged(struct tern__lane *lane) {
  if (lane->ring == NULL || tern__ring_staged(lane->ring) == 0) return false;
  tern__ring_publish(lane->ring);
  return true;
}

bool tern__lane_publish(struct tern__lane *lane) {
  bool visible = false;
  while (lane->spilled != NULL && !lane->open) {
    struct tern__spill *spill = lane->spilled;
    if (copy_into_ring(lane, spill)) {
      unqueue(lane);
      if (spill->heap) free(spill);
      continue;
    }
    /* Full. Only published records make the receiver give room back: publish, then ask for a word. */
    visible |= publish_staged(lane);
    if (lane->ring == NULL || tern__ring_want(lane->ring)) break;
  }
  visible |= publish_staged(lane);
  return visible;
}
