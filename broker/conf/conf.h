/* SPDX-License-Identifier: Apache-2.0 */
/**
 * nats-server's configuration language: text becomes a tree of maps, arrays and scalars, in which every node knows
 * where it was written. What keys mean is not known here. Thread: any; a tree is constant once it is made.
 */
#ifndef BROKER_CONF_CONF_H
#define BROKER_CONF_CONF_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bounds: blocks and arrays in one another, files in one another (variables of the environment likewise), files in all,
 * their text in all, memory for the tree. What exceeds one is an error. */
#define CONF_DEPTH_MAX        64
#define CONF_INCLUDE_MAX      16
#define CONF_FILES_MAX        1000
#define CONF_TEXT_MAX_BYTES   (16u << 20)
#define CONF_MEMORY_MAX_BYTES (64u << 20)

enum conf_type { CONF_MAP, CONF_ARRAY, CONF_STRING, CONF_INT, CONF_FLOAT, CONF_BOOL, CONF_TIME };

/** Where something is written; lines and columns count from 1, columns in bytes. */
struct conf_place {
  const char *file;
  unsigned line, column;
};

struct conf_node {
  enum conf_type type;
  bool is_variable;        /* something refers to it, so that it need not be a known key */
  unsigned height;         /* maps and arrays below it, itself included; 0: a scalar */
  const char *key;         /* as written; NULL: an array's element, or the root */
  struct conf_place place; /* of the key, of an element's value */
  const char *text;        /* scalars: a string's bytes, anything else as written */
  union {
    int64_t integer; /* CONF_INT; CONF_TIME: seconds since 1970 */
    double number;   /* CONF_FLOAT */
    bool truth;      /* CONF_BOOL */
  };
  const struct conf_node *first, *next; /* what is in a map or an array, in the order written */
};

struct conf;

/** What is wrong, with its place, ready to be printed: "file:line:column: reason". */
struct conf_error {
  char text[PATH_MAX + 512];
};

/** Reads a file and what it includes. Returns 0, or a negative error with the reason in *error. */
int conf_load(const char *path, struct conf **out, struct conf_error *error);
/** Reads text; `name` stands for the file's name in places, and includes are relative to its folder. */
int conf_parse(const char *name, const char *text, size_t len, struct conf **out, struct conf_error *error);
/** The map of everything. */
const struct conf_node *conf_root(const struct conf *conf);
/** What stands under a key, in any case, in a map; NULL: nothing, or it is no map. */
const struct conf_node *conf_find(const struct conf_node *map, const char *key);
/** What switches a feature off: false, "disabled", 0 of ports and limits; of a block the key `enabled`, or `mode: never`. */
bool conf_is_off(const struct conf_node *node);
/** Frees the tree. NULL is allowed. */
void conf_free(struct conf *conf);
/** "a string", "an integer", ... */
const char *conf_type_name(enum conf_type type);

#endif
