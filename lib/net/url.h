/* SPDX-License-Identifier: Apache-2.0 */
/** Transport addresses: "tcp://HOST:PORT" and "unix://PATH". Thread: any. */
#ifndef TERN_NET_URL_H
#define TERN_NET_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/** A parsed address. */
struct tern__address {
  struct sockaddr_storage storage;
  socklen_t len;
};

/** Longest text tern__url_format writes, NUL included: "unix://" and a socket path. */
#define TERN__URL_MAX 128

/**
 * Parses an address.
 * @param passive for listening: the host may be empty (all interfaces) or a name (then the call may block);
 * otherwise it must be numeric
 * @return 0, -EINVAL when it is no such address, -ENOMEM
 */
int tern__url_parse(const char *url, bool passive, struct tern__address *out);
/** Writes an address as a url. */
void tern__url_format(const struct tern__address *address, char out[TERN__URL_MAX]);

#endif
