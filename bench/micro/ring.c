/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does it cost to get a record from one worker to another? size: bytes of a record; with: records that become
 * visible together. An operation is one record.
 *
 *     ring    the ring alone: reserve, fill, commit, publish; take, release
 *     inbox   the same through two workers: lane and doorbell, and the tick of each that goes with a batch
 */
#include <stdio.h>
#include <string.h>

#include <tern/worker.h>

#include "micro.h"
#include "ring.h"
#include "sim.h"

enum { RECORDS = 1024, RECORD_MAX_BYTES = 256 };

static struct tern__ring *ring;
static struct tern_workers *workers;
static unsigned long size, batch;
static unsigned long received;
static volatile uint64_t result; /* keeps the compiler from dropping what is measured */
static char bytes[RECORD_MAX_BYTES];

static void open_ring(const struct micro_case *micro) {
  size = micro->size;
  batch = micro->with;
  ring = tern__ring_new(256 * 1024);
  if (ring == NULL) micro_fail("out of memory");
}

static unsigned long run_ring(void) {
  for (unsigned long i = 0; i < RECORDS / batch; i++) {
    for (unsigned long n = 0; n < batch; n++) {
      void *data = tern__ring_reserve(ring, TERN_RECORD_USER, size);
      if (data == NULL) micro_fail("the ring is full");
      memcpy(data, bytes, size);
      tern__ring_commit(ring);
    }
    tern__ring_publish(ring);
    struct tern__record record;
    while (tern__ring_next(ring, &record))
      result += record.len;
    tern__ring_release(ring);
  }
  return RECORDS / batch * batch;
}

static void close_ring(void) { tern__ring_free(ring); }

static void on_record(struct tern_worker *worker, unsigned from, unsigned kind, const void *data,
                      size_t len) {
  (void)worker, (void)from, (void)kind, (void)data;
  result += len;
  received++;
}

static void open_inbox(const struct micro_case *micro) {
  size = micro->size;
  batch = micro->with;
  struct tern_workers_options options = {.count = 2, .record = on_record};
  if (tern__workers_new_sim(&options, &workers) != 0) micro_fail("no workers");
}

static unsigned long run_inbox(void) {
  struct tern_worker *from = tern_workers_at(workers, 0);
  received = 0;
  for (unsigned long i = 0; i < RECORDS / batch; i++) {
    tern__sim_enter(from);
    for (unsigned long n = 0; n < batch; n++) {
      void *data = tern_worker_reserve(from, 1, TERN_RECORD_USER, size);
      if (data == NULL) micro_fail("out of memory");
      memcpy(data, bytes, size);
      tern_worker_commit(from, 1);
    }
    tern__worker_tick(from);
    tern__worker_tick(tern_workers_at(workers, 1));
  }
  tern__sim_enter(NULL);
  return received;
}

static void close_inbox(void) {
  tern_workers_stop(workers, 0);
  tern_workers_free(workers);
}

int main(int argc, char **argv) {
#define RING(name, size, with) \
  { name, size, with, 10, open_ring, NULL, run_ring, close_ring }
#define INBOX(name, size, with) \
  { name, size, with, 10, open_inbox, NULL, run_inbox, close_inbox }
  static const struct micro_case cases[] = {
      RING("ring-64x1", 64, 1),   RING("ring-64x64", 64, 64),   RING("ring-192x64", 192, 64),
      INBOX("inbox-64x1", 64, 1), INBOX("inbox-64x64", 64, 64),
  };
  return micro_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
