/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks are compared key by key, lists without what both begin and end with:
 *
 *     { a: 1, b: [x, y, z] }  -->  a: 1 -> 2          what is left of two lists is compared one by one where both have
 *     { a: 2, b: [x, q, z] }       b: [.., y, ..] -> [.., q, ..]         as many blocks left, else told as it is
 *
 * Where a tree differs and no key in it does, it is written in another order, which may matter.
 *
 * Values go to terminals and logs, which more people read than the file. So a secret is told as "(a secret)": what is
 * under a key of secret_keys, whatever looks like the seed of an nkey, and variables, which may be either.
 */
#include "tree_diff.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "options_table.h"

#define NAME_BYTES  256
#define VALUE_BYTES 256
#define SEED_CHARS  58

static const char secret_keys[] = "password|pass|token|seed";
static const char secret[] = "(a secret)", another_secret[] = "(another one)";

struct walk {
  tree_diff_fn *each;
  void *arg;
  unsigned count;
  char name[NAME_BYTES];
};

/* Text that grows up to its room. What does not fit is left out, and said. */
struct text {
  char bytes[VALUE_BYTES];
  size_t len;
};

/* ---- values ---- */

static bool is_seed(const char *text) {
  return text[0] == 'S' && strlen(text) == SEED_CHARS &&
         strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == SEED_CHARS;
}

static bool is_secret(const struct conf_node *node) {
  if (node->is_variable || (node->key != NULL && option_has_name(secret_keys, node->key))) return true;
  return node->type == CONF_STRING && is_seed(node->text);
}

static void put(struct text *text, const char *more) {
  static const char cut[] = "...";
  for (; *more != '\0' && text->len < sizeof text->bytes - sizeof cut; more++)
    text->bytes[text->len++] = iscntrl((unsigned char)*more) ? '?' : *more;
  if (*more == '\0')
    text->bytes[text->len] = '\0';
  else
    memcpy(text->bytes + text->len, cut, sizeof cut);
}

static void put_node(struct text *text, const struct conf_node *node);

/* The elements or keys from `from` up to `end`, with what is around them. */
static void put_some(struct text *text, const struct conf_node *all, const struct conf_node *from,
                     const struct conf_node *end) {
  const bool is_map = all->type == CONF_MAP;
  const char *between = from != all->first ? ".., " : "";
  put(text, is_map ? "{" : "[");
  for (const struct conf_node *at = from; at != end; at = at->next) {
    put(text, between);
    between = ", ";
    if (is_map) put(text, at->key);
    if (is_map) put(text, ": ");
    put_node(text, at);
  }
  if (from == end && from != all->first)
    put(text, "..");
  else if (end != NULL)
    put(text, from == end ? ".." : ", ..");
  put(text, is_map ? "}" : "]");
}

/* Goes as deep as a tree may be, CONF_DEPTH_MAX. */
static void put_node(struct text *text, const struct conf_node *node) {
  if (is_secret(node))
    put(text, secret);
  else if (node->type == CONF_MAP || node->type == CONF_ARRAY)
    put_some(text, node, node->first, NULL);
  else
    put(text, node->text);
}

static bool same_tree(const struct conf_node *a, const struct conf_node *b) {
  if (a == NULL || b == NULL) return a == b;
  if (a->type != b->type) return false;
  if (a->text == NULL || b->text == NULL ? a->text != b->text : strcmp(a->text, b->text) != 0) return false;
  a = a->first;
  b = b->first;
  while (a != NULL && b != NULL) {
    if ((a->key != NULL && strcmp(a->key, b->key) != 0) || !same_tree(a, b)) return false;
    a = a->next;
    b = b->next;
  }
  return a == b;
}

/* ---- differences ---- */

static void tell(struct walk *walk, const char *before, const char *after) {
  walk->count++;
  if (walk->each == NULL || walk->count > TREE_DIFF_MAX + 1) return;
  const bool last = walk->count > TREE_DIFF_MAX;
  if (last) walk->name[strcspn(walk->name, ".[")] = '\0';
  walk->each(walk->arg, walk->name, last ? "" : before, last ? "and more" : after);
}

static void tell_values(struct walk *walk, const struct conf_node *a, const struct conf_node *b) {
  struct text before = {.len = 0}, after = {.len = 0};
  if (a != NULL) put_node(&before, a);
  if (b != NULL) put_node(&after, b);
  if (a != NULL && b != NULL && is_secret(a) && is_secret(b)) {
    tell(walk, secret, another_secret);
    return;
  }
  if (a != NULL && b != NULL && a->type != b->type && strcmp(before.bytes, after.bytes) == 0) {
    put(&before, " as ");
    put(&before, conf_type_name(a->type));
    put(&after, " as ");
    put(&after, conf_type_name(b->type));
  }
  tell(walk, before.bytes, after.bytes);
}

static void compare(struct walk *walk, const struct conf_node *a, const struct conf_node *b);

/* What is in them, under a longer name. A name that is too long is cut. */
static void compare_inside(struct walk *walk, const char *more, const struct conf_node *a,
                           const struct conf_node *b) {
  const size_t len = strlen(walk->name);
  snprintf(walk->name + len, sizeof walk->name - len, "%s", more);
  for (char *at = walk->name + len; *at != '\0'; at++)
    if (iscntrl((unsigned char)*at)) *at = '?';
  compare(walk, a, b);
  walk->name[len] = '\0';
}

static void compare_key(struct walk *walk, const char *key, const struct conf_node *a,
                        const struct conf_node *b) {
  char more[NAME_BYTES];
  snprintf(more, sizeof more, ".%s", key);
  compare_inside(walk, more, a, b);
}

/* That key: from a place on, where it mostly is, or before that. */
static const struct conf_node *find(const struct conf_node *map, const struct conf_node *from,
                                    const char *key) {
  for (const struct conf_node *at = from; at != NULL; at = at->next)
    if (strcmp(at->key, key) == 0) return at;
  for (const struct conf_node *at = map->first; at != from; at = at->next)
    if (strcmp(at->key, key) == 0) return at;
  return NULL;
}

static void compare_maps(struct walk *walk, const struct conf_node *a, const struct conf_node *b) {
  const unsigned count = walk->count;
  const struct conf_node *from = b->first;
  for (const struct conf_node *at = a->first; at != NULL && walk->count <= TREE_DIFF_MAX; at = at->next) {
    const struct conf_node *other = find(b, from, at->key);
    if (other != NULL) from = other->next;
    compare_key(walk, at->key, at, other);
  }
  from = a->first;
  for (const struct conf_node *at = b->first; at != NULL && walk->count <= TREE_DIFF_MAX; at = at->next) {
    const struct conf_node *other = find(a, from, at->key);
    if (other != NULL)
      from = other->next;
    else
      compare_key(walk, at->key, NULL, at);
  }
  if (walk->count == count) tell(walk, "(a block)", "(in another order)");
}

/* How many elements there are up to `end`. */
static unsigned count_of(const struct conf_node *from, const struct conf_node *end) {
  unsigned count = 0;
  for (; from != end; from = from->next)
    count++;
  return count;
}

static bool are_maps(const struct conf_node *from, const struct conf_node *end) {
  for (; from != end; from = from->next)
    if (from->type != CONF_MAP) return false;
  return true;
}

static const struct conf_node *skip_some(const struct conf_node *from, unsigned skip) {
  for (; skip > 0; skip--)
    from = from->next;
  return from;
}

/* Where, in both, the elements begin that are the same up to the end. Lists have no way back: it is looked for from the
 * front, among as many as the shorter one has. */
static void find_ends(const struct conf_node *a, const struct conf_node *b, const struct conf_node **end_a,
                      const struct conf_node **end_b) {
  const unsigned left_a = count_of(a, NULL), left_b = count_of(b, NULL),
                 most = left_a < left_b ? left_a : left_b;
  *end_a = a = skip_some(a, left_a - most);
  *end_b = b = skip_some(b, left_b - most);
  for (; a != NULL; a = a->next, b = b->next) {
    if (same_tree(a, b)) continue;
    *end_a = a->next;
    *end_b = b->next;
  }
}

static void compare_lists(struct walk *walk, const struct conf_node *a, const struct conf_node *b) {
  const struct conf_node *from_a = a->first, *from_b = b->first;
  unsigned number = 1;
  for (; from_a != NULL && from_b != NULL && same_tree(from_a, from_b); number++) {
    from_a = from_a->next;
    from_b = from_b->next;
  }
  const struct conf_node *end_a, *end_b;
  find_ends(from_a, from_b, &end_a, &end_b);
  const bool are_blocks = count_of(from_a, end_a) == count_of(from_b, end_b) && are_maps(from_a, end_a) &&
                          are_maps(from_b, end_b);
  if (!are_blocks) {
    struct text before = {.len = 0}, after = {.len = 0};
    put_some(&before, a, from_a, end_a);
    put_some(&after, b, from_b, end_b);
    tell(walk, before.bytes, after.bytes);
    return;
  }
  for (; from_a != end_a && from_b != end_b; from_a = from_a->next, from_b = from_b->next, number++) {
    char more[16];
    snprintf(more, sizeof more, "[%u]", number);
    compare_inside(walk, more, from_a, from_b);
  }
}

static void compare(struct walk *walk, const struct conf_node *a, const struct conf_node *b) {
  if (same_tree(a, b)) return;
  const bool both = a != NULL && b != NULL && !is_secret(a) && !is_secret(b) && a->type == b->type;
  if (both && a->type == CONF_MAP)
    compare_maps(walk, a, b);
  else if (both && a->type == CONF_ARRAY)
    compare_lists(walk, a, b);
  else
    tell_values(walk, a, b);
}

unsigned tree_diff(const char *key, const struct conf_node *before, const struct conf_node *after,
                   tree_diff_fn *each, void *arg) {
  struct walk walk = {.each = each, .arg = arg};
  snprintf(walk.name, sizeof walk.name, "%s", key);
  compare(&walk, before, after);
  return walk.count < TREE_DIFF_MAX + 1 ? walk.count : TREE_DIFF_MAX + 1;
}
