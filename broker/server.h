/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The server: owns the parts and knows their order. Starting and stopping are two lists in server.c that read
 * like one. Thread: control, for all functions.
 */
#ifndef BROKER_SERVER_H
#define BROKER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

struct server;

/** Starts everything; when it returns, clients can connect. Takes the options over, in any case. Returns 0 or a
 * negative error with the reason logged. */
int server_start(const struct options *options, const char *program, struct server **out);
/** Stops accepting, delivers what was read, flushes within a bound, closes, frees. Returns 0, or TERN_ELIMIT
 * when connections did not take their data within the bound and were cut off. */
int server_stop(struct server *server);
/** Reads the configuration file again and changes to it, or says why not; looks at the handler modules again; logs the
 * figures (SIGHUP). */
void server_reload(struct server *server);
/** Lame duck mode: no more clients from now on; those who are there are told, and after a grace period closed one by
 * one (SIGUSR2). server_tick does that. */
void server_lame_duck(struct server *server);
/** True once that has begun. */
bool server_is_lame(const struct server *server);
/** Does what is due. Returns in how many milliseconds to call again, or one of these. */
int server_tick(struct server *server);
#define SERVER_IDLE (-1) /* nothing will be due */
#define SERVER_DONE (-2) /* lame duck mode is over: stop */
/** The TCP port clients connect to. */
uint16_t server_port(const struct server *server);

#endif
