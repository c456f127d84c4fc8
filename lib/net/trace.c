/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace wrapper: shows somebody everything that passes between a protocol and its transport.
 *
 *     inner protocol  <-- upper (a transport) [ struct trace ] lower (a protocol) -->  any transport
 *
 * One object plays both parts: towards the real transport it is the protocol, towards the inner protocol it
 * is the transport. Output is collected in the upper transport's own chain, shown when it is flushed (so '>'
 * comes once per piece and tick, not per write) and spliced onto the lower one's without being copied; both
 * flushes happen in the same step of the tick. Input and events are shown as they come, before the inner
 * protocol hears of them.
 *
 * Events ('*') are the words made, eof, pause_writing, resume_writing, end of output, abort, and "lost: "
 * with the reason. The trace function must not use the transport. Everything here runs on the loop's thread.
 */
#include <stdio.h>
#include <string.h>
#include <tern/error.h>

#include "container.h"
#include "transport.h"

struct trace {
  struct tern_protocol lower;
  struct tern_transport upper; /* set up by connection_made */
  struct tern_protocol *inner;
  struct tern_loop *loop;
  tern_trace_fn *show;
  void *arg;
};

static struct trace *trace_of(struct tern_protocol *lower) {
  return tern_container(lower, struct trace, lower);
}

static struct trace *trace_above(struct tern_transport *upper) {
  return tern_container(upper, struct trace, upper);
}

static void show_event(struct trace *trace, const char *text) {
  trace->show(trace->arg, '*', text, strlen(text));
}

static void show_error(struct trace *trace, const char *what, int error) {
  char text[128];
  snprintf(text, sizeof text, "%s: %s", what, error == 0 ? "in good order" : tern_strerror(error));
  show_event(trace, text);
}

/* ---- the transport the inner protocol sees ---- */

static int flush(struct tern_transport *upper) {
  struct trace *trace = trace_above(upper);
  for (struct tern__segment *segment = upper->out.head; segment != NULL; segment = segment->next)
    if (segment->len > 0) trace->show(trace->arg, '>', segment->data, segment->len);
  tern__transport_splice(upper->below, &upper->out);
  return 0;
}

static void reading(struct tern_transport *upper, bool paused) {
  if (paused)
    tern_transport_pause_reading(upper->below);
  else
    tern_transport_resume_reading(upper->below);
}

static void send_eof(struct tern_transport *upper) {
  show_event(trace_above(upper), "end of output");
  /* Closing comes this way too; then the lower one's close follows. */
  (void)tern_transport_write_eof(upper->below);
}

static void cut(struct tern_transport *upper, int error) {
  show_error(trace_above(upper), "abort", error);
  tern_transport_abort(upper->below, error);
}

static void free_trace(struct trace *trace) {
  tern_pool_release(tern_loop_pool(trace->loop), trace, sizeof *trace);
}

static void destroy(struct tern_transport *upper) { free_trace(trace_above(upper)); }

static const struct tern__transport_ops upper_ops = {
    .flush = flush,
    .reading = reading,
    .send_eof = send_eof,
    .cut = cut,
    .destroy = destroy,
};

/* ---- the protocol the real transport sees ---- */

static void connection_made(struct tern_protocol *lower, struct tern_transport *transport) {
  struct trace *trace = trace_of(lower);
  show_event(trace, "made");
  tern__transport_wrap(&trace->upper, &upper_ops, transport, trace->inner);
  tern__transport_made(&trace->upper);
}

static void data_received(struct tern_protocol *lower, const struct tern_chunk *chunk) {
  struct trace *trace = trace_of(lower);
  trace->show(trace->arg, '<', chunk->data, chunk->len);
  tern__transport_received(&trace->upper, chunk);
}

static bool eof_received(struct tern_protocol *lower) {
  struct trace *trace = trace_of(lower);
  show_event(trace, "eof");
  tern__transport_eof(&trace->upper);
  return true; /* when the inner protocol does not want to go on, the upper transport has been closed */
}

static void connection_lost(struct tern_protocol *lower, int error) {
  struct trace *trace = trace_of(lower);
  show_error(trace, "lost", error);
  if (trace->upper.below != NULL) {
    tern__transport_lost(&trace->upper, error); /* frees the trace */
    return;
  }
  trace->inner->ops->connection_lost(trace->inner, error);
  free_trace(trace);
}

static void pause_writing(struct tern_protocol *lower) {
  struct trace *trace = trace_of(lower);
  show_event(trace, "pause_writing");
  struct tern_protocol *inner = trace->upper.protocol; /* TLS may have been put in between */
  if (inner->ops->pause_writing != NULL) inner->ops->pause_writing(inner);
}

static void resume_writing(struct tern_protocol *lower) {
  struct trace *trace = trace_of(lower);
  show_event(trace, "resume_writing");
  struct tern_protocol *inner = trace->upper.protocol;
  if (inner->ops->resume_writing != NULL) inner->ops->resume_writing(inner);
}

static const struct tern_protocol_ops lower_ops = {
    .connection_made = connection_made,
    .data_received = data_received,
    .eof_received = eof_received,
    .connection_lost = connection_lost,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
};

struct tern_protocol *tern_trace_wrap(struct tern_loop *loop, struct tern_protocol *inner,
                                      tern_trace_fn *trace, void *arg) {
  struct trace *object = tern_pool_alloc(tern_loop_pool(loop), sizeof *object);
  if (object == NULL) return NULL;
  *object = (struct trace){.lower.ops = &lower_ops, .inner = inner, .loop = loop, .show = trace, .arg = arg};
  return &object->lower;
}

void tern_trace_free(struct tern_protocol *wrapper) { free_trace(trace_of(wrapper)); }
