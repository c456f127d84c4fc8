/* SPDX-License-Identifier: Apache-2.0 */
/** Datagrams to a syslog. Thread: one at a time. */
#ifndef TERN_BASE_LOG_SYSLOG_H
#define TERN_BASE_LOG_SYSLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct tern__log_syslog {
  int fd;
  bool remote;
  bool connected; /* a remote one: so that the host's refusals come back */
  bool failing;   /* the last datagram did not go: do not wait for the next one */
  struct sockaddr_storage to;
  socklen_t to_len;
};

/** True when the place is a remote one, udp://HOST:PORT, and not the path of a socket. */
bool tern__log_syslog_is_remote(const char *place);
/** Prepares sending. Returns 0, -EINVAL for a place that is none, -EHOSTUNREACH for an unknown name, or -errno. */
int tern__log_syslog_open(struct tern__log_syslog *syslog, const char *place);
void tern__log_syslog_close(struct tern__log_syslog *syslog);
/** Sends one line. Returns 0 or -errno; waits 100 ms at most. */
int tern__log_syslog_send(struct tern__log_syslog *syslog, const char *line, size_t len);

#endif
