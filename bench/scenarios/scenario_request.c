/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: requesters (--pubs), each with --in-flight requests at a time, and responders (--subs) that share them as a
 * queue group when there are several. The rate is answers per second, the latency that of a request.
 *
 * crowd: the same at a steady rate, for half of the time undisturbed and then beside a storm (scenario_connect.c). The
 * storm is a process of its own in the background, so that what becomes of the latency is the
 * server's doing and not that of clients which compete with it. What is then still the doing of a busy machine shows when
 * the storm is for another server on it (--storm-server). Of each half the first fifth does not count. The row's
 * latency is that beside the storm.
 *
 * Thread: main.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "request.h"
#include "scenarios.h"

#define SETTLE       0.2 /* of each half of a crowd */
#define STORM_LATE_S 20  /* for a storm that has blown out to end */
#define STORM_WORDS  40

/* The run's peers. */
struct peers {
  struct requester *requesters;
  struct responder *responders;
};

/* Latencies before and during the storm. */
static bool keep_apart(struct requester *requester, double seconds) {
  requester->settle_ns = (uint64_t)(seconds / 2 * SETTLE * 1e9);
  requester->before = histogram_new();
  requester->during = histogram_new();
  return requester->before != NULL && requester->during != NULL;
}

static bool add_peers(struct bench *bench, struct peers *peers, bool crowd) {
  const struct options *options = bench->options;
  peers->requesters = calloc(options->publishers, sizeof *peers->requesters);
  peers->responders = calloc(options->subscribers, sizeof *peers->responders);
  if (peers->requesters == NULL || peers->responders == NULL) return bench_cannot(bench, -ENOMEM);
  for (unsigned i = 0; i < options->subscribers; i++) {
    peers->responders[i] =
        (struct responder){.subject = options->subject, .group = options->subscribers > 1 ? "bench" : NULL};
    if (engine_add(&bench->engine, bench_thread(bench, true, i), &role_responder, &peers->responders[i], i) ==
        NULL)
      return bench_cannot(bench, -ENOMEM);
  }
  for (unsigned i = 0; i < options->publishers; i++) {
    struct requester *requester = &peers->requesters[i];
    requester->in_flight = options->in_flight;
    requester->wanted = options->messages;
    requester->rate = options->rate;
    requester->of = options->publishers;
    requester->index = i;
    if (crowd && !keep_apart(requester, options->seconds)) return bench_cannot(bench, -ENOMEM);
    int error = requester_init(requester, options->target.dialect, options->subject, i, options->size);
    if (error == 0 &&
        engine_add(&bench->engine, bench_thread(bench, false, i), &role_requester, requester, i) == NULL)
      error = -ENOMEM;
    if (error != 0) return bench_cannot(bench, error);
  }
  bench->seconds = options->seconds;
  if (options->messages != UINT64_MAX) bench->total = options->messages * options->publishers;
  return true;
}

static void fill(struct bench *bench, struct peers *peers) {
  struct row *row = &bench->row;
  const struct options *options = bench->options;
  uint64_t last = 0;
  for (unsigned i = 0; i < options->publishers; i++) {
    struct requester *requester = &peers->requesters[i];
    struct checker *checker = &requester->checker;
    if (row->error == NULL) checkers_merge(&checker, 1, 0, requester->sent);
    findings_add(&row->found, &checker->found);
    if (requester->last_ns > last) last = requester->last_ns;
  }
  row->expected = row->sent;
  if (last > bench->begin_ns) row->seconds = (double)(last - bench->begin_ns) / 1e9;
  row->rate = (double)row->received / row->seconds;
  row->unit = "req/s";
  row->in_flight = options->in_flight;
  row->bytes_per_second = row->rate * row->size;
  row->latency_from = options->rate > 0 ? "intended send" : "request";
  if (row->received > 0)
    row->broker.cpu_ns_per_message = row->broker.cpu_seconds * 1e9 / (double)row->received;
}

static void free_peers(const struct options *options, struct peers *peers) {
  for (unsigned i = 0; peers->requesters != NULL && i < options->publishers; i++) {
    histogram_free(peers->requesters[i].during);
    requester_free(&peers->requesters[i]);
  }
  for (unsigned i = 0; peers->responders != NULL && i < options->subscribers; i++)
    responder_free(&peers->responders[i]);
  free(peers->requesters);
  free(peers->responders);
}

static bool run(struct bench *bench) {
  const struct options *options = bench->options;
  struct peers peers = {NULL, NULL};
  bool ready = bench_open(bench, options->publishers + options->subscribers, true, true) &&
               add_peers(bench, &peers, false) && bench_connect(bench);
  if (ready) {
    bench_begin(bench, PHASE_RUN);
    if (bench_await(bench, PHASE_STOP, options->publishers, options->seconds) == AWAIT_TIME) {
      engine_enter(&bench->engine, PHASE_STOP);
      bench_await(bench, PHASE_STOP, options->publishers, 0);
    }
    bench_end(bench);
    fill(bench, &peers);
  }
  bench_close(bench);
  free_peers(options, &peers);
  return ready;
}

static void defaults(struct options *options) { options->size = 128; }

static const char *lacks(const struct dialect *dialect, const struct options *options) {
  if (!dialect->replies) return "this server has no request and reply";
  if (options->size < PAYLOAD_UNIQUE_BYTES)
    return "needs --size 16 or more, to tell every request from the others";
  if (options->subscribers == 0) return "needs a responder (--subs)";
  bool pair = options->publishers == 1 && options->subscribers == 1;
  return dialect->many_publishers || pair ? NULL : "the forwarder takes one requester and one responder";
}

const struct scenario scenario_request = {"request", "requests and replies; latency of each", defaults, lacks,
                                          run};

/* ---- crowd ---- */

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

static int begin_storm(struct storm *storm, const struct options *options, double seconds) {
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

/* Waits for its end, and adds what it says of itself. */
static void end_storm(struct bench *bench, struct storm *storm) {
  char why[200];
  struct row *row = &bench->row;
  const bool ended = child_wait(&storm->child, STORM_LATE_S, NULL);
  rewind(storm->child.out);
  json_t *said = ended ? json_loadf(storm->child.out, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
  row_figure(row, "storm_per_second", json_number_value(json_object_get(said, "rate")));
  row_figure(row, "storm_connections", json_number_value(json_object_get(said, "sent")));
  if ((!ended || storm->child.exit_code != 0) && bench->error[0] == '\0') {
    const char *error = json_string_value(json_object_get(said, "error"));
    if (error == NULL) error = ended ? child_complaint(&storm->child, why, sizeof why) : "it does not end";
    snprintf(bench->error, sizeof bench->error, "the storm: %s", error);
    row->error = bench->error;
  }
  json_decref(said);
  child_stop(&storm->child);
}

/* A percentile before and during, and what is left of calm. */
static void add_percentile(struct row *row, const struct histogram *before, const struct histogram *during,
                           double percentile, const char *const names[3]) {
  double was = (double)histogram_value_at(before, percentile),
         is = (double)histogram_value_at(during, percentile);
  row_figure_ns(row, names[0], was);
  row_figure_ns(row, names[1], is);
  if (was > 0) row_figure(row, names[2], is / was);
}

static void fill_crowd(struct bench *bench, const struct peers *peers) {
  static const char *const p50[] = {"p50_before", "p50_during", "p50_grown"},
                           *const p99[] = {"p99_before", "p99_during", "p99_grown"},
                           *const p999[] = {"p999_before", "p999_during", "p999_grown"};
  struct histogram *before = peers->requesters[0].before;
  for (unsigned i = 0; i < bench->options->publishers; i++) {
    if (i > 0) histogram_merge(before, peers->requesters[i].before);
    histogram_merge(bench->latency, peers->requesters[i].during);
  }
  bench->row.latency = bench->latency;
  add_percentile(&bench->row, before, bench->latency, 50, p50);
  add_percentile(&bench->row, before, bench->latency, 99, p99);
  add_percentile(&bench->row, before, bench->latency, 99.9, p999);
}

static bool run_crowd(struct bench *bench) {
  const struct options *options = bench->options;
  struct peers peers = {NULL, NULL};
  struct storm storm = {.argc = 0};
  bool ready = bench_open(bench, options->publishers + options->subscribers, false, true) &&
               add_peers(bench, &peers, true) && bench_connect(bench);
  if (ready && (bench->latency = histogram_new()) == NULL) ready = bench_cannot(bench, -ENOMEM);
  if (ready) {
    bench_begin(bench, PHASE_RUN);
    bench_sleep(bench, options->seconds / 2);
    int error = bench->error[0] == '\0' ? begin_storm(&storm, options, options->seconds / 2) : 0;
    if (error != 0) bench_cannot(bench, error);
    engine_enter(&bench->engine, PHASE_DISTURB);
    bench_sleep(bench, options->seconds / 2);
    engine_enter(&bench->engine, PHASE_STOP);
    bench_await(bench, PHASE_STOP, options->publishers, 0);
    bench_end(bench);
    fill(bench, &peers);
    fill_crowd(bench, &peers);
    if (storm.child.pid != 0) end_storm(bench, &storm);
  }
  bench_close(bench);
  free_peers(options, &peers);
  return ready;
}

static void crowd_defaults(struct options *options) {
  options->size = 128;
  options->publishers = options->subscribers = 4;
  options->in_flight = 1024;
  options->connections = 64;
  options->rate = 2000;
  options->seconds = 10;
}

static const char *crowd_lacks(const struct dialect *dialect, const struct options *options) {
  if (!dialect->acknowledges) return "the forwarder serves one group of connections only";
  if (options->messages != UINT64_MAX) return "takes --seconds, half without and half with the storm";
  return lacks(dialect, options);
}

const struct scenario scenario_crowd = {"crowd",
                                        "requests at a steady rate, undisturbed and then beside a storm",
                                        crowd_defaults, crowd_lacks, run_crowd};
