/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration language: from files to a tree.
 *
 *     file    = entries | "{" entries "}"                  JSON is valid input
 *     entries = { entry gap }                              gap: end of line, ',' or ';'
 *     entry   = key [":" | "="] value | "include" path
 *     value   = "{" entries "}" | "[" { value gap } "]" | "$" name | scalar          gap: end of line or ','
 *
 * A key that is repeated in a map replaces what was there. $name is the last value of that key before, in the map
 * around or in those around it; else the environment variable, whose text is read as a value. What is included is read
 * by itself (its variables are its own) and then its keys are put where the include stands. A reference shares what
 * is below the value it refers to, so that a tree is never larger than its text.
 *
 *     struct conf     all of it: memory, the tree, bounds, and while reading an index of (map, key)
 *     struct source   one text being read: a file, a variable of the environment
 *     struct scope    one map being read, inside of another
 *
 * All nodes and strings are in one arena and go at once. Reading recurses, to CONF_DEPTH_MAX. Blocks while it reads
 * files; of a file that is no regular one (a pipe) it reads all there is.
 */
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_scan.h"

#define CHUNK_BYTES 65536u

/* A piece of the arena. */
struct chunk {
  struct chunk *next;
  size_t used, size;
  max_align_t bytes[];
};

struct conf {
  struct conf_node *root;
  struct chunk *chunks;
  size_t memory, text; /* bytes so far */
  unsigned files;
  void *index; /* struct slot by map and key, for tsearch */
  struct conf_error *error;
};

/* A key of a map that is being read. */
struct slot {
  const struct conf_node *map;
  struct conf_node *node;
};

struct scope {
  struct conf_node *map, *last;
  const struct scope *outer; /* NULL: the outermost of its source */
  unsigned depth;
};

struct source {
  struct conf_scan scan;
  const struct source *outer; /* what includes it, or refers to it */
  unsigned nesting;
  dev_t device;
  ino_t inode; /* 0: not a file */
};

/* ---- errors and memory ---- */

int conf_fail(struct conf *conf, struct conf_place place, const char *format, ...) {
  char *text = conf->error->text;
  const size_t room = sizeof conf->error->text;
  int len = 0;
  if (place.line > 0)
    len = snprintf(text, room, "%.*s:%u:%u: ", PATH_MAX, place.file, place.line, place.column);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + len, room - (size_t)len, format, arguments);
  va_end(arguments);
  return -EINVAL;
}

static int no_memory(struct conf *conf) {
  snprintf(conf->error->text, sizeof conf->error->text, "out of memory");
  return -ENOMEM;
}

void *conf_alloc(struct conf *conf, size_t size) {
  size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
  struct chunk *chunk = conf->chunks;
  if (chunk == NULL || chunk->size - chunk->used < size) {
    size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    bool fits = room <= CONF_MEMORY_MAX_BYTES - conf->memory;
    chunk = fits ? malloc(sizeof *chunk + room) : NULL;
    if (chunk == NULL) {
      no_memory(conf);
      if (!fits)
        snprintf(conf->error->text, sizeof conf->error->text, "the configuration needs more than %u MiB",
                 CONF_MEMORY_MAX_BYTES >> 20);
      return NULL;
    }
    *chunk = (struct chunk){.next = conf->chunks, .size = room};
    conf->chunks = chunk;
    conf->memory += room;
  }
  void *memory = (char *)chunk->bytes + chunk->used;
  chunk->used += size;
  return memory;
}

static struct conf_node *new_node(struct conf *conf, struct conf_place place) {
  struct conf_node *node = conf_alloc(conf, sizeof *node);
  if (node != NULL) *node = (struct conf_node){.type = CONF_MAP, .height = 1, .place = place};
  return node;
}

/* ---- maps ---- */

static int compare(const void *left, const void *right) {
  const struct slot *a = left, *b = right;
  if (a->map != b->map) return (uintptr_t)a->map < (uintptr_t)b->map ? -1 : 1;
  return strcmp(a->node->key, b->node->key);
}

/* Puts a node behind the others of the map, or in the place of the one with the same key. */
static int put(struct conf *conf, struct scope *scope, struct conf_node *node) {
  struct slot *slot = conf_alloc(conf, sizeof *slot);
  if (slot == NULL) return -ENOMEM;
  *slot = (struct slot){scope->map, node};
  struct slot **found = tsearch(slot, &conf->index, compare);
  if (found == NULL) return no_memory(conf);
  struct conf_node *same = (*found)->node;
  if (same != node) {
    const struct conf_node *next = same->next;
    *same = *node;
    same->next = next;
    return 0;
  }
  if (scope->last == NULL)
    scope->map->first = node;
  else
    scope->last->next = node;
  scope->last = node;
  return 0;
}

static struct conf_node *find(struct conf *conf, const struct scope *scope, const char *name) {
  struct conf_node probe = {.key = name};
  for (; scope != NULL; scope = scope->outer) {
    struct slot wanted = {scope->map, &probe};
    struct slot **found = tfind(&wanted, &conf->index, compare);
    if (found != NULL) return (*found)->node;
  }
  return NULL;
}

/* ---- values ---- */

static int read_value(struct source *source, const struct scope *scope, struct conf_node *node,
                      unsigned depth);
static int read_entries(struct source *source, struct scope *scope, bool braces);
static int read_include(struct source *source, struct scope *scope, struct conf_place place);

/* Counts a node into the height of what it is in. */
static int note_height(struct conf *conf, const struct conf_node *node, struct conf_node *above,
                       unsigned depth) {
  if (node->height >= above->height) above->height = node->height + 1;
  if (depth + node->height <= CONF_DEPTH_MAX) return 0;
  return conf_fail(conf, node->place, "more than %d blocks and arrays in one another", CONF_DEPTH_MAX);
}

/* What stands between two values. `first`: nothing has to. True when the list goes on, false at `close`. */
static bool next_in_list(struct conf_scan *scan, const char *separators, char close, bool first) {
  bool separated = scan_gap(scan) || first;
  if (!first && !scan_is_end(scan) && strchr(separators, *scan->at) != NULL) {
    scan->at++;
    scan_gap(scan);
    separated = true;
  }
  return separated && !scan_is(scan, close) && !scan_is_end(scan);
}

static int read_array(struct source *source, const struct scope *scope, struct conf_node *array,
                      unsigned depth) {
  struct conf_scan *scan = &source->scan;
  const struct conf_place start = scan_place(scan);
  struct conf_node *last = NULL;
  array->type = CONF_ARRAY;
  array->height = 1;
  scan->at++;
  while (next_in_list(scan, ",", ']', last == NULL)) {
    struct conf_node *node = new_node(scan->conf, scan_place(scan));
    if (node == NULL) return -ENOMEM;
    int error = read_value(source, scope, node, depth);
    if (error == 0) error = note_height(scan->conf, node, array, depth);
    if (error < 0) return error;
    if (last == NULL)
      array->first = node;
    else
      last->next = node;
    last = node;
  }
  if (scan_is_end(scan)) return conf_fail(scan->conf, start, "the '[' that opens here is not closed");
  if (!scan_is(scan, ']')) return scan_unexpected(scan, "',', a new line or ']' after the value");
  scan->at++;
  return 0;
}

static int read_map(struct source *source, const struct scope *scope, struct conf_node *map, unsigned depth) {
  struct conf_scan *scan = &source->scan;
  const struct conf_place start = scan_place(scan);
  struct scope inner = {.map = map, .outer = scope, .depth = depth};
  map->type = CONF_MAP;
  map->height = 1;
  scan->at++;
  int error = read_entries(source, &inner, true);
  if (error < 0) return error;
  if (scan_is_end(scan)) return conf_fail(scan->conf, start, "the '{' that opens here is not closed");
  scan->at++;
  return 0;
}

/* The text of an environment variable, read as a value; without one it is an empty string. */
static int read_environment(struct source *source, struct conf_node *node, struct conf_place place,
                            unsigned depth) {
  struct conf *conf = source->scan.conf;
  const char *name = node->text;
  const char *text = getenv(name);
  if (text == NULL)
    return conf_fail(conf, place,
                     "variable reference for '%.64s' can not be found: no key above, no environment variable",
                     name);
  if (source->nesting + 1 > CONF_INCLUDE_MAX)
    return conf_fail(conf, place, "environment variables that refer to each other: $%.64s", name);
  struct source inner = {
      .outer = source,
      .nesting = source->nesting + 1,
      .scan = {.conf = conf, .at = text, .end = text + strlen(text), .line_start = text, .line = 1}};
  char *file = conf_alloc(conf, strlen(name) + 2);
  if (file == NULL) return -ENOMEM;
  snprintf(file, strlen(name) + 2, "$%s", name);
  inner.scan.file = file;
  int error = scan_check(&inner.scan);
  scan_spaces(&inner.scan);
  if (error == 0 && scan_is_end(&inner.scan)) { /* as in nats-server */
    node->text = "";
    return 0;
  }
  if (error == 0) error = read_value(&inner, NULL, node, depth);
  if (error == 0) scan_gap(&inner.scan);
  if (error == 0 && !scan_is_end(&inner.scan)) return scan_unexpected(&inner.scan, "one value");
  return error;
}

static int read_value(struct source *source, const struct scope *scope, struct conf_node *node,
                      unsigned depth) {
  struct conf_scan *scan = &source->scan;
  const struct conf_place place = scan_place(scan);
  bool reference;
  node->height = 0;
  if ((scan_is(scan, '{') || scan_is(scan, '[')) && depth >= CONF_DEPTH_MAX)
    return conf_fail(scan->conf, place, "more than %d blocks and arrays in one another", CONF_DEPTH_MAX);
  if (scan_is(scan, '{')) return read_map(source, scope, node, depth + 1);
  if (scan_is(scan, '[')) return read_array(source, scope, node, depth + 1);
  int error = scan_scalar(scan, node, &reference);
  if (error < 0 || !reference) return error;
  struct conf_node *target = find(scan->conf, scope, node->text);
  if (target == NULL) return read_environment(source, node, place, depth);
  target->is_variable = true;
  struct conf_node copy = *target;
  copy.key = node->key;
  copy.place = node->place;
  copy.next = NULL;
  copy.is_variable = false;
  *node = copy;
  return 0;
}

/* ---- entries ---- */

static int read_entry(struct source *source, struct scope *scope, bool braces) {
  struct conf_scan *scan = &source->scan;
  struct conf_node *node = new_node(scan->conf, scan_place(scan));
  bool quoted;
  if (node == NULL) return -ENOMEM;
  int error = scan_key(scan, &node->key, &quoted);
  if (error < 0) return error;
  if (!quoted && strcasecmp(node->key, "include") == 0 && !scan_is(scan, ':') && !scan_is(scan, '='))
    return read_include(source, scope, node->place);
  scan_spaces(scan);
  if (scan_is(scan, ':') || scan_is(scan, '=')) {
    scan->at++;
    scan_blanks(scan);
    if (!braces && scan_is_space(scan)) return scan_unexpected(scan, "a value on the line of its key");
    scan_spaces(scan);
  }
  if (scan_is_end(scan) || scan_is(scan, '}'))
    return conf_fail(scan->conf, node->place, "the key \"%.64s\" has no value", node->key);
  error = read_value(source, scope, node, scope->depth);
  if (error == 0) error = note_height(scan->conf, node, scope->map, scope->depth);
  return error < 0 ? error : put(scan->conf, scope, node);
}

/* Reads to the '}' (and stays before it) or to the end. */
static int read_entries(struct source *source, struct scope *scope, bool braces) {
  struct conf_scan *scan = &source->scan;
  for (bool first = true; next_in_list(scan, ",;", '}', first); first = false) {
    int error = read_entry(source, scope, braces);
    if (error < 0) return error;
  }
  if (scan_is_end(scan) || (braces && scan_is(scan, '}'))) return 0;
  if (scan_is(scan, '}')) return conf_fail(scan->conf, scan_place(scan), "a '}' without a '{'");
  return scan_unexpected(scan, braces ? "',', ';', a new line or '}' after the value"
                                      : "',', ';' or a new line after the value");
}

/* All of a text, whose keys go into the scope. */
static int read_text(struct source *source, struct scope *scope) {
  struct conf_scan *scan = &source->scan;
  int error = scan_check(scan);
  if (error < 0) return error;
  scan_gap(scan);
  if (!scan_is(scan, '{')) return read_entries(source, scope, false);
  const struct conf_place start = scan_place(scan);
  scan->at++;
  error = read_entries(source, scope, true);
  if (error < 0) return error;
  if (scan_is_end(scan)) return conf_fail(scan->conf, start, "the '{' that opens here is not closed");
  scan->at++;
  scan_gap(scan);
  return scan_is_end(scan) ? 0 : scan_unexpected(scan, "nothing after the '}' that ends the file");
}

/* ---- files ---- */

/* Reads to the end of a descriptor, into *text, to be freed. */
static int read_all(struct conf *conf, int fd, struct conf_place place, const char *path, char **text,
                    size_t *len) {
  size_t room = 0;
  *text = NULL;
  *len = 0;
  for (;;) {
    if (*len == room) {
      room = room == 0 ? CHUNK_BYTES : 2 * room;
      char *larger = realloc(*text, room);
      if (larger == NULL) return no_memory(conf);
      *text = larger;
    }
    ssize_t n = read(fd, *text + *len, room - *len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return conf_fail(conf, place, "cannot read %.1024s: %s", path, strerror(errno));
    if (n == 0) return 0;
    *len += (size_t)n;
    if (*len > CONF_TEXT_MAX_BYTES - conf->text)
      return conf_fail(conf, place, "%.1024s is too large: more than %u MiB", path,
                       CONF_TEXT_MAX_BYTES >> 20);
  }
}

static int check_nesting(const struct source *source, struct conf_place place) {
  struct conf *conf = source->scan.conf;
  if (++conf->files > CONF_FILES_MAX) return conf_fail(conf, place, "more than %d files", CONF_FILES_MAX);
  for (const struct source *outer = source->outer; outer != NULL && source->inode != 0; outer = outer->outer)
    if (outer->inode == source->inode && outer->device == source->device)
      return conf_fail(conf, place, "%.1024s includes itself", source->scan.file);
  if (source->nesting > CONF_INCLUDE_MAX)
    return conf_fail(conf, place, "more than %d files include one another", CONF_INCLUDE_MAX);
  return 0;
}

/* Reads a file whose path is in the arena. `place` is where the path was found; without a line, on the command line. */
static int read_file(struct conf *conf, const struct source *outer, const char *path, struct conf_place place,
                     struct scope *scope) {
  struct source source = {.outer = outer, .nesting = outer != NULL ? outer->nesting + 1 : 0};
  struct stat stat;
  char *text = NULL;
  size_t len = 0;
  source.scan = (struct conf_scan){.conf = conf, .file = path, .line = 1};
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return conf_fail(conf, place, "cannot read %.1024s: %s", path, strerror(errno));
  if (fstat(fd, &stat) == 0) {
    source.device = stat.st_dev;
    source.inode = stat.st_ino;
  }
  int error = check_nesting(&source, place);
  if (error == 0) error = read_all(conf, fd, place, path, &text, &len);
  close(fd);
  if (error == 0) {
    conf->text += len;
    source.scan.at = source.scan.line_start = text;
    source.scan.end = text + len;
    error = read_text(&source, scope);
  }
  free(text);
  return error;
}

/* A path as seen from the folder of a file. */
static int relative_to(struct conf *conf, const char *file, const char *path, const char **out) {
  const char *slash = *path != '/' ? strrchr(file, '/') : NULL;
  size_t folder = slash != NULL ? (size_t)(slash - file) + 1 : 0, size = folder + strlen(path) + 1;
  char *joined = conf_alloc(conf, size);
  if (joined == NULL) return -ENOMEM;
  snprintf(joined, size, "%.*s%s", (int)folder, file, path);
  *out = joined;
  return 0;
}

/* `at` is behind the word. The file is read by itself; then its keys are put here. */
static int read_include(struct source *source, struct scope *scope, struct conf_place place) {
  struct conf_scan *scan = &source->scan;
  const char *path;
  scan_blanks(scan);
  int error = scan_path(scan, &path);
  if (error == 0) error = relative_to(scan->conf, scan->file, path, &path);
  if (error < 0) return error;
  struct conf_node *root = new_node(scan->conf, place);
  if (root == NULL) return -ENOMEM;
  struct scope inner = {.map = root, .depth = scope->depth};
  error = read_file(scan->conf, source, path, place, &inner);
  for (const struct conf_node *node = root->first; node != NULL && error == 0; node = node->next) {
    struct conf_node *copy = new_node(scan->conf, node->place);
    if (copy == NULL) return -ENOMEM;
    *copy = *node;
    copy->next = NULL;
    error = note_height(scan->conf, copy, scope->map, scope->depth);
    if (error == 0) error = put(scan->conf, scope, copy);
  }
  return error;
}

/* ---- the face ---- */

static void leave(void *slot) { (void)slot; /* it is in the arena */ }

static int begin(struct conf_error *error, struct scope *scope, struct conf **out) {
  struct conf *conf = calloc(1, sizeof *conf);
  error->text[0] = '\0';
  *out = conf;
  if (conf == NULL) {
    snprintf(error->text, sizeof error->text, "out of memory");
    return -ENOMEM;
  }
  conf->error = error;
  conf->root = new_node(conf, (struct conf_place){"", 0, 0});
  if (conf->root == NULL) return -ENOMEM;
  *scope = (struct scope){.map = conf->root, .depth = 1};
  return 0;
}

static int finish(struct conf **out, int error) {
  struct conf *conf = *out;
  if (conf == NULL) return error;
  tdestroy(conf->index, leave);
  conf->index = NULL;
  conf->error = NULL;
  if (error == 0) return 0;
  conf_free(conf);
  *out = NULL;
  return error;
}

int conf_load(const char *path, struct conf **out, struct conf_error *error) {
  struct scope scope;
  const char *own_path;
  int result = begin(error, &scope, out);
  if (result == 0) result = relative_to(*out, "", path, &own_path);
  if (result == 0) (*out)->root->place.file = own_path;
  if (result == 0) result = read_file(*out, NULL, own_path, (struct conf_place){own_path, 0, 0}, &scope);
  return finish(out, result);
}

int conf_parse(const char *name, const char *text, size_t len, struct conf **out, struct conf_error *error) {
  struct scope scope;
  struct source source = {.nesting = 0};
  int result = begin(error, &scope, out);
  if (result == 0) result = relative_to(*out, "", name, &name);
  source.scan = (struct conf_scan){
      .conf = *out, .file = name, .at = text, .end = text + len, .line_start = text, .line = 1};
  if (result == 0 && len > CONF_TEXT_MAX_BYTES)
    result = conf_fail(*out, (struct conf_place){name, 0, 0}, "%.1024s is too large: more than %u MiB", name,
                       CONF_TEXT_MAX_BYTES >> 20);
  if (result == 0) result = read_text(&source, &scope);
  return finish(out, result);
}

const struct conf_node *conf_root(const struct conf *conf) { return conf->root; }

const struct conf_node *conf_find(const struct conf_node *map, const char *key) {
  const struct conf_node *found = NULL; /* keys that differ in case are several; the last counts */
  for (const struct conf_node *node = map->type == CONF_MAP ? map->first : NULL; node != NULL;
       node = node->next)
    if (strcasecmp(node->key, key) == 0) found = node;
  return found;
}

bool conf_is_off(const struct conf_node *node) {
  if (node->type == CONF_MAP) {
    const struct conf_node *enabled = conf_find(node, "enabled"), *mode = conf_find(node, "mode");
    return enabled != NULL
               ? enabled->type == CONF_BOOL && !enabled->truth
               : mode != NULL && mode->type == CONF_STRING && strcasecmp(mode->text, "never") == 0;
  }
  if (node->type == CONF_STRING)
    return strcasecmp(node->text, "disabled") == 0 || strcasecmp(node->text, "disable") == 0;
  return node->type == CONF_BOOL ? !node->truth : node->type == CONF_INT && node->integer == 0;
}

void conf_free(struct conf *conf) {
  if (conf == NULL) return;
  while (conf->chunks != NULL) {
    struct chunk *next = conf->chunks->next;
    free(conf->chunks);
    conf->chunks = next;
  }
  free(conf);
}

const char *conf_type_name(enum conf_type type) {
  static const char *const names[] = {
      [CONF_MAP] = "a block",    [CONF_ARRAY] = "an array",   [CONF_STRING] = "a string",
      [CONF_INT] = "an integer", [CONF_FLOAT] = "a fraction", [CONF_BOOL] = "true or false",
      [CONF_TIME] = "a time"};
  return names[type];
}
