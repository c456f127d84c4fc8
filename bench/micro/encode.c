/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does the encoder cost per delivery? One message is put into frames for its receivers, whose output is one buffer.
 * size: bytes of the message; with: receivers. An operation is one frame.
 */
#include <stdio.h>
#include <stdlib.h>

#include <tern/codec_nats.h>

#include "micro.h"

enum { MESSAGES = 100, SIZE_MAX_BYTES = 1024 };

static struct tern_message message;
static unsigned long receivers;
static volatile size_t result; /* keeps the compiler from dropping what is measured */

static void open_case(const struct micro_case *micro) {
  static char body[SIZE_MAX_BYTES], digits[16];
  int len = snprintf(digits, sizeof digits, "%lu", micro->size);
  message = (struct tern_message){.subject = tern_slice_of("orders.eu.4711"),
                                  .body = {body, micro->size},
                                  .size_text = {digits, (size_t)len}};
  receivers = micro->with;
}

static unsigned long run(void) {
  static char to[SIZE_MAX_BYTES + 256];
  const struct tern_slice sid = {"17", 2};
  size_t bytes = 0;
  for (unsigned i = 0; i < MESSAGES; i++) {
    for (unsigned long r = 0; r < receivers; r++)
      bytes += (size_t)(tern_nats_put_frames(to, &message, true, sid, 0, 1) - to);
  }
  result = bytes;
  return MESSAGES * receivers;
}

static void close_case(void) {}

int main(int argc, char **argv) {
#define CASE(name, size, with) \
  { name, size, with, 10, open_case, NULL, run, close_case }
  static const struct micro_case cases[] = {
      CASE("one-16", 16, 1),
      CASE("one-128", 128, 1),
      CASE("fan-100-128", 128, 100),
  };
  return micro_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
