/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See crossing.h. The handlers run on any worker, several at once; they change nothing but their worker's part, which
 * they find by way of the route of `$G`.
 *
 * A handler counts as somebody who took the message, so one that finds nobody on the other side says so
 * (route.refused): who asked for it is told that there are no responders. That somebody there leaves while the message is
 * on its way to him comes back by the answer that is expected (nats_untaken).
 *
 * Memory: the subject is made on the stack unless it is long; a request's body is copied behind its new header.
 */
#include "crossing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <tern/error.h>

#include "container.h"

#define HEADER        "NATS/1.0\r\n"
#define INFO_HEADER   "Nats-Request-Info:"
#define SUBJECT_SHORT 512

struct crossing {
  struct tern_handler handler;
  const struct import *import;
  uint32_t importer, exporter;
};

/* A request on its way through accounts. */
struct crossings_request {
  const char *body; /* what is published in the next account */
  struct about about;
};

/* ---- passing messages on ---- */

/* Publishes in the other account and puts it on the account of the message the handler was called with. */
static bool publish(struct route *from, struct route *to, struct tern_message *m, unsigned flags) {
  m->hash = tern_subject_hash(m->subject);
  to->depth++;
  struct route_result result = route_publish(to, m, flags);
  to->depth--;
  from->inside.workers |= result.workers;
  from->inside.cost += result.cost;
  return result.receivers > 0;
}

static struct crossings_worker *worker_part(void) {
  struct route *route = route_current();
  return route != NULL ? route->crossings : NULL;
}

/* The subject in the other account. Returns its length, 0 when it is too long for a record; what is in *heap must be
 * freed. */
static size_t make_subject(const struct crossing *crossing, const struct tern_message *m, char *stack,
                           char **heap, size_t max) {
  const struct transform *transform = crossing->import->transform;
  *heap = NULL;
  size_t len = transform_apply(transform, m->subject, stack, SUBJECT_SHORT < max ? SUBJECT_SHORT : max);
  if (len > 0 || max <= SUBJECT_SHORT || (*heap = malloc(max)) == NULL) return len;
  return transform_apply(transform, m->subject, *heap, max);
}

/* Most bytes of a subject that goes with this reply. */
static size_t subject_max(const struct route *to, size_t reply_len) {
  size_t words = tern_worker_record_max(to->worker) / ROUTE_WORDS_SHARE;
  if (words > UINT16_MAX) words = UINT16_MAX;
  return words > reply_len ? words - reply_len : 0;
}

static void pass_stream(struct tern_handler *handler, const struct tern_message *m) {
  struct crossing *crossing = container_of(handler, struct crossing, handler);
  struct crossings_worker *part = worker_part();
  if (part == NULL) return;
  struct route *from = part->routes[crossing->exporter], *to = part->routes[crossing->importer];
  char stack[SUBJECT_SHORT], *heap = NULL;
  size_t len = 0;
  if (!part->in_stream && to->depth < ROUTE_DEPTH_MAX)
    len = make_subject(crossing, m, stack, &heap, subject_max(to, m->reply.len));
  if (len == 0) {
    free(heap);
    from->refused++;
    return;
  }
  struct tern_message other = *m;
  other.subject = (struct tern_slice){heap != NULL ? heap : stack, len};
  part->in_stream = true;
  if (!publish(from, to, &other, 0)) from->refused++;
  part->in_stream = false;
  free(heap);
}

/* ---- requests ---- */

/* A header line that says what ours says, until its end; NULL: there is none. */
static const char *find_info(const char *at, const char *end) {
  const size_t len = sizeof INFO_HEADER - 1;
  while (at != NULL && (size_t)(end - at) > len) {
    if (strncasecmp(at, INFO_HEADER, len) == 0) return at;
    at = memchr(at, '\n', (size_t)(end - at));
    if (at != NULL) at++;
  }
  return NULL;
}

/* Copies headers without lines that say who asks, and without the empty line at the end; the last line is a whole one, or
 * what is written behind it would be a part of it. */
static size_t copy_headers(char *to, struct tern_slice headers) {
  char *start = to;
  const char *at = headers.ptr, *end = headers.ptr + headers.len;
  if (headers.len >= 4 && memcmp(end - 4, "\r\n\r\n", 4) == 0) end -= 2;
  for (const char *found; (found = find_info(at, end)) != NULL;) {
    memcpy(to, at, (size_t)(found - at));
    to += found - at;
    const char *lf = memchr(found, '\n', (size_t)(end - found));
    at = lf != NULL ? lf + 1 : end;
  }
  to = mempcpy(to, at, (size_t)(end - at));
  if (to == start || to[-1] != '\n') to = mempcpy(to, "\r\n", 2);
  return (size_t)(to - start);
}

/* What its service is told about who asks: by way of several accounts that is who asked first. */
static struct about about_request(const struct crossing *crossing, const struct crossings_worker *part,
                                  const struct tern_message *m) {
  const struct import *import = crossing->import;
  const struct crossings_request *before = part->passes;
  if (before == NULL || before->body != m->body.ptr)
    return (struct about){.source = m->source, .account = import->importer, .share = import->share};
  struct about about = before->about;
  about.service = import->importer;
  about.server = about.server || import->share;
  return about;
}

/* The request with who asks in its headers. owner is to be given back. False without memory. */
static bool with_info(const struct about *about, struct crossings_worker *part, struct tern_message *m) {
  struct json_writer *json = &part->json;
  struct tern_slice headers = {m->body.ptr, m->header_len},
                    payload = {m->body.ptr + m->header_len, m->body.len - m->header_len};
  *json = (struct json_writer){.text = json->text, .room = json->room, .compact = true};
  part->describe(part->describe_arg, about, NULL, json);
  if (json->failed) return false;
  if (headers.len == 0) headers = (struct tern_slice){HEADER "\r\n", sizeof HEADER + 1};
  size_t room = headers.len + 2 + sizeof INFO_HEADER + json->len + 4 + payload.len;
  struct tern_buf *owner = tern_buf_new(tern_loop_pool(tern_worker_loop(part->routes[0]->worker)), room);
  if (owner == NULL) return false;
  char *start = tern_buf_data(owner), *at = start;
  at += copy_headers(at, headers);
  at = mempcpy(at, INFO_HEADER " ", sizeof INFO_HEADER);
  at = mempcpy(at, json->text, json->len);
  at = mempcpy(at, "\r\n\r\n", 4);
  m->header_len = (uint32_t)(at - start);
  if (payload.len > 0) at = mempcpy(at, payload.ptr, payload.len);
  m->body = (struct tern_slice){start, (size_t)(at - start)};
  m->header_text = m->size_text = (struct tern_slice){0};
  m->owner = owner;
  return true;
}

/* ---- how long services take ---- */

/* A ROUTE_RECORD_REPORT: the texts follow. */
struct report {
  struct latency latency;
  uint64_t source; /* who has answered */
  uint32_t end;    /* enum latency_end */
};

/* Is anything known of who has answered? Only his worker can tell more. */
static void publish_report(struct crossings_worker *part, uint32_t account, const struct report *report,
                           bool knows) {
  struct route *route = part->routes[account];
  const struct about responder = {.source = report->source, .share = true};
  struct json_writer json = {.compact = true};
  latency_write(&report->latency, report->end, knows ? part->describe : NULL, part->describe_arg, &responder,
                &json);
  int error = json.failed ? -ENOMEM
                          : route_publish_inside(route, report->latency.subject, (struct tern_slice){0},
                                                 (struct tern_slice){json.text, json.len});
  if (error == -ENOMEM) tern_counter_add(&route->stats->no_memory, 1);
  free(json.text);
}

static char *put(char *to, struct tern_slice text) {
  return text.len > 0 ? mempcpy(to, text.ptr, text.len) : to;
}

/* Has it published by the worker that the answer came from. False when it does not get there. */
static bool send_report(struct crossings_worker *part, uint32_t account, const struct report *report) {
  struct tern_worker *worker = part->routes[account]->worker;
  const struct latency *latency = &report->latency;
  size_t len = sizeof *report + latency->subject.len + latency->requestor.len + latency->header.len;
  if (len > tern_worker_record_max(worker)) return false;
  char *to =
      tern_worker_reserve(worker, part->origin, part->routes[account]->kinds + ROUTE_RECORD_REPORT, len);
  if (to == NULL) return false;
  to = mempcpy(to, report, sizeof *report);
  put(put(put(to, latency->subject), latency->requestor), latency->header);
  tern_worker_commit(worker, part->origin);
  return true;
}

void crossings_receive_report(struct crossings_worker *part, uint32_t account, const void *data) {
  struct report report;
  memcpy(&report, data, sizeof report);
  const char *at = (const char *)data + sizeof report;
  report.latency.subject.ptr = at;
  report.latency.requestor.ptr = at += report.latency.subject.len;
  report.latency.header.ptr = at + report.latency.requestor.len;
  publish_report(part, account, &report, true);
}

static void measured(void *arg, const struct replies_request *request, enum latency_end end,
                     uint64_t source) {
  struct crossings_worker *part = arg;
  const struct report report = {.latency = *request->latency, .source = source, .end = end};
  const bool answered = end == LATENCY_ANSWERED && source != 0;
  const bool here = part->origin == tern_worker_index(part->routes[0]->worker);
  if (answered && !here && send_report(part, request->to, &report)) return;
  publish_report(part, request->to, &report, answered && here);
}

void crossings_worker_begin(struct crossings_worker *part, struct tern_worker *worker) {
  part->origin = tern_worker_index(worker);
  replies_on_measured(part->replies, measured, part);
}

/* A request that may be measured. */
struct sample {
  struct latency latency;
  struct json_writer requestor, header;
};

/* Is it measured? What is in the sample must be freed. */
static bool take_sample(const struct crossing *crossing, const struct crossings_worker *part,
                        const struct tern_message *m, const struct about *asks, struct sample *sample) {
  const struct export *export = crossing->import->export;
  const struct tern_slice headers = {m->body.ptr, m->header_len};
  const struct about requestor = {
      .source = m->source, .account = asks->account, .share = crossing->import->share};
  *sample = (struct sample){.requestor.compact = true, .header.compact = true};
  if (export->latency == NULL ||
      !latency_is_sampled(export, headers, route_draw(part->routes[crossing->importer], 100),
                          &sample->header))
    return false;
  sample->latency.subject = tern_slice_of(export->latency);
  sample->latency.rtt_ns = part->describe(part->describe_arg, &requestor, NULL, &sample->requestor);
  sample->latency.requestor = (struct tern_slice){sample->requestor.text, sample->requestor.len};
  sample->latency.header = (struct tern_slice){sample->header.text, sample->header.len};
  latency_begin(&sample->latency);
  return !sample->requestor.failed && !sample->header.failed;
}

/* ---- passing requests on ---- */

/* Publishes a request in the account of the service. False when nobody is there to get it. */
static bool publish_request(struct crossings_worker *part, const struct replies_request *request,
                            struct tern_message *m, const struct about *about) {
  struct route *from = part->routes[request->from], *to = part->routes[request->to];
  struct crossings_request passes = {.about = *about, .body = m->body.ptr}, *outer = part->passes;
  const bool answered = request->reply.len > 0;
  char reply[REPLIES_SUBJECT_LEN];
  int error = answered ? replies_expect(part->replies, request, reply) : 0;
  if (error != 0) {
    tern_counter_add(error == -ENOMEM ? &from->stats->no_memory : &from->stats->unanswered, 1);
    if (request->latency != NULL) measured(part, request, LATENCY_NOBODY, 0);
    return false;
  }
  if (answered) m->reply = (struct tern_slice){reply, sizeof reply};
  part->passes = &passes;
  bool taken = publish(from, to, m, from->inside_flags);
  part->passes = outer;
  if (!answered && request->latency != NULL) measured(part, request, LATENCY_NO_REPLY, 0);
  if (!taken && answered) replies_forget(part->replies, m->reply);
  return taken;
}

static bool pass_request(const struct crossing *crossing, struct crossings_worker *part,
                         const struct tern_message *m, struct tern_slice subject) {
  const struct import *import = crossing->import;
  const struct about about = about_request(crossing, part, m);
  struct sample sample;
  const bool sampled = take_sample(crossing, part, m, &about, &sample);
  const struct replies_request request = {.from = crossing->importer,
                                          .to = crossing->exporter,
                                          .subject = m->subject,
                                          .reply = m->reply,
                                          .ms = import->answer_ms,
                                          .many = import->answers != IMPORT_ANSWER_ONE,
                                          .latency = sampled ? &sample.latency : NULL};
  struct tern_message other = *m;
  other.subject = subject;
  const bool ready = with_info(&about, part, &other);
  const bool taken = ready && publish_request(part, &request, &other, &about);
  if (!ready) tern_counter_add(&part->routes[crossing->importer]->stats->no_memory, 1);
  if (ready) tern_buf_unref(other.owner);
  free(sample.requestor.text);
  free(sample.header.text);
  return taken;
}

static void pass_service(struct tern_handler *handler, const struct tern_message *m) {
  struct crossing *crossing = container_of(handler, struct crossing, handler);
  struct crossings_worker *part = worker_part();
  if (part == NULL) return;
  struct route *from = part->routes[crossing->importer], *to = part->routes[crossing->exporter];
  char stack[SUBJECT_SHORT], *heap = NULL;
  size_t len = 0;
  if (!part->in_stream && to->depth < ROUTE_DEPTH_MAX)
    len = make_subject(crossing, m, stack, &heap, subject_max(to, REPLIES_SUBJECT_LEN));
  struct tern_slice subject = {heap != NULL ? heap : stack, len};
  if (len == 0 || !pass_request(crossing, part, m, subject)) from->refused++;
  free(heap);
}

/* ---- opening and closing ---- */

void crossings_worker_fini(struct crossings_worker *part) { free(part->json.text); }

struct crossing *crossing_new(const struct import *import, uint32_t importer, uint32_t exporter) {
  struct crossing *crossing = calloc(1, sizeof *crossing);
  if (crossing == NULL) return NULL;
  crossing->handler.handle = import->service ? pass_service : pass_stream;
  crossing->import = import;
  crossing->importer = importer;
  crossing->exporter = exporter;
  return crossing;
}

static struct tern_registry *registry_of(const struct crossing *crossing, struct tern_registry **registries) {
  return registries[crossing->import->service ? crossing->importer : crossing->exporter];
}

int crossing_open(struct crossing *crossing, struct tern_registry **registries,
                  struct tern_reclaimer *reclaimer, struct crossing *before) {
  struct tern_registry *registry = registry_of(crossing, registries);
  struct tern_slice filter = transform_filter(crossing->import->transform);
  if (before != NULL)
    return tern_registry_swap(registry, reclaimer, &before->handler, &crossing->handler, filter);
  return tern_registry_attach(registry, reclaimer, &crossing->handler, filter);
}

bool crossing_replaces(const struct crossing *crossing, const struct crossing *other) {
  return crossing->import->service == other->import->service && crossing->importer == other->importer &&
         crossing->exporter == other->exporter &&
         tern_slice_equal(transform_filter(crossing->import->transform),
                          transform_filter(other->import->transform));
}

void crossing_close(struct crossing *crossing, struct tern_registry **registries,
                    struct tern_reclaimer *reclaimer) {
  tern_registry_detach(registry_of(crossing, registries), reclaimer, &crossing->handler,
                       transform_filter(crossing->import->transform));
}

void crossing_free(struct crossing *crossing) { free(crossing); }
