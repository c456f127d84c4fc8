/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does the encoder cost per delivery?
 *
 *     micro_encode [receivers [body [rounds]]]
 *
 * One message is prepared once and put into frames for that many receivers (default 1), whose output is one buffer
 * after the other. The time printed is a hint only. What can be compared are instructions:
 *
 *     valgrind --tool=callgrind --toggle-collect=deliver micro_encode 1 128 1000
 *
 * divided by the number of frames printed.
 */
#include <stdio.h>
#include <stdlib.h>

#include <tern/codec_nats.h>

#include "clock.h"

#define BODY_MAX      65536u
#define RECEIVERS_MAX 1000u

/* Not inlined: its name selects what callgrind counts. */
__attribute__((noinline)) static size_t deliver(char *to, const struct tern_message *message,
                                                unsigned receivers) {
  char room[TERN_NATS_FRAME_ROOM(64, 64)];
  struct tern_nats_frame frame;
  const struct tern_slice sid = {"17", 2};
  size_t bytes = 0;
  tern_nats_prepare(&frame, message, true, room);
  for (unsigned i = 0; i < receivers; i++)
    bytes += (size_t)(tern_nats_put_frame(to, &frame, sid) - to);
  return bytes;
}

int main(int argc, char **argv) {
  unsigned receivers = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
  unsigned body = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 128;
  unsigned long rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000000;
  if (receivers < 1 || receivers > RECEIVERS_MAX || body < 1 || body > BODY_MAX || rounds < 1) {
    fprintf(stderr, "micro_encode: 1..%u receivers, 1..%u bytes\n", RECEIVERS_MAX, BODY_MAX);
    return 2;
  }
  static char to[BODY_MAX + 256], from[BODY_MAX];
  char digits[16];
  int len = snprintf(digits, sizeof digits, "%u", body);
  struct tern_message message = {
      .subject = tern_slice_of("orders.eu.4711"), .body = {from, body}, .size_text = {digits, (size_t)len}};
  size_t bytes = 0;
  uint64_t start = tern__clock_ns();
  for (unsigned long i = 0; i < rounds; i++)
    bytes += deliver(to, &message, receivers);
  uint64_t took = tern__clock_ns() - start;
  unsigned long frames = rounds * receivers;
  printf("%lu frames, %zu bytes, %.1f ns each\n", frames, bytes, (double)took / (double)frames);
  return 0;
}
