/* SPDX-License-Identifier: Apache-2.0 */
/* Distinguished names: which are the same, which only in another order, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dn.h"

static const struct {
  const char *one, *other;
  enum dn_likeness likeness;
} cases[] = {
    {"CN=a", "CN=a", DN_SAME},
    {"CN=a,O=b", "CN=a,O=b", DN_SAME},
    {"CN=a,O=b", "cn=a , o=b", DN_SAME},
    {"CN=a,O=b", "CN= a,O =b ", DN_SAME},
    {"CN=a;O=b", "CN=a,O=b", DN_SAME},
    {"CN=a,O=b", "O=b,CN=a", DN_REORDERED},
    {"DC=x,DC=y,CN=a", "CN=a,DC=y,DC=x", DN_REORDERED},
    {"CN=a+O=b,C=c", "O=b+CN=a,C=c", DN_SAME},
    {"2.5.4.3=a", "CN=a", DN_SAME},
    {"OID.2.5.4.10=a", "O=a", DN_SAME},
    {"emailAddress=a@b", "1.2.840.113549.1.9.1=a@b", DN_SAME},
    {"CN=a\\,b", "CN=a\\2Cb", DN_SAME},
    {"CN=\\20a\\ ", "CN=\\ a\\20", DN_SAME},
    {"CN=\\C3\\A9", "CN=\xc3\xa9", DN_SAME},
    {"CN=", "CN=", DN_SAME},
    {"CN=a", "CN=A", DN_OTHER},
    {"CN=a", "O=a", DN_OTHER},
    {"CN=a", "CN=a,O=b", DN_OTHER},
    {"CN=a,CN=a,CN=b", "CN=a,CN=b,CN=b", DN_OTHER},
    {"CN=a,O=b", "CN=a+O=b", DN_OTHER},
    {"CN=a+O=b", "CN=a+O=c", DN_OTHER},
    {"CN=a+O=b,C=c", "CN=a+O=b+L=d,C=c", DN_OTHER},
    {"CN=a\\,O=b", "CN=a,O=b", DN_OTHER},
    {"CN=ab", "CN=a b", DN_OTHER},
    {"CN=a", "CN=a\\ ", DN_OTHER},
    /* these are no names */
    {"", "", DN_OTHER},
    {"a", "a", DN_OTHER},
    {"=a", "=a", DN_OTHER},
    {"CN=a,", "CN=a,", DN_OTHER},
    {",CN=a", ",CN=a", DN_OTHER},
    {"CN=a\\", "CN=a\\", DN_OTHER},
    {"CN=a\\x", "CN=a\\x", DN_OTHER},
    {"C N=a", "C N=a", DN_OTHER},
    {"CN=\"a\"", "CN=\"a\"", DN_OTHER},
};

static void names_are_compared_by_their_parts(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    if (dn_compare(cases[i].one, cases[i].other) != cases[i].likeness)
      fail_msg("%s and %s", cases[i].one, cases[i].other);
    if (dn_compare(cases[i].other, cases[i].one) != cases[i].likeness)
      fail_msg("%s and %s", cases[i].other, cases[i].one);
  }
}

static void names_have_a_bound(void **state) {
  (void)state;
  char text[2 * DN_BYTES_MAX], *to = text;
  for (int i = 0; i < DN_PARTS_MAX; i++)
    to += snprintf(to, 8, "%sCN=%c", i > 0 ? "," : "", 'a' + i % 26);
  assert_int_equal(dn_compare(text, text), DN_SAME);
  snprintf(to, 8, ",CN=a");
  assert_int_equal(dn_compare(text, text), DN_OTHER);
  memset(text, 'x', DN_BYTES_MAX + 1);
  memcpy(text, "CN=", 3);
  text[DN_BYTES_MAX] = '\0';
  assert_int_equal(dn_compare(text, text), DN_SAME);
  text[DN_BYTES_MAX] = 'x';
  text[DN_BYTES_MAX + 1] = '\0';
  assert_int_equal(dn_compare(text, text), DN_OTHER);
  memset(text, '=', DN_BYTES_MAX); /* the longest text there is room for */
  text[0] = 'a';
  text[DN_BYTES_MAX] = '\0';
  assert_int_equal(dn_compare(text, text), DN_SAME);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_are_compared_by_their_parts),
      cmocka_unit_test(names_have_a_bound),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
