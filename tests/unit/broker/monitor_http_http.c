/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP module, loaded as the broker does it, and spoken to over loopback by clients that mean well and others: bytes
 * in single steps, garbage, headers without end, bodies, connections that are held.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/http.h"

#define WAIT_MS 20000

static const struct http_module *module;
static _Atomic unsigned asked; /* relaxed: read after the answer has come over the socket */

static void answer(void *arg, const struct http_request *request, struct http_reply *reply) {
  static const char *const headers[] = {"X-One", "1", "X-Two", "2", NULL};
  (void)arg;
  atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed);
  const char *name = request->parameter(request, "name");
  if (strcmp(request->path, "/nothing") == 0) return;
  if (strcmp(request->path, "/large") == 0) {
    reply->len = 8u << 20;
    reply->body = calloc(1, reply->len);
    return;
  }
  reply->body = malloc(1000);
  assert_non_null(reply->body);
  reply->len = (size_t)snprintf(reply->body, 1000, "%s %s %s", request->method, request->path,
                                name != NULL ? name : "-");
  reply->headers = headers;
  reply->status = 201;
}

static struct http_server *serve(unsigned request_max_ms) {
  const struct http_options options = {
      .host = "127.0.0.1", .answer = answer, .request_max_ms = request_max_ms};
  struct http_server *server;
  assert_int_equal(module->start(&options, &server), 0);
  return server;
}

static int dial(const struct http_server *server) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(module->port(server))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
  return fd;
}

static void say(int fd, const char *text) {
  size_t len = strlen(text);
  assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* Reads until the end of the stream, or until `until` came. Returns what came, NUL-terminated; false: nothing within
 * the time. */
static bool hear(int fd, const char *until, char *text, size_t room) {
  size_t len = 0;
  for (;;) {
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    text[len] = '\0';
    if (until != NULL && strstr(text, until) != NULL) return true;
    if (len + 1 == room || poll(&polled, 1, WAIT_MS) <= 0) return false;
    ssize_t n = recv(fd, text + len, room - 1 - len, 0);
    if (n <= 0) return until == NULL;
    len += (size_t)n;
  }
}

static void requests_are_answered(void **unused) {
  (void)unused;
  char text[2000];
  struct http_server *server = serve(0);
  int fd = dial(server);
  say(fd, "GET /a%20b?name=x%3dy&name=z HTTP/1.1\r\nHost: h\r\n\r\n");
  assert_true(hear(fd, "GET /a b x=y", text, sizeof text));
  assert_memory_equal(text, "HTTP/1.1 201 ", 13);
  assert_non_null(strstr(text, "X-One: 1\r\n"));
  assert_non_null(strstr(text, "X-Two: 2\r\n"));
  assert_non_null(strstr(text, "Content-Length: 12\r\n"));
  say(fd, "GET /again HTTP/1.1\r\nHost: h\r\n\r\n"); /* the connection goes on */
  assert_true(hear(fd, "GET /again -", text, sizeof text));
  say(fd, "HEAD /head HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  assert_true(hear(fd, NULL, text, sizeof text));
  assert_non_null(strstr(text, "Content-Length: 12\r\n"));
  assert_null(strstr(text, "HEAD /head"));
  close(fd);
  module->stop(server);
}

static void an_answer_that_cannot_be_made_is_an_error(void **unused) {
  (void)unused;
  char text[2000];
  struct http_server *server = serve(0);
  int fd = dial(server);
  say(fd, "GET /nothing HTTP/1.0\r\n\r\n");
  assert_true(hear(fd, NULL, text, sizeof text));
  assert_non_null(strstr(text, " 500 "));
  close(fd);
  module->stop(server);
}

static void bodies_are_not_read(void **unused) {
  (void)unused;
  char text[2000];
  struct http_server *server = serve(0);
  int fd = dial(server);
  say(fd, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000000\r\n\r\nabc");
  assert_true(hear(fd, NULL, text, sizeof text)); /* answered and closed */
  assert_non_null(strstr(text, "POST /x -"));
  close(fd);
  module->stop(server);
}

static void garbage_is_not_asked_about(void **unused) {
  (void)unused;
  static const char *const garbage[] = {"\r\n\r\n\r\n\x01\x02\r\n\r\n", "PUB foo 3\r\nabc\r\n\r\n",
                                        "GET\r\n\r\n", "CONNECT {}\r\nPING\r\n\r\n"};
  char text[4000];
  struct http_server *server = serve(300);
  const unsigned before = atomic_load_explicit(&asked, memory_order_relaxed); /* pairs with answer */
  for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
    int fd = dial(server);
    say(fd, garbage[i]);
    hear(fd, NULL, text, sizeof text);
    close(fd);
  }
  int fd = dial(server); /* and it still serves */
  say(fd, "GET /ok HTTP/1.0\r\n\r\n");
  assert_true(hear(fd, "GET /ok -", text, sizeof text));
  close(fd);
  /* pairs with answer; what looks like a method and a path may be asked about */
  assert_true(atomic_load_explicit(&asked, memory_order_relaxed) - before <= 3);
  module->stop(server);
}

static void headers_have_an_end(void **unused) {
  (void)unused;
  char text[4000];
  struct http_server *server = serve(0);
  int fd = dial(server);
  say(fd, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
  char many[1024];
  memset(many, 'x', sizeof many);
  bool cut = false;
  for (int i = 0; i < 10 * (int)HTTP_REQUEST_MAX_BYTES / 1024 && !cut; i++) {
    ssize_t sent = send(fd, many, sizeof many, MSG_NOSIGNAL);
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    cut = sent < 0 || poll(&polled, 1, 10) > 0;
  }
  assert_true(cut || hear(fd, NULL, text, sizeof text)); /* an error, or the end */
  close(fd);
  module->stop(server);
}

/* A byte now and then keeps the library's own time-out away, and does not help. */
static void a_slow_request_is_cut(void **unused) {
  (void)unused;
  static const char request[] =
      "GET /slow HTTP/1.1\r\nHost: h\r\nX-Long: 12345678901234567890123456789012345678901234567890";
  struct http_server *server = serve(200);
  int fd = dial(server);
  bool cut = false;
  for (int i = 0; i < WAIT_MS / 20 && !cut; i++) {
    const char *byte = (size_t)i < sizeof request - 1 ? &request[i] : "y";
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    cut = send(fd, byte, 1, MSG_NOSIGNAL) < 0 || poll(&polled, 1, 20) > 0;
  }
  assert_true(cut);
  close(fd);
  module->stop(server);
}

/* Nobody reads the answer: the connection goes away, and others are served meanwhile. */
static void an_answer_nobody_takes_is_dropped(void **unused) {
  (void)unused;
  char text[4000];
  struct http_server *server = serve(500);
  int stuck = dial(server);
  say(stuck, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
  int fd = dial(server);
  say(fd, "GET /ok HTTP/1.0\r\n\r\n");
  assert_true(hear(fd, "GET /ok -", text, sizeof text));
  close(fd);
  char *all = malloc(10u << 20);
  assert_non_null(all);
  usleep(1500 * 1000); /* longer than any request may take */
  size_t got = 0;
  for (ssize_t n; (n = recv(stuck, all, 10u << 20, 0)) > 0;)
    got += (size_t)n;
  assert_true(got < 8u << 20);
  free(all);
  close(stuck);
  module->stop(server);
}

/* More connections than are allowed: those above wait, and are served when others leave. */
static void connections_have_a_bound(void **unused) {
  (void)unused;
  char text[4000];
  int held[HTTP_CONNECTIONS_MAX];
  struct http_server *server = serve(0);
  for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
    held[i] = dial(server);
    say(held[i], "GET /ok HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(hear(held[i], "GET /ok -", text, sizeof text));
  }
  int fd = dial(server);
  say(fd, "GET /late HTTP/1.0\r\n\r\n");
  struct pollfd polled = {.fd = fd, .events = POLLIN};
  assert_int_equal(poll(&polled, 1, 200), 0);
  for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
    close(held[i]);
  assert_true(hear(fd, "GET /late -", text, sizeof text));
  close(fd);
  module->stop(server);
}

static void what_cannot_be_listened_on_is_an_error(void **unused) {
  (void)unused;
  struct http_server *server = serve(0), *other;
  struct http_options options = {.host = "127.0.0.1", .port = module->port(server), .answer = answer};
  assert_int_equal(module->start(&options, &other), -EADDRINUSE);
  options = (struct http_options){.host = "no such host.invalid", .answer = answer};
  assert_int_equal(module->start(&options, &other), -EINVAL);
  options = (struct http_options){.host = "127.0.0.1", .certificate = "no", .key = "no", .answer = answer};
  assert_int_equal(module->start(&options, &other), -EKEYREJECTED);
  module->stop(server);
}

static int load(void **unused) {
  (void)unused;
  void *library = dlopen(HTTP_MODULE, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return 1;
  const struct http_module *(*entry)(void);
  void *symbol = dlsym(library, "tern_http_v1");
  memcpy(&entry, &symbol, sizeof entry);
  module = entry();
  return module->abi != HTTP_ABI;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_are_answered),
      cmocka_unit_test(an_answer_that_cannot_be_made_is_an_error),
      cmocka_unit_test(bodies_are_not_read),
      cmocka_unit_test(garbage_is_not_asked_about),
      cmocka_unit_test(headers_have_an_end),
      cmocka_unit_test(a_slow_request_is_cut),
      cmocka_unit_test(an_answer_nobody_takes_is_dropped),
      cmocka_unit_test(connections_have_a_bound),
      cmocka_unit_test(what_cannot_be_listened_on_is_an_error),
  };
  return cmocka_run_group_tests_name("monitor_http_http", tests, load, NULL);
}
