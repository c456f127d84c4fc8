/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file as a source of options, by tables: every key and what it sets, every type of value, every
 * error and its place, features that are missing, and what flags, file and -t make of one another.
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

#include "options_run.h"

static char path[] = "/tmp/tern-options-XXXXXX";

static void write_config(const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static struct options_run *parse_config(const char *text) {
  write_config(text);
  return PARSE("-c", path);
}

/* ---- keys ---- */

enum type { STRING, U32, U64, BOOL };

static const struct key {
  const char *text; /* a line of the file */
  enum type type;
  size_t offset;
  const char *want;
} keys[] = {
    {"host: 10.0.0.1", STRING, offsetof(struct options, host), "10.0.0.1"},
    {"net: '::1'", STRING, offsetof(struct options, host), "::1"},
    {"port: 4333", U32, offsetof(struct options, port), "4333"},
    {"port: 5k", U32, offsetof(struct options, port), "5000"},
    {"listen: 4333", U32, offsetof(struct options, port), "4333"},
    {"listen: 10.0.0.1:4333", STRING, offsetof(struct options, host), "10.0.0.1"},
    {"listen: 10.0.0.1:4333", U32, offsetof(struct options, port), "4333"},
    {"listen: '[::1]:4333'", STRING, offsetof(struct options, host), "::1"},
    {"listen: '[::1]:4333'", U32, offsetof(struct options, port), "4333"},
    {"host: x, listen: ':4333'", STRING, offsetof(struct options, host), "0.0.0.0"},
    {"server_name: s1", STRING, offsetof(struct options, server_name), "s1"},
    {"client_advertise: 'h:1'", STRING, offsetof(struct options, client_advertise), "h:1"},
    {"pid_file: /p", STRING, offsetof(struct options, pid_file), "/p"},
    {"pidfile: /p", STRING, offsetof(struct options, pid_file), "/p"},
    {"ports_file_dir: /d", STRING, offsetof(struct options, ports_file_dir), "/d"},
    {"log_file: /l", STRING, offsetof(struct options, log_file), "/l"},
    {"logfile: /l", STRING, offsetof(struct options, log_file), "/l"},
    {"logtime: off", BOOL, offsetof(struct options, logtime), "0"},
    {"logtime_utc: yes", BOOL, offsetof(struct options, logtime_utc), "1"},
    {"log_size_limit: 1MB", U64, offsetof(struct options, log_size_limit), "1048576"},
    {"logfile_size_limit: 1000", U64, offsetof(struct options, log_size_limit), "1000"},
    {"log_max_num: 3", U32, offsetof(struct options, log_max_num), "3"},
    {"logfile_max_num: 3", U32, offsetof(struct options, log_max_num), "3"},
    {"syslog: true", BOOL, offsetof(struct options, syslog), "1"},
    {"remote_syslog: 'udp://h:514'", STRING, offsetof(struct options, remote_syslog), "udp://h:514"},
    {"tern {log_format: json}", STRING, offsetof(struct options, log_format), "json"},
    {"max_traced_msg_len: 10", U32, offsetof(struct options, max_traced_msg_len), "10"},
    {"trace_headers: true", BOOL, offsetof(struct options, trace_headers), "1"},
    {"no_header_support: true", BOOL, offsetof(struct options, no_header_support), "1"},
    {"tern {user: nobody}", STRING, offsetof(struct options, run_as_user), "nobody"},
    {"tern {group: nogroup}", STRING, offsetof(struct options, run_as_group), "nogroup"},
    {"debug: true", BOOL, offsetof(struct options, debug), "1"},
    {"trace: true", BOOL, offsetof(struct options, trace), "1"},
    {"trace_verbose: true", BOOL, offsetof(struct options, trace), "1"},
    {"max_payload: 2KB", U32, offsetof(struct options, max_payload), "2048"},
    {"max_control_line: 1k", U32, offsetof(struct options, max_control_line), "1000"},
    {"max_pending: 5GB", U64, offsetof(struct options, max_pending), "5368709120"},
    {"max_connections: 7", U64, offsetof(struct options, max_connections), "7"},
    {"max_conn: 0", U64, offsetof(struct options, max_connections), "65536"},
    {"max_subscriptions: 7", U64, offsetof(struct options, max_subscriptions), "7"},
    {"max_subs: 7", U64, offsetof(struct options, max_subscriptions), "7"},
    {"max_subscription_tokens: 7", U32, offsetof(struct options, max_subscription_tokens), "7"},
    {"max_sub_tokens: 7", U32, offsetof(struct options, max_subscription_tokens), "7"},
    {"ping_interval: 20s", U64, offsetof(struct options, ping_interval_ms), "20000"},
    {"ping_interval: 1m30s", U64, offsetof(struct options, ping_interval_ms), "90000"},
    {"ping_interval: \"2m\"", U64, offsetof(struct options, ping_interval_ms), "120000"},
    {"ping_max: 7", U32, offsetof(struct options, ping_max), "7"},
    {"write_deadline: '500ms'", U64, offsetof(struct options, write_deadline_ms), "500"},
    {"tern {workers: 3}", U32, offsetof(struct options, workers), "3"},
    {"tern {ring_size: 64KB}", U32, offsetof(struct options, ring_size), "65536"},
    {"tern {unix_mode: 0660}", STRING, offsetof(struct options, unix_mode), "0660"},
    {"tern {unix_mode: '0600'}", STRING, offsetof(struct options, unix_mode), "0600"},
    {"tern {unix_socket: /s}", STRING, offsetof(struct options, unix_socket), "/s"},
    {"TERN {Workers: 3}, MAX_SUBS: 2", U32, offsetof(struct options, workers), "3"},
    {"x: 3, ping_max: $x", U32, offsetof(struct options, ping_max), "3"},
    {"tern {y: 4, workers: $y}", U32, offsetof(struct options, workers), "4"},
    {"{\"port\": 4333, \"debug\": true}", U32, offsetof(struct options, port), "4333"},
};

static void assert_value(const struct options *options, const struct key *key) {
  const char *at = (const char *)options + key->offset;
  char number[32] = "";
  if (key->type == U32) snprintf(number, sizeof number, "%u", *(const uint32_t *)(const void *)at);
  if (key->type == BOOL) snprintf(number, sizeof number, "%d", *(const bool *)at);
  if (key->type == U64)
    snprintf(number, sizeof number, "%llu", (unsigned long long)*(const uint64_t *)(const void *)at);
  const char *have = key->type == STRING ? *(char *const *)(const void *)at : number;
  if (have == NULL || strcmp(have, key->want) != 0) fail_msg("%s: is %s, not %s", key->text, have, key->want);
}

static void every_key_sets_its_option(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    struct options_run *run = parse_config(keys[i].text);
    if (run->verdict != OPTIONS_RUN) fail_msg("%s: %s", keys[i].text, run->err);
    assert_string_equal(run->err, "");
    assert_value(&run->options, &keys[i]);
    assert_string_equal(run->options.config_file, path);
    options_free(&run->options);
  }
}

/* After one that is not. */
static void an_empty_string_is_no_line(void **unused) {
  (void)unused;
  static const struct {
    const char *text;
    size_t offset;
  } lines[] = {
      {"server_name: s, server_name: ''", offsetof(struct options, server_name)},
      {"client_advertise: h, client_advertise: ''", offsetof(struct options, client_advertise)},
      {"pid_file: /p, pid_file: ''", offsetof(struct options, pid_file)},
      {"ports_file_dir: /d, ports_file_dir: ''", offsetof(struct options, ports_file_dir)},
      {"log_file: /l, logfile: ''", offsetof(struct options, log_file)},
      {"remote_syslog: 'udp://h:514', remote_syslog: ''", offsetof(struct options, remote_syslog)},
      {"http_base_path: /b, http_base_path: ''", offsetof(struct options, http_base_path)},
  };
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    struct options_run *run = parse_config(lines[i].text);
    if (run->verdict != OPTIONS_RUN) fail_msg("%s: %s", lines[i].text, run->err);
    assert_null(*(char *const *)(const void *)((const char *)&run->options + lines[i].offset));
    options_free(&run->options);
  }
  struct options_run *run = parse_config("host: 10.0.0.1, net: ''");
  assert_string_equal(run->options.host, "0.0.0.0");
  options_free(&run->options);
  run = parse_config("authorization { users: [{user: a}] }, no_auth_user: a, no_auth_user: ''");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  options_free(&run->options);
}

static void handlers_are_a_list(void **unused) {
  (void)unused;
  struct options_run *run = parse_config("tern { handlers: ['a.*=echo', \"b.>=/x/y=z.so\"] }");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  assert_int_equal(run->options.handler_count, 2);
  assert_string_equal(run->options.handlers[0].filter, "a.*");
  assert_string_equal(run->options.handlers[1].module, "/x/y=z.so");
  options_free(&run->options);
  run = parse_config("tern { handlers: a=b }");
  assert_int_equal(run->options.handler_count, 1);
  options_free(&run->options);
}

/* ---- errors ---- */

/* The text behind "tern: <path>", up to the end of the line, for every line. */
static void assert_says(const char *text, enum options_verdict verdict, const char *want) {
  char have[4096];
  size_t len = 0;
  struct options_run *run = parse_config(text);
  for (char *rest = run->err, *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
    const char *place = strstr(line, path);
    len += (size_t)snprintf(have + len, sizeof have - len, "%s\n",
                            place != NULL ? place + strlen(path) + 1 : line);
  }
  have[len] = '\0';
  if (run->verdict != verdict || strcmp(have, want) != 0)
    fail_msg("%s: verdict %d, says\n%snot\n%s", text, (int)run->verdict, have, want);
  assert_string_equal(run->out, "");
  options_free(&run->options);
}

static void every_error_has_its_place(void **unused) {
  (void)unused;
  static const struct {
    const char *text, *says;
  } cases[] = {
      {"port: 1\nfoo: 2", "2:1: unknown field \"foo\"\n"},
      {"tern {\n  foo: 2\n}", "2:3: unknown field \"foo\" in the block tern\n"},
      {"tern.workers: 2", "1:1: unknown field \"tern.workers\"\n"},
      {"tern { ayload: 2 }", "1:8: unknown field \"ayload\" in the block tern\n"},
      {"workers: 2", "1:1: unknown field \"workers\"\n"},
      {"tern { port: 2 }", "1:8: unknown field \"port\" in the block tern\n"},
      {"addr: x", "1:1: unknown field \"addr\"\n"},
      {"a: 1\nb: 2\nport: $a", "2:1: unknown field \"b\"\n"},
      {"port: 'x", "1:7: the quote that opens here is not closed\n"},
      {"port: '1'", "1:1: port is a string; it must be a number without quotes\n"},
      {"port: 1.5", "1:1: port is a fraction; it must be a number without quotes\n"},
      {"port: 2026-01-31T00:00:00Z", "1:1: port is a time; it must be a number without quotes\n"},
      {"port: 65536", "1:1: invalid value \"65536\" for port: must be between -1 and 65535\n"},
      {"max_payload: '1MB'", "1:1: max_payload is a string; it must be a size without quotes, like 64KB\n"},
      {"max_payload: 2GB", "1:1: invalid value \"2GB\" for max_payload: must be between 0 and 2147483647\n"},
      {"debug: 'true'", "1:1: debug is a string; it must be true or false, without quotes\n"},
      {"debug: 1", "1:1: debug is an integer; it must be true or false, without quotes\n"},
      {"host: 1", "1:1: host is an integer; it must be a string in quotes\n"},
      {"host: [a]", "1:1: host is an array; it must be a string in quotes\n"},
      {"listen: ''", "1:1: invalid value \"\" for listen: must not be empty\n"},
      {"listen: x",
       "1:1: invalid value \"x\" for listen: must be HOST:PORT, an IPv6 address in brackets, or only a "
       "port as a number\n"},
      {"listen: ::1:4222",
       "1:1: invalid value \"::1:4222\" for listen: must be HOST:PORT, an IPv6 address in "
       "brackets, or only a port as a number\n"},
      {"listen: '[]:1'",
       "1:1: invalid value \"[]:1\" for listen: must be HOST:PORT, an IPv6 address in brackets, or "
       "only a port as a number\n"},
      {"listen: '[::1:1'",
       "1:1: invalid value \"[::1:1\" for listen: must be HOST:PORT, an IPv6 address in brackets, or only a "
       "port as a number\n"},
      {"listen: true", "1:1: listen is true or false; it must be a number without quotes\n"},
      {"listen: 65536", "1:1: invalid value \"65536\" for listen: must be between -1 and 65535\n"},
      {"server_name: 'a\nb'", "1:1: invalid value \"a\" for server_name: must not contain spaces\n"},
      {"client_advertise: ':1'",
       "1:1: invalid value \":1\" for client_advertise: must be HOST or HOST:PORT, an IPv6 "
       "address in brackets\n"},
      {"ping_interval: '2'",
       "1:1: invalid value \"2\" for ping_interval: it has no unit; durations are like 500ms, 2s, 1m30s\n"},
      {"ping_interval: ''",
       "1:1: invalid value \"\" for ping_interval: not a duration (examples: 500ms, 2s, 1m30s, "
       "or seconds: 10)\n"},
      {"ping_interval: true",
       "1:1: ping_interval is true or false; it must be a duration in quotes, like \"2m\"\n"},
      {"ping_interval: 721h",
       "1:1: invalid value \"721h\" for ping_interval: must be between 0ms and 720h\n"},
      {"tern: 1", "1:1: tern is an integer; it must be a block: tern { ... }\n"},
      {"tern { handlers: [\n echo\n {}] }",
       "2:2: invalid value \"echo\" for handlers: must be FILTER=MODULE\n"
       "3:2: handlers is a block; it must be a string, FILTER=MODULE, or a list of them\n"},
      {"foo: 1\nbar: 2\nport: x",
       "1:1: unknown field \"foo\"\n2:1: unknown field \"bar\"\n"
       "3:1: port is a string; it must be a number without quotes\n"},
      {"max_payload: 10, max_pending: 9", "tern: max_payload (10) must not be larger than max_pending (9)\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_says(cases[i].text, OPTIONS_FAIL, cases[i].says);
}

static void there_is_an_end_of_messages(void **unused) {
  (void)unused;
  char text[2000] = "";
  size_t len = 0;
  for (int i = 0; i < 100; i++)
    len += (size_t)snprintf(text + len, sizeof text - len, "x%d: 1\n", i);
  struct options_run *run = parse_config(text);
  assert_int_equal(run->verdict, OPTIONS_FAIL);
  assert_contains(run->err, "20:1: unknown field \"x19\"\ntern: there is more, which is not shown\n");
  assert_null(strstr(run->err, "x20"));
  options_free(&run->options);
}

static void numbers_of_seconds_are_warned_of(void **unused) {
  (void)unused;
  assert_says(
      "ping_interval: 2m", OPTIONS_RUN,
      "1:1: warning: ping_interval: 2m without quotes is a number of seconds, 2000000; write a duration, "
      "like \"2m\"\n");
  struct options_run *run = parse_config("ping_interval: 2m, write_deadline: 5");
  assert_int_equal(run->options.ping_interval_ms, 2000000000);
  assert_int_equal(run->options.write_deadline_ms, 5000);
  options_free(&run->options);
  run = parse_config("ping_interval: 9223372036854775807");
  assert_int_equal(run->verdict, OPTIONS_FAIL);
  options_free(&run->options);
}

static void an_empty_file_is_warned_of(void **unused) {
  (void)unused;
  assert_says("# nothing", OPTIONS_RUN, " warning: config has no values or is empty\n");
}

/* ---- what tern does not have ---- */

/* Every key that would change who may do what, or where messages go. */
static void security_is_not_passed_over(void **unused) {
  (void)unused;
  static const char *const refused[] = {
      "operator: x",
      "operators: [x]",
      "root: x",
      "trusted: [x]",
      "trusted_keys: x",
      "resolver: MEMORY",
      "account_resolver: x",
      "resolver_tls {}",
      "resolver_preload {}",
      "ocsp: true",
      "ocsp { mode: always }",
      "jetstream {}",
      "jetstream { enabled: true }",
      "jetstream: enabled",
      "jetstream: true",
      "cluster { port: 1 }",
      "gateway {}",
      "leafnodes { remotes [{url: x}] }",
      "leaf { Remotes [] }",
      "proxy_protocol: true",
      "default_sentinel: x",
      "proxies {}",
      /* values that do not switch these off */
      "operator: disabled",
      "resolver: 0",
      "cluster: disabled",
  };
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    struct options_run *run = parse_config(refused[i]);
    if (run->verdict != OPTIONS_FAIL) fail_msg("%s was accepted", refused[i]);
    assert_contains(run->err, ":1:1: ");
    assert_contains(run->err, ": tern does not have ");
    assert_contains(run->err, "; remove this, or keep nats-server\n");
    options_free(&run->options);
  }
}

static void what_is_only_not_offered_is_warned_of(void **unused) {
  (void)unused;
  static const char *const warned[] = {
      "leafnodes { listen: '127.0.0.1:-1' }",
      "leaf {}",
      "websocket { port: -1, no_tls: true }",
      "ws {}",
      "mqtt {}",
      "store_dir: /x",
      "prof_port: 1",
      "disable_sublist_cache: true",
      "write_timeout: retry",
  };
  for (size_t i = 0; i < sizeof warned / sizeof warned[0]; i++) {
    struct options_run *run = parse_config(warned[i]);
    if (run->verdict != OPTIONS_RUN) fail_msg("%s: %s", warned[i], run->err);
    assert_contains(run->err, ":1:1: warning: ");
    assert_contains(run->err, "; ignored\n");
    options_free(&run->options);
  }
}

static void what_is_switched_off_is_no_matter(void **unused) {
  (void)unused;
  assert_says(
      "jetstream: false, jetstream: disabled, allow_non_tls: off, ocsp: false, proxy_protocol: false, "
      "disable_sublist_cache: false",
      OPTIONS_RUN, "");
  assert_says(
      "jetstream { enabled: false, store_dir: /x }, ocsp { mode: never }, accounts { A { jetstream: disabled "
      "} }",
      OPTIONS_RUN, "");
}

static void monitoring_has_a_host_and_one_port(void **unused) {
  (void)unused;
  static const struct {
    const char *text, *host;
    int port;
  } cases[] = {{"http: '127.0.0.1:-1'", "127.0.0.1", -1}, {"http: 8222", NULL, 8222},
               {"http_port: 8222", NULL, 8222},           {"monitor_port: 1", NULL, 1},
               {"http: '[::1]:8222'", "::1", 8222},       {"http: ':8222'", "0.0.0.0", 8222}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct options_run *run = parse_config(cases[i].text);
    assert_int_equal(run->verdict, OPTIONS_RUN);
    assert_int_equal(run->options.http_port, cases[i].port);
    if (cases[i].host == NULL)
      assert_null(run->options.http_host);
    else
      assert_string_equal(run->options.http_host, cases[i].host);
    assert_string_equal(run->options.host, "0.0.0.0");
    assert_int_equal(run->options.port, 4222);
    options_free(&run->options);
  }
  assert_says("http: 1, https: 2", OPTIONS_FAIL, "tern: can't specify both HTTP (1) and HTTPs (2) ports\n");
  assert_says("https: 2", OPTIONS_FAIL,
              "tern: https needs a certificate and a key: give them in a block tls\n");
  assert_says("http: x", OPTIONS_FAIL,
              "1:1: invalid value \"x\" for http: must be HOST:PORT, an IPv6 address in brackets, or only a "
              "port as a "
              "number\n");
}

/* ---- the file and the flags ---- */

static void flags_override_the_file(void **unused) {
  (void)unused;
  write_config(
      "port: 1, host: a, debug: true, trace: true, ping_interval: 3s, server_name: f, max_payload: 5\n"
      "tern { workers: 4, handlers: ['a=b', 'c=d'] }");
  struct options_run *run = PARSE("-p", "2", "-c", path, "-D=false", "--ping_interval=10", "-handler", "e=f",
                                  "--handler=g=h", "--max_payload=6");
  assert_string_equal(run->err, "");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  assert_int_equal(run->options.port, 2);
  assert_string_equal(run->options.host, "a");
  assert_false(run->options.debug);
  assert_true(run->options.trace);
  assert_int_equal(run->options.ping_interval_ms, 10000);
  assert_string_equal(run->options.server_name, "f");
  assert_int_equal(run->options.max_payload, 6);
  assert_int_equal(run->options.workers, 4);
  assert_int_equal(run->options.handler_count, 2);
  assert_string_equal(run->options.handlers[0].filter, "e");
  assert_string_equal(run->options.handlers[1].filter, "g");
  options_free(&run->options);
  /* what has to fit is what is left in the end */
  write_config("max_pending: 10");
  run = PARSE("-config", path, "-max_payload=10");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  options_free(&run->options);
  /* a flag does not make a bad file good */
  write_config("port: x");
  run = PARSE("-p", "2", "--config", path);
  assert_int_equal(run->verdict, OPTIONS_FAIL);
  options_free(&run->options);
}

static void t_gives_a_verdict(void **unused) {
  (void)unused;
  static const struct {
    const char *text;
    enum options_verdict verdict;
    const char *says;
  } cases[] = {
      {"port: 1", OPTIONS_EXIT,
       "tern: configuration file FILE is valid "
       "(sha256:5b27b68e52c25859a76c94f378c31d5a499ca677a46b38fb5f58ded229b59650)\n"},
      {"port: x", OPTIONS_FAIL, "tern: FILE:1:1: port is a string; it must be a number without quotes\n"},
      {"ws {}", OPTIONS_FAIL,
       "tern: FILE:1:1: warning: ws: tern does not have WebSocket; ignored\n"
       "tern: configuration file FILE would be used, with 1 warning\n"},
      {"", OPTIONS_FAIL,
       "tern: FILE: warning: config has no values or is empty\n"
       "tern: configuration file FILE would be used, with 1 warning\n"},
      {"max_payload: 10, max_pending: 9", OPTIONS_FAIL,
       "tern: max_payload (10) must not be larger than max_pending (9)\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char want[1024] = "";
    for (const char *at = cases[i].says, *mark; *at != '\0'; at = mark) {
      mark = strstr(at, "FILE");
      if (mark == at) mark = at + 4;
      if (mark == NULL) mark = at + strlen(at);
      size_t len = strlen(want);
      bool file = strncmp(at, "FILE", 4) == 0;
      snprintf(want + len, sizeof want - len, "%.*s", file ? (int)strlen(path) : (int)(mark - at),
               file ? path : at);
    }
    write_config(cases[i].text);
    struct options_run *run = PARSE("-t", "-c", path);
    assert_string_equal(run->err, want);
    assert_int_equal(run->verdict, cases[i].verdict);
    assert_string_equal(run->out, "");
    options_free(&run->options);
  }
  struct options_run *run = PARSE("-t");
  assert_int_equal(run->verdict, OPTIONS_FAIL);
  assert_string_equal(run->err, "tern: -t checks a configuration file; name it with -c\n");
  options_free(&run->options);
  run = PARSE("-c", "/tmp/tern-no-such-file");
  assert_int_equal(run->verdict, OPTIONS_FAIL);
  assert_string_equal(run->err, "tern: cannot read /tmp/tern-no-such-file: No such file or directory\n");
  options_free(&run->options);
  run = PARSE("-t", "-c", path, "-p", "x");
  assert_int_equal(run->verdict, OPTIONS_FAIL);
  options_free(&run->options);
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
      cmocka_unit_test(every_key_sets_its_option),
      cmocka_unit_test(an_empty_string_is_no_line),
      cmocka_unit_test(handlers_are_a_list),
      cmocka_unit_test(every_error_has_its_place),
      cmocka_unit_test(there_is_an_end_of_messages),
      cmocka_unit_test(numbers_of_seconds_are_warned_of),
      cmocka_unit_test(an_empty_file_is_warned_of),
      cmocka_unit_test(security_is_not_passed_over),
      cmocka_unit_test(what_is_only_not_offered_is_warned_of),
      cmocka_unit_test(what_is_switched_off_is_no_matter),
      cmocka_unit_test(monitoring_has_a_host_and_one_port),
      cmocka_unit_test(flags_override_the_file),
      cmocka_unit_test(t_gives_a_verdict),
  };
  return cmocka_run_group_tests(tests, make_file, remove_file);
}
