/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix-domain transports: stream sockets (socket.c) whose peer is a process of this machine.
 *
 * The kernel vouches for who connected; that is asked for when the connection is made, because the socket is
 * gone by the time of connection_lost. The peer's path is looked up when somebody asks: it is empty for
 * nearly every client.
 */
#include <string.h>
#include <sys/un.h>

#include "container.h"
#include "socket.h"

void tern__unix_note_peer(struct tern__socket *s) {
  socklen_t len = sizeof s->who.unix_peer;
  if (getsockopt(s->watch.fd, SOL_SOCKET, SO_PEERCRED, &s->who.unix_peer, &len) != 0)
    s->who.unix_peer = (struct ucred){.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
}

static void describe(struct tern_transport *t, struct tern_peer *peer) {
  struct tern__socket *s = tern_container(t, struct tern__socket, base);
  peer->pid = s->who.unix_peer.pid;
  peer->uid = s->who.unix_peer.uid;
  peer->gid = s->who.unix_peer.gid;
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  socklen_t len = sizeof un;
  if (s->watch.fd < 0 || getpeername(s->watch.fd, (struct sockaddr *)&un, &len) != 0) return;
  if (len <= offsetof(struct sockaddr_un, sun_path)) return;
  size_t path_len = strnlen(un.sun_path, len - offsetof(struct sockaddr_un, sun_path));
  if (path_len >= sizeof peer->address) path_len = sizeof peer->address - 1;
  memcpy(peer->address, un.sun_path, path_len);
  peer->address[path_len] = '\0';
}

const struct tern__transport_ops tern__unix_ops = {
    .flush = tern__socket_flush,
    .reading = tern__socket_reading,
    .send_eof = tern__socket_send_eof,
    .cut = tern__socket_cut,
    .describe = describe,
    .destroy = tern__socket_destroy,
    .nobody = {.kind = "unix", .uid = (uid_t)-1, .gid = (gid_t)-1},
};
