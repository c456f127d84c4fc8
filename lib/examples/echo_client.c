/* SPDX-License-Identifier: Apache-2.0 */
/*
 * echo_client URL BYTES: connects to echo, writes so many bytes, reads them back, closes.
 *
 * What it shows: a client on a loop of its own, and draining: when the transport says pause it has enough to
 * do; writing goes on when most of that has left. Reading goes on meanwhile, or both ends would wait for each
 * other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <tern/error.h>
#include <tern/transport.h>

struct client {
  struct tern_protocol protocol; /* first: the library knows us by it */
  struct tern_transport *transport;
  struct tern_loop *loop;
  unsigned long to_write, to_read;
  bool paused;
  int error;
};

static void write_and_drain(struct client *c) {
  static const char bytes[4096] = "echo";
  while (c->to_write > 0 && !c->paused && !tern_transport_is_closing(c->transport)) {
    size_t n = c->to_write < sizeof bytes ? c->to_write : sizeof bytes;
    c->to_write -= n;
    tern_transport_write(c->transport, bytes, n); /* may call pause_writing */
  }
}

static void made(struct tern_protocol *protocol, struct tern_transport *transport) {
  struct client *c = (struct client *)protocol;
  c->transport = transport;
  write_and_drain(c);
}

static void received(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  struct client *c = (struct client *)protocol;
  c->to_read -= chunk->len < c->to_read ? chunk->len : c->to_read;
  if (c->to_read == 0) tern_transport_close(c->transport);
}

static void pause_writing(struct tern_protocol *protocol) { ((struct client *)protocol)->paused = true; }

static void resume_writing(struct tern_protocol *protocol) {
  ((struct client *)protocol)->paused = false;
  write_and_drain((struct client *)protocol);
}

static void lost(struct tern_protocol *protocol, int error) {
  struct client *c = (struct client *)protocol;
  c->error = error;
  tern_loop_stop(c->loop);
}

static const struct tern_protocol_ops client_ops = {
    .connection_made = made,
    .data_received = received,
    .connection_lost = lost,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
};

int main(int argc, char **argv) {
  unsigned long bytes = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
  struct client c = {.protocol = {&client_ops}, .to_write = bytes, .to_read = bytes};
  if (bytes == 0 || tern_loop_new(&c.loop) < 0) return 2;
  c.error = tern_connect(c.loop, argv[1], &c.protocol);
  if (c.error == 0) tern_loop_run(c.loop);
  tern_loop_free(c.loop);
  printf("%lu of %lu bytes came back: %s\n", bytes - c.to_read, bytes, tern_strerror(c.error));
  return c.error != 0 || c.to_read > 0;
}
