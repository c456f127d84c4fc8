/* SPDX-License-Identifier: Apache-2.0 */
/* Which requests are sampled, for which headers, and the report; as nats-server does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "imports.h"
#include "service_latency.h"

static char subject[] = "lat", account[] = "A";

static void by_percentage(void **state) {
  (void)state;
  struct json_writer header = {0};
  struct export export = {.latency = subject, .sampling = 30};
  for (uint64_t draw = 0; draw < 100; draw++)
    assert_true(latency_is_sampled(&export, (struct tern_slice){0}, draw, &header) == (draw < 30));
  export.sampling = 100;
  assert_true(latency_is_sampled(&export, (struct tern_slice){0}, 99, &header));
  export.latency = NULL;
  assert_false(latency_is_sampled(&export, (struct tern_slice){0}, 0, &header));
  export = (struct export){.latency = subject, .sampling = IMPORTS_BY_HEADERS};
  assert_false(latency_is_sampled(&export, (struct tern_slice){0}, 0, &header));
  assert_null(header.text);
}

static const struct {
  const char *lines, *header; /* NULL: it is not sampled */
} by[] = {
    {"Foo: x\r\n", NULL},
    {"Nats-Trace: 1\r\n", NULL},
    {"X-B3-Sampled: 1\r\nX-B3-TraceId: 80f1\r\nOther: o\r\n",
     "{\"X-B3-Sampled\":[\"1\"],\"X-B3-Traceid\":[\"80f1\"]}"},
    {"x-b3-sampled: 1\r\n", "{\"X-B3-Sampled\":[\"1\"]}"},
    {"X-B3-Sampled: 0\r\nX-B3-TraceId: a\r\n", NULL},
    {"X-B3-Sampled: d\r\n", NULL},
    {"X-B3-Sampled: 1\r\nX-B3-Sampled: 0\r\n", "{\"X-B3-Sampled\":[\"1\",\"0\"]}"},
    {"X-B3-Sampled: 0\r\nX-B3-Sampled: 1\r\n", NULL},
    {"X-B3-TraceId: a\r\nX-B3-SpanId: q\r\nX-B3-ParentSpanId: z\r\n",
     "{\"X-B3-Parentspanid\":[\"z\"],\"X-B3-Spanid\":[\"q\"],\"X-B3-Traceid\":[\"a\"]}"},
    {"B3: 80f1-e457-1-05e3\r\n", "{\"B3\":[\"80f1-e457-1-05e3\"]}"},
    {"b3:a-b  \r\n", "{\"B3\":[\"a-b\"]}"},
    {"B3: 1\r\n", "{\"B3\":[\"1\"]}"},
    {"B3: 0\r\n", NULL},
    {"B3: a-b-0\r\n", NULL},
    {"B3: a-b-0-c\r\n", NULL},
    {"B3: 0-0\r\n", "{\"B3\":[\"0-0\"]}"},
    {"B3: x\r\nB3: y\r\n", "{\"B3\":[\"x\",\"y\"]}"},
    {"Traceparent: 00-4bf-00f-01\r\nTracestate: s=\"1\"\r\n",
     "{\"Traceparent\":[\"00-4bf-00f-01\"],\"Tracestate\":[\"s=\\\"1\\\"\"]}"},
    {"traceparent: 00-4bf-00f-01\r\n", "{\"Traceparent\":[\"00-4bf-00f-01\"]}"},
    {"Traceparent: 00-4bf-00f-00\r\n", NULL},
    {"Traceparent: 00-4bf-01\r\n", NULL},
    {"Traceparent: 00-4bf-00f-01-0\r\n", NULL},
    {"Uber-Trace-Id: 4:5:4:1\r\nUberctx-b: 1\r\nuberctx-A: 2\r\nUberctx-b: 3\r\n",
     "{\"Uber-Trace-Id\":[\"4:5:4:1\"],\"Uberctx-A\":[\"2\"],\"Uberctx-B\":[\"1\",\"3\"]}"},
    {"Uber-Trace-Id: 4:5:4:03\r\n", "{\"Uber-Trace-Id\":[\"4:5:4:03\"]}"},
    {"uber-trace-id: 4:5:4:f\r\n", "{\"Uber-Trace-Id\":[\"4:5:4:f\"]}"},
    {"Uber-Trace-Id: 4:5:4:0\r\n", NULL},
    {"Uber-Trace-Id: 4:5:4:2\r\n", NULL},
    {"Uber-Trace-Id: 4:5:4:g\r\n", NULL},
    {"Uber-Trace-Id: 4:5:4:\r\n", NULL},
    {"Uber-Trace-Id: 4:5:4:001\r\n", NULL},
    {"Uber-Trace-Id: 4:5:1\r\n", NULL},
    {"Uber-Trace-Id:\r\n", NULL},
    /* the first that is there decides */
    {"Uber-Trace-Id: 4:5:4:0\r\nB3: 1\r\n", NULL},
    {"B3: 0\r\nTraceparent: 00-4bf-00f-01\r\n", NULL},
    /* lines that are none */
    {"no colon\r\n: 1\r\nB3: 1", "{\"B3\":[\"1\"]}"},
    {"", NULL},
};

static void check_headers(const char *lines, const char *expected) {
  char block[4096];
  struct json_writer header = {.compact = true};
  struct export export = {.latency = subject, .sampling = IMPORTS_BY_HEADERS};
  snprintf(block, sizeof block, "NATS/1.0\r\n%s\r\n", lines);
  bool sampled = latency_is_sampled(&export, tern_slice_of(block), 0, &header);
  if (sampled != (expected != NULL)) fail_msg("%s: sampled %d", lines, sampled);
  if (sampled) assert_string_equal(header.text, expected);
  free(header.text);
  /* a percentage, if it is not hit, leaves it to the headers */
  header = (struct json_writer){.compact = true};
  export.sampling = 50;
  assert_true(latency_is_sampled(&export, tern_slice_of(block), 50, &header) == sampled);
  free(header.text);
  /* which do not matter if it is */
  header = (struct json_writer){.compact = true};
  assert_true(latency_is_sampled(&export, tern_slice_of(block), 49, &header));
  assert_null(header.text);
}

static void by_headers(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof by / sizeof by[0]; i++)
    check_headers(by[i].lines, by[i].header);
}

/* What is beyond the bounds is not seen. */
static void too_many_headers(void **state) {
  (void)state;
  char lines[2048] = "", name[129] = "", value[1026] = "";
  for (size_t i = 0; i < 64; i++)
    snprintf(lines + 6 * i, sizeof lines - 6 * i, "A: b\r\nB3: 1\r\n");
  check_headers(lines + 6, "{\"B3\":[\"1\"]}");
  check_headers(lines, NULL);
  memset(name, 'a', 128);
  snprintf(lines, sizeof lines, "%s: 1\r\nB3: 1\r\n", name);
  check_headers(lines, "{\"B3\":[\"1\"]}");
  memset(value, 'a', 1025);
  snprintf(lines, sizeof lines, "B3: %s\r\n", value);
  check_headers(lines, NULL);
  snprintf(lines, sizeof lines, "B3: %s\r\nB3: 1\r\n", value);
  check_headers(lines, "{\"B3\":[\"1\"]}");
}

static uint64_t describe(void *arg, const struct about *about, const char *key, struct json_writer *to) {
  assert_int_equal(about->source, 7);
  json_put_open(to, key, '{');
  json_put_string(to, "acc", arg);
  json_put_close(to, '}');
  return 1000;
}

/* The value of a number, wherever it stands. */
static uint64_t number(const char *text, const char *key) {
  const char *at = strstr(text, key);
  assert_non_null(at);
  return strtoull(at + strlen(key), NULL, 10);
}

/* The text, with what is different each time taken out. */
static void expect_report(const struct json_writer *json, const char *before, const char *after) {
  static const char type[] = "{\"type\":\"io.nats.server.metric.v1.service_latency\",\"id\":\"",
                    time[] = "\",\"timestamp\":\"20";
  assert_false(json->failed);
  assert_memory_equal(json->text, type, sizeof type - 1);
  const char *at = json->text + sizeof type - 1 + 22;
  assert_memory_equal(at, time, sizeof time - 1);
  at = strstr(at, "Z\",");
  assert_non_null(at);
  assert_memory_equal(at + 3, before, strlen(before));
  assert_string_equal(at + 3 + strlen(before), after);
}

static struct latency latency_of(const char *requestor, const char *header) {
  return (struct latency){.subject = tern_slice_of(subject),
                          .requestor = tern_slice_of(requestor),
                          .header = tern_slice_of(header),
                          .rtt_ns = 5000000000,
                          .wall_ns = UINT64_C(1700000005000000000)};
}

static void answered(void **state) {
  (void)state;
  const struct about responder = {.source = 7};
  struct latency latency = latency_of("{\"acc\":\"B\"}", "{\"B3\":[\"1\"]}");
  struct json_writer json = {.compact = true};
  struct latency begun = latency;
  latency_begin(&begun);
  assert_true(begun.began_ns > 0 && begun.wall_ns > latency.wall_ns);
  latency_end(&begun);
  latency.began_ns = begun.began_ns;
  latency.took_ns = begun.took_ns + 1001;
  latency_write(&latency, LATENCY_ANSWERED, describe, account, &responder, &json);
  uint64_t service = number(json.text, "\"service\":"), system = number(json.text, "\"system\":"),
           total = number(json.text, "\"total\":");
  assert_int_equal(service, latency.took_ns - 1000);
  assert_int_equal(total, 5000000000 + latency.took_ns + system);
  char numbers[128];
  snprintf(numbers, sizeof numbers, ",\"service\":%llu,\"system\":%llu,\"total\":%llu}",
           (unsigned long long)service, (unsigned long long)system, (unsigned long long)total);
  expect_report(&json,
                "\"status\":200,\"requestor\":{\"acc\":\"B\"},\"responder\":{\"acc\":\"A\"},\"header\":{"
                "\"B3\":[\"1\"]},"
                "\"start\":\"2023-11-14T22:13:20Z\"",
                numbers);
  /* a service that is nearer than its round trip says; nobody to be asked who has answered */
  json.len = 0;
  json.filled = false;
  latency.took_ns = 999;
  latency_write(&latency, LATENCY_ANSWERED, describe, account, &responder, &json);
  assert_int_equal(number(json.text, "\"service\":"), 0);
  json.len = 0;
  json.filled = false;
  latency.header.len = 0;
  latency_write(&latency, LATENCY_ANSWERED, NULL, NULL, NULL, &json);
  expect_report(&json, "\"status\":200,\"requestor\":{\"acc\":\"B\"},\"start\":\"2023-11-14T22:13:20Z\"",
                ",\"service\":999,\"system\":0,\"total\":5000000999}");
  free(json.text);
}

static void not_answered(void **state) {
  (void)state;
  static const struct {
    enum latency_end end;
    const char *says;
  } ends[] = {{LATENCY_NO_REPLY, "\"status\":400,\"description\":\"Bad Request\","},
              {LATENCY_LEFT, "\"status\":408,\"description\":\"Request Timeout\","},
              {LATENCY_NOBODY, "\"status\":503,\"description\":\"Service Unavailable\","},
              {LATENCY_TOO_LATE, "\"status\":504,\"description\":\"Service Timeout\","}};
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    const struct latency latency = latency_of("{\"acc\":\"B\"}", "");
    struct json_writer json = {.compact = true};
    latency_write(&latency, ends[i].end, NULL, NULL, NULL, &json);
    expect_report(
        &json, ends[i].says,
        "\"requestor\":{\"acc\":\"B\"},\"start\":\"2023-11-14T22:13:20Z\",\"service\":0,\"system\":0,"
        "\"total\":0}");
    free(json.text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(by_percentage), cmocka_unit_test(by_headers),   cmocka_unit_test(too_many_headers),
      cmocka_unit_test(answered),      cmocka_unit_test(not_answered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
