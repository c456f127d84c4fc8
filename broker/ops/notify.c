/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of sd_notify(3), by hand: a datagram with lines of KEY=VALUE to the socket that $NOTIFY_SOCKET names. That
 * is all of it; libsystemd, which has a function for it, would add a megabyte to every server.
 *
 * The watchdog: a manager that has set $WATCHDOG_USEC ends the server when it has not heard WATCHDOG=1 for that long. The
 * control thread looks at the workers four times in this interval and says it as long as each of them has ticked, or
 * sleeps. One that has done neither for half of the interval keeps it from being said: a handler that never returns
 * takes every connection of that worker with it, which nobody would notice otherwise.
 */
#include "notify.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <tern/log.h>
#include <tern/worker.h>

#define LOOKS_PER_INTERVAL 4
#define LOOKS_IDLE_MAX     2

static uint64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* A path, or a name in the abstract namespace if it begins with '@'. Nothing depends on it: errors are passed over, and a
 * manager that does not read is not waited for. */
static void notify(const char *text) {
  const char *name = getenv("NOTIFY_SOCKET");
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  if (name == NULL || (name[0] != '/' && name[0] != '@') || strlen(name) >= sizeof to.sun_path) return;
  memcpy(to.sun_path, name, strlen(name));
  if (name[0] == '@') to.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
  sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)(const void *)&to,
         len);
  close(fd);
}

void notify_ready(const char *status) {
  char text[256];
  snprintf(text, sizeof text, "READY=1\nSTATUS=%.200s", status);
  notify(text);
}

void notify_reloading(void) {
  char text[128];
  snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reloading", now_us());
  notify(text);
}

void notify_stopping(void) { notify("STOPPING=1\nSTATUS=Stopping"); }

/* ---- the watchdog ---- */

/* A number in the environment; 0 when there is none. */
static uint64_t number_of(const char *name) {
  const char *text = getenv(name);
  char *end;
  if (text == NULL || text[0] < '0' || text[0] > '9') return 0;
  uint64_t value = strtoull(text, &end, 10);
  return *end == '\0' ? value : 0;
}

void watchdog_init(struct watchdog *watchdog) {
  *watchdog = (struct watchdog){.next_ms = 0};
  uint64_t interval_us = number_of("WATCHDOG_USEC"), pid = number_of("WATCHDOG_PID");
  if (interval_us == 0 || (pid != 0 && pid != (uint64_t)getpid())) return;
  uint64_t period_ms = interval_us / 1000 / LOOKS_PER_INTERVAL;
  watchdog->period_ms = period_ms == 0 ? 1 : period_ms > 3600000 ? 3600000 : period_ms;
}

/* False while one of them has not moved for too long. */
static bool all_move(struct watchdog *watchdog, struct tern_workers *workers) {
  bool all = true;
  for (unsigned i = 0; i < tern_workers_count(workers); i++) {
    struct tern_worker_stats stats = tern_worker_stats(tern_workers_at(workers, i));
    bool moves = stats.is_asleep || stats.ticks != watchdog->seen[i].ticks;
    watchdog->seen[i].idle = moves ? 0 : watchdog->seen[i].idle + 1;
    watchdog->seen[i].ticks = stats.ticks;
    if (watchdog->seen[i].idle < LOOKS_IDLE_MAX) continue;
    all = false;
    if (watchdog->seen[i].idle == LOOKS_IDLE_MAX)
      tern_log_event(
          TERN_LOG_ERROR, (struct tern_log_about){.event = "worker_hangs"},
          "worker %u does not move: look for a handler that blocks; the service manager's watchdog is "
          "not answered "
          "until it does",
          i);
  }
  return all;
}

int watchdog_step(struct watchdog *watchdog, struct tern_workers *workers) {
  if (watchdog->period_ms == 0) return -1;
  uint64_t now_ms = now_us() / 1000;
  if (now_ms >= watchdog->next_ms) {
    if (all_move(watchdog, workers)) notify("WATCHDOG=1");
    watchdog->next_ms = now_ms + watchdog->period_ms;
  }
  return (int)(watchdog->next_ms - now_ms);
}
