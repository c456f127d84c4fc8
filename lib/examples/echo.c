/* SPDX-License-Identifier: Apache-2.0 */
/*
 * echo [URL]: sends back whatever comes. echo_client is its other end.
 *
 * What it shows: the bare protocol, without the help of lines.h, and flow control: when the peer does not
 * read what we send, the transport says pause, and we stop reading from it, so that memory stays bounded.
 */
#include <stdlib.h>
#include <tern/serve.h>
#include <tern/transport.h>

struct echo {
  struct tern_protocol protocol; /* first: the library knows us by it */
  struct tern_transport *transport;
};

static void made(struct tern_protocol *protocol, struct tern_transport *transport) {
  ((struct echo *)protocol)->transport = transport;
}

static void received(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  tern_transport_write(((struct echo *)protocol)->transport, chunk->data, chunk->len);
}

static void lost(struct tern_protocol *protocol, int error) {
  (void)error;
  free(protocol);
}

static void pause_writing(struct tern_protocol *protocol) {
  tern_transport_pause_reading(((struct echo *)protocol)->transport);
}

static void resume_writing(struct tern_protocol *protocol) {
  tern_transport_resume_reading(((struct echo *)protocol)->transport);
}

static const struct tern_protocol_ops echo_ops = {
    .connection_made = made,
    .data_received = received,
    .connection_lost = lost,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
};

static struct tern_protocol *echo_new(void *arg, struct tern_loop *loop) {
  (void)arg, (void)loop;
  struct echo *e = calloc(1, sizeof *e);
  if (e == NULL) return NULL;
  e->protocol.ops = &echo_ops;
  return &e->protocol;
}

int main(int argc, char **argv) {
  struct tern_listener_options listen = {.url = argc > 1 ? argv[1] : "tcp://127.0.0.1:7005",
                                         .factory = echo_new};
  struct tern_workers *workers;
  if (tern_workers_new(&(struct tern_workers_options){0}, &workers) < 0) return 1;
  int error = tern_serve(workers, &listen);
  tern_workers_free(workers);
  return error < 0;
}
