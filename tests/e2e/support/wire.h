/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A small blocking NATS client on a raw socket, for tests that must do what no library lets them do: stop reading,
 * send half a message, count every byte. One thread at a time per connection.
 */
#ifndef TERN_E2E_WIRE_H
#define TERN_E2E_WIRE_H

#include <stdbool.h>
#include <stddef.h>

/** A connection. */
struct wire {
  int fd;                      /**< -1: closed */
  char *in;                    /**< bytes read, [start, end) not looked at yet */
  size_t start, end, capacity; /**< of in */
};

/** What the broker said. Pointers are valid until the next wire_next. */
struct wire_event {
  enum { WIRE_END, WIRE_TIMEOUT, WIRE_MSG, WIRE_PING, WIRE_PONG, WIRE_OK, WIRE_ERR, WIRE_INFO } kind;
  char subject[256];   /**< MSG: of the message. ERR: the text */
  unsigned sid;        /**< MSG: of the subscription */
  const char *payload; /**< MSG: the payload, headers included */
  size_t size;         /**< MSG: its bytes */
};

/** Connects to 127.0.0.1; returns false when refused. */
bool wire_open(struct wire *wire, int port);
/** Connects, reads INFO, sends CONNECT with these fields ("" for none) and waits for the PONG; ends the program
 * when that fails. */
void wire_hello(struct wire *wire, int port, const char *fields);
/** Closes; `reset`: with a reset. */
void wire_close(struct wire *wire, bool reset);
/** Sends everything; false when the connection is gone. */
bool wire_send(struct wire *wire, const void *data, size_t size);
/** Sends a formatted text. */
bool wire_printf(struct wire *wire, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** The next thing the broker says, waiting at most so long. Answers PINGs by itself. */
void wire_next(struct wire *wire, struct wire_event *event, int timeout_ms);
/** Sends PING and reads up to its PONG; messages on the way are dropped and counted into *messages when given.
 * Returns false when there is no PONG. */
bool wire_sync(struct wire *wire, unsigned *messages);

#endif
