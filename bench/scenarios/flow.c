/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow: numbered messages from publishers to subscribers, and what became of them.
 *
 *     init (shape, subscribers) -> add (connections) -> ... measuring ... -> finish (stop, drain) -> bench_end -> fill
 *
 * The rate counts messages received (sent, where nobody receives) from the beginning of PHASE_RUN to the last one:
 * start and end of a run are in it, so runs of a second or more are meant. Thread: main.
 */
#include "flow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned flow_connections(const struct options *options) {
  return options->publishers + options->subscribers;
}

/* Width of the subjects' numbers. */
static int digits_of(unsigned n) {
  int digits = 1;
  for (; n >= 10; n /= 10)
    digits++;
  return digits;
}

/* Adds the kinds of messages. */
static int add_kinds(struct flow *flow, const struct flow_plan *plan, unsigned kinds) {
  const struct options *options = flow->bench->options;
  char subject[SUBJECT_MAX_BYTES + 32];
  int width = digits_of(kinds - 1) & 15;
  for (unsigned i = 0; i < kinds; i++) {
    if (plan->many_subjects)
      snprintf(subject, sizeof subject, "%s.%0*u", options->subject, width, i);
    else
      snprintf(subject, sizeof subject, "%s", options->subject);
    struct frame frame = {.subject = subject,
                          .filter = flow->filter,
                          .sid = "1",
                          .size = plan->sizes != NULL ? plan->sizes[i % plan->size_count] : options->size,
                          .headers = plan->headers};
    int error = shape_add(&flow->shape, &frame);
    if (error != 0) return error;
  }
  return 0;
}

static int make_shape(struct flow *flow, const struct flow_plan *plan) {
  const struct options *options = flow->bench->options;
  unsigned kinds = plan->many_subjects ? options->subjects : plan->sizes != NULL ? plan->size_count : 1;
  unsigned smallest = plan->sizes != NULL ? plan->sizes[0] : options->size;
  for (unsigned i = 1; plan->sizes != NULL && i < plan->size_count; i++)
    smallest = plan->sizes[i] < smallest ? plan->sizes[i] : smallest;
  if (kinds > KINDS_MAX) {
    snprintf(flow->bench->error, sizeof flow->bench->error, "--subjects: at most %u", KINDS_MAX);
    return -EINVAL;
  }
  snprintf(flow->filter, sizeof flow->filter, "%s%s", options->subject, plan->many_subjects ? ".>" : "");
  int error = shape_init(&flow->shape, options->target.dialect, kinds, smallest);
  return error != 0 ? error : add_kinds(flow, plan, kinds);
}

bool flow_make_room(struct flow *flow, struct bench *bench) {
  const struct options *options = bench->options;
  *flow = (struct flow){.bench = bench};
  flow->publishers = calloc(options->publishers, sizeof *flow->publishers);
  flow->own = calloc(options->subscribers + 1, sizeof *flow->own);
  flow->subscribers = calloc(options->subscribers + 1, sizeof(struct subscriber *));
  bool ok = flow->publishers != NULL && flow->own != NULL && flow->subscribers != NULL;
  return ok || bench_cannot(bench, -ENOMEM);
}

bool flow_init(struct flow *flow, struct bench *bench, const struct flow_plan *plan) {
  const struct options *options = bench->options;
  if (!flow_make_room(flow, bench)) return false;
  flow->share = plan->queue ? SHARE_SOME : SHARE_ALL;
  int error = make_shape(flow, plan);
  for (unsigned i = 0; error == 0 && i < options->subscribers; i++) {
    struct subscriber *subscriber = flow->subscribers[i] = &flow->own[i];
    subscriber->filter = flow->filter;
    subscriber->group = plan->queue ? "bench" : NULL;
    subscriber->rate = options->rate;
    error = checker_init(&subscriber->checker, &flow->shape, options->publishers, flow->share);
    flow->subscriber_count = i + 1;
  }
  return error == 0 || bench_cannot(bench, error);
}

/* Messages that may be under way: so many that their bytes fill the window of a subscriber, but always a few. */
static uint64_t window(const struct flow *flow) {
  const struct options *options = flow->bench->options;
  if (options->window == 0 || options->subscribers == 0) return 0;
  uint64_t messages = (uint64_t)((double)options->window / flow->shape.delivery_mean);
  return messages < 4 ? 4 : messages;
}

bool flow_add_publishers(struct flow *flow) {
  struct bench *bench = flow->bench;
  const struct options *options = bench->options;
  const struct role *role = options->publishers > 1 ? &role_publisher_beside : &role_publisher;
  for (unsigned i = 0; i < options->publishers; i++) {
    struct publisher *publisher = &flow->publishers[i];
    *publisher = (struct publisher){.shape = &flow->shape,
                                    .index = i,
                                    .of = options->publishers,
                                    .rate = options->rate,
                                    .wanted = options->messages,
                                    .window = window(flow),
                                    .copies = flow->share == SHARE_ALL ? options->subscribers : 1};
    flow->publisher_count = i + 1;
    int error = publisher_init(publisher);
    if (error == 0 && engine_add(&bench->engine, bench_thread(bench, false, i), role, publisher, i) == NULL)
      error = -ENOMEM;
    if (error != 0) return bench_cannot(bench, error);
  }
  bench->seconds = options->seconds;
  if (options->messages != UINT64_MAX) bench->total = options->messages * options->publishers;
  return true;
}

bool flow_add(struct flow *flow) {
  struct bench *bench = flow->bench;
  for (unsigned i = 0; i < flow->subscriber_count; i++) {
    if (engine_add(&bench->engine, bench_thread(bench, true, i), &role_subscriber, flow->subscribers[i], i) ==
        NULL)
      return bench_cannot(bench, -ENOMEM);
  }
  return flow_add_publishers(flow);
}

static uint64_t expected(const struct flow *flow) {
  uint64_t sent = engine_sent(&flow->bench->engine);
  if (flow->subscriber_count == 0) return 0;
  return flow->share == SHARE_ALL ? sent * flow->subscriber_count : sent;
}

void flow_finish(struct flow *flow, unsigned others) {
  struct bench *bench = flow->bench;
  if (bench->error[0] != '\0') return;
  engine_enter(&bench->engine, PHASE_STOP);
  if (bench_await(bench, PHASE_STOP, flow->publisher_count + others, 0) != AWAIT_DONE) return;
  engine_enter(&bench->engine, PHASE_DRAIN);
  if (bench_await(bench, PHASE_DRAIN, flow->subscriber_count, 0) != AWAIT_DONE) return;
  if (flow->bench->options->target.dialect->acknowledges) bench_await_rest(bench, expected(flow));
}

/* When the last message came, or where nobody receives was taken; 0: none. */
static uint64_t last_ns(const struct flow *flow) {
  uint64_t last = 0;
  for (unsigned i = 0; flow->subscriber_count == 0 && i < flow->publisher_count; i++)
    last = flow->publishers[i].last_ns > last ? flow->publishers[i].last_ns : last;
  for (unsigned i = 0; i < flow->subscriber_count; i++)
    last = flow->subscribers[i]->last_ns > last ? flow->subscribers[i]->last_ns : last;
  return last;
}

/* What is lost at the end shows only when everything else is over. */
static void look_for_the_missing(struct flow *flow, struct checker **checkers) {
  for (unsigned i = 0; i < flow->subscriber_count; i++)
    checkers[i] = &flow->subscribers[i]->checker;
  for (unsigned p = 0; p < flow->publisher_count && flow->subscriber_count > 0; p++) {
    uint64_t sent = flow->publishers[p].sent;
    if (flow->share == SHARE_SOME) checkers_merge(checkers, flow->subscriber_count, p, sent);
    for (unsigned i = 0; flow->share == SHARE_ALL && i < flow->subscriber_count; i++)
      checker_finish(checkers[i], p, sent);
  }
}

void flow_fill(struct flow *flow) {
  struct bench *bench = flow->bench;
  struct row *row = &bench->row;
  struct checker **checkers = calloc(flow->subscriber_count + 1, sizeof(struct checker *));
  if (row->error == NULL && checkers == NULL) row->error = "out of memory";
  if (row->error == NULL) look_for_the_missing(flow, checkers);
  free(checkers);
  for (unsigned i = 0; i < flow->subscriber_count; i++)
    findings_add(&row->found, &flow->subscribers[i]->checker.found);
  row->expected = expected(flow);
  uint64_t last = last_ns(flow);
  double seconds = last > bench->begin_ns ? (double)(last - bench->begin_ns) / 1e9 : row->seconds;
  double counted = (double)(flow->subscriber_count > 0 ? row->received : row->sent);
  if (row->seconds > 0) row->client.busiest_thread *= row->seconds / seconds;
  row->seconds = seconds;
  row->size = flow->shape.size_mean;
  row->rate = counted / seconds;
  row->bytes_per_second = row->rate * row->size;
  if (counted > 0) row->broker.cpu_ns_per_message = row->broker.cpu_seconds * 1e9 / counted;
}

void flow_free(struct flow *flow) {
  for (unsigned i = 0; i < flow->publisher_count; i++)
    publisher_free(&flow->publishers[i]);
  for (unsigned i = 0; i < flow->subscriber_count; i++)
    checker_free(&flow->subscribers[i]->checker);
  free(flow->publishers);
  free(flow->own);
  free(flow->subscribers);
  shape_free(&flow->shape);
}
