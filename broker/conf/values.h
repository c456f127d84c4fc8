/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Values as operators write them, on the command line and in the configuration file: numbers, sizes, durations,
 * switches. Each reader returns NULL, or what is wrong with the text. Thread: any.
 */
#ifndef BROKER_CONF_VALUES_H
#define BROKER_CONF_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** true t 1 false f 0, in any case. */
const char *value_bool(const char *text, bool *out);
/** A decimal integer. */
const char *value_int(const char *text, int64_t *out);
/** An integer that may have a suffix in any case: 64k (thousands), 64KB, 64Ki or 64KiB (1024s); k m g t p e. */
const char *value_size(const char *text, int64_t *out);
/** As Go writes durations ("1m30s", "1.5h", "500ms"), or a bare number of seconds. In milliseconds, and no
 * less than one unless it is nothing. */
const char *value_duration(const char *text, int64_t *out_ms);
/** The same, but a number needs its unit. */
const char *value_duration_with_unit(const char *text, int64_t *out_ms);

/** What value_int and value_size say of a number that has the right form but is too large. */
extern const char value_too_large[];

/** Writes a size ("64KB") or a duration ("2m") in the largest unit that divides it. */
void value_format_size(int64_t value, char *text, size_t room);
void value_format_duration(int64_t ms, char *text, size_t room);

#endif
