/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenarios that are nothing but a flow: each is its defaults and a plan. Thread: main.
 */
#include "flow.h"
#include "scenarios.h"

/* Runs a flow. */
static bool run(struct bench *bench, const struct flow_plan *plan) {
  const struct options *options = bench->options;
  struct flow flow = {.bench = bench};
  bool paced = options->rate > 0 && options->subscribers > 0;
  bool ready = bench_open(bench, flow_connections(options), paced, paced) && flow_init(&flow, bench, plan) &&
               flow_add(&flow) && bench_connect(bench);
  if (ready) {
    bench_begin(bench, PHASE_RUN);
    bench_await(bench, PHASE_STOP, options->publishers, options->seconds);
    flow_finish(&flow, 0);
    bench_end(bench);
    flow_fill(&flow);
    bench->row.latency_from = "intended send";
  }
  bench_close(bench);
  flow_free(&flow);
  return ready;
}

static const char *one_publisher(const struct dialect *dialect, const struct options *options) {
  if (dialect->many_publishers || options->publishers == 1) return NULL;
  return "the forwarder takes one publisher here, as it cannot tell where messages of different sizes begin";
}

static bool run_plain(struct bench *bench) { return run(bench, &(struct flow_plan){.queue = false}); }

/* ---- pub ---- */

static void pub_defaults(struct options *options) { options->subscribers = 0; }
const struct scenario scenario_pub = {"pub", "publish to nobody", pub_defaults, NULL, run_plain};

/* ---- pubsub, fanout, fanin, many ---- */

const struct scenario scenario_pubsub = {"pubsub", "publishers and subscribers on one subject", NULL, NULL,
                                         run_plain};

static void fanout_defaults(struct options *options) {
  options->subscribers = 100;
  options->size = 128;
}
const struct scenario scenario_fanout = {"fanout", "one publisher, 100 subscribers", fanout_defaults, NULL,
                                         run_plain};

static void fanin_defaults(struct options *options) { options->publishers = 4; }
const struct scenario scenario_fanin = {"fanin", "four publishers, one subscriber", fanin_defaults, NULL,
                                        run_plain};

static void many_defaults(struct options *options) { options->publishers = options->subscribers = 4; }
const struct scenario scenario_many = {"many", "four publishers, four subscribers, on one subject",
                                       many_defaults, NULL, run_plain};

/* ---- open ---- */

static void open_defaults(struct options *options) {
  options->rate = 10000;
  options->size = 128;
}
const struct scenario scenario_open = {
    "open", "a steady rate (--rate); latency from when each message was due", open_defaults, NULL, run_plain};

/* ---- queue ---- */

static void queue_defaults(struct options *options) {
  options->publishers = 4;
  options->subscribers = 4;
}

static const char *queue_lacks(const struct dialect *dialect, const struct options *options) {
  if (!dialect->groups) return "this server has no queue groups";
  return options->size < PAYLOAD_UNIQUE_BYTES
             ? "needs --size 16 or more, to tell every message from the others"
             : NULL;
}

static bool run_queue(struct bench *bench) { return run(bench, &(struct flow_plan){.queue = true}); }
const struct scenario scenario_queue = {"queue", "four publishers, a queue group of four", queue_defaults,
                                        queue_lacks, run_queue};

/* ---- wildcard ---- */

static bool run_wildcard(struct bench *bench) {
  return run(bench, &(struct flow_plan){.many_subjects = true});
}
const struct scenario scenario_wildcard = {
    "wildcard", "many subjects (--subjects), one wildcard subscription", NULL, one_publisher, run_wildcard};

/* ---- mixed ---- */

static bool run_mixed(struct bench *bench) {
  static const unsigned sizes[] = {16,  128, 16,   512, 16, 128, 2048,  16,
                                   128, 16,  1024, 128, 16, 128, 16384, 64};
  return run(bench, &(struct flow_plan){.sizes = sizes, .size_count = sizeof sizes / sizeof sizes[0]});
}
const struct scenario scenario_mixed = {"mixed", "sizes from 16 B to 16 KiB in a fixed mix", NULL,
                                        one_publisher, run_mixed};

/* ---- headers ---- */

static const char *headers_lacks(const struct dialect *dialect, const struct options *options) {
  return dialect->headers ? one_publisher(dialect, options) : "this server has no headers";
}

static bool run_headers(struct bench *bench) { return run(bench, &(struct flow_plan){.headers = true}); }
const struct scenario scenario_headers = {"headers", "messages with headers", NULL, headers_lacks,
                                          run_headers};
