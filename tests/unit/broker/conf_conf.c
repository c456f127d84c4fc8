/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration language, by tables: text and the tree it makes (as text again, see conf_text.h), text and the error
 * with its place. Then what tables do not show: values' types, places, files that include one another, variables of
 * the environment, every bound, and memory that is refused at each allocation in turn.
 */
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf.h"
#include "conf_text.h"

/* ---- memory that is refused ---- */

static long countdown = -1; /* the allocation that brings it to 0 fails; negative: none does */

static bool refused(void) { return countdown >= 0 && countdown-- == 0; }

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) { return refused() ? NULL : __real_malloc(size); }
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) { return refused() ? NULL : __real_calloc(count, size); }
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size) { return refused() ? NULL : __real_realloc(memory, size); }
void *__real_tsearch(const void *key, void **root, int (*compare)(const void *, const void *));
void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *));
void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *)) {
  return refused() ? NULL : __real_tsearch(key, root, compare);
}

/* ---- reading ---- */

static struct conf_error error;

/* The tree of a text as text, or the error. */
static const char *read_bytes(const char *text, size_t len) {
  static char out[8192];
  struct conf *conf;
  int result = conf_parse("c", text, len, &conf, &error);
  if (result < 0) {
    assert_null(conf);
    return error.text;
  }
  assert_string_equal(error.text, "");
  assert_true(conf_text(conf_root(conf), out, sizeof out));
  conf_free(conf);
  return out;
}

struct example {
  const char *text, *want;
};

static void check(const struct example *examples, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const char *have = read_bytes(examples[i].text, strlen(examples[i].text));
    if (strcmp(have, examples[i].want) != 0)
      fail_msg("%s\n  gives %s\n  not   %s", examples[i].text, have, examples[i].want);
  }
}

#define CHECK(examples) check(examples, sizeof(examples) / sizeof(examples)[0])

static void entries(void **unused) {
  (void)unused;
  static const struct example examples[] = {
      {"", "{}"},
      {" \t\r\n\n", "{}"},
      {"# only\n// comments", "{}"},
      {"a: 1", "{\"a\":1}"},
      {"a=1", "{\"a\":1}"},
      {"a 1", "{\"a\":1}"},
      {"a\t=\t1\t", "{\"a\":1}"},
      {"a\n1", "{\"a\":1}"},
      {"a : 1\r\nb : 2\r\n", "{\"a\":1,\"b\":2}"},
      {"a: 1\rb: 2", "{\"a\":1,\"b\":2}"},
      {"a: 1, b: 2; c: 3", "{\"a\":1,\"b\":2,\"c\":3}"},
      {"a: 1,\n\n\nb: 2;\n", "{\"a\":1,\"b\":2}"},
      {"a: 1 # one\nb: 2 // two\n# three", "{\"a\":1,\"b\":2}"},
      {"a: 1 #b: 2", "{\"a\":1}"},
      {"'a b': 1, \"c:d\" 2", "{\"a b\":1,\"c:d\":2}"},
      {"\"a\\\": 1", "{\"a\\\":1}"},
      {"svc.*.>: 1, $x: 2, a/b-c@d: 3", "{\"svc.*.>\":1,\"$x\":2,\"a/b-c@d\":3}"},
      {"a: 1\na: 2\nb: 3\na: x", "{\"a\":\"x\",\"b\":3}"},
      {"a: {x: 1}\na: {y: 2}", "{\"a\":{\"y\":2}}"},
      {"a: 1\nA: 2", "{\"a\":1,\"A\":2}"},
      {"{a: 1}", "{\"a\":1}"},
      {"# c\n{\n\"a\": 1,\n\"b\":\n2\n}\n# c\n", "{\"a\":1,\"b\":2}"},
      {"{\"a\":{\"b\":[1,true,\"x\"]},\"c\":[]}", "{\"a\":{\"b\":[1,true,\"x\"]},\"c\":[]}"},
      {"{\"a\": 1\n,\"b\": 2}", "{\"a\":1,\"b\":2}"},
      {"{}", "{}"},
      {"\xef\xbb\xbf"
       "a: 1",
       "{\"a\":1}"},
      {"\xc3\xa4: \xe2\x82\xac", "{\"\xc3\xa4\":\"\\xe2\\x82\\xac\"}"},
      {"INCLUDE: 1, 'include' 2", "{\"INCLUDE\":1,\"include\":2}"},
  };
  CHECK(examples);
}

static void blocks_and_arrays(void **unused) {
  (void)unused;
  static const struct example examples[] = {
      {"a {}", "{\"a\":{}}"},
      {"a: {b: 1}", "{\"a\":{\"b\":1}}"},
      {"a {\n  b 1 # c\n  c: {d = 2; e: 3,}\n}\nf: 4", "{\"a\":{\"b\":1,\"c\":{\"d\":2,\"e\":3}},\"f\":4}"},
      {"a\n{\n}", "{\"a\":{}}"},
      {"a {b:\n1}", "{\"a\":{\"b\":1}}"},
      {"a []", "{\"a\":[]}"},
      {"a [1]", "{\"a\":[1]}"},
      {"a: [1, 2,3 ,]", "{\"a\":[1,2,3]}"},
      {"a: [\n 1 # one\n 2\n\n // three\n 'x y'\n]", "{\"a\":[1,2,\"x y\"]}"},
      {"a: [1\n,2]", "{\"a\":[1,2]}"},
      {"a: [[1],[], {b: [2]}\n{c: 3}]", "{\"a\":[[1],[],{\"b\":[2]},{\"c\":3}]}"},
      {"a [x, id:XXXX, a;b]", "c:1:17: expected ',', a new line or ']' after the value, found ';'"},
      {"a { b: c}d: e", "c:1:10: expected ',', ';' or a new line after the value, found 'd'"},
      {"a {b: 1} # c\nc: 2", "{\"a\":{\"b\":1},\"c\":2}"},
  };
  CHECK(examples);
}

static void words(void **unused) {
  (void)unused;
  static const struct example examples[] = {
      {"a: 0, b: -12, c: 4k, d: 4KB, e: 4Ki, f: 4kib, g: 1m, h: 2G, i: 3t, j: 4P, k: 5e",
       "{\"a\":0,\"b\":-12,\"c\":4k,\"d\":4KB,\"e\":4Ki,\"f\":4kib,\"g\":1m,\"h\":2G,\"i\":3t,\"j\":4P,\"k\":"
       "5e}"},
      {"a: 9223372036854775807, b: -9223372036854775808",
       "{\"a\":9223372036854775807,\"b\":-9223372036854775808}"},
      {"a: 1.5, b: -0.25, c: 1.", "{\"a\":1.5,\"b\":-0.25,\"c\":\"1.\"}"},
      {"a: true, b: YES, c: On, d: false, e: no, f: OFF",
       "{\"a\":true,\"b\":YES,\"c\":On,\"d\":false,\"e\":no,\"f\":OFF}"},
      {"a: t, b: null, c: truex", "{\"a\":\"t\",\"b\":\"null\",\"c\":\"truex\"}"},
      {"a: 2026-01-31T12:30:00Z, b: 2026-02-30T12:30:00Z, c: 2026-1-31T12:30:00Z",
       "{\"a\":2026-01-31T12:30:00Z,\"b\":\"2026-02-30T12:30:00Z\",\"c\":\"2026-1-31T12:30:00Z\"}"},
      {"a: 2s, b: 500ms, c: 1m30s, d: 127.0.0.1:4222, e: 10.0.0.0/8, f: 12-34, g: 1kbb, h: 1.5s, i: 0x10",
       "{\"a\":\"2s\",\"b\":\"500ms\",\"c\":\"1m30s\",\"d\":\"127.0.0.1:4222\",\"e\":\"10.0.0.0/"
       "8\",\"f\":\"12-34\","
       "\"g\":\"1kbb\",\"h\":\"1.5s\",\"i\":\"0x10\"}"},
      {"a: x#y, b: #z, c: u//v, d: a\"b, e: a[b, f: a{b, g: =x, h: /p",
       "{\"a\":\"x#y\",\"b\":\"#z\",\"c\":\"u//"
       "v\",\"d\":\"a\\x22b\",\"e\":\"a[b\",\"f\":\"a{b\",\"g\":\"=x\","
       "\"h\":\"/p\"}"},
      {"a: x\\ty\\x41\\\\", "{\"a\":\"x\\x09yA\\x5c\"}"},
      {"a: \\x31, b: \\x24x, c: tru\\x65", "{\"a\":\"1\",\"b\":\"$x\",\"c\":\"true\"}"},
      {"a: $2a$11$abc, b: $2y$04$/x.", "{\"a\":\"$2a$11$abc\",\"b\":\"$2y$04$/x.\"}"},
      {"a: 'x', b: \"y\"# c", "{\"a\":\"x\",\"b\":\"y\"}"},
  };
  CHECK(examples);
}

static void strings(void **unused) {
  (void)unused;
  static const struct example examples[] = {
      {"a: ''", "{\"a\":\"\"}"},
      {"a: \"\"", "{\"a\":\"\"}"},
      {"a: 'x \\n \"y\" # { $z'", "{\"a\":\"x \\x5cn \\x22y\\x22 # { $z\"}"},
      {"a: \"\\t\\n\\r\\\"\\\\\\x7e\\xFF'\"", "{\"a\":\"\\x09\\x0a\\x0d\\x22\\x5c~\\xff'\"}"},
      {"a: 'x\n y', b: \"x\n\ty\"", "{\"a\":\"x\\x0a y\",\"b\":\"x\\x0a\\x09y\"}"},
      {"a: \"$x\", b: '1', c: \"true\"", "{\"a\":\"$x\",\"b\":\"1\",\"c\":\"true\"}"},
      {"a: (\nx ) (\n  y\n)\nb: 1", "{\"a\":\"\\x0ax ) (\\x0a  y\\x0a\",\"b\":1}"},
      {"a: (x\n\n)", "{\"a\":\"x\\x0a\\x0a\"}"},
      {"a: (\r\nx\r\n)\r\n", "{\"a\":\"\\x0d\\x0ax\\x0d\\x0a\"}"},
      {"a: [(\nx\n)\n'y']", "{\"a\":[\"\\x0ax\\x0a\",\"y\"]}"},
      {"a: (\n)x\n)", "{\"a\":\"\\x0a)x\\x0a\"}"},
  };
  CHECK(examples);
}

static void variables(void **unused) {
  (void)unused;
  static const struct example examples[] = {
      {"x: 1, a: $x", "{\"x\":1,\"a\":1}"},
      {"x: 1, b {a: $x, x: 2, c: $x}", "{\"x\":1,\"b\":{\"a\":1,\"x\":2,\"c\":2}}"},
      {"b {x: 1}, x: 2, c: $x", "{\"b\":{\"x\":1},\"x\":2,\"c\":2}"},
      {"x: 1, a: $x, x: 2, b: $x", "{\"x\":2,\"a\":1,\"b\":2}"},
      {"x: [1, {y: 2}], a: $x, b: [$x, $a]",
       "{\"x\":[1,{\"y\":2}],\"a\":[1,{\"y\":2}],\"b\":[[1,{\"y\":2}],[1,{\"y\":2}]]}"},
      {"x: 1, b [{c: $x}]", "{\"x\":1,\"b\":[{\"c\":1}]}"},
      {"'x y': 1, \"z\": 's', a: $z", "{\"x y\":1,\"z\":\"s\",\"a\":\"s\"}"},
      {"TERN_TEST_VALUE: 5, a: $TERN_TEST_VALUE", "{\"TERN_TEST_VALUE\":5,\"a\":5}"},
      {"a: $TERN_TEST_VALUE", "{\"a\":2KB}"},
      {"a: [$TERN_TEST_LIST]", "{\"a\":[[1,{\"b\":\"c\"}]]}"},
      {"x: 1, a: $TERN_TEST_OTHER", "{\"x\":1,\"a\":2KB}"},
      {"a: $TERN_TEST_TEXT", "{\"a\":\"two words\"}"},
      {"a: $x\nx: 1",
       "c:1:4: variable reference for 'x' can not be found: no key above, no environment variable"},
      {"a: $a", "c:1:4: variable reference for 'a' can not be found: no key above, no environment variable"},
      {"b: {x: 1}\na: [1,\n $x]",
       "c:3:2: variable reference for 'x' can not be found: no key above, no environment variable"},
      {"x: 1, a: $TERN_TEST_X",
       "$TERN_TEST_X:1:1: variable reference for 'x' can not be found: no key above, no environment "
       "variable"},
      {"a: $TERN_TEST_TWO", "$TERN_TEST_TWO:1:5: expected one value, found 't'"},
      {"a: $TERN_TEST_EMPTY, b: [$TERN_TEST_BLANKS]", "{\"a\":\"\",\"b\":[\"\"]}"},
      {"a: $TERN_TEST_BYTE", "$TERN_TEST_BYTE:1:2: byte 0xff is not UTF-8; save the file as UTF-8"},
      {"a: $TERN_TEST_LOOP",
       "$TERN_TEST_LOOP:1:1: environment variables that refer to each other: $TERN_TEST_LOOP"},
  };
  setenv("TERN_TEST_VALUE", "2KB", 1);
  setenv("TERN_TEST_LIST", " [1, {b: c}] # list", 1);
  setenv("TERN_TEST_OTHER", "$TERN_TEST_VALUE", 1);
  setenv("TERN_TEST_TEXT", "'two words'", 1);
  setenv("TERN_TEST_X", "$x", 1);
  setenv("TERN_TEST_TWO", "one two", 1);
  setenv("TERN_TEST_EMPTY", "", 1);
  setenv("TERN_TEST_BLANKS", " \n", 1);
  setenv("TERN_TEST_BYTE", "x\xff", 1);
  setenv("TERN_TEST_LOOP", "$TERN_TEST_LOOP", 1);
  CHECK(examples);
}

static void errors_have_places(void **unused) {
  (void)unused;
  static const struct example examples[] = {
      {"a", "c:1:1: the key \"a\" has no value"},
      {"\n  a:", "c:2:3: the key \"a\" has no value"},
      {"a:\nb: 1", "c:1:3: expected a value on the line of its key, found the end of the line"},
      {"a: ,", "c:1:4: expected a value, found ','"},
      {"a {b}", "c:1:5: expected a blank, ':' or '=' after the key, found '}'"},
      {"a {b }", "c:1:4: the key \"b\" has no value"},
      {"a {b:}", "c:1:4: the key \"b\" has no value"},
      {": 1", "c:1:1: expected a key, found ':'"},
      {"\xef\xbb\xbf: 1", "c:1:1: expected a key, found ':'"},
      {"a {\n = 1}", "c:2:2: expected a key, found '='"},
      {"'': 1", "c:1:1: an empty key"},
      {"'a\nb': 1", "c:1:1: the quote that opens here is not closed"},
      {"tls{}", "c:1:4: expected a blank, ':' or '=' after the key, found '{'"},
      {"a: 1,, b: 2", "c:1:6: expected a key, found ','"},
      {"a: 1 b: 2", "c:1:6: expected ',', ';' or a new line after the value, found 'b'"},
      {"a: 'x'y", "c:1:7: expected ',', ';' or a new line after the value, found 'y'"},
      {"a: 1 \x01", "c:1:6: expected ',', ';' or a new line after the value, found byte 0x01"},
      {"a: 'x'\xc3\xa4", "c:1:7: expected ',', ';' or a new line after the value, found '\xc3\xa4'"},
      {"a {b: 1 c: 2}", "c:1:9: expected ',', ';', a new line or '}' after the value, found 'c'"},
      {"a {b: 1]", "c:1:8: expected ',', ';', a new line or '}' after the value, found ']'"},
      {"a: 1\n}", "c:2:1: a '}' without a '{'"},
      {"a {\n b: 1\n", "c:1:3: the '{' that opens here is not closed"},
      {"\n{ a: 1\n", "c:2:1: the '{' that opens here is not closed"},
      {"{a: 1} b: 2", "c:1:8: expected nothing after the '}' that ends the file, found 'b'"},
      {"a [1, 2", "c:1:3: the '[' that opens here is not closed"},
      {"a [1 2]", "c:1:6: expected ',', a new line or ']' after the value, found '2'"},
      {"a [,1]", "c:1:4: expected a value, found ','"},
      {"a [1,,2]", "c:1:6: expected a value, found ','"},
      {"a [1}", "c:1:5: expected ',', a new line or ']' after the value, found '}'"},
      {"a: \"x\ny", "c:1:4: the quote that opens here is not closed"},
      {"a: 'x", "c:1:4: the quote that opens here is not closed"},
      {"a: \"x\\\"", "c:1:4: the quote that opens here is not closed"},
      {"a: \"x\n yz\\q\"",
       "c:2:4: not an escape; those are \\t \\n \\r \\\" \\\\ and \\xHH (not \\x00), and '...' has none"},
      {"a: \"\\t\\x0g\"",
       "c:1:7: not an escape; those are \\t \\n \\r \\\" \\\\ and \\xHH (not \\x00), and '...' has none"},
      {"a: \"\\x00\"",
       "c:1:5: not an escape; those are \\t \\n \\r \\\" \\\\ and \\xHH (not \\x00), and '...' has none"},
      {"a: x\\",
       "c:1:5: not an escape; those are \\t \\n \\r \\\" \\\\ and \\xHH (not \\x00), and '...' has none"},
      {"a: (\nx\n )", "c:1:4: the block that opens here is not closed by a ')' alone on a line"},
      {"a: it's", "c:1:6: a quote inside a word; put quotes around all of it"},
      {"a: ./x", "c:1:4: not a number; a string that starts with '.' needs quotes"},
      {"a: -x", "c:1:4: not a number; a string that starts with '-' needs quotes"},
      {"a: 9223372036854775808", "c:1:4: 9223372036854775808 is too large a number"},
      {"a: 10e", "c:1:4: 10e is too large a number"},
      {"include", "c:1:8: expected a file to include, found the end"},
      {"include\nx", "c:1:8: expected a file to include, found the end of the line"},
      {"include [x]", "c:1:9: expected a file to include, found '['"},
      {"include ''", "c:1:11: expected a file to include, found the end"},
      {"a { Include 'x }", "c:1:13: the quote that opens here is not closed"},
      {"include tern-no-such-file", "c:1:1: cannot read tern-no-such-file: No such file or directory"},
      {"a: 1\nb: \xff", "c:2:4: byte 0xff is not UTF-8; save the file as UTF-8"},
      {"a: \xed\xa0\x80", "c:1:4: byte 0xed is not UTF-8; save the file as UTF-8"},
  };
  CHECK(examples);
  assert_string_equal(read_bytes("a: 1\n# \0", 8), "c:2:3: a NUL byte; this is not a text file");
}

/* ---- nodes ---- */

static void nodes_know_what_and_where_they_are(void **unused) {
  (void)unused;
  static const char text[] = "a: 2KB\nb {\n  c: [yes,\n   -1.5]\n}\nd: $a; e: 1970-01-02T00:00:00Z";
  struct conf *conf;
  assert_int_equal(conf_parse("name", text, strlen(text), &conf, &error), 0);
  const struct conf_node *a = conf_root(conf)->first, *b = a->next, *d = b->next, *e = d->next;
  const struct conf_node *c = b->first, *yes = c->first, *number = yes->next;
  assert_true(a->type == CONF_INT && a->integer == 2048 && a->is_variable && a->height == 0);
  assert_true(b->type == CONF_MAP && !b->is_variable && b->height == 2 && b->text == NULL);
  assert_true(c->type == CONF_ARRAY && c->height == 1 && c->next == NULL);
  assert_true(yes->type == CONF_BOOL && yes->truth && yes->key == NULL);
  assert_true(number->type == CONF_FLOAT && number->number < -1.4 && number->number > -1.6);
  assert_true(d->type == CONF_INT && d->integer == 2048 && !d->is_variable);
  assert_true(e->type == CONF_TIME && e->integer == 86400 && e->next == NULL);
  assert_string_equal(d->text, "2KB");
  assert_string_equal(c->place.file, "name");
  assert_true(c->place.line == 3 && c->place.column == 3);
  assert_true(number->place.line == 4 && number->place.column == 4);
  assert_true(e->place.line == 6 && e->place.column == 8);
  conf_free(conf);
  conf_free(NULL);
}

/* ---- files ---- */

static char folder[64];

static void write_file(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

/* What is read from a file of the folder, with the folder's name taken out. */
static const char *load(const char *name) {
  static char out[8192], path[256];
  struct conf *conf;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int result = conf_load(path, &conf, &error);
  if (result == 0) {
    assert_true(conf_text(conf_root(conf), out, sizeof out));
    conf_free(conf);
    return out;
  }
  char *to = out;
  for (const char *at = error.text; *at != '\0';)
    if (strncmp(at, folder, strlen(folder)) == 0)
      at += strlen(folder) + 1;
    else
      *to++ = *at++;
  *to = '\0';
  return out;
}

static void files_include_files(void **unused) {
  (void)unused;
  write_file("inner/b", "{ b: 1, x: 5\ninclude c }");
  write_file("inner/c", "c: 2\nx: 6");
  write_file("a", "x: 4\na {\n include inner/b\n d: $x, e: $b\n}\nf: $x; include 'inner/c'; g: $c");
  assert_string_equal(load("a"),
                      "{\"x\":6,\"a\":{\"b\":1,\"x\":6,\"c\":2,\"d\":6,\"e\":1},\"f\":4,\"c\":2,\"g\":2}");
  char text[256];
  snprintf(text, sizeof text, "include \"%s/inner/c\"", folder);
  write_file("absolute", text);
  assert_string_equal(load("absolute"), "{\"c\":2,\"x\":6}");
  write_file("twice", "include inner/c\ninclude inner/c");
  assert_string_equal(load("twice"), "{\"c\":2,\"x\":6}");
  write_file("inner/two", "c: 1\nd: 2");
  write_file("over", "d: 0\ninclude inner/two");
  assert_string_equal(load("over"), "{\"d\":2,\"c\":1}");
  write_file("private", "x: 1\ninclude inner/d");
  write_file("inner/d", "\n y: $x");
  assert_string_equal(
      load("private"),
      "inner/d:2:5: variable reference for 'x' can not be found: no key above, no environment variable");
}

static void files_have_errors(void **unused) {
  (void)unused;
  write_file("self", "a: 1\n  include self");
  assert_string_equal(load("self"), "self:2:3: self includes itself");
  write_file("one", "include two");
  write_file("two", "b {\ninclude inner/../one }");
  assert_string_equal(load("one"), "two:2:1: inner/../one includes itself");
  write_file("bad", "a: 1\n b: \"x");
  write_file("with_bad", "\ninclude bad");
  assert_string_equal(load("with_bad"), "bad:2:5: the quote that opens here is not closed");
  assert_string_equal(load("none"), "cannot read none: No such file or directory");
  assert_string_equal(load("inner"), "cannot read inner: Is a directory");
  write_file("with_folder", "include inner");
  assert_string_equal(load("with_folder"), "with_folder:1:1: cannot read inner: Is a directory");
}

/* A pipe is no regular file, and is read to its end all the same. */
static void a_pipe_is_a_file(void **unused) {
  (void)unused;
  int ends[2];
  char path[64];
  struct conf *conf;
  assert_int_equal(pipe(ends), 0);
  assert_int_equal(write(ends[1], "a: 1", 4), 4);
  close(ends[1]);
  snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
  assert_int_equal(conf_load(path, &conf, &error), 0);
  assert_string_equal(conf_root(conf)->first->key, "a");
  conf_free(conf);
  close(ends[0]);
}

/* ---- bounds ---- */

/* `count` times what is repeated, between two ends. To be freed. */
static char *repeat(const char *before, const char *repeated, size_t count, const char *after) {
  size_t len = strlen(repeated), room = strlen(before) + count * len + strlen(after) + 1;
  char *text = malloc(room), *at = text;
  assert_non_null(text);
  at += snprintf(at, room, "%s", before);
  for (size_t i = 0; i < count; i++, at += len)
    memcpy(at, repeated, len);
  snprintf(at, strlen(after) + 1, "%s", after);
  return text;
}

static void assert_reads(char *text, const char *want) {
  struct conf *conf;
  int result = conf_parse("c", text, strlen(text), &conf, &error);
  free(text);
  conf_free(conf);
  if (strcmp(error.text, want) != 0) fail_msg("\"%s\", not \"%s\"", error.text, want);
  assert_int_equal(result < 0, *want != '\0');
}

static void depth_is_bounded(void **unused) {
  (void)unused;
  static const char wrong[] = "more than 64 blocks and arrays in one another";
  char want[128], *closed;
  /* the root counts */
  closed = repeat("", "}", CONF_DEPTH_MAX - 1, "");
  assert_reads(repeat("", "a {", CONF_DEPTH_MAX - 1, closed), "");
  free(closed);
  snprintf(want, sizeof want, "c:1:%d: %s", 3 * CONF_DEPTH_MAX, wrong);
  assert_reads(repeat("", "a {", CONF_DEPTH_MAX, ""), want);
  closed = repeat("", "]", CONF_DEPTH_MAX - 1, "");
  assert_reads(repeat("a: ", "[", CONF_DEPTH_MAX - 1, closed), "");
  free(closed);
  snprintf(want, sizeof want, "c:1:%d: %s", 3 + CONF_DEPTH_MAX, wrong);
  assert_reads(repeat("a: ", "[", 100000, ""), want);
  /* a reference counts as what it refers to, which is the deepest of what is in it */
  assert_reads(repeat("a: 1\n", "a: [$a]\n", CONF_DEPTH_MAX - 1, ""), "");
  assert_reads(repeat("a: 1\n", "a: [$a]\n", 1000, ""),
               "c:65:5: more than 64 blocks and arrays in one another");
  assert_reads(repeat("a: 1\n", "a: [$a, []]\n", CONF_DEPTH_MAX, ""),
               "c:64:5: more than 64 blocks and arrays in one another");
}

static void size_is_bounded(void **unused) {
  (void)unused;
  assert_reads(repeat("a: '", "x", CONF_TEXT_MAX_BYTES - 5, "'"), "");
  assert_reads(repeat("a: '", "x", CONF_TEXT_MAX_BYTES - 4, "'"), "c is too large: more than 16 MiB");
  assert_reads(repeat("a [", "1,", 4000000, "]"), "the configuration needs more than 64 MiB");
  assert_reads(repeat("a [", "1\n", 100000, "]"), "");
  char *text = repeat("", "# a line that only counts\n", CONF_TEXT_MAX_BYTES / 4 / 26 - 10, "");
  write_file("quarter", text);
  free(text);
  write_file("three", "include quarter\ninclude quarter\ninclude quarter");
  assert_string_equal(load("three"), "{}");
  write_file("five", "include three\ninclude quarter\n\n include quarter\n");
  assert_string_equal(load("five"), "five:4:2: quarter is too large: more than 16 MiB");
  assert_int_equal(conf_load("/dev/zero", &(struct conf *){NULL}, &error), -EINVAL);
  assert_string_equal(error.text, "/dev/zero is too large: more than 16 MiB");
}

static void files_are_bounded(void **unused) {
  (void)unused;
  for (int i = 0; i <= CONF_INCLUDE_MAX; i++) {
    char name[16], text[32];
    snprintf(name, sizeof name, "deep%d", i);
    snprintf(text, sizeof text, i < CONF_INCLUDE_MAX ? "include deep%d" : "end: %d", i + 1);
    write_file(name, text);
  }
  assert_string_equal(load("deep0"), "{\"end\":17}");
  write_file("deeper", "include deep0");
  assert_string_equal(load("deeper"), "deep15:1:1: more than 16 files include one another");
  write_file("small", "a: 1");
  char *text = repeat("", "include small\n", CONF_FILES_MAX - 1, "");
  write_file("many", text);
  assert_string_equal(load("many"), "{\"a\":1}");
  free(text);
  text = repeat("", "include small\n", CONF_FILES_MAX, "");
  write_file("many", text);
  assert_string_equal(load("many"), "many:1000:1: more than 1000 files");
  free(text);
}

/* Names would double with each line; the tree shares them. Many keys take no time to speak of either. */
static void references_do_not_multiply(void **unused) {
  (void)unused;
  assert_reads(repeat("a: x\n", "a: [$a, $a]\n", CONF_DEPTH_MAX - 1, ""), "");
  size_t room = 2000000, len = 0;
  char *text = malloc(room);
  assert_non_null(text);
  for (int i = 0; i < 50000; i++)
    len += (size_t)snprintf(text + len, room - len, "k%d: 1, r%d: $k%d\n", i, i, i / 2);
  assert_reads(text, "");
}

/* ---- memory ---- */

static void every_allocation_may_fail(void **unused) {
  (void)unused;
  char path[256], text[70000];
  memset(text, 'x', sizeof text);
  memcpy(text, "a: \"", 4);
  memcpy(text + sizeof text - 2, "\"", 2);
  write_file("long", text);
  write_file("all", "b [1, {c: 'd', e: $TERN_TEST_VALUE}]\ninclude long\nf {g: h, i: $b}\n");
  setenv("TERN_TEST_VALUE", "'2KB'", 1);
  snprintf(path, sizeof path, "%s/all", folder);
  long n = 0;
  for (int result = -1; result < 0; n++) {
    struct conf *conf;
    countdown = n;
    result = conf_load(path, &conf, &error);
    bool reached = countdown < 0;
    countdown = -1;
    conf_free(conf);
    assert_int_equal(result, reached ? -ENOMEM : 0);
    assert_string_equal(error.text, reached ? "out of memory" : "");
    assert_true(n < 1000);
  }
  assert_true(n > 10);
}

static void features_are_switched_off(void **unused) {
  (void)unused;
  static const char *const off[] = {
      "false", "off", "disabled", "'Disable'", "0", "{enabled: false}", "{a: 1, mode: never}"};
  static const char *const on[] = {"true",
                                   "enabled",
                                   "1",
                                   "{}",
                                   "[]",
                                   "{enabled: true, mode: never}",
                                   "{enabled: 'false'}",
                                   "{mode: always}",
                                   "{mode: false}",
                                   "0.0"};
  for (size_t i = 0; i < sizeof off / sizeof off[0] + sizeof on / sizeof on[0]; i++) {
    const bool is_off = i < sizeof off / sizeof off[0];
    char text[64];
    struct conf *conf;
    snprintf(text, sizeof text, "a: %s", is_off ? off[i] : on[i - sizeof off / sizeof off[0]]);
    assert_int_equal(conf_parse("c", text, strlen(text), &conf, &error), 0);
    if (conf_is_off(conf_root(conf)->first) != is_off) fail_msg("%s", text);
    conf_free(conf);
  }
}

static int make_folder(void **unused) {
  (void)unused;
  char inner[96];
  snprintf(folder, sizeof folder, "/tmp/tern-conf-XXXXXX");
  if (mkdtemp(folder) == NULL) return -1;
  snprintf(inner, sizeof inner, "%s/inner", folder);
  return mkdir(inner, 0700);
}

static int remove_folder(void **unused) {
  (void)unused;
  char command[128];
  snprintf(command, sizeof command, "rm -r '%s'", folder);
  return system(command);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(entries),
      cmocka_unit_test(blocks_and_arrays),
      cmocka_unit_test(words),
      cmocka_unit_test(strings),
      cmocka_unit_test(variables),
      cmocka_unit_test(errors_have_places),
      cmocka_unit_test(nodes_know_what_and_where_they_are),
      cmocka_unit_test(files_include_files),
      cmocka_unit_test(files_have_errors),
      cmocka_unit_test(a_pipe_is_a_file),
      cmocka_unit_test(depth_is_bounded),
      cmocka_unit_test(size_is_bounded),
      cmocka_unit_test(files_are_bounded),
      cmocka_unit_test(references_do_not_multiply),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(features_are_switched_off),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
