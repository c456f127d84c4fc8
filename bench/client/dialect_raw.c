/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte forwarder (forward.c). It looks at nothing, so publishers send at once what subscribers are to get: MSG
 * lines. A connection says with its first two bytes what it is for and gets a + back:
 *
 *     P\n  sends      M\n and 8 digits  sends beside others, frames of that many bytes
 *     E\n  sends and gets back what the subscribers send      S\n  receives
 *
 * Pure; thread: any.
 */
#include <stdio.h>
#include <string.h>

#include "dialect.h"

static int put_frame(char *to, size_t room, const struct frame *frame) {
  return dialect_nats.put_delivery(to, room, frame);
}

/* What a connection is for has been said in hello. */
static int put_subscribe(char *to, size_t room, const char *filter, const char *group, const char *sid) {
  (void)filter, (void)group, (void)sid;
  return snprintf(to, room, "%s", "");
}

static int put_unsubscribe(char *to, size_t room, const char *filter, const char *sid) {
  return put_subscribe(to, room, filter, NULL, sid);
}

static char *hello(const struct target *target, enum purpose purpose) {
  (void)target;
  static const char *const roles[PURPOSES] = {[PURPOSE_PUBLISH] = "P\n",
                                              [PURPOSE_PUBLISH_BESIDE] = "M\n",
                                              [PURPOSE_RECEIVE] = "S\n",
                                              [PURPOSE_REQUEST] = "E\n"};
  return strdup(roles[purpose]);
}

static int64_t next(const char *data, size_t len, struct event *event) {
  if (len == 0 || data[0] != '+') return dialect_nats.next(data, len, event);
  *event = (struct event){.kind = EVENT_PONG};
  return 1;
}

static void identify(struct tern_slice text, char *name, char *version) {
  (void)text, (void)name, (void)version; /* it does not say */
}

const struct dialect dialect_raw = {.protocol = "forwarder's",
                                    .server = "forwarder",
                                    .replies = true,
                                    .headers = true,
                                    .wants_frame_size = true,
                                    .ping = "",
                                    .pong = "",
                                    .put_publish = put_frame,
                                    .put_delivery = put_frame,
                                    .put_subscribe = put_subscribe,
                                    .put_unsubscribe = put_unsubscribe,
                                    .hello = hello,
                                    .next = next,
                                    .identify = identify};
