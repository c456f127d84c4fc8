/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chat [URL]: a chat server. Every line goes to all others; LIST answers with who is connected.
 *
 * What it shows: state that connections share. There is one worker, so that all connections are on one thread
 * and the list of them needs no lock. With several workers each would keep a list of its own and send the
 * line to the others as a record (worker.h).
 */
#include <stdio.h>
#include <tern/error.h>
#include <tern/lines.h>
#include <tern/serve.h>
#include <tern/transport.h>

#define UNREAD_MAX_BYTES (1 << 20) /* who leaves more unread is dropped */

struct peer {
  struct tern_line_protocol lines; /* first: the library knows us by it */
  struct peer *next;
  char name[128]; /* address and port */
};

static struct peer *peers; /* everybody connected; only the worker touches it */

static void joined(struct tern_line_protocol *self) {
  struct peer *p = (struct peer *)self;
  const struct tern_peer *who = tern_transport_peer(self->transport);
  snprintf(p->name, sizeof p->name, "%s:%u", who->address, who->port);
  p->next = peers;
  peers = p;
  tern_line_send(self, "Welcome, %s! LIST tells who is here.", p->name);
}

static int said(struct tern_line_protocol *self, struct tern_slice line) {
  struct peer *p = (struct peer *)self;
  bool list = tern_slice_equal(line, tern_slice_of("LIST"));
  unsigned connected = 0;
  for (struct peer *other = peers; other != NULL; other = other->next, connected++) {
    if (list) tern_line_send(self, "%s", other->name);
    if (list || other == p) continue;
    tern_line_send(&other->lines, "%s: %.*s", p->name, (int)line.len, line.ptr);
    if (tern_transport_pending(other->lines.transport) > UNREAD_MAX_BYTES)
      tern_transport_abort(other->lines.transport, TERN_ESLOW);
  }
  return list ? tern_line_send(self, "%u connected", connected) : 0;
}

static void left(struct tern_line_protocol *self, int error) {
  (void)error;
  struct peer **at = &peers;
  while (*at != (struct peer *)self)
    at = &(*at)->next;
  *at = (*at)->next;
}

static struct tern_line_ops chat = {
    .size = sizeof(struct peer), .opened = joined, .line = said, .closed = left};

int main(int argc, char **argv) {
  struct tern_listener_options listen = {
      .url = argc > 1 ? argv[1] : "tcp://127.0.0.1:7002", .factory = tern_line_factory, .arg = &chat};
  struct tern_workers *workers;
  if (tern_workers_new(&(struct tern_workers_options){.count = 1}, &workers) < 0) return 1;
  int error = tern_serve(workers, &listen);
  tern_workers_free(workers);
  return error < 0;
}
