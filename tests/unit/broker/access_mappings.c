/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings of an account: which one holds, how weights decide, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf_report.h"
#include "mappings.h"

static char said[4096];

static void line(void *arg, bool warning, const char *text) {
  (void)arg;
  (void)warning;
  size_t len = strlen(said);
  snprintf(said + len, sizeof said - len, "%s\n", text);
}

static struct mappings *read(const char *text, int *result, unsigned *warnings) {
  struct conf_error error;
  struct conf *conf;
  struct conf_report report = {.line = line};
  said[0] = '\0';
  if (conf_parse("test.conf", text, strlen(text), &conf, &error) != 0) fail_msg("%s", error.text);
  struct mappings *mappings;
  *result = mappings_read(conf_root(conf), &report, &mappings);
  if (warnings != NULL) *warnings = report.warnings;
  conf_free(conf);
  return mappings;
}

static void check(const struct mappings *mappings, const char *from, uint64_t draw, const char *to) {
  char room[64];
  size_t len = mappings_apply(mappings, (struct tern_slice){from, strlen(from)}, draw, room, sizeof room);
  if (len != strlen(to) || memcmp(room, to, len) != 0)
    fail_msg("%s became %.*s, not %s", from, (int)len, room, to);
}

static void maps(void **state) {
  (void)state;
  int result;
  struct mappings *m = read(
      "old: new, \"w.*\": \"m.$1\", \"w.special\": never\n"
      "api: [ {destination: api1, weight: 60%}, {dest: api2, weight: 30} ]\n"
      "one: {destination: other, weight: 100}",
      &result, NULL);
  assert_int_equal(result, 0);
  check(m, "old", 0, "new");
  check(m, "old", 99, "new");
  check(m, "new", 0, "");
  check(m, "w.1", 5, "m.1");
  check(m, "w.special", 5, "m.special"); /* the first that matches */
  check(m, "api", 0, "api1");
  check(m, "api", 59, "api1");
  check(m, "api", 160, "api2");
  check(m, "api", 89, "api2");
  check(m, "api", 90, ""); /* what is left stays */
  check(m, "one", 99, "other");
  mappings_free(m);
}

static void check_entry(const struct mappings_entry *entry, const char *text) {
  char told[256];
  size_t len = (size_t)snprintf(told, sizeof told, "%s:", entry->source);
  for (size_t i = 0; i < entry->count; i++)
    len += (size_t)snprintf(told + len, sizeof told - len, " %.*s %u", (int)entry->shares[i].subject.len,
                            entry->shares[i].subject.ptr, entry->shares[i].until);
  assert_string_equal(told, text);
}

/* As nats-server 2.9 tells them, which tells those for clusters as well. */
static void told_as_by_nats_server(void **state) {
  (void)state;
  static const char *const told[] = {
      "cl: c1 0 cl 10",
      "cluster: cluster 100",
      "dup: dup 20 z 100",
      "ident.>: x.> 100",
      "one: c0 20 one 100",
      "p.*: p2.$1 20 p1.$1 60 p.$1 100",
      "u.*.a*.*.>: q.$2.$1.> 0 u.$1.a*.$2.> 100",
      "w.*.*: m.$2.$1 100",
  };
  int result;
  size_t count;
  struct mappings *m = read(
      "\"w.*.*\": \"m.$2.$1\", \"ident.>\": \"x.>\", one: {destination: c0, weight: 20}\n"
      "dup: [ {destination: z, weight: 80} ], cl: [ {destination: cl, weight: 10}, {destination: c1, weight: "
      "0} ]\n"
      "\"p.*\": [ {destination: \"p1.$1\", weight: 40%}, {destination: \"p2.$1\", weight: 20%} ]\n"
      "\"u.*.a*.*.>\": [ {destination: \"q.$2.$1.>\", weight: 0} ]\n"
      "cluster: [ {destination: c, weight: 100, cluster: X} ]",
      &result, NULL);
  if (result != 0) fail_msg("%s", said);
  const struct mappings_entry *list = mappings_list(m, &count);
  assert_int_equal(count, sizeof told / sizeof told[0]);
  for (size_t i = 0; i < count; i++)
    check_entry(&list[i], told[i]);
  mappings_free(m);
}

static void for_a_cluster(void **state) {
  (void)state;
  int result;
  unsigned warnings;
  struct mappings *m =
      read("a: [ {destination: b, weight: 100%}, {destination: c, weight: 100%, cluster: X} ]", &result,
           &warnings);
  assert_int_equal(result, 0);
  assert_int_equal(warnings, 1);
  for (uint64_t draw = 0; draw < 100; draw++)
    check(m, "a", draw, "b");
  mappings_free(m);
}

static void none(void **state) {
  (void)state;
  int result;
  assert_null(read("", &result, NULL));
  assert_int_equal(result, 0);
  mappings_free(NULL);
}

static void refused(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
  } bad[] = {
      {"a: {destination: b}", "test.conf:1:1: mapping from \"a\": the destination \"b\" has no weight"},
      {"a: {weight: 5%}", "a destination is missing"},
      {"a: {destination: b, weight: 101}", "weight must be a percentage from 0 to 100"},
      {"a: {destination: b, weight: x}", "weight must be a percentage from 0 to 100"},
      {"a: {destination: b, weight: \"50%%\"}", "weight must be a percentage from 0 to 100"},
      {"a: [{destination: b, weight: 60}, {destination: c, weight: 60}]", "more than 100% in all"},
      {"a: {destination: b, weight: 5, foo: 1}", "unknown field \"foo\""},
      {"a: 1", "must be a subject in quotes"},
      {"a: [b]", "must be {destination"},
      {"a..b: c", "the source is not a valid subject"},
      {"\"a.*\": \"b.$2\"", "a wildcard that the source does not have"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int result;
    assert_null(read(bad[i].text, &result, NULL));
    assert_int_equal(result, -EINVAL);
    if (strstr(said, bad[i].says) == NULL) fail_msg("%s: %s", bad[i].text, said);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(maps), cmocka_unit_test(told_as_by_nats_server),
                                     cmocka_unit_test(for_a_cluster), cmocka_unit_test(none),
                                     cmocka_unit_test(refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
