/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Passwords and tokens as the configuration has them, plain or as bcrypt hashes, against what a client says. Pure;
 * thread: any, but see password_check_hash.
 */
#ifndef BROKER_ACCESS_PASSWORD_H
#define BROKER_ACCESS_PASSWORD_H

#include <stdbool.h>

/** Is it a bcrypt hash ($2a$, $2b$, $2x$, $2y$), as nats-server sees it? */
bool password_is_hash(const char *stored);
/** Is it a hash that something can match: a cost there is, and all its characters? */
bool password_hash_is_whole(const char *hash);
/** Compares with a plain one, in a time that tells no more than the length. */
bool password_equal(const char *stored, const char *given);
/**
 * Compares with a hash: the work of tens of milliseconds or more, as the hash says. Not on a worker.
 * Returns 1: equal, 0: not, or -ENOMEM.
 */
int password_check_hash(const char *hash, const char *given);

#endif
