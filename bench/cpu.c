/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine says about CPU use: clocks, and /proc for the broker's process.
 *
 * The broker is found as Linux shows it: /proc/net/tcp names the inode of the socket that listens on a port,
 * and /proc/PID/fd has a link to it. Only asked when both ends of a connection have the same address, so that
 * a process of this machine is not taken for one of another. Reads only; not exact below a clock tick (10
 * ms). Thread: any.
 */
#include "cpu.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t clock) {
  struct timespec ts;
  clock_gettime(clock, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

uint64_t thread_cpu_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

uint64_t process_cpu_ns(pid_t pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  FILE *file = fopen(path, "re");
  if (file == NULL) return CPU_UNKNOWN;
  size_t len = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[len] = '\0';
  const char *after_name = strrchr(text, ')'); /* the name may contain anything */
  unsigned long user, kernel;
  if (after_name == NULL ||
      sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2)
    return CPU_UNKNOWN;
  return (uint64_t)(user + kernel) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

struct memory process_memory(pid_t pid) {
  char path[64], line[256];
  struct memory memory = {0};
  unsigned long kib;
  snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
  FILE *file = fopen(path, "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "VmRSS: %lu", &kib) == 1) memory.resident = (uint64_t)kib * 1024;
    if (sscanf(line, "VmHWM: %lu", &kib) == 1) memory.peak = (uint64_t)kib * 1024;
  }
  if (file != NULL) fclose(file);
  return memory;
}

/* Inode of the socket that listens on the port, or 0. */
static unsigned long listening_inode(const char *table, unsigned port) {
  FILE *file = fopen(table, "re");
  if (file == NULL) return 0;
  char line[512];
  unsigned long inode = 0;
  while (inode == 0 && fgets(line, sizeof line, file) != NULL) {
    unsigned local, state;
    unsigned long candidate;
    int fields = sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*d %*d %lu", &local,
                        &state, &candidate);
    if (fields == 3 && state == 0x0a && local == port) inode = candidate; /* 0a: LISTEN */
  }
  fclose(file);
  return inode;
}

/* True when the process has the socket open. */
static bool has_socket(const char *pid, unsigned long inode) {
  char path[300], wanted[64], link[64];
  snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
  snprintf(path, sizeof path, "/proc/%s/fd", pid);
  DIR *dir = opendir(path);
  if (dir == NULL) return false;
  bool found = false;
  for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;) {
    ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);
    if (len <= 0) continue;
    link[len] = '\0';
    found = strcmp(link, wanted) == 0;
  }
  closedir(dir);
  return found;
}

static pid_t process_with_socket(unsigned long inode) {
  DIR *dir = opendir("/proc");
  if (dir == NULL) return 0;
  pid_t pid = 0;
  for (struct dirent *entry; pid == 0 && (entry = readdir(dir)) != NULL;) {
    if (isdigit((unsigned char)entry->d_name[0]) && has_socket(entry->d_name, inode))
      pid = (pid_t)strtol(entry->d_name, NULL, 10);
  }
  closedir(dir);
  return pid;
}

/* Reads address bytes and port of a socket address. */
static unsigned address_of(const struct sockaddr_storage *from, char address[16]) {
  struct sockaddr_in6 in6 = {0};
  struct sockaddr_in in = {0};
  memset(address, 0, 16);
  if (from->ss_family == AF_INET6) {
    memcpy(&in6, from, sizeof in6);
    memcpy(address, &in6.sin6_addr, 16);
    return ntohs(in6.sin6_port);
  }
  memcpy(&in, from, sizeof in);
  memcpy(address, &in.sin_addr, 4);
  return ntohs(in.sin_port);
}

pid_t peer_process(int fd) {
  struct sockaddr_storage own = {0}, peer = {0};
  socklen_t own_len = sizeof own, peer_len = sizeof peer;
  if (getsockname(fd, (struct sockaddr *)&own, &own_len) < 0 ||
      getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0)
    return 0;
  char own_address[16], peer_address[16];
  address_of(&own, own_address);
  unsigned port = address_of(&peer, peer_address);
  if (memcmp(own_address, peer_address, sizeof own_address) != 0) return 0;
  unsigned long inode = listening_inode("/proc/net/tcp", port);
  if (inode == 0) inode = listening_inode("/proc/net/tcp6", port);
  return inode != 0 ? process_with_socket(inode) : 0;
}
