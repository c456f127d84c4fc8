/* SPDX-License-Identifier: Apache-2.0 */
/** Telling the service manager (systemd) how the server is. Without one nothing happens. Thread: control. */
#ifndef BROKER_OPS_NOTIFY_H
#define BROKER_OPS_NOTIFY_H

#include <stdint.h>

#include <tern/limits.h>

struct tern_workers;

/** It serves; the text is shown as its status. */
void notify_ready(const char *status);
/** It reads its configuration again, until the next notify_ready. */
void notify_reloading(void);
/** It ends. */
void notify_stopping(void);

/** Who is told, as long as all workers work, that they do. */
struct watchdog {
  uint64_t period_ms; /* between two looks; 0: nobody wants to know */
  uint64_t next_ms;   /* of the monotonic clock */
  struct {
    uint64_t ticks;
    unsigned idle; /* looks for which it has not moved */
  } seen[TERN_WORKERS_MAX];
};

/** Reads from the environment whether there is one who wants to know. */
void watchdog_init(struct watchdog *watchdog);
/** Looks at the workers when it is time to, and tells. Returns the milliseconds until the next time, -1: never. */
int watchdog_step(struct watchdog *watchdog, struct tern_workers *workers);

#endif
