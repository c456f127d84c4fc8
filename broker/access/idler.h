/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Compares passwords with bcrypt hashes in time that nobody else wants.
 *
 * A comparison keeps a processor for as long as thousands of messages. Its thread has the idle class
 * (tern_thread_to_idle), so that whoever wakes gets the processor at once; and where processors have no time to spare, who
 * asked is told so, and does the work itself.
 */
#ifndef BROKER_ACCESS_IDLER_H
#define BROKER_ACCESS_IDLER_H

struct idler;

/** Makes one, with its thread. NULL when there is no memory, descriptor or thread. Thread: any, which then is its owner.
 * Ownership: idler_free. */
struct idler *idler_new(void);
/**
 * Compares, and waits for the result. Returns as password_check_hash; or -EAGAIN when the thread gets less of a processor
 * than an ordinary one of the background would, is still at a comparison that it was given up for, or cannot have the
 * idle class: then nothing was compared. Thread: owner. Blocks: for the comparison.
 */
int idler_check(struct idler *idler, const char *hash, const char *password);
/** Ends it. A comparison that it was given up for is not waited for: its thread ends by itself. NULL is allowed. Thread:
 * owner. */
void idler_free(struct idler *idler);

#endif
