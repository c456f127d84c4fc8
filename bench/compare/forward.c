/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern-bench forward: the limit a broker is compared with. It copies the bytes of publishers to the
 * subscribers with recv and send, and looks at none of them.
 *
 *     subscribers:  connect, say "S\n", get "+"   ...   then the bytes
 *     publisher:    connect, say "P\n", get "+"   ...   bytes, until it ends its stream
 *     publishers:   the same with "M\n" and the size of a frame: only whole ones are copied, so that those of
 *                   several publishers do not get mixed
 *     requester:    the same with "E\n": gets the bytes of the first subscriber as well
 *
 * When the last publisher has ended, the subscribers' streams are ended too and everything begins anew. One
 * thread, blocking calls, one group at a time: the least a process in the middle can do. A connection that
 * goes wrong ends its group. SIGINT and SIGTERM end the program.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "commands.h"
#include "ending.h"

#define COPY_BYTES      (256 * 1024)
#define SUBSCRIBERS_MAX 4096
#define SOURCES_MAX     4096
#define FRAME_DIGITS    8

/* One of several publishers. */
struct source {
  char *bytes; /* the beginning of a frame, and room for what comes */
  size_t len, frame;
};

/* Sends all bytes; false when that fails. */
static bool send_all(int fd, const char *data, size_t len) {
  while (len > 0) {
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
    if (n < 0) return false;
    data += n;
    len -= (size_t)n;
  }
  return true;
}

/* Copies until the publisher ends or something fails. */
static void copy(int publisher, const int *subscribers, unsigned count) {
  static char bytes[COPY_BYTES];
  ssize_t n;
  while ((n = recv(publisher, bytes, sizeof bytes, 0)) > 0) {
    for (unsigned i = 0; i < count; i++) {
      if (!send_all(subscribers[i], bytes, (size_t)n)) return;
    }
  }
}

/* Copies both ways between two, until one of them ends. */
static void copy_both_ways(int requester, int responder) {
  static char bytes[COPY_BYTES];
  struct pollfd ends[2] = {{.fd = requester, .events = POLLIN}, {.fd = responder, .events = POLLIN}};
  while (poll(ends, 2, -1) > 0) {
    for (unsigned i = 0; i < 2; i++) {
      ssize_t n = ends[i].revents != 0 ? recv(ends[i].fd, bytes, sizeof bytes, MSG_DONTWAIT) : -1;
      if (ends[i].revents != 0 && (n <= 0 || !send_all(ends[1 - i].fd, bytes, (size_t)n))) return;
    }
  }
}

/* Copies whole frames. Returns false when the publisher has ended or something fails. */
static bool copy_frames(int fd, struct source *source, const int *subscribers, unsigned count) {
  ssize_t n = recv(fd, source->bytes + source->len, COPY_BYTES, 0);
  if (n <= 0) return false;
  source->len += (size_t)n;
  size_t rest = source->len % source->frame, whole = source->len - rest;
  for (unsigned i = 0; i < count && whole > 0; i++) {
    if (!send_all(subscribers[i], source->bytes, whole)) return false;
  }
  memmove(source->bytes, source->bytes + whole, rest);
  source->len = rest;
  return true;
}

/* Reads a connection's first bytes. Returns 'S', 'P', 'M', 'E' or 0; of M the size of its frames, too. */
static char role_of(int fd, size_t *frame) {
  char hello[2], digits[FRAME_DIGITS + 1] = "";
  struct timeval bound = {.tv_sec = 2};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  if (recv(fd, hello, sizeof hello, MSG_WAITALL) != sizeof hello || hello[1] != '\n') return 0;
  if (memchr("SPME", hello[0], 4) == NULL) return 0;
  if (hello[0] == 'M') {
    if (recv(fd, digits, FRAME_DIGITS, MSG_WAITALL) != FRAME_DIGITS) return 0;
    *frame = strtoul(digits, NULL, 10);
    if (*frame == 0) return 0;
  }
  bound.tv_sec = 0;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  return send_all(fd, "+", 1) ? hello[0] : 0;
}

/* Accepts a connection and learns what it is for. Returns it or -1. */
static int accept_one(int listener, char *role, size_t *frame) {
  int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) return -1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  *role = role_of(fd, frame);
  return fd;
}

/* Those that send, behind the listener. */
static struct pollfd polled[1 + SOURCES_MAX];
static struct source sources[1 + SOURCES_MAX];
static unsigned source_count;

static void add_source(int fd, size_t frame) {
  char *bytes = source_count < SOURCES_MAX ? malloc(COPY_BYTES + frame) : NULL;
  if (bytes == NULL) {
    close(fd);
    return;
  }
  source_count++;
  polled[source_count] = (struct pollfd){.fd = fd, .events = POLLIN};
  sources[source_count] = (struct source){.bytes = bytes, .frame = frame};
}

static void remove_source(unsigned i) {
  close(polled[i].fd);
  free(sources[i].bytes);
  polled[i] = polled[source_count];
  sources[i] = sources[source_count--];
}

/* Copies from several publishers, of which the first has come, until all have ended. */
static void copy_many(int listener, int first, size_t frame, const int *subscribers, unsigned count) {
  polled[0] = (struct pollfd){.fd = listener, .events = POLLIN};
  add_source(first, frame);
  while (source_count > 0 && poll(polled, 1 + source_count, -1) > 0) {
    char role = 0;
    int fd = polled[0].revents != 0 ? accept_one(listener, &role, &frame) : -1;
    for (unsigned i = source_count; i > 0; i--) {
      if (polled[i].revents != 0 && !copy_frames(polled[i].fd, &sources[i], subscribers, count))
        remove_source(i);
    }
    if (role == 'M')
      add_source(fd, frame);
    else if (fd >= 0)
      close(fd);
  }
  while (source_count > 0)
    remove_source(source_count);
}

/* Collects subscribers until a publisher comes, then copies. */
static void serve_group(int listener) {
  static int subscribers[SUBSCRIBERS_MAX];
  unsigned count = 0;
  for (bool copied = false; !copied && !ending;) {
    char role = 0;
    size_t frame = 0;
    int fd = accept_one(listener, &role, &frame);
    if (fd < 0) continue;
    if (role == 'S' && count < SUBSCRIBERS_MAX) {
      subscribers[count++] = fd;
      continue;
    }
    if (role == 'P') copy(fd, subscribers, count);
    if (role == 'E' && count > 0) copy_both_ways(fd, subscribers[0]);
    copied = role == 'P' || role == 'E' || role == 'M';
    if (role == 'M')
      copy_many(listener, fd, frame, subscribers, count); /* closes it */
    else
      close(fd);
  }
  while (count > 0)
    close(subscribers[--count]);
}

/* Listens on a port of the loopback address; 0: any. Returns the socket or -1. */
static int listen_on(unsigned port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 1024) < 0 ||
      getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
    close(fd);
    return -1;
  }
  printf("forwarding on raw://127.0.0.1:%u\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

int forward_main(int argc, char **argv) {
  char *end = NULL;
  unsigned long port = argc == 2 ? strtoul(argv[1], &end, 10) : 0;
  if (argc > 2 || (argc == 2 && (*end != '\0' || port > 65535))) {
    fputs("usage: tern-bench forward [PORT]\n", stderr);
    return EXIT_INCOMPLETE;
  }
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
  }
  ending_watch();
  int listener = listen_on((unsigned)port);
  if (listener < 0) {
    fprintf(stderr, "tern-bench: cannot listen on port %lu: %s\n", port, strerror(errno));
    return EXIT_INCOMPLETE;
  }
  while (!ending)
    serve_group(listener);
  close(listener);
  return EXIT_FINE;
}
