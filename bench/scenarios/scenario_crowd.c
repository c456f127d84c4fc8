/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowd: requests (peers.c) at a steady rate, in turn undisturbed and beside a storm (scenario_connect.c).
 *
 *     .Q.SS.QQ.SS.Q      Q quiet, S storm: windows, all of the same length; . settling, a fifth of that, but at least
 *                        as long as a process takes to start and connect: short runs take longer than they were told
 *
 * A machine changes within seconds. In this order both kinds of windows have the same middle, so that what it gains or
 * loses steadily happens to both, and there are at least two storms. Of each kind all windows make one histogram; a
 * request belongs to the window it was due in. What is due while things settle counts for neither, nor what is due while
 * a storm ends: it leaves no connection half made, and how long the server needs for those there are is not known.
 *
 * Each storm is a process of its own in the background, so that what becomes of the latency is the server's doing and not
 * that of clients which compete with it. What is then still the doing of a busy machine shows when the storm is for
 * another server on it (--storm-server). The row's latency is that beside the storms.
 *
 * Thread: main.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "cpu.h"
#include "peers.h"
#include "scenarios.h"
#include "windows.h"

#define SETTLE       0.2 /* of a window */
#define SETTLE_MIN_S 0.2
#define TURN         4 /* windows: quiet, storm, storm, quiet */
#define TURN_S       5 /* about */
#define TURNS_MIN    2
#define LOOK_S       0.005
#define STORM_LATE_NS \
  UINT64_C(60000000000) /* for a storm that has blown out to end: what it began is answered first */
#define STORM_WORDS 40

/* The storm's command line. The words are the options', or in the struct. */
struct storm {
  struct child child;
  const char *argv[STORM_WORDS];
  unsigned argc;
  char program[512], seconds[32], connections[16], rate[32];
};

static void say(struct storm *storm, const char *option, const char *value) {
  if (value == NULL) return;
  storm->argv[storm->argc++] = option;
  storm->argv[storm->argc++] = value;
}

/* Returns 0 or -errno. */
static int begin_storm(struct storm *storm, const struct options *options, double seconds) {
  *storm = (struct storm){.argc = 0};
  ssize_t len = readlink("/proc/self/exe", storm->program, sizeof storm->program - 1);
  if (len < 0) return -errno;
  storm->program[len] = '\0';
  snprintf(storm->seconds, sizeof storm->seconds, "%g", seconds);
  snprintf(storm->connections, sizeof storm->connections, "%u", options->connections);
  snprintf(storm->rate, sizeof storm->rate, "%g", options->storm_rate);
  say(storm, storm->program, "storm");
  storm->argv[storm->argc++] = "--background";
  say(storm, "--json", "--quiet");
  say(storm, "--server", options->storm_url != NULL ? options->storm_url : options->url);
  say(storm, "--seconds", storm->seconds);
  say(storm, "--connections", storm->connections);
  say(storm, "--storm-rate", options->storm_rate > 0 ? storm->rate : NULL);
  say(storm, "--user", options->user);
  say(storm, "--password", options->storm_password != NULL ? options->storm_password : options->password);
  say(storm, "--token", options->token);
  say(storm, "--tlscert", options->tls_cert);
  say(storm, "--tlskey", options->tls_key);
  say(storm, "--tlsca", options->tls_ca);
  if (options->tls_insecure) storm->argv[storm->argc++] = "--tls-insecure";
  if (options->storm_password != NULL) storm->argv[storm->argc++] = "--refused";
  return child_start(&storm->child, storm->argv);
}

/* A run. */
struct crowd {
  struct bench *bench;
  struct windows windows;
  struct storm storm;
  double window, settle; /* seconds */
  unsigned count;        /* of windows there are to be */
  unsigned storms;       /* that have blown out, with what they were together: */
  double connections, seconds;
};

/* Waits for the storm's end, and notes what it says of itself. Returns false when it was none. */
static bool end_storm(struct crowd *crowd) {
  struct bench *bench = crowd->bench;
  struct child *child = &crowd->storm.child;
  char why[200];
  const uint64_t until = now_ns() + STORM_LATE_NS;
  while (now_ns() < until && !child_ended(child)) {
    if (bench_sleep(bench, LOOK_S) != AWAIT_TIME) break;
  }
  const bool ended = child_ended(child);
  rewind(child->out);
  json_t *said = ended ? json_loadf(child->out, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
  crowd->connections += json_number_value(json_object_get(said, "sent"));
  crowd->seconds += json_number_value(json_object_get(said, "seconds"));
  crowd->storms += ended;
  if ((!ended || child->exit_code != 0) && bench->error[0] == '\0') {
    const char *error = json_string_value(json_object_get(said, "error"));
    if (error == NULL) error = ended ? child_complaint(child, why, sizeof why) : "it does not end";
    snprintf(bench->error, sizeof bench->error, "the storm: %s", error);
  }
  json_decref(said);
  child_stop(child);
  return bench->error[0] == '\0';
}

/* Begins a storm that lasts for two windows, or ends it, and lets things settle. */
static bool turn(struct crowd *crowd, bool storms) {
  struct bench *bench = crowd->bench;
  if (storms) {
    int error = begin_storm(&crowd->storm, bench->options, crowd->settle + 2 * crowd->window);
    if (error != 0) return bench_cannot(bench, error);
  } else if (crowd->storm.child.pid != 0 && !end_storm(crowd)) {
    return false;
  }
  return bench_sleep(bench, crowd->settle) == AWAIT_TIME;
}

static void run_windows(struct crowd *crowd) {
  bool storms = true; /* other than at first */
  for (unsigned i = 0; i < crowd->count; i++) {
    const bool stormy = i % TURN == 1 || i % TURN == 2;
    if (stormy != storms && !turn(crowd, stormy)) break;
    storms = stormy;
    windows_open(&crowd->windows, now_ns(), stormy);
    const bool whole = bench_sleep(crowd->bench, crowd->window) == AWAIT_TIME;
    windows_close(&crowd->windows, now_ns());
    if (!whole) break;
  }
  if (crowd->storm.child.pid != 0) end_storm(crowd); /* the run was cut short */
}

/* As many windows as make about TURN_S seconds for four, and with their settling all of the time, where it is a share of
 * them. */
static void plan(struct crowd *crowd, double seconds) {
  const unsigned most = WINDOWS_MAX / TURN;
  unsigned turns = seconds / TURN_S < most ? (unsigned)(seconds / TURN_S) : most;
  if (turns < TURNS_MIN) turns = TURNS_MIN;
  crowd->count = turns * TURN;
  crowd->window = seconds / (turns * TURN + (turns * 2 + 1) * SETTLE);
  crowd->settle = crowd->window * SETTLE;
  if (crowd->settle < SETTLE_MIN_S) crowd->settle = SETTLE_MIN_S;
}

/* A percentile in quiet and in a storm, and how many times as much that is. */
static void add_percentile(struct row *row, const struct histogram *quiet, const struct histogram *storm,
                           double percentile, const char *const names[3]) {
  double was = (double)histogram_value_at(quiet, percentile),
         is = (double)histogram_value_at(storm, percentile);
  row_figure_ns(row, names[0], was);
  row_figure_ns(row, names[1], is);
  if (was > 0) row_figure(row, names[2], is / was);
}

static void fill(const struct crowd *crowd, const struct peers *peers) {
  static const char *const p50[] = {"p50_quiet", "p50_storm", "p50_grown"},
                           *const p99[] = {"p99_quiet", "p99_storm", "p99_grown"},
                           *const p999[] = {"p999_quiet", "p999_storm", "p999_grown"};
  struct bench *bench = crowd->bench;
  struct row *row = &bench->row;
  struct histogram *quiet = peers->requesters[0].before;
  for (unsigned i = 0; i < bench->options->publishers; i++) {
    if (i > 0) histogram_merge(quiet, peers->requesters[i].before);
    histogram_merge(bench->latency, peers->requesters[i].during);
  }
  row->latency = bench->latency;
  add_percentile(row, quiet, bench->latency, 50, p50);
  add_percentile(row, quiet, bench->latency, 99, p99);
  add_percentile(row, quiet, bench->latency, 99.9, p999);
  /* relaxed: opened by this thread */
  row_figure(row, "windows", atomic_load_explicit(&crowd->windows.count, memory_order_relaxed));
  row_figure(row, "storms", crowd->storms);
  row_figure(row, "storm_connections", crowd->connections);
  row_figure(row, "storm_per_second", crowd->seconds > 0 ? crowd->connections / crowd->seconds : 0);
}

static bool run(struct bench *bench) {
  const struct options *options = bench->options;
  struct peers peers = {NULL, NULL};
  struct crowd crowd = {.bench = bench};
  plan(&crowd, options->seconds);
  bool ready = bench_open(bench, options->publishers + options->subscribers, false, true) &&
               peers_add(bench, &peers, &crowd.windows) && bench_connect(bench);
  if (ready && (bench->latency = histogram_new()) == NULL) ready = bench_cannot(bench, -ENOMEM);
  if (ready) {
    bench_begin(bench, PHASE_RUN);
    run_windows(&crowd);
    engine_enter(&bench->engine, PHASE_STOP);
    bench_await(bench, PHASE_STOP, options->publishers, 0);
    bench_end(bench);
    peers_fill(bench, &peers);
    fill(&crowd, &peers);
  }
  bench_close(bench);
  peers_free(options, &peers);
  return ready;
}

static void defaults(struct options *options) {
  options->size = 128;
  options->publishers = options->subscribers = 4;
  options->in_flight = 1024;
  options->connections = 64;
  options->rate = 2000;
  options->seconds = 10;
}

static const char *lacks(const struct dialect *dialect, const struct options *options) {
  if (!dialect->acknowledges) return "the forwarder serves one group of connections only";
  if (options->messages != UINT64_MAX) return "takes --seconds, half of them without and half with a storm";
  return peers_lack(dialect, options);
}

const struct scenario scenario_crowd = {
    "crowd", "requests at a steady rate, in turn undisturbed and beside a storm", defaults, lacks, run};
