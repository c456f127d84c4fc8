/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis' publish and subscribe, in RESP2.
 *
 *     -> [AUTH] INFO server [SUBSCRIBE] PING   <- ... PONG
 *
 * Every PUBLISH is answered with a number. Filters that end in '>' or have a '*' become patterns, whose messages carry
 * the pattern as well. Redis has no queue groups, headers, reply subjects or numbered subscriptions.
 *
 * Pure; thread: any.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialect.h"

#define WORDS_MAX 6 /* of an answer that are looked at */
#define DEPTH_MAX 4

static bool is_pattern(const char *filter) { return strpbrk(filter, "*>") != NULL; }

/* The filter as Redis writes it. */
static void put_pattern(char *to, size_t room, const char *filter) {
  snprintf(to, room, "%s", filter);
  char *tail = strchr(to, '>');
  if (tail != NULL) *tail = '*';
}

static int put_publish(char *to, size_t room, const struct frame *frame) {
  return snprintf(to, room, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%u\r\n", strlen(frame->subject),
                  frame->subject, frame->size);
}

static int put_delivery(char *to, size_t room, const struct frame *frame) {
  char pattern[256];
  put_pattern(pattern, sizeof pattern, frame->filter);
  if (is_pattern(frame->filter))
    return snprintf(to, room, "*4\r\n$8\r\npmessage\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n$%u\r\n", strlen(pattern),
                    pattern, strlen(frame->subject), frame->subject, frame->size);
  return snprintf(to, room, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%u\r\n", strlen(frame->subject),
                  frame->subject, frame->size);
}

static int put_words(char *to, size_t room, const char *verb, const char *filter) {
  char pattern[256];
  put_pattern(pattern, sizeof pattern, filter);
  return snprintf(to, room, "%s%s %s\r\n", is_pattern(filter) ? "P" : "", verb, pattern);
}

static int put_subscribe(char *to, size_t room, const char *filter, const char *group, const char *sid) {
  (void)group, (void)sid;
  return put_words(to, room, "SUBSCRIBE", filter);
}

static int put_unsubscribe(char *to, size_t room, const char *filter, const char *sid) {
  (void)sid;
  return put_words(to, room, "UNSUBSCRIBE", filter);
}

static char *hello(const struct target *target, enum purpose purpose) {
  (void)purpose;
  char *text = NULL;
  const char *password = target->password[0] != '\0' ? target->password : target->token;
  int len = -1;
  if (password[0] == '\0')
    len = asprintf(&text, "INFO server\r\n");
  else if (target->user[0] == '\0')
    len = asprintf(&text, "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\nINFO server\r\n", strlen(password), password);
  else
    len = asprintf(&text, "*3\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\nINFO server\r\n",
                   strlen(target->user), target->user, strlen(password), password);
  return len < 0 ? NULL : text;
}

/* An answer's words, inner ones of arrays included. */
struct words {
  struct tern_slice word[WORDS_MAX];
  unsigned count;
};

static int64_t read_answer(const char *data, size_t len, struct words *words, unsigned depth);

/* What follows the line "*N" or "$N". */
static int64_t read_rest(char kind, long n, const char *data, size_t len, size_t at, struct words *words,
                         unsigned depth) {
  if (kind == '$') {
    if (n < 0) return (int64_t)at;
    if (len - at < (size_t)n + 2) return 0;
    if (words->count < WORDS_MAX) words->word[words->count++] = (struct tern_slice){data + at, (size_t)n};
    return (int64_t)at + n + 2;
  }
  for (long i = 0; i < n; i++) {
    int64_t used = depth < DEPTH_MAX ? read_answer(data + at, len - at, words, depth + 1) : -1;
    if (used <= 0) return used;
    at += (size_t)used;
  }
  return (int64_t)at;
}

/* Reads one answer. Returns bytes used, 0 or -1. */
static int64_t read_answer(const char *data, size_t len, struct words *words, unsigned depth) {
  if (len == 0) return 0;
  if (strchr("+-:$*", data[0]) == NULL) return -1;
  const char *lf = memchr(data, '\n', len);
  if (lf == NULL) return 0;
  size_t line = (size_t)(lf - data);
  if (line < 2 || lf[-1] != '\r') return -1;
  if (data[0] == '$' || data[0] == '*') {
    char *end;
    long n = strtol(data + 1, &end, 10);
    return end == lf - 1 && n <= 512L * 1024 * 1024 ? read_rest(data[0], n, data, len, line + 1, words, depth)
                                                    : -1;
  }
  if (words->count < WORDS_MAX) words->word[words->count++] = (struct tern_slice){data + 1, line - 2};
  return (int64_t)line + 1;
}

static bool is_word(struct tern_slice word, const char *text) {
  return tern_slice_equal(word, tern_slice_of(text));
}

static int64_t next(const char *data, size_t len, struct event *event) {
  struct words words = {.count = 0};
  int64_t used = read_answer(data, len, &words, 0);
  *event = (struct event){.kind = EVENT_OTHER};
  if (used <= 0) return used;
  const struct tern_slice *word = words.word;
  if (data[0] == '-') {
    event->kind = EVENT_ERROR;
    event->text = word[0];
  } else if (words.count == 3 && is_word(word[0], "message")) {
    *event = (struct event){.kind = EVENT_MESSAGE, .subject = word[1], .payload = word[2]};
  } else if (words.count == 4 && is_word(word[0], "pmessage")) {
    *event = (struct event){.kind = EVENT_MESSAGE, .subject = word[2], .payload = word[3]};
  } else if (words.count > 0 && (is_word(word[0], "PONG") || is_word(word[0], "pong"))) {
    event->kind = EVENT_PONG;
  } else if (data[0] == '$' && words.count == 1) {
    *event = (struct event){.kind = EVENT_HELLO, .text = word[0]};
  }
  return used;
}

static void identify(struct tern_slice text, char *name, char *version) {
  static const char key[] = "redis_version:";
  const char *at = memmem(text.ptr, text.len, key, sizeof key - 1);
  snprintf(name, NAME_MAX_BYTES, "redis");
  if (at == NULL) return;
  at += sizeof key - 1;
  size_t len = 0, most = (size_t)(text.ptr + text.len - at);
  while (len < most && len < NAME_MAX_BYTES - 1 && at[len] > ' ')
    len++;
  snprintf(version, NAME_MAX_BYTES, "%.*s", (int)len, at);
}

const struct dialect dialect_redis = {.protocol = "Redis",
                                      .server = "redis",
                                      .acknowledges = true,
                                      .many_publishers = true,
                                      .subscriptions = true,
                                      .ping = "PING\r\n",
                                      .pong = "",
                                      .put_publish = put_publish,
                                      .put_delivery = put_delivery,
                                      .put_subscribe = put_subscribe,
                                      .put_unsubscribe = put_unsubscribe,
                                      .hello = hello,
                                      .next = next,
                                      .identify = identify};
