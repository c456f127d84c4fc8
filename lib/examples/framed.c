/* SPDX-License-Identifier: Apache-2.0 */
/*
 * framed [URL]: a server for messages with a header (framed.h). Every message is sent back with its content
 * type, text in capitals and binary content reversed.
 *
 * What it shows: a processor between the bytes of a connection and the messages they make up.
 */
#include "framed.h"

#include <ctype.h>
#include <stdlib.h>
#include <tern/serve.h>

struct connection {
  struct tern_protocol protocol; /* first: the library knows us by it */
  struct tern_transport *transport;
  struct framed_processor processor;
};

static void made(struct tern_protocol *protocol, struct tern_transport *transport) {
  ((struct connection *)protocol)->transport = transport;
}

static void answer(struct connection *c, const struct framed_message *message) {
  char header[FRAMED_HEADER], content[FRAMED_CONTENT_MAX];
  size_t length = message->content.len;
  for (size_t i = 0; i < length; i++) {
    if (message->type == 't') content[i] = (char)toupper((unsigned char)message->content.ptr[i]);
    if (message->type == 'b') content[i] = message->content.ptr[length - 1 - i];
  }
  framed_header(header, message->type, length);
  struct iovec pieces[] = {{header, sizeof header}, {content, length}};
  tern_transport_writev(c->transport, pieces, 2);
}

static void received(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  struct connection *c = (struct connection *)protocol;
  struct tern_slice in = {chunk->data, chunk->len};
  struct framed_message message;
  int result;
  while ((result = framed_receive_bytes(&c->processor, &in, &message)) > 0)
    answer(c, &message);
  if (result < 0) tern_transport_abort(c->transport, result);
}

static void lost(struct tern_protocol *protocol, int error) {
  (void)error;
  free(protocol);
}

static const struct tern_protocol_ops connection_ops = {
    .connection_made = made, .data_received = received, .connection_lost = lost};

static struct tern_protocol *connection_new(void *arg, struct tern_loop *loop) {
  (void)arg, (void)loop;
  struct connection *c = calloc(1, sizeof *c);
  if (c == NULL) return NULL;
  c->protocol.ops = &connection_ops;
  return &c->protocol;
}

int main(int argc, char **argv) {
  struct tern_listener_options listen = {.url = argc > 1 ? argv[1] : "tcp://127.0.0.1:7004",
                                         .factory = connection_new};
  struct tern_workers *workers;
  if (tern_workers_new(&(struct tern_workers_options){0}, &workers) < 0) return 1;
  int error = tern_serve(workers, &listen);
  tern_workers_free(workers);
  return error < 0;
}
