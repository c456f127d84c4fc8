/* SPDX-License-Identifier: Apache-2.0 */
/**
 * In-process handlers: modules (tern/module.h) loaded from shared objects, attached to the registry, replaced
 * and unloaded while traffic flows.
 *
 * SIGHUP is the trigger: each configured `--handler FILTER=MODULE` is looked up again. A module file that has
 * changed is loaded beside the old one and swapped in (tern_registry_swap), one that is gone is detached, one
 * that has appeared is attached. After a grace period nothing can be inside the old code, then it is stopped
 * and unloaded. The file is copied before it is loaded, so it may be overwritten in place. Thread: control,
 * for all functions here.
 */
#ifndef BROKER_HANDLERS_HANDLERS_H
#define BROKER_HANDLERS_HANDLERS_H

#include <stdint.h>

#include <tern/registry.h>
#include <tern/worker.h>

#include "options.h"

struct handlers;

/** Loads and attaches all configured modules; refers to options->handlers until the end. Returns 0, or a negative error with the reason logged (a module
 * that is missing or unfit at start is fatal). */
int handlers_new(struct tern_workers *workers, struct tern_registry *registry, const struct options *options,
                 struct handlers **out);
/** Looks at the files again (SIGHUP). Faults are logged; what cannot be loaded leaves the old module in
 * place. */
void handlers_reload(struct handlers *handlers);
/** The largest message they may publish from now on. Thread: any. */
void handlers_set_max_payload(struct handlers *handlers, uint32_t max_payload);
/** Detaches everything, waits for a grace period if the workers run, stops and unloads. */
void handlers_free(struct handlers *handlers);

/** Figures over all modules since start. Thread: any. */
struct handlers_stats {
  uint64_t calls;
  uint64_t errors; /* negative results; also logged, at most once a second for each module */
};
struct handlers_stats handlers_stats(const struct handlers *handlers);

#endif
