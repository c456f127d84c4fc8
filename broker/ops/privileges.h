/* SPDX-License-Identifier: Apache-2.0 */
/** Becoming another user once nothing more needs root. Thread: control. */
#ifndef BROKER_OPS_PRIVILEGES_H
#define BROKER_OPS_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

struct privileges {
  bool wanted;
  uid_t uid;
  gid_t gid;
};

/**
 * Finds out who is meant by these names or numbers (NULL: nobody in particular) and sees to it that no thread can gain
 * privileges by executing a file; to be called before any thread is made. Returns 0, or -1 when that is not possible; why
 * is said on standard error.
 */
int privileges_prepare(struct privileges *privileges, const char *user, const char *group);
/** Gives a file that the server will open again, like its log, or remove, like its socket, to that user. NULL is allowed. Returns 0 or -errno. */
int privileges_give(const struct privileges *privileges, const char *path);
/** Becomes that user, with that group alone, in all threads. Returns 0 or -errno, logged; then do not go on. */
int privileges_drop(const struct privileges *privileges);

#endif
