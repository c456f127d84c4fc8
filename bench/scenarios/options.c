/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: one table says of each its name, where its value goes, what is possible and what it means. All scenarios
 * have the same; one that a scenario has no use for is read and ignored.
 *
 * Thread: main.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define SECONDS_DEFAULT 5
#define WINDOW_DEFAULT  16000000
#define PEERS_MAX       65536

enum value { VALUE_COUNT, VALUE_BIG, VALUE_REAL, VALUE_TEXT, VALUE_FLAG };

static const struct spec {
  const char *name;
  const char *argument; /* NULL: a flag */
  const char *meaning;
  enum value value;
  bool local; /* where, and how it is shown: not part of the command to repeat */
  size_t at;
  double min, max;
} specs[] = {
#define AT(field) offsetof(struct options, field)
    {"server", "URL",
     "nats://[USER:PASSWORD@]HOST:PORT, tls://..., unix:///PATH, redis://HOST:PORT, or\n"
     "raw://HOST:PORT for tern-bench forward (default nats://127.0.0.1:4222)",
     VALUE_TEXT, true, AT(url), 0, 0},
    {"user", "NAME", "as whom; also in the URL", VALUE_TEXT, true, AT(user), 0, 0},
    {"password", "TEXT", "of that user", VALUE_TEXT, true, AT(password), 0, 0},
    {"token", "TEXT", "in place of user and password", VALUE_TEXT, true, AT(token), 0, 0},
    {"tlscert", "FILE", "with tls://: this client's certificate", VALUE_TEXT, true, AT(tls_cert), 0, 0},
    {"tlskey", "FILE", "its key", VALUE_TEXT, true, AT(tls_key), 0, 0},
    {"tlsca", "FILE", "who vouches for the server (default: those the system trusts)", VALUE_TEXT, true,
     AT(tls_ca), 0, 0},
    {"tls-insecure", NULL, "take any certificate", VALUE_FLAG, true, AT(tls_insecure), 0, 0},
    {"size", "BYTES", "payload, from 8", VALUE_COUNT, false, AT(size), PAYLOAD_MIN_BYTES, PAYLOAD_MAX_BYTES},
    {"msgs", "N", "messages (requests) of each publisher; k and m allowed", VALUE_BIG, false, AT(messages), 1,
     1e15},
    {"seconds", "S", "how long (without --msgs: 5)", VALUE_REAL, false, AT(seconds), 0.001, 86400},
    {"rate", "N", "messages per second of all publishers together (default: as fast as possible)", VALUE_REAL,
     false, AT(rate), 0.001, 1e9},
    {"pubs", "N", "publishers (requesters)", VALUE_COUNT, false, AT(publishers), 1, PUBLISHERS_MAX},
    {"subs", "N", "subscribers (responders)", VALUE_COUNT, false, AT(subscribers), 0, PEERS_MAX},
    {"subject", "NAME", "(default bench)", VALUE_TEXT, false, AT(subject), 0, 0},
    {"subjects", "N", "wildcard: subjects; subscribe: subscriptions", VALUE_COUNT, false, AT(subjects), 1,
     1e8},
    {"shared", NULL, "subscribe: all connections (--subs) to the same subjects", VALUE_FLAG, false,
     AT(shared), 0, 0},
    {"in-flight", "N", "request: requests of each requester at a time", VALUE_COUNT, false, AT(in_flight), 1,
     65536},
    {"connections", "N", "idle: how many; storm, crowd: how many at a time", VALUE_COUNT, false,
     AT(connections), 1, 1e7},
    {"churn-rate", "N", "churn: pairs of SUB and UNSUB per second", VALUE_REAL, false, AT(churn_rate), 1,
     1e8},
    {"storm-rate", "N", "storm, crowd: connections per second (default: as fast as possible)", VALUE_REAL,
     false, AT(storm_rate), 0.001, 1e9},
    {"background", NULL, "storm: leave the processors to others who wake", VALUE_FLAG, false, AT(background),
     0, 0},
    {"refused", NULL, "storm: being refused is what is waited for", VALUE_FLAG, false, AT(refused), 0, 0},
    {"storm-password", "TEXT", "crowd: one that is wrong, for the storm, which is then refused", VALUE_TEXT,
     false, AT(storm_password), 0, 0},
    {"storm-server", "URL", "crowd: whom the storm is for (default: the server)", VALUE_TEXT, false,
     AT(storm_url), 0, 0},
    {"placement", "HOW", "same or cross: publishers on the subscribers' worker, or on others (tern only)",
     VALUE_TEXT, false, AT(placed), 0, 0},
    {"window", "BYTES", "under way to each subscriber when unpaced; 0: any number (default 16m)", VALUE_BIG,
     false, AT(window), 0, 1e15},
    {"threads", "N", "client threads (default: processors, up to 16)", VALUE_COUNT, false, AT(threads), 1,
     256},
    {"pid", "PID", "the broker's process, to report its CPU time (default: found when local)", VALUE_COUNT,
     true, AT(pid), 1, INT32_MAX},
    {"label", "TEXT", "name of the measurement (default: the server's)", VALUE_TEXT, true, AT(label), 0, 0},
    {"json", NULL, "print the result as one line of JSON", VALUE_FLAG, true, AT(json), 0, 0},
    {"json-file", "FILE", "write it there as well", VALUE_TEXT, true, AT(json_file), 0, 0},
    {"csv", "FILE", "the same as CSV", VALUE_TEXT, true, AT(csv), 0, 0},
    {"html", "FILE", "the same as a page", VALUE_TEXT, true, AT(html), 0, 0},
    {"quiet", NULL, "no progress", VALUE_FLAG, true, AT(quiet), 0, 0},
    {"help", NULL, "this", VALUE_FLAG, true, AT(help), 0, 0},
#undef AT
};
#define SPECS (sizeof specs / sizeof specs[0])

bool parse_number(const char *text, double min, double max, double *out) {
  char *end;
  errno = 0;
  if ((*text < '0' || *text > '9') && *text != '.') return false;
  double value = strtod(text, &end);
  double unit = *end == 'k' ? 1e3 : *end == 'm' ? 1e6 : 1;
  if (unit > 1) end++;
  if (errno != 0 || *end != '\0') return false;
  *out = value * unit;
  return *out >= min && *out <= max;
}

/* Puts a value where it belongs. */
static bool set(struct options *options, const struct spec *spec, const char *value) {
  char *to = (char *)options + spec->at;
  double number = 0;
  bool flag = true;
  if (spec->value == VALUE_TEXT) {
    memcpy(to, &value, sizeof value);
    return true;
  }
  if (spec->value == VALUE_FLAG) {
    memcpy(to, &flag, sizeof flag);
    return true;
  }
  if (!parse_number(value, spec->min, spec->max, &number)) return false;
  uint64_t big = (uint64_t)number;
  unsigned count = (unsigned)big;
  if (spec->value == VALUE_REAL) memcpy(to, &number, sizeof number);
  if (spec->value == VALUE_REAL) return true;
  if ((double)big != number) return false;
  if (spec->value == VALUE_BIG) memcpy(to, &big, sizeof big);
  if (spec->value == VALUE_COUNT) memcpy(to, &count, sizeof count);
  return true;
}

/* An option of the command that repeats the measurement. */
struct noted {
  const struct spec *spec;
  const char *value;
};

/* Adds one; who says it twice means the second. Returns how many there are. */
static size_t note(struct noted *list, size_t count, const struct spec *spec, const char *value) {
  size_t i = 0;
  if (spec->local) return count;
  while (i < count && list[i].spec != spec)
    i++;
  if (i < count) memmove(&list[i], &list[i + 1], (--count - i) * sizeof list[0]);
  list[count] = (struct noted){spec, value};
  return count + 1;
}

/* Writes a value as a shell takes it for one word; what has no room is left out. */
static void add_word(char *to, size_t room, const char *value) {
  const bool plain = *value != '\0' && strpbrk(value, " \t\r\n'\"\\$`&|;<>()*?[]#~!{}") == NULL;
  size_t used = (size_t)snprintf(to, room, " %s", plain ? value : "'");
  if (plain) return;
  for (; *value != '\0' && used < room; value++)
    used += (size_t)snprintf(to + used, room - used, "%.*s", *value == '\'' ? 4 : 1,
                             *value == '\'' ? "'\\''" : value);
  if (used < room) snprintf(to + used, room - used, "'");
}

static void write_command(char *command, size_t size, const struct noted *list, size_t count) {
  for (size_t i = 0; i < count; i++) {
    size_t len = strlen(command);
    snprintf(command + len, size - len, " --%s", list[i].spec->name);
    len = strlen(command);
    if (list[i].spec->value != VALUE_FLAG) add_word(command + len, size - len, list[i].value);
  }
}

static bool read_placement(struct options *options, char *error, size_t size) {
  if (options->placed == NULL) return true;
  options->placement = strcmp(options->placed, "same") == 0    ? PLACEMENT_SAME
                       : strcmp(options->placed, "cross") == 0 ? PLACEMENT_CROSS
                                                               : PLACEMENT_ANY;
  if (options->placement != PLACEMENT_ANY) return true;
  snprintf(error, size, "--placement: '%s' is not a possible value; it can be same or cross",
           options->placed);
  return false;
}

/* They say something only where there is TLS. */
static bool tls_options_fit(const struct options *options, char *error, size_t size) {
  bool any = options->tls_cert != NULL || options->tls_key != NULL || options->tls_ca != NULL ||
             options->tls_insecure;
  const char *wrong = NULL;
  if (any && !options->target.secure)
    wrong = "--tlscert, --tlskey, --tlsca and --tls-insecure need a tls:// URL";
  if ((options->tls_cert != NULL) != (options->tls_key != NULL))
    wrong = "--tlscert and --tlskey belong together";
  if (wrong != NULL) snprintf(error, size, "%s", wrong);
  return wrong == NULL;
}

/* The server, and as whom. */
static bool find_target(struct options *options, char *error, size_t size) {
  struct target *target = &options->target;
  const char *wrong = target_parse(target, options->url);
  if (wrong != NULL) {
    const char *sign = strrchr(options->url, '@'); /* who is to be let in is nobody's business */
    snprintf(error, size, "%s: %s", sign != NULL ? sign + 1 : options->url, wrong);
    return false;
  }
  int user = options->user != NULL ? snprintf(target->user, sizeof target->user, "%s", options->user) : 0;
  int password = options->password != NULL
                     ? snprintf(target->password, sizeof target->password, "%s", options->password)
                     : 0;
  int token =
      options->token != NULL ? snprintf(target->token, sizeof target->token, "%s", options->token) : 0;
  bool fits = (size_t)user < sizeof target->user && (size_t)password < sizeof target->password &&
              (size_t)token < sizeof target->token;
  if (!fits) snprintf(error, size, "the user, password or token is too long");
  return fits && tls_options_fit(options, error, size);
}

bool options_parse(struct options *options, int argc, char **argv, char *error, size_t size) {
  struct option names[SPECS + 1] = {{NULL, 0, NULL, 0}};
  struct noted list[SPECS];
  size_t count = 0;
  for (size_t i = 0; i < SPECS; i++)
    names[i] = (struct option){specs[i].name, specs[i].argument != NULL, NULL, (int)i + 256};
  snprintf(options->command, sizeof options->command, "%s", argv[0]);
  double seconds_default = options->seconds > 0 ? options->seconds : SECONDS_DEFAULT;
  options->messages = UINT64_MAX;
  options->window = WINDOW_DEFAULT;
  options->seconds = 0;
  optind = 0; /* getopt begins anew: a suite reads several command lines */
  opterr = 0;
  for (int option; (option = getopt_long(argc, argv, ":hs:", names, NULL)) != -1;) {
    if (option == '?' || option == ':') {
      snprintf(error, size, "%s: %s", argv[optind - 1],
               option == '?' ? "no such option" : "a value is missing");
      return false;
    }
    if (option == 'h') options->help = true;
    if (option == 's') options->url = optarg;
    if (option < 256) continue;
    const struct spec *spec = &specs[option - 256];
    if (!set(options, spec, optarg)) {
      int used = snprintf(error, size, "--%s: '%s' is not a possible value", spec->name, optarg);
      if (used > 0 && (size_t)used < size)
        snprintf(error + used, size - (size_t)used, "; it can be %.15g to %.15g", spec->min, spec->max);
      return false;
    }
    count = note(list, count, spec, optarg);
  }
  write_command(options->command, sizeof options->command, list, count);
  if (options->help) return true;
  if (optind < argc) {
    snprintf(error, size, "%s: options begin with --", argv[optind]);
    return false;
  }
  size_t len = strlen(options->subject);
  if (len == 0 || len > SUBJECT_MAX_BYTES || strpbrk(options->subject, " \t\r\n*>") != NULL) {
    snprintf(error, size, "--subject: '%s' is not a subject", options->subject);
    return false;
  }
  if (options->seconds <= 0 && options->messages == UINT64_MAX) options->seconds = seconds_default;
  return read_placement(options, error, size) && find_target(options, error, size);
}

/* What a number is unless it is given. */
static void print_default(const struct options *defaults, const struct spec *spec) {
  const char *at = (const char *)defaults + spec->at;
  unsigned count = 0;
  double real = 0;
  if (spec->value == VALUE_COUNT) memcpy(&count, at, sizeof count);
  if (spec->value == VALUE_REAL) memcpy(&real, at, sizeof real);
  if (count > 0 || real > 0) printf(" (here %g)", count > 0 ? count : real);
}

void options_complain(const char *scenario, const char *error) {
  fprintf(stderr, "tern-bench: %s\nusage: tern-bench %s [options]; tern-bench %s --help lists them\n", error,
          scenario, scenario);
}

void options_usage(const struct options *defaults, const char *scenario, const char *about) {
  printf("usage: tern-bench %s [options]   %s\n", scenario, about);
  for (size_t i = 0; i < SPECS; i++) {
    const struct spec *spec = &specs[i];
    const char *meaning = spec->meaning, *lf;
    char left[64];
    snprintf(left, sizeof left, "%s--%s %s", i == 0 ? "-s, " : "    ", spec->name,
             spec->argument != NULL ? spec->argument : "");
    printf("  %-22s ", left);
    for (; (lf = strchr(meaning, '\n')) != NULL; meaning = lf + 1)
      printf("%.*s\n%25s", (int)(lf - meaning), meaning, "");
    fputs(meaning, stdout);
    print_default(defaults, spec);
    putchar('\n');
  }
  fputs(
      "exit code: 0 all delivered as sent, 1 lost, doubled, reordered or altered, 2 not run or not "
      "complete,\n           3 the server has no such thing\n",
      stdout);
}
