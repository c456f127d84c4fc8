/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser, rule by rule: a table of inputs with the operations they stand for. Every entry is parsed in one
 * piece, byte by byte, cut at every place, and cut at random places with keeping in between; the result must
 * always be the one in the table. Behind it, what a table cannot say: what is copied, referenced and given back,
 * and what happens without memory.
 *
 * long file: the table of rules is most of it and is best read in one place.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include <tern/limits.h>

#include "nats_trace.h"
#include "pool.h"

struct entry {
  const char *input;
  size_t len;
  const char *expect;
  size_t expect_len;
};
#define E(input, expect) \
  { input, sizeof(input) - 1, expect, sizeof(expect) - 1 }

/* With headers allowed, a line limit of 40 and a payload limit of 1000. */
static const struct entry client_entries[] = {
    /* Line ends, letter cases, blanks. */
    E("PING\r\n", "PING\n"),
    E("PONG\r\n", "PONG\n"),
    E("+OK\r\n", "+OK\n"),
    E("PING\n", "PING\n"),
    E("pInG\r\npOnG\r\n+oK\r\n", "PING\nPONG\n+OK\n"),
    E("PUB foo 5\nhello\r\n", "PUB|foo||0:|5|hello\n"),
    E("pub foo 5\r\nhello\r\n", "PUB|foo||0:|5|hello\n"),
    E("PUB  \t foo\t\tbar  5 \t\r\nhello\r\n", "PUB|foo|bar|0:|5|hello\n"),
    E("PUB\tfoo\t5\t\nhello\r\n", "PUB|foo||0:|5|hello\n"),
    E("SUB foo 1\nUNSUB 1\nPING\n", "SUB|foo||1\nUNSUB|1|0\nPING\n"),
    E("PING foo\r\n", "PING\n"),
    E("PINGX\r\n", "PING\n"),
    E("PONGPING\r\nPING\r\n", "PONG\nPING\n"),
    E("+OK whatever there is and more than the line limit allows\r\nPING\r\n", "+OK\nPING\n"),
    E("PING\r\r\nPING\n", "PING\nPING\n"),
    /* Where a verb is expected. */
    E("\r\nPING\r\n", "-> EUNKNOWN\n"),
    E("\nPING\r\n", "-> EUNKNOWN\n"),
    E(" PING\r\n", "-> EUNKNOWN\n"),
    E("PING\r\n\r\n", "PING\n-> EUNKNOWN\n"),
    E("GET / HTTP/1.1\r\n", "-> EUNKNOWN\n"),
    E("MSG a 1 1\r\nx\r\n", "-> EUNKNOWN\n"),
    E("HMSG a 1 1 1\r\nx\r\n", "-> EUNKNOWN\n"),
    E("RMSG a 1\r\n", "-> EUNKNOWN\n"),
    E("LS+ a\r\n", "-> EUNKNOWN\n"),
    E("PIN\r\n", "-> EUNKNOWN\n"),
    E("PUNG\r\n", "-> EUNKNOWN\n"),
    E("\0\r\n", "-> EUNKNOWN\n"),
    E("\x0bOK\r\n", "-> EUNKNOWN\n"),
    E("PUB\0foo 1\r\nx\r\n", "-> EUNKNOWN\n"),
    E("PUB\0foo 1234567890123456789012345678901234567890\r\n", "-> EUNKNOWN\n"),
    E("UNSUC 1 the rest is long enough for the quick way\r\n", "-> EUNKNOWN\n"),
    /* The blank behind the verb. */
    E("PUB\r\n", "-> EUNKNOWN\n"),
    E("PUB\n", "-> EUNKNOWN\n"),
    E("PUB \r\n", "-> EARGS\n"),
    E("PUB \n", "-> EARGS\n"),
    E("PUB\t\r\n", "-> EARGS\n"),
    E("PUBfoo 1\r\nx\r\n", "-> EUNKNOWN\n"),
    E("HPUB\r\n", "-> EUNKNOWN\n"),
    E("SUB\r\n", "-> EUNKNOWN\n"),
    E("UNSUB\r\n", "-> EUNKNOWN\n"),
    E("UNSUB \r\n", "-> EARGS\n"),
    E("-ERR\r\n", "-> EUNKNOWN\n"),
    E("-ERR 'x'\r\n", "-ERR|'x'\n"),
    E("-err  'Slow Consumer' \n", "-ERR|'Slow Consumer'\n"),
    /* CONNECT, INFO. */
    E("CONNECT {}\r\n", "CONNECT|{}\n"),
    E("CONNECT{\"a\":1}\r\n", "CONNECT|{\"a\":1}\n"),
    E("connect \t {\"a\": 1} \t\r\n", "CONNECT|{\"a\": 1}\n"),
    E("CONNECT\r\n", "CONNECT|\n"),
    E("CONNECT\n", "CONNECT|\n"),
    E("CONNECT  \r\n", "CONNECT|\n"),
    E("CONNECT foo\r\n", "CONNECT|foo\n"),
    E("INFO {}\r\n", "INFO|{}\n"),
    E("INFO{} \n", "INFO|{}\n"),
    E("CONNECT {}\r\nPING\r\n", "CONNECT|{}\nPING\n"),
    /* PUB. */
    E("PUB f 0\r\n\r\n", "PUB|f||0:|0|\n"),
    E("PUB f 0\r\n\n", "-> EUNKNOWN\n"),
    E("PUB f 0005\r\nhello\r\n", "PUB|f||0:|0005|hello\n"),
    E("PUB f r 2\r\n\r\n\r\n", "PUB|f|r|0:|2|\r\n\n"),
    E("PUB foo 5\r\nhello\n", "-> EUNKNOWN\n"),
    E("PUB foo 5\r\nhello\rx", "-> EUNKNOWN\n"),
    E("PUB foo 5\r\nhelloo\r\n", "-> EUNKNOWN\n"),
    E("PUB foo 5\r\nhell\r\n", "-> EUNKNOWN\n"),
    E("PUB foo 5\r\nhell\r", ""),
    E("PUB foo 5\r\nhello\r", ""),
    E("PUB foo 5\r\nhell\r\nPING\r\n", "-> EUNKNOWN\n"),
    E("PUB foo\r\n", "-> EARGS\n"),
    E("PUB a b c 1\r\nx\r\n", "-> EARGS\n"),
    E("PUB a b c d e f g h i j k l m n o 1\r\nx\r\n", "-> EARGS\n"),
    E("PUB foo -1\r\n", "-> EARGS\n"),
    E("PUB foo +1\r\nx\r\n", "-> EARGS\n"),
    E("PUB foo 1x\r\nx\r\n", "-> EARGS\n"),
    E("PUB foo 4294967296\r\n", "-> EARGS\n"),
    E("PUB foo 0000000001\r\nx\r\n", "-> EARGS\n"),
    E("PUB foo 000000001\r\nx\r\n", "PUB|foo||0:|000000001|x\n"),
    E("PUB foo 18446744073709551617\r\n", "-> EARGS\n"),
    E("PUB f 999999999\r\n", "-> EPAYLOAD\n"),
    E("PUB f 1001\r\n", "-> EPAYLOAD\n"),
    E("PUB f 1001 1\r\nx\r\n", "PUB|f|1001|0:|1|x\n"),
    E("PUB a..b. *.> 1\r\nx\r\n", "PUB|a..b.|*.>|0:|1|x\n"),
    E("PUB \x01\xff\x7f\0 1\r\n\0\r\n", "PUB|\x01\xff\x7f\0||0:|1|\0\n"),
    E("PUB a\rb 1\r\nx\r\n", "PUB|a\rb||0:|1|x\n"),
    E("PUB a 1\r\r\nx\r\n", "-> EARGS\n"),
    E("PUB \ra 1\r\nx\r\n", "PUB|\ra||0:|1|x\n"),
    E("PUB a 1 \r\nx\r\n", "PUB|a||0:|1|x\n"),
    E("PUB a 1\t\nx\r\n", "PUB|a||0:|1|x\n"),
    /* PUB and HPUB with the line of the one before. */
    E("PUB f 1\r\na\r\nPUB f 1\r\nb\r\nPUB f 1\r\nc\r\nPING\r\n",
      "PUB|f||0:|1|a\nPUB|f||0:|1|b\nPUB|f||0:|1|c\nPING\n"),
    E("PUB f 0\r\n\r\nPUB f 0\r\n\r\nPUB f 1\r\nx\r\n", "PUB|f||0:|0|\nPUB|f||0:|0|\nPUB|f||0:|1|x\n"),
    E("PUB subject.of.17 2\r\nab\r\nPUB subject.of.17 2\r\ncd\r\nPUB subject.of.18 2\r\nef\r\n",
      "PUB|subject.of.17||0:|2|ab\nPUB|subject.of.17||0:|2|cd\nPUB|subject.of.18||0:|2|ef\n"),
    E("PUB f r 1\r\na\r\nPUB f r 1\r\nb\r\n", "PUB|f|r|0:|1|a\nPUB|f|r|0:|1|b\n"),
    E("HPUB f 2 3\r\nabc\r\nHPUB f 2 3\r\ndef\r\n", "HPUB|f||2:2|3|abc\nHPUB|f||2:2|3|def\n"),
    E("PUB f 1\r\na\r\nPUB f 1\r\nb\rPUB f 1\r\nc\r\n", "PUB|f||0:|1|a\n-> EUNKNOWN\n"),
    E("PUB f 1\r\na\r\nPUB f 1\r\nbb\r\n", "PUB|f||0:|1|a\n-> EUNKNOWN\n"),
    E("PUB f 1\r\na\r\nPUB f 1\r\nb", "PUB|f||0:|1|a\n"),
    E("PUB PUB 01\r\nx\r\nPUB 01\r\ny\r\n", "PUB|PUB||0:|01|x\n-> EARGS\n"),
    /* HPUB. */
    E("HPUB f 9 14\r\ngarbage!!hello\r\n", "HPUB|f||9:9|14|garbage!!hello\n"),
    E("HPUB f 0 5\r\nhello\r\n", "HPUB|f||0:0|5|hello\n"),
    E("hpub f r 02 005\r\nhello\r\n", "HPUB|f|r|2:02|005|hello\n"),
    E("HPUB f 5 5\r\nhello\r\n", "HPUB|f||5:5|5|hello\n"),
    E("HPUB f 6 5\r\nhello\r\n", "-> EARGS\n"),
    E("HPUB f 1001 1000\r\n", "-> EARGS\n"),
    E("HPUB f 1002 1001\r\n", "-> EARGS\n"),
    E("HPUB f 1 1001\r\n", "-> EPAYLOAD\n"),
    E("HPUB f 5\r\n", "-> EARGS\n"),
    E("HPUB f a b 5 5\r\n", "-> EARGS\n"),
    E("HPUB f -1 5\r\n", "-> EARGS\n"),
    E("HPUB f 1 x\r\n", "-> EARGS\n"),
    E("HPUB f 1234567890 1234567890\r\n", "-> EARGS\n"),
    /* SUB, UNSUB. */
    E("SUB foo  7\r\n", "SUB|foo||7\n"),
    E("SUB foo grp abc-DEF\r\n", "SUB|foo|grp|abc-DEF\n"),
    E("SUB foo\r\n", "-> EARGS\n"),
    E("SUB a b c d\r\n", "-> EARGS\n"),
    E("UNSUB 1\r\n", "UNSUB|1|0\n"),
    E("UNSUB 1 5\r\n", "UNSUB|1|5\n"),
    E("UNSUB 1 0\r\n", "UNSUB|1|0\n"),
    E("UNSUB 1 abc\r\n", "UNSUB|1|0\n"),
    E("UNSUB 1 -1\r\n", "UNSUB|1|0\n"),
    E("UNSUB 1 5x\r\n", "UNSUB|1|0\n"),
    E("UNSUB 1 999999999\r\n", "UNSUB|1|999999999\n"),
    E("UNSUB 1 9999999999\r\n", "UNSUB|1|0\n"),
    E("UNSUB 1 2 3\r\n", "-> EARGS\n"),
    /* The limit of the line: 40 bytes of arguments, blanks before them and the line end not counted. */
    E("SUB 34567890123456789012345678901234567890 1\r\nPING\r\n",
      "SUB|34567890123456789012345678901234567890||1\nPING\n"),
    E("SUB 34567890123456789012345678901234567890 1\nPING\r\n",
      "SUB|34567890123456789012345678901234567890||1\nPING\n"),
    E("SUB             34567890123456789012345678901234567890 1\r\n",
      "SUB|34567890123456789012345678901234567890||1\n"),
    E("SUB 234567890123456789012345678901234567890 1\r\n", "-> ELINE\n"),
    E("SUB 4567890123456789012345678901234567890 1 \r\n", "SUB|4567890123456789012345678901234567890||1\n"),
    E("SUB 4567890123456789012345678901234567890 1  \r\n", "-> ELINE\n"),
    E("SUB 34567890123456789012345678901234567890 12\r\r\n", "-> ELINE\n"),
    E("SUB 123456789012345678901234567890123456789012345678901234567890", "-> ELINE\n"),
    E("SUB 1234567890123456789012345678901234567890\r", ""),
    E("SUB 12345678901234567890123456789012345678901", "-> ELINE\n"),
    E("SUB 1234567890123456789012345678901234567890\rx", "-> ELINE\n"),
    E("CONNECT {34567890123456789012345678901234567890}\r\n",
      "CONNECT|{34567890123456789012345678901234567890}\n"),
    E("CONNECT {345678901234567890123456789012345678901}\r\n", "-> ELINE\n"),
    E("PUB 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6\r\n", "-> ELINE\n"),
    E("HPUB 4567890123456789012345678901234567890 6 5\r\n", "-> ELINE\n"),
    /* One behind the other. */
    E("SUB a 1\r\nSUB b q 2\r\nPUB a 1\r\nA\r\nPUB b r 2\r\nBB\r\nUNSUB 1\r\nPING\r\n",
      "SUB|a||1\nSUB|b|q|2\nPUB|a||0:|1|A\nPUB|b|r|0:|2|BB\nUNSUB|1|0\nPING\n"),
    E("PUB a 6\r\nPING\r\n\r\nPING\r\n", "PUB|a||0:|6|PING\r\n\nPING\n"),
    E("PUB a 1\r\nA\r\nPUB a\r\nPING\r\n", "PUB|a||0:|1|A\n-> EARGS\n"),
    E("PUB a.long.subject.of.its.own a.reply 00012\r\nhello, world\r\nPUB b 1\r\nx\r\n",
      "PUB|a.long.subject.of.its.own|a.reply|0:|00012|hello, world\nPUB|b||0:|1|x\n"),
};

/* Limits as initialised. */
static const struct entry server_entries[] = {
    E("INFO {\"server_id\":\"x\"} \r\n", "INFO|{\"server_id\":\"x\"}\n"),
    E("+OK\r\nPING\r\nPONG\r\n-ERR 'Unknown Protocol Operation'\r\n",
      "+OK\nPING\nPONG\n-ERR|'Unknown Protocol Operation'\n"),
    E("MSG foo 1 5\r\nhello\r\n", "MSG|foo|1||0:|5|hello\n"),
    E("MSG foo 1 0005\r\nhello\r\n", "MSG|foo|1||0:|0005|hello\n"),
    E("MSG foo 1 re.ply 5\r\nhello\r\n", "MSG|foo|1|re.ply|0:|5|hello\n"),
    E("MSG $SYS.a 1  5\r\nhello\r\n", "MSG|$SYS.a|1||0:|5|hello\n"),
    E("msg f 1 0\n\r\n", "MSG|f|1||0:|0|\n"),
    E("MSG foo 5\r\nhello\r\n", "-> EARGS\n"),
    E("MSG foo 1 a b 5\r\nhello\r\n", "-> EARGS\n"),
    E("MSG foo 1 5x\r\n", "-> EARGS\n"),
    E("MSG foo 1 5\r\nhello\n", "-> EUNKNOWN\n"),
    E("MSG\r\n", "-> EUNKNOWN\n"),
    E("HMSG foo 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", "HMSG|foo|1||16:16|16|NATS/1.0 503\r\n\r\n\n"),
    E("HMSG foo 1 rep 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "HMSG|foo|1|rep|12:12|14|NATS/1.0\r\n\r\nhi\n"),
    E("HMSG foo 1 rep x 12 14\r\n", "-> EARGS\n"),
    E("HMSG foo 12 14\r\n", "-> EARGS\n"),
    E("HMSG foo 1 15 14\r\n", "-> EARGS\n"),
    E("MSG f 1 1048577\r\n", "-> EPAYLOAD\n"),
    E("PUB f 1\r\nx\r\n", "-> EUNKNOWN\n"),
    E("SUB f 1\r\n", "-> EUNKNOWN\n"),
    E("CONNECT {}\r\n", "-> EUNKNOWN\n"),
    E("HPUB f 1 1\r\n", "-> EUNKNOWN\n"),
    E("UNSUB 1 and so on and on\r\n", "-> EUNKNOWN\n"),
};

/* ---- Ways of cutting ---- */

struct cutter {
  size_t first;    /* length of the first piece; the others have the rest */
  uint32_t random; /* state of the generator; 0: not random */
};

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

static size_t piece_one(void *arg) {
  (void)arg;
  return 1;
}

static size_t piece_two(void *arg) {
  struct cutter *cutter = arg;
  size_t len = cutter->first;
  cutter->first = SIZE_MAX;
  return len;
}

static size_t piece_random(void *arg) {
  struct cutter *cutter = arg;
  return 1 + next_random(&cutter->random) % 13;
}

static bool stop_random(void *arg) {
  struct cutter *cutter = arg;
  return next_random(&cutter->random) % 3 == 0;
}

static bool stop_always(void *arg) {
  (void)arg;
  return true;
}

/* For the many short runs; each leaves nothing in it. */
static struct tern_pool *common;

static int make_pool(void **state) {
  (void)state;
  common = tern_pool_new();
  return common != NULL ? 0 : -1;
}

static int free_pool(void **state) {
  (void)state;
  tern_pool_free(common);
  return 0;
}

static void expect_trace(const struct trace_plan *plan, const struct entry *entry) {
  struct trace t;
  trace_run(&t, common, plan, entry->input, entry->len);
  assert_string_equal(t.text, entry->expect);
  assert_int_equal(t.len, entry->expect_len);
  assert_memory_equal(t.text, entry->expect, t.len);
  trace_free(&t);
  assert_int_equal(tern_pool_stats(common).live_objects, 0);
}

static void expect_any_split_with(struct trace_plan plan, const struct entry *entry) {
  expect_trace(&plan, entry);
  plan.stop = stop_always;
  expect_trace(&plan, entry);
  plan.piece = piece_one;
  expect_trace(&plan, entry);
  plan.stop = NULL;
  expect_trace(&plan, entry);
  struct cutter cutter = {0, 0};
  plan.arg = &cutter;
  for (size_t at = 1; at < entry->len; at++) {
    plan.piece = piece_two;
    plan.stop = NULL;
    cutter.first = at;
    expect_trace(&plan, entry);
    plan.stop = stop_always;
    cutter.first = at;
    expect_trace(&plan, entry);
  }
  plan.piece = piece_random;
  plan.stop = stop_random;
  for (uint32_t seed = 1; seed <= 50; seed++) {
    cutter.random = seed * 2654435761u;
    expect_trace(&plan, entry);
  }
}

/* Without taking more at once, one at a time, and as many as there are, of what repeats itself and of any PUBs. */
static void expect_any_split(struct trace_plan plan, const struct entry *entry) {
  static const uint32_t repeats[] = {0, 1, 1000, 0, 0}, pubs[] = {0, 0, 0, 1, TRACE_PUBS_MAX};
  for (size_t i = 0; i < sizeof repeats / sizeof repeats[0]; i++) {
    plan.repeats = repeats[i];
    plan.pubs = pubs[i];
    expect_any_split_with(plan, entry);
  }
}

static void every_client_rule_with_any_split(void **state) {
  (void)state;
  struct trace_plan plan = {
      .side = TERN_NATS_FROM_CLIENT, .headers = true, .line_max = 40, .payload_max = 1000};
  for (size_t i = 0; i < sizeof client_entries / sizeof client_entries[0]; i++)
    expect_any_split(plan, &client_entries[i]);
}

static void every_server_rule_with_any_split(void **state) {
  (void)state;
  struct trace_plan plan = {.side = TERN_NATS_FROM_SERVER};
  for (size_t i = 0; i < sizeof server_entries / sizeof server_entries[0]; i++)
    expect_any_split(plan, &server_entries[i]);
}

static void headers_are_refused_before_they_are_asked_for(void **state) {
  (void)state;
  static const struct entry entries[] = {
      E("HPUB f 9 14\r\ngarbage!!hello\r\n", "-> EHEADERS\n"),
      E("HPUB f\r\n", "-> EHEADERS\n"),
      E("HPUB f 1 999999999\r\n", "-> EHEADERS\n"),
      E("HPUB\r\n", "-> EUNKNOWN\n"),
      E("PUB f 5\r\nhello\r\n", "PUB|f||0:|5|hello\n"),
  };
  struct trace_plan plan = {.side = TERN_NATS_FROM_CLIENT};
  for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
    expect_any_split(plan, &entries[i]);
}

/* ---- Limits as they are by default ---- */

/* Parses text that is made of a beginning, a repeated byte and an end, in pieces. Returns how it ended. */
static int result_of(struct trace *t, struct tern_pool *pool, const struct trace_plan *plan,
                     const char *begin, char c, size_t times, const char *end) {
  size_t len = strlen(begin) + times + strlen(end);
  char *text = malloc(len);
  assert_non_null(text);
  memcpy(text, begin, strlen(begin));
  memset(text + strlen(begin), c, times);
  memcpy(text + strlen(begin) + times, end, strlen(end));
  trace_run(t, pool, plan, text, len);
  free(text);
  return t->error;
}

static size_t piece_4099(void *arg) {
  (void)arg;
  return 4099;
}

static void default_limits_are_4096_and_a_mebibyte(void **state) {
  (void)state;
  struct tern_pool *pool = tern_pool_new();
  size_t (*const pieces[])(void *) = {NULL, piece_4099, piece_one};
  struct trace t;
  for (size_t i = 0; i < 3; i++) {
    struct trace_plan plan = {.side = TERN_NATS_FROM_CLIENT, .piece = pieces[i]};
    assert_int_equal(result_of(&t, pool, &plan, "SUB ", 'a', 4094, " 1\r\n"), 0);
    assert_int_equal(t.len, 4 + 4094 + 4);
    trace_free(&t);
    assert_int_equal(result_of(&t, pool, &plan, "SUB ", 'a', 4095, " 1\r\n"), TERN_NATS_ELINE);
    trace_free(&t);
    assert_int_equal(result_of(&t, pool, &plan, "SUB ", 'a', 5000, ""), TERN_NATS_ELINE);
    trace_free(&t);
    /* What is not arguments has no limit, and nothing of it is kept. */
    assert_int_equal(result_of(&t, pool, &plan, "SUB ", ' ', 20000, "a 1\r\n"), 0);
    assert_string_equal(t.text, "SUB|a||1\n");
    trace_free(&t);
    assert_int_equal(result_of(&t, pool, &plan, "PING", 'x', 20000, "\r\n"), 0);
    assert_string_equal(t.text, "PING\n");
    trace_free(&t);
  }
  struct trace_plan plan = {.side = TERN_NATS_FROM_CLIENT, .piece = piece_4099};
  assert_int_equal(result_of(&t, pool, &plan, "PUB a 1048576\r\n", 'x', 1048576, "\r\n"), 0);
  assert_int_equal(t.len, strlen("PUB|a||0:|1048576|\n") + 1048576);
  trace_free(&t);
  assert_int_equal(result_of(&t, pool, &plan, "PUB a 1048577\r\n", 'x', 0, ""), TERN_NATS_EPAYLOAD);
  trace_free(&t);
  plan.side = TERN_NATS_FROM_SERVER; /* its lines may be longer */
  assert_int_equal(result_of(&t, pool, &plan, "INFO ", 'x', 1024 * 1024, "\r\n"), 0);
  trace_free(&t);
  assert_int_equal(result_of(&t, pool, &plan, "INFO ", 'x', 1024 * 1024 + 1, "\r\n"), TERN_NATS_ELINE);
  trace_free(&t);
  tern_pool_free(pool);
}

static void bytes_seen(struct tern_nats_parser *parser, const char *text, size_t len, int expect) {
  struct tern_nats_op op;
  struct tern_chunk chunk = {text, len, NULL};
  tern_nats_feed(parser, &chunk);
  assert_int_equal(tern_nats_next(parser, &op), expect);
  assert_int_equal(tern_nats_keep(parser), 0);
}

/* After this many bytes of the input the parser must report the error, and not a byte earlier. */
static void expect_error_after(const char *input, size_t bytes, int error) {
  struct tern_pool *pool = tern_pool_new();
  struct tern_nats_parser parser;
  for (int piecewise = 0; piecewise <= 1; piecewise++) {
    tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, pool);
    tern_nats_set_limits(&parser, 20, 1000);
    if (piecewise) {
      for (size_t i = 0; i + 1 < bytes; i++)
        bytes_seen(&parser, input + i, 1, 0);
    } else if (bytes > 1) {
      bytes_seen(&parser, input, bytes - 1, 0);
    }
    bytes_seen(&parser, input + bytes - 1, 1, error);
    tern_nats_reset(&parser);
    tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, pool);
    tern_nats_set_limits(&parser, 20, 1000);
    bytes_seen(&parser, input, bytes, error);
    tern_nats_reset(&parser);
  }
  tern_pool_free(pool);
}

static void errors_come_with_the_first_wrong_byte(void **state) {
  (void)state;
  expect_error_after("GET / HTTP/1.1", 1, TERN_NATS_EUNKNOWN);
  expect_error_after("PUT / HTTP/1.1", 3, TERN_NATS_EUNKNOWN);
  expect_error_after("HEAD / HTTP/1.1", 2, TERN_NATS_EUNKNOWN);
  expect_error_after("PUBX", 4, TERN_NATS_EUNKNOWN);
  expect_error_after("CONNECX", 7, TERN_NATS_EUNKNOWN);
  expect_error_after("-ERRX", 5, TERN_NATS_EUNKNOWN);
  expect_error_after("PUB a 2\r\nxyz", 12, TERN_NATS_EUNKNOWN);
  expect_error_after("PUB a 2\r\nxy\rz", 13, TERN_NATS_EUNKNOWN);
  expect_error_after("PUB a 1001\r\n", 12, TERN_NATS_EPAYLOAD);
  expect_error_after("PUB a b c d\r\n", 13, TERN_NATS_EARGS);
  expect_error_after("HPUB a\r\n", 8, TERN_NATS_EHEADERS);
  expect_error_after("SUB 123456789012345678901234567890", 25, TERN_NATS_ELINE);
  expect_error_after("SUB 12345678901234567890\r1", 26, TERN_NATS_ELINE);
}

static void limits_may_change_between_operations(void **state) {
  (void)state;
  struct tern_pool *pool = tern_pool_new();
  struct tern_nats_parser parser;
  struct tern_nats_op op;
  tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, pool);
  bytes_seen(&parser, "PUB a 5\r\nhel", 12, 0);
  tern_nats_set_limits(&parser, 2, 1); /* not for the message that has been let in */
  bytes_seen(&parser, "lo\r\n", 4, 1);
  bytes_seen(&parser, "PUB a 2\r\n", 9, TERN_NATS_ELINE);
  tern_nats_reset(&parser);

  tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, pool);
  bytes_seen(&parser, "SUB aaaaaaaa", 12, 0);
  tern_nats_set_limits(&parser, 2, 1);
  bytes_seen(&parser, "a", 1, TERN_NATS_ELINE);
  tern_nats_reset(&parser);

  tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, pool);
  tern_nats_set_headers(&parser, true);
  bytes_seen(&parser, "HPUB a 1 2\r\n", 12, 0);
  tern_nats_set_headers(&parser, false);
  bytes_seen(&parser, "xy\r\n", 4, 1);
  bytes_seen(&parser, "HPUB a 1 2\r\n", 12, TERN_NATS_EHEADERS);
  assert_int_equal(tern_nats_next(&parser, &op), TERN_NATS_EHEADERS);
  tern_nats_reset(&parser);
  tern_pool_free(pool);
}

/* ---- What is copied, referenced and given back ---- */

static struct tern_chunk owned_chunk(struct tern_pool *pool, const char *text) {
  struct tern_buf *buf = tern_buf_new(pool, strlen(text));
  assert_non_null(buf);
  memcpy(tern_buf_data(buf), text, strlen(text));
  return (struct tern_chunk){tern_buf_data(buf), strlen(text), buf};
}

static bool lies_in(struct tern_slice slice, const struct tern_chunk *chunk) {
  return slice.ptr >= chunk->data && slice.ptr + slice.len <= chunk->data + chunk->len;
}

static void whole_messages_are_not_copied(void **state) {
  (void)state;
  struct tern_pool *pool = tern_pool_new();
  struct tern_nats_parser parser;
  struct tern_nats_op op;
  tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, pool);

  /* The second message is cut in its line, the third one in its body. */
  struct tern_chunk a = owned_chunk(pool, "PUB a r 5\r\nhello\r\nPUB bb 1");
  struct tern_chunk b = owned_chunk(pool, "0\r\n0123456789\r\nPUB c 3\r\nxyz\r\nPUB d 4\r\nab");
  struct tern_chunk c = owned_chunk(pool, "cd\r\nPUB e 1\r\nx\r\n");
  tern_nats_feed(&parser, &a);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_ptr_equal(op.owner, a.owner);
  assert_true(lies_in(op.subject, &a) && lies_in(op.reply, &a) && lies_in(op.body, &a));
  assert_int_equal(tern_nats_unused(&parser), strlen("PUB bb 1"));
  assert_int_equal(tern_nats_next(&parser, &op), 0);
  assert_int_equal(tern_nats_keep(&parser), 0);
  assert_int_equal(tern_nats_unused(&parser), strlen("PUB") + strlen("bb 1"));
  tern_buf_unref(a.owner);

  tern_nats_feed(&parser, &b);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_true(tern_slice_equal(op.subject, tern_slice_of("bb")));
  assert_true(tern_slice_equal(op.size_text, tern_slice_of("10")));
  assert_ptr_equal(op.owner, b.owner); /* its body came whole */
  assert_true(lies_in(op.body, &b));
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_ptr_equal(op.owner, b.owner);
  assert_true(lies_in(op.subject, &b) && lies_in(op.body, &b));
  assert_int_equal(tern_nats_next(&parser, &op), 0);
  assert_int_equal(tern_nats_keep(&parser), 0);
  tern_buf_unref(b.owner);

  tern_nats_feed(&parser, &c);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_ptr_not_equal(op.owner, c.owner);
  struct tern_buf *kept = op.owner;
  struct tern_slice body = op.body;
  tern_buf_ref(kept);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_ptr_equal(op.owner, c.owner);
  assert_true(lies_in(op.subject, &c));
  assert_int_equal(tern_nats_next(&parser, &op), 0);
  assert_int_equal(tern_nats_keep(&parser), 0);
  assert_false(tern_buf_is_shared(kept)); /* the parser has let go of it */
  assert_true(tern_slice_equal(body, tern_slice_of("abcd")));
  tern_buf_unref(kept);
  tern_buf_unref(c.owner);
  assert_int_equal(tern_nats_unused(&parser), 0);
  assert_int_equal(tern_pool_stats(pool).live_objects, 0); /* although the parser is still there */
  tern_nats_reset(&parser);
  tern_pool_free(pool);
}

static void what_is_left_over_can_be_kept_twice(void **state) {
  (void)state;
  struct tern_pool *pool = tern_pool_new();
  struct tern_nats_parser parser;
  struct tern_nats_op op;
  tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, pool);
  struct tern_chunk a = owned_chunk(pool, "PING\r\nPONG\r\nPUB a 3\r\nxyz\r\nSUB a");
  struct tern_chunk b = owned_chunk(pool, " 1\r\nPUB b 2\r\nhi\r\nPI");
  struct tern_chunk c = owned_chunk(pool, "NG\r\n");
  tern_nats_feed(&parser, &a);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_int_equal(tern_nats_keep(&parser), 0);
  tern_buf_unref(a.owner);
  assert_int_equal(tern_nats_unused(&parser), a.len - 6);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_int_equal(op.verb, TERN_NATS_PONG);
  assert_int_equal(tern_nats_keep(&parser), 0); /* nothing to do */
  tern_nats_feed(&parser, &b);
  assert_int_equal(tern_nats_unused(&parser), a.len - 12 + b.len);
  assert_int_equal(tern_nats_keep(&parser), 0); /* both together */
  tern_buf_unref(b.owner);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_true(tern_slice_equal(op.body, tern_slice_of("xyz")));
  assert_non_null(op.owner);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_int_equal(op.verb, TERN_NATS_SUB);
  tern_nats_feed(&parser, &c);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_true(tern_slice_equal(op.body, tern_slice_of("hi")));
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_int_equal(op.verb, TERN_NATS_PING);
  assert_int_equal(tern_nats_next(&parser, &op), 0);
  assert_int_equal(tern_nats_keep(&parser), 0);
  tern_buf_unref(c.owner);
  assert_int_equal(tern_pool_stats(pool).live_objects, 0);

  /* Reset in every state gives everything back. */
  static const char *const beginnings[] = {"PU", "PUB ", "PUB a", "PUB a 10\r\nabc", "PING x"};
  for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
    tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, pool);
    bytes_seen(&parser, beginnings[i], strlen(beginnings[i]), 0);
    tern_nats_reset(&parser);
    assert_int_equal(tern_nats_unused(&parser), 0);
    assert_int_equal(tern_pool_stats(pool).live_objects, 0);
  }
  tern_pool_free(pool);
}

/* ---- Memory: how much, and what without ---- */

static size_t asked_bytes; /* since set to 0 */
static unsigned asked_times;
static unsigned refuse_from; /* the allocation, counted from 1, that fails, and all behind it; 0: none */

static int watch_pool(size_t size) {
  asked_bytes += size;
  asked_times++;
  return refuse_from != 0 && asked_times >= refuse_from;
}

/* A source that is held back costs no memory and no copy of what was read, unless little of it is left. */
static void what_fills_its_buffer_is_kept_by_reference(void **state) {
  (void)state;
  struct tern_pool *pool = tern_pool_new();
  struct tern_nats_parser parser;
  struct tern_nats_op op;
  tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, pool);
  struct tern_chunk a =
      owned_chunk(pool, "PUB a 3\r\nxyz\r\nPUB b 3\r\nuvw\r\nPUB c 3\r\nrst\r\nPUB d 3\r\nopq");
  tern_nats_feed(&parser, &a);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  asked_times = 0;
  refuse_from = 1;
  tern__pool_fault = watch_pool;
  assert_int_equal(tern_nats_keep(&parser), 0);
  tern__pool_fault = NULL;
  refuse_from = 0;
  assert_int_equal(asked_times, 0);
  assert_true(tern_buf_is_shared(a.owner));
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_true(lies_in(op.subject, &a) && lies_in(op.body, &a));
  assert_ptr_equal(op.owner, a.owner);
  assert_int_equal(tern_nats_keep(&parser), 0); /* again: nothing to do */

  struct tern_chunk b = owned_chunk(pool,
                                    "\r\nPUB e 70\r\n0123456789012345678901234567890123456789"
                                    "012345678901234567890123456789\r\nPING\r\nPONG\r\n");
  tern_nats_feed(&parser, &b);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_true(tern_slice_equal(op.body, tern_slice_of("rst")));
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_true(tern_slice_equal(op.body, tern_slice_of("opq")));
  assert_false(tern_buf_is_shared(a.owner)); /* used up */
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_ptr_equal(op.owner, b.owner);
  assert_int_equal(tern_nats_keep(&parser), 0);
  assert_false(tern_buf_is_shared(b.owner)); /* two short ones are left of it: copied */
  memset(tern_buf_data(b.owner), 'x', b.len);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_int_equal(op.verb, TERN_NATS_PING);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_int_equal(op.verb, TERN_NATS_PONG);
  assert_int_equal(tern_nats_next(&parser, &op), 0);
  tern_buf_unref(a.owner);
  tern_buf_unref(b.owner);
  assert_int_equal(tern_pool_stats(pool).live_objects, 0);

  struct tern_chunk c = owned_chunk(pool, "PING\r\nPONG\r\nPONG\r\n");
  tern_nats_feed(&parser, &c);
  assert_int_equal(tern_nats_next(&parser, &op), 1);
  assert_int_equal(tern_nats_keep(&parser), 0);
  tern_nats_reset(&parser);
  assert_false(tern_buf_is_shared(c.owner));
  tern_buf_unref(c.owner);
  tern_pool_free(pool);
}

static void feed_without_memory_of_its_own(struct tern_nats_parser *parser, const char *text, size_t len,
                                           size_t step, unsigned expect) {
  struct tern_nats_op op;
  unsigned count = 0;
  for (size_t at = 0; at < len; at += step) {
    struct tern_chunk chunk = {text + at, len - at < step ? len - at : step, NULL};
    tern_nats_feed(parser, &chunk);
    int r;
    while ((r = tern_nats_next(parser, &op)) > 0)
      count++;
    assert_int_equal(r, 0);
    assert_int_equal(tern_nats_keep(parser), 0);
  }
  assert_int_equal(count, expect);
}

static void incomplete_operations_cost_linear_memory_traffic(void **state) {
  (void)state;
  static char text[1024 * 1024 + 64];
  struct tern_pool *pool = tern_pool_new();
  struct tern_nats_parser parser;
  tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, pool);
  tern__pool_fault = watch_pool;
  refuse_from = 0;

  /* A long line byte by byte: the buffer doubles. */
  memset(text, 'a', sizeof text);
  memcpy(text, "SUB ", 4);
  memcpy(text + 4000, " 1\r\n", 4);
  asked_bytes = asked_times = 0;
  feed_without_memory_of_its_own(&parser, text, 4004, 1, 1);
  assert_in_range(asked_bytes, 4000, 3 * 4096);
  assert_in_range(asked_times, 1, 8);

  /* A large body: one buffer besides the one that the line may need. */
  memset(text, 'x', sizeof text);
  int line = snprintf(text, 64, "PUB a 1048576\r\n");
  size_t len = (size_t)line + 1048576 + 2;
  memcpy(text + len - 2, "\r\n", 2);
  asked_bytes = asked_times = 0;
  feed_without_memory_of_its_own(&parser, text, len, 65536, 1);
  assert_in_range(asked_bytes, 1048576, 1048576 + 512);
  assert_in_range(asked_times, 1, 2);
  asked_bytes = asked_times = 0;
  feed_without_memory_of_its_own(&parser, text, len, 7, 1);
  assert_in_range(asked_bytes, 1048576, 1048576 + 512);
  assert_in_range(asked_times, 1, 2);

  /* Whole operations, ignored text and blanks: none. */
  asked_times = 0;
  feed_without_memory_of_its_own(&parser, text, len, len, 1);
  feed_without_memory_of_its_own(&parser, "PING and much more\r\n", 20, 1, 1);
  feed_without_memory_of_its_own(&parser, "UNSUB        ", 13, 1, 0);
  assert_int_equal(asked_times, 0);
  tern__pool_fault = NULL;
  tern_nats_reset(&parser);
  tern_pool_free(pool);
}

/* Parses the input in random pieces, keeping once in between. Returns how it ended. */
static int parse_with_memory_until(unsigned refused, uint32_t seed, struct tern_pool *pool, const char *input,
                                   size_t len, struct trace *t) {
  struct tern_nats_parser parser;
  struct tern_nats_op op;
  struct cutter cutter = {0, seed * 2654435761u};
  tern_nats_init(&parser, TERN_NATS_FROM_CLIENT, pool);
  asked_times = 0;
  refuse_from = refused;
  tern__pool_fault = watch_pool;
  int r = 0;
  for (size_t at = 0; at < len && r == 0;) {
    size_t step = piece_random(&cutter);
    if (step > len - at) step = len - at;
    struct tern_chunk chunk = {input + at, step, NULL};
    at += step;
    tern_nats_feed(&parser, &chunk);
    bool kept = false;
    while (r == 0 && (r = tern_nats_next(&parser, &op)) > 0) {
      trace_op(t, &op);
      r = kept ? 0 : tern_nats_keep(&parser);
      kept = true;
    }
    if (r == 0 && !kept) r = tern_nats_keep(&parser);
  }
  tern__pool_fault = NULL;
  if (r != 0) assert_int_equal(tern_nats_next(&parser, &op), r);
  tern_nats_reset(&parser);
  assert_int_equal(tern_pool_stats(pool).live_objects, 0);
  return r;
}

static void out_of_memory_at_every_allocation(void **state) {
  (void)state;
  static const char input[] =
      "CONNECT {}\r\nSUB a 1\r\nPUB a r 70\r\n"
      "0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
      "SUB a.subject.that.is.longer.than.the.first.size.of.the.buffer.for.lines.which.is.64.bytes "
      "2\r\nPING\r\n";
  const size_t len = sizeof input - 1;
  struct tern_pool *pool = tern_pool_new();
  struct trace_plan plan = {.side = TERN_NATS_FROM_CLIENT};
  struct trace whole;
  trace_run(&whole, pool, &plan, input, len);
  assert_int_equal(whole.error, 0);
  for (uint32_t seed = 1; seed <= 20; seed++) {
    int r = TERN_NATS_ENOMEM;
    unsigned refused;
    for (refused = 1; r != 0; refused++) {
      struct trace t = {NULL, 0, 0, 0, 0};
      trace_text(&t, "");
      r = parse_with_memory_until(refused, seed, pool, input, len, &t);
      assert_true(r == 0 || r == TERN_NATS_ENOMEM);
      assert_true(r == 0 ? t.len == whole.len : t.len < whole.len);
      assert_memory_equal(t.text, whole.text, t.len); /* what came before is right */
      trace_free(&t);
    }
    assert_in_range(refused, 5, 1000); /* there were allocations to refuse, and it did come to an end */
  }
  trace_free(&whole);
  tern_pool_free(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_client_rule_with_any_split),
      cmocka_unit_test(every_server_rule_with_any_split),
      cmocka_unit_test(headers_are_refused_before_they_are_asked_for),
      cmocka_unit_test(default_limits_are_4096_and_a_mebibyte),
      cmocka_unit_test(errors_come_with_the_first_wrong_byte),
      cmocka_unit_test(limits_may_change_between_operations),
      cmocka_unit_test(whole_messages_are_not_copied),
      cmocka_unit_test(what_is_left_over_can_be_kept_twice),
      cmocka_unit_test(what_fills_its_buffer_is_kept_by_reference),
      cmocka_unit_test(incomplete_operations_cost_linear_memory_traffic),
      cmocka_unit_test(out_of_memory_at_every_allocation),
  };
  return cmocka_run_group_tests(tests, make_pool, free_pool);
}
