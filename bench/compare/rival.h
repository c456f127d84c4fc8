/* SPDX-License-Identifier: Apache-2.0 */
/** The servers of a comparison: those that run already, and those started for each measurement. See rival.c. */
#ifndef BENCH_RIVAL_H
#define BENCH_RIVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "child.h"

#define RIVAL_TEXT_MAX 1024

/** A server. */
struct rival {
  char label[64];
  char url[RIVAL_TEXT_MAX];     /* with {port} when there is a command */
  char command[RIVAL_TEXT_MAX]; /* for a shell; "": it runs already */
  bool limit;                   /* the byte forwarder */
  /* Of the one that runs: */
  struct child child;
  char address[RIVAL_TEXT_MAX]; /* its URL */
  double ready_ms;              /* from starting it until it took a connection (and, for NATS, said INFO) */
  uint64_t resident_bytes;      /* when it was ready and had nothing to do */
};

/** Takes apart [LABEL=]URL, or with `starts` [LABEL=]URL COMMAND. Returns false when it is neither. */
bool rival_parse(struct rival *rival, const char *text, bool starts);
/** The byte forwarder, which is this program. */
void rival_limit(struct rival *rival);
/** Starts it on a free port, where it has to be started, and waits until it is ready. Returns false with the reason in
 * error. */
bool rival_start(struct rival *rival, char *error, size_t size);
/** Stops what rival_start started. */
void rival_stop(struct rival *rival);

#endif
