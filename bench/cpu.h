/* SPDX-License-Identifier: Apache-2.0 */
/** CPU times and the process behind a local port. See cpu.c. */
#ifndef BENCH_CPU_H
#define BENCH_CPU_H

#include <stdint.h>
#include <sys/types.h>

#define CPU_UNKNOWN UINT64_MAX

/** Nanoseconds since some fixed point. */
uint64_t now_ns(void);
/** CPU time of the calling thread, in nanoseconds. */
uint64_t thread_cpu_ns(void);
/** CPU time (user and system) of a process so far in nanoseconds, in steps of the clock tick; CPU_UNKNOWN when
 * there is no such process. */
uint64_t process_cpu_ns(pid_t pid);
/** Memory of a process in bytes. */
struct memory {
  uint64_t resident, peak; /* 0: no such process */
};
/** What a process uses now and has used at most. */
struct memory process_memory(pid_t pid);
/** The process that listens on the port a connected socket leads to, or 0: not on this machine, or not
 * visible. */
pid_t peer_process(int fd);

#endif
