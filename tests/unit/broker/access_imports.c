/* SPDX-License-Identifier: Apache-2.0 */
/* Exports and imports of accounts: what is read, and which are refused; the verdicts are nats-server's unless a line
 * says otherwise. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf_report.h"
#include "imports.h"

static char said[4096];

static void line(void *arg, bool warning, const char *text) {
  (void)arg;
  (void)warning;
  size_t len = strlen(said);
  snprintf(said + len, sizeof said - len, "%s\n", text);
}

static struct imports *read(const char *text, int *result) {
  struct conf_error error;
  struct conf *conf;
  struct conf_report report = {.line = line};
  said[0] = '\0';
  if (conf_parse("test.conf", text, strlen(text), &conf, &error) != 0) fail_msg("%s", error.text);
  struct imports *imports;
  *result = imports_read(conf_root(conf), &report, &imports);
  conf_free(conf);
  return imports;
}

static void check(const struct import *import, const char *from, const char *to) {
  char room[64];
  size_t len = transform_apply(import->transform, (struct tern_slice){from, strlen(from)}, room, sizeof room);
  assert_int_equal(len, strlen(to));
  assert_memory_equal(room, to, len);
}

static void all_kinds(void **state) {
  (void)state;
  int result;
  struct imports *imports = read(
      "mappings { a: b }\n"
      "accounts {\n"
      "  A { exports: [ {stream: 'ev.>'}, {service: 'svc.*', accounts: [B, C], response_type: Stream,\n"
      "                  response_threshold: '5s'}, {service: 'own.*', account_token_position: 2} ] }\n"
      "  B { imports: [ {stream: {account: A, subject: 'ev.*'}, prefix: 'imp'}\n"
      "                 {service: {account: A, subject: 'svc.time'}, to: time, share: true}\n"
      "                 {service: {account: A, subject: 'own.B'}} ]\n"
      "      maps { 'x.*': 'y.$1' } }\n"
      "  C { imports: [ {service: {account: A, subject: 'svc.*'}, to: 'to.*'}, \n"
      "                 {stream: {account: A, subject: 'ev.>'}, to: 'c.>'} ] }\n"
      "}",
      &result);
  if (result != 0) fail_msg("%s", said);
  assert_int_equal(imports->count, 5);
  const struct import *at = imports->at;
  assert_string_equal(at[0].importer, "B");
  assert_string_equal(at[0].exporter, "A");
  assert_false(at[0].service);
  check(&at[0], "ev.x", "imp.ev.x");
  assert_true(at[1].service && at[1].share);
  assert_int_equal(at[1].answers, IMPORT_ANSWER_MANY);
  assert_int_equal(at[1].answer_ms, 5000);
  check(&at[1], "time", "svc.time");
  assert_int_equal(at[2].answers, IMPORT_ANSWER_ONE);
  assert_int_equal(at[2].answer_ms, IMPORTS_ANSWER_MS);
  check(&at[3], "to.x", "svc.x");
  check(&at[4], "ev.a.b", "c.a.b");
  static const char *const locals[] = {"imp.ev.*", "time", "own.B", "to.*", "c.>"};
  static const char *const remotes[] = {"ev.*", "svc.time", "own.B", "svc.*", "ev.>"};
  for (size_t i = 0; i < imports->count; i++) {
    assert_string_equal(at[i].local, locals[i]);
    assert_string_equal(at[i].remote, remotes[i]);
  }
  assert_int_equal(imports->mappings_count, 2);
  assert_non_null(imports_mappings(imports, "$G"));
  assert_non_null(imports_mappings(imports, "B"));
  assert_null(imports_mappings(imports, "A"));
  assert_null(imports_mappings(NULL, "A"));
  assert_true(import_equal(&at[0], &at[0]));
  assert_false(import_equal(&at[0], &at[4]));
  imports_free(imports);
  imports_free(NULL);
}

static void exports_stay(void **state) {
  (void)state;
  int result;
  struct imports *imports = read(
      "accounts { A { exports: [ {service: 'a.*', accounts: [C, B], response: Chunked}, {stream: 'b.>'}\n"
      "                          {service: c, response: stream}, {service: d, accounts: []} ] }\n"
      "           B { imports: [ {stream: {account: A, subject: 'b.*.$x.*.>'}, to: 'y.$2.a$1.$1.>'} ] }, C "
      "{} }",
      &result);
  if (result != 0) fail_msg("%s", said);
  const struct export *at = imports->exports;
  assert_int_equal(imports->export_count, 4);
  assert_string_equal(at[0].account, "A");
  assert_string_equal(at[0].subject, "a.*");
  assert_true(at[0].service && !at[1].service);
  assert_int_equal(at[0].approved_count, 2);
  assert_string_equal(at[0].approved[0], "C");
  assert_string_equal(at[0].approved[1], "B");
  assert_int_equal(at[1].approved_count, 0);
  assert_int_equal(at[3].approved_count, 0);
  assert_int_equal(at[0].answers, IMPORT_ANSWER_CHUNKS);
  assert_int_equal(at[2].answers, IMPORT_ANSWER_MANY);
  assert_int_equal(at[3].answers, IMPORT_ANSWER_ONE);
  assert_string_equal(imports->at[0].local, "y.*.a$1.*.>");
  assert_string_equal(imports->at[0].remote, "b.*.$x.*.>");
  imports_free(imports);
}

/* Wildcards that change places, of services and of streams. */
static void places_change(void **state) {
  (void)state;
  int result;
  struct imports *imports = read(
      "accounts { A { exports: [ {service: 'a.>'}, {stream: 'b.>'} ] }\n"
      "           B { imports: [ {service: {account: A, subject: 'a.*.*.*'}, to: 'z.$3.{{wildcard(1)}}.$2'}\n"
      "                          {stream: {account: A, subject: 'b.*.*.*'}, to: 'y.$3.$1.$2'}\n"
      "                          {service: {account: A, subject: 'a.b'}, to: 'x.$1'} ] } }",
      &result);
  if (result != 0) fail_msg("%s", said);
  const struct import *at = imports->at;
  assert_string_equal(at[0].local, "z.*.*.*");
  assert_string_equal(at[0].remote, "a.*.*.*");
  check(&at[0], "z.k.l.m", "a.m.k.l");
  check(&at[1], "b.k.l.m", "y.m.k.l");
  assert_string_equal(at[2].local, "x.$1");
  check(&at[2], "x.$1", "a.b");
  imports_free(imports);
}

#define A_EXPORTS(what) "A { exports: [ " what " ] }, "

static const char *const good[] = {
    "",
    "accounts: [A, B]",
    "accounts { A { imports: [ {stream: {account: A, subject: x}, to: y} ], exports: [ {stream: x} ] } }",
    "accounts { A { imports: [ {service: {account: A, subject: x}, to: y} ], exports: [ {service: x} ] } }",
    "accounts { B { imports: [ {stream: {account: A, subject: 'x.*'}, to: 'y.*'} ] }, " A_EXPORTS(
        "{stream: 'x.>'}") "}",
    "accounts { B { imports: [ {stream: {account: A, subject: 'x.*.*'}, to: 'y.$2.$1'} ] }," A_EXPORTS(
        "{stream: 'x.>'}") "}",
    "accounts { B { imports: [ {service: {account: A, subject: x}, prefix: p} ] }, " A_EXPORTS(
        "{service: x}") "}",
    "accounts {" A_EXPORTS("{service: x}, {service: x}, {stream: x, accounts: [Z]}") "Z {} }",
    "accounts {" A_EXPORTS("{service: 'x.*', latency: {sampling: 50, subject: lat}}") "}",
    /* streams one way, services the other: no cycle */
    "accounts { A { exports: [ {stream: a}, {service: a} ], imports: [ {stream: {account: B, subject: a}} ] "
    "},"
    " B { exports: [ {stream: a} ], imports: [ {service: {account: A, subject: a}} ] } }",
    /* the same account both ways, other subjects */
    "accounts { A { exports: [ {stream: a} ], imports: [ {stream: {account: B, subject: b}} ] },"
    " B { exports: [ {stream: b} ], imports: [ {stream: {account: A, subject: a}} ] } }",
};

static void accepted(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    int result;
    struct imports *imports = read(good[i], &result);
    if (result != 0) fail_msg("%s: %s", good[i], said);
    imports_free(imports);
  }
}

#define B_IMPORTS(what) "B { imports: [ " what " ] }"
#define STREAM          "{stream: {account: A, subject: x}}"

static const struct {
  const char *text, *says;
} bad[] = {
    {"accounts {" A_EXPORTS("{stream: x}") B_IMPORTS("{stream: {account: C, subject: x}}") "}",
     "there is no account \"C\" to import from"},
    {"accounts {" A_EXPORTS("{service: x}") B_IMPORTS(STREAM) "}", "exports no such stream to this one"},
    {"accounts {" A_EXPORTS("{stream: x, accounts: [C]}") B_IMPORTS(STREAM) ", C {} }",
     "exports no such stream"},
    {"accounts {" A_EXPORTS("{stream: x, accounts: [C, B]}") "B {} }",
     "\"C\" account not defined for stream export"},
    {"accounts {" A_EXPORTS("{stream: x}")
         B_IMPORTS("{stream: {account: A, subject: x}, prefix: p, to: q}") "}",
     "either a prefix or to"},
    {"accounts {" A_EXPORTS("{stream: x}") B_IMPORTS("{stream: {account: A, subject: x}, prefix: 'p.*'}") "}",
     "prefix must be a subject without wildcards"},
    {"accounts {" A_EXPORTS("{stream: 'x.*'}") B_IMPORTS("{stream: {account: A, subject: 'x.>'}}") "}",
     "exports no such stream"},
    {"accounts {" A_EXPORTS("{stream: 'x.*'}") B_IMPORTS("{stream: {account: A, subject: 'x.*'}, to: y}") "}",
     "both subjects must have the same wildcards"},
    {"accounts {" A_EXPORTS("{stream: x}") B_IMPORTS(STREAM "," STREAM) "}", "it is imported already"},
    {"accounts {" A_EXPORTS("{service: x}, {service: y}") B_IMPORTS(
         "{service: {account: A, subject: x}, to: z}, {service: {account: A, subject: y}, to: z}") "}",
     "another import has the same subject here"},
    {"accounts {" A_EXPORTS("{service: 'x.*'}")
         B_IMPORTS("{service: {account: A, subject: 'x.*'}, to: p}") "}",
     "both subjects must have the same wildcards"},
    {"accounts {" A_EXPORTS("{service: 'x.*.*'}")
         B_IMPORTS("{service: {account: A, subject: 'x.*.*'}, to: 'z.$2.$1'}, {service: {account: A, "
                   "subject: 'x.*.*'}, to: "
                   "'z.*.*'}") "}",
     "another import has the same subject here"},
    {"accounts { A { exports: [ {service: 'a.*'} ], imports: [ {service: {account: B, subject: b}, to: "
     "'a.x'} ] },"
     " B { exports: [ {service: b} ], imports: [ {service: {account: A, subject: 'a.*'}, to: '$1'} ] } }",
     "a cycle"},
    {"accounts {" A_EXPORTS("{service: x}") B_IMPORTS("{service: {account: A, subject: x}, share: 1}") "}",
     "share is an integer; it must be true or false"},
    {"accounts {" A_EXPORTS("{stream: x}") B_IMPORTS("{stream: {account: A}}") "}",
     "needs the account and the subject"},
    {"accounts {" A_EXPORTS("{stream: x}") B_IMPORTS("{stream: {account: A, subject: x}, foo: 1}") "}",
     "unknown field \"foo\""},
    {"accounts {" A_EXPORTS("{stream: x}") B_IMPORTS("{to: x}") "}", "either a stream or a service"},
    {"accounts {" A_EXPORTS("{service: x, response_type: foo}") "}", "must be singleton, stream or chunked"},
    {"accounts {" A_EXPORTS("{stream: x, response_type: stream}") "}", "is for services only"},
    {"accounts {" A_EXPORTS("{stream: x, latency: lat}") "}", "test.conf:1:38: latency is for services only"},
    {"accounts {" A_EXPORTS("{service: x, latency: lat, response_type: chunked}") "}",
     "latency is for services with one answer"},
    {"accounts {" A_EXPORTS("{service: x, latency: 5}") "}", "must be a subject, or a block"},
    {"accounts {" A_EXPORTS("{service: x, latency: {sampling: 5}}") "}", "latency needs a subject"},
    {"accounts {" A_EXPORTS("{service: x, latency: {subject: 5}}") "}", "must be a subject in quotes"},
    {"accounts {" A_EXPORTS("{service: x, latency: 'lat.*'}") "}", "must not have wildcards or blanks"},
    {"accounts {" A_EXPORTS("{service: x, latency: 'lat y'}") "}", "must not have wildcards or blanks"},
    {"accounts {" A_EXPORTS("{service: x, latency: 'lat..y'}") "}", "is not a valid subject"},
    {"accounts {" A_EXPORTS("{service: 'x.*', latency: 'x.y'}") "}",
     "that of a service whose latency is measured"},
    {"accounts {" A_EXPORTS("{service: x, latency: lat}, {service: y, latency: x}") "}",
     "that of a service whose latency is measured"},
    {"accounts {" A_EXPORTS("{service: x, accounts: B, latency: lat}") "}", "must be a list"},
    {"accounts {" A_EXPORTS("{service: x, latency: lat, accounts: B}") "}", "must be a list"},
    {"accounts {" A_EXPORTS("{service: 'x..y', latency: lat}") "}", "\"x..y\" is not a valid subject"},
    {"accounts {" A_EXPORTS("{latency: lat}") "}", "an export needs a stream or a service"},
    {"accounts {" A_EXPORTS("{service: x, response_threshold: 5}") "}", "must be a duration in quotes"},
    {"accounts {" A_EXPORTS("{service: x, stream: y}") "}", "either a stream or a service"},
    {"accounts {" A_EXPORTS("{stream: x, accounts: B}") "}", "must be a list"},
    {"accounts { A { exports: {service: x} } }", "exports is a block; it must be a list"},
    {"accounts {" A_EXPORTS("{service: 'x.*', account_token_position: 1}") "}", "must be that of a '*'"},
    {"accounts {" A_EXPORTS("{service: 'x.*', account_token_position: 2}")
         B_IMPORTS("{service: {account: A, subject: 'x.C'}}") "}",
     "exports no such service"},
    /* cycles: of two, of three, and an account with itself */
    {"accounts { A { exports: [ {stream: 'a.>'} ], imports: [ {stream: {account: B, subject: 'a.>'}} ] },"
     " B { exports: [ {stream: 'a.>'} ], imports: [ {stream: {account: A, subject: 'a.>'}} ] } }",
     "test.conf:1:146: import of \"a.>\" from account \"A\": that account has it from this one"},
    {"accounts { A { exports: [ {service: a} ], imports: [ {service: {account: B, subject: a}} ] },"
     " B { exports: [ {service: a} ], imports: [ {service: {account: C, subject: a}} ] },"
     " C { exports: [ {service: a} ], imports: [ {service: {account: A, subject: a}} ] } }",
     "a cycle"},
    {"accounts { A { exports: [ {service: a} ], imports: [ {service: {account: A, subject: a}} ] } }",
     "a cycle"},
    /* nats-server takes these, which do nothing */
    {"accounts {" A_EXPORTS("{}") "}", "an export needs a stream or a service"},
    {"accounts {" A_EXPORTS("{service: 'x..y'}") "}", "\"x..y\" is not a valid subject"},
};

static const struct {
  const char *written;
  int64_t sampling; /* -1: refused */
} samplings[] = {
    {"lat", 100},
    {"{subject: lat}", 100},
    {"{sampling: 1, subject: lat}", 1},
    {"{subject: lat, sampling: 100}", 100},
    {"{sampling: '50%', subject: lat}", 50},
    {"{sampling: '050', subject: lat}", 50},
    {"{sampling: '+5%', subject: lat}", 5},
    {"{sampling: Headers, subject: lat}", IMPORTS_BY_HEADERS},
    {"{sampling: 10, subject: lat, more: 1}", 10},
    {"{sampling: 0, subject: lat}", -1},
    {"{sampling: 101, subject: lat}", -1},
    {"{sampling: -1, subject: lat}", -1},
    {"{sampling: 1.5, subject: lat}", -1},
    {"{sampling: true, subject: lat}", -1},
    {"{sampling: x, subject: lat}", -1},
    {"{sampling: '%', subject: lat}", -1},
    {"{sampling: '5%%', subject: lat}", -1},
    {"{sampling: ' 5', subject: lat}", -1},
    {"{sampling: '0%', subject: lat}", -1},
    {"{sampling: '4294967297', subject: lat}", -1},
};

/* nats-server's verdicts. */
static void services_are_measured(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof samplings / sizeof samplings[0]; i++) {
    int result;
    char text[256];
    snprintf(
        text, sizeof text,
        "accounts { B { imports: [ {service: {account: A, subject: x}} ] }\n A { exports: [ {service: x, "
        "latency: %s} ] } }",
        samplings[i].written);
    struct imports *imports = read(text, &result);
    if (samplings[i].sampling < 0) {
      if (imports != NULL) fail_msg("%s is taken", samplings[i].written);
      assert_non_null(strstr(said, "sampling must be headers, or a percentage from 1 to 100"));
      continue;
    }
    if (imports == NULL) fail_msg("%s: %s", samplings[i].written, said);
    assert_string_equal(said, strstr(samplings[i].written, "more") != NULL
                                  ? "test.conf:2:68: warning: latency: there is no field \"more\"; ignored\n"
                                  : "");
    assert_ptr_equal(imports->at[0].export, &imports->exports[0]);
    assert_string_equal(imports->exports[0].latency, "lat");
    assert_int_equal(imports->exports[0].sampling, samplings[i].sampling);
    struct import other = imports->at[0];
    struct export export = imports->exports[0];
    other.export = &export;
    assert_true(import_equal(&other, &imports->at[0]));
    export.sampling++;
    assert_false(import_equal(&other, &imports->at[0]));
    export.latency = NULL;
    assert_false(import_equal(&other, &imports->at[0]));
    imports_free(imports);
  }
}

static void refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int result;
    struct imports *imports = read(bad[i].text, &result);
    if (imports != NULL) fail_msg("%s is taken", bad[i].text);
    assert_int_equal(result, -EINVAL);
    if (strstr(said, bad[i].says) == NULL) fail_msg("%s: %s", bad[i].text, said);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_kinds), cmocka_unit_test(exports_stay),          cmocka_unit_test(places_change),
      cmocka_unit_test(accepted),  cmocka_unit_test(services_are_measured), cmocka_unit_test(refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
