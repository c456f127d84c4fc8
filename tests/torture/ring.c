/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring under two threads (hazard 2): one sends records of all sizes with a checksum, the other verifies
 * number, length and checksum of each. Ring sizes from two records up. Seed: ring_tail_before_copy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "hash.h"
#include "ring.h"

enum { RECORDS = 40000, IDLE_MAX = 20000000 };

struct shared {
  struct tern__ring *ring;
  size_t ring_bytes;
  unsigned batch; /* records per publish */
};

static uint64_t draw(uint64_t *state) { /* xorshift64 */
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void *send_all(void *arg) {
  struct shared *shared = arg;
  uint64_t random = 88172645463325252u;
  for (uint32_t number = 1; number <= RECORDS;) {
    size_t len = 16 + draw(&random) % (shared->ring_bytes / 4 - 15);
    unsigned char *room = tern__ring_reserve(shared->ring, number, len);
    if (room == NULL) {
      tern__ring_publish(shared->ring);
      sched_yield();
      continue;
    }
    for (size_t i = 8; i < len; i++)
      room[i] = (unsigned char)(number + i);
    uint64_t sum = tern__hash(room + 8, len - 8) + number;
    memcpy(room, &sum, sizeof sum);
    tern__ring_commit(shared->ring);
    if (number % shared->batch == 0) tern__ring_publish(shared->ring);
    number++;
  }
  tern__ring_publish(shared->ring);
  return NULL;
}

static void exchange(size_t ring_bytes, unsigned batch) {
  struct shared shared = {tern__ring_new(ring_bytes), ring_bytes, batch};
  assert_non_null(shared.ring);
  pthread_t sender;
  assert_int_equal(pthread_create(&sender, NULL, send_all, &shared), 0);
  uint64_t idle = 0, random = 1234567;
  uint32_t wrong = 0;
  for (uint32_t expected = 1; expected <= RECORDS && idle < IDLE_MAX && wrong == 0;) {
    struct tern__record record;
    if (!tern__ring_next(shared.ring, &record)) {
      tern__ring_release(shared.ring);
      idle++;
      if (idle % 64 == 0) sched_yield();
      continue;
    }
    uint64_t sum;
    bool sane = record.kind == expected && record.len >= 16 && record.len <= ring_bytes / 4;
    if (sane) {
      memcpy(&sum, record.data, sizeof sum);
      sane = sum == tern__hash((const char *)record.data + 8, record.len - 8) + expected;
    }
    if (!sane) wrong = expected;
    if (draw(&random) % 4 == 0) tern__ring_release(shared.ring);
    idle = 0;
    expected++;
  }
  if (wrong != 0 || idle >= IDLE_MAX)
    fail_msg("ring of %zu: record %u is wrong or missing", ring_bytes, wrong);
  pthread_join(sender, NULL);
  tern__ring_free(shared.ring);
}

static void records_survive_two_threads(void **state) {
  (void)state;
  for (size_t bytes = 128; bytes <= 65536; bytes *= 8) {
    exchange(bytes, 1);
    exchange(bytes, 7);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(records_survive_two_threads)};
  return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
