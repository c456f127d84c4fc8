/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Error numbers. Every function that can fail returns 0 (or a non-negative result) on success and a
 * negative number on failure: `-errno` where the system said why, otherwise one of the TERN_E* below.
 * A call that returns an error has had no effect and never calls its callback.
 */
#ifndef TERN_ERROR_H
#define TERN_ERROR_H

#include <tern/export.h>

/** Errors of tern's own; they start below every -errno. */
enum tern_error {
  TERN_OK = 0,            /**< success */
  TERN_ECLOSED = -1001,   /**< the transport, loop or worker is closing or closed */
  TERN_EFULL = -1002,     /**< a bounded queue or ring has no room left */
  TERN_ELIMIT = -1003,    /**< a configured limit would be exceeded */
  TERN_ESUBJECT = -1004,  /**< not a valid subject or filter */
  TERN_EPROTOCOL = -1005, /**< the peer broke the protocol */
  TERN_ESLOW = -1006,     /**< the peer did not take its data in time or within its bound */
  TERN_ESHUTDOWN = -1007, /**< this side is shutting down */
  TERN_EMODULE = -1008,   /**< a module could not be used */
  TERN_ETLS = -1009,      /**< TLS failed: the handshake, a record, or the stream was cut short */
};

/**
 * Text for an error number, for people; also for every -errno.
 * @param error a value returned by a tern function
 * @return a constant string, or for a system error one that is valid until the next call on the thread
 *
 * Thread: any. Blocks: no.
 */
TERN_API const char *tern_strerror(int error);

#endif
