/* SPDX-License-Identifier: Apache-2.0 */
/**
 * All imports that are open: a set that changes with the settings. Thread: control.
 */
#ifndef BROKER_CROSSINGS_H
#define BROKER_CROSSINGS_H

#include <tern/worker.h>

#include "crossing.h"
#include "settings.h"

struct crossings;

/** Numbers of an import's accounts. */
struct crossings_ends {
  uint32_t importer, exporter;
};

/**
 * Puts the imports of these settings in the place of those in *crossings (NULL: none). Where both have one that does the
 * same, every message meets exactly one of them. Keeps a reference to the settings.
 * ends: of each import; workers: NULL when they do not run yet.
 * Returns 0 or -ENOMEM: then everything is as before.
 */
int crossings_change(struct crossings **crossings, struct settings *settings,
                     const struct crossings_ends *ends, struct tern_registry **registries,
                     struct tern_workers *workers, struct tern_reclaimer *reclaimer);
/** Closes and frees them, when the workers do not run any more. NULL is allowed. */
void crossings_free(struct crossings *crossings, struct tern_registry **registries);

#endif
