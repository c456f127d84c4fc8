/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: requesters (--pubs), each with --in-flight requests at a time, and responders (--subs) that share them as a
 * queue group when there are several. The rate is answers per second, the latency that of a request. Thread: main.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "scenarios.h"

/* The run's peers. */
struct peers {
  struct requester *requesters;
  struct responder *responders;
};

static bool add_peers(struct bench *bench, struct peers *peers) {
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
  row->latency_from = "request";
  if (row->received > 0)
    row->broker.cpu_ns_per_message = row->broker.cpu_seconds * 1e9 / (double)row->received;
}

static bool run(struct bench *bench) {
  const struct options *options = bench->options;
  struct peers peers = {NULL, NULL};
  bool ready = bench_open(bench, options->publishers + options->subscribers, true, true) &&
               add_peers(bench, &peers) && bench_connect(bench);
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
  for (unsigned i = 0; peers.requesters != NULL && i < options->publishers; i++)
    requester_free(&peers.requesters[i]);
  for (unsigned i = 0; peers.responders != NULL && i < options->subscribers; i++)
    responder_free(&peers.responders[i]);
  free(peers.requesters);
  free(peers.responders);
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
