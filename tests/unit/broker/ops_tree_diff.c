/* SPDX-License-Identifier: Apache-2.0 */
/* Differences between trees: where they are, what is shown of them, and what never is. */
#include "tree_diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEED "SUANCSC5OGOHVV7PA6VW5K3T4BWNL6HI6VRQA4U6UM2SSULMAFVQOU3XYQ"

static char told[65536];

static void note(void *arg, const char *name, const char *before, const char *after) {
  const size_t len = strlen(told);
  ++*(unsigned *)arg;
  snprintf(told + len, sizeof told - len, "%s: %s -> %s\n", name, before, after);
}

static struct conf *parse(const char *text) {
  struct conf *conf;
  struct conf_error error;
  if (conf_parse("test", text, strlen(text), &conf, &error) != 0) fail_msg("%s: %s", text, error.text);
  return conf;
}

/* Compares what is under the key `b` of two texts; what is told is in `told`. */
static void compare(const char *before, const char *after) {
  struct conf *a = parse(before), *b = parse(after);
  const struct conf_node *in_a = conf_find(conf_root(a), "b"), *in_b = conf_find(conf_root(b), "b");
  unsigned calls = 0;
  told[0] = '\0';
  const unsigned count = tree_diff("b", in_a, in_b, note, &calls);
  assert_int_equal(calls, count);
  assert_int_equal(tree_diff("b", in_a, in_b, NULL, NULL), count);
  conf_free(a);
  conf_free(b);
}

struct row {
  const char *before, *after, *want;
};

static void check(const struct row *rows, size_t count) {
  for (size_t i = 0; i < count; i++) {
    compare(rows[i].before, rows[i].after);
    if (strcmp(told, rows[i].want) != 0)
      fail_msg("%s -> %s gives:\n%swanted:\n%s", rows[i].before, rows[i].after, told, rows[i].want);
  }
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof(rows)[0])

static void each_key_that_differs_is_told(void **state) {
  (void)state;
  static const struct row rows[] = {
      {"b: 1", "b: 1", ""},
      {"", "", ""},
      {"b: 1", "b: x", "b: 1 -> x\n"},
      {"b: 1", "", "b: 1 -> \n"},
      {"", "b { c: 1, d { e: [x, y] } }", "b:  -> {c: 1, d: {e: [x, y]}}\n"},
      {"b: 1", "b: '1'", "b: 1 as an integer -> 1 as a string\n"},
      {"b { c: 1, d: 2, e: 3 }", "b { c: 1, d: 4 }", "b.d: 2 -> 4\nb.e: 3 -> \n"},
      {"b { d: 2 }", "b { c: 1, d: 2 }", "b.c:  -> 1\n"},
      {"b { c { d { e: 1, f: 2 } } }", "b { c { d { f: 2, e: 3 } } }", "b.c.d.e: 1 -> 3\n"},
      {"b { c: 1 }", "b: [1]", "b: {c: 1} -> [1]\n"},
      {"b { c: 1, d: 2 }", "b { d: 2, c: 1 }", "b: (a block) -> (in another order)\n"},
      {"b { c { d: 1, e: 1 }, f: 1 }", "b { c { e: 1, d: 1 }, f: 2 }",
       "b.c: (a block) -> (in another order)\nb.f: 1 -> 2\n"},
      {"b: \"a\x1b[2J\\nx\"", "b: y", "b: a?[2J?x -> y\n"},
  };
  CHECK(rows);
}

static void of_lists_what_is_left_is_told(void **state) {
  (void)state;
  static const struct row rows[] = {
      {"b: [x]", "b: [x, y]", "b: [..] -> [.., y]\n"},
      {"b: [x, y]", "b: [y]", "b: [x, ..] -> [..]\n"},
      {"b: []", "b: [x]", "b: [] -> [x]\n"},
      {"b: [x, y, z]", "b: [x, q, z]", "b: [.., y, ..] -> [.., q, ..]\n"},
      {"b: [x, x]", "b: [x, x, x]", "b: [..] -> [.., x]\n"},
      {"b: [{u: a, p: 1}, {u: b}, {u: c}]", "b: [{u: a, p: 1}, {u: b, p: 2}, {u: c}]", "b[2].p:  -> 2\n"},
      {"b: [{u: a}, {u: b}]", "b: [{u: c}, {u: d}]", "b[1].u: a -> c\nb[2].u: b -> d\n"},
      {"b: [{u: a}, {u: c}]", "b: [{u: a}, {u: b}, {u: c}]", "b: [..] -> [.., {u: b}, ..]\n"},
      {"b: [{u: a}, x]", "b: [{u: b}, y]", "b: [{u: a}, x] -> [{u: b}, y]\n"},
  };
  CHECK(rows);
}

static void secrets_are_not_told(void **state) {
  (void)state;
  static const struct row rows[] = {
      {"b { password: s3cret }", "b { password: s3cret2 }", "b.password: (a secret) -> (another one)\n"},
      {"b { user: a }", "b { user: a, pass: s3cret }", "b.pass:  -> (a secret)\n"},
      {"b { Token: s3cret }", "b {}", "b.Token: (a secret) -> \n"},
      {"", "b: [{user: a, password: s3cret}]", "b:  -> [{user: a, password: (a secret)}]\n"},
      {"b: [{user: a, password: s3cret}]", "b: [{user: a, password: s3cret3}]",
       "b[1].password: (a secret) -> (another one)\n"},
      {"b { password { x: s3cret } }", "b { password: [s3cret] }",
       "b.password: (a secret) -> (another one)\n"},
      {"b { k: '" SEED "' }", "b { k: [x, '" SEED "'] }", "b.k: (a secret) -> [x, (a secret)]\n"},
      {"b { PW: s3cret, users: [{pass: $PW}] }", "b { PW: s3cret4, users: [{pass: $PW}] }",
       "b.PW: (a secret) -> (another one)\nb.users[1].pass: (a secret) -> (another one)\n"},
  };
  CHECK(rows);
}

static void what_is_long_is_cut(void **state) {
  (void)state;
  char before[4096] = "b: ", *end = before + strlen(before);
  memset(end, 'z', 2000);
  end[2000] = '\0';
  compare(before, "b: y");
  assert_non_null(strstr(told, "zzz... -> y\n"));
  assert_true(strlen(told) < 300);
  size_t len = (size_t)snprintf(before, sizeof before, "b: ");
  for (unsigned i = 0; i < 60; i++)
    len += (size_t)snprintf(before + len, sizeof before - len, "{ a_rather_long_key: ");
  before[len++] = '1';
  for (unsigned i = 0; i < 60; i++)
    len += (size_t)snprintf(before + len, sizeof before - len, "}");
  compare(before, "b: y");
  assert_non_null(strstr(told, "... -> y\n"));
}

static void many_are_told_up_to_a_bound(void **state) {
  (void)state;
  static char before[65536], after[65536];
  size_t len_a = (size_t)snprintf(before, sizeof before, "b { ");
  size_t len_b = (size_t)snprintf(after, sizeof after, "b { ");
  for (unsigned i = 0; i < TREE_DIFF_MAX + 50; i++) {
    len_a += (size_t)snprintf(before + len_a, sizeof before - len_a, "k%u: 1, ", i);
    len_b += (size_t)snprintf(after + len_b, sizeof after - len_b, "k%u: 2, ", i);
  }
  before[len_a++] = after[len_b++] = '}';
  compare(before, after);
  assert_non_null(strstr(told, "b.k99: 1 -> 2\nb:  -> and more\n"));
  assert_null(strstr(told, "b.k100"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_key_that_differs_is_told), cmocka_unit_test(of_lists_what_is_left_is_told),
      cmocka_unit_test(secrets_are_not_told),          cmocka_unit_test(what_is_long_is_cut),
      cmocka_unit_test(many_are_told_up_to_a_bound),
  };
  return cmocka_run_group_tests_name("ops_tree_diff", tests, NULL, NULL);
}
