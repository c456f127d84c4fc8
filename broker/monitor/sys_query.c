/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options in JSON have other names than HTTP's parameters, and types: here they become the texts that pages read.
 * Unknown keys are passed over, as nats-server does. On the thread that answers.
 */
#include "sys_query.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum type { TYPE_BOOL, TYPE_NUMBER, TYPE_TEXT, TYPE_STATE };

/* The same parameter further down wins. */
static const struct {
  const char *parameter, *key;
  enum type type;
} options[SYS_PARAMETERS] = {
    {"auth", "auth", TYPE_BOOL},       {"subs", "subscriptions", TYPE_BOOL},
    {"cid", "cid", TYPE_NUMBER},       {"limit", "limit", TYPE_NUMBER},
    {"offset", "offset", TYPE_NUMBER}, {"sort", "sort", TYPE_TEXT},
    {"user", "user", TYPE_TEXT},       {"acc", "acc", TYPE_TEXT},
    {"acc", "account", TYPE_TEXT},     {"mqtt_client", "mqtt_client", TYPE_TEXT},
    {"test", "test", TYPE_TEXT},       {"unused", "include_unused", TYPE_BOOL},
    {"state", "state", TYPE_STATE},
};

static const char wrong_type[] = "an option of the request has a value of the wrong type";

/* The text of a value; NULL: it has the wrong type. */
static const char *text_of(const json_t *value, enum type type, char *number) {
  static const char *const states[] = {"open", "closed", "all"};
  const json_int_t integer = json_integer_value(value);
  switch (type) {
    case TYPE_BOOL:
      return json_is_boolean(value) ? (json_is_true(value) ? "true" : "false") : NULL;
    case TYPE_TEXT:
      return json_string_value(value);
    case TYPE_STATE:
      return json_is_integer(value) && integer >= 0 && integer < 3 ? states[integer] : NULL;
    default:
      if (!json_is_integer(value)) return NULL;
      snprintf(number, sizeof((struct sys_query *)0)->numbers[0], "%" JSON_INTEGER_FORMAT, integer);
      return number;
  }
}

static const char *read_options(struct sys_query *query) {
  for (size_t i = 0; i < SYS_PARAMETERS; i++) {
    const json_t *value = json_object_get(query->body, options[i].key);
    if (value == NULL || json_is_null(value)) continue;
    query->values[i] = text_of(value, options[i].type, query->numbers[i]);
    if (query->values[i] == NULL) return wrong_type;
  }
  return NULL;
}

const char *sys_query_read(struct sys_query *query, struct tern_slice body, const char *account) {
  memset(query, 0, sizeof *query);
  const char *problem = NULL;
  if (body.len > 0) {
    query->body = json_loadb(body.ptr, body.len, JSON_DECODE_ANY, NULL);
    if (query->body == NULL) return "the body of the request is no JSON";
    if (!json_is_object(query->body) && !json_is_null(query->body))
      return "the body of the request is no JSON object";
    problem = read_options(query);
  }
  for (size_t i = 0; account != NULL && i < SYS_PARAMETERS; i++)
    if (strcmp(options[i].parameter, "acc") == 0) query->values[i] = account;
  return problem;
}

const char *sys_query_parameter(const void *arg, const char *name) {
  const struct sys_query *query = arg;
  const char *found = NULL;
  for (size_t i = 0; i < SYS_PARAMETERS; i++)
    if (query->values[i] != NULL && strcmp(options[i].parameter, name) == 0) found = query->values[i];
  if (strcmp(name, "subs") == 0 && json_is_true(json_object_get(query->body, "subscriptions_detail")))
    found = "detail";
  else if (strcmp(name, "subs") == 0 && query->lists)
    found = "true";
  return found;
}

static bool fits(const struct sys_query *query, const char *key, const char *value, bool exact) {
  const char *wanted = json_string_value(json_object_get(query->body, key));
  if (wanted == NULL || *wanted == '\0') return true;
  return exact ? strcmp(value, wanted) == 0 : strstr(value, wanted) != NULL;
}

/* Has it all the tags that are asked for? What is no text is the tag of nobody. */
static bool is_tagged(const struct sys_server *server, const json_t *wanted) {
  for (size_t i = 0; i < json_array_size(wanted); i++) {
    const char *tag = json_string_value(json_array_get(wanted, i));
    size_t at = 0;
    while (at < server->tag_count && (tag == NULL || strcasecmp(server->tags[at], tag) != 0))
      at++;
    if (at == server->tag_count) return false;
  }
  return true;
}

/* This server is in no cluster and no domain. */
bool sys_query_means(const struct sys_query *query, const struct sys_server *server) {
  const bool exact = json_is_true(json_object_get(query->body, "exact_match"));
  return fits(query, "server_name", server->name, exact) && fits(query, "host", server->host, exact) &&
         fits(query, "cluster", "", exact) && fits(query, "domain", "", true) &&
         is_tagged(server, json_object_get(query->body, "tags"));
}

void sys_query_free(struct sys_query *query) { json_decref(query->body); }
