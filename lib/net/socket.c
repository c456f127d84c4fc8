/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream sockets: what TCP and Unix-domain transports have in common.
 *
 * A socket is registered once, edge-triggered; after that the only system calls are recv and send. The loop
 * collects edges as bits in watch.events and they stay set until the kernel has proved them wrong:
 *
 *     READ   cleared by a recv that fills less than was asked for (nothing is left, and what comes later is a
 *            new edge) or EAGAIN; not by a short one after END, then it is read until 0 or an error
 *            (a peer that sends urgent data or descriptors makes a read end early; what follows then waits for
 *            its next bytes, and nobody else is concerned)
 *     WRITE  taken at once: output that was blocked is tried again at step 5; a send that takes less than
 *            everything is repeated until EAGAIN, because only that makes the kernel report writability
 *     END    cleared by reading 0
 *
 * One turn (run, step 3 of the tick) reads once, at most the loop's shared buffer (tern__loop_read_buf); a
 * socket that may have more goes back to the ready list behind the others. One flush writes at most
 * FLUSH_BYTES_MAX and comes back in the next tick. A transport whose reading is paused simply is not put on
 * the ready list.
 *
 * Aborting resets the connection (transport.c says how closing goes).
 *
 * Everything here runs on the loop's thread. Name resolution and listening are not done here.
 */
#include "socket.h"

#include <errno.h>
#include <unistd.h>

#include <tern/error.h>
#include <tern/limits.h>

#include "buf.h"
#include "container.h"

#define FLUSH_BYTES_MAX (4 * TERN__CHAIN_WRITE_BYTES)

static struct tern__socket *socket_of(struct tern_transport *t) {
  return tern_container(t, struct tern__socket, base);
}

/* The socket's pending error as -errno, or 0. Asking clears it. */
static int socket_error(int fd) {
  int error = 0;
  socklen_t len = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) return -errno;
  return -error;
}

/* ---- writing ---- */

static ssize_t send_some(struct tern__socket *s) {
  struct iovec iov[TERN__CHAIN_IOV_MAX];
  size_t bytes;
  int count = tern__chain_gather(&s->base.out, iov, &bytes);
  if (count == 1) return send(s->watch.fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
  struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)count};
  return sendmsg(s->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int tern__socket_flush(struct tern_transport *t) {
  struct tern__socket *s = socket_of(t);
  size_t sent = 0;
  while (t->out.pending > 0) {
    if (sent >= FLUSH_BYTES_MAX) {
      tern__loop_ready(t->loop, &s->watch);
      return 0;
    }
    ssize_t n = send_some(s);
    if (n >= 0) {
      sent += (size_t)n;
      tern__chain_consume(&t->out, (size_t)n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      tern__transport_block(t, sent > 0);
      return 0;
    } else if (errno != EINTR) {
      return -errno;
    }
  }
  return 0;
}

void tern__socket_send_eof(struct tern_transport *t) {
  if (t->eof_in) return; /* that is the end of both directions: close follows at once, and says the same */
  /* Fails only when the connection is gone already, which reading will tell. */
  (void)shutdown(socket_of(t)->watch.fd, SHUT_WR);
}

/* ---- reading ---- */

static bool is_readable(const struct tern__socket *s) {
  return (s->watch.events & (TERN_WATCH_READ | TERN_WATCH_END)) && tern__transport_wants_input(&s->base);
}

void tern__socket_reading(struct tern_transport *t, bool paused) {
  struct tern__socket *s = socket_of(t);
  (void)paused; /* a paused one is simply not given a turn */
  if (is_readable(s)) tern__loop_ready(t->loop, &s->watch);
}

/* Reads once into the loop's buffer and adjusts the event bits. Returns bytes; 0: the peer's end; -EAGAIN:
 * nothing now; another -errno: broken. */
static ssize_t receive_some(struct tern__socket *s, struct tern_buf *buf) {
  ssize_t n = recv(s->watch.fd, buf->data, buf->size, MSG_DONTWAIT);
  if (n > 0) {
    if ((size_t)n == buf->size)
      tern__loop_read_filled(s->base.loop);
    else if (!(s->watch.events & TERN_WATCH_END))
      s->watch.events = 0;
    return n;
  }
  if (n < 0 && errno == EINTR) return -EAGAIN; /* the bits stay: another turn */
  s->watch.events = 0;
  return n == 0 ? 0 : errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

static void read_once(struct tern__socket *s) {
  struct tern_transport *t = &s->base;
  struct tern_buf *buf = tern__loop_read_buf(t->loop);
  if (buf == NULL) {
    tern__transport_broken(t, -ENOMEM);
    return;
  }
  ssize_t n = receive_some(s, buf);
  if (n > 0)
    tern__transport_received(t, &(struct tern_chunk){.data = buf->data, .len = (size_t)n, .owner = buf});
  else if (n == 0)
    tern__transport_eof(t);
  else if (n != -EAGAIN)
    tern__transport_broken(t, (int)n);
}

/* ---- the end ---- */

void tern__socket_cut(struct tern_transport *t, int error) {
  struct tern__socket *s = socket_of(t);
  tern__loop_unwatch(t->loop, &s->watch);
  if (error != 0) {
    /* Not in good order: the peer shall not take what it has for everything, and the kernel need not keep it.
     */
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(s->watch.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  close(s->watch.fd);
  s->watch.fd = -1;
}

void tern__socket_destroy(struct tern_transport *t) {
  struct tern__socket *s = socket_of(t);
  tern_pool_release(tern_loop_pool(t->loop), s, sizeof *s);
}

/* ---- a turn ---- */

/* Finds out whether connecting has come to an end. */
static void check_connected(struct tern__socket *s) {
  int error = socket_error(s->watch.fd);
  if (error != 0)
    tern__transport_end(&s->base, error);
  else if (s->watch.events & TERN_WATCH_WRITE)
    tern__transport_made(&s->base);
}

/* Step 3. */
static void run(struct tern_watch *watch) {
  struct tern__socket *s = tern_container(watch, struct tern__socket, watch);
  struct tern_transport *t = &s->base;
  if (t->state == TERN__TRANSPORT_CONNECTING) {
    check_connected(s);
    if (t->state != TERN__TRANSPORT_OPEN) return;
  }
  if (!t->blocked || (watch->events & (TERN_WATCH_WRITE | TERN_WATCH_END))) tern__transport_unblocked(t);
  watch->events &= (uint8_t)~TERN_WATCH_WRITE;

  if (is_readable(s)) {
    read_once(s);
  } else if (t->eof_in && (watch->events & TERN_WATCH_END)) {
    /* Nothing will be read any more; what else happened to the connection must be asked for. */
    watch->events = 0;
    int error = socket_error(watch->fd);
    if (error != 0) tern__transport_broken(t, error);
  }
  if (is_readable(s)) tern__loop_ready(t->loop, watch);
}

/* ---- making ---- */

/* Makes the object and registers the descriptor. Takes fd over, also when it fails. */
static int new_socket(struct tern_loop *loop, int fd, int family, struct tern_protocol *protocol,
                      struct tern__socket **out) {
  struct tern__socket *s = tern_pool_alloc(tern_loop_pool(loop), sizeof *s);
  if (s == NULL) {
    close(fd);
    return -ENOMEM;
  }
  *s = (struct tern__socket){.watch = {.run = run, .fd = fd}};
  tern__transport_init(&s->base, family == AF_UNIX ? &tern__unix_ops : &tern__tcp_ops, loop, protocol);
  int error = tern__loop_watch(loop, &s->watch);
  if (error != 0) {
    tern__transport_discard(&s->base);
    tern_pool_release(tern_loop_pool(loop), s, sizeof *s);
    close(fd);
    return error;
  }
  *out = s;
  return 0;
}

static void note_peer(struct tern__socket *s, const struct tern__address *peer) {
  if (peer->storage.ss_family == AF_UNIX)
    tern__unix_note_peer(s);
  else
    tern__tcp_note_peer(s, peer);
}

int tern__socket_accepted(struct tern_loop *loop, int fd, const struct tern__address *peer,
                          tern_protocol_factory *factory, void *arg) {
  struct tern__socket *s;
  int error = new_socket(loop, fd, peer->storage.ss_family, NULL, &s);
  if (error != 0) return error;
  note_peer(s, peer);
  s->base.protocol = factory(arg, loop);
  if (s->base.protocol == NULL) {
    tern__loop_unwatch(loop, &s->watch);
    tern__transport_discard(&s->base);
    tern_pool_release(tern_loop_pool(loop), s, sizeof *s);
    close(fd);
    return TERN_ECLOSED;
  }
  tern__transport_made(&s->base);
  return 0;
}

int tern_connect(struct tern_loop *loop, const char *url, struct tern_protocol *protocol) {
  struct tern__address address;
  int error = tern__url_parse(url, false, &address);
  if (error != 0) return error;
  int family = address.storage.ss_family;
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (family != AF_UNIX) tern__tcp_options(fd);
  if (connect(fd, (const struct sockaddr *)&address.storage, address.len) != 0 && errno != EINPROGRESS) {
    error = -errno;
    close(fd);
    return error;
  }
  struct tern__socket *s;
  error = new_socket(loop, fd, family, protocol, &s);
  if (error != 0) return error;
  note_peer(s, &address);
  return 0;
}
