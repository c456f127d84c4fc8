/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line as one datagram, to a local syslog's socket or over UDP. The C library's syslog(3) is not used: it has the one
 * local place, waits without bound for a syslog that does not read, and tells nobody what it could not send.
 *
 * A syslog that does not listen (yet, or for the time of its restart) is not a reason to end: every line is tried. The
 * socket is not connected to a local one, so that each line finds whoever listens then. That of a remote one is,
 * because only so does the kernel say that nobody listened there; it says so with the line after the lost one.
 */
#include "log_syslog.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static const char scheme[] = "udp://";

bool tern__log_syslog_is_remote(const char *place) { return strncmp(place, scheme, sizeof scheme - 1) == 0; }

/* HOST:PORT, an IPv6 address in brackets. */
static int resolve(struct tern__log_syslog *syslog, const char *place) {
  char host[256];
  const char *colon = strrchr(place, ':');
  if (colon == NULL || colon == place || colon[1] == '\0') return -EINVAL;
  bool bracket = place[0] == '[' && colon[-1] == ']';
  int n = snprintf(host, sizeof host, "%.*s", (int)(colon - place) - 2 * bracket, place + bracket);
  if (n < 0 || (size_t)n >= sizeof host) return -EINVAL;
  struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV}, *found;
  if (getaddrinfo(host, colon + 1, &hints, &found) != 0) return -EHOSTUNREACH;
  memcpy(&syslog->to, found->ai_addr, found->ai_addrlen);
  syslog->to_len = found->ai_addrlen;
  freeaddrinfo(found);
  return 0;
}

static int local(struct tern__log_syslog *syslog, const char *path) {
  struct sockaddr_un *to = (struct sockaddr_un *)(void *)&syslog->to;
  if (path[0] == '\0' || strlen(path) >= sizeof to->sun_path) return -EINVAL;
  to->sun_family = AF_UNIX;
  memcpy(to->sun_path, path, strlen(path) + 1);
  syslog->to_len = sizeof *to;
  return 0;
}

int tern__log_syslog_open(struct tern__log_syslog *syslog, const char *place) {
  *syslog = (struct tern__log_syslog){.fd = -1, .remote = tern__log_syslog_is_remote(place)};
  int error = syslog->remote ? resolve(syslog, place + sizeof scheme - 1) : local(syslog, place);
  if (error != 0) return error;
  syslog->fd = socket(syslog->to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (syslog->fd < 0) return -errno;
  struct timeval wait = {.tv_usec = 100000};
  setsockopt(syslog->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  return 0;
}

void tern__log_syslog_close(struct tern__log_syslog *syslog) { close(syslog->fd); }

int tern__log_syslog_send(struct tern__log_syslog *syslog, const char *line, size_t len) {
  const struct sockaddr *to = (const struct sockaddr *)&syslog->to;
  int flags = MSG_NOSIGNAL | (syslog->failing ? MSG_DONTWAIT : 0);
  ssize_t n = -1;
  if (syslog->remote) {
    if (!syslog->connected) syslog->connected = connect(syslog->fd, to, syslog->to_len) == 0;
    if (syslog->connected) n = send(syslog->fd, line, len, flags);
  } else {
    n = sendto(syslog->fd, line, len, flags, to, syslog->to_len);
  }
  int error = n < 0 ? -errno : 0;
  if (error == -ECONNREFUSED &&
      syslog->remote) /* about the line before; this one is sent, or lost in its turn */
    send(syslog->fd, line, len, flags);
  syslog->failing = error != 0;
  return error;
}
