/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The HTTP server for monitoring, as a module: a table of functions in a shared object of its own, because libmicrohttpd
 * takes 3 MB that a broker without monitoring shall not pay for. It knows nothing of the broker.
 *
 * One thread serves all connections and asks `answer` for each request, one after another.
 */
#ifndef BROKER_MONITOR_HTTP_H
#define BROKER_MONITOR_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/export.h>

/** The version of this interface. */
#define HTTP_ABI 1
/** Bounds. What exceeds the first waits to be accepted, what exceeds the second is answered with an error; a connection
 * on which nothing moves for so long, or no request is completed for so long, is closed. */
#define HTTP_CONNECTIONS_MAX   64
#define HTTP_REQUEST_MAX_BYTES (32u << 10)
#define HTTP_IDLE_MAX_MS       10000
#define HTTP_REQUEST_MAX_MS    30000

struct http_server;

/** A request, valid during the call of answer. */
struct http_request {
  const char *method;
  const char *path; /* decoded, without the query */
  /** A parameter of the query, decoded; NULL: not given. The first of several. */
  const char *(*parameter)(const struct http_request *request, const char *name);
};

/** An answer. */
struct http_reply {
  unsigned status;
  const char *type; /* Content-Type */
  const char *const
      *headers; /* names and values in turn, NULL at the end; constant. NULL: none but the usual ones */
  char *body;   /* malloc'ed; the module frees it */
  size_t len;
};

struct http_options {
  const char *host; /* a name, an address, or a wildcard address */
  uint16_t port;    /* 0: any free one */
  /** PEM texts; NULL: HTTP without TLS. */
  const char *certificate, *key;
  /** Makes the answer; called on the module's thread. Status 500 is sent for a reply without a body. */
  void (*answer)(void *arg, const struct http_request *request, struct http_reply *reply);
  void *arg;
  unsigned request_max_ms; /* 0: HTTP_REQUEST_MAX_MS */
};

/** What the module offers. Thread: control. */
struct http_module {
  unsigned abi;
  /** Listens and starts the thread. Strings need to be valid during the call only. Returns 0, -EINVAL when the host
   * cannot be looked up, -EKEYREJECTED when certificate and key are not acceptable, or -errno. */
  int (*start)(const struct http_options *options, struct http_server **out);
  /** The port listened on. */
  uint16_t (*port)(const struct http_server *server);
  /** Ends the thread, cuts all connections, frees. Blocks: until an answer being made is made. */
  void (*stop)(struct http_server *server);
};

/** The one function the module exports. */
TERN_API const struct http_module *tern_http_v1(void);

#endif
