/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress, to standard error: on a terminal one line that changes four times a second, else a plain line every second.
 *
 *     connecting    how many of how many connections
 *     preparing     subscriptions so far, and per second
 *     measuring     time, what was sent and received, the rate since the last look, the time left
 *
 * The rate is of messages received where anybody receives, else of what is sent. Thread: main.
 */
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

/* Seconds left, or a negative number when nobody knows. */
static double left(const struct bench *bench, double elapsed, uint64_t sent) {
  if (bench->seconds > 0) return bench->seconds > elapsed ? bench->seconds - elapsed : 0;
  if (bench->total == 0 || sent == 0) return -1;
  double share = (double)sent / (double)bench->total;
  return share < 1 ? elapsed * (1 - share) / share : 0;
}

/* How many per second since the last look. */
static double rate_of(struct bench *bench, uint64_t now, uint64_t moved) {
  double rate = (double)(moved - bench->shown.moved) * 1e9 / (double)(now - bench->shown.ns);
  bench->shown.moved = moved;
  return rate;
}

static void show_measuring(struct bench *bench, uint64_t now, double elapsed) {
  uint64_t sent = engine_sent(&bench->engine), received = engine_received(&bench->engine);
  bool receives = bench->options->subscribers > 0;
  double rate = rate_of(bench, now, receives ? received : sent), rest = left(bench, elapsed, sent);
  if (sent > 0 || receives) fprintf(stderr, "  sent %llu", (unsigned long long)sent);
  if (receives) fprintf(stderr, "  received %llu", (unsigned long long)received);
  if (sent > 0 || receives) fprintf(stderr, "  %.0f %s", rate, bench->row.unit);
  if (rest >= 0) fprintf(stderr, "  %.0f s left", rest);
}

void progress_show(struct bench *bench, enum phase phase, uint64_t count) {
  uint64_t now = now_ns();
  bool terminal = isatty(STDERR_FILENO), connecting = bench->begin_ns == 0;
  if (bench->shown.ns == 0) bench->shown.ns = connecting ? now : bench->begin_ns;
  if (bench->options->quiet || now - bench->shown.ns < (terminal ? 250000000u : 1000000000u)) return;
  if (terminal) fputs("\r\033[K", stderr);
  double elapsed = (double)(now - bench->begin_ns) / 1e9;
  if (!connecting) fprintf(stderr, "%6.1f s", elapsed);
  if (connecting) {
    fprintf(stderr, "connecting: %llu of %llu", (unsigned long long)engine_done(&bench->engine, phase),
            (unsigned long long)count);
  } else if (engine_phase(&bench->engine) == PHASE_PREPARE) {
    uint64_t made = engine_prepared(&bench->engine);
    double rate = rate_of(bench, now, made);
    fprintf(stderr, "  %llu subscriptions  %.0f sub/s", (unsigned long long)made, rate);
  } else {
    show_measuring(bench, now, elapsed);
  }
  if (!terminal) fputc('\n', stderr);
  bench->shown.ns = now;
}

void progress_end(const struct bench *bench) {
  if (!bench->options->quiet && isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
}
