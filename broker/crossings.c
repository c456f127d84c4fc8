/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See crossings.h. New imports are opened one by one, each in the place of the old one it replaces, if there is one; then
 * the old ones that are left are closed. When one cannot be opened, what was done is taken back in the reverse order.
 */
#include "crossings.h"

#include <errno.h>
#include <stdlib.h>

struct crossings {
  struct settings *settings; /* the imports are theirs */
  struct tern_reclaimer *reclaimer;
  size_t count;
  struct open {
    struct crossing *crossing;
    struct crossing *before; /* while the set changes: the one it has replaced */
    bool replaced;           /* the same of the old set */
  } at[];
};

static void free_all(struct crossings *crossings) {
  if (crossings == NULL) return;
  for (size_t i = 0; i < crossings->count; i++)
    crossing_free(crossings->at[i].crossing);
  settings_unref(crossings->settings);
  free(crossings);
}

/* Makes the set, with nothing open. */
static struct crossings *make(struct settings *settings, const struct crossings_ends *ends,
                              struct tern_reclaimer *reclaimer) {
  const struct imports *imports = settings->imports;
  size_t count = imports != NULL ? imports->count : 0;
  struct crossings *crossings = calloc(1, sizeof *crossings + count * sizeof(struct open));
  if (crossings == NULL) return NULL;
  crossings->settings = settings_ref(settings);
  crossings->reclaimer = reclaimer;
  for (; crossings->count < count; crossings->count++) {
    size_t i = crossings->count;
    crossings->at[i].crossing = crossing_new(&imports->at[i], ends[i].importer, ends[i].exporter);
    if (crossings->at[i].crossing != NULL) continue;
    free_all(crossings);
    return NULL;
  }
  return crossings;
}

/* The old one that does the same and has no successor yet. Most sets hardly change, so it is looked for at the same place
 * first. */
static struct crossing *take_before(struct crossings *old, const struct crossing *crossing, size_t place) {
  if (old == NULL || old->count == 0) return NULL;
  for (size_t n = 0; n < old->count; n++) {
    struct open *open = &old->at[(place + n) % old->count];
    if (open->replaced || !crossing_replaces(crossing, open->crossing)) continue;
    open->replaced = true;
    return open->crossing;
  }
  return NULL;
}

static void take_back(struct crossings *crossings, size_t opened, struct tern_registry **registries) {
  while (opened-- > 0) {
    struct open *open = &crossings->at[opened];
    bool back = open->before != NULL &&
                crossing_open(open->before, registries, crossings->reclaimer, open->crossing) == 0;
    if (!back) crossing_close(open->crossing, registries, crossings->reclaimer);
  }
}

int crossings_change(struct crossings **crossings, struct settings *settings,
                     const struct crossings_ends *ends, struct tern_registry **registries,
                     struct tern_workers *workers, struct tern_reclaimer *reclaimer) {
  struct crossings *old = *crossings, *made = make(settings, ends, reclaimer);
  if (made == NULL) return -ENOMEM;
  int error = 0;
  size_t opened = 0;
  for (; opened < made->count && error == 0; opened++) {
    struct open *open = &made->at[opened];
    open->before = take_before(old, open->crossing, opened);
    error = crossing_open(open->crossing, registries, reclaimer, open->before);
  }
  if (error != 0) take_back(made, opened - 1, registries);
  for (size_t i = 0; old != NULL && i < old->count; i++) {
    if (error == 0 && !old->at[i].replaced) crossing_close(old->at[i].crossing, registries, reclaimer);
    old->at[i].replaced = false;
  }
  if (workers != NULL) tern_workers_synchronize(workers);
  free_all(error == 0 ? old : made);
  if (error == 0) *crossings = made;
  return error;
}

void crossings_free(struct crossings *crossings, struct tern_registry **registries) {
  if (crossings == NULL) return;
  for (size_t i = 0; i < crossings->count; i++)
    crossing_close(crossings->at[i].crossing, registries, crossings->reclaimer);
  free_all(crossings);
}
