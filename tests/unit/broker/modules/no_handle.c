/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module whose description has no handle function. It must be refused when it is loaded, not crash when the
 * first message comes.
 */
#include <tern/module.h>

const struct tern_module *tern_module_v1(void) {
  static const struct tern_module module = {.abi = TERN_MODULE_ABI, .name = "no_handle", .version = "1.0"};
  return &module;
}
