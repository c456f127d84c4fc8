/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The listener: sockets that accept connections, and the acceptor thread that hands each one to a worker.
 *
 * The acceptor never reads from a connection. It chooses the less loaded of two workers picked at random
 * and sends the socket there; the worker calls the factory and the connection is its own for life. When
 * descriptors run out, accepting pauses and is tried again shortly; established connections notice nothing.
 */
#ifndef TERN_LISTENER_H
#define TERN_LISTENER_H

#include <stddef.h>
#include <stdint.h>

#include <tern/export.h>
#include <tern/protocol.h>
#include <tern/stats.h>
#include <tern/worker.h>

struct tern_listener;

/** How to listen. */
struct tern_listener_options {
  const char *url;                /**< "tcp://HOST:PORT" (port 0: any free one) or "unix://PATH" */
  tern_protocol_factory *factory; /**< makes the protocol of each connection, on its worker */
  void *arg;                      /**< passed to the factory */
  int backlog;                    /**< 0: the system's maximum */
  uint32_t rate;                  /**< connections taken in a second; 0: as many as come */
  struct tern_counter *delayed; /**< counts those the rate made wait, for one pool's listeners; may be NULL */
  /** Permissions of a Unix socket's file, whatever the umask is: who may write may connect. 0: what the umask leaves of
   * 0777. Whoever else may write to its directory has to be trusted: the file is found by its name. */
  unsigned unix_mode;
};

/**
 * Opens the socket and starts to accept. The first listener of a pool starts its acceptor thread.
 * @param workers a started pool
 * @param options copied, strings included
 * @param[out] out the listener
 * @return 0, -EINVAL for a bad url, or -errno (as -EADDRINUSE)
 *
 * Thread: control. Ownership: caller, tern_listener_close.
 */
TERN_API int tern_listener_open(struct tern_workers *workers, const struct tern_listener_options *options,
                                struct tern_listener **out);
/** Stops accepting and frees the listener. When it returns, no more factory calls will be started for it, and
 * sockets accepted before are with their workers. A Unix socket's path is removed. Must come before
 * tern_workers_stop. Thread: control. Blocks: briefly. */
TERN_API void tern_listener_close(struct tern_listener *listener);
/** Sets how many connections are taken in a second, 0: as many as come; the others wait in the backlog. Thread: any. */
TERN_API void tern_listener_set_rate(struct tern_listener *listener, uint32_t rate);
/** Where it listens, with the real port: "tcp://127.0.0.1:4222". Valid until close. Thread: any. */
TERN_API const char *tern_listener_url(const struct tern_listener *listener);
/** The TCP port, or 0. Thread: any. */
TERN_API uint16_t tern_listener_port(const struct tern_listener *listener);
/** Times accepting had to pause because descriptors or memory ran out. Thread: any. */
TERN_API uint64_t tern_listener_pauses(const struct tern_listener *listener);

#endif
