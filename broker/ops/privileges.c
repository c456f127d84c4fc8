/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that root starts, for a port below 1024 or a key that only root may read, becomes somebody else when it has
 * opened what it needs. Names are looked up before anything else happens, so that a wrong one is an error of the start.
 *
 *     prepare   names to numbers, no_new_privs     before there are threads: the kernel's flag is one of each thread
 *     (sockets, keys, log, pid file)
 *     drop      supplementary groups, group, user  the C library does this for all threads at once
 *
 * Whoever is not root can only become who it already is.
 */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <tern/log.h>

/* Numbers need no entry in the user or group database. */
static bool is_number(const char *text, unsigned *number) {
  char *end;
  if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') return false;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  *number = (unsigned)value;
  return errno == 0 && value < UINT32_MAX; /* the last one means "as it is" */
}

static int find_user(struct privileges *privileges, const char *user) {
  unsigned number;
  errno = 0;
  const struct passwd *entry = is_number(user, &number) ? getpwuid(number) : getpwnam(user);
  if (entry != NULL) {
    privileges->uid = entry->pw_uid;
    privileges->gid = entry->pw_gid;
  } else if (is_number(user, &number)) {
    privileges->uid = number;
    privileges->gid = number;
  } else {
    fprintf(stderr, "tern: there is no user %s to run as; make it with adduser, or choose another one\n",
            user);
    return -1;
  }
  return 0;
}

static int find_group(struct privileges *privileges, const char *group) {
  unsigned number;
  if (is_number(group, &number)) {
    privileges->gid = number;
    return 0;
  }
  const struct group *entry = getgrnam(group);
  if (entry == NULL) {
    fprintf(stderr, "tern: there is no group %s to run as; make it with addgroup, or choose another one\n",
            group);
    return -1;
  }
  privileges->gid = entry->gr_gid;
  return 0;
}

int privileges_prepare(struct privileges *privileges, const char *user, const char *group) {
  *privileges =
      (struct privileges){.wanted = user != NULL || group != NULL, .uid = geteuid(), .gid = getegid()};
  if (!privileges->wanted) return 0;
  if (user != NULL && find_user(privileges, user) < 0) return -1;
  if (group != NULL && find_group(privileges, group) < 0) return -1;
  if (geteuid() != 0 && (privileges->uid != geteuid() || privileges->gid != getegid())) {
    fprintf(stderr, "tern: only root can run as another user or group; start it as root, or leave out %s\n",
            user != NULL ? "run_as_user" : "run_as_group");
    return -1;
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) return 0;
  fprintf(stderr, "tern: cannot give up gaining privileges: %s\n", strerror(errno));
  return -1;
}

int privileges_give(const struct privileges *privileges, const char *path) {
  if (!privileges->wanted || path == NULL || geteuid() != 0) return 0;
  if (chown(path, privileges->uid, privileges->gid) == 0) return 0;
  int error = -errno;
  tern_log(TERN_LOG_WARN, "cannot give %.1024s to the user to run as: %s; it remains root's", path,
           strerror(-error));
  return error;
}

int privileges_drop(const struct privileges *privileges) {
  if (!privileges->wanted) return 0;
  int error = 0;
  if (geteuid() == 0 &&
      (setgroups(0, NULL) < 0 || setresgid(privileges->gid, privileges->gid, privileges->gid) < 0 ||
       setresuid(privileges->uid, privileges->uid, privileges->uid) < 0))
    error = -errno;
  if (error == 0 && privileges->uid != 0 && setuid(0) == 0)
    error = -EPERM; /* it must not be possible any more */
  if (error != 0) {
    tern_log(TERN_LOG_FATAL, "cannot become user %u, group %u: %s", (unsigned)privileges->uid,
             (unsigned)privileges->gid, strerror(-error));
    return error;
  }
  tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "privileges_dropped"},
                 "Running as user %u, group %u", (unsigned)privileges->uid, (unsigned)privileges->gid);
  return 0;
}
