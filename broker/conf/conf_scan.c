/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of the configuration language.
 *
 *     # comment      // comment      to the end of the line
 *     key            ends at a blank, ':' or '='      'key' "key"
 *     'text'         as it is; may have several lines
 *     "text"         with \t \n \r \" \\ and \xHH; may have several lines
 *     ( ... )        as it is, up to a ')' alone on a line
 *     word           ends at a blank, the end of the line, ',' ';' ']' '}'; with the same escapes; what it is
 *                    depends on all of it: yes no on off true false; 12 -12 4k 4KB; 1.5; 2026-01-31T12:00:00Z;
 *                    $name; anything else is a string
 *
 * A word is read to its end before it is judged, so that "1m30s", "10.0.0.0/8" and "12-34" are strings; nats-server
 * 2.12 decides by the first bytes and calls them errors. What it reads, is read to the same value here.
 */
#include "conf_scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tern/utf8.h>

#include "values.h"

/* ---- places and errors ---- */

struct conf_place scan_place(const struct conf_scan *scan) {
  return (struct conf_place){scan->file, scan->line, (unsigned)(scan->at - scan->line_start) + 1};
}

/* The next byte, counting lines; not to be called at the end. */
static char take(struct conf_scan *scan) {
  char byte = *scan->at++;
  if (byte == '\n') {
    scan->line++;
    scan->line_start = scan->at;
  }
  return byte;
}

int scan_check(struct conf_scan *scan) {
  struct conf_scan look = *scan;
  while (look.at < look.end) {
    size_t len = tern_utf8_len(look.at, (size_t)(look.end - look.at));
    if (*look.at == '\0')
      return conf_fail(scan->conf, scan_place(&look), "a NUL byte; this is not a text file");
    if (len == 0)
      return conf_fail(scan->conf, scan_place(&look), "byte 0x%02x is not UTF-8; save the file as UTF-8",
                       (unsigned char)*look.at);
    take(&look);
    look.at += len - 1;
  }
  if (scan->end - scan->at >= 3 && memcmp(scan->at, "\xef\xbb\xbf", 3) == 0) scan->line_start = scan->at += 3;
  return 0;
}

int scan_unexpected(struct conf_scan *scan, const char *wanted) {
  char found[32];
  if (scan_is_end(scan))
    snprintf(found, sizeof found, "the end");
  else if (*scan->at == '\n' || *scan->at == '\r')
    snprintf(found, sizeof found, "the end of the line");
  else if ((unsigned char)*scan->at < ' ' || *scan->at == 0x7f)
    snprintf(found, sizeof found, "byte 0x%02x", (unsigned char)*scan->at);
  else
    snprintf(found, sizeof found, "'%.*s'", (int)tern_utf8_len(scan->at, (size_t)(scan->end - scan->at)),
             scan->at);
  return conf_fail(scan->conf, scan_place(scan), "expected %s, found %s", wanted, found);
}

/* ---- blanks ---- */

static bool is_blank(char byte) { return byte == ' ' || byte == '\t' || byte == '\v' || byte == '\f'; }
static bool is_newline(char byte) { return byte == '\n' || byte == '\r'; }

bool scan_is_end(const struct conf_scan *scan) { return scan->at == scan->end; }
bool scan_is(const struct conf_scan *scan, char byte) { return !scan_is_end(scan) && *scan->at == byte; }
bool scan_is_space(const struct conf_scan *scan) {
  return !scan_is_end(scan) && (is_blank(*scan->at) || is_newline(*scan->at));
}

void scan_blanks(struct conf_scan *scan) {
  while (!scan_is_end(scan) && is_blank(*scan->at))
    scan->at++;
}

void scan_spaces(struct conf_scan *scan) {
  while (scan_is_space(scan))
    take(scan);
}

static bool is_comment(const struct conf_scan *scan) {
  return scan_is(scan, '#') || (scan->end - scan->at >= 2 && memcmp(scan->at, "//", 2) == 0);
}

bool scan_gap(struct conf_scan *scan) {
  bool line_ended = false;
  for (;;) {
    for (; scan_is_space(scan); take(scan))
      line_ended = line_ended || is_newline(*scan->at);
    if (!is_comment(scan)) return line_ended;
    while (!scan_is_end(scan) && !is_newline(*scan->at))
      scan->at++;
  }
}

/* ---- strings ---- */

static int copy(struct conf_scan *scan, const char *text, size_t len, const char **out) {
  char *to = conf_alloc(scan->conf, len + 1);
  if (to == NULL) return -ENOMEM;
  memcpy(to, text, len);
  to[len] = '\0';
  *out = to;
  return 0;
}

/* Moves behind the closing quote; `at` is at the opening one. With escapes, a '\' hides the byte behind it. */
static int find_quote(struct conf_scan *scan, bool escapes, bool newlines, const char **text, size_t *len) {
  const struct conf_place start = scan_place(scan);
  const char quote = take(scan);
  *text = scan->at;
  while (!scan_is(scan, quote)) {
    if (scan_is_end(scan) || (!newlines && is_newline(*scan->at)))
      return conf_fail(scan->conf, start, "the quote that opens here is not closed");
    if (take(scan) == '\\' && escapes && !scan_is_end(scan)) take(scan);
  }
  *len = (size_t)(scan->at - *text);
  take(scan);
  return 0;
}

/* The value of a hexadecimal digit. */
static unsigned hex(char digit) {
  return isdigit((unsigned char)digit) ? (unsigned)(digit - '0')
                                       : (unsigned)(tolower((unsigned char)digit) - 'a') + 10;
}

/* One escape, `from` behind the '\'. Returns how many bytes it has, 0 when it is none. */
static size_t unescape_one(const char *from, size_t left, char *to) {
  static const char names[] = "tnr\"\\", bytes[] = "\t\n\r\"\\";
  const char *name = left > 0 && *from != '\0' ? strchr(names, *from) : NULL;
  if (name != NULL) {
    *to = bytes[name - names];
    return 1;
  }
  if (left < 3 || *from != 'x' || !isxdigit((unsigned char)from[1]) || !isxdigit((unsigned char)from[2]))
    return 0;
  *to = (char)(hex(from[1]) << 4 | hex(from[2]));
  return *to != '\0' ? 3 : 0;
}

/* Copies a text without its escapes; `place` is the text's, and on one line with it as far as the place matters. */
static int unescape(struct conf_scan *scan, struct conf_place place, const char *text, size_t len,
                    const char **out) {
  char *to = conf_alloc(scan->conf, len + 1);
  if (to == NULL) return -ENOMEM;
  *out = to;
  for (size_t i = 0; i < len; i++, place.column++) {
    if (text[i] == '\n') place = (struct conf_place){place.file, place.line + 1, 0};
    if (text[i] != '\\') {
      *to++ = text[i];
      continue;
    }
    size_t used = unescape_one(text + i + 1, len - i - 1, to++);
    if (used == 0)
      return conf_fail(
          scan->conf, place,
          "not an escape; those are \\t \\n \\r \\\" \\\\ and \\xHH (not \\x00), and '...' has none");
    i += used;
    place.column += (unsigned)used;
  }
  *to = '\0';
  return 0;
}

static int scan_quoted(struct conf_scan *scan, const char **out) {
  const bool escapes = scan_is(scan, '"');
  struct conf_place place = scan_place(scan);
  const char *text = scan->at;
  size_t len = 0;
  int error = find_quote(scan, escapes, true, &text, &len);
  if (error < 0) return error;
  place.column++;
  return escapes ? unescape(scan, place, text, len, out) : copy(scan, text, len, out);
}

/* Everything between '(' and a ')' alone on a line. */
static int scan_block(struct conf_scan *scan, const char **out) {
  const struct conf_place start = scan_place(scan);
  take(scan);
  for (const char *text = scan->at; !scan_is_end(scan);) {
    bool line_begins = scan->at == scan->line_start;
    if (take(scan) != ')' || !line_begins) continue;
    if (!scan_is_end(scan) && !is_newline(*scan->at)) continue;
    return copy(scan, text, (size_t)(scan->at - 1 - text), out);
  }
  return conf_fail(scan->conf, start, "the block that opens here is not closed by a ')' alone on a line");
}

/* ---- keys and paths ---- */

int scan_key(struct conf_scan *scan, const char **key, bool *quoted) {
  const struct conf_place start = scan_place(scan);
  const char *text = scan->at;
  size_t len = 0;
  *quoted = scan_is(scan, '"') || scan_is(scan, '\'');
  if (*quoted) {
    int error = find_quote(scan, false, false, &text, &len);
    if (error == 0 && len == 0) return conf_fail(scan->conf, start, "an empty key");
    return error < 0 ? error : copy(scan, text, len, key);
  }
  for (; !scan_is_end(scan) && !scan_is_space(scan) && !scan_is(scan, ':') && !scan_is(scan, '='); scan->at++)
    if (strchr("{}[](),;", *scan->at) != NULL)
      return scan_unexpected(scan, scan->at == text ? "a key" : "a blank, ':' or '=' after the key");
  return scan->at > text ? copy(scan, text, (size_t)(scan->at - text), key) : scan_unexpected(scan, "a key");
}

int scan_path(struct conf_scan *scan, const char **path) {
  const char *text = scan->at;
  size_t len = 0;
  if (scan_is(scan, '"') || scan_is(scan, '\'')) {
    int error = find_quote(scan, false, false, &text, &len);
    if (error < 0) return error;
  } else {
    if (!scan_is_end(scan) && strchr("[{(", *scan->at) != NULL)
      return scan_unexpected(scan, "a file to include");
    while (!scan_is_end(scan) && !scan_is_space(scan) && strchr(";}", *scan->at) == NULL)
      scan->at++;
    len = (size_t)(scan->at - text);
  }
  return len > 0 ? copy(scan, text, len, path) : scan_unexpected(scan, "a file to include");
}

/* ---- bare words ---- */

static bool is_bool(const char *word, bool *truth) {
  static const char *const names[] = {"false", "no", "off", "true", "yes", "on"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    *truth = i >= 3;
    if (strcasecmp(word, names[i]) == 0) return true;
  }
  return false;
}

static bool is_float(const char *word, double *number) {
  static const char digits[] = "0123456789";
  const char *at = word + (*word == '-');
  size_t whole = strspn(at, digits);
  if (whole == 0 || at[whole] != '.') return false;
  size_t fraction = strspn(at + whole + 1, digits);
  *number = strtod(word, NULL);
  return fraction > 0 && at[whole + 1 + fraction] == '\0';
}

static bool is_time(const char *word, int64_t *seconds) {
  struct tm tm = {0}, again;
  const char *end = strlen(word) == 20 ? strptime(word, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;
  if (end == NULL || *end != '\0') return false;
  again = tm;
  *seconds = timegm(&again); /* which mends what no calendar has */
  return again.tm_mday == tm.tm_mday && again.tm_sec == tm.tm_sec;
}

/* "$2a$11$..." is a password's hash, not a variable. */
static bool is_bcrypt(const char *word) {
  return strncmp(word, "$2", 2) == 0 && word[2] != '\0' && strchr("abxy", word[2]) != NULL && word[3] == '$';
}

/* What a word without escapes is. */
static int judge(struct conf_scan *scan, struct conf_place place, struct conf_node *node, bool *reference) {
  const char *word = node->text;
  const bool digit = isdigit((unsigned char)word[*word == '-']) != 0;
  const char *problem = digit ? value_size(word, &node->integer) : "no number";
  node->type = CONF_STRING;
  if (problem == value_too_large) return conf_fail(scan->conf, place, "%.64s is %s", word, problem);
  if (problem == NULL) {
    node->type = CONF_INT;
  } else if (digit && is_float(word, &node->number)) {
    node->type = CONF_FLOAT;
  } else if (digit && is_time(word, &node->integer)) {
    node->type = CONF_TIME;
  } else if (is_bool(word, &node->truth)) {
    node->type = CONF_BOOL;
  } else if (*word == '$' && !is_bcrypt(word)) {
    *reference = true;
    node->text = word + 1;
  } else if (*word == '-' || *word == '.') {
    return conf_fail(scan->conf, place, "not a number; a string that starts with '%c' needs quotes", *word);
  }
  return 0;
}

static int scan_word(struct conf_scan *scan, struct conf_node *node, bool *reference) {
  const struct conf_place place = scan_place(scan);
  const char *text = scan->at;
  bool escapes = false;
  while (!scan_is_end(scan) && !scan_is_space(scan) && strchr(",;]}", *scan->at) == NULL) {
    if (scan_is(scan, '\''))
      return conf_fail(scan->conf, scan_place(scan), "a quote inside a word; put quotes around all of it");
    if (*scan->at++ != '\\') continue;
    escapes = true;
    if (!scan_is_end(scan) && !scan_is_space(scan)) scan->at++;
  }
  size_t len = (size_t)(scan->at - text);
  if (len == 0) return scan_unexpected(scan, "a value");
  int error = escapes ? unescape(scan, place, text, len, &node->text) : copy(scan, text, len, &node->text);
  if (error < 0) return error;
  node->type = CONF_STRING;
  return escapes ? 0 : judge(scan, place, node, reference);
}

int scan_scalar(struct conf_scan *scan, struct conf_node *node, bool *reference) {
  *reference = false;
  node->type = CONF_STRING;
  if (scan_is(scan, '"') || scan_is(scan, '\'')) return scan_quoted(scan, &node->text);
  if (scan_is(scan, '(')) return scan_block(scan, &node->text);
  return scan_word(scan, node, reference);
}
