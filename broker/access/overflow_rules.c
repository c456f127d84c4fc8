/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See overflow_rules.h. In the configuration:
 *
 *     overflow: drop_old                       for everybody, or
 *     overflow {
 *       default: disconnect
 *       bytes: 1MB                             held back for one connection
 *       clients_choose: false                  what CONNECT asks for does not count
 *       types { unix: drop_new }
 *       users { dashboard: latest }
 *       subjects { "prices.>": latest }
 *     }
 *
 * Lists are short and read only when a connection begins or a subscription first overflows, so they are searched from
 * the front.
 */
#include "overflow_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <tern/subject.h>

#include "conf_report.h"

#define BYTES_MIN 4096

static const char *const names[] = {
    [OVERFLOW_DISCONNECT] = "disconnect",
    [OVERFLOW_DROP_NEW] = "drop_new",
    [OVERFLOW_DROP_OLD] = "drop_old",
    [OVERFLOW_LATEST] = "latest",
};
static const char wanted_policy[] = "disconnect, drop_new, drop_old or latest";

bool overflow_policy_named(const char *name, enum overflow_policy *out) {
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcasecmp(name, names[i]) != 0) continue;
    *out = (enum overflow_policy)i;
    return true;
  }
  return false;
}

const char *overflow_policy_name(enum overflow_policy policy) { return names[policy]; }

struct overflow_rules *overflow_rules_new(void) {
  struct overflow_rules *rules = calloc(1, sizeof *rules);
  if (rules == NULL) return NULL;
  rules->clients_choose = true;
  rules->bytes = OVERFLOW_BYTES_DEFAULT;
  return rules;
}

static void free_list(struct overflow_list *list) {
  for (size_t i = 0; i < list->count; i++)
    free(list->at[i].name);
  free(list->at);
}

void overflow_rules_free(struct overflow_rules *rules) {
  if (rules == NULL) return;
  free_list(&rules->types);
  free_list(&rules->users);
  free_list(&rules->subjects);
  free(rules);
}

static int add(struct overflow_list *list, const char *name, enum overflow_policy policy) {
  if (list->count >= OVERFLOW_RULES_MAX) return -EINVAL;
  struct overflow_rule *at = realloc(list->at, (list->count + 1) * sizeof *at);
  if (at == NULL) return -ENOMEM;
  list->at = at;
  char *copy = strdup(name);
  if (copy == NULL) return -ENOMEM;
  at[list->count++] = (struct overflow_rule){copy, policy};
  return 0;
}

int overflow_rules_add_subject(struct overflow_rules *rules, const char *pattern,
                               enum overflow_policy policy) {
  if (!tern_filter_is_valid(tern_slice_of(pattern))) return -EINVAL;
  return add(&rules->subjects, pattern, policy);
}

/* ---- the configuration ---- */

static int read_policy(const struct conf_node *node, struct conf_report *report, enum overflow_policy *out) {
  if (node->type == CONF_STRING && overflow_policy_named(node->text, out)) return 0;
  if (node->type == CONF_STRING)
    conf_wrong(report, node, "invalid value \"%.64s\" for %s: must be %s", node->text, node->key,
               wanted_policy);
  else
    conf_wrong_type(report, node, node->key, wanted_policy);
  return -EINVAL;
}

/* A block of names with a policy each. check: what is wrong with a name, or NULL. */
static int read_list(const struct conf_node *block, struct conf_report *report, struct overflow_list *list,
                     const char *(*check)(const char *name)) {
  if (block->type != CONF_MAP) {
    conf_wrong_type(report, block, block->key, "a block of names, each with a policy");
    return -EINVAL;
  }
  int result = 0;
  for (const struct conf_node *node = block->first; node != NULL; node = node->next) {
    enum overflow_policy policy = OVERFLOW_DISCONNECT;
    const char *wrong = check != NULL ? check(node->key) : NULL;
    int error = wrong != NULL ? -EINVAL : read_policy(node, report, &policy);
    if (wrong != NULL) conf_wrong(report, node, "\"%.64s\" %s", node->key, wrong);
    if (error == 0) {
      error = add(list, node->key, policy);
      if (error == -EINVAL) conf_wrong(report, node, "more than %d rules", OVERFLOW_RULES_MAX);
    }
    if (error == -ENOMEM) return error;
    if (error != 0) result = error;
  }
  return result;
}

static const char *check_type(const char *name) {
  bool known = strcasecmp(name, "tcp") == 0 || strcasecmp(name, "unix") == 0;
  return known ? NULL : "is not a type of connection; those are tcp and unix";
}

static const char *check_pattern(const char *name) {
  return tern_filter_is_valid(tern_slice_of(name)) ? NULL : "is not a subject or pattern";
}

static int read_field(const struct conf_node *node, struct conf_report *report,
                      struct overflow_rules *rules) {
  if (strcasecmp(node->key, "default") == 0) return read_policy(node, report, &rules->by_default);
  if (strcasecmp(node->key, "types") == 0) return read_list(node, report, &rules->types, check_type);
  if (strcasecmp(node->key, "users") == 0) return read_list(node, report, &rules->users, NULL);
  if (strcasecmp(node->key, "subjects") == 0) return read_list(node, report, &rules->subjects, check_pattern);
  if (strcasecmp(node->key, "bytes") == 0) {
    if (node->type == CONF_INT && node->integer >= BYTES_MIN) {
      rules->bytes = (uint64_t)node->integer;
      return 0;
    }
    if (node->type == CONF_INT)
      conf_wrong(report, node, "bytes must be at least %d", BYTES_MIN);
    else
      conf_wrong_type(report, node, node->key, "a size without quotes, like 1MB");
    return -EINVAL;
  }
  if (strcasecmp(node->key, "clients_choose") == 0) {
    rules->clients_choose = node->truth;
    if (node->type == CONF_BOOL) return 0;
    conf_wrong_type(report, node, node->key, "true or false, without quotes");
    return -EINVAL;
  }
  if (node->is_variable) return 0;
  conf_unknown(report, node, "overflow");
  return -EINVAL;
}

int overflow_rules_read(const struct conf_node *node, struct conf_report *report,
                        struct overflow_rules **out) {
  struct overflow_rules *rules = overflow_rules_new();
  if (rules == NULL) return -ENOMEM;
  int result = 0;
  if (node->type != CONF_MAP) {
    result = read_policy(node, report, &rules->by_default);
  } else {
    for (const struct conf_node *at = node->first; at != NULL && result != -ENOMEM; at = at->next) {
      int error = read_field(at, report, rules);
      if (error != 0) result = error;
    }
  }
  if (result != 0) {
    overflow_rules_free(rules);
    return result;
  }
  *out = rules;
  return 0;
}

int overflow_rules_of(const struct conf_node *root, struct overflow_rules **out) {
  struct conf_report report = {0};
  const struct conf_node *own = conf_find(root, "tern");
  const struct conf_node *node = own != NULL ? conf_find(own, "overflow") : NULL;
  *out = NULL;
  return node != NULL ? overflow_rules_read(node, &report, out) : 0;
}

/* ---- what holds ---- */

static const struct overflow_rule *find(const struct overflow_list *list, const char *name) {
  for (size_t i = 0; i < list->count; i++)
    if (strcmp(list->at[i].name, name) == 0) return &list->at[i];
  return NULL;
}

enum overflow_policy overflow_of_connection(const struct overflow_rules *rules, const char *type,
                                            const char *user) {
  const struct overflow_rule *rule = user != NULL ? find(&rules->users, user) : NULL;
  if (rule == NULL) rule = find(&rules->types, type);
  return rule != NULL ? rule->policy : rules->by_default;
}

enum overflow_policy overflow_of_subscription(const struct overflow_rules *rules, struct tern_slice filter,
                                              enum overflow_policy otherwise) {
  for (size_t i = 0; i < rules->subjects.count; i++)
    if (tern_filter_matches(tern_slice_of(rules->subjects.at[i].name), filter))
      return rules->subjects.at[i].policy;
  return otherwise;
}
