/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations in two forms: nats-server's up-time, which counts years of 365 days, and Go's time.Duration, whose unit
 * depends on the size and which drops zeros at the end. Pure.
 */
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void text_uptime(uint64_t seconds, char *text) {
  const struct {
    uint64_t value;
    char unit;
  } parts[] = {{seconds / 86400 / 365, 'y'},
               {seconds / 86400 % 365, 'd'},
               {seconds / 3600 % 24, 'h'},
               {seconds / 60 % 60, 'm'},
               {seconds % 60, 's'}};
  size_t at = 0, first = 0;
  while (first < 4 && parts[first].value == 0)
    first++;
  for (size_t i = first; i < 5; i++)
    at += (size_t)snprintf(text + at, TEXT_TIME_BYTES - at, "%" PRIu64 "%c", parts[i].value, parts[i].unit);
}

/* whole.fraction without zeros at the end, and the unit. */
static void put_fraction(char *text, size_t room, uint64_t value, uint64_t unit, int digits,
                         const char *name) {
  char fraction[12];
  snprintf(fraction, sizeof fraction, "%0*" PRIu64, digits, value % unit);
  size_t len = digits > 0 ? strlen(fraction) : 0;
  while (len > 0 && fraction[len - 1] == '0')
    len--;
  snprintf(text, room, "%" PRIu64 "%s%.*s%s", value / unit, len > 0 ? "." : "", (int)len, fraction, name);
}

void text_duration(uint64_t ns, char *text) {
  const uint64_t minute = 60000000000u;
  size_t at = 0;
  if (ns < 1000)
    put_fraction(text, TEXT_TIME_BYTES, ns, 1, 0, ns == 0 ? "s" : "ns");
  else if (ns < 1000000)
    put_fraction(text, TEXT_TIME_BYTES, ns, 1000, 3, "\xC2\xB5s");
  else if (ns < 1000000000)
    put_fraction(text, TEXT_TIME_BYTES, ns, 1000000, 6, "ms");
  else {
    if (ns >= 60 * minute) at += (size_t)snprintf(text, TEXT_TIME_BYTES, "%" PRIu64 "h", ns / (60 * minute));
    if (ns >= minute)
      at += (size_t)snprintf(text + at, TEXT_TIME_BYTES - at, "%" PRIu64 "m", ns / minute % 60);
    put_fraction(text + at, TEXT_TIME_BYTES - at, ns % minute, 1000000000, 9, "s");
  }
}
