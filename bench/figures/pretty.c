/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures as people read them: three digits and a unit, for tables and pages alike. Whole numbers below 1000 stay
 * whole; all else has as many decimals as make three digits, so that columns can be compared. Pure.
 */
#include "pretty.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Three digits, whatever the magnitude up to 1000. */
static void three_digits(struct pretty *out, double value, const char *unit) {
  double magnitude = fabs(value);
  int decimals = magnitude >= 99.95 ? 0 : magnitude >= 9.995 ? 1 : 2;
  snprintf(out->text, sizeof out->text, "%.*f%s%s", decimals, value, *unit != '\0' ? " " : "", unit);
}

/* One of the units, each `factor` times the one before. */
static struct pretty scaled(double value, double factor, const char *const *units, unsigned count) {
  struct pretty out = {.text = "-"};
  if (isnan(value)) return out;
  unsigned unit = 0;
  for (; unit + 1 < count && fabs(value) >= factor * 0.9995; unit++)
    value /= factor;
  if (unit == 0 && value == floor(value))
    snprintf(out.text, sizeof out.text, "%.0f%s%s", value, *units[0] != '\0' ? " " : "", units[0]);
  else
    three_digits(&out, value, units[unit]);
  return out;
}

struct pretty pretty_number(double value) {
  static const char *const units[] = {"", "k", "M", "G"};
  return scaled(value, 1000, units, 4);
}

struct pretty pretty_ns(double ns) {
  static const char *const units[] = {"ns", "us", "ms", "s"};
  return scaled(ns, 1000, units, 4);
}

struct pretty pretty_bytes(double bytes) {
  static const char *const units[] = {"B", "kB", "MB", "GB"};
  return scaled(bytes, 1000, units, 4);
}

struct pretty pretty_rate(double value, const char *unit) {
  bool bytes = *unit == 'B' && (unit[1] == '/' || unit[1] == '\0');
  struct pretty number = bytes ? pretty_bytes(value) : pretty_number(value), out = number;
  if (isnan(value)) return out;
  snprintf(out.text, sizeof out.text, "%.30s%s%.25s", number.text, bytes ? "" : " ", bytes ? unit + 1 : unit);
  return out;
}

/* A ratio, and between what it lies. */
static struct pretty between(const struct spread *ratio, double low, double high) {
  struct pretty out = {.text = "-"};
  if (ratio->count == 0) return out;
  struct pretty median, min, max;
  three_digits(&median, ratio->median, "");
  three_digits(&min, low, "");
  three_digits(&max, high, "");
  if (ratio->count == 1) return median;
  snprintf(out.text, sizeof out.text, "%.19s (%.19s-%.19s)", median.text, min.text, max.text);
  return out;
}

struct pretty pretty_ratio(const struct spread *ratio) {
  return between(ratio, ratio->min, ratio->max);
}

struct pretty pretty_interval(const struct spread *ratio) {
  return between(ratio, ratio->interval.low, ratio->interval.high);
}
