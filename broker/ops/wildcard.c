/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See wildcard.h. Whether the system has IPv6 is asked by a socket that could listen there: made, told to take IPv4 too,
 * bound to any free port, and closed.
 */
#include "wildcard.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool has_both(void) {
  const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
  const int off = 0;
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  bool both = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0 &&
              bind(fd, (const struct sockaddr *)&any, sizeof any) == 0;
  close(fd);
  return both;
}

const char *wildcard_host(const char *host) {
  return strcmp(host, "0.0.0.0") == 0 && has_both() ? "::" : host;
}
