/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of records between two workers (lane, ring, doorbell, and the ticks of both loops) against a queue with a mutex
 * and condition variables (condvar_queue.c), between two threads.
 *
 *     micro_rival_queue [ROUNDS]      default 5 rounds of each, in turns
 *
 *     flood        one thread sends records of 64 bytes as fast as the other takes them
 *     ping-pong    one record at a time, there and back; both threads sleep in between
 *
 * Prints the medians: records, or exchanges, per second, and the process's CPU time for each.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tern/worker.h>

#include "../micro.h"
#include "clock.h"
#include "condvar_queue.h"

enum {
  KIND = TERN_RECORD_USER,
  RECORD_BYTES = 64,
  FLOOD = 2000000,
  EXCHANGES = 20000,
  RUN = 256,
  ROUNDS_MAX = 99
};
enum { RING_BYTES = 256 * 1024 };

struct figures {
  double per_s, cpu_ns;
};

static char record[RECORD_BYTES];
static bool ping_pong; /* else flood */
static unsigned long sent, received;
static sem_t done;

static uint64_t cpu_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static unsigned long goal(void) { return ping_pong ? EXCHANGES : FLOOD; }

/* ---- workers: 0 sends, 1 receives, and answers in ping-pong ---- */

struct sender {
  struct tern_deferred more;
  struct tern_waiter room;
  struct tern_worker *worker;
};
static struct sender sender;

static void send_to(struct tern_worker *worker, unsigned to) {
  void *data = tern_worker_reserve(worker, to, KIND, RECORD_BYTES);
  if (data == NULL) micro_fail("out of memory");
  memcpy(data, record, RECORD_BYTES);
  tern_worker_commit(worker, to);
}

/* A run of records per tick, as the messages of one read would be. */
static void send_more(struct tern_deferred *deferred) {
  struct tern_worker *worker = sender.worker;
  for (unsigned i = 0; i < RUN && sent < FLOOD && !tern_worker_is_congested(worker, 1); i++) {
    send_to(worker, 1);
    sent++;
  }
  if (sent == FLOOD) return;
  if (tern_worker_is_congested(worker, 1))
    tern_worker_wait(worker, &sender.room);
  else
    tern_loop_defer(tern_worker_loop(worker), deferred);
}

static void on_room(struct tern_waiter *waiter) {
  (void)waiter;
  tern_loop_defer(tern_worker_loop(sender.worker), &sender.more);
}

static void begin(struct tern_worker *worker, void *arg) {
  (void)arg;
  sender = (struct sender){.more.call = send_more, .room.ready = on_room, .worker = worker};
  if (ping_pong)
    send_to(worker, 1);
  else
    send_more(&sender.more);
}

static void on_record(struct tern_worker *worker, unsigned from, unsigned kind, const void *data,
                      size_t len) {
  (void)kind;
  if (len != RECORD_BYTES || memcmp(data, record, len) != 0) micro_fail("a record is damaged");
  if (from == 0 && ping_pong) {
    send_to(worker, 0);
  } else if (++received == goal()) {
    sem_post(&done);
  } else if (ping_pong) {
    send_to(worker, 1);
  }
}

static void by_workers(void) {
  struct tern_workers *workers;
  struct tern_workers_options options = {.count = 2, .ring_bytes = RING_BYTES, .record = on_record};
  if (tern_workers_new(&options, &workers) != 0 || tern_workers_start(workers) != 0) micro_fail("no workers");
  tern_workers_call(workers, 0, begin, NULL);
  while (sem_wait(&done) != 0) {
  }
  tern_workers_stop(workers, 1000);
  tern_workers_free(workers);
}

/* ---- condition variables ---- */

static struct cv_queue *there, *back;

static void count_record(void *arg, const void *data, size_t len) {
  if (len != RECORD_BYTES || memcmp(data, record, len) != 0) micro_fail("a record is damaged");
  ++*(unsigned long *)arg;
}

static void *receiver(void *arg) {
  unsigned long taken = 0;
  while (taken < goal()) {
    cv_take(there, count_record, &taken);
    if (ping_pong) cv_put(back, record, RECORD_BYTES);
  }
  return arg;
}

static void by_condvar(void) {
  pthread_t id;
  there = cv_new(RING_BYTES);
  back = cv_new(RING_BYTES);
  if (there == NULL || back == NULL || pthread_create(&id, NULL, receiver, NULL) != 0) micro_fail("no queue");
  for (unsigned long i = 0; i < goal(); i++) {
    unsigned long taken = 0;
    cv_put(there, record, RECORD_BYTES);
    if (ping_pong) cv_take(back, count_record, &taken);
  }
  pthread_join(id, NULL);
  cv_free(there);
  cv_free(back);
}

/* ---- all runs ---- */

static struct figures run(void (*by)(void)) {
  sent = received = 0;
  uint64_t cpu = cpu_ns(), start = tern__clock_ns();
  by();
  return (struct figures){(double)goal() * 1e9 / (double)(tern__clock_ns() - start),
                          (double)(cpu_ns() - cpu) / (double)goal()};
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, unsigned count) {
  qsort(values, count, sizeof *values, by_value);
  return values[count / 2];
}

static const struct contender {
  const char *name;
  void (*run)(void);
} contenders[] = {{"workers", by_workers}, {"condvar", by_condvar}};

/* Ratios are to condvar. */
static void compare(const char *what, unsigned rounds) {
  enum { CONTENDERS = 2 };
  double rate[CONTENDERS][ROUNDS_MAX], cpu[CONTENDERS][ROUNDS_MAX];
  double rate_ratio[CONTENDERS][ROUNDS_MAX], cpu_ratio[CONTENDERS][ROUNDS_MAX];
  for (unsigned round = 0; round < rounds; round++) {
    for (unsigned n = 0; n < CONTENDERS; n++) {
      unsigned i = round % 2 == 0 ? n : CONTENDERS - 1 - n;
      struct figures f = run(contenders[i].run);
      rate[i][round] = f.per_s;
      cpu[i][round] = f.cpu_ns;
    }
    for (unsigned i = 0; i < CONTENDERS; i++) {
      rate_ratio[i][round] = rate[i][round] / rate[1][round];
      cpu_ratio[i][round] = cpu[1][round] / cpu[i][round];
    }
  }
  for (unsigned i = 0; i < CONTENDERS; i++)
    printf("%-10s %-8s %10.3f M/s %8.1f ns CPU each   %8.2f times condvar's rate, CPU %.2f times less\n",
           what, contenders[i].name, median(rate[i], rounds) / 1e6, median(cpu[i], rounds),
           median(rate_ratio[i], rounds), median(cpu_ratio[i], rounds));
}

int main(int argc, char **argv) {
  unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
  if (rounds < 1 || rounds > ROUNDS_MAX) {
    fprintf(stderr, "usage: micro_rival_queue [ROUNDS]\n");
    return 2;
  }
  memset(record, 'x', sizeof record);
  sem_init(&done, 0, 0);
  compare("flood", (unsigned)rounds);
  ping_pong = true;
  compare("ping-pong", (unsigned)rounds);
  return 0;
}
