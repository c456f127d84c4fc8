/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of the load test: one blocking socket each, used by one thread.
 *
 * Blocking, because a thread per connection leaves the least of the client's own work in what is measured;
 * but every wait ends after a tick (socket timeouts), so that nobody hangs when the server does.
 *
 *     nats:  <- INFO   -> CONNECT [SUB] PING   <- PONG
 *     raw:   -> P or S and LF                  <- +      (forward.c; then bytes, without any protocol)
 *
 * Does not reconnect: a server that goes away is a result.
 */
#include "client.h"

#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <tern/codec_nats.h>
#include <unistd.h>

/* Copies len bytes as a string; false when there is no room. */
static bool copy_text(char *to, size_t size, const char *from, size_t len) {
  if (len >= size) return false;
  memcpy(to, from, len);
  to[len] = '\0';
  return true;
}

static bool parse_userinfo(struct target *target, const char *from, size_t len) {
  const char *colon = memchr(from, ':', len);
  size_t user = colon != NULL ? (size_t)(colon - from) : len;
  if (!copy_text(target->user, sizeof target->user, from, user)) return false;
  return colon == NULL || copy_text(target->password, sizeof target->password, colon + 1, len - user - 1);
}

bool target_parse(struct target *target, const char *url) {
  *target = (struct target){.port = "4222"};
  const char *at = strstr(url, "://");
  if (at != NULL) {
    target->raw = strncmp(url, "raw://", 6) == 0;
    if (!target->raw && strncmp(url, "nats://", 7) != 0) return false;
    at += 3;
  } else {
    at = url;
  }
  const char *sign = strrchr(at, '@');
  if (sign != NULL && !parse_userinfo(target, at, (size_t)(sign - at))) return false;
  if (sign != NULL) at = sign + 1;
  bool bracket = *at == '[';
  if (bracket) at++;
  size_t len = strcspn(at, bracket ? "]" : ":");
  if (len == 0 || !copy_text(target->host, sizeof target->host, at, len)) return false;
  at += len;
  if (bracket && *at++ != ']') return false;
  if (*at == '\0') return true;
  return *at == ':' && at[1] != '\0' && copy_text(target->port, sizeof target->port, at + 1, strlen(at + 1));
}

void client_fail(struct client *client, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(client->error, sizeof client->error, format, args);
  va_end(args);
}

long client_send(struct client *client, const char *data, size_t len) {
  ssize_t n = send(client->fd, data, len, MSG_NOSIGNAL);
  if (n >= 0) return n;
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return 0;
  client_fail(client, "sending: %s", strerror(errno));
  return -1;
}

long client_receive(struct client *client, char *data, size_t len, bool wait) {
  ssize_t n = recv(client->fd, data, len, wait ? 0 : MSG_DONTWAIT);
  if (n > 0) return n;
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return 0;
  if (n == 0) {
    client_fail(client, "the server closed the connection");
    return -2;
  }
  client_fail(client, "receiving: %s", strerror(errno));
  return -1;
}

static void set_timeouts(int fd, unsigned ms) {
  struct timeval tick = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof tick);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tick, sizeof tick);
}

static bool connect_socket(struct client *client, const struct target *target) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
  int result = getaddrinfo(target->host, target->port, &hints, &list);
  if (result != 0) {
    client_fail(client, "%s:%s: %s", target->host, target->port, gai_strerror(result));
    return false;
  }
  int error = 0;
  for (struct addrinfo *a = list; a != NULL && client->fd < 0; a = a->ai_next) {
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    if (fd >= 0) set_timeouts(fd, CLIENT_CONNECT_MS); /* a bound for connect too */
    if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
      client->fd = fd;
      break;
    }
    error = errno == EINPROGRESS ? ETIMEDOUT : errno;
    if (fd >= 0) close(fd);
  }
  freeaddrinfo(list);
  if (client->fd < 0) {
    client_fail(client, "cannot connect to %s:%s: %s", target->host, target->port, strerror(error));
    return false;
  }
  int on = 1;
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  set_timeouts(client->fd, CLIENT_TICK_MS);
  return true;
}

static bool send_text(struct client *client, const char *text) {
  size_t len = strlen(text);
  for (int ticks = 0; len > 0 && ticks < CLIENT_CONNECT_MS / CLIENT_TICK_MS; ticks++) {
    long n = client_send(client, text, len);
    if (n < 0) return false;
    text += n;
    len -= (size_t)n;
  }
  if (len > 0) client_fail(client, "the server does not read");
  return len == 0;
}

/* Sends CONNECT, SUB and PING. */
static bool say_hello(struct client *client, const struct target *target, const char *subject) {
  json_t *options =
      json_pack("{s:b, s:b, s:s, s:s, s:s, s:s*, s:s*}", "verbose", 0, "pedantic", 0, "name", "tern-bench",
                "lang", "C", "version", "1", "user", target->user[0] != '\0' ? target->user : NULL, "pass",
                target->password[0] != '\0' ? target->password : NULL);
  char *json = options != NULL ? json_dumps(options, JSON_COMPACT) : NULL;
  char *text = NULL;
  int len = -1;
  if (json != NULL && subject != NULL) {
    len = asprintf(&text, "CONNECT %s\r\nSUB %s 1\r\nPING\r\n", json, subject);
  } else if (json != NULL) {
    len = asprintf(&text, "CONNECT %s\r\nPING\r\n", json);
  }
  json_decref(options);
  free(json);
  if (len < 0) {
    client_fail(client, "out of memory");
    return false;
  }
  bool sent = send_text(client, text);
  free(text);
  return sent;
}

/* Whose INFO it is. */
static void take_info(struct client *client, struct tern_slice text) {
  json_t *info = json_loadb(text.ptr, text.len, 0, NULL);
  const char *tern = json_string_value(json_object_get(info, "tern"));
  const char *version = tern != NULL ? tern : json_string_value(json_object_get(info, "version"));
  snprintf(client->server, sizeof client->server, "%s", tern != NULL ? "tern" : "nats-server");
  snprintf(client->version, sizeof client->version, "%s", version != NULL ? version : "");
  json_decref(info);
}

/* One of the server's answers. Returns false when it is a refusal. */
static bool take_answer(struct client *client, const struct tern_nats_op *op, bool *info, bool *pong) {
  if (op->verb == TERN_NATS_INFO) {
    *info = true;
    take_info(client, op->arg);
  }
  if (op->verb == TERN_NATS_PONG) *pong = true;
  if (op->verb == TERN_NATS_PING) return send_text(client, "PONG\r\n");
  if (op->verb == TERN_NATS_ERR)
    client_fail(client, "the server answered -ERR %.*s", (int)op->arg.len, op->arg.ptr);
  return op->verb != TERN_NATS_ERR;
}

static bool hello_nats(struct client *client, const struct target *target, const char *subject) {
  struct tern_nats_parser parser;
  struct tern_nats_op op;
  char input[8192];
  bool info = false, said = false, pong = false, ok = true;
  tern_nats_init(&parser, TERN_NATS_FROM_SERVER, client->pool);
  tern_nats_set_limits(&parser, 65536, 1024);
  for (int ticks = 0; ok && ticks < CLIENT_CONNECT_MS / CLIENT_TICK_MS; ticks++) {
    long n = client_receive(client, input, sizeof input, true);
    if (n < 0) ok = false;
    if (n <= 0) continue;
    tern_nats_feed(&parser, &(struct tern_chunk){.data = input, .len = (size_t)n});
    int result = 0;
    while (ok && (result = tern_nats_next(&parser, &op)) > 0)
      ok = take_answer(client, &op, &info, &pong);
    if (ok && (result < 0 || tern_nats_keep(&parser) < 0)) {
      client_fail(client, "the server does not speak the NATS protocol");
      ok = false;
    }
    if (ok && info && !said) ok = said = say_hello(client, target, subject);
    if (pong && tern_nats_unused(&parser) == 0) break;
  }
  tern_nats_reset(&parser);
  if (ok && !pong) client_fail(client, "the server did not answer in time");
  return ok && pong;
}

static bool hello_raw(struct client *client, bool subscriber) {
  char answer;
  snprintf(client->server, sizeof client->server, "forwarder");
  if (!send_text(client, subscriber ? "S\n" : "P\n")) return false;
  for (int ticks = 0; ticks < CLIENT_CONNECT_MS / CLIENT_TICK_MS; ticks++) {
    long n = client_receive(client, &answer, 1, true);
    if (n != 0) return n == 1 && answer == '+';
  }
  client_fail(client, "the forwarder did not answer in time");
  return false;
}

bool client_open(struct client *client, const struct target *target, const char *subject) {
  *client = (struct client){.fd = -1, .raw = target->raw, .pool = tern_pool_new()};
  if (client->pool == NULL) {
    client_fail(client, "out of memory");
    return false;
  }
  if (!connect_socket(client, target)) return false;
  return target->raw ? hello_raw(client, subject != NULL) : hello_nats(client, target, subject);
}

void client_close(struct client *client) {
  if (client->fd >= 0) close(client->fd);
  if (client->pool != NULL) tern_pool_free(client->pool);
}
