/* SPDX-License-Identifier: Apache-2.0 */
/** CPU times and the process behind a local port. See cpu.c. */
#ifndef BENCH_CPU_H
#define BENCH_CPU_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define PROCESS_THREADS_MAX 64 /* more are not looked at */
#define PROCESS_NAME_BYTES  16 /* of a thread's name */

/** Nanoseconds since some fixed point. */
uint64_t now_ns(void);
/** CPU time of the calling thread, in nanoseconds. */
uint64_t thread_cpu_ns(void);
/** All processors' time since the machine started, in clock ticks, and what of it a hypervisor gave to others. 0: unknown. */
struct machine {
  uint64_t ticks, stolen;
};
/** Reads the first line of /proc/stat: "cpu user nice system idle iowait irq softirq steal ...". */
struct machine machine_read(const char *line);
/** Now. */
struct machine machine_look(void);

/** A process at one moment. CPU times are user and system time so far in nanoseconds, in steps of the clock tick. */
struct process {
  pid_t pid; /* 0: there is none, or it cannot be seen */
  uint64_t cpu_ns;
  uint64_t resident, peak; /* memory in bytes: now, and at most */
  struct {
    pid_t id;
    uint64_t cpu_ns;
    char name[PROCESS_NAME_BYTES];
  } thread[PROCESS_THREADS_MAX];
  unsigned threads;
};
/** Looks at a process. */
struct process process_look(pid_t pid);
/** CPU time of the thread that used most between two looks. */
uint64_t process_busiest_ns(const struct process *before, const struct process *after);
/** CPU time of the threads of that name (NULL: of all that are looked at) between two looks. */
uint64_t process_threads_ns(const struct process *before, const struct process *after, const char *name);
/** The process that listens at an address (IP or Unix), or 0: not on this machine, or not visible. */
pid_t process_listening(const struct sockaddr_storage *address);

#endif
