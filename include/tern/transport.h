/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The transport: how bytes move. One interface over TCP, Unix-domain sockets, the in-memory pair, and the
 * trace wrapper around any of them; always 1:1 with a protocol (protocol.h).
 *
 * Output is collected and leaves at the end of the loop's tick, with one system call for all of it. Nothing
 * here blocks. A transport is freed by its loop after the protocol's connection_lost.
 * All functions: Thread: the loop's. Blocks: never. They may be called from inside any protocol callback.
 */
#ifndef TERN_TRANSPORT_H
#define TERN_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <tern/buffer.h>
#include <tern/export.h>
#include <tern/loop.h>
#include <tern/protocol.h>

/** Who is at the other end. */
struct tern_peer {
  const char *kind;  /**< "tcp", "unix" or "mem" */
  char address[108]; /**< IP address without brackets, socket path, or "" */
  uint16_t port;     /**< TCP port, else 0 */
  pid_t pid;         /**< Unix-domain socket: the peer's process, else 0 */
  uid_t uid;         /**< Unix-domain socket: the peer's user, else (uid_t)-1 */
  gid_t gid;         /**< Unix-domain socket: the peer's group, else (gid_t)-1 */
};

/**
 * Queues bytes for sending; they are copied.
 * @return 0; TERN_ECLOSED when closing; -ENOMEM (nothing queued, and the transport is aborted, because
 * the stream would have a hole)
 */
TERN_API int tern_transport_write(struct tern_transport *transport, const void *data, size_t len);
/** Queues several pieces as one; as tern_transport_write. */
TERN_API int tern_transport_writev(struct tern_transport *transport, const struct iovec *pieces, int count);
/**
 * Queues bytes that lie in a buffer without copying them.
 * @param transport the transport
 * @param buf a buffer of this loop; the transport takes a reference of its own until the bytes are gone
 * @param data first byte, inside buf
 * @param len bytes
 * @return as tern_transport_write
 */
TERN_API int tern_transport_write_buf(struct tern_transport *transport, struct tern_buf *buf,
                                      const void *data, size_t len);
/**
 * Room at the end of the output, to encode into without a second copy. Follow with tern_transport_commit
 * before any other call on the transport; what is not committed is not sent.
 * @param transport the transport
 * @param len contiguous bytes wanted, at most TERN_RESERVE_MAX_BYTES
 * @return where to write, or NULL when closing or without memory (then the transport is aborted)
 */
TERN_API char *tern_transport_reserve(struct tern_transport *transport, size_t len);
/** Queues the first len bytes of the last reservation. */
TERN_API void tern_transport_commit(struct tern_transport *transport, size_t len);
/** Bytes queued and not yet taken by the kernel or peer. */
TERN_API size_t tern_transport_pending(const struct tern_transport *transport);
/** Milliseconds since output last made progress while some was waiting; 0 when nothing waits. */
TERN_API uint64_t tern_transport_stalled_ms(const struct tern_transport *transport);
/** After the queued bytes no more are sent: the peer sees the end of the stream. Reading goes on. */
TERN_API int tern_transport_write_eof(struct tern_transport *transport);
/** Sends what is queued, then ends the connection. No more data is received. Idempotent. */
TERN_API void tern_transport_close(struct tern_transport *transport);
/** Ends the connection and drops what is queued. connection_lost gets the error. Idempotent. */
TERN_API void tern_transport_abort(struct tern_transport *transport, int error);
/** True after close, abort or a fault. */
TERN_API bool tern_transport_is_closing(const struct tern_transport *transport);
/** Stops data_received until tern_transport_resume_reading. Costs no system call. */
TERN_API void tern_transport_pause_reading(struct tern_transport *transport);
/** Lets data_received be called again; never from inside this call. */
TERN_API void tern_transport_resume_reading(struct tern_transport *transport);
/**
 * Sets when pause_writing and resume_writing are called.
 * @param transport the transport
 * @param high pause above this many pending bytes (default 64 KiB)
 * @param low resume at or below this many (default high / 4); at most high
 */
TERN_API void tern_transport_set_write_limits(struct tern_transport *transport, size_t high, size_t low);
/** Who is at the other end; valid as long as the transport. */
TERN_API const struct tern_peer *tern_transport_peer(const struct tern_transport *transport);
/** The loop the transport belongs to. */
TERN_API struct tern_loop *tern_transport_loop(const struct tern_transport *transport);
/** The transport's protocol. */
TERN_API struct tern_protocol *tern_transport_protocol(const struct tern_transport *transport);

/**
 * Starts a TCP or Unix-domain client connection.
 * @param loop the loop
 * @param url "tcp://HOST:PORT" (numeric host, IPv6 in brackets) or "unix://PATH"
 * @param protocol told connection_made when the connection stands; when it cannot be made, connection_lost
 * alone is called with the reason
 * @return 0, or -errno / -EINVAL for a bad url (then no callback is made)
 */
TERN_API int tern_connect(struct tern_loop *loop, const char *url, struct tern_protocol *protocol);

/** What the in-memory pair does to one end's traffic, for tests of everything that sits on transports. */
struct tern_mem_faults {
  size_t read_max;       /**< bytes per data_received, 0: no limit */
  size_t write_max;      /**< bytes moved per flush (short writes), 0: no limit */
  unsigned eagain_every; /**< every n-th flush moves nothing, 0: never */
  unsigned delay_ticks;  /**< moved bytes arrive that many ticks later */
  size_t capacity;       /**< bytes in flight at most (a socket buffer's size), 0: no limit */
  size_t reset_after;    /**< reset the connection after that many bytes sent by this end, 0: never */
};

/**
 * Makes two connected in-memory transports, both on the same loop. Both protocols get connection_made
 * before the call returns; bytes move when the loop ticks.
 * @param loop the loop
 * @param a,b the protocols of the two ends
 * @param faults_a,faults_b what happens to bytes sent and received by that end; NULL: nothing. Copied.
 * @return 0, or -ENOMEM
 */
TERN_API int tern_mem_pair(struct tern_loop *loop, struct tern_protocol *a, struct tern_protocol *b,
                           const struct tern_mem_faults *faults_a, const struct tern_mem_faults *faults_b);

/** Receives what passes through a traced transport. direction: '<' received, '>' sent, '*' an event. */
typedef void tern_trace_fn(void *arg, char direction, const char *data, size_t len);

/**
 * Puts a trace wrapper between a protocol and the transport it will get: give the returned protocol to
 * whatever makes the transport (a factory, tern_connect, tern_mem_pair). The inner protocol then talks to
 * the wrapper as to any transport.
 * @param loop the loop
 * @param inner the protocol to be traced
 * @param trace called for all bytes and events; its data is valid during the call
 * @param arg passed to trace
 * @return the wrapping protocol (it frees itself after connection_lost), or NULL without memory
 */
TERN_API struct tern_protocol *tern_trace_wrap(struct tern_loop *loop, struct tern_protocol *inner,
                                               tern_trace_fn *trace, void *arg);
/** Frees a wrapping protocol that no transport was made for, as after an error of tern_connect. */
TERN_API void tern_trace_free(struct tern_protocol *wrapper);

#endif
