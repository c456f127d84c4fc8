/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_tags and server_metadata: what is read, what is refused, and that a reload may change them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf.h"
#include "labels.h"
#include "options_diff.h"
#include "options_run.h"

static char path[] = "/tmp/tern-labels-XXXXXX";

static struct options_run *parse(const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
  return PARSE("-c", path);
}

static void tags_are_a_string_or_a_list(void **state) {
  (void)state;
  static const struct {
    const char *text, *tags; /* with commas between them */
  } rows[] = {
      {"port: 1", ""},
      {"server_tags: one", "one,"},
      {"Server_Tags: 'Region:EU'", "region:eu,"},
      {"server_tags [ id:XXXX ]", "id:xxxx,"},
      {"server_tags: [b, ' A\t', B, '', '  ', a, c]", "b,a,c,"},
      {"server_tags: []", ""},
      {"server_tags: '\xc3\x84'", "\xc3\x84,"}, /* no ASCII: as written */
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct options_run *run = parse(rows[i].text);
    char tags[64] = "";
    if (run->verdict != OPTIONS_RUN) fail_msg("%s: %s", rows[i].text, run->err);
    assert_string_equal(run->err, "");
    for (size_t n = 0; n < run->options.tag_count; n++)
      snprintf(tags + strlen(tags), sizeof tags - strlen(tags), "%s,", run->options.tags[n]);
    assert_string_equal(tags, rows[i].tags);
    options_free(&run->options);
    assert_null(run->options.tags);
  }
}

static void metadata_is_a_map_of_strings(void **state) {
  (void)state;
  struct options_run *run = parse("server_metadata { zone: a, 'Two Words': 'b c' }");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  assert_string_equal(run->err, "");
  const struct conf_node *metadata = labels_metadata(&run->options);
  assert_string_equal(metadata->first->key, "zone");
  assert_string_equal(metadata->first->text, "a");
  assert_string_equal(metadata->first->next->key, "Two Words");
  options_free(&run->options);
  assert_null(labels_metadata(&run->options));
}

static void anything_else_is_wrong(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
  } rows[] = {
      {"server_tags: 1", ":1:1: server_tags is an integer; it must be a string, or a list of strings"},
      {"server_tags: {a: b}", ":1:1: server_tags is a block; it must be a string, or a list of strings"},
      {"server_tags: [a, 2]", ":1:18: server_tags is an integer; it must be"},
      {"server_metadata: a", ":1:1: server_metadata is a string; it must be a block"},
      {"server_metadata: [a]", ":1:1: server_metadata is an array; it must be a block"},
      {"server_metadata { a: 1 }", ":1:19: a is an integer; it must be a string in quotes"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct options_run *run = parse(rows[i].text);
    if (run->verdict != OPTIONS_FAIL) fail_msg("%s was accepted", rows[i].text);
    assert_contains(run->err, rows[i].says);
    options_free(&run->options);
  }
}

static void note(void *arg, const struct options_change *change) {
  snprintf(arg, 64, "%s %s", change->live ? "live" : "restart", change->name);
}

static void a_reload_may_change_them(void **state) {
  (void)state;
  static const struct {
    const char *before, *after, *change;
  } rows[] = {
      {"server_tags: a", "server_tags: b", "live server_tags"},
      {"port: 4222", "server_metadata { a: b }", "live server_metadata"},
      {"server_tags: a", "server_tags: a", ""},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct options before = parse(rows[i].before)->options, after = parse(rows[i].after)->options;
    char change[64] = "";
    options_diff(&before, &after, note, change);
    assert_string_equal(change, rows[i].change);
    options_free(&before);
    options_free(&after);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tags_are_a_string_or_a_list),
      cmocka_unit_test(metadata_is_a_map_of_strings),
      cmocka_unit_test(anything_else_is_wrong),
      cmocka_unit_test(a_reload_may_change_them),
  };
  close(mkstemp(path));
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
