/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See service_latency.h. Headers that tracing systems send along say whether a request is to be sampled (Jaeger's,
 * Zipkin's in several lines or in one, and those of W3C; the first of them that is there), and come back in the report,
 * sorted and spelled as Go does. Headers beyond FIELDS_MAX, and those with a name or value longer than here, are not looked
 * at.
 */
#include "service_latency.h"

#include <stdlib.h>
#include <string.h>

#include "clock_ns.h"
#include "imports.h"

#define FIELDS_MAX      64
#define NAME_MAX_BYTES  128
#define VALUE_MAX_BYTES 1024
#define TYPE            "io.nats.server.metric.v1.service_latency"

/* ---- headers ---- */

struct field {
  char name[NAME_MAX_BYTES]; /* spelled as Go does */
  struct tern_slice value;
  unsigned place;
};

struct fields {
  struct field at[FIELDS_MAX];
  unsigned count;
};

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static struct tern_slice trim(struct tern_slice text) {
  while (text.len > 0 && is_blank(text.ptr[0]))
    text.ptr++, text.len--;
  while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
    text.len--;
  return text;
}

/* A capital at the beginning and behind each hyphen. */
static void spell(char *to, struct tern_slice name) {
  bool capital = true;
  for (size_t i = 0; i < name.len; i++) {
    char c = name.ptr[i];
    if (capital && c >= 'a' && c <= 'z') c = (char)(c - 'a' + 'A');
    if (!capital && c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
    capital = c == '-';
    to[i] = c;
  }
  to[name.len] = '\0';
}

static void add_field(struct fields *fields, struct tern_slice line) {
  const char *colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;
  if (colon == NULL || colon == line.ptr || fields->count == FIELDS_MAX) return;
  struct tern_slice name = {line.ptr, (size_t)(colon - line.ptr)};
  if (name.len >= NAME_MAX_BYTES || memchr(name.ptr, '\0', name.len) != NULL) return;
  struct tern_slice value = trim((struct tern_slice){colon + 1, line.len - name.len - 1});
  if (value.len > VALUE_MAX_BYTES) return;
  struct field *field = &fields->at[fields->count];
  spell(field->name, name);
  field->value = value;
  field->place = fields->count++;
}

static int by_name(const void *one, const void *other) {
  const struct field *a = one, *b = other;
  int order = strcmp(a->name, b->name);
  return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

/* The lines behind the first one, sorted. */
static void read_fields(struct fields *fields, struct tern_slice headers) {
  fields->count = 0;
  const char *at = headers.ptr, *end = headers.ptr + headers.len;
  for (bool first = true; at < end; first = false) {
    const char *lf = memchr(at, '\n', (size_t)(end - at));
    if (lf == NULL) lf = end;
    if (!first) add_field(fields, (struct tern_slice){at, (size_t)(lf - at)});
    at = lf + 1;
  }
  qsort(fields->at, fields->count, sizeof fields->at[0], by_name);
}

/* The first value of a header; NULL: it is not there. */
static const struct tern_slice *find(const struct fields *fields, const char *name) {
  for (unsigned i = 0; i < fields->count; i++)
    if (strcmp(fields->at[i].name, name) == 0) return &fields->at[i].value;
  return NULL;
}

static bool is(const struct tern_slice *value, const char *text) {
  return value != NULL && tern_slice_equal(*value, tern_slice_of(text));
}

/* The part of this number, from 0, between separators. Returns how many parts there are. */
static unsigned part_of(struct tern_slice value, char separator, unsigned number, struct tern_slice *part) {
  unsigned count = 0;
  *part = (struct tern_slice){0};
  for (;;) {
    const char *found = value.len > 0 ? memchr(value.ptr, separator, value.len) : NULL;
    size_t len = found != NULL ? (size_t)(found - value.ptr) : value.len;
    if (count++ == number) *part = (struct tern_slice){value.ptr, len};
    if (found == NULL) return count;
    value.ptr += len + 1;
    value.len -= len + 1;
  }
}

/* ---- do they ask for it? ---- */

/* 479fefe9525eddb:5adb976bfc1f95c1:479fefe9525eddb:1; the last part are flags, in one hexadecimal digit or two. */
static bool jaeger_samples(struct tern_slice value) {
  struct tern_slice flags;
  if (part_of(value, ':', 3, &flags) != 4 || flags.len < 1 || flags.len > 2) return false;
  const char digit = flags.ptr[flags.len - 1];
  return memchr("13579bdfBDF", digit, 11) != NULL;
}

/* 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90, or 0. */
static bool b3_samples(struct tern_slice value) {
  struct tern_slice first, third;
  part_of(value, '-', 0, &first);
  const unsigned count = part_of(value, '-', 2, &third);
  return count > 2 ? !is(&third, "0") : !(count == 1 && is(&first, "0"));
}

/* 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 */
static bool w3c_samples(struct tern_slice value) {
  struct tern_slice flags;
  return part_of(value, '-', 3, &flags) == 4 && is(&flags, "01");
}

/* The names, ending with NULL, of the headers that ask for it (`*` at the end: and what begins like that); NULL: none do. */
static const char *const *who_samples(const struct fields *fields) {
  static const char *const jaeger[] = {"Uber-Trace-Id", "Uberctx-*", NULL}, *const b3[] = {"B3", NULL},
                           *const zipkin[] = {"X-B3-Sampled", "X-B3-Traceid", "X-B3-Parentspanid",
                                              "X-B3-Spanid", NULL},
                           *const w3c[] = {"Traceparent", "Tracestate", NULL};
  const struct tern_slice *value = find(fields, "Uber-Trace-Id");
  if (value != NULL) return jaeger_samples(*value) ? jaeger : NULL;
  value = find(fields, "X-B3-Sampled");
  if (is(value, "0")) return NULL;
  if (is(value, "1") || find(fields, "X-B3-Traceid") != NULL) return zipkin;
  value = find(fields, "B3");
  if (value != NULL) return b3_samples(*value) ? b3 : NULL;
  value = find(fields, "Traceparent");
  return value != NULL && w3c_samples(*value) ? w3c : NULL;
}

static bool is_among(const char *name, const char *const *names) {
  for (; *names != NULL; names++) {
    const size_t len = strlen(*names);
    if ((*names)[len - 1] == '*' ? strncmp(name, *names, len - 1) == 0 : strcmp(name, *names) == 0)
      return true;
  }
  return false;
}

static void put_fields(const struct fields *fields, const char *const *names, struct json_writer *to) {
  const char *last = NULL;
  json_put_open(to, NULL, '{');
  for (unsigned i = 0; i < fields->count; i++) {
    const struct field *field = &fields->at[i];
    if (!is_among(field->name, names)) continue;
    if (last == NULL || strcmp(last, field->name) != 0) {
      if (last != NULL) json_put_close(to, ']');
      json_put_open(to, field->name, '[');
      last = field->name;
    }
    json_put_slice(to, NULL, field->value);
  }
  if (last != NULL) json_put_close(to, ']');
  json_put_close(to, '}');
}

bool latency_is_sampled(const struct export *export, struct tern_slice headers, uint64_t draw,
                        struct json_writer *header) {
  if (export->latency == NULL) return false;
  if (export->sampling > draw) return true;
  if (headers.len == 0) return false;
  struct fields fields;
  read_fields(&fields, headers);
  const char *const *names = who_samples(&fields);
  if (names != NULL) put_fields(&fields, names, header);
  return names != NULL;
}

/* ---- measuring ---- */

void latency_begin(struct latency *latency) {
  latency->began_ns = clock_ns(CLOCK_MONOTONIC);
  latency->wall_ns = clock_ns(CLOCK_REALTIME);
}

void latency_end(struct latency *latency) {
  latency->took_ns = clock_ns(CLOCK_MONOTONIC) - latency->began_ns;
}

/* ---- the report ---- */

static const char *words_of(enum latency_end end) {
  switch (end) {
    case LATENCY_NO_REPLY:
      return "Bad Request";
    case LATENCY_LEFT:
      return "Request Timeout";
    case LATENCY_NOBODY:
      return "Service Unavailable";
    case LATENCY_TOO_LATE:
      return "Service Timeout";
    case LATENCY_ANSWERED:
      break;
  }
  return NULL;
}

/* What has passed since the answer was there is the system's, if the rest of it is known. */
static void put_durations(const struct latency *latency, uint64_t responder_ns, struct json_writer *to) {
  const uint64_t passed = clock_ns(CLOCK_MONOTONIC) - latency->began_ns, took = latency->took_ns;
  const uint64_t system = responder_ns > 0 && passed > took ? passed - took : 0;
  json_put_uint(to, "service", took > responder_ns ? took - responder_ns : 0);
  json_put_uint(to, "system", system);
  json_put_uint(to, "total", latency->rtt_ns + took + system);
}

static void put_nothing(struct json_writer *to) {
  json_put_uint(to, "service", 0);
  json_put_uint(to, "system", 0);
  json_put_uint(to, "total", 0);
}

void latency_write(const struct latency *latency, enum latency_end end, about_fn *describe, void *arg,
                   const struct about *responder, struct json_writer *to) {
  const char *words = words_of(end);
  uint64_t responder_ns = 0;
  json_put_open(to, NULL, '{');
  json_put_string(to, "type", TYPE);
  json_put_id(to, "id");
  json_put_time(to, "timestamp", clock_ns(CLOCK_REALTIME));
  json_put_uint(to, "status", end);
  if (words != NULL) json_put_string(to, "description", words);
  json_put_value(to, "requestor", latency->requestor.ptr, latency->requestor.len);
  if (describe != NULL) responder_ns = describe(arg, responder, "responder", to);
  if (latency->header.len > 0) json_put_value(to, "header", latency->header.ptr, latency->header.len);
  json_put_time(to, "start", latency->wall_ns - latency->rtt_ns);
  if (end == LATENCY_ANSWERED)
    put_durations(latency, responder_ns, to);
  else
    put_nothing(to);
  json_put_close(to, '}');
}
