/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The ceiling for the memory of the whole process (`tern { max_memory }`), and what is given up, in which order, as it
 * comes near:
 *
 *     85 %   new connections are refused
 *     90 %   so are new subscriptions
 *     95 %   clients are not read, while output waits that could leave
 *     100 %, or after a second of 95 % or of not reading   the connection with most output waiting is cut off, then the next
 *
 * What was stopped goes on when use is 5 % below the mark. The memory of who was cut off takes a while to go back to the
 * system; meanwhile it counts as gone, so that nobody else pays for it. Thread: control.
 */
#ifndef BROKER_OPS_MEMORY_H
#define BROKER_OPS_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/** How often to look, while there is a ceiling; and when half of it is in use. */
#define MEMORY_LOOK_MS  100
#define MEMORY_WATCH_MS 10

/** What has to be done now. */
struct memory_steps {
  bool refuse_connections, refuse_subscriptions, stop_reading, cut_slowest;
};

struct memory {
  struct memory_steps steps; /* now */
  uint64_t high_since_ms;    /* above 95 %, or clients are not read, since then; 0: neither */
  uint64_t used;             /* bytes, when last looked */
  uint64_t leaving;          /* bytes that were waiting for those who were cut off, and are still in use */
  uint64_t cut_ms;           /* when the last one was */
};

/** Bytes of memory the process has in use (resident), or 0 when the system does not say. */
uint64_t memory_used(void);
/**
 * Decides.
 * @param memory what was decided before; zero to begin with
 * @param used bytes in use
 * @param max the ceiling
 * @param waiting bytes of output that wait for clients to take them
 * @param now_ms the time
 * @return true when `steps` is not what it was, apart from cut_slowest
 */
bool memory_decide(struct memory *memory, uint64_t used, uint64_t max, uint64_t waiting, uint64_t now_ms);
/** Notes that somebody was cut off, and the bytes that waited for them. */
void memory_cut(struct memory *memory, uint64_t bytes, uint64_t now_ms);

#endif
