/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the configuration file's tree to options. A key is looked for in the table of options (keys of tern's own
 * in the block `tern`), then among the keys of nats-server that tern does not have, below; what is in neither is an
 * error, unless it is there to be referred to ($name).
 *
 * What tern does not have is never passed over in silence. Where the server would be open to more people, or lose
 * or not pass on messages, it does not start; where something is only not offered, it warns. A feature that has a
 * switch, and that the file switches off (`jetstream: false`), is no reason for either.
 *
 * Everything that is wrong is said, not only the first thing. Flags have checked values before and are set once more
 * afterwards, see options.c.
 */
#include "options_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "access.h"
#include "conf_digest.h"
#include "conf_report.h"
#include "imports.h"
#include "labels.h"
#include "options_table.h"
#include "overflow_rules.h"
#include "tls_block.h"
#include "values.h"

struct reader {
  struct options *options;
  struct conf_report *report;
};

/* Keys of nats-server without an option, and what is done about them. */
enum answer { WARN, REFUSE_UNLESS_OFF, REFUSE };

static const struct missing {
  const char *keys;
  enum answer answer;
  const char *what; /* tern does not have it */
} missing[] = {
    {"operator|operators|root|roots|root_operator|root_operators|trusted|trusted_keys", REFUSE,
     "authentication by JWT: it would let everyone in"},
    {"resolver|account_resolver|accounts_resolver|resolver_tls|resolver_preload|resolver_pinned_accounts",
     REFUSE, "authentication by JWT: it would let everyone in"},
    {"default_sentinel|proxies", REFUSE, "connections through trusted proxies"},
    {"proxy_protocol", REFUSE_UNLESS_OFF, "connections through trusted proxies"},
    {"ocsp|ocsp_cache", REFUSE_UNLESS_OFF, "OCSP: nobody would be told of revoked certificates"},
    {"jetstream", REFUSE_UNLESS_OFF, "JetStream: nothing would be stored"},
    {"cluster|gateway|gateways", REFUSE, "clustering: messages would not reach the other servers"},
    {"leafnodes|leaf", WARN, "leaf nodes"},
    {"websocket|ws", WARN, "WebSocket"},
    {"mqtt", WARN, "MQTT"},
    {"store_dir|storedir|default_js_domain", WARN, "JetStream"},
    {"disable_sublist_cache|no_sublist_cache|no_fast_producer_stall|write_timeout", WARN, "this setting"},
    {"connect_error_reports|reconnect_error_reports|prof_port|prof_block_rate", WARN, "this setting"},
};

/* ---- what is said ---- */

/* The first line of the value is enough. */
static void report(struct reader *reader, const struct conf_node *node, const char *key,
                   const char *problem) {
  const char *text = node->text;
  if (problem != NULL)
    conf_wrong(reader->report, node, "invalid value \"%.*s\" for %s: %s", (int)strcspn(text, "\r\n"), text,
               key, problem);
}

/* ---- options ---- */

static void read_number(struct reader *reader, const struct option *option, const struct conf_node *node) {
  char reason[OPTION_REASON_BYTES];
  if (node->type == CONF_INT)
    report(reader, node, node->key, option_set_number(reader->options, option, node->integer, reason));
  else
    conf_wrong_type(
        reader->report, node, node->key,
        option->kind == OPTION_SIZE ? "a size without quotes, like 64KB" : "a number without quotes");
}

/* A string with units; or a number, which is seconds as in nats-server, and seldom what was meant. */
static void read_duration(struct reader *reader, const struct option *option, const struct conf_node *node) {
  char reason[OPTION_REASON_BYTES];
  const char *problem = NULL;
  int64_t ms;
  if (node->type == CONF_INT) {
    conf_warn(reader->report, node,
              "%s: %s without quotes is a number of seconds, %" PRId64 "; write a duration, like \"2m\"",
              node->key, node->text, node->integer);
    if (__builtin_mul_overflow(node->integer, 1000, &ms)) ms = INT64_MAX;
  } else if (node->type == CONF_STRING) {
    problem = value_duration_with_unit(node->text, &ms);
  } else {
    conf_wrong_type(reader->report, node, node->key, "a duration in quotes, like \"2m\"");
    return;
  }
  if (problem == NULL) problem = option_set_number(reader->options, option, ms, reason);
  report(reader, node, node->key, problem);
}

static void read_handlers(struct reader *reader, const struct option *option, const struct conf_node *node) {
  const bool list = node->type == CONF_ARRAY;
  for (const struct conf_node *at = list ? node->first : node; at != NULL; at = list ? at->next : NULL) {
    if (at->type == CONF_STRING)
      report(reader, at, node->key, option_set_string(reader->options, option, at->text));
    else
      conf_wrong_type(reader->report, at, node->key, "a string, FILTER=MODULE, or a list of them");
  }
}

static void read_option(struct reader *reader, const struct option *option, const struct conf_node *node) {
  switch (option->kind) {
    case OPTION_BOOL:
      if (node->type == CONF_BOOL)
        option_set_bool(reader->options, option, node->truth);
      else
        conf_wrong_type(reader->report, node, node->key, "true or false, without quotes");
      break;
    case OPTION_DURATION:
      read_duration(reader, option, node);
      break;
    case OPTION_HANDLER:
      read_handlers(reader, option, node);
      break;
    case OPTION_STRING:
      if (node->type == CONF_STRING || (option->unquoted && node->type == CONF_INT))
        report(reader, node, node->key, option_set_string(reader->options, option, node->text));
      else
        conf_wrong_type(reader->report, node, node->key, "a string in quotes");
      break;
    case OPTION_LISTEN:
      if (node->type == CONF_STRING)
        report(reader, node, node->key, option_set_string(reader->options, option, node->text));
      else
        read_number(reader, option, node);
      break;
    default:
      read_number(reader, option, node);
      break;
  }
}

/* ---- keys that are no options ---- */

static void read_missing(struct reader *reader, const struct missing *about, const struct conf_node *node) {
  if (about->answer != REFUSE && conf_is_off(node)) return;
  bool refuse = about->answer != WARN ||
                conf_find(node, "remotes") != NULL; /* leaf nodes that connect to other servers */
  if (refuse)
    conf_wrong(reader->report, node, "%s: tern does not have %s; remove this, or keep nats-server", node->key,
               about->what);
  else
    conf_warn(reader->report, node, "%s: tern does not have %s; ignored", node->key, about->what);
}

static const struct missing *find_missing(const char *key) {
  for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++)
    if (option_has_name(missing[i].keys, key)) return &missing[i];
  return NULL;
}

/* ---- all keys ---- */

/* Only looked at; it is read again for the settings. */
static void check_overflow(struct reader *reader, const struct conf_node *node) {
  struct overflow_rules *rules;
  int error = overflow_rules_read(node, reader->report, &rules);
  if (error == 0) overflow_rules_free(rules);
  if (error == -ENOMEM) conf_wrong(reader->report, node, "%s", option_no_memory);
}

static void read_own(struct reader *reader, const struct conf_node *block) {
  if (block->type != CONF_MAP) {
    conf_wrong_type(reader->report, block, block->key, "a block: tern { ... }");
    return;
  }
  for (const struct conf_node *node = block->first; node != NULL; node = node->next) {
    const struct option *option = option_by_key(OPTION_OWN_BLOCK, node->key);
    if (option != NULL)
      read_option(reader, option, node);
    else if (strcasecmp(node->key, "overflow") == 0)
      check_overflow(reader, node);
    else if (!access_has_own_key(node->key))
      conf_unknown(reader->report, node, "tern");
  }
}

/* As in nats-server, whose keys these are: the same as no line at all. */
static bool is_unset(const struct option *option, const struct conf_node *node) {
  return option->kind == OPTION_STRING && node->type == CONF_STRING && node->text[0] == '\0';
}

static void read_all(struct reader *reader, const struct conf_node *root) {
  for (const struct conf_node *node = root->first; node != NULL; node = node->next) {
    const struct option *option = option_by_key("", node->key);
    const struct missing *about = find_missing(node->key);
    if (option != NULL && is_unset(option, node))
      report(reader, node, node->key, option_unset(reader->options, option));
    else if (option != NULL)
      read_option(reader, option, node);
    else if (strcasecmp(node->key, "tern") == 0)
      read_own(reader, node);
    else if (tls_block_has_key(node->key))
      continue; /* read when the flags are known */
    else if (labels_has_key(node->key))
      labels_read(reader->options, node, reader->report);
    else if (about != NULL)
      read_missing(reader, about, node);
    else if (!option_has_name("mappings|maps", node->key) &&
             !access_has_key(node->key)) /* imports.h, access.h */
      conf_unknown(reader->report, node, NULL);
  }
}

/* What accounts have to do with one another; only looked at, as above. */
static void check_imports(struct reader *reader, const struct conf_node *root) {
  struct imports *imports;
  int error = imports_read(root, reader->report, &imports);
  if (error == 0) imports_free(imports);
  if (error == -ENOMEM) conf_wrong(reader->report, NULL, "%s", option_no_memory);
}

int options_read_file(struct options *options, const char *path, struct conf_report *report) {
  struct reader reader = {.options = options, .report = report};
  struct conf_error error;
  unsigned errors = report->errors;
  if (conf_load(path, &options->conf, &error) < 0) {
    conf_wrong(report, NULL, "%s", error.text);
    return -1;
  }
  if (conf_root(options->conf)->first == NULL)
    conf_warn(report, conf_root(options->conf), "config has no values or is empty");
  read_all(&reader, conf_root(options->conf));
  check_imports(&reader, conf_root(options->conf));
  char digest[CONF_DIGEST_BYTES];
  if (conf_digest(options->conf, digest) == 0) options->config_digest = strdup(digest);
  if (options->config_digest == NULL) conf_wrong(report, NULL, "%s", option_no_memory);
  return report->errors == errors ? 0 : -1;
}
