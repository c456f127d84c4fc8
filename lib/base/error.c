/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error texts: one table for tern's own numbers, strerror for the system's. Called from any thread; the only
 * state is strerror's thread-local buffer.
 */
#include <tern/error.h>

#include <stddef.h>
#include <string.h>

static const char *const texts[] = {
    "connection or queue is closed",
    "queue is full",
    "limit reached",
    "not a valid subject",
    "protocol violation",
    "slow consumer",
    "shutting down",
    "module cannot be used",
    "TLS failed",
};

const char *tern_strerror(int error) {
  if (error == 0) return "success";
  int own = TERN_ECLOSED - error;
  if (own >= 0 && (size_t)own < sizeof texts / sizeof texts[0]) return texts[own];
  return strerror(error < 0 ? -error : error);
}
