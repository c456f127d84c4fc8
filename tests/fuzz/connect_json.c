/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONNECT's JSON. Each line of an input is the JSON of one CONNECT; they are read one over the other, as a connection
 * does with several, until one is refused.
 *
 * What must hold:
 *   - a line is accepted or refused as invalid; nothing else happens with memory enough;
 *   - what jansson refuses is refused, once what only Go accepts (broken UTF-8, lone surrogates) has been made harmless;
 *     what is accepted is an object or null, and an object without values in it is accepted;
 *   - what has been made harmless has the same outcome as the line itself;
 *   - accepted strings are well-formed UTF-8;
 *   - the same line once more changes nothing;
 *   - the state, written as JSON and read over fresh defaults, is the same state.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <tern/utf8.h>

#include "check.h"
#include "connect.h"
#include "target.h"

static bool is_hex(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

/* Replaces, byte for byte, what jansson minds and Go does not, without changing what is a string and what is not:
 * every byte that is not ASCII by '?', and every escaped surrogate by an escaped '?'. */
static void make_harmless(char *text, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if ((unsigned char)text[i] >= 0x80) text[i] = '?';
    if (text[i] != '\\') continue;
    bool surrogate = len - i >= 6 && text[i + 1] == 'u' && (text[i + 2] | 0x20) == 'd' &&
                     memchr("89abcdefABCDEF", text[i + 3], 14) != NULL && is_hex(text[i + 4]) &&
                     is_hex(text[i + 5]);
    if (surrogate) memcpy(text + i + 2, "003f", 4);
    i++; /* what is escaped does not escape in turn */
  }
}

static void check_outcome(struct tern_slice line, int error) {
  char *text = malloc(line.len + 1);
  if (text == NULL) abort();
  memcpy(text, line.ptr, line.len);
  make_harmless(text, line.len);
  json_t *value = json_loadb(text, line.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
  struct nats_connect c;
  nats_connect_init(&c);
  FUZZ_CHECK(nats_connect_parse(&c, (struct tern_slice){text, line.len}) == error);
  nats_connect_fini(&c);
  free(text);
  FUZZ_CHECK(error == 0 || error == -EINVAL);
  if (value == NULL) FUZZ_CHECK(error == -EINVAL);
  if (error == 0) FUZZ_CHECK(json_is_object(value) || json_is_null(value));
  if (json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0)) FUZZ_CHECK(error == 0);
  json_decref(value);
}

static void check_text(const char *text) {
  if (text == NULL) return;
  for (size_t left = strlen(text); left > 0;) {
    size_t len = tern_utf8_len(text, left);
    FUZZ_CHECK(len > 0 && len <= left);
    text += len;
    left -= len;
  }
}

static bool same_text(const char *a, const char *b) {
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same(const struct nats_connect *a, const struct nats_connect *b) {
  return a->verbose == b->verbose && a->pedantic == b->pedantic && a->echo == b->echo &&
         a->headers == b->headers && a->no_responders == b->no_responders &&
         a->new_account == b->new_account && a->protocol == b->protocol &&
         same_text(a->account, b->account) && same_text(a->name, b->name) && same_text(a->lang, b->lang) &&
         same_text(a->version, b->version);
}

/* Writes the state as JSON and reads it over fresh defaults into *copy. */
static void copy_by_json(const struct nats_connect *c, struct nats_connect *copy) {
  json_t *value =
      json_pack("{sb sb sb sb sb sb sI ss* ss* ss* ss*}", "verbose", c->verbose, "pedantic", c->pedantic,
                "echo", c->echo, "headers", c->headers, "no_responders", c->no_responders, "new_account",
                c->new_account, "protocol", (json_int_t)c->protocol, "account", c->account, "name", c->name,
                "lang", c->lang, "version", c->version);
  char *text = value != NULL ? json_dumps(value, 0) : NULL;
  if (text == NULL) abort();
  nats_connect_init(copy);
  FUZZ_CHECK(nats_connect_parse(copy, tern_slice_of(text)) == 0);
  free(text);
  json_decref(value);
}

static void check_state(struct nats_connect *c, struct tern_slice line) {
  struct nats_connect before;
  check_text(c->account);
  check_text(c->name);
  check_text(c->lang);
  check_text(c->version);
  copy_by_json(c, &before);
  FUZZ_CHECK(same(c, &before));
  FUZZ_CHECK(nats_connect_parse(c, line) == 0);
  FUZZ_CHECK(same(c, &before));
  nats_connect_fini(&before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  struct tern_slice left = {(const char *)data, len};
  struct nats_connect c;
  nats_connect_init(&c);
  for (int error = 0; error == 0 && left.len > 0;) {
    const char *lf = memchr(left.ptr, '\n', left.len);
    struct tern_slice line = {left.ptr, lf != NULL ? (size_t)(lf - left.ptr) : left.len};
    error = nats_connect_parse(&c, line);
    check_outcome(line, error);
    if (error == 0) check_state(&c, line);
    size_t used = line.len + (lf != NULL);
    left = (struct tern_slice){left.ptr + used, left.len - used};
  }
  nats_connect_fini(&c);
  return 0;
}
