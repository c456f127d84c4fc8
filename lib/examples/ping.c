/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ping [URL]: a server for typed messages, one per line: TYPE:data. PING is answered with PONG:ack, EXIT ends
 * the conversation, anything else is answered with ERROR:why. What it shows: a message's type is its subject;
 * the registry, shared by all workers, knows the handlers for it, and each worker looks through an index of
 * its own.
 */
#include <errno.h>
#include <tern/lines.h>
#include <tern/registry.h>
#include <tern/serve.h>
#include <tern/transport.h>

struct request {
  struct tern_message message; /* first: handlers are given it. Subject: the type, body: the data */
  struct tern_line_protocol *from;
};

static int encode(struct tern_line_protocol *to, const char *type, const char *data) {
  return tern_line_send(to, "%s:%s", type, data);
}

static bool decode(struct tern_slice line, struct tern_message *message) {
  const char *colon = memchr(line.ptr, ':', line.len);
  if (colon == NULL) return false;
  message->subject = (struct tern_slice){line.ptr, (size_t)(colon - line.ptr)};
  message->body = (struct tern_slice){colon + 1, line.len - message->subject.len - 1};
  message->hash = tern_subject_hash(message->subject);
  return true;
}

static void on_ping(struct tern_handler *handler, const struct tern_message *message) {
  (void)handler;
  encode(((const struct request *)message)->from, "PONG", "ack");
}

static void on_end(struct tern_handler *handler, const struct tern_message *message) {
  (void)handler;
  tern_transport_close(((const struct request *)message)->from->transport);
}

static struct tern_handler ping = {on_ping}, end = {on_end};

static int on_line(struct tern_line_protocol *self, struct tern_slice line) {
  struct request request = {.from = self};
  if (!decode(line, &request.message)) return encode(self, "ERROR", "malformed message");
  struct tern_index *index = tern_loop_data(tern_transport_loop(self->transport));
  const struct tern_match *match = tern_index_match(index, request.message.subject, request.message.hash);
  if (match == NULL) return -ENOMEM;
  for (uint32_t i = 0; i < match->handler_count; i++)
    match->handlers[i]->handle(match->handlers[i], &request.message);
  int error = match->handler_count == 0 ? encode(self, "ERROR", "unknown type") : 0;
  tern_index_done(index, match);
  return error;
}

static int started(void *registry, struct tern_worker *worker, void **index) {
  *index = tern_index_new(*(struct tern_registry **)registry, tern_worker_reclaimer(worker),
                          tern_worker_index(worker));
  return *index != NULL ? 0 : -ENOMEM;
}

static void stopped(struct tern_worker *worker) { tern_index_free(tern_loop_data(tern_worker_loop(worker))); }

int main(int argc, char **argv) {
  struct tern_line_ops conversation = {.size = sizeof(struct tern_line_protocol), .line = on_line};
  const char *url = argc > 1 ? argv[1] : "tcp://127.0.0.1:7001";
  struct tern_registry *registry;
  struct tern_workers_options options = {.arg = &registry, .started = started, .stopped = stopped};
  struct tern_workers *workers;
  if (tern_workers_new(&options, &workers) < 0) return 1;
  struct tern_reclaimer *reclaimer = tern_workers_reclaimer(workers);
  registry = tern_registry_new(reclaimer);
  if (registry == NULL || tern_registry_attach(registry, reclaimer, &ping, tern_slice_of("PING")) < 0 ||
      tern_registry_attach(registry, reclaimer, &end, tern_slice_of("EXIT")) < 0)
    return 1; /* no memory, and nothing is running yet */
  struct tern_listener_options listen = {.url = url, .factory = tern_line_factory, .arg = &conversation};
  int error = tern_serve(workers, &listen);
  tern_registry_detach(registry, reclaimer, &ping, tern_slice_of("PING"));
  tern_registry_detach(registry, reclaimer, &end, tern_slice_of("EXIT"));
  tern_registry_free(registry);
  tern_workers_free(workers);
  return error < 0;
}
