/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The protocol: which bytes. A protocol is told by its transport what happens on the connection, with
 * the callbacks, the order and the flow control of Python's asyncio:
 *
 *     connection_made -> (data_received | pause_writing | resume_writing)*
 *                     -> [eof_received] -> connection_lost
 *
 * `connection_lost` is called exactly once, also when connecting worked but everything after failed; only
 * then may the protocol's memory be reused. After tern_transport_close or _abort no data_received follows.
 * All callbacks run on the transport's loop. They may call any function of the transport, close and abort
 * included (those only start closing; connection_lost comes later, never from inside the call).
 *
 * Source: docs.python.org/3/library/asyncio-protocol.html (names and order).
 */
#ifndef TERN_PROTOCOL_H
#define TERN_PROTOCOL_H

#include <stdbool.h>

#include <tern/buffer.h>
#include <tern/export.h>
#include <tern/loop.h>

struct tern_protocol;
struct tern_transport;

/** Received bytes. They are valid during the callback, or longer if the callee references the owner. */
struct tern_chunk {
  const char *data; /**< first byte */
  size_t len;       /**< bytes, at least 1 */
  struct tern_buf
      *owner; /**< buffer the bytes lie in: tern_buf_ref it to keep them. May be NULL: copy them */
};

/** The callbacks. None may be NULL except where it says so. */
struct tern_protocol_ops {
  /** The connection stands. The transport is the protocol's until connection_lost returns. */
  void (*connection_made)(struct tern_protocol *protocol, struct tern_transport *transport);
  /** Bytes have come, in order, cut anywhere. Not called while reading is paused. */
  void (*data_received)(struct tern_protocol *protocol, const struct tern_chunk *chunk);
  /** The peer has finished sending. Return true to keep sending, false to have the transport closed.
   * NULL means false. */
  bool (*eof_received)(struct tern_protocol *protocol);
  /** The end; the transport must not be used any more after returning.
   * error: 0 after close or a clean end by the peer, otherwise why (-errno or TERN_E*). */
  void (*connection_lost)(struct tern_protocol *protocol, int error);
  /** More than the high-water mark is waiting to be sent. NULL: not of interest. */
  void (*pause_writing)(struct tern_protocol *protocol);
  /** No more than the low-water mark is waiting. NULL: not of interest. */
  void (*resume_writing)(struct tern_protocol *protocol);
  /** The TLS handshake that tern_tls_start began is complete (tls.h). NULL: not of interest. */
  void (*secured)(struct tern_protocol *protocol);
};

/** The part every protocol object starts with. */
struct tern_protocol {
  const struct tern_protocol_ops *ops; /**< its callbacks */
};

/**
 * Makes the protocol for a new connection.
 * @param arg as given with the factory
 * @param loop the loop that will own the connection; the call runs on its thread
 * @return the protocol, which lives at least until its connection_lost, or NULL to refuse the connection
 */
typedef struct tern_protocol *tern_protocol_factory(void *arg, struct tern_loop *loop);

#endif
