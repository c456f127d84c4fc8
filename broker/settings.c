/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See settings.h. The count of references is the only thing in settings that is ever written after they were made.
 */
#include "settings.h"

#include <stdlib.h>

#include "access.h"
#include "imports.h"
#include "overflow_rules.h"

struct settings *settings_new(const struct nats_limits *limits) {
  struct settings *settings = calloc(1, sizeof *settings);
  if (settings == NULL) return NULL;
  settings->limits = *limits;
  atomic_init(&settings->refs, 1);
  return settings;
}

struct settings *settings_ref(struct settings *settings) {
  /* relaxed: who adds a reference has one, so the object is there (pairs with settings_unref) */
  atomic_fetch_add_explicit(&settings->refs, 1, memory_order_relaxed);
  return settings;
}

void settings_unref(struct settings *settings) {
  if (settings == NULL) return;
  /* acq_rel: the last one frees after everybody else's reads (pairs with the other settings_unref) */
  if (atomic_fetch_sub_explicit(&settings->refs, 1, memory_order_acq_rel) != 1) return;
  overflow_rules_free(settings->overflow);
  tern_tls_unref(settings->tls.context);
  access_free(settings->access);
  free(settings->info);
  free(settings->server_name);
  imports_free(settings->imports);
  free(settings);
}
