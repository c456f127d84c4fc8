/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as operators write them, and the way back for the help. Plain functions of text; every number is checked
 * for overflow, none depends on the locale.
 */
#include "values.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char value_too_large[] = "too large a number";

const char *value_bool(const char *text, bool *out) {
  static const char *const yes[] = {"true", "t", "1"};
  static const char *const no[] = {"false", "f", "0"};
  for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
    *out = strcasecmp(text, yes[i]) == 0;
    if (*out || strcasecmp(text, no[i]) == 0) return NULL;
  }
  return "must be true or false";
}

/* A decimal integer; *rest is what follows it. */
static const char *parse_digits(const char *text, int64_t *out, const char **rest) {
  if (!isdigit((unsigned char)text[text[0] == '-'])) return "not a number";
  char *end;
  errno = 0;
  *out = strtoll(text, &end, 10);
  *rest = end;
  return errno == ERANGE ? value_too_large : NULL;
}

const char *value_int(const char *text, int64_t *out) {
  const char *rest;
  const char *problem = parse_digits(text, out, &rest);
  if (problem == NULL && *rest != '\0') problem = "not a number";
  return problem;
}

/* As in nats-server's configuration: k m g t p e are powers of 1000, with b, i or ib behind them of 1024. */
const char *value_size(const char *text, int64_t *out) {
  static const char letters[] = "kmgtpe";
  const char *rest;
  const char *problem = parse_digits(text, out, &rest);
  if (problem != NULL || *rest == '\0') return problem;
  const char *letter = strchr(letters, tolower((unsigned char)*rest++));
  int64_t base = *rest == '\0' ? 1000 : 1024;
  bool known = *rest == '\0' || strcasecmp(rest, "b") == 0 || strcasecmp(rest, "i") == 0 ||
               strcasecmp(rest, "ib") == 0;
  if (letter == NULL || !known) return "not a size (examples: 4096, 64k, 1MB, 1MiB)";
  for (const char *power = letters; power <= letter; power++)
    if (__builtin_mul_overflow(*out, base, out)) return value_too_large;
  return NULL;
}

/* A decimal fraction without exponent; advances *text. False when there is no digit. */
static bool parse_decimal(const char **text, double *out) {
  const char *at = *text;
  double value = 0, scale = 1;
  int digits = 0;
  for (; isdigit((unsigned char)*at); at++, digits++)
    value = value * 10 + (*at - '0');
  if (*at == '.')
    for (at++; isdigit((unsigned char)*at); at++, digits++)
      value += (*at - '0') * (scale /= 10);
  *text = at;
  *out = value;
  return digits > 0;
}

const char *value_duration(const char *text, int64_t *out_ms) {
  static const char wrong[] = "not a duration (examples: 500ms, 2s, 1m30s, or seconds: 10)";
  static const struct {
    const char *name;
    double ms;
  } units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"ms", 1},
               {"s", 1e3},   {"m", 6e4},   {"h", 3.6e6}};
  const size_t unit_count = sizeof units / sizeof units[0];
  bool negative = *text == '-';
  const char *start = text + negative, *at = start;
  double ms = 0;
  do {
    const char *number_at = at;
    double number;
    if (!parse_decimal(&at, &number)) return wrong;
    size_t len = strcspn(at, "0123456789."), i = 0;
    while (i < unit_count && !(strlen(units[i].name) == len && memcmp(units[i].name, at, len) == 0))
      i++;
    bool bare = *at == '\0' && number_at == start;
    if (i == unit_count && !bare) return wrong;
    ms += number * (bare ? 1e3 : units[i].ms);
    at += len;
  } while (*at != '\0');
  if (ms > 9e15) return "too long a duration";
  if (ms > 0 && ms < 1)
    ms = 1;   /* less than can be measured is not nothing, which often stands for a default */
  ms += 1e-7; /* what the binary fractions of "0.3s" lack */
  *out_ms = negative ? -(int64_t)ms : (int64_t)ms;
  return NULL;
}

/* One unit of a list that ends with the factor 1. */
struct unit {
  int64_t factor;
  const char *name;
};

static void format(int64_t value, const struct unit *unit, char *text, size_t room) {
  while (value % unit->factor != 0 || (value == 0 && unit->factor != 1))
    unit++;
  snprintf(text, room, "%" PRId64 "%s", value / unit->factor, unit->name);
}

void value_format_size(int64_t value, char *text, size_t room) {
  static const struct unit units[] = {{1 << 30, "GB"}, {1 << 20, "MB"}, {1 << 10, "KB"}, {1, ""}};
  format(value, units, text, room);
}

const char *value_duration_with_unit(const char *text, int64_t *out_ms) {
  const size_t len = strlen(text);
  const bool has_unit = len == 0 || strchr("0123456789.", text[len - 1]) == NULL;
  return has_unit ? value_duration(text, out_ms) : "it has no unit; durations are like 500ms, 2s, 1m30s";
}

void value_format_duration(int64_t ms, char *text, size_t room) {
  static const struct unit units[] = {{3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
  format(ms, units, text, room);
}
