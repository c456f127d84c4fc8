/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONNECT's JSON. jansson does the parsing; what is here makes the outcome that of Go's encoding/json, which
 * clients are written against. jansson insists on valid UTF-8 and paired surrogates where Go puts U+FFFD, so
 * the text is repaired first. A table says which keys exist and of what type they must be, also for keys
 * whose value tern has no use for.
 *
 * Called on the worker that owns the connection; keeps nothing.
 */
#include "connect.h"

#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <tern/utf8.h>

enum type { BOOLEAN, INTEGER, STRING, SECRET, OBJECT, OVERFLOW };

static const struct key {
  const char *name;
  enum type type;
  int offset; /* in struct nats_connect, of secrets in struct nats_credentials; -1: checked only */
} keys[] = {
    {"verbose", BOOLEAN, offsetof(struct nats_connect, verbose)},
    {"pedantic", BOOLEAN, offsetof(struct nats_connect, pedantic)},
    {"echo", BOOLEAN, offsetof(struct nats_connect, echo)},
    {"headers", BOOLEAN, offsetof(struct nats_connect, headers)},
    {"no_responders", BOOLEAN, offsetof(struct nats_connect, no_responders)},
    {"new_account", BOOLEAN, offsetof(struct nats_connect, new_account)},
    {"protocol", INTEGER, offsetof(struct nats_connect, protocol)},
    {"account", STRING, offsetof(struct nats_connect, account)},
    {"name", STRING, offsetof(struct nats_connect, name)},
    {"lang", STRING, offsetof(struct nats_connect, lang)},
    {"version", STRING, offsetof(struct nats_connect, version)},
    {"tern_overflow", OVERFLOW, offsetof(struct nats_connect, overflow)},
    {"tls_required", BOOLEAN, -1},
    {"user", SECRET, offsetof(struct nats_credentials, user)},
    {"pass", SECRET, offsetof(struct nats_credentials, pass)},
    {"auth_token", SECRET, offsetof(struct nats_credentials, token)},
    {"nkey", SECRET, offsetof(struct nats_credentials, nkey)},
    {"sig", SECRET, offsetof(struct nats_credentials, signature)},
    {"jwt", STRING, -1},
    {"remote_account", STRING, -1},
    {"import", OBJECT, -1},
    {"export", OBJECT, -1},
};

void nats_connect_init(struct nats_connect *connect) {
  memset(connect, 0, sizeof *connect);
  connect->verbose = connect->pedantic = connect->echo = true;
}

void nats_connect_fini(struct nats_connect *connect) {
  overflow_rules_free(connect->overflow);
  free(connect->account);
  free(connect->name);
  free(connect->lang);
  free(connect->version);
}

/* The value of the escape \uXXXX at p, or -1 when there is none. */
static long escape_value(const char *p, size_t left) {
  if (left < 6 || p[0] != '\\' || p[1] != 'u') return -1;
  long value = 0;
  for (int i = 2; i < 6; i++) {
    const char *digits = "0123456789abcdef";
    const char *at = memchr(digits, p[i] >= 'A' && p[i] <= 'F' ? p[i] | 0x20 : p[i], 16);
    if (at == NULL) return -1;
    value = value * 16 + (at - digits);
  }
  return value;
}

static bool is_high(long v) { return v >= 0xD800 && v <= 0xDBFF; }
static bool is_low(long v) { return v >= 0xDC00 && v <= 0xDFFF; }

/* Copies one backslash escape, a surrogate without its other half as \ufffd. Returns bytes read. */
static size_t repair_escape(const char *p, size_t left, char **to) {
  long value = escape_value(p, left);
  size_t len = value < 0 ? (left < 2 ? left : 2) : 6;
  if (is_high(value) && is_low(escape_value(p + 6, left - 6))) {
    len = 12;
  } else if (is_high(value) || is_low(value)) {
    memcpy(*to, "\\ufffd", 6);
    *to += 6;
    return 6;
  }
  memcpy(*to, p, len);
  *to += len;
  return len;
}

/* Copies the text with invalid UTF-8 replaced; to has three bytes of room for each byte. Returns the length.
 */
static size_t repair(struct tern_slice json, char *to) {
  char *start = to;
  const char *p = json.ptr;
  for (size_t left = json.len; left > 0;) {
    size_t len;
    if (*p == '\\') {
      len = repair_escape(p, left, &to);
    } else if ((len = tern_utf8_len(p, left)) > 0) {
      memcpy(to, p, len);
      to += len;
    } else {
      memcpy(to, "\xEF\xBF\xBD", 3);
      to += 3;
      len = 1;
    }
    p += len;
    left -= len;
  }
  return (size_t)(to - start);
}

/* A policy's name for all of the connection, or {"pattern": "policy", ...} for what it subscribes to. */
static int read_overflow(struct overflow_rules **out, json_t *value) {
  struct overflow_rules *rules = overflow_rules_new();
  enum overflow_policy policy;
  const char *pattern;
  json_t *each;
  int error = rules == NULL ? -ENOMEM : 0;
  if (error == 0 && json_is_string(value)) {
    rules->has_default = overflow_policy_named(json_string_value(value), &rules->by_default);
    if (!rules->has_default) error = -EINVAL;
  } else if (error == 0 && json_is_object(value)) {
    json_object_foreach(value, pattern, each) {
      bool named = json_is_string(each) && overflow_policy_named(json_string_value(each), &policy);
      error = named ? overflow_rules_add_subject(rules, pattern, policy) : -EINVAL;
      if (error != 0) break;
    }
  } else if (error == 0) {
    error = -EINVAL;
  }
  if (error != 0) {
    overflow_rules_free(rules);
    return error;
  }
  overflow_rules_free(*out);
  *out = rules;
  return 0;
}

void nats_credentials_free(struct nats_credentials *credentials) {
  if (credentials == NULL) return;
  char *all[] = {credentials->user, credentials->pass, credentials->token, credentials->nkey,
                 credentials->signature};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    if (all[i] != NULL) explicit_bzero(all[i], strlen(all[i]));
    free(all[i]);
  }
  free(credentials);
}

/* Copies a string and overwrites what jansson has of it. One with a NUL inside would be taken for what is before it. */
static int store_secret(char **field, const json_t *value) {
  char *text = (char *)(uintptr_t)json_string_value(value);
  const size_t len = json_string_length(value);
  if (strlen(text) != len) return -EINVAL;
  char *copy = strdup(text);
  if (copy == NULL) return -ENOMEM;
  explicit_bzero(text, len);
  if (*field != NULL) explicit_bzero(*field, strlen(*field));
  free(*field);
  *field = copy;
  return 0;
}

static int store(struct nats_connect *connect, struct nats_credentials *credentials, const struct key *key,
                 json_t *value) {
  static const json_type wanted[] = {[BOOLEAN] = JSON_TRUE,
                                     [INTEGER] = JSON_INTEGER,
                                     [STRING] = JSON_STRING,
                                     [SECRET] = JSON_STRING,
                                     [OBJECT] = JSON_OBJECT};
  if (json_is_null(value)) return 0;
  if (key->type == OVERFLOW) return read_overflow(&connect->overflow, value);
  bool fits = json_typeof(value) == wanted[key->type] || (key->type == BOOLEAN && json_is_false(value));
  if (!fits) return -EINVAL;
  if (key->offset < 0 || (key->type == SECRET && credentials == NULL)) return 0;
  if (key->type == SECRET) return store_secret((char **)(void *)((char *)credentials + key->offset), value);
  void *field = (char *)connect + key->offset;
  if (key->type == BOOLEAN) {
    *(bool *)field = json_is_true(value);
  } else if (key->type == INTEGER) {
    *(int64_t *)field = json_integer_value(value);
  } else {
    char *copy = strdup(json_string_value(value));
    if (copy == NULL) return -ENOMEM;
    free(*(char **)field);
    *(char **)field = copy;
  }
  return 0;
}

static int read_object(struct nats_connect *connect, struct nats_credentials *credentials, json_t *object) {
  const char *name;
  json_t *value;
  json_object_foreach(object, name, value) {
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
      if (strcasecmp(name, keys[i].name) != 0) continue;
      int error = store(connect, credentials, &keys[i], value);
      if (error != 0) return error;
    }
  }
  return 0;
}

int nats_connect_parse(struct nats_connect *connect, struct tern_slice json) {
  return nats_connect_parse_all(connect, NULL, json);
}

static int load(struct tern_slice json, json_t **out) {
  char *text = malloc(json.len * 3 + 1);
  if (text == NULL) return -ENOMEM;
  size_t len = repair(json, text);
  json_error_t where;
  *out = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
  explicit_bzero(text, len);
  free(text);
  if (*out != NULL)
    return 0; /* jansson names every fault of the text; one without a name is a lack of memory */
  enum json_error_code code = json_error_code(&where);
  return code == json_error_unknown || code == json_error_out_of_memory ? -ENOMEM : -EINVAL;
}

int nats_connect_parse_all(struct nats_connect *connect, struct nats_credentials *credentials,
                           struct tern_slice json) {
  json_t *value;
  int error = load(json, &value);
  if (error != 0) return error;
  error = -EINVAL;
  if (json_is_null(value))
    error = 0;
  else if (json_is_object(value))
    error = read_object(connect, credentials, value);
  json_decref(value);
  return error;
}

/* ---- the trace ---- */

/* What is secret by its key, whatever is around it: pass, password, user_jwt, proxy_sig ... */
static bool is_secret(const char *key) {
  static const char *const secrets[] = {"user", "pass", "auth", "token", "jwt", "nkey", "sig", "secret"};
  for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
    if (strcasestr(key, secrets[i]) != NULL) return true;
  return false;
}

/* In objects inside of others, too. False without memory. */
static bool redact(json_t *value) {
  const char *key;
  json_t *each;
  size_t i;
  bool done = true;
  json_array_foreach(value, i, each) done = done && redact(each);
  json_object_foreach(value, key, each) {
    if (!is_secret(key)) {
      done = done && redact(each);
      continue;
    }
    if (json_is_string(each))
      explicit_bzero((char *)(uintptr_t)json_string_value(each), json_string_length(each));
    done = json_object_set_new(value, key, json_string("[REDACTED]")) == 0 && done;
  }
  return done;
}

char *nats_connect_shown(struct tern_slice json) {
  json_t *value;
  if (load(json, &value) != 0) return NULL;
  char *text = json_is_object(value) && redact(value) ? json_dumps(value, JSON_COMPACT) : NULL;
  json_decref(value);
  return text;
}
