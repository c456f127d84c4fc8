/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The table of options: one row is a flag of the command line and a key of the configuration file. Its readers are
 * options.c (command line, help) and options_file.c (file). Thread: control, before the server starts.
 */
#ifndef BROKER_OPS_OPTIONS_TABLE_H
#define BROKER_OPS_OPTIONS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"

/** What sort of value an option takes. */
enum option_kind {
  OPTION_HEADING,     /* not an option: a line between groups in the help */
  OPTION_BOOL,        /* bool; as a flag, present means true */
  OPTION_INT,         /* any integer member: a number */
  OPTION_SIZE,        /* any integer member: a number that may have a suffix: 1k 1KB 1MiB */
  OPTION_DURATION,    /* milliseconds in a uint64_t: 1m30s, or a number of seconds */
  OPTION_STRING,      /* char *, owned */
  OPTION_HANDLER,     /* appended to options->handlers */
  OPTION_LISTEN,      /* host (the member) and port (that of the row `port`) at once */
  OPTION_DEBUG_TRACE, /* a switch for two members at once */
  OPTION_VERSION,     /* print and end */
  OPTION_HELP,
  OPTION_HELP_TLS,
  OPTION_UNSUPPORTED, /* a flag that nats-server has and tern has not */
};

/** Every option, OPTION_TABLE_END says where it ends. Of the kinds that take a value `value` names it in the help. */
struct option {
  const char *flags; /* spellings on the command line, separated by '|'; NULL: none */
  const char
      *keys; /* spellings in the configuration file; those of tern's own block begin with OPTION_OWN_BLOCK */
  enum option_kind kind;
  bool live;           /* a reload may change it; else that takes a restart */
  bool unquoted;       /* OPTION_STRING: in the file it may be a number, taken as it is written */
  size_t offset, size; /* of the member in struct options */
  int64_t min, max;    /* OPTION_INT, OPTION_SIZE, OPTION_DURATION: inclusive */
  const char *value;
  const char *help;
  const char *(*check)(const char *text); /* OPTION_STRING: what is wrong with it; NULL: anything goes */
  const char *port;                       /* OPTION_LISTEN: key of the port */
  const char *otherwise;                  /* OPTION_STRING: what it is when nothing sets it; NULL: none */
};

/** Keys that nats-server does not have are in one block, `tern { ... }`. */
#define OPTION_OWN_BLOCK "tern."
/** Where clients are listened for when nothing says so. */
#define OPTION_HOST_DEFAULT "0.0.0.0"

extern const struct option option_table[];
extern const size_t option_count;

/** The next spelling in a list, and its length; NULL at the end. */
const char *option_next_name(const char **list, size_t *len);
/** True when the text is one of the spellings, in any case. */
bool option_has_name(const char *list, const char *text);
/** The row of a flag, exactly as spelled; NULL: none. */
const struct option *option_by_flag(const char *text, size_t len);
/** The row of a key, in any case; `block` is "" or OPTION_OWN_BLOCK. NULL: none. */
const struct option *option_by_key(const char *block, const char *text);

/** Where the option is in the structure. */
void *option_member(struct options *options, const struct option *option);
/** The value of an integer option. */
int64_t option_number(struct options *options, const struct option *option);

/*
 * Setters. They return NULL, or what is wrong; then nothing was set. The reason may lie in `reason`, which has
 * OPTION_REASON_BYTES.
 */
#define OPTION_REASON_BYTES 128

void option_set_bool(struct options *options, const struct option *option, bool on);
const char *option_set_number(struct options *options, const struct option *option, int64_t value,
                              char *reason);
/** OPTION_STRING, OPTION_HANDLER, OPTION_LISTEN. */
const char *option_set_string(struct options *options, const struct option *option, const char *text);
/** OPTION_STRING: what it is when nothing sets it. */
const char *option_unset(struct options *options, const struct option *option);
/** Any kind but the switches, from text. */
const char *option_set_text(struct options *options, const struct option *option, const char *text,
                            char *reason);
/** Forgets the handlers, before others take their place. */
void option_clear_handlers(struct options *options);

extern const char option_no_memory[];

#endif
