/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs, addresses and sockets.
 *
 *     nats://[USER:PASSWORD@ | TOKEN@]HOST[:PORT]     [nats+]unix:///PATH     NATS over TCP and over a Unix socket
 *     tls://...                                       the same under TLS, which begins after the server's INFO
 *     raw://HOST:PORT                                 tern-bench forward
 *     redis://[[USER]:PASSWORD@]HOST[:PORT]           Redis
 *
 * Users, passwords and tokens may have bytes as %HH, as in any URL (RFC 3986); a % without two hex digits is itself.
 *
 * A client has about 28,000 ports for connections to one address and port. On the loopback interface every
 * address of 127.0.0.0/8 is a source of its own, so connections beyond the first 16,384 come from the next ones.
 *
 * Only target_resolve blocks (name service, and connecting where a name has several addresses), and target_accepts.
 * Thread: any.
 */
#include "target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "dialect.h"

#define CONNECTIONS_PER_SOURCE 16384
#define ACCEPT_S               2

/* Copies len bytes as a string; false when there is no room. */
static bool copy_text(char *to, size_t size, const char *from, size_t len) {
  if (len >= size) return false;
  memcpy(to, from, len);
  to[len] = '\0';
  return true;
}

/* Copies len bytes as a string, %HH as the byte it stands for; false when there is no room, or for a byte that ends one. */
static bool copy_decoded(char *to, size_t size, const char *from, size_t len) {
  size_t used = 0;
  for (size_t i = 0; i < len; i++) {
    char hex[3] = "", *end = hex;
    if (from[i] == '%' && i + 2 < len) memcpy(hex, from + i + 1, 2);
    unsigned long byte = isxdigit((unsigned char)hex[0]) ? strtoul(hex, &end, 16) : 0;
    const bool coded = end == hex + 2;
    if (coded) i += 2;
    if (used + 1 >= size || (coded && byte == 0)) return false;
    to[used++] = coded ? (char)byte : from[i];
  }
  to[used] = '\0';
  return true;
}

/* USER:PASSWORD, or a TOKEN. */
static bool parse_userinfo(struct target *target, const char *from, size_t len) {
  const char *colon = memchr(from, ':', len);
  if (colon == NULL) return copy_decoded(target->token, sizeof target->token, from, len);
  size_t user = (size_t)(colon - from);
  return copy_decoded(target->user, sizeof target->user, from, user) &&
         copy_decoded(target->password, sizeof target->password, colon + 1, len - user - 1);
}

/* HOST[:PORT], the host perhaps in brackets. */
static bool parse_host(struct target *target, const char *at) {
  bool bracket = *at == '[';
  if (bracket) at++;
  size_t len = strcspn(at, bracket ? "]" : ":");
  if (len == 0 || !copy_text(target->host, sizeof target->host, at, len)) return false;
  at += len;
  if (bracket && *at++ != ']') return false;
  if (*at == '/' && at[1] == '\0') at++;
  if (*at == '\0') return true;
  if (*at++ != ':' || *at == '\0' || strspn(at, "0123456789") != strlen(at)) return false;
  const unsigned long port = strtoul(at, NULL, 10);
  return port >= 1 && port <= UINT16_MAX && copy_text(target->port, sizeof target->port, at, strlen(at));
}

static const struct scheme {
  const char *prefix;
  const struct dialect *dialect;
  const char *port; /* NULL: a path */
  bool secure;
} schemes[] = {{"nats://", &dialect_nats, "4222", false}, {"tls://", &dialect_nats, "4222", true},
               {"unix://", &dialect_nats, NULL, false},   {"nats+unix://", &dialect_nats, NULL, false},
               {"raw://", &dialect_raw, "4300", false},   {"redis://", &dialect_redis, "6379", false}};

const char *target_parse(struct target *target, const char *url) {
  static const char refused[] =
      "a server is nats://, tls://, raw:// or redis://HOST:PORT, the port from 1 to 65535, or unix:///PATH";
  if (strncmp(url, "rediss://", 9) == 0) return "this client knows TLS with NATS only; use a port without";
  const struct scheme *scheme = strstr(url, "://") == NULL ? &schemes[0] : NULL;
  const char *at = url;
  for (size_t i = 0; scheme == NULL && i < sizeof schemes / sizeof schemes[0]; i++) {
    size_t len = strlen(schemes[i].prefix);
    if (strncmp(url, schemes[i].prefix, len) != 0) continue;
    scheme = &schemes[i];
    at += len;
  }
  if (scheme == NULL) return refused;
  *target = (struct target){.dialect = scheme->dialect, .secure = scheme->secure};
  if (scheme->port == NULL) {
    if (*at != '/' || !copy_text(target->path, sizeof target->path, at, strlen(at)))
      return "the path of a Unix socket begins with / and has up to 107 bytes";
    snprintf(target->shown, sizeof target->shown, "%s%s", scheme->prefix, at);
    return NULL;
  }
  memcpy(target->port, scheme->port, strlen(scheme->port) + 1);
  const char *sign = strrchr(at, '@');
  if (sign != NULL && !parse_userinfo(target, at, (size_t)(sign - at)))
    return "the user or password is too long, or has a %00";
  if (!parse_host(target, sign != NULL ? sign + 1 : at)) return refused;
  snprintf(target->shown, sizeof target->shown, "%s%s", scheme->prefix, sign != NULL ? sign + 1 : at);
  return NULL;
}

/* True when somebody accepts there. Blocks; with a limit, which may be NULL, no longer than that. */
static bool accepts(const struct sockaddr *address, socklen_t len, const struct timeval *limit) {
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && limit != NULL) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, limit, sizeof *limit);
  bool ok = fd >= 0 && connect(fd, address, len) == 0;
  if (fd >= 0) close(fd);
  return ok;
}

bool target_accepts(const struct target *target) {
  return accepts((const struct sockaddr *)&target->address, target->address_len,
                 &(struct timeval){.tv_sec = ACCEPT_S});
}

bool target_resolve(struct target *target, char *error, size_t size) {
  if (target->path[0] != '\0') {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    memcpy(un.sun_path, target->path, strlen(target->path));
    memcpy(&target->address, &un, sizeof un);
    target->address_len = sizeof un;
    return true;
  }
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
  int result = getaddrinfo(target->host, target->port, &hints, &list);
  if (result != 0) {
    snprintf(error, size, "%s:%s: %s", target->host, target->port, gai_strerror(result));
    return false;
  }
  const struct addrinfo *chosen = list;
  for (const struct addrinfo *a = list; a->ai_next != NULL; a = a->ai_next) {
    if (accepts(a->ai_addr, a->ai_addrlen, NULL)) break;
    chosen = a->ai_next;
  }
  memcpy(&target->address, chosen->ai_addr, chosen->ai_addrlen);
  target->address_len = chosen->ai_addrlen;
  freeaddrinfo(list);
  struct sockaddr_in in;
  memcpy(&in, &target->address, sizeof in);
  target->loopback = in.sin_family == AF_INET && ntohl(in.sin_addr.s_addr) >> 24 == 127;
  return true;
}

/* Lets the connection come from another address of the loopback interface. */
static void choose_source(int fd, unsigned number) {
#ifdef IP_BIND_ADDRESS_NO_PORT
  int on = 1;
  uint32_t host = 1 + (number / CONNECTIONS_PER_SOURCE) % 250;
  struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u | host)};
  if (host == 1) return;
  if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0) return;
  (void)bind(fd, (struct sockaddr *)&source, sizeof source); /* without it connecting says what is wrong */
#else
  (void)fd, (void)number;
#endif
}

int target_connect(const struct target *target, unsigned number) {
  int on = 1, fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (target->path[0] == '\0') setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (target->loopback) choose_source(fd, number);
  if (connect(fd, (const struct sockaddr *)&target->address, target->address_len) == 0 ||
      errno == EINPROGRESS)
    return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}
