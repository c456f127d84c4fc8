/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers that are compared.
 *
 *     --compare tern=nats://127.0.0.1:4222                           runs already, and is left alone
 *     --start "tern=nats://127.0.0.1:{port} tern -a 127.0.0.1 -p {port}"   a new process for each measurement
 *
 * A new process has no memory of what was measured before, so that its memory can be told, and how long it takes to
 * be ready. Ready means: it takes a connection, and a NATS server has said something on it. The port is one that was
 * free a moment before.
 */
#include "rival.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cpu.h"

#define READY_MAX_S 10
#define READY_POLL  200000   /* ns between two attempts to connect */
#define IDLE_NS     50000000 /* after which it is taken to be idle */

bool rival_parse(struct rival *rival, const char *text, bool starts) {
  *rival = (struct rival){0};
  const char *equals = strchr(text, '='), *scheme = strstr(text, "://"), *url = text;
  if (scheme == NULL) return false;
  if (equals != NULL && equals < scheme) {
    if (equals == text || (size_t)(equals - text) >= sizeof rival->label) return false;
    memcpy(rival->label, text, (size_t)(equals - text));
    url = equals + 1;
  }
  size_t len = strcspn(url, " ");
  if (len >= sizeof rival->url || strlen(url + len) >= sizeof rival->command) return false;
  memcpy(rival->url, url, len);
  const char *command = url + len + strspn(url + len, " ");
  snprintf(rival->command, sizeof rival->command, "%s", command);
  return starts == (*command != '\0') && (!starts || strstr(rival->url, "{port}") != NULL);
}

void rival_limit(struct rival *rival) {
  char self[512] = "";
  ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
  if (len < 0) snprintf(self, sizeof self, "tern-bench");
  *rival = (struct rival){.label = "forwarder", .url = "raw://127.0.0.1:{port}", .limit = true};
  snprintf(rival->command, sizeof rival->command, "'%s' forward {port}", self);
}

/* A loopback address; port 0: any. */
static struct sockaddr_in loopback(unsigned port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A port that is free now; 0: none. */
static unsigned free_port(void) {
  struct sockaddr_in address = loopback(0);
  socklen_t len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool found = fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 &&
               getsockname(fd, (struct sockaddr *)&address, &len) == 0;
  if (fd >= 0) close(fd);
  return found ? ntohs(address.sin_port) : 0;
}

/* Copies a text with the port in place of {port}. */
static void with_port(char *to, size_t size, const char *text, unsigned port) {
  size_t used = 0;
  *to = '\0';
  for (const char *mark; (mark = strstr(text, "{port}")) != NULL && used < size; text = mark + 6) {
    int n = snprintf(to + used, size - used, "%.*s%u", (int)(mark - text), text, port);
    used += n > 0 ? (size_t)n : 0;
  }
  if (used < size) snprintf(to + used, size - used, "%s", text);
}

/* Whether it takes a connection, and speaks when it should. */
static bool is_ready(unsigned port, bool speaks) {
  struct sockaddr_in address = loopback(port);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool ready = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  if (ready && speaks) ready = poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1000) == 1;
  char byte;
  if (ready && speaks) ready = recv(fd, &byte, 1, 0) == 1;
  if (fd >= 0) close(fd);
  return ready;
}

bool rival_start(struct rival *rival, char *error, size_t size) {
  if (*rival->command == '\0') {
    snprintf(rival->address, sizeof rival->address, "%s", rival->url);
    return true;
  }
  unsigned port = free_port();
  char line[2 * RIVAL_TEXT_MAX], complaint[300];
  int used = snprintf(line, sizeof line, "exec ");
  with_port(line + used, sizeof line - (size_t)used, rival->command, port);
  with_port(rival->address, sizeof rival->address, rival->url, port);
  uint64_t started = now_ns();
  int result = child_start(&rival->child, (const char *const[]){"/bin/sh", "-c", line, NULL});
  if (result < 0) {
    snprintf(error, size, "cannot start %s: %s", rival->label, strerror(-result));
    return false;
  }
  bool speaks = strncmp(rival->url, "nats", 4) == 0;
  const struct timespec between = {.tv_nsec = READY_POLL};
  while (!is_ready(port, speaks)) {
    if (child_ended(&rival->child) || now_ns() - started > READY_MAX_S * UINT64_C(1000000000)) {
      child_complaint(&rival->child, complaint, sizeof complaint);
      snprintf(error, size, "%s did not start: %s", rival->label,
               *complaint != '\0' ? complaint : "it neither took a connection nor said why");
      rival_stop(rival);
      return false;
    }
    nanosleep(&between, NULL);
  }
  rival->ready_ms = (double)(now_ns() - started) / 1e6;
  nanosleep(&(struct timespec){.tv_nsec = IDLE_NS}, NULL);
  rival->resident_bytes = process_look(rival->child.pid).resident;
  return true;
}

void rival_stop(struct rival *rival) { child_stop(&rival->child); }
