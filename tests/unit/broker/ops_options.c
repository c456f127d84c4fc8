/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line, by tables: every spelling in all four forms (-x v, -x=v, --x v, --x=v), every kind of
 * value, every error and what is said about it. The tables repeat what the manual promises on purpose; they
 * are not made from the table under test. What is printed is caught in temporary files. The linker sends the
 * allocations of options.c through the functions at the top, so that memory can be refused.
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

#include "options.h"
#include "options_run.h"
#include "version.h"

/* ---- memory that is refused ---- */

static int refuse_after = -1; /* allocations to allow; -1: all */

static bool refused(void) { return refuse_after >= 0 && refuse_after-- == 0; }

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text) { return refused() ? NULL : __real_strdup(text); }
char *__real_strndup(const char *text, size_t len);
char *__wrap_strndup(const char *text, size_t len);
char *__wrap_strndup(const char *text, size_t len) { return refused() ? NULL : __real_strndup(text, len); }
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size) { return refused() ? NULL : __real_realloc(memory, size); }

/* ---- every spelling ---- */

enum type { BOOL, INT, UINT, U32, U64, I64, STRING };

static const struct option {
  const char *spellings[4];
  enum type type;
  size_t offset;
  const char *text; /* a value to give */
  const char *want; /* what it must become: strings, and numbers in decimal */
} table[] = {
    {{"a", "addr", "net"}, STRING, offsetof(struct options, host), "127.0.0.1", "127.0.0.1"},
    {{"p", "port"}, INT, offsetof(struct options, port), "-1", "-1"},
    {{"n", "name", "server_name"}, STRING, offsetof(struct options, server_name), "s1", "s1"},
    {{"P", "pid"}, STRING, offsetof(struct options, pid_file), "/tmp/x.pid", "/tmp/x.pid"},
    {{"l", "log"}, STRING, offsetof(struct options, log_file), "a=b.log", "a=b.log"},
    {{"run_as_user"}, STRING, offsetof(struct options, run_as_user), "tern", "tern"},
    {{"run_as_group"}, STRING, offsetof(struct options, run_as_group), "tern", "tern"},
    {{"log_size_limit"}, U64, offsetof(struct options, log_size_limit), "1MB", "1048576"},
    {{"log_max_num"}, U32, offsetof(struct options, log_max_num), "3", "3"},
    {{"s", "syslog"}, BOOL, offsetof(struct options, syslog), NULL, NULL},
    {{"r", "remote_syslog"},
     STRING,
     offsetof(struct options, remote_syslog),
     "udp://[::1]:5",
     "udp://[::1]:5"},
    {{"log_format"}, STRING, offsetof(struct options, log_format), "json", "json"},
    {{"max_traced_msg_len"}, U32, offsetof(struct options, max_traced_msg_len), "10", "10"},
    {{"trace_headers"}, BOOL, offsetof(struct options, trace_headers), NULL, NULL},
    {{"T", "logtime"}, BOOL, offsetof(struct options, logtime), NULL, NULL},
    {{"logtime_utc"}, BOOL, offsetof(struct options, logtime_utc), NULL, NULL},
    {{"D", "debug"}, BOOL, offsetof(struct options, debug), NULL, NULL},
    {{"V", "trace", "VV"}, BOOL, offsetof(struct options, trace), NULL, NULL},
    {{"DV", "DVV"}, BOOL, offsetof(struct options, debug), NULL, NULL},
    {{"DV", "DVV"}, BOOL, offsetof(struct options, trace), NULL, NULL},
    {{"ports_file_dir"}, STRING, offsetof(struct options, ports_file_dir), "/tmp", "/tmp"},
    {{"client_advertise"}, STRING, offsetof(struct options, client_advertise), "h:1", "h:1"},
    {{"workers"}, UINT, offsetof(struct options, workers), "3", "3"},
    {{"ring_size"}, U32, offsetof(struct options, ring_size), "64KB", "65536"},
    {{"unix_socket"}, STRING, offsetof(struct options, unix_socket), "/tmp/s", "/tmp/s"},
    {{"unix_mode"}, STRING, offsetof(struct options, unix_mode), "0660", "0660"},
    {{"max_payload"}, U32, offsetof(struct options, max_payload), "2k", "2000"},
    {{"max_control_line"}, U32, offsetof(struct options, max_control_line), "16384", "16384"},
    {{"max_pending"}, U64, offsetof(struct options, max_pending), "5GiB", "5368709120"},
    {{"max_connections"}, I64, offsetof(struct options, max_connections), "-1", "9223372036854775807"},
    {{"max_subscriptions", "max_subs"}, I64, offsetof(struct options, max_subscriptions), "7", "7"},
    {{"max_subscription_tokens", "max_sub_tokens"},
     U32,
     offsetof(struct options, max_subscription_tokens),
     "255",
     "255"},
    {{"ping_interval"}, U64, offsetof(struct options, ping_interval_ms), "1m30s", "90000"},
    {{"ping_max"}, U32, offsetof(struct options, ping_max), "5", "5"},
    {{"write_deadline"}, U64, offsetof(struct options, write_deadline_ms), "500ms", "500"},
};
#define OPTIONS (sizeof table / sizeof table[0])

static void assert_value(const struct options *options, const struct option *option) {
  const char *at = (const char *)options + option->offset;
  char number[32] = "";
  const char *have = number;
  switch (option->type) {
    case STRING:
      have = *(char *const *)(const void *)at;
      break;
    case BOOL:
      assert_true(*(const bool *)at);
      return;
    case INT:
      snprintf(number, sizeof number, "%d", *(const int *)(const void *)at);
      break;
    case UINT:
    case U32:
      snprintf(number, sizeof number, "%u", *(const uint32_t *)(const void *)at);
      break;
    case U64:
      snprintf(number, sizeof number, "%llu", (unsigned long long)*(const uint64_t *)(const void *)at);
      break;
    case I64:
      snprintf(number, sizeof number, "%lld", (long long)*(const int64_t *)(const void *)at);
      break;
  }
  assert_non_null(have);
  assert_string_equal(have, option->want);
}

static void every_spelling_sets_its_option(void **unused) {
  (void)unused;
  for (size_t i = 0; i < OPTIONS; i++) {
    for (size_t s = 0; s < 4 && table[i].spellings[s] != NULL; s++) {
      for (int dashes = 1; dashes <= 2; dashes++) {
        char flag[64], joined[128];
        const char *text = table[i].type == BOOL ? "true" : table[i].text;
        snprintf(flag, sizeof flag, "%.*s%s", dashes, "--", table[i].spellings[s]);
        snprintf(joined, sizeof joined, "%s=%s", flag, text);
        /* something behind it shows that neither too little nor too much was taken */
        struct options_run *run = PARSE("-T=false", flag, table[i].text != NULL ? text : "-n=x", "-P", "end");
        assert_int_equal(run->verdict, OPTIONS_RUN);
        assert_string_equal(run->err, "");
        if (strcmp(table[i].spellings[s], "pid") != 0 && strcmp(table[i].spellings[s], "P") != 0) {
          assert_value(&run->options, &table[i]);
          assert_string_equal(run->options.pid_file, "end");
        }
        options_free(&run->options);
        run = PARSE("-T=false", joined);
        assert_int_equal(run->verdict, OPTIONS_RUN);
        assert_value(&run->options, &table[i]);
        options_free(&run->options);
      }
    }
  }
}

static void switches_can_be_turned_off(void **unused) {
  (void)unused;
  static const char *const off[] = {"-D=false", "-D=F", "-D=0", "-D=FALSE"};
  static const char *const on[] = {"-D=true", "-D=T", "-D=1", "-D=TRUE", "--debug", "-DV"};
  for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
    struct options_run *run = PARSE("-DV", off[i]);
    assert_int_equal(run->verdict, OPTIONS_RUN);
    assert_false(run->options.debug);
    assert_true(run->options.trace);
    options_free(&run->options);
  }
  for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) {
    struct options_run *run = PARSE("-D=false", on[i]);
    assert_int_equal(run->verdict, OPTIONS_RUN);
    assert_true(run->options.debug);
    options_free(&run->options);
  }
  struct options_run *run = PARSE("-DVV", "-DV=false", "-T=false");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  assert_false(run->options.debug);
  assert_false(run->options.trace);
  assert_false(run->options.logtime);
  options_free(&run->options);
}

static void defaults_are_nats_servers(void **unused) {
  (void)unused;
  struct options_run *run = PARSE(NULL);
  assert_int_equal(run->verdict, OPTIONS_RUN);
  const struct options *o = &run->options;
  assert_string_equal(o->host, "0.0.0.0");
  assert_int_equal(o->port, 4222);
  assert_null(o->server_name);
  assert_null(o->log_file);
  assert_null(o->pid_file);
  assert_null(o->unix_socket);
  assert_true(o->logtime);
  assert_false(o->debug);
  assert_int_equal(o->workers, 0);
  assert_int_equal(o->max_payload, 1048576);
  assert_int_equal(o->max_control_line, 4096);
  assert_int_equal(o->max_pending, 67108864);
  assert_int_equal(o->ring_size, 524288);
  assert_int_equal(o->max_connections, 65536);
  assert_int_equal(o->max_subscriptions, 0);
  assert_int_equal(o->ping_interval_ms, 120000);
  assert_int_equal(o->ping_max, 2);
  assert_int_equal(o->write_deadline_ms, 10000);
  assert_int_equal(o->handler_count, 0);
  options_free(&run->options);
}

static void zero_stands_for_the_default(void **unused) {
  (void)unused;
  struct options_run *run = PARSE("-p", "0", "-max_connections", "0", "-max_payload=0", "-max_control_line=0",
                                  "-max_pending=0", "-ping_interval=0", "-ping_max=0", "-write_deadline=0");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  assert_int_equal(run->options.port, 4222);
  assert_int_equal(run->options.max_connections, 65536);
  assert_int_equal(run->options.max_payload, 1048576);
  assert_int_equal(run->options.max_control_line, 4096);
  assert_int_equal(run->options.max_pending, 67108864);
  assert_int_equal(run->options.ping_interval_ms, 120000);
  assert_int_equal(run->options.ping_max, 2);
  assert_int_equal(run->options.write_deadline_ms, 10000);
  options_free(&run->options);
}

static void below_zero_is_no_limit(void **unused) {
  (void)unused;
  struct nats_limits limits;
  struct options_run *run =
      PARSE("-max_subs=-1", "-max_connections=-5", "-log_size_limit=-7", "-max_traced_msg_len=-1");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  options_limits(&run->options, &limits);
  assert_int_equal(limits.max_subscriptions, 0);
  assert_true(limits.max_connections == INT64_MAX);
  assert_int_equal(limits.max_traced_msg_len, 0);
  assert_true(run->options.log_size_limit == 0);
  options_free(&run->options);
}

static void the_last_one_wins(void **unused) {
  (void)unused;
  struct options_run *run = PARSE("-a", "1.1.1.1", "-addr=2.2.2.2", "--net", "3.3.3.3", "-p", "1", "-p", "2");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  assert_string_equal(run->options.host, "3.3.3.3");
  assert_int_equal(run->options.port, 2);
  options_free(&run->options);
}

static void handlers_are_collected_in_order(void **unused) {
  (void)unused;
  struct options_run *run = PARSE("-handler", "a.*=echo", "--handler=b.>=/x/y=z.so", "-handler=c=d");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  assert_int_equal(run->options.handler_count, 3);
  assert_string_equal(run->options.handlers[0].filter, "a.*");
  assert_string_equal(run->options.handlers[0].module, "echo");
  assert_string_equal(run->options.handlers[1].filter, "b.>");
  assert_string_equal(run->options.handlers[1].module, "/x/y=z.so");
  assert_string_equal(run->options.handlers[2].module, "d");
  options_free(&run->options);
}

/* ---- values ---- */

static void sizes(void **unused) {
  (void)unused;
  static const struct {
    const char *text;
    uint64_t want; /* 0: refused */
  } cases[] = {
      {"70000", 70000},
      {"1k", 1000},
      {"1K", 1000},
      {"1KB", 1024},
      {"1kib", 1024},
      {"1Ki", 1024},
      {"3m", 3000000},
      {"3MB", 3145728},
      {"2g", 2000000000},
      {"2GiB", 2147483648},
      {"1t", 1000000000000},
      {"1TiB", 1099511627776},
      {"1p", 1000000000000000},
      {"1PB", 1125899906842624},
      {"1e", 1000000000000000000},
      {"1EB", 1152921504606846976},
      {"7EiB", 8070450532247928832u},
      {"8EiB", 0},
      {"10e", 0},
      {"99999999999999999999", 0},
      {"1 mb", 0},
      {"1x", 0},
      {"1kk", 0},
      {"1kbb", 0},
      {"mb", 0},
      {"-5", 0},
      {"", 0},
      {" 1", 0},
      {"+1", 0},
      {"0x10", 0},
      {"1.5k", 0},
      {"0", 67108864},
      {"--5", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct options_run *run = PARSE("-max_payload=1", "-max_pending", cases[i].text);
    if (cases[i].want == 0) {
      assert_int_equal(run->verdict, OPTIONS_FAIL);
      assert_contains(run->err, "-max_pending");
    } else {
      assert_int_equal(run->verdict, OPTIONS_RUN);
      assert_true(run->options.max_pending == cases[i].want);
    }
    options_free(&run->options);
  }
}

static void durations(void **unused) {
  (void)unused;
  static const struct {
    const char *text;
    uint64_t want_ms; /* 0: refused */
  } cases[] = {
      {"2s", 2000},
      {"500ms", 500},
      {"1m30s", 90000},
      {"1.5h", 5400000},
      {"10", 10000},
      {"0.5", 500},
      {"0.3s", 300},
      {"1h2m3s4ms", 3723004},
      {"2000us", 2},
      {"3000000ns", 3},
      {"5000\xc2\xb5s", 5},
      {".5s", 500},
      {"1.s", 1000},
      {"0.001s", 1},
      {"720h", 2592000000},
      {"721h", 0},
      {"999999999999999999999h", 0},
      {"999us", 1},
      {"0", 120000},
      {"0s", 120000},
      {"-1s", 0},
      {"-5", 0},
      {"", 0},
      {"s", 0},
      {".", 0},
      {".s", 0},
      {"1m30", 0},
      {"1x", 0},
      {"1 s", 0},
      {"1sx", 0},
      {"0s5", 0},
      {"1e3s", 0},
      {"1..5s", 0},
      {"+1s", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct options_run *run = PARSE("--ping_interval", cases[i].text);
    if (cases[i].want_ms == 0) {
      if (run->verdict != OPTIONS_FAIL) fail_msg("duration \"%s\" was accepted", cases[i].text);
      assert_contains(run->err, "--ping_interval");
    } else {
      if (run->verdict != OPTIONS_RUN) fail_msg("duration \"%s\": %s", cases[i].text, run->err);
      assert_int_equal(run->options.ping_interval_ms, cases[i].want_ms);
    }
    options_free(&run->options);
  }
}

/* ---- errors ---- */

static void every_error_says_what_is_wrong(void **unused) {
  (void)unused;
  static const struct {
    const char *words[4];
    enum options_verdict verdict;
    const char *says;
  } cases[] = {
      {{"foo"}, OPTIONS_FAIL, "tern: unrecognized command: \"foo\"\n"},
      {{"-D", "true"}, OPTIONS_FAIL, "unrecognized command: \"true\""},
      {{"-"}, OPTIONS_FAIL, "unrecognized command: \"-\""},
      {{"--", "-D"}, OPTIONS_FAIL, "unrecognized command: \"-D\""},
      {{"stop", "-bogus"}, OPTIONS_FAIL, "unrecognized command: \"stop\""},
      {{"-bogus"}, OPTIONS_EXIT, "unknown option: -bogus\n"},
      {{"--bogus=1"}, OPTIONS_EXIT, "unknown option: --bogus\n"},
      {{"-bogus"}, OPTIONS_EXIT, "Usage: tern"},
      {{"---p", "1"}, OPTIONS_EXIT, "unknown option: ---p\n"},
      {{"-=1"}, OPTIONS_EXIT, "unknown option: -\n"},
      {{"-po", "1"}, OPTIONS_EXIT, "unknown option: -po\n"},
      {{"-ports"}, OPTIONS_EXIT, "unknown option: -ports\n"},
      {{"-p|port", "1"}, OPTIONS_EXIT, "unknown option: -p|port\n"},
      {{"-P"}, OPTIONS_FAIL, "option needs a value: -P <file>"},
      {{"-D", "--port"}, OPTIONS_FAIL, "option needs a value: --port <port>"},
      {{"-p", "abc"}, OPTIONS_FAIL, "invalid value \"abc\" for -p: not a number"},
      {{"-p=12x"}, OPTIONS_FAIL, "invalid value \"12x\" for -p: not a number"},
      {{"-p="}, OPTIONS_FAIL, "invalid value \"\" for -p: not a number"},
      {{"-p", "4k"}, OPTIONS_FAIL, "invalid value \"4k\" for -p: not a number"},
      {{"-p", "65536"}, OPTIONS_FAIL, "must be between -1 and 65535"},
      {{"-p", "-2"}, OPTIONS_FAIL, "must be between -1 and 65535"},
      {{"-p", "99999999999999999999"}, OPTIONS_FAIL, "too large a number"},
      {{"-workers", "61"}, OPTIONS_FAIL, "must be between 0 and 60"},
      {{"-max_control_line", "64k"}, OPTIONS_FAIL, "must be between 0 and 16KB"},
      {{"-max_payload", "2GiB"}, OPTIONS_FAIL, "must be between 0 and"},
      {{"-max_payload", "1z"}, OPTIONS_FAIL, "not a size"},
      {{"-max_sub_tokens", "256"}, OPTIONS_FAIL, "must be between 0 and 255"},
      {{"-ping_interval", "-1"}, OPTIONS_FAIL, "must be between 0ms and 720h"},
      {{"-ping_interval", "5x"}, OPTIONS_FAIL, "not a duration"},
      {{"-ping_max", "-1"}, OPTIONS_FAIL, "must be between 0 and"},
      {{"-a", ""}, OPTIONS_FAIL, "must not be empty"},
      {{"-D=maybe"}, OPTIONS_FAIL, "invalid value \"maybe\" for -D: must be true or false"},
      {{"-h=maybe"}, OPTIONS_FAIL, "must be true or false"},
      {{"-handler", "echo"}, OPTIONS_FAIL, "must be FILTER=MODULE"},
      {{"-handler", "=echo"}, OPTIONS_FAIL, "must be FILTER=MODULE"},
      {{"-handler", "a="}, OPTIONS_FAIL, "must be FILTER=MODULE"},
      {{"-name", "two words"}, OPTIONS_FAIL, "must not contain spaces"},
      {{"-max_pending", "1000"},
       OPTIONS_FAIL,
       "max_payload (1048576) must not be larger than max_pending (1000)"},
      {{"-ring_size", "100000"}, OPTIONS_FAIL, "must be a power of two"},
      {{"-ring_size", "64KB", "-max_control_line=4097"},
       OPTIONS_FAIL,
       "at least 16 times max_control_line (4097)"},
      {{"-max_payload", "1001", "-max_pending=1000"}, OPTIONS_FAIL, "must not be larger than"},
      {{"-max_payload=1000", "-max_pending=1000"}, OPTIONS_RUN, ""},
      {{"-max_payload=8MB"}, OPTIONS_RUN, ""},
      {{"-max_payload=9MB"}, OPTIONS_RUN, "warning: max_payload is above 8MB"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct options_run *run = options_run(
        (const char *const[WORDS_MAX + 1]){cases[i].words[0], cases[i].words[1], cases[i].words[2]});
    if (run->verdict != cases[i].verdict)
      fail_msg("%s: verdict %d, not %d", cases[i].words[0], (int)run->verdict, (int)cases[i].verdict);
    assert_contains(run->err, cases[i].says);
    if (cases[i].says[0] == '\0') assert_string_equal(run->err, "");
    assert_string_equal(run->out, "");
    options_free(&run->options);
  }
}

static void an_advertised_address_must_be_one(void **unused) {
  (void)unused;
  static const char *const good[] = {"h", "h.example:1", "10.0.0.1:65535", "[::1]", "[::1]:4222"};
  static const char *const bad[] = {"h:",     ":4222",  "h:0",    "h:65536", "h:4222x",
                                    "::1",    "a:b:1",  "[::1]x", "[::1",    "[::1]x:1",
                                    "[::1]:", "::1]:1", "h h",    "h\"x",    "h:-1"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    struct options_run *run = PARSE("-client_advertise", good[i]);
    assert_string_equal(run->err, "");
    assert_int_equal(run->verdict, OPTIONS_RUN);
    options_free(&run->options);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct options_run *run = PARSE("-client_advertise", bad[i]);
    if (run->verdict != OPTIONS_FAIL) fail_msg("\"%s\" was accepted", bad[i]);
    assert_contains(run->err, "must be HOST or HOST:PORT");
    options_free(&run->options);
  }
}

static void texts_of_the_log_must_be_known(void **unused) {
  (void)unused;
  static const char *const bad[] = {"x",        "udp:h:5",   "tcp://h:5",   "udp://h",    "udp://:5",
                                    "udp://h:", "udp://h:0", "udp://::1:5", "udp://[::1]"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct options_run *run = PARSE("-r", bad[i]);
    if (run->verdict != OPTIONS_FAIL) fail_msg("\"%s\" was accepted", bad[i]);
    assert_contains(run->err, "must be udp://HOST:PORT");
    options_free(&run->options);
  }
  struct options_run *run = PARSE("-log_format", "xml");
  assert_int_equal(run->verdict, OPTIONS_FAIL);
  assert_contains(run->err, "must be text or json");
  options_free(&run->options);
}

/* What nats-server knows and tern does not is refused by name, never ignored. */
static void flags_of_nats_server_that_are_missing_are_refused(void **unused) {
  (void)unused;
  static const char *const missing[] = {
      "js",
      "jetstream",
      "sd",
      "store_dir",
      "routes",
      "cluster",
      "cluster_listen",
      "cluster_name",
      "cluster_advertise",
      "no_advertise",
      "connect_retries",
      "profile",
  };
  for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
    char word[64], says[128];
    snprintf(word, sizeof word, "-%s=x", missing[i]);
    snprintf(says, sizeof says, "tern: -%s is not supported by this version of tern\n", missing[i]);
    struct options_run *run = PARSE(word);
    assert_int_equal(run->verdict, OPTIONS_FAIL);
    assert_string_equal(run->err, says);
    options_free(&run->options);
  }
}

/* ---- version and help ---- */

static void version_is_readable_by_tools(void **unused) {
  (void)unused;
  static const char *const ways[] = {"-v", "--version", "version", "VERSION", "-v=true"};
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    struct options_run *run = PARSE("-D", ways[i], "never read");
    assert_int_equal(run->verdict, OPTIONS_EXIT);
    assert_string_equal(run->out, "nats-server: v" TERN_NATS_VERSION " (tern " TERN_VERSION ")\n");
    assert_string_equal(run->err, "");
    /* how nats.c's tests read it: the first " v", then three numbers */
    int major, minor, update;
    assert_int_equal(sscanf(strstr(run->out, " v"), " v%d.%d.%d", &major, &minor, &update), 3);
    assert_true(major == 2 && minor >= 12);
    options_free(&run->options);
  }
  struct options_run *run = PARSE("-v=false", "-h=false");
  assert_int_equal(run->verdict, OPTIONS_RUN);
  assert_string_equal(run->out, "");
  options_free(&run->options);
}

/* True when the help shows the flag as a word of its own. */
static bool is_listed(const char *help, const char *spelling) {
  size_t len = strlen(spelling);
  for (const char *at = help; (at = strstr(at, spelling)) != NULL; at += len) {
    const char *before = at;
    while (before > help && before[-1] == '-')
      before--;
    if (before < at && before[-1] == ' ' && strchr(", \n", at[len]) != NULL) return true;
  }
  return false;
}

static void help_lists_every_flag(void **unused) {
  (void)unused;
  static const char *const ways[] = {"-h", "--help", "help", "Help"};
  for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
    struct options_run *run = PARSE(ways[w]);
    assert_int_equal(run->verdict, OPTIONS_EXIT);
    assert_string_equal(run->err, "");
    for (size_t i = 0; i < OPTIONS; i++)
      for (size_t s = 0; s < 4 && table[i].spellings[s] != NULL; s++)
        if (!is_listed(run->out, table[i].spellings[s]))
          fail_msg("-%s is not in the help", table[i].spellings[s]);
    static const char *const others[] = {"handler", "v", "version",        "h", "help", "c",
                                         "config",  "t", "connect_retries"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
      if (!is_listed(run->out, others[i])) fail_msg("-%s is not in the help", others[i]);
    assert_contains(run->out, "(default 4222)");
    assert_contains(run->out, "(default 0.0.0.0)");
    for (char *rest = run->out, *line; (line = strsep(&rest, "\n")) != NULL;)
      assert_true(strlen(line) <= 100);
    options_free(&run->options);
  }
}

/* ---- memory ---- */

static void refused_memory_is_reported(void **unused) {
  (void)unused;
  struct options options;
  char *argv[] = {(char[]){"tern"}, (char[]){"-a=h"}, (char[]){"-handler=f=m"}, (char[]){"-n=x"}};
  for (int after = 0; after < 6; after++) {
    refuse_after = after;
    int error = options_init(&options);
    assert_int_equal(error < 0, after == 0);
    FILE *err = tmpfile();
    assert_non_null(err);
    char text[512];
    int saved = divert(STDERR_FILENO, err);
    enum options_verdict verdict = error < 0 ? OPTIONS_FAIL : options_parse(&options, 4, argv);
    restore(STDERR_FILENO, saved, err, text, sizeof text);
    assert_int_equal(verdict, OPTIONS_FAIL);
    if (error == 0) assert_contains(text, "out of memory");
    options_free(&options);
  }
  refuse_after = -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_spelling_sets_its_option),
      cmocka_unit_test(switches_can_be_turned_off),
      cmocka_unit_test(defaults_are_nats_servers),
      cmocka_unit_test(zero_stands_for_the_default),
      cmocka_unit_test(below_zero_is_no_limit),
      cmocka_unit_test(the_last_one_wins),
      cmocka_unit_test(handlers_are_collected_in_order),
      cmocka_unit_test(sizes),
      cmocka_unit_test(durations),
      cmocka_unit_test(every_error_says_what_is_wrong),
      cmocka_unit_test(an_advertised_address_must_be_one),
      cmocka_unit_test(texts_of_the_log_must_be_known),
      cmocka_unit_test(flags_of_nats_server_that_are_missing_are_refused),
      cmocka_unit_test(version_is_readable_by_tools),
      cmocka_unit_test(help_lists_every_flag),
      cmocka_unit_test(refused_memory_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
