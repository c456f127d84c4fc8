/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of subjects and filters, case by case and exhaustively against the naive oracle over short texts,
 * dots included, so that every placing of empty tokens occurs.
 */
#include "fixture.h"

static struct tern_slice s(const char *text) { return tern_slice_of(text); }

static void test_validity(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool filter, wildcard, subject, literal;
    unsigned tokens;
  } cases[] = {
      {"a", true, false, true, true, 1},
      {"a.b.c", true, false, true, true, 3},
      {"*", true, true, true, false, 1},
      {">", true, true, true, false, 1},
      {"a.*", true, true, true, false, 2},
      {"a.>", true, true, true, false, 2},
      {"a.>.b", false, true, true, false, 3},
      {"a*", true, false, true, true, 1},
      {"a.*b", true, false, true, true, 2},
      {"a.>>", true, false, true, true, 2},
      {"a>", true, false, true, true, 1},
      {"*.*.>", true, true, true, false, 3},
      {"", false, false, false, false, 1},
      {".", false, false, false, false, 2},
      {"a.", false, false, false, false, 2},
      {".a", false, false, false, false, 2},
      {"a..b", false, false, false, false, 3},
      {"$SYS.x", true, false, true, true, 2},
      {"\xff\x01.\xc3\xa4", true, false, true, true, 2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(tern_filter_is_valid(s(cases[i].text)), cases[i].filter);
    assert_int_equal(tern_subject_is_valid(s(cases[i].text)), cases[i].subject);
    assert_int_equal(tern_subject_is_literal(s(cases[i].text)), cases[i].literal);
    assert_int_equal(tern_subject_tokens(s(cases[i].text)), cases[i].tokens);
    if (cases[i].filter) assert_int_equal(tern_filter_has_wildcard(s(cases[i].text)), cases[i].wildcard);
  }
}

static void test_matching_cases(void **state) {
  (void)state;
  static const struct {
    const char *filter, *subject;
    bool matches;
  } cases[] = {
      {"foo.>", "foo", false},        {"foo.>", "foo.bar", true}, {"foo.*.>", "foo.bar", false},
      {"foo.*.>", "foo.bar.b", true}, {">", "$SYS.x", true},      {"foo.*", "foo.*", true},
      {"foo.*", "foo.>", true},       {"foo.>", "foo.>", true},   {"foo.>", "foo.*", true},
      {">", "a..b", false},           {"*", "", false},           {"a.*b", "a.xb", false},
      {"a.*b", "a.*b", true},         {"Foo", "foo", false},      {"a.b", "a.b.c", false},
      {"a.b.c", "a.b", false},        {"*.*", "a", false},        {"foo.bar", "foo.*", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_int_equal(tern_filter_matches(s(cases[i].filter), s(cases[i].subject)), cases[i].matches);
}

static void any_text(unsigned number, char text[6]) {
  unsigned len = 0, count = 1;
  while (number >= count) {
    number -= count;
    count *= 4;
    len++;
  }
  for (unsigned i = 0; i < len; i++, number /= 4)
    text[i] = "a.*>"[number % 4];
  text[len] = '\0';
}

static void test_matching_is_the_oracles(void **state) {
  (void)state;
  enum { COUNT = 1 + 4 + 16 + 64 + 256 + 1024 };
  for (unsigned f = 0; f < COUNT; f++) {
    char filter[6];
    any_text(f, filter);
    if (!tern_filter_is_valid(s(filter))) {
      assert_false(tern_filter_matches(s(filter), s("a")));
      continue;
    }
    for (unsigned t = 0; t < COUNT; t++) {
      char subject[6];
      any_text(t, subject);
      if (tern_filter_matches(s(filter), s(subject)) != oracle_matches(filter, subject))
        fail_msg("filter %s, subject %s", filter, subject);
    }
  }
}

static void test_hash_is_of_the_bytes(void **state) {
  (void)state;
  char copy[] = "xa.b";
  assert_true(tern_subject_hash(s("a.b")) == tern_subject_hash(s(copy + 1)));
  assert_true(tern_subject_hash(s("a.b")) != tern_subject_hash(s("a.c")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_validity),
      cmocka_unit_test(test_matching_cases),
      cmocka_unit_test(test_matching_is_the_oracles),
      cmocka_unit_test(test_hash_is_of_the_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
