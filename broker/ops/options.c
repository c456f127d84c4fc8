/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line, and what it takes to make struct options of everything: reading flags and printing the help
 * (defaults included) are walks over the table of options_table.c; the configuration file, when -c names one, is
 * read by options_file.c.
 *
 *     1. all flags are read: what is wrong with them is said first, and -c is found
 *     2. without -c, done; with it, over fresh defaults: the file, and all flags once more, on top
 *     3. values that must fit one another are compared
 *
 * The syntax is that of Go programs, as nats-server's users expect: `-x` and `--x` are the same, a value
 * follows as `-x v` or `-x=v`, switches take a value only as `-x=false`, the first word that is no flag ends
 * the flags.
 *
 * Runs on the control thread before anything else does; says what is wrong on standard error, not in the log,
 * which is not open yet.
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tern/limits.h>

#include "access.h"
#include "labels.h"
#include "options_diff.h"
#include "options_file.h"
#include "options_table.h"
#include "signal_send.h"
#include "tls_block.h"
#include "values.h"
#include "version.h"

#define PORT_DEFAULT       4222
#define PAYLOAD_WARN_BYTES (8 * 1024 * 1024)

/* ---- help ---- */

#define HELP_COLUMN 34
#define HELP_WIDTH  100

/* Prints words from column `at`, breaking lines before HELP_WIDTH; ends the line. */
static void print_wrapped(FILE *out, const char *text, size_t at) {
  size_t column = at;
  while (*text != '\0') {
    size_t len = strcspn(text, " ");
    if (column > at && column + 1 + len > HELP_WIDTH) {
      fprintf(out, "\n%*s", (int)at, "");
      column = at;
    } else if (column > at) {
      fputc(' ', out);
      column++;
    }
    fprintf(out, "%.*s", (int)len, text);
    column += len;
    text += len + (text[len] == ' ');
  }
  fputc('\n', out);
}

/* Appends to a text that is cut when it does not fit. */
static void append(char *text, size_t room, const char *more, size_t more_len) {
  size_t len = strlen(text);
  snprintf(text + len, room - len, "%.*s", (int)(more_len < room ? more_len : room), more);
}

/* Short spellings and those in capitals are shown with one dash, words with two. */
static void append_flags(char *text, size_t room, const struct option *option) {
  const char *list = option->flags, *name;
  size_t len;
  const char *separator = "";
  while ((name = option_next_name(&list, &len)) != NULL) {
    append(text, room, separator, strlen(separator));
    append(text, room, "--", len > 1 && islower((unsigned char)name[0]) ? 2 : 1);
    append(text, room, name, len);
    separator = ", ";
  }
}

/* The default; empty when there is none to speak of. */
static void format_default(struct options *defaults, const struct option *option, char *text, size_t room) {
  const char *string = NULL;
  text[0] = '\0';
  switch (option->kind) {
    case OPTION_STRING:
      string = *(char **)option_member(defaults, option);
      break;
    case OPTION_BOOL:
      string = *(bool *)option_member(defaults, option) ? "true" : NULL;
      break;
    case OPTION_INT:
      snprintf(text, room, "%" PRId64, option_number(defaults, option));
      break;
    case OPTION_SIZE:
      value_format_size(option_number(defaults, option), text, room);
      break;
    case OPTION_DURATION:
      value_format_duration(option_number(defaults, option), text, room);
      break;
    default:
      break;
  }
  if (string != NULL) snprintf(text, room, "%s", string);
}

/* How the configuration file calls it, where that is not one of the flags. */
static void append_key(char *text, size_t room, const struct option *option) {
  const char *list = option->keys;
  size_t len, own_len = strlen(OPTION_OWN_BLOCK);
  const char *key = option_next_name(&list, &len);
  if (key == NULL || option_by_flag(key, len) == option) return;
  bool own = strncmp(key, OPTION_OWN_BLOCK, own_len) == 0;
  if (own) key += own_len, len -= own_len;
  append(text, room, " (in the file: ", SIZE_MAX);
  append(text, room, own ? "tern { " : "", SIZE_MAX);
  append(text, room, key, len);
  append(text, room, own ? " })" : ")", SIZE_MAX);
}

static void print_option(FILE *out, const struct option *option, struct options *defaults) {
  char names[160] = "  ", help[512], value[64];
  if (option->flags == NULL) return;
  append_flags(names, sizeof names, option);
  if (option->value != NULL) {
    size_t len = strlen(names);
    snprintf(names + len, sizeof names - len, " <%s>", option->value);
  }
  format_default(defaults, option, value, sizeof value);
  snprintf(help, sizeof help, value[0] != '\0' ? "%s (default %s)" : "%s", option->help, value);
  append_key(help, sizeof help, option);
  if (option->live) append(help, sizeof help, " [reload]", SIZE_MAX);
  fprintf(out, "%-*s", HELP_COLUMN, names);
  if (strlen(names) >= HELP_COLUMN) fprintf(out, "\n%*s", HELP_COLUMN, "");
  print_wrapped(out, help, HELP_COLUMN);
}

static void print_help(FILE *out) {
  struct options defaults;
  if (options_init(&defaults) < 0) {
    fprintf(stderr, "tern: %s\n", option_no_memory);
    return;
  }
  fprintf(out, "Usage: tern [option]...\n       tern version | help\n\n");
  print_wrapped(
      out,
      "A message broker that speaks the NATS protocol. Options may have one dash or two; a value "
      "follows as `-x value` or `-x=value`. Sizes: 65536, 64k (thousands), 64KB or 64KiB (1024s). "
      "Times: 500ms, 2s, 1m30s, or a number of seconds. In a configuration file an option has the name "
      "of its long flag, unless another is given here. SIGHUP makes a running server read that file again; "
      "what "
      "may change then is marked [reload].",
      0);
  char missing[1024] = "";
  for (size_t i = 0; i < option_count; i++) {
    const struct option *option = &option_table[i];
    if (option->kind == OPTION_HEADING) {
      fprintf(out, "\n%s:\n", option->help);
    } else if (option->kind == OPTION_UNSUPPORTED) {
      append(missing, sizeof missing, ", ", missing[0] != '\0' ? 2 : 0);
      append_flags(missing, sizeof missing, option);
    } else {
      print_option(out, option, &defaults);
    }
  }
  fprintf(out, "\nOptions of nats-server that this version of tern does not support:\n  ");
  print_wrapped(out, missing, 2);
  options_free(&defaults);
}

static void print_help_tls(void) {
  static const char text[] =
      "A block tls in the configuration file secures client connections:\n"
      "\n"
      "    tls {\n"
      "      cert_file: \"server.pem\"        # the certificate, and those it takes to vouch for it; PEM\n"
      "      key_file: \"server.key\"         # its private key\n"
      "      ca_file: \"ca.pem\"              # who vouches for the certificates of clients\n"
      "      verify: true                   # clients must show one\n"
      "      verify_and_map: true           # and it says which user they are\n"
      "      pinned_certs: [\"<sha256>\"]     # only these, by the hash of their public keys\n"
      "      timeout: 2                     # seconds, or a duration, that a handshake may take\n"
      "      handshake_first: \"auto\"        # TLS before INFO: true, false, \"auto\" (who waits gets INFO\n"
      "                                     # after 50ms), or a duration to wait\n"
      "      connection_rate_limit: 100     # handshakes in a second\n"
      "      min_version: \"1.2\"             # or \"1.3\"\n"
      "      cipher_suites: [\"TLS_AES_128_GCM_SHA256\"]\n"
      "      curve_preferences: [\"X25519\"]  # and CurveP256, CurveP384, CurveP521\n"
      "    }\n"
      "    allow_non_tls: true              # beside the block: who wants no TLS may do without\n"
      "\n"
      "Several certificates stand in a list, certs: [{cert_file: ..., key_file: ...}], in place of the first "
      "two.\n"
      "Files are read again by a reload, and when they change. The flags --tls, --tlscert, --tlskey, "
      "--tlsverify\n"
      "and --tlscacert replace the block.\n";
  fputs(text, stdout);
}

static void print_version(void) { printf("nats-server: v%s (tern %s)\n", TERN_NATS_VERSION, TERN_VERSION); }

/* ---- the command line ---- */

/* What the words of the command line are read with. */
struct reader {
  struct options *options;
  int argc, next;
  char **argv;
  bool handlers_given; /* by a flag: those of the file are out */
};

/* One word without a dash: the flags are over. */
static enum options_verdict read_command(const char *word) {
  if (strcasecmp(word, "version") == 0) {
    print_version();
    return OPTIONS_EXIT;
  }
  if (strcasecmp(word, "help") == 0) {
    print_help(stdout);
    return OPTIONS_EXIT;
  }
  fprintf(stderr, "tern: unrecognized command: \"%s\"\n", word);
  return OPTIONS_FAIL;
}

static enum options_verdict refuse_value(const char *value, const char *word, size_t len,
                                         const char *problem) {
  fprintf(stderr, "tern: invalid value \"%s\" for %.*s: %s\n", value, (int)len, word, problem);
  return OPTIONS_FAIL;
}

/* A flag that needs no value; `value` is what stood behind '=', or NULL. */
static enum options_verdict read_switch(struct options *options, const struct option *option,
                                        const char *word, size_t len, const char *value) {
  bool on = true;
  const char *problem = value != NULL ? value_bool(value, &on) : NULL;
  if (problem != NULL) return refuse_value(value, word, len, problem);
  const bool prints =
      option->kind == OPTION_VERSION || option->kind == OPTION_HELP || option->kind == OPTION_HELP_TLS;
  if (!prints) option_set_bool(options, option, on);
  if (!prints || !on) return OPTIONS_RUN;
  if (option->kind == OPTION_VERSION)
    print_version();
  else if (option->kind == OPTION_HELP)
    print_help(stdout);
  else
    print_help_tls();
  return OPTIONS_EXIT;
}

/* One word with a dash, and its value if that is the next word. */
static enum options_verdict read_flag(struct reader *reader, const char *word) {
  size_t dashes = word[1] == '-' ? 2 : 1, len = strcspn(word, "=");
  const char *value = word[len] == '=' ? word + len + 1 : NULL;
  const struct option *option = option_by_flag(word + dashes, len - dashes);
  if (option == NULL) {
    fprintf(stderr, "tern: unknown option: %.*s\nUsage: tern [option]...\nTry: tern --help\n", (int)len,
            word);
    return OPTIONS_EXIT;
  }
  switch (option->kind) {
    case OPTION_UNSUPPORTED:
      fprintf(stderr, "tern: %.*s is not supported by this version of tern\n", (int)len, word);
      return OPTIONS_FAIL;
    case OPTION_BOOL:
    case OPTION_DEBUG_TRACE:
    case OPTION_VERSION:
    case OPTION_HELP:
    case OPTION_HELP_TLS:
      return read_switch(reader->options, option, word, len, value);
    default:
      break;
  }
  if (value == NULL && reader->next < reader->argc) value = reader->argv[reader->next++];
  if (value == NULL) {
    fprintf(stderr, "tern: option needs a value: %.*s <%s>\n", (int)len, word, option->value);
    return OPTIONS_FAIL;
  }
  if (option->kind == OPTION_HANDLER && !reader->handlers_given) {
    option_clear_handlers(reader->options);
    reader->handlers_given = true;
  }
  char reason[OPTION_REASON_BYTES];
  const char *problem = option_set_text(reader->options, option, value, reason);
  return problem != NULL ? refuse_value(value, word, len, problem) : OPTIONS_RUN;
}

static enum options_verdict read_flags(struct options *options, int argc, char **argv) {
  struct reader reader = {.options = options, .argc = argc, .next = 1, .argv = argv};
  while (reader.next < argc) {
    const char *word = argv[reader.next++];
    bool end_of_flags = strcmp(word, "--") == 0;
    if (end_of_flags && reader.next == argc) break;
    if (end_of_flags) word = argv[reader.next];
    if (end_of_flags || word[0] != '-' || word[1] == '\0') return read_command(word);
    enum options_verdict verdict = read_flag(&reader, word);
    if (verdict != OPTIONS_RUN) return verdict;
  }
  return OPTIONS_RUN;
}

/* ---- everything together ---- */

/* The blocks about access, which are read again when settings are made of the options. */
static void check_access(const struct options *options, struct conf_report *report) {
  const struct access_flags flags = {options->user, options->pass, options->auth};
  struct access *access = NULL;
  const struct conf_node *root = options->conf != NULL ? conf_root(options->conf) : NULL;
  if (access_new(root, &flags, report, &access) == -ENOMEM) conf_wrong(report, NULL, "%s", option_no_memory);
  access_free(access);
}

/* What there is when nothing is said, but for the strings. */
static const struct options defaults = {
    .port = PORT_DEFAULT,
    .logtime = true,
    .max_payload = TERN_PAYLOAD_MAX_BYTES_DEFAULT,
    .max_control_line = TERN_CONTROL_LINE_MAX_BYTES_DEFAULT,
    .max_pending = TERN_PENDING_MAX_BYTES_DEFAULT,
    .ring_size = TERN_RING_BYTES_DEFAULT,
    .max_connections = TERN_CONNECTIONS_MAX_DEFAULT,
    .ping_interval_ms = 120000,
    .ping_max = 2,
    .max_closed_clients = 10000,
    .write_deadline_ms = 10000,
    .lame_duck_duration_ms = 120000,
    .lame_duck_grace_period_ms = 10000,
};

/* Numbers that stand for others, as in nats-server: nothing for the default, what is below nothing for no limit. */
static void replace_stand_ins(struct options *options) {
  if (options->port == 0) options->port = defaults.port;
  if (options->max_payload == 0) options->max_payload = defaults.max_payload;
  if (options->max_control_line == 0) options->max_control_line = defaults.max_control_line;
  if (options->max_pending == 0) options->max_pending = defaults.max_pending;
  if (options->max_connections == 0) options->max_connections = defaults.max_connections;
  if (options->max_connections < 0) options->max_connections = INT64_MAX;
  if (options->ping_interval_ms == 0) options->ping_interval_ms = defaults.ping_interval_ms;
  if (options->ping_max == 0) options->ping_max = defaults.ping_max;
  if (options->write_deadline_ms == 0) options->write_deadline_ms = defaults.write_deadline_ms;
  if ((int64_t)options->log_size_limit < 0) options->log_size_limit = 0;
  if ((int32_t)options->max_traced_msg_len < 0) options->max_traced_msg_len = 0;
}

/* What no single option can say: values that stand for others, and values that must fit one another. */
static enum options_verdict check_all(struct options *options, struct conf_report *report) {
  const unsigned errors = report->errors;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  options->loaded_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  replace_stand_ins(options);
  if (options->http_port != 0 && options->https_port != 0)
    conf_wrong(report, NULL, "can't specify both HTTP (%d) and HTTPs (%d) ports", options->http_port,
               options->https_port);
  if (options->max_payload > options->max_pending)
    conf_wrong(report, NULL, "max_payload (%" PRIu32 ") must not be larger than max_pending (%" PRIu64 ")",
               options->max_payload, options->max_pending);
  if ((options->ring_size & (options->ring_size - 1)) != 0 ||
      options->ring_size / 16 < options->max_control_line)
    conf_wrong(report, NULL,
               "ring_size (%" PRIu32
               ") must be a power of two and at least 16 times max_control_line (%" PRIu32 ")",
               options->ring_size, options->max_control_line);
  if (options->lame_duck_grace_period_ms >= options->lame_duck_duration_ms)
    conf_wrong(report, NULL, "lame_duck_grace_period must be shorter than lame_duck_duration");
  if (options->max_payload > PAYLOAD_WARN_BYTES)
    conf_warn(report, NULL, "max_payload is above 8MB: such messages hold up everyone's traffic");
  check_access(options, report);
  if (report->errors == errors) tls_block_read(options, report);
  if (options->https_port != 0 && report->errors == errors && options->tls.context == NULL)
    conf_wrong(report, NULL, "https needs a certificate and a key: give them in a block tls");
  return report->errors == errors ? OPTIONS_RUN : OPTIONS_FAIL;
}

/* Starts from the defaults: the file first, then the flags, which have been read before without an error. */
static enum options_verdict read_both(struct options *both, const char *file, int argc, char **argv,
                                      struct conf_report *report) {
  if (options_init(both) < 0) {
    conf_wrong(report, NULL, "%s", option_no_memory);
    return OPTIONS_FAIL;
  }
  both->argc = argc;
  both->argv = argv;
  if (options_read_file(both, file, report) != 0) return OPTIONS_FAIL;
  return read_flags(both, argc, argv);
}

/* What -t says. */
static enum options_verdict conclude(const struct options *options, unsigned warnings) {
  if (warnings > 0) {
    fprintf(stderr, "tern: configuration file %s would be used, with %u warning%s\n", options->config_file,
            warnings, warnings > 1 ? "s" : "");
    return OPTIONS_FAIL;
  }
  fprintf(stderr, "tern: configuration file %s is valid (%s)\n", options->config_file,
          options->config_digest);
  return OPTIONS_EXIT;
}

static void print_change(void *arg, const struct options_change *change) {
  (void)arg;
  printf("%-8s %s: %s -> %s\n", change->live ? "live" : "restart", change->name, change->before,
         change->after);
}

/* What --diff says: the other file is the one that is in use. */
static enum options_verdict print_diff(const struct options *options) {
  struct options in_use;
  struct conf_report report = {0};
  enum options_verdict verdict = read_both(&in_use, options->diff, options->argc, options->argv, &report);
  if (verdict == OPTIONS_RUN) verdict = check_all(&in_use, &report);
  if (verdict == OPTIONS_RUN) {
    if (options_diff(&in_use, options, print_change, NULL) == 0) printf("nothing would change\n");
    verdict = OPTIONS_EXIT;
  }
  options_free(&in_use);
  return verdict;
}

unsigned options_unix_mode(const struct options *options) {
  return options->unix_mode != NULL ? (unsigned)strtoul(options->unix_mode, NULL, 8) : 0;
}

void options_limits(const struct options *options, struct nats_limits *limits) {
  *limits = (struct nats_limits){
      .max_payload = options->max_payload,
      .max_control_line = options->max_control_line,
      .max_pending = options->max_pending,
      .max_connections = (uint64_t)options->max_connections,
      .max_subscriptions = options->max_subscriptions > 0 ? (uint32_t)options->max_subscriptions : 0,
      .max_subscription_tokens = options->max_subscription_tokens,
      .ping_interval_ms = options->ping_interval_ms,
      .ping_max = options->ping_max,
      .write_deadline_ms = options->write_deadline_ms,
      .max_traced_msg_len = options->max_traced_msg_len,
      .trace_headers = options->trace_headers,
      .no_headers = options->no_header_support,
      .max_connections_per_address = options->max_connections_per_address,
      .max_connections_per_user = options->max_connections_per_user,
      .publish_messages = options->publish_messages,
      .publish_bytes = options->publish_bytes,
  };
}

enum options_verdict options_parse(struct options *options, int argc, char **argv) {
  struct conf_report report = {0};
  enum options_verdict verdict = read_flags(options, argc, argv);
  if (verdict == OPTIONS_RUN && options->signal != NULL)
    return signal_send(options->signal) == 0 ? OPTIONS_EXIT : OPTIONS_FAIL;
  options->argc = argc;
  options->argv = argv;
  if (verdict == OPTIONS_RUN && options->config_file != NULL) {
    struct options both;
    verdict = read_both(&both, options->config_file, argc, argv, &report);
    options_free(options);
    *options = both;
  }
  const unsigned warnings = report.warnings; /* what follows does not make the file a bad one */
  if (verdict == OPTIONS_RUN) verdict = check_all(options, &report);
  if (verdict != OPTIONS_RUN || (!options->check_only && options->diff == NULL)) return verdict;
  if (options->config_file == NULL)
    fprintf(stderr, "tern: -t checks a configuration file; name it with -c\n");
  else if (!options->check_only)
    fprintf(stderr, "tern: --diff compares configuration files and ends; it goes with -t\n");
  else if (options->diff != NULL)
    return print_diff(options);
  else
    return conclude(options, warnings);
  return OPTIONS_FAIL;
}

int options_read_again(const struct options *options, struct options *out, struct conf_report *report) {
  enum options_verdict verdict = read_both(out, options->config_file, options->argc, options->argv, report);
  if (verdict == OPTIONS_RUN && check_all(out, report) == OPTIONS_RUN) return 0;
  options_free(out);
  return -1;
}

int options_init(struct options *options) {
  *options = defaults;
  options->host = strdup(OPTION_HOST_DEFAULT);
  return options->host != NULL ? 0 : -ENOMEM;
}

void options_free(struct options *options) {
  for (size_t i = 0; i < option_count; i++) {
    if (option_table[i].kind != OPTION_STRING && option_table[i].kind != OPTION_LISTEN) continue;
    char **string = option_member(options, &option_table[i]);
    free(*string);
    *string = NULL;
  }
  option_clear_handlers(options);
  tern_tls_unref(options->tls.context);
  options->tls.context = NULL;
  labels_free(options);
  free(options->config_digest);
  options->config_digest = NULL;
  conf_free(options->conf);
  options->conf = NULL;
}
