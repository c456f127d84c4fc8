/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscribe: how fast a server takes many subscriptions (--subjects, each to a subject of its own; with --shared all
 * connections subscribe to the same ones), what each costs in memory, and what finding one of them costs per message.
 *
 *     PHASE_PREPARE: --subs connections make the subscriptions      -> SUB/s, bytes each
 *     PHASE_RUN:     publishers send to up to 65,536 of them        -> CPU per matched message
 *
 * The subjects that are published to are spread over all and come in no order, so that no cache of the server's holds
 * them. The rate is that of the subscriptions. Thread: main.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "disturb.h"
#include "flow.h"
#include "scenarios.h"

#define STEP 7919 /* a prime, so that taking every 7919th visits all */

/* Subjects that are subscribed to. With --shared each has a subscription of every connection. */
static unsigned subjects(const struct options *options) {
  bool each = options->shared && options->subscribers > 0;
  return each ? options->subjects / options->subscribers : options->subjects;
}

static unsigned subscriptions(const struct options *options) {
  return options->shared ? subjects(options) * options->subscribers : options->subjects;
}

/* The messages: subject and subscription of each kind. */
static int make_shape(struct flow *flow) {
  const struct options *options = flow->bench->options;
  unsigned all = subjects(options), kinds = all < KINDS_MAX ? all : KINDS_MAX;
  int error = shape_init(&flow->shape, options->target.dialect, kinds, options->size);
  for (unsigned i = 0; error == 0 && i < kinds; i++) {
    char subject[64], sid[24];
    uint64_t place = kinds % STEP == 0 ? i : (uint64_t)i * STEP % kinds;
    unsigned n = (unsigned)(place * all / kinds);
    loader_subject(subject, sizeof subject, n);
    loader_sid(sid, sizeof sid, n);
    error =
        shape_add(&flow->shape,
                  &(struct frame){.subject = subject, .filter = subject, .sid = sid, .size = options->size});
  }
  return error;
}

static bool make_loaders(struct flow *flow, struct loader *loaders) {
  struct bench *bench = flow->bench;
  const struct options *options = bench->options;
  flow->share = options->shared ? SHARE_ALL : SHARE_SOME;
  int error = make_shape(flow);
  for (unsigned i = 0; error == 0 && i < options->subscribers; i++) {
    struct loader *loader = &loaders[i];
    *loader = (struct loader){.from = options->shared ? 0 : i,
                              .step = options->shared ? 1 : options->subscribers,
                              .of = subjects(options)};
    error = checker_init(&loader->subscriber.checker, &flow->shape, options->publishers, flow->share);
    flow->subscribers[i] = &loader->subscriber;
    flow->subscriber_count = i + 1;
    if (error == 0 &&
        engine_add(&bench->engine, bench_thread(bench, true, i), &role_loader, loader, i) == NULL)
      error = -ENOMEM;
  }
  return error == 0 || bench_cannot(bench, error);
}

/* Waits for the subscriptions and notes what they took. Returns how many per second, or 0. */
static double load(struct bench *bench, struct loader *loaders) {
  const struct options *options = bench->options;
  struct row *row = &bench->row;
  uint64_t last = bench->begin_ns + 1;
  if (bench_await(bench, PHASE_PREPARE, options->subscribers, 0) != AWAIT_DONE) return 0;
  for (unsigned i = 0; i < options->subscribers; i++) {
    /* relaxed: a value by itself, 0 at worst; pairs with the store in loader_input */
    uint64_t loaded_ns = atomic_load_explicit(&loaders[i].last_ns, memory_order_relaxed);
    last = loaded_ns > last ? loaded_ns : last;
  }
  struct process loaded = process_look(bench->before.pid);
  double seconds = (double)(last - bench->begin_ns) / 1e9, n = subscriptions(options);
  row_figure(row, "subscriptions", n);
  row_figure(row, "subscriptions_per_second", n / seconds);
  if (bench->before.pid != 0 && loaded.pid != 0) {
    double grown = (double)loaded.resident - (double)bench->before.resident;
    row_figure(row, "bytes_per_subscription", grown / n);
    row_figure(row, "cpu_ns_per_subscription", (double)(loaded.cpu_ns - bench->before.cpu_ns) / n);
  }
  return n / seconds;
}

/* The flow's figures become the scenario's own, and subscriptions per second its rate. */
static void fill(struct flow *flow, const struct process *empty, const struct process *loaded, double rate,
                 uint64_t loading_ns) {
  struct row *row = &flow->bench->row;
  flow_fill(flow);
  row_figure(row, "messages_per_second", row->rate);
  row_figure(row, "cpu_ns_per_matched_message", row->broker.cpu_ns_per_message);
  row->broker.cpu_seconds += (double)(loaded->cpu_ns - empty->cpu_ns) / 1e9;
  row->broker.rss_before = empty->resident;
  row->rate = rate;
  row->seconds += (double)loading_ns / 1e9;
  row->unit = "sub/s";
}

static bool run(struct bench *bench) {
  const struct options *options = bench->options;
  struct flow flow;
  struct loader *loaders = calloc(options->subscribers, sizeof *loaders);
  if (loaders == NULL) return bench_cannot(bench, -ENOMEM);
  bool ready = flow_make_room(&flow, bench) && bench_open(bench, flow_connections(options), false, false) &&
               make_loaders(&flow, loaders) && flow_add_publishers(&flow) && bench_connect(bench);
  if (ready) {
    bench->seconds = 0; /* how long loading takes is what is asked */
    bench_begin(bench, PHASE_PREPARE);
    struct process empty = bench->before, loaded = empty;
    double rate = load(bench, loaders);
    uint64_t loading_ns = now_ns() - bench->begin_ns;
    if (rate > 0) {
      bench->seconds = options->seconds;
      bench->shown.ns = bench->shown.moved = 0;
      bench_begin(bench, PHASE_RUN);
      loaded = bench->before;
      bench_await(bench, PHASE_STOP, options->publishers, options->seconds);
      flow_finish(&flow, 0);
    }
    bench_end(bench);
    fill(&flow, &empty, &loaded, rate, rate > 0 ? loading_ns : 0);
  }
  bench_close(bench);
  flow_free(&flow);
  for (unsigned i = 0; i < options->subscribers; i++)
    free(loaders[i].text);
  free(loaders);
  return ready;
}

static void defaults(struct options *options) {
  options->subjects = 1000000;
  options->seconds = 3;
}

static const char *lacks(const struct dialect *dialect, const struct options *options) {
  if (!dialect->subscriptions) return "the forwarder has no subscriptions";
  if (options->size < PAYLOAD_UNIQUE_BYTES)
    return "needs --size 16 or more, to tell every message from the others";
  if (options->subscribers == 0) return "needs a connection to subscribe with (--subs)";
  return subjects(options) == 0 ? "needs a subject for each connection (--subjects) with --shared" : NULL;
}

const struct scenario scenario_subscribe = {
    "subscribe", "a million subscriptions: how fast, how large, how found", defaults, lacks, run};
