/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Passwords and tokens as the configuration has them, plain or as bcrypt hashes, against what a client says. Pure;
 * thread: any, but see password_check_hash.
 */
#ifndef BROKER_ACCESS_PASSWORD_H
#define BROKER_ACCESS_PASSWORD_H

#include <stdbool.h>

/** Bytes of a password that go into its hash: others make no difference. */
#define PASSWORD_HASHED_MAX 72

/** What a comparison works on, and in. */
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
/* The same in two steps, so that the second one, which is the work, allocates nothing and takes no lock. A scratch is one
 * thread's at a time. */
/** NULL: no memory. Ownership: password_scratch_free. */
struct password_scratch *password_scratch_new(void);
/** Overwrites and frees it. NULL is allowed. */
void password_scratch_free(struct password_scratch *scratch);
/** Copies what is to be compared. False: nothing can match that hash. */
bool password_scratch_put(struct password_scratch *scratch, const char *hash, const char *given);
/** Compares what was put. Returns 1: equal, or 0: not. Nothing is left in the scratch. */
int password_scratch_check(struct password_scratch *scratch);
/** Overwrites what was put. */
void password_scratch_clear(struct password_scratch *scratch);

#endif
