/* SPDX-License-Identifier: Apache-2.0 */
/* A tree as text: what was quoted or not a scalar is written one way, numbers and switches as they were written. */
#include "conf_text.h"

#include <stdio.h>
#include <string.h>

struct out {
  char *at, *end;
  bool full;
};

static void put(struct out *out, const char *text, size_t len) {
  if ((size_t)(out->end - out->at) <= len) out->full = true;
  if (out->full) return;
  memcpy(out->at, text, len);
  out->at += len;
}

static void put_string(struct out *out, const char *text) {
  put(out, "\"", 1);
  for (; *text != '\0'; text++) {
    char escape[8];
    unsigned char byte = (unsigned char)*text;
    if (byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\')
      put(out, text, 1);
    else
      put(out, escape, (size_t)snprintf(escape, sizeof escape, "\\x%02x", byte));
  }
  put(out, "\"", 1);
}

/* Keys have no escapes; one with both quotes in it was bare. */
static void put_key(struct out *out, const char *key) {
  const char *quote = strchr(key, '"') == NULL ? "\"" : strchr(key, '\'') == NULL ? "'" : "";
  put(out, quote, strlen(quote));
  put(out, key, strlen(key));
  put(out, quote, strlen(quote));
  put(out, ":", 1);
}

static void put_node(struct out *out, const struct conf_node *node) {
  if (node->type == CONF_STRING) {
    put_string(out, node->text);
  } else if (node->type != CONF_MAP && node->type != CONF_ARRAY) {
    put(out, node->text, strlen(node->text));
  } else {
    put(out, node->type == CONF_MAP ? "{" : "[", 1);
    for (const struct conf_node *child = node->first; child != NULL && !out->full; child = child->next) {
      if (child != node->first) put(out, ",", 1);
      if (node->type == CONF_MAP) put_key(out, child->key);
      put_node(out, child);
    }
    put(out, node->type == CONF_MAP ? "}" : "]", 1);
  }
}

bool conf_text(const struct conf_node *node, char *text, size_t room) {
  struct out out = {text, text + room, false};
  put_node(&out, node);
  *out.at = '\0';
  return !out.full;
}
