/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The TLS module and contexts, for tls.c.
 */
#ifndef TERN_NET_TLS_ENGINE_H
#define TERN_NET_TLS_ENGINE_H

#include <stdatomic.h>

#include "engine.h"

/** A context of the module, shared by those who use it. */
struct tern_tls {
  _Atomic unsigned refs;
  bool server;
  const struct tern__tls_engine *engine;
  struct tern__tls_context *context;
};

#endif
