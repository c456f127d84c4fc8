/* SPDX-License-Identifier: Apache-2.0 */
/** Blocking client connections of the load test. See client.c. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <tern/buffer.h>

/** Sends and receives give up waiting after this long, so that the caller can look whether it should stop. */
#define CLIENT_TICK_MS 100
/** Bound for connecting and for the server's first answers. */
#define CLIENT_CONNECT_MS 5000

#define CLIENT_ERROR_BYTES 320

/** Where to connect. */
struct target {
  bool raw; /* the byte forwarder: no protocol */
  char user[64], password[128];
  char host[256], port[8];
};

/** Takes apart nats://[USER[:PASSWORD]@]HOST[:PORT] or raw://HOST:PORT. Returns false when it is neither. */
bool target_parse(struct target *target, const char *url);

/** A connection. */
struct client {
  int fd; /* -1: none */
  bool raw;
  struct tern_pool *pool;
  char server[32], version[64];   /* as it calls itself */
  char error[CLIENT_ERROR_BYTES]; /* for people; set when a function has failed */
};

/** Connects, says hello, subscribes when subject is not NULL (sid 1), and waits until the server has taken
 * that. Returns false on failure; client_close is due either way. */
bool client_open(struct client *client, const struct target *target, const char *subject);
/** Closes and frees. */
void client_close(struct client *client);
/** Sends up to len bytes. Returns bytes sent, 0 when nothing could be sent within a tick, -1 on failure. */
long client_send(struct client *client, const char *data, size_t len);
/** Receives. Returns bytes, 0 when nothing came (within a tick, or at once with wait = false), -1 on failure,
 * -2 at the end of the stream. */
long client_receive(struct client *client, char *data, size_t len, bool wait);
/** Sets the error text. */
void client_fail(struct client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
