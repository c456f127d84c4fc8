/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_tags is a string or a list of strings. As in nats-server they are kept in lower case, without blanks around, and
 * each once. server_metadata is a map of strings and stays in the configuration's tree.
 */
#include "labels.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "options_table.h"

bool labels_has_key(const char *key) { return option_has_name("server_tags|server_metadata", key); }

/* Only ASCII letters have cases here. */
static char *plain(const char *text) {
  const size_t blanks = strspn(text, " \t\r\n");
  size_t len = strlen(text + blanks);
  while (len > 0 && strchr(" \t\r\n", text[blanks + len - 1]) != NULL)
    len--;
  char *copy = strndup(text + blanks, len);
  for (size_t i = 0; copy != NULL && i < len; i++)
    copy[i] = (char)tolower((unsigned char)copy[i]);
  return copy;
}

static bool has(const struct options *options, const char *tag) {
  for (size_t i = 0; i < options->tag_count; i++)
    if (strcmp(options->tags[i], tag) == 0) return true;
  return false;
}

static void add(struct options *options, const struct conf_node *node, struct conf_report *report) {
  char *tag = plain(node->text);
  bool wanted = tag != NULL && tag[0] != '\0' && !has(options, tag);
  char **tags = wanted ? realloc(options->tags, (options->tag_count + 1) * sizeof *tags) : NULL;
  if (tag == NULL || (wanted && tags == NULL)) conf_wrong(report, node, "%s", option_no_memory);
  if (tags == NULL) {
    free(tag);
    return;
  }
  tags[options->tag_count++] = tag;
  options->tags = tags;
}

static void read_tags(struct options *options, const struct conf_node *node, struct conf_report *report) {
  const bool list = node->type == CONF_ARRAY;
  for (const struct conf_node *at = list ? node->first : node; at != NULL; at = list ? at->next : NULL) {
    if (at->type == CONF_STRING)
      add(options, at, report);
    else
      conf_wrong_type(report, at, node->key, "a string, or a list of strings");
  }
}

static void check_metadata(const struct conf_node *node, struct conf_report *report) {
  if (node->type != CONF_MAP) {
    conf_wrong_type(report, node, node->key, "a block: server_metadata { KEY: VALUE }");
    return;
  }
  for (const struct conf_node *at = node->first; at != NULL; at = at->next)
    if (at->type != CONF_STRING) conf_wrong_type(report, at, at->key, "a string in quotes");
}

void labels_read(struct options *options, const struct conf_node *node, struct conf_report *report) {
  if (option_has_name("server_tags", node->key))
    read_tags(options, node, report);
  else
    check_metadata(node, report);
}

const struct conf_node *labels_metadata(const struct options *options) {
  return options->conf != NULL ? conf_find(conf_root(options->conf), "server_metadata") : NULL;
}

void labels_free(struct options *options) {
  for (size_t i = 0; i < options->tag_count; i++)
    free(options->tags[i]);
  free(options->tags);
  options->tags = NULL;
  options->tag_count = 0;
}
