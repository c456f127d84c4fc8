/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Requests by message: whoever is in the system account asks on `$SYS.REQ.>` for what HTTP tells (sys_answer.h).
 *
 *     worker: handler -- copy --> queue (bounded) --> thread: page -- publish --> the worker the request came to
 *
 * Costs nothing while no user is in the system account: no handler, no thread.
 */
#ifndef BROKER_MONITOR_SYS_H
#define BROKER_MONITOR_SYS_H

#include <stdint.h>

#include <tern/registry.h>
#include <tern/worker.h>

#include "monitor.h"

/** Requests that wait, and bytes of the body of one; what is above is dropped, and logged. */
#define SYS_WAITING_MAX    256
#define SYS_BODY_MAX_BYTES (16 * 1024)

struct sys;

/** How answers get out; constant. */
struct sys_options {
  struct monitor *monitor;
  struct tern_workers *workers;
  const char *server_id;
  /** Publishes in an account, on a worker. Blocks until done. Returns 0 or a negative error. */
  int (*publish)(void *arg, unsigned worker, uint32_t account, struct tern_slice subject,
                 struct tern_slice payload);
  void *arg;
};

/** Makes it; nobody is answered yet. Returns 0 or -ENOMEM. Thread: control, like all here. */
int sys_new(const struct sys_options *options, struct sys **out);
/** From now on the requests in this registry are answered, which is that of the account (NULL: none), and no others.
 * Returns 0 or a negative error: then none are. */
int sys_serve(struct sys *sys, struct tern_registry *registry, uint32_t account);
/** Requests that were dropped so far. */
uint64_t sys_dropped(struct sys *sys);
/** Ends it, before the workers end. NULL is allowed. */
void sys_free(struct sys *sys);

#endif
