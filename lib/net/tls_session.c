/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions without a transport: the module's, for programs outside the library.
 *
 * Thread: the session's. Blocks never.
 */
#include <errno.h>
#include <stdlib.h>

#include <tern/error.h>
#include <tern/tls.h>

#include "tls_engine.h"

struct tern_tls_session {
  struct tern_tls *tls;
  struct tern__tls_session *inner;
};

int tern_tls_session_new(struct tern_tls *tls, const char *server_name, struct tern_tls_io *io,
                         struct tern_tls_session **out) {
  struct tern_tls_session *session = malloc(sizeof *session);
  if (session == NULL) return -ENOMEM;
  int error = tls->engine->session_new(tls->context, server_name, io, &session->inner);
  if (error != 0) {
    free(session);
    return error;
  }
  tern_tls_ref(tls);
  session->tls = tls;
  *out = session;
  return 0;
}

void tern_tls_session_free(struct tern_tls_session *session) {
  if (session == NULL) return;
  session->tls->engine->session_free(session->inner);
  tern_tls_unref(session->tls);
  free(session);
}

int tern_tls_session_handshake(struct tern_tls_session *session, char *reason, size_t size) {
  return session->tls->engine->handshake(session->inner, reason, size);
}

ssize_t tern_tls_session_read(struct tern_tls_session *session, void *to, size_t len, char *reason,
                              size_t size) {
  return session->tls->engine->read(session->inner, to, len, reason, size);
}

int tern_tls_session_write(struct tern_tls_session *session, const void *data, size_t len) {
  return session->tls->engine->write(session->inner, data, len);
}

void tern_tls_session_finish(struct tern_tls_session *session) {
  session->tls->engine->finish(session->inner);
}
