/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two sets of options compared: what has a row in the table of options by its value, blocks of the file, which have
 * readers of their own, by their trees (tree_diff.h). That a block is written in another way, or another order, counts as a
 * change.
 */
#include "options_diff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf.h"
#include "options_table.h"
#include "tree_diff.h"
#include "values.h"

#define VALUE_BYTES 256

/* Blocks and keys that are not in the table of options. What is not here either is ignored with a warning. */
static const struct block {
  const char *keys;
  bool live;
  bool is_flag; /* true or false; false when it is not there */
} blocks[] = {
    {"authorization", true, false},
    {"accounts", true, false},
    {"no_auth_user", true, false},
    {"mappings|maps", true, false},
    {"server_tags", true, false},
    {"server_metadata", true, false},
    {"tls", true, false},
    {"allow_non_tls", true, true},
    {"system_account|system", false, false},
    {"no_system_account|no_sys_acc|no_system", false, true},
    {OPTION_OWN_BLOCK "overflow", true, false},
    {OPTION_OWN_BLOCK "unix_users", true, false},
};

/* ---- values ---- */

static void format_handlers(const struct options *options, char *text, size_t room) {
  size_t len = 0;
  text[0] = '\0';
  for (size_t i = 0; i < options->handler_count && len < room; i++)
    len += (size_t)snprintf(text + len, room - len, "%s%s=%s", i > 0 ? " " : "", options->handlers[i].filter,
                            options->handlers[i].module);
}

static void format(const struct options *options, const struct option *option, char *text, size_t room) {
  struct options *o =
      (struct options *)(uintptr_t)options; /* the table's access is for readers and writers */
  const char *string = "";
  switch (option->kind) {
    case OPTION_STRING:
    case OPTION_LISTEN:
      string = *(char **)option_member(o, option);
      snprintf(text, room, "%s", string != NULL ? string : "");
      break;
    case OPTION_BOOL:
      snprintf(text, room, "%s", *(bool *)option_member(o, option) ? "true" : "false");
      break;
    case OPTION_SIZE:
      value_format_size(option_number(o, option), text, room);
      break;
    case OPTION_DURATION:
      value_format_duration(option_number(o, option), text, room);
      break;
    default:
      snprintf(text, room, "%" PRId64, option_number(o, option));
      break;
  }
}

static bool same_strings(const char *a, const char *b) {
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_handlers(const struct options *a, const struct options *b) {
  if (a->handler_count != b->handler_count) return false;
  for (size_t i = 0; i < a->handler_count; i++)
    if (strcmp(a->handlers[i].filter, b->handlers[i].filter) != 0 ||
        strcmp(a->handlers[i].module, b->handlers[i].module) != 0)
      return false;
  return true;
}

static bool is_string(const struct option *option) {
  return option->kind == OPTION_STRING || option->kind == OPTION_LISTEN;
}

/* Rows without a member, and other ways to set the same one. */
static bool is_shown_elsewhere(const struct option *option) {
  if (option->size == 0) return true;
  for (const struct option *other = option_table; option->kind == OPTION_LISTEN && other < option; other++)
    if (other->size > 0 && other->offset == option->offset) return true;
  return false;
}

static bool same_value(const struct options *a, const struct options *b, const struct option *option) {
  const char *in_a = (const char *)a + option->offset, *in_b = (const char *)b + option->offset;
  if (is_string(option))
    return same_strings(*(char *const *)(const void *)in_a, *(char *const *)(const void *)in_b);
  return memcmp(in_a, in_b, option->size) == 0;
}

/* ---- trees ---- */

static const struct conf_node *find_in(const struct conf_node *map, const char *keys) {
  const struct conf_node *node = map != NULL && map->type == CONF_MAP ? map->first : NULL;
  while (node != NULL && !option_has_name(keys, node->key))
    node = node->next;
  return node;
}

/* A key of the file, or one of tern's own block. */
static const struct conf_node *find(const struct options *options, const char *keys) {
  const struct conf_node *root = options->conf != NULL ? conf_root(options->conf) : NULL;
  const size_t own = strlen(OPTION_OWN_BLOCK);
  if (strncmp(keys, OPTION_OWN_BLOCK, own) != 0) return find_in(root, keys);
  return find_in(find_in(root, "tern"), keys + own);
}

static bool is_set(const struct conf_node *node) {
  return node != NULL && node->type == CONF_BOOL && node->truth;
}

/* ---- everything ---- */

struct walk {
  void (*each)(void *arg, const struct options_change *change);
  void *arg;
  unsigned count;
  bool live; /* the block that is being compared */
};

/* The first spelling. */
static void put_name(char *name, size_t room, const char *keys) {
  size_t len = 0;
  const size_t own = strlen(OPTION_OWN_BLOCK);
  if (strncmp(keys, OPTION_OWN_BLOCK, own) == 0) keys += own;
  const char *list = keys, *first = option_next_name(&list, &len);
  snprintf(name, room, "%.*s", (int)len, first);
}

static void found(struct walk *walk, const char *keys, const char *before, const char *after, bool live) {
  char name[64];
  put_name(name, sizeof name, keys);
  walk->count++;
  if (walk->each != NULL)
    walk->each(walk->arg,
               &(struct options_change){.name = name, .before = before, .after = after, .live = live});
}

static void found_in_tree(void *arg, const char *name, const char *before, const char *after) {
  struct walk *walk = arg;
  walk->count++;
  if (walk->each != NULL)
    walk->each(walk->arg,
               &(struct options_change){.name = name, .before = before, .after = after, .live = walk->live});
}

unsigned options_diff(const struct options *before, const struct options *after,
                      void (*each)(void *arg, const struct options_change *change), void *arg) {
  struct walk walk = {.each = each, .arg = arg};
  char old[VALUE_BYTES], new[VALUE_BYTES];
  for (size_t i = 0; i < option_count; i++) {
    const struct option *option = &option_table[i];
    if (option->keys == NULL || is_shown_elsewhere(option) || same_value(before, after, option)) continue;
    format(before, option, old, sizeof old);
    format(after, option, new, sizeof new);
    found(&walk, option->keys, old, new, option->live);
  }
  if (!same_handlers(before, after)) {
    format_handlers(before, old, sizeof old);
    format_handlers(after, new, sizeof new);
    found(&walk, "handlers", old, new, false);
  }
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
    const struct conf_node *a = find(before, blocks[i].keys), *b = find(after, blocks[i].keys);
    if (blocks[i].is_flag && is_set(a) == is_set(b)) continue;
    put_name(old, sizeof old, blocks[i].keys);
    walk.live = blocks[i].live;
    tree_diff(old, a, b, found_in_tree, &walk);
  }
  return walk.count;
}

void options_keep(struct options *newer, struct options *older) {
  for (size_t i = 0; i < option_count; i++) {
    const struct option *option = &option_table[i];
    if (!is_string(option) || is_shown_elsewhere(option) || !same_value(newer, older, option)) continue;
    char **a = option_member(newer, option), **b = option_member(older, option), *string = *a;
    *a = *b;
    *b = string;
  }
  if (!same_handlers(newer, older)) return;
  struct options_handler *handlers = newer->handlers;
  newer->handlers = older->handlers;
  older->handlers = handlers;
}
