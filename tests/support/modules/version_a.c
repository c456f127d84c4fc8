/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handler module that answers "a", whatever it is asked. With its sibling it shows which of two modules is
 * loaded: tests put one file in the other's place while messages flow. No state; called from any worker.
 */
#include <tern/module.h>

static int handle(const struct tern_module_context *context, const struct tern_message *message) {
  (void)message;
  return context->respond(context, tern_slice_of("a"));
}

const struct tern_module *tern_module_v1(void) {
  static const struct tern_module module = {
      .abi = TERN_MODULE_ABI, .name = "version", .version = "a", .handle = handle};
  return &module;
}
