/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners: opening and closing listening sockets. Accepting is the acceptor's business (acceptor.c).
 *
 * A Unix-domain socket leaves a file behind when its process dies. So when the path is taken, somebody is
 * asked: if nobody answers there, the file is removed and the path used; if somebody does, the address is in
 * use. On close the file is removed if it is still the one that was made here.
 *
 * Its mode, when one is asked for, is given to the socket first: bind makes the file with that, less what the umask takes.
 * Then the file gets exactly that, and then the socket listens. So the file never lets in more than was asked for.
 *
 * All functions are the control thread's, but for the three that read what never changes or is a counter.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <tern/error.h>

#include "acceptor.h"
#include "socket.h"

static const char *path_of(const struct tern_listener *l) {
  return ((const struct sockaddr_un *)&l->address.storage)->sun_path;
}

static bool is_unix(const struct tern_listener *l) { return l->address.storage.ss_family == AF_UNIX; }

/* True when the path is a socket and nobody listens there. */
static bool is_stale(const struct tern_listener *l) {
  struct stat st;
  if (lstat(path_of(l), &st) != 0 || !S_ISSOCK(st.st_mode)) return false;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  bool refused =
      connect(fd, (const struct sockaddr *)&l->address.storage, l->address.len) != 0 && errno == ECONNREFUSED;
  close(fd);
  return refused;
}

static int bind_socket(struct tern_listener *l) {
  const struct sockaddr *address = (const struct sockaddr *)&l->address.storage;
  if (bind(l->fd, address, l->address.len) == 0) return 0;
  int error = errno;
  if (error == EADDRINUSE && is_unix(l) && is_stale(l)) {
    error = 0;
    if (unlink(path_of(l)) != 0 || bind(l->fd, address, l->address.len) != 0) error = errno;
  }
  return -error;
}

/* Remembers which file the socket is and what address it really has. */
static int note_identity(struct tern_listener *l) {
  if (is_unix(l)) {
    struct stat st;
    if (lstat(path_of(l), &st) != 0) return -errno;
    l->path_dev = st.st_dev;
    l->path_ino = st.st_ino;
  } else {
    socklen_t len = sizeof l->address.storage;
    if (getsockname(l->fd, (struct sockaddr *)&l->address.storage, &len) != 0) return -errno;
  }
  tern__url_format(&l->address, l->url);
  return 0;
}

static void remove_path(const struct tern_listener *l) {
  struct stat st;
  if (is_unix(l) && lstat(path_of(l), &st) == 0 && st.st_dev == l->path_dev && st.st_ino == l->path_ino)
    unlink(path_of(l));
}

/* Makes the socket's file with this mode, or, 0, with what the umask leaves; or binds to a TCP port. */
static int bind_with_mode(struct tern_listener *l, mode_t mode) {
  if (!is_unix(l)) mode = 0;
  if (mode != 0 && fchmod(l->fd, mode) != 0) return -errno;
  int error = bind_socket(l);
  if (error == 0) error = note_identity(l);
  if (error != 0 || mode == 0 || chmod(path_of(l), mode) == 0) return error;
  error = -errno;
  remove_path(l);
  return error;
}

static int open_socket(struct tern_listener *l, const struct tern_listener_options *options) {
  l->fd = socket(l->address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (l->fd < 0) return -errno;
  if (!is_unix(l)) {
    const int on = 1, off = 0;
    if (setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return -errno;
    /* [::] takes IPv4, too, whatever the system's default is */
    if (l->address.storage.ss_family == AF_INET6 &&
        setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0)
      return -errno;
    tern__tcp_options(l->fd);
  }
  int error = bind_with_mode(l, options->unix_mode);
  if (error != 0) return error;
  if (listen(l->fd, options->backlog > 0 ? options->backlog : INT_MAX) == 0) return 0;
  error = -errno;
  remove_path(l);
  return error;
}

static void free_listener(struct tern_listener *l) {
  if (l->fd >= 0) close(l->fd);
  sem_destroy(&l->drained);
  free(l);
}

int tern_listener_open(struct tern_workers *workers, const struct tern_listener_options *options,
                       struct tern_listener **out) {
  struct tern_listener *l = calloc(1, sizeof *l);
  if (l == NULL) return -ENOMEM;
  l->workers = workers;
  l->factory = options->factory;
  l->arg = options->arg;
  l->delayed = options->delayed;
  l->fd = -1;
  atomic_init(&l->holds, 1);
  atomic_init(&l->rate, options->rate);
  sem_init(&l->drained, 0, 0);
  int error = tern__url_parse(options->url, true, &l->address);
  if (error == 0) error = open_socket(l, options);
  if (error == 0 && (error = tern__acceptor_add(l)) != 0) remove_path(l);
  if (error != 0) {
    free_listener(l);
    return error;
  }
  *out = l;
  return 0;
}

void tern_listener_close(struct tern_listener *l) {
  tern__acceptor_remove(l);
  remove_path(l);
  free_listener(l);
}

const char *tern_listener_url(const struct tern_listener *l) { return l->url; }

uint16_t tern_listener_port(const struct tern_listener *l) {
  if (is_unix(l)) return 0;
  /* The port lies at the same place in IPv4 and IPv6 addresses. */
  return ntohs(((const struct sockaddr_in *)&l->address.storage)->sin_port);
}

void tern_listener_set_rate(struct tern_listener *l, uint32_t rate) {
  /* relaxed: pairs with rest_of in acceptor.c */
  atomic_store_explicit(&l->rate, rate, memory_order_relaxed);
}

uint64_t tern_listener_pauses(const struct tern_listener *l) { return tern_counter_read(&l->pauses); }
