/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pid file and the ports file. Both exist for whoever started the server: the pid file to signal it, the
 * ports file to learn which port "any free one" turned out to be.
 *
 * The pid file is written in place, as nats-server's, and stays. The ports file is what others wait for, so
 * it must never be seen half-written: it is written to `<final name>.tmp` and renamed. A server that listens
 * on all interfaces lists every address of every interface that is up, since "0.0.0.0" is no address to
 * connect to. Called by the control thread at start and stop; plain blocking file operations.
 */
#include "files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include <tern/log.h>

static int write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return -errno;
  int error = 0;
  for (size_t len = strlen(text), at = 0; at < len;) {
    ssize_t n = write(fd, text + at, len - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      error = -errno;
      break;
    }
    at += (size_t)n;
  }
  if (close(fd) < 0 && error == 0) error = -errno;
  return error;
}

/* What an operator can do about it. */
static const char *advice(int error) {
  switch (-error) {
    case ENOENT:
    case ENOTDIR:
      return "create the directory first";
    case EACCES:
    case EPERM:
    case EROFS:
      return "choose a place this user may write to";
    case ENOSPC:
    case EDQUOT:
      return "free some space on that disk";
    case EISDIR:
      return "give the name of a file, not of a directory";
    case ENAMETOOLONG:
      return "choose a shorter path";
    default:
      return "check the path";
  }
}

/* Logs why; of an endless path only as much as leaves room for the rest of the line. */
static int complain(const char *what, const char *path, int error) {
  tern_log(TERN_LOG_ERROR, "cannot write the %s %.1024s: %s; %s", what, path, strerror(-error),
           advice(error));
  return error;
}

int files_write_pid(const char *path) {
  char text[24];
  snprintf(text, sizeof text, "%d", (int)getpid());
  int error = write_file(path, text);
  return error < 0 ? complain("pid file", path, error) : 0;
}

/* ---- the ports file ---- */

/* `<dir>/<basename of program>_<pid>.ports`. Returns 0 or -ENAMETOOLONG (then path holds what fitted). */
static int ports_path(const char *dir, const char *program, char *path, size_t room) {
  const char *slash = strrchr(program, '/');
  int n = snprintf(path, room, "%s/%s_%d.ports", dir, slash != NULL ? slash + 1 : program, (int)getpid());
  return n < 0 || (size_t)n >= room ? -ENAMETOOLONG : 0;
}

static int add_url(json_t *urls, const struct files_listener *listener, const char *host) {
  char url[300];
  bool v6 = strchr(host, ':') != NULL;
  snprintf(url, sizeof url, "%s://%s%s%s:%u", listener->scheme, v6 ? "[" : "", host, v6 ? "]" : "",
           (unsigned)listener->port);
  return json_array_append_new(urls, json_string(url)) < 0 ? -ENOMEM : 0;
}

/* One URL for each address of each interface that is up. Link-local IPv6 addresses need a scope to be of use
 * and are left out, as nats-server does. `v6` says whether the wildcard takes IPv6 too. */
static int add_interfaces(json_t *urls, const struct files_listener *listener, bool v6) {
  struct ifaddrs *all;
  if (getifaddrs(&all) < 0) return -errno;
  int error = 0;
  for (struct ifaddrs *at = all; at != NULL && error == 0; at = at->ifa_next) {
    char host[INET6_ADDRSTRLEN];
    if (at->ifa_addr == NULL || !(at->ifa_flags & IFF_UP)) continue;
    if (at->ifa_addr->sa_family == AF_INET) {
      const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)at->ifa_addr;
      if (inet_ntop(AF_INET, &in->sin_addr, host, sizeof host) == NULL) continue;
    } else if (at->ifa_addr->sa_family == AF_INET6 && v6) {
      const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)at->ifa_addr;
      if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr)) continue;
      if (inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host) == NULL) continue;
    } else {
      continue;
    }
    error = add_url(urls, listener, host);
  }
  freeifaddrs(all);
  return error;
}

/* Adds the URLs of one listener. */
static int add_listener(json_t *root, const struct files_listener *listener) {
  json_t *urls = json_array();
  if (urls == NULL) return -ENOMEM;
  const char *host = listener->host;
  bool v6 = strcmp(host, "::") == 0;
  int error =
      v6 || strcmp(host, "0.0.0.0") == 0 ? add_interfaces(urls, listener, v6) : add_url(urls, listener, host);
  if (error == 0 && json_object_set(root, listener->kind, urls) < 0) error = -ENOMEM;
  json_decref(urls);
  return error;
}

/* The file's text, to be freed. */
static int ports_json(const struct files_listener *listeners, size_t count, char **text) {
  json_t *root = json_object();
  int error = root != NULL ? 0 : -ENOMEM;
  for (size_t i = 0; i < count && error == 0; i++)
    error = add_listener(root, &listeners[i]);
  *text = error == 0 ? json_dumps(root, JSON_COMPACT) : NULL;
  json_decref(root);
  return error != 0 ? error : *text == NULL ? -ENOMEM : 0;
}

int files_write_ports(const char *dir, const char *program, const struct files_listener *listeners,
                      size_t count) {
  char path[PATH_MAX], temporary[PATH_MAX + 8];
  int error = ports_path(dir, program, path, sizeof path);
  if (error < 0) return complain("ports file", path, error);
  char *text;
  error = ports_json(listeners, count, &text);
  if (error < 0) return complain("ports file", path, error);
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  error = write_file(temporary, text);
  free(text);
  if (error == 0 && rename(temporary, path) < 0) error = -errno;
  if (error < 0) {
    unlink(temporary);
    return complain("ports file", path, error);
  }
  return 0;
}

void files_remove_ports(const char *dir, const char *program) {
  char path[PATH_MAX];
  if (ports_path(dir, program, path, sizeof path) < 0) return;
  if (unlink(path) < 0 && errno != ENOENT)
    tern_log(TERN_LOG_WARN, "cannot remove the ports file %s: %s", path, strerror(errno));
}
