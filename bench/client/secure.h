/* SPDX-License-Identifier: Apache-2.0 */
/** TLS of a connection: tls://HOST:PORT. See secure.c. */
#ifndef BENCH_SECURE_H
#define BENCH_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "target.h"

struct secure;

/** Room for a reason. */
#define SECURE_REASON_BYTES 256

/** Secures a connection from here on: says hello. NULL, with the reason, when that fails. */
struct secure *secure_begin(const struct target *target, int fd, char *reason);
/** True when the handshake is complete. */
bool secure_established(const struct secure *secure);
/** True when ciphertext waits for the socket. */
bool secure_waits(const struct secure *secure);
/** Sends what waits. Returns 0 or errno. */
int secure_flush(struct secure *secure);
/** Sends what the socket takes. Returns bytes taken, 0 when there is no room; an error is in *broken. */
size_t secure_send(struct secure *secure, const char *data, size_t len, int *broken);
/** Like recv; until the handshake is complete it goes on with that. At least 128 kB of room. Returns bytes, 0 at the end;
 * or -1 with errno, which is EPROTO when there is a reason. */
ssize_t secure_receive(struct secure *secure, char *to, size_t room, char *reason);
/** Says goodbye and frees it. NULL is fine. */
void secure_end(struct secure *secure);

#endif
