/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Running a pool of workers as a server program: what most mains have in common.
 */
#ifndef TERN_SERVE_H
#define TERN_SERVE_H

#include <tern/export.h>
#include <tern/listener.h>
#include <tern/worker.h>

/**
 * Starts the pool, listens, prints `listening on URL` (with the real port) to standard output, waits for
 * SIGINT or SIGTERM and stops in order: listener, connections (with two seconds for their output), workers.
 * What goes wrong is logged.
 * @param workers a pool that has not been started; it is stopped when the call returns
 * @param options where to listen, and who makes the protocols
 * @return 0 after an orderly stop, or the error of the step that failed (tern_workers_start,
 * tern_listener_open, tern_workers_stop)
 *
 * Thread: control, and the only one there is, because SIGINT and SIGTERM are blocked for it and for the
 * threads it starts. The signals' former state is restored. Blocks: until told to stop.
 */
TERN_API int tern_serve(struct tern_workers *workers, const struct tern_listener_options *options);

#endif
