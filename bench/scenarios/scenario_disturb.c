/* SPDX-License-Identifier: Apache-2.0 */
/*
 * churn and stuck: a flow, first undisturbed and then with somebody who disturbs it, each for half of the time. Beside
 * it runs a probe, one request at a time, whose latency says what a well-behaved client notices.
 *
 *     churn   1:1; then one connection makes and removes --churn-rate subscriptions per second
 *     stuck   1:8; then one more subscriber subscribes and never reads
 *
 * Of each half the first fifth does not count. The row's rate and latency are those under the disturbance. Thread: main.
 */
#include <errno.h>
#include <stdlib.h>

#include "disturb.h"
#include "flow.h"
#include "request.h"
#include "scenarios.h"

#define SETTLE 0.2 /* of each half */

/* Everything beside the flow. */
struct beside {
  struct requester requester;
  struct responder responder;
  struct churner churner;
  struct stuck stuck;
  bool churns;
};

static bool add_beside(struct bench *bench, struct beside *beside, const char *filter) {
  const struct options *options = bench->options;
  struct engine *engine = &bench->engine;
  bool room = true;
  if (options->target.dialect->replies) {
    beside->responder.subject = "bench.probe";
    beside->requester.probe = true;
    beside->requester.in_flight = 1;
    beside->requester.wanted = UINT64_MAX;
    beside->requester.before = histogram_new();
    beside->requester.during = bench->latency = histogram_new();
    room = bench->latency != NULL && beside->requester.before != NULL;
    int error = requester_init(&beside->requester, options->target.dialect, beside->responder.subject, 0, 16);
    if (error != 0) return bench_cannot(bench, error);
    room = room &&
           engine_add(engine, bench_thread(bench, true, 0), &role_responder, &beside->responder, 0) != NULL;
    room = room &&
           engine_add(engine, bench_thread(bench, false, 0), &role_requester, &beside->requester, 0) != NULL;
  }
  beside->churner.rate = options->churn_rate;
  beside->stuck.filter = filter;
  const struct role *role = beside->churns ? &role_churner : &role_stuck;
  void *owner = beside->churns ? (void *)&beside->churner : (void *)&beside->stuck;
  room = room && engine_add(engine, bench_thread(bench, false, 0), role, owner, 0) != NULL;
  return room || bench_cannot(bench, -ENOMEM);
}

/* Messages received per second in what is left of a half after it has settled; 0 when something went wrong. */
static double measure_half(struct bench *bench) {
  double half = bench->options->seconds / 2;
  if (bench_sleep(bench, half * SETTLE) != AWAIT_TIME) return 0;
  uint64_t received = engine_received(&bench->engine), begin = now_ns();
  if (bench_sleep(bench, half * (1 - SETTLE)) != AWAIT_TIME) return 0;
  return (double)(engine_received(&bench->engine) - received) * 1e9 / (double)(now_ns() - begin);
}

static void fill(struct bench *bench, const struct beside *beside, double before, double during,
                 double disturbed) {
  struct row *row = &bench->row;
  row_figure(row, "rate_before", before);
  row_figure(row, "rate_during", during);
  if (before > 0) row_figure(row, "rate_kept", during / before);
  if (beside->requester.probe) {
    double p99_before = (double)histogram_value_at(beside->requester.before, 99);
    double p99_during = (double)histogram_value_at(beside->requester.during, 99);
    row_figure_ns(row, "p99_before", p99_before);
    row_figure_ns(row, "p99_during", p99_during);
    if (p99_before > 0) row_figure(row, "p99_grown", p99_during / p99_before);
    const struct checker *checker = &beside->requester.checker;
    row->found.altered += checker->found.altered;
    row->found.doubled += checker->found.doubled;
  }
  if (beside->churns && disturbed > 0)
    row_figure(row, "churn_per_second", (double)beside->churner.pairs / disturbed);
  if (!beside->churns) row_figure(row, "stuck_disconnected", beside->stuck.disconnected ? 1 : 0);
  row->rate = during;
  row->bytes_per_second = during * row->size;
  row->latency = bench->latency;
  row->latency_from = "request";
}

static bool run(struct bench *bench, bool churns) {
  const struct options *options = bench->options;
  struct flow flow = {.bench = bench};
  struct beside beside = {.churns = churns};
  bool ready = bench_open(bench, flow_connections(options) + 3, false, false) &&
               flow_init(&flow, bench, &(struct flow_plan){.queue = false}) && flow_add(&flow) &&
               add_beside(bench, &beside, flow.filter) && bench_connect(bench);
  if (ready) {
    bench_begin(bench, PHASE_RUN);
    double before = measure_half(bench), during = 0, disturbed = 0;
    uint64_t begin = now_ns();
    if (bench->error[0] == '\0') {
      engine_enter(&bench->engine, PHASE_DISTURB);
      during = measure_half(bench);
      disturbed = (double)(now_ns() - begin) / 1e9;
    }
    flow_finish(&flow, (beside.requester.probe ? 1 : 0) + (churns ? 1 : 0));
    bench_end(bench);
    flow_fill(&flow);
    fill(bench, &beside, before, during, disturbed);
  }
  bench_close(bench);
  flow_free(&flow);
  requester_free(&beside.requester);
  responder_free(&beside.responder);
  return ready;
}

static const char *lacks(const struct dialect *dialect, const struct options *options) {
  if (!dialect->subscriptions) return "the forwarder has no subscriptions";
  if (options->messages != UINT64_MAX) return "takes --seconds, half without and half with the disturbance";
  return options->subscribers == 0 ? "needs a subscriber (--subs)" : NULL;
}

static void churn_defaults(struct options *options) {
  options->churn_rate = 50000;
  options->seconds = 10;
}

static bool run_churn(struct bench *bench) { return run(bench, true); }
const struct scenario scenario_churn = {
    "churn", "1:1, undisturbed and then beside SUB and UNSUB all the time", churn_defaults, lacks, run_churn};

static void stuck_defaults(struct options *options) {
  options->subscribers = 8;
  options->size = 128;
  options->seconds = 10;
}

static bool run_stuck(struct bench *bench) { return run(bench, false); }
const struct scenario scenario_stuck = {"stuck",
                                        "1:8, undisturbed and then beside a subscriber that never reads",
                                        stuck_defaults, lacks, run_stuck};
