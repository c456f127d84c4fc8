/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one measurement found, as JSON (one object, which `tern-bench report` and `compare` read) and as text.
 *
 * The rate is THE figure of a scenario: messages delivered per second (published, where nobody receives),
 * requests, connections or subscriptions per second, or bytes per connection, as its unit says. MB are 10^6
 * bytes of payload. Everything else a scenario measures stands under "figures" by name.
 *
 * The client was the bottleneck when its busiest thread used more than 90 % of a processor while the broker could have
 * done more: neither its busiest thread nor the process on all processors was at 90 %.
 *
 * Does not measure anything; called by main after everything is over.
 */
#include "row.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"

#define BUSY    0.9
#define KEPT_UP 0.95 /* of the rate asked for */

static uint64_t faults(const struct findings *found) {
  return found->lost + found->doubled + found->reordered + found->altered;
}

int row_exit_code(const struct row *row) {
  if (row->error != NULL) return EXIT_INCOMPLETE;
  return faults(&row->found) > 0 ? EXIT_FAULTS : EXIT_FINE;
}

static void add_figure(struct row *row, const char *name, double value, bool is_ns) {
  assert(row->figures < FIGURES_MAX);
  row->figure[row->figures++] = (struct figure){name, value, is_ns};
}

void row_figure(struct row *row, const char *name, double value) { add_figure(row, name, value, false); }

void row_figure_ns(struct row *row, const char *name, double ns) { add_figure(row, name, ns, true); }

static json_t *broker_json(const struct row *row) {
  if (row->broker.pid == 0) return json_null();
  return json_pack("{s:I, s:f, s:f, s:I, s:I, s:I}", "pid", (json_int_t)row->broker.pid, "cpu_seconds",
                   row->broker.cpu_seconds, "cpu_ns_per_message", row->broker.cpu_ns_per_message,
                   "rss_before", (json_int_t)row->broker.rss_before, "rss_after",
                   (json_int_t)row->broker.rss_after, "rss_peak", (json_int_t)row->broker.rss_peak);
}

static json_t *figures_json(const struct row *row) {
  json_t *figures = json_object();
  for (unsigned i = 0; i < row->figures; i++)
    json_object_set_new(figures, row->figure[i].name, json_real(row->figure[i].value));
  return figures;
}

/* What was run: the first half of the object. */
static json_t *setting_json(const struct row *row) {
  char when[32] = "";
  struct tm parts;
  time_t seconds = (time_t)row->time;
  if (gmtime_r(&seconds, &parts) != NULL) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return json_pack("{s:s, s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:f, s:i, s:i, s:i, s:i, s:i, s:f}", "scenario",
                   row->scenario, "label", row->label != NULL ? row->label : row->server, "url", row->url,
                   "server", "name", row->server, "version", row->version, "command", row->command, "time",
                   when, "size", row->size, "publishers", (int)row->publishers, "subscribers",
                   (int)row->subscribers, "connections", (int)row->connections, "threads", (int)row->threads,
                   "in_flight", (int)row->in_flight, "asked_rate", row->asked_rate);
}

/* What came of it: the second half. */
static json_t *outcome_json(const struct row *row) {
  const struct findings *found = &row->found;
  json_t *latency = row->latency != NULL ? histogram_row(row->latency, row->latency_from) : json_null();
  json_t *hiccup = row->hiccup != NULL ? histogram_hiccup_row(row->hiccup) : json_null();
  return json_pack(
      "{s:I, s:I, s:I, s:f, s:f, s:s, s:f, s:o, s:o, s:{s:f, s:f, s:b}, s:o, s:o, "
      "s:{s:I, s:I}, s:{s:I, s:I, s:I, s:I}, s:s?, s:b, s:s?}",
      "sent", (json_int_t)row->sent, "received", (json_int_t)row->received, "expected",
      (json_int_t)row->expected, "seconds", row->seconds, "rate", row->rate, "rate_unit", row->unit,
      "payload_mb_per_second", row->bytes_per_second / 1e6, "latency", latency, "hiccup", hiccup, "client",
      "cpu_seconds", row->client.cpu_seconds, "busiest_thread", row->client.busiest_thread, "bottleneck",
      row->client.bottleneck, "broker", broker_json(row), "figures", figures_json(row), "machine", "ticks",
      (json_int_t)row->machine.ticks, "stolen", (json_int_t)row->machine.stolen, "found", "lost",
      (json_int_t)found->lost, "doubled", (json_int_t)found->doubled, "reordered",
      (json_int_t)found->reordered, "altered", (json_int_t)found->altered, "note", row->note, "partial",
      row->error != NULL, "error", row->error);
}

json_t *row_json(const struct row *row) {
  json_t *all = setting_json(row), *outcome = outcome_json(row);
  if (all == NULL || outcome == NULL || json_object_update(all, outcome) < 0) {
    json_decref(all);
    all = NULL;
  }
  json_decref(outcome);
  return all;
}

/* A duration with the unit that suits it. */
static const char *duration(double ns, char *to, size_t size) {
  if (ns < 1e6)
    snprintf(to, size, "%.1f us", ns / 1e3);
  else if (ns < 1e9)
    snprintf(to, size, "%.2f ms", ns / 1e6);
  else
    snprintf(to, size, "%.2f s", ns / 1e9);
  return to;
}

static void print_figure(const struct figure *figure) {
  char text[32];
  if (figure->is_ns)
    printf("  %-28s %s\n", figure->name, duration(figure->value, text, sizeof text));
  else
    printf("  %-28s %.6g\n", figure->name, figure->value);
}

static void print_percentiles(const char *name, const struct histogram *h, const char *from) {
  static const double wanted[] = {50, 90, 99, 99.9, 99.99};
  char text[32];
  if (h == NULL || histogram_count(h) == 0) return;
  printf("  %-9s", name);
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
    printf(" p%g %s,", wanted[i], duration((double)histogram_value_at(h, wanted[i]), text, sizeof text));
  printf(" max %s%s%s\n", duration((double)histogram_max(h), text, sizeof text),
         from != NULL ? "; counted from the " : "", from != NULL ? from : "");
}

static void print_setting(const struct row *row) {
  printf("%s: %u publisher%s, %u subscriber%s, %.0f B, %s (%s%s%s)\n", row->scenario, row->publishers,
         row->publishers == 1 ? "" : "s", row->subscribers, row->subscribers == 1 ? "" : "s", row->size,
         row->url, row->server, *row->version != '\0' ? " " : "", row->version);
}

/* An open loop that fell behind: messages that were never sent have no latency either. */
static void print_behind(const struct row *row) {
  double sent = row->seconds > 0 ? (double)row->sent / row->seconds : 0;
  bool open_loop = row->latency_from != NULL && strcmp(row->latency_from, "intended send") == 0;
  if (open_loop && row->asked_rate > 0 && sent < row->asked_rate * KEPT_UP)
    printf("  asked     %.0f msg/s, of which %.0f %% were sent: what was not is in no latency\n",
           row->asked_rate, sent * 100 / row->asked_rate);
}

static void print_load(const struct row *row) {
  printf("  client    %u thread%s, %u connection%s, %.0f %% of a core, busiest thread %.0f %%%s\n",
         row->threads, row->threads == 1 ? "" : "s", row->connections, row->connections == 1 ? "" : "s",
         row->seconds > 0 ? row->client.cpu_seconds * 100 / row->seconds : 0,
         row->client.busiest_thread * 100,
         row->client.bottleneck ? " (the client was the bottleneck, not the broker)" : "");
  double stolen = row->machine.ticks > 0 ? (double)row->machine.stolen / (double)row->machine.ticks : 0;
  if (stolen >= 0.01)
    printf("  machine   %.1f %% of the processors' time went to others on the host\n", stolen * 100);
  if (row->broker.pid == 0) return;
  printf("  broker    %.0f %% of a core",
         row->seconds > 0 ? row->broker.cpu_seconds * 100 / row->seconds : 0);
  if (row->broker.cpu_ns_per_message > 0)
    printf(", %.0f ns of CPU per message", row->broker.cpu_ns_per_message);
  printf(", memory %.1f MB to %.1f MB (process %ld)\n", (double)row->broker.rss_before / 1e6,
         (double)row->broker.rss_after / 1e6, (long)row->broker.pid);
}

bool row_client_was_limit(double thread, double broker, double machine) {
  return thread > BUSY && broker < BUSY && machine < BUSY;
}

void row_print(const struct row *row) {
  const struct findings *found = &row->found;
  if (row->error != NULL) printf("FAILED: %s; the results are partial\n", row->error);
  print_setting(row);
  printf("  sent      %llu in %.3f s\n", (unsigned long long)row->sent, row->seconds);
  if (row->expected > 0)
    printf("  received  %llu of %llu\n", (unsigned long long)row->received,
           (unsigned long long)row->expected);
  printf("  rate      %.0f %s", row->rate, row->unit);
  if (row->bytes_per_second > 0) printf(", %.1f MB/s of payload", row->bytes_per_second / 1e6);
  putchar('\n');
  if (row->note != NULL) printf("  note      %s\n", row->note);
  for (unsigned i = 0; i < row->figures; i++)
    print_figure(&row->figure[i]);
  print_behind(row);
  print_percentiles("latency", row->latency, row->latency_from);
  print_percentiles("hiccup", row->hiccup, NULL);
  print_load(row);
  if (faults(found) > 0)
    printf("  FAULTS    lost %llu, doubled %llu, reordered %llu, altered %llu\n",
           (unsigned long long)found->lost, (unsigned long long)found->doubled,
           (unsigned long long)found->reordered, (unsigned long long)found->altered);
  else if (row->received > 0)
    printf("  check     %s\n", row->error == NULL ? "every message came once, in order, unaltered"
                                                  : "what came was in order and unaltered");
}
