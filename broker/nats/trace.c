/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace of what clients send, as nats-server's:
 *
 *     <<- [PUB greet 5]
 *     <<- MSG_PAYLOAD: ["hello"]
 *
 * Messages are shown as far as max_traced_msg_len and trace_headers say, and no further than SHOWN_BYTES_MAX. Of CONNECT
 * all is shown but what may be a secret (nats_connect_shown); when it cannot be read, nothing but the word. Runs on the
 * client's worker, and only where the trace is on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/log.h>

#include "client.h"
#include "connect.h"

/** What is shown of one line, and of one message. */
#define SHOWN_BYTES_MAX 3072

/* Which words of an operation its verb has. */
enum { SUBJECT = 1, REPLY = 2, GROUP = 4, SID = 8, HEADERS = 16, SIZE = 32 };

static const struct verb {
  const char *name;
  unsigned words;
} verbs[] = {
    [TERN_NATS_CONNECT] = {"CONNECT", 0},
    [TERN_NATS_PUB] = {"PUB", SUBJECT | REPLY | SIZE},
    [TERN_NATS_HPUB] = {"HPUB", SUBJECT | REPLY | HEADERS | SIZE},
    [TERN_NATS_SUB] = {"SUB", SUBJECT | GROUP | SID},
    [TERN_NATS_UNSUB] = {"UNSUB", SID},
    [TERN_NATS_PING] = {"PING", 0},
    [TERN_NATS_PONG] = {"PONG", 0},
    [TERN_NATS_OK] = {"+OK", 0},
    [TERN_NATS_ERR] = {"-ERR", 0},
    [TERN_NATS_INFO] = {"INFO", 0},
};

/* A text that is cut where it does not fit. */
struct shown {
  char text[SHOWN_BYTES_MAX];
  size_t len;
};

/* The log escapes what needs it, but its texts end at a zero byte. False when there is no room for all. Of a message, which
 * is in quotes, quotes and backslashes are escaped, too. */
static bool show(struct shown *shown, const char *bytes, size_t len, bool message) {
  size_t i = 0;
  for (; i < len && shown->len + 5 < sizeof shown->text; i++) {
    if (message && (bytes[i] == '"' || bytes[i] == '\\')) shown->text[shown->len++] = '\\';
    if (bytes[i] != '\0') {
      shown->text[shown->len++] = bytes[i];
    } else {
      memcpy(shown->text + shown->len, "\\x00", 4);
      shown->len += 4;
    }
  }
  shown->text[shown->len] = '\0';
  return i == len;
}

static void trace_message(const struct nats_client *client, const struct tern_nats_op *op) {
  const struct nats_limits *limits = &client->worker->settings->limits;
  size_t len = op->body.len, max = limits->max_traced_msg_len;
  if (limits->trace_headers) {
    if (op->header_len <= 4) return;
    len = op->header_len - 4; /* without the empty line */
  }
  if (max == 0 || max > len) max = len;
  struct shown shown = {.len = 0};
  const bool whole = show(&shown, op->body.ptr, max, true) && max == len;
  tern_log_event(TERN_LOG_TRACE, nats_client_about(client, "trace_message"), "<<- MSG_PAYLOAD: [\"%s%s\"]",
                 shown.text, whole ? "" : "...");
}

static void show_connect(struct shown *shown, struct tern_slice json) {
  char *text = nats_connect_shown(json);
  if (text == NULL) return;
  show(shown, " ", 1, false);
  show(shown, text, strlen(text), false);
  free(text);
}

void nats_trace(const struct nats_client *client, const struct tern_nats_op *op) {
  const struct tern_slice *words[] = {&op->subject, &op->reply,       &op->group,
                                      &op->sid,     &op->header_text, &op->size_text};
  const struct verb *verb = &verbs[op->verb];
  struct shown shown = {.len = 0};
  show(&shown, verb->name, strlen(verb->name), false);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (!(verb->words & 1u << i) || words[i]->len == 0) continue;
    show(&shown, " ", 1, false);
    show(&shown, words[i]->ptr, words[i]->len, false);
  }
  char max[24];
  if (op->verb == TERN_NATS_CONNECT) show_connect(&shown, op->arg);
  if (op->verb == TERN_NATS_UNSUB && op->max > 0)
    show(&shown, max, (size_t)snprintf(max, sizeof max, " %lld", (long long)op->max), false);
  tern_log_event(TERN_LOG_TRACE, nats_client_about(client, "trace_in"), "<<- [%s]", shown.text);
  if (verb->words & SIZE) trace_message(client, op);
}
