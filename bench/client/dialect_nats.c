/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NATS protocol, by way of the library's codec.
 *
 *     <- INFO   -> CONNECT [SUB] PING   <- PONG
 *
 * An incomplete operation is looked at again from its first byte when more has come: the checker, which is what is
 * fast, has taken the messages out before, so that little ever gets here. Pure; thread: any.
 */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tern/codec_nats.h>

#include "dialect.h"

#define HEADERS         "NATS/1.0\r\nBench: headers\r\n\r\n"
#define HEADERS_BYTES   ((unsigned)sizeof HEADERS - 1)
#define OPERATION_MAX   (64 * 1024 * 1024)
#define SERVER_LINE_MAX (1024 * 1024)

static int put_publish(char *to, size_t room, const struct frame *frame) {
  const char *reply = frame->reply != NULL ? frame->reply : "", *blank = frame->reply != NULL ? " " : "";
  if (!frame->headers)
    return snprintf(to, room, "PUB %s %s%s%u\r\n", frame->subject, reply, blank, frame->size);
  return snprintf(to, room, "HPUB %s %s%s%u %u\r\n" HEADERS, frame->subject, reply, blank, HEADERS_BYTES,
                  HEADERS_BYTES + frame->size);
}

static int put_delivery(char *to, size_t room, const struct frame *frame) {
  const char *reply = frame->reply != NULL ? frame->reply : "", *blank = frame->reply != NULL ? " " : "";
  if (!frame->headers)
    return snprintf(to, room, "MSG %s %s %s%s%u\r\n", frame->subject, frame->sid, reply, blank, frame->size);
  return snprintf(to, room, "HMSG %s %s %s%s%u %u\r\n" HEADERS, frame->subject, frame->sid, reply, blank,
                  HEADERS_BYTES, HEADERS_BYTES + frame->size);
}

static int put_subscribe(char *to, size_t room, const char *filter, const char *group, const char *sid) {
  if (group == NULL) return snprintf(to, room, "SUB %s %s\r\n", filter, sid);
  return snprintf(to, room, "SUB %s %s %s\r\n", filter, group, sid);
}

static int put_unsubscribe(char *to, size_t room, const char *filter, const char *sid) {
  (void)filter;
  return snprintf(to, room, "UNSUB %s\r\n", sid);
}

static const char *or_none(const char *text) { return text[0] != '\0' ? text : NULL; }

static char *hello(const struct target *target, enum purpose purpose) {
  (void)purpose;
  json_t *options =
      json_pack("{s:b, s:b, s:b, s:s, s:s, s:s, s:s*, s:s*, s:s*}", "verbose", 0, "pedantic", 0, "headers", 1,
                "name", "tern-bench", "lang", "C", "version", "1", "user", or_none(target->user), "pass",
                or_none(target->password), "auth_token", or_none(target->token));
  char *json = options != NULL ? json_dumps(options, JSON_COMPACT) : NULL, *text = NULL;
  if (json != NULL && asprintf(&text, "CONNECT %s\r\n", json) < 0) text = NULL;
  json_decref(options);
  free(json);
  return text;
}

static void take(struct event *event, const struct tern_nats_op *op) {
  *event = (struct event){.kind = EVENT_OTHER, .text = op->arg};
  switch (op->verb) {
    case TERN_NATS_MSG:
    case TERN_NATS_HMSG:
      event->kind = EVENT_MESSAGE;
      event->subject = op->subject;
      event->reply = op->reply;
      event->payload =
          (struct tern_slice){op->body.ptr + op->header_len, op->body.len - (size_t)op->header_len};
      break;
    case TERN_NATS_PING:
      event->kind = EVENT_PING;
      break;
    case TERN_NATS_PONG:
      event->kind = EVENT_PONG;
      break;
    case TERN_NATS_INFO:
      event->kind = EVENT_HELLO;
      break;
    case TERN_NATS_ERR:
      event->kind = EVENT_ERROR;
      break;
    default:
      break;
  }
}

static int64_t next(const char *data, size_t len, struct event *event) {
  struct tern_nats_parser parser;
  struct tern_nats_op op = {.header_len = 0};
  tern_nats_init(&parser, TERN_NATS_FROM_SERVER, NULL); /* nothing is ever kept, so no pool */
  tern_nats_set_limits(&parser, SERVER_LINE_MAX, OPERATION_MAX);
  tern_nats_feed(&parser, &(struct tern_chunk){.data = data, .len = len});
  int result = tern_nats_next(&parser, &op);
  int64_t used = result > 0 ? (int64_t)(len - tern_nats_unused(&parser)) : result;
  if (result > 0) take(event, &op);
  return used;
}

static void identify(struct tern_slice text, char *name, char *version) {
  json_t *info = json_loadb(text.ptr, text.len, 0, NULL);
  const char *tern = json_string_value(json_object_get(info, "tern"));
  const char *number = tern != NULL ? tern : json_string_value(json_object_get(info, "version"));
  snprintf(name, NAME_MAX_BYTES, "%s", tern != NULL ? "tern" : "nats-server");
  snprintf(version, NAME_MAX_BYTES, "%s", number != NULL ? number : "");
  json_decref(info);
}

static int worker(struct tern_slice text) {
  json_t *info = json_loadb(text.ptr, text.len, 0, NULL);
  const json_t *number = json_object_get(info, "tern_worker");
  json_int_t value = json_is_integer(number) ? json_integer_value(number) : -1;
  json_decref(info);
  return value >= 0 && value <= INT_MAX ? (int)value : -1;
}

static bool says(struct tern_slice text, const char *what) {
  return memmem(text.ptr, text.len, what, strlen(what)) != NULL;
}

static enum security security(struct tern_slice text) {
  if (says(text, "\"tls_required\":true")) return SECURITY_REQUIRED;
  return says(text, "\"tls_available\":true") ? SECURITY_OFFERED : SECURITY_NONE;
}

const struct dialect dialect_nats = {.protocol = "NATS",
                                     .server = "nats-server",
                                     .greets = true,
                                     .acknowledges = true,
                                     .replies = true,
                                     .groups = true,
                                     .headers = true,
                                     .many_publishers = true,
                                     .subscriptions = true,
                                     .ping = "PING\r\n",
                                     .pong = "PONG\r\n",
                                     .put_publish = put_publish,
                                     .put_delivery = put_delivery,
                                     .put_subscribe = put_subscribe,
                                     .put_unsubscribe = put_unsubscribe,
                                     .hello = hello,
                                     .next = next,
                                     .identify = identify,
                                     .security = security,
                                     .worker = worker};
