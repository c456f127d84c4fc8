/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The server: owns the parts and knows their order. Starting and stopping are two lists in server.c that read
 * like one. Thread: control, for all functions.
 */
#ifndef BROKER_SERVER_H
#define BROKER_SERVER_H

#include <stdint.h>

#include "options.h"

struct server;

/** Starts everything; when it returns, clients can connect. Returns 0 or a negative error with the reason
 * logged. */
int server_start(const struct options *options, const char *program, struct server **out);
/** Stops accepting, delivers what was read, flushes within a bound, closes, frees. Returns 0, or TERN_ELIMIT
 * when connections did not take their data within the bound and were cut off. */
int server_stop(struct server *server);
/** Looks at the handler modules again and logs the figures (SIGHUP). */
void server_reload(struct server *server);
/** The TCP port clients connect to. */
uint16_t server_port(const struct server *server);

#endif
