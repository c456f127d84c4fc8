/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module that ends the program when the loader breaks its promise: a call before start, after stop, or still
 * under way when stop is called. The state is freed by stop and unmapped with the module soon after, so even a
 * call that this misses does not go unseen. Answers "alive". Called from any worker.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <tern/module.h>

#define ALIVE 0xa11fe

struct state {
  unsigned alive;
  _Atomic unsigned inside; /* calls under way */
};

static int start(const char *filter, void **out) {
  (void)filter;
  struct state *state = calloc(1, sizeof *state);
  if (state == NULL) return TERN_EMODULE;
  state->alive = ALIVE;
  *out = state;
  return 0;
}

static int handle(const struct tern_module_context *context, const struct tern_message *message) {
  (void)message;
  struct state *state = context->state;
  /* relaxed: a counter; pairs with the load in stop, whatever order the grace period gives */
  atomic_fetch_add_explicit(&state->inside, 1, memory_order_relaxed);
  if (state->alive != ALIVE) abort();
  int error = context->respond(context, tern_slice_of("alive"));
  if (state->alive != ALIVE) abort();
  atomic_fetch_sub_explicit(&state->inside, 1, memory_order_relaxed); /* as above */
  return error;
}

static void stop(void *arg) {
  struct state *state = arg;
  /* a moment in which a late caller would show itself */
  nanosleep(&(struct timespec){0, 50000}, NULL);
  /* relaxed: pairs with the adds in handle; nobody may be inside any more */
  if (atomic_load_explicit(&state->inside, memory_order_relaxed) != 0) abort();
  state->alive = 0;
  free(state);
}

const struct tern_module *tern_module_v1(void) {
  static const struct tern_module module = {.abi = TERN_MODULE_ABI,
                                            .name = "poison",
                                            .version = "1.0",
                                            .start = start,
                                            .handle = handle,
                                            .stop = stop};
  return &module;
}
