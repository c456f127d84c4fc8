/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Seeded bugs: deliberate faults that prove a concurrency test can fail. `TERN_BUG(name)` is 0 in every build
 * but the `seeded` preset, where the environment variable TERN_BUG names the one that is switched on.
 * Each use has a comment saying what it breaks; tests/torture/seeds.txt lists which test must notice.
 */
#ifndef TERN_BASE_SEED_H
#define TERN_BASE_SEED_H

#ifdef TERN_SEEDED_BUGS
#include <stdlib.h>
#include <string.h>
static inline int tern__bug(const char *name) {
  static const char *chosen; /* read once per file: the environment does not change */
  if (chosen == NULL) {
    const char *env = getenv("TERN_BUG");
    chosen = env != NULL ? env : "";
  }
  return strcmp(chosen, name) == 0;
}
#define TERN_BUG(name) tern__bug(#name)
#else
#define TERN_BUG(name) 0
#endif

#endif
