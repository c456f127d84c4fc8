/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See memory.h. What counts is what the kernel says the process has: that is what an operator's limit is about, it
 * includes what the allocators hold, and it costs one small read ten to a hundred times a second instead of an account with every
 * message. Memory that waits for output to leave goes by not reading, and by cutting off who takes nothing; if hardly
 * anything waits, neither would help, and traffic goes on.
 */
#include "memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PATIENCE_MS 1000
/* The allocators give back what was not needed for a second or two. */
#define AFTERMATH_MS 3000
/* Output worth stopping for: a fiftieth of the ceiling. */
#define WAITING_PART 50

uint64_t memory_used(void) {
  char text[128];
  unsigned long long size, resident;
  int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t len = read(fd, text, sizeof text - 1);
  close(fd);
  if (len <= 0) return 0;
  text[len] = '\0';
  if (sscanf(text, "%llu %llu", &size, &resident) != 2) return 0;
  return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Above the mark, or above 5 % less when it was so before. */
static bool above(uint64_t used, uint64_t max, unsigned percent, bool before) {
  return used >= max / 100 * (before ? percent - 5 : percent);
}

void memory_cut(struct memory *memory, uint64_t bytes, uint64_t now_ms) {
  memory->leaving += bytes;
  memory->cut_ms = now_ms;
}

/* Notes what is in use. Returns what will be, when the memory of those who were cut off has gone back. */
static uint64_t look(struct memory *memory, uint64_t used, uint64_t now_ms) {
  const uint64_t fall = used < memory->used ? memory->used - used : 0;
  memory->used = used;
  memory->leaving -= fall < memory->leaving ? fall : memory->leaving;
  if (now_ms - memory->cut_ms >= AFTERMATH_MS) memory->leaving = 0;
  return used > memory->leaving ? used - memory->leaving : 0;
}

bool memory_decide(struct memory *memory, uint64_t used, uint64_t max, uint64_t waiting, uint64_t now_ms) {
  struct memory_steps before = memory->steps, *now = &memory->steps;
  bool can_leave = waiting >= max / WAITING_PART;
  used = look(memory, used, now_ms);
  now->refuse_connections = above(used, max, 85, before.refuse_connections);
  now->refuse_subscriptions = above(used, max, 90, before.refuse_subscriptions);
  now->stop_reading = can_leave && above(used, max, 95, before.stop_reading);
  if (!now->stop_reading && !above(used, max, 95, false))
    memory->high_since_ms = 0;
  else if (memory->high_since_ms == 0)
    memory->high_since_ms = now_ms;
  bool long_high = memory->high_since_ms != 0 && now_ms - memory->high_since_ms >= PATIENCE_MS;
  now->cut_slowest = can_leave && (used >= max || long_high);
  return now->refuse_connections != before.refuse_connections ||
         now->refuse_subscriptions != before.refuse_subscriptions || now->stop_reading != before.stop_reading;
}
