/* SPDX-License-Identifier: Apache-2.0 */
/** Monitoring over HTTP or HTTPS: which path is which page. Thread: control. */
#ifndef BROKER_MONITOR_WEB_H
#define BROKER_MONITOR_WEB_H

#include <stdint.h>

#include "monitor.h"

struct web;

/** What is wanted. Strings need to be valid during web_start only. */
struct web_options {
  const char *host;
  uint16_t port;                 /* 0: any free one */
  const char *base_path;         /* NULL: none */
  const char *certificate, *key; /* PEM texts; NULL: HTTP */
};

/** Loads the module, listens, serves. Returns 0 or a negative error, with the reason logged. */
int web_start(struct monitor *monitor, const struct web_options *options, struct web **out);
/** The port listened on. */
uint16_t web_port(const struct web *web);
/** Ends it; nothing happens with NULL. Must come before the workers end. */
void web_stop(struct web *web);

#endif
