/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module that refuses to start. Neither handle nor stop may be called then; both end the program to show it.
 */
#include <stdlib.h>

#include <tern/module.h>

static int start(const char *filter, void **state) {
  (void)filter;
  (void)state;
  return TERN_ELIMIT;
}

static int handle(const struct tern_module_context *context, const struct tern_message *message) {
  (void)context;
  (void)message;
  abort();
}

static void stop(void *state) {
  (void)state;
  abort();
}

const struct tern_module *tern_module_v1(void) {
  static const struct tern_module module = {.abi = TERN_MODULE_ABI,
                                            .name = "refuses",
                                            .version = "1.0",
                                            .start = start,
                                            .handle = handle,
                                            .stop = stop};
  return &module;
}
