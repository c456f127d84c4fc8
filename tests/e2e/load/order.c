/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order and exactly-once under load, with joins and leaves: guarantees O1, O3 and O4.
 *
 *     STREAM_PUBLISHERS publisher threads, each numbering its messages on a subject of its own
 *     STAYERS           subscribers that are there from before the first to after the last message: each must
 *                       get every message of every publisher, once, in order (O1), undamaged
 *     CHURNERS          threads that subscribe, check and leave in a loop. After the PONG behind their SUB they
 *                       must miss nothing that any publisher begins to send from then on (O3), and get it in
 *                       order; after the PONG behind their UNSUB nothing may come any more (O4)
 *
 * Publishers keep within a window of what the slowest stayer has received, so that nobody becomes a slow
 * consumer: losing messages is allowed to slow consumers and would hide errors.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "check.h"
#include "stream.h"
#include "wire.h"

#define STAYERS     6
#define CHURNERS    4
#define MESSAGES    20000 /* of each publisher */
#define WINDOW      400   /* messages of one publisher on their way */
#define CHURN_READS 300

static struct broker server;
static uint64_t messages;
/* Written by one publisher before it sends that sequence; churners read it after a PONG (acquire/release). */
static _Atomic uint64_t begun[STREAM_PUBLISHERS];
/* Written by one stayer; the publishers read it for their window. */
static _Atomic uint64_t received[STAYERS][STREAM_PUBLISHERS];
static _Atomic unsigned publishers_left = STREAM_PUBLISHERS;
static _Atomic unsigned joins;

static uint64_t slowest(uint32_t publisher) {
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < STAYERS; i++) {
    uint64_t count =
        atomic_load_explicit(&received[i][publisher], memory_order_acquire); /* stayer's release */
    if (count < least) least = count;
  }
  return least;
}

static void *publish(void *arg) {
  uint32_t me = (uint32_t)(uintptr_t)arg;
  struct wire wire;
  static _Thread_local char payload[STREAM_BYTES_MAX + 2];
  wire_hello(&wire, server.port, "");
  for (uint64_t sequence = 0; sequence < messages; sequence++) {
    for (int i = 0; sequence >= slowest(me) + WINDOW; i++) {
      CHECK(i < test_wait_ms(), "publisher %u stands at %llu: some subscriber gets nothing", me,
            (unsigned long long)sequence);
      usleep(1000);
    }
    atomic_store_explicit(&begun[me], sequence + 1, memory_order_release); /* pairs with churn's acquire */
    size_t size = stream_fill(payload, me, sequence);
    memcpy(payload + size, "\r\n", 2);
    CHECK(wire_printf(&wire, "PUB load.%u.x %zu\r\n", me, size) && wire_send(&wire, payload, size + 2),
          "publisher %u lost its connection", me);
  }
  CHECK(wire_sync(&wire, NULL), "publisher %u got no PONG", me);
  wire_close(&wire, false);
  atomic_fetch_sub_explicit(&publishers_left, 1, memory_order_release); /* pairs with churn's acquire */
  return NULL;
}

static void *stay(void *arg) {
  size_t me = (size_t)(uintptr_t)arg;
  static const char *const filters[] = {"load.>", "load.*.x", ">", "load.*.>", "*.*.x", "load.>"};
  struct wire wire;
  wire_hello(&wire, server.port, "");
  CHECK(wire_printf(&wire, "SUB %s %zu\r\n", filters[me % 6], me + 1) && wire_sync(&wire, NULL),
        "no PONG after SUB");
  for (int p = 0; p < STREAM_PUBLISHERS; p++) /* joined; release pairs with main */
    atomic_store_explicit(&received[me][p], 0, memory_order_release);
  uint64_t next[STREAM_PUBLISHERS] = {0};
  for (uint64_t left = messages * STREAM_PUBLISHERS; left > 0; left--) {
    struct wire_event event;
    wire_next(&wire, &event, test_wait_ms());
    CHECK(event.kind == WIRE_MSG && event.sid == me + 1,
          "stayer %zu got event %d with %llu messages to come %s", me, event.kind, (unsigned long long)left,
          event.subject);
    struct stream_head head = stream_check(event.payload, event.size);
    CHECK(head.sequence == next[head.publisher], "stayer %zu got %llu of publisher %u, wanted %llu (O1)", me,
          (unsigned long long)head.sequence, head.publisher, (unsigned long long)next[head.publisher]);
    next[head.publisher]++;
    atomic_store_explicit(&received[me][head.publisher], next[head.publisher],
                          memory_order_release); /* slowest */
  }
  unsigned more = 0;
  CHECK(wire_sync(&wire, &more) && more == 0, "stayer %zu got %u messages too many", me, more);
  wire_close(&wire, false);
  return NULL;
}

/* One membership: SUB, some messages, UNSUB. */
static void join_and_leave(struct wire *wire, unsigned sid, unsigned round) {
  struct wire_event event;
  uint64_t before[STREAM_PUBLISHERS], next[STREAM_PUBLISHERS] = {0};
  bool seen[STREAM_PUBLISHERS] = {false};
  CHECK(wire_printf(wire, "SUB load.%s %u\r\nPING\r\n", round % 2 ? ">" : "*.x", sid), "no connection");
  bool joined = false;
  int reads = 0;
  while (!joined ||
         (reads < CHURN_READS && atomic_load_explicit(&publishers_left, memory_order_acquire) > 0)) {
    wire_next(wire, &event, 200);
    if (event.kind == WIRE_PONG) {
      joined = true;
      for (int p = 0; p < STREAM_PUBLISHERS; p++) /* acquire: pairs with publish's store before its send */
        before[p] = atomic_load_explicit(&begun[p], memory_order_acquire);
    } else if (event.kind == WIRE_MSG) {
      struct stream_head head = stream_check(event.payload, event.size);
      CHECK(event.sid == sid, "sid %u after it was left; now %u (O4)", event.sid, sid);
      CHECK(!seen[head.publisher] || head.sequence == next[head.publisher],
            "churner got %llu of publisher %u, wanted %llu (O1)", (unsigned long long)head.sequence,
            head.publisher, (unsigned long long)next[head.publisher]);
      CHECK(!joined || seen[head.publisher] || head.sequence <= before[head.publisher],
            "churner's first of publisher %u is %llu; %llu had begun at its PONG (O3)", head.publisher,
            (unsigned long long)head.sequence, (unsigned long long)before[head.publisher]);
      seen[head.publisher] = true;
      next[head.publisher] = head.sequence + 1;
      reads++;
    } else {
      CHECK(event.kind == WIRE_TIMEOUT, "churner got event %d %s", event.kind, event.subject);
    }
  }
  CHECK(wire_printf(wire, "UNSUB %u\r\n", sid) && wire_sync(wire, NULL), "no PONG after UNSUB");
  unsigned late = 0;
  CHECK(wire_sync(wire, &late) && late == 0, "%u messages after UNSUB (O4)", late);
  atomic_fetch_add_explicit(&joins, 1, memory_order_relaxed); /* a statistic */
}

static void *churn(void *arg) {
  unsigned me = (unsigned)(uintptr_t)arg;
  for (unsigned round = 0; atomic_load_explicit(&publishers_left, memory_order_acquire) > 0; round++) {
    struct wire wire;
    wire_hello(&wire, server.port, "");
    for (unsigned sid = 1; sid <= 3; sid++)
      join_and_leave(&wire, sid, round + me);
    if (round % 3 == 1) wire_printf(&wire, "SUB load.> 9\r\n"); /* and leaves with it */
    wire_close(&wire, round % 3 == 2);
  }
  return NULL;
}

int main(int argc, char **argv) {
  CHECK(argc == 2, "usage: order BROKER");
  messages = (uint64_t)test_scaled(MESSAGES);
  broker_start(&server, &(struct broker_setup){.path = argv[1]});
  pthread_t stayers[STAYERS], churners[CHURNERS], publishers[STREAM_PUBLISHERS];
  for (int i = 0; i < STAYERS; i++) /* not 0: not joined yet */
    for (int p = 0; p < STREAM_PUBLISHERS; p++)
      atomic_init(&received[i][p], UINT64_MAX - WINDOW);
  for (uintptr_t i = 0; i < STAYERS; i++)
    pthread_create(&stayers[i], NULL, stay, (void *)i);
  for (int i = 0; i < STAYERS; i++)
    for (int waited = 0; atomic_load_explicit(&received[i][STREAM_PUBLISHERS - 1], memory_order_acquire);
         waited++) {
      CHECK(waited < test_wait_ms(), "stayer %d does not join", i); /* acquire: pairs with stay's release */
      usleep(1000);
    }
  for (uintptr_t i = 0; i < CHURNERS; i++)
    pthread_create(&churners[i], NULL, churn, (void *)i);
  for (uintptr_t i = 0; i < STREAM_PUBLISHERS; i++)
    pthread_create(&publishers[i], NULL, publish, (void *)i);
  for (int i = 0; i < STREAM_PUBLISHERS; i++)
    pthread_join(publishers[i], NULL);
  for (int i = 0; i < STAYERS; i++)
    pthread_join(stayers[i], NULL);
  for (int i = 0; i < CHURNERS; i++)
    pthread_join(churners[i], NULL);
  printf("%d publishers x %llu messages to %d stayers; %u joins and leaves\n", STREAM_PUBLISHERS,
         (unsigned long long)messages, STAYERS, atomic_load_explicit(&joins, memory_order_relaxed));
  CHECK(atomic_load_explicit(&joins, memory_order_relaxed) > 0, "nobody joined");
  CHECK(broker_stop(&server, SIGTERM) == 0, "exit code");
  return 0;
}
