/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP transports: what sets them apart from other stream sockets (socket.c), which is little.
 *
 * Output is collected per tick, so the kernel must not wait for more: TCP_NODELAY. TCP_NOTSENT_LOWAT bounds
 * what it holds unsent, so that the bytes of a slow peer wait where they are counted (tern_transport_pending)
 * and a socket is reported writable again as soon as some have left. Connections inherit both from the
 * listening socket. The peer's address is kept in 18 bytes and made readable when somebody asks.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>

#include "container.h"
#include "socket.h"

#define NOTSENT_LOWAT_BYTES (256 * 1024)

void tern__tcp_options(int fd) {
  /* Both only tune; a kernel that refuses one serves us without. */
  const int on = 1, lowat = NOTSENT_LOWAT_BYTES;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
}

void tern__tcp_note_peer(struct tern__socket *s, const struct tern__address *peer) {
  if (peer->storage.ss_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&peer->storage;
    s->who.tcp.address = in6->sin6_addr;
    s->who.tcp.port = ntohs(in6->sin6_port);
    return;
  }
  const struct sockaddr_in *in = (const struct sockaddr_in *)&peer->storage;
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  memcpy(&s->who.tcp.address.s6_addr[0], mapped, sizeof mapped);
  memcpy(&s->who.tcp.address.s6_addr[12], &in->sin_addr, sizeof in->sin_addr);
  s->who.tcp.port = ntohs(in->sin_port);
}

static void describe(struct tern_transport *t, struct tern_peer *peer) {
  struct tern__socket *s = tern_container(t, struct tern__socket, base);
  const struct in6_addr *address = &s->who.tcp.address;
  peer->port = s->who.tcp.port;
  if (IN6_IS_ADDR_V4MAPPED(address))
    inet_ntop(AF_INET, &address->s6_addr[12], peer->address, sizeof peer->address);
  else
    inet_ntop(AF_INET6, address, peer->address, sizeof peer->address);
}

const struct tern__transport_ops tern__tcp_ops = {
    .flush = tern__socket_flush,
    .reading = tern__socket_reading,
    .send_eof = tern__socket_send_eof,
    .cut = tern__socket_cut,
    .describe = describe,
    .destroy = tern__socket_destroy,
    .nobody = {.kind = "tcp", .uid = (uid_t)-1, .gid = (gid_t)-1},
};
