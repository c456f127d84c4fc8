/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS options in two steps: keys of the block, or flags, become struct tern_tls_options and the broker's own settings;
 * then the library reads the files. Keys are rows of a table. A flag replaces the whole block, as nats-server has it.
 *
 * Paths are relative to the working directory. Strings belong to the configuration's tree and the options; what is made
 * of them keeps none.
 */
#include "tls_block.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <tern/error.h>

#include "conf_report.h"
#include "options_table.h"
#include "values.h"

#define TIMEOUT_DEFAULT_MS 2000
#define TIMEOUT_MAX_MS     (24 * 3600 * 1000)
/** handshake_first: "auto" */
#define AUTO_WAIT_MS 50
/** Entries of a list. */
#define LIST_MAX  64
#define PAIRS_MAX 16

struct reader {
  struct conf_report *report;
  struct tls_settings settings;
  struct tern_tls_options tls;
  struct tern_tls_pair single, pairs[PAIRS_MAX]; /* cert_file and key_file; certs */
  const char *ciphers[LIST_MAX], *curves[LIST_MAX], *pinned[LIST_MAX];
};

typedef void read_fn(struct reader *reader, const struct conf_node *node);

static const struct conf_node *find(const struct options *options, const char *keys) {
  const struct conf_node *node = options->conf != NULL ? conf_root(options->conf)->first : NULL;
  while (node != NULL && !option_has_name(keys, node->key))
    node = node->next;
  return node;
}

/* ---- kinds of values ---- */

static bool read_bool(struct reader *reader, const struct conf_node *node) {
  if (node->type != CONF_BOOL)
    conf_wrong_type(reader->report, node, node->key, "true or false, without quotes");
  return node->type == CONF_BOOL && node->truth;
}

static const char *read_string(struct reader *reader, const struct conf_node *node, const char *wanted) {
  if (node->type == CONF_STRING) return node->text;
  conf_wrong_type(reader->report, node, node->key, wanted);
  return NULL;
}

static size_t read_list(struct reader *reader, const struct conf_node *node, const char *list[LIST_MAX]) {
  size_t count = 0;
  if (node->type != CONF_ARRAY) {
    conf_wrong_type(reader->report, node, node->key, "a list of strings");
    return 0;
  }
  for (const struct conf_node *at = node->first; at != NULL; at = at->next) {
    if (at->type != CONF_STRING)
      conf_wrong_type(reader->report, at, node->key, "a list of strings");
    else if (count == LIST_MAX)
      conf_wrong(reader->report, at, "%s: at most %d entries", node->key, LIST_MAX);
    else
      list[count++] = at->text;
  }
  return count;
}

/* An empty one is none. */
static const char *read_path(struct reader *reader, const struct conf_node *node) {
  const char *path = read_string(reader, node, "a path in quotes");
  return path != NULL && *path != '\0' ? path : NULL;
}

/* ---- keys ---- */

static void read_cert(struct reader *reader, const struct conf_node *node) {
  reader->single.cert_file = read_path(reader, node);
}

static void read_key(struct reader *reader, const struct conf_node *node) {
  reader->single.key_file = read_path(reader, node);
}

static void read_ca(struct reader *reader, const struct conf_node *node) {
  reader->tls.ca_file = read_path(reader, node);
}

static void read_pair(struct reader *reader, const struct conf_node *map) {
  struct tern_tls_pair pair = {NULL, NULL};
  if (map->type != CONF_MAP) {
    conf_wrong_type(reader->report, map, "certs", "a list of blocks: {cert_file: ..., key_file: ...}");
    return;
  }
  for (const struct conf_node *node = map->first; node != NULL; node = node->next) {
    if (strcasecmp(node->key, "cert_file") == 0)
      pair.cert_file = read_path(reader, node);
    else if (strcasecmp(node->key, "key_file") == 0)
      pair.key_file = read_path(reader, node);
    else
      conf_unknown(reader->report, node, "certs");
  }
  if (pair.cert_file == NULL || pair.key_file == NULL)
    conf_wrong(reader->report, map, "certs: each entry needs both cert_file and key_file");
  else
    reader->pairs[reader->tls.pair_count++] = pair;
}

static void read_pairs(struct reader *reader, const struct conf_node *node) {
  if (node->type != CONF_ARRAY) {
    conf_wrong_type(reader->report, node, node->key, "a list of blocks: {cert_file: ..., key_file: ...}");
    return;
  }
  for (const struct conf_node *at = node->first; at != NULL; at = at->next) {
    if (reader->tls.pair_count < PAIRS_MAX)
      read_pair(reader, at);
    else
      conf_wrong(reader->report, at, "certs: at most %d entries", PAIRS_MAX);
  }
}

static void read_verify(struct reader *reader, const struct conf_node *node) {
  if (read_bool(reader, node)) reader->settings.verify = true;
}

static void read_map(struct reader *reader, const struct conf_node *node) {
  if (read_bool(reader, node)) reader->settings.verify = reader->settings.map = true;
}

static void read_insecure(struct reader *reader, const struct conf_node *node) {
  if (read_bool(reader, node))
    conf_warn(reader->report, node, "insecure is for servers that connect to others; ignored");
}

static void read_insecure_ciphers(struct reader *reader, const struct conf_node *node) {
  reader->tls.allow_insecure_ciphers = read_bool(reader, node);
}

static void read_timeout(struct reader *reader, const struct conf_node *node) {
  int64_t ms = -1;
  const char *problem = NULL;
  if (node->type == CONF_INT)
    ms = node->integer > TIMEOUT_MAX_MS / 1000 ? TIMEOUT_MAX_MS + 1 : node->integer * 1000;
  else if (node->type == CONF_FLOAT)
    ms = node->number > TIMEOUT_MAX_MS / 1000. ? TIMEOUT_MAX_MS + 1 : (int64_t)(node->number * 1000);
  else if (node->type == CONF_STRING)
    problem = value_duration_with_unit(node->text, &ms);
  else
    problem = "it must be a number of seconds, or a duration like \"2s\"";
  if (problem == NULL && (ms < 0 || ms > TIMEOUT_MAX_MS))
    problem = "must be at most a day, and not below 0, which is the default";
  if (problem != NULL)
    conf_wrong(reader->report, node, "invalid value \"%s\" for %s: %s", node->text, node->key, problem);
  else
    reader->settings.timeout_ms = ms == 0 ? TIMEOUT_DEFAULT_MS : (uint32_t)ms;
}

/* As in nats-server: an empty list is a mistake, and must not be taken for the default. */
static void refuse_empty(struct reader *reader, const struct conf_node *node) {
  if (node->type == CONF_ARRAY && node->first == NULL)
    conf_wrong(reader->report, node, "%s cannot be empty; without it, there is a default", node->key);
}

static void read_ciphers(struct reader *reader, const struct conf_node *node) {
  refuse_empty(reader, node);
  reader->tls.cipher_count = read_list(reader, node, reader->ciphers);
}

static void read_curves(struct reader *reader, const struct conf_node *node) {
  refuse_empty(reader, node);
  reader->tls.curve_count = read_list(reader, node, reader->curves);
}

static void read_pinned(struct reader *reader, const struct conf_node *node) {
  reader->tls.pinned_count = read_list(reader, node, reader->pinned);
}

static void read_min_version(struct reader *reader, const struct conf_node *node) {
  reader->tls.min_version = read_string(reader, node, "\"1.2\" or \"1.3\"");
}

/* true and false; "auto", or how long to wait for the client to begin */
static void read_first(struct reader *reader, const struct conf_node *node) {
  struct tls_settings *settings = &reader->settings;
  int64_t wait_ms = 0;
  if (node->type == CONF_BOOL) {
    settings->first = node->truth;
    return;
  }
  if (node->type != CONF_STRING) {
    conf_wrong_type(reader->report, node, node->key, "true, false, \"auto\" or a duration like \"100ms\"");
    return;
  }
  settings->first = true;
  if (strcasecmp(node->text, "auto") == 0 || strcasecmp(node->text, "auto_fallback") == 0)
    wait_ms = AUTO_WAIT_MS;
  else if (strcasecmp(node->text, "false") == 0 || strcasecmp(node->text, "off") == 0)
    settings->first = false;
  else if (strcasecmp(node->text, "true") != 0 && strcasecmp(node->text, "on") != 0 &&
           (value_duration(node->text, &wait_ms) != NULL || wait_ms < 1 || wait_ms > TIMEOUT_MAX_MS))
    conf_wrong(reader->report, node,
               "invalid value \"%s\" for %s: must be true, false, \"auto\" or a duration like \"100ms\"",
               node->text, node->key);
  settings->first_wait_ms = (uint32_t)wait_ms;
}

static void read_rate(struct reader *reader, const struct conf_node *node) {
  if (node->type != CONF_INT || node->integer < 0 || node->integer > UINT32_MAX)
    conf_wrong(reader->report, node, "%s must be a number of connections in a second, 0 for no limit",
               node->key);
  else
    reader->settings.rate = (uint32_t)node->integer;
}

static void read_ocsp(struct reader *reader, const struct conf_node *node) {
  if (!conf_is_off(node))
    conf_wrong(reader->report, node,
               "%s: tern does not have OCSP: revoked certificates would be taken; remove this, or keep "
               "nats-server",
               node->key);
}

static const struct {
  const char *keys;
  read_fn *read;
} keys[] = {
    {"cert_file", read_cert},
    {"key_file", read_key},
    {"ca_file", read_ca},
    {"certs", read_pairs},
    {"verify", read_verify},
    {"verify_and_map", read_map},
    {"insecure", read_insecure},
    {"timeout", read_timeout},
    {"cipher_suites", read_ciphers},
    {"curve_preferences", read_curves},
    {"min_version", read_min_version},
    {"pinned_certs", read_pinned},
    {"handshake_first|first|immediate", read_first},
    {"connection_rate_limit", read_rate},
    {"allow_insecure_cipher_suites", read_insecure_ciphers},
    {"ocsp_peer", read_ocsp},
};

static void read_block(struct reader *reader, const struct conf_node *block) {
  if (block->type != CONF_MAP) {
    conf_wrong_type(reader->report, block, block->key, "a block: tls { cert_file: ..., key_file: ... }");
    return;
  }
  for (const struct conf_node *node = block->first; node != NULL; node = node->next) {
    size_t i = 0;
    while (i < sizeof keys / sizeof keys[0] && !option_has_name(keys[i].keys, node->key))
      i++;
    if (i < sizeof keys / sizeof keys[0])
      keys[i].read(reader, node);
    else
      conf_unknown(reader->report, node, "tls");
  }
  const struct tern_tls_pair *single = &reader->single;
  if (reader->tls.pair_count > 0 && (single->cert_file != NULL || single->key_file != NULL))
    conf_wrong(reader->report, block, "tls: give either cert_file and key_file, or certs");
  else if (reader->tls.pair_count == 0 && (single->cert_file == NULL || single->key_file == NULL))
    conf_wrong(reader->report, block, "tls: %s is missing",
               single->cert_file == NULL ? "cert_file" : "key_file");
}

/* ---- flags ---- */

static bool has_flags(const struct options *options) {
  return options->tls_on || options->tls_verify || options->tls_cert != NULL || options->tls_key != NULL ||
         options->tls_ca != NULL;
}

static void read_flags(struct reader *reader, const struct options *options) {
  if (options->tls_cert == NULL)
    conf_wrong(reader->report, NULL, "TLS needs the server's certificate: --tlscert FILE");
  else if (options->tls_key == NULL)
    conf_wrong(reader->report, NULL, "TLS needs the key of the server's certificate: --tlskey FILE");
  reader->single = (struct tern_tls_pair){options->tls_cert, options->tls_key};
  reader->tls.ca_file = options->tls_ca;
  reader->settings.verify = options->tls_verify;
}

/* ---- everything ---- */

bool tls_block_has_key(const char *key) { return option_has_name("tls|allow_non_tls", key); }

/* Into `reader`, without the files. Returns false when there is no TLS to be had. */
static bool read_all(struct reader *reader, const struct options *options) {
  const struct conf_node *block = find(options, "tls"), *plain = find(options, "allow_non_tls");
  reader->settings.timeout_ms = TIMEOUT_DEFAULT_MS;
  if (plain != NULL) reader->settings.allow_plain = read_bool(reader, plain);
  if (has_flags(options))
    read_flags(reader, options);
  else if (block != NULL)
    read_block(reader, block);
  else
    return false;
  reader->tls.server = true;
  reader->tls.verify = reader->settings.verify;
  if (reader->tls.pair_count == 0 && reader->single.cert_file != NULL)
    reader->pairs[reader->tls.pair_count++] = reader->single;
  reader->tls.pairs = reader->pairs;
  reader->tls.ciphers = reader->ciphers;
  reader->tls.curves = reader->curves;
  reader->tls.pinned = reader->pinned;
  return true;
}

int tls_block_read(struct options *options, struct conf_report *report) {
  struct reader reader = {.report = report};
  const unsigned errors = report->errors;
  char reason[512];
  bool wanted = read_all(&reader, options);
  if (!wanted && report->errors == errors) return 0;
  if (report->errors != errors) return -1;
  if (tern_tls_new(&reader.tls, &reader.settings.context, reason, sizeof reason) != 0) {
    conf_wrong(report, has_flags(options) ? NULL : find(options, "tls"), "%s", reason);
    return -1;
  }
  tern_tls_unref(options->tls.context);
  options->tls = reader.settings;
  return 0;
}

char *tls_block_text(const struct options *options, bool key, struct conf_report *report) {
  struct reader reader = {.report = report};
  if (!read_all(&reader, options)) return NULL;
  const char *path = key ? reader.pairs[0].key_file : reader.pairs[0].cert_file;
  FILE *file = fopen(path, "r");
  char *text = NULL;
  size_t room = 0;
  ssize_t len = file != NULL ? getdelim(&text, &room, '\0', file) : -1; /* all of it: PEM has no such byte */
  if (len < 0) {
    conf_wrong(report, NULL, "%s: %s", path, strerror(errno));
    free(text);
    text = NULL;
  }
  if (file != NULL) fclose(file);
  return text;
}

/* Files that are replaced get another number or time; a key that lies beside a certificate counts as well. */
static uint64_t add_stamp(uint64_t stamp, const char *path) {
  struct stat now = {0};
  if (path == NULL) return stamp;
  if (stat(path, &now) != 0) now.st_ino = 1;
  const uint64_t parts[] = {now.st_ino, (uint64_t)now.st_size, (uint64_t)now.st_mtim.tv_sec,
                            (uint64_t)now.st_mtim.tv_nsec};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    stamp = (stamp ^ parts[i]) * 0x100000001b3; /* FNV-1a's prime */
  return stamp;
}

static void say_nothing(void *arg, bool warning, const char *text) { (void)arg, (void)warning, (void)text; }

uint64_t tls_block_stamp(const struct options *options) {
  struct conf_report report = {.line = say_nothing};
  struct reader reader = {.report = &report};
  if (!read_all(&reader, options)) return 0;
  uint64_t stamp = add_stamp(0xcbf29ce484222325, reader.tls.ca_file);
  for (size_t i = 0; i < reader.tls.pair_count; i++)
    stamp = add_stamp(add_stamp(stamp, reader.pairs[i].cert_file), reader.pairs[i].key_file);
  return stamp;
}
