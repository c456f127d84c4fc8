/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile clients: guarantees B1, B2 and L1 from outside.
 *
 *     hostile BROKER subscriptions   one client with a million subscriptions, gone at once, several times
 *     hostile BROKER halves          resets in the middle of a payload, silent peers, early closes, absurd lengths
 *     hostile BROKER files           more connections than the broker may have files
 *
 * The million meets one worker, so that what one round leaves behind is there for the next.
 * Beside each attack a bystander pair sends requests and answers and must never lose one. Afterwards the broker
 * must have as many open files as before, must not have grown in the last round of the attack any more, and must
 * end in good order.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "check.h"
#include "wire.h"

#define SUBSCRIPTIONS    1000000
#define HALVES           1000
#define SILENT           300
#define FILES_MAX        64
#define CONNECTIONS_OVER 200
#define GROWTH_MAX_KIB   (24 * 1024)

static struct broker server;
static _Atomic bool over;
static _Atomic unsigned long answers;

/* Requests and answers between two connections, until it is over. */
static void *bystand(void *arg) {
  (void)arg;
  struct wire asking, answering;
  struct wire_event event;
  wire_hello(&asking, server.port, "\"no_responders\":true");
  wire_hello(&answering, server.port, "");
  CHECK(wire_printf(&answering, "SUB svc.echo bystanders 1\r\n") && wire_sync(&answering, NULL), "no PONG");
  CHECK(wire_printf(&asking, "SUB inbox.* 1\r\n") && wire_sync(&asking, NULL), "no PONG");
  unsigned long i = 0;
  do {
    wire_printf(&asking, "PUB svc.echo inbox.%lu 3\r\nask\r\n", ++i);
    wire_next(&answering, &event, test_wait_ms());
    CHECK(event.kind == WIRE_MSG, "the answering bystander got event %d %s", event.kind, event.subject);
    wire_printf(&answering, "PUB inbox.%lu 6\r\nanswer\r\n", i);
    wire_next(&asking, &event, test_wait_ms());
    CHECK(event.kind == WIRE_MSG && event.size == 6, "the asking bystander got event %d %s", event.kind,
          event.subject);
    atomic_store_explicit(&answers, i, memory_order_release);   /* pairs with main's acquire */
  } while (!atomic_load_explicit(&over, memory_order_acquire)); /* pairs with main's release */
  wire_close(&asking, false);
  wire_close(&answering, false);
  return NULL;
}

/* Waits until the bystanders have got some more answers. */
static void wait_answers(unsigned long count) {
  unsigned long before = atomic_load_explicit(&answers, memory_order_acquire); /* bystand's release */
  for (int i = 0; atomic_load_explicit(&answers, memory_order_acquire) < before + count; i++) {
    CHECK(i < test_wait_ms(), "the bystanders stand still");
    usleep(1000);
  }
}

/* Waits until the broker has so few files open. */
static void wait_files(int files) {
  int now = 0;
  for (int i = 0; i < test_wait_ms() / 10; i++) {
    now = broker_files(&server);
    if (now <= files) return;
    usleep(10000);
  }
  CHECK(now <= files, "the broker has %d files open, had %d", now, files);
}

static void attack_subscriptions(void) {
  static char batch[60000];
  int count = test_scaled(SUBSCRIPTIONS);
  struct wire wire;
  wire_hello(&wire, server.port, "");
  size_t size = 0;
  for (int i = 0; i < count; i++) {
    const char *rest = i % 10 == 0 ? ".*.x" : i % 10 == 1 ? ".> q" : "";
    size += (size_t)snprintf(batch + size, sizeof batch - size, "SUB many.%d%s %d\r\n", i, rest, i + 1);
    if (size < sizeof batch - 100) continue;
    CHECK(wire_send(&wire, batch, size), "not taken");
    size = 0;
  }
  CHECK(wire_send(&wire, batch, size) && wire_sync(&wire, NULL), "no PONG after %d subscriptions", count);
  unsigned messages = 0;
  CHECK(wire_printf(&wire, "PUB many.%d 1\r\nx\r\nPUB many.%d.a.x 1\r\nx\r\n", count / 10 * 10 - 5,
                    count / 10 * 10 - 10) &&
            wire_sync(&wire, &messages),
        "no PONG");
  CHECK(messages == 2, "%u messages to subscriptions among %d", messages, count);
  wire_close(&wire, true);
}

static void attack_halves(void) {
  static const char *const texts[] = {"PUB a 1000\r\nxxxx",
                                      "PUB a 1048576\r\n",
                                      "HPUB a 100 1048576\r\nNATS/1.0\r\n",
                                      "SUB a",
                                      "CONNECT {\"verb",
                                      "P",
                                      "SUB a 1\r\nUNSUB 1 5\r\nPUB a 3\r\nabc\r\nPUB a 3\r\nab",
                                      "PUB a 4294967296\r\n",
                                      "PUB a 99999999999999999999\r\n",
                                      "PUB a 999999999\r\n",
                                      "HPUB a 4294967295 4294967296\r\n",
                                      "\xff\xff\xff\xff",
                                      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                                      "SUB > 1\r\nSUB > 2\r\nSUB > q 3\r\nPUB b c 1\r\nx\r\n",
                                      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                      ""};
  for (int i = 0; i < test_scaled(HALVES); i++) {
    struct wire wire;
    CHECK(wire_open(&wire, server.port), "refused");
    if (i % 3 == 0) wire_printf(&wire, "CONNECT {\"verbose\":false,\"headers\":true}\r\n");
    const char *text = texts[(size_t)i % (sizeof texts / sizeof *texts)];
    wire_send(&wire, text, strlen(text));
    if (i % 5 == 0) usleep(1000);
    wire_close(&wire, i % 2 == 0);
  }
  static struct wire silent[SILENT];
  int count = test_scaled(SILENT);
  for (int i = 0; i < count; i++) {
    CHECK(wire_open(&silent[i], server.port), "refused");
    if (i % 3 == 1) wire_send(&silent[i], "PUB a 500000\r\n", 14);
    if (i % 3 == 2) wire_send(&silent[i], "CONNECT {}\r\nSUB > 1\r\n", 21);
  }
  for (int i = 0; i < count; i++)
    wire_close(&silent[i], i % 2 == 0);
}

static void attack_files(void) {
  static struct wire many[CONNECTIONS_OVER];
  for (int i = 0; i < CONNECTIONS_OVER; i++)
    CHECK(wire_open(&many[i], server.port), "the kernel refused %d", i);
  wait_answers(100);
  for (int i = 0; i < CONNECTIONS_OVER; i++)
    wire_close(&many[i], i % 2 == 0);
  /* Accepting goes on: a new client gets its INFO in the end. */
  struct wire_event event = {.kind = WIRE_END};
  for (int i = 0; event.kind != WIRE_INFO; i++) {
    struct wire wire;
    CHECK(i < 100, "no new connection is served");
    if (wire_open(&wire, server.port)) wire_next(&wire, &event, test_wait_ms() / 30);
    wire_close(&wire, false);
    if (event.kind != WIRE_INFO) usleep(100000);
  }
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*attack)(void);
    int rounds, files_max, workers;
  } attacks[] = {{"subscriptions", attack_subscriptions, 4, 0, 1},
                 {"halves", attack_halves, 4, 0, 0},
                 {"files", attack_files, 3, FILES_MAX, 0}};
  CHECK(argc == 3, "usage: hostile BROKER ATTACK");
  test_allow_files(2 * SILENT);
  size_t which = 0;
  while (which < 3 && strcmp(attacks[which].name, argv[2]) != 0)
    which++;
  CHECK(which < 3, "unknown attack %s", argv[2]);

  struct broker_setup setup = {
      .path = argv[1], .files_max = attacks[which].files_max, .workers = attacks[which].workers};
  broker_start(&server, &setup);
  pthread_t bystander;
  pthread_create(&bystander, NULL, bystand, NULL);
  while (atomic_load_explicit(&answers, memory_order_acquire) < 100)
    usleep(1000); /* bystand's release */
  int files = broker_files(&server);
  long before_kib = broker_rss_kib(&server), first_kib = 0, after_kib = 0;
  for (int round = 0; round < attacks[which].rounds; round++) {
    unsigned long before = atomic_load_explicit(&answers, memory_order_acquire);
    attacks[which].attack();
    wait_files(files);
    unsigned long more = atomic_load_explicit(&answers, memory_order_acquire) - before;
    for (int i = 0; i < 20 && (i == 0 || broker_rss_kib(&server) < after_kib); i++) {
      after_kib = broker_rss_kib(&server); /* what was retired is freed a little later */
      usleep(100000);
    }
    if (round == attacks[which].rounds - 2) first_kib = after_kib;
    printf("round %d: %lu answers to bystanders, broker has %ld KiB (%ld at first)\n", round, more, after_kib,
           before_kib);
    wait_answers(100);
  }
  if (test_scale() == 1 && !server.is_reference)
    CHECK(after_kib - first_kib < GROWTH_MAX_KIB, "memory after each attack grew from %ld to %ld KiB",
          first_kib, after_kib);
  atomic_store_explicit(&over, true, memory_order_release); /* pairs with bystand's acquire */
  pthread_join(bystander, NULL);
  char *log = broker_log(&server);
  CHECK(!strstr(log, "[FTL]") && !strstr(log, "panic"), "the log says:\n%s", log);
  free(log);
  CHECK(broker_stop(&server, SIGINT) == 0, "exit code");
  return 0;
}
