/* SPDX-License-Identifier: Apache-2.0 */
/** Times as nats-server writes them for people. Pure. */
#ifndef BROKER_MONITOR_TEXT_H
#define BROKER_MONITOR_TEXT_H

#include <stddef.h>
#include <stdint.h>

/** Enough for both. */
#define TEXT_TIME_BYTES 48

/** "1d2h3m4s", without leading units that are zero. */
void text_uptime(uint64_t seconds, char *text);
/** A duration in Go's form: "1.5ms", "100.903424ms", "1m2s". */
void text_duration(uint64_t ns, char *text);

#endif
