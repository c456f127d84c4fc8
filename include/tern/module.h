/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The interface of handler modules: shared objects that answer messages inside the broker.
 *
 * A module exports one function, `tern_module_v1`, which returns a constant description. The broker calls
 * `start` once, then `handle` for every message that matches the filter it was configured with, on whichever
 * worker received the message (several at once, so state must be thread-safe), then `stop` once, after which
 * no call is in progress and the module may be unloaded.
 *
 * The contract of `handle`: it must not block (it delays everyone on its worker, which the broker logs), it
 * may publish and reply through the context, and it keeps nothing of the message after returning. A negative
 * result is counted and logged; it harms nobody else.
 */
#ifndef TERN_MODULE_H
#define TERN_MODULE_H

#include <stdint.h>

#include <tern/buffer.h>
#include <tern/error.h>
#include <tern/export.h>
#include <tern/message.h>

/** The version of this interface. */
#define TERN_MODULE_ABI 1

/** What a handler may do during a call. */
struct tern_module_context {
  /** Publishes. reply may be empty. @return 0, TERN_ELIMIT when too large or nested too deep, TERN_ESUBJECT
   * when subject or reply cannot be sent (an empty token, a space or control character), TERN_ECLOSED outside
   * a call, or -ENOMEM */
  int (*publish)(const struct tern_module_context *context, struct tern_slice subject,
                 struct tern_slice reply, struct tern_slice payload);
  /** Answers the message being handled; does nothing when it has no reply subject. @return as publish */
  int (*respond)(const struct tern_module_context *context, struct tern_slice payload);
  void *state; /**< what start returned */
};

/** What a module is. */
struct tern_module {
  uint32_t abi;        /**< TERN_MODULE_ABI */
  const char *name;    /**< for people */
  const char *version; /**< for people */
  /** Prepares. Optional. @return 0 and a state, or a negative error that refuses the module */
  int (*start)(const char *filter, void **state);
  /** Handles one message. @return 0, or a negative error */
  int (*handle)(const struct tern_module_context *context, const struct tern_message *message);
  /** Ends. Optional. */
  void (*stop)(void *state);
};

/** The one function a module exports. */
TERN_API const struct tern_module *tern_module_v1(void);

#endif
