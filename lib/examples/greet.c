/* SPDX-License-Identifier: Apache-2.0 */
/*
 * greet [--trace] [URL]: answers every line with "Hello, <line>!".
 *
 * What it shows: a line protocol; the trace transport, which sits between a protocol and its real transport
 * without either of them knowing; and that an error in a handler ends its own connection only: an empty line
 * is nobody's name, the handler fails, and all others are still being greeted.
 */
#include <errno.h>
#include <stdio.h>
#include <tern/error.h>
#include <tern/lines.h>
#include <tern/serve.h>
#include <tern/transport.h>

static int greet(struct tern_line_protocol *self, struct tern_slice name) {
  if (name.len == 0) return -EINVAL;
  return tern_line_send(self, "Hello, %.*s!", (int)name.len, name.ptr);
}

static void farewell(struct tern_line_protocol *self, int error) {
  fprintf(stderr, "%s left: %s\n", tern_transport_peer(self->transport)->address, tern_strerror(error));
}

static struct tern_line_ops greeter = {
    .size = sizeof(struct tern_line_protocol), .line = greet, .closed = farewell};

static void trace(void *arg, char direction, const char *data, size_t len) {
  (void)arg;
  fprintf(stderr, "%c %.*s\n", direction, (int)len, data);
}

/* A factory around the line protocols' own: what it makes is wrapped. */
static struct tern_protocol *traced_greeter(void *arg, struct tern_loop *loop) {
  struct tern_protocol *inner = tern_line_factory(arg, loop);
  if (inner == NULL) return NULL;
  struct tern_protocol *outer = tern_trace_wrap(loop, inner, trace, NULL);
  if (outer == NULL) inner->ops->connection_lost(inner, -ENOMEM); /* never opened, so that it only frees */
  return outer;
}

int main(int argc, char **argv) {
  bool tracing = argc > 1 && strcmp(argv[1], "--trace") == 0;
  struct tern_listener_options listen = {
      .url = argc > 1 + tracing ? argv[1 + tracing] : "tcp://127.0.0.1:7003",
      .factory = tracing ? traced_greeter : tern_line_factory,
      .arg = &greeter,
  };
  struct tern_workers *workers;
  if (tern_workers_new(&(struct tern_workers_options){0}, &workers) < 0) return 1;
  int error = tern_serve(workers, &listen);
  tern_workers_free(workers);
  return error < 0;
}
