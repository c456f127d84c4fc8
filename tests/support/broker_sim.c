/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See broker_sim.h. Random steps keep each worker's phases in order, but interleave the workers freely.
 */
#include "broker_sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tern/limits.h>

#include "socket.h"

/* ticks after which a settled simulation has certainly nothing left to do, with the tiny rings tests use */
#define SETTLE_ROUNDS 400

struct nats_limits sim_limits(void) {
  return (struct nats_limits){
      .max_payload = TERN_PAYLOAD_MAX_BYTES_DEFAULT,
      .max_control_line = TERN_CONTROL_LINE_MAX_BYTES_DEFAULT,
      .max_pending = TERN_PENDING_MAX_BYTES_DEFAULT,
      .max_connections = TERN_CONNECTIONS_MAX_DEFAULT,
      .ping_interval_ms = 120000,
      .ping_max = 2,
      .write_deadline_ms = 10000,
  };
}

/* A simulated pool runs `started` while it is made, so the registry is made with the first worker. */
static int (*core_started)(void *arg, struct tern_worker *worker, void **data);

static int started(void *arg, struct tern_worker *worker, void **data) {
  struct core *core = arg;
  int error = core->account_count == 0 ? core_attach(core, tern_worker_pool_of(worker)) : 0;
  return error == 0 ? core_started(arg, worker, data) : error;
}

struct settings *sim_settings(const struct nats_limits *limits) {
  struct nats_limits defaults = sim_limits();
  struct nats_identity identity = {.server_id = "NSIM",
                                   .server_name = "sim",
                                   .nats_version = "2.12.0",
                                   .tern_version = "0",
                                   .host = "mem"};
  struct settings *settings = settings_new(limits != NULL ? limits : &defaults);
  if (settings == NULL || nats_settings_describe(settings, &identity) == 0) return settings;
  settings_unref(settings);
  return NULL;
}

int sim_open(struct sim *sim, unsigned workers, size_t ring_bytes, const struct nats_limits *limits) {
  uint64_t random = sim->random;
  bool watched = sim->watched;
  memset(sim, 0, sizeof *sim);
  sim->random = random | 1;
  sim->watched = watched;
  sim->count = workers;
  struct settings *settings = sim_settings(limits);
  if (settings == NULL) return -ENOMEM;
  core_init(&sim->core, settings, 0);
  sim->core.nats.watched = watched;
  struct tern_workers_options options = {
      .count = workers, .ring_bytes = ring_bytes, .latency_every = watched ? 1 : 0};
  core_worker_options(&sim->core, &options);
  core_started = options.started;
  options.started = started;
  int error = tern__workers_new_sim(&options, &sim->workers);
  if (error != 0) core_fini(&sim->core);
  return error;
}

/* Brings every worker to the end of its tick, so that whole ticks may follow. */
static void finish_ticks(struct sim *sim) {
  for (unsigned i = 0; i < sim->count; i++) {
    while (sim->next_phase[i] != 0) {
      tern__worker_step(tern_workers_at(sim->workers, i), sim->next_phase[i]);
      sim->next_phase[i] = (enum tern__phase)((sim->next_phase[i] + 1) % TERN__PHASES);
    }
  }
}

void sim_close(struct sim *sim) {
  finish_ticks(sim);
  tern_workers_stop(sim->workers, 1000);
  core_fini(&sim->core);
  tern_workers_free(sim->workers);
}

static void on_made(struct tern_protocol *protocol, struct tern_transport *transport) {
  ((struct sim_client *)protocol)->transport = transport;
}

/* What no test should cause. */
static void give_up(const char *why) {
  fprintf(stderr, "broker_sim: %s\n", why);
  abort();
}

static void collect(struct sim_client *client, const char *data, size_t len) {
  if (client->in_len + len + 1 > SIM_INPUT_MAX_BYTES)
    give_up("a client received more than there is room for");
  memcpy(client->in + client->in_len, data, len);
  client->in_len += len;
  client->in[client->in_len] = '\0';
}

static void on_data(struct tern_protocol *protocol, const struct tern_chunk *chunk) {
  collect((struct sim_client *)protocol, chunk->data, chunk->len);
}

static void on_lost(struct tern_protocol *protocol, int error) {
  (void)error;
  struct sim_client *client = (struct sim_client *)protocol;
  client->transport = NULL;
  client->lost = true;
}

static const struct tern_protocol_ops client_ops = {
    .connection_made = on_made, .data_received = on_data, .connection_lost = on_lost};

static int connect_in_memory(struct sim *sim, struct sim_client *client, struct tern_loop *loop,
                             const struct tern_mem_faults *faults) {
  struct tern_protocol *broker = nats_factory(&sim->core.nats, loop);
  if (broker == NULL) return -ENOMEM;
  int error = tern_mem_pair(loop, broker, &client->protocol, NULL, faults);
  if (error != 0) broker->ops->connection_lost(broker, error); /* as the listener does */
  return error;
}

static int connect_by_socket(struct sim *sim, struct sim_client *client, struct tern_loop *loop) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) abort();
  struct tern__address peer = {.storage.ss_family = AF_UNIX};
  int error = tern__socket_accepted(loop, ends[1], &peer, nats_factory, &sim->core.nats);
  if (error == 0)
    client->fd = ends[0];
  else
    close(ends[0]);
  return error;
}

int sim_connect(struct sim *sim, struct sim_client *client, unsigned worker,
                const struct tern_mem_faults *faults) {
  memset(client, 0, sizeof *client);
  client->protocol.ops = &client_ops;
  client->sim = sim;
  client->worker = worker;
  /* from the system: tests refuse malloc its memory, and only the touched part of it counts */
  client->in = mmap(NULL, SIM_INPUT_MAX_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (client->in == MAP_FAILED) abort();
  client->fd = -1;
  client->next = sim->clients;
  sim->clients = client;
  struct tern_worker *w = tern_workers_at(sim->workers, worker);
  tern__sim_enter(w);
  int error = faults != NULL ? connect_in_memory(sim, client, tern_worker_loop(w), faults)
                             : connect_by_socket(sim, client, tern_worker_loop(w));
  tern__sim_enter(NULL);
  client->lost = error != 0;
  return error;
}

void sim_client_free(struct sim_client *client) {
  if (client->fd >= 0) close(client->fd);
  client->fd = -1;
  for (struct sim_client **at = &client->sim->clients; *at != NULL; at = &(*at)->next) {
    if (*at != client) continue;
    *at = client->next;
    break;
  }
  munmap(client->in, SIM_INPUT_MAX_BYTES);
}

void sim_pull(struct sim_client *client) {
  char room[65536];
  ssize_t n = 1;
  while (client->fd >= 0 && (n = read(client->fd, room, sizeof room)) > 0)
    collect(client, room, (size_t)n);
  bool ended = client->fd >= 0 && (n == 0 || (n < 0 && errno != EAGAIN));
  if (ended) {
    close(client->fd);
    client->fd = -1;
    client->lost = true;
  }
}

void sim_send(struct sim_client *client, const char *text, size_t len) {
  if (client->fd >= 0) {
    ssize_t n = send(client->fd, text, len, MSG_NOSIGNAL);
    bool full = n < 0 ? errno == EAGAIN : (size_t)n != len;
    if (full) give_up("the broker leaves more unread than a socket buffer has room for");
  } else if (client->transport != NULL) {
    tern__sim_enter(tern_workers_at(client->sim->workers, client->worker));
    tern_transport_write(client->transport, text, len);
    tern__sim_enter(NULL);
  }
}

void sim_say(struct sim_client *client, const char *text) { sim_send(client, text, strlen(text)); }

void sim_hang_up(struct sim_client *client) {
  if (client->fd >= 0) {
    close(client->fd);
    client->fd = -1;
    client->lost = true;
  } else if (client->transport != NULL) {
    tern__sim_enter(tern_workers_at(client->sim->workers, client->worker));
    tern_transport_close(client->transport);
    tern__sim_enter(NULL);
  }
}

/* xorshift64*: repeatable from the seed. */
uint32_t sim_draw(struct sim *sim, uint32_t bound) {
  uint64_t x = sim->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  sim->random = x;
  return (uint32_t)((x * 0x2545F4914F6CDD1Du >> 32) * bound >> 32);
}

void sim_step(struct sim *sim) {
  uint32_t who = sim_draw(sim, sim->count * 8 + 1);
  if (who == sim->count * 8) {
    tern__sim_grace_step(sim->workers);
    return;
  }
  unsigned i = who / 8;
  tern__worker_step(tern_workers_at(sim->workers, i), sim->next_phase[i]);
  sim->next_phase[i] = (enum tern__phase)((sim->next_phase[i] + 1) % TERN__PHASES);
}

void sim_settle(struct sim *sim) {
  finish_ticks(sim);
  for (unsigned round = 0; round < SETTLE_ROUNDS; round++) {
    for (unsigned i = 0; i < sim->count; i++)
      tern__worker_tick(tern_workers_at(sim->workers, i));
    tern__sim_grace_step(sim->workers);
    for (struct sim_client *client = sim->clients; client != NULL; client = client->next)
      sim_pull(client);
  }
}
