/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server owns the parts. They are started in the order of this list and stopped in the reverse one:
 *
 *     identity      server id and what INFO says
 *     workers       threads, each with its part of the core (core.c)
 *     handlers      in-process modules, attached before anyone can publish
 *     monitoring    figures over HTTP, and by message for the system account
 *     listeners     from here on clients come
 *     files         pid and ports file: others may look now
 *
 * Runs on the control thread.
 */
#include "server.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <tern/error.h>
#include <tern/listener.h>
#include <tern/log.h>
#include <tern/loop.h>
#include <tern/tls.h>
#include <tern/worker.h>

#include "access.h"
#include "conf.h"
#include "conf_report.h"
#include "core.h"
#include "events.h"
#include "files.h"
#include "handlers.h"
#include "hasher.h"
#include "imports.h"
#include "lame_duck.h"
#include "logging.h"
#include "memory.h"
#include "monitor.h"
#include "notify.h"
#include "overflow_rules.h"
#include "reload.h"
#include "sys.h"
#include "tls_block.h"
#include "version.h"
#include "web.h"
#include "wildcard.h"

/** How long the end waits for clients to take what was queued for them. */
#define STOP_FLUSH_MS 5000

/** How often is looked whether certificates have changed. */
#define TLS_LOOK_MS 1000
/** In lame duck mode, how often is looked whether anybody is left. */
#define LAME_DUCK_LOOK_MS 250

/** One tick of each so many has its latencies measured, while there are pages. */
#define LATENCY_EVERY 8

#define SERVER_ID_LEN 56

struct server {
  struct options options;
  const char *program;
  pthread_t control; /* the thread */
  char id[SERVER_ID_LEN + 1];
  struct tern_workers *workers;
  struct core core;
  struct handlers *handlers;
  struct tern_listener *tcp, *unix_socket; /* NULL: closed */
  struct monitor *monitor;
  struct web *web;
  struct sys *sys;
  uint16_t port;
  bool ports_written;
  struct watchdog watchdog;
  bool is_lame; /* lame duck mode has begun */
  struct lame_duck lame_duck;
  struct { /* certificates' files, see tls_block_stamp */
    uint64_t used, seen, look_ms;
  } tls_files;
  struct memory memory;
};

/* A public key's text form (nkey): prefix byte of a server, 32 bytes, CRC-16/XMODEM, in base32. No one has
 * the private key; the id only has to be unique and of the usual shape. */
static int make_server_id(char id[SERVER_ID_LEN + 1]) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  unsigned char raw[35] = {13 << 3};
  if (getrandom(raw + 1, 32, 0) != 32) return -errno;
  unsigned crc = 0;
  for (int i = 0; i < 33; i++) {
    crc ^= (unsigned)raw[i] << 8;
    for (int b = 0; b < 8; b++)
      crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  raw[33] = (unsigned char)(crc & 0xFF);
  raw[34] = (unsigned char)(crc >> 8 & 0xFF);
  for (int bit = 0; bit < 35 * 8; bit += 5) {
    unsigned two = (unsigned)raw[bit / 8] << 8 | (bit / 8 + 1 < 35 ? raw[bit / 8 + 1] : 0u);
    id[bit / 5] = alphabet[two >> (11 - bit % 8) & 31];
  }
  id[SERVER_ID_LEN] = '\0';
  return 0;
}

/* What there is to say about the configuration was said when the options were read. */
static void say_nothing(void *arg, bool warning, const char *text) { (void)arg, (void)warning, (void)text; }

/* Who may come in. The options have been checked, so that only memory, or OpenSSL for nkeys, can be missing. */
static int make_access(const struct options *o, struct settings *settings) {
  const struct access_flags flags = {o->user, o->pass, o->auth};
  struct conf_report report = {.line = say_nothing};
  char reason[256];
  int error = access_new(o->conf != NULL ? conf_root(o->conf) : NULL, &flags, &report, &settings->access);
  if (error != 0) return error;
  if (settings->access->has_plain)
    tern_log(TERN_LOG_WARN, "Plaintext passwords detected, use nkeys or bcrypt");
  if (settings->access->wants_nonce) error = tern_tls_load(reason, sizeof reason);
  if (error != 0) tern_log(TERN_LOG_ERROR, "nkeys need OpenSSL: %s", reason);
  return error;
}

/* The settings that follow from the options. */
static int make_settings(struct server *server, const struct options *o, struct settings **out) {
  struct nats_limits limits;
  options_limits(o, &limits);
  struct nats_identity identity = {
      .server_id = server->id,
      .server_name = o->server_name != NULL ? o->server_name : server->id,
      .nats_version = TERN_NATS_VERSION,
      .tern_version = TERN_VERSION,
  };
  /* "host[:port]" to advertise instead of where the server listens */
  const char *address = o->client_advertise != NULL ? o->client_advertise : o->host;
  const char *colon = o->client_advertise != NULL ? strrchr(address, ':') : NULL;
  if (colon != NULL && strchr(colon, ']') != NULL) colon = NULL; /* inside of [v6] */
  char *host = strndup(address, colon != NULL ? (size_t)(colon - address) : strlen(address));
  if (host == NULL) return -ENOMEM;
  if (colon != NULL) identity.advertised_port = (uint16_t)strtoul(colon + 1, NULL, 10);
  identity.host = host;
  struct settings *settings = settings_new(&limits);
  if (settings != NULL) settings->tls = o->tls;
  if (o->tls.context != NULL && settings != NULL) tern_tls_ref(o->tls.context);
  int error = settings != NULL ? make_access(o, settings) : -ENOMEM;
  if (error == 0) error = nats_settings_describe(settings, &identity);
  free(host);
  if (error == 0 && o->conf != NULL) error = overflow_rules_of(conf_root(o->conf), &settings->overflow);
  struct conf_report report = {.line = say_nothing};
  if (error == 0 && o->conf != NULL) error = imports_read(conf_root(o->conf), &report, &settings->imports);
  if (error != 0) {
    settings_unref(settings);
    return error;
  }
  *out = settings;
  return 0;
}

static int make_core(struct server *server) {
  struct settings *settings;
  int error = make_settings(server, &server->options, &settings);
  if (error == 0)
    core_init(&server->core, settings, server->options.port > 0 ? (uint16_t)server->options.port : 0);
  if (error == 0) server->core.nats.hasher = hasher_new(0);
  if (error == 0 && server->core.nats.hasher == NULL) error = -ENOMEM;
  if (error == 0) error = tern_helpers_new(0, &server->core.nats.helpers);
  return error;
}

/* The system account, if anybody can be in it. */
static const struct access_account *system_account(const struct server *server) {
  const struct access *access = server->core.nats.settings->access;
  return access != NULL && access->system != NULL && !access->system->unused ? access->system : NULL;
}

static bool has_pages(const struct server *server) {
  return server->options.http_port != 0 || server->options.https_port != 0;
}

/* What is there only for those who look: busiest subjects on pages; each worker's share of the connections that ended
 * for the system account, too. */
static void set_watched(struct server *server) {
  const unsigned workers = tern_workers_count(server->workers);
  const bool asked = has_pages(server) || system_account(server) != NULL;
  server->core.nats.watched = has_pages(server);
  server->core.nats.closed_max = asked ? (server->options.max_closed_clients + workers - 1) / workers : 0;
}

static int start_workers(struct server *server) {
  struct tern_workers_options options = {.count = server->options.workers,
                                         .ring_bytes = server->options.ring_size,
                                         .latency_every = has_pages(server) ? LATENCY_EVERY : 0};
  core_worker_options(&server->core, &options);
  int error = tern_workers_new(&options, &server->workers);
  if (error == 0) set_watched(server);
  if (error == 0) error = core_attach(&server->core, server->workers);
  if (error == 0)
    error = core_number_accounts(&server->core, server->workers, false, server->core.nats.settings->access);
  if (error == 0) error = core_set_imports(&server->core, server->workers, false);
  if (error == 0) error = tern_workers_start(server->workers);
  return error;
}

/* What to do about it. */
static const char *listen_advice(int error, const char *url) {
  if (error == -EADDRINUSE) return "; stop the other server or choose another port with -p";
  if (error != -EINVAL) return "";
  return strncmp(url, "tcp:", 4) == 0 ? "; give -a an address or a name that this machine can look up"
                                      : "; the path of a Unix-domain socket has at most 107 bytes";
}

static int listen_at(struct server *server, const char *url, struct tern_listener **out) {
  struct tern_listener_options options = {.url = url,
                                          .factory = nats_factory,
                                          .arg = &server->core.nats,
                                          .rate = server->options.connections_per_second,
                                          .delayed = &server->core.nats.delayed,
                                          .unix_mode = options_unix_mode(&server->options)};
  int error = tern_listener_open(server->workers, &options, out);
  if (error != 0)
    tern_log_event(TERN_LOG_FATAL, (struct tern_log_about){.event = "listen_failed"},
                   "Error listening on %s: %s%s", url, tern_strerror(error), listen_advice(error, url));
  return error;
}

static int start_listening(struct server *server) {
  const struct options *o = &server->options;
  char url[512];
  const char *host = wildcard_host(o->host);
  bool v6 = strchr(host, ':') != NULL;
  snprintf(url, sizeof url, v6 ? "tcp://[%s]:%d" : "tcp://%s:%d", host, o->port < 0 ? 0 : o->port);
  int error = listen_at(server, url, &server->tcp);
  if (error != 0) return error;
  server->port = tern_listener_port(server->tcp);
  nats_server_set_port(&server->core.nats, server->port);
  tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "listening"},
                 "Listening for client connections on %s:%u", o->host, server_port(server));
  if (o->tls.context != NULL)
    tern_log(TERN_LOG_INFO, "TLS %s for client connections", o->tls.allow_plain ? "available" : "required");
  if (o->unix_socket != NULL) {
    snprintf(url, sizeof url, "unix://%s", o->unix_socket);
    error = listen_at(server, url, &server->unix_socket);
    if (error == 0)
      tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "listening"},
                     "Listening for client connections on %s", url);
  }
  return error;
}

static struct core_figures figures(void *arg) {
  struct server *server = arg;
  struct core_figures figures = core_figures(&server->core, server->workers);
  const struct handlers_stats handlers = handlers_stats(server->handlers);
  figures.handler_calls = handlers.calls;
  figures.handler_errors = handlers.errors;
  return figures;
}

static const struct access *access_now(void *arg) {
  struct server *server = arg;
  return server->core.nats.settings->access;
}

static bool account(void *arg, uint32_t index, struct monitor_account *out) {
  const struct server *server = arg;
  const struct settings *now = server->core.nats.settings;
  *out = (struct monitor_account){.name = ACCESS_GLOBAL, .imports = now->imports};
  if (now->access == NULL) return index == 0;
  if (index >= now->access->account_count) return false;
  const struct access_account *at = &now->access->accounts[index];
  *out = (struct monitor_account){at->name, at->number, at == now->access->system, at->unused, now->imports};
  return true;
}

static int subjects(void *arg, const char *name, struct core_subjects *out) {
  struct server *server = arg;
  struct monitor_account found;
  if (name == NULL) return core_subjects(server->workers, CORE_ALL_ACCOUNTS, out);
  for (uint32_t i = 0; account(server, i, &found); i++)
    if (strcmp(found.name, name) == 0 && !found.is_unused)
      return core_subjects(server->workers, found.number, out);
  *out = (struct core_subjects){0};
  return 0;
}

static void log_fatal(void *arg, bool warning, const char *text) {
  (void)arg, (void)warning;
  tern_log(TERN_LOG_FATAL, "%s", text);
}

/* With the first certificate of the block tls, as it is now. */
static int start_https(struct server *server, struct web_options *web) {
  struct conf_report report = {.line = log_fatal};
  char *certificate = tls_block_text(&server->options, false, &report);
  char *key = certificate != NULL ? tls_block_text(&server->options, true, &report) : NULL;
  web->certificate = certificate;
  web->key = key;
  int error = key != NULL ? web_start(server->monitor, web, &server->web) : -ENOENT;
  if (key != NULL) explicit_bzero(key, strlen(key));
  free(key);
  free(certificate);
  return error;
}

static int publish(void *arg, unsigned worker, uint32_t account, const struct route_inside *messages,
                   size_t count) {
  const struct server *server = arg;
  return core_publish(server->workers, worker, account, messages, count);
}

static bool is_wanted(void *arg, uint32_t account, struct tern_slice subject) {
  const struct server *server = arg;
  return core_is_wanted(server->workers, account, subject);
}

static void watch(void *arg, const struct nats_watch *watch) {
  struct server *server = arg;
  nats_server_watch(&server->core.nats, watch);
}

/* By the signal that has the same meaning: it ends the control thread's waiting. */
static void ask_for_reload(void *arg) {
  const struct server *server = arg;
  pthread_kill(server->control, SIGHUP);
}

/* Serves the system account, if anybody can be in it, and unless there is none at all, the other accounts. */
static int serve_system(struct server *server) {
  const struct access *access = server->core.nats.settings->access;
  const struct access_account *system = system_account(server);
  struct sys_place *others = calloc(access->account_count, sizeof *others), at;
  size_t count = 0;
  if (others == NULL) return -ENOMEM;
  for (size_t i = 0; access->system != NULL && i < access->account_count; i++) {
    const struct access_account *account = &access->accounts[i];
    if (account->unused || account == access->system) continue;
    others[count++] = (struct sys_place){server->core.registries[account->number], account->number};
  }
  if (system != NULL) at = (struct sys_place){server->core.registries[system->number], system->number};
  int error = sys_serve(server->sys, system != NULL ? &at : NULL, others, count);
  free(others);
  return error;
}

static int start_sys(struct server *server) {
  const struct sys_options options = {.monitor = server->monitor,
                                      .workers = server->workers,
                                      .server_id = server->id,
                                      .publish = publish,
                                      .is_wanted = is_wanted,
                                      .watch = watch,
                                      .reload = ask_for_reload,
                                      .arg = server};
  int error = sys_new(&options, &server->sys);
  return error == 0 ? serve_system(server) : error;
}

static int start_monitoring(struct server *server) {
  const struct options *o = &server->options;
  const struct monitor_source source = {
      .options = o,
      .server_id = server->id,
      .server_name = o->server_name != NULL ? o->server_name : server->id,
      .nats = &server->core.nats,
      .pool = server->workers,
      .figures = figures,
      .subjects = subjects,
      .access = access_now,
      .account = account,
      .arg = server,
  };
  int error = monitor_new(&source, &server->monitor);
  if (error == 0) error = start_sys(server);
  const int port = o->http_port != 0 ? o->http_port : o->https_port;
  if (error != 0 || port == 0) return error;
  struct web_options web = {.host = o->http_host != NULL ? o->http_host : o->host,
                            .port = port > 0 ? (uint16_t)port : 0,
                            .base_path = o->http_base_path};
  return o->https_port != 0 ? start_https(server, &web) : web_start(server->monitor, &web, &server->web);
}

static int write_ports(struct server *server, const struct options *o) {
  const struct files_listener listeners[] = {
      {"nats", o->tls.context != NULL ? "tls" : "nats", wildcard_host(o->host), server_port(server)},
      {"monitoring", o->https_port != 0 ? "https" : "http",
       wildcard_host(o->http_host != NULL ? o->http_host : o->host),
       server->web != NULL ? web_port(server->web) : 0},
  };
  int error = files_write_ports(o->ports_file_dir, server->program, listeners, server->web != NULL ? 2 : 1);
  server->ports_written = error == 0;
  return error;
}

static int write_files(struct server *server) {
  const struct options *o = &server->options;
  int error = o->pid_file != NULL ? files_write_pid(o->pid_file) : 0;
  if (error == 0 && o->ports_file_dir != NULL) error = write_ports(server, o);
  return error;
}

static int start(struct server *server) {
  int error = make_server_id(server->id);
  if (error == 0) error = make_core(server);
  if (error == 0) error = start_workers(server);
  if (error != 0) {
    tern_log_event(TERN_LOG_FATAL, (struct tern_log_about){.event = "start_failed"}, "cannot start: %s",
                   tern_strerror(error));
    return error;
  }
  error = handlers_new(server->workers, server->core.registries[0], &server->options, &server->handlers);
  if (error == 0) error = start_monitoring(server); /* who can connect can ask, too */
  if (error == 0) error = start_listening(server);
  if (error == 0) error = write_files(server);
  return error;
}

static void stop_listening(struct server *server) {
  if (server->unix_socket != NULL) tern_listener_close(server->unix_socket);
  if (server->tcp != NULL) tern_listener_close(server->tcp);
  server->unix_socket = server->tcp = NULL;
}

/* The list at the top, backwards. Works from any point a start may have reached. */
static int stop(struct server *server) {
  if (server->ports_written) files_remove_ports(server->options.ports_file_dir, server->program);
  stop_listening(server);
  web_stop(server->web);
  sys_free(server->sys);
  monitor_free(server->monitor);
  handlers_free(server->handlers);
  int error = 0;
  hasher_stop(server->core.nats.hasher); /* it calls the workers */
  tern_helpers_stop(server->core.nats.helpers);
  if (server->workers != NULL) error = tern_workers_stop(server->workers, STOP_FLUSH_MS);
  core_fini(&server->core);
  if (server->workers != NULL) tern_workers_free(server->workers);
  options_free(&server->options);
  free(server);
  return error;
}

int server_start(const struct options *options, const char *program, struct server **out) {
  struct server *server = calloc(1, sizeof *server);
  if (server == NULL) {
    struct options unused = *options;
    options_free(&unused);
    return -ENOMEM;
  }
  server->options = *options;
  server->program = program;
  server->control = pthread_self();
  watchdog_init(&server->watchdog);
  tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "server_starting"},
                 "Starting tern %s (speaks NATS as nats-server %s)", TERN_VERSION, TERN_NATS_VERSION);
  if (options->config_file != NULL)
    tern_log(TERN_LOG_INFO, "Using configuration file: %s (%s)", options->config_file,
             options->config_digest);
  int error = start(server);
  if (error != 0) {
    stop(server);
    return error;
  }
  server->tls_files.used = tls_block_stamp(options);
  tern_log(TERN_LOG_INFO, "Server id is %s, %u workers", server->id, tern_workers_count(server->workers));
  tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "server_ready"}, "Server is ready");
  *out = server;
  return 0;
}

#define ULL(value) ((unsigned long long)(value))

/* What can be told in two lines until there is monitoring: traffic, and everything that is dropped or held back. */
static void log_figures(struct server *server) {
  struct core_figures f = core_figures(&server->core, server->workers);
  struct handlers_stats h = handlers_stats(server->handlers);
  tern_log(TERN_LOG_INFO,
           "figures: connections %llu (of %llu ever), subscriptions %llu on %llu filters, in %llu messages "
           "%llu bytes, out %llu messages %llu bytes, handler calls %llu errors %llu",
           ULL(f.connections), ULL(f.total_connections), ULL(f.subscriptions), ULL(f.filters), ULL(f.in_msgs),
           ULL(f.in_bytes), ULL(f.out_msgs), ULL(f.out_bytes), ULL(h.calls), ULL(h.errors));
  tern_log(
      TERN_LOG_INFO,
      "figures: slow consumers %llu, dropped by overflow policies %llu, stale connections %llu, protocol "
      "errors %llu, dropped for memory %llu, "
      "queue messages passed on %llu, queue messages nobody took %llu, full rings %llu, waiting for a grace "
      "period: objects %llu, bytes %llu, for %llu ms, SUB and UNSUB held back %llu, log lines dropped %llu",
      ULL(f.slow_consumers), ULL(f.overflow_dropped), ULL(f.stale_connections), ULL(f.protocol_errors),
      ULL(f.no_memory), ULL(f.rerouted), ULL(f.untaken), ULL(f.overflows), ULL(f.retired),
      ULL(f.retired_bytes), ULL(f.gp_age_ms), ULL(f.held_back), ULL(tern_log_dropped()));
}

int server_stop(struct server *server) {
  tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "server_stopping"},
                 "Initiating Shutdown...");
  log_figures(server);
  int error = stop(server);
  tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "server_stopped"}, "Server Exiting..");
  return error;
}

/* Another pid file or ports file; a failure is logged and does not stop a reload. */
static void move_files(struct server *server, const struct options *next) {
  const struct options *o = &server->options;
  if (next->pid_file != NULL && (o->pid_file == NULL || strcmp(o->pid_file, next->pid_file) != 0))
    files_write_pid(next->pid_file);
  if (o->ports_file_dir != NULL && next->ports_file_dir != NULL &&
      strcmp(o->ports_file_dir, next->ports_file_dir) == 0)
    return;
  if (server->ports_written) files_remove_ports(o->ports_file_dir, server->program);
  server->ports_written = false;
  if (next->ports_file_dir != NULL) write_ports(server, next);
}

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A reload: what can fail is made first; then everything changes. */
static int apply(void *arg, const struct options *next) {
  struct server *server = arg;
  struct settings *settings;
  int error = make_settings(server, next, &settings);
  if (error == 0 && (error = logging_change(&server->options, next)) != 0) settings_unref(settings);
  if (error == 0) {
    error = core_number_accounts(&server->core, server->workers, true, settings->access);
    if (error == 0) error = core_set_settings(&server->core, server->workers, settings);
    if (error == 0) error = core_set_imports(&server->core, server->workers, true);
    if (error == 0) hasher_forget(server->core.nats.hasher);
    settings_unref(settings);
  }
  if (error != 0) {
    tern_log_event(TERN_LOG_ERROR, (struct tern_log_about){.event = "reload_failed"},
                   "Failed to reload server configuration: %s", tern_strerror(error));
    return error;
  }
  if ((error = serve_system(server)) != 0)
    tern_log(TERN_LOG_ERROR, "Requests on $SYS.REQ are not answered: %s", tern_strerror(error));
  handlers_set_max_payload(server->handlers, next->max_payload);
  if (server->tcp != NULL) tern_listener_set_rate(server->tcp, next->connections_per_second);
  if (server->unix_socket != NULL) tern_listener_set_rate(server->unix_socket, next->connections_per_second);
  core_shed(&server->core, server->workers);
  move_files(server, next);
  return 0;
}

static void reload_config(struct server *server) {
  char reason[RELOAD_REASON_BYTES];
  monitor_pause(server->monitor); /* its pages read the options */
  const bool done = reload(&server->options, apply, server, reason) == 0;
  if (done) server->tls_files.used = tls_block_stamp(&server->options);
  monitor_resume(server->monitor);
  sys_reloaded(server->sys, done ? NULL : reason);
}

static void log_certificates(void *arg, bool warning, const char *text) {
  (void)arg;
  tern_log(warning ? TERN_LOG_WARN : TERN_LOG_ERROR,
           warning ? "%s" : "changed certificates cannot be used: %s; the old ones stay in use", text);
}

/* Takes up certificates whose files have changed, or goes on with the old ones. */
static void renew_certificates(struct server *server) {
  struct conf_report report = {.line = log_certificates};
  struct options next = server->options;
  next.tls = (struct tls_settings){.context = NULL};
  if (tls_block_read(&next, &report) != 0) return;
  monitor_pause(server->monitor); /* its pages read the options and the settings */
  const int error = apply(server, &next);
  struct tern_tls *old = server->options.tls.context;
  if (error == 0) server->options.tls = next.tls;
  monitor_resume(server->monitor);
  if (error == 0) {
    next.tls.context = old;
    tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "certificates_changed"},
                   "Changed certificates are in use");
  }
  tern_tls_unref(next.tls.context);
}

/* Files that have changed are read when they have not changed any more since the look before. Returns when to look
 * again. */
static int look_at_certificates(struct server *server) {
  const uint64_t now = now_ms();
  if (server->options.tls.context == NULL) return SERVER_IDLE;
  if (now < server->tls_files.look_ms) return (int)(server->tls_files.look_ms - now);
  server->tls_files.look_ms = now + TLS_LOOK_MS;
  uint64_t stamp = tls_block_stamp(&server->options);
  if (stamp != server->tls_files.used && stamp == server->tls_files.seen) {
    server->tls_files.used = stamp;
    renew_certificates(server);
  }
  server->tls_files.seen = stamp;
  return TLS_LOOK_MS;
}

void server_reload(struct server *server) {
  static const char no_file[] = "There is no configuration file to read again; name one with -c";
  sys_reload_begins(server->sys);
  if (server->options.config_file != NULL) {
    reload_config(server);
  } else {
    tern_log(TERN_LOG_INFO, no_file);
    sys_reloaded(server->sys, no_file);
  }
  handlers_reload(server->handlers);
  log_figures(server);
}

void server_lame_duck(struct server *server) {
  const struct options *o = &server->options;
  if (server->is_lame) return;
  tern_log_event(TERN_LOG_INFO, (struct tern_log_about){.event = "lame_duck"},
                 "Entering lame duck mode, stop accepting new clients");
  server->is_lame = true;
  sys_announce(server->sys, "LAMEDUCK");
  stop_listening(server);
  lame_duck_start(&server->lame_duck, now_ms(), o->lame_duck_duration_ms, o->lame_duck_grace_period_ms);
  core_tell_lame_duck(server->workers);
}

bool server_is_lame(const struct server *server) { return server->is_lame; }

/* Looks after the ceiling for memory. Returns when to look again. */
static int look_at_memory(struct server *server) {
  if (server->options.max_memory == 0 && !server->memory.steps.refuse_connections) return SERVER_IDLE;
  uint64_t max = server->options.max_memory, used = max != 0 ? memory_used() : 0;
  struct memory *memory = &server->memory;
  /* what waits is asked of the workers only when it may matter */
  uint64_t waiting = used > max / 2 ? core_waiting(server->workers) : 0;
  if (max == 0) max = UINT64_MAX;
  if (memory_decide(memory, used, max, waiting, now_ms())) {
    const struct memory_steps *steps = &memory->steps;
    tern_log(steps->refuse_connections ? TERN_LOG_WARN : TERN_LOG_INFO,
             "Memory: %llu bytes of max_memory %llu are in use%s: %s", ULL(used), ULL(max),
             memory->leaving > 0 ? ", some of which is on its way back" : "",
             steps->stop_reading           ? "clients are not read until output has left"
             : steps->refuse_subscriptions ? "no more connections and subscriptions"
             : steps->refuse_connections   ? "no more connections"
                                           : "everything is allowed again");
    if (steps->refuse_connections) malloc_trim(0);
    core_shed_memory(&server->core, server->workers, steps->refuse_connections, steps->refuse_subscriptions,
                     steps->stop_reading);
  }
  if (memory->steps.cut_slowest) memory_cut(memory, core_cut_slowest(server->workers), now_ms());
  return memory->used > max / 2 ? MEMORY_WATCH_MS : MEMORY_LOOK_MS;
}

static int lame_duck_tick(struct server *server) {
  if (!server->is_lame) return SERVER_IDLE;
  uint64_t wait_ms, random = 0;
  /* relaxed: a plain count; pairs with nats_factory */
  uint64_t open = atomic_load_explicit(&server->core.nats.connections, memory_order_relaxed);
  if (open == 0) return SERVER_DONE; /* everybody has left */
  getrandom(&random, sizeof random, 0);
  uint64_t due = lame_duck_due(&server->lame_duck, now_ms(), open, random, &wait_ms);
  if (due > 0 && core_close_clients(&server->core, server->workers, due, NULL) == 0) return SERVER_DONE;
  return wait_ms < LAME_DUCK_LOOK_MS ? (int)wait_ms : LAME_DUCK_LOOK_MS;
}

/* The time that comes first; negative: never. */
static int sooner(int a, int b) {
  if (a < 0) return b < 0 ? SERVER_IDLE : b;
  return b >= 0 && b < a ? b : a;
}

int server_tick(struct server *server) {
  int wait_ms = lame_duck_tick(server);
  if (wait_ms == SERVER_DONE) return SERVER_DONE;
  wait_ms = sooner(wait_ms, look_at_certificates(server));
  wait_ms = sooner(wait_ms, look_at_memory(server));
  return sooner(wait_ms, watchdog_step(&server->watchdog, server->workers));
}

uint16_t server_port(const struct server *server) { return server->port; }
