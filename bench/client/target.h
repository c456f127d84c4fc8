/* SPDX-License-Identifier: Apache-2.0 */
/** Where to connect and as whom. See target.c. */
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct dialect;
struct tern_tls;

/** A server. */
struct target {
  const struct dialect *dialect;
  char user[64], password[128], token[256];
  char host[256], port[8];
  char path[108];  /* of a Unix socket; empty: TCP */
  char shown[400]; /* the URL without credentials */
  struct sockaddr_storage address;
  socklen_t address_len;
  bool secure;          /* TLS */
  struct tern_tls *tls; /* with what; NULL: in clear */
  bool loopback;        /* 127.0.0.0/8: connections may come from any address of it */
};

/** Which of the server's workers connections have to be on. Those that are opened later are on any. */
enum placement {
  PLACEMENT_ANY,
  PLACEMENT_SAME,  /* all on one */
  PLACEMENT_CROSS, /* who receives on one, everybody else on others */
};

/** Takes a URL apart. Returns NULL, or what is wrong with it. */
const char *target_parse(struct target *target, const char *url);
/** Looks the host up; of several addresses it takes the first that accepts. Writes the reason on failure. Blocks. */
bool target_resolve(struct target *target, char *error, size_t size);
/** Whether somebody accepts there. Blocks, two seconds at most. */
bool target_accepts(const struct target *target);
/** A non-blocking socket on its way to the server, or -1 with errno. number spreads many connections over the
 * loopback's addresses, each of which has a limited number of ports. */
int target_connect(const struct target *target, unsigned number);

#endif
