/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small NATS client of the tests (see wire.h).
 *
 * One growing buffer per connection holds what was read and not yet looked at; wire_next parses one line out of
 * it, and for MSG and HMSG the payload behind it, reading more as needed with poll and a deadline. It checks the
 * form of what it reads (CRLF at the right places) and ends the program with a message when the broker breaks it:
 * a test that goes on with a broken stream only confuses.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "broker.h"

#define READ_BYTES 65536

static long long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void broken(const char *what, const char *line) {
  fprintf(stderr, "the broker broke the protocol: %s: %.200s\n", what, line);
  abort();
}

bool wire_open(struct wire *wire, int port) {
  *wire = (struct wire){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (wire->fd < 0) return false;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int one = 1;
  setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(wire->fd, (struct sockaddr *)&address, sizeof address) == 0) return true;
  close(wire->fd);
  wire->fd = -1;
  return false;
}

void wire_close(struct wire *wire, bool reset) {
  if (wire->fd >= 0) {
    if (reset) {
      struct linger linger = {1, 0};
      setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    close(wire->fd);
  }
  free(wire->in);
  *wire = (struct wire){.fd = -1};
}

bool wire_send(struct wire *wire, const void *data, size_t size) {
  const char *at = data;
  while (size > 0) {
    ssize_t n = send(wire->fd, at, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

bool wire_printf(struct wire *wire, const char *format, ...) {
  char text[8192];
  va_list args;
  va_start(args, format);
  int size = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return size >= 0 && (size_t)size < sizeof text && wire_send(wire, text, (size_t)size);
}

/* Reads some more. 1: read; 0: nothing in time; -1: end. */
static int fill(struct wire *wire, long long deadline) {
  if (wire->start > 0 && (wire->start == wire->end || wire->start > READ_BYTES)) {
    memmove(wire->in, wire->in + wire->start, wire->end - wire->start);
    wire->end -= wire->start;
    wire->start = 0;
  }
  if (wire->capacity - wire->end < READ_BYTES) {
    wire->capacity = wire->capacity * 2 + 2 * READ_BYTES;
    wire->in = realloc(wire->in, wire->capacity);
    if (!wire->in) abort();
  }
  long long left = deadline - now_ms();
  struct pollfd poll_fd = {.fd = wire->fd, .events = POLLIN};
  int ready = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
  if (ready < 0 && errno == EINTR) return 1;
  if (ready <= 0) return 0;
  ssize_t n = recv(wire->fd, wire->in + wire->end, wire->capacity - wire->end, 0);
  if (n <= 0) return -1;
  wire->end += (size_t)n;
  return 1;
}

/* A MSG or HMSG line: "MSG subject sid [reply] size". The payload lies behind it. Returns the payload's size. */
static size_t parse_message(char *line, struct wire_event *event) {
  char *words[6] = {NULL}, *save = NULL;
  int count = 0;
  char *copy = strdup(line);
  for (char *word = strtok_r(copy, " ", &save); word && count < 6; word = strtok_r(NULL, " ", &save))
    words[count++] = word;
  if (count < 4) broken("a message line too short", line);
  snprintf(event->subject, sizeof event->subject, "%s", words[1]);
  event->sid = (unsigned)strtoul(words[2], NULL, 10);
  size_t size = strtoul(words[count - 1], NULL, 10);
  free(copy);
  event->kind = WIRE_MSG;
  return size;
}

static int classify(const char *line) {
  if (strcmp(line, "PING") == 0) return WIRE_PING;
  if (strcmp(line, "PONG") == 0) return WIRE_PONG;
  if (strcmp(line, "+OK") == 0) return WIRE_OK;
  if (strncmp(line, "INFO ", 5) == 0) return WIRE_INFO;
  if (strncmp(line, "-ERR ", 5) == 0) return WIRE_ERR;
  broken("unknown line", line);
  return WIRE_END;
}

/* Takes one thing out of the buffer; false when it is not all there. */
static bool take(struct wire *wire, struct wire_event *event) {
  char *start = wire->in + wire->start;
  char *newline = memchr(start, '\n', wire->end - wire->start);
  if (!newline) return false;
  if (newline == start || newline[-1] != '\r') broken("a line without CR", start);
  newline[-1] = 0;
  size_t used = (size_t)(newline + 1 - start);
  if (strncmp(start, "MSG ", 4) == 0 || strncmp(start, "HMSG ", 5) == 0) {
    event->size = parse_message(start, event);
    if (wire->end - wire->start < used + event->size + 2) {
      newline[-1] = '\r';
      return false;
    }
    event->payload = newline + 1;
    if (memcmp(event->payload + event->size, "\r\n", 2) != 0) broken("a payload without CRLF", start);
    used += event->size + 2;
  } else {
    event->kind = classify(start);
    snprintf(event->subject, sizeof event->subject, "%.255s", event->kind == WIRE_ERR ? start + 5 : "");
  }
  wire->start += used;
  return true;
}

void wire_next(struct wire *wire, struct wire_event *event, int timeout_ms) {
  long long deadline = now_ms() + timeout_ms;
  for (;;) {
    *event = (struct wire_event){.kind = WIRE_TIMEOUT};
    if (wire->end > wire->start && take(wire, event)) {
      if (event->kind != WIRE_PING) return;
      wire_send(wire, "PONG\r\n", 6);
      continue;
    }
    int got = fill(wire, deadline);
    if (got > 0) continue;
    event->kind = got < 0 ? WIRE_END : WIRE_TIMEOUT;
    return;
  }
}

bool wire_sync(struct wire *wire, unsigned *messages) {
  if (!wire_send(wire, "PING\r\n", 6)) return false;
  struct wire_event event;
  do {
    wire_next(wire, &event, test_wait_ms());
    if (event.kind == WIRE_MSG && messages) (*messages)++;
    if (event.kind == WIRE_END || event.kind == WIRE_TIMEOUT) return false;
  } while (event.kind != WIRE_PONG);
  return true;
}

void wire_hello(struct wire *wire, int port, const char *fields) {
  struct wire_event event = {.kind = WIRE_END};
  if (wire_open(wire, port)) wire_next(wire, &event, test_wait_ms());
  if (event.kind != WIRE_INFO) broken("no INFO", "");
  wire_printf(wire, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true%s%s}\r\n",
              *fields ? "," : "", fields);
  if (!wire_sync(wire, NULL)) broken("no PONG after CONNECT", "");
}
