/* SPDX-License-Identifier: Apache-2.0 */
/*
 * greet: answers a request with `Hello, <payload>!`.
 *
 *     tern --handler 'greet.*=greet'    nats request greet.me Ada  ->  Hello, Ada!
 *
 * Shows a module that builds its answer and reports an error: names that do not fit the answer's room on the
 * stack are refused, which the broker counts and logs; the one who asked gets no answer. No state, so no
 * start and no stop; handle runs on any worker, several at once.
 */
#include <stdio.h>

#include <tern/module.h>

#define ANSWER_MAX_BYTES 1024

static int handle(const struct tern_module_context *context, const struct tern_message *message) {
  const char *name = message->body.ptr + message->header_len;
  size_t len = message->body.len - message->header_len;
  char answer[ANSWER_MAX_BYTES];
  if (len > sizeof answer - sizeof "Hello, !") return TERN_ELIMIT;
  struct tern_slice payload = {answer, 0};
  memcpy(answer, "Hello, ", 7);
  memcpy(answer + 7, name, len);
  answer[7 + len] = '!';
  payload.len = 7 + len + 1;
  return context->respond(context, payload);
}

const struct tern_module *tern_module_v1(void) {
  static const struct tern_module module = {
      .abi = TERN_MODULE_ABI, .name = "greet", .version = "1.0", .handle = handle};
  return &module;
}
