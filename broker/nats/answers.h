/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The requests a client was sent and may answer (allow_responses): each stands for the right to publish to one subject so
 * many times, for so long. Thread: the client's worker.
 */
#ifndef BROKER_NATS_ANSWERS_H
#define BROKER_NATS_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/buffer.h>

#include "permissions.h"

/** Memory for one client's requests. Beyond it the oldest cannot be answered any more. */
#define NATS_ANSWERS_MAX_BYTES (4u << 20)

struct nats_answers;

/** Makes an empty table, or NULL without memory. */
struct nats_answers *nats_answers_new(const struct permissions_answers *terms);
/** Was it made for these terms? NULL: nothing may be answered. */
bool nats_answers_are_for(const struct nats_answers *answers, const struct permissions_answers *terms);
/** A request was sent with this reply; one with the same reply counts no more. Returns how many could be answered until
 * now and cannot any more: 0, or others that had to make room, or 1, this one, for want of memory. */
uint64_t nats_answers_note(struct nats_answers *answers, struct tern_slice reply, uint64_t now_ms);
/** May the client answer there, once more? */
bool nats_answers_take(struct nats_answers *answers, struct tern_slice subject, uint64_t now_ms);
/** Frees it. NULL is allowed. */
void nats_answers_free(struct nats_answers *answers);

#endif
