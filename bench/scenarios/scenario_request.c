/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: requesters (--pubs), each with --in-flight requests at a time, and responders (--subs) that share them as a
 * queue group when there are several. The rate is answers per second, the latency that of a request.
 *
 * Thread: main.
 */
#include "peers.h"
#include "scenarios.h"

static bool run(struct bench *bench) {
  const struct options *options = bench->options;
  struct peers peers = {NULL, NULL};
  bool ready = bench_open(bench, options->publishers + options->subscribers, true, true) &&
               peers_add(bench, &peers, NULL) && bench_connect(bench);
  if (ready) {
    bench_begin(bench, PHASE_RUN);
    if (bench_await(bench, PHASE_STOP, options->publishers, options->seconds) == AWAIT_TIME) {
      engine_enter(&bench->engine, PHASE_STOP);
      bench_await(bench, PHASE_STOP, options->publishers, 0);
    }
    bench_end(bench);
    peers_fill(bench, &peers);
  }
  bench_close(bench);
  peers_free(options, &peers);
  return ready;
}

static void defaults(struct options *options) { options->size = 128; }

const struct scenario scenario_request = {"request", "requests and replies; latency of each", defaults,
                                          peers_lack, run};
