/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A measurement: what a scenario works with, and the steps it is made of. See bench.c.
 *
 *     bench_open -> add connections -> bench_connect -> bench_begin -> bench_await ... -> bench_end -> the row
 *
 * Each step returns false when the measurement cannot go on; why is then in bench->error.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "cpu.h"
#include "engine.h"
#include "hiccup.h"
#include "options.h"
#include "row.h"

struct scenario;

/** A measurement. */
struct bench {
  const struct scenario *scenario;
  const struct options *options;
  struct engine engine;
  struct row row;
  struct hiccup hiccup;
  struct process before, after; /* the broker, as measuring began and ended */
  struct machine machine_before;
  struct histogram *latency; /* all threads' */
  uint64_t begin_ns;         /* of measuring; 0: it has not begun */
  uint64_t end_ns;           /* 0: when bench_end was called */
  uint64_t total;            /* messages there will be, for progress; 0: unknown */
  double seconds;            /* or how long it takes; 0: unknown */
  struct {
    uint64_t ns, moved; /* when it was last shown, and what had moved by then */
  } shown;              /* progress */
  char error[400];      /* empty: none */
  bool lacking;         /* the error is that the server has no such thing */
};

/** A subcommand that measures. */
struct scenario {
  const char *name, *about;
  void (*defaults)(struct options *options);
  /** Why a server that speaks this cannot take part; NULL: it can. */
  const char *(*lacks)(const struct dialect *dialect, const struct options *options);
  bool (*run)(struct bench *bench);
};

/** Finds the server, allows the files, prepares the threads. latency: see engine_init; hiccup: measure that too. */
bool bench_open(struct bench *bench, unsigned connections, bool latency, bool hiccup);
/** Notes that there is no memory (or what else error says) and returns false. */
bool bench_cannot(struct bench *bench, int error);
/** Starts the threads and connects everybody who is to be connected at first. */
bool bench_connect(struct bench *bench);
/** Looks at the broker and begins measuring: PHASE_PREPARE or PHASE_RUN. */
void bench_begin(struct bench *bench, enum phase phase);

enum await { AWAIT_DONE, AWAIT_TIME, AWAIT_FAILED };
/** Waits until count connections have done with a phase, at most for so many seconds (0: until nothing has moved for
 * ten). Shows progress. */
enum await bench_await(struct bench *bench, enum phase phase, uint64_t count, double seconds);
/** Waits for a time. */
enum await bench_sleep(struct bench *bench, double seconds);
/** Waits until so many messages have been received, or none has come for two seconds. */
void bench_await_rest(struct bench *bench, uint64_t expected);
/** Looks at the broker again, ends the threads, and fills in what all rows have; the scenario then adds its own. */
void bench_end(struct bench *bench);
/** Ends the threads and closes the connections; before what their roles work with is freed. */
void bench_close(struct bench *bench);
/** Seconds since bench_begin. */
double bench_elapsed(const struct bench *bench);
/** Spreads connections over threads: which one is for number index of so many that receive, or that send. */
unsigned bench_thread(const struct bench *bench, bool receives, unsigned index);

/** Runs a scenario and prints its row; which is put into the array rows, or (NULL) into the files the options name.
 * Returns the exit code. */
int bench_run(const struct scenario *scenario, int argc, char **argv, json_t *rows);
/** Writes rows into the files that the options name. Returns false, after saying why, when that fails. */
bool bench_write_files(const struct options *options, json_t *rows);
/** All scenarios in order, until one without a name. */
extern const struct scenario *const scenarios[];

/** Progress while so many connections are waited for in a phase: on a terminal one line that changes, else a line every
 * second. */
void progress_show(struct bench *bench, enum phase phase, uint64_t count);
/** Takes the line away. */
void progress_end(const struct bench *bench);

#endif
