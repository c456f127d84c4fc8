/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Every bound in one place, with its unit in its name and what happens there. Values that an operator
 * may change are defaults (`_DEFAULT`); the others are fixed by the design.
 */
#ifndef TERN_LIMITS_H
#define TERN_LIMITS_H

/** Workers in one process: the doorbell word has 64 bits, three are not workers. More: refused at start. */
#define TERN_WORKERS_MAX 60

/** Argument bytes of one control line (NATS `max_control_line`). More: `-ERR`, connection closed. */
#define TERN_CONTROL_LINE_MAX_BYTES_DEFAULT 4096
/** Bytes of one message, headers included (NATS `max_payload`). More: `-ERR`, connection closed. */
#define TERN_PAYLOAD_MAX_BYTES_DEFAULT (1024 * 1024)
/** Unsent bytes of one connection (NATS `max_pending`). More: the connection is dropped as slow. */
#define TERN_PENDING_MAX_BYTES_DEFAULT (64 * 1024 * 1024)
/** Open client connections (NATS `max_connections`). More: `-ERR`, the new connection is closed. */
#define TERN_CONNECTIONS_MAX_DEFAULT 65536

/** Bytes read from one connection in one go; then the next ready connection has its turn. */
#define TERN_READ_BYTES 65536
/** The same where connections keep having more and nobody keeps references to what was read. A quarter of
 * TERN_RING_BYTES_DEFAULT, so that what two turns read can be on its way to another worker; and with a buffer's header
 * less than what malloc maps and unmaps each time. */
#define TERN_READ_LARGE_BYTES (128 * 1024 - 128)
/** Payloads up to this size are copied into output; larger ones are referenced where they lie. */
#define TERN_COPY_MAX_BYTES 4096
/** Longest single contiguous reservation in a transport's output. More: TERN_ELIMIT, use write_buf. */
#define TERN_RESERVE_MAX_BYTES 16384
/** Bytes one connection may collect before it is flushed in the middle of a tick: enough for one write to pay, and little
 * enough to be written while it is still in the processor's caches, in memory that the next connection then gets. */
#define TERN_FLUSH_EARLY_BYTES 24576
/** Bytes of one worker-to-worker ring. Full: messages overflow and their source is paused. */
#define TERN_RING_BYTES_DEFAULT (512 * 1024)
/** Bytes of one worker's removed subscriptions that wait until no other worker can be looking at them (a grace
 * period). More: connections of that worker wait with their next SUB or UNSUB until it is half. Those that close do
 * not wait: what they hold comes on top. */
#define TERN_LIMBO_MAX_BYTES (64 * 1024 * 1024)

#endif
