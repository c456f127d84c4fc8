/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The message on its way from a publisher to sinks: slices into somebody's buffer and nothing of its own.
 */
#ifndef TERN_MESSAGE_H
#define TERN_MESSAGE_H

#include <stdint.h>

#include <tern/buffer.h>

/** A message. All slices are valid only while it is being delivered. */
struct tern_message {
  struct tern_slice subject;     /**< where it was published to */
  struct tern_slice reply;       /**< where answers go; empty: nowhere */
  struct tern_slice body;        /**< headers (NATS/1.0 block), then payload, contiguous */
  uint32_t header_len;           /**< bytes of body that are headers; 0: none */
  struct tern_slice header_text; /**< header_len in the publisher's own digits; empty: none known */
  struct tern_slice size_text;   /**< body.len in the publisher's own digits ("0005"); empty: none known */
  struct tern_buf *owner;        /**< buffer body lies in; reference it to keep large bodies. NULL: copy */
  uint64_t hash;                 /**< tern_subject_hash(subject) */
  uint64_t source;               /**< id of the connection it came from; 0: from inside */
  uint32_t
      more; /**< so many messages follow: a run. Only sinks that take runs (registry.h) ever see more than 0 */
  uint32_t
      stride; /**< from the body of one message of a run to that of the next: they differ in the bytes of the body
                        only. 0: a list, message[1] and on are the others; only subject, size_text, body and hash differ,
                        and those stand one behind another in one piece of memory. Where size_text begins one byte
                        behind subject and body two bytes behind size_text, there are a blank and CR LF between them and
                        CR LF behind the body. No reply, headers, owner; bodies of TERN_COPY_MAX_BYTES at most */
};

#endif
