/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module that does what the payload says, one thing per message, and returns what came of it: fail, sleep,
 * publish, publish too much, publish to something that is no subject, answer with the filter it was started
 * for. The filter is its state, so two instances can be told apart. Called from any worker.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tern/module.h>

static int start(const char *filter, void **state) {
  *state = strdup(filter);
  return *state != NULL ? 0 : TERN_EMODULE;
}

static int handle(const struct tern_module_context *context, const struct tern_message *message) {
  struct tern_slice word = {message->body.ptr + message->header_len, message->body.len - message->header_len};
  struct tern_slice to = tern_slice_of("made.here"), none = {"", 0};
  if (tern_slice_equal(word, tern_slice_of("fail"))) return TERN_EPROTOCOL;
  if (tern_slice_equal(word, tern_slice_of("sleep"))) {
    nanosleep(&(struct timespec){0, 120000000}, NULL); /* what no handler should do */
    return 0;
  }
  if (tern_slice_equal(word, tern_slice_of("publish")))
    return context->publish(context, to, tern_slice_of("answer.to"), tern_slice_of("made"));
  if (tern_slice_equal(word, tern_slice_of("big")))
    return context->publish(context, to, none, (struct tern_slice){"x", (size_t)1 << 40});
  if (tern_slice_equal(word, tern_slice_of("injection")))
    return context->publish(context, tern_slice_of("a 1\r\nb"), none, word);
  if (tern_slice_equal(word, tern_slice_of("bad subject")))
    return context->publish(context, tern_slice_of("a..b"), none, word);
  if (tern_slice_equal(word, tern_slice_of("bad reply")))
    return context->publish(context, to, tern_slice_of("a b"), word);
  return context->respond(context, tern_slice_of(context->state));
}

static void stop(void *state) { free(state); }

const struct tern_module *tern_module_v1(void) {
  static const struct tern_module module = {.abi = TERN_MODULE_ABI,
                                            .name = "does",
                                            .version = "1.0",
                                            .start = start,
                                            .handle = handle,
                                            .stop = stop};
  return &module;
}
