/* SPDX-License-Identifier: Apache-2.0 */
/* Transport addresses as text: there and back, what only listeners may use, and limits. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "url.h"

static void there_and_back(void **state) {
  (void)state;
  static const char *const urls[] = {"tcp://127.0.0.1:4222",       "tcp://0.0.0.0:0",
                                     "tcp://[::1]:65535",          "tcp://[2001:db8::1]:1",
                                     "unix:///run/tern/tern.sock", "unix://relative"};
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    for (int passive = 0; passive < 2; passive++) {
      struct tern__address address;
      char text[TERN__URL_MAX];
      assert_int_equal(tern__url_parse(urls[i], passive, &address), 0);
      assert_true(address.len > sizeof(sa_family_t) && address.len <= sizeof address.storage);
      tern__url_format(&address, text);
      assert_string_equal(text, urls[i]);
    }
  }
}

static void only_for_listening(void **state) {
  (void)state;
  struct tern__address address;
  assert_int_equal(tern__url_parse("tcp://localhost:80", false, &address), -EINVAL);
  assert_int_equal(tern__url_parse("tcp://localhost:80", true, &address), 0);
  assert_int_equal(tern__url_parse("tcp://:80", false, &address), -EINVAL);
  assert_int_equal(tern__url_parse("tcp://:80", true, &address), 0);
}

static void limits(void **state) {
  (void)state;
  struct tern__address address;
  char url[400] = "unix://", text[TERN__URL_MAX];
  size_t prefix = strlen(url), most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
  memset(url + prefix, 'p', most);
  assert_int_equal(tern__url_parse(url, true, &address), 0);
  tern__url_format(&address, text);
  assert_string_equal(text, url);
  url[prefix + most] = 'p';
  assert_int_equal(tern__url_parse(url, true, &address), -EINVAL);

  memcpy(url, "tcp://", 6);
  memset(url + 6, 'h', 300);
  memcpy(url + 306, ":1", 3);
  assert_int_equal(tern__url_parse(url, false, &address), -EINVAL);
  assert_int_equal(tern__url_parse("tcp://127.0.0.1:65535", false, &address), 0);
  assert_int_equal(tern__url_parse("tcp://127.0.0.1:65536", false, &address), -EINVAL);
  assert_int_equal(tern__url_parse("tcp://127.0.0.1:000080", false, &address), -EINVAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(only_for_listening),
                                     cmocka_unit_test(limits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
