/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress while measuring: time, what was sent and received, the rate since the last look, the time left. To standard
 * error: on a terminal one line that changes four times a second, else a plain line every second. Thread: main.
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

void progress_show(struct bench *bench) {
  uint64_t now = now_ns();
  bool terminal = isatty(STDERR_FILENO);
  if (bench->shown_ns == 0) bench->shown_ns = bench->begin_ns;
  if (bench->options->quiet || now - bench->shown_ns < (terminal ? 250000000u : 1000000000u)) return;
  uint64_t sent = engine_sent(&bench->engine), received = engine_received(&bench->engine);
  uint64_t moved = received > 0 ? received : sent;
  double elapsed = (double)(now - bench->begin_ns) / 1e9, rest = left(bench, elapsed, sent);
  double rate = (double)(moved - bench->shown) * 1e9 / (double)(now - bench->shown_ns);
  fprintf(stderr, "%s%6.1f s  sent %llu  received %llu  %.0f msg/s", terminal ? "\r\033[K" : "", elapsed,
          (unsigned long long)sent, (unsigned long long)received, moved > bench->shown ? rate : 0);
  if (rest >= 0) fprintf(stderr, "  %.0f s left", rest);
  if (!terminal) fputc('\n', stderr);
  bench->shown_ns = now;
  bench->shown = moved;
}

void progress_end(const struct bench *bench) {
  if (!bench->options->quiet && isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
}
