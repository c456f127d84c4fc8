/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options. Everything rests on one table, `flags`: how an option is spelled, what kind of value it takes,
 * where in struct options it goes, what is allowed, and what --help says about it. Reading the command line,
 * checking values and printing the help (defaults included) are three walks over it.
 *
 *     argv word --split at '='--> spelling --find--> row --kind--> parse text --bounds--> member of the struct
 *
 * The syntax is that of Go programs, as nats-server's users expect: `-x` and `--x` are the same, a value
 * follows as `-x v` or `-x=v`, switches take a value only as `-x=false`, the first word that is no flag ends
 * the flags. Rows of kind UNSUPPORTED are nats-server's flags that tern does not have: they are refused by
 * name, because a server that ignores what it was told is worse than one that does not start.
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

#include <tern/limits.h>

#include "version.h"

#define PORT_DEFAULT           4222
#define PAYLOAD_WARN_BYTES     (8 * 1024 * 1024)
#define CONTROL_LINE_MAX_BYTES 16384
#define MS_PER_DAY             (24 * 3600 * 1000LL)

/* What sort of value an option takes. */
enum kind {
  HEADING,     /* not an option: a line between groups in the help */
  BOOL,        /* bool; present means true */
  INT,         /* any integer member: a decimal number */
  SIZE,        /* any integer member: a number that may have a suffix: 1k 1KB 1MiB */
  DURATION,    /* milliseconds in a uint64_t: 1m30s, or a number of seconds */
  STRING,      /* char *, owned */
  HANDLER,     /* appended to options->handlers */
  DEBUG_TRACE, /* BOOL for two members at once */
  VERSION,     /* print and end */
  HELP,
  UNSUPPORTED, /* nats-server has it, tern does not */
};

struct flag {
  const char *names; /* all spellings, separated by '|' */
  enum kind kind;
  size_t offset, size; /* of the member in struct options */
  int64_t min, max;    /* INT, SIZE, DURATION: inclusive */
  const char *value;   /* what the help calls the value; NULL: none */
  const char *help;
};

#define FIELD(member) \
  .offset = offsetof(struct options, member), .size = sizeof(((struct options *)0)->member)
#define BETWEEN(low, high) .min = (low), .max = (high)

static const struct flag flags[] = {
    {.kind = HEADING, .help = "Server"},
    {"a|addr|net", STRING, FIELD(host), .value = "host", .help = "Address to listen on"},
    {"p|port", INT, FIELD(port), BETWEEN(-1, 65535), "port", "Port to listen on; -1: any free one, 0: 4222"},
    {"n|name|server_name", STRING, FIELD(server_name), .value = "name",
     .help = "Name shown to clients; without it, the server's id"},
    {"client_advertise", STRING, FIELD(client_advertise), .value = "host[:port]",
     .help = "Address told to clients instead of the own one"},
    {"unix_socket", STRING, FIELD(unix_socket), .value = "path",
     .help = "Listen on this Unix-domain socket as well"},
    {"workers", INT, FIELD(workers), BETWEEN(0, TERN_WORKERS_MAX), "n",
     "Worker threads; 0: one for each available processor"},
    {"ring_size", SIZE, FIELD(ring_size), BETWEEN(65536, 16777216), "size",
     "Queue between two workers, a power of two, at least 16 times max_control_line; a full one holds up its "
     "sources"},
    {"handler", HANDLER, .value = "filter=module",
     .help =
         "Answer subjects matching filter inside the server, by a module: a file if there is a '/' in it, "
         "else <module>.so in $TERN_MODULE_PATH, in ../lib/tern beside the program, or where tern was "
         "installed. May be repeated; SIGHUP loads changed files"},
    {"P|pid", STRING, FIELD(pid_file), .value = "file", .help = "Write the process id to this file"},
    {"ports_file_dir", STRING, FIELD(ports_file_dir), .value = "dir",
     .help = "Write the ports in use to <program>_<pid>.ports in this directory"},

    {.kind = HEADING, .help = "Limits and times"},
    {"max_payload", SIZE, FIELD(max_payload), BETWEEN(1, INT32_MAX), "size",
     "Largest message, headers included; at most max_pending"},
    {"max_control_line", SIZE, FIELD(max_control_line), BETWEEN(1, CONTROL_LINE_MAX_BYTES), "size",
     "Longest protocol line"},
    {"max_pending", SIZE, FIELD(max_pending), BETWEEN(1, INT64_MAX), "size",
     "Unsent bytes at which a connection is dropped as slow"},
    {"max_connections", INT, FIELD(max_connections), BETWEEN(-1, INT32_MAX), "n",
     "Open client connections; 0: 65536, -1: no limit"},
    {"max_subscriptions|max_subs", INT, FIELD(max_subscriptions), BETWEEN(0, UINT32_MAX), "n",
     "Subscriptions of one connection; 0: no limit"},
    {"max_subscription_tokens|max_sub_tokens", INT, FIELD(max_subscription_tokens), BETWEEN(0, 255), "n",
     "Tokens in a subscription's subject; 0: no limit"},
    {"ping_interval", DURATION, FIELD(ping_interval_ms), BETWEEN(1, 30 * MS_PER_DAY), "time",
     "Time between PINGs to an idle client"},
    {"ping_max", INT, FIELD(ping_max), BETWEEN(1, 1000000), "n",
     "Unanswered PINGs at which a connection is closed"},
    {"write_deadline", DURATION, FIELD(write_deadline_ms), BETWEEN(1, 30 * MS_PER_DAY), "time",
     "Time a client may take none of its data before it is dropped"},

    {.kind = HEADING, .help = "Logging"},
    {"l|log", STRING, FIELD(log_file), .value = "file", .help = "Log to this file instead of standard error"},
    {"T|logtime", BOOL, FIELD(logtime), .help = "Put the time in front of each line; -T=false: do not"},
    {"logtime_utc", BOOL, FIELD(logtime_utc), .help = "Log times in UTC"},
    {"D|debug", BOOL, FIELD(debug), .help = "Log what helps to find faults"},
    {"V|trace|VV", BOOL, FIELD(trace), .help = "Log the protocol traffic"},
    {"DV|DVV", DEBUG_TRACE, FIELD(debug), .help = "Both of these"},

    {.kind = HEADING, .help = "Information"},
    {"v|version", VERSION,
     .help = "Print the version and end. The first number is that of the nats-server "
             "whose behaviour this is, for tools that ask"},
    {"h|help", HELP, .help = "Print this text and end"},

    {.kind = UNSUPPORTED, .names = "c|config|t|sl|signal|m|http_port|ms|https_port|profile"},
    {.kind = UNSUPPORTED, .names = "s|syslog|r|remote_syslog|log_size_limit|max_traced_msg_len"},
    {.kind = UNSUPPORTED, .names = "user|pass|auth|tls|tlscert|tlskey|tlsverify|tlscacert|help_tls"},
    {.kind = UNSUPPORTED, .names = "js|jetstream|sd|store_dir|routes|cluster|cluster_listen|cluster_name"},
    {.kind = UNSUPPORTED, .names = "cluster_advertise|no_advertise|connect_retries"},
};
#define FLAGS (sizeof flags / sizeof flags[0])

/* ---- spellings ---- */

/* The next spelling in a list, and its length; NULL at the end. */
static const char *next_name(const char **list, size_t *len) {
  const char *name = *list;
  if (name == NULL || *name == '\0') return NULL;
  *len = strcspn(name, "|");
  *list = name + *len + (name[*len] == '|');
  return name;
}

static const struct flag *find_flag(const char *text, size_t text_len) {
  for (size_t i = 0; i < FLAGS; i++) {
    const char *list = flags[i].names, *name;
    size_t len;
    while ((name = next_name(&list, &len)) != NULL)
      if (len == text_len && memcmp(name, text, len) == 0) return &flags[i];
  }
  return NULL;
}

/* ---- values: each parser returns NULL, or what is wrong with the text ---- */

static const char *parse_bool(const char *text, bool *out) {
  static const char *const yes[] = {"true", "t", "1"};
  static const char *const no[] = {"false", "f", "0"};
  for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
    *out = strcasecmp(text, yes[i]) == 0;
    if (*out || strcasecmp(text, no[i]) == 0) return NULL;
  }
  return "must be true or false";
}

/* A decimal integer; *rest is what follows it. */
static const char *parse_digits(const char *text, int64_t *out, const char **rest) {
  if (!isdigit((unsigned char)text[text[0] == '-'])) return "not a number";
  char *end;
  errno = 0;
  *out = strtoll(text, &end, 10);
  *rest = end;
  return errno == ERANGE ? "too large a number" : NULL;
}

static const char *parse_int(const char *text, int64_t *out) {
  const char *rest;
  const char *problem = parse_digits(text, out, &rest);
  if (problem == NULL && *rest != '\0') problem = "not a number";
  return problem;
}

/* As in nats-server's configuration: k m g t p e are powers of 1000, with b, i or ib behind them of 1024. */
static const char *parse_size(const char *text, int64_t *out) {
  static const char letters[] = "kmgtpe";
  const char *rest;
  const char *problem = parse_digits(text, out, &rest);
  if (problem != NULL || *rest == '\0') return problem;
  const char *letter = strchr(letters, tolower((unsigned char)*rest++));
  int64_t base = *rest == '\0' ? 1000 : 1024;
  bool known = *rest == '\0' || strcasecmp(rest, "b") == 0 || strcasecmp(rest, "i") == 0 ||
               strcasecmp(rest, "ib") == 0;
  if (letter == NULL || !known) return "not a size (examples: 4096, 64k, 1MB, 1MiB)";
  for (const char *power = letters; power <= letter; power++)
    if (__builtin_mul_overflow(*out, base, out)) return "too large a number";
  return NULL;
}

/* A decimal fraction without exponent; advances *text. False when there is no digit. */
static bool parse_decimal(const char **text, double *out) {
  const char *at = *text;
  double value = 0, scale = 1;
  int digits = 0;
  for (; isdigit((unsigned char)*at); at++, digits++)
    value = value * 10 + (*at - '0');
  if (*at == '.')
    for (at++; isdigit((unsigned char)*at); at++, digits++)
      value += (*at - '0') * (scale /= 10);
  *text = at;
  *out = value;
  return digits > 0;
}

/* As Go writes durations ("1m30s", "1.5h", "500ms"), or a bare number of seconds. In milliseconds. */
static const char *parse_duration(const char *text, int64_t *out) {
  static const char wrong[] = "not a duration (examples: 500ms, 2s, 1m30s, or seconds: 10)";
  static const struct {
    const char *name;
    double ms;
  } units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"ms", 1},
               {"s", 1e3},   {"m", 6e4},   {"h", 3.6e6}};
  const size_t unit_count = sizeof units / sizeof units[0];
  bool negative = *text == '-';
  const char *start = text + negative, *at = start;
  double ms = 0;
  do {
    const char *number_at = at;
    double number;
    if (!parse_decimal(&at, &number)) return wrong;
    size_t len = strcspn(at, "0123456789."), i = 0;
    while (i < unit_count && !(strlen(units[i].name) == len && memcmp(units[i].name, at, len) == 0))
      i++;
    bool bare = *at == '\0' && number_at == start;
    if (i == unit_count && !bare) return wrong;
    ms += number * (bare ? 1e3 : units[i].ms);
    at += len;
  } while (*at != '\0');
  if (ms > 9e15) return "too long a duration";
  ms += 1e-7; /* what the binary fractions of "0.3s" lack */
  *out = negative ? -(int64_t)ms : (int64_t)ms;
  return NULL;
}

/* ---- values as text, for the help and for messages ---- */

static void format_number(enum kind kind, int64_t value, char *text, size_t room) {
  static const struct {
    int64_t factor;
    const char *name;
  } times[] = {{3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}},
    sizes[] = {{1 << 30, "GB"}, {1 << 20, "MB"}, {1 << 10, "KB"}, {1, ""}};
  size_t i = 0;
  if (kind == DURATION) {
    while (value % times[i].factor != 0)
      i++;
    snprintf(text, room, "%" PRId64 "%s", value / times[i].factor, times[i].name);
  } else if (kind == SIZE) {
    while (value == 0 ? sizes[i].factor != 1 : value % sizes[i].factor != 0)
      i++;
    snprintf(text, room, "%" PRId64 "%s", value / sizes[i].factor, sizes[i].name);
  } else {
    snprintf(text, room, "%" PRId64, value);
  }
}

/* ---- members of struct options ---- */

static void *member(struct options *options, const struct flag *flag) {
  return (char *)options + flag->offset;
}

static void store_number(struct options *options, const struct flag *flag, int64_t value) {
  uint32_t narrow = (uint32_t)value; /* the bounds in the table keep it inside the member's type */
  memcpy(member(options, flag), flag->size == sizeof narrow ? (void *)&narrow : (void *)&value, flag->size);
}

static int64_t load_number(struct options *options, const struct flag *flag) {
  uint32_t narrow = 0;
  int64_t value = 0;
  if (flag->size == sizeof value) {
    memcpy(&value, member(options, flag), sizeof value);
    return value;
  }
  memcpy(&narrow, member(options, flag), sizeof narrow);
  return flag->min < 0 ? (int32_t)narrow : (int64_t)narrow;
}

static const char out_of_memory[] = "out of memory";

static const char *set_string(char **string, const char *text) {
  if (*text == '\0') return "must not be empty";
  char *copy = strdup(text);
  if (copy == NULL) return out_of_memory;
  free(*string);
  *string = copy;
  return NULL;
}

static const char *add_handler(struct options *options, const char *text) {
  const char *equals = strchr(text, '=');
  if (equals == NULL || equals == text || equals[1] == '\0') return "must be FILTER=MODULE";
  struct options_handler *handlers =
      realloc(options->handlers, (options->handler_count + 1) * sizeof *handlers);
  if (handlers == NULL) return out_of_memory;
  options->handlers = handlers;
  struct options_handler *handler = &handlers[options->handler_count];
  handler->filter = strndup(text, (size_t)(equals - text));
  handler->module = strdup(equals + 1);
  if (handler->filter == NULL || handler->module == NULL) {
    free(handler->filter);
    free(handler->module);
    return out_of_memory;
  }
  options->handler_count++;
  return NULL;
}

static const char *set_number(struct options *options, const struct flag *flag, const char *text,
                              char *reason, size_t room) {
  int64_t value = 0;
  const char *problem = flag->kind == INT    ? parse_int(text, &value)
                        : flag->kind == SIZE ? parse_size(text, &value)
                                             : parse_duration(text, &value);
  if (problem != NULL) return problem;
  if (value < flag->min || value > flag->max) {
    char min[32], max[32];
    format_number(flag->kind, flag->min, min, sizeof min);
    format_number(flag->kind, flag->max, max, sizeof max);
    snprintf(reason, room, "must be between %s and %s", min, max);
    return reason;
  }
  store_number(options, flag, value);
  return NULL;
}

/* Sets the member of an option that takes a value. Returns NULL, or the reason (maybe in `reason`). */
static const char *set_value(struct options *options, const struct flag *flag, const char *text, char *reason,
                             size_t room) {
  if (flag->kind == STRING) return set_string(member(options, flag), text);
  if (flag->kind == HANDLER) return add_handler(options, text);
  return set_number(options, flag, text, reason, room);
}

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
  snprintf(text + len, room - len, "%.*s", (int)more_len, more);
}

/* Short spellings and those in capitals are shown with one dash, words with two. */
static void append_names(char *text, size_t room, const struct flag *flag) {
  const char *list = flag->names, *name;
  size_t len;
  const char *separator = "";
  while ((name = next_name(&list, &len)) != NULL) {
    append(text, room, separator, strlen(separator));
    append(text, room, "--", len > 1 && islower((unsigned char)name[0]) ? 2 : 1);
    append(text, room, name, len);
    separator = ", ";
  }
}

static void print_flag(FILE *out, const struct flag *flag, struct options *defaults) {
  char names[160] = "  ", help[512], value[64] = "";
  append_names(names, sizeof names, flag);
  if (flag->value != NULL) {
    size_t len = strlen(names);
    snprintf(names + len, sizeof names - len, " <%s>", flag->value);
  }
  if (flag->kind == STRING) {
    char *text = *(char **)member(defaults, flag);
    if (text != NULL) snprintf(value, sizeof value, "%s", text);
  } else if (flag->kind == BOOL) {
    if (*(bool *)member(defaults, flag)) snprintf(value, sizeof value, "true");
  } else if (flag->kind == INT || flag->kind == SIZE || flag->kind == DURATION) {
    format_number(flag->kind, load_number(defaults, flag), value, sizeof value);
  }
  snprintf(help, sizeof help, value[0] != '\0' ? "%s (default %s)" : "%s", flag->help, value);
  fprintf(out, "%-*s", HELP_COLUMN, names);
  if (strlen(names) >= HELP_COLUMN) fprintf(out, "\n%*s", HELP_COLUMN, "");
  print_wrapped(out, help, HELP_COLUMN);
}

static void print_help(FILE *out) {
  struct options defaults;
  if (options_init(&defaults) < 0) {
    fprintf(stderr, "tern: %s\n", out_of_memory);
    return;
  }
  fprintf(out, "Usage: tern [option]...\n       tern version | help\n\n");
  print_wrapped(out,
                "A message broker that speaks the NATS protocol. Options may have one dash or two; a value "
                "follows as `-x value` or `-x=value`. Sizes: 65536, 64k (thousands), 64KB or 64KiB (1024s). "
                "Times: 500ms, 2s, 1m30s, or a number of seconds.",
                0);
  char missing[1024] = "";
  for (size_t i = 0; i < FLAGS; i++) {
    if (flags[i].kind == HEADING) {
      fprintf(out, "\n%s:\n", flags[i].help);
    } else if (flags[i].kind == UNSUPPORTED) {
      append(missing, sizeof missing, ", ", missing[0] != '\0' ? 2 : 0);
      append_names(missing, sizeof missing, &flags[i]);
    } else {
      print_flag(out, &flags[i], &defaults);
    }
  }
  fprintf(out, "\nOptions of nats-server that this version of tern does not support:\n  ");
  print_wrapped(out, missing, 2);
  options_free(&defaults);
}

static void print_version(void) { printf("nats-server: v%s (tern %s)\n", TERN_NATS_VERSION, TERN_VERSION); }

/* ---- the command line ---- */

/* What the words of the command line are read with. */
struct reader {
  struct options *options;
  int argc, next;
  char **argv;
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
static enum options_verdict read_switch(struct options *options, const struct flag *flag, const char *word,
                                        size_t len, const char *value) {
  bool on = true;
  const char *problem = value != NULL ? parse_bool(value, &on) : NULL;
  if (problem != NULL) return refuse_value(value, word, len, problem);
  switch (flag->kind) {
    case VERSION:
      if (on) print_version();
      return on ? OPTIONS_EXIT : OPTIONS_RUN;
    case HELP:
      if (on) print_help(stdout);
      return on ? OPTIONS_EXIT : OPTIONS_RUN;
    case DEBUG_TRACE:
      options->debug = options->trace = on;
      return OPTIONS_RUN;
    default:
      *(bool *)member(options, flag) = on;
      return OPTIONS_RUN;
  }
}

/* One word with a dash, and its value if that is the next word. */
static enum options_verdict read_flag(struct reader *reader, const char *word) {
  size_t dashes = word[1] == '-' ? 2 : 1, len = strcspn(word, "=");
  const char *value = word[len] == '=' ? word + len + 1 : NULL;
  const struct flag *flag = find_flag(word + dashes, len - dashes);
  if (flag == NULL) {
    fprintf(stderr, "tern: unknown option: %.*s\nUsage: tern [option]...\nTry: tern --help\n", (int)len,
            word);
    return OPTIONS_EXIT;
  }
  switch (flag->kind) {
    case UNSUPPORTED:
      fprintf(stderr, "tern: %.*s is not supported by this version of tern\n", (int)len, word);
      return OPTIONS_FAIL;
    case BOOL:
    case DEBUG_TRACE:
    case VERSION:
    case HELP:
      return read_switch(reader->options, flag, word, len, value);
    default:
      break;
  }
  if (value == NULL && reader->next < reader->argc) value = reader->argv[reader->next++];
  if (value == NULL) {
    fprintf(stderr, "tern: option needs a value: %.*s <%s>\n", (int)len, word, flag->value);
    return OPTIONS_FAIL;
  }
  char reason[128];
  const char *problem = set_value(reader->options, flag, value, reason, sizeof reason);
  return problem != NULL ? refuse_value(value, word, len, problem) : OPTIONS_RUN;
}

/* True for host, host:port, and the same with an IPv6 address in brackets. */
static bool is_advertisable(const char *text) {
  const char *colon = strrchr(text, ':'), *bracket = strchr(text, ']');
  if ((text[0] == '[') != (bracket != NULL) || strpbrk(text, " \t\r\n\"") != NULL) return false;
  if (bracket != NULL && (colon == NULL || colon < bracket)) return bracket[1] == '\0';
  if (colon == NULL) return true;
  int64_t port;
  bool one_colon = bracket != NULL ? colon == bracket + 1 : strchr(text, ':') == colon;
  return one_colon && colon > text && parse_int(colon + 1, &port) == NULL && port >= 1 && port <= 65535;
}

/* What no single option can say: values that stand for others, and values that must fit one another. */
static enum options_verdict check_all(struct options *options) {
  if (options->port == 0) options->port = PORT_DEFAULT;
  if (options->max_connections == 0) options->max_connections = TERN_CONNECTIONS_MAX_DEFAULT;
  if (options->max_connections < 0) options->max_connections = INT64_MAX;
  if (options->server_name != NULL && strpbrk(options->server_name, " \t\r\n") != NULL) {
    fprintf(stderr, "tern: the server name \"%s\" must not contain spaces\n", options->server_name);
    return OPTIONS_FAIL;
  }
  if (options->client_advertise != NULL && !is_advertisable(options->client_advertise)) {
    fprintf(stderr, "tern: client_advertise \"%s\" must be HOST or HOST:PORT, an IPv6 address in brackets\n",
            options->client_advertise);
    return OPTIONS_FAIL;
  }
  if (options->max_payload > options->max_pending) {
    fprintf(stderr, "tern: max_payload (%" PRIu32 ") must not be larger than max_pending (%" PRIu64 ")\n",
            options->max_payload, options->max_pending);
    return OPTIONS_FAIL;
  }
  if ((options->ring_size & (options->ring_size - 1)) != 0 ||
      options->ring_size / 16 < options->max_control_line) {
    fprintf(stderr,
            "tern: ring_size (%" PRIu32
            ") must be a power of two and at least 16 times max_control_line (%" PRIu32 ")\n",
            options->ring_size, options->max_control_line);
    return OPTIONS_FAIL;
  }
  if (options->max_payload > PAYLOAD_WARN_BYTES)
    fprintf(stderr, "tern: warning: max_payload is above 8MB: such messages hold up everyone's traffic\n");
  return OPTIONS_RUN;
}

enum options_verdict options_parse(struct options *options, int argc, char **argv) {
  struct reader reader = {options, argc, 1, argv};
  while (reader.next < argc) {
    const char *word = argv[reader.next++];
    bool end_of_flags = strcmp(word, "--") == 0;
    if (end_of_flags && reader.next == argc) break;
    if (end_of_flags) word = argv[reader.next];
    if (end_of_flags || word[0] != '-' || word[1] == '\0') return read_command(word);
    enum options_verdict verdict = read_flag(&reader, word);
    if (verdict != OPTIONS_RUN) return verdict;
  }
  return check_all(options);
}

int options_init(struct options *options) {
  *options = (struct options){
      .host = strdup("0.0.0.0"),
      .port = PORT_DEFAULT,
      .logtime = true,
      .max_payload = TERN_PAYLOAD_MAX_BYTES_DEFAULT,
      .max_control_line = TERN_CONTROL_LINE_MAX_BYTES_DEFAULT,
      .max_pending = TERN_PENDING_MAX_BYTES_DEFAULT,
      .ring_size = TERN_RING_BYTES_DEFAULT,
      .max_connections = TERN_CONNECTIONS_MAX_DEFAULT,
      .ping_interval_ms = 120000,
      .ping_max = 2,
      .write_deadline_ms = 10000,
  };
  return options->host != NULL ? 0 : -ENOMEM;
}

void options_free(struct options *options) {
  for (size_t i = 0; i < FLAGS; i++) {
    if (flags[i].kind != STRING) continue;
    char **string = member(options, &flags[i]);
    free(*string);
    *string = NULL;
  }
  for (size_t i = 0; i < options->handler_count; i++) {
    free(options->handlers[i].filter);
    free(options->handlers[i].module);
  }
  free(options->handlers);
  options->handlers = NULL;
  options->handler_count = 0;
}
