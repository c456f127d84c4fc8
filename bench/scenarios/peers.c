/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requesters (--pubs), and responders (--subs) that share their requests as a queue group when there are several.
 *
 *     peers_add (connections) -> ... measuring ... -> bench_end -> peers_fill -> peers_free
 *
 * Thread: main.
 */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>

/* Latencies without and with a disturbance. */
static bool keep_apart(struct requester *requester, const struct windows *windows) {
  requester->windows = windows;
  requester->before = histogram_new();
  requester->during = histogram_new();
  return requester->before != NULL && requester->during != NULL;
}

bool peers_add(struct bench *bench, struct peers *peers, const struct windows *windows) {
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
    if (windows != NULL && !keep_apart(requester, windows)) return bench_cannot(bench, -ENOMEM);
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

void peers_fill(struct bench *bench, struct peers *peers) {
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

void peers_free(const struct options *options, struct peers *peers) {
  for (unsigned i = 0; peers->requesters != NULL && i < options->publishers; i++) {
    histogram_free(peers->requesters[i].during);
    requester_free(&peers->requesters[i]);
  }
  for (unsigned i = 0; peers->responders != NULL && i < options->subscribers; i++)
    responder_free(&peers->responders[i]);
  free(peers->requesters);
  free(peers->responders);
}

const char *peers_lack(const struct dialect *dialect, const struct options *options) {
  if (!dialect->replies) return "this server has no request and reply";
  if (options->size < PAYLOAD_UNIQUE_BYTES)
    return "needs --size 16 or more, to tell every request from the others";
  if (options->subscribers == 0) return "needs a responder (--subs)";
  bool pair = options->publishers == 1 && options->subscribers == 1;
  return dialect->many_publishers || pair ? NULL : "the forwarder takes one requester and one responder";
}
