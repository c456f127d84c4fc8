/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options, and what is done with one row of it: finding it by a spelling, checking a value against its
 * bounds, storing the value in struct options.
 *
 *     flag or key --find--> row --kind--> value --bounds--> member of struct options
 *
 * A flag and a key of the configuration file that set the same thing are one row, so that they cannot come to
 * differ. Rows of kind OPTION_UNSUPPORTED are nats-server's flags that tern does not have: they are refused by
 * name, because a server that ignores what it was told is worse than one that does not start. Keys that tern does
 * not have are in options_file.c.
 */
#include "options_table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/limits.h>

#include "values.h"

#define CONTROL_LINE_MAX_BYTES 16384
#define PORT_MAX               65535
#define MS_PER_DAY             (24 * 3600 * 1000LL)

const char option_no_memory[] = "out of memory";

static const char *check_name(const char *text);
static const char *check_address(const char *text);
static const char *check_remote_syslog(const char *text);
static const char *check_log_format(const char *text);
static const char *check_mode(const char *text);

#define FIELD(member) \
  .offset = offsetof(struct options, member), .size = sizeof(((struct options *)0)->member)
#define BETWEEN(low, high) .min = (low), .max = (high)
#define SAME(names)        names, names
#define OWN(name)          name, OPTION_OWN_BLOCK name

const struct option option_table[] = {
    {.kind = OPTION_HEADING, .help = "Server"},
    {"c|config", NULL, OPTION_STRING, FIELD(config_file), .value = "file",
     .help = "Read this configuration file; flags override it"},
    {"t", NULL, OPTION_BOOL, FIELD(check_only), .help = "Check the configuration and end"},
    {"diff", NULL, OPTION_STRING, FIELD(diff), .value = "file",
     .help = "With -t: print what a reload would change that found the file of -c in place of this one"},
    {"a|addr|net", "host|net", OPTION_STRING, FIELD(host), .value = "host",
     .help = "Address to listen on; 0.0.0.0: all", .otherwise = OPTION_HOST_DEFAULT},
    {"p|port", "port", OPTION_INT, FIELD(port), BETWEEN(-1, PORT_MAX), "port",
     "Port to listen on; -1: any free one, 0: 4222"},
    {NULL, "listen", OPTION_LISTEN, FIELD(host), .port = "port"},
    {"n|name|server_name", "server_name", OPTION_STRING, FIELD(server_name), .value = "name",
     .help = "Name shown to clients; without it, the server's id", .check = check_name},
    {SAME("client_advertise"), OPTION_STRING, FIELD(client_advertise), .value = "host[:port]",
     .help = "Address told to clients instead of the own one", .check = check_address, .live = true},
    {OWN("unix_socket"), OPTION_STRING, FIELD(unix_socket), .value = "path",
     .help = "Listen on this Unix-domain socket as well"},
    {OWN("unix_mode"), OPTION_STRING, FIELD(unix_mode), .value = "mode", .unquoted = true,
     .help = "Permissions of its file, whatever the umask is, as octal digits like 0660: who may write may "
             "connect. Without, what the umask leaves",
     .check = check_mode},
    {OWN("workers"), OPTION_INT, FIELD(workers), BETWEEN(0, TERN_WORKERS_MAX), "n",
     "Worker threads; 0: one for each available processor"},
    {OWN("ring_size"), OPTION_SIZE, FIELD(ring_size), BETWEEN(65536, 16777216), "size",
     "Queue between two workers, a power of two, at least 16 times max_control_line; a full one holds up its "
     "sources"},
    {"handler", OPTION_OWN_BLOCK "handlers", OPTION_HANDLER, .value = "filter=module",
     .help =
         "Answer subjects matching filter inside the server, by a module: a file if there is a '/' in it, "
         "else <module>.so in $TERN_MODULE_PATH, in ../lib/tern beside the program, or where tern was "
         "installed. May be repeated; SIGHUP loads changed files"},
    {"sl|signal", NULL, OPTION_STRING, FIELD(signal), .value = "command[=whom]",
     .help =
         "Tell a running server to quit, term, stop, reload, reopen (its log) or ldm (lame duck mode), and "
         "end. Whom: a "
         "process id, a pid file, or the beginning of process ids and *; without, the only one that runs"},
    {"run_as_user", OPTION_OWN_BLOCK "user", OPTION_STRING, FIELD(run_as_user), .value = "user",
     .help = "Become this user, by name or number, when sockets and files are open; its group, too"},
    {"run_as_group", OPTION_OWN_BLOCK "group", OPTION_STRING, FIELD(run_as_group), .value = "group",
     .help = "Become this group"},
    {"P|pid", "pid_file|pidfile", OPTION_STRING, FIELD(pid_file), .value = "file",
     .help = "Write the process id to this file", .live = true},
    {SAME("ports_file_dir"), OPTION_STRING, FIELD(ports_file_dir), .value = "dir",
     .help = "Write the ports in use to <program>_<pid>.ports in this directory", .live = true},

    {.kind = OPTION_HEADING, .help = "Monitoring"},
    {"m|http_port", "http_port|monitor_port", OPTION_INT, FIELD(http_port), BETWEEN(-1, PORT_MAX), "port",
     "Tell figures over HTTP on this port; -1: any free one, 0: do not"},
    {"ms|https_port", "https_port", OPTION_INT, FIELD(https_port), BETWEEN(-1, PORT_MAX), "port",
     "The same over HTTPS, with the certificate of the tls block"},
    {NULL, "http", OPTION_LISTEN, FIELD(http_host), .port = "http_port"},
    {NULL, "https", OPTION_LISTEN, FIELD(http_host), .port = "https_port"},
    {NULL, "http_base_path", OPTION_STRING, FIELD(http_base_path), .value = "path",
     .help = "Where the pages are below, like /nats"},
    {NULL, "max_closed_clients", OPTION_INT, FIELD(max_closed_clients), BETWEEN(0, 1000000), "n",
     "Closed connections that /connz?state=closed remembers"},

    {.kind = OPTION_HEADING, .help = "Limits and times"},
    {SAME("max_payload"), OPTION_SIZE, FIELD(max_payload), BETWEEN(0, INT32_MAX), "size",
     "Largest message, headers included; at most max_pending", .live = true},
    {NULL, "no_header_support", OPTION_BOOL, FIELD(no_header_support),
     .help = "Messages have no headers: INFO says so, and clients that send some are closed"},
    {SAME("max_control_line"), OPTION_SIZE, FIELD(max_control_line), BETWEEN(0, CONTROL_LINE_MAX_BYTES),
     "size", "Longest protocol line", .live = true},
    {SAME("max_pending"), OPTION_SIZE, FIELD(max_pending), BETWEEN(0, INT64_MAX), "size",
     "Unsent bytes at which a connection is dropped as slow", .live = true},
    {"max_connections", "max_connections|max_conn", OPTION_INT, FIELD(max_connections),
     BETWEEN(INT32_MIN, INT32_MAX), "n", "Open client connections; 0: 65536, below: no limit", .live = true},
    {SAME("max_subscriptions|max_subs"), OPTION_INT, FIELD(max_subscriptions), BETWEEN(-1, UINT32_MAX), "n",
     "Subscriptions of one connection; 0 or -1: no limit", .live = true},
    {SAME("max_subscription_tokens|max_sub_tokens"), OPTION_INT, FIELD(max_subscription_tokens),
     BETWEEN(0, 255), "n", "Tokens in a subscription's subject; 0: no limit", .live = true},
    {SAME("ping_interval"), OPTION_DURATION, FIELD(ping_interval_ms), BETWEEN(0, 30 * MS_PER_DAY), "time",
     "Time between PINGs to an idle client", .live = true},
    {SAME("ping_max"), OPTION_INT, FIELD(ping_max), BETWEEN(0, 1000000), "n",
     "Unanswered PINGs at which a connection is closed", .live = true},
    {SAME("write_deadline"), OPTION_DURATION, FIELD(write_deadline_ms), BETWEEN(0, 30 * MS_PER_DAY), "time",
     "Time a client may take none of its data before it is dropped", .live = true},
    {OWN("max_connections_per_address"), OPTION_INT, FIELD(max_connections_per_address), BETWEEN(0, 1000000),
     "n", "Open connections from one IP address; 0: no limit", .live = true},
    {OWN("max_connections_per_user"), OPTION_INT, FIELD(max_connections_per_user), BETWEEN(0, 1000000), "n",
     "Open connections of one user; 0: no limit", .live = true},
    {OWN("connections_per_second"), OPTION_INT, FIELD(connections_per_second), BETWEEN(0, 1000000), "n",
     "New connections taken in a second, the others wait in the system's queue; 0: no limit", .live = true},
    {OWN("publish_messages"), OPTION_INT, FIELD(publish_messages), BETWEEN(0, 1000000000), "n",
     "Messages a user may publish in a second (all connections together; a client without a user for "
     "itself); who is faster is slowed; 0: no limit",
     .live = true},
    {OWN("publish_bytes"), OPTION_SIZE, FIELD(publish_bytes), BETWEEN(0, INT64_MAX), "size",
     "Bytes of messages, in the same way", .live = true},
    {OWN("max_memory"), OPTION_SIZE, FIELD(max_memory), BETWEEN(0, INT64_MAX), "size",
     "Memory of the whole process; near it new connections, then subscriptions are refused, then clients "
     "are not read, then those that take nothing are cut off; 0: no ceiling",
     .live = true},
    {SAME("lame_duck_duration"), OPTION_DURATION, FIELD(lame_duck_duration_ms),
     BETWEEN(30000, 30 * MS_PER_DAY), "time",
     "Time in which clients are closed, one by one, after SIGUSR2 (lame duck mode)", .live = true},
    {SAME("lame_duck_grace_period"), OPTION_DURATION, FIELD(lame_duck_grace_period_ms),
     BETWEEN(0, 30 * MS_PER_DAY), "time",
     "Of that, the time before the first is closed, for those who leave by themselves", .live = true},

    {.kind = OPTION_HEADING, .help = "TLS (in the file: a block tls)"},
    {"tls", NULL, OPTION_BOOL, FIELD(tls_on), .help = "Clients must use TLS; replaces the block tls"},
    {"tlscert", NULL, OPTION_STRING, FIELD(tls_cert), .value = "file",
     .help = "The server's certificate, PEM; it is read again at SIGHUP, and when it changes"},
    {"tlskey", NULL, OPTION_STRING, FIELD(tls_key), .value = "file", .help = "Its private key, PEM"},
    {"tlsverify", NULL, OPTION_BOOL, FIELD(tls_verify), .help = "Clients must show a certificate"},
    {"tlscacert", NULL, OPTION_STRING, FIELD(tls_ca), .value = "file",
     .help = "Who vouches for the certificates of clients, PEM"},
    {.kind = OPTION_HEADING, .help = "Who may connect (more of this in the file: authorization, accounts)"},
    {"user", NULL, OPTION_STRING, FIELD(user), .value = "name", .help = "Clients have to be this user"},
    {"pass", NULL, OPTION_STRING, FIELD(pass), .value = "password",
     .help = "with this password, or the one of this bcrypt hash"},
    {"auth", NULL, OPTION_STRING, FIELD(auth), .value = "token",
     .help = "Clients have to have this token, or the one of this bcrypt hash"},

    {.kind = OPTION_HEADING, .help = "Logging"},
    {"l|log", "log_file|logfile", OPTION_STRING, FIELD(log_file), .value = "file",
     .help = "Log to this file instead of standard error", .live = true},
    {"log_size_limit", "log_size_limit|logfile_size_limit", OPTION_SIZE, FIELD(log_size_limit),
     BETWEEN(INT64_MIN, INT64_MAX), "size",
     "Bytes at which the log file is renamed, with the time behind its name, and begun anew; 0 or below: "
     "never",
     .live = true},
    {"log_max_num", "log_max_num|logfile_max_num", OPTION_INT, FIELD(log_max_num), BETWEEN(0, INT32_MAX), "n",
     "Log files kept, the current one included; 0: all", .live = true},
    {"s|syslog", "syslog", OPTION_BOOL, FIELD(syslog), .help = "Log to the local syslog, if not to a file",
     .live = true},
    {"r|remote_syslog", "remote_syslog", OPTION_STRING, FIELD(remote_syslog), .value = "udp://host:port",
     .help = "Log to this syslog, if not to a file", .check = check_remote_syslog, .live = true},
    {OWN("log_format"), OPTION_STRING, FIELD(log_format), .value = "text|json",
     .help = "Lines as nats-server writes them, or one JSON object a line", .check = check_log_format,
     .live = true},
    {"T|logtime", "logtime", OPTION_BOOL, FIELD(logtime),
     .help = "Put the time in front of each line; -T=false: do not", .live = true},
    {SAME("logtime_utc"), OPTION_BOOL, FIELD(logtime_utc), .help = "Log times in UTC", .live = true},
    {"D|debug", "debug", OPTION_BOOL, FIELD(debug), .help = "Log what helps to find faults", .live = true},
    {"V|trace|VV", "trace|trace_verbose", OPTION_BOOL, FIELD(trace),
     .help =
         "Log what clients send, their messages included, and what is sent to them; of CONNECT no secrets",
     .live = true},
    {"DV|DVV", NULL, OPTION_DEBUG_TRACE, FIELD(debug), .help = "Both of these", .live = true},
    {SAME("max_traced_msg_len"), OPTION_INT, FIELD(max_traced_msg_len), BETWEEN(INT32_MIN, INT32_MAX), "n",
     "Bytes of each message that are traced, at most about 3000; 0 or below: no other limit", .live = true},
    {SAME("trace_headers"), OPTION_BOOL, FIELD(trace_headers),
     .help = "Trace the headers of messages, and nothing else of them", .live = true},

    {.kind = OPTION_HEADING, .help = "Information"},
    {"v|version", NULL, OPTION_VERSION,
     .help = "Print the version and end. The first number is that of the nats-server "
             "whose behaviour this is, for tools that ask"},
    {"h|help", NULL, OPTION_HELP, .help = "Print this text and end"},
    {"help_tls", NULL, OPTION_HELP_TLS, .help = "Print what a block tls may say, and end"},

    {.flags = "profile", .kind = OPTION_UNSUPPORTED},
    {.flags = "js|jetstream|sd|store_dir|routes|cluster", .kind = OPTION_UNSUPPORTED},
    {.flags = "cluster_listen|cluster_name|cluster_advertise|no_advertise|connect_retries",
     .kind = OPTION_UNSUPPORTED},
};
const size_t option_count = sizeof option_table / sizeof option_table[0];

/* ---- spellings ---- */

const char *option_next_name(const char **list, size_t *len) {
  const char *name = *list;
  if (name == NULL || *name == '\0') return NULL;
  *len = strcspn(name, "|");
  *list = name + *len + (name[*len] == '|');
  return name;
}

const struct option *option_by_flag(const char *text, size_t text_len) {
  for (size_t i = 0; i < option_count; i++) {
    const char *list = option_table[i].flags, *name;
    size_t len;
    while ((name = option_next_name(&list, &len)) != NULL)
      if (len == text_len && memcmp(name, text, len) == 0) return &option_table[i];
  }
  return NULL;
}

bool option_has_name(const char *list, const char *text) {
  const char *name;
  size_t len;
  while ((name = option_next_name(&list, &len)) != NULL)
    if (len == strlen(text) && strncasecmp(name, text, len) == 0) return true;
  return false;
}

const struct option *option_by_key(const char *block, const char *text) {
  const size_t block_len = strlen(block), own_len = strlen(OPTION_OWN_BLOCK);
  for (size_t i = 0; i < option_count; i++) {
    const char *keys = option_table[i].keys;
    if (keys == NULL) continue;
    bool own = strncmp(keys, OPTION_OWN_BLOCK, own_len) == 0;
    if (own == (block_len > 0) && option_has_name(keys + block_len, text)) return &option_table[i];
  }
  return NULL;
}

/* ---- values ---- */

void *option_member(struct options *options, const struct option *option) {
  return (char *)options + option->offset;
}

int64_t option_number(struct options *options, const struct option *option) {
  uint32_t narrow = 0;
  int64_t value = 0;
  if (option->size == sizeof value) {
    memcpy(&value, option_member(options, option), sizeof value);
    return value;
  }
  memcpy(&narrow, option_member(options, option), sizeof narrow);
  return option->min < 0 ? (int32_t)narrow : (int64_t)narrow;
}

static void store_number(struct options *options, const struct option *option, int64_t value) {
  uint32_t narrow = (uint32_t)value; /* the bounds in the table keep it inside the member's type */
  memcpy(option_member(options, option), option->size == sizeof narrow ? (void *)&narrow : (void *)&value,
         option->size);
}

void option_set_bool(struct options *options, const struct option *option, bool on) {
  if (option->kind == OPTION_DEBUG_TRACE)
    options->debug = options->trace = on;
  else
    *(bool *)option_member(options, option) = on;
}

static const char *replace(char **string, const char *text, size_t len) {
  char *copy = strndup(text, len);
  if (copy == NULL) return option_no_memory;
  free(*string);
  *string = copy;
  return NULL;
}

static const char *add_handler(struct options *options, const char *text) {
  const char *equals = strchr(text, '=');
  if (equals == NULL || equals == text || equals[1] == '\0') return "must be FILTER=MODULE";
  struct options_handler *handlers =
      realloc(options->handlers, (options->handler_count + 1) * sizeof *handlers);
  if (handlers == NULL) return option_no_memory;
  options->handlers = handlers;
  struct options_handler *handler = &handlers[options->handler_count];
  handler->filter = strndup(text, (size_t)(equals - text));
  handler->module = strdup(equals + 1);
  if (handler->filter == NULL || handler->module == NULL) {
    free(handler->filter);
    free(handler->module);
    return option_no_memory;
  }
  options->handler_count++;
  return NULL;
}

/* "host:port", "[v6]:port", ":port". */
static const char *set_listen(struct options *options, const struct option *option, const char *text) {
  static const char wrong[] = "must be HOST:PORT, an IPv6 address in brackets, or only a port as a number";
  const char *colon = strrchr(text, ':');
  bool bracket = text[0] == '[';
  int64_t port;
  if (colon == NULL || value_int(colon + 1, &port) != NULL || port < -1 || port > PORT_MAX) return wrong;
  if (bracket ? colon < text + 3 || colon[-1] != ']' : strchr(text, ':') != colon) return wrong;
  const char *host = text + bracket;
  size_t len = (size_t)(colon - host) - bracket;
  char **member = option_member(options, option);
  const char *problem = len == 0 ? replace(member, OPTION_HOST_DEFAULT, sizeof OPTION_HOST_DEFAULT - 1)
                                 : replace(member, host, len);
  if (problem == NULL) store_number(options, option_by_key("", option->port), port);
  return problem;
}

const char *option_set_string(struct options *options, const struct option *option, const char *text) {
  if (*text == '\0') return "must not be empty";
  if (option->kind == OPTION_HANDLER) return add_handler(options, text);
  if (option->kind == OPTION_LISTEN) return set_listen(options, option, text);
  const char *problem = option->check != NULL ? option->check(text) : NULL;
  return problem != NULL ? problem : replace(option_member(options, option), text, strlen(text));
}

const char *option_unset(struct options *options, const struct option *option) {
  char **member = option_member(options, option);
  if (option->otherwise != NULL) return replace(member, option->otherwise, strlen(option->otherwise));
  free(*member);
  *member = NULL;
  return NULL;
}

const char *option_set_number(struct options *options, const struct option *option, int64_t value,
                              char *reason) {
  if (option->kind == OPTION_LISTEN) option = option_by_key("", option->port);
  if (value >= option->min && value <= option->max) {
    store_number(options, option, value);
    return NULL;
  }
  char min[32], max[32];
  if (option->kind == OPTION_DURATION) {
    value_format_duration(option->min, min, sizeof min);
    value_format_duration(option->max, max, sizeof max);
  } else if (option->kind == OPTION_SIZE) {
    value_format_size(option->min, min, sizeof min);
    value_format_size(option->max, max, sizeof max);
  } else {
    snprintf(min, sizeof min, "%" PRId64, option->min);
    snprintf(max, sizeof max, "%" PRId64, option->max);
  }
  snprintf(reason, OPTION_REASON_BYTES, "must be between %s and %s", min, max);
  return reason;
}

const char *option_set_text(struct options *options, const struct option *option, const char *text,
                            char *reason) {
  int64_t value = 0;
  const char *problem = NULL;
  switch (option->kind) {
    case OPTION_INT:
      problem = value_int(text, &value);
      break;
    case OPTION_SIZE:
      problem = value_size(text, &value);
      break;
    case OPTION_DURATION:
      problem = value_duration(text, &value);
      break;
    default:
      return option_set_string(options, option, text);
  }
  return problem != NULL ? problem : option_set_number(options, option, value, reason);
}

void option_clear_handlers(struct options *options) {
  for (size_t i = 0; i < options->handler_count; i++) {
    free(options->handlers[i].filter);
    free(options->handlers[i].module);
  }
  free(options->handlers);
  options->handlers = NULL;
  options->handler_count = 0;
}

/* ---- checks of single strings ---- */

static const char *check_name(const char *text) {
  return strpbrk(text, " \t\r\n") != NULL ? "must not contain spaces" : NULL;
}

/* host, host:port, and the same with an IPv6 address in brackets. */
static const char *check_address(const char *text) {
  static const char wrong[] = "must be HOST or HOST:PORT, an IPv6 address in brackets";
  const char *colon = strrchr(text, ':'), *bracket = strchr(text, ']');
  if ((text[0] == '[') != (bracket != NULL) || strpbrk(text, " \t\r\n\"") != NULL) return wrong;
  if (bracket != NULL && (colon == NULL || colon < bracket)) return bracket[1] == '\0' ? NULL : wrong;
  if (colon == NULL) return NULL;
  int64_t port;
  bool one_colon = bracket != NULL ? colon == bracket + 1 : strchr(text, ':') == colon;
  if (!one_colon || colon == text || value_int(colon + 1, &port) != NULL) return wrong;
  return port >= 1 && port <= PORT_MAX ? NULL : wrong;
}

static const char *check_remote_syslog(const char *text) {
  static const char scheme[] = "udp://", wrong[] = "must be udp://HOST:PORT, an IPv6 address in brackets";
  if (strncmp(text, scheme, sizeof scheme - 1) != 0) return wrong;
  const char *place = text + sizeof scheme - 1, *colon = strrchr(place, ':');
  if (colon == NULL || (place[0] == '[' && colon[-1] != ']')) return wrong;
  return check_address(place) == NULL ? NULL : wrong;
}

/* One way to write each, so that nobody has to guess whether 660 is octal. The owner has to be let in, or a broker that is
 * not root could not tell after a crash that nobody listens there any more. */
static const char *check_mode(const char *text) {
  bool fits =
      strlen(text) == 4 && text[0] == '0' && strspn(text, "01234567") == 4 && ((text[1] - '0') & 2) != 0;
  return fits ? NULL : "must be octal digits between 0200 and 0777 that let the owner write, like 0660";
}

static const char *check_log_format(const char *text) {
  return strcmp(text, "text") == 0 || strcmp(text, "json") == 0 ? NULL : "must be text or json";
}
