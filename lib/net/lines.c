/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Line protocols: a protocol that collects lines and hands each to one function.
 *
 *     transport -> data_received -> room (a line, in any number of pieces) -> ops->line
 *
 * Bytes up to the next LF are copied into the connection's room; the line handed out lies there and the room
 * is free again afterwards. A CR right before the LF belongs to the line's end, but takes a place in the room
 * until the LF shows that. Called by the transport, on the loop the connection belongs to. NATS connections
 * do not use it: their parser scans without a copy.
 */
#include <tern/lines.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <tern/error.h>
#include <tern/transport.h>

static void made(struct tern_protocol *protocol, struct tern_transport *transport) {
  struct tern_line_protocol *self = (struct tern_line_protocol *)protocol;
  self->transport = transport;
  if (self->ops->opened != NULL) self->ops->opened(self);
}

/* The room holds a whole line. */
static int take_line(struct tern_line_protocol *self) {
  size_t len = self->len;
  self->len = 0;
  if (len > 0 && self->room[len - 1] == '\r') len--;
  return self->ops->line(self, (struct tern_slice){self->room, len});
}

static void received(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  struct tern_line_protocol *self = (struct tern_line_protocol *)protocol;
  const char *at = chunk->data, *end = chunk->data + chunk->len;
  while (at < end && !tern_transport_is_closing(self->transport)) {
    const char *lf = memchr(at, '\n', (size_t)(end - at));
    size_t n = (size_t)((lf != NULL ? lf : end) - at);
    int error = TERN_ELIMIT;
    if (n <= sizeof self->room - self->len) {
      memcpy(self->room + self->len, at, n);
      self->len += n;
      error = lf != NULL ? take_line(self) : 0;
    }
    if (error < 0) tern_transport_abort(self->transport, error);
    at += lf != NULL ? n + 1 : n;
  }
}

static void lost(struct tern_protocol *protocol, int error) {
  struct tern_line_protocol *self = (struct tern_line_protocol *)protocol;
  if (self->transport != NULL && self->ops->closed != NULL) self->ops->closed(self, error);
  free(self);
}

static void pause_writing(struct tern_protocol *protocol) {
  tern_transport_pause_reading(((struct tern_line_protocol *)protocol)->transport);
}

static void resume_writing(struct tern_protocol *protocol) {
  tern_transport_resume_reading(((struct tern_line_protocol *)protocol)->transport);
}

static const struct tern_protocol_ops line_protocol_ops = {
    .connection_made = made,
    .data_received = received,
    .connection_lost = lost,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
};

struct tern_protocol *tern_line_factory(void *ops, struct tern_loop *loop) {
  const struct tern_line_ops *line_ops = ops;
  (void)loop;
  struct tern_line_protocol *self = calloc(1, line_ops->size);
  if (self == NULL) return NULL;
  self->protocol.ops = &line_protocol_ops;
  self->ops = line_ops;
  return &self->protocol;
}

int tern_line_send(struct tern_line_protocol *self, const char *format, ...) {
  char line[TERN_LINE_SEND_MAX_BYTES + 1]; /* the LF takes the place of the NUL */
  va_list args;
  va_start(args, format);
  int len = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (len < 0 || len > TERN_LINE_SEND_MAX_BYTES) return TERN_ELIMIT;
  line[len] = '\n';
  return tern_transport_write(self->transport, line, (size_t)len + 1);
}
