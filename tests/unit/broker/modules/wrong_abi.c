/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module built for a later version of the interface. It must be refused by its number alone: what stands
 * behind the number may be anything then, which is why it is nonsense here.
 */
#include <stddef.h>

#include <tern/module.h>

const struct tern_module *tern_module_v1(void) {
  static const struct tern_module module = {.abi = TERN_MODULE_ABI + 1, .name = NULL, .handle = NULL};
  return &module;
}
