/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads of the background: they get a small share, and leave the processor to whoever wakes.
 *
 * Niceness alone gives a thread a small share, in slices as long as anybody's: one that has just got the processor keeps it
 * for milliseconds while a worker with something to do waits. Since Linux 6.12 a thread chooses its slice, and whoever
 * wakes with a shorter one need not wait for its end. (Before, niceness is what there is.)
 *
 * The idle class leaves the processor to anybody at once, on all kernels, and takes what is left: it is for work that can
 * be given up where nothing is left.
 */
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <tern/loop.h>

#define NICENESS 10 /* more than that of the thread that started this one */
/* Others have up to 3 ms. */
#define SLICE_NS (UINT64_C(10) * 1000000u)

/* The first version of the kernel's struct (sched_setattr(2)); C libraries before 2025 have none. */
struct attributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period; /* runtime: of ordinary threads, the slice in ns */
};

void tern_thread_to_background(void) {
  const id_t self = (id_t)gettid();
  (void)setpriority(PRIO_PROCESS, self,
                    getpriority(PRIO_PROCESS, self) + NICENESS); /* of this thread, on Linux */
  struct attributes attributes;
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  attributes.runtime = SLICE_NS;
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

int tern_thread_to_idle(void) {
  struct attributes attributes;
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return -errno;
  attributes.policy = SCHED_IDLE;
  attributes.runtime = 0;
  return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0 ? 0 : -errno;
}
