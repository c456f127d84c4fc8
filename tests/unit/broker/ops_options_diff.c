/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two configurations compared: what is named, how it is shown, what takes a restart; and what --diff prints of it.
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
#include "options_diff.h"
#include "options_run.h"

static char before_path[] = "/tmp/tern-diff-XXXXXX", after_path[] = "/tmp/tern-diff-XXXXXX";

static void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static struct options parse(const char *path, const char *text) {
  write_text(path, text);
  struct options_run *run = PARSE("-c", path);
  if (run->verdict != OPTIONS_RUN) fail_msg("%s: %s", text, run->err);
  return run->options;
}

struct seen {
  char text[2048];
};

static void note(void *arg, const struct options_change *change) {
  struct seen *seen = arg;
  size_t len = strlen(seen->text);
  snprintf(seen->text + len, sizeof seen->text - len, "%s %s '%s' '%s'\n", change->live ? "live" : "restart",
           change->name, change->before, change->after);
}

static const struct row {
  const char *before, *after, *want;
} rows[] = {
    {"port: 4222", "", ""}, /* the default is no change */
    {"port: 4222", "port: 4333", "restart port '4222' '4333'\n"},
    {"listen: 'a:1'", "listen: 'b:2'", "restart host 'a' 'b'\nrestart port '1' '2'\n"},
    {"", "server_name: x", "restart server_name '' 'x'\n"},
    {"server_name: x", "", "restart server_name 'x' ''\n"},
    {"max_payload: 1KB", "max_payload: 2000", "live max_payload '1KB' '2000'\n"},
    {"max_connections: -1", "max_connections: 7", "live max_connections '9223372036854775807' '7'\n"},
    {"max_conn: 7", "max_connections: 7", ""},
    {"ping_interval: '1m'", "ping_interval: '90s'", "live ping_interval '1m' '90s'\n"},
    {"ping_interval: '60s'", "ping_interval: '1m'", ""},
    {"tern { workers: 1 }", "tern { workers: 2 }", "restart workers '1' '2'\n"},
    {"tern { unix_socket: /s, unix_mode: 0660 }", "tern { unix_socket: /s, unix_mode: '0600' }",
     "restart unix_mode '0660' '0600'\n"},
    {"tern { handlers: ['a=m', 'b=n'] }", "tern { handlers: 'a=m' }", "restart handlers 'a=m b=n' 'a=m'\n"},
    {"tern { handlers: ['a=m'] }", "tern { handlers: 'a=k' }", "restart handlers 'a=m' 'a=k'\n"},
    {"tern { handlers: ['a=m'] }", "tern { handlers: 'a=m' }", ""},
    {"pid_file: a, ports_file_dir: /d", "pid_file: b",
     "live pid_file 'a' 'b'\nlive ports_file_dir '/d' ''\n"},
    {"", "no_header_support: true", "restart no_header_support 'false' 'true'\n"},
    {"debug: false", "debug: true", "live debug 'false' 'true'\n"},
    {"log_file: a, trace: true", "trace: false", "live log_file 'a' ''\nlive trace 'true' 'false'\n"},
    {"lame_duck_duration: '1m'", "lame_duck_duration: '2m'", "live lame_duck_duration '1m' '2m'\n"},
};

static void changes_are_named_and_told_apart(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct options before = parse(before_path, rows[i].before), after = parse(after_path, rows[i].after);
    struct seen seen = {""};
    options_diff(&before, &after, note, &seen);
    unsigned lines = 0;
    for (const char *at = rows[i].want; (at = strchr(at, '\n')) != NULL; at++)
      lines++;
    if (strcmp(seen.text, rows[i].want) != 0)
      fail_msg("'%s' -> '%s' gives:\n%swanted:\n%s", rows[i].before, rows[i].after, seen.text, rows[i].want);
    assert_int_equal(options_diff(&before, &after, NULL, NULL), lines);
    options_free(&before);
    options_free(&after);
  }
}

static void set_tree(struct options *options, const char *text) {
  struct conf_error error;
  conf_free(options->conf);
  assert_int_equal(conf_parse("test", text, strlen(text), &options->conf, &error), 0);
}

/* Whether the server can do what a block says is not asked here: trees are compared. */
static void blocks_are_compared_by_their_trees(void **state) {
  (void)state;
  static const struct row trees[] = {
      {"tls { timeout: 1 }", "tls { timeout: 1 }", ""},
      {"tls { timeout: 1 }", "tls { timeout: 2 }", "live tls.timeout '1' '2'\n"},
      {"tls { timeout: 1 }", "tls { timeout: 1, verify: true }", "live tls.verify '' 'true'\n"},
      {"tls { timeout: 1 }", "", "live tls '{timeout: 1}' ''\n"},
      {"authorization { token: s3cret }", "authorization { token: other }",
       "live authorization.token '(a secret)' '(another one)'\n"},
      {"tern { overflow { default: latest } }", "tern { overflow { default: drop_new } }",
       "live overflow.default 'latest' 'drop_new'\n"},
      {"tern { workers: 2 }", "tern { workers: 2, overflow {} }", "live overflow '' '{}'\n"},
      {"tern { unix_users { root: a } }", "tern { unix_users { root: b } }",
       "live unix_users.root 'a' 'b'\n"},
      {"allow_non_tls: true", "allow_non_tls: false", "live allow_non_tls 'true' 'false'\n"},
      {"no_auth_user: a", "no_auth_user: b", "live no_auth_user 'a' 'b'\n"},
      {"system: A", "system: B", "restart system_account 'A' 'B'\n"},
      {"no_sys_acc: false", "no_sys_acc: true", "restart no_system_account 'false' 'true'\n"},
      {"", "no_system: true", "restart no_system_account '' 'true'\n"},
      {"", "no_system: false", ""},
      {"no_sys_acc: off", "no_system: false", ""},
      {"server_tags: a", "server_tags: [a]", "live server_tags 'a' '[a]'\n"},
  };
  for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
    struct options before = parse(before_path, ""), after = parse(after_path, "");
    struct seen seen = {""};
    set_tree(&before, trees[i].before);
    set_tree(&after, trees[i].after);
    options_diff(&before, &after, note, &seen);
    assert_string_equal(seen.text, trees[i].want);
    options_free(&before);
    options_free(&after);
  }
}

static void diff_prints_what_would_change(void **state) {
  (void)state;
  write_text(before_path, "port: 1, max_payload: 1KB");
  write_text(after_path, "port: 2, max_payload: 2KB");
  struct options_run *run = PARSE("-c", after_path, "-t", "--diff", before_path);
  assert_int_equal(run->verdict, OPTIONS_EXIT);
  assert_string_equal(run->out, "restart  port: 1 -> 2\nlive     max_payload: 1KB -> 2KB\n");
  options_free(&run->options);
  run = PARSE("-c", after_path, "-t", "--diff", before_path, "-p", "3"); /* flags are above both */
  assert_string_equal(run->out, "live     max_payload: 1KB -> 2KB\n");
  options_free(&run->options);
  run = PARSE("-c", after_path, "-t", "--diff", after_path);
  assert_int_equal(run->verdict, OPTIONS_EXIT);
  assert_string_equal(run->out, "nothing would change\n");
  options_free(&run->options);
}

static void diff_needs_two_good_files(void **state) {
  (void)state;
  write_text(after_path, "port: 2");
  write_text(before_path, "port: x");
  struct options_run *run = PARSE("-c", after_path, "-t", "--diff", before_path);
  assert_int_equal(run->verdict, OPTIONS_FAIL);
  assert_contains(run->err, before_path);
  options_free(&run->options);
  run = PARSE("-c", after_path, "--diff", after_path);
  assert_int_equal(run->verdict, OPTIONS_FAIL);
  assert_contains(run->err, "it goes with -t");
  options_free(&run->options);
  run = PARSE("-t", "--diff", after_path);
  assert_int_equal(run->verdict, OPTIONS_FAIL);
  assert_contains(run->err, "name it with -c");
  options_free(&run->options);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(changes_are_named_and_told_apart),
      cmocka_unit_test(blocks_are_compared_by_their_trees),
      cmocka_unit_test(diff_prints_what_would_change),
      cmocka_unit_test(diff_needs_two_good_files),
  };
  close(mkstemp(before_path));
  close(mkstemp(after_path));
  int failed = cmocka_run_group_tests_name("ops/options_diff", tests, NULL, NULL);
  unlink(before_path);
  unlink(after_path);
  return failed;
}
