/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the trace shows of clients, and what it must not: secrets, and messages beyond what was set. Simulated
 * workers, the log in a file.
 */
#include "fixture.h"

#include <unistd.h>

#include <tern/log.h>

static char path[] = "/tmp/tern-trace-XXXXXX";

/* The log of one conversation on one worker. */
static const char *traced(struct nats_limits limits, const char *says) {
  static char text[65536];
  struct sim sim;
  struct sim_client c[1];
  assert_int_equal(truncate(path, 0), 0);
  assert_int_equal(tern_log_start(&(struct tern_log_options){.path = path, .trace = true}), 0);
  start(&sim, 1, &limits);
  join(&sim, &c[0], 0, QUIET ",\"headers\":true,\"pass\":\"s3cret\",\"auth_token\":\"s3cret\"");
  sim_say(&c[0], says);
  ticks(&sim, 5);
  end(&sim, c, 1);
  tern_log_stop();
  FILE *file = fopen(path, "re");
  size_t len = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[len] = '\0';
  assert_null(strstr(text, "s3cret"));
  assert_non_null(
      strstr(text, ",\"headers\":true,\"pass\":\"[REDACTED]\",\"auth_token\":\"[REDACTED]\"}]\n"));
  assert_non_null(strstr(text, " - <<- [CONNECT {"));
  return text;
}

static void assert_has(const char *text, const char *part) {
  if (strstr(text, part) == NULL) fail_msg("%s\nis not in\n%s", part, text);
}

static const char says[] =
    "SUB a.* queue 7\r\nPUB a.b reply 5\r\nhello\r\nHPUB a.c 19 21\r\nNATS/1.0\r\nAB: c\r\n\r\nhi\r\nUNSUB 7 "
    "3\r\n";

static void lines_and_messages_are_shown(void **unused) {
  (void)unused;
  const char *text = traced(sim_limits(), says);
  assert_has(text, " - cid:1 - <<- [SUB a.* queue 7]\n");
  assert_has(text, " - <<- [PUB a.b reply 5]\n");
  assert_has(text, " - ->> [MSG a.b 7 reply 5]\n");
  assert_has(text, " - <<- [HPUB a.c 19 21]\n");
  assert_has(text, " - <<- [UNSUB 7 3]\n");
  assert_has(text, " - <<- MSG_PAYLOAD: [\"hello\"]\n");
  assert_has(text, " - <<- MSG_PAYLOAD: [\"NATS/1.0\\r\\nAB: c\\r\\n\\r\\nhi\"]\n");
  assert_has(traced(sim_limits(), "PUB a 0\r\n\r\n"), " - <<- MSG_PAYLOAD: [\"\"]\n");
}

static void what_is_sent_is_shown(void **unused) {
  (void)unused;
  const char *text = traced(sim_limits(), "CONNECT {\"verbose\":true}\r\nPING\r\n");
  assert_has(text, " - ->> [OK]\n");
  assert_has(text, " - ->> [PONG]\n");
}

static unsigned count(const char *text, const char *part) {
  unsigned found = 0;
  for (; (text = strstr(text, part)) != NULL; text++)
    found++;
  return found;
}

/* By UNSUB and by a maximum that is reached; not by one that is set, by a sid that is not there, or at the end. */
static void removed_subscriptions_are_shown(void **unused) {
  (void)unused;
  const char *text = traced(sim_limits(),
                            "SUB a 1\r\nUNSUB 1 1\r\nSUB b 2\r\nPUB a 2\r\nhi\r\nUNSUB 2\r\nUNSUB 2\r\n"
                            "SUB c 3\r\nUNSUB 3 5\r\n");
  assert_has(text, " - ->> [MSG a 1 2]\n");
  assert_has(strstr(text, "->> [MSG a 1 2]"), " - cid:1 - <-> [DELSUB 1]\n");
  assert_has(strstr(text, "<-> [DELSUB 1]"), " - <-> [DELSUB 2]\n");
  assert_int_equal(count(text, "DELSUB"), 2);
}

static void errors_are_shown(void **unused) {
  (void)unused;
  const char *text = traced(sim_limits(), "SUB a..b 1\r\nNONSENSE\r\n");
  assert_has(text, " - ->> [-ERR Invalid Subject]\n");
  assert_has(text, " - ->> [-ERR Unknown Protocol Operation]\n");
}

/* traced() looks for s3cret. */
static void secrets_are_not_shown(void **unused) {
  (void)unused;
  const char *text = traced(sim_limits(),
                            "CONNECT {\"USER\":\"s3cret\",\"p\\u0061ss\":\"s3cret\",\"jwt\":\"s3cret\","
                            "\"nkey\":\"s3cret\",\"sig\":\"s3cret\",\"lang\":\"c\"}\r\n");
  assert_has(text,
             "<<- [CONNECT {\"USER\":\"[REDACTED]\",\"pass\":\"[REDACTED]\",\"jwt\":\"[REDACTED]\","
             "\"nkey\":\"[REDACTED]\",\"sig\":\"[REDACTED]\",\"lang\":\"c\"}]\n");
  text = traced(sim_limits(), "CONNECT {\"a\":[{\"password\":\"s3cret\"}],\"token\":{\"b\":\"s3cret\"}}\r\n");
  assert_has(text, "<<- [CONNECT {\"a\":[{\"password\":\"[REDACTED]\"}],\"token\":\"[REDACTED]\"}]\n");
  assert_has(traced(sim_limits(), "CONNECT {\"pass\":\"s3cret\r\n"), " - <<- [CONNECT]\n");
  assert_has(traced(sim_limits(), "CONNECT [\"s3cret\"]\r\n"), " - <<- [CONNECT]\n");
}

static void messages_are_shown_as_far_as_is_set(void **unused) {
  (void)unused;
  struct nats_limits limits = sim_limits();
  limits.max_traced_msg_len = 4;
  const char *text = traced(limits, says);
  assert_has(text, " - <<- MSG_PAYLOAD: [\"hell...\"]\n");
  assert_has(text, " - <<- MSG_PAYLOAD: [\"NATS...\"]\n");
  limits.max_traced_msg_len = 100;
  text = traced(limits, says);
  assert_has(text, " - <<- MSG_PAYLOAD: [\"hello\"]\n");
  assert_has(text, " - <<- MSG_PAYLOAD: [\"NATS/1.0\\r\\nAB: c\\r\\n\\r\\nhi\"]\n");
}

static void only_headers_may_be_shown(void **unused) {
  (void)unused;
  struct nats_limits limits = sim_limits();
  limits.trace_headers = true;
  const char *text = traced(limits, says);
  assert_has(text, " - <<- MSG_PAYLOAD: [\"NATS/1.0\\r\\nAB: c\"]\n");
  assert_null(strstr(text, "hello"));
  limits.max_traced_msg_len = 6;
  assert_has(traced(limits, says), " - <<- MSG_PAYLOAD: [\"NATS/1...\"]\n");
}

/* A message of all bytes, the zero too, and a long one. */
static void whatever_is_in_a_message_is_one_line(void **unused) {
  (void)unused;
  struct nats_limits limits = sim_limits();
  limits.max_traced_msg_len = 100000;
  static char say[20100];
  int len = snprintf(say, sizeof say, "PUB long 20000\r\n");
  memset(say + len, 'y', 20000);
  snprintf(say + len + 20000, 8, "\r\n");
  const char *text = traced(limits, say);
  const char *line = strstr(text, "MSG_PAYLOAD: [\"yyy");
  assert_non_null(line);
  assert_in_range(strcspn(line, "\n"), 3000, 4000);
  assert_has(line, "yyy...\"]\n");
  assert_has(traced(limits, "PUB a 4\r\na\"\\n\r\n"), "[\"a\\\"\\\\n\"]\n");
  assert_has(traced(limits,
                    "PUB a 7\r\na\x1b\n\t\x9b"
                    "b\r\r\n"),
             "[\"a\\x1b\\n\\t\\x9bb\\r\"]\n");
}

static int make_file(void **unused) {
  (void)unused;
  int fd = mkstemp(path);
  return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **unused) {
  (void)unused;
  return unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_and_messages_are_shown),
      cmocka_unit_test(what_is_sent_is_shown),
      cmocka_unit_test(removed_subscriptions_are_shown),
      cmocka_unit_test(errors_are_shown),
      cmocka_unit_test(secrets_are_not_shown),
      cmocka_unit_test(messages_are_shown_as_far_as_is_set),
      cmocka_unit_test(only_headers_may_be_shown),
      cmocka_unit_test(whatever_is_in_a_message_is_one_line),
  };
  return cmocka_run_group_tests(tests, make_file, remove_file);
}
