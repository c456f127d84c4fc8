/* SPDX-License-Identifier: Apache-2.0 */
/** What the two kinds of stream socket, TCP and Unix-domain, share. See socket.c. Thread: the loop's. */
#ifndef TERN_NET_SOCKET_H
#define TERN_NET_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "transport.h"
#include "url.h"

/** A transport over a stream socket. */
struct tern__socket {
  struct tern_transport base;
  struct tern_watch watch;
  union { /* the peer, as small as can be; tern_transport_peer makes it readable */
    struct {
      struct in6_addr address; /* IPv4 mapped */
      uint16_t port;
    } tcp;
    struct ucred unix_peer;
  } who;
};

/** Operations common to both kinds. */
int tern__socket_flush(struct tern_transport *t);
void tern__socket_reading(struct tern_transport *t, bool paused);
void tern__socket_send_eof(struct tern_transport *t);
void tern__socket_cut(struct tern_transport *t, int error);
void tern__socket_destroy(struct tern_transport *t);

/** The two kinds. */
extern const struct tern__transport_ops tern__tcp_ops;
extern const struct tern__transport_ops tern__unix_ops;

/** Options of a TCP socket that listens (its connections inherit them) or is about to connect. */
void tern__tcp_options(int fd);
/** Notes down who the peer is. */
void tern__tcp_note_peer(struct tern__socket *s, const struct tern__address *peer);
void tern__unix_note_peer(struct tern__socket *s);

/**
 * Makes a transport out of an accepted socket and a protocol with the factory.
 * @param fd the socket, non-blocking; closed by this call when it fails
 * @param peer from accept
 * @return 0; -ENOMEM or -errno (the factory was not called); TERN_ECLOSED: the factory refused
 */
int tern__socket_accepted(struct tern_loop *loop, int fd, const struct tern__address *peer,
                          tern_protocol_factory *factory, void *arg);

#endif
