/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle and storm: connections themselves.
 *
 *     idle    --connections of them are opened and kept for --seconds; what each costs the broker in memory
 *     storm   --connections at a time are opened, say hello, get their PONG and close, again and again; how many per
 *             second, and the latency from connecting to PONG
 *
 * Thread: main.
 */
#include <errno.h>
#include <stdlib.h>

#include <tern/loop.h>

#include "disturb.h"
#include "scenarios.h"

static const char *lacks(const struct dialect *dialect, const struct options *options) {
  (void)options;
  return dialect->acknowledges ? NULL : "the forwarder serves one group of connections only";
}

/* ---- idle ---- */

static bool run_idle(struct bench *bench) {
  const struct options *options = bench->options;
  struct row *row = &bench->row;
  unsigned n = options->connections;
  bool ready = bench_open(bench, n, false, false);
  for (unsigned i = 0; ready && i < n; i++) {
    if (engine_add(&bench->engine, i, &role_idler, NULL, i) == NULL) ready = bench_cannot(bench, -ENOMEM);
  }
  if (ready) {
    struct process empty =
        process_look(options->pid != 0 ? options->pid : process_listening(&options->target.address));
    uint64_t begin = now_ns();
    ready = bench_connect(bench);
    double opening = (double)(now_ns() - begin) / 1e9;
    bench->seconds = options->seconds;
    if (ready) bench_begin(bench, PHASE_RUN);
    if (ready && bench_sleep(bench, options->seconds) == AWAIT_TIME) {
      bench->after = process_look(bench->before.pid);
      engine_enter(&bench->engine, PHASE_DRAIN);
      bench_await(bench, PHASE_DRAIN, n, 0); /* all are still there */
    }
    double grown = (double)bench->after.resident - (double)empty.resident;
    if (ready) bench_end(bench);
    row->broker.rss_before = empty.resident;
    row->rate = bench->after.pid != 0 && grown > 0 ? grown / n : 0;
    if (bench->after.pid != 0 && grown <= 0)
      row->note = "the broker's memory did not grow: it had some free from before; start it anew to tell";
    row_figure(row, "connections", n);
    row_figure(row, "connections_per_second", n / opening);
    row_figure(row, "cpu_us_per_connection", (double)(bench->before.cpu_ns - empty.cpu_ns) / 1e3 / n);
  }
  if (ready && row->error == NULL && row->broker.pid == 0)
    row->error = "the broker's memory is not known: give --pid, or run this where the broker runs";
  row->unit = "B/conn";
  row->size = 0;
  row->publishers = row->subscribers = 0;
  bench_close(bench);
  return ready;
}

static void idle_defaults(struct options *options) {
  options->connections = 10000;
  options->publishers = options->subscribers = 0;
  options->seconds = 2;
}
const struct scenario scenario_idle = {"idle", "10,000 connections that do nothing: memory of each",
                                       idle_defaults, lacks, run_idle};

/* ---- storm ---- */

static const char *storm_lacks(const struct dialect *dialect, const struct options *options) {
  if (options->placement != PLACEMENT_ANY) return "connections that come and go have no --placement";
  return lacks(dialect, options);
}

static bool run_storm(struct bench *bench) {
  const struct options *options = bench->options;
  if (options->background)
    tern_thread_to_background(); /* before there are others: they get what this one has */
  struct row *row = &bench->row;
  unsigned n = options->connections;
  struct stormer *stormers = calloc(n, sizeof *stormers);
  bool ready = stormers != NULL;
  if (!ready) bench_cannot(bench, -ENOMEM);
  ready = ready && bench_open(bench, n, true, false);
  for (unsigned i = 0; ready && i < n; i++) {
    stormers[i] =
        (struct stormer){.rate = options->storm_rate, .of = n, .index = i, .refused = options->refused};
    if (engine_add(&bench->engine, i, &role_stormer, &stormers[i], i) == NULL)
      ready = bench_cannot(bench, -ENOMEM);
  }
  row->unit = "conn/s";
  ready = ready && bench_connect(bench);
  if (ready) {
    bench->seconds = options->seconds;
    bench_begin(bench, PHASE_RUN);
    if (bench_sleep(bench, options->seconds) == AWAIT_TIME) {
      row->seconds = bench_elapsed(bench);
      row->rate = (double)engine_sent(&bench->engine) / row->seconds;
      engine_enter(&bench->engine, PHASE_STOP);
      bench_await(bench, PHASE_STOP, n, 0);
    }
    double rate = row->rate;
    bench_end(bench);
    row->rate = rate > 0 ? rate : (double)row->sent / row->seconds;
    if (row->sent > 0) {
      row_figure(row, "connections", (double)row->sent);
      row_figure(row, "broker_us_per_connection", row->broker.cpu_seconds * 1e6 / (double)row->sent);
    }
  }
  row->size = 0;
  row->latency_from = "request";
  bench_close(bench);
  free(stormers);
  return ready;
}

static void storm_defaults(struct options *options) {
  options->connections = 64;
  options->publishers = options->subscribers = 0;
}
const struct scenario scenario_storm = {"storm", "connections that come and go: how many per second, latency",
                                        storm_defaults, storm_lacks, run_storm};
