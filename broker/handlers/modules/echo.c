/* SPDX-License-Identifier: Apache-2.0 */
/*
 * echo: answers a request with the payload it came with.
 *
 *     tern --handler echo=echo          nats request echo hello  ->  hello
 *
 * The smallest module there is: no state, so no start and no stop. handle runs on whichever worker received
 * the message, several at once. Headers are not sent back.
 */
#include <tern/module.h>

static int handle(const struct tern_module_context *context, const struct tern_message *message) {
  struct tern_slice payload = {message->body.ptr + message->header_len,
                               message->body.len - message->header_len};
  return context->respond(context, payload);
}

const struct tern_module *tern_module_v1(void) {
  static const struct tern_module module = {
      .abi = TERN_MODULE_ABI, .name = "echo", .version = "1.0", .handle = handle};
  return &module;
}
