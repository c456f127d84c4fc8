/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages by HTTP. The server itself is a module (http/), loaded when somebody wants it and kept until the process ends,
 * because the libraries it brings do not like to be unloaded. Here is what nats-server does around its pages: the base
 * path, `callback` for scripts of other sites, 404.
 *
 * web_start and web_stop run on the control thread, answer on the module's.
 */
#include "web.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tern/error.h>
#include <tern/log.h>
#include <tern/module_path.h>

#include "console.h"
#include "http/http.h"
#include "wildcard.h"

#define CALLBACK_MAX 100

struct web {
  struct monitor *monitor;
  char *base_path; /* with slashes around it; "/": none */
  const struct http_module *module;
  struct http_server *server;
};

/* ---- requests ---- */

static const char *const any_origin[] = {"Access-Control-Allow-Origin", "*", NULL};
static const char *const of_console[] = {"Content-Security-Policy", console_policy, "Cache-Control",
                                         "no-cache", NULL};

static const char *parameter(const void *arg, const char *name) {
  const struct http_request *request = arg;
  return request->parameter(request, name);
}

/* The path below the base path, or NULL when it is not below it. The base path itself needs no slash at its end. */
static const char *below_base(const struct web *web, const char *path) {
  const size_t len = strlen(web->base_path), given = strlen(path);
  if (given == len - 1 && strncmp(path, web->base_path, given) == 0) return "/";
  return strncmp(path, web->base_path, len) == 0 ? path + len - 1 : NULL;
}

/* The base path with slashes around it; NULL without memory. */
static char *with_slashes(const char *path) {
  if (path == NULL) path = "";
  path += strspn(path, "/");
  size_t len = strlen(path);
  while (len > 0 && path[len - 1] == '/')
    len--;
  char *base = malloc(len + 3);
  if (base != NULL) snprintf(base, len + 3, "/%.*s%s", (int)len, path, len > 0 ? "/" : "");
  return base;
}

static void answer_nothing(struct http_reply *reply) {
  static const char text[] = "404 page not found\n";
  *reply = (struct http_reply){404, "text/plain; charset=utf-8", NULL, strdup(text), sizeof text - 1};
}

/* A name that a script can have, and nothing else: it becomes part of a script. */
static bool is_callback(const char *name) {
  const size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$.");
  return len > 0 && len <= CALLBACK_MAX && name[len] == '\0';
}

/* "name(page)" instead of the page. Without memory, no body. */
static void wrap(const char *name, struct monitor_text *page) {
  const size_t room = strlen(name) + page->len + 3;
  char *text = page->text != NULL ? malloc(room) : NULL;
  if (text != NULL) page->len = (size_t)snprintf(text, room, "%s(%s)", name, page->text);
  free(page->text);
  page->text = text;
  page->type = "application/javascript";
}

static void answer(void *arg, const struct http_request *request, struct http_reply *reply) {
  struct web *web = arg;
  const char *path = below_base(web, request->path);
  const int number = path != NULL ? monitor_find(path) : -1;
  if (number < 0) {
    answer_nothing(reply);
    return;
  }
  monitor_count(web->monitor, number);
  const struct monitor_query query = {parameter, request};
  struct monitor_text page;
  monitor_make(web->monitor, number, &query, &page);
  const bool console = strcmp(path, "/") == 0;
  const char *callback = console ? NULL : parameter(request, "callback");
  if (page.status == 200 && callback != NULL && is_callback(callback)) wrap(callback, &page);
  *reply =
      (struct http_reply){page.status, page.type, console ? of_console : any_origin, page.text, page.len};
}

/* ---- the module ---- */

/* Where modules are looked for (module_path.h). Returns NULL with the reason logged. */
static void *open_module(void) {
  char dir[PATH_MAX], path[PATH_MAX + sizeof "/http.so"], all[1024];
  for (unsigned i = 0; tern_module_dir(i, dir, sizeof dir); i++) {
    snprintf(path, sizeof path, "%s/http.so", dir);
    if (dir[0] == '\0' || access(path, F_OK) != 0) continue;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library != NULL) return library;
    tern_log(TERN_LOG_FATAL, "monitoring over HTTP cannot use the module %s: %s; install libmicrohttpd", path,
             dlerror());
    return NULL;
  }
  tern_module_dirs(all, sizeof all);
  tern_log(TERN_LOG_FATAL,
           "monitoring over HTTP needs the module http.so, which is in none of %s; install it, or take http, "
           "https and -m out of the configuration",
           all);
  return NULL;
}

static const struct http_module *load(void) {
  void *library = open_module();
  if (library == NULL) return NULL;
  const struct http_module *(*entry)(void);
  void *symbol = dlsym(library, "tern_http_v1");
  if (symbol != NULL) {
    memcpy(&entry, &symbol, sizeof entry);
    const struct http_module *module = entry();
    if (module->abi == HTTP_ABI) return module;
  }
  tern_log(TERN_LOG_FATAL,
           "the module http.so is not of this version of tern; install the one that belongs to it");
  dlclose(library);
  return NULL;
}

static void complain(const struct web_options *options, int error) {
  static const char in_use[] = "stop the other server or choose another port with -m";
  static const char no_host[] = "give an address or a name that this machine can look up";
  static const char no_key[] = "check cert_file and key_file of the tls block";
  const char *what = error == -EKEYREJECTED ? "certificate or key not acceptable"
                     : error == -EINVAL     ? "unknown host"
                                            : tern_strerror(error);
  const char *advice = error == -EADDRINUSE     ? in_use
                       : error == -EINVAL       ? no_host
                       : error == -EKEYREJECTED ? no_key
                                                : "choose another address or port";
  tern_log(TERN_LOG_FATAL, "cannot listen for monitoring on %s port %u: %s; %s", options->host,
           (unsigned)options->port, what, advice);
}

int web_start(struct monitor *monitor, const struct web_options *options, struct web **out) {
  struct web *web = calloc(1, sizeof *web);
  if (web == NULL) return -ENOMEM;
  *web = (struct web){.monitor = monitor, .base_path = with_slashes(options->base_path), .module = load()};
  int error = web->module == NULL ? TERN_EMODULE : web->base_path == NULL ? -ENOMEM : 0;
  if (error == 0) {
    const struct http_options http = {.host = wildcard_host(options->host),
                                      .port = options->port,
                                      .certificate = options->certificate,
                                      .key = options->key,
                                      .answer = answer,
                                      .arg = web};
    error = web->module->start(&http, &web->server);
    if (error != 0) complain(options, error);
  }
  if (error != 0) {
    free(web->base_path);
    free(web);
    return error;
  }
  const bool tls = options->certificate != NULL;
  tern_log(TERN_LOG_INFO, "Starting %s monitor on %s:%u", tls ? "https" : "http", options->host,
           web_port(web));
  *out = web;
  return 0;
}

uint16_t web_port(const struct web *web) { return web->module->port(web->server); }

void web_stop(struct web *web) {
  if (web == NULL) return;
  web->module->stop(web->server);
  free(web->base_path);
  free(web);
}
