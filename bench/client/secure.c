/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS between a connection and its socket, by the library's sessions.
 *
 *     conn_send --seal--> ciphertext that waits --> socket          socket --> session --> the connection's input
 *
 * More is sealed only when nothing waits, so that a connection knows that the socket is full as it does without TLS.
 *
 * Thread: the connection's.
 */
#include "secure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tern/error.h>
#include <tern/tls.h>

#define SEAL_BYTES    (64 * 1024) /* plain bytes sealed at a time */
#define RECEIVE_BYTES (64 * 1024) /* ciphertext received at a time */
#define WAITING_MIN   (16 * 1024)

struct secure {
  struct tern_tls_io io; /* first: out is told by it */
  struct tern_tls_session *session;
  int fd;
  bool established;
  char *waiting; /* ciphertext, from at on */
  size_t at, len, size;
};

static int put_out(struct tern_tls_io *io, const void *data, size_t len) {
  struct secure *secure = (struct secure *)io;
  if (secure->len + len > secure->size) {
    size_t size = (secure->len + len) * 2 + WAITING_MIN;
    char *more = realloc(secure->waiting, size);
    if (more == NULL) return -ENOMEM;
    secure->waiting = more;
    secure->size = size;
  }
  memcpy(secure->waiting + secure->len, data, len);
  secure->len += len;
  return 0;
}

bool secure_established(const struct secure *secure) { return secure->established; }

bool secure_waits(const struct secure *secure) { return secure->at < secure->len; }

int secure_flush(struct secure *secure) {
  while (secure_waits(secure)) {
    ssize_t n = send(secure->fd, secure->waiting + secure->at, secure->len - secure->at, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : errno;
    secure->at += (size_t)n;
  }
  secure->at = secure->len = 0;
  return 0;
}

struct secure *secure_begin(const struct target *target, int fd, char *reason) {
  struct secure *secure = calloc(1, sizeof *secure);
  snprintf(reason, SECURE_REASON_BYTES, "out of memory");
  if (secure == NULL) return NULL;
  *secure = (struct secure){.io.out = put_out, .fd = fd};
  int error = tern_tls_session_new(target->tls, target->host, &secure->io, &secure->session);
  if (error == -EINVAL) snprintf(reason, SECURE_REASON_BYTES, "the server's name is none");
  if (error == 0) error = tern_tls_session_handshake(secure->session, reason, SECURE_REASON_BYTES);
  if (error == 0) error = -secure_flush(secure);
  if (error == 0) return secure;
  secure_end(secure);
  return NULL;
}

size_t secure_send(struct secure *secure, const char *data, size_t len, int *broken) {
  size_t taken = 0;
  *broken = secure_flush(secure);
  while (*broken == 0 && taken < len && !secure_waits(secure)) {
    size_t part = len - taken < SEAL_BYTES ? len - taken : SEAL_BYTES;
    if (tern_tls_session_write(secure->session, data + taken, part) != 0) {
      *broken = EPROTO;
      break;
    }
    taken += part;
    *broken = secure_flush(secure);
  }
  return taken;
}

/* What a session's answer is to somebody who called recv. */
static ssize_t failed(int error) {
  if (error == TERN_ECLOSED) return 0;
  errno = error == -ENOMEM ? ENOMEM : EPROTO;
  return -1;
}

ssize_t secure_receive(struct secure *secure, char *to, size_t room, char *reason) {
  char sealed[RECEIVE_BYTES];
  ssize_t n = recv(secure->fd, sealed, sizeof sealed, 0), got = 1;
  if (n <= 0) return n;
  secure->io.in = sealed;
  secure->io.in_len = (size_t)n;
  if (!secure->established) {
    int result = tern_tls_session_handshake(secure->session, reason, SECURE_REASON_BYTES);
    (void)secure_flush(secure); /* an alert, perhaps */
    if (result < 0) return failed(result);
    secure->established = result == 1;
  }
  size_t len = 0;
  while (secure->established && len < room && got > 0) {
    got = tern_tls_session_read(secure->session, to + len, room - len, reason, SECURE_REASON_BYTES);
    if (got > 0) len += (size_t)got;
  }
  if (len > 0) return (ssize_t)len; /* what is wrong behind it is told when more comes */
  if (got < 0) return failed((int)got);
  errno = EAGAIN;
  return -1;
}

void secure_end(struct secure *secure) {
  if (secure == NULL) return;
  if (secure->established && !secure_waits(secure)) {
    tern_tls_session_finish(secure->session);
    (void)secure_flush(secure);
  }
  tern_tls_session_free(secure->session);
  free(secure->waiting);
  free(secure);
}
