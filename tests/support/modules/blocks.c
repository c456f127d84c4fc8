/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module whose handler blocks, as none should: it opens the FIFO that the payload names and reads it to its end, so
 * that a test decides when the worker gets on. Opening takes as long as the test takes to open the other end.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <tern/module.h>

static int handle(const struct tern_module_context *context, const struct tern_message *message) {
  (void)context;
  char path[4096], byte;
  snprintf(path, sizeof path, "%.*s", (int)message->body.len, message->body.ptr);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return TERN_EMODULE;
  while (read(fd, &byte, 1) > 0)
    continue;
  close(fd);
  return 0;
}

const struct tern_module *tern_module_v1(void) {
  static const struct tern_module module = {
      .abi = TERN_MODULE_ABI, .name = "blocks", .version = "1.0", .handle = handle};
  return &module;
}
