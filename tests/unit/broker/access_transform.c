/* SPDX-License-Identifier: Apache-2.0 */
/* From subject to subject: every kind of destination, what does not fit, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "transform.h"

static const struct {
  const char *filter, *destination;
  unsigned how;
  const char *subject, *result;
} good[] = {
    {"old", "new", 0, "old", "new"},
    {"a.*", "b.$1", 0, "a.x", "b.x"},
    {"a.*", "b", 0, "a.x", "b"},
    {"a.*.*", "b.$2.$1", 0, "a.x.yy", "b.yy.x"},
    {"a.*.*", "b.{{wildcard(2)}}.{{ Wildcard( 1 ) }}", 0, "a.x.y", "b.y.x"},
    {"a.>", "b.>", 0, "a.x.y.z", "b.x.y.z"},
    {">", "all.>", 0, "x", "all.x"},
    {"*.b.>", "$1.>", 0, "a.b.c.d", "a.c.d"},
    {"*.x.*", "y.$1", 0, "k.x.l", "y.k"},
    {"a.*", "b.*", TRANSFORM_STARS, "a.x", "b.x"},
    {"a.*.*", "b.*.*", TRANSFORM_STARS, "a.x.y", "b.x.y"},
    {"a.*.*", "b.$2.$1", TRANSFORM_STARS, "a.x.y", "b.y.x"},
    {"ev.>", "imp.ev.>", TRANSFORM_STARS, "ev.x", "imp.ev.x"},
    {"a.*.*", "b.$1.$1", TRANSFORM_STARS, "a.x.y", "b.x.x"},
    {"a.*.*", "b.*.$1", TRANSFORM_STARS, "a.x.y", "b.x.x"},
    {"a.>", "b", TRANSFORM_FUNNEL, "a.x.y", "b"},
    /* the numbers are nats-server's */
    {"p.*", "q.{{partition(10,1)}}.$1", 0, "p.7", "q.6.7"},
    {"p.*.*", "q.{{partition(1,1,2)}}", 0, "p.a.b", "q.0"},
    {"s.*", "{{splitfromleft(1,3)}}", 0, "s.12345", "123.45"},
    {"s.*", "{{splitfromright(1,3)}}", 0, "s.12345", "12.345"},
    {"s.*", "{{SplitFromLeft(1,9)}}", 0, "s.12345", "12345"},
    {"s.*", "{{slicefromleft(1,3)}}", 0, "s.1234567890", "123.456.789.0"},
    {"s.*", "{{slicefromright(1,3)}}", 0, "s.1234567890", "1.234.567.890"},
    {"s.*", "{{slicefromright(1,2)}}", 0, "s.1234", "12.34"},
    {"s.*", "{{split(1,-)}}.z", 0, "s.-abc-def--ghi-", "abc.def.ghi.z"},
    {"s.*", "{{left(1,2)}}.{{right(1,2)}}", 0, "s.12345", "12.45"},
    {"s.*", "x.{{splitfromleft(1,0)}}", 0, "s.ab", "x.ab"},
    {"a.b", "x.$y.$", 0, "a.b", "x.$y.$"},
};

static void transforms(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    const char *problem;
    char to[64];
    struct transform *t = transform_new(good[i].filter, good[i].destination, good[i].how, &problem);
    if (t == NULL) fail_msg("%s -> %s: %s", good[i].filter, good[i].destination, problem);
    struct tern_slice subject = {good[i].subject, strlen(good[i].subject)};
    assert_true(transform_matches(t, subject));
    assert_false(transform_matches(t, (struct tern_slice){"no.such.subject.at.all", 22}) &&
                 good[i].filter[0] != '>');
    size_t len = transform_apply(t, subject, to, sizeof to);
    assert_int_equal(len, strlen(good[i].result));
    assert_memory_equal(to, good[i].result, len);
    /* with exactly that much room, and with one byte less */
    assert_int_equal(transform_apply(t, subject, to, len), len);
    assert_int_equal(transform_apply(t, subject, to, len - 1), 0);
    transform_free(t);
  }
}

static const struct {
  const char *filter, *destination;
  unsigned how;
  const char *problem;
} bad[] = {
    {"a..b", "c", 0, "the source is not a valid subject"},
    {"a", "c.", 0, "the destination is not a valid subject"},
    {"a.>", "b", 0, "both subjects must end with '>', or none"},
    {"a", "b.>", 0, "both subjects must end with '>', or none"},
    {"a.*", "b.*", 0, "the destination must not have '*'"},
    {"a.*", "b.$2", 0, "a wildcard that the source does not have"},
    {"a.*", "b.$0", 0, "a wildcard that the source does not have"},
    {"a", "b.$1", 0, "a wildcard that the source does not have"},
    {"a.*", "b.{{wildcard(2)}}", 0, "a wildcard that the source does not have"},
    {"a.*", "b.{{wildcard()}}", 0, "a wildcard that the source does not have"},
    {"a.*", "b.{{wildcard(1,1)}}", 0, "the wrong number of arguments"},
    {"a.*", "b.{{nothing(1)}}", 0, "a function that does not exist"},
    {"a.*", "b.{{wildcard}}", 0, "without a function"},
    {"a.*", "b.{{}}", 0, "without a function"},
    {"a.*", "b.{{partition(0,1)}}", 0, "at least 1"},
    {"a.*", "b.{{partition(5)}}", 0, "the wrong number of arguments"},
    {"a.*", "b.{{partition(5,2)}}", 0, "a wildcard that the source does not have"},
    {"a.*", "b.{{splitfromleft(1,x)}}", 0, "needs a number as its second argument"},
    {"a.*", "b.{{left(1)}}", 0, "the wrong number of arguments"},
    {"a.*", "b.{{split(1,)}}", 0, "split() needs a separator"},
    {"a.*", "b", TRANSFORM_STARS, "both subjects must have the same wildcards"},
    {"a.*.*", "b.$1", TRANSFORM_STARS, "both subjects must have the same wildcards"},
    {"a.b", "b.*", TRANSFORM_STARS, "a wildcard that the source does not have"},
    {"a.>", "b.$1", TRANSFORM_FUNNEL, "a wildcard that the source does not have"},
    {"*.>", "b.*.c", TRANSFORM_FUNNEL, "both subjects must end with '>', or none"},
    {"*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*", "x", 0, "more than 32"},
};

static void refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    const char *problem = NULL;
    struct transform *t = transform_new(bad[i].filter, bad[i].destination, bad[i].how, &problem);
    if (t != NULL) fail_msg("%s -> %s is taken", bad[i].filter, bad[i].destination);
    assert_non_null(problem);
    if (strstr(problem, bad[i].problem) == NULL)
      fail_msg("%s -> %s: %s", bad[i].filter, bad[i].destination, problem);
  }
}

/* Services: the verdicts and the subjects are nats-server's, but for the last four of the refused, where it publishes to
 * subjects that make no sense. */
static const struct {
  const char *filter, *destination, *from, *subject, *result;
} backs[] = {
    {"a.b", "z", "z", "z", "a.b"},
    {"a.b", "z.*", "z.*", "z.x", "a.b"},
    {"a.b", "z.>", "z.>", "z.x.y", "a.b"},
    {"a.b", "z.$1", "z.$1", "z.$1", "a.b"},
    {"a.>", "z.y.>", "z.y.>", "z.y.k.l", "a.k.l"},
    {"a.*.*", "z.*.*", "z.*.*", "z.x.y", "a.x.y"},
    {"a.*.*", "z.$2.$1", "z.*.*", "z.x.y", "a.y.x"},
    {"a.*.*", "$2.q.$1", "*.q.*", "x.q.y", "a.y.x"},
    {"a.*.*.*", "z.$3.$1.$2", "z.*.*.*", "z.x.y.w", "a.w.x.y"},
    {"a.*.*", "z.$1.$1", "z.*.*", "z.x.y", "a.x.x"},
    {"a.*.*", "z.$2.*", "z.*.*", "z.x.y", "a.y.x"},
    {"*.b.*.>", "$2.q.{{wildcard(1)}}.c.>", "*.q.*.c.>", "x.q.y.c.v.w", "y.b.x.v.w"},
    {"a.*.*.*.*.*.*.*.*.*.*", "$10.*.$3.$4.$5.$6.$7.$8.$9.$2", "*.*.*.*.*.*.*.*.*.*", "0.1.2.3.4.5.6.7.8.9",
     "a.9.0.2.3.4.5.6.7.8.1"},
};

static void ways_back(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof backs / sizeof backs[0]; i++) {
    const char *problem;
    char to[64];
    struct transform *t = transform_new_back(backs[i].filter, backs[i].destination, &problem);
    if (t == NULL) fail_msg("%s <- %s: %s", backs[i].filter, backs[i].destination, problem);
    struct tern_slice subject = {backs[i].subject, strlen(backs[i].subject)}, from = transform_filter(t);
    assert_int_equal(from.len, strlen(backs[i].from));
    assert_memory_equal(from.ptr, backs[i].from, from.len);
    assert_true(transform_matches(t, subject));
    size_t len = transform_apply(t, subject, to, sizeof to);
    assert_int_equal(len, strlen(backs[i].result));
    assert_memory_equal(to, backs[i].result, len);
    transform_free(t);
  }
}

static void no_ways_back(void **state) {
  (void)state;
  static const char *const none[][3] = {
      {"a.*.*", "z.$1", "both subjects must have the same wildcards"},
      {"a.*.*", "z", "both subjects must have the same wildcards"},
      {"a.*.*", "z.$3.$1", "a wildcard that the source does not have"},
      {"a.*.*", "z.*.*.*", "a wildcard that the source does not have"},
      {"a.*.>", "z.$1", "both subjects must end with '>', or none"},
      {"a.*.b", "z.$1.>", "both subjects must end with '>', or none"},
      {"a..b", "z", "the source is not a valid subject"},
      {"a.*.*", "z.$1.$2.$1", "both subjects must have the same wildcards"},
      {"a.*.*", "z.$0.$1", "a wildcard that the source does not have"},
      {"a.*.*", "z.$2.{{partition(5,1)}}", "no functions but {{wildcard()}}"},
      {"a.*", "z.{{left(1,2)}}", "no functions but {{wildcard()}}"},
  };
  for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
    const char *problem = NULL;
    if (transform_new_back(none[i][0], none[i][1], &problem) != NULL)
      fail_msg("%s <- %s is taken", none[i][0], none[i][1]);
    assert_non_null(problem);
    if (strstr(problem, none[i][2]) == NULL) fail_msg("%s <- %s: %s", none[i][0], none[i][1], problem);
  }
}

static void equal(void **state) {
  (void)state;
  const char *problem;
  struct transform *one = transform_new("a.*", "b.*", TRANSFORM_STARS, &problem);
  struct transform *same = transform_new("a.*", "b.*", TRANSFORM_STARS, &problem);
  struct transform *other = transform_new("a.*", "b.$1", TRANSFORM_STARS, &problem);
  struct transform *third = transform_new("*.a", "b.*", TRANSFORM_STARS, &problem);
  assert_true(transform_equal(one, same));
  assert_false(transform_equal(one, other));
  assert_false(transform_equal(one, third));
  assert_int_equal(transform_filter(one).len, 3);
  transform_free(one);
  transform_free(same);
  transform_free(other);
  transform_free(third);
  transform_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(transforms), cmocka_unit_test(refused),
                                     cmocka_unit_test(ways_back), cmocka_unit_test(no_ways_back),
                                     cmocka_unit_test(equal)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
