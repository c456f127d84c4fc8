/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Counts by key that all workers share: connections of one address, connections of one user and what they publish. Nobody
 * waits for anybody: a count is one word, changed by compare-and-swap, when a connection comes or goes or a message of
 * somebody with a rate is published. Thread: any.
 */
#ifndef BROKER_NATS_TALLY_H
#define BROKER_NATS_TALLY_H

#include <stdbool.h>
#include <stdint.h>

struct tally;

/** What tally_enter gives for somebody who is not counted. */
#define TALLY_NONE UINT32_MAX

/** Makes one; its memory is not touched before it is used. NULL without memory. */
struct tally *tally_new(void);
/** Frees it. NULL is allowed. */
void tally_free(struct tally *tally);
/**
 * Counts one more of a key, unless there are `max` (0: no limit). Two that come for a new key at the same moment may get
 * a count each. When there are too many keys, one is not counted.
 * @param[out] place to be given to tally_leave; TALLY_NONE: not counted
 * @return false when there are max already (then nothing was counted)
 */
bool tally_enter(struct tally *tally, uint64_t key, uint32_t max, uint32_t *place);
/** One less. TALLY_NONE is allowed. */
void tally_leave(struct tally *tally, uint32_t place);
/**
 * Puts the use of a rate on the account of those at a place, who share it.
 * @param tally the tally
 * @param place not TALLY_NONE
 * @param which 0 or 1: there are two rates
 * @param units how much was used
 * @param rate units in a second
 * @param now_ns the time; a second's worth may be used at once
 * @return for how many nanoseconds nothing more should be used
 */
uint64_t tally_use(struct tally *tally, uint32_t place, unsigned which, uint64_t units, uint64_t rate,
                   uint64_t now_ns);

#endif
