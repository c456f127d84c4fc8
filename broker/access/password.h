/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Passwords and tokens as the configuration has them, plain or as bcrypt hashes, against what a client says. Pure;
 * thread: any, but see password_check_hash.
 */
#ifndef BROKER_ACCESS_PASSWORD_H
#define BROKER_ACCESS_PASSWORD_H

#include <stdbool.h>

/** Characters of a bcrypt hash. */
#define PASSWORD_HASH_LEN 60
/** Bytes of a password that go into its hash: others make no difference. */
#define PASSWORD_HASHED_MAX 72

/** What a comparison works in. */
struct password_scratch;

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
/** Memory for password_check_hash_in, to be freed by free(); NULL when there is none. */
struct password_scratch *password_scratch_new(void);
/** The same comparison in memory that is there already, of which nothing is left in it afterwards: allocates nothing and takes
 * no lock. Thread: any, with a scratch of its own. */
int password_check_hash_in(struct password_scratch *scratch, const char *hash, const char *given);

#endif
