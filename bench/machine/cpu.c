/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine says about CPU use: clocks, and /proc for the broker's process.
 *
 * The broker is found as Linux shows it: /proc/net/tcp names the inode of the socket that listens on a port,
 * and /proc/PID/fd has a link to it. Only asked when the address is one of this machine, so that a process of this
 * machine is not taken for one of another. Reads only. A process's time is not exact below a
 * clock tick (10 ms), its threads' mostly is. Thread: any.
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
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t clock) {
  struct timespec ts;
  clock_gettime(clock, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

uint64_t thread_cpu_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

struct machine machine_read(const char *line) {
  struct machine machine = {0, 0};
  if (strncmp(line, "cpu ", 4) != 0) return machine;
  char *at;
  line += 4;
  for (unsigned field = 1; field <= 8; field++, line = at) { /* those after are in user and nice already */
    uint64_t ticks = strtoull(line, &at, 10);
    if (at == line) return (struct machine){0, 0};
    machine.ticks += ticks;
    if (field == 8) machine.stolen = ticks;
  }
  return machine;
}

struct machine machine_look(void) {
  char line[512] = "";
  FILE *file = fopen("/proc/stat", "re");
  if (file == NULL) return machine_read("");
  if (fgets(line, sizeof line, file) == NULL) line[0] = '\0';
  fclose(file);
  return machine_read(line);
}

/* CPU time in a file of the form of /proc/PID/stat; false when there is none. */
static bool read_stat(const char *path, uint64_t *cpu_ns) {
  char text[1024];
  FILE *file = fopen(path, "re");
  if (file == NULL) return false;
  size_t len = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[len] = '\0';
  const char *after_name = strrchr(text, ')'); /* the name may contain anything */
  unsigned long user, kernel;
  if (after_name == NULL ||
      sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2)
    return false;
  *cpu_ns = (uint64_t)(user + kernel) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
  return true;
}

static void read_memory(struct process *process) {
  char path[64], line[256];
  unsigned long kib;
  snprintf(path, sizeof path, "/proc/%ld/status", (long)process->pid);
  FILE *file = fopen(path, "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "VmRSS: %lu", &kib) == 1) process->resident = (uint64_t)kib * 1024;
    if (sscanf(line, "VmHWM: %lu", &kib) == 1) process->peak = (uint64_t)kib * 1024;
  }
  if (file != NULL) fclose(file);
}

/* CPU time of a thread: to the nanosecond where the kernel tells it, else in ticks. */
static bool read_thread_time(pid_t pid, pid_t id, uint64_t *cpu_ns) {
  char path[64];
  unsigned long long ran = 0;
  snprintf(path, sizeof path, "/proc/%ld/task/%ld/schedstat", (long)pid, (long)id);
  FILE *file = fopen(path, "re");
  bool known = file != NULL && fscanf(file, "%llu", &ran) == 1;
  if (file != NULL) fclose(file);
  *cpu_ns = ran;
  if (known && ran > 0) return true;
  snprintf(path, sizeof path, "/proc/%ld/task/%ld/stat", (long)pid, (long)id);
  return read_stat(path, cpu_ns);
}

static void read_thread_name(pid_t pid, pid_t id, char name[PROCESS_NAME_BYTES]) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/task/%ld/comm", (long)pid, (long)id);
  FILE *file = fopen(path, "re");
  if (file == NULL || fgets(name, PROCESS_NAME_BYTES, file) == NULL) *name = '\0';
  if (file != NULL) fclose(file);
  name[strcspn(name, "\n")] = '\0';
}

static void read_threads(struct process *process) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/task", (long)process->pid);
  DIR *dir = opendir(path);
  if (dir == NULL) return;
  for (struct dirent *entry; process->threads < PROCESS_THREADS_MAX && (entry = readdir(dir)) != NULL;) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    pid_t id = (pid_t)strtol(entry->d_name, NULL, 10);
    process->thread[process->threads].id = id;
    read_thread_name(process->pid, id, process->thread[process->threads].name);
    if (read_thread_time(process->pid, id, &process->thread[process->threads].cpu_ns)) process->threads++;
  }
  closedir(dir);
}

struct process process_look(pid_t pid) {
  struct process process = {.pid = pid};
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  if (pid <= 0 || !read_stat(path, &process.cpu_ns)) return (struct process){.pid = 0};
  read_memory(&process);
  read_threads(&process);
  return process;
}

/* What one of the threads of a look has used since the other. */
static uint64_t spent_ns(const struct process *before, const struct process *after, unsigned i) {
  uint64_t spent = after->thread[i].cpu_ns;
  for (unsigned j = 0; j < before->threads; j++) {
    if (before->thread[j].id == after->thread[i].id) spent -= before->thread[j].cpu_ns;
  }
  return spent;
}

uint64_t process_busiest_ns(const struct process *before, const struct process *after) {
  uint64_t most = 0;
  for (unsigned i = 0; i < after->threads; i++) {
    uint64_t spent = spent_ns(before, after, i);
    if (spent > most) most = spent;
  }
  return most;
}

uint64_t process_threads_ns(const struct process *before, const struct process *after, const char *name) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < after->threads; i++) {
    if (name == NULL || strcmp(after->thread[i].name, name) == 0) sum += spent_ns(before, after, i);
  }
  return sum;
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

/* Inode of the Unix socket that listens at a path, or 0. */
static unsigned long listening_unix_inode(const char *wanted) {
  FILE *file = fopen("/proc/net/unix", "re");
  if (file == NULL) return 0;
  char line[512], path[256];
  unsigned long inode = 0, candidate;
  unsigned flags;
  while (inode == 0 && fgets(line, sizeof line, file) != NULL) {
    int fields = sscanf(line, "%*x: %*x %*x %x %*x %*x %lu %255s", &flags, &candidate, path);
    if (fields == 3 && (flags & 0x10000) != 0 && strcmp(path, wanted) == 0) inode = candidate; /* listening */
  }
  fclose(file);
  return inode;
}

static socklen_t length_of(const struct sockaddr_storage *address) {
  return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
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

/* True when the address is one of this machine: then packets for it would come from it. Sends none. */
static bool is_local(const struct sockaddr_storage *theirs) {
  struct sockaddr_storage own = {0};
  socklen_t len = sizeof own;
  char own_address[16], address[16];
  int fd = socket(theirs->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  bool known = connect(fd, (const struct sockaddr *)theirs, length_of(theirs)) == 0 &&
               getsockname(fd, (struct sockaddr *)&own, &len) == 0;
  close(fd);
  address_of(theirs, address);
  address_of(&own, own_address);
  bool loopback = theirs->ss_family == AF_INET && address[0] == 127;
  return known && (loopback || memcmp(own_address, address, sizeof address) == 0);
}

pid_t process_listening(const struct sockaddr_storage *address) {
  unsigned long inode = 0;
  char bytes[16];
  if (address->ss_family == AF_UNIX) {
    struct sockaddr_un un;
    memcpy(&un, address, sizeof un);
    inode = listening_unix_inode(un.sun_path);
  } else if (is_local(address)) {
    unsigned port = address_of(address, bytes);
    inode = listening_inode("/proc/net/tcp", port);
    if (inode == 0) inode = listening_inode("/proc/net/tcp6", port);
  }
  return inode != 0 ? process_with_socket(inode) : 0;
}
