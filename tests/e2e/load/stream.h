/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Numbered messages: what the load programs send, and how a receiver sees that nothing is missing, doubled, out of
 * order or damaged.
 *
 *     payload = { publisher, sequence, size } and then bytes that follow from the three
 */
#ifndef TERN_E2E_STREAM_H
#define TERN_E2E_STREAM_H

#include <stddef.h>
#include <stdint.h>

#define STREAM_PUBLISHERS 4
/** The largest payload. */
#define STREAM_BYTES_MAX (300 * 1024)

/** The head of a payload. */
struct stream_head {
  uint32_t publisher;
  uint32_t size;
  uint64_t sequence;
};

/** The size of message `sequence`: both sides of the copy/reference threshold, mostly small, sometimes huge. */
size_t stream_size(uint64_t sequence);
/** Writes a payload into out (STREAM_BYTES_MAX bytes); returns its size. */
size_t stream_fill(char *out, uint32_t publisher, uint64_t sequence);
/** Checks every byte of a payload, ends the program when one is wrong; returns its head. */
struct stream_head stream_check(const char *payload, size_t size);

#endif
