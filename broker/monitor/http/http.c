/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP module: libmicrohttpd, run by one thread of our own.
 *
 *     poll: the library's epoll descriptor, the stop event, the next thing due
 *       -> MHD_run: accepts, reads, asks `answer`, writes
 *       -> cut_overdue
 *
 * The library closes connections on which nothing moves. One that moves a byte now and then would live for ever, so
 * each has a record of when its request began, and is shut down when that is too long ago. Bodies of requests are not
 * read: an answer ends a connection on which one is left.
 *
 * Nothing here is shared: start and stop are the control thread's, the rest is the module's thread's.
 */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG    64
#define CHECK_MS   1000 /* how often overdue connections are looked for */
#define REFUSED_MS 50   /* pause when a connection cannot be accepted */

/* One connection. */
struct link {
  struct link *next, **prev;
  int fd;
  uint64_t since_ms; /* its request began, or it was accepted */
};

struct http_server {
  struct MHD_Daemon *daemon;
  struct http_options options;
  struct link *links;
  pthread_t thread;
  int listener, stop_event, epoll;
  uint16_t port;
  bool closed; /* a connection was, in this round */
};

/* What `answer` sees of a request, and how its parameters are found. */
struct request {
  struct http_request public; /* first: the pointer given out is ours */
  struct MHD_Connection *connection;
};

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- requests ---- */

static const char *parameter(const struct http_request *request, const char *name) {
  const struct request *ours = (const struct request *)(const void *)request;
  return MHD_lookup_connection_value(ours->connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, const struct http_reply *reply) {
  static const char nothing[] = "Internal Server Error\n";
  const bool failed = reply->body == NULL;
  struct MHD_Response *response =
      failed ? MHD_create_response_from_buffer(sizeof nothing - 1, (void *)(uintptr_t)nothing,
                                               MHD_RESPMEM_PERSISTENT)
             : MHD_create_response_from_buffer(reply->len, reply->body, MHD_RESPMEM_MUST_FREE);
  if (response == NULL) {
    free(reply->body);
    return MHD_NO;
  }
  enum MHD_Result result =
      MHD_add_response_header(response, "Content-Type", failed ? "text/plain" : reply->type);
  const char *const *header = failed ? NULL : reply->headers;
  for (; header != NULL && header[0] != NULL && result == MHD_YES; header += 2)
    result = MHD_add_response_header(response, header[0], header[1]);
  if (result == MHD_YES) result = MHD_queue_response(connection, failed ? 500 : reply->status, response);
  MHD_destroy_response(response);
  return result;
}

/* Called with the headers of each request, and again after it; what is no GET or HEAD may have a body, and is answered
 * before it. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *body, size_t *body_len,
                                  void **context) {
  (void)version, (void)body, (void)body_len;
  struct http_server *server = arg;
  const bool bodiless = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
  if (bodiless && *context == NULL) {
    *context = server;
    return MHD_YES;
  }
  struct request request = {.public = {.method = method, .path = url, .parameter = parameter},
                            .connection = connection};
  struct http_reply reply = {.status = 200, .type = "text/plain"};
  server->options.answer(server->options.arg, &request.public, &reply);
  return send_reply(connection, &reply);
}

/* ---- connections ---- */

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what) {
  struct http_server *server = arg;
  struct link *link = *context;
  if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
    if (link == NULL) return;
    server->closed = true;
    *link->prev = link->next;
    if (link->next != NULL) link->next->prev = link->prev;
    free(link);
    return;
  }
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  link = info != NULL ? calloc(1, sizeof *link) : NULL;
  if (link == NULL) { /* one that cannot be watched is not served */
    if (info != NULL) shutdown(info->connect_fd, SHUT_RDWR);
    return;
  }
  *link = (struct link){server->links, &server->links, info->connect_fd, now_ms()};
  if (link->next != NULL) link->next->prev = &link->next;
  server->links = link;
  *context = link;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode why) {
  (void)arg, (void)context, (void)why;
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  struct link *link = info != NULL ? info->socket_context : NULL;
  if (link != NULL) link->since_ms = now_ms();
}

static void cut_overdue(struct http_server *server) {
  const uint64_t now = now_ms();
  for (struct link *link = server->links; link != NULL; link = link->next)
    if (now - link->since_ms > server->options.request_max_ms) shutdown(link->fd, SHUT_RDWR);
}

/* ---- the thread ---- */

static int wait_ms(struct http_server *server) {
  MHD_UNSIGNED_LONG_LONG timeout;
  unsigned check = CHECK_MS < server->options.request_max_ms ? CHECK_MS : server->options.request_max_ms;
  int wait = server->links != NULL ? (int)check : -1;
  if (MHD_get_timeout(server->daemon, &timeout) == MHD_YES && (wait < 0 || timeout < (unsigned)wait))
    wait = timeout < CHECK_MS ? (int)timeout : CHECK_MS;
  return wait;
}

/* At its bound of connections the library stops listening, and begins again in the round after one has closed. */
static void run_library(struct http_server *server) {
  do {
    server->closed = false;
    MHD_run(server->daemon);
  } while (server->closed);
}

static void *run(void *arg) {
  struct http_server *server = arg;
  struct pollfd polled[] = {{.fd = server->epoll, .events = POLLIN},
                            {.fd = server->stop_event, .events = POLLIN}};
  for (;;) {
    if (poll(polled, 2, wait_ms(server)) < 0 && errno != EINTR) return NULL;
    if (polled[1].revents != 0) return NULL;
    run_library(server);
    cut_overdue(server);
    /* somebody came and is not there: no descriptor to accept with */
    if (polled[0].revents != 0 && server->links == NULL) poll(&polled[1], 1, REFUSED_MS);
  }
}

/* ---- start and stop ---- */

static int listen_on(const struct addrinfo *address) {
  const int on = 1, off = 0;
  int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) return fd;
  int error = -errno;
  close(fd);
  return error;
}

/* The listening socket, and the port it got. Returns 0 or -errno. */
static int open_listener(struct http_server *server) {
  char service[8];
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
  snprintf(service, sizeof service, "%u", (unsigned)server->options.port);
  if (getaddrinfo(server->options.host, service, &hints, &found) != 0) return -EINVAL;
  server->listener = listen_on(found);
  freeaddrinfo(found);
  if (server->listener < 0) return server->listener;
  struct sockaddr_storage bound;
  socklen_t len = sizeof bound;
  char port[8];
  if (getsockname(server->listener, (struct sockaddr *)&bound, &len) < 0) return -errno;
  if (getnameinfo((struct sockaddr *)&bound, len, NULL, 0, port, sizeof port, NI_NUMERICSERV) != 0)
    return -EINVAL;
  server->port = (uint16_t)strtoul(port, NULL, 10);
  return 0;
}

static int start_daemon(struct http_server *server) {
  const bool tls = server->options.certificate != NULL;
  struct MHD_OptionItem tls_options[] = {
      {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)server->options.certificate},
      {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)server->options.key},
      {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t) "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"},
      {MHD_OPTION_END, 0, NULL},
  };
  struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
  errno = 0;
  server->daemon = MHD_start_daemon(
      MHD_USE_EPOLL | (tls ? MHD_USE_TLS : 0u), 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET,
      server->listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_REQUEST_MAX_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
      (unsigned)HTTP_IDLE_MAX_MS / 1000, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
      MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_ARRAY, tls ? tls_options : none,
      MHD_OPTION_END);
  if (server->daemon == NULL) return tls ? -EKEYREJECTED : errno != 0 ? -errno : -ENOMEM;
  server->listener = -1; /* the daemon closes it */
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  if (info == NULL) return -ENOSYS;
  server->epoll = info->epoll_fd;
  return 0;
}

static void release(struct http_server *server) {
  if (server->daemon != NULL) MHD_stop_daemon(server->daemon);
  if (server->listener >= 0) close(server->listener);
  if (server->stop_event >= 0) close(server->stop_event);
  free(server);
}

static int start(const struct http_options *options, struct http_server **out) {
  struct http_server *server = calloc(1, sizeof *server);
  if (server == NULL) return -ENOMEM;
  server->options = *options;
  if (options->request_max_ms == 0) server->options.request_max_ms = HTTP_REQUEST_MAX_MS;
  server->listener = -1;
  server->stop_event = eventfd(0, EFD_CLOEXEC);
  int error = server->stop_event < 0 ? -errno : open_listener(server);
  if (error == 0) error = start_daemon(server);
  if (error == 0) error = -pthread_create(&server->thread, NULL, run, server);
  if (error != 0) {
    release(server);
    return error;
  }
  *out = server;
  return 0;
}

static uint16_t port(const struct http_server *server) { return server->port; }

static void stop(struct http_server *server) {
  const uint64_t one = 1;
  while (write(server->stop_event, &one, sizeof one) < 0 && errno == EINTR) {
  }
  pthread_join(server->thread, NULL);
  release(server);
}

const struct http_module *tern_http_v1(void) {
  static const struct http_module module = {HTTP_ABI, start, port, stop};
  return &module;
}
