/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration language. An input is the text of a file; two environment variables can be referred to. Inputs that
 * include files are left out: what they do would depend on where the fuzzer runs.
 *
 * What must hold:
 *   - a text makes a tree, or an error that says something and, but for the bounds, where in the text;
 *   - places are in the text, heights are right and bounded, scalars have a text and entries of maps a key;
 *   - an end of line more at the end changes nothing;
 *   - the tree, written as text, reads back to the same tree.
 */
#include "conf.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "conf_text.h"
#include "target.h"

#define TEXT_BYTES (1 << 20)

static unsigned lines; /* of the input */

static void check_node(const struct conf_node *node, bool in_map, unsigned depth) {
  bool container = node->type == CONF_MAP || node->type == CONF_ARRAY;
  unsigned below = 0;
  FUZZ_CHECK(depth + node->height <= CONF_DEPTH_MAX + 1);
  FUZZ_CHECK(container == (node->height > 0) && (container || node->first == NULL));
  FUZZ_CHECK(container || node->text != NULL);
  FUZZ_CHECK(depth == 1 || (node->key != NULL && node->key[0] != '\0') == in_map);
  FUZZ_CHECK(depth == 1 || (node->place.line >= 1 && node->place.column >= 1));
  FUZZ_CHECK(node->place.file[0] == '$' || node->place.line <= lines);
  for (const struct conf_node *child = node->first; child != NULL; child = child->next)
    if (child->height > below) below = child->height;
  FUZZ_CHECK(!container || node->height > below);
}

/* All nodes; where references share, as often as there is room for. */
static void check_tree(const struct conf_node *node, bool in_map, unsigned depth, unsigned *left) {
  if (*left == 0) return;
  --*left;
  check_node(node, in_map, depth);
  for (const struct conf_node *child = node->first; child != NULL; child = child->next)
    check_tree(child, node->type == CONF_MAP, depth + 1, left);
}

static struct conf *parse(const char *text, size_t len) {
  struct conf *conf;
  struct conf_error error;
  int result = conf_parse("fuzz", text, len, &conf, &error);
  FUZZ_CHECK((result < 0) == (conf == NULL) && (result < 0) == (error.text[0] != '\0'));
  return conf;
}

/* The text must make the tree that `want` is. */
static void check_same(const char *text, size_t len, const char *want) {
  static char again[TEXT_BYTES];
  struct conf *conf = parse(text, len);
  FUZZ_CHECK(conf != NULL && conf_text(conf_root(conf), again, sizeof again));
  FUZZ_CHECK(strcmp(again, want) == 0);
  conf_free(conf);
}

static bool includes(const char *text, size_t len) {
  for (size_t i = 0; i + 7 <= len; i++)
    if (strncasecmp(text + i, "include", 7) == 0) return true;
  return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  static char text[TEXT_BYTES];
  const char *input = (const char *)data;
  if (len > TEXT_BYTES / 16 || includes(input, len)) return 0;
  clearenv();
  setenv("NUMBER", "4KB", 1);
  setenv("LIST", "[1, {a: $NUMBER}]", 1);
  struct conf *conf = parse(input, len);
  if (conf == NULL) return 0;
  lines = 1;
  for (size_t i = 0; i < len; i++)
    lines += input[i] == '\n';
  unsigned left = 100000;
  check_tree(conf_root(conf), false, 1, &left);
  bool fits = conf_text(conf_root(conf), text, sizeof text);
  conf_free(conf);
  if (!fits) return 0;
  check_same(text, strlen(text), text);
  char *longer = malloc(len + 1);
  if (longer == NULL) abort();
  memcpy(longer, input, len);
  longer[len] = '\n';
  check_same(longer, len + 1, text);
  free(longer);
  return 0;
}
