/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Options: everything an operator can set, with nats-server's names. One table describes them (spellings, type,
 * bounds, help text); the command line and the configuration file are read by it.
 * Thread: control. A reload makes new ones (reload.h).
 */
#ifndef BROKER_OPS_OPTIONS_H
#define BROKER_OPS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings.h"

struct conf;
struct conf_report;

/** One `--handler FILTER=MODULE`. */
struct options_handler {
  char *filter;
  char *module; /* a path (contains '/'), or a name looked up in the module directories */
};

struct options {
  char *config_file;           /* -c FILE; NULL: none */
  char *diff;                  /* --diff FILE, with -t; NULL: not asked for */
  char *host;                  /* -a, --addr, --net; default "0.0.0.0" */
  uint32_t max_closed_clients; /* connections remembered after their end, for monitoring */
  int port;                    /* -p; default 4222, -1: any free one */
  char *server_name;           /* -n; NULL: the server id */
  char *http_host;             /* where monitoring listens; NULL: as host */
  int http_port;               /* -m; 0: none, -1: any free one */
  int https_port;              /* -ms; likewise; not both */
  char *http_base_path;        /* in front of the pages' paths; NULL: nothing */
  char *client_advertise;      /* --client_advertise host[:port]; NULL: none */
  char *pid_file;              /* -P */
  char *ports_file_dir;        /* --ports_file_dir */
  char *user, *pass, *auth;    /* --user, --pass, --auth; NULL: not given */
  char *log_file;              /* -l */
  bool check_only;             /* -t */
  bool logtime;                /* -T; default true */
  bool logtime_utc;
  bool debug;                       /* -D */
  bool trace;                       /* -V */
  unsigned workers;                 /* --workers; 0: processors available */
  uint32_t ring_size;               /* --ring_size: bytes of a ring between two workers, a power of two */
  char *unix_socket;                /* --unix_socket PATH: listen there too; NULL: no */
  char *unix_mode;                  /* --unix_mode 0660: of its file; NULL: what the umask leaves */
  uint32_t max_payload;             /* bytes */
  uint32_t max_control_line;        /* bytes, at most 16384 */
  uint64_t max_pending;             /* bytes */
  int64_t max_connections;          /* after options_parse above 0; no limit: INT64_MAX */
  int64_t max_subscriptions;        /* per connection; 0, -1: unlimited */
  uint32_t max_subscription_tokens; /* 0: unlimited */
  uint64_t ping_interval_ms;
  uint64_t write_deadline_ms;
  uint32_t ping_max;
  uint32_t max_connections_per_address, max_connections_per_user; /* 0: unlimited */
  uint32_t connections_per_second;                                /* 0: unlimited */
  uint64_t publish_messages, publish_bytes;                       /* a second, of one user; 0: unlimited */
  uint64_t max_memory;                                            /* bytes; 0: no ceiling */
  uint64_t lame_duck_duration_ms;
  uint64_t lame_duck_grace_period_ms;
  bool tls_on; /* -tls, and so on: flags that replace the block */
  bool tls_verify;
  bool syslog; /* -s */
  bool trace_headers;
  bool no_header_support;
  char *tls_cert, *tls_key, *tls_ca; /* NULL: not given */
  struct tls_settings tls;           /* what follows from all of it */
  struct conf *conf;                 /* the file's tree, for those who read blocks; NULL: no file */
  char *config_digest;               /* of the file, "sha256:..."; NULL: no file */
  uint64_t loaded_ns;                /* when everything was read, since 1970 */
  char **tags;                       /* server_tags, in lower case */
  size_t tag_count;
  struct options_handler *handlers;
  size_t handler_count;
  char **argv;

  char *signal;                /* --signal COMMAND[=WHOM] */
  char *run_as_user;           /* NULL: who starts the server */
  char *run_as_group;          /* NULL: that user's */
  char *remote_syslog;         /* -r udp://host:port */
  char *log_format;            /* "text" or "json"; NULL: text */
  uint64_t log_size_limit;     /* bytes, 0: no rotation */
  int argc;                    /* the command line, for reading everything again */
  uint32_t log_max_num;        /* files, 0: all */
  uint32_t max_traced_msg_len; /* bytes of a message, 0: all */
};

/** What main should do after the command line, and the file it may name, were read. */
enum options_verdict {
  OPTIONS_RUN,  /* start the server */
  OPTIONS_EXIT, /* everything is said (help, version, usage, -t): exit code 0 */
  OPTIONS_FAIL, /* the reason is on standard error: exit code 1 */
};

/** Sets the defaults. Returns 0 or -ENOMEM. */
int options_init(struct options *options);
/** Reads the command line and the configuration file it may name; prints help, version, warnings or errors itself. */
enum options_verdict options_parse(struct options *options, int argc, char **argv);
/** Reads the same command line and file again, into options that are not initialised. Returns 0, or -1 with the reasons
 * reported; then nothing is left. */
int options_read_again(const struct options *options, struct options *out, struct conf_report *report);
/** What the options say about limits and times of client connections. */
void options_limits(const struct options *options, struct nats_limits *limits);
/** unix_mode as a number; 0: there is none. */
unsigned options_unix_mode(const struct options *options);
/** Frees everything inside. */
void options_free(struct options *options);

#endif
