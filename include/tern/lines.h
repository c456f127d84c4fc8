/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Protocols made of text lines: what most small servers are. Only the handling of a line is left to write.
 *
 * The input is cut at LF; a CR before it is dropped, and so is what comes after the last LF. While the peer
 * does not take its answers nothing more is read from it, so that a connection's memory is bounded.
 * All functions: Thread: the connection's loop.
 */
#ifndef TERN_LINES_H
#define TERN_LINES_H

#include <stddef.h>

#include <tern/buffer.h>
#include <tern/export.h>
#include <tern/protocol.h>

/** Longest line, its LF not counted. More: the connection is aborted with TERN_ELIMIT. */
#define TERN_LINE_MAX_BYTES 1024
/** Longest line to send: one received and something around it. More: TERN_ELIMIT. */
#define TERN_LINE_SEND_MAX_BYTES (TERN_LINE_MAX_BYTES + 256)

struct tern_line_protocol;

/** What a line protocol does. */
struct tern_line_ops {
  size_t size; /**< bytes of the structure that starts with the tern_line_protocol */
  /** The connection stands. NULL: not of interest. */
  void (*opened)(struct tern_line_protocol *self);
  /** A line has come; it is valid during the call. Not called any more after the transport's close or abort.
   * @return 0, or a negative error, which aborts this connection */
  int (*line)(struct tern_line_protocol *self, struct tern_slice line);
  /** The end, once after opened; the structure is freed afterwards. NULL: not of interest. */
  void (*closed)(struct tern_line_protocol *self, int error);
};

/** One connection that talks in lines. Embed it first in what a connection needs to remember. */
struct tern_line_protocol {
  struct tern_protocol protocol;    /**< private */
  const struct tern_line_ops *ops;  /**< private */
  struct tern_transport *transport; /**< valid from opened until closed returns */
  size_t len;                       /**< private: bytes of an incomplete line */
  char room[TERN_LINE_MAX_BYTES];   /**< private: where they are */
};

/** A tern_protocol_factory for line protocols; its arg is a struct tern_line_ops. The structure it makes is
 * zeroed and freed after closed. */
TERN_API struct tern_protocol *tern_line_factory(void *ops, struct tern_loop *loop);
/** Sends a line; LF is added. @return as tern_transport_write, or TERN_ELIMIT */
TERN_API int tern_line_send(struct tern_line_protocol *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
