/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer: appends to one growing text, so that a page of very many connections costs what its text costs and
 * no tree of values. Knows only how deep it is and whether a comma is due. Pure but for memory.
 */
#include "json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <tern/utf8.h>

#define ROOM_MIN 4096
#define ID_CHARS 22

/* Room for so many bytes more, and a NUL; NULL without memory. */
static char *reserve(struct json_writer *to, size_t len) {
  if (to->failed) return NULL;
  if (to->room - to->len > len) return to->text + to->len;
  size_t room = to->room < ROOM_MIN ? ROOM_MIN : to->room * 2;
  while (room - to->len <= len)
    room *= 2;
  char *text = realloc(to->text, room);
  if (text == NULL) {
    to->failed = true;
    return NULL;
  }
  to->text = text;
  to->room = room;
  return text + to->len;
}

void json_put_raw(struct json_writer *to, const char *text, size_t len) {
  char *at = reserve(to, len);
  if (at == NULL) return;
  memcpy(at, text, len);
  at[len] = '\0';
  to->len += len;
}

static void put(struct json_writer *to, const char *text) { json_put_raw(to, text, strlen(text)); }

static void put_line_end(struct json_writer *to) {
  if (to->compact) return;
  put(to, "\n");
  for (unsigned i = 0; i < to->depth; i++)
    put(to, "  ");
}

/* The escape of a character that has one, or NULL. */
static const char *escape_of(const unsigned char *text, size_t len, char *room) {
  if (len == 0) return "\\ufffd";
  if (len == 3 && text[0] == 0xE2 && text[1] == 0x80 &&
      (text[2] & 0xFE) == 0xA8) /* ends lines in JavaScript */
    return text[2] == 0xA8 ? "\\u2028" : "\\u2029";
  if (len > 1) return NULL;
  switch (text[0]) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  if (text[0] >= 0x20 && strchr("<>&", text[0]) == NULL) return NULL;
  snprintf(room, 8, "\\u%04x", (unsigned)text[0]);
  return room;
}

static void put_text(struct json_writer *to, struct tern_slice text) {
  char room[8];
  put(to, "\"");
  size_t from = 0;
  for (size_t i = 0; i < text.len;) {
    size_t len = tern_utf8_len(text.ptr + i, text.len - i);
    const char *escape = escape_of((const unsigned char *)text.ptr + i, len, room);
    if (len == 0) len = 1;
    if (escape != NULL) {
      json_put_raw(to, text.ptr + from, i - from);
      put(to, escape);
      from = i + len;
    }
    i += len;
  }
  if (text.len > from) json_put_raw(to, text.ptr + from, text.len - from);
  put(to, "\"");
}

/* What comes before a value. */
static void begin(struct json_writer *to, const char *key) {
  if (to->filled) put(to, ",");
  if (to->depth > 0) put_line_end(to);
  to->filled = true;
  if (key == NULL) return;
  put_text(to, tern_slice_of(key));
  put(to, to->compact ? ":" : ": ");
}

static void put_formatted(struct json_writer *to, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put_formatted(struct json_writer *to, const char *key, const char *format, ...) {
  char text[64];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  begin(to, key);
  put(to, text);
}

void json_put_open(struct json_writer *to, const char *key, char bracket) {
  begin(to, key);
  json_put_raw(to, &bracket, 1);
  to->depth++;
  to->filled = false;
}

void json_put_close(struct json_writer *to, char bracket) {
  to->depth--;
  if (to->filled) put_line_end(to);
  json_put_raw(to, &bracket, 1);
  to->filled = true;
}

void json_put_value(struct json_writer *to, const char *key, const char *text, size_t len) {
  begin(to, key);
  json_put_raw(to, text, len);
}

void json_put_slice(struct json_writer *to, const char *key, struct tern_slice text) {
  begin(to, key);
  put_text(to, text);
}

void json_put_string(struct json_writer *to, const char *key, const char *text) {
  json_put_slice(to, key, tern_slice_of(text));
}

void json_put_uint(struct json_writer *to, const char *key, uint64_t value) {
  put_formatted(to, key, "%" PRIu64, value);
}

void json_put_int(struct json_writer *to, const char *key, int64_t value) {
  put_formatted(to, key, "%" PRId64, value);
}

void json_put_number(struct json_writer *to, const char *key, double value) {
  put_formatted(to, key, "%.10g", value);
}

void json_put_bool(struct json_writer *to, const char *key, bool value) {
  put_formatted(to, key, "%s", value ? "true" : "false");
}

void json_put_time(struct json_writer *to, const char *key, uint64_t ns) {
  char text[48], fraction[12] = "";
  time_t seconds = (time_t)(ns / 1000000000u);
  struct tm tm;
  gmtime_r(&seconds, &tm);
  size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  size_t digits = (size_t)snprintf(fraction, sizeof fraction, ".%09u", (unsigned)(ns % 1000000000u));
  while (digits > 0 && (fraction[digits - 1] == '0' || fraction[digits - 1] == '.'))
    fraction[--digits] = '\0';
  snprintf(text + len, sizeof text - len, "%sZ", fraction);
  json_put_string(to, key, text);
}

void json_put_id(struct json_writer *to, const char *key) {
  static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  unsigned char random[ID_CHARS] = {0};
  char id[ID_CHARS + 1] = {0};
  (void)!getrandom(random, sizeof random, GRND_NONBLOCK);
  for (int i = 0; i < ID_CHARS; i++)
    id[i] = digits[random[i] % 62];
  json_put_string(to, key, id);
}
