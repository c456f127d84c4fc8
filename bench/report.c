/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run's result, for people and for programs.
 *
 * Rates count messages received (sent, without subscribers) over the time from the first message to the last;
 * MB are 10^6 bytes of payload. The client's share is that of its busiest thread of either kind: near 100 %
 * the figure is the client's and not the broker's. Does not measure anything; called by main threads after
 * everything is over.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "run.h"

static uint64_t faults(const struct findings *found) {
  return found->lost + found->doubled + found->reordered + found->altered;
}

int exit_code(const struct result *result) {
  if (result->partial != NULL) return EXIT_INCOMPLETE;
  return faults(&result->found) > 0 ? EXIT_FAULTS : EXIT_FINE;
}

static uint64_t counted(const struct options *options, const struct result *result) {
  return options->subscribers > 0 ? result->received : result->sent;
}

static double rate(const struct options *options, const struct result *result) {
  return (double)counted(options, result) / result->seconds;
}

/* CPU nanoseconds the broker spent per message counted. */
static double broker_per_message(const struct options *options, const struct result *result) {
  uint64_t n = counted(options, result);
  return n > 0 ? (double)result->broker_ns / (double)n : 0;
}

static void report_json(const struct options *options, const struct result *result) {
  const struct findings *found = &result->found;
  double per_second = rate(options, result);
  json_t *json = json_pack(
      "{s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:b, s:s?}",
      "url", options->url, "subject", options->subject, "size", (int)options->size, "publishers",
      (int)options->publishers, "subscribers", (int)options->subscribers, "sent", (json_int_t)result->sent,
      "received", (json_int_t)result->received, "expected", (json_int_t)result->expected, "seconds",
      result->seconds, "msgs_per_second", per_second, "payload_mb_per_second",
      per_second * options->size / 1e6, "publisher_cpu_share", result->publisher_share,
      "subscriber_cpu_share", result->subscriber_share, "lost", (json_int_t)found->lost, "doubled",
      (json_int_t)found->doubled, "reordered", (json_int_t)found->reordered, "altered",
      (json_int_t)found->altered, "partial", result->partial != NULL, "error", result->partial);
  if (json != NULL && result->broker != 0) {
    json_object_set_new(json, "broker_pid", json_integer(result->broker));
    json_object_set_new(json, "broker_cpu_seconds", json_real((double)result->broker_ns / 1e9));
    json_object_set_new(json, "broker_ns_per_message", json_real(broker_per_message(options, result)));
  }
  if (json == NULL || json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) < 0)
    fputs("tern-bench: out of memory\n", stderr);
  putchar('\n');
  json_decref(json);
}

static void report_text(const struct options *options, const struct result *result) {
  const struct findings *found = &result->found;
  double per_second = rate(options, result);
  if (result->partial != NULL) printf("PARTIAL: %s\n", result->partial);
  printf("%u publisher%s, %u subscriber%s, %u B, %s\n", options->publishers,
         options->publishers == 1 ? "" : "s", options->subscribers, options->subscribers == 1 ? "" : "s",
         options->size, options->url);
  printf("  sent      %llu messages\n", (unsigned long long)result->sent);
  printf("  received  %llu of %llu in %.3f s\n", (unsigned long long)result->received,
         (unsigned long long)result->expected, result->seconds);
  printf("  rate      %.0f msg/s, %.1f MB/s of payload\n", per_second, per_second * options->size / 1e6);
  printf("  client    publisher %.0f %%, subscriber %.0f %% of a core (busiest of each)\n",
         result->publisher_share * 100, result->subscriber_share * 100);
  if (result->broker != 0)
    printf("  broker    %.0f ns of CPU per message, %.0f %% of a core (process %ld)\n",
           broker_per_message(options, result), (double)result->broker_ns / 1e7 / result->seconds,
           (long)result->broker);
  if (faults(found) > 0)
    printf("  FAULTS    lost %llu, doubled %llu, reordered %llu, altered %llu\n",
           (unsigned long long)found->lost, (unsigned long long)found->doubled,
           (unsigned long long)found->reordered, (unsigned long long)found->altered);
  else if (options->subscribers > 0)
    printf("  check     %s\n", result->partial == NULL ? "every message came once, in order, unaltered"
                                                       : "what came was in order and unaltered");
}

void report(const struct options *options, const struct result *result) {
  if (options->json)
    report_json(options, result);
  else
    report_text(options, result);
}
