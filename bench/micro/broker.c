/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a message cost from the publisher's bytes to the subscribers' bytes? The broker's core on simulated workers
 * in one thread: everything but threads and real time is the real thing. Clients are socket pairs; what the kernel does
 * is not counted, and neither is what this file does on the clients' side. A round is one chunk of up to 60 KB from the
 * publisher and the ticks of all workers until all of it has come out; an operation is one delivery, or one command.
 * size: bytes of a message; with: the scene.
 *
 *     local, cross    one publisher, one subscriber, on the same worker or on different ones
 *     again           the same, but all on one subject; in the others each subject comes every 1000 messages
 *     fan             100 subscribers of one subject on the publisher's worker; cross-fan: on the other
 *     memory          local, over the in-memory transport, its own cost included
 *     queue           a queue group of 4 on the publisher's worker; cross-queue: on the other
 *     nobody          nobody wants it
 *     permitted       local, and the publisher may publish to that and a hundred other things
 *     filtered        local, and the subscriber is denied some of what it subscribed to
 *     sub             SUB and UNSUB of a filter of its own
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "broker_sim.h"
#include "client.h"
#include "conf_report.h"
#include "micro.h"
#include "permit.h"

enum { CHUNK_BYTES = 60000, CLIENTS_MAX = 101, DELIVERIES_MAX = 20000, TICKS_MAX = 1000, SETTLED = 8 };

enum {
  LOCAL,
  LOCAL_AGAIN,
  CROSS,
  CROSS_AGAIN,
  FAN,
  CROSS_FAN,
  MEMORY,
  QUEUE,
  QUEUE_AGAIN,
  CROSS_QUEUE_AGAIN,
  NOBODY,
  PERMITTED,
  FILTERED,
  SUB
};

static const struct scene {
  const char *subscribe; /* what each subscriber sends; NULL: there is none */
  unsigned subscribers;
  unsigned receivers; /* of each message */
  unsigned worker;    /* where they are; the publisher is on 0 */
  bool in_memory;
  const char *line;     /* of a message, up to its size; %u: its number */
  unsigned long period; /* of the numbers */
  const char *permits;  /* the block of what all clients are permitted, up to a long list; NULL: everything */
} scenes[] = {
    [LOCAL] = {"SUB bench.* 1\r\n", 1, 1, 0, false, "PUB bench.%04u ", 1000, NULL},
    [LOCAL_AGAIN] = {"SUB bench.* 1\r\n", 1, 1, 0, false, "PUB bench.%04u ", 1, NULL},
    [CROSS] = {"SUB bench.* 1\r\n", 1, 1, 1, false, "PUB bench.%04u ", 1000, NULL},
    [CROSS_AGAIN] = {"SUB bench.* 1\r\n", 1, 1, 1, false, "PUB bench.%04u ", 1, NULL},
    [FAN] = {"SUB bench.* 1\r\n", 100, 100, 0, false, "PUB bench.%04u ", 1, NULL},
    [CROSS_FAN] = {"SUB bench.* 1\r\n", 100, 100, 1, false, "PUB bench.%04u ", 1, NULL},
    [MEMORY] = {"SUB bench.* 1\r\n", 1, 1, 0, true, "PUB bench.%04u ", 1000, NULL},
    [QUEUE] = {"SUB bench.* four 1\r\n", 4, 1, 0, false, "PUB bench.%04u ", 1000, NULL},
    [QUEUE_AGAIN] = {"SUB bench.* four 1\r\n", 4, 1, 0, false, "PUB bench.%04u ", 1, NULL},
    [CROSS_QUEUE_AGAIN] = {"SUB bench.* four 1\r\n", 4, 1, 1, false, "PUB bench.%04u ", 1, NULL},
    [NOBODY] = {NULL, 0, 0, 0, false, "PUB bench.%04u ", 1000, NULL},
    [PERMITTED] = {"SUB bench.* 1\r\n", 1, 1, 0, false, "PUB bench.%04u ", 1000, "{ publish: ['bench.*'"},
    [FILTERED] = {"SUB bench.> 1\r\n", 1, 1, 0, false, "PUB bench.%04u ", 1000,
                  "{ subscribe: {deny: ['bench.no'"},
    [SUB] = {NULL, 0, 0, 0, false, "SUB bench.%04u.x 1\r\nUNSUB 1\r\n", 1000, NULL},
};

static struct permissions *permits; /* NULL: everything */
static struct sim sim;
static struct sim_client clients[CLIENTS_MAX]; /* the first one publishes */
static const struct scene *scene;
static bool commands; /* the scene is of commands, not of messages */
static char chunk[CHUNK_BYTES + 256];
static size_t chunk_len;
static unsigned long operations; /* of a round */
static uint64_t expected;        /* figure when the round is over */

/* So many ticks that nothing is left to do: what is sent crosses to the other worker, comes out, and is read. */
static void settle(struct sim_client *client) {
  for (unsigned round = 0; round < SETTLED; round++) {
    for (unsigned i = 0; i < sim.count; i++)
      tern__worker_tick(tern_workers_at(sim.workers, i));
    tern__sim_grace_step(sim.workers);
  }
  sim_pull(client);
}

/* The scene's list with a hundred more entries in it. */
static void read_permits(void) {
  static char text[8192];
  size_t len = (size_t)snprintf(text, sizeof text, "permissions: %s", scene->permits);
  for (unsigned i = 0; i < 100; i++)
    len += (size_t)snprintf(text + len, sizeof text - len, ", other.%u.*.x", i);
  len += (size_t)snprintf(text + len, sizeof text - len, strchr(scene->permits + 1, '{') ? "]}}\n" : "]}\n");
  struct conf *conf;
  struct conf_error error;
  struct conf_report report = {0};
  if (conf_parse("permits", text, len, &conf, &error) != 0) micro_fail(error.text);
  if (permissions_read(conf_root(conf)->first, &report, &permits) != 0) micro_fail("wrong permissions");
  conf_free(conf);
}

static void connect_client(struct sim_client *client, unsigned worker, const char *subscribe) {
  static const struct tern_mem_faults none = {0};
  if (sim_connect(&sim, client, worker, scene->in_memory ? &none : NULL) != 0) micro_fail("cannot connect");
  if (permits != NULL) nats_permissions_changed(sim.core.nats.workers[worker]->clients, permits);
  sim_say(client, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
  if (subscribe != NULL) sim_say(client, subscribe);
  sim_say(client, "PING\r\n");
  settle(client);
  if (strstr(client->in, "PONG\r\n") == NULL) micro_fail("a client was not welcome");
}

/* Whole operations, ended by a PING whose answer says that all have been looked at. */
static void fill_chunk(unsigned long size) {
  unsigned long most = scene->receivers > 0 ? DELIVERIES_MAX / scene->receivers : DELIVERIES_MAX;
  chunk_len = 0;
  operations = 0;
  for (unsigned long i = 0; i < most && chunk_len + size + 64 < CHUNK_BYTES; i++) {
    char *at = chunk + chunk_len;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int len = snprintf(at, 64, scene->line, (unsigned)(i % scene->period));
#pragma GCC diagnostic pop
    if (!commands) {
      len += snprintf(at + len, 16, "%lu\r\n", size);
      memset(at + len, 'x', size);
      memcpy(at + len + size, "\r\n", 2);
      chunk_len += size + 2;
    }
    chunk_len += (size_t)len;
    operations++;
  }
  memcpy(chunk + chunk_len, "PING\r\n", 6);
  chunk_len += 6;
}

static void open_case(const struct micro_case *micro) {
  scene = &scenes[micro->with];
  commands = micro->with == SUB;
  sim.random = 1;
  if (sim_open(&sim, 2, 0, NULL) != 0) micro_fail("the broker does not start");
  sim.core.nats.workers[0]->routes[0]->random = 1; /* of picks in queue groups */
  if (scene->permits != NULL) read_permits();
  for (unsigned i = 0; i < scene->subscribers; i++)
    connect_client(&clients[1 + i], scene->worker, scene->subscribe);
  connect_client(&clients[0], 0, NULL);
  fill_chunk(micro->size);
  expected = 0;
}

/* Messages delivered, or -- when there are none to deliver -- answers to the publisher's PING. */
static uint64_t figure(void) {
  if (scene->receivers > 0)
    return tern_counter_read(&nats_worker_stats(sim.core.nats.workers[scene->worker])->out_msgs);
  char byte;
  return recv(clients[0].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void prepare(void) {
  settle(&clients[0]);
  for (unsigned i = 0; i <= scene->subscribers; i++) {
    sim_pull(&clients[i]);
    clients[i].in_len = 0;
  }
  expected = scene->receivers > 0 ? figure() + operations * scene->receivers : 1;
  sim_send(&clients[0], chunk, chunk_len);
}

static unsigned long run(void) {
  unsigned ticks = 0;
  while (figure() < expected) {
    for (unsigned i = 0; i < sim.count; i++)
      tern__worker_tick(tern_workers_at(sim.workers, i));
    if (++ticks == TICKS_MAX) micro_fail("a message got lost");
  }
  return scene->receivers > 0 ? operations * scene->receivers : operations;
}

static void close_case(void) {
  for (unsigned i = 0; i <= scene->subscribers; i++)
    sim_hang_up(&clients[i]);
  settle(&clients[0]);
  sim_close(&sim);
  for (unsigned i = 0; i <= scene->subscribers; i++)
    sim_client_free(&clients[i]);
  permissions_free(permits);
  permits = NULL;
}

int main(int argc, char **argv) {
#define CASE(name, size, with) \
  { name, size, with, 4, open_case, prepare, run, close_case }
  static const struct micro_case cases[] = {
      CASE("local-16", 16, LOCAL),
      CASE("local-128", 128, LOCAL),
      CASE("local-1024", 1024, LOCAL),
      CASE("again-16", 16, LOCAL_AGAIN),
      CASE("again-128", 128, LOCAL_AGAIN),
      CASE("cross-16", 16, CROSS),
      CASE("cross-128", 128, CROSS),
      CASE("cross-again-16", 16, CROSS_AGAIN),
      CASE("cross-again-128", 128, CROSS_AGAIN),
      CASE("cross-8192", 8192, CROSS),
      CASE("fan-128", 128, FAN),
      CASE("cross-fan-128", 128, CROSS_FAN),
      CASE("memory-128", 128, MEMORY),
      CASE("queue-128", 128, QUEUE),
      CASE("queue-again-16", 16, QUEUE_AGAIN),
      CASE("cross-queue-again-16", 16, CROSS_QUEUE_AGAIN),
      CASE("nobody-128", 128, NOBODY),
      CASE("permitted-16", 16, PERMITTED),
      CASE("filtered-16", 16, FILTERED),
      CASE("sub", 0, SUB),
  };
  return micro_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
