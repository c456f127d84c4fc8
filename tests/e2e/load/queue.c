/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue groups under joins and leaves: guarantee O5.
 *
 * Two groups listen to the same messages through different filters, each with one member that stays and others
 * that come and go all the time. Everybody leaves in good order (UNSUB, PING, PONG), so a message given to a
 * member that leaves still reaches it: every message must be received by exactly one member of each group. The members that
 * stay do so until everything has come: what is on its way to a worker whose members have left goes on to another one, and
 * would find nobody there when all leave at once.
 * One publisher per STREAM_PUBLISHERS; the window is kept by the number of messages received in all.
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

#define GROUPS      2
#define MEMBERS     5 /* of each group; the first one stays */
#define MESSAGES    40000
#define WINDOW      1000
#define CHURN_READS 100

static struct broker server;
static uint64_t messages;
/* How often each message was received, by group. Relaxed: only counted; joined threads before it is read. */
static _Atomic unsigned char got[GROUPS][STREAM_PUBLISHERS * MESSAGES];
static _Atomic uint64_t received[GROUPS]; /* in all; release/acquire between members and publishers */
static _Atomic bool done;
static _Atomic unsigned joins;

static void count(unsigned group, const struct wire_event *event) {
  struct stream_head head = stream_check(event->payload, event->size);
  CHECK(head.sequence < messages, "sequence %llu", (unsigned long long)head.sequence);
  unsigned before = atomic_fetch_add_explicit(&got[group][head.publisher * messages + head.sequence], 1,
                                              memory_order_relaxed); /* pairs with nothing: a count */
  CHECK(before == 0, "group %u got %llu of publisher %u twice (O5)", group, (unsigned long long)head.sequence,
        head.publisher);
  atomic_fetch_add_explicit(&received[group], 1, memory_order_release); /* pairs with publish's acquire */
}

/* Reads until the PONG that follows. */
static void drain(struct wire *wire, unsigned group) {
  struct wire_event event;
  CHECK(wire_send(wire, "PING\r\n", 6), "member lost its connection");
  for (;;) {
    wire_next(wire, &event, test_wait_ms());
    if (event.kind == WIRE_PONG) return;
    CHECK(event.kind == WIRE_MSG, "member got event %d %s", event.kind, event.subject);
    count(group, &event);
  }
}

static void *member(void *arg) {
  unsigned group = (unsigned)(uintptr_t)arg / MEMBERS, me = (unsigned)(uintptr_t)arg % MEMBERS;
  static const char *const filters[] = {"work.*", "work.>", ">", "*.*", "work.1"};
  struct wire wire;
  unsigned sid = 0;
  wire_hello(&wire, server.port, "");
  do {
    sid++;
    wire_printf(&wire, "SUB %s group%u %u\r\n", me == 0 ? "work.>" : filters[(me + sid) % 5], group, sid);
    drain(&wire, group);
    struct wire_event event = {.kind = WIRE_TIMEOUT};
    atomic_fetch_add_explicit(&joins, 1, memory_order_release); /* main waits for the first ones */
    for (int i = 0; (me == 0 || i < CHURN_READS) && !atomic_load_explicit(&done, memory_order_acquire); i++) {
      wire_next(&wire, &event, 50);
      if (event.kind == WIRE_MSG)
        count(group, &event);
      else
        CHECK(event.kind == WIRE_TIMEOUT, "member got event %d %s", event.kind, event.subject);
    }
    wire_printf(&wire, "UNSUB %u\r\n", sid);
    drain(&wire, group);
    if (sid % 4 == 0) { /* a new connection, perhaps on another worker */
      wire_close(&wire, sid % 8 == 0);
      wire_hello(&wire, server.port, "");
    }
  } while (!atomic_load_explicit(&done, memory_order_acquire)); /* pairs with main's release */
  wire_close(&wire, false);
  return NULL;
}

static void *publish(void *arg) {
  uint32_t me = (uint32_t)(uintptr_t)arg;
  static _Thread_local char payload[STREAM_BYTES_MAX + 2];
  struct wire wire;
  wire_hello(&wire, server.port, "");
  for (uint64_t sequence = 0; sequence < messages; sequence++) {
    for (unsigned group = 0; group < GROUPS; group++)
      for (int i = 0;
           sequence * STREAM_PUBLISHERS >
           atomic_load_explicit(&received[group], memory_order_acquire) + WINDOW * STREAM_PUBLISHERS;
           i++) { /* acquire: pairs with count's release */
        CHECK(i < test_wait_ms(), "publisher %u stands at %llu: group %u loses messages", me,
              (unsigned long long)sequence, group);
        usleep(1000);
      }
    size_t size = stream_fill(payload, me, sequence);
    memcpy(payload + size, "\r\n", 2);
    CHECK(wire_printf(&wire, "PUB work.%u %zu\r\n", (unsigned)(sequence % 3), size) &&
              wire_send(&wire, payload, size + 2),
          "publisher %u lost its connection", me);
  }
  CHECK(wire_sync(&wire, NULL), "publisher %u got no PONG", me);
  wire_close(&wire, false);
  return NULL;
}

/* Waits until each group has got as many as there are; whoever is missing then is named afterwards. */
static void await_all(void) {
  for (unsigned group = 0; group < GROUPS; group++)
    for (int i = 0; i < test_wait_ms() && atomic_load_explicit(&received[group], memory_order_acquire) <
                                              messages * STREAM_PUBLISHERS;
         i++) /* acquire: pairs with count's release */
      usleep(1000);
}

int main(int argc, char **argv) {
  CHECK(argc == 2, "usage: queue BROKER");
  messages = (uint64_t)test_scaled(MESSAGES);
  broker_start(&server, &(struct broker_setup){.path = argv[1]});
  pthread_t members[GROUPS * MEMBERS], publishers[STREAM_PUBLISHERS];
  for (uintptr_t i = 0; i < GROUPS * MEMBERS; i++)
    pthread_create(&members[i], NULL, member, (void *)i);
  for (int i = 0; atomic_load_explicit(&joins, memory_order_acquire) < GROUPS * MEMBERS;
       i++) { /* member's release */
    CHECK(i < test_wait_ms(), "the members do not join");
    usleep(1000);
  }
  for (uintptr_t i = 0; i < STREAM_PUBLISHERS; i++)
    pthread_create(&publishers[i], NULL, publish, (void *)i);
  for (int i = 0; i < STREAM_PUBLISHERS; i++)
    pthread_join(publishers[i], NULL);
  await_all();
  atomic_store_explicit(&done, true, memory_order_release); /* pairs with member's acquire */
  for (int i = 0; i < GROUPS * MEMBERS; i++)
    pthread_join(members[i], NULL);
  for (unsigned g = 0; g < GROUPS; g++)
    for (uint64_t i = 0; i < messages * STREAM_PUBLISHERS; i++)
      CHECK(got[g][i] == 1, "group %u got message %llu of publisher %llu %u times (O5)", g,
            (unsigned long long)(i % messages), (unsigned long long)(i / messages), (unsigned)got[g][i]);
  unsigned count_joins = atomic_load_explicit(&joins, memory_order_relaxed);
  printf("%llu messages to each of %d groups; %u joins and leaves\n",
         (unsigned long long)messages * STREAM_PUBLISHERS, GROUPS, count_joins);
  CHECK(broker_stop(&server, SIGINT) == 0, "exit code");
  return 0;
}
