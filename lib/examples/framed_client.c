/* SPDX-License-Identifier: Apache-2.0 */
/*
 * framed_client URL text|binary CONTENT PIECE PAUSE_MS: sends one message to framed in pieces of PIECE bytes
 * with a pause after each, and writes the content of the answer to standard output.
 *
 * What it shows: a timer, and that it makes no difference to the processor how a message is cut.
 */
#include "framed.h"

#include <stdio.h>
#include <stdlib.h>

struct client {
  struct tern_protocol protocol; /* first: the library knows us by it */
  struct tern_timer timer;
  struct tern_transport *transport;
  struct tern_loop *loop;
  struct framed_processor processor;
  char bytes[FRAMED_HEADER + FRAMED_CONTENT_MAX]; /* the message to send */
  size_t length, sent, piece;
  unsigned pause_ms;
  bool answered;
};

static struct client client; /* the only one */

static void send_piece(struct tern_timer *timer) {
  size_t left = client.length - client.sent, n = left < client.piece ? left : client.piece;
  tern_transport_write(client.transport, client.bytes + client.sent, n);
  client.sent += n;
  if (client.sent < client.length) tern_timer_start(client.loop, timer, client.pause_ms);
}

static void made(struct tern_protocol *protocol, struct tern_transport *transport) {
  (void)protocol;
  client.transport = transport;
  send_piece(&client.timer);
}

static void received(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  (void)protocol;
  struct tern_slice in = {chunk->data, chunk->len};
  struct framed_message message;
  int result = framed_receive_bytes(&client.processor, &in, &message);
  if (result > 0) client.answered = fwrite(message.content.ptr, 1, message.content.len, stdout) > 0;
  if (result != 0) tern_transport_close(client.transport);
}

static void lost(struct tern_protocol *protocol, int error) {
  (void)protocol;
  if (error != 0) fprintf(stderr, "framed_client: %s\n", tern_strerror(error));
  tern_timer_stop(client.loop, &client.timer);
  tern_loop_stop(client.loop);
}

static const struct tern_protocol_ops client_ops = {
    .connection_made = made, .data_received = received, .connection_lost = lost};

int main(int argc, char **argv) {
  size_t length = argc == 6 ? strlen(argv[3]) : SIZE_MAX;
  if (length > FRAMED_CONTENT_MAX || (client.piece = strtoul(argv[4], NULL, 10)) == 0) return 2;
  client.protocol.ops = &client_ops;
  client.timer.fired = send_piece;
  client.pause_ms = (unsigned)strtoul(argv[5], NULL, 10);
  client.length = FRAMED_HEADER + length;
  framed_header(client.bytes, argv[2][0], length); /* 't' or 'b' */
  memcpy(client.bytes + FRAMED_HEADER, argv[3], length);
  if (tern_loop_new(&client.loop) < 0) return 2;
  if (tern_connect(client.loop, argv[1], &client.protocol) == 0) tern_loop_run(client.loop);
  tern_loop_free(client.loop);
  return client.answered ? 0 : 1;
}
