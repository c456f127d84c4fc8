/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Subjects and filters: text made of tokens separated by '.'. In a filter a token that is just `*` stands for
 * exactly one token, and a last token that is just `>` for one or more. Anything else, also `*` inside a
 * longer token, is literal. Tokens are bytes: no character set, no case folding.
 *
 * Source: the NATS subject rules (docs.nats.io, "Subject-Based Messaging"; ADR-6).
 * All functions: Thread: any. Blocks: no. No memory is allocated.
 */
#ifndef TERN_SUBJECT_H
#define TERN_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/buffer.h>
#include <tern/export.h>

/** True when the text can be subscribed to: no empty token, `>` only at the end. */
TERN_API bool tern_filter_is_valid(struct tern_slice filter);
/** True when a valid filter contains a wildcard token, so that it can match more than one subject. */
TERN_API bool tern_filter_has_wildcard(struct tern_slice filter);
/** True when the text can be matched by a filter: not empty, no empty token. */
TERN_API bool tern_subject_is_valid(struct tern_slice subject);
/** True when it is a valid subject without `*` and `>` tokens, as pedantic publishers must use. */
TERN_API bool tern_subject_is_literal(struct tern_slice subject);
/** Number of tokens. */
TERN_API uint32_t tern_subject_tokens(struct tern_slice subject);
/**
 * The definition of matching; the registry must agree with it (and is tested against a slower oracle).
 * Wildcard tokens in the subject count as the literal tokens `*` and `>`.
 */
TERN_API bool tern_filter_matches(struct tern_slice filter, struct tern_slice subject);
/** The hash that registry, caches and records share; seeded once per process. */
TERN_API uint64_t tern_subject_hash(struct tern_slice subject);

#endif
