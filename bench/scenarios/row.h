/* SPDX-License-Identifier: Apache-2.0 */
/** A row: everything one measurement found, for people and for programs. See row.c. */
#ifndef BENCH_ROW_H
#define BENCH_ROW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "check.h"
#include "histogram.h"

#define FIGURES_MAX 24

/** A measurement. Texts are borrowed and live as long as the row. */
struct row {
  const char *scenario;
  const char *label; /* NULL: the server's name */
  const char *url;   /* without credentials */
  const char *server, *version;
  const char *command;
  int64_t time; /* seconds since 1970 */
  double size;  /* payload bytes; the mean where they differ */
  unsigned publishers, subscribers, connections, threads, in_flight;
  double asked_rate; /* 0: as fast as possible */
  uint64_t sent, received, expected;
  double seconds;
  double rate;
  const char *unit;
  double bytes_per_second;         /* of payload */
  const struct histogram *latency; /* NULL: none */
  const char *latency_from;
  const struct histogram *hiccup; /* NULL: none */
  struct {
    double cpu_seconds, busiest_thread; /* the latter as a share of a core */
    bool bottleneck;
  } client;
  struct {
    pid_t pid; /* 0: not found; then the rest means nothing */
    double cpu_seconds;
    double cpu_ns_per_message; /* 0: no messages */
    uint64_t rss_before, rss_after, rss_peak;
  } broker;
  struct {
    uint64_t ticks, stolen; /* all processors' time meanwhile, and what the host gave to others; 0: unknown */
  } machine;
  struct figure {
    const char *name;
    double value;
    bool is_ns; /* a duration */
  } figure[FIGURES_MAX];
  unsigned figures;
  struct findings found;
  const char *note;  /* why the rate tells nothing, or NULL */
  const char *error; /* why it failed: its figures are of a part and count for nothing; NULL: it did not */
};

/** Adds a figure of the scenario's own. */
void row_figure(struct row *row, const char *name, double value);
/** The same of a duration. */
void row_figure_ns(struct row *row, const char *name, double ns);
/** All of it; NULL: out of memory. The caller's. */
json_t *row_json(const struct row *row);
/** Prints it for people. */
void row_print(const struct row *row);
/** Whether the client kept the broker waiting, by shares of a core: its busiest thread's, the broker's busiest thread's,
 * and the broker's as a share of all processors. */
bool row_client_was_limit(double thread, double broker, double machine);
/** The exit code it means. */
int row_exit_code(const struct row *row);

#endif
