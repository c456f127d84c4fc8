/* SPDX-License-Identifier: Apache-2.0 */
/**
 * An errand: work that a loop gives to helpers (tern/loop.h), and that comes back to it. See helpers.c.
 */
#ifndef TERN_LOOP_ERRAND_H
#define TERN_LOOP_ERRAND_H

#include <stdatomic.h>
#include <stdbool.h>

#include <tern/loop.h>

/** Embed it in what it is about. From tern__helpers_send until `back` is called it is the helpers', with everything
 * that `work` touches: the loop leaves both alone, but for `vain`. */
struct tern__errand {
  /* What is to be done. Thread: a helper's. */
  void (*work)(struct tern__errand *errand);
  /* It has come back, once: to the loop that sent it, in step 3 of the tick, before anything that is ready is run; or
   * from tern_loop_free. done: the work was. */
  void (*back)(struct tern__errand *errand, bool done);
  bool under_way;    /* set before send: it goes on with something begun, and comes before what only begins */
  _Atomic bool vain; /* the loop says: it need not be done any more; cleared by send */
  bool done;         /* private, as are those below */
  struct tern_loop *loop;    /* whose it is */
  struct tern__errand *next; /* before a helper, or on its way back */
};

/** Gives it to a helper. Returns 0; or TERN_ECLOSED when they have been stopped, or -EAGAIN when there can be no thread:
 * then it has not been given away. Thread: the loop's. Blocks: never, but for the start of the threads. */
int tern__helpers_send(struct tern_helpers *helpers, struct tern_loop *loop, struct tern__errand *errand);
/** Lets those that have come back do so. Thread: the loop's. Blocks: never. */
void tern__errands_receive(struct tern_loop *loop);
/** Waits for all that are away. Thread: that of tern_loop_free. Blocks: for what helpers are at. */
void tern__errands_await(struct tern_loop *loop);

#endif
