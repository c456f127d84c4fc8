/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of transports as text.
 *
 *     tcp://127.0.0.1:4222   tcp://[::1]:4222   tcp://localhost:0 (listening only)   unix:///run/tern.sock
 *
 * Numbers are converted by getaddrinfo, which knows every spelling of an address; a listener may also give a
 * name, which is resolved once, when it is opened. tern_connect takes numeric hosts only, because it runs on
 * a worker, which must never wait for a name server. A name with several addresses means its first.
 */
#include "url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define TCP_PREFIX  "tcp://"
#define UNIX_PREFIX "unix://"

static int parse_unix(const char *path, struct tern__address *out) {
  struct sockaddr_un *un = (struct sockaddr_un *)&out->storage;
  size_t len = strlen(path);
  if (len == 0 || len >= sizeof un->sun_path) return -EINVAL;
  un->sun_family = AF_UNIX;
  memcpy(un->sun_path, path, len + 1);
  out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
  return 0;
}

static bool is_port(const char *text) {
  unsigned value = 0;
  size_t len = strlen(text);
  if (len == 0 || len > 5) return false;
  for (size_t i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (unsigned)(text[i] - '0');
  }
  return value <= 65535;
}

/* Splits HOST:PORT, where an IPv6 host is in brackets. Returns the host's length, or -1. */
static int split_host(const char *text, const char **host, const char **port) {
  const char *end;
  if (text[0] == '[') {
    *host = text + 1;
    end = strchr(text, ']');
    if (end == NULL || end[1] != ':') return -1;
    *port = end + 2;
  } else {
    *host = text;
    end = strchr(text, ':');
    if (end == NULL) return -1;
    *port = end + 1;
  }
  return is_port(*port) ? (int)(end - *host) : -1;
}

static int parse_tcp(const char *text, bool passive, struct tern__address *out) {
  const char *host, *port;
  char name[256];
  int len = split_host(text, &host, &port);
  if (len < 0 || (size_t)len >= sizeof name || (len == 0 && !passive)) return -EINVAL;
  memcpy(name, host, (size_t)len);
  name[len] = '\0';
  const struct addrinfo hints = {
      .ai_family = AF_UNSPEC,
      .ai_socktype = SOCK_STREAM,
      .ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : AI_NUMERICHOST),
  };
  struct addrinfo *found;
  int error = getaddrinfo(len > 0 ? name : NULL, port, &hints, &found);
  if (error != 0) return error == EAI_MEMORY ? -ENOMEM : -EINVAL;
  memcpy(&out->storage, found->ai_addr, found->ai_addrlen);
  out->len = found->ai_addrlen;
  freeaddrinfo(found);
  return 0;
}

int tern__url_parse(const char *url, bool passive, struct tern__address *out) {
  memset(out, 0, sizeof *out);
  if (strncmp(url, TCP_PREFIX, strlen(TCP_PREFIX)) == 0)
    return parse_tcp(url + strlen(TCP_PREFIX), passive, out);
  if (strncmp(url, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) return parse_unix(url + strlen(UNIX_PREFIX), out);
  return -EINVAL;
}

void tern__url_format(const struct tern__address *address, char out[TERN__URL_MAX]) {
  char host[INET6_ADDRSTRLEN] = "";
  const struct sockaddr_in *in = (const struct sockaddr_in *)&address->storage;
  const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->storage;
  switch (address->storage.ss_family) {
    case AF_INET:
      inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
      snprintf(out, TERN__URL_MAX, TCP_PREFIX "%s:%u", host, ntohs(in->sin_port));
      break;
    case AF_INET6:
      inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
      snprintf(out, TERN__URL_MAX, TCP_PREFIX "[%s]:%u", host, ntohs(in6->sin6_port));
      break;
    default:
      snprintf(out, TERN__URL_MAX, UNIX_PREFIX "%s",
               ((const struct sockaddr_un *)&address->storage)->sun_path);
  }
}
